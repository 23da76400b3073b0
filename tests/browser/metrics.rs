//! Metrics by PromQL under a hand: words are offered, a fault is marked, an answer is drawn,
//! and what it took is found again in the store's view.

use fantoccini::Locator;
use serde_json::Value;

use super::driver::{DESK, Page, Viewer, browser};
use crate::harness::Vitrine;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Types into the box for the query.
async fn type_keys(page: &Page, keys: &str) {
    page.element("#search").await.send_keys(keys).await.unwrap();
}

/// Waits until the first offer is as wanted.
async fn offered(page: &Page, expect: &str) {
    const FIRST: &str = "const row = document.querySelector('#offers:not([hidden]) [role=option] b');
        return row ? row.textContent : '';";
    page.run_until(FIRST, |first| first == expect).await;
}

const WRITTEN: &str = "return document.querySelector('#search').value;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_written_with_what_is_offered_and_answered() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    page.open(&vitrine.url("/admin/login")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    // What is worth asking is known once the first sample is there.
    let place = vitrine.url("/admin/metrics");
    let n_examples = "return document.querySelectorAll('.examples a').length";
    page.open_until(&place, n_examples, |n| n.as_u64() > Some(3)).await;

    // Tab takes the first offer.
    type_keys(&page, "sum by (wor").await;
    offered(&page, "worker_id").await;
    type_keys(&page, TAB).await;
    type_keys(&page, ") (vitrine_worker_in_f").await;
    offered(&page, "vitrine_worker_in_flight").await;
    type_keys(&page, TAB).await;
    type_keys(&page, "{jo").await;
    offered(&page, "job").await;
    type_keys(&page, TAB).await;
    offered(&page, "vitrine").await;
    type_keys(&page, TAB).await;
    assert_eq!(page.run(WRITTEN).await, "sum by (worker_id) (vitrine_worker_in_flight{job=\"vitrine\"");

    // What is wrong is marked as one types, and is no longer when it is right.
    type_keys(&page, "])").await;
    page.text_until("#ask-fault", |text| text.contains("unexpected character inside braces: ']'")).await;
    let marked = page.run("return document.querySelector('.behind-text mark').textContent").await;
    assert!(
        marked.as_str().unwrap().starts_with(']') || marked.as_str().unwrap().starts_with(')'),
        "{marked}"
    );
    type_keys(&page, "\u{e003}\u{e003}}").await;
    type_keys(&page, ")").await;
    page.run_until("return document.querySelector('#ask-fault').textContent", |text| text == "").await;
    type_keys(&page, ENTER).await;
    let address = "return location.pathname + decodeURIComponent(location.search).replaceAll('+', ' ')";
    let expect = "/admin/metrics?q=sum by (worker_id) (vitrine_worker_in_flight{job=\"vitrine\"})";
    page.run_until(address, |place| place == expect).await;
    let facts = page.text_until(".facts", |text| !text.is_empty()).await;
    assert!(facts.contains("series, ") && facts.contains("samples read, took "), "{facts}");
    assert!(page.0.find_all(Locator::Css("table.answer tbody tr")).await.unwrap().len() >= 3);
    page.run_until("return Boolean(document.querySelector('#chart-answer'))", |is_there| {
        *is_there == Value::Bool(true)
    })
    .await;

    // The keyboard has a way out, and the view leads on.
    type_keys(&page, " an").await;
    offered(&page, "and").await;
    type_keys(&page, ESCAPE).await;
    page.run_until("return document.querySelector('#offers').hidden", |hidden| *hidden == Value::Bool(true))
        .await;
    page.open(&vitrine.url("/admin/metrics/cardinality")).await;
    page.element("a[href*='match=vitrine_worker_in_flight'], table.counts a").await.click().await.unwrap();
    page.element(".conditions code").await;
    page.open(&vitrine.url("/admin/store")).await;
    page.text_until("#verdict", |text| text.contains("Nothing was dropped in the last day.")).await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
