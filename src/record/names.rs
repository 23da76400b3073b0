//! The name, unit, kind and help of every instrument, and the label keys.
//!
//! OpenTelemetry semantic conventions where they have a name, `vitrine.` where they do
//! not. What is stored, exposed on `/metrics` and queried is [`Instrument::exposed`],
//! the translation that Prometheus 3 applies to OTLP by default, so that a dashboard
//! works on this store and on a Prometheus alike.

use std::borrow::Cow;

use super::MetricKind;

/// One metric instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// The OpenTelemetry name.
    pub name: &'static str,
    /// The unit in UCUM, as OpenTelemetry writes it (`s`, `By`, `{request}`, `1`).
    pub unit: &'static str,
    /// Its kind; an up-down counter is exposed as a gauge.
    pub kind: MetricKind,
    /// One sentence for people.
    pub help: &'static str,
}

impl Instrument {
    /// Returns the name as Prometheus shows it, for example
    /// `http_server_request_duration_seconds`.
    pub fn exposed(&self) -> String {
        exposed(self.name, self.unit, self.kind)
    }
}

/// Translates an OpenTelemetry metric name as Prometheus 3 does by default
/// (`UnderscoreEscapingWithSuffixes`): characters outside `[a-zA-Z0-9:]` become single
/// underscores, the unit becomes a suffix, a counter ends in `_total`, a gauge of unit
/// `1` in `_ratio`.
pub fn exposed(name: &str, unit: &str, kind: MetricKind) -> String {
    let mut tokens: Vec<&str> = name
        .split(|c: char| !c.is_ascii_alphanumeric() && c != ':')
        .filter(|token| !token.is_empty())
        .collect();
    let is_total = tokens.last() == Some(&"total");
    if is_total && kind == MetricKind::Counter {
        tokens.pop();
    }
    let unit = match (unit, kind) {
        ("1", MetricKind::Gauge) => Cow::Borrowed("ratio"),
        _ => unit_word(unit),
    };
    // Of a rate the name may have either half already.
    let (whole, per) = unit.split_once("_per_").unwrap_or((&unit, ""));
    if !whole.is_empty() && !tokens.contains(&whole) {
        tokens.push(whole);
    }
    if !per.is_empty() && !tokens.contains(&per) {
        tokens.extend(["per", per]);
    }
    if kind == MetricKind::Counter {
        tokens.push("total");
    }
    let res = tokens.join("_");
    if res.starts_with(|first: char| first.is_ascii_digit()) { format!("_{res}") } else { res }
}

/// Returns the words for a UCUM unit in a Prometheus name, `bytes_per_second` for `By/s`; `""`
/// for a unit in braces, for `1` and for none. A unit that is not in the table stands for
/// itself, with underscores for what a name cannot have.
pub fn unit_word(unit: &str) -> Cow<'_, str> {
    let Some((whole, per)) = unit.split_once('/') else { return plain_unit(unit) };
    let per = match per.trim() {
        "s" => Cow::Borrowed("second"),
        "m" | "min" => "minute".into(),
        "h" => "hour".into(),
        "d" => "day".into(),
        "w" => "week".into(),
        "mo" => "month".into(),
        "y" => "year".into(),
        other => plain_unit(other),
    };
    match (plain_unit(whole.trim()), per) {
        (whole, per) if per.is_empty() => whole,
        (whole, per) => format!("{whole}_per_{per}").into(),
    }
}

fn plain_unit(unit: &str) -> Cow<'_, str> {
    let word = match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "%" => "percent",
        "Hz" => "hertz",
        "Cel" => "celsius",
        "1" => "",
        other if other.starts_with('{') => "",
        other if other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => other,
        other => {
            let tokens = other.split(|c: char| !c.is_ascii_alphanumeric()).filter(|token| !token.is_empty());
            return tokens.collect::<Vec<_>>().join("_").into();
        }
    };
    word.into()
}

