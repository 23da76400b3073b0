//! What the running process says of itself to whoever ships the next release.

use std::ops::ControlFlow;
use std::time::Duration;

use super::serve::Running;
use crate::clock::{UnixMillis, UnixNanos};
use crate::record::access::JOB_APP;
use crate::record::names::HTTP_REQUEST_DURATION;
use crate::record::read::{Direction, LogRead, LogSelect, Matcher, MetricRead, SeriesSelect};
use crate::record::{Labels, Rollup};
use crate::release::gate::{Traffic, Vitals};

const HOUR: Duration = Duration::from_secs(3_600);

/// Asked by supervisors and by whoever ships, so they say nothing about visitors.
const PROBES: [&str; 2] = ["/health", "/ready"];

impl Running {
    /// Returns how this process is.
    pub(super) fn vitals(&self) -> Vitals {
        let reloader = &self.reloader;
        let mut since_start = Traffic::default();
        let counter = counter();
        let points = reloader.telemetry.collect().scrape.points;
        for point in points.iter().filter(|point| point.series.get("__name__") == counter) {
            add(&mut since_start, &point.series, point.value);
        }
        Vitals {
            release: self.release.id.clone(),
            version: self.release.version.to_string(),
            pid: std::process::id(),
            program: self.program.as_ref().map(|program| program.path().to_path_buf()).unwrap_or_default(),
            address: self.address,
            is_ready: reloader.shared.switches.is_wanted(),
            since_start,
        }
    }
}

/// Returns the name of the counter of requests.
fn counter() -> String {
    format!("{}_seconds_count", HTTP_REQUEST_DURATION.name.replace('.', "_"))
}

/// Returns the requests of the last hour as far as they are on record; reads the disk.
pub(super) fn last_hour(store: &dyn MetricRead, now: UnixMillis) -> Traffic {
    let matchers = vec![Matcher::equal("__name__", counter())];
    let select = SeriesSelect { matchers, from: now.minus(HOUR), to: now };
    let mut traffic = Traffic::default();
    let read = store.series(&select, &mut |series, samples| {
        let grown = Rollup::of(samples).map_or(0.0, |rollup| rollup.increase());
        add(&mut traffic, series, grown);
        ControlFlow::Continue(())
    });
    if let Err(fault) = read {
        tracing::warn!("read the requests of the last hour: {fault}");
    }
    traffic
}

/// Lines of the log that are shown of a release that failed.
const LINES_SHOWN: usize = 50;

/// Returns the last lines of our own log, the oldest first.
pub(super) fn last_lines(store: &dyn LogRead, now: UnixNanos) -> String {
    let own = vec![Matcher::equal("service_name", "vitrine"), Matcher::equal("job", JOB_APP)];
    let select = LogSelect::new(own, now.to_millis().minus(HOUR).to_nanos(), now, Direction::Backward);
    let mut lines = Vec::new();
    let read = store.lines(&select, &mut |line| {
        lines.push(format!("{} {}", line.severity.as_str(), line.body()));
        if lines.len() < LINES_SHOWN { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if let Err(fault) = read {
        lines.push(format!("read the log: {fault}"));
    }
    lines.reverse();
    lines.join("\n")
}

// Takes in `n` requests of a series of the counter.
fn add(traffic: &mut Traffic, series: &Labels, n: f64) {
    if PROBES.contains(&series.get("http_route")) {
        return;
    }
    traffic.requests += n as u64;
    if series.get("http_response_status_code").starts_with('5') {
        traffic.failed += n as u64;
    }
}
