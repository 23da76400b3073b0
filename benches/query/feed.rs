//! The samples, from a seed, as requests of remote write.

use prost::Message;
use vitrine::clock::Clock;

use super::random::Random;

/// The distance of two samples.
const INTERVAL_MS: i64 = 15_000;

/// A day of samples.
const N_SAMPLES: i64 = 5_760;

/// Moments of one request.
const MOMENTS: i64 = 10;

/// Series that have a few samples at the end, for what counts series.
const N_MANY: usize = 10_000;

const BOUNDS: [&str; 10] = ["0.005", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"];

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// One series: its labels, and by how much it rises at most between two samples.
struct Series {
    labels: Vec<Label>,
    rise: u64,
}

/// All that is written.
pub struct Feed {
    seed: u64,
    series: Vec<Series>,
    first_ms: i64,
}

fn labels(name: &str, pairs: &[(&str, String)]) -> Vec<Label> {
    let mut res = vec![Label { name: "__name__".into(), value: name.into() }];
    res.extend(pairs.iter().map(|(name, value)| Label { name: (*name).into(), value: value.clone() }));
    res.sort_by(|one, other| one.name.cmp(&other.name));
    res
}

impl Feed {
    /// A day that ends now: 1,600 counters of eight names and 40 histograms of ten buckets.
    pub fn new(seed: u64) -> Self {
        let mut series = Vec::new();
        for name in 0..8 {
            for idx in 0..200 {
                let pairs =
                    [("job", "bench".into()), ("shard", (idx % 20).to_string()), ("path", format!("/{idx}"))];
                series.push(Series {
                    labels: labels(&format!("events_total_{name}"), &pairs),
                    rise: 1 + idx % 50,
                });
            }
        }
        for idx in 0..40 {
            for (rank, bound) in BOUNDS.iter().enumerate() {
                let pairs = [("job", "bench".into()), ("shard", idx.to_string()), ("le", (*bound).into())];
                series.push(Series { labels: labels("seconds_bucket", &pairs), rise: 2 + rank as u64 });
            }
        }
        let now_ms = Clock::system().now().to_millis().0;
        Feed { seed, series, first_ms: now_ms - N_SAMPLES * INTERVAL_MS }
    }

    /// Yields every request, in the order of time.
    pub fn requests(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut random = Random::new(self.seed, "query");
        let mut values = vec![0_u64; self.series.len()];
        let day = (0..N_SAMPLES / MOMENTS).map(move |slice| {
            let timeseries = self.series.iter().zip(&mut values).map(|(series, value)| {
                let samples = (0..MOMENTS).map(|moment| {
                    *value += random.below(series.rise);
                    let timestamp = self.first_ms + (slice * MOMENTS + moment) * INTERVAL_MS;
                    Sample { value: *value as f64, timestamp }
                });
                TimeSeries { labels: series.labels.clone(), samples: samples.collect() }
            });
            WriteRequest { timeseries: timeseries.collect() }
        });
        let last_ms = self.last_ms();
        let many = (0..N_MANY / 2_000).map(move |slice| {
            let one = |idx: usize| {
                let labels = labels("many", &[("idx", idx.to_string())]);
                let value = (idx * 7_919 % N_MANY) as f64;
                TimeSeries { labels, samples: vec![Sample { value, timestamp: last_ms }] }
            };
            WriteRequest { timeseries: (slice * 2_000..(slice + 1) * 2_000).map(one).collect() }
        });
        day.chain(many)
            .map(|request| snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap())
    }

    fn last_ms(&self) -> i64 {
        self.first_ms + (N_SAMPLES - 1) * INTERVAL_MS
    }

    /// The address of a question over the whole day, or at its end.
    pub fn path(&self, query: &str, step_s: Option<u64>) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let seconds = |ms: i64| (ms / 1_000).to_string();
        form.append_pair("query", query);
        // VictoriaMetrics would answer from memory what it answered before.
        form.append_pair("nocache", "1");
        match step_s {
            Some(step_s) => {
                let (start, end) = (seconds(self.first_ms), seconds(self.last_ms()));
                form.append_pair("start", &start).append_pair("end", &end);
                form.append_pair("step", &step_s.to_string());
                format!("/api/v1/query_range?{}", form.finish())
            }
            None => {
                form.append_pair("time", &seconds(self.last_ms() + 1_000));
                format!("/api/v1/query?{}", form.finish())
            }
        }
    }
}