/// Declares the instruments once: a constant each, and [`ALL`] over all of them.
macro_rules! instruments {
    ($($constant:ident = $name:literal, $unit:literal, $kind:ident, $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $constant: Instrument = Instrument {
                name: $name, unit: $unit, kind: MetricKind::$kind, help: $help,
            };
        )*
        /// Every instrument of this program.
        pub const ALL: &[Instrument] = &[$($constant),*];
    };
}

instruments! {
    HTTP_REQUEST_DURATION = "http.server.request.duration", "s", Histogram,
        "Time from a request's arrival to the last byte of its answer.";
    HTTP_ACTIVE_REQUESTS = "http.server.active_requests", "{request}", Gauge,
        "Requests being answered now.";

    WORKER_IN_FLIGHT = "vitrine.worker.in_flight", "{job}", Gauge,
        "Jobs that a worker holds now.";
    WORKER_JOBS = "vitrine.worker.jobs", "{job}", Counter,
        "Jobs that a worker ended, by outcome.";
    WORKER_INCARNATION = "vitrine.worker.incarnation", "{incarnation}", Gauge,
        "How often this worker number was filled; rises by one after each panic.";
    WORKER_READY = "vitrine.worker.ready", "{worker}", Gauge,
        "1 when the worker takes jobs, else 0.";
    BALANCER_REJECTED = "vitrine.balancer.rejected", "{job}", Counter,
        "Jobs that no worker could take, by reason.";
    BALANCER_SPILLED = "vitrine.balancer.spilled", "{job}", Counter,
        "Jobs given to a worker of another http thread.";
    LANE_RUNNING = "vitrine.lane.running", "{job}", Gauge,
        "Jobs that run on a thread of a lane.";
    LANE_WAITING = "vitrine.lane.waiting", "{job}", Gauge,
        "Jobs that wait for a thread of a lane.";
    LANE_JOBS = "vitrine.lane.jobs", "{job}", Counter,
        "Jobs of a lane, by how they ended.";
    HTTP_THREAD_BLOCKED = "vitrine.http.thread.blocked", "{time}", Counter,
        "Times that one request held an http thread for more than a second.";

    PROCESS_CPU_TIME = "process.cpu.time", "s", Counter,
        "Processor seconds used by this process, by mode.";
    PROCESS_MEMORY_USAGE = "process.memory.usage", "By", Gauge,
        "Resident memory of this process.";
    PROCESS_MEMORY_PSS = "vitrine.process.memory.pss", "By", Gauge,
        "Resident memory with shared pages counted by share.";
    PROCESS_OPEN_FDS = "process.unix.file_descriptor.count", "{file_descriptor}", Gauge,
        "Open file descriptors.";
    PROCESS_THREADS = "process.thread.count", "{thread}", Gauge,
        "Threads of this process.";
    PROCESS_UPTIME = "process.uptime", "s", Gauge,
        "Time since this process started.";
    BUILD_INFO = "vitrine.build.info", "", Gauge,
        "Always 1; the version and the release are labels.";

    SYSTEM_CPU_TIME = "system.cpu.time", "s", Counter,
        "Processor seconds of the machine, over all processors, by mode.";
    SYSTEM_CPU_COUNT = "system.cpu.logical.count", "{cpu}", Gauge,
        "Logical processors of the machine.";
    SYSTEM_LOAD_1M = "system.cpu.load_average.1m", "{thread}", Gauge,
        "Threads that ran or waited for a processor or a disk, over one minute.";
    SYSTEM_LOAD_5M = "system.cpu.load_average.5m", "{thread}", Gauge,
        "The same over five minutes.";
    SYSTEM_LOAD_15M = "system.cpu.load_average.15m", "{thread}", Gauge,
        "The same over fifteen minutes.";
    SYSTEM_UPTIME = "system.uptime", "s", Gauge,
        "Time since the machine started.";
    SYSTEM_MEMORY_USAGE = "system.memory.usage", "By", Gauge,
        "Memory of the machine, by state; the states add up to the limit.";
    SYSTEM_MEMORY_LIMIT = "system.memory.limit", "By", Gauge,
        "Memory that the machine has.";
    SYSTEM_PAGING_USAGE = "system.paging.usage", "By", Gauge,
        "Swap space of the machine, by state.";
    SYSTEM_FILESYSTEM_USAGE = "system.filesystem.usage", "By", Gauge,
        "Space of the root file system and the data directory's, by state.";
    SYSTEM_FILESYSTEM_LIMIT = "system.filesystem.limit", "By", Gauge,
        "Size of these file systems.";
    SYSTEM_DISK_IO = "system.disk.io", "By", Counter,
        "Bytes read from and written to each disk.";
    SYSTEM_DISK_OPERATIONS = "system.disk.operations", "{operation}", Counter,
        "Reads from and writes to each disk.";
    SYSTEM_DISK_IO_TIME = "system.disk.io_time", "s", Counter,
        "Time in which each disk had something to do.";
    SYSTEM_NETWORK_IO = "system.network.io", "By", Counter,
        "Bytes over each network interface that leads outside.";
    SYSTEM_NETWORK_ERRORS = "system.network.errors", "{error}", Counter,
        "Errors of each such interface.";
    SYSTEM_NETWORK_DROPPED = "system.network.packet.dropped", "{packet}", Counter,
        "Packets that each such interface dropped.";
    HOST_OPEN_FDS = "vitrine.host.file_descriptor.count", "{file_descriptor}", Gauge,
        "Open file descriptors of the whole machine.";
    HOST_OPEN_FDS_LIMIT = "vitrine.host.file_descriptor.limit", "{file_descriptor}", Gauge,
        "The most there may be; absent without a limit.";
    CONTAINER_MEMORY_USAGE = "container.memory.usage", "By", Gauge,
        "Memory of the container or service around this process, page cache included; of the group that has the limit.";
    CONTAINER_MEMORY_LIMIT = "vitrine.container.memory.limit", "By", Gauge,
        "The most memory that it may use; absent without a limit.";
    CONTAINER_CPU_LIMIT = "vitrine.container.cpu.limit", "{cpu}", Gauge,
        "The most processors' worth of time that it may use; absent without a limit.";
    CONTAINER_CPU_THROTTLED = "vitrine.container.cpu.throttled", "s", Counter,
        "Time in which it was held back by that limit.";

    STORE_SIZE = "vitrine.store.size", "By", Gauge,
        "Allocated disk blocks of the store, by kind of history and of the write-ahead log.";
    STORE_SET_ASIDE = "vitrine.store.set_aside", "By", Gauge,
        "Allocated disk blocks of damaged or foreign data that waits for a person.";
    STORE_SIZE_MAX = "vitrine.store.size.limit", "By", Gauge,
        "Byte cap of the store, by signal.";
    STORE_PARTITIONS = "vitrine.store.partitions", "{partition}", Gauge,
        "Partitions on disk, by signal.";
    STORE_UNREADABLE = "vitrine.store.unreadable", "{partition}", Gauge,
        "Partitions that failed and are left out of reads until the next start, by signal.";
    STORE_SERIES = "vitrine.store.series", "{series}", Gauge,
        "Series in the open chunks.";
    STORE_STREAMS = "vitrine.store.streams", "{stream}", Gauge,
        "Log streams with an open block.";
    STORE_SAMPLES = "vitrine.store.samples", "{sample}", Counter,
        "Samples accepted.";
    STORE_LINES = "vitrine.store.lines", "{line}", Counter,
        "Log lines accepted.";
    STORE_SPANS = "vitrine.store.spans", "{span}", Counter,
        "Spans accepted.";
    STORE_DROPPED = "vitrine.store.dropped", "{record}", Counter,
        "Samples, lines and spans refused, by signal and reason.";
    STORE_DEGRADED = "vitrine.store.degraded", "", Gauge,
        "1 while the disk does not take what the store has, else 0.";
    STORE_LAST_FLUSH_AGE = "vitrine.store.last_flush.age", "s", Gauge,
        "Time since a flush last succeeded, or since the start; beyond ten seconds someone should look.";
    STORE_FLUSH_DURATION = "vitrine.store.flush.duration", "s", Histogram,
        "Time of one flush; with the flush interval it bounds what a crash can lose.";

    TELEMETRY_DROPPED = "vitrine.telemetry.dropped", "{record}", Counter,
        "Records dropped because a ring was full, by signal.";
    OTLP_EXPORTS = "vitrine.otlp.exports", "{export}", Counter,
        "OTLP export attempts, by signal and outcome.";

    INGEST_RECORDS = "vitrine.ingest.records", "{record}", Counter,
        "Log records received from other programs, by transport.";
    INGEST_BYTES = "vitrine.ingest.bytes", "By", Counter,
        "Bytes received from other programs, by transport.";
    INGEST_REFUSED = "vitrine.ingest.refused", "{message}", Counter,
        "Messages and connections of other programs that were refused, by reason.";
    INGEST_RETIMED = "vitrine.ingest.retimed", "{record}", Counter,
        "Log records of other programs whose time was missing or far ahead, and became that of their arrival.";
    INGEST_PAUSES = "vitrine.ingest.pauses", "{pause}", Counter,
        "Times that a connection was not read for a while because its source sent faster than it may.";
    PUSH_RECORDS = "vitrine.push.records", "{record}", Counter,
        "Log lines, samples and spans pushed by other programs, by protocol.";
    PUSH_BYTES = "vitrine.push.bytes", "By", Counter,
        "Bytes pushed by other programs, as they came, by protocol.";
    PUSH_REFUSED = "vitrine.push.refused", "{refusal}", Counter,
        "Pushed records left out, and requests refused whole, by protocol and reason.";
    INGEST_CONNECTIONS = "vitrine.ingest.connections", "{connection}", Gauge,
        "Connections of other programs that are open now.";

    RULE_EVALUATIONS = "vitrine.rule.evaluations", "{evaluation}", Counter,
        "Rules evaluated, by group.";
    RULE_FAILURES = "vitrine.rule.failures", "{evaluation}", Counter,
        "Rules whose evaluation failed, by group.";
    RULE_MISSED = "vitrine.rule.missed", "{evaluation}", Counter,
        "Evaluations of a group of rules that were left out because those before took too long.";
    RULE_GROUP_DURATION = "vitrine.rule.group.last.duration", "s", Gauge,
        "Time that the last evaluation of a group of rules took.";
    RULE_GROUP_LAST = "vitrine.rule.group.last.timestamp", "s", Gauge,
        "When a group of rules was last evaluated, as a Unix time.";

    VISITORS_TODAY = "vitrine.visitors.today", "{visitor}", Gauge,
        "People who looked at the CV so far this day of UTC; the greatest value of a day is that day's number.";
    VIEWS_TODAY = "vitrine.views.today", "{view}", Gauge,
        "Times that people looked at it so far this day of UTC, by document and language.";
    BOT_VIEWS_TODAY = "vitrine.bot_views.today", "{view}", Gauge,
        "Times that programs looked at it so far this day of UTC.";
    VISITORS_VIA_TODAY = "vitrine.visitors.via.today", "{visitor}", Gauge,
        "People who came by a tagged link of the admin page so far this day of UTC, by tag.";

    RELOADS = "vitrine.config.reloads", "{reload}", Counter,
        "Reloads, by outcome.";
    LAST_RELOAD_SUCCESSFUL = "vitrine.config.last_reload.successful", "", Gauge,
        "1 when the last reload was applied, 0 when it was refused.";
    LAST_RELOAD_SUCCESS_TIME = "vitrine.config.last_reload.success.timestamp", "s", Gauge,
        "When a configuration was last applied, as a Unix time.";
    CV_PROBLEMS = "vitrine.cv.problems", "{problem}", Gauge,
        "Problems found in the CV files, by severity.";
    CV_STALE = "vitrine.cv.stale", "", Gauge,
        "1 when the CV on disk is broken and an older one is shown.";
}

