//! The CV under a hand: a slip that is seen while it is typed, an edit by the keyboard alone,
//! and the way back.

use std::fs;

use super::driver::{DESK, Viewer, browser};
use crate::harness::{Folders, Vitrine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cv_is_edited_and_taken_back() {
    let Some((_driver, page)) = browser(Viewer { size: DESK, ..Viewer::default() }).await else { return };
    let vitrine = Vitrine::start_on(Folders::with_cv("basics:\n  name: Ada\n"));
    let on_disk = || fs::read_to_string(vitrine.dir().site().join("cv.yaml")).unwrap();
    page.open(&vitrine.url("/admin/cv")).await;
    page.log_in(vitrine.admin_password()).await;
    page.element("#live").await;
    page.open(&vitrine.url("/admin/cv")).await;
    page.element("main a[href='/admin/cv/edit?file=cv.yaml']").await.click().await.unwrap();

    // While it is typed: the place, the mark beside the line, and the way there.
    page.text_until("#found", |text| text == "No errors and no warnings.").await;
    let text = page.element("#text").await;
    text.send_keys("\u{e009}\u{e010}\u{e000}work:\n  - name: [x\n").await.unwrap();
    page.text_until("#found", |text| text == "1 error: the text cannot be published.").await;
    page.text_until("#problems", |text| text.contains("cv.yaml:5:1")).await;
    let numbers = page.run("return document.getElementById('numbers').textContent").await;
    assert_eq!(numbers, " 1\n 2\n 3\n 4\n✖5");
    page.element("#problems .place").await.click().await.unwrap();
    let focused = page.run("return document.activeElement.id").await;
    assert_eq!(focused, "text");
    // Tab leaves the field, as it does everywhere.
    page.press("\u{e004}").await;
    assert_eq!(page.run("return document.activeElement.id").await, "publish");
    // Whoever leaves is asked first.
    let asks = "const leaving = new Event('beforeunload', { cancelable: true });
        dispatchEvent(leaving); return leaving.defaultPrevented;";
    assert_eq!(page.run(asks).await, true);

    let mend = "const text = document.getElementById('text');
        text.value = 'basics:\\n  name: Bob\\n'; text.dispatchEvent(new Event('input')); text.focus();";
    page.run(mend).await;
    page.text_until("#found", |text| text == "No errors and no warnings.").await;
    assert_eq!(on_disk(), "basics:\n  name: Ada\n", "nothing is written by typing");
    // Ctrl+S.
    page.element("#text").await.send_keys("\u{e009}s\u{e000}").await.unwrap();
    page.text_until("#notice", |text| text == "Published: visitors see cv.yaml as it is now.").await;
    assert_eq!(on_disk(), "basics:\n  name: Bob\n");
    assert!(vitrine.get("/").text().contains("Bob"));
    assert_eq!(page.run(asks).await, false, "nothing is left to be lost");

    page.open(&vitrine.url("/admin/cv/versions")).await;
    page.element("main form button").await.click().await.unwrap();
    page.text_until("#notice", |text| text.starts_with("Published:")).await;
    assert_eq!(on_disk(), "basics:\n  name: Ada\n");
    assert!(vitrine.get("/").text().contains("Ada"));
    assert_eq!(page.complaints().await, [] as [String; 0]);
    page.0.close().await.unwrap();
}
