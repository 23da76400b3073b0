//! The door of `/admin`: who is let in, who is not, and what is written down of both.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use vitrine::http::admin::{AdminRoute, Door, ROUTES};

use crate::harness::{Folders, PASSWORD, Response, Vitrine, basic_auth, wait_until};

/// Returns what LogQL finds of the audit log, the oldest first: the metadata and the line.
fn audited(vitrine: &Vitrine, more: &str) -> Vec<(Value, String)> {
    let query = format!("{{job=\"audit\"}} {more}");
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/loki/api/v1/query_range?direction=forward&query={query}");
    let flags = ("X-Loki-Response-Encoding-Flags", "categorize-labels");
    let basic = basic_auth();
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
    let basic = basic_auth();
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
    let basic = basic_auth();
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
fn a_token_that_was_shown_outlives_a_crash() {
    let vitrine = Vitrine::start();
    let bearer = format!("Bearer {}", make_token(&vitrine, "grafana", "read"));
    let vitrine = Vitrine::start_on(vitrine.kill());
    assert_eq!(vitrine.request("GET", "/api/v1/labels", &[("authorization", &bearer)]).status, 200);
}

/// Returns every route with every method that it takes, places in its template filled in.
fn knocks() -> impl Iterator<Item = (&'static AdminRoute, &'static str, String)> {
    ROUTES.iter().flat_map(|route| {
        let places = [
            ("{number}", "1234"),
            ("{command}", "restart"),
            ("{id}", "1"),
            ("{tag}", "acme"),
            ("{step}", "begin"),
            ("{rest:.*}", ""),
        ];
        let path =
            places.iter().fold(route.path.to_string(), |path, (name, value)| path.replace(name, value));
        assert!(!path.contains('{'), "{path}: nothing is said for a place in it");
        route.methods.iter().map(move |method| (route, *method, path.clone()))
    })
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A form that would do what the route is for, the CSRF token aside.
fn form_for(path: &str, csrf: &str) -> String {
    let fields = match path {
        "/admin/links" => "note=x&days=3",
        "/admin/visitors/links" => "label=Acme",
        "/admin/settings/access/tokens" => "name=x&scope=admin",
        "/admin/settings/access/password" => {
            "current=correct+horse+battery+staple&new=another+password&again=another+password"
        }
        "/admin/api/v1/log-level" => "level=debug",
        "/admin/api/v1/workers" => "count=9",
        _ => "x=y",
    };
    format!("csrf={csrf}&{fields}")
}

#[test]
fn every_route_refuses_without_a_session() {
    let vitrine = Vitrine::start();
    for cookie in [
        "",
        "vitrine_admin=",
        "vitrine_admin=0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        for (route, method, path) in knocks() {
            let form = form_for(&path, "guess");
            let body = if method == "POST" { form.as_bytes() } else { b"" };
            let answer = vitrine.send(method, &path, &[("cookie", cookie), FORM], body);
            let (status, place) = (answer.status, answer.header("location").to_string());
            match route.door {
                Door::Open => assert_ne!(status, 500, "{method} {path}"),
                Door::Page => {
                    assert_eq!(status, 303, "{method} {path}");
                    assert!(place == "/admin/login" || place.starts_with("/admin/login?"), "{path}: {place}");
                }
                Door::Fetch | Door::Machine => assert_eq!(status, 401, "{method} {path}"),
            }
            if route.door != Door::Open {
                assert!(!answer.text().contains("vitrine_worker"), "{method} {path}");
            }
        }
    }
}

/// Another browser that is logged in: its cookie and its CSRF token.
fn another_browser(vitrine: &Vitrine) -> (String, String) {
    let form = format!("password={}", PASSWORD.replace(' ', "+"));
    let login = vitrine.send("POST", "/admin/login", &[FORM], form.as_bytes());
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_string();
    let page = vitrine.request("GET", "/admin/settings/access", &[("cookie", &cookie)]).text();
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    (cookie, csrf.to_string())
}

#[test]
fn every_change_refuses_without_the_csrf_token_of_its_own_session() {
    let vitrine = Vitrine::start();
    let cookie = vitrine.cookie();
    let (other_cookie, others) = another_browser(&vitrine);
    let own = csrf(&vitrine);
    assert_ne!(own, others);
    let mut n_changes = 0;
    for (_, _, path) in knocks().filter(|(_, method, path)| *method == "POST" && path != "/admin/login") {
        n_changes += 1;
        for guess in ["", "guess", &others, &own[1..], &own.to_uppercase()] {
            for headers in [
                vec![("cookie", cookie.as_str()), FORM],
                vec![("cookie", cookie.as_str()), FORM, ("x-csrf-token", guess), ("accept", "text/html")],
            ] {
                let answer = vitrine.send("POST", &path, &headers, form_for(&path, guess).as_bytes());
                assert_eq!(answer.status, 403, "{path} {guess:?}: {}", answer.text());
            }
        }
    }
    assert!(n_changes > 10);
    // Nothing was done: both are still logged in, with the same password, and nobody did anything else.
    for cookie in [&cookie, &other_cookie] {
        assert_eq!(vitrine.request("GET", "/admin", &[("cookie", cookie)]).status, 200);
    }
    let level = vitrine.request("GET", "/admin/api/v1/log-level", &[("cookie", &cookie)]).text();
    assert_eq!(level, r#"{"level":"info","configured":"info"}"#);
    let deeds = wait_until("the logins are in the audit log", || {
        let deeds = audited(&vitrine, r#"| actor=~"session.*""#);
        (deeds.len() >= 2).then_some(deeds)
    });
    assert!(deeds.iter().all(|(_, text)| text == "logged in with the password"), "{deeds:?}");
}

#[test]
fn what_was_done_at_the_terminal_is_in_the_audit_log() {
    let vitrine = Vitrine::start();
    assert_eq!(vitrine.dir().run(&["reload"]).code, 0);
    vitrine.dir().write("cv.yaml", "basics: {name: [}\n");
    vitrine.signal(rustix::process::Signal::HUP);
    let deeds = wait_until("the reloads are in the audit log", || {
        let deeds = audited(&vitrine, r#"| event_name="vitrine.admin.reload""#);
        (deeds.len() >= 2).then_some(deeds)
    });
    let [(told, applied), (signalled, refused)] = &deeds[..] else { panic!("{deeds:?}") };
    assert_eq!((&told["actor"], &told["outcome"]), (&json!("command line"), &json!("done")));
    assert_eq!(applied, "apply what is on disk");
    assert_eq!((&signalled["actor"], &signalled["outcome"]), (&json!("signal"), &json!("refused")));
    assert!(refused.contains("apply what is on disk: cv.yaml:1:"), "{refused}");
}

#[test]
fn a_session_dies_with_the_password_and_its_cookie_opens_nothing_more() {
    let dir = Folders::new();
    assert_eq!(crate::password::set_password(&dir, PASSWORD).code, 0);
    let mut serve = dir.serve();
    serve.env_remove("VITRINE_ADMIN_PASSWORD");
    let vitrine = Vitrine::spawn(serve, dir);
    let cookie = vitrine.cookie();
    assert_eq!(vitrine.request("GET", "/admin", &[("cookie", &cookie)]).status, 200);
    assert_eq!(crate::password::set_password(vitrine.dir(), "another password").code, 0);
    for (route, method, path) in knocks().filter(|(route, ..)| route.door != Door::Open) {
        let answer = vitrine.send(method, &path, &[("cookie", &cookie), FORM], b"");
        let expect = if route.door == Door::Page { 303 } else { 401 };
        assert_eq!(answer.status, expect, "{method} {path}");
    }
}

#[test]
fn a_cookie_begun_behind_a_proxy_that_speaks_tls_never_travels_without() {
    let vitrine = Vitrine::start();
    let form = format!("password={}", PASSWORD.replace(' ', "+"));
    let cookie = |headers: &[(&str, &str)]| {
        let headers = [headers, &[FORM]].concat();
        vitrine.send("POST", "/admin/login", &headers, form.as_bytes()).header("set-cookie").to_string()
    };
    assert!(
        cookie(&[("x-forwarded-proto", "https")]).contains("; Secure"),
        "this machine is trusted by default"
    );
    assert!(!cookie(&[]).contains("Secure"), "plain http would lose it");
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/admin"] {
        assert!(cookie(&[]).contains(part), "{part}");
    }
}

#[test]
fn guesses_are_answered_429_with_when_to_come_back() {
    let vitrine = Vitrine::start();
    let guess = |address: &str| {
        let headers = [FORM, ("x-forwarded-for", address)];
        vitrine.send("POST", "/admin/login", &headers, b"password=guess+guess")
    };
    for _ in 0..5 {
        assert_eq!(guess("192.0.2.1").status, 401);
    }
    let refused = guess("192.0.2.1");
    assert_eq!(refused.status, 429);
    assert!((1..=3).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(guess("192.0.2.2").status, 401, "others are not held back");
    let basic = vitrine.request(
        "GET",
        "/metrics",
        &[("x-forwarded-for", "192.0.2.1"), ("authorization", "Basic YWRtaW46Z3Vlc3MgZ3Vlc3M=")],
    );
    assert_eq!((basic.status, basic.header("retry-after").is_empty()), (429, false));
}

#[test]
fn the_page_is_served_while_passwords_are_verified() {
    let vitrine = Vitrine::start();
    let address = vitrine.address().to_string();
    let done = AtomicUsize::new(0);
    const LOGINS: usize = 8;
    let n_pages = std::thread::scope(|threads| {
        for n in 0..LOGINS {
            let (address, done) = (&address, &done);
            threads.spawn(move || {
                // From different addresses, so that each is hashed.
                let body = format!("password=guess+{n}+guess");
                let request = format!(
                    "POST /admin/login HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.{n}\r\nContent-Type: {}\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    FORM.1,
                    body.len()
                );
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
                let mut answer = String::new();
                std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut n_pages = 0;
        while done.load(Ordering::SeqCst) < LOGINS {
            assert_eq!(vitrine.get("/").status, 200);
            n_pages += 1;
        }
        n_pages
    });
    // One at a time they take eight hashes; a page that waited for one would come that seldom.
    assert!(n_pages > 4 * LOGINS, "{n_pages} pages while {LOGINS} passwords were verified");
}

#[test]
fn no_page_has_a_secret_in_it() {
    const SHARED_KEY: &str = "a key that senders know";
    const COLLECTOR_KEY: &str = "collector-credential";
    let dir = Folders::new();
    let mut serve = dir.serve();
    serve.env("VITRINE_FORWARD_SHARED_KEY", SHARED_KEY);
    serve.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization={COLLECTOR_KEY}"));
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:1/?key={COLLECTOR_KEY}"));
    serve.env("OTEL_SDK_DISABLED", "true");
    let mut vitrine = Vitrine::spawn(serve, dir);
    let token = make_token(&vitrine, "grafana", "read");
    let csrf = csrf(&vitrine);
    let made = vitrine.post_as_admin("/admin/links", &[("csrf", &csrf), ("note", "Ada"), ("days", "3")]);
    assert_eq!(made.status, 303);
    let links = vitrine.admin_page("/admin/links").text();
    let link = links.split("/p/").nth(1).unwrap().split('/').next().unwrap().to_string();
    let (other_cookie, other_csrf) = another_browser(&vitrine);
    let visited = vitrine.get(&format!("/p/{link}/"));
    assert_eq!(visited.status, 200);
    vitrine.send("POST", "/admin/login", &[FORM], b"password=a+guess+of+somebody");

    let session = |cookie: &str| cookie.split('=').nth(1).unwrap().to_string();
    let mut secrets = vec![
        ("the password", PASSWORD.to_string()),
        ("what somebody tried", "a guess of somebody".to_string()),
        ("a token", token["vtr_".len()..].to_string()),
        ("its digest", hex_digest(&token)),
        ("the own session", session(&vitrine.cookie())),
        ("another session", session(&other_cookie)),
        ("another session's CSRF token", other_csrf),
        ("the key of the forward protocol", SHARED_KEY.to_string()),
        ("a header for a collector", COLLECTOR_KEY.to_string()),
    ];
    for file in ["tokens.json", "private-links.json"] {
        let text = std::fs::read_to_string(vitrine.dir().data().join(file)).unwrap();
        secrets.extend(text.split('"').filter(|part| part.len() >= 32).map(|part| (file, part.to_string())));
    }
    wait_until("the visit is in the log", || {
        let found = vitrine.get_as_admin("/loki/api/v1/query_range?query=%7Bjob%3D%22access%22%7D&limit=500");
        found.text().contains("/p/{token}/").then_some(())
    });
    // Some pages are about a text that was published, or is looked at before it is.
    for what in ["publish", "preview"] {
        let form = [("csrf", &*csrf), ("file", "cv.yaml"), ("text", "basics: {name: Ada}\n")];
        assert_eq!(vitrine.post_as_admin(&format!("/admin/cv/draft/{what}"), &form).status, 303, "{what}");
    }
    let version = wait_until("the text is kept", || {
        let page = vitrine.admin_page("/admin/cv/versions").text();
        Some(page.split("/admin/cv/versions/").nth(1)?.split('"').next()?.to_string())
    });
    let mut seen: Vec<(String, Response)> = Vec::new();
    for route in ROUTES.iter().filter(|route| route.methods.contains(&"GET") && route.door != Door::Fetch) {
        let is_trace = route.path == "/admin/traces/{id}";
        for query in ["file=cv.yaml", "file=cv.yaml&only=changed&range=24h&all=1"] {
            let place = route.path.replace("{id}", &version).replace("{rest:.*}", "");
            let path = format!("{place}?{query}");
            let answer = vitrine.admin_page(&path);
            let expect = match route.door {
                // The door leads on who is in.
                Door::Open => 303,
                // A version is no trace.
                _ if is_trace => 404,
                _ => 200,
            };
            assert_eq!(answer.status, expect, "{path}");
            seen.push((path, answer));
        }
    }
    for path in [
        "/metrics",
        "/health",
        "/loki/api/v1/query_range?query=%7Bservice_name%3D~%22.%2B%22%7D&limit=5000",
        "/api/v1/series?match[]=%7B__name__%3D~%22.%2B%22%7D",
    ] {
        seen.push((path.to_string(), vitrine.get_as_admin(path)));
    }
    vitrine.signal(rustix::process::Signal::TERM);
    vitrine.wait();
    let log = vitrine.rest_of_the_log().to_string();
    let texts = seen.iter().map(|(path, answer)| (path.as_str(), answer.text()));
    for (path, text) in texts.chain([("the log on the terminal", log)]) {
        for (what, secret) in &secrets {
            assert!(!text.contains(secret.as_str()), "{path} has {what} in it");
        }
        assert!(path.starts_with("/admin/links") || !text.contains(&link), "{path} has a private link in it");
    }
}

fn hex_digest(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
