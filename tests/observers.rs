//! vitrine with the real Prometheus, Loki and VictoriaMetrics: what one side says, the other has.
//!
//! Each test needs its program, see `stack`; without one it says that it skips.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::browser::program;
use crate::harness::{Folders, PASSWORD, Vitrine, basic_auth, run, stored_samples, wait_until};
use crate::stack::{LOKI, Tool, python_with};

/// Any that scrapes; the tests that push to it look for its receiver.
pub const PROMETHEUS: Tool = Tool {
    name: "prometheus",
    variable: "PROMETHEUS_BIN",
    version: &["--version"],
    greeting: "prometheus, version",
    oldest: 2,
};

/// Returns VictoriaMetrics, named by `VICTORIA_METRICS_BIN` or in the path, when it takes OTLP as
/// it does since 1.92. Debian's tells no version, so its help is asked for the setting.
fn victoria_metrics() -> Option<PathBuf> {
    let found = std::env::var_os("VICTORIA_METRICS_BIN").map(PathBuf::from);
    let found = found.or_else(|| program("victoria-metrics")).filter(|path| {
        let help = Command::new(path).arg("-help").output().unwrap();
        String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).contains(NAMING)
    });
    if found.is_none() {
        println!("skipped: there is no VictoriaMetrics that takes OTLP");
    }
    found
}

/// Its setting for Prometheus's names.
const NAMING: &str = "-opentelemetry.usePrometheusNaming";

/// A program that runs for a test, in a folder of its own.
pub struct Peer {
    child: Child,
    pub url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing to keep; whether it had ended by itself does not matter any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Asks and returns the answer, when there is one.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let mut request = ureq::get(format!("{}{path}", self.url));
        for (name, value) in query {
            request = request.query(name, value);
        }
        let text = request.call().ok()?.body_mut().read_to_string().ok()?;
        // A probe for readiness answers in words.
        Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Returns all series of a selector with their latest values, by their labels.
    fn series(&self, prefix: &str, selector: &str) -> BTreeMap<String, f64> {
        let answer = self.get(&format!("{prefix}/api/v1/query"), &[("query", selector)]);
        let result = answer.as_ref().and_then(|answer| answer["data"]["result"].as_array());
        let one = |series: &Value| {
            let value: f64 = series["value"][1].as_str()?.parse().ok()?;
            let labels: BTreeMap<&str, &str> = series["metric"]
                .as_object()?
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
                .collect();
            Some((format!("{labels:?}"), value))
        };
        result.into_iter().flatten().filter_map(one).collect()
    }
}

/// A port that was free a moment ago; these programs cannot say which one they took.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn start_prometheus(program: &Path, port: u16, args: &[&str], config: &str) -> Peer {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(args)
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find(|line| line.contains("Listening on")).expect("it says where it listens");
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap().to_string();
    // Read on, or it would wait for a reader one day.
    std::thread::spawn(move || lines.for_each(drop));
    let peer = Peer { child, url: format!("http://{address}"), _dir: dir };
    wait_until("Prometheus is ready", || peer.get("/-/ready", &[]));
    peer
}

/// Returns upstream's Prometheus; Debian's has no receiver.
fn prometheus_with_receiver() -> Option<PathBuf> {
    let program = PROMETHEUS.find()?;
    let help = Command::new(&program).arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).into_owned();
    if text.contains("web.enable-otlp-receiver") {
        return Some(program);
    }
    println!("skipped: this Prometheus has no OTLP receiver");
    None
}

