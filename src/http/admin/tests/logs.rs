//! The log and the traces as a browser and their script see them.

use super::*;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Labels, LogRecord, Span, SpanKind, SpanStatus};

const SECOND: i64 = 1_000_000_000;
const NOW_NS: i64 = NOW_MS * 1_000_000;

fn record(at: i64, job: &'static str, severity: Severity, body: &str) -> LogRecord {
    let stream = crate::record::access::own_stream(job, severity);
    LogRecord { at: UnixNanos(at), severity, stream, metadata: Vec::new(), body: body.into() }
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|fault| panic!("{fault}: {}", answer.text))
}

fn texts(value: &serde_json::Value) -> Vec<String> {
    let rows = value["rows"].as_array().unwrap();
    rows.iter().map(|row| row["b"].as_str().unwrap().to_string()).collect()
}

#[actix_web::test]
async fn every_route_of_logs_and_traces_refuses_without_a_session() {
    let case = case();
    case.store.line(NOW_NS - SECOND, "app", Severity::Info, "secret line");
    let trace = format!("/admin/traces/{}", TraceId([1; 16]));
    for uri in ["/admin/logs?all=1", "/admin/logs?around=1&source=%7Ba%3D%22b%22%7D", "/admin/traces", &trace]
    {
        let answer = case.get(uri, "vitrine_admin=guess").await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::SEE_OTHER, &*login_for(uri)),
            "{uri}"
        );
    }
    for uri in ["/admin/logs/rows?all=1", "/admin/logs/histogram?all=1", "/admin/events?page=logs&all=1"] {
        let answer = case.get(uri, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{uri}");
        assert!(!answer.text.contains("secret"), "{uri}");
    }
}

#[actix_web::test]
async fn the_script_gets_lines_page_by_page() {
    let case = case();
    for n in 0..25 {
        case.store.line(NOW_NS - (n + 1) * SECOND, "app", Severity::Info, &format!("line {n:02}"));
    }
    let (cookie, _) = case.enter().await;
    let (mut before, mut seen) = (String::new(), Vec::new());
    loop {
        let page = json(&case.get(&format!("/admin/logs/rows?limit=10{before}"), &cookie).await);
        seen.extend(texts(&page));
        let Some(older) = page["older"].as_str() else { break };
        before = format!("&before={older}");
    }
    assert_eq!(seen, (0..25).map(|n| format!("line {n:02}")).collect::<Vec<_>>());
    let row = &json(&case.get("/admin/logs/rows?limit=1", &cookie).await)["rows"][0];
    assert_eq!(
        (row["t"].as_str(), row["l"].as_str()),
        (Some((NOW_NS - SECOND).to_string().as_str()), Some("info"))
    );
    assert_eq!(row["s"][0], serde_json::json!(["job", "app"]));
    let answer = case.get("/admin/logs/rows?logql=%7B", &cookie).await;
    assert_eq!(
        (answer.status, answer.text.contains("parse error at line 1, col 2")),
        (StatusCode::BAD_REQUEST, true)
    );
}

#[actix_web::test]
async fn lines_are_counted_above_the_list_and_alone() {
    let case = case();
    for n in 0..5 {
        case.store.line(NOW_NS - 60 * SECOND + n, "app", Severity::Error, "boom");
    }
    case.store.line(NOW_NS - 60 * SECOND, "access", Severity::Info, "GET / 200");
    let (cookie, _) = case.enter().await;
    for uri in ["/admin/logs?range=15m", "/admin/logs/histogram?range=15m", "/admin/logs?range=15m&count=1"] {
        let text = case.get(uri, &cookie).await.text;
        assert!(
            text.contains("error <b data-now=\"\">5</b>") && text.contains("info <b data-now=\"\">1</b>"),
            "{uri} {text}"
        );
    }
    let text = case.get("/admin/logs/histogram?range=15m&q=GET", &cookie).await.text;
    assert!(text.contains("error <b data-now=\"\">0</b>") && !text.contains("<html"), "{text}");
}

