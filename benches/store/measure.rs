//! How figures are taken: processor time, memory, disk blocks, the page cache.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::Advice;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Time of the wall and of the processors.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Took {
    /// By the wall.
    pub wall: Duration,
    /// Of all threads of this process.
    pub cpu: Duration,
}

/// Adds up what the calls into the store take, and leaves out what the generators take.
pub struct Stopwatch {
    cpu_began: Duration,
    cpu_made: Duration,
    wall: Duration,
}

impl Stopwatch {
    /// Begins.
    pub fn start() -> Self {
        Stopwatch { cpu_began: cpu(ClockId::ProcessCPUTime), cpu_made: Duration::ZERO, wall: Duration::ZERO }
    }

    /// Runs a generator on this thread, whose time does not count.
    pub fn make<T>(&mut self, make: impl FnOnce() -> T) -> T {
        let began = cpu(ClockId::ThreadCPUTime);
        let res = make();
        self.cpu_made += cpu(ClockId::ThreadCPUTime) - began;
        res
    }

    /// Runs what shall be measured. The processor's time counts all along, since the store
    /// works on threads of its own.
    pub fn measure<T>(&mut self, measured: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let res = measured();
        self.wall += began.elapsed();
        res
    }

    /// Ends.
    pub fn stop(self) -> Took {
        Took { wall: self.wall, cpu: cpu(ClockId::ProcessCPUTime) - self.cpu_began - self.cpu_made }
    }
}

fn cpu(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Watches this process's memory from a thread.
pub struct MemoryWatch {
    seen: Arc<Seen>,
    // Ended and waited for by `stop`.
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    peak_bytes: AtomicU64,
    looking_ns: AtomicU64,
    is_over: AtomicBool,
}

/// Time between two looks: what lives for a shorter time may be missed. A look takes about a
/// tenth of this.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl MemoryWatch {
    /// Begins to watch.
    pub fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        let thread = std::thread::spawn(move || {
            // One look at least, whatever ended how soon.
            loop {
                shared.peak_bytes.fetch_max(pss_bytes(), Ordering::Relaxed);
                let looking_ns = cpu(ClockId::ThreadCPUTime).as_nanos() as u64;
                shared.looking_ns.store(looking_ns, Ordering::Relaxed);
                if shared.is_over.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        });
        MemoryWatch { seen, thread }
    }

    /// Returns the processor time that looking took so far.
    pub fn looking(&self) -> Duration {
        Duration::from_nanos(self.seen.looking_ns.load(Ordering::Relaxed))
    }

    /// Ends; returns the highest proportional set size seen.
    pub fn stop(self) -> u64 {
        self.seen.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.seen.peak_bytes.load(Ordering::Relaxed)
    }
}

/// Returns this process's proportional set size: shared pages count by how many share them.
pub fn pss_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    kibibytes(&text, "Pss:").unwrap_or(0)
}

/// Returns the highest resident set size that a process has had, as the system kept it.
pub fn peak_rss_bytes(pid: u32) -> Option<u64> {
    kibibytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|n| n * 1_024)
}

/// Returns the allocated blocks of a folder with everything in it, in bytes, as `du` counts
/// them; nothing for what is not there.
pub fn disk_bytes(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let inside = if metadata.is_dir() { fs::read_dir(path).ok() } else { None };
    let inside = inside.into_iter().flatten().flatten().map(|entry| disk_bytes(&entry.path()));
    metadata.blocks() * 512 + inside.sum::<u64>()
}

/// How much of what a reader finds is still in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cold {
    /// Every page, folder and file of the machine was dropped, the program's own included.
    Machine,
    /// The pages of the store's files were dropped.
    Files,
}

/// Drops the page cache, as far as this user may; writes out what is dirty first.
pub fn drop_page_cache(dir: &Path) -> Cold {
    rustix::fs::sync();
    if fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
        return Cold::Machine;
    }
    // Only a file that went meanwhile cannot be advised on.
    let _ = drop_pages_of(dir);
    Cold::Files
}

fn drop_pages_of(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| drop_pages_of(&entry?.path()));
    }
    rustix::fs::fadvise(File::open(path)?, 0, None, Advice::DontNeed).map_err(io::Error::from)
}

/// Returns the middle one.
pub fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
