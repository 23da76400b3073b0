//! Long work beside which others have their turn, and which ends when nobody waits for it.
//!
//! Whoever runs long work says so by [`paced`]; the loops of that work, wherever they are, call
//! [`give_way`]. So a walk over a year of history need not know what it is run by.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

/// Others have the processor as often as this.
const SLICE: Duration = Duration::from_millis(1);

type IsLeft = Box<dyn Fn() -> bool>;

thread_local! {
    static IS_LEFT: RefCell<Option<IsLeft>> = const { RefCell::new(None) };
    static LAST_YIELD: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Ends what [`paced`] began, also when the work panics.
struct Paced;

impl Drop for Paced {
    fn drop(&mut self) {
        IS_LEFT.set(None);
        LAST_YIELD.set(None);
    }
}

/// Does work whose loops give way; `is_left` says whether nobody waits for it any more.
pub fn paced<T>(is_left: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    IS_LEFT.set(Some(Box::new(is_left)));
    LAST_YIELD.set(Some(Instant::now()));
    let _paced = Paced;
    work()
}

/// Lets others have the processor when a millisecond passed since the last time; breaks when
/// nobody waits for this work any more. Outside of [`paced`] work it does nothing.
pub fn give_way() -> ControlFlow<()> {
    let Some(last) = LAST_YIELD.get() else { return ControlFlow::Continue(()) };
    if last.elapsed() < SLICE {
        return ControlFlow::Continue(());
    }
    std::thread::yield_now();
    LAST_YIELD.set(Some(Instant::now()));
    let is_left = IS_LEFT.with_borrow(|is_left| is_left.as_ref().is_some_and(|is_left| is_left()));
    if is_left { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

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

/// Does the same work on this thread and on so many more, which give everything else way, and returns
/// what each of them came to, this one first. Threads that cannot be started are left out: without
/// them it takes longer, and that is all.
pub fn with_helpers<T: Send>(n_helpers: usize, name: &str, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let helper = |_| {
            let work = || {
                if let Err(fault) = give_everything_else_way() {
                    tracing::debug!("a helper works at the priority of pages: {fault}");
                }
                work()
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
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn only_paced_work_is_told_to_end() {
        assert!(give_way().is_continue());
        paced(|| true, || while give_way().is_continue() {});
        let until = Instant::now() + 3 * SLICE;
        paced(
            || false,
            || {
                while Instant::now() < until {
                    assert!(give_way().is_continue())
                }
            },
        );
        assert!(catch_unwind(|| paced(|| true, || panic!("a fault"))).is_err());
        assert!(LAST_YIELD.get().is_none());
    }
}
