//! The dashboards under `grafana/` ask only for what there is, and Grafana can show them.
//!
//! Every query of every panel, variable and annotation is read: its metrics are instruments of
//! `record::names`, its labels are known keys, its log selectors find lines of ours, its fields
//! are those of our records. One test asks a running vitrine, which knows the labels of each metric.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vitrine::clock::UnixNanos;
use vitrine::record::names;
use vitrine::record::trace::TraceContext;
use vitrine::record::{AccessRecord, Labels, MetricKind};

use crate::harness::{Folders, Vitrine, basic_auth, run, wait_until};
use crate::packaging::own_streams;
use crate::stack::PROMTOOL;
use expression::{Names, logql, promql};

mod expression;
mod schema;
mod shape;

/// The home dashboard, and those that it leads to.
const HOME: &str = "vitrine.json";
const FILES: &[&str] =
    &["balancer-workers.json", "cv-visitors.json", "host.json", "logs.json", "store-telemetry.json", HOME];

fn dashboards() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/dashboards");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

/// One question of a dashboard.
struct Query {
    /// For messages.
    place: String,
    /// `metrics` or `logs`.
    source: &'static str,
    text: String,
    /// A label whose values are wanted, of a variable.
    label: Option<String>,
}

/// Yields every query of a dashboard.
fn queries(dashboard: &Value) -> Vec<Query> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut res = Vec::new();
    for panel in shape::panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let place = format!("panel {} {}", panel["id"], target["refId"]);
            // What has no source is found by the test of the shape.
            let source = shape::source(&target["datasource"]).unwrap_or("metrics");
            res.push(Query { place, source, text: text(&target["expr"]), label: None });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
        let source = shape::source(&annotation["datasource"]).unwrap_or("metrics");
        let place = format!("annotation {}", annotation["name"]);
        res.push(Query { place, source, text: text(&annotation["expr"]), label: None });
    }
    for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
        let (place, query) = (format!("variable {}", variable["name"]), &variable["query"]);
        match shape::source(&variable["datasource"]) {
            Some("logs") => {
                let label = Some(text(&query["label"]));
                res.push(Query { place, source: "logs", text: text(&query["stream"]), label });
            }
            Some(source) => {
                let asked = text(&query["query"]);
                let inner = asked.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
                let (selector, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or_default();
                let label = Some(label.trim().to_string());
                res.push(Query { place, source, text: selector.to_string(), label });
            }
            None => {}
        }
    }
    res
}

/// The label keys of our instruments as a query names them, and what Prometheus adds.
fn known_labels() -> BTreeSet<String> {
    let source = include_str!("../src/record/names.rs");
    let keys = source.split("pub mod keys {").nth(1).expect("the keys have a module");
    let keys = keys.split("\n}").next().unwrap().lines().filter_map(|line| {
        let (_, value) = line.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?;
        value.strip_suffix("\";")
    });
    let mut res: BTreeSet<String> = keys.map(|key| key.replace('.', "_")).collect();
    assert!(res.contains("http_route") && res.contains("worker_id"), "{res:?}");
    res.extend(["job", "instance", "le"].map(str::to_string));
    res
}

fn known_metrics() -> BTreeSet<String> {
    let exposed = names::ALL.iter().flat_map(|instrument| {
        let parts: &[&str] = match instrument.kind {
            MetricKind::Counter | MetricKind::Gauge => &[""],
            MetricKind::Histogram => &["_bucket", "_sum", "_count"],
        };
        parts.iter().map(|part| format!("{}{part}", instrument.exposed()))
    });
    exposed.collect()
}

/// The fields beside a line: all that an access record may have, and those of our log lines
/// that dashboards use.
fn known_fields() -> BTreeSet<String> {
    let record = AccessRecord {
        at: UnixNanos(1),
        duration: Duration::from_millis(1),
        trace: TraceContext::root(),
        scheme: "http",
        stages: vitrine::record::access::Stages::default(),
        method: "GET",
        route: "/",
        path: "/".into(),
        status: 200,
        body_bytes: 1,
        worker_id: Some(0),
        client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        user_agent: Some("x".into()),
        view: None,
    };
    let fields = record.to_log_record().metadata.into_iter().map(|(name, _)| name.into_owned());
    fields.chain(["scope_name".to_string()]).collect()
}

