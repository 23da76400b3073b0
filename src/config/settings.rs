//! The table of all settings.

use std::net::SocketAddr;
use std::time::Duration;

use super::Config;
use super::value::{Bytes, Form, Kind, MASK, bytes, duration, lang, log_level, whole};
use crate::balancer;
use crate::ingest::forward;

/// One setting: everything that anybody needs to know about it.
#[derive(Debug)]
pub struct Setting {
    /// The path in the file, `store.logs.max_bytes`.
    pub key: &'static str,
    /// What it accepts, as the end of "X is not …".
    pub accepts: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether SIGHUP applies a change; if not, a reload that changes it is refused.
    pub reload: bool,
    /// Whether its value is never shown, not even where it is refused.
    pub is_secret: bool,
    /// The TOML types that it may be written in.
    pub(super) kinds: fn() -> &'static [Kind],
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    pub(super) get: fn(&Config) -> String,
}

impl Setting {
    /// Returns the value in `config` as text, a secret masked, and the query of an endpoint,
    /// where some services want theirs. The admin password and the headers of exporters come
    /// from the environment and have no row here.
    pub fn value(&self, config: &Config) -> String {
        let value = (self.get)(config);
        match value.split_once('?') {
            Some((address, _)) if self.key.ends_with("endpoint") => format!("{address}?{MASK}"),
            _ => value,
        }
    }

    /// Returns the default as it would stand in the file.
    pub fn default_toml(&self) -> String {
        let (value, kinds) = (self.default_value(), (self.kinds)());
        let is_bare =
            kinds.contains(&Kind::Truth) || (kinds.contains(&Kind::Number) && value.parse::<f64>().is_ok());
        match kinds {
            [Kind::List] => {
                format!("{:?}", value.split(',').filter(|item| !item.is_empty()).collect::<Vec<_>>())
            }
            _ if is_bare => value,
            _ => format!("{value:?}"),
        }
    }

    /// Returns the default as text.
    pub fn default_value(&self) -> String {
        (self.get)(&Config::default())
    }
}

/// Returns the setting with this key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Returns true when some setting's key goes on after `key.`.
pub(super) fn is_table(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// Declares one row of the table. A field is read and shown by the [`Form`] of its type;
/// `bytes` takes a plain number of bytes, and a function at the end reads by its own rule.
macro_rules! setting {
    ($key:literal, $reload:ident, $($field:ident).+, $accepts:literal, $meaning:literal) => {
        setting!($key, $reload, $($field).+, $accepts, $meaning, Form::read)
    };
    ($key:literal, $reload:ident, bytes $($field:ident).+, $accepts:literal, $meaning:literal, $bounds:expr) => {
        Setting {
            key: $key,
            accepts: $accepts,
            meaning: $meaning,
            reload: setting!(@reload $reload),
            is_secret: setting!(@secret $reload),
            set: |config, text| {
                config.$($field).+ = bytes(text, $bounds)?;
                Ok(())
            },
            kinds: || Bytes::KINDS,
            get: |config| Bytes(config.$($field).+).show(),
        }
    };
    ($key:literal, $reload:ident, $($field:ident).+, $accepts:literal, $meaning:literal, $read:expr) => {
        Setting {
            key: $key,
            accepts: $accepts,
            meaning: $meaning,
            reload: setting!(@reload $reload),
            is_secret: setting!(@secret $reload),
            set: |config, text| {
                config.$($field).+ = ($read)(text)?;
                Ok(())
            },
            kinds: || kinds_of(|config| &config.$($field).+),
            get: |config| Form::show(&config.$($field).+),
        }
    };
    (@reload live) => { true };
    (@reload live_secret) => { true };
    (@reload restart) => { false };
    (@secret live) => { false };
    (@secret live_secret) => { true };
    (@secret restart) => { false };
}

/// Returns the TOML types of the field that `_field` selects.
fn kinds_of<T: Form>(_field: fn(&Config) -> &T) -> &'static [Kind] {
    T::KINDS
}

