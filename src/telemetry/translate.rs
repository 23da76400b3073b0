//! OpenTelemetry data into points by the names that Prometheus 3 gives them.
//!
//! Label sets are built once and kept while their series exist: a reading every 10 s
//! clones reference counts, not strings.

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics,
};

use crate::record::labels::METRIC_NAME;
use crate::record::names;
use crate::record::{Labels, Metadata, MetricKind, Point};

/// Turns readings into points, and remembers the label sets.
pub(super) struct Translator {
    instance_id: String,
    metrics: HashMap<String, Known>,
    /// Rises with each reading; what was not seen in the last one is forgotten.
    n_readings: u64,
}

/// What is kept of one metric.
struct Known {
    metadata: Metadata,
    sets: HashMap<Vec<KeyValue>, KnownSet>,
}

/// The series of one attribute set: one, or for a histogram its buckets, sum and count.
struct KnownSet {
    series: Vec<Labels>,
    last_reading: u64,
}

impl Translator {
    pub(super) fn new(instance_id: &str) -> Self {
        Translator { instance_id: instance_id.into(), metrics: HashMap::new(), n_readings: 0 }
    }

    pub(super) fn translate(&mut self, reading: &ResourceMetrics) -> (Vec<Point>, Vec<Metadata>) {
        self.n_readings += 1;
        let (mut points, mut metadata) = (Vec::new(), Vec::new());
        for metric in reading.scope_metrics().flat_map(|scope| scope.metrics()) {
            let Some(kind) = kind_of(metric.data()) else {
                // Nothing in this program asks for exponential histograms.
                tracing::debug!("metric {} has no translation", metric.name());
                continue;
            };
            let known = self
                .metrics
                .entry(metric.name().to_string())
                .or_insert_with(|| Known { metadata: describe(metric, kind), sets: HashMap::new() });
            metadata.push(known.metadata.clone());
            let mut walk = Walk {
                instance_id: &self.instance_id,
                reading: self.n_readings,
                known,
                key: Vec::new(),
                points: &mut points,
            };
            match metric.data() {
                AggregatedMetrics::F64(data) => walk.data(data, |value| value),
                AggregatedMetrics::U64(data) => walk.data(data, |value| value as f64),
                AggregatedMetrics::I64(data) => walk.data(data, |value| value as f64),
            }
            known.sets.retain(|_, set| set.last_reading == self.n_readings);
        }
        (points, metadata)
    }
}

fn kind_of(data: &AggregatedMetrics) -> Option<MetricKind> {
    fn of<T>(data: &MetricData<T>) -> Option<MetricKind> {
        match data {
            MetricData::Sum(sum) if sum.is_monotonic() => Some(MetricKind::Counter),
            MetricData::Sum(_) | MetricData::Gauge(_) => Some(MetricKind::Gauge),
            MetricData::Histogram(_) => Some(MetricKind::Histogram),
            MetricData::ExponentialHistogram(_) => None,
        }
    }
    match data {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    }
}

fn describe(metric: &Metric, kind: MetricKind) -> Metadata {
    let name = names::exposed(metric.name(), metric.unit(), kind);
    let stem = if kind == MetricKind::Counter { name.trim_end_matches("_total") } else { &name };
    let unit = match (metric.unit(), kind) {
        ("1", MetricKind::Gauge) => Cow::Borrowed("ratio"),
        (unit, _) => names::unit_word(unit),
    };
    let unit = if stem.ends_with(&format!("_{unit}")) { unit.to_string() } else { String::new() };
    Metadata { kind, unit, help: metric.description().to_string(), name }
}

/// One metric of one reading being turned into points.
struct Walk<'a> {
    instance_id: &'a str,
    reading: u64,
    known: &'a mut Known,
    key: Vec<KeyValue>,
    points: &'a mut Vec<Point>,
}

impl Walk<'_> {
    fn data<T: Copy>(&mut self, data: &MetricData<T>, number: fn(T) -> f64) {
        match data {
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    self.single(point.attributes(), number(point.value()));
                }
            }
            MetricData::Sum(sum) => {
                for point in sum.data_points() {
                    self.single(point.attributes(), number(point.value()));
                }
            }
            MetricData::Histogram(histogram) => {
                for point in histogram.data_points() {
                    self.histogram(point, number(point.sum()));
                }
            }
            // Left out by `kind_of` already.
            MetricData::ExponentialHistogram(_) => {}
        }
    }

    fn single<'k>(&mut self, attributes: impl Iterator<Item = &'k KeyValue>, value: f64) {
        let series = self.series(attributes, |base| vec![base.clone()]);
        let point = Point { series: series[0].clone(), value };
        self.points.push(point);
    }

    fn histogram<T: Copy>(&mut self, point: &HistogramDataPoint<T>, sum: f64) {
        let series: Vec<Labels> = self
            .series(point.attributes(), |base| {
                let name = base.metric_name();
                let bucket = base.with(METRIC_NAME, &format!("{name}_bucket"));
                // Rust writes a float as Prometheus does: shortest digits, never an exponent.
                let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_string()]);
                let mut res: Vec<Labels> = bounds.map(|bound| bucket.with("le", &bound)).collect();
                res.push(base.with(METRIC_NAME, &format!("{name}_sum")));
                res.push(base.with(METRIC_NAME, &format!("{name}_count")));
                res
            })
            .to_vec();
        let cumulative = point.bucket_counts().scan(0, |total, count| {
            *total += count;
            Some(*total as f64)
        });
        let values = cumulative.chain([sum, point.count() as f64]);
        self.points.extend(series.into_iter().zip(values).map(|(series, value)| Point { series, value }));
    }

    /// Returns the series of an attribute set, built by `make` when it is new.
    fn series<'k>(
        &mut self,
        attributes: impl Iterator<Item = &'k KeyValue>,
        make: impl FnOnce(&Labels) -> Vec<Labels>,
    ) -> &[Labels] {
        self.key.clear();
        self.key.extend(attributes.cloned());
        if !self.known.sets.contains_key(&self.key) {
            let own = [
                (METRIC_NAME.to_string(), self.known.metadata.name.clone()),
                ("job".to_string(), names::SERVICE_NAME.to_string()),
                ("instance".to_string(), self.instance_id.to_string()),
            ];
            let attributes =
                self.key.iter().map(|pair| (label_name(pair.key.as_str()), pair.value.as_str().into_owned()));
            let series = make(&Labels::new(attributes.chain(own)));
            self.known.sets.insert(self.key.clone(), KnownSet { series, last_reading: 0 });
        }
        let set = self.known.sets.get_mut(&self.key).expect("it was there or has just been put there");
        set.last_reading = self.reading;
        &set.series
    }
}

fn label_name(attribute: &str) -> String {
    attribute.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_")
}

#[cfg(test)]
mod tests;
