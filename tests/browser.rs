//! The admin page in a real browser, as its owner uses it.
//!
//! It needs Debian's `chromium` and `chromium-driver`. Where they are missing it says
//! that it skips, unless `VITRINE_REQUIRE` names `chromium`: then that is a failure.

mod cv;
mod driver;
mod keys;
mod logs;
mod metrics;
mod overview;
mod plain;
mod settings;
mod views;
mod visitors;

pub use driver::{CHROMIUM_FLAGS, program};
use driver::{Viewer, browser};

use crate::harness::Vitrine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_logs_in_sees_a_request_and_logs_out() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();

    page.open(&vitrine.url("/")).await;
    assert!(!page.text("h1").await.is_empty(), "the CV has a heading");

    page.open(&vitrine.url("/admin")).await;
    page.log_in("not the password").await;
    let notice = page.text("#notice").await;
    assert_eq!(notice, "That is not the password. Please try again.");

    page.log_in(vitrine.admin_password()).await;
    page.text_until("#verdict", |text| text.contains("ready")).await;
    page.text_until("#live", |text| text.starts_with("live")).await;

    // The page is live now: what follows must arrive without another load.
    let path = format!("/nothing-{:08x}", rand::random::<u32>());
    assert_eq!(vitrine.get(&path).status, 404);
    let n_counted = |text: &str| {
        let words = text.lines().skip_while(|line| *line != "Answered").nth(1);
        words.and_then(|number| number.replace(',', "").parse::<u64>().ok()).unwrap_or(0)
    };
    // The CV, its parts and the path that is not there.
    page.text_until("#tiles", |text| n_counted(text) >= 2).await;

    // Its line, by the address alone, as a browser without a script loads it.
    page.open(&vitrine.url(&format!("/admin/logs?q={}", path.trim_start_matches('/')))).await;
    page.text_until("#log-lines", |text| text.contains(&path)).await;

    page.element("header.top form[action='/admin/logout'] button").await.click().await.unwrap();
    assert_eq!(page.text("#notice").await, "You are logged out.");
    page.open(&vitrine.url("/admin")).await;
    page.element("#password").await;

    page.0.close().await.unwrap();
}
