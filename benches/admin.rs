//! What `/admin` costs over a store that is full: each view, and each stream.
//!
//! Defends "with 10,000 series and 1 GB of logs in the store, every view is complete in under
//! 500 ms, and the stream of an open page costs under 1 % of a core". Ends with 1 when it does
//! not. The time is that of the whole answer, and the slowest of [`TIMES`] counts; a histogram
//! that comes after its page is a view of its own. Of a stream the time counts that the program
//! uses beyond what it uses without one.

#![allow(clippy::unwrap_used)]

#[path = "store/lines.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod lines;
#[path = "server/process.rs"]
mod process;
#[path = "server/processor.rs"]
mod processor;
#[path = "store/random.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod random;
#[path = "store/scratch.rs"]
mod scratch;
#[path = "store/series.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod series;
#[path = "store/table.rs"]
#[allow(dead_code, reason = "it is shared with other benchmarks")]
mod table;
#[path = "store/words.rs"]
mod words;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use lines::{LINES_PER_SECOND, LineKind, Lines};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use process::Process;
use series::SeriesSet;
use table::{Row, Section};
use ureq::http::Response;
use vitrine::clock::{Clock, UnixMillis, UnixNanos};
use vitrine::record::access::own_stream;
use vitrine::record::{LogRecord, Severity};
use vitrine::store::{Config, Store};

/// Series of another program.
const SERIES: usize = 10_000;

/// They are sampled each ten seconds for so long.
const SAMPLED: Duration = Duration::from_secs(3_600);
const SAMPLED_EVERY: Duration = Duration::from_secs(10);

/// Text of the lines, metadata included.
const RAW_BYTES: u64 = 1_000_000_000;

/// About what a line of the mix has, so that they end now.
const LINE_BYTES: u64 = 210;

/// Lines that are given to the store at once.
const BATCH: usize = 1_000;

/// Views of the CV that are on record, and over how long.
const VIEWS_KEPT: usize = 100_000;
const VIEWED: Duration = Duration::from_secs(29 * 86_400);

/// Pages that visitors see before.
const VISITS: usize = 2_000;

/// How often a view is asked for.
const TIMES: usize = 5;

/// How long a stream is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// The budgets.
const VIEW_MAX: Duration = Duration::from_millis(500);
const STREAM_MAX: f64 = 0.01;

const PASSWORD: &str = "correct horse battery staple";

/// What an owner looks at; over an hour unless they say otherwise.
const VIEWS: [(&str, &str); 28] = [
    ("overview", "/admin"),
    ("overview, a day", "/admin?range=24h"),
    ("overview, 30 days", "/admin?range=30d"),
    ("visitors, a week", "/admin/visitors?range=7d"),
    ("visitors, 30 days", "/admin/visitors?range=30d"),
    ("logs", "/admin/logs"),
    ("its histogram", "/admin/logs/histogram"),
    ("logs of a day, errors", "/admin/logs?range=24h&level=error"),
    ("its histogram", "/admin/logs/histogram?range=24h&level=error"),
    ("logs of a day, a word", "/admin/logs?range=24h&q=connection"),
    ("its histogram", "/admin/logs/histogram?range=24h&q=connection"),
    ("logs of a day, a word that is not there", "/admin/logs?range=24h&q=quixotically"),
    ("logs of a day by LogQL", "/admin/logs?range=24h&logql=%7Bjob%3D%22bench%22%7D+%7C%3D+%22error%22"),
    ("metrics", "/admin/metrics"),
    ("metrics, a sum of 200", "/admin/metrics?q=sum+by+%28instance%29+%28app_hit_ratio_5%29"),
    ("metrics, 5 of 10,000", "/admin/metrics?q=topk%285%2C+%7Bjob%3D%22app%22%7D%29"),
    ("metrics, 200 series", "/admin/metrics?q=app_hit_ratio_5"),
    ("words for a query", "/admin/metrics/complete?q=app&at=3"),
    ("cardinality", "/admin/metrics/cardinality"),
    ("traces", "/admin/traces"),
    ("traces, failed", "/admin/traces?order=failed"),
    ("workers", "/admin/workers"),
    ("cv", "/admin/cv"),
    ("editor", "/admin/cv/edit?file=cv.yaml"),
    ("store", "/admin/store"),
    ("releases", "/admin/releases"),
    ("settings", "/admin/settings"),
    ("audit log", "/admin/settings/audit"),
];

