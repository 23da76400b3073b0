//! Other stores on the same generated data, side by side, where they are installed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use ureq::Agent;
use vitrine::clock::UnixNanos;
use vitrine::record::{Labels, LogRecord, Scrape};

use super::feed::MetricSet;
use super::history::{RAW_BYTES, Run, Sizes};
use super::lines::{JOB, LineKind, Lines, NEEDLE, SUBSTRING};
use super::measure::{disk_bytes, drop_page_cache, median, peak_rss_bytes};
use super::program;
use super::search::find;
use super::sizes::{CHANGING_SERIES, HOST_DATA};
use super::table::{Row, Section, bytes, count, ms};

/// The variables that name the programs; else they are looked for in `PATH`.
pub const PROMETHEUS: &str = "PROMETHEUS_BIN";
pub const PROMTOOL: &str = "PROMTOOL_BIN";
pub const VICTORIA_METRICS: &str = "VICTORIA_METRICS_BIN";
pub const VICTORIA_LOGS: &str = "VICTORIA_LOGS_BIN";

/// Returns what other stores make of the same data.
pub fn section(run: &mut Run) -> Section {
    let mut section = Section::new("Peers: the same generated data in other stores");
    let recorded = std::env::var_os(HOST_DATA).map(|path| ("host", MetricSet::Host(path.into())));
    let generated =
        [("host-like", MetricSet::HostLike), ("all-changing", MetricSet::AllChanging(CHANGING_SERIES))];
    let sets: Vec<(&str, MetricSet)> = recorded.into_iter().chain(generated).collect();
    match (find(PROMTOOL, "promtool"), find(PROMETHEUS, "prometheus")) {
        (Some(promtool), Some(prometheus)) => {
            sets.iter()
                .for_each(|(name, set)| in_prometheus(run, &mut section, &promtool, &prometheus, name, set));
        }
        _ => section.push(skipped("Prometheus", &format!("{PROMETHEUS} and {PROMTOOL}"))),
    }
    match find(VICTORIA_METRICS, "victoria-metrics") {
        Some(program) => {
            sets.iter().for_each(|(name, set)| in_victoria_metrics(run, &mut section, &program, name, set));
        }
        None => section.push(skipped("VictoriaMetrics", VICTORIA_METRICS)),
    }
    match find(VICTORIA_LOGS, "victoria-logs") {
        Some(program) => in_victoria_logs(run, &mut section, &program),
        None => section.push(skipped("VictoriaLogs", VICTORIA_LOGS)),
    }
    section.footnote(
        "Sizes are allocated blocks after a forced merge and a clean stop, caches left out; of Prometheus they are \
         blocks of two hours, which it merges in time. Memory is VmHWM of a server with its \
         defaults, times are those of its HTTP answer; cold is the first after a start with the page cache dropped.",
    );
    section
}

fn skipped(name: &str, variables: &str) -> Row {
    Row::new(name, "skipped").note(format!("neither {variables} nor PATH has it"))
}

// ---- metrics

/// A range query over everything: a day in steps of a minute.
const SUM_BY: &str = r#"sum by (job) ({__name__!=""})"#;

fn in_prometheus(
    run: &mut Run,
    section: &mut Section,
    promtool: &str,
    prometheus: &str,
    name: &str,
    set: &MetricSet,
) {
    let dir = run.dir.join("prometheus");
    let blocks = dir.join("blocks");
    fs::create_dir_all(&blocks).unwrap();
    let text = dir.join("openmetrics.txt");
    let mut out = BufWriter::new(File::create(&text).unwrap());
    let mut range = Range::default();
    for scrape in set.scrapes(run.seed, run.span()) {
        range.note(&scrape);
        let s = format!("{}.{:03}", scrape.at.0 / 1_000, scrape.at.0 % 1_000);
        out.write_all(exposition(&scrape, &s).as_bytes()).unwrap();
    }
    out.write_all(b"# EOF\n").unwrap();
    out.into_inner().unwrap().sync_all().unwrap();
    let made = program::command(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .args([&text, &blocks])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "promtool ended with {made}");
    fs::remove_file(&text).unwrap();
    let size_bytes = disk_bytes(&blocks);

    let config = dir.join("prometheus.yml");
    fs::write(&config, "global: {}\n").unwrap();
    let server = Server::start(prometheus, "/-/ready", |address| {
        vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", blocks.display()),
            "--storage.tsdb.retention.time=100y".into(),
            format!("--web.listen-address={address}"),
            "--log.level=error".into(),
        ]
    });
    let took = server.time_of(&range.query());
    let (peak, _) = server.stop();
    push_metrics(run, section, "Prometheus", name, set, Peer { size_bytes, peak, took });
    fs::remove_dir_all(&dir).unwrap();
}

