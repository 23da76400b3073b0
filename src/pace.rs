//! Long work beside which others have their turn, and which ends when nobody waits for it.
//!
//! Whoever runs long work says so by [`paced`], and by [`within`] how long it may take; the loops of
//! that work, wherever they are, call [`give_way`]. So a walk over a year of history need not know what
//! it is run by, nor the threads that help with it.

pub mod threads;

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Others have the processor as often as this.
const SLICE: Duration = Duration::from_millis(1);

/// When work is to end.
#[derive(Clone, Default)]
struct End {
    /// Says whether nobody waits for it any more.
    is_left: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// It may take until then.
    until: Option<Instant>,
}

/// Why work is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody waits for it any more.
    Left,
    /// Its time is over.
    Late,
}

impl End {
    fn come(&self) -> Option<Ending> {
        if self.is_left.as_ref().is_some_and(|is_left| is_left()) {
            return Some(Ending::Left);
        }
        self.until.filter(|until| Instant::now() >= *until).map(|_| Ending::Late)
    }
}

thread_local! {
    static END: RefCell<End> = RefCell::default();
    static LAST_YIELD: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Puts back what was before, also when the work panics.
struct Before {
    end: End,
    last_yield: Option<Instant>,
}

impl Drop for Before {
    fn drop(&mut self) {
        END.set(std::mem::take(&mut self.end));
        LAST_YIELD.set(self.last_yield);
    }
}

fn until_end<T>(end: End, work: impl FnOnce() -> T) -> T {
    let _before = Before { end: END.replace(end), last_yield: LAST_YIELD.replace(Some(Instant::now())) };
    work()
}

/// Does work whose loops give way; `is_left` says whether nobody waits for it any more.
pub fn paced<T>(is_left: impl Fn() -> bool + Send + Sync + 'static, work: impl FnOnce() -> T) -> T {
    until_end(End { is_left: Some(Arc::new(is_left)), until: None }, work)
}

/// Does work, a part of other work perhaps, whose loops give way and end at a time; the time of the work
/// around it counts too.
pub fn within<T>(until: Option<Instant>, work: impl FnOnce() -> T) -> T {
    let mut end = END.with_borrow(End::clone);
    end.until = end.until.into_iter().chain(until).min();
    until_end(end, work)
}

/// Lets others have the processor when a millisecond passed since the last time; breaks when the work
/// is to end. Outside of [`paced`] and [`within`] it does nothing.
pub fn give_way() -> ControlFlow<()> {
    let Some(last) = LAST_YIELD.get() else { return ControlFlow::Continue(()) };
    if last.elapsed() < SLICE {
        return ControlFlow::Continue(());
    }
    std::thread::yield_now();
    if END.with_borrow(End::come).is_some() {
        // Whoever asks again is told again.
        return ControlFlow::Break(());
    }
    LAST_YIELD.set(Some(Instant::now()));
    ControlFlow::Continue(())
}

/// Says whether work is to end, and why; none outside of [`paced`] and [`within`]. A walk that was told
/// to end may look like one that came to its end: whoever keeps what was found asks this afterwards.
pub fn ending() -> Option<Ending> {
    END.with_borrow(End::come)
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

    #[test]
    fn work_that_was_broken_off_can_be_told_from_work_that_came_to_its_end() {
        assert_eq!(ending(), None);
        let past = Some(Instant::now());
        assert_eq!(within(past, ending), Some(Ending::Late));
        assert_eq!(paced(|| true, || within(past, ending)), Some(Ending::Left));
        let late = Instant::now().checked_add(Duration::from_secs(3_600));
        assert_eq!(paced(|| false, || within(late, ending)), None);
    }

    #[test]
    fn work_ends_at_its_time_and_at_that_of_the_work_around_it() {
        let soon = || Some(Instant::now() + SLICE);
        let late = Instant::now().checked_add(Duration::from_secs(3_600));
        within(soon(), || {
            while give_way().is_continue() {}
            assert!(give_way().is_break());
        });
        within(soon(), || within(late, || while give_way().is_continue() {}));
        paced(|| true, || within(late, || while give_way().is_continue() {}));
        assert!(LAST_YIELD.get().is_none());
    }
}
