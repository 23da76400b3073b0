//! Generated metric series, by what kind of thing they count or measure.

use vitrine::clock::UnixMillis;
use vitrine::record::{Labels, Point, Scrape};

use super::random::Random;

/// What a series imitates; the comments name one of each kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A size, a limit, a version, or a count of what never happens: `node_memory_MemTotal_bytes`.
    Constant,
    /// A counter of rare events: `node_netstat_Tcp_OutRsts`.
    IdleCounter,
    /// A counter of frequent events: `node_context_switches_total`.
    BusyCounter,
    /// Seconds counted in ticks of 1/100: `node_cpu_seconds_total`.
    CpuSeconds,
    /// Seconds counted in ms and multiplied, with the noise that this gives: `node_disk_io_time_seconds_total`.
    DiskSeconds,
    /// A gauge in pages of 4,096 bytes: `node_memory_MemFree_bytes`.
    Pages,
    /// A gauge in bytes that grows and is collected: `go_memstats_heap_alloc_bytes`.
    Heap,
    /// A small number that rarely changes: `node_procs_blocked`.
    SmallGauge,
    /// A duration in ns given as seconds: `node_scrape_collector_duration_seconds`.
    Nanoseconds,
    /// A moving average with two decimals: `node_load1`.
    Load,
    /// The time of day, to the ns: `node_time_seconds`.
    TimeOfDay,
    /// Degrees with one decimal: `node_hwmon_temp_celsius`.
    Temperature,
    /// A ratio of two counts in full precision: a hit rate.
    Ratio,
    /// A sum of amounts in full precision: `http_request_duration_seconds_sum`.
    FloatCounter,
}

/// Returns the mix that a recording of `node_exporter` on a small virtual server shows, as
/// shares of 500.
fn host_mix() -> [(Shape, usize); 12] {
    [
        (Shape::Constant, 322),
        (Shape::Nanoseconds, 46),
        (Shape::Pages, 32),
        (Shape::BusyCounter, 28),
        (Shape::IdleCounter, 16),
        (Shape::SmallGauge, 16),
        (Shape::CpuSeconds, 14),
        (Shape::Heap, 10),
        (Shape::DiskSeconds, 9),
        (Shape::Load, 3),
        (Shape::TimeOfDay, 2),
        (Shape::FloatCounter, 2),
    ]
}

/// Every kind that changes with every sample.
const CHANGING: [Shape; 7] = [
    Shape::BusyCounter,
    Shape::CpuSeconds,
    Shape::Pages,
    Shape::Load,
    Shape::Temperature,
    Shape::Ratio,
    Shape::FloatCounter,
];

/// Series per instance of a fleet: what one host or one program exposes.
pub const SERIES_PER_INSTANCE: usize = 500;

/// Series per metric name of a fleet.
pub const SERIES_PER_NAME: usize = 200;

/// Generated series that are scraped together.
pub struct SeriesSet {
    labels: Vec<Labels>,
    values: Vec<Values>,
}

impl SeriesSet {
    /// Imitates one host: about two thirds constant, the rest as [`host_mix`] has it.
    pub fn host_like(seed: u64) -> Self {
        let shapes = host_mix().into_iter().flat_map(|(shape, n)| std::iter::repeat_n(shape, n));
        SeriesSet::of(seed, "host", shapes, |idx, shape| {
            let name = format!("node_{}_{}", name_of(shape), idx / 8);
            let device = format!("dev{}", idx % 8);
            Labels::new([
                ("__name__", &*name),
                ("instance", "host-1:9100"),
                ("job", "node"),
                ("device", &device),
            ])
        })
    }

    /// Imitates the worst case, a program of which every series changes each time: seven kinds
    /// in equal parts.
    pub fn all_changing(seed: u64, n: usize) -> Self {
        SeriesSet::of(seed, "changing", CHANGING.into_iter().cycle().take(n), |idx, shape| {
            let name = format!("app_{}", name_of(shape));
            let shard = (idx / CHANGING.len()).to_string();
            Labels::new([("__name__", &*name), ("instance", "app-1:8080"), ("job", "app"), ("shard", &shard)])
        })
    }

    /// Imitates several instances of a program that changes all the time, with
    /// [`SERIES_PER_INSTANCE`] series each and [`SERIES_PER_NAME`] of each name.
    pub fn fleet(seed: u64, n: usize) -> Self {
        let n_names = n / SERIES_PER_NAME;
        let shapes = (0..n).map(|idx| CHANGING[idx % n_names % CHANGING.len()]);
        SeriesSet::of(seed, "fleet", shapes, |idx, shape| {
            let name = format!("app_{}_{}", name_of(shape), idx % n_names);
            let instance = format!("app-{}:8080", idx / SERIES_PER_INSTANCE);
            let shard = (idx % SERIES_PER_INSTANCE / n_names).to_string();
            Labels::new([("__name__", &*name), ("instance", &instance), ("job", "app"), ("shard", &shard)])
        })
    }

    fn of(
        seed: u64,
        what: &str,
        shapes: impl Iterator<Item = Shape>,
        labels: impl Fn(usize, Shape) -> Labels,
    ) -> Self {
        let shapes: Vec<Shape> = shapes.collect();
        SeriesSet {
            labels: shapes.iter().enumerate().map(|(idx, shape)| labels(idx, *shape)).collect(),
            values: shapes
                .iter()
                .enumerate()
                .map(|(idx, shape)| Values::new(*shape, Random::new(seed, &format!("{what} {idx}"))))
                .collect(),
        }
    }

