//! Threads that help with long work and give everything else way.

use std::panic::resume_unwind;
use std::thread;

use super::{END, End, until_end};

/// The lowest priority there is; anybody may lower a thread's own.
#[cfg(target_os = "linux")]
const LOWEST_PRIORITY: i32 = 19;

/// Puts all other threads before this one.
#[cfg(target_os = "linux")]
pub fn give_everything_else_way() -> std::io::Result<()> {
    // To Linux a thread is a process of its own here, contrary to POSIX; see setpriority(2).
    let thread = Some(rustix::thread::gettid());
    Ok(rustix::process::setpriority_process(thread, LOWEST_PRIORITY)?)
}

/// Puts all other threads before this one, where that can be done.
#[cfg(not(target_os = "linux"))]
pub fn give_everything_else_way() -> std::io::Result<()> {
    Ok(())
}

/// Does the same work on this thread and on so many more, which give everything else way and end when
/// this one is to end, and returns what each of them came to, this one first. Threads that cannot be
/// started are left out: without them it takes longer, and that is all.
pub fn with_helpers<T: Send>(n_helpers: usize, name: &str, work: impl Fn() -> T + Sync) -> Vec<T> {
    let end = END.with_borrow(End::clone);
    thread::scope(|scope| {
        let helper = |_| {
            let (end, work) = (end.clone(), &work);
            let work = move || {
                if let Err(fault) = give_everything_else_way() {
                    tracing::debug!("a helper works at the priority of pages: {fault}");
                }
                until_end(end, work)
            };
            thread::Builder::new().name(name.into()).spawn_scoped(scope, work).ok()
        };
        let helpers: Vec<_> = (0..n_helpers).filter_map(helper).collect();
        let mut res = vec![work()];
        res.extend(
            helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic))),
        );
        res
    })
}

/// Returns how many helpers there is a processor for; a small server has no more than four.
pub fn n_helpers() -> usize {
    const THREADS_MAX: usize = 4;
    thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX) - 1
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{give_way, paced};
    use super::*;

    #[test]
    fn helpers_end_when_nobody_waits_for_the_work() {
        let n_ended = AtomicUsize::new(0);
        let work = || {
            while give_way().is_continue() {}
            n_ended.fetch_add(1, Ordering::Relaxed);
        };
        paced(|| true, || with_helpers(3, "helper", work));
        assert_eq!(n_ended.into_inner(), 4);
    }
}
