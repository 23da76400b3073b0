//! The thread of a signal whose records wait in a queue: log records, spans.

use std::sync::Arc;
use std::time::Duration;

use super::contain;
use super::control::{Control, Phase};
use super::courier::{Courier, NotDelivered};
use super::health::Health;
use super::queue::{Queue, Queued};
use crate::clock::{Clock, UnixNanos};

/// A record waits no longer than this for others to travel with, as the OpenTelemetry
/// batch processor does.
pub(super) const BATCH_DELAY: Duration = Duration::from_secs(1);

/// How long one batch is tried: a restart or upgrade of a collector takes less. Then the
/// next batch is tried, so one that the far end cannot digest is no dam.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// Makes a body of records, the attributes of this process and the time of now.
pub(super) type Encode<T> = fn(&[T], &[(String, String)], UnixNanos) -> Vec<u8>;

/// Sends what waits in a queue.
pub(super) struct BatchExporter<T> {
    pub(super) queue: Arc<Queue<T>>,
    pub(super) encode: Encode<T>,
    pub(super) resource: Arc<[(String, String)]>,
    pub(super) clock: Clock,
    pub(super) health: Arc<Health>,
    pub(super) control: Arc<Control>,
    pub(super) url: String,
    pub(super) courier: Courier,
}

impl<T: Queued> BatchExporter<T> {
    /// Runs until it is told to end.
    pub(super) fn run(&self) {
        loop {
            let phase = self.control.wait_for_work(BATCH_DELAY);
            if phase == Phase::Retired || !self.send_all() || matches!(phase, Phase::Flushing(_)) {
                return;
            }
        }
    }

    /// Sends what waits; false when other settings took over.
    fn send_all(&self) -> bool {
        loop {
            let batch = self.queue.take();
            if batch.is_empty() {
                return true;
            }
            let deliver = || {
                let body = (self.encode)(&batch, &self.resource, self.clock.now());
                self.courier.deliver(&self.courier.payload(&body))
            };
            match contain(&self.health, &self.url, deliver) {
                Some(Ok(())) => {}
                Some(Err(NotDelivered::Refused | NotDelivered::TimedOut)) | None => {
                    self.health.drop_records(batch.len() as u64);
                }
                Some(Err(NotDelivered::Retired)) => {
                    self.health.drop_records(self.queue.give_back(batch));
                    return false;
                }
            }
        }
    }
}
