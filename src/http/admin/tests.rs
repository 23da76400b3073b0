//! The admin routes as a browser and a script see them, over a store in memory.

mod access;
mod cv;
mod explore;
mod logs;
mod overview;
mod releases;
mod settings;
mod store;
mod uptime;
mod visitors;
mod workers;

use std::sync::Mutex;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER, SET_COOKIE};
use actix_web::{App, test};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;

use super::overview::{read_traffic, view as overview_view};
use super::*;
use crate::balancer::{ControlError, LaneSnapshot, Lanes, WorkerId};
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::{Range, SettingView, SourceView, Tab, Window, WorkerView};
use crate::query::memory::MemoryStore;
use crate::record::{LogRecord, Severity};

const PASSWORD: &str = "correct horse";
const NOW_MS: i64 = 1_795_000_000_000;

/// One admin page with everything behind it in the test's hands.
struct Case {
    _dir: tempfile::TempDir,
    clock: Clock,
    store: Arc<MemoryStore>,
    followers: Arc<Followers>,
    state: Arc<AdminState>,
    shutdown: watch::Sender<bool>,
    reloads: Arc<Mutex<Vec<Result<String, String>>>>,
    commanded: Arc<Mutex<Vec<WorkerCommand>>>,
    written: Arc<Mutex<Vec<LogRecord>>>,
    editor: Arc<editor::memory::MemoryEditor>,
    shelf: Arc<MemoryShelf>,
}

/// Releases that are not there.
#[derive(Default)]
struct MemoryShelf {
    view: Mutex<ReleasesView>,
    rolled_back: Mutex<Vec<String>>,
}

impl ReleaseDesk for MemoryShelf {
    fn look(&self) -> ReleasesView {
        self.view.lock().unwrap().clone()
    }

    fn roll_back(&self, id: &str) -> Result<(), RollBackError> {
        if let Some(bar) = self.look().bar {
            return Err(RollBackError::Barred(bar));
        }
        self.rolled_back.lock().unwrap().push(id.to_string());
        Ok(())
    }
}

fn case() -> Case {
    case_with(Config::default())
}

fn case_with(config: Config) -> Case {
    case_reading(config, |store| store)
}

/// The same over what reads the numbers of the store.
fn case_reading(config: Config, metrics: impl FnOnce(Arc<MemoryStore>) -> Arc<dyn MetricRead>) -> Case {
    // A stream's ticks come as fast as they are read.
    tokio::time::pause();
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixNanos(NOW_MS * 1_000_000));
    password::set(dir.path(), PASSWORD).unwrap();
    let heavy = Lanes::new(Duration::from_millis(100), &opentelemetry::global::meter("test")).heavy;
    let written: Arc<Mutex<Vec<LogRecord>>> = Arc::default();
    let sink = written.clone();
    let audit = Audit::new(clock.clone(), move |record| sink.lock().unwrap().push(record));
    let opening = Opening {
        dir: dir.path(),
        password_from_env: None,
        lifetimes: config.lifetimes(),
        clock: clock.clone(),
        heavy: heavy.clone(),
        audit: audit.clone(),
    };
    let (auth, _) = Auth::open(opening).unwrap();
    let store = Arc::new(MemoryStore::default());
    let followers: Arc<Followers> = Arc::default();
    let reloads: Arc<Mutex<Vec<Result<String, String>>>> = Arc::default();
    let (shutdown, stopped) = watch::channel(false);
    let outcomes = reloads.clone();
    let commanded: Arc<Mutex<Vec<WorkerCommand>>> = Arc::default();
    let commands = commanded.clone();
    let reload: Reload = Arc::new(move || {
        let outcome = outcomes.lock().unwrap().pop().unwrap_or_else(|| Err("no reload expected".into()));
        async move { outcome }.boxed()
    });
    let status = StatusView {
        version: "9.9.9".into(),
        wants_traffic: true,
        workers: vec![WorkerView { id: 7, incarnation: 2, in_flight_max: 64, ..WorkerView::default() }],
        ..StatusView::default()
    };
    let shelf = Arc::new(MemoryShelf::default());
    let editor = Arc::new(editor::memory::MemoryEditor::of(&[("cv.yaml", "basics: {name: Ada}\n")]));
    let level = Arc::new(Mutex::new("info".to_string()));
    let log = LogControl {
        get: Arc::new({
            let level = level.clone();
            move || LogLevel { now: level.lock().unwrap().clone(), configured: "info".into() }
        }),
        set: Arc::new(move |wanted| {
            let is_level = wanted == "debug";
            is_level
                .then(|| *level.lock().unwrap() = wanted.into())
                .ok_or_else(|| format!("no level: {wanted}"))
        }),
    };
    let state = AdminState::new(Parts {
        editor: editor.clone(),
        releases: shelf.clone(),
        links: Arc::new(Links::open(dir.path())),
        tagged: Arc::new(Tagged::open(dir.path())),
        base_url: Arc::new(|| Some("https://cv.example.com".into())),
        metrics: metrics(store.clone()),
        logs: store.clone(),
        journal: crate::query::journal::Journal::new(clock.clone(), &opentelemetry::global::meter("test")),
        samples_max: Arc::new(|| 100_000),
        traces: store.clone(),
        followers: followers.clone(),
        status: Arc::new(move || status.clone()),
        store: Arc::new(store::facts),
        settings: Arc::new(|| {
            let (key, value) = ("store.logs.max_age", "60d".to_string());
            let source = SourceView::Environment("VITRINE_STORE_LOGS_MAX_AGE".into());
            vec![SettingView { key, value, source, ..SettingView::default() }]
        }),
        reload,
        control: Arc::new(move |command| {
            commands.lock().unwrap().push(command);
            let refused = matches!(command, WorkerCommand::Drain(WorkerId(0)));
            let res = if refused { Err(ControlError::LastWorker(WorkerId(0))) } else { Ok(()) };
            async move { res }.boxed()
        }),
        log,
        heavy,
        spans: crate::record::ring::ring(1).0,
        auth,
        audit,
        clock: clock.clone(),
        sample_interval: Duration::from_secs(10),
        assets: Assets {
            css: vec!["/assets/admin.1.css".into()],
            js: vec!["/assets/admin.1.js".into()],
            of_views: vec![(Tab::Metrics, "/assets/explore.1.js".into())],
            editor: "/assets/editor.1.js".into(),
        },
        peer: Arc::new(|req| crate::http::client::peer(req, &["127.0.0.1/32".parse().unwrap()])),
        secure_place: Arc::new(|_| None),
        shutdown: stopped,
        config,
    });
    Case { _dir: dir, clock, store, followers, state, shutdown, reloads, commanded, written, editor, shelf }
}

