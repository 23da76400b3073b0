//! Metric points and series.

use super::Labels;
use crate::clock::UnixMillis;

/// The bits of the NaN that ends a series (Prometheus's staleness marker).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// One value of one series at one time.
///
/// Equality is IEEE equality of the value, so a NaN never equals itself; compare bits
/// where that matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When the value was read.
    pub at: UnixMillis,
    /// The value; a staleness marker is the NaN [`STALE_NAN_BITS`].
    pub value: f64,
}

impl Sample {
    /// Returns true for a staleness marker: it says that the series ended, and has no value.
    pub fn is_stale_marker(&self) -> bool {
        self.value.to_bits() == STALE_NAN_BITS
    }
}

/// One value of one series inside a [`Scrape`], which holds the common time.
#[derive(Clone, Debug)]
pub struct Point {
    /// The series, its metric name under `__name__`.
    pub series: Labels,
    /// The value at the scrape's time.
    pub value: f64,
}

/// All series read at one moment; one shared time is what makes chunks small.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The moment that all points share.
    pub at: UnixMillis,
    /// The values, in any order, each series at most once.
    pub points: Vec<Point>,
}

/// A series with some of its samples, in time order.
#[derive(Clone, Debug)]
pub struct Series {
    /// What identifies the series.
    pub labels: Labels,
    /// Its samples, strictly ascending in time.
    pub samples: Vec<Sample>,
}

/// What kind of metric a name stands for (OpenMetrics types).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only goes up, but for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets with `_bucket`, `_sum` and `_count` series.
    Histogram,
}

impl MetricKind {
    /// Returns the type's word in Prometheus and OpenMetrics text.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// What is known about a metric besides its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The name as exposed, without `_bucket`, `_sum` or `_count`, with `_total`.
    pub name: String,
    /// Its type.
    pub kind: MetricKind,
    /// The unit's word as in the name (`seconds`, `bytes`), or `""`.
    pub unit: String,
    /// One sentence for people.
    pub help: String,
}
