//! Metrics, named and labelled as Prometheus 3 does by default.
//!
//! `service.namespace/service.name` becomes `job` and `service.instance.id` becomes `instance`;
//! what else is known of the resource stands in `target_info`. Exponential histograms become
//! classic ones by the rule of `native`. Delta temporality is refused: what came before it is
//! not kept.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::logs::job;
use super::value::{ATTRIBUTES_MAX, find, limited};
use super::{Collect, Form, json, walk};
use crate::clock::UnixMillis;
use crate::ingest::push::native::{NATIVE_BUCKETS_MAX, Native, add_histogram};
use crate::ingest::push::{Fault, HELP_MAX_BYTES, Reason, Samples, Times, are_fine};
use crate::record::access::cut;
use crate::record::labels::METRIC_NAME;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::names::{exposed, unit_word};
use crate::record::{Labels, Metadata, MetricKind};

/// The bit of a point's flags that says that there is no value (`metrics.proto`).
const NO_RECORDED_VALUE: u32 = 1;

/// Attributes of a resource that `job` and `instance` are made of.
const IDENTIFYING: &[&str] = &["service.name", "service.namespace", "service.instance.id"];

struct Metrics {
    samples: Samples,
    times: Times,
    /// `job` and `instance`.
    common: Vec<(String, String)>,
    /// The other attributes of the resource, until its first point says when.
    target: Option<Labels>,
}

/// Reads an `ExportMetricsServiceRequest`.
pub fn decode(body: &[u8], form: Form, times: Times) -> Result<Samples, Fault> {
    let mut metrics = Metrics { samples: Samples::default(), times, common: Vec::new(), target: None };
    match form {
        Form::Protobuf => walk(body, &mut metrics)?,
        Form::Json => {
            for resource in json::<ResourceMetrics>(body, "resourceMetrics")? {
                let resource = resource?;
                metrics.resource(resource.resource.unwrap_or_default());
                let all = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                all.into_iter().try_for_each(|metric| metrics.item(metric))?;
            }
        }
    }
    Ok(metrics.samples)
}

impl Collect for Metrics {
    type Item = Metric;

    fn resource(&mut self, resource: Resource) {
        let attributes = resource.attributes;
        let instance = find(&attributes, "service.instance.id");
        self.common = vec![("job".into(), job(&attributes)), ("instance".into(), instance)];
        let others: Vec<KeyValue> =
            attributes.into_iter().filter(|one| !IDENTIFYING.contains(&one.key.as_str())).collect();
        let named = [(METRIC_NAME.to_string(), "target_info".to_string())];
        let has_identity = self.common.iter().any(|(_, value)| !value.is_empty());
        self.target = (has_identity && !others.is_empty())
            .then(|| label_pairs(others).into_iter().chain(named).chain(self.common.clone()).collect())
            .filter(|pairs: &Vec<_>| are_fine(pairs.iter().map(|(name, value)| (&**name, &**value))))
            .map(Labels::new);
    }

    fn scope(&mut self, _name: &str) {}

    fn item(&mut self, metric: Metric) -> Result<(), Fault> {
        let Metric { name, description, unit, data: Some(data), .. } = metric else { return Ok(()) };
        let (kind, n_points, is_delta) = shape(&data);
        if is_delta {
            self.samples.left_out.add(Reason::Delta, n_points as u64);
            return Ok(());
        }
        // Only a true gauge of unit 1 is a ratio; what only falls and rises is counted by it.
        let unit = if unit == "1" && !matches!(data, Data::Gauge(_)) { String::new() } else { unit };
        let exposed = exposed(&name, &unit, kind);
        if exposed.is_empty() || exposed.len() > super::super::LABEL_VALUE_MAX_BYTES {
            self.samples.left_out.add(Reason::Labels, n_points as u64);
            return Ok(());
        }
        self.samples.describe(Metadata {
            name: exposed.clone(),
            kind,
            unit: unit_word(&unit).to_string(),
            help: cut(&description, HELP_MAX_BYTES).to_string(),
        })?;
        match data {
            Data::Gauge(gauge) => self.numbers(&exposed, gauge.data_points),
            Data::Sum(sum) => self.numbers(&exposed, sum.data_points),
            Data::Histogram(all) => {
                all.data_points.into_iter().try_for_each(|one| self.histogram(&exposed, one))
            }
            Data::ExponentialHistogram(all) => {
                all.data_points.into_iter().try_for_each(|one| self.exponential(&exposed, one))
            }
            Data::Summary(all) => all.data_points.into_iter().try_for_each(|one| self.summary(&exposed, one)),
        }
    }

