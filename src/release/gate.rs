//! Whether a release that serves is as good as the one before.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The new release must answer so often in a row.
pub const PROBES: u32 = 5;

/// The wait between two of them.
pub const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// It must do so within, counted from when it serves.
pub const GATE_TIMEOUT: Duration = Duration::from_secs(10);

/// Fewer requests say nothing about a share; then the probes decide alone.
const REQUESTS_MIN: u64 = 20;

/// Failed requests may be so much more of all than in the hour before.
const SHARE_MORE_MAX: f64 = 0.01;

/// Requests and those of them that were answered with 5xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// All.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
}

impl Traffic {
    fn share(self) -> f64 {
        self.failed as f64 / self.requests.max(1) as f64
    }

    /// Returns why this is worse than what was before, if it is.
    pub fn is_worse_than(self, before: Traffic) -> Option<String> {
        let most = before.share() + SHARE_MORE_MAX;
        (self.requests >= REQUESTS_MIN && self.share() > most).then(|| {
            let Traffic { requests, failed } = self;
            let before = before.share() * 100.0;
            format!("{failed} of {requests} requests failed, and {before:.1} % did in the hour before")
        })
    }
}

/// What a running vitrine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vitals {
    /// The release that it is.
    pub release: String,
    /// The version of its binary.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The path that it was run by, and that a successor is started from.
    pub program: PathBuf,
    /// Where it is asked for its health.
    pub address: SocketAddr,
    /// Whether it wants traffic.
    pub is_ready: bool,
    /// Since it started, probes aside.
    pub since_start: Traffic,
}

/// Counts probes.
#[derive(Debug, Default)]
pub struct Gate {
    in_a_row: u32,
    last: String,
}

impl Gate {
    /// Takes the answer to a probe: the release that answered well, or what was wrong.
    pub fn note(&mut self, expected: &str, answer: Result<String, String>) {
        match answer {
            Ok(release) if release == expected => self.in_a_row += 1,
            Ok(other) => (self.in_a_row, self.last) = (0, format!("release {other} answered")),
            Err(reason) => (self.in_a_row, self.last) = (0, reason),
        }
    }

    /// Whether it answered often enough.
    pub fn is_open(&self) -> bool {
        self.in_a_row >= PROBES
    }

    /// Says why it is not open.
    pub fn reason(&self) -> String {
        let Gate { in_a_row, last } = self;
        let last = if last.is_empty() { String::new() } else { format!(": {last}") };
        format!("it answered {in_a_row} times in a row and not {PROBES}{last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_release_opens_it_and_only_in_a_row() {
        let mut gate = Gate::default();
        let answer = |release: &str| Ok(release.to_string());
        (1..PROBES).for_each(|_| gate.note("b", answer("b")));
        assert!(!gate.is_open());
        gate.note("b", answer("a"));
        assert!(gate.reason().contains("release a answered"), "{}", gate.reason());
        (0..PROBES).for_each(|_| gate.note("b", answer("b")));
        assert!(gate.is_open());
        gate.note("b", Err("refused".into()));
        assert!(!gate.is_open() && gate.reason().contains("refused"));
    }

    #[test]
    fn a_share_of_failures_is_judged_by_the_hour_before() {
        let traffic = |requests, failed| Traffic { requests, failed };
        let is_worse = |now: Traffic, before| now.is_worse_than(before).is_some();
        assert!(!is_worse(traffic(19, 19), traffic(0, 0)), "too few to tell");
        assert!(is_worse(traffic(20, 1), traffic(0, 0)));
        assert!(!is_worse(traffic(200, 2), traffic(0, 0)), "one in a hundred may");
        assert!(is_worse(traffic(200, 3), traffic(0, 0)));
        assert!(!is_worse(traffic(200, 3), traffic(1_000, 10)));
        assert!(is_worse(traffic(200, 30), traffic(1_000, 100)));
    }
}
