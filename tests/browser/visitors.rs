//! A job seeker's way: a link is made for one mail, somebody follows it, and that is seen.

use std::time::Duration;

use super::driver::{Page, Viewer, browser};
use crate::harness::Vitrine;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0";

/// Opens the page again until it says something.
async fn said(page: &Page, url: &str, text: &str) -> String {
    let mut pause = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..60 {
        pause.tick().await;
        page.open(url).await;
        let main = page.text("main").await;
        if main.contains(text) {
            return main;
        }
    }
    panic!("the page does not say {text:?}: {}", page.text("main").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_made_followed_and_forgotten() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    let url = vitrine.url("/admin/visitors");
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.press("g").await;
    page.press("v").await;
    page.text_until("#verdict", |text| text.contains("Nobody has read your CV yet.")).await;

    page.element("#label").await.send_keys("Acme, the recruiter's mail").await.unwrap();
    page.element(".new-link button").await.click().await.unwrap();
    let link = page.text_until("#links li a", |text| text.contains("/?via=")).await;
    assert_eq!(link, vitrine.url("/?via=acme-the-recruiter-s-mail"));

    let path = link.strip_prefix(&vitrine.url("")).unwrap();
    let visitor = [("user-agent", FIREFOX), ("x-forwarded-for", "198.51.100.77")];
    assert_eq!(vitrine.request("GET", path, &visitor).status, 200);
    assert_eq!(vitrine.request("GET", "/cv.txt", &visitor).status, 200);
    let text = said(&page, &url, "Today 1 so far. 1 is here now.").await;
    for words in ["Firefox", "cv.txt", "Linux", "1 person, 1 view"] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }

    // What a deletion does is said before it is done.
    page.element("#links details summary").await.click().await.unwrap();
    page.text_until("#links details", |text| text.contains("The link goes on working")).await;
    page.element("#links details button").await.click().await.unwrap();
    page.run_until("return document.querySelector('#links') === null", |gone| gone == true).await;
    let text = page.text("main").await;
    assert!(text.contains("via=acme-the-recruiter-s-mail: 1 person, 1 view"), "{text}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_gone_through_one_by_one() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    let url = vitrine.url("/admin/visitors?range=today");
    vitrine.request("GET", "/", &[("user-agent", FIREFOX)]);
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    let hint = "const over = document.querySelector('#chart-people .u-over'); return over ? over.title : '';";
    let hint = page.open_until(&url, hint, |hint| hint != "").await;
    assert_eq!(hint, "Click: the tables of this day. Drag: those of several days.");

    const DAY_MS: i64 = 86_400_000;
    const FIRST: &str = "return Number(document.querySelector('nav.ranges').dataset.from);";
    const ARROWS: [(&str, i64); 3] = [("\u{e012}", -1), ("\u{e012}", -2), ("\u{e014}", -1)];
    let today = page.run(FIRST).await.as_i64().unwrap();
    for (arrow, day) in ARROWS {
        page.press(arrow).await;
        page.run_until(FIRST, |first| first.as_i64() == Some(today + day * DAY_MS)).await;
        let days = "return document.querySelectorAll('.ranges .fixed time').length;";
        assert_eq!(page.run(days).await, 1);
    }
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