#[actix_web::test]
async fn a_query_is_shown_written_anew_and_told_where_it_is_wrong() {
    let case = case();
    case.store.line(NOW_NS - SECOND, "app", Severity::Warn, "disk full");
    let (cookie, _) = case.enter().await;
    let page = async |parameters: &[(&str, &str)]| {
        case.get(&crate::pages::admin::address("/admin/logs", parameters), &cookie).await.text
    };
    let text = page(&[("q", "disk"), ("level", "warn"), ("job", "app"), ("all", "1")]).await;
    let query = "{job=&quot;app&quot;} |= &quot;disk&quot; | detected_level=~&quot;warn|error|fatal&quot;";
    assert!(text.contains(query) && text.contains("disk full"), "{text}");
    // What fields can say stands in the fields.
    let text = page(&[("logql", "{job=\"app\"} |= \"disk\"")]).await;
    assert!(
        text.contains("name=\"q\" value=\"disk\"") && text.contains("<option value=\"app\" selected>"),
        "{text}"
    );
    assert!(!text.contains("says more than the fields"));
    let text = page(&[("logql", "{job=\"app\"} | line_format \"<{{.level}}>\"")]).await;
    assert!(text.contains("says more than the fields") && text.contains("&lt;warn&gt;"), "{text}");
    let text = page(&[("logql", "{job=\"app\"} |= disk")]).await;
    assert!(text.contains("parse error at line 1, col 16") && text.contains("<mark>disk</mark>"), "{text}");
    let text = page(&[("logql", "sum(count_over_time({job=\"app\"}[1m]))")]).await;
    assert!(text.contains("gives numbers where lines are wanted"), "{text}");
    let long = format!("{{job=\"app\"}} |= \"{}\"", "x".repeat(7_000));
    assert!(page(&[("logql", &long)]).await.contains("longer than 6000 bytes"));
}

#[actix_web::test]
async fn a_line_is_shown_among_those_of_its_source() {
    let case = case();
    for n in 0..10 {
        let severity = if n == 5 { Severity::Error } else { Severity::Info };
        case.store.line(NOW_NS - n * SECOND, "app", severity, &format!("line {n}"));
        case.store.line(NOW_NS - n * SECOND, "access", Severity::Info, "another source");
    }
    let (cookie, _) = case.enter().await;
    let list = case.get("/admin/logs?level=error", &cookie).await.text;
    let place = list.split("class=\"ways\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let text = case.get(&format!("{}&n=2", place.replace("&amp;", "&")), &cookie).await.text;
    for (line, is_there) in [(2, false), (3, true), (4, true), (5, true), (6, true), (7, true), (8, false)] {
        assert_eq!(
            text.contains(&format!("<span class=\"body\">line {line}</span>")),
            is_there,
            "{line} {text}"
        );
    }
    assert!(!text.contains("another source"));
    assert!(text.split("aria-current=\"true\"").nth(1).unwrap().contains("line 5"), "{text}");
    let text = case.get("/admin/logs?around=5&source=%7Bjob%3D%22app%22%7D", &cookie).await.text;
    assert!(text.contains("There is no such line."), "{text}");
    let text = case.get("/admin/logs?around=5&source=%7Bjob", &cookie).await.text;
    assert!(text.contains("parse error"), "{text}");
}

async fn follow(case: &Case, cookie: &str, query: &str) -> std::pin::Pin<Box<BoxBody>> {
    let uri = format!("/admin/events?page=logs&{query}");
    let res = case.call(test::TestRequest::get().uri(&uri).insert_header(("Cookie", cookie))).await;
    assert_eq!(res.status(), StatusCode::OK);
    Box::pin(res.into_body())
}

/// Reads events until one is of a name, and returns what it says.
async fn event_of(body: &mut std::pin::Pin<Box<BoxBody>>, name: &str) -> serde_json::Value {
    loop {
        let chunk = next_event(body).await.expect("the stream goes on");
        let event = chunk.split("\n\n").find(|event| event.starts_with(&format!("event: {name}\n")));
        if let Some(event) = event {
            return serde_json::from_str(event.split("data: ").nth(1).unwrap()).unwrap();
        }
    }
}

#[actix_web::test]
async fn a_line_appears_in_the_stream_as_it_comes_in() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let mut body = follow(&case, &cookie, "q=needle&level=warn").await;
    assert_eq!(event_of(&mut body, "begin").await["gap"], false);
    let come = |severity, text: &str| case.followers.offer(&[record(NOW_NS, "app", severity, text)]);
    come(Severity::Info, "needle, but quiet");
    come(Severity::Error, "hay");
    come(Severity::Error, "a needle <b>");
    let event = event_of(&mut body, "lines").await;
    assert_eq!((texts(&event), event["left"].as_u64()), (vec!["a needle <b>".to_string()], Some(0)));
    assert_eq!(event["rows"][0]["l"], "error");
    // The page hears that the server lives though nothing comes in.
    assert!(event_of(&mut body, "tick").await["at_ms"].is_number());
}

