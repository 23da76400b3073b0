//! The log and the traces under a hand: from a spike to the request behind it, lines that come in.

use std::time::Duration;

use super::driver::{DESK, Page, Viewer, browser};
use crate::harness::{Folders, Vitrine};

/// Opens a page of the admin, logged in.
async fn log_in(page: &Page, vitrine: &Vitrine, path: &str) {
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.open(&vitrine.url(path)).await;
}

/// Clicks what a script may put in its place anew.
async fn click(page: &Page, css: &str) {
    page.element(css).await;
    page.run_until(
        &format!(
            "const it = document.querySelector({css:?}); if (!it) return false; it.click(); return true;"
        ),
        |is_there| is_there.as_bool() == Some(true),
    )
    .await;
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
    let mut pause = tokio::time::interval(Duration::from_millis(500));
    let lines = loop {
        pause.tick().await;
        page.open(&vitrine.url("/admin")).await;
        let found = page.run(SPIKE).await.as_str().unwrap_or_default().to_string();
        if !found.is_empty() {
            break found;
        }
    };
    assert!(lines.starts_with("/admin/logs?level=error&from="), "{lines}");
    page.open(&vitrine.url(&lines)).await;
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
    click(&page, "#log-lines details[open] a[href^='/admin/traces/']").await;

    page.text_until("h1", |text| text.starts_with("GET")).await;
    let spans = page.text("section.waterfall").await;
    assert!(spans.contains("failed") && spans.contains("respond"), "{spans}");
    click(&page, "main a[href^='/admin/logs?']").await;
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
    click(&page, "#tail-pause").await;
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
