//! Series of every kind that a query may meet, and the request that writes them.

use super::random::Random;

/// The distance of two samples.
const INTERVAL_MS: i64 = 15_000;

/// Samples of each series: two hours.
const N_SAMPLES: usize = 480;

/// The bits of Prometheus's staleness marker.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A series with the value at each moment, none where it has no sample.
pub struct Generated {
    pub labels: Vec<(&'static str, String)>,
    pub values: Vec<Option<f64>>,
}

/// Returns when the last sample is taken, for data that ends a little before now.
pub fn last_ms(first_ms: i64) -> i64 {
    first_ms + (N_SAMPLES as i64 - 1) * INTERVAL_MS
}

/// How the values of a series go on.
enum Kind {
    /// Rises by random steps, now and then from zero again.
    Counter,
    /// Wanders.
    Gauge,
    /// One of few values.
    State,
    /// Numbers that are none among others.
    Odd,
}

/// Returns all series of a seed.
pub fn series(seed: u64) -> Vec<Generated> {
    let mut random = Random(seed);
    let mut res = Vec::new();
    for instance in ["a:1", "b:1", "c:2"] {
        for (job, path) in [("api", "/"), ("api", "/cv"), ("web", "/")] {
            let labels = |name: &str| {
                vec![
                    ("__name__", name.to_string()),
                    ("instance", instance.to_string()),
                    ("job", job.to_string()),
                    ("path", path.to_string()),
                ]
            };
            res.push(one(&mut random, labels("requests_total"), Kind::Counter));
            res.push(one(&mut random, labels("load"), Kind::Gauge));
            res.push(one(&mut random, labels("state"), Kind::State));
        }
        let of_instance =
            |name: &str| vec![("__name__", name.to_string()), ("instance", instance.to_string())];
        res.push(one(&mut random, of_instance("odd"), Kind::Odd));
        let mut info = of_instance("build_info");
        info.push(("version", format!("1.{}", random.below(3))));
        res.push(Generated { labels: info, values: vec![Some(1.0); N_SAMPLES] });
        res.extend(histogram(&mut random, instance));
    }
    res
}

fn one(random: &mut Random, labels: Vec<(&'static str, String)>, kind: Kind) -> Generated {
    let mut value = (random.share() * 1_000.0).round();
    let mut is_gone = false;
    let mut values = Vec::with_capacity(N_SAMPLES);
    for _ in 0..N_SAMPLES {
        match kind {
            Kind::Counter if random.once_in(97) => value = random.below(5) as f64,
            Kind::Counter => value += random.below(20) as f64,
            Kind::Gauge => value += random.share() * 20.0 - 10.0,
            Kind::State => value = random.below(4) as f64,
            Kind::Odd => {
                value = match random.below(12) {
                    0 => f64::NAN,
                    1 => f64::INFINITY,
                    2 => f64::NEG_INFINITY,
                    3 => 0.0,
                    4 => -1e300,
                    _ => random.share() * 100.0 - 50.0,
                }
            }
        }
        // A series ends with a marker, stays away for a while, and comes back; and now and then
        // one sample is missing without any word.
        let sample = match (is_gone, random.below(60)) {
            (false, 0) => {
                is_gone = true;
                Some(f64::from_bits(STALE))
            }
            (false, 1) => None,
            (true, 2..=8) => {
                is_gone = false;
                Some(value)
            }
            (true, _) => None,
            (false, _) => Some(value),
        };
        values.push(sample);
    }
    Generated { labels, values }
}

/// A classic histogram; its counts are cumulative in time and over the buckets.
fn histogram(random: &mut Random, instance: &str) -> Vec<Generated> {
    let bounds = ["0.1", "0.5", "1", "2.5", "+Inf"];
    let mut counts = [0.0_f64; 5];
    let (mut total, mut sum) = (Vec::new(), Vec::new());
    let mut buckets: Vec<Vec<Option<f64>>> = vec![Vec::new(); bounds.len()];
    let mut seconds = 0.0;
    for _ in 0..N_SAMPLES {
        for (idx, count) in counts.iter_mut().enumerate() {
            *count += random.below(4 + idx) as f64;
        }
        seconds += random.share() * 10.0;
        let mut below = 0.0;
        for (bucket, count) in buckets.iter_mut().zip(&counts) {
            below += count;
            bucket.push(Some(below));
        }
        total.push(Some(below));
        sum.push(Some(seconds));
    }
    let labels = |name: &str| vec![("__name__", name.to_string()), ("instance", instance.to_string())];
    let bucket = |(bound, values): (&str, Vec<Option<f64>>)| {
        let mut labels = labels("duration_seconds_bucket");
        labels.push(("le", bound.to_string()));
        Generated { labels, values }
    };
    let mut res: Vec<Generated> = bounds.into_iter().zip(buckets).map(bucket).collect();
    res.push(Generated { labels: labels("duration_seconds_count"), values: total });
    res.push(Generated { labels: labels("duration_seconds_sum"), values: sum });
    res
}

/// Encodes the samples of some moments as remote write 1.0 wants them (`prometheus.WriteRequest`).
pub fn write_request(series: &[Generated], first_ms: i64, moments: std::ops::Range<usize>) -> Vec<u8> {
    let mut request = Vec::new();
    for one in series {
        let mut message = Vec::new();
        let mut labels = one.labels.clone();
        labels.sort();
        for (name, value) in &labels {
            let mut pair = Vec::new();
            put(&mut pair, 1, name.as_bytes());
            put(&mut pair, 2, value.as_bytes());
            put(&mut message, 1, &pair);
        }
        let mut is_any = false;
        for idx in moments.clone() {
            if let Some(value) = one.values[idx] {
                let mut sample = vec![0x09];
                sample.extend(value.to_le_bytes());
                sample.push(0x10);
                prost::encoding::encode_varint((first_ms + idx as i64 * INTERVAL_MS) as u64, &mut sample);
                put(&mut message, 2, &sample);
                is_any = true;
            }
        }
        if is_any {
            put(&mut request, 1, &message);
        }
    }
    snap::raw::Encoder::new().compress_vec(&request).unwrap()
}

/// Returns ranges of moments, so that every series comes forward at the same pace: a receiver
/// refuses what is far behind.
pub fn slices() -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..N_SAMPLES).step_by(60).map(|from| from..(from + 60).min(N_SAMPLES))
}

fn put(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    prost::encoding::encode_varint(bytes.len() as u64, message);
    message.extend(bytes);
}
