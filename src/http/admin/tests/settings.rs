//! How everything is set, and who did what.

use super::*;

const PLACE: &str = "/admin/settings";

#[actix_web::test]
async fn settings_are_shown_with_who_set_them() {
    let case = case();
    let (cookie, _) = case.enter().await;
    for query in ["", "?only=changed", "?only=nonsense", "?only=%FF&only=changed"] {
        let page = case.get(&format!("{PLACE}{query}"), &cookie).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("store.logs.max_age") && page.text.contains("60d"), "{}", page.text);
        assert!(page.text.contains("VITRINE_STORE_LOGS_MAX_AGE"));
    }
}

#[actix_web::test]
async fn a_reload_by_the_button_says_on_its_page_how_it_ended() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let fields = [("csrf", csrf.as_str()), ("place", PLACE)];
    for (outcome, expect) in [
        (Err("cv.yaml:3:5: a tab cannot indent\nand more".to_string()), "The reload was refused"),
        (Ok("reloaded: showing cv.yaml".to_string()), "are in force"),
    ] {
        let text = outcome.clone().unwrap_or_else(|cause| cause);
        case.reloads.lock().unwrap().push(outcome);
        let answer = case.submit("/admin/api/v1/reload", &cookie, &fields).await;
        assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, PLACE));
        let page = case.get(PLACE, &cookie).await.text;
        assert!(page.contains(expect), "{page}");
        for line in text.lines() {
            assert!(page.contains(line), "{line}");
        }
        assert!(!case.get(PLACE, &cookie).await.text.contains(expect), "it is said once");
    }
}

#[actix_web::test]
async fn a_log_level_by_the_form_says_what_comes_back_later() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let fields =
        |level: &'static str| [("csrf", csrf.clone()), ("place", PLACE.into()), ("level", level.into())];
    for (level, expect) in [("loud", "no level: loud"), ("debug", "What is logged is now by debug")] {
        let fields = fields(level);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = case.submit("/admin/api/v1/log-level", &cookie, &fields).await;
        assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, PLACE));
        let page = case.get(PLACE, &cookie).await.text;
        assert!(page.contains(expect), "{page}");
    }
    let page = case.get(PLACE, &cookie).await.text;
    assert!(page.contains("brings back what is configured: <code>info</code>"), "{page}");
}

#[actix_web::test]
async fn a_place_to_come_back_to_is_never_elsewhere() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    for place in ["https://evil.example/", "//evil.example", "/p/secret"] {
        case.reloads.lock().unwrap().push(Ok("done".into()));
        let fields = [("csrf", csrf.as_str()), ("place", place)];
        let answer = case.submit("/admin/api/v1/reload", &cookie, &fields).await;
        assert_eq!(answer.header(LOCATION), "/admin", "{place}");
    }
}

#[actix_web::test]
async fn deeds_are_read_from_the_store() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    assert!(case.get("/admin/settings/audit", &cookie).await.text.contains("Nothing in the last 30 days."));
    case.post("/admin/links/nothing/revoke", &cookie, &csrf).await;
    let written = case.written.lock().unwrap().clone();
    written.into_iter().for_each(|record| case.store.record(record));
    // The machine's own audit log, which is followed.
    case.store.record(LogRecord {
        at: UnixNanos(NOW_MS * 1_000_000),
        severity: Severity::Warn,
        stream: crate::record::Labels::new([("job", "audit"), ("service_name", "audit")]),
        metadata: Vec::new(),
        body: "type=USER_LOGIN res=failed".into(),
    });
    let page = case.get("/admin/settings/audit", &cookie).await.text;
    assert!(page.contains("Login") && page.contains("Private link revoked"), "{page}");
    assert!(page.contains("there is no such link") && !page.contains("USER_LOGIN"));
    let refused = case.get("/admin/settings/audit?only=refused", &cookie).await.text;
    assert!(refused.contains("there is no such link") && !refused.contains("logged in with"), "{refused}");
}

#[actix_web::test]
async fn grafana_is_told_the_address_that_the_browser_came_to_and_a_token_once() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let place = "/admin/settings/grafana";
    let page = async |host: &str, proto: &str| {
        let req = test::TestRequest::get().uri(place).peer_addr("127.0.0.1:1".parse().unwrap());
        let req = req.insert_header(("Host", host)).insert_header(("X-Forwarded-Proto", proto));
        case.send(req.insert_header(("Cookie", cookie.as_str()))).await.text
    };
    assert!(page("cv.example.com", "https").await.contains("url: https://cv.example.com\n"));
    assert!(page("[::1]:2727", "http").await.contains("url: http://[::1]:2727\n"));
    assert!(!page("a\"b: c", "http").await.contains("a\"b"));
    let fields = [("csrf", csrf.as_str()), ("place", place), ("name", "grafana"), ("scope", "read")];
    let made = case.submit("/admin/settings/access/tokens", &cookie, &fields).await;
    assert_eq!(made.header(LOCATION), place);
    let filled = page("cv.example.com", "https").await;
    let secret = filled.split("basicAuthPassword: ").nth(1).unwrap().split_whitespace().next().unwrap();
    let bearer = format!("Bearer {secret}");
    let req = test::TestRequest::get().uri("/admin/api/v1/workers").insert_header((AUTHORIZATION, bearer));
    assert_eq!(case.send(req).await.status, StatusCode::OK);
    let again = page("cv.example.com", "https").await;
    assert!(!again.contains(secret) && again.contains(r#"value="grafana 2""#), "{again}");
}

#[actix_web::test]
async fn every_kind_of_deed_has_words() {
    use crate::pages::admin::{AuditLine, AuditView, Frame, Lang};
    for event in audit::Event::ALL {
        let line = AuditLine { event: event.name().into(), ..AuditLine::default() };
        let view = AuditView { lines: vec![line], ..AuditView::default() };
        for lang in Lang::ALL {
            let page = crate::pages::admin::audit(&Frame { lang, ..Frame::default() }, &view).into_string();
            assert!(!page.contains(event.name()), "{} has no words", event.name());
        }
    }
}
