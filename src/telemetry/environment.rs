//! The standard `OTEL_*` variables, laid over the settings.
//!
//! They are read through a function, so that a test needs no process environment. As the
//! OpenTelemetry specification asks, an empty variable counts as unset, and one that
//! cannot be understood is reported and ignored: it never keeps the process from
//! starting.

use std::time::Duration;

use super::config::{Certificates, Compression, Config, Fault, Headers, SignalConfig, Traces};
use crate::record::names;
use crate::record::sampling::Sampler;

/// Reads one environment variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Resource attributes that this program sets itself: `job`, `instance` and the labels of
/// log streams must be the same in the store, on `/metrics` and in what is exported, so
/// that a dashboard works on both. Prometheus makes `job` of namespace and name, and Loki
/// labels of all but the instance and version.
///
/// Several vitrines are told apart by `instance`, and by what the owner adds, such as
/// `deployment.environment.name`.
const OWN_ATTRIBUTES: &[&str] =
    &["service.name", "service.namespace", "service.instance.id", "service.version", "job", "level"];

/// What is said of a variable that would change one of them.
const OWN_EXPECTED: &str = "is set by vitrine itself, for dashboards to work on both data sources; ignored";

impl Config {
    /// Returns these settings with the standard variables laid over them, and the
    /// variables that could not be understood.
    pub fn with_environment(mut self, lookup: Lookup<'_>) -> (Config, Vec<Fault>) {
        let mut reader = Reader { lookup, faults: Vec::new() };
        let otlp = &mut self.otlp;
        if reader.get("OTEL_SDK_DISABLED").is_some_and(|(_, text)| text.eq_ignore_ascii_case("true")) {
            otlp.enabled = false;
        }
        if let Some((_, endpoint)) = reader.get("OTEL_EXPORTER_OTLP_ENDPOINT") {
            otlp.endpoint = Some(endpoint);
        }
        if let Some(headers) = reader.headers("OTEL_EXPORTER_OTLP_HEADERS") {
            otlp.headers = headers;
        }
        if let Some(timeout) = reader.millis("OTEL_EXPORTER_OTLP_TIMEOUT") {
            otlp.timeout = timeout;
        }
        if let Some(compression) = reader.compression("OTEL_EXPORTER_OTLP_COMPRESSION") {
            otlp.compression = compression;
        }
        if let Some(interval) = reader.millis("OTEL_METRIC_EXPORT_INTERVAL") {
            otlp.metric_interval = interval;
        }
        reader.protocol("OTEL_EXPORTER_OTLP_PROTOCOL");
        reader.signal("METRICS", &mut otlp.metrics);
        reader.signal("LOGS", &mut otlp.logs);
        reader.signal("TRACES", &mut otlp.traces);
        reader.certificates("OTEL_EXPORTER_OTLP", &mut otlp.certificates);
        reader.traces(&mut self.traces);
        for (key, value) in reader.pairs("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default() {
            if OWN_ATTRIBUTES.contains(&key.as_str()) {
                reader.fault_of_own("OTEL_RESOURCE_ATTRIBUTES", &key, &value);
            } else {
                otlp.resource_attributes.retain(|(known, _)| *known != key);
                otlp.resource_attributes.push((key, value));
            }
        }
        if let Some((key, name)) = reader.get("OTEL_SERVICE_NAME") {
            reader.fault_of_own(&key, "service.name", &name);
        }
        (self, reader.faults)
    }
}