/// Returns what `/metrics` says of the series that do not change any more, by their labels.
fn settled_series(vitrine: &Vitrine) -> BTreeMap<String, f64> {
    let page = vitrine.get_as_admin("/metrics").text();
    let is_settled = |line: &&str| {
        let of_requests =
            line.starts_with("http_server_request_duration_seconds") && line.contains(r#"http_route="/""#);
        of_requests || line.starts_with("vitrine_build_info") || line.starts_with("vitrine_worker_jobs_total")
    };
    page.lines().filter(is_settled).map(parsed).collect()
}

/// Reads a line of `/metrics`; its label values here have no escapes.
fn parsed(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap();
    let labels = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
    let mut pairs: BTreeMap<&str, &str> = labels
        .map(|pair| pair.split_once("=\"").unwrap())
        .map(|(k, v)| (k, v.trim_end_matches('"')))
        .collect();
    pairs.insert("__name__", name);
    (format!("{pairs:?}"), value.parse().unwrap())
}

fn spawn_with(environment: &[(&str, &str)]) -> Vitrine {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.envs(environment.iter().copied());
    Vitrine::spawn(command, dir)
}

/// Waits until the other side has the series of `/metrics` with the same labels and values.
fn wait_for_the_same(vitrine: &Vitrine, has: impl Fn() -> BTreeMap<String, f64>) {
    for _ in 0..5 {
        assert_eq!(vitrine.get("/").status, 200);
    }
    let expect = settled_series(vitrine);
    assert!(expect.len() > 20, "{expect:?}");
    let mut missing = String::new();
    wait_until("the other side has all series", || {
        let found = has();
        let wrong = expect.iter().find(|(labels, value)| found.get(*labels) != Some(value));
        missing = format!("{wrong:?}, found {} series", found.len());
        wrong.is_none().then_some(())
    });
}

#[test]
fn prometheus_has_by_otlp_what_metrics_says() {
    let Some(program) = prometheus_with_receiver() else { return };
    let config =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/prometheus.yml"));
    let prometheus = start_prometheus(&program, 0, &["--web.enable-otlp-receiver"], &config.unwrap());
    let endpoint = format!("{}/api/v1/otlp/v1/metrics", prometheus.url);
    let vitrine = spawn_with(&[
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ]);
    let version = format!(r#", "service_version": "{}""#, env!("CARGO_PKG_VERSION"));
    wait_for_the_same(&vitrine, || {
        // Two attributes of the resource are promoted by the shipped configuration.
        let promoted = |labels: String| {
            labels.replace(r#""deployment_environment_name": "test", "#, "").replace(&version, "")
        };
        let all = prometheus.series("", r#"{job="vitrine"}"#);
        all.into_iter().map(|(labels, value)| (promoted(labels), value)).collect()
    });
    let info = prometheus.series("", r#"target_info{job="vitrine"}"#);
    assert!(info.keys().any(|labels| labels.contains("service_version")), "{info:?}");
}

#[test]
fn victoria_metrics_has_by_otlp_what_metrics_says() {
    let Some(program) = victoria_metrics() else { return };
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let child = Command::new(program)
        .arg(format!("-storageDataPath={}", dir.path().display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .args([NAMING, "-search.latencyOffset=0s"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let victoria = Peer { child, url: format!("http://127.0.0.1:{port}"), _dir: dir };
    wait_until("VictoriaMetrics is ready", || victoria.get("/health", &[]));
    let endpoint = format!("{}/opentelemetry/v1/metrics", victoria.url);
    let vitrine = spawn_with(&[
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
    ]);
    for _ in 0..5 {
        assert_eq!(vitrine.get("/").status, 200);
    }
    // It names the resource's attributes in its own way, so that only the values are compared.
    wait_until("VictoriaMetrics counts the five pages", || {
        let query = r#"http_server_request_duration_seconds_count{http_route="/"}"#;
        victoria.series("", query).values().any(|value| *value == 5.0).then_some(())
    });
}

#[test]
fn prometheus_scrapes_what_metrics_says() {
    let Some(program) = PROMETHEUS.find() else { return };
    let vitrine = Vitrine::start();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: vitrine\n  honor_labels: true\n  \
         basic_auth: {{username: admin, password: '{PASSWORD}'}}\n  static_configs: [{{targets: ['{}']}}]\n",
        vitrine.address()
    );
    let prometheus = start_prometheus(&program, 0, &[], &config);
    wait_until("the scrape succeeds", || {
        prometheus.series("", "up").values().any(|up| *up == 1.0).then_some(())
    });
    wait_for_the_same(&vitrine, || {
        // Prometheus 3 writes a whole `le` as a decimal.
        let whole = |labels: String| match labels.split_once(r#""le": ""#) {
            Some((before, after)) => format!(r#"{before}"le": "{}"#, after.replacen(".0\"", "\"", 1)),
            None => labels,
        };
        let all = prometheus.series("", r#"{job="vitrine"}"#);
        all.into_iter().map(|(labels, value)| (whole(labels), value)).collect()
    });
}

#[test]
fn prometheus_writes_to_vitrine_in_both_versions() {
    let Some(program) = PROMETHEUS.find() else { return };
    let vitrine = Vitrine::start();
    let has_version_2 = prometheus_with_receiver().is_some();
    let target = |message: &str| {
        format!(
            "- url: http://{}/api/v1/write\n  {message}\n  basic_auth: {{username: admin, password: '{PASSWORD}'}}\n",
            vitrine.address()
        )
    };
    let mut running = Vec::new();
    for (job, message) in [("v1", ""), ("v2", "protobuf_message: io.prometheus.write.v2.Request")] {
        if job == "v2" && !has_version_2 {
            continue;
        }
        // It scrapes itself, under a name that says by which version it comes.
        let port = free_port();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: {job}\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\nremote_write:\n{}",
            target(message)
        );
        running.push((job, start_prometheus(&program, port, &[], &config)));
    }
    let jobs: Vec<&str> = running.iter().map(|(job, _)| *job).collect();
    wait_until("samples came", || {
        let page = vitrine.get_as_admin("/metrics").text();
        let n = crate::harness::metric(&page, "vitrine_push_records_total", &[r#"protocol="remote_write""#]);
        (n > 1_500.0 * jobs.len() as f64).then_some(())
    });
    let page = vitrine.get_as_admin("/metrics").text();
    let refused = page.lines().filter(|line| {
        line.starts_with("vitrine_push_refused_total")
            && line.contains("remote_write")
            && !line.ends_with(" 0")
    });
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<&str>::new());
    drop(running);
    let dir = vitrine.stop();
    assert!(stored_samples(&dir, "prometheus_build_info").iter().all(|(_, value)| *value == 1.0));
    assert!(stored_samples(&dir, "up").len() >= 2 * jobs.len());
}

/// Starts Loki with a configuration for its folder, its HTTP port and its gRPC port.
pub fn start_loki(program: &Path, config: impl FnOnce(&str, u16, u16) -> String) -> Peer {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = dir.path().join("loki.yml");
    std::fs::write(&path, config(&dir.path().display().to_string(), port, free_port())).unwrap();
    let child = Command::new(program)
        .arg(format!("-config.file={}", path.display()))
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let loki = Peer { child, url: format!("http://127.0.0.1:{port}"), _dir: dir };
    // It calls itself ready only half a minute after it takes lines and answers queries.
    wait_until("Loki answers", || loki.get("/loki/api/v1/labels", &[]));
    loki
}

/// The configuration that the compose stack has, on another folder and other ports.
fn shipped_config(dir: &str, port: u16, grpc_port: u16) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/loki.yml");
    let ports = format!(
        "http_listen_port: {port}\n  grpc_listen_port: {grpc_port}\n  http_listen_address: 127.0.0.1\n  \
         grpc_listen_address: 127.0.0.1"
    );
    std::fs::read_to_string(shipped).unwrap().replace("/loki", dir).replace("http_listen_port: 3100", &ports)
}

/// Returns the lines of a selector with their labels.
fn lines_of(loki: &Peer, selector: &str) -> Vec<(Value, String)> {
    let answer = loki.get("/loki/api/v1/query_range", &[("query", selector), ("since", "1h")]);
    let streams = answer.as_ref().and_then(|answer| answer["data"]["result"].as_array());
    let lines = streams.into_iter().flatten().flat_map(|stream| {
        let values = stream["values"].as_array().unwrap();
        values.iter().map(|value| (stream["stream"].clone(), value[1].as_str().unwrap().to_string()))
    });
    lines.collect()
}

#[test]
fn loki_has_by_otlp_what_admin_shows() {
    let Some(program) = LOKI.find() else { return };
    let loki = start_loki(&program, shipped_config);
    let endpoint = format!("{}/otlp/v1/logs", loki.url);
    let vitrine = spawn_with(&[
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &endpoint),
        ("VITRINE_FORWARD_LISTEN", "127.0.0.1:0"),
    ]);
    let log = vitrine.log_text();
    let forward = log.split("forward protocol on ").nth(1).unwrap().split(',').next().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(br#"{"tag": "flask.logs", "message": "test log"}"#, forward).unwrap();
    assert_eq!(vitrine.get("/no-such-page").status, 404);

    let forwarded = wait_until("the forwarded line is in Loki", || {
        lines_of(&loki, r#"{job="flask.logs"}"#).into_iter().next()
    });
    assert_eq!(forwarded.1, "test log");
    assert_eq!(forwarded.0["service_name"], "flask.logs");
    let access = wait_until("the access record is in Loki", || {
        let selector = r#"{service_name="vitrine", job="access", level="info"} | url_path="/no-such-page""#;
        lines_of(&loki, selector).into_iter().next()
    });
    assert!(access.1.starts_with("GET /no-such-page 404"), "{access:?}");
    assert_eq!(access.0["http_response_status_code"], "404");
    // The same line, found by the same trace id.
    let trace = access.0["trace_id"].as_str().unwrap();
    assert_eq!(vitrine.logged(trace).len(), 1);
    let app = lines_of(&loki, r#"{service_name="vitrine", job="app"} |= "serving on""#);
    assert_eq!(app.len(), 1, "{app:?}");
}

/// Reads a page by the strict parser of its format, and prints what it found.
const PARSER: &str = r#"
import sys
if sys.argv[1] == "open":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
else:
    from prometheus_client.parser import text_string_to_metric_families as families
page = open(sys.argv[2], encoding="utf-8").read()
print(sum(len(family.samples) for family in families(page)))
"#;

#[test]
fn the_strict_parsers_of_prometheus_client_read_metrics() {
    let Some(python) = python_with("prometheus_client") else { return };
    let vitrine = Vitrine::start();
    vitrine.get("/");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page");
    for (format, accept) in [("open", "application/openmetrics-text; version=1.0.0"), ("text", "text/plain")]
    {
        let headers = [("authorization", &*basic_auth()), ("accept", accept)];
        let page = vitrine.request("GET", "/metrics", &headers).text();
        std::fs::write(&file, &page).unwrap();
        let mut command = Command::new(&python);
        command.args(["-c", PARSER, format]).arg(&file);
        let ended = run(command);
        assert_eq!(ended.code, 0, "{format}: {}", ended.err);
        let n_lines = page.lines().filter(|line| !line.starts_with('#')).count();
        let n_samples: usize = ended.out.trim().parse().unwrap();
        assert!(n_samples > 150 && n_samples >= n_lines, "{format}: {n_samples} of {n_lines} lines");
        // Or it is none that could find a fault.
        std::fs::write(&file, page.replacen(" counter\n", " rocket\n", 1)).unwrap();
        let mut command = Command::new(&python);
        command.args(["-c", PARSER, format]).arg(&file);
        assert!(format == "text" || run(command).code != 0, "a type that there is none of was accepted");
    }
}