fn in_victoria_metrics(run: &mut Run, section: &mut Section, program: &str, name: &str, set: &MetricSet) {
    let dir = run.dir.join("victoria-metrics");
    let server = Server::start(program, "/health", |address| victoria(&dir, address));
    let (mut body, mut range) = (String::new(), Range::default());
    for scrape in set.scrapes(run.seed, run.span()) {
        range.note(&scrape);
        body += &exposition(&scrape, &scrape.at.0.to_string());
        if body.len() > PUSH_BYTES {
            server.post("/api/v1/import/prometheus", std::mem::take(&mut body));
        }
    }
    server.post("/api/v1/import/prometheus", body);
    server.settle(&dir);
    let took = server.time_of(&range.query());
    let (peak, _) = server.stop();
    push_metrics(
        run,
        section,
        "VictoriaMetrics",
        name,
        set,
        Peer { size_bytes: victoria_bytes(&dir), peak, took },
    );
    fs::remove_dir_all(&dir).unwrap();
}

struct Peer {
    size_bytes: u64,
    peak: u64,
    took: (Duration, Duration),
}

fn push_metrics(run: &mut Run, section: &mut Section, peer: &str, name: &str, set: &MetricSet, of: Peer) {
    let (fed, sizes) = run.metric_sizes(set);
    let per_sample = |n: u64| n as f64 / fed.n_samples as f64;
    section.push(
        Row::new(format!("{peer}, {name}"), format!("{:.3} B", per_sample(of.size_bytes)))
            .note(format!("{:.3} B here", per_sample(sizes.samples + sizes.rest)))
            .note(format!("`sum by` of all in {}, then {}", ms(of.took.0), ms(of.took.1)))
            .note(format!("highest RSS {}", bytes(of.peak))),
    );
}

/// From the first to the last scrape, in ms.
#[derive(Default)]
struct Range {
    first: Option<i64>,
    last: i64,
}

impl Range {
    fn note(&mut self, scrape: &Scrape) {
        self.first.get_or_insert(scrape.at.0);
        self.last = scrape.at.0;
    }

    fn query(&self) -> String {
        let (start, end) = (self.first.unwrap_or_default() / 1_000, self.last / 1_000);
        format!("/api/v1/query_range?query={}&start={start}&end={end}&step=60&nocache=1", encoded(SUM_BY))
    }
}

/// Writes a scrape as Prometheus text with times.
fn exposition(scrape: &Scrape, at: &str) -> String {
    let mut text = String::new();
    for point in &scrape.points {
        write!(text, "{}", point.series.metric_name()).unwrap();
        let labels: Labels = point.series.without(&["__name__"]);
        writeln!(text, "{labels} {} {at}", point.value).unwrap();
    }
    text
}

// ---- logs