/// What came back, read whole.
struct Answer {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers.get(name.as_ref()).map_or("", |value| value.to_str().unwrap())
    }

    fn cookie(&self) -> String {
        self.header(SET_COOKIE).split(';').next().unwrap().to_string()
    }
}

impl Case {
    async fn call(&self, req: test::TestRequest) -> ServiceResponse<BoxBody> {
        let state = self.state.clone();
        let app = test::init_service(App::new().configure(|cfg| routes(cfg, state))).await;
        app.call(req.to_request()).await.unwrap().map_into_boxed_body()
    }

    async fn send(&self, req: test::TestRequest) -> Answer {
        let res = self.call(req).await;
        let (status, headers) = (res.status(), res.headers().clone());
        let body = actix_web::body::to_bytes(res.into_body()).await.unwrap();
        Answer { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Sends a form as a browser does, which wants a page.
    async fn submit(&self, uri: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let req = test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie));
        let req = req.insert_header(("Referer", "http://localhost:2727/admin/workers?range=6h"));
        self.send(req.insert_header(("Accept", "text/html,*/*;q=0.8")).set_form(fields)).await
    }

    async fn login(&self, password: &str) -> Answer {
        let form = [("username", "admin"), ("password", password)];
        self.send(test::TestRequest::post().uri("/admin/login").set_form(form)).await
    }

    async fn get(&self, uri: &str, cookie: &str) -> Answer {
        self.send(test::TestRequest::get().uri(uri).insert_header(("Cookie", cookie))).await
    }

    async fn send_form(
        &self,
        uri: &str,
        (cookie, csrf): &(String, String),
        fields: &[(&str, &str)],
    ) -> Answer {
        let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())].iter().chain(fields).copied().collect();
        let req = test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie.as_str()));
        self.send(req.set_form(fields)).await
    }

    async fn post(&self, uri: &str, cookie: &str, csrf: &str) -> Answer {
        let req = test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie));
        self.send(req.set_form([("csrf", csrf)])).await
    }

    /// Returns what the audit log has of an event: who did it, and what.
    fn audited(&self, event: audit::Event) -> Vec<(String, String)> {
        let written = self.written.lock().unwrap();
        let is_it = |record: &&LogRecord| record.metadata("event_name") == event.name();
        let line = |record: &LogRecord| (record.metadata("actor").to_string(), record.body.clone());
        written.iter().filter(is_it).map(line).collect()
    }

    /// Logs in; returns the cookie and the CSRF token that the page carries.
    async fn enter(&self) -> (String, String) {
        let cookie = self.login(PASSWORD).await.cookie();
        let page = self.get("/admin", &cookie).await.text;
        let csrf = page.split(r#"name="csrf" value=""#).nth(1).unwrap().split('"').next().unwrap();
        (cookie, csrf.to_string())
    }

    /// Puts `n` requests into the store that were counted a minute ago.
    fn serve(&self, n: f64, status: &str, route: &str, duration_le: &str) {
        let bucket = |le: &str, n: f64| {
            let labels = [
                ("__name__", "http_server_request_duration_seconds_bucket"),
                ("job", "vitrine"),
                ("http_response_status_code", status),
                ("http_route", route),
                ("le", le),
            ];
            self.store.sample(&labels, NOW_MS - 60_000, n);
        };
        let is_below = |le: &str| le.parse::<f64>().unwrap() < duration_le.parse::<f64>().unwrap();
        for le in ["0.001", "0.01", "0.1", "+Inf"] {
            bucket(le, if is_below(le) { 0.0 } else { n });
        }
    }
}

