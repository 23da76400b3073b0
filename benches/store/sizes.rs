//! Bytes on disk: of a sample, and of a line against its raw text.

use super::feed::{FedMetrics, MetricSet, START};
use super::history::{Run, Sizes};
use super::lines::{LineKind, Told};
use super::table::{Row, Section, bytes, count};

/// Bytes per sample of a host's metrics, and of metrics that all change each time.
const HOST_MAX: f64 = 0.65;
const CHANGING_MAX: f64 = 2.7;

/// How many times larger raw logs are.
const SYSTEM_MIN: f64 = 8.0;
const ACCESS_MIN: f64 = 5.0;

/// The variable that names a recording of a host.
pub const HOST_DATA: &str = "VITRINE_HOST_DATA";

/// Series of the set in which all change.
pub const CHANGING_SERIES: usize = 600;

/// Raw bytes of each kind of line, at scale 1.
const RAW_BYTES: u64 = 150_000_000;

/// Returns the bytes per sample of three sets of metrics.
pub fn metrics(run: &mut Run) -> Section {
    let mut section = Section::new("Metrics: bytes on disk per sample");
    match std::env::var_os(HOST_DATA) {
        Some(path) => {
            let (half, half_sizes) = run.metric_sizes(&MetricSet::HostHalf(path.clone().into()));
            let (fed, sizes) = run.metric_sizes(&MetricSet::Host(path.into()));
            let n_further = fed.n_samples - half.n_samples;
            let further = (sizes.samples as f64 - half_sizes.samples as f64) / n_further as f64;
            let row = row("host", (fed, sizes), HOST_MAX);
            section.push(row.note(format!("{further:.3} B for each sample of its second half")));
        }
        None => section.push(Row::new("host", "skipped").note(format!("{HOST_DATA} names no recording"))),
    }
    section.push(row("host-like", run.metric_sizes(&MetricSet::HostLike), HOST_MAX));
    let changing = run.metric_sizes(&MetricSet::AllChanging(CHANGING_SERIES));
    section.push(row("all-changing", changing, CHANGING_MAX));
    section.footnote(
        "Allocated blocks after a clean close, sled's overhead, indexes and folders included; the budget is \
         that of samples as they came, which is what other stores keep. Roll-ups come on top and stay when \
         the samples go. What a partition takes in any case weighs in a recording of a few hours: its second \
         half says what a longer one would take.",
    );
    section
}

fn row(name: &str, (fed, sizes): (FedMetrics, Sizes), per_sample_max: f64) -> Row {
    let per_sample = |n: u64| n as f64 / fed.n_samples as f64;
    let figure = per_sample(sizes.samples + sizes.rest);
    Row::new(name, format!("{figure:.3} B"))
        .budget(format!("≤ {per_sample_max} B"), figure <= per_sample_max)
        .note(format!("{:.3} B with roll-ups", per_sample(sizes.samples + sizes.roll_ups + sizes.rest)))
        .note(format!("{} series × {} scrapes", count(fed.n_series as u64), count(fed.n_scrapes)))
        .note(bytes(sizes.samples + sizes.rest))
}

/// Returns how much smaller each kind of log is on disk.
pub fn logs(run: &mut Run) -> Section {
    let mut section = Section::new("Logs: raw bytes against bytes on disk");
    let kinds = [
        ("access", LineKind::Access, Some(ACCESS_MIN)),
        ("access, text alone", LineKind::AccessText, Some(ACCESS_MIN)),
        ("app", LineKind::App, None),
        ("json", LineKind::Json, None),
        ("system", LineKind::System, Some(SYSTEM_MIN)),
    ];
    for (name, kind, ratio_min) in kinds {
        let dir = run.dir.join("logs");
        let fed = run.feed_logs(&dir, kind, START.to_nanos().0, run.scaled(RAW_BYTES));
        let sizes = Sizes::of(&dir);
        std::fs::remove_dir_all(&dir).unwrap();
        let row = log_row(name, &fed.told, sizes.lines + sizes.rest);
        let ratio = fed.told.raw_bytes as f64 / (sizes.lines + sizes.rest) as f64;
        section.push(match ratio_min {
            Some(min) => row.budget(format!("≥ {min} ×"), ratio >= min),
            None => row,
        });
    }
    let history = run.history();
    let sizes = Sizes::of(&history.dir);
    section.push(log_row("mixed", &history.logs.told, sizes.lines + sizes.rest));
    section.footnote(
        "Raw is the text with a line end and the values of the metadata, not their names; on disk as above. \
         Access records have 11 values each, of which two are random ids of 24 bytes together.",
    );
    section
}

fn log_row(name: &str, told: &Told, disk_bytes: u64) -> Row {
    let per_line = |n: u64| n as f64 / told.n_lines as f64;
    Row::new(name, format!("{:.2} ×", told.raw_bytes as f64 / disk_bytes as f64))
        .note(format!("{} raw, {} on disk", bytes(told.raw_bytes), bytes(disk_bytes)))
        .note(format!("{} lines", count(told.n_lines)))
        .note(format!("{:.1} B per line of {:.0}", per_line(disk_bytes), per_line(told.raw_bytes)))
}