fn in_victoria_logs(run: &mut Run, section: &mut Section, program: &str) {
    let (seed, raw_bytes) = (run.seed, run.scaled(RAW_BYTES));
    let history = run.history();
    let (here, told, from) = (Sizes::of(&history.dir).lines, history.logs.told.clone(), history.logs.from);
    let dir = run.dir.join("victoria-logs");
    let server = Server::start(program, "/health", |address| victoria(&dir, address));
    let path = "/insert/jsonline?_stream_fields=job,service_name,level&_time_field=_time&_msg_field=_msg";
    let mut lines = Lines::new(LineKind::Mixed, seed, UnixNanos(from), raw_bytes / 1_000);
    let mut body = String::new();
    while lines.told().n_lines < told.n_lines {
        json_line(&lines.next(), &mut body);
        if body.len() > PUSH_BYTES {
            server.post(path, std::mem::take(&mut body));
        }
    }
    server.post(path, body);
    server.settle(&dir);
    let (peak, cpu) = server.stop();
    let size_bytes = victoria_bytes(&dir);
    section.push(
        Row::new("VictoriaLogs, mixed", format!("{:.2} ×", told.raw_bytes as f64 / size_bytes as f64))
            .note(format!("{} against {} here", bytes(size_bytes), bytes(here)))
            .note(format!("highest RSS {}", bytes(peak)))
            .note(format!(
                "{} lines per s of processor time, merges included",
                count((told.n_lines as f64 / cpu.as_secs_f64()) as u64)
            )),
    );
    section.push(
        Row::new("mixed here, of what VictoriaLogs takes", format!("{:.3}", here as f64 / size_bytes as f64))
            .budget("≤ 1.0", here <= size_bytes),
    );
    let queries = [
        ("a rare whole word", format!(r#"{{job="{JOB}"}} {NEEDLE}"#)),
        ("a part of a common word", format!(r#"{{job="{JOB}"}} ~"{SUBSTRING}" | stats count() n"#)),
    ];
    for (what, query) in queries {
        let server = Server::start(program, "/health", |address| victoria(&dir, address));
        drop_page_cache(&dir);
        let took = server.time_of(&format!("/select/logsql/query?query={}", encoded(&query)));
        let (peak, _) = server.stop();
        section.push(
            Row::new(format!("VictoriaLogs, {what}, cold"), ms(took.0))
                .note(format!("highest RSS {}", bytes(peak))),
        );
        section.push(Row::new(format!("VictoriaLogs, {what}, warm"), ms(took.1)));
    }
    fs::remove_dir_all(&dir).unwrap();
}

fn json_line(record: &LogRecord, out: &mut String) {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    write!(out, r#"{{"_time":"{}","_msg":{}"#, record.at.0, quoted(&record.body)).unwrap();
    for (name, value) in record.stream.iter() {
        write!(out, r#","{name}":{}"#, quoted(value)).unwrap();
    }
    for (name, value) in &record.metadata {
        write!(out, r#","{name}":{}"#, quoted(value)).unwrap();
    }
    writeln!(out, r#","severity":"{}"}}"#, record.severity).unwrap();
}

// ---- servers

/// Bytes of one request to a peer.
const PUSH_BYTES: usize = 4 << 20;

/// The arguments of both stores of that family; old data is refused without the first.
fn victoria(dir: &Path, address: &str) -> Vec<String> {
    vec![
        "-retentionPeriod=10y".into(),
        format!("-storageDataPath={}", dir.display()),
        format!("-httpListenAddr={address}"),
        "-loggerLevel=ERROR".into(),
    ]
}

/// What such a store takes without what it may as well forget.
fn victoria_bytes(dir: &Path) -> u64 {
    disk_bytes(dir) - disk_bytes(&dir.join("cache"))
}

/// A running peer.
struct Server {
    process: Child,
    agent: Agent,
    url: String,
}

/// Time for a start or a stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether it is there, or done.
const POLL: Duration = Duration::from_millis(20);

/// A folder that does not change for so long is merged.
const SETTLED: Duration = Duration::from_secs(3);

impl Server {
    fn start(program: &str, ready: &str, args: impl FnOnce(&str) -> Vec<String>) -> Server {
        // Free when it was asked for; nobody else is expected to take it before the server does.
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().to_string();
        let mut command = program::command(program);
        command.args(args(&address)).stdout(Stdio::null()).stderr(Stdio::inherit());
        let process = command.spawn().unwrap();
        let agent = Agent::new_with_config(Agent::config_builder().proxy(None).build());
        let server = Server { process, agent, url: format!("http://{address}") };
        let began = Instant::now();
        while server.agent.get(format!("{}{ready}", server.url)).call().is_err() {
            assert!(began.elapsed() < PATIENCE, "{program} is not ready");
            std::thread::sleep(POLL);
        }
        server
    }

    fn get(&self, path: &str) -> String {
        let mut response = self.agent.get(format!("{}{path}", self.url)).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    }

    fn post(&self, path: &str, body: String) {
        self.agent.post(format!("{}{path}", self.url)).send(body).unwrap();
    }

    /// Makes everything durable and as small as it gets.
    fn settle(&self, dir: &Path) {
        self.get("/internal/force_flush");
        self.get("/internal/force_merge");
        let mut last = (disk_bytes(dir), Instant::now());
        while last.1.elapsed() < SETTLED {
            std::thread::sleep(POLL);
            let now = disk_bytes(dir);
            last = if now == last.0 { last } else { (now, Instant::now()) };
        }
    }

    /// Returns how long a question takes the first time, and the middle of the next nine.
    fn time_of(&self, path: &str) -> (Duration, Duration) {
        let once = || {
            let began = Instant::now();
            let answer = self.get(path);
            assert!(!answer.is_empty(), "no answer to {path}");
            began.elapsed()
        };
        (once(), median((0..9).map(|_| once()).collect()))
    }

    /// Ends it in order; returns the highest resident set size and the processor time it had.
    fn stop(mut self) -> (u64, Duration) {
        let pid = self.process.id();
        let used = (peak_rss_bytes(pid).unwrap_or(0), cpu_of(pid));
        let its_pid = Pid::from_child(&self.process);
        kill_process(its_pid, Signal::TERM).unwrap();
        self.process.wait().unwrap();
        used
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended and waited for, unless something failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn cpu_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0));
    // Linux counts in 1/100 s towards programs, whatever it does inside.
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
