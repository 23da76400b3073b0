//! What the owner can set about telemetry, and where each signal is sent.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::subscriber;
use crate::record::sampling::{Sampler, Sampling};

/// An export attempt that takes longer is given up (OTLP specification's default).
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often instruments are read into the store: a third of a megabyte a day, and six
/// samples in the shortest window that a chart uses.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

/// How often metrics are exported. The OpenTelemetry default of 60 s leaves a panel with
/// `rate(..[1m])` empty; this is the pace of our own store, so both show the same curve.
pub const METRIC_INTERVAL: Duration = Duration::from_secs(10);

/// Below this, exporting costs more than what it measures.
const METRIC_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Settings of this part.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is logged, in the language of `RUST_LOG`: `info`, `warn,vitrine::cv=debug`.
    pub log_level: String,
    /// How often all instruments are read into the store; whoever reads them keeps to it.
    pub sample_interval: Duration,
    /// Which spans are kept.
    pub traces: Traces,
    /// Export by OTLP/HTTP.
    pub otlp: Otlp,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            log_level: "info".into(),
            sample_interval: SAMPLE_INTERVAL,
            traces: Traces::default(),
            otlp: Otlp::default(),
        }
    }
}

/// Which requests and operations leave spans; slow and failed ones always do.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// How requests are chosen whatever happens to them.
    pub sampler: Sampler,
    /// The share that a sampler by ratio chooses, from 0 to 1.
    pub ratio: f64,
    /// What takes longer than this until its answer begins is slow.
    pub slow: Duration,
}

impl Default for Traces {
    fn default() -> Self {
        // One in a hundred shows what is usual, and costs a busy site nothing. A page takes
        // less than a millisecond: a quarter of a second is what people begin to notice.
        Traces { sampler: Sampler::default(), ratio: 0.01, slow: Duration::from_millis(250) }
    }
}

impl Traces {
    /// Returns the sampler with its ratio.
    pub fn sampling(&self) -> Sampling {
        Sampling::new(self.sampler, self.ratio)
    }
}

/// Settings of the OTLP exporters; a signal without an endpoint is not exported.
#[derive(Clone, Debug, PartialEq)]
pub struct Otlp {
    /// False switches all export off, endpoints or not.
    pub enabled: bool,
    /// The collector's base address; `/v1/metrics`, `/v1/logs` and `/v1/traces` are appended.
    pub endpoint: Option<String>,
    /// Sent with every request, for credentials.
    pub headers: Headers,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// How bodies are compressed.
    pub compression: Compression,
    /// Certificates for far ends by `https`.
    pub certificates: Certificates,
    /// How often metrics are collected and sent.
    pub metric_interval: Duration,
    /// More resource attributes, such as `deployment.environment.name`; changing them
    /// needs a restart. Those that make `job`, `instance` and the log streams are not
    /// for the owner to set: dashboards rely on them.
    pub resource_attributes: Vec<(String, String)>,
    /// What differs for metrics.
    pub metrics: SignalConfig,
    /// What differs for logs.
    pub logs: SignalConfig,
    /// What differs for traces.
    pub traces: SignalConfig,
}

impl Default for Otlp {
    fn default() -> Self {
        Otlp {
            enabled: true,
            endpoint: None,
            headers: Headers::default(),
            timeout: TIMEOUT,
            compression: Compression::None,
            certificates: Certificates::default(),
            metric_interval: METRIC_INTERVAL,
            resource_attributes: Vec::new(),
            metrics: SignalConfig::default(),
            logs: SignalConfig::default(),
            traces: SignalConfig::default(),
        }
    }
}

/// What one signal does differently; what is `None` is taken from [`Otlp`].
#[derive(Clone, Debug, PartialEq)]
pub struct SignalConfig {
    /// False keeps this signal at home.
    pub enabled: bool,
    /// The full address, used as it is.
    pub endpoint: Option<String>,
    /// Sent instead of the common headers.
    pub headers: Option<Headers>,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// How bodies are compressed.
    pub compression: Option<Compression>,
    /// Each file used instead of the common one.
    pub certificates: Certificates,
}

impl Default for SignalConfig {
    fn default() -> Self {
        SignalConfig {
            enabled: true,
            endpoint: None,
            headers: None,
            timeout: None,
            compression: None,
            certificates: Certificates::default(),
        }
    }
}

/// PEM files for far ends by `https`; a reload reads them again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certificates {
    /// Whom to trust, instead of the roots that browsers trust.
    pub roots: Option<PathBuf>,
    /// Who we are, for a far end that asks.
    pub client: Option<PathBuf>,
    /// The key of that.
    pub client_key: Option<PathBuf>,
}

/// Header pairs; `Debug` shows the names only, since the values are credentials.
#[derive(Clone, Default, PartialEq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "***"))).finish()
    }
}

/// How a request body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Sent as it is.
    #[default]
    None,
    /// `Content-Encoding: gzip`.
    Gzip,
}

/// A kind of telemetry that is exported on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Metric points.
    Metrics,
    /// Log records.
    Logs,
    /// Spans.
    Traces,
}

impl Signal {
    /// Every one.
    pub const ALL: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];

    /// Returns the signal's word, as in `/v1/metrics` and in the `signal` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
            Signal::Traces => "traces",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where and how one signal is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The full address.
    pub url: String,
    /// Sent with every request.
    pub headers: Headers,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// How bodies are compressed.
    pub compression: Compression,
    /// Certificates, for `https`.
    pub certificates: Certificates,
}

