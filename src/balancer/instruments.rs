//! What the balancer shows of itself: instruments that are read when they are collected.
//!
//! Nothing is recorded for a job but the counts that the balancer keeps anyway.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::incarnation::Outcome;
use super::shared::{Reason, Shared};
use super::{LaneSnapshot, WorkerSnapshot, WorkerState};
use crate::record::names::{
    BALANCER_REJECTED, BALANCER_SPILLED, Instrument, LANE_JOBS, LANE_RUNNING, LANE_WAITING, WORKER_IN_FLIGHT,
    WORKER_INCARNATION, WORKER_JOBS, WORKER_READY, keys,
};

/// Registers the instruments; they go silent when the balancer is dropped.
pub(super) fn register<J: Send + 'static, R: Send + 'static>(shared: &Arc<Shared<J, R>>, meter: &Meter) {
    let weak = Arc::downgrade(shared);
    worker_gauge(meter, &WORKER_IN_FLIGHT, &weak, |worker| {
        u64::try_from(worker.in_flight + worker.queue_depth).unwrap_or(u64::MAX)
    });
    worker_gauge(meter, &WORKER_INCARNATION, &weak, |worker| worker.incarnation);
    worker_gauge(meter, &WORKER_READY, &weak, |worker| u64::from(worker.state == WorkerState::Ready));

    let observed = weak.clone();
    counter(meter, &WORKER_JOBS, move |observe| {
        let Some(shared) = observed.upgrade() else { return };
        shared.each_slot(|slot| {
            for outcome in Outcome::ALL {
                let outcome_key = KeyValue::new(keys::OUTCOME, outcome.as_str());
                let worker_key = KeyValue::new(keys::WORKER_ID, i64::from(slot.id.0));
                observe(slot.counted(outcome), &[worker_key, outcome_key]);
            }
        });
    });
    let observed = weak.clone();
    counter(meter, &BALANCER_REJECTED, move |observe| {
        let Some(shared) = observed.upgrade() else { return };
        for reason in Reason::ALL {
            observe(shared.n_rejected(reason), &[KeyValue::new(keys::REASON, reason.as_str())]);
        }
    });
    counter(meter, &BALANCER_SPILLED, move |observe| {
        let Some(shared) = weak.upgrade() else { return };
        observe(shared.spilled.load(Ordering::Relaxed), &[]);
    });
}

/// Registers the instruments of lanes; each goes silent when its lane is dropped.
pub(super) fn register_lanes<W>(lanes: [W; 2], meter: &Meter)
where
    W: Fn() -> Option<LaneSnapshot> + Send + Sync + Clone + 'static,
{
    lane_gauge(meter, &LANE_RUNNING, lanes.clone(), |lane| lane.n_running);
    lane_gauge(meter, &LANE_WAITING, lanes.clone(), |lane| lane.n_waiting);
    counter(meter, &LANE_JOBS, move |observe| {
        for lane in lanes.iter().filter_map(|lane| lane()) {
            let outcomes = [
                ("done", lane.n_done),
                ("panicked", lane.n_panicked),
                ("refused", lane.n_refused),
                ("cancelled", lane.n_cancelled),
            ];
            for (outcome, n) in outcomes {
                observe(n, &[KeyValue::new(keys::LANE, lane.name), KeyValue::new(keys::OUTCOME, outcome)]);
            }
        }
    });
}

fn lane_gauge(
    meter: &Meter,
    instrument: &Instrument,
    lanes: [impl Fn() -> Option<LaneSnapshot> + Send + Sync + 'static; 2],
    value: fn(&LaneSnapshot) -> usize,
) {
    let builder = meter.u64_observable_gauge(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    let observe_all = builder.with_callback(move |observer| {
        for lane in lanes.iter().filter_map(|lane| lane()) {
            observer.observe(value(&lane) as u64, &[KeyValue::new(keys::LANE, lane.name)]);
        }
    });
    // The meter keeps the callback; the handle has no further use.
    let _ = observe_all.build();
}

fn worker_gauge<J: Send + 'static, R: Send + 'static>(
    meter: &Meter,
    instrument: &Instrument,
    shared: &Weak<Shared<J, R>>,
    value: fn(&WorkerSnapshot) -> u64,
) {
    let shared = shared.clone();
    let builder = meter.u64_observable_gauge(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    let observe_all = builder.with_callback(move |observer| {
        let Some(shared) = shared.upgrade() else { return };
        for worker in shared.snapshot() {
            observer.observe(value(&worker), &[KeyValue::new(keys::WORKER_ID, i64::from(worker.id.0))]);
        }
    });
    // The meter keeps the callback; the handle has no further use.
    let _ = observe_all.build();
}

fn counter(
    meter: &Meter,
    instrument: &Instrument,
    observe_all: impl Fn(&dyn Fn(u64, &[KeyValue])) + Send + Sync + 'static,
) {
    let builder = meter.u64_observable_counter(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    let builder = builder
        .with_callback(move |observer| observe_all(&|value, attributes| observer.observe(value, attributes)));
    // The meter keeps the callback; the handle has no further use.
    let _ = builder.build();
}
