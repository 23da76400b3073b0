//! Prometheus's remote write, versions 1.0 and 2.0.
//!
//! The messages are those of the specifications "Prometheus Remote-Write 1.0" and "2.0"
//! (`prometheus.WriteRequest`, `io.prometheus.write.v2.Request`). Samples keep their bits, the
//! marker of a series' end among them. Exemplars are left aside: nothing here shows them.

use std::collections::BTreeMap;

use super::native::{NATIVE_BUCKETS_MAX, Native, add_histogram};
use super::wire::{Fields, NotProtobuf, Value, unzigzag};
use super::{Fault, HELP_MAX_BYTES, Reason, Samples, Times, are_fine};
use crate::clock::UnixMillis;
use crate::record::labels::METRIC_NAME;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::{Labels, Metadata, MetricKind};

/// Series of one request; Prometheus sends 2,000 samples at once.
const SERIES_MAX: usize = 50_000;

/// Texts that one request of version 2.0 shares among its series.
const SYMBOLS_MAX: usize = 200_000;

/// Which messages a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// What one request brought.
#[derive(Debug, Default)]
pub struct Written {
    /// The samples; those of histograms as classic ones.
    pub samples: Samples,
    /// Plain samples that were taken.
    pub n_samples: u64,
    /// Native histograms that were taken.
    pub n_histograms: u64,
}

/// Reads a request.
pub fn decode(body: &[u8], version: Version, times: Times) -> Result<Written, Fault> {
    match version {
        Version::V1 => decode_v1(body, times),
        Version::V2 => decode_v2(body, times),
    }
}

fn decode_v1(body: &[u8], times: Times) -> Result<Written, Fault> {
    let mut res = Written::default();
    let mut n_series = 0;
    for field in Fields(body) {
        match field? {
            (1, value) => {
                count_one(&mut n_series, SERIES_MAX)?;
                let mut pairs = Vec::new();
                for field in value.message()? {
                    if let (1, value) = field? {
                        pairs.push(pair(value.message()?)?);
                    }
                }
                res.add_series(pairs, value.message()?, (2, 4), times)?;
            }
            (3, value) => res.add_metadata(metadata_v1(value.message()?)?)?,
            _ => {}
        }
    }
    Ok(res)
}

fn decode_v2(body: &[u8], times: Times) -> Result<Written, Fault> {
    let mut symbols = Vec::new();
    // They may stand behind the series that use them.
    for field in Fields(body) {
        if let (4, value) = field? {
            symbols.push(value.text()?);
            if symbols.len() > SYMBOLS_MAX {
                return Err(Fault::TooMany);
            }
        }
    }
    if symbols.first().is_some_and(|first| !first.is_empty()) {
        return Err(Fault::Malformed("the first symbol is not the empty one".into()));
    }
    let symbol = |idx: u64| {
        let found = usize::try_from(idx).ok().and_then(|idx| symbols.get(idx).copied());
        found.ok_or_else(|| Fault::Malformed(format!("there is no symbol {idx}")))
    };
    let mut res = Written::default();
    let mut n_series = 0;
    for field in Fields(body) {
        let (5, value) = field? else { continue };
        count_one(&mut n_series, SERIES_MAX)?;
        let (mut refs, mut described) = (Vec::new(), None);
        for field in value.message()? {
            match field? {
                (1, value) => value.each_varint(|idx| refs.push(idx))?,
                (5, value) => described = Some(value.message()?),
                _ => {}
            }
        }
        let (by_two, rest) = refs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Fault::Malformed("a label has a name and no value".into()));
        }
        let mut pairs = Vec::with_capacity(by_two.len());
        for [name, value] in by_two {
            pairs.push((symbol(*name)?, symbol(*value)?));
        }
        if let Some(described) = described {
            res.add_metadata(metadata_v2(described, &pairs, symbol)?)?;
        }
        res.add_series(pairs, value.message()?, (2, 3), times)?;
    }
    Ok(res)
}

fn count_one(n: &mut usize, max: usize) -> Result<(), Fault> {
    *n += 1;
    if *n > max { Err(Fault::TooMany) } else { Ok(()) }
}

