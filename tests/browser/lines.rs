//! The lines and the traces in a real browser: from a spike to its cause, and as they come in.

use fantoccini::Locator;

use super::driver::{DESK, PATIENCE, Page, Viewer, browser};
use crate::harness::{Folders, Vitrine};

impl Page {
    /// Follows what a link leads to; links that the script moves about are looked for again.
    async fn follow(&self, css: &str) {
        self.element(css).await.click().await.unwrap();
    }
}

/// A person's path: the chart of errors has a spike; which requests were they, and where did the
/// time of one go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_finds_out_why_a_request_failed() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    let vitrine = Vitrine::spawn(command, dir);
    assert_eq!(vitrine.get("/drill/panic").status, 500);
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;

    // The chart has a step with an error once it was sampled; each has a link to its lines.
    let begun = std::time::Instant::now();
    while page.0.find(Locator::Css("#chart-errors[data-chart]")).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "no error is on the chart");
        page.open(&vitrine.url("/admin")).await;
        page.text_until("#live", |text| text.starts_with("live")).await;
    }
    page.follow("#table-errors summary").await;
    page.follow("#table-errors tbody tr:has(td:not(:empty)) a").await;

    page.text_until("#log-lines", |text| text.contains("/drill/panic")).await;
    page.element("#chart-lines[data-chart]").await;
    // By the keyboard to the first line, which opens.
    page.element("body").await.send_keys("j").await.unwrap();
    page.element("#log-lines li summary:focus").await.send_keys(" ").await.unwrap();
    let known = page.text("#log-lines details[open] dl").await;
    assert!(known.contains("trace_id"), "{known}");
    page.follow("#log-lines details[open] a[href^='/admin/traces/']").await;
    page.text_until("h1", |text| text.starts_with("GET")).await;
    let spans = page.text("section.waterfall").await;
    assert!(spans.contains("failed"), "{spans}");
    page.follow("main a[href^='/admin/logs?']").await;
    page.text_until("#log-lines", |text| text.contains("/drill/panic")).await;

    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_in_until_the_owner_pauses_them() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.open(&vitrine.url("/admin/logs")).await;
    page.text_until("#live", |text| text.starts_with("live")).await;

    vitrine.get("/comes-in");
    page.text_until("#log-lines", |text| text.contains("/comes-in")).await;
    page.element("body").await.send_keys("p").await.unwrap();
    assert_eq!(
        page.element("#tail-pause").await.attr("aria-pressed").await.unwrap().as_deref(),
        Some("true")
    );
    vitrine.get("/waits");
    page.text_until("#tail-waiting", |text| text.ends_with(": 1")).await;
    assert!(!page.text("#log-lines ol").await.contains("/waits"));
    page.follow("#tail-pause").await;
    page.text_until("#log-lines", |text| text.contains("/waits")).await;

    page.0.close().await.unwrap();
}