    fn too_large(&mut self) {
        self.samples.left_out.add(Reason::Size, 1);
    }
}

/// Returns the kind, the number of points, and whether they are deltas.
fn shape(data: &Data) -> (MetricKind, usize, bool) {
    let is_delta = |temporality: i32| temporality != AggregationTemporality::Cumulative as i32;
    match data {
        Data::Gauge(gauge) => (MetricKind::Gauge, gauge.data_points.len(), false),
        Data::Sum(sum) => {
            let kind = if sum.is_monotonic { MetricKind::Counter } else { MetricKind::Gauge };
            (kind, sum.data_points.len(), is_delta(sum.aggregation_temporality))
        }
        Data::Histogram(all) => {
            (MetricKind::Histogram, all.data_points.len(), is_delta(all.aggregation_temporality))
        }
        Data::ExponentialHistogram(all) => {
            (MetricKind::Histogram, all.data_points.len(), is_delta(all.aggregation_temporality))
        }
        // Its sum and count rise; its quantiles do not, and there is no type for both.
        Data::Summary(all) => (MetricKind::Gauge, all.data_points.len(), false),
    }
}

impl Metrics {
    /// Returns the series of a point and its time; none when it is left out.
    fn place(
        &mut self,
        name: &str,
        attributes: Vec<KeyValue>,
        at_ns: u64,
    ) -> Result<Option<(Labels, UnixMillis)>, Fault> {
        let at = match self.times.of(at_ns) {
            Ok(at) => at.to_millis(),
            Err(reason) => {
                self.samples.left_out.add(reason, 1);
                return Ok(None);
            }
        };
        let mut pairs = label_pairs(attributes);
        pairs.extend(self.common.iter().cloned());
        pairs.push((METRIC_NAME.into(), name.into()));
        if !are_fine(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
            self.samples.left_out.add(Reason::Labels, 1);
            return Ok(None);
        }
        if let Some(target) = self.target.take() {
            self.samples.add(&target, at, 1.0, self.times)?;
        }
        Ok(Some((Labels::new(pairs), at)))
    }

    fn numbers(&mut self, name: &str, points: Vec<NumberDataPoint>) -> Result<(), Fault> {
        for point in points {
            let Some((series, at)) = self.place(name, point.attributes, point.time_unix_nano)? else {
                continue;
            };
            let value = match point.value {
                _ if has_no_value(point.flags) => f64::from_bits(STALE_NAN_BITS),
                Some(Number::AsDouble(number)) => number,
                #[expect(clippy::cast_precision_loss, reason = "all values here are doubles in the end")]
                Some(Number::AsInt(number)) => number as f64,
                None => continue,
            };
            self.samples.add(&series, at, value, self.times)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "all values here are doubles in the end")]
    fn histogram(&mut self, name: &str, point: HistogramDataPoint) -> Result<(), Fault> {
        let Some((series, at)) = self.place(name, point.attributes, point.time_unix_nano)? else {
            return Ok(());
        };
        if has_no_value(point.flags) {
            return self.ended(&series, at);
        }
        let (bounds, counts) = (point.explicit_bounds, point.bucket_counts);
        let has_buckets = !counts.is_empty() || !bounds.is_empty();
        let is_ascending = bounds.is_sorted_by(|one, next| one < next);
        let too_many = bounds.len() > NATIVE_BUCKETS_MAX;
        if too_many || !is_ascending || (has_buckets && counts.len() != bounds.len() + 1) {
            self.samples.left_out.add(Reason::Histogram, 1);
            return Ok(());
        }
        let mut up_to = 0.0;
        let buckets: Vec<(f64, f64)> = bounds
            .iter()
            .zip(&counts)
            .map(|(bound, count)| {
                up_to += *count as f64;
                (*bound, up_to)
            })
            .collect();
        add_histogram(&mut self.samples, &series, at, (&buckets, point.count as f64, point.sum), self.times)
    }