/// Label keys of our instruments, by their OpenTelemetry names.
pub mod keys {
    /// The known method or `_OTHER`.
    pub const HTTP_METHOD: &str = "http.request.method";
    /// The route's template.
    pub const HTTP_ROUTE: &str = "http.route";
    /// The status code.
    pub const HTTP_STATUS: &str = "http.response.status_code";
    /// `http` or `https`.
    pub const URL_SCHEME: &str = "url.scheme";
    /// The number of a worker.
    pub const WORKER_ID: &str = "worker.id";
    /// How something ended.
    pub const OUTCOME: &str = "outcome";
    /// `blocking` or `heavy`.
    pub const LANE: &str = "lane";
    /// `loki`, `remote_write` or `otlp`.
    pub const PROTOCOL: &str = "protocol";
    /// Why something was refused.
    pub const REASON: &str = "reason";
    /// `tcp`, `udp`, `file` or `journal`.
    pub const NETWORK_TRANSPORT: &str = "network.transport";
    /// `metrics`, `logs` or `traces`.
    pub const SIGNAL: &str = "signal";
    /// `user`, `system` or another use of a processor.
    pub const CPU_MODE: &str = "cpu.mode";
    /// `used`, `free`, `buffers` or `cached`.
    pub const MEMORY_STATE: &str = "system.memory.state";
    /// `used` or `free`.
    pub const PAGING_STATE: &str = "system.paging.state";
    /// `used`, `free` or `reserved`.
    pub const FILESYSTEM_STATE: &str = "system.filesystem.state";
    /// Where a file system is mounted.
    pub const MOUNTPOINT: &str = "system.filesystem.mountpoint";
    /// The kernel's name of a disk.
    pub const DEVICE: &str = "system.device";
    /// `read` or `write`.
    pub const DISK_DIRECTION: &str = "disk.io.direction";
    /// `receive` or `transmit`.
    pub const NETWORK_DIRECTION: &str = "network.io.direction";
    /// The kernel's name of a network interface.
    pub const INTERFACE: &str = "network.interface.name";
    /// `error` or `warning`.
    pub const SEVERITY: &str = "severity";
    /// The file and the name of a group of rules.
    pub const RULE_GROUP: &str = "rule_group";
    /// `page`, `cv.pdf` or another document of the CV.
    pub const DOCUMENT: &str = "document";
    /// The language of a document.
    pub const LANG: &str = "lang";
    /// The tag of a link.
    pub const VIA: &str = "via";
    /// The version of the binary.
    pub const VERSION: &str = "version";
    /// The release that the binary was shipped as.
    pub const RELEASE: &str = "release";
}