fn pair(fields: Fields<'_>) -> Result<(&str, &str), NotProtobuf> {
    let (mut name, mut value) = ("", "");
    for field in fields {
        match field? {
            (1, text) => name = text.text()?,
            (2, text) => value = text.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

impl Written {
    /// Takes a series' samples and histograms, which stand in fields of these numbers.
    fn add_series(
        &mut self,
        pairs: Vec<(&str, &str)>,
        fields: Fields<'_>,
        (samples, histograms): (u32, u32),
        times: Times,
    ) -> Result<(), Fault> {
        let has_name = pairs.iter().any(|(name, value)| *name == METRIC_NAME && !value.is_empty());
        // One name twice is an error by the specification, and shows in what is left.
        let n_given = pairs.iter().filter(|(_, value)| !value.is_empty()).count();
        let series = (has_name && are_fine(pairs.iter().copied())).then(|| Labels::new(pairs));
        let series = series.filter(|series| series.len() == n_given);
        for field in fields {
            let (number, value) = field?;
            if number == samples {
                let (value, at) = sample(value.message()?)?;
                let Some(series) = &series else {
                    self.samples.left_out.add(Reason::Labels, 1);
                    continue;
                };
                let n_before = self.samples.count();
                self.samples.add(series, at, value, times)?;
                self.n_samples += (self.samples.count() - n_before) as u64;
            } else if number == histograms {
                let Some(series) = &series else {
                    self.samples.left_out.add(Reason::Labels, 1);
                    continue;
                };
                self.add_native(series, value.message()?, times)?;
            }
        }
        Ok(())
    }

    fn add_native(&mut self, series: &Labels, fields: Fields<'_>, times: Times) -> Result<(), Fault> {
        let (native, at) = histogram(fields)?;
        if let Err(reason) = times.check_sample(at) {
            self.samples.left_out.add(reason, 1);
            return Ok(());
        }
        let Some(buckets) = native.classic() else {
            self.samples.left_out.add(Reason::Histogram, 1);
            return Ok(());
        };
        self.n_histograms += 1;
        // A marker of the end stands in the sum; which buckets there were is not known any more.
        let is_marker = native.sum.to_bits() == STALE_NAN_BITS;
        let count = if is_marker { native.sum } else { native.count };
        add_histogram(&mut self.samples, series, at, (&buckets, count, Some(native.sum)), times)
    }

    fn add_metadata(&mut self, metadata: Option<Metadata>) -> Result<(), Fault> {
        // One line for each metric, however many series of it there are.
        match metadata.filter(|new| self.samples.metadata.last() != Some(new)) {
            Some(metadata) => self.samples.describe(metadata),
            None => Ok(()),
        }
    }
}

fn sample(fields: Fields<'_>) -> Result<(f64, UnixMillis), NotProtobuf> {
    let (mut number, mut at) = (0.0, 0);
    for field in fields {
        match field? {
            (1, value) => number = value.double()?,
            (2, value) => at = value.int()?,
            _ => {}
        }
    }
    Ok((number, UnixMillis(at)))
}

/// Both versions have the same histogram.
fn histogram(fields: Fields<'_>) -> Result<(Native, UnixMillis), Fault> {
    let (mut native, mut at) = (Native::default(), 0);
    let (mut positive, mut negative) = (Side::default(), Side::default());
    for field in fields {
        let (number, value) = field?;
        match number {
            1 => native.count = unsigned(value)?,
            2 => native.count = value.double()?,
            3 => native.sum = value.double()?,
            4 => native.schema = i32::try_from(value.zigzag()?).map_err(|_| NotProtobuf)?,
            5 => native.zero_threshold = value.double()?,
            6 => native.zero_count = unsigned(value)?,
            7 => native.zero_count = value.double()?,
            8 => negative.add_span(value.message()?)?,
            9 => negative.add_deltas(value)?,
            10 => negative.add_counts(value)?,
            11 => positive.add_span(value.message()?)?,
            12 => positive.add_deltas(value)?,
            13 => positive.add_counts(value)?,
            15 => at = value.int()?,
            16 => value.each_double(|bound| native.custom.push(bound))?,
            _ => {}
        }
    }
    (native.positive, native.negative) = (positive.buckets()?, negative.buckets()?);
    Ok((native, UnixMillis(at)))
}

#[expect(clippy::cast_precision_loss, reason = "all values here are doubles in the end")]
fn unsigned(value: Value<'_>) -> Result<f64, NotProtobuf> {
    let Value::Varint(number) = value else { return Err(NotProtobuf) };
    Ok(number as f64)
}

/// The buckets on one side of zero as they travel: runs of bucket numbers, and counts.
#[derive(Default)]
struct Side {
    /// The gap to the run before, and the length.
    spans: Vec<(i64, u64)>,
    counts: Vec<f64>,
    /// The latest count of those that come as differences.
    latest: i64,
}

impl Side {
    fn add_span(&mut self, fields: Fields<'_>) -> Result<(), Fault> {
        let (mut offset, mut length) = (0, 0);
        for field in fields {
            match field? {
                (1, value) => offset = value.zigzag()?,
                (2, Value::Varint(number)) => length = number,
                _ => {}
            }
        }
        if self.spans.len() == NATIVE_BUCKETS_MAX {
            return Err(Fault::TooMany);
        }
        self.spans.push((offset, length));
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "all values here are doubles in the end")]
    fn add_deltas(&mut self, value: Value<'_>) -> Result<(), NotProtobuf> {
        value.each_varint(|number| {
            self.latest = self.latest.wrapping_add(unzigzag(number));
            self.push(self.latest as f64);
        })
    }

    fn add_counts(&mut self, value: Value<'_>) -> Result<(), NotProtobuf> {
        value.each_double(|count| self.push(count))
    }

    /// One more than there may be is enough to see that there are too many.
    fn push(&mut self, count: f64) {
        if self.counts.len() <= NATIVE_BUCKETS_MAX {
            self.counts.push(count);
        }
    }

    fn buckets(self) -> Result<BTreeMap<i32, f64>, Fault> {
        if self.counts.len() > NATIVE_BUCKETS_MAX {
            return Err(Fault::TooMany);
        }
        let mut res = BTreeMap::new();
        let mut counts = self.counts.into_iter();
        let mut index = 0_i64;
        for (offset, length) in self.spans {
            index = index.saturating_add(offset);
            for _ in 0..length {
                let Some(count) = counts.next() else {
                    return Err(Fault::Malformed("a histogram has fewer counts than buckets".into()));
                };
                let number = i32::try_from(index).map_err(|_| NotProtobuf)?;
                if count > 0.0 || count.is_nan() {
                    res.insert(number, count);
                }
                index += 1;
            }
        }
        if counts.next().is_some() {
            return Err(Fault::Malformed("a histogram has more counts than buckets".into()));
        }
        Ok(res)
    }
}

/// Both versions number the types alike; what we do not tell apart has no description.
fn kind(number: i64) -> Option<MetricKind> {
    match number {
        1 => Some(MetricKind::Counter),
        2 => Some(MetricKind::Gauge),
        3 => Some(MetricKind::Histogram),
        _ => None,
    }
}

fn metadata_v1(fields: Fields<'_>) -> Result<Option<Metadata>, NotProtobuf> {
    let (mut number, mut name, mut help, mut unit) = (0, "", "", "");
    for field in fields {
        match field? {
            (1, value) => number = value.int()?,
            (2, value) => name = value.text()?,
            (4, value) => help = value.text()?,
            (5, value) => unit = value.text()?,
            _ => {}
        }
    }
    Ok(described(name, kind(number), help, unit))
}

fn metadata_v2<'b>(
    fields: Fields<'_>,
    pairs: &[(&str, &str)],
    symbol: impl Fn(u64) -> Result<&'b str, Fault>,
) -> Result<Option<Metadata>, Fault> {
    let (mut number, mut help, mut unit) = (0, 0, 0);
    for field in fields {
        match field? {
            (1, value) => number = value.int()?,
            (3, Value::Varint(idx)) => help = idx,
            (4, Value::Varint(idx)) => unit = idx,
            _ => {}
        }
    }
    let Some(kind) = kind(number) else { return Ok(None) };
    let name = pairs.iter().find(|(name, _)| *name == METRIC_NAME).map_or("", |(_, value)| value);
    let family = match kind {
        MetricKind::Histogram => ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)),
        MetricKind::Counter | MetricKind::Gauge => None,
    };
    Ok(described(family.unwrap_or(name), Some(kind), symbol(help)?, symbol(unit)?))
}

