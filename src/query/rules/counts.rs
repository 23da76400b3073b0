//! What rules say about themselves, as instruments; the numbers are those of the view.

use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::view::{GroupView, RulesView};
use crate::record::names::{
    Instrument, RULE_EVALUATIONS, RULE_FAILURES, RULE_GROUP_DURATION, RULE_GROUP_LAST, RULE_MISSED, keys,
};

/// Registers the instruments; they go silent with `source`, which gives the view of the moment.
pub fn observe<T: Send + Sync + 'static>(meter: &Meter, source: &Arc<T>, view: fn(&T) -> RulesView) {
    counter(meter, RULE_EVALUATIONS, source, view, |group| group.outcome.n_evaluations);
    counter(meter, RULE_FAILURES, source, view, |group| group.outcome.n_failures);
    counter(meter, RULE_MISSED, source, view, |group| group.outcome.n_missed);
    gauge(meter, RULE_GROUP_DURATION, source, view, |group| {
        group.outcome.last_evaluation.map(|_| group.outcome.evaluation_time.as_secs_f64())
    });
    gauge(meter, RULE_GROUP_LAST, source, view, |group| {
        group.outcome.last_evaluation.map(|at| at.0 as f64 / 1e3)
    });
}

/// The label values are names that the owner wrote, as many as there are groups.
fn labels(group: &GroupView) -> [KeyValue; 1] {
    [KeyValue::new(keys::RULE_GROUP, format!("{};{}", group.file, group.name))]
}

fn counter<T: Send + Sync + 'static>(
    meter: &Meter,
    instrument: Instrument,
    source: &Arc<T>,
    view: fn(&T) -> RulesView,
    read: fn(&GroupView) -> u64,
) {
    let source: Weak<T> = Arc::downgrade(source);
    let builder = meter.u64_observable_counter(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    // The meter keeps the callback; the handle has no further use.
    _ = builder
        .with_callback(move |observer| {
            let Some(source) = source.upgrade() else { return };
            view(&source).iter().for_each(|group| observer.observe(read(group), &labels(group)));
        })
        .build();
}

fn gauge<T: Send + Sync + 'static>(
    meter: &Meter,
    instrument: Instrument,
    source: &Arc<T>,
    view: fn(&T) -> RulesView,
    read: fn(&GroupView) -> Option<f64>,
) {
    let source: Weak<T> = Arc::downgrade(source);
    let builder = meter.f64_observable_gauge(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    _ = builder
        .with_callback(move |observer| {
            let Some(source) = source.upgrade() else { return };
            for group in view(&source).iter() {
                if let Some(value) = read(group) {
                    observer.observe(value, &labels(group));
                }
            }
        })
        .build();
}
