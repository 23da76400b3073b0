//! What the figures were taken on.

use std::fs;
use std::process::Command;

use super::programs::Programs;

/// Returns the processor, the kernel and the versions of the programs, in one line.
pub fn describe(programs: &Programs) -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{model}, {} cores, Linux {}, {}, {}",
        n_cores(),
        kernel.trim(),
        version(&programs.nginx).trim_start_matches("nginx version: "),
        version(&programs.wrk).split(" [").next().unwrap_or_default(),
    )
}

/// Returns the cores that this process may use, which is how many http threads vitrine has.
pub fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the first line that a program answers to `-v`, on whichever output.
fn version(program: &str) -> String {
    let output = Command::new(program).arg("-v").output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_string()
}