/// What stays open.
const STREAMS: [(&str, &str); 7] = [
    ("overview", "/admin"),
    ("overview, 30 days", "/admin?range=30d"),
    ("visitors", "/admin/visitors"),
    ("logs", "/admin/logs"),
    ("metrics, 5 of 10,000", "/admin/metrics?q=topk%285%2C+%7Bjob%3D%22app%22%7D%29"),
    ("workers", "/admin/workers"),
    ("store", "/admin/store"),
];

/// Returns a line of the access log about one view of many, the oldest first.
fn view(now: UnixNanos, no: usize) -> LogRecord {
    let age = VIEWED.as_nanos() as i64 / VIEWS_KEPT as i64 * (VIEWS_KEPT - no) as i64;
    let one_of = |words: &[&str]| words[no * 7919 % words.len()].to_string();
    let metadata = [
        ("http_route", "/".to_string()),
        ("url_path", "/".into()),
        ("http_response_status_code", "200".into()),
        ("document", "page".into()),
        ("lang", one_of(&["en", "en", "ru"])),
        ("visitor", format!("{:016x}", no / 3)),
        ("user_agent_name", one_of(&["Firefox", "Chrome", "Safari", "Edge", "Chrome"])),
        ("user_agent_os_name", one_of(&["Linux", "Windows", "iOS", "Android"])),
        ("bot", one_of(&["", "", "", "", "", "", "Googlebot"])),
        ("referrer_host", one_of(&["", "", "www.linkedin.com", "github.com"])),
        ("via", one_of(&["", "", "", "", "acme"])),
    ];
    // People have no name of a program, and most come from nowhere.
    let said = metadata.into_iter().filter(|(_, value)| !value.is_empty());
    LogRecord {
        at: UnixNanos(now.0 - age),
        severity: Severity::Info,
        stream: own_stream("access", Severity::Info),
        metadata: said.map(|(name, value)| (name.into(), value)).collect(),
        body: "GET / 200 0.3ms".into(),
    }
}

/// Fills the store of a program that does not run yet.
fn fill(data: &Path) -> (u64, u64) {
    let meter = NoopMeterProvider::new().meter("bench");
    let store = Store::open(&data.join("store"), Config::default(), Clock::system(), &meter).unwrap();
    let now = Clock::system().now();
    for batch in 0..VIEWS_KEPT / BATCH {
        assert!(store.append_logs((0..BATCH).map(|n| view(now, batch * BATCH + n)).collect()), "no room");
        store.sync().unwrap();
    }
    let mut series = SeriesSet::fleet(1, SERIES);
    let n_scrapes = SAMPLED.as_secs() / SAMPLED_EVERY.as_secs();
    for n in 0..n_scrapes {
        let age = SAMPLED_EVERY * (n_scrapes - n) as u32;
        store.append_scrape(series.scrape(UnixMillis(now.to_millis().0 - age.as_millis() as i64)));
        store.sync().unwrap();
    }
    let span_s = (RAW_BYTES / LINE_BYTES) as i64 / LINES_PER_SECOND;
    let mut lines = Lines::new(LineKind::Mixed, 1, UnixNanos(now.0 - span_s * 1_000_000_000), u64::MAX);
    while lines.told().raw_bytes < RAW_BYTES && lines.now() < now {
        assert!(store.append_logs((0..BATCH).map(|_| lines.next()).collect()), "a push found no room");
        store.sync().unwrap();
    }
    store.close(Duration::from_secs(60)).unwrap();
    (lines.told().n_lines, lines.told().raw_bytes)
}

