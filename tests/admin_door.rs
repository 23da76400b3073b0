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

/// Returns the CSRF token of the harness's session.
fn csrf(vitrine: &Vitrine) -> String {
    let page = vitrine.admin_page("/admin/settings/access").text();
    let value = page.split("name=\"csrf\" value=\"").nth(1).expect("the page has forms");
    value.split('"').next().unwrap().to_string()
}

/// Makes a token as the owner does, and reads it off the page.
fn make_token(vitrine: &Vitrine, name: &str, scope: &str) -> String {
    let (place, csrf) = ("/admin/settings/access", csrf(vitrine));
    let form = [("csrf", csrf.as_str()), ("name", name), ("scope", scope)];
    assert_eq!(vitrine.post_as_admin(&format!("{place}/tokens"), &form).status, 303);
    let page = vitrine.admin_page(place).text();
    let secret = page.split("<code class=\"secret\">").nth(1).expect("the page shows the token");
    secret.split('<').next().unwrap().to_string()
}

/// What a program may ask, and the scope that it needs for that.
const MACHINE_ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/metrics", "read"),
    ("GET", "/api/v1/query?query=1", "read"),
    ("GET", "/api/v1/labels", "read"),
    ("GET", "/api/v1/status/buildinfo", "read"),
    ("GET", "/loki/api/v1/labels", "read"),
    ("GET", "/loki/api/v1/query_range?query=%7Bjob%3D%22audit%22%7D", "read"),
    ("GET", "/loki/api/v1/tail?query=%7Bjob%3D%22audit%22%7D", "read"),
    ("GET", "/admin/api/v1/workers", "read"),
    ("GET", "/admin/api/v1/log-level", "read"),
    ("POST", "/loki/api/v1/push", "write"),
    ("POST", "/api/v1/write", "write"),
    ("POST", "/v1/logs", "write"),
    ("POST", "/v1/metrics", "write"),
    ("POST", "/v1/traces", "write"),
    ("POST", "/admin/api/v1/log-level", "admin"),
    ("POST", "/admin/api/v1/workers", "admin"),
    ("POST", "/admin/api/v1/workers/99/drain", "admin"),
    ("POST", "/admin/api/v1/reload", "admin"),
];

#[test]
fn a_token_opens_every_route_of_its_scope_and_no_other() {
    let dir = Folders::new();
    let mut serve = dir.serve();
    serve.env("VITRINE_PUSH_OTLP", "true");
    let vitrine = Vitrine::spawn(serve, dir);
    for scope in ["read", "write", "admin"] {
        let bearer = format!("Bearer {}", make_token(&vitrine, &format!("may {scope}"), scope));
        for (method, path, needed) in MACHINE_ROUTES {
            let answer = vitrine.request(method, path, &[("authorization", &bearer)]);
            let (status, text) = (answer.status, answer.text());
            if scope == *needed || scope == "admin" {
                assert!(![401, 403].contains(&status), "{scope} {method} {path}: {status} {text}");
            } else {
                assert_eq!(status, 403, "{scope} {method} {path}: {text}");
                assert!(text.contains(&format!("has the scope {scope}, and this needs {needed}")), "{text}");
            }
        }
    }
    for (method, path, _) in MACHINE_ROUTES {
        assert_eq!(vitrine.request(method, path, &[]).status, 401, "{method} {path}");
        let guess = format!("Bearer vtr_{}", "A".repeat(43));
        let answer = vitrine.request(method, path, &[("authorization", &guess)]);
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    let refused = wait_until("a refused token is in the audit log", || {
        Some(audited(&vitrine, r#"| event_name="vitrine.admin.login_refused""#))
            .filter(|lines| !lines.is_empty())
    });
    assert_eq!(refused[0].0["actor"], "token may read", "{refused:?}");
}

#[test]
fn tokens_outlive_a_restart() {
    let vitrine = Vitrine::start();
    let bearer = format!("Bearer {}", make_token(&vitrine, "grafana", "read"));
    let vitrine = Vitrine::start_on(vitrine.stop());
    assert_eq!(vitrine.request("GET", "/api/v1/labels", &[("authorization", &bearer)]).status, 200);
}
