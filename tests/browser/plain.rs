//! The pages of a browser that runs no script: complete all the same.

use fantoccini::Locator;

use super::driver::{DESK, Page, Viewer, browser};
use crate::harness::{Folders, Vitrine, wait_until};

async fn count(page: &Page, css: &str) -> usize {
    page.0.find_all(Locator::Css(css)).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charts_and_lines_are_there_without_a_script() {
    let viewer = Viewer { size: DESK, has_scripts: false, ..Viewer::default() };
    let Some((_driver, page)) = browser(viewer).await else { return };
    let folders = Folders::new();
    let mut command = folders.serve();
    command.env("VITRINE_TELEMETRY_SAMPLE_INTERVAL", "1s");
    let vitrine = Vitrine::spawn(command, folders);
    vitrine.get("/a-line");
    // Two samples make a line of a chart, and the request is in the log.
    wait_until("a chart", || {
        vitrine
            .admin_page("/admin")
            .text()
            .contains("<figure class=\"chart\" id=\"chart-cpu\" data-chart")
            .then_some(())
    });
    wait_until("a line", || vitrine.admin_page("/admin/logs").text().contains("/a-line").then_some(()));

    page.open(&vitrine.url("/admin/login")).await;
    page.log_in(vitrine.admin_password()).await;
    assert!(page.text("#live").await.starts_with("as of "), "a script ran");
    assert!(!page.element("#keys-open").await.is_displayed().await.unwrap(), "a script ran");
    assert_eq!(count(&page, ".moving").await, 0);
    assert!(page.element("#chart-cpu svg.lines path.line").await.is_displayed().await.unwrap());
    page.element("#table-cpu > summary").await.click().await.unwrap();
    assert!(page.text("#table-cpu tbody").await.contains('%'));

    page.open(&vitrine.url("/admin/logs")).await;
    assert!(page.element("#chart-lines svg.lines path.fill[d^=M]").await.is_displayed().await.unwrap());
    assert!(page.text("#log-lines").await.contains("/a-line"));
    page.element("#log-lines li summary").await.click().await.unwrap();
    assert!(page.text("#log-lines details[open] dl").await.contains("service_name"));
    page.element("#search").await.send_keys("a-line\u{e007}").await.unwrap();
    page.text_until("#log-lines", |text| text.contains("/a-line")).await;
    assert!(page.0.current_url().await.unwrap().query().unwrap().contains("q=a-line"));
    page.0.close().await.unwrap();
}