fn start(dir: &Path) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--site"]).arg(dir);
    command.arg("--data").arg(dir.join("data")).current_dir(dir);
    command.env("VITRINE_ADMIN_PASSWORD", PASSWORD).env("VITRINE_FORWARD_LISTEN", "127.0.0.1:0");
    let (process, after) = Process::start(command, "serving on http://");
    (process, after.split([',', ' ']).next().unwrap().to_string())
}

/// A browser that is logged in.
struct Browser {
    agent: ureq::Agent,
    address: String,
    cookie: String,
}

impl Browser {
    fn log_in(address: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .build();
        let agent: ureq::Agent = agent.into();
        let answer =
            agent.post(format!("http://{address}/admin/login")).send_form([("password", PASSWORD)]).unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_string();
        Browser { agent, address: address.to_string(), cookie }
    }

    fn get(&self, path: &str) -> Response<ureq::Body> {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        request.header("cookie", &self.cookie).header("accept-encoding", "gzip").call().unwrap()
    }

    /// Returns a page and how long it took to be all there.
    fn look(&self, path: &str) -> (String, Duration) {
        let begun = Instant::now();
        let mut answer = self.get(path);
        let page = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        let took = begun.elapsed();
        assert_eq!(answer.status(), 200, "{path}: {page}");
        assert!(!page.contains("cannot be read"), "{path} has a fault on it");
        (page, took)
    }

    /// Opens what a page hears from, and reads it until that is dropped.
    fn hear(&self, page: &str) -> TcpStream {
        let (page, _) = self.look(page);
        let path = page.split("data-stream=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (path, cookie) = (path.replace("&amp;", "&"), &self.cookie);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n").unwrap();
        let mut heard = stream.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            // It ends with the stream.
            while heard.read(&mut buffer).is_ok_and(|n_bytes| n_bytes > 0) {}
        });
        stream
    }
}

/// Returns what part of a core a program uses for a while.
fn share(process: &Process) -> f64 {
    let before = processor::time_of(&[process.pid()]);
    thread::sleep(WATCHED);
    (processor::time_of(&[process.pid()]) - before).as_secs_f64() / WATCHED.as_secs_f64()
}

fn views(browser: &Browser) -> Section {
    let mut section = Section::new("Views, the slowest of five");
    for (what, path) in VIEWS {
        let mut times: Vec<Duration> = (0..TIMES).map(|_| browser.look(path).1).collect();
        times.sort_unstable();
        let (median, most) = (times[TIMES / 2], times[TIMES - 1]);
        let row = Row::new(what, table::ms(most)).note(format!("median {}, {path}", table::ms(median)));
        section.push(row.budget(format!("< {}", table::ms(VIEW_MAX)), most < VIEW_MAX));
    }
    section
}

fn streams(browser: &Browser, process: &Process) -> Section {
    let mut section = Section::new("Streams of open pages, beyond what runs without one");
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let idle = share(process);
    section.push(Row::new("no page is open", percent(idle)).note("of a core"));
    for (what, page) in STREAMS {
        let stream = browser.hear(page);
        let cost = share(process) - idle;
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        let row = Row::new(what, percent(cost.max(0.0))).note(page);
        section.push(row.budget(format!("< {}", percent(STREAM_MAX)), cost < STREAM_MAX));
    }
    section
}

fn main() -> ExitCode {
    let dir = scratch::folder();
    let (n_lines, n_bytes) = fill(&dir.path().join("data"));
    eprintln!("{SERIES} series, {} lines of {}", table::count(n_lines), table::bytes(n_bytes));
    let (process, address) = start(dir.path());
    let browser = Browser::log_in(&address);
    for _ in 0..VISITS {
        assert_eq!(browser.agent.get(format!("http://{address}/")).call().unwrap().status(), 200);
    }
    processor::wait_for_rest(&[process.pid()]);
    let sections = [views(&browser), streams(&browser, &process)];
    table::print(&sections);
    let n_missed: usize = sections.iter().map(Section::n_missed).sum();
    if n_missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
