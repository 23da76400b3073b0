//! The overview under a hand: the crosshair, a closer look, the lines behind a moment; and what
//! comes by itself, or does not.

use std::time::Duration;

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction, TouchActions};
use serde_json::Value;

use super::driver::{DESK, Page, Viewer, browser};
use crate::harness::{Folders, Vitrine};

/// Starts a server that samples often, so that charts have lines soon.
fn start() -> Vitrine {
    let folders = Folders::new();
    let mut command = folders.serve();
    command.env("VITRINE_TELEMETRY_SAMPLE_INTERVAL", "1s");
    Vitrine::spawn(command, folders)
}

/// Opens the overview and waits until the charts can be pointed at.
async fn with_charts(page: &Page, vitrine: &Vitrine) {
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    reopened(page, vitrine).await;
}

/// Opens the overview again and again until its charts have lines.
async fn reopened(page: &Page, vitrine: &Vitrine) {
    page.open_until(&vitrine.url("/admin"), N_POINTS, |n| n.as_u64() >= Some(2)).await;
}

/// How many values the chart of the processors has, once it can be pointed at.
const N_POINTS: &str = "const chart = document.querySelector('#chart-cpu');
    if (!chart || !chart.querySelector('.moving canvas')) return 0;
    return JSON.parse(chart.dataset.chart).lines[0].values.filter((value) => value !== null).length;";

/// Returns where a share of the width of a chart lies in the window.
async fn place(page: &Page, share: f64) -> (f64, f64) {
    let script = format!(
        "const over = document.querySelector('#chart-cpu .u-over'); over.scrollIntoView({{ block: 'center' }});
         const box = over.getBoundingClientRect();
         return [box.left + box.width * {share}, box.top + box.height / 2];"
    );
    let at = page.run(&script).await;
    let number = |idx: usize| at[idx].as_f64().unwrap().round();
    (number(0), number(1))
}