#[actix_web::test]
async fn every_route_refuses_without_a_session() {
    let case = case();
    let views = ["/admin", "/admin?q=x", "/admin/logs", "/admin/workers", "/admin/nothing"];
    let of_cv = ["/admin/cv", "/admin/cv/edit?file=cv.yaml", "/admin/cv/preview/", "/admin/cv/versions"];
    let more = ["/admin/cv/versions/v1", "/admin/cv/draft/x", "/admin/releases"];
    for uri in views.into_iter().chain(of_cv).chain(more) {
        let answer = case.get(uri, "vitrine_admin=guess").await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::SEE_OTHER, &*login_for(uri)),
            "{uri}"
        );
    }
    for uri in ["/admin/events", "/admin/api/v1/workers"] {
        let answer = case.get(uri, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{uri}");
        assert!(!answer.text.contains("9.9.9"));
    }
    let answer = case.post("/admin/api/v1/reload", "", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(case.post("/admin/logout", "", "").await.header(LOCATION), LOST);
}

/// Where somebody who is not in is sent who wanted to change something.
const LOST: &str = "/admin/login?lost=1&to=%2Fadmin";

/// Where somebody who is not in is sent who wanted to see a page.
fn login_for(place: &str) -> String {
    if place == "/admin" {
        return "/admin/login".to_string();
    }
    crate::pages::admin::address("/admin/login", &[("to", place)])
}

#[actix_web::test]
async fn the_login_leads_to_where_one_was_going() {
    let case = case();
    let asked = case.get("/admin/logs?q=a%20b&level=error", "").await;
    let login = asked.header(LOCATION).to_string();
    let page = case.get(&login, "").await.text;
    let hidden = r#"<input type="hidden" name="to" value="/admin/logs?q=a%20b&amp;level=error">"#;
    assert!(page.contains(hidden), "{page}");
    let to = |to: &'static str, password: &'static str| {
        let req = test::TestRequest::post().uri("/admin/login");
        case.send(req.set_form([("password", password), ("to", to)]))
    };
    assert!(to("/admin/logs?q=a", "wrong").await.text.contains(r#"name="to" value="/admin/logs?q=a""#));
    assert_eq!(to("/admin/logs?q=a", PASSWORD).await.header(LOCATION), "/admin/logs?q=a");
    for strange in ["https://evil.example/admin", "//evil.example", "/", "/admin/login"] {
        assert_eq!(to(strange, PASSWORD).await.header(LOCATION), "/admin", "{strange}");
    }
    let (cookie, _) = case.enter().await;
    assert_eq!(case.get(&login, &cookie).await.header(LOCATION), "/admin/logs?q=a%20b&level=error");
    assert!(case.get(LOST, "").await.text.contains("nothing was changed"));
}

#[actix_web::test]
async fn a_link_on_another_site_finds_the_session_by_asking_once_more() {
    let case = case();
    let led = |site: &'static str| {
        let req = test::TestRequest::get().uri("/admin/logs?q=a").insert_header(("Sec-Fetch-Site", site));
        case.send(req.insert_header(("Sec-Fetch-Mode", "navigate")))
    };
    let hop = led("cross-site").await;
    assert_eq!((hop.status, hop.header("Refresh")), (StatusCode::OK, "0; url=/admin/logs?q=a"));
    assert_eq!(led("same-origin").await.status, StatusCode::SEE_OTHER, "and only once");
}

#[actix_web::test]
async fn a_button_of_an_old_page_leads_to_the_login_or_says_that_nothing_was_changed() {
    let case = case();
    let fields = [("csrf", "of an earlier login")];
    for uri in ["/admin/api/v1/reload", "/admin/api/v1/workers/0/drain", "/admin/language"] {
        let answer = case.submit(uri, "vitrine_admin=ended", &fields).await;
        let expect = "/admin/login?lost=1&to=%2Fadmin%2Fworkers%3Frange%3D6h";
        assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, expect), "{uri}");
        assert_eq!(answer.header("WWW-Authenticate"), "", "a browser would ask for a password itself");
        let (cookie, _) = case.enter().await;
        let answer = case.submit(uri, &cookie, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{uri}");
        assert!(
            answer.text.contains("Nothing was changed") && answer.text.contains("/admin/workers?range=6h")
        );
    }
    let req = test::TestRequest::post().uri("/admin/api/v1/reload").insert_header(("Accept", "text/html"));
    let answer = case.send(req.insert_header(("Authorization", "Basic YWRtaW46Z3Vlc3M="))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "who says a password is told that it is wrong");
}

#[actix_web::test]
async fn login_gives_a_cookie_that_scripts_and_other_sites_do_not_get() {
    let case = case();
    let answer = case.login(PASSWORD).await;
    assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, "/admin"));
    let cookie = answer.header(SET_COOKIE);
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/admin"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "plain http would lose such a cookie");
    let page = case.get("/admin", &answer.cookie()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("9.9.9") && page.text.contains("The worker is ready."), "{}", page.text);
    assert!(!page.text.contains(answer.cookie().split('=').nth(1).unwrap()), "the page shows no token");
}

