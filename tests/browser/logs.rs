//! The log and the traces under a hand: from a spike to the request behind it, lines that come in.

use serde_json::json;

use super::driver::{DESK, Page, Viewer, browser};
use crate::harness::{Folders, Vitrine};

/// Opens a page of the admin, logged in.
async fn log_in(page: &Page, vitrine: &Vitrine, path: &str) {
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.open(&vitrine.url(path)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_finds_out_why_a_request_failed() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let folders = Folders::new();
    let mut command = folders.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    let vitrine = Vitrine::spawn(command, folders);
    assert_eq!(vitrine.get("/drill/panic").status, 500);
    log_in(&page, &vitrine, "/admin").await;

    // Once it was sampled the chart of errors has a step with a value, which leads to its lines.
    const SPIKE: &str = "const table = document.querySelector('#table-errors'); if (!table) return '';
        const row = [...table.querySelectorAll('tbody tr')].find((row) => /[1-9]/.test(row.querySelector('td').textContent));
        return row ? row.querySelector('a').getAttribute('href') : '';";
    let lines = page.open_until(&vitrine.url("/admin"), SPIKE, |found| found != "").await;
    let lines = lines.as_str().unwrap();
    assert!(lines.starts_with("/admin/logs?level=error&from="), "{lines}");
    page.open(&vitrine.url(lines)).await;
    page.text_until("#log-lines", |text| text.contains("/drill/panic")).await;
    page.element("#chart-lines[data-chart]").await;

    // By the keyboard to the request, whose line opens.
    let focused =
        "return document.activeElement.closest('#log-lines li') ? document.activeElement.textContent : '';";
    let mut text = String::new();
    for _ in 0..10 {
        page.press("j").await;
        text = page.run(focused).await.as_str().unwrap_or_default().to_string();
        if text.contains("GET /drill/panic") {
            break;
        }
    }
    assert!(text.contains("500"), "{text}");
    page.press("\u{e007}").await;
    page.text_until("#log-lines details[open] dl", |text| text.contains("http_response_status_code")).await;
    page.click("#log-lines details[open] a[href^='/admin/traces/']").await;

    page.text_until("h1", |text| text.starts_with("GET")).await;
    let spans = page.text("section.waterfall").await;
    assert!(spans.contains("failed") && spans.contains("respond"), "{spans}");
    page.click("main a[href^='/admin/logs?']").await;
    // All lines of the request: what it answered, and what the worker said when it panicked.
    page.text_until("#log-lines", |text| text.contains("/drill/panic") && text.contains("a drill")).await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_in_until_the_owner_pauses_them() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    log_in(&page, &vitrine, "/admin/logs").await;
    page.text_until("#live", |text| text.starts_with("live")).await;

    vitrine.get("/comes-in");
    page.text_until("#log-lines", |text| text.contains("/comes-in")).await;
    page.press("p").await;
    let pressed = "return document.querySelector('#tail-pause').getAttribute('aria-pressed');";
    page.run_until(pressed, |pressed| pressed == "true").await;
    vitrine.get("/waits");
    page.text_until("#tail-waiting", |text| text.starts_with("new lines: ")).await;
    assert!(!page.text("#log-lines ol").await.contains("/waits"));
    page.click("#tail-pause").await;
    page.text_until("#log-lines", |text| text.contains("/waits")).await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_lines_are_a_few_dozen_in_the_document() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let values: Vec<String> =
        (0..3_000_u128).map(|n| format!(r#"["{}","line {n:04}"]"#, now - n * 1_000_000)).collect();
    let body = format!(r#"{{"streams":[{{"stream":{{"job":"many"}},"values":[{}]}}]}}"#, values.join(","));
    let headers = [("content-type", "application/json"), ("authorization", &*crate::harness::basic_auth())];
    assert_eq!(vitrine.send("POST", "/loki/api/v1/push", &headers, body.as_bytes()).status, 204);
    log_in(&page, &vitrine, "/admin/logs?job=many").await;
    page.text_until("#log-lines", |text| text.contains("line 0000")).await;
    let end = "scrollTo(0, document.body.scrollHeight);
        const all = [...document.querySelectorAll('#log-lines li')];
        return [all.length, all.length ? all[all.length - 1].textContent : ''];";
    let at_end = page.run_until(end, |seen| seen[1].as_str().unwrap_or_default().contains("line 2999")).await;
    assert!(at_end[0].as_u64().unwrap() < 100, "{at_end}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

/// Hands the list lines as the stream does.
async fn come(page: &Page, rows: &serde_json::Value) {
    let event = json!({ "rows": rows, "left": 0 }).to_string();
    page.run(&format!("admin.on.lines({{ data: {} }});", json!(event))).await;
}

fn row(at_ns: u128, text: &str) -> serde_json::Value {
    json!({ "t": at_ns.to_string(), "l": "info", "b": text, "s": [["job", "made-up"]], "f": [] })
}

fn now_ns() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_takes_no_line_away_that_is_read() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    log_in(&page, &vitrine, "/admin/logs?job=made-up").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    come(&page, &json!([row(now_ns(), "before the gap")])).await;
    page.text_until("#log-lines", |text| text.contains("before the gap")).await;
    page.press("p").await;
    page.text_until("#live", |text| text == "paused").await;

    page.run("admin.on.begin({ data: JSON.stringify({ gap: true }) });").await;
    come(&page, &json!([row(now_ns(), "behind the gap")])).await;
    page.text_until("#tail-waiting", |text| text == "new lines: 1").await;
    // A frame later, in which the list is drawn.
    let drawn = "const done = arguments[arguments.length - 1];
        requestAnimationFrame(() => requestAnimationFrame(() => done(document.querySelector('#log-lines').innerText)));";
    let shown = page.0.execute_async(drawn, Vec::new()).await.unwrap();
    assert!(shown.as_str().unwrap().contains("before the gap"), "{shown}");

    page.press("p").await;
    let text = page.text_until("#log-lines ol", |text| text.contains("behind the gap")).await;
    assert!(!text.contains("before the gap"), "what lies between is not known: {text}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lines_are_left_out_before_they_fill_the_memory() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    log_in(&page, &vitrine, "/admin/logs?job=made-up").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    page.press("p").await;
    page.text_until("#live", |text| text == "paused").await;
    // Twenty of a mebibyte each, of which sixteen fit.
    let come = |from: u32, to: u32| {
        format!(
            "for (let n = {from}; n < {to}; n++) {{
                const row = {{ t: String(1e18 + n * 1e6), l: 'info', b: n + 'x'.repeat((1 << 20) - 2), s: [], f: [] }};
                admin.on.lines({{ data: JSON.stringify({{ rows: [row], left: 0 }}) }});
            }}"
        )
    };
    page.run(&come(10, 30)).await;
    page.text_until("#tail-waiting", |text| text == "new lines: 16").await;
    page.text_until("#tail-left-out", |text| text.ends_with(": 4")).await;
    page.press("p").await;
    let newest = "return document.querySelector('#log-lines li .body').textContent.slice(0, 2);";
    page.run_until(newest, |newest| newest == "29").await;
    // Those that come now take the room of the oldest.
    page.run(&come(30, 34)).await;
    page.run_until(newest, |newest| newest == "33").await;
    let at_end = "scrollTo(0, document.body.scrollHeight);
        const last = [...document.querySelectorAll('#log-lines li')].pop();
        return last ? [last.ariaPosInSet, last.querySelector('.body').textContent.slice(0, 2)] : null;";
    page.run_until(at_end, |last| *last == json!(["16", "18"])).await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bars_of_an_empty_log_begin_with_its_first_line() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    log_in(&page, &vitrine, "/admin/logs?job=late").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    page.text_until("#chart-lines", |text| text.contains("No line in this time.")).await;
    let body =
        format!(r#"{{"streams":[{{"stream":{{"job":"late"}},"values":[["{}","the first"]]}}]}}"#, now_ns());
    let headers = [("content-type", "application/json"), ("authorization", &*crate::harness::basic_auth())];
    assert_eq!(vitrine.send("POST", "/loki/api/v1/push", &headers, body.as_bytes()).status, 204);
    page.text_until("#log-lines", |text| text.contains("the first")).await;
    page.element("#chart-lines[data-chart] .moving canvas").await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_say_their_day_where_it_is_not_this_one() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    log_in(&page, &vitrine, "/admin/logs?job=made-up&range=24h").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    come(&page, &json!([row(now_ns(), "new"), row(now_ns() - 86_400_000_000_000, "old")])).await;
    let stamps = "return [...document.querySelectorAll('#log-lines summary time')].map((time) =>
        time.textContent.replace(/[0-9]/g, '9'));";
    page.run_until(stamps, |stamps| *stamps == json!(["99:99:99", "99-99 99:99:99"])).await;
    page.click("#log-lines li:last-child summary").await;
    let first = "const first = document.querySelector('#log-lines details[open] dl > *');
        return first ? first.textContent + ' ' + first.nextSibling.textContent.replace(/[0-9]/g, '9') : '';";
    page.run_until(first, |first| first == "time 9999-99-99 99:99:99.999").await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