#[actix_web::test]
async fn the_owners_own_visits_are_no_news_unless_they_are_asked_for() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let mut visit = record(NOW_NS, "access", Severity::Info, "GET /admin 200");
    visit.metadata = vec![
        ("url_path".into(), "/admin".to_string()),
        ("http_response_status_code".into(), "200".to_string()),
    ];
    let other = record(NOW_NS, "access", Severity::Info, "GET / 200");
    let mut quiet = follow(&case, &cookie, "").await;
    let mut all = follow(&case, &cookie, "all=1").await;
    case.followers.offer(&[visit, other]);
    assert_eq!(texts(&event_of(&mut quiet, "lines").await), ["GET / 200"]);
    assert_eq!(texts(&event_of(&mut all, "lines").await), ["GET /admin 200", "GET / 200"]);
}

#[actix_web::test]
async fn a_page_that_was_away_is_told_what_it_missed() {
    let case = case();
    let (cookie, _) = case.enter().await;
    for n in 1..=4 {
        case.store.line(NOW_NS - n * SECOND, "app", Severity::Info, &format!("line {n}"));
    }
    let mut body = follow(&case, &cookie, &format!("since={}", NOW_NS - 3 * SECOND)).await;
    assert_eq!(event_of(&mut body, "begin").await["gap"], false);
    assert_eq!(texts(&event_of(&mut body, "lines").await), ["line 2", "line 1"]);
    for n in 0..1_500 {
        case.store.line(NOW_NS + n, "app", Severity::Info, &format!("later {n}"));
    }
    let mut body = follow(&case, &cookie, &format!("since={}", NOW_NS - 3 * SECOND)).await;
    assert_eq!(event_of(&mut body, "begin").await["gap"], true);
    let told = texts(&event_of(&mut body, "lines").await);
    assert_eq!(told[0], "later 500");
}

#[actix_web::test]
async fn following_ends_with_the_session_and_with_the_server() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let mut body = follow(&case, &cookie, "").await;
    case.post("/admin/logout", &cookie, &csrf).await;
    let mut last = String::new();
    while let Some(event) = next_event(&mut body).await {
        last = event;
    }
    assert!(last.contains("event: end\ndata: login"), "{last}");
    let (cookie, _) = case.enter().await;
    let mut body = follow(&case, &cookie, "").await;
    event_of(&mut body, "begin").await;
    case.shutdown.send(true).unwrap();
    let mut last = String::new();
    while let Some(event) = next_event(&mut body).await {
        last = event;
    }
    assert!(last.contains("data: shutdown"), "{last}");
}

#[actix_web::test]
async fn what_cannot_be_followed_is_refused_with_its_reason() {
    let case = case_with(Config { streams: 64, ..Config::default() });
    let (cookie, _) = case.enter().await;
    for (query, expect) in [("%7B", "parse error"), ("sum(rate(%7Ba%3D%22b%22%7D%5B1m%5D))", "numbers")] {
        let answer = case.get(&format!("/admin/events?page=logs&logql={query}"), &cookie).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.text.contains(expect), "{}", answer.text);
    }
    let mut bodies = Vec::new();
    for _ in 0..crate::http::follow::FOLLOWERS_MAX {
        bodies.push(follow(&case, &cookie, "").await);
    }
    let answer = case.get("/admin/events?page=logs", &cookie).await;
    assert_eq!((answer.status, answer.header(RETRY_AFTER)), (StatusCode::SERVICE_UNAVAILABLE, "10"));
    drop(bodies);
    follow(&case, &cookie, "").await;
}

