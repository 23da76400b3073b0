//! The door of `/admin`: who is let in, who is not, and what is written down of both.

use serde_json::Value;

use crate::harness::{Folders, Vitrine, wait_until};

/// Returns what LogQL finds of the audit log, the oldest first: the metadata and the line.
fn audited(vitrine: &Vitrine, more: &str) -> Vec<(Value, String)> {
    let query = format!("{{job=\"audit\"}} {more}");
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/loki/api/v1/query_range?direction=forward&query={query}");
    let flags = ("X-Loki-Response-Encoding-Flags", "categorize-labels");
    let basic = crate::harness::basic_auth();
    let answer = vitrine.request("GET", &path, &[("authorization", &basic), flags]);
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let streams = answer["data"]["result"].as_array().unwrap().clone();
    let mut lines: Vec<(String, Value, String)> = Vec::new();
    for stream in &streams {
        for value in stream["values"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_string();
            lines.push((text(&value[0]), value[2]["structuredMetadata"].clone(), text(&value[1])));
        }
    }
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines.into_iter().map(|(_, metadata, line)| (metadata, line)).collect()
}

#[test]
fn what_is_done_is_asked_for_by_logql_whatever_the_log_level() {
    let dir = Folders::new();
    let mut serve = dir.serve();
    // The harness waits for a line of the start.
    serve.env("VITRINE_TELEMETRY_LOG_LEVEL", "off,vitrine::app=info");
    let mut vitrine = Vitrine::spawn(serve, dir);
    let answer = vitrine.post_as_admin("/admin/api/v1/reload", &[("csrf", "guess")]);
    assert_eq!(answer.status, 403);
    let basic = crate::harness::basic_auth();
    let reload = vitrine.request("POST", "/admin/api/v1/reload", &[("authorization", &basic)]);
    assert_eq!(reload.status, 200, "{}", reload.text());
    let lines = wait_until("the reload is in the audit log", || {
        let lines = audited(&vitrine, "");
        lines.iter().any(|(metadata, _)| metadata["event_name"] == "vitrine.admin.reload").then_some(lines)
    });
    let told: Vec<&str> =
        lines.iter().map(|(metadata, _)| metadata["event_name"].as_str().unwrap()).collect();
    assert_eq!(told, ["vitrine.admin.login", "vitrine.admin.login", "vitrine.admin.reload"]);
    for (metadata, _) in &lines {
        assert_eq!(metadata["client_address"], "127.0.0.1", "{metadata}");
        assert_eq!(metadata["outcome"], "done");
        assert_eq!(metadata["trace_id"].as_str().unwrap().len(), 32);
    }
    assert!(lines[0].0["actor"].as_str().unwrap().starts_with("session "));
    assert_eq!(lines[2].0["actor"], "basic admin");
    assert!(lines[2].1.starts_with("reloaded: "), "{lines:?}");
    assert_eq!(audited(&vitrine, r#"| actor="basic admin" | event_name="vitrine.admin.reload""#).len(), 1);
    vitrine.signal(rustix::process::Signal::TERM);
    vitrine.wait();
    assert!(!vitrine.log_text().contains("logged in"), "the log level is about what is printed");
}

#[test]
fn the_log_level_changes_at_run_time_and_a_reload_takes_it_back() {
    let vitrine = Vitrine::start();
    let basic = crate::harness::basic_auth();
    let auth = ("authorization", basic.as_str());
    let form = ("content-type", "application/x-www-form-urlencoded");
    let set = |level: &str| {
        let form_text = format!("level={level}");
        vitrine.send("POST", "/admin/api/v1/log-level", &[auth, form], form_text.as_bytes())
    };
    let level = || {
        let answer = vitrine.request("GET", "/admin/api/v1/log-level", &[auth]);
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        (answer["level"].as_str().unwrap().to_string(), answer["configured"].as_str().unwrap().to_string())
    };
    let refused = set("info,vitrine::http=loud");
    assert_eq!(refused.status, 422);
    let fault = refused.text();
    assert!(fault.contains("loud") && fault.contains("is no level") && fault.contains("warn"), "{fault}");
    assert_eq!(level(), ("info".into(), "info".into()));
    assert_eq!(set("warn,vitrine::app=debug").status, 200);
    assert_eq!(level(), ("warn,vitrine::app=debug".into(), "info".into()));
    let reload = vitrine.request("POST", "/admin/api/v1/reload", &[auth]);
    assert_eq!(reload.status, 200, "{}", reload.text());
    assert_eq!(level(), ("info".into(), "info".into()));
}
