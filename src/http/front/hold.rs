//! The gate: shut while the one behind cannot be reached. Whoever waits at it is woken by one
//! probe, so that many who wait cost no more than one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::client::{Destination, Fault};
use super::journal::Journal;

/// Requests that are held at a time; one more is answered 503. A held one costs its connection
/// and what the kernel keeps of its body.
const HELD_MAX: usize = 2_000;

/// Between two attempts to reach the one behind.
const PROBE_PAUSE: Duration = Duration::from_millis(50);

/// The same once it has been away for longer than anybody is held.
const LATER_PAUSE: Duration = Duration::from_millis(500);

/// The longest `--hold`.
const LONG: Duration = Duration::from_secs(60);

/// Whether the one behind can be reached, as far as is known.
pub(super) struct Gate {
    to: Destination,
    places: Semaphore,
    is_away: watch::Sender<bool>,
    journal: Arc<Journal>,
}

impl Gate {
    pub(super) fn new(to: Destination, journal: Arc<Journal>) -> Arc<Self> {
        let (places, is_away) = (Semaphore::new(HELD_MAX), watch::Sender::new(false));
        Arc::new(Gate { to, places, is_away, journal })
    }

    pub(super) fn is_away(&self) -> bool {
        *self.is_away.borrow()
    }

    /// Waits until the one behind can be reached.
    pub(super) async fn wait(self: &Arc<Self>, until: Instant) -> Result<(), Fault> {
        let _place = self.places.try_acquire().map_err(|_| Fault::Crowded)?;
        let mut back = self.is_away.subscribe();
        if !self.is_away.send_replace(true) {
            // It ends when the one behind can be reached, or with its thread, and opens the gate
            // in either case.
            actix_web::rt::spawn(Probe(self.clone()).run());
        }
        match tokio::time::timeout_at(until, back.wait_for(|is_away| !is_away)).await {
            // The sender is our own.
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::HeldTooLong),
        }
    }
}

/// Looks for the one behind while it is away.
struct Probe(Arc<Gate>);

impl Probe {
    async fn run(self) {
        let (gate, begun) = (&self.0, Instant::now());
        let says = gate.journal.may_tell_of_absence();
        if says {
            gate.journal.say(&format!("{} cannot be reached, requests are held", gate.to));
        }
        loop {
            let pause = if begun.elapsed() < LONG { PROBE_PAUSE } else { LATER_PAUSE };
            tokio::time::sleep(pause).await;
            if gate.to.connect().await.is_ok() {
                break;
            }
        }
        if says {
            let (took, n_held) = (begun.elapsed(), gate.is_away.receiver_count());
            gate.journal.say(&format!("{} is back after {took:.1?}, {n_held} requests were held", gate.to));
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.is_away.send_replace(false);
    }
}
