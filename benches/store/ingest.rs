//! What taking in samples and lines costs, in time and in memory.

use super::child::{self, Task};
use super::feed::{Load, MEMORY_SERIES, MEMORY_STEP};
use super::history::Run;
use super::lines::LINES_PER_SECOND;
use super::measure::Took;
use super::table::{Row, Section, bytes, count};

/// Memory at 10,000 series and 1,000 lines a second, and of each query.
pub const MEMORY_MAX: u64 = 96_000_000;

/// Lines per second of processor time; the budget is that of a push over HTTP, of which the
/// store is a part.
const LINES_MIN: f64 = 100_000.0;

/// Returns what it costs.
pub fn section(run: &mut Run) -> Section {
    let mut section = Section::new("Ingest");
    let history = run.history();
    let (n_samples, n_lines) = (history.metrics.n_samples, history.logs.told.n_lines);
    section.push(rate("samples", n_samples, &history.metrics.took));
    let per_s = n_lines as f64 / history.logs.took.cpu.as_secs_f64();
    let budget = format!("≥ {}/s", count(LINES_MIN as u64));
    section.push(rate("lines, mixed", n_lines, &history.logs.took).budget(budget, per_s >= LINES_MIN));

    let dir = run.dir.join("load");
    let load: Load = child::run(&Task::Load { dir: dir.clone(), seed: run.seed, scale: run.scale });
    std::fs::remove_dir_all(&dir).unwrap();
    let what = format!(
        "memory at {} series each {} s and {} lines/s",
        count(MEMORY_SERIES as u64),
        MEMORY_STEP.as_secs(),
        count(LINES_PER_SECOND as u64),
    );
    section.push(
        Row::new(what, bytes(load.peak_bytes))
            .budget(format!("≤ {}", bytes(MEMORY_MAX)), load.peak_bytes <= MEMORY_MAX)
            .note(format!("highest RSS {}", bytes(load.peak_rss_bytes)))
            .note(format!("{} before the store was opened", bytes(load.before_bytes))),
    );
    let cpu = load.took.cpu.as_secs_f64() / load.together.as_secs_f64();
    section.push(
        Row::new("processor time at that pace", format!("{:.2} % of a core", cpu * 100.0))
            .note(format!("{} s of simulated time, a flush each second", load.together.as_secs())),
    );
    section.footnote(
        "Per second of processor time of the whole process without the generators, roll-ups and closing \
         included. Memory is the highest proportional set size of a process of its own (/proc/self/smaps_rollup \
         each 5 ms), the generators included; the highest RSS is the system's own, VmHWM.",
    );
    section
}

fn rate(what: &str, n: u64, took: &Took) -> Row {
    let per_s = |seconds: f64| count((n as f64 / seconds) as u64);
    Row::new(format!("{what} per second of processor time"), format!("{}/s", per_s(took.cpu.as_secs_f64())))
        .note(format!("{}/s by the wall", per_s(took.wall.as_secs_f64())))
        .note(format!("{} in {:.1} s of processor time", count(n), took.cpu.as_secs_f64()))
}