struct Reader<'a> {
    lookup: Lookup<'a>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn get(&self, key: &str) -> Option<(String, String)> {
        let text = (self.lookup)(key)?.trim().to_string();
        (!text.is_empty()).then(|| (key.to_string(), text))
    }

    fn fault(&mut self, key: &str, value: &str, expected: &str) {
        self.faults.push(Fault { key: key.into(), value: value.into(), expected: expected.into() });
    }

    /// Reports an attempt to set what is our own; the value that it has anyway is none.
    fn fault_of_own(&mut self, key: &str, attribute: &str, value: &str) {
        if (attribute, value) != ("service.name", names::SERVICE_NAME) {
            self.fault(key, &format!("{attribute}={value}"), OWN_EXPECTED);
        }
    }

    fn signal(&mut self, signal: &str, config: &mut SignalConfig) {
        let name = |what: &str| format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
        if let Some((key, exporters)) = self.get(&format!("OTEL_{signal}_EXPORTER")) {
            for exporter in exporters.split(',').map(str::trim) {
                match exporter {
                    "otlp" => config.enabled = true,
                    "none" => config.enabled = false,
                    other => self.fault(&key, other, "must be otlp or none"),
                }
            }
        }
        if let Some((_, endpoint)) = self.get(&name("ENDPOINT")) {
            config.endpoint = Some(endpoint);
        }
        config.headers = self.headers(&name("HEADERS")).or(config.headers.take());
        config.timeout = self.millis(&name("TIMEOUT")).or(config.timeout);
        config.compression = self.compression(&name("COMPRESSION")).or(config.compression);
        self.certificates(&format!("OTEL_EXPORTER_OTLP_{signal}"), &mut config.certificates);
        self.protocol(&name("PROTOCOL"));
    }

    fn certificates(&mut self, prefix: &str, certificates: &mut Certificates) {
        for (name, file) in [
            ("CERTIFICATE", &mut certificates.roots),
            ("CLIENT_CERTIFICATE", &mut certificates.client),
            ("CLIENT_KEY", &mut certificates.client_key),
        ] {
            if let Some((_, path)) = self.get(&format!("{prefix}_{name}")) {
                *file = Some(path.into());
            }
        }
    }

    fn traces(&mut self, traces: &mut Traces) {
        if let Some((key, name)) = self.get("OTEL_TRACES_SAMPLER") {
            match Sampler::parse(&name) {
                Some(sampler) => {
                    traces.sampler = sampler;
                    // The standard's default, which our own must not replace silently.
                    traces.ratio = 1.0;
                }
                None => {
                    let known: Vec<&str> = Sampler::ALL.iter().map(|(name, _)| *name).collect();
                    self.fault(&key, &name, &format!("must be one of {}", known.join(", ")));
                }
            }
        }
        if let Some((key, text)) = self.get("OTEL_TRACES_SAMPLER_ARG") {
            match text.parse() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => traces.ratio = ratio,
                _ => self.fault(&key, &text, "must be a number from 0 to 1"),
            }
        }
    }

    fn millis(&mut self, key: &str) -> Option<Duration> {
        let (_, text) = self.get(key)?;
        match text.parse() {
            Ok(millis) if millis > 0 => Some(Duration::from_millis(millis)),
            _ => {
                self.fault(key, &text, "must be a number of milliseconds above 0");
                None
            }
        }
    }

    fn compression(&mut self, key: &str) -> Option<Compression> {
        let (_, text) = self.get(key)?;
        match text.as_str() {
            "gzip" => Some(Compression::Gzip),
            "none" => Some(Compression::None),
            _ => {
                self.fault(key, &text, "must be gzip or none");
                None
            }
        }
    }

    // Nothing else is spoken, so the only use of the variable is to say so.
    fn protocol(&mut self, key: &str) {
        if let Some((_, text)) = self.get(key).filter(|(_, text)| text != "http/protobuf") {
            self.fault(key, &text, "must be http/protobuf, which is used");
        }
    }

    fn headers(&mut self, key: &str) -> Option<Headers> {
        self.pairs(key).map(Headers)
    }

    /// Reads `key=value,key=value`, values percent-encoded as in W3C Baggage.
    fn pairs(&mut self, key: &str) -> Option<Vec<(String, String)>> {
        let (_, text) = self.get(key)?;
        let mut res = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    res.push((name.trim().to_string(), percent_decoded(value.trim())));
                }
                // The pair itself may be a credential.
                _ => self.fault(key, "***", "must be name=value pairs with commas between them"),
            }
        }
        Some(res)
    }
}