fn described(name: &str, kind: Option<MetricKind>, help: &str, unit: &str) -> Option<Metadata> {
    use crate::record::access::cut;
    let is_fine = !name.is_empty() && name.len() <= super::LABEL_VALUE_MAX_BYTES;
    Some(Metadata {
        name: is_fine.then(|| name.to_string())?,
        kind: kind?,
        unit: cut(unit, super::LABEL_NAME_MAX_BYTES).to_string(),
        help: cut(help, HELP_MAX_BYTES).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::super::Oldest;
    use super::*;
    use crate::clock::UnixNanos;

    const NOW_MS: i64 = 1_800_000_000_000;
    const TIMES: Times = Times {
        now: UnixNanos(NOW_MS * 1_000_000),
        oldest: Oldest { sample: UnixMillis(NOW_MS - 3_600_000), log: UnixNanos(0), span: UnixNanos(0) },
    };

    /// The messages as senders make them.
    mod sender {
        #[derive(Clone, PartialEq, prost::Message)]
        pub struct WriteRequest {
            #[prost(message, repeated, tag = "1")]
            pub timeseries: Vec<Series>,
            #[prost(message, repeated, tag = "3")]
            pub metadata: Vec<Metadata>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Series {
            #[prost(message, repeated, tag = "1")]
            pub labels: Vec<Label>,
            #[prost(message, repeated, tag = "2")]
            pub samples: Vec<Sample>,
            #[prost(message, repeated, tag = "4")]
            pub histograms: Vec<Histogram>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Label {
            #[prost(string, tag = "1")]
            pub name: String,
            #[prost(string, tag = "2")]
            pub value: String,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Sample {
            #[prost(double, tag = "1")]
            pub value: f64,
            #[prost(int64, tag = "2")]
            pub timestamp: i64,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Metadata {
            #[prost(int32, tag = "1")]
            pub kind: i32,
            #[prost(string, tag = "2")]
            pub family: String,
            #[prost(string, tag = "4")]
            pub help: String,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Histogram {
            #[prost(uint64, tag = "1")]
            pub count: u64,
            #[prost(double, tag = "3")]
            pub sum: f64,
            #[prost(sint32, tag = "4")]
            pub schema: i32,
            #[prost(message, repeated, tag = "11")]
            pub positive_spans: Vec<Span>,
            #[prost(sint64, repeated, tag = "12")]
            pub positive_deltas: Vec<i64>,
            #[prost(int64, tag = "15")]
            pub timestamp: i64,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Span {
            #[prost(sint32, tag = "1")]
            pub offset: i32,
            #[prost(uint32, tag = "2")]
            pub length: u32,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Request {
            #[prost(string, repeated, tag = "4")]
            pub symbols: Vec<String>,
            #[prost(message, repeated, tag = "5")]
            pub timeseries: Vec<Series2>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Series2 {
            #[prost(uint32, repeated, tag = "1")]
            pub labels_refs: Vec<u32>,
            #[prost(message, repeated, tag = "2")]
            pub samples: Vec<Sample>,
            #[prost(message, optional, tag = "5")]
            pub metadata: Option<Metadata2>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Metadata2 {
            #[prost(int32, tag = "1")]
            pub kind: i32,
            #[prost(uint32, tag = "3")]
            pub help_ref: u32,
        }
    }

    fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> sender::Series {
        let label =
            |(name, value): &(&str, &str)| sender::Label { name: (*name).into(), value: (*value).into() };
        let sample =
            |(timestamp, value): &(i64, f64)| sender::Sample { timestamp: *timestamp, value: *value };
        sender::Series {
            labels: labels.iter().map(label).collect(),
            samples: samples.iter().map(sample).collect(),
            histograms: vec![],
        }
    }

    fn lines(written: Written) -> Vec<String> {
        let (scrapes, _) = written.samples.into_scrapes();
        let points = scrapes.iter().flat_map(|scrape| {
            scrape
                .points
                .iter()
                .map(move |point| format!("{} {} {}", point.series, point.value, scrape.at.0 - NOW_MS))
        });
        points.collect()
    }

    #[test]
    fn samples_of_version_1_come_by_their_times() {
        let up = [("__name__", "up"), ("job", "node")];
        let request = sender::WriteRequest {
            timeseries: vec![
                series(&up, &[(NOW_MS - 10, 1.0), (NOW_MS, f64::from_bits(STALE_NAN_BITS))]),
                series(&[("__name__", "load1")], &[(NOW_MS, 0.5), (NOW_MS - 3_600_001, 7.0), (-1, 7.0)]),
                series(&[("job", "nameless")], &[(NOW_MS, 1.0)]),
            ],
            metadata: vec![sender::Metadata { kind: 2, family: "load1".into(), help: "Load.".into() }],
        };
        let written = decode(&request.encode_to_vec(), Version::V1, TIMES).unwrap();
        assert_eq!((written.n_samples, written.samples.left_out.count()), (3, 3));
        assert_eq!(
            written.samples.left_out.words().unwrap(),
            "left out 1 for labels that are missing, too many or too long, 1 for a time before 1970 or too \
             far ahead, 1 for a time that is too long ago (store.metrics.max_age, store.logs.max_age, \
             store.spans.max_age)"
        );
        let described = &written.samples.metadata[0];
        assert_eq!(
            (described.name.as_str(), described.kind, described.help.as_str()),
            ("load1", MetricKind::Gauge, "Load.")
        );
        let (scrapes, _) = written.samples.into_scrapes();
        assert_eq!(scrapes.iter().map(|scrape| scrape.points.len()).collect::<Vec<_>>(), [1, 2]);
        let marker = scrapes[1].points.iter().find(|point| point.series.metric_name() == "up").unwrap();
        assert_eq!(marker.value.to_bits(), STALE_NAN_BITS);
    }

    #[test]
    fn samples_of_version_2_share_their_texts() {
        let request = sender::Request {
            symbols: ["", "__name__", "up", "job", "node", "Help."].map(String::from).to_vec(),
            timeseries: vec![sender::Series2 {
                labels_refs: vec![1, 2, 3, 4],
                samples: vec![sender::Sample { timestamp: NOW_MS, value: 1.0 }],
                metadata: Some(sender::Metadata2 { kind: 2, help_ref: 5 }),
            }],
        };
        let written = decode(&request.encode_to_vec(), Version::V2, TIMES).unwrap();
        assert_eq!(written.samples.metadata[0].help, "Help.");
        assert_eq!(lines(written), [r#"{__name__="up",job="node"} 1 0"#]);
        let check = |change: &dyn Fn(&mut sender::Request), expect: &str| {
            let mut request = request.clone();
            change(&mut request);
            let fault = decode(&request.encode_to_vec(), Version::V2, TIMES).unwrap_err().to_string();
            assert!(fault.contains(expect), "{fault}");
        };
        check(&|request| request.timeseries[0].labels_refs[0] = 99, "no symbol 99");
        check(&|request| _ = request.timeseries[0].labels_refs.pop(), "no value");
        check(&|request| request.symbols[0] = "x".into(), "first symbol");
    }

    #[test]
    fn a_native_histogram_becomes_a_classic_one() {
        let mut one = series(&[("__name__", "latency")], &[]);
        one.histograms = vec![sender::Histogram {
            count: 6,
            sum: 9.5,
            schema: 0,
            positive_spans: vec![
                sender::Span { offset: 0, length: 2 },
                sender::Span { offset: 1, length: 1 },
            ],
            // 1, 3 and 2.
            positive_deltas: vec![1, 2, -1],
            timestamp: NOW_MS,
        }];
        let request = sender::WriteRequest { timeseries: vec![one.clone()], metadata: vec![] };
        let written = decode(&request.encode_to_vec(), Version::V1, TIMES).unwrap();
        assert_eq!(written.n_histograms, 1);
        let mut found = lines(written);
        found.sort();
        let expect = [
            r#"{__name__="latency_bucket",le="+Inf"} 6 0"#,
            r#"{__name__="latency_bucket",le="1"} 1 0"#,
            r#"{__name__="latency_bucket",le="2"} 4 0"#,
            r#"{__name__="latency_bucket",le="8"} 6 0"#,
            r#"{__name__="latency_count"} 6 0"#,
            r#"{__name__="latency_sum"} 9.5 0"#,
        ];
        assert_eq!(found, expect);
        one.histograms[0].positive_deltas.pop();
        let request = sender::WriteRequest { timeseries: vec![one], metadata: vec![] };
        let fault = decode(&request.encode_to_vec(), Version::V1, TIMES).unwrap_err();
        assert!(fault.to_string().contains("fewer counts"), "{fault}");
    }

    #[test]
    fn bombs_take_no_room() {
        let check = |body: &[u8], version| {
            let info = allocation_counter::measure(|| {
                assert_eq!(decode(body, version, TIMES).err(), Some(Fault::TooMany))
            });
            assert!(info.bytes_max < 8 << 20, "{info:?}");
        };
        check(&[0x0a, 0x00].repeat(4 << 20), Version::V1);
        check(&[0x22, 0x00].repeat(4 << 20), Version::V2);
        // One histogram with one run of four thousand million buckets, and none of their counts.
        let span = [&[0x5a, 7, 0x08, 0, 0x10][..], &[0xff, 0xff, 0xff, 0x7f]].concat();
        let histogram = [&[0x22, span.len() as u8][..], &span].concat();
        let name = [&[0x0a, 13, 0x0a, 8][..], b"__name__", &[0x12, 1, b'x']].concat();
        let series = [name, histogram].concat();
        let body = [&[0x0a, series.len() as u8][..], &series].concat();
        assert!(matches!(decode(&body, Version::V1, TIMES), Err(Fault::Malformed(_))));
    }

    #[test]
    fn shared_texts_and_small_histograms_do_not_grow_without_bound() {
        let symbols = vec![String::new(), "__name__".into(), "n".repeat(200), "x".repeat(3_900)];
        let series = sender::Series2 {
            labels_refs: vec![1, 3, 2, 3],
            samples: vec![sender::Sample { timestamp: NOW_MS, value: 1.0 }],
            metadata: None,
        };
        let large = sender::Request { symbols, timeseries: vec![series; 20_000] }.encode_to_vec();
        let mut one = super::tests::series(&[("__name__", &"m".repeat(4_000))], &[]);
        one.histograms =
            vec![sender::Histogram { count: 1, timestamp: NOW_MS, ..Default::default() }; 20_000];
        let small = sender::WriteRequest { timeseries: vec![one], metadata: vec![] }.encode_to_vec();
        for (body, version) in [(large, Version::V2), (small, Version::V1)] {
            let mut fault = None;
            let info = allocation_counter::measure(|| fault = decode(&body, version, TIMES).err());
            assert!(fault == Some(Fault::TooMany) && info.bytes_max < 64 << 20, "{fault:?} {info:?}");
        }
    }

    #[test]
    fn one_label_twice_is_refused() {
        let twice = series(&[("__name__", "up"), ("a", "1"), ("a", "2")], &[(NOW_MS, 1.0)]);
        let request = sender::WriteRequest { timeseries: vec![twice], metadata: vec![] };
        let written = decode(&request.encode_to_vec(), Version::V1, TIMES).unwrap();
        assert_eq!((written.n_samples, written.samples.left_out.0[Reason::Labels as usize]), (0, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            _ = decode(&bytes, Version::V1, TIMES);
            _ = decode(&bytes, Version::V2, TIMES);
            let framed = [&[0x0a, (bytes.len() & 0x7f) as u8][..], &bytes].concat();
            _ = decode(&framed, Version::V1, TIMES);
        }
    }
}