/// Every setting, in the order in which the README and `vitrine init` list them.
pub const SETTINGS: &[Setting] = &[
    setting!(
        "listen",
        restart,
        http.listen,
        "an address such as 0.0.0.0:2727, [::]:80 or :2727",
        "address and port of the public site, `/admin` and the APIs; port 0 picks a free one"
    ),
    setting!(
        "site",
        live,
        site,
        "a folder",
        "folder with `cv.yaml` (or `resume.json`); without one the sample CV is shown"
    ),
    setting!(
        "watch",
        live,
        watch,
        "true or false",
        "whether the files beside the CV are watched, and a change shown at once without `vitrine reload`"
    ),
    setting!(
        "data",
        restart,
        data,
        "a folder",
        "folder for everything that must survive a restart; made readable by its owner only"
    ),
    setting!(
        "workers",
        live,
        balancer.workers,
        "a whole number from 1 to 256, or auto",
        "worker tasks that answer pages; `auto` is twice the http threads and at least 3",
        workers
    ),
    setting!(
        "rule_files",
        live,
        rules.files,
        "a list of files, such as /etc/vitrine/rules/*.yml",
        "files of alert and recording rules in Prometheus's format; `*`, `?` and `[]` stand for parts of names"
    ),
    setting!(
        "evaluation_interval",
        live,
        rules.interval,
        "a duration from 1s to 1d",
        "how often rules are evaluated whose group does not say it",
        |text: &str| duration(text, Duration::from_secs(1)..=DAY)
    ),
    setting!(
        "query.timeout",
        live,
        query.timeout,
        "a duration from 1s to 1h",
        "longest evaluation of a query by the Prometheus API; a request may ask for less",
        |text: &str| duration(text, Duration::from_secs(1)..=HOUR)
    ),
    setting!(
        "query.max_samples",
        live,
        query.max_samples,
        "a whole number from 10000 to 1000000000",
        "most values that one query holds in memory at once, 16 bytes each; a query that needs more is refused",
        |text: &str| whole(text, 10_000..=1_000_000_000)
    ),
    setting!(
        "cv.show",
        live,
        cv.show,
        "a list of phone, address, birth_date",
        "private contacts that the public page may show"
    ),
    setting!(
        "cv.base_url",
        live,
        cv.base_url,
        "the site's address, such as https://cv.example.com",
        "public address of the site, for canonical links; who comes by its name with or without `www.`, or by http as a trusted proxy says, is sent there (not with `tls.redirect` off)"
    ),
    setting!(
        "cv.lang",
        live,
        cv.lang,
        "a BCP 47 language tag such as en or de",
        "language of a CV that does not name its own with `x-lang`",
        lang
    ),
    setting!("cv.noindex", live, cv.noindex, "true or false", "asks search engines to leave the page out"),
    setting!(
        "http.threads",
        restart,
        http.threads,
        "a whole number from 0 to 64",
        "threads that accept and answer requests; 0 means one per processor core",
        |text: &str| whole(text, 0..=64)
    ),
    setting!(
        "http.log_addresses",
        live,
        http.log_addresses,
        "true, shortened or false",
        "whether access records carry the visitor's address: all of it, or the network that it is in (`/24`, `/48` of IPv6)"
    ),
    setting!(
        "http.trusted_proxies",
        live,
        http.trusted_proxies,
        "a list of addresses and networks, such as 127.0.0.1,10.0.0.0/8",
        "proxies that are believed when they name a visitor's address (`X-Forwarded-For`) and `https` (`X-Forwarded-Proto`)"
    ),
    setting!(
        "http.connections_per_address",
        live,
        http.connections_per_address,
        "a whole number from 0 to 1000000",
        "connections that one visitor's address (IPv6: its /64) may have, 0 for any number; proxies in `http.trusted_proxies` are not limited",
        |text: &str| whole(text, 0..=1_000_000)
    ),
    setting!(
        "http.requests_per_second",
        live,
        http.requests_per_second,
        "a whole number from 0 to 1000000",
        "requests a second that one visitor's address may send to each http thread, twice as many at once, then 429; 0 for any number",
        |text: &str| whole(text, 0..=1_000_000)
    ),
    setting!(
        "http.status_page",
        live,
        http.status_page,
        "true or false",
        "whether `/status` tells everyone whether the site is up, and when in the last 90 days it was not"
    ),
    setting!(
        "http.drills",
        live,
        http.drills,
        "true or false",
        "answers `/drill/panic`, `/drill/hang` and `/drill/block`, to see how a fault looks in `/admin`; leave it off in production"
    ),
    setting!(
        "tls.cert",
        restart,
        http.tls.cert,
        "a file",
        "PEM file with the certificate chain (certbot's `fullchain.pem`); a reload reads it again"
    ),
    setting!(
        "tls.key",
        restart,
        http.tls.key,
        "a file",
        "PEM file with the private key (certbot's `privkey.pem`); with both files HTTPS is served"
    ),
    setting!(
        "tls.listen",
        restart,
        http.tls.listen,
        "an address such as 0.0.0.0:443 or [::]:443",
        "address and port for HTTPS, HTTP/2 and HTTP/1.1"
    ),
    setting!(
        "tls.redirect",
        live,
        http.tls.redirect,
        "true or false",
        "sends visitors who come by HTTP to HTTPS; proxies in `http.trusted_proxies` are served as ever"
    ),
    setting!(
        "admin.require_tls",
        restart,
        admin.require_tls,
        "true or false",
        "refuses admin passwords and tokens that come over plain HTTP from another machine"
    ),
    setting!(
        "admin.session_idle",
        restart,
        admin.session_idle,
        "a duration from 1m to 30d",
        "an admin session without a request for this long ends",
        |text: &str| duration(text, MINUTE..=30 * DAY)
    ),
    setting!(
        "admin.session_age",
        restart,
        admin.session_age,
        "a duration from 1m to 90d",
        "an admin session of this age ends, used or not",
        |text: &str| duration(text, MINUTE..=90 * DAY)
    ),
    setting!(
        "admin.edit",
        live,
        admin.edit,
        "true or false",
        "whether `/admin/cv` may write the files of the CV; off, it shows and checks them"
    ),
    setting!(
        "balancer.selection",
        live,
        balancer.selection,
        "p2c, round_robin or least_loaded",
        "how a worker is chosen; `p2c` takes the less loaded of two drawn at random"
    ),
    setting!(
        "balancer.in_flight_max",
        live,
        balancer.in_flight_max,
        "a whole number from 1 to 10000",
        "requests that one worker answers at once; when all are full the answer is 503",
        |text: &str| whole(text, 1..=10_000)
    ),
    setting!(
        "balancer.deadline",
        live,
        balancer.deadline,
        "a duration from 100ms to 10m",
        "a request that takes longer is given up with 504",
        |text: &str| duration(text, Duration::from_millis(100)..=10 * MINUTE)
    ),
    setting!(
        "store.metrics.max_age",
        live,
        store.metrics.max_age,
        "a duration from 1h to 3650d",
        "samples older than this are dropped once they are rolled up; their roll-ups stay",
        |text: &str| duration(text, HOUR..=3650 * DAY)
    ),
    setting!(
        "store.metrics.minutes_max_age",
        live,
        store.minutes_max_age,
        "a duration from 1h to 3650d",
        "roll-ups of one minute older than this are dropped once hours are made of them",
        |text: &str| duration(text, HOUR..=3650 * DAY)
    ),
    setting!(
        "store.metrics.hours_max_age",
        live,
        store.hours_max_age,
        "a duration from 1h to 3650d",
        "roll-ups of one hour older than this are dropped",
        |text: &str| duration(text, HOUR..=3650 * DAY)
    ),
    setting!(
        "store.metrics.max_bytes", live, bytes store.metrics.max_bytes,
        "a size from 16MiB to 1TiB",
        "disk blocks that metrics may take: half of it samples, three eighths minutes, one eighth hours; the oldest are dropped first",
        16 * MIB..=TIB
    ),
    setting!(
        "store.metrics.out_of_order",
        live,
        store.out_of_order,
        "a duration from 1m to 30d",
        "a block of time is rolled up this long after its end, and made again when samples come later; what is older than this and store.metrics.max_age is refused",
        |text: &str| duration(text, MINUTE..=30 * DAY)
    ),
    setting!(
        "store.metrics.max_series",
        live,
        store.series_max,
        "a whole number from 100 to 1000000",
        "series written at once; the samples of further ones are refused and counted",
        |text: &str| whole(text, 100..=1_000_000)
    ),
    setting!(
        "store.logs.max_age",
        live,
        store.logs.max_age,
        "a duration from 1h to 3650d",
        "log lines older than this are dropped",
        |text: &str| duration(text, HOUR..=3650 * DAY)
    ),
    setting!(
        "store.logs.max_bytes", live, bytes store.logs.max_bytes,
        "a size from 4MiB to 1TiB",
        "disk blocks that log lines may take; the oldest are dropped first",
        4 * MIB..=TIB
    ),
    setting!(
        "store.logs.max_streams",
        live,
        store.streams_max,
        "a whole number from 10 to 100000",
        "log streams written at once; the lines of further ones are refused and counted",
        |text: &str| whole(text, 10..=100_000)
    ),
    setting!(
        "store.spans.max_age",
        live,
        store.spans.max_age,
        "a duration from 1h to 3650d",
        "spans older than this are dropped",
        |text: &str| duration(text, HOUR..=3650 * DAY)
    ),
    setting!(
        "store.spans.max_bytes", live, bytes store.spans.max_bytes,
        "a size from 4MiB to 1TiB",
        "disk blocks that spans may take; the oldest are dropped first",
        4 * MIB..=TIB
    ),
    setting!(
        "store.reserve_bytes", live, bytes store.reserve_bytes,
        "a size up to 1TiB",
        "free disk space below which the oldest history goes, and then nothing more is written",
        0..=TIB
    ),
    setting!(
        "forward.listen",
        restart,
        forward.listen,
        "a list of up to 8 addresses such as 127.0.0.1:24224, or nothing for off",
        "addresses for logs of other programs by the Fluentd forward protocol, TCP and UDP; empty switches it off",
        forward_listen
    ),
    setting!(
        "forward.shared_key",
        live_secret,
        forward.shared_key,
        "a text of 8 to 256 bytes, or nothing for none",
        "key that senders of the forward protocol must prove to know (`shared_key` of Fluentd and Fluent Bit); with it UDP takes heartbeats only"
    ),
    setting!(
        "forward.bytes_per_second", live, bytes forward.bytes_per_second,
        "a size up to 1GiB",
        "text that each tag may send by the forward protocol in a second, ten times as much at once, 0 for any: beyond it connections are read more slowly, datagrams dropped and counted",
        0..=GIB
    ),
    setting!(
        "push.otlp",
        live,
        push.otlp,
        "true or false",
        "whether logs, metrics and traces of other programs are taken by OTLP/HTTP (`/v1/logs`, `/v1/metrics`, `/v1/traces`), behind the admin password"
    ),
    setting!(
        "push.forward_received",
        live,
        push.forward_received,
        "true or false",
        "whether logs and traces that were pushed here go out by OTLP like vitrine's own"
    ),
    setting!(
        "push.bytes_per_second", live, bytes push.bytes_per_second,
        "a size up to 1TiB",
        "bytes a second that one address may push, thirty seconds' worth at once, then 429; 0 for any number",
        0..=TIB
    ),
    setting!(
        "visitors.countries",
        live,
        visitors.countries,
        "a file",
        "country database in MaxMind's format (`.mmdb`), such as GeoLite2-Country, by which access lines say a visitor's country; held in memory, and a reload reads it again"
    ),
    setting!(
        "telemetry.log_level",
        live,
        telemetry.log_level,
        "a level (error, warn, info, debug, trace) or filters such as info,vitrine::http=debug",
        "what is logged, to standard error and into the store",
        log_level
    ),
    setting!(
        "telemetry.sample_interval",
        restart,
        telemetry.sample_interval,
        "a duration from 1s to 5m",
        "how often metrics are read into the store",
        |text: &str| duration(text, Duration::from_secs(1)..=5 * MINUTE)
    ),
    setting!(
        "telemetry.traces.sampler",
        live,
        telemetry.traces.sampler,
        "parentbased_traceidratio, parentbased_always_on, parentbased_always_off, traceidratio, always_on or always_off",
        "which requests leave spans whatever happens to them, by OpenTelemetry's names; slow and failed ones always do"
    ),
    setting!(
        "telemetry.traces.ratio",
        live,
        telemetry.traces.ratio,
        "a number from 0 to 1",
        "the share of requests that a sampler by ratio chooses",
        ratio
    ),
    setting!(
        "telemetry.traces.slow",
        live,
        telemetry.traces.slow,
        "a duration from 1ms to 1h",
        "a request is slow when its answer takes longer than this to begin",
        |text: &str| duration(text, Duration::from_millis(1)..=HOUR)
    ),
    setting!(
        "telemetry.otlp.enabled",
        live,
        telemetry.otlp.enabled,
        "true or false",
        "whether anything is pushed by OTLP; without an endpoint nothing is"
    ),
    setting!(
        "telemetry.otlp.endpoint",
        live,
        telemetry.otlp.endpoint,
        "an address such as http://localhost:4318",
        "OTLP/HTTP collector; `/v1/metrics`, `/v1/logs` and `/v1/traces` are appended"
    ),
    setting!(
        "telemetry.otlp.metric_interval",
        live,
        telemetry.otlp.metric_interval,
        "a duration from 1s to 1h",
        "how often metrics are pushed",
        |text: &str| duration(text, Duration::from_secs(1)..=HOUR)
    ),
    setting!(
        "telemetry.otlp.certificate",
        live,
        telemetry.otlp.certificates.roots,
        "a file",
        "PEM file of the certificates to trust for `https` endpoints, instead of those that browsers trust"
    ),
    setting!(
        "telemetry.otlp.client_certificate",
        live,
        telemetry.otlp.certificates.client,
        "a file",
        "PEM file of the certificate to show to `https` endpoints that ask for one"
    ),
    setting!(
        "telemetry.otlp.client_key",
        live,
        telemetry.otlp.certificates.client_key,
        "a file",
        "PEM file of that certificate's private key"
    ),
    setting!(
        "telemetry.otlp.metrics.endpoint",
        live,
        telemetry.otlp.metrics.endpoint,
        "an address such as http://localhost:9090/api/v1/otlp/v1/metrics",
        "where metrics are pushed, used as it is"
    ),
    setting!(
        "telemetry.otlp.logs.endpoint",
        live,
        telemetry.otlp.logs.endpoint,
        "an address such as http://localhost:3100/otlp/v1/logs",
        "where log records are pushed, used as it is"
    ),
    setting!(
        "telemetry.otlp.traces.endpoint",
        live,
        telemetry.otlp.traces.endpoint,
        "an address such as http://localhost:4318/v1/traces",
        "where spans are pushed, used as it is"
    ),
    setting!(
        "release.start_timeout",
        live,
        release.start_timeout,
        "a duration from 1s to 5m",
        "how long a successor may take to prove itself in a hand-over; after it the running process goes on",
        |text: &str| duration(text, Duration::from_secs(1)..=5 * MINUTE)
    ),
    setting!(
        "release.root",
        live,
        release.root,
        "a folder",
        "where `vitrine release` keeps releases/ and current"
    ),
    setting!(
        "release.public_key",
        live,
        release.public_key,
        "a public key of minisign",
        "releases must be signed by it, as FILE.minisig beside FILE"
    ),
];

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

fn workers(text: &str) -> Result<Option<usize>, String> {
    match Form::read(text)? {
        Some(number) if !(1..=balancer::WORKERS_MAX).contains(&number) => Err("out of range".into()),
        workers => Ok(workers),
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = f64::read(text)?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("out of range".into()) }
}

fn forward_listen(text: &str) -> Result<Vec<SocketAddr>, String> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in Vec::<SocketAddr>::read(text)? {
        // Port 0 is a new port each time; any other address can be had only once.
        if address.port() == 0 || !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.len() <= forward::LISTEN_MAX { Ok(addresses) } else { Err("too many addresses".into()) }
}