/// The `job` label of our own metrics and the `service.name` of our resource.
pub const SERVICE_NAME: &str = "vitrine";

/// Upper bounds of [`HTTP_REQUEST_DURATION`] in seconds: those that the OTel HTTP
/// conventions advise, with 0.5 and 1 ms in front because most pages take less than 5 ms.
pub const HTTP_DURATION_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_as_prometheus_does() {
        let check = |name, unit, kind, expect: &str| assert_eq!(exposed(name, unit, kind), expect);
        check(
            "http.server.request.duration",
            "s",
            MetricKind::Histogram,
            "http_server_request_duration_seconds",
        );
        check("http.server.active_requests", "{request}", MetricKind::Gauge, "http_server_active_requests");
        check("process.cpu.time", "s", MetricKind::Counter, "process_cpu_time_seconds_total");
        check("system.cpu.utilization", "1", MetricKind::Gauge, "system_cpu_utilization_ratio");
        check("app.bytes.total", "By", MetricKind::Counter, "app_bytes_total");
        check("1st..thing", "", MetricKind::Gauge, "_1st_thing");
        check("net", "By/s", MetricKind::Gauge, "net_bytes_per_second");
        check("net.bytes", "By/s", MetricKind::Gauge, "net_bytes_per_second");
        check("asked", "{request}/s", MetricKind::Gauge, "asked_per_second");
        check("drawn", "W", MetricKind::Gauge, "drawn_watts");
        check("odd", "a.b!", MetricKind::Gauge, "odd_a_b");
    }

    #[test]
    fn every_instrument_has_its_own_name() {
        let mut names: Vec<String> = ALL.iter().map(Instrument::exposed).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
