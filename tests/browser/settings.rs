//! What an owner changes: a worker, a token, the log level.

use super::driver::{DESK, PHONE, Page, Viewer, browser};
use crate::harness::Vitrine;

async fn enter(page: &Page, vitrine: &Vitrine, place: &str) {
    page.open(&vitrine.url("/admin/login")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.open(&vitrine.url(place)).await;
}

async fn click(page: &Page, css: &str) {
    page.element(css).await.click().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_drained_and_comes_back_on_a_phone() {
    let Some((_driver, page)) = browser(Viewer { size: PHONE, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin/workers").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    click(&page, "#drain-1 > summary").await;
    // What was opened stays so when the stream brings the part anew.
    vitrine.get("/");
    page.run_until("return document.querySelector('#live').textContent", |text| text != "").await;
    click(&page, "#drain-1 button").await;
    page.text_until("#notice", |text| text.contains("Worker 1 is drained")).await;
    page.text_until("#workers", |text| text.contains("stopped")).await;
    click(&page, "#enable-1 > summary").await;
    click(&page, "#enable-1 button").await;
    page.text_until("#notice", |text| text.contains("Worker 1 takes requests again.")).await;
    page.text_until("#workers", |text| !text.contains("stopped") && text.contains("ready")).await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_used_and_revoked() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin/settings/access").await;
    page.element("#token-name").await.send_keys("grafana").await.unwrap();
    click(&page, "form[action='/admin/settings/access/tokens'] button").await;
    let secret = page.text("#made-token code").await;
    let bearer = format!("Bearer {secret}");
    let ask = || vitrine.request("GET", "/api/v1/labels", &[("authorization", &bearer)]).status;
    assert_eq!(ask(), 200);
    page.open(&vitrine.url("/admin/settings/access")).await;
    assert!(!page.text("main").await.contains(&secret), "it is shown once");
    click(&page, "details[id^='revoke-'] > summary").await;
    click(&page, "details[id^='revoke-'] button").await;
    page.text_until("#notice", |text| text.contains("The token grafana is revoked.")).await;
    assert_eq!(ask(), 401);
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_is_changed_and_a_reload_brings_it_back() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin/settings").await;
    let field = page.element("#log-level").await;
    field.clear().await.unwrap();
    field.send_keys("loud").await.unwrap();
    click(&page, "form[action='/admin/api/v1/log-level'] button").await;
    page.text_until("#notice", |text| text.contains("\"loud\" is no level")).await;
    let field = page.element("#log-level").await;
    field.clear().await.unwrap();
    field.send_keys("debug").await.unwrap();
    click(&page, "form[action='/admin/api/v1/log-level'] button").await;
    page.text_until("main", |text| text.contains("brings back what is configured: info")).await;
    click(&page, "form[action='/admin/api/v1/reload'] button").await;
    page.text_until("#notice", |text| text.contains("are in force")).await;
    page.text_until("main", |text| text.contains("As configured: info")).await;
    page.open(&vitrine.url("/admin/settings/audit")).await;
    let log = page.text_until("main table", |text| text.contains("Reload") && text.contains("Login")).await;
    assert!(log.contains("set the log level to debug"), "{log}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
