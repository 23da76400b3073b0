//! Counters that somebody else keeps, as observable instruments.

use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::record::names::Instrument;

/// Notes one number and its labels.
pub type Note<'n> = &'n mut dyn FnMut(u64, &[KeyValue]);

/// Registers a counter that `read` tells of whenever it is asked; it goes silent with `counts`.
pub fn counter<T: Send + Sync + 'static>(
    meter: &Meter,
    instrument: Instrument,
    counts: &Arc<T>,
    read: impl Fn(&T, Note<'_>) + Send + Sync + 'static,
) {
    let counts: Weak<T> = Arc::downgrade(counts);
    let builder = meter.u64_observable_counter(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    let observe = builder.with_callback(move |observer| {
        if let Some(counts) = counts.upgrade() {
            read(&counts, &mut |n, labels| observer.observe(n, labels));
        }
    });
    // The meter keeps the callback; the handle has no further use.
    _ = observe.build();
}
