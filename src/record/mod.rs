//! What we say about ourselves, as plain data.
//!
//! Every part that observes and every part that keeps or shows what was observed meets
//! here: labels, metric points and their roll-ups, log records, spans, the access record of
//! one request, its spans and what a visitor looked at by it, trace ids and which of them are recorded, the names of all our
//! instruments, how seldom the same is said again, and the three traits through which a query
//! language reads a store. Nothing here does any input or output, and nothing here knows who
//! produces or consumes it.

pub mod access;
pub mod address;
pub mod labels;
pub mod log;
pub mod metric;
pub mod names;
pub mod pattern;
pub mod read;
pub mod request_spans;
pub mod ring;
pub mod rollup;
pub mod sampling;
pub mod seldom;
pub mod span;
pub mod sum;
pub mod trace;
pub mod view;

pub use access::AccessRecord;
pub use address::LogAddresses;
pub use labels::Labels;
pub use log::{Levels, LogRecord, Severity};
pub use metric::{Metadata, MetricKind, Point, Sample, Scrape, Series};
pub use rollup::{Coverage, Resolution, RolledStep, Rollup};
pub use span::{Span, SpanEvent, SpanKind, SpanStatus};
pub use view::View;