/// Returns what a query names that there is not.
fn unknown_names(query: &Query) -> Vec<String> {
    let read = if query.source == "logs" { logql(&query.text) } else { promql(&query.text) };
    let names = match read {
        Ok(names) => names,
        Err(fault) => return vec![fault],
    };
    let grouped = names.groupings.iter().chain(&query.label);
    let mut res = Vec::new();
    if query.source == "logs" {
        let (streams, fields) = (BTreeSet::from(["service_name", "job", "level"]), known_fields());
        let matched = names.selectors.iter().flat_map(|selector| selector.matchers.iter().map(|m| &m.0));
        res.extend(matched.filter(|label| !streams.contains(label.as_str())).cloned());
        res.extend(names.fields.iter().filter(|field| !fields.contains(*field)).cloned());
        let is_known = |name: &&String| !streams.contains(name.as_str()) && !fields.contains(*name);
        res.extend(grouped.filter(is_known).cloned());
        res.extend(selects_nothing(&names));
    } else {
        let (metrics, labels) = (known_metrics(), known_labels());
        for selector in &names.selectors {
            res.extend((!metrics.contains(&selector.metric)).then(|| selector.metric.clone()));
            let job = selector.matchers.iter().find(|matcher| matcher.0 == "job");
            if job.is_none_or(|(_, operator, text)| (*operator, text.as_str()) != ("=", names::SERVICE_NAME))
            {
                res.push(format!("{} without job=\"vitrine\"", selector.metric));
            }
        }
        let matched = names.selectors.iter().flat_map(|selector| selector.matchers.iter().map(|m| &m.0));
        res.extend(matched.chain(grouped).filter(|label| !labels.contains(*label)).cloned());
    }
    res
}

/// Returns a fault when a log selector finds neither a line of ours nor one of another program.
fn selects_nothing(names: &Names) -> Option<String> {
    let mut streams = own_streams();
    streams.push(Labels::new([("job", "flask.logs"), ("service_name", "flask.logs")]));
    let accepts = |stream: &Labels, (label, operator, text): &(String, &str, String)| {
        // A variable stands for all that can be chosen.
        let pattern = if text.starts_with('$') { ".*" } else { text.as_str() };
        let matches = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(stream.get(label));
        match *operator {
            "=" => stream.get(label) == text || text.starts_with('$'),
            "!=" => stream.get(label) != text,
            "=~" => matches,
            _ => !matches,
        }
    };
    let is_empty = |selector: &&expression::Selector| {
        !streams.iter().any(|stream| selector.matchers.iter().all(|matcher| accepts(stream, matcher)))
    };
    names
        .selectors
        .iter()
        .find(is_empty)
        .map(|selector| format!("no line is found by {:?}", selector.matchers))
}

fn faults(dashboard: &Value) -> Vec<String> {
    let mut res = shape::faults(dashboard);
    for query in queries(dashboard) {
        res.extend(
            unknown_names(&query).iter().map(|name| format!("{}: {name} in {}", query.place, query.text)),
        );
    }
    res
}

#[test]
fn every_dashboard_can_be_shown_and_asks_only_for_what_there_is() {
    let (mut found, mut n_queries) = (Vec::new(), 0);
    for (file, dashboard) in dashboards() {
        found.extend(faults(&dashboard).iter().map(|fault| format!("{file}: {fault}")));
        n_queries += queries(&dashboard).len();
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(n_queries > 100, "only {n_queries} queries were read");
}

#[test]
fn the_dashboards_are_the_documented_ones_with_lasting_addresses() {
    let found = dashboards();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), FILES);
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/README.md")).unwrap();
    let mut titles = BTreeSet::new();
    for (file, dashboard) in &found {
        let name = file.trim_end_matches(".json");
        // Bookmarks and links outlive a dashboard's title.
        let uid = if file == HOME { name.to_string() } else { format!("vitrine-{name}") };
        assert_eq!(dashboard["uid"], uid, "{file}");
        assert!(titles.insert(dashboard["title"].to_string()), "{file}: its title is there twice");
        assert!(readme.contains(&format!("`{file}`")), "grafana/README.md does not tell of {file}");
    }
}