fn to(at: (f64, f64)) -> PointerAction {
    PointerAction::MoveTo { duration: Some(Duration::from_millis(50)), x: at.0, y: at.1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charts_are_pointed_at_looked_at_closer_and_lead_to_their_lines() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = start();
    with_charts(&page, &vitrine).await;

    // One crosshair for all of them.
    let at = place(&page, 0.5).await;
    let point = MouseActions::new("mouse".into()).then(to(at));
    page.0.perform_actions(point).await.unwrap();
    let crosses = "return [...document.querySelectorAll('.u-cursor-x')].filter((cross) =>
        getComputedStyle(cross).transform !== 'none' && !cross.classList.contains('u-off')).length;";
    page.run_until(crosses, |n| n.as_u64() >= Some(3)).await;
    // Each says the moment, for which there was room: nothing moves.
    let heights =
        "return [...document.querySelectorAll('figcaption')].map((caption) => caption.offsetHeight);";
    let said = "return [...document.querySelectorAll('.pointed')].map((room) => room.textContent.replace(/[0-9]/g, '9'));";
    let moments = |said: &Value| {
        let said = said.as_array().unwrap();
        said.len() >= 3 && said.iter().all(|moment| moment == "99:99:99")
    };
    page.run_until(said, moments).await;
    let pointed_at = page.run(heights).await;
    page.0.perform_actions(MouseActions::new("mouse".into()).then(to((5.0, 5.0)))).await.unwrap();
    page.run_until(said, |said| said.as_array().unwrap().iter().all(|moment| moment == "")).await;
    assert_eq!(page.run(heights).await, pointed_at);

    // The newest moment, and the lines behind it. Numbers that arrive just then take the crosshair
    // away, as they do under a person's hand, who clicks again.
    let place_now = "return location.pathname + location.search;";
    let mut lines = String::new();
    for _ in 0..20 {
        let at = place(&page, 0.95).await;
        let click = MouseActions::new("mouse".into())
            .then(to((at.0 - 5.0, at.1)))
            .then(to(at))
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Pause { duration: Duration::from_millis(500) });
        page.0.perform_actions(click).await.unwrap();
        lines = page.run(place_now).await.as_str().unwrap_or_default().to_string();
        if lines.starts_with("/admin/logs?") {
            break;
        }
    }
    assert!(lines.contains("from=") && lines.contains("&to="), "{lines}");

    // A stretch of it, which is an address.
    reopened(&page, &vitrine).await;
    let (from, until) = (place(&page, 0.2).await, place(&page, 0.8).await);
    let drag = MouseActions::new("mouse".into())
        .then(to(from))
        .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
        .then(to(until))
        .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    page.0.perform_actions(drag).await.unwrap();
    let closer = page.run_until(place_now, |place| place.as_str().unwrap().contains("?from=")).await;
    assert!(closer.as_str().unwrap().starts_with("/admin?from="), "{closer}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finger_is_offered_the_lines_and_a_closer_look() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = start();
    with_charts(&page, &vitrine).await;
    let ways = "return [...document.querySelectorAll('#chart-cpu .behind a')].map((link) =>
        [link.textContent.replace(/[0-9]/g, '9'), link.getAttribute('href').replace(/[0-9]+/g, '9')]);";
    let expect = serde_json::json!([
        ["Lines of 99:99:99–99:99:99", "/admin/logs?from=9&to=9"],
        ["A closer look", "/admin?from=9&to=9"]
    ]);
    // Numbers that arrive just then take the crosshair away.
    let mut found = Value::Null;
    for _ in 0..20 {
        let tap = TouchActions::new("finger".into())
            .then(to(place(&page, 0.5).await))
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Pause { duration: Duration::from_millis(300) });
        page.0.perform_actions(tap).await.unwrap();
        found = page.run(ways).await;
        if found == expect {
            break;
        }
    }
    assert_eq!(found, expect);
    // Five steps on each side of the one that was pointed at.
    let n_steps = "const figure = document.querySelector('#chart-cpu');
        const place = new URL(figure.querySelector('.behind a:last-child').href).searchParams;
        return (place.get('to') - place.get('from')) / JSON.parse(figure.dataset.chart).step;";
    let n_steps = page.run(n_steps).await.as_f64().unwrap();
    assert!((6.0..=11.0).contains(&n_steps), "{n_steps}");
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_comes_anew_under_the_focus_and_keeps_it() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = start();
    with_charts(&page, &vitrine).await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    page.run(
        "document.querySelector('#tiles a').focus(); document.querySelector('#tiles').dataset.old = '1';",
    )
    .await;
    let is_new = "return !document.querySelector('#tiles').dataset.old;";
    page.run_until(is_new, |is_new| *is_new == true).await;
    let focused = "const focused = document.activeElement;
        return [Boolean(focused.closest('#tiles')), focused.getAttribute('href')];";
    assert_eq!(page.run(focused).await, serde_json::json!([true, "/admin/visitors"]));

    // What was opened stays so.
    let swapped = "const markup = '<div id=banners><details id=said><summary>a</summary>b</details></div>';
        swap('banners', markup);
        const old = document.querySelector('#said');
        old.open = true;
        old.querySelector('summary').focus();
        swap('banners', markup);
        const fresh = document.querySelector('#said');
        return [fresh !== old, fresh.open, document.activeElement === fresh.querySelector('summary')];";
    assert_eq!(page.run(swapped).await, serde_json::json!([true, true, true]));
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_stands_still_while_it_is_paused() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = start();
    with_charts(&page, &vitrine).await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    page.press("p").await;
    page.text_until("#live", |text| text == "paused").await;
    page.run("document.querySelector('#tiles').dataset.old = '1';").await;
    // A connection that broke meanwhile says so, and that it is paused when it is back.
    page.run("source.onerror();").await;
    page.text_until("#live", |text| text == "not live, trying again").await;
    page.text_until("#live", |text| text == "paused").await;
    page.run_until("return waiting.has('tiles');", |waits| *waits == true).await;
    assert_eq!(page.run("return document.querySelector('#tiles').dataset.old;").await, "1");

    page.press("p").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    assert!(page.run("return document.querySelector('#tiles').dataset.old;").await.is_null());
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_nobody_sees_hears_nothing_until_it_is_seen_again() {
    let Some((_driver, page)) = browser(Viewer::default()).await else { return };
    let vitrine = Vitrine::start();
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    // A browser without a screen hides no page, so this one is told that it is hidden.
    let hide = "window.streams = [source];
        window.EventSource = class extends EventSource {
            constructor(place) { super(place); streams.push(this); }
        };
        window.isHidden = false;
        Object.defineProperty(document, 'hidden', { get: () => isHidden });
        window.turn = (is) => { isHidden = is; document.dispatchEvent(new Event('visibilitychange')); };
        turn(true);
        return streams.map((stream) => stream.readyState);";
    const CLOSED: u64 = 2;
    assert_eq!(page.run(hide).await, serde_json::json!([CLOSED]));
    let states = "return streams.map((stream) => stream.readyState);";
    page.run("document.querySelector('#live').textContent = ''; turn(false);").await;
    page.text_until("#live", |text| text.starts_with("live")).await;
    assert_eq!(page.run(states).await, serde_json::json!([CLOSED, 1]));
    assert!(page.complaints().await.is_empty());
    page.0.close().await.unwrap();
}
