//! The keys: to each view, through the time, whatever the keyboard's layout.

use serde_json::{Value, json};

use super::driver::{DESK, Page, Viewer, browser};
use crate::harness::{Folders, Vitrine};

const ESCAPE: &str = "\u{e00c}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";

const PLACE: &str = "return location.pathname + location.search;";

async fn enter(page: &Page, vitrine: &Vitrine, place: &str) {
    page.open(&vitrine.url("/admin/login")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.open(&vitrine.url(place)).await;
}

/// Waits until the page is another one, with its scripts.
async fn arrives(page: &Page, is_wanted: impl Fn(&str) -> bool) {
    page.run_until(PLACE, |place| place.as_str().is_some_and(&is_wanted)).await;
    page.run_until("return document.readyState", |state| state == "complete").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_is_a_key_away() {
    const VIEWS: [(&str, &str); 10] = [
        ("v", "/admin/visitors"),
        ("l", "/admin/logs"),
        ("m", "/admin/metrics"),
        ("t", "/admin/traces"),
        ("w", "/admin/workers"),
        ("c", "/admin/cv"),
        ("s", "/admin/store"),
        ("r", "/admin/releases"),
        ("e", "/admin/settings"),
        ("o", "/admin"),
    ];
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin").await;
    for (key, view) in VIEWS {
        page.press("g").await;
        page.press(key).await;
        arrives(&page, |place| place == view).await;
    }
    let is_open = "return document.querySelector('#keys').open;";
    page.press("?").await;
    page.run_until(is_open, |open| *open == true).await;
    page.press(ESCAPE).await;
    page.run_until(is_open, |open| *open == false).await;
    page.press("]").await;
    arrives(&page, |place| place == "/admin?range=6h").await;
    page.press("[").await;
    arrives(&page, |place| place == "/admin").await;
    page.press("g").await;
    page.press("l").await;
    arrives(&page, |place| place == "/admin/logs").await;
    page.press("/").await;
    page.run_until("return document.activeElement.id", |id| id == "search").await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

/// The keys that are listed on this page.
const LISTED: &str = "document.querySelector('#keys-open').click();
    const all = [...document.querySelectorAll('#keys dt')].filter((key) => key.offsetParent);
    document.querySelector('#keys').close();
    return all.map((key) => key.textContent).filter((key) => !key.startsWith('g '));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_keys_that_do_something_are_listed() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin/releases").await;
    assert_eq!(page.run(LISTED).await, json!(["?", "Esc"]));
    page.open(&vitrine.url("/admin/traces")).await;
    assert_eq!(page.run(LISTED).await, json!(["?", "/", "[ ]", "← →", "0", "Esc"]));
    vitrine.get("/a-line");
    page.open(&vitrine.url("/admin/logs")).await;
    page.text_until("#log-lines", |text| text.contains("/a-line")).await;
    let listed = page.run(LISTED).await;
    for key in ["/", "[ ]", "p", "j k", "Enter"] {
        assert!(listed.as_array().unwrap().contains(&Value::from(key)), "{key} is not in {listed}");
    }
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_lead_through_the_time_and_show_tables() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let folders = Folders::new();
    let mut command = folders.serve();
    command.env("VITRINE_TELEMETRY_SAMPLE_INTERVAL", "1s");
    let vitrine = Vitrine::spawn(command, folders);
    enter(&page, &vitrine, "/admin").await;
    let n_drawn = "return document.querySelectorAll('.moving canvas').length;";
    page.open_until(&vitrine.url("/admin"), n_drawn, |n| n.as_u64() >= Some(2)).await;
    let opened = "const all = [...document.querySelectorAll('figure.chart details')];
        return [all.some((table) => table.open), all.every((table) => table.open)];";
    page.press("x").await;
    assert_eq!(page.run(opened).await, json!([true, true]));
    page.press("x").await;
    assert_eq!(page.run(opened).await, json!([false, false]));

    const BOUNDS: &str =
        "const { from, to } = document.querySelector('nav.ranges').dataset; return [from, to].map(Number);";
    const HALF_MS: u64 = 30 * 60_000;
    let bounds = async || {
        let bounds = page.run(BOUNDS).await;
        (bounds[0].as_u64().unwrap(), bounds[1].as_u64().unwrap())
    };
    let now = bounds().await;
    page.press(LEFT).await;
    arrives(&page, |place| place.starts_with("/admin?from=")).await;
    let earlier = bounds().await;
    assert_eq!(earlier, (now.0 - HALF_MS, now.1 - HALF_MS));
    page.press(LEFT).await;
    let moved_to = |from: u64| move |place: &str| place.contains(&format!("from={from}&"));
    arrives(&page, moved_to(earlier.0 - HALF_MS)).await;
    page.press(RIGHT).await;
    arrives(&page, moved_to(earlier.0)).await;
    page.press("0").await;
    arrives(&page, |place| place == "/admin").await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_another_layout_are_the_keys_they_stand_on() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start();
    enter(&page, &vitrine, "/admin").await;
    let meant = "return [['п', 'KeyG'], ['Д', 'KeyL'], ['х', 'BracketLeft'], ['ъ', 'BracketRight'],
            ['.', 'Slash'], ['g', 'KeyI'], ['ü', 'BracketLeft'], ['-', 'Slash'], ['0', 'Digit0'],
            ['ArrowLeft', 'ArrowLeft']]
        .map(([key, code]) => admin.keyOf({ key, code, shiftKey: false }));";
    let expect = json!(["g", "l", "[", "]", "/", "g", "ü", "-", "0", "ArrowLeft"]);
    assert_eq!(page.run(meant).await, expect);
    let press = "for (const [key, code] of [['п', 'KeyG'], ['д', 'KeyL']]) {
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, cancelable: true }));
        }";
    page.run(press).await;
    arrives(&page, |place| place == "/admin/logs").await;
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