#[test]
fn a_fault_in_a_dashboard_is_found() {
    let home = &dashboards()[HOME];
    let check = |change: &dyn Fn(&mut Value), expect: &str| {
        let mut dashboard = home.clone();
        change(&mut dashboard);
        let found = faults(&dashboard);
        assert!(found.iter().any(|fault| fault.contains(expect)), "{expect} is not among {found:?}");
    };
    let ask = |expr: &str| {
        let expr = expr.to_string();
        move |dashboard: &mut Value| dashboard["panels"][0]["targets"][0]["expr"] = expr.clone().into()
    };
    check(&ask(r#"rate(http_requests_total{job="vitrine"}[5m])"#), "http_requests_total in");
    check(
        &ask(r#"http_server_request_duration_seconds{job="vitrine"}"#),
        "http_server_request_duration_seconds in",
    );
    check(&ask(r#"sum by (worker) (vitrine_worker_ready{job="vitrine"})"#), "worker in");
    check(&ask(r#"vitrine_worker_ready{job="vitrine", worker="1"}"#), "worker in");
    check(&ask("vitrine_worker_ready"), "without job");
    check(
        &ask(r#"vitrine_worker_ready{job="vitrine", instance=~"$instanse"}"#),
        "$instanse is declared nowhere",
    );

    let is_log_panel = |panel: &&Value| panel["type"] == "logs";
    let logs = home["panels"].as_array().unwrap().iter().position(|panel| is_log_panel(&panel)).unwrap();
    let ask_logs = |expr: &str| {
        let expr = expr.to_string();
        move |dashboard: &mut Value| dashboard["panels"][logs]["targets"][0]["expr"] = expr.clone().into()
    };
    check(&ask_logs(r#"{service="vitrine"}"#), "service in");
    check(&ask_logs(r#"{service_name="vitrine", job="acess"}"#), "no line is found");
    check(&ask_logs(r#"{job="access"} | status >= 500"#), "status in");
    check(&ask_logs(r#"sum by (path) (count_over_time({job="access"}[5m]))"#), "path in");

    check(&|d| d["panels"][1]["id"] = d["panels"][0]["id"].clone(), "is there twice");
    check(&|d| d["panels"][1]["gridPos"]["x"] = 1.into(), "overlap");
    check(&|d| d["panels"][1]["gridPos"]["x"] = 22.into(), "not on the grid");
    check(
        &|d| d["panels"][0]["targets"][0]["datasource"] = json!({"type": "prometheus", "uid": "abc"}),
        "fixed",
    );
    check(&|d| d["templating"]["list"][0]["current"] = json!({"value": "prometheus"}), "names a data source");
    check(&|d| d["panels"][0]["fieldConfig"]["defaults"]["unit"] = "furlongs".into(), "unit");
    check(&|d| _ = d["panels"][0].as_object_mut().unwrap().remove("targets"), "no targets");
    check(&|d| d["schemaVersion"] = 16.into(), "schemaVersion");
}

/// Yields the label names of each metric in a text for Prometheus.
fn exposed_labels(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut res: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let series = line.rsplit_once(' ').expect("a value follows").0;
        let names = promql(series).unwrap_or_else(|fault| panic!("{line}: {fault}"));
        for selector in names.selectors {
            res.entry(selector.metric)
                .or_default()
                .extend(selector.matchers.into_iter().map(|matcher| matcher.0));
        }
    }
    res
}

/// Returns true for what a machine may not have: a limit on its container, disks and network
/// interfaces of its own.
fn depends_on_the_machine(metric: &str) -> bool {
    let kinds = ["container_", "vitrine_container_", "system_disk_", "system_network_"];
    kinds.iter().any(|kind| metric.starts_with(kind))
}

#[test]
fn a_running_vitrine_has_every_series_with_the_labels_that_dashboards_use() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_FORWARD_LISTEN", "127.0.0.1:0");
    let vitrine = Vitrine::spawn(command, dir);
    vitrine.get("/");
    let exposed = wait_until("the first flush is measured", || {
        let exposed = exposed_labels(&vitrine.get_as_admin("/metrics").text());
        exposed.contains_key("vitrine_store_flush_duration_seconds_bucket").then_some(exposed)
    });
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for query in queries(&dashboard).into_iter().filter(|query| query.source == "metrics") {
            let names = promql(&query.text).unwrap();
            let mut of_all = BTreeSet::new();
            for selector in &names.selectors {
                let Some(labels) = exposed.get(&selector.metric) else {
                    if depends_on_the_machine(&selector.metric) {
                        of_all.extend(selector.matchers.iter().map(|matcher| &matcher.0));
                        of_all.extend(&names.groupings);
                        of_all.extend(&query.label);
                        continue;
                    }
                    found.push(format!("{file}: {} is not exposed", selector.metric));
                    continue;
                };
                of_all.extend(labels.iter());
                let missing = selector.matchers.iter().filter(|matcher| !labels.contains(&matcher.0));
                found.extend(missing.map(|m| format!("{file}: {} has no label {}", selector.metric, m.0)));
            }
            let missing = names.groupings.iter().chain(&query.label).filter(|label| !of_all.contains(label));
            found.extend(
                missing.map(|label| format!("{file}: nothing has the label {label} in {}", query.text)),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Grafana's own words in a query, as it would fill them in.
fn filled_in(text: &str) -> String {
    text.replace("$__rate_interval", "1m").replace("$__range", "6h").replace("$__interval", "1m")
}

#[test]
fn a_running_vitrine_answers_every_query() {
    let vitrine = Vitrine::start();
    let all = dashboards();
    let mut n_answered = 0;
    for query in all.values().flat_map(queries).filter(|query| query.source == "metrics") {
        let text = filled_in(&query.text);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", &text).append_pair("start", "0").append_pair("end", "60");
        let path = format!("/api/v1/query_range?step=15&{}", form.finish());
        let answer = vitrine.request("GET", &path, &[("authorization", &basic_auth())]);
        assert_eq!(answer.status, 200, "{}: {text}: {}", query.place, answer.text());
        n_answered += 1;
    }
    assert!(n_answered > 50, "{n_answered}");
}

#[test]
fn prometheus_reads_every_query() {
    let Some(promtool) = PROMTOOL.find() else { return };
    let check = |queries: &[String]| {
        let rules: Vec<Value> = queries
            .iter()
            .enumerate()
            .map(|(idx, text)| json!({"record": format!("a_dashboard:asks{idx}"), "expr": filled_in(text)}))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        // JSON is YAML.
        let file = dir.path().join("rules.yml");
        std::fs::write(&file, json!({"groups": [{"name": "dashboards", "rules": rules}]}).to_string())
            .unwrap();
        let mut command = std::process::Command::new(&promtool);
        command.args(["check", "rules"]).arg(file);
        run(command)
    };
    let all = dashboards();
    let queries = all.values().flat_map(queries).filter(|query| query.source == "metrics");
    let mut texts: Vec<String> = queries.map(|query| query.text).collect();
    let ended = check(&texts);
    let expect = format!("{} rules found", texts.len());
    assert!(ended.code == 0 && ended.out.contains(&expect), "{}{}", ended.out, ended.err);
    texts.push("sum by le (up)".into());
    assert_ne!(check(&texts).code, 0);
}