impl Target {
    /// Returns true when files say whom to trust or who we are.
    pub fn has_certificates(&self) -> bool {
        self.certificates != Certificates::default()
    }

    /// Returns the address without its query, which may hold a credential.
    pub fn display_url(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }
}

impl Otlp {
    /// Returns where a signal goes, or `None` when it stays at home.
    pub fn target(&self, signal: Signal) -> Option<Target> {
        let own = match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            Signal::Traces => &self.traces,
        };
        if !self.enabled || !own.enabled {
            return None;
        }
        let common = || Some(format!("{}/v1/{signal}", self.endpoint.as_ref()?.trim_end_matches('/')));
        Some(Target {
            url: own.endpoint.clone().or_else(common)?,
            headers: own.headers.clone().unwrap_or_else(|| self.headers.clone()),
            timeout: own.timeout.unwrap_or(self.timeout),
            compression: own.compression.unwrap_or(self.compression),
            certificates: Certificates {
                roots: own.certificates.roots.clone().or_else(|| self.certificates.roots.clone()),
                client: own.certificates.client.clone().or_else(|| self.certificates.client.clone()),
                client_key: (own.certificates.client_key.clone())
                    .or_else(|| self.certificates.client_key.clone()),
            },
        })
    }
}

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{key} = {value:?}: {expected}")]
pub struct Fault {
    /// The setting's path inside this part, or the environment variable.
    pub key: String,
    /// What was given; `***` for a credential.
    pub value: String,
    /// What would be accepted.
    pub expected: String,
}

impl Config {
    /// Returns every setting that cannot be used; none when all can.
    pub fn faults(&self) -> Vec<Fault> {
        let mut res = Vec::new();
        let mut add = |key: String, value: String, expected: String| {
            res.push(Fault { key, value, expected });
        };
        if let Err(err) = subscriber::parse_level(&self.log_level) {
            add("log_level".into(), self.log_level.clone(), err.to_string());
        }
        let otlp = &self.otlp;
        for (key, endpoint) in [
            ("otlp.endpoint", &otlp.endpoint),
            ("otlp.metrics.endpoint", &otlp.metrics.endpoint),
            ("otlp.logs.endpoint", &otlp.logs.endpoint),
            ("otlp.traces.endpoint", &otlp.traces.endpoint),
        ] {
            let refused = endpoint.as_ref().and_then(|text| Some((text, endpoint_fault(text)?)));
            if let Some((text, expected)) = refused {
                let shown = if text.contains('@') { "***" } else { text };
                add(key.into(), shown.into(), expected.into());
            }
        }
        let own = |own: &SignalConfig| own.headers.clone().unwrap_or_default();
        for (key, headers) in [
            ("otlp.headers", otlp.headers.clone()),
            ("otlp.metrics.headers", own(&otlp.metrics)),
            ("otlp.logs.headers", own(&otlp.logs)),
            ("otlp.traces.headers", own(&otlp.traces)),
        ] {
            for (name, value) in &headers.0 {
                let is_sendable =
                    http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
                if !is_sendable {
                    add(format!("{key}.{name}"), "***".into(), "must be a valid HTTP header".into());
                }
            }
        }
        for (key, value, least) in [
            ("otlp.metric_interval", otlp.metric_interval, METRIC_INTERVAL_MIN),
            ("otlp.timeout", otlp.timeout, Duration::from_millis(1)),
        ] {
            if value < least {
                add(key.into(), format!("{value:?}"), format!("must be at least {least:?}"));
            }
        }
        res
    }
}

fn endpoint_fault(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else {
        return Some("must be an address such as http://localhost:4318");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold a credential: send it as a header");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_endpoint_gets_the_signal_path_and_own_endpoint_does_not() {
        let mut otlp = Otlp { endpoint: Some("http://collector:4318/".into()), ..Otlp::default() };
        otlp.logs.endpoint = Some("http://loki:3100/otlp/v1/logs".into());
        let url = |signal| otlp.target(signal).unwrap().url;
        assert_eq!(url(Signal::Metrics), "http://collector:4318/v1/metrics");
        assert_eq!(url(Signal::Logs), "http://loki:3100/otlp/v1/logs");
    }

    #[test]
    fn a_signal_without_endpoint_or_switched_off_stays_at_home() {
        assert_eq!(Otlp::default().target(Signal::Logs), None);
        let mut otlp = Otlp { endpoint: Some("http://collector:4318".into()), ..Otlp::default() };
        otlp.logs.enabled = false;
        assert_eq!(otlp.target(Signal::Logs), None);
        otlp.enabled = false;
        assert_eq!(otlp.target(Signal::Metrics), None);
    }

    #[test]
    fn every_fault_is_named_and_credentials_stay_out() {
        let mut config = Config { log_level: "loud=!".into(), ..Config::default() };
        config.otlp.endpoint = Some("http://user:secret@collector".into());
        config.otlp.logs.endpoint = Some("localhost:4318".into());
        config.otlp.headers = Headers(vec![("a b".into(), "secret".into())]);
        config.otlp.metric_interval = Duration::ZERO;
        let faults = config.faults();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
        let expect =
            ["log_level", "otlp.endpoint", "otlp.logs.endpoint", "otlp.headers.a b", "otlp.metric_interval"];
        assert_eq!(keys, expect);
        assert!(!format!("{faults:?} {:?}", config.otlp.headers).contains("secret"));
        assert_eq!(Config::default().faults(), []);
    }
}