    #[expect(clippy::cast_precision_loss, reason = "all values here are doubles in the end")]
    fn exponential(&mut self, name: &str, point: ExponentialHistogramDataPoint) -> Result<(), Fault> {
        let Some((series, at)) = self.place(name, point.attributes, point.time_unix_nano)? else {
            return Ok(());
        };
        if has_no_value(point.flags) {
            return self.ended(&series, at);
        }
        let mut native = Native {
            schema: point.scale,
            count: point.count as f64,
            sum: point.sum.unwrap_or(0.0),
            zero_threshold: point.zero_threshold,
            zero_count: point.zero_count as f64,
            ..Native::default()
        };
        let sides = [(point.positive, &mut native.positive), (point.negative, &mut native.negative)];
        let mut is_fine = true;
        for (from, to) in sides {
            let from = from.unwrap_or_default();
            is_fine &= from.bucket_counts.len() <= NATIVE_BUCKETS_MAX;
            for (idx, count) in (0..).zip(from.bucket_counts.iter().take(NATIVE_BUCKETS_MAX)) {
                if *count > 0 {
                    // OpenTelemetry's bucket begins where its number says, Prometheus's ends there.
                    to.insert(from.offset.saturating_add(idx).saturating_add(1), *count as f64);
                }
            }
        }
        let Some(buckets) = native.classic().filter(|_| is_fine) else {
            self.samples.left_out.add(Reason::Histogram, 1);
            return Ok(());
        };
        add_histogram(&mut self.samples, &series, at, (&buckets, native.count, point.sum), self.times)
    }

    #[expect(clippy::cast_precision_loss, reason = "all values here are doubles in the end")]
    fn summary(&mut self, name: &str, point: SummaryDataPoint) -> Result<(), Fault> {
        let Some((series, at)) = self.place(name, point.attributes, point.time_unix_nano)? else {
            return Ok(());
        };
        if has_no_value(point.flags) {
            return self.ended(&series, at);
        }
        for quantile in point.quantile_values.iter().take(ATTRIBUTES_MAX) {
            let series = series.with("quantile", &quantile.quantile.to_string());
            self.samples.add(&series, at, quantile.value, self.times)?;
        }
        let named = |end: &str| series.with(METRIC_NAME, &format!("{name}_{end}"));
        self.samples.add(&named("count"), at, point.count as f64, self.times)?;
        self.samples.add(&named("sum"), at, point.sum, self.times)
    }

    /// Ends the series that every histogram and summary has; which buckets it had is not known.
    fn ended(&mut self, series: &Labels, at: UnixMillis) -> Result<(), Fault> {
        let marker = f64::from_bits(STALE_NAN_BITS);
        for end in ["count", "sum"] {
            let series = series.with(METRIC_NAME, &format!("{}_{end}", series.metric_name()));
            self.samples.add(&series, at, marker, self.times)?;
        }
        Ok(())
    }
}

fn has_no_value(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE != 0
}

/// Returns attributes as labels; of two whose names become the same, the values are joined by a
/// semicolon in the order of the names, as Prometheus does.
fn label_pairs(mut attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    attributes.truncate(ATTRIBUTES_MAX);
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
    let mut res: Vec<(String, String)> = Vec::with_capacity(attributes.len() + 3);
    for attribute in attributes {
        let name = label_name(&attribute.key);
        let value = limited(attribute.value);
        match res.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.push(';');
                known.push_str(&value);
            }
            None if !name.is_empty() => res.push((name, value)),
            None => {}
        }
    }
    res
}

fn label_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let res: String = name.chars().map(letter).collect();
    // So that it begins with no digit, and with no underscore that Prometheus keeps for itself.
    match res.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("key_{res}"),
        Some('_') if !res.starts_with("__") => format!("key{res}"),
        _ => res,
    }
}
