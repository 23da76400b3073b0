//! What an owner changes: a worker, a token, the log level.

use super::driver::{DESK, PHONE, Page, Viewer, browser};
use crate::harness::Vitrine;

async fn enter(page: &Page, vitrine: &Vitrine, place: &str) {
    page.open(&vitrine.url("/admin/login")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.open(&vitrine.url(place)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_drained_and_comes_back_on_a_phone() {
    let Some((_driver, page)) = browser(Viewer { size: PHONE, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin/workers").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    page.click("#drain-1 > summary").await;
    // Who decides is not interrupted: what another one changed meanwhile waits until they are done.
    let workers = vitrine.admin_page("/admin/workers").text();
    let csrf =
        workers.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let form = [("csrf", csrf), ("place", "/admin/workers")];
    assert_eq!(vitrine.post_as_admin("/admin/api/v1/workers/0/drain", &form).status, 200);
    page.run_until("return waiting.has('worker-commands');", |waits| *waits == true).await;
    assert_eq!(page.run("return document.querySelector('#drain-1').open;").await, true);
    page.click("#drain-1 button").await;
    page.text_until("#notice", |text| text.contains("Worker 1 is drained")).await;
    page.text_until("#workers", |text| text.contains("stopped")).await;
    assert_eq!(vitrine.post_as_admin("/admin/api/v1/workers/0/enable", &form).status, 200);
    page.click("#enable-1 > summary").await;
    page.click("#enable-1 button").await;
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
    page.click("form[action='/admin/settings/access/tokens'] button").await;
    let secret = page.text("#made-token code").await;
    let bearer = format!("Bearer {secret}");
    let ask = || vitrine.request("GET", "/api/v1/labels", &[("authorization", &bearer)]).status;
    assert_eq!(ask(), 200);
    page.open(&vitrine.url("/admin/settings/access")).await;
    assert!(!page.text("main").await.contains(&secret), "it is shown once");
    page.click("details[id^='revoke-'] > summary").await;
    page.click("details[id^='revoke-'] button").await;
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
    page.click("form[action='/admin/api/v1/log-level'] button").await;
    page.text_until("#notice", |text| text.contains("\"loud\" is no level")).await;
    let field = page.element("#log-level").await;
    field.clear().await.unwrap();
    field.send_keys("debug").await.unwrap();
    page.click("form[action='/admin/api/v1/log-level'] button").await;
    page.text_until("main", |text| text.contains("brings back what is configured: info")).await;
    page.click("form[action='/admin/api/v1/reload'] button").await;
    page.text_until("#notice", |text| text.contains("are in force")).await;
    page.text_until("main", |text| text.contains("As configured: info")).await;
    page.open(&vitrine.url("/admin/settings/audit")).await;
    let log = page.text_until("main table", |text| text.contains("Reload") && text.contains("Login")).await;
    assert!(log.contains("set the log level to debug"), "{log}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_says_that_it_is_at_work_and_is_not_pressed_twice() {
    let Some((_driver, page)) = browser(Viewer { lang: "ru", ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin/settings").await;
    // The last to hear of it, which keeps the page where it is.
    page.run(
        "window.sent = 0; addEventListener('submit', (event) => {
            if (!event.defaultPrevented) sent += 1;
            event.preventDefault();
        });",
    )
    .await;
    let button = "form[action='/admin/api/v1/reload'] button";
    let state = format!(
        "const button = document.querySelector({button:?});
         return [button.getAttribute('aria-busy'), button.textContent, sent];"
    );
    let before = page.run(&state).await[1].clone();
    page.click(button).await;
    page.click(button).await;
    assert_eq!(page.run(&state).await, serde_json::json!(["true", "Выполняется…", 1]));
    // The way back shows the page as it was left.
    page.run("dispatchEvent(new Event('pageshow'));").await;
    assert_eq!(page.run(&state).await, serde_json::json!([null, before, 1]));

    // What only looks is left alone.
    page.open(&vitrine.url("/admin/logs")).await;
    page.run("addEventListener('submit', (event) => event.preventDefault());").await;
    page.click("#filter button").await;
    assert_eq!(page.run("return document.querySelectorAll('[aria-busy]').length;").await, 0);
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
