//! The releases: what is shown of them, and the way back.

use super::*;
use crate::pages::admin::releases::{AskedView, AttemptView, EventView, ReleaseView};

const PLACE: &str = "/admin/releases";

fn shelf(bar: Option<RollBackBar>) -> ReleasesView {
    let release = |id: &str| ReleaseView { id: id.into(), version: "9.9.9".into(), ..ReleaseView::default() };
    ReleasesView {
        root: "/opt/vitrine".into(),
        running: "second".into(),
        releases: vec![
            ReleaseView { is_running: true, is_current: true, ..release("second") },
            ReleaseView { bad: Some("it <b>crashed</b>".into()), is_good: true, ..release("first") },
        ],
        history: vec![EventView {
            action: "deploy".into(),
            release: "second".into(),
            outcome: "ok".into(),
            seconds: 2.5,
            ..EventView::default()
        }],
        command: "sudo vitrine release rollback".into(),
        bar,
        ..ReleasesView::default()
    }
}

#[actix_web::test]
async fn a_roll_back_is_confirmed_begun_and_written_down() {
    let case = case();
    let session = case.enter().await;
    *case.shelf.view.lock().unwrap() = shelf(None);
    let page = case.get(PLACE, &session.0).await.text;
    assert!(page.contains("Roll back to first") && !page.contains("Roll back to second"), "{page}");
    assert!(page.contains("it &lt;b&gt;crashed&lt;/b&gt;") && page.contains("2.5\u{a0}s"), "{page}");
    let begun = case.send_form("/admin/releases/rollback", &session, &[("release", "first")]).await;
    assert_eq!((begun.status, begun.header(LOCATION)), (StatusCode::SEE_OTHER, PLACE));
    assert_eq!(*case.shelf.rolled_back.lock().unwrap(), ["first"]);
    assert!(case.audited(audit::Event::RollBack)[0].1.contains("roll back to release first"));
    assert!(case.get(PLACE, &session.0).await.text.contains("The roll-back to first is begun."));
}

#[actix_web::test]
async fn a_roll_back_needs_a_session_and_its_token() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let path = "/admin/releases/rollback";
    assert_eq!(case.post(path, "", "").await.header(LOCATION), LOST);
    assert_eq!(case.post(path, &cookie, "guess").await.status, StatusCode::FORBIDDEN);
    assert_eq!(case.shelf.rolled_back.lock().unwrap().len(), 0);
}

#[actix_web::test]
async fn who_may_not_is_told_the_command() {
    let case = case();
    let session = case.enter().await;
    *case.shelf.view.lock().unwrap() = shelf(Some(RollBackBar::NoPermission));
    let page = case.get(PLACE, &session.0).await.text;
    assert!(page.contains("sudo vitrine release rollback ID") && !page.contains("Roll back to"), "{page}");
    case.send_form("/admin/releases/rollback", &session, &[("release", "first")]).await;
    assert!(case.get(PLACE, &session.0).await.text.contains("may not change the releases"));
    assert_eq!(case.shelf.rolled_back.lock().unwrap().len(), 0);
}

#[actix_web::test]
async fn the_page_looks_again_while_a_roll_back_is_at_work() {
    let case = case();
    let session = case.enter().await;
    let at = UnixNanos(NOW_MS * 1_000_000);
    let asked = |outcome| Some(AskedView { release: "first".into(), at, outcome });
    *case.shelf.view.lock().unwrap() = ReleasesView { asked: asked(None), ..shelf(None) };
    let page = case.get(PLACE, &session.0).await;
    assert_eq!(page.header("refresh"), "2");
    assert!(page.text.contains("is at work") && !page.text.contains("Roll back to first"), "{}", page.text);
    let failed = asked(Some(Err("vitrine: it does not prove itself any more".into())));
    *case.shelf.view.lock().unwrap() = ReleasesView { asked: failed, ..shelf(None) };
    let page = case.get(PLACE, &session.0).await;
    assert_eq!(page.header("refresh"), "");
    assert!(page.text.contains("it does not prove itself any more"), "{}", page.text);
}

#[actix_web::test]
async fn what_was_begun_and_not_ended_is_told() {
    let case = case();
    let session = case.enter().await;
    let unfinished =
        Some(AttemptView { action: "deploy".into(), release: "third".into(), at: Some(UnixNanos(0)) });
    *case.shelf.view.lock().unwrap() = ReleasesView { unfinished, ..shelf(None) };
    let page = case.get(PLACE, &session.0).await.text;
    assert!(page.contains("<code>third</code>: begun and not ended."), "{page}");
}

#[actix_web::test]
async fn an_empty_shelf_says_how_to_ship_the_first() {
    let case = case();
    let session = case.enter().await;
    let page = case.get(PLACE, &session.0).await.text;
    assert!(page.contains("vitrine release deploy FILE"), "{page}");
}