#[actix_web::test]
async fn wrong_password_is_refused_kindly_then_slowly() {
    let case = case();
    for _ in 0..5 {
        let answer = case.login("guess guess").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.text.contains("That is not the password. Please try again."));
        assert!(!answer.text.contains("guess guess"));
    }
    let answer = case.login(PASSWORD).await;
    assert_eq!((answer.status, answer.header(RETRY_AFTER)), (StatusCode::TOO_MANY_REQUESTS, "2"));
    assert!(answer.text.contains("Please wait"));
}

#[actix_web::test]
async fn form_from_another_site_does_not_log_in() {
    let case = case();
    let req = test::TestRequest::post().uri("/admin/login").insert_header(("Sec-Fetch-Site", "cross-site"));
    let answer = case.send(req.set_form([("password", PASSWORD)])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.header(SET_COOKIE), "");
}

#[actix_web::test]
async fn logout_ends_the_session_everywhere() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    assert_eq!(case.post("/admin/logout", &cookie, "guess").await.status, StatusCode::FORBIDDEN);
    assert_eq!(case.get("/admin", &cookie).await.status, StatusCode::OK);
    let answer = case.post("/admin/logout", &cookie, &csrf).await;
    assert_eq!(answer.header(LOCATION), "/admin/login?out=1");
    assert!(answer.header(SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(case.get("/admin", &cookie).await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn admin_pages_are_not_kept_and_not_told_of() {
    let case = case();
    let (cookie, _) = case.enter().await;
    for uri in ["/admin", "/admin/login", "/admin/nothing", "/admin/api/v1/workers"] {
        let answer = case.get(uri, &cookie).await;
        assert_eq!(answer.header("Cache-Control"), "no-store", "{uri}");
        assert_eq!(answer.header("Referrer-Policy"), "same-origin", "{uri}");
    }
}

#[actix_web::test]
async fn reload_needs_its_token_and_says_how_it_ended() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    assert_eq!(case.post("/admin/api/v1/reload", &cookie, "").await.status, StatusCode::FORBIDDEN);
    case.reloads.lock().unwrap().push(Err("cv.yaml:3:5: a tab cannot indent".into()));
    let answer = case.post("/admin/api/v1/reload", &cookie, &csrf).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("cv.yaml:3:5"));
    case.reloads.lock().unwrap().push(Ok("1 language".into()));
    let req = test::TestRequest::post().uri("/admin/api/v1/reload").insert_header(("Cookie", cookie));
    let answer = case.send(req.insert_header(("X-CSRF-Token", csrf))).await;
    assert_eq!((answer.status, answer.text.contains("1 language")), (StatusCode::OK, true));
}

#[actix_web::test]
async fn workers_are_controlled_by_who_may_and_means_it() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    for uri in ["/admin/api/v1/workers/1/drain", "/admin/api/v1/workers"] {
        assert_eq!(case.post(uri, "", "").await.status, StatusCode::UNAUTHORIZED, "{uri}");
        assert_eq!(case.post(uri, &cookie, "").await.status, StatusCode::FORBIDDEN, "{uri}");
    }
    assert!(case.commanded.lock().unwrap().is_empty());
    for command in ["drain", "enable", "restart"] {
        let answer = case.post(&format!("/admin/api/v1/workers/1/{command}"), &cookie, &csrf).await;
        assert_eq!(answer.status, StatusCode::OK, "{command}");
    }
    let answer = case.post("/admin/api/v1/workers/0/drain", &cookie, &csrf).await;
    assert_eq!((answer.status, answer.text.contains("last one")), (StatusCode::CONFLICT, true));
    let req = test::TestRequest::post().uri("/admin/api/v1/workers").insert_header(("Cookie", cookie));
    assert_eq!(
        case.send(req.set_form([("csrf", csrf.as_str()), ("count", "5")])).await.status,
        StatusCode::OK
    );
    let one = WorkerId(1);
    assert_eq!(
        *case.commanded.lock().unwrap(),
        [
            WorkerCommand::Drain(one),
            WorkerCommand::Enable(one),
            WorkerCommand::Restart(one),
            WorkerCommand::Drain(WorkerId(0)),
            WorkerCommand::Scale(5),
        ]
    );
}

