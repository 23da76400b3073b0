//! What an export thread is told to do, and how it sleeps so that it hears it.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What an export thread should be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Collect, send, retry.
    Running,
    /// Other settings took over: stop at once.
    Retired,
    /// The process stops: send what is left, once, and be done by then.
    Flushing(Instant),
}

struct State {
    phase: Phase,
    /// There is enough to send; ends a wait for work, but not a pause before a retry.
    has_work: bool,
}

/// Shared by a thread and whoever commands it.
pub(super) struct Control {
    /// Held to look and to set; a waiter gives it up while it sleeps.
    state: Mutex<State>,
    changed: Condvar,
}

impl Control {
    pub(super) fn new() -> Self {
        Control {
            state: Mutex::new(State { phase: Phase::Running, has_work: false }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn set(&self, phase: Phase) {
        self.state.lock().expect("no panic while the phase is held").phase = phase;
        self.changed.notify_all();
    }

    /// Says that there is enough to send.
    pub(super) fn nudge(&self) {
        self.state.lock().expect("no panic while the phase is held").has_work = true;
        self.changed.notify_all();
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().expect("no panic while the phase is held").phase
    }

    /// Sleeps until there is work or a command, at most `longest`.
    pub(super) fn wait_for_work(&self, longest: Duration) -> Phase {
        self.sleep(longest, |state| state.has_work)
    }

    /// Sleeps until a command, at most `longest`.
    pub(super) fn pause(&self, longest: Duration) -> Phase {
        self.sleep(longest, |_| false)
    }

    fn sleep(&self, longest: Duration, is_woken: impl Fn(&State) -> bool) -> Phase {
        let state = self.state.lock().expect("no panic while the phase is held");
        let is_asleep = |state: &mut State| state.phase == Phase::Running && !is_woken(state);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, longest, is_asleep)
            .expect("no panic while the phase is held");
        state.has_work = false;
        state.phase
    }
}
