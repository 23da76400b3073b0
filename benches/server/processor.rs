//! Processor time of servers, whatever number of processes they are.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use procfs::process::{Stat, all_processes};

/// Between two looks at whether anything was used.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// vitrine flushes its store each second: what was quiet for longer has nothing left to write.
const REST: Duration = Duration::from_millis(1_100);

/// Whoever is not at rest by now works all the time, and what it did so far counts.
const REST_WAIT_MAX: Duration = Duration::from_secs(5);

/// Waits until these processes have done what was left of their work.
pub fn wait_for_rest(roots: &[i32]) {
    let began = Instant::now();
    let mut last = (time_of(roots), began);
    while last.1.elapsed() < REST && began.elapsed() < REST_WAIT_MAX {
        std::thread::sleep(LOOK_INTERVAL);
        let used = time_of(roots);
        last = if used == last.0 { last } else { (used, Instant::now()) };
    }
}

/// Returns what these processes and their descendants have used so far.
pub fn time_of(roots: &[i32]) -> Duration {
    // A process that ends meanwhile is none of a server.
    let all: Vec<Stat> = all_processes().unwrap().filter_map(|process| process.ok()?.stat().ok()).collect();
    let mut members: HashSet<i32> = roots.iter().copied().collect();
    loop {
        let n_members = members.len();
        let children = all.iter().filter(|stat| members.contains(&stat.ppid)).map(|stat| stat.pid);
        members.extend(children.collect::<Vec<_>>());
        if members.len() == n_members {
            break;
        }
    }
    let ticks: u64 =
        all.iter().filter(|stat| members.contains(&stat.pid)).map(|stat| stat.utime + stat.stime).sum();
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}