fn percent_decoded(text: &str) -> String {
    let mut res = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let decoded = (first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        res.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&res).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::config::Signal;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Config, Vec<Fault>) {
        let lookup =
            |key: &str| variables.iter().find(|(known, _)| *known == key).map(|(_, value)| value.to_string());
        Config::default().with_environment(&lookup)
    }

    #[test]
    fn no_variable_changes_nothing() {
        assert_eq!(read(&[]), (Config::default(), vec![]));
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).0, Config::default());
    }

    #[test]
    fn signal_variables_win_over_common_ones() {
        let (config, faults) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://b/x"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t, x=1"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "y=2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
        ]);
        assert_eq!(faults, []);
        let metrics = config.otlp.target(Signal::Metrics).unwrap();
        assert_eq!(metrics.url, "http://a:4318/v1/metrics");
        let expect = [("authorization".into(), "Bearer t".into()), ("x".into(), "1".into())];
        assert_eq!(metrics.headers.0, expect);
        assert_eq!(metrics.compression, Compression::Gzip);
        let logs = config.otlp.target(Signal::Logs).unwrap();
        assert_eq!((logs.url.as_str(), logs.timeout), ("http://b/x", Duration::from_secs(2)));
        assert_eq!(logs.headers.0, [("y".into(), "2".into())]);
        assert_eq!(config.otlp.metric_interval, Duration::from_secs(60));
    }

    #[test]
    fn sampler_and_certificates_are_read() {
        let (config, faults) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/roots.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/etc/traces.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/etc/key.pem"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        assert_eq!(faults, []);
        let certificates = |signal| config.otlp.target(signal).unwrap().certificates;
        assert_eq!(certificates(Signal::Logs).roots, Some("/etc/roots.pem".into()));
        assert_eq!(certificates(Signal::Traces).roots, Some("/etc/traces.pem".into()));
        assert_eq!(certificates(Signal::Traces).client_key, Some("/etc/key.pem".into()));
        assert_eq!((config.traces.sampler.as_str(), config.traces.ratio), ("traceidratio", 0.25));
        let (config, faults) = read(&[("OTEL_TRACES_SAMPLER", "xray"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
        assert_eq!((config.traces, faults.len()), (Traces::default(), 2));
    }

    #[test]
    fn disabled_sdk_and_exporter_none_switch_export_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a");
        let (config, _) = read(&[endpoint, ("OTEL_LOGS_EXPORTER", "none")]);
        assert!(config.otlp.target(Signal::Logs).is_none() && config.otlp.target(Signal::Metrics).is_some());
        let (config, _) = read(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]);
        assert!(config.otlp.target(Signal::Metrics).is_none());
    }

    #[test]
    fn resource_attributes_are_read_and_own_ones_kept() {
        let (config, faults) = read(&[
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=a,service.namespace=n,job=j,deployment.environment.name=pr%C3%B3d,service.version=9",
            ),
            ("OTEL_SERVICE_NAME", "b"),
        ]);
        assert_eq!(config.otlp.resource_attributes, [("deployment.environment.name".into(), "pród".into())]);
        let values: Vec<&str> = faults.iter().map(|fault| fault.value.as_str()).collect();
        let expect =
            ["service.name=a", "service.namespace=n", "job=j", "service.version=9", "service.name=b"];
        assert_eq!(values, expect);
        assert_eq!(read(&[("OTEL_SERVICE_NAME", "vitrine")]).1, []);
    }

    #[test]
    fn what_cannot_be_understood_is_reported_and_ignored() {
        let (config, faults) = read(&[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ]);
        assert_eq!(config, Config::default());
        assert_eq!(faults.len(), 4);
        assert!(!format!("{faults:?}").contains("secret"));
    }
}