    /// Returns the next value of every series.
    pub fn scrape(&mut self, at: UnixMillis) -> Scrape {
        let values = self.values.iter_mut().map(|values| values.next(at));
        let points = self.labels.iter().zip(values);
        Scrape { at, points: points.map(|(series, value)| Point { series: series.clone(), value }).collect() }
    }
}

fn name_of(shape: Shape) -> &'static str {
    match shape {
        Shape::Constant => "limit",
        Shape::IdleCounter => "errors_total",
        Shape::BusyCounter => "events_total",
        Shape::CpuSeconds => "cpu_seconds_total",
        Shape::DiskSeconds => "disk_seconds_total",
        Shape::Pages => "memory_bytes",
        Shape::Heap => "heap_bytes",
        Shape::SmallGauge => "sockets",
        Shape::Nanoseconds => "duration_seconds",
        Shape::Load => "load",
        Shape::TimeOfDay => "time_seconds",
        Shape::Temperature => "temperature_celsius",
        Shape::Ratio => "hit_ratio",
        Shape::FloatCounter => "seconds_sum",
    }
}

/// The values of one series.
struct Values {
    shape: Shape,
    random: Random,
    /// How large the steps of this series are, drawn once.
    size: f64,
    /// How much is going on, redrawn every few minutes.
    pace: f64,
    /// Whole units counted: events, ticks, pages, bytes, ns, tenths.
    count: i64,
    /// Where it is, for what is no whole number.
    level: f64,
}

/// A load or a rate stays about the same for so many samples.
const PACE_LASTS: f64 = 30.0;

impl Values {
    fn new(shape: Shape, mut random: Random) -> Self {
        let size = (1_u64 << random.below(10)) as f64 * (1.0 + random.unit());
        let count = match shape {
            // Most of what never changes is 0 or 1.
            Shape::Constant if random.chance(0.6) => 0,
            Shape::Constant if random.chance(0.6) => 1,
            Shape::SmallGauge => random.below(4) as i64,
            Shape::Temperature => 350 + random.below(300) as i64,
            _ => random.below(1 << 22) as i64,
        };
        Values { shape, size, pace: random.unit(), count, level: random.unit(), random }
    }

    fn next(&mut self, at: UnixMillis) -> f64 {
        if self.random.chance(1.0 / PACE_LASTS) {
            self.pace = self.random.unit() * self.random.unit() * 2.0;
        }
        let random = &mut self.random;
        match self.shape {
            Shape::Constant => self.count as f64,
            Shape::IdleCounter => {
                self.count += if random.chance(0.05) { 1 + random.below(3) as i64 } else { 0 };
                self.count as f64
            }
            Shape::BusyCounter => {
                self.count += 1 + (self.size * 512.0 * self.pace * (0.5 + random.unit())) as i64;
                self.count as f64
            }
            Shape::CpuSeconds => {
                // Of the 1,500 ticks of a core in 15 s a mode takes a few to most.
                let share = (self.size / 1_024.0 * (0.3 + self.pace)).min(1.0);
                self.count += 1 + (1_000.0 * share * (0.5 + random.unit())) as i64;
                self.count as f64 / 100.0
            }
            Shape::DiskSeconds => {
                self.count += (self.size * self.pace * random.unit()) as i64;
                self.count as f64 * 0.001
            }
            Shape::Pages => {
                let step = (self.size * 64.0 * random.around_zero()) as i64;
                self.count = (self.count + if step == 0 { 1 } else { step }).max(1);
                self.count as f64 * 4_096.0
            }
            Shape::Heap => {
                self.count += (1_024.0 + 4.0 * self.size * random.unit()) as i64;
                self.count %= 1 << 22;
                (self.count * 8) as f64
            }
            Shape::SmallGauge => {
                self.count = if random.chance(0.04) { random.below(6) as i64 } else { self.count };
                self.count as f64
            }
            Shape::Nanoseconds => {
                let spike = if random.chance(0.05) { 1.0 + 5.0 * random.unit() } else { 1.0 };
                let ns = (self.size * 1_000.0 * spike * (0.7 + 0.6 * random.unit())) as i64;
                ns as f64 / 1e9
            }
            Shape::Load => {
                let before = self.count;
                self.level += (self.pace * 2.0 - self.level) * 0.22 + 0.05 * random.around_zero();
                self.count = (self.level.max(0.0) * 100.0) as i64;
                self.count += i64::from(self.count == before);
                self.count as f64 / 100.0
            }
            Shape::TimeOfDay => {
                let ns = at.0 * 1_000_000 + random.below(60_000_000) as i64;
                ns as f64 / 1e9
            }
            Shape::Temperature => {
                let step = (2.0 * random.around_zero()) as i64;
                self.count = (self.count + if step == 0 { 1 } else { step }).clamp(250, 900);
                self.count as f64 / 10.0
            }
            Shape::Ratio => {
                self.level = (self.level + 0.02 * random.around_zero()).clamp(0.05, 0.95);
                // As of two counts: no short decimal.
                let n_all = 1 + random.below(10_000_000);
                (n_all as f64 * self.level).max(1.0).trunc() / (n_all + 1) as f64
            }
            Shape::FloatCounter => {
                self.level += self.size * 0.01 * self.pace * random.unit() + 1e-6 * random.unit();
                self.level
            }
        }
    }
}
