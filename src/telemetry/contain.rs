//! A meter whose callbacks may panic and harm nobody.
//!
//! The SDK calls them while it holds its own locks: one panic would poison those, and
//! nothing could be read any more, of any instrument, until the process ends. So each
//! callback is caught on its own; its instrument stays without a value for that reading.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::metrics::{
    AsyncInstrumentBuilder, Callback, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder,
    InstrumentProvider, Meter, ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter,
};

/// Returns a meter that makes the instruments of `meter`, with contained callbacks.
pub(super) fn contained(meter: Meter) -> Meter {
    Meter::new(Arc::new(Contained(meter)))
}

struct Contained(Meter);

fn contain<M: 'static>(name: &str, callback: Callback<M>) -> Callback<M> {
    let (name, is_told) = (name.to_string(), AtomicBool::new(false));
    Box::new(move |observer| {
        let outcome = catch_unwind(AssertUnwindSafe(|| callback(observer)));
        // Said once: it is called with every reading, and the panic has printed itself.
        if outcome.is_err() && !is_told.swap(true, Ordering::Relaxed) {
            tracing::error!("a callback of the instrument {name} panicked; what it observes is missing");
        }
    })
}

macro_rules! recorded {
    ($($method:ident -> $made:ty;)*) => {$(
        fn $method(&self, asked: InstrumentBuilder<'_, $made>) -> $made {
            let mut builder = self.0.$method(asked.name);
            builder.description = asked.description;
            builder.unit = asked.unit;
            builder.build()
        }
    )*};
}

macro_rules! distributed {
    ($($method:ident -> $made:ty;)*) => {$(
        fn $method(&self, asked: HistogramBuilder<'_, $made>) -> $made {
            let mut builder = self.0.$method(asked.name);
            builder.description = asked.description;
            builder.unit = asked.unit;
            builder.boundaries = asked.boundaries;
            builder.build()
        }
    )*};
}

macro_rules! observed {
    ($($method:ident -> $made:ident<$number:ty>;)*) => {$(
        fn $method(
            &self,
            asked: AsyncInstrumentBuilder<'_, $made<$number>, $number>,
        ) -> $made<$number> {
            let callbacks = asked.callbacks.into_iter().map(|callback| contain(&asked.name, callback));
            let callbacks = callbacks.collect();
            let mut builder = self.0.$method(asked.name);
            builder.description = asked.description;
            builder.unit = asked.unit;
            builder.callbacks = callbacks;
            builder.build()
        }
    )*};
}

impl InstrumentProvider for Contained {
    recorded! {
        u64_counter -> Counter<u64>;
        f64_counter -> Counter<f64>;
        i64_up_down_counter -> UpDownCounter<i64>;
        f64_up_down_counter -> UpDownCounter<f64>;
        u64_gauge -> Gauge<u64>;
        f64_gauge -> Gauge<f64>;
        i64_gauge -> Gauge<i64>;
    }
    distributed! {
        f64_histogram -> Histogram<f64>;
        u64_histogram -> Histogram<u64>;
    }
    observed! {
        u64_observable_counter -> ObservableCounter<u64>;
        f64_observable_counter -> ObservableCounter<f64>;
        i64_observable_up_down_counter -> ObservableUpDownCounter<i64>;
        f64_observable_up_down_counter -> ObservableUpDownCounter<f64>;
        u64_observable_gauge -> ObservableGauge<u64>;
        i64_observable_gauge -> ObservableGauge<i64>;
        f64_observable_gauge -> ObservableGauge<f64>;
    }
}
