//! The load: wrk, and what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

use super::program;

/// Prints on one line what [`Answered`] reads.
const SCRIPT: &str = r#"
function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format(
        'figures {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,'
            .. '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}',
        summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
        errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
"#;

/// An answer that takes longer is an error. wrk's own 2 s are less than a queue of 1,000 takes.
const TIMEOUT: &str = "10s";

/// What a browser says it is: nginx writes it into its log and vitrine into its records.
const USER_AGENT: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// The form of a load.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// One connection, kept
    #[value(name = "keep-1")]
    Keep1,
    /// 64 connections, kept: the budgets are checked here
    #[value(name = "keep-64")]
    Keep64,
    /// 1,000 connections, kept
    #[value(name = "keep-1000")]
    Keep1000,
    /// A new connection for each request, one at once
    #[value(name = "new-1")]
    New1,
    /// A new connection for each request, 64 at once
    #[value(name = "new-64")]
    New64,
    /// A new connection for each request, 1,000 at once
    #[value(name = "new-1000")]
    New1000,
}

impl Shape {
    /// Returns how many connections there are at once.
    fn n_connections(self) -> u32 {
        match self {
            Shape::Keep1 | Shape::New1 => 1,
            Shape::Keep64 | Shape::New64 => 64,
            Shape::Keep1000 | Shape::New1000 => 1_000,
        }
    }

    /// Returns whether a connection has more than one request.
    fn is_kept(self) -> bool {
        match self {
            Shape::Keep1 | Shape::Keep64 | Shape::Keep1000 => true,
            Shape::New1 | Shape::New64 | Shape::New1000 => false,
        }
    }

    /// Returns what stands above its table.
    pub fn title(self) -> &'static str {
        match self {
            Shape::Keep1 => "keep-alive, 1 connection",
            Shape::Keep64 => "keep-alive, 64 connections",
            Shape::Keep1000 => "keep-alive, 1,000 connections",
            Shape::New1 => "new connections, 1 at once",
            Shape::New64 => "new connections, 64 at once",
            Shape::New1000 => "new connections, 1,000 at once",
        }
    }
}

/// What one run of wrk counted.
#[derive(Deserialize)]
pub struct Answered {
    pub requests: u64,
    pub duration_us: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub errors: Errors,
}

/// Requests without the answer that was asked for.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Errors {
    connect: u64,
    read: u64,
    write: u64,
    status: u64,
    timeout: u64,
}

impl Errors {
    /// Returns how many there were.
    pub fn sum(&self) -> u64 {
        self.connect + self.read + self.write + self.status + self.timeout
    }
}

/// How requests are sent.
pub struct Load {
    wrk: String,
    script: PathBuf,
    duration: Duration,
    accept_encoding: String,
}

impl Load {
    /// Prepares requests for pages in an encoding.
    pub fn new(wrk: &str, dir: &Path, duration: Duration, encoding: &str) -> Self {
        let script = dir.join("figures.lua");
        fs::write(&script, SCRIPT).unwrap();
        Load {
            wrk: wrk.to_string(),
            script,
            duration,
            accept_encoding: format!("Accept-Encoding: {encoding}"),
        }
    }

    /// Asks a server for as long as a measurement takes.
    pub fn put_on(&self, url: &str, shape: Shape) -> Answered {
        let n_connections = shape.n_connections();
        let mut command = program::command(&self.wrk);
        command
            .arg(format!("-t{}", n_connections.min(2)))
            .arg(format!("-c{n_connections}"))
            .arg(format!("-d{}s", self.duration.as_secs()))
            .args(["--timeout", TIMEOUT, "-H", USER_AGENT, "-H", &self.accept_encoding]);
        if !shape.is_kept() {
            command.args(["-H", "Connection: close"]);
        }
        let output = command.arg("-s").arg(&self.script).arg(url).stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let figures = text.lines().find_map(|line| line.strip_prefix("figures "));
        let figures = figures.unwrap_or_else(|| panic!("wrk has no figures of {url}:\n{text}"));
        serde_json::from_str(figures).unwrap()
    }
}