#[actix_web::test]
async fn the_log_level_is_changed_by_who_means_it() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let uri = "/admin/api/v1/log-level";
    assert_eq!(case.get(uri, "").await.status, StatusCode::UNAUTHORIZED);
    let post = |csrf: &str, level: &str| {
        let req = test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie.as_str()));
        case.send(req.set_form([("csrf", csrf), ("level", level)]))
    };
    assert_eq!(post("guess", "debug").await.status, StatusCode::FORBIDDEN);
    assert_eq!(case.post(uri, &cookie, &csrf).await.status, StatusCode::BAD_REQUEST);
    let refused = post(&csrf, "loud").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("no level: loud"), "{}", refused.text);
    assert_eq!(case.get(uri, &cookie).await.text, r#"{"level":"info","configured":"info"}"#);
    assert_eq!(post(&csrf, "debug").await.status, StatusCode::OK);
    assert_eq!(case.get(uri, &cookie).await.text, r#"{"level":"debug","configured":"info"}"#);
    let told: Vec<String> = case.audited(audit::Event::LogLevel).into_iter().map(|(_, what)| what).collect();
    assert_eq!(told, ["set the log level to loud: no level: loud", "set the log level to debug"]);
}

#[actix_web::test]
async fn scripts_use_basic_auth() {
    let case = case();
    let req = |user: &str, password: &str| {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        test::TestRequest::get().uri("/admin/api/v1/workers").insert_header((AUTHORIZATION, value))
    };
    let answer = case.send(req("admin", PASSWORD)).await;
    let json: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(json["workers"][0]["id"], 7);
    assert_eq!(json["workers"][0]["state"], "ready");
    assert_eq!(case.send(req("root", PASSWORD)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(case.send(req("admin", "guess guess")).await.status, StatusCode::UNAUTHORIZED);
    let reload = |name: &'static str, value: &'static str| {
        let req = req("admin", PASSWORD).method(actix_web::http::Method::POST).uri("/admin/api/v1/reload");
        req.insert_header(("Host", "cv.example.com")).insert_header((name, value))
    };
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        // All that a browser says over plain HTTP.
        ("Origin", "http://evil.example.com"),
        ("Origin", "null"),
    ] {
        assert_eq!(case.send(reload(name, value)).await.status, StatusCode::FORBIDDEN, "{name} {value}");
    }
    // It gets as far as the reload, which this case refuses.
    let answer = case.send(reload("Origin", "http://cv.example.com")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn every_address_says_which_methods_it_takes() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let basic = format!("Basic {}", STANDARD.encode(format!("admin:{PASSWORD}")));
    let check = async |method: &str, uri: &str, expect: (u16, &str)| {
        let req = test::TestRequest::default().method(method.parse().unwrap()).uri(uri);
        let answer = case.send(req.insert_header((AUTHORIZATION, basic.as_str()))).await;
        assert_eq!((answer.status.as_u16(), answer.header("Allow")), expect, "{method} {uri}");
        if uri.starts_with("/admin/api") {
            assert_eq!(answer.header("Content-Type"), "application/json", "{method} {uri}");
        }
        let stranger = case.send(test::TestRequest::default().method(method.parse().unwrap()).uri(uri)).await;
        if uri.starts_with("/admin/api") {
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{method} {uri}");
        }
    };
    check("HEAD", "/admin/login", (200, "")).await;
    check("PUT", "/admin", (405, "GET, HEAD")).await;
    check("PUT", "/admin/login", (405, "GET, HEAD, POST")).await;
    check("GET", "/admin/logout", (405, "POST")).await;
    check("POST", "/admin/events", (405, "GET, HEAD")).await;
    check("HEAD", "/admin/api/v1/workers", (200, "")).await;
    check("PUT", "/admin/api/v1/workers", (405, "GET, HEAD, POST")).await;
    check("GET", "/admin/api/v1/workers/1/drain", (405, "POST")).await;
    check("POST", "/admin/api/v1/workers/1/dance", (404, "")).await;
    check("POST", "/admin/api/v1/workers", (400, "")).await;
    check("GET", "/admin/api/v1/reload", (405, "POST")).await;
    check("GET", "/admin/api/v1/nothing", (404, "")).await;
    check("GET", "/admin/api", (404, "")).await;
    let head = test::TestRequest::default().method(actix_web::http::Method::HEAD).uri("/admin/events");
    let answer = case.send(head.insert_header(("Cookie", cookie))).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (StatusCode::OK, "text/event-stream"));
}

#[actix_web::test]
async fn an_odd_query_is_no_fault_of_the_visitor() {
    let case = case();
    let queries = ["range=a&range=b", "q=%FF%", "&&=&", "before=-&before=1&before=x", "nothing"];
    for query in queries {
        for page in ["/admin", "/admin/logs", "/admin/login", "/admin/events"] {
            let uri = format!("{page}?{query}");
            assert_ne!(case.get(&uri, "").await.status, StatusCode::BAD_REQUEST, "{uri}");
        }
    }
    let (cookie, _) = case.enter().await;
    for query in queries {
        for page in ["/admin", "/admin/logs", "/admin/workers"] {
            assert_eq!(case.get(&format!("{page}?{query}"), &cookie).await.status, StatusCode::OK, "{query}");
        }
    }
}

#[actix_web::test]
async fn the_language_is_the_browsers_until_another_is_chosen() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let get = |cookie: String| {
        let req = test::TestRequest::get().uri("/admin").insert_header(("Accept-Language", "ru,en;q=0.5"));
        case.send(req.insert_header(("Cookie", cookie)))
    };
    assert!(get(cookie.clone()).await.text.contains("<html lang=\"ru\">"));
    let choose = |csrf: &str| {
        let req = test::TestRequest::post().uri("/admin/language").insert_header(("Cookie", cookie.as_str()));
        let form = [("csrf", csrf), ("lang", "en"), ("place", "/admin/logs?range=6h")];
        case.send(req.set_form(form))
    };
    assert_eq!(choose("guess").await.status, StatusCode::FORBIDDEN);
    let chosen = choose(&csrf).await;
    assert_eq!(chosen.header(LOCATION), "/admin/logs?range=6h");
    let text = get(format!("{cookie}; {}", chosen.cookie())).await.text;
    assert!(text.contains("<html lang=\"en\">") && text.contains(">Русский</button>"), "{text}");
}

#[actix_web::test]
async fn visitors_behind_one_proxy_are_told_apart() {
    let case = case();
    let login = |visitor: &str, password: &str| {
        let req = test::TestRequest::post().uri("/admin/login").peer_addr("127.0.0.1:1".parse().unwrap());
        let req =
            req.insert_header(("X-Forwarded-For", visitor)).insert_header(("X-Forwarded-Proto", "https"));
        case.send(req.set_form([("password", password)]))
    };
    for _ in 0..5 {
        login("192.0.2.1", "guess guess").await;
    }
    assert_eq!(login("192.0.2.1", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    let owner = login("192.0.2.2", PASSWORD).await;
    assert_eq!(owner.status, StatusCode::SEE_OTHER);
    assert!(owner.header(SET_COOKIE).contains("; Secure"));
}

#[actix_web::test]
async fn numbers_on_the_page_come_from_the_store() {
    let case = case();
    case.serve(90.0, "200", "/", "0.01");
    case.serve(10.0, "503", "/", "0.1");
    case.serve(500.0, "200", "/admin/events", "+Inf");
    let memory = [("__name__", "process_memory_usage_bytes"), ("job", "vitrine")];
    // It is recorded from the beginning of the hour on, so the hour is shown whole.
    for age_ms in [3_570_000, 1_000] {
        case.store.sample(&memory, NOW_MS - age_ms, 20.0 * 1_048_576.0);
    }
    let traffic = read_traffic(case.store.as_ref(), Window::default(), UnixMillis(NOW_MS)).unwrap();
    assert_eq!((traffic.total.requests, traffic.total.errors), (100.0, 10.0));
    assert_eq!(traffic.total.error_share(), Some(0.1));
    // The rank 50 of 90 lies in the bucket from 1 to 10 ms.
    assert!((traffic.total.p50.unwrap() - 0.006).abs() < 1e-9);
    assert_eq!(traffic.at.len(), 60);
    let (cookie, _) = case.enter().await;
    for range in ["", "?range=6h", "?range=24h"] {
        let page = case.get(&format!("/admin{range}"), &cookie).await.text;
        assert!(page.contains("10 in the last") && page.contains("20\u{a0}MiB"), "{range} {page}");
    }
}

#[actix_web::test]
async fn a_young_store_is_drawn_from_its_beginning() {
    let case = case();
    let memory = [("__name__", "process_memory_usage_bytes"), ("job", "vitrine")];
    for age_ms in (0..=600_000).rev().step_by(10_000) {
        case.store.sample(&memory, NOW_MS - age_ms, 1.0);
    }
    case.serve(60.0, "200", "/", "0.01");
    for range in Range::ALL {
        let traffic = read_traffic(case.store.as_ref(), Window::Moving(range), UnixMillis(NOW_MS)).unwrap();
        assert_eq!(traffic.at.len(), 61, "{range:?}");
        assert!(traffic.since.is_some() && traffic.total.requests == 60.0, "{range:?}");
    }
}

#[actix_web::test]
async fn logs_are_filtered_by_the_address() {
    let case = case();
    let at = (NOW_MS - 1_000) * 1_000_000;
    case.store.line(at, "access", Severity::Info, "GET /first 200");
    case.store.line(at + 1, "app", Severity::Error, "second <b>");
    case.store.line(at - 3_600_000_000_000, "app", Severity::Warn, "third");
    let (cookie, _) = case.enter().await;
    let check = async |query: &str, expect: [bool; 3]| {
        let page = case.get(&format!("/admin/logs?{query}"), &cookie).await.text;
        let found = ["GET /first 200", "second &lt;b&gt;", ">third<"].map(|line| page.contains(line));
        assert_eq!(found, expect, "{query}");
    };
    check("range=6h", [true, true, true]).await;
    check("range=6h&q=first", [true, false, false]).await;
    check("range=6h&q=FIRST", [false, false, false]).await;
    check("range=6h&q=FIRST&case=1", [true, false, false]).await;
    check("range=6h&job=app", [false, true, true]).await;
    check("range=6h&f=job%3Dapp&f=level!%3Dwarn", [false, true, false]).await;
    check("range=6h&fn=level&fo=%3D~&fv=warn%7Cinfo", [true, false, true]).await;
    check("range=6h&logql=%7Bjob%3D%22app%22%7D+%7C%3D+%22third%22", [false, false, true]).await;
    check(&format!("range=6h&after={at}"), [false, true, false]).await;
    check("range=6h&level=warn", [false, true, true]).await;
    check("range=15m", [true, true, false]).await;
    let (from, to) = (NOW_MS - 4_000_000, NOW_MS - 2_000_000);
    check(&format!("from={from}&to={to}"), [false, false, true]).await;
    check(&format!("range=6h&before={}", at + 1), [true, false, true]).await;
    check("level=no&before=no&range=no", [true, true, false]).await;
}

/// Reads one event of a stream.
async fn next_event(body: &mut std::pin::Pin<Box<BoxBody>>) -> Option<String> {
    let chunk = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await?;
    Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap())
}

async fn stream(case: &Case, cookie: &str) -> std::pin::Pin<Box<BoxBody>> {
    stream_of(case, cookie, "/admin").await
}

/// Opens the stream that a page names.
async fn stream_of(case: &Case, cookie: &str, page: &str) -> std::pin::Pin<Box<BoxBody>> {
    let page = case.get(page, cookie).await.text;
    let address = page.split("data-stream=\"").nth(1).unwrap().split('"').next().unwrap();
    let req = test::TestRequest::get()
        .uri(&address.replace("&amp;", "&"))
        .insert_header(("Cookie", cookie.to_string()));
    let res = case.call(req).await;
    assert_eq!(res.status(), StatusCode::OK);
    Box::pin(res.into_body())
}

#[actix_web::test]
async fn stream_sends_all_once_then_what_changed() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let mut body = stream(&case, &cookie).await;
    let first = next_event(&mut body).await.unwrap();
    for id in ["verdict", "tiles", "banners", "charts"] {
        assert!(first.contains(&format!("\"{id}\":")), "{id} {first}");
    }
    case.clock.advance(Duration::from_secs(2));
    let second = next_event(&mut body).await.unwrap();
    assert!(second.contains(r#""fragments":{}"#), "{second}");
    case.serve(5.0, "503", "/", "0.1");
    case.clock.advance(Duration::from_secs(2));
    let third = next_event(&mut body).await.unwrap();
    assert!(third.contains("Something is wrong.") && third.contains(">5 in the last hour<"), "{third}");
    assert!(!third.contains("\"banners\":"), "what did not change is not sent: {third}");
}

#[actix_web::test]
async fn stream_ends_with_the_session_and_with_the_server() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let mut body = stream(&case, &cookie).await;
    next_event(&mut body).await.unwrap();
    case.post("/admin/logout", &cookie, &csrf).await;
    assert!(next_event(&mut body).await.unwrap().contains("event: end\ndata: login"));
    assert_eq!(next_event(&mut body).await, None);

    let (cookie, _) = case.enter().await;
    let mut body = stream(&case, &cookie).await;
    next_event(&mut body).await.unwrap();
    case.shutdown.send(true).unwrap();
    assert!(next_event(&mut body).await.unwrap().contains("data: shutdown"));
    assert_eq!(next_event(&mut body).await, None);
}

#[actix_web::test]
async fn streams_are_bounded_and_give_their_place_back() {
    let case = case_with(Config { streams: 1, ..Config::default() });
    let (cookie, _) = case.enter().await;
    let body = stream(&case, &cookie).await;
    assert_eq!(case.get("/admin/events", &cookie).await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(body);
    stream(&case, &cookie).await;
}

#[actix_web::test]
async fn saturated_queries_answer_503() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let heavy = case.state.parts.heavy.clone();
    let mut n_held = 0;
    loop {
        let (lane, held) = (heavy.clone(), held.clone());
        // It ends when `release` is dropped.
        actix_web::rt::spawn(async move { lane.run(move || held.lock().unwrap().recv().is_ok()).await });
        // Time is paused: it goes on while nobody has work.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let LaneSnapshot { n_running, n_waiting, n_refused, .. } = heavy.snapshot();
        if n_refused > 0 {
            break;
        }
        n_held = n_held.max(n_running + n_waiting);
        assert!(n_held < 1_000);
    }
    let answer = case.get("/admin", &cookie).await;
    assert_eq!((answer.status, answer.header(RETRY_AFTER)), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    // An open page hears that the server lives, and is busy.
    let req = test::TestRequest::get().uri("/admin/events").insert_header(("Cookie", cookie.clone()));
    let mut body = Box::pin(case.call(req).await.into_body());
    let tick = next_event(&mut body).await.unwrap();
    assert!(tick.starts_with("event: tick\n") && tick.contains(r#""fragments":{},"busy":true"#), "{tick}");
    assert_eq!(case.get("/admin/api/v1/workers", &cookie).await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(release);
    while heavy.snapshot().n_running + heavy.snapshot().n_waiting > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(case.get("/admin", &cookie).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn charts_wait_for_their_turn() {
    let case = case();
    case.serve(1.0, "200", "/", "0.01");
    let (cookie, _) = case.enter().await;
    let mut body = stream(&case, &cookie).await;
    let mut with_charts = Vec::new();
    for tick in 0..11 {
        // Time moves on, so they would differ at every tick.
        case.clock.advance(Duration::from_secs(60));
        if next_event(&mut body).await.unwrap().contains("\"charts\":") {
            with_charts.push(tick);
        }
    }
    assert_eq!(with_charts, [0, 5, 10]);
}

#[actix_web::test]
async fn script_learns_that_the_session_ended() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let head = |cookie: &str| {
        let req = test::TestRequest::default().method(actix_web::http::Method::HEAD).uri("/admin");
        req.insert_header(("Cookie", cookie))
    };
    assert_eq!(case.send(head("")).await.status, StatusCode::SEE_OTHER);
    assert_ne!(case.send(head(&cookie)).await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn private_links_are_made_and_revoked_by_who_means_it() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let form = |csrf: &str, days: &str| {
        [("csrf", csrf.to_string()), ("note", "A & B".into()), ("days", days.into())]
    };
    let post = |uri: &str, form: &[(&str, String)]| {
        test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie.as_str())).set_form(form)
    };
    assert_eq!(case.send(post("/admin/links", &form("wrong", "3"))).await.status, StatusCode::FORBIDDEN);
    let after = async |uri: &str, form: &[(&str, String)]| {
        let answer = case.send(post(uri, form)).await;
        assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, "/admin/links"));
        case.get("/admin/links", &cookie).await.text
    };
    let page = after("/admin/links", &form(&csrf, "400")).await;
    assert!(page.contains("A private link lasts from 1 to 366 days."), "{page}");
    let page = after("/admin/links", &form(&csrf, "3")).await;
    assert!(page.contains("A &amp; B") && page.contains("https://cv.example.com/p/"), "{page}");
    assert!(page.contains("Give away this link:"), "{page}");
    let id = page.split("/admin/links/").nth(1).unwrap().split('/').next().unwrap().to_string();
    let revoke = format!("/admin/links/{id}/revoke");
    let own = [("csrf", csrf.clone())];
    let page = after(&revoke, &own).await;
    assert!(page.contains("There is no private link") && page.contains("it opens nothing more"), "{page}");
    assert!(after(&revoke, &own).await.contains("revoked already, or has expired"));
}

#[actix_web::test]
async fn every_change_is_in_the_audit_log_with_who_and_how_it_ended() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let login = case.audited(audit::Event::Login);
    let [(session, _)] = login.as_slice() else { panic!("{login:?}") };
    let by = |who: &str, what: &str| vec![(who.to_string(), what.to_string())];

    case.reloads.lock().unwrap().push(Err("cv.yaml:3:5: a tab cannot indent".into()));
    case.post("/admin/api/v1/reload", &cookie, "guess").await;
    case.post("/admin/api/v1/reload", &cookie, &csrf).await;
    let refused = "reload refused: cv.yaml:3:5: a tab cannot indent";
    assert_eq!(case.audited(audit::Event::Reload), by(session, refused), "once: the guess reloaded nothing");

    let basic = format!("Basic {}", STANDARD.encode(format!("admin:{PASSWORD}")));
    let drain = test::TestRequest::post().uri("/admin/api/v1/workers/0/drain");
    case.send(drain.insert_header((AUTHORIZATION, basic))).await;
    let told = case.audited(audit::Event::Workers);
    assert_eq!((told[0].0.as_str(), told.len()), ("basic admin", 1));
    assert!(told[0].1.starts_with("drain worker 0: ") && told[0].1.contains("last one"), "{told:?}");

    let link = [("csrf", csrf.as_str()), ("note", "Ada"), ("days", "3")];
    let make = test::TestRequest::post().uri("/admin/links").insert_header(("Cookie", cookie.as_str()));
    case.send(make.set_form(link)).await;
    let made = case.audited(audit::Event::LinkMade);
    assert!(made[0].1.ends_with("for 3 days: Ada"), "{made:?}");
    let id = case.state.parts.links.list(case.clock.now_ms())[0].id.clone();
    case.post(&format!("/admin/links/{id}/revoke"), &cookie, &csrf).await;
    let revoked = format!("revoke the private link {id}");
    assert_eq!(case.audited(audit::Event::LinkRevoked), by(session, &revoked));

    case.post("/admin/logout", &cookie, &csrf).await;
    assert_eq!(case.audited(audit::Event::Logout), by(session, "logged out"));
    let written = format!("{:?}", case.written.lock().unwrap());
    let token = cookie.split('=').nth(1).unwrap();
    for secret in [PASSWORD, token, &csrf, "/p/"] {
        assert!(!written.contains(secret), "{secret}");
    }
}