fn span(trace: u8, name: &str, lasted_ms: u64, status: SpanStatus) -> Span {
    Span {
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([trace; 8]),
        parent: None,
        name: name.to_string().into(),
        kind: SpanKind::Server,
        service: "vitrine".into(),
        start: UnixNanos(NOW_NS - 60 * SECOND),
        duration: Duration::from_millis(lasted_ms),
        status,
        status_message: String::new(),
        attributes: Vec::new(),
        events: Vec::new(),
    }
}

#[actix_web::test]
async fn requests_are_listed_and_each_is_shown_in_its_parts() {
    let case = case();
    let (cookie, _) = case.enter().await;
    assert!(case.get("/admin/traces", &cookie).await.text.contains("telemetry.traces.slow"));
    case.store.span(span(1, "GET /slow", 900, SpanStatus::Unset));
    case.store.span(span(2, "GET /failed", 5, SpanStatus::Error));
    case.store.span(Span {
        span_id: SpanId([7; 8]),
        parent: Some(SpanId([1; 8])),
        kind: SpanKind::Internal,
        ..span(1, "worker", 800, SpanStatus::Unset)
    });
    let list = case.get("/admin/traces", &cookie).await.text;
    let (slow, failed) = (list.find("GET /slow").unwrap(), list.find("GET /failed").unwrap());
    assert!(slow < failed && !list.contains(">worker<"), "{list}");
    let list = case.get("/admin/traces?order=failed&min=1&q=FAIL", &cookie).await.text;
    assert!(list.contains("GET /failed") && !list.contains("GET /slow"), "{list}");
    let place = format!("/admin/traces/{}", TraceId([1; 16]));
    assert!(case.get("/admin/traces", &cookie).await.text.contains(&format!("href=\"{place}\"")));
    let page = case.get(&place, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("2 spans") && page.text.contains(">worker<"), "{}", page.text);
}

#[actix_web::test]
async fn what_is_no_trace_is_not_found() {
    let case = case();
    let (cookie, _) = case.enter().await;
    for id in
        ["x", "00000000000000000000000000000000", "0101010101010101010101010101010", "..%2f..%2fetc", "%00"]
    {
        let answer = case.get(&format!("/admin/traces/{id}"), &cookie).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
        assert!(answer.text.contains("There is nothing at this address."), "{id}");
    }
    let answer = case.get(&format!("/admin/traces/{}", TraceId([9; 16])), &cookie).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text.contains("Nothing is kept of the trace"), "{}", answer.text);
}

#[actix_web::test]
async fn an_odd_question_about_lines_or_traces_is_no_fault_of_the_visitor() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let queries = [
        "q=%FF%&level=&level=x",
        "f=&f=a&f=%3D&fn=a&fo=x&fv=%00",
        "before=9223372036854775807",
        "before=-9223372036854775808&after=-9223372036854775808",
        "after=9223372036854775807",
        "around=9223372036854775807&source=%7Bjob%3D%22app%22%7D&n=0",
        "around=-9223372036854775808&source=%7Bjob%3D%22app%22%7D&n=99999999999",
        "limit=0&count=2&since=x",
        "from=0&to=1&min=-5&order=x",
    ];
    for query in queries {
        for page in ["/admin/logs", "/admin/logs/rows", "/admin/logs/histogram", "/admin/traces"] {
            let answer = case.get(&format!("{page}?{query}"), &cookie).await;
            assert_eq!(answer.status, StatusCode::OK, "{page}?{query} {}", answer.text);
        }
    }
}

#[actix_web::test]
async fn a_stream_label_of_other_programs_stands_in_the_braces() {
    let case = case();
    let stream = Labels::new([("service_name", "shop"), ("host", "h1")]);
    let line = LogRecord {
        at: UnixNanos(NOW_NS - SECOND),
        severity: Severity::Info,
        stream,
        metadata: vec![("order".into(), "17".to_string())],
        body: "sold".into(),
    };
    case.store.record(line);
    let (cookie, _) = case.enter().await;
    let text = case.get("/admin/logs?f=host%3Dh1&f=order%3D17", &cookie).await.text;
    assert!(
        text.contains("{host=&quot;h1&quot;} | order=&quot;17&quot;") && text.contains(">sold<"),
        "{text}"
    );
}
