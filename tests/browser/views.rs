//! Every view: accessible by axe-core, as wide as the window, without a complaint of the
//! browser; with its weight and its first paint printed.
//!
//! `VITRINE_AXE` names axe-core's `axe.min.js`; without it the rules of axe are skipped,
//! unless `VITRINE_REQUIRE` names `axe`.

use super::driver::{DESK, PHONE, Page, Viewer, browser, is_required};
use crate::harness::{Folders, Vitrine, wait_until};
use serde_json::Value;

/// The addresses of all views, and one of none.
const VIEWS: &[&str] = &[
    "/admin",
    "/admin/visitors",
    "/admin/visitors?range=365d",
    "/admin/logs",
    "/admin/traces",
    "/admin/metrics",
    "/admin/metrics?q=process_memory_usage_bytes+or+{__name__=~\"vitrine_.%2B\"}",
    "/admin/metrics?q=sum(rate(",
    "/admin/metrics/cardinality?label=job",
    "/admin/store",
    "/admin/workers",
    "/admin/links",
    "/admin/cv",
    "/admin/cv/edit?file=cv.yaml",
    "/admin/cv/versions",
    "/admin/releases",
    "/admin/settings",
    "/admin/settings/access",
    "/admin/settings/audit",
    "/admin/settings/grafana",
    "/admin/nothing",
    "/status",
];

/// Styles and scripts, packed: what a first visit loads beside the page itself.
const ASSETS_MAX_BYTES: u64 = 60_000;

fn axe() -> Option<String> {
    let Some(path) = std::env::var_os("VITRINE_AXE") else {
        assert!(!is_required("axe"), "VITRINE_REQUIRE names axe, but VITRINE_AXE is not set");
        println!("skipped: the rules of axe-core, VITRINE_AXE names no axe.min.js");
        return None;
    };
    Some(std::fs::read_to_string(path).unwrap())
}

/// Returns what axe-core finds wrong with the page that is open.
async fn violations(page: &Page, axe: &str) -> Vec<String> {
    const FOUND: &str = "const done = arguments[arguments.length - 1];
        axe.run(document).then((found) => done(found.violations.map((rule) =>
            rule.id + ': ' + rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(' | '))));";
    page.run(axe).await;
    let found = page.0.execute_async(FOUND, Vec::new()).await.unwrap();
    found.as_array().unwrap().iter().map(|rule| rule.as_str().unwrap().to_string()).collect()
}

/// Reads a value of an attribute, the first one that begins so.
fn attribute(html: &str, name: &str, begin: &str) -> Option<String> {
    let rest = html.split_once(&format!("{name}=\"{begin}"))?.1;
    Some(format!("{begin}{}", rest.split('"').next()?).replace("&amp;", "&"))
}

/// The addresses that nobody knows before: a trace, a line among its neighbours, a version of the CV.
fn found(vitrine: &Vitrine) -> Vec<String> {
    let editor = vitrine.admin_page("/admin/cv/edit?file=cv.yaml").text();
    let field = |name: &str| attribute(&editor, &format!("name=\"{name}\" value"), "").unwrap();
    let (csrf, seen) = (field("csrf"), field("seen"));
    let form = [("csrf", &*csrf), ("file", "cv.yaml"), ("seen", &*seen), ("text", "basics:\n  name: Bob\n")];
    assert_eq!(vitrine.post_as_admin("/admin/cv/draft/publish", &form).status, 303);
    [
        ("/admin/traces", "/admin/traces/"),
        ("/admin/logs", "/admin/logs?around="),
        ("/admin/cv/versions", "/admin/cv/versions/"),
    ]
    .map(|(list, begin)| wait_until(begin, || attribute(&vitrine.admin_page(list).text(), "href", begin)))
    .into()
}

async fn check(viewer: Viewer) {
    const MEASURE: &str = "const [page] = performance.getEntriesByType('navigation');
        const paint = performance.getEntriesByName('first-contentful-paint')[0];
        const parts = performance.getEntriesByType('resource').filter((part) => part.name.includes('/assets/'));
        return [page.decodedBodySize, parts.reduce((sum, part) => sum + part.encodedBodySize, 0),
            paint ? paint.startTime : 0, document.documentElement.scrollWidth, innerWidth];";
    let Some((_driver, page)) = browser(viewer).await else { return };
    let (folders, axe) = (Folders::new(), axe());
    let mut command = folders.serve();
    command.env("VITRINE_HTTP_STATUS_PAGE", "true");
    command.env("VITRINE_TELEMETRY_SAMPLE_INTERVAL", "1s");
    let vitrine = Vitrine::spawn(command, folders);
    page.open(&vitrine.url("/admin/login")).await;
    let mut faults = Vec::new();
    if let Some(axe) = &axe {
        faults.extend(violations(&page, axe).await.into_iter().map(|rule| format!("login: {rule}")));
    }
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    vitrine.get("/");
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0";
    for path in ["/?via=acme", "/cv.txt"] {
        vitrine.request("GET", path, &[("user-agent", firefox), ("referer", "https://example.com/")]);
    }
    // Charts are looked at with something in them, and with what is behind.
    let n_drawn = "return document.querySelectorAll('.moving canvas').length;";
    page.open_until(&vitrine.url("/admin"), n_drawn, |n| n.as_u64() >= Some(5)).await;
    let found = found(&vitrine);
    for view in VIEWS.iter().copied().chain(found.iter().map(String::as_str)) {
        page.open(&vitrine.url(view)).await;
        page.element("h1").await;
        let measured = page.run_until(MEASURE, |value| value[2].as_f64() > Some(0.0)).await;
        let number = |idx: usize| measured[idx].as_f64().unwrap_or_default();
        let (html, assets, paint, wide, window) = (number(0), number(1), number(2), number(3), number(4));
        println!(
            "{view} ({viewer:?}): page {:.1} kB, assets {:.1} kB, first paint after {paint:.0} ms",
            html / 1e3,
            assets / 1e3
        );
        if wide > window {
            faults.push(format!("{view} is {wide} wide in a window of {window}"));
        }
        if assets > ASSETS_MAX_BYTES as f64 {
            faults.push(format!("{view} loads {assets} bytes of assets"));
        }
        let lang = page.run("return document.documentElement.lang").await;
        assert_eq!(lang, Value::from(viewer.lang), "{view}");
        if let Some(axe) = &axe {
            faults.extend(violations(&page, axe).await.into_iter().map(|rule| format!("{view}: {rule}")));
        }
        let complaints = page.complaints().await.into_iter();
        // The address that is not there answers 404, as it should.
        let complaints = complaints.filter(|text| !(view == "/admin/nothing" && text.contains("404")));
        faults.extend(complaints.map(|text| format!("{view}: {text}")));
    }
    page.0.close().await.unwrap();
    assert!(faults.is_empty(), "{viewer:?}: {faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_is_accessible_on_a_phone_in_english() {
    check(Viewer { lang: "en", is_dark: false, size: PHONE, ..Viewer::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_is_accessible_at_a_desk_in_russian_and_dark() {
    check(Viewer { lang: "ru", is_dark: true, size: DESK, ..Viewer::default() }).await;
}
