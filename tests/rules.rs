//! Alert and recording rules, as the real program evaluates them.

use std::fs;
use std::ops::ControlFlow;

use rustix::process::Signal;
use serde_json::{Value, json};

use vitrine::clock::UnixMillis;
use vitrine::record::read::{Matcher, MetricRead, SeriesSelect};

use crate::harness::{Folders, Vitrine, stored, wait_until};
use crate::line::{Line, serve_through_link};

/// Each second, so that a test sees several evaluations.
const CONFIGURATION: &str = "
rule_files = [\"rules.yml\"]
evaluation_interval = \"1s\"

[[rules]]
alert = \"AlwaysThere\"
expr = \"vector(1)\"
labels = {severity = \"page\"}
annotations = {summary = \"it is {{ $value }}\"}
";

const RULES: &str = "
groups:
- name: chain
  rules:
  - record: one:twice
    expr: vector(1) * 2
    labels: {team: a}
  - record: one:thrice
    expr: one:twice + 1
";

fn configure(dir: &Folders, configuration: &str, rules: &str) {
    let root = dir.site().parent().unwrap().to_path_buf();
    fs::write(root.join("vitrine.toml"), configuration).unwrap();
    fs::write(root.join("rules.yml"), rules).unwrap();
}

fn since(dir: &Folders) -> Option<String> {
    let text = fs::read_to_string(dir.data().join("alerts.json")).ok()?;
    let after = text.split("\"is_firing\":true").nth(1)?.split("\"active_at_ms\":").nth(1)?.to_string();
    Some(after.split(',').next()?.to_string())
}

/// Returns the series that a stopped vitrine has of a metric, each with its last value.
fn newest(dir: &Folders, name: &str) -> Vec<(String, f64)> {
    let store = stored(dir);
    let matchers = vec![Matcher::equal("__name__", name)];
    let select = SeriesSelect { matchers, from: UnixMillis(0), to: UnixMillis(i64::MAX) };
    let mut res = Vec::new();
    let read = store.series(&select, &mut |labels, samples| {
        res.extend(samples.last().map(|sample| (labels.to_string(), sample.value)));
        ControlFlow::Continue(())
    });
    read.unwrap();
    res
}

/// What Prometheus's API says of them, as Grafana asks for it; and what they wrote can be queried.
fn api_shows(vitrine: &Vitrine) {
    let get = |path: &str| -> Value { serde_json::from_str(&vitrine.get_as_admin(path).text()).unwrap() };
    let groups = get("/api/v1/rules")["data"]["groups"].clone();
    let group = |name: &str| groups.as_array().unwrap().iter().find(|group| group["name"] == name).unwrap();
    let alert = &group("rules")["rules"][0];
    assert_eq!((&alert["type"], &alert["state"]), (&json!("alerting"), &json!("firing")), "{alert}");
    assert_eq!((&alert["health"], &alert["query"]), (&json!("ok"), &json!("vector(1)")));
    assert_eq!(alert["alerts"][0]["annotations"]["summary"], "it is 1");
    let twice = &group("chain")["rules"][0];
    assert_eq!((&twice["type"], &twice["labels"]), (&json!("recording"), &json!({"team": "a"})), "{twice}");
    assert_eq!(group("chain")["interval"], 1.0);
    let only = get("/api/v1/rules?type=record&rule_name[]=one:thrice");
    assert_eq!(only["data"]["groups"][0]["rules"].as_array().unwrap().len(), 1);
    let alerts = get("/api/v1/alerts");
    let labels = json!({"alertname": "AlwaysThere", "severity": "page"});
    assert_eq!(alerts["data"]["alerts"][0]["labels"], labels);
    let value = get("/api/v1/query?query=one:thrice");
    assert_eq!(value["data"]["result"][0]["value"][1], "3");
}

#[test]
fn rules_are_evaluated_and_alerts_survive_a_restart_and_a_reload() {
    let dir = Folders::new();
    configure(&dir, CONFIGURATION, RULES);
    let mut vitrine = Vitrine::start_on(dir);
    let begun = wait_until("the alert fires and is kept", || since(vitrine.dir()));
    wait_until("both groups were evaluated without a failure", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let value = |name: &str, group: &str| {
            let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(group))?;
            line.rsplit(' ').next()?.parse::<f64>().ok()
        };
        let is_well = |group: &str| {
            value("vitrine_rule_evaluations_total", group).is_some_and(|n| n >= 2.0)
                && value("vitrine_rule_failures_total", group) == Some(0.0)
        };
        (is_well(";chain") && is_well(";rules")).then_some(())
    });

    api_shows(&vitrine);

    configure(vitrine.dir(), CONFIGURATION, &RULES.replace("vector(1) * 2", "vector(1 * 2"));
    vitrine.signal(Signal::HUP);
    let line = vitrine.wait_for_line("reload refused");
    for text in ["rules.yml:6:11", "group \"chain\", rule 1, \"one:twice\"", "could not parse expression: 1:"]
    {
        assert!(line.contains(text), "{line}");
    }
    configure(vitrine.dir(), CONFIGURATION, &RULES.replace("* 2", "* 4"));
    vitrine.signal(Signal::HUP);
    vitrine.wait_for_line("reloaded");

    let dir = vitrine.stop();
    assert_eq!(since(&dir).as_ref(), Some(&begun));
    assert_eq!(newest(&dir, "one:twice"), [(r#"{__name__="one:twice",team="a"}"#.to_string(), 4.0)]);
    // It saw what the rule before it recorded at the same moment.
    assert_eq!(newest(&dir, "one:thrice"), [(r#"{__name__="one:thrice",team="a"}"#.to_string(), 5.0)]);
    let fires = r#"{__name__="ALERTS",alertname="AlwaysThere",alertstate="firing",severity="page"}"#;
    assert_eq!(newest(&dir, "ALERTS"), [(fires.to_string(), 1.0)]);

    let mut vitrine = Vitrine::start_on(dir);
    vitrine.wait_for_line("evaluates 1 rules of \"rules\"");
    wait_until("it goes on", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        metrics.contains("vitrine_rule_group_last_timestamp_seconds{").then_some(())
    });
    assert_eq!(since(vitrine.dir()), Some(begun.clone()));
    let dir = vitrine.stop();
    assert_eq!(since(&dir), Some(begun));
}

#[test]
fn a_hand_over_hands_the_alerts_over_too() {
    let dir = Folders::new();
    configure(&dir, CONFIGURATION, RULES);
    let command = serve_through_link(&dir);
    let mut line = Line::spawn(command, dir);
    let begun = wait_until("the alert fires and is kept", || since(line.dir()));
    line.hand_over("restart");
    // The successor, once its predecessor is gone.
    line.vitrine().wait_for_line("evaluates 1 rules of \"rules\"");
    let kept = fs::metadata(line.dir().data().join("alerts.json")).unwrap().modified().unwrap();
    assert_eq!(since(line.dir()).as_ref(), Some(&begun));
    let dir = line.stop();
    assert!(fs::metadata(dir.data().join("alerts.json")).unwrap().modified().unwrap() > kept);
    assert_eq!(since(&dir), Some(begun));
}

#[test]
fn wrong_rules_are_named_by_check() {
    let dir = Folders::new();
    configure(&dir, CONFIGURATION, "groups: [{name: g, rules: [{alert: A, expr: up, for: soon}]}]");
    let ended = dir.run(&["check"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    let expect = "rules.yml:1:54: group \"g\", rule 1, \"A\": `for`: not a valid duration string: \"soon\"";
    assert!(ended.err.contains(expect), "{}", ended.err);
    configure(&dir, "rule_files = [\"gone.yml\"]", "");
    let ended = dir.run(&["check"]);
    assert!(ended.code == 78 && ended.err.contains("gone.yml: read the file: No such file"), "{ended:?}");
}
