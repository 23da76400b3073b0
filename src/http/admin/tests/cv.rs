//! The CV: its page, the editor, previews and versions.

use super::*;
use crate::pages::admin::cv::{Bar, BarReason};

const EDITOR: &str = "/admin/cv/edit?file=cv.yaml";

/// Something that would be markup if it were not text.
const HOSTILE: &str = "basics: {name: '</textarea><script>alert(1)</script><img src=x onerror=alert(1)>'}\n";

/// Reads a hidden field of a page.
fn field(page: &str, name: &str) -> String {
    let value = page.split(&format!(r#"name="{name}" value=""#)).nth(1).unwrap().split('"').next().unwrap();
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

impl Case {
    async fn draft(&self, what: &str, session: &(String, String), seen: &str, text: &str) -> Answer {
        let fields = [("file", "cv.yaml"), ("seen", seen), ("text", text)];
        self.send_form(&format!("/admin/cv/draft/{what}"), session, &fields).await
    }

    /// Opens the editor and publishes another text.
    async fn publish(&self, session: &(String, String), text: &str) -> Answer {
        let page = self.get(EDITOR, &session.0).await.text;
        self.draft("publish", session, &field(&page, "seen"), text).await
    }

    fn text(&self) -> String {
        self.editor.texts.lock().unwrap()["cv.yaml"].clone()
    }
}

#[actix_web::test]
async fn nothing_is_changed_without_a_session_and_its_token() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let paths = ["draft/check", "draft/preview", "draft/publish", "reload", "versions/v1/restore"];
    for path in paths.map(|path| format!("/admin/cv/{path}")) {
        assert_eq!(case.post(&path, "", "").await.header(LOCATION), LOST, "{path}");
        assert_eq!(case.post(&path, &cookie, "guess").await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let req =
        test::TestRequest::post().uri("/admin/cv/draft/check").insert_header(("Accept", "application/json"));
    assert_eq!(case.send(req).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(case.text(), "basics: {name: Ada}\n");
}

#[actix_web::test]
async fn a_text_that_nobody_may_publish_any_more_comes_back() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let fields = |csrf| [("csrf", csrf), ("file", "cv.yaml"), ("text", "basics: {name: <b>}"), ("seen", "x")];
    for path in ["/admin/cv/draft/publish", "/admin/cv/draft/preview"] {
        let lost = case.submit(path, "vitrine_admin=ended", &fields(&csrf)).await;
        assert_eq!(lost.status, StatusCode::UNAUTHORIZED);
        assert!(lost.text.contains("basics: {name: &lt;b&gt;}</textarea>"), "{}", lost.text);
        assert!(lost.text.contains("/admin/login?to=%2Fadmin%2Fcv%2Fedit%3Ffile%3Dcv.yaml"), "{}", lost.text);

        let stale = case.submit(path, &cookie, &fields("of an earlier login")).await;
        assert_eq!(stale.status, StatusCode::FORBIDDEN);
        assert!(stale.text.contains("basics: {name: &lt;b&gt;}"), "{}", stale.text);
        assert!(
            stale.text.contains("page of an earlier login") && stale.text.contains(&csrf),
            "{}",
            stale.text
        );

        let req = test::TestRequest::post().uri(path).insert_header(("Cookie", cookie.clone()));
        let req = req.insert_header(("Sec-Fetch-Site", "cross-site")).set_form(fields(&csrf));
        let strange = case.send(req).await;
        assert_eq!(strange.status, StatusCode::FORBIDDEN);
        assert!(!strange.text.contains("basics:"), "nobody's text is shown for them: {}", strange.text);
    }
    assert_eq!(case.text(), "basics: {name: Ada}\n");
}

#[actix_web::test]
async fn a_text_is_published_and_brought_back() {
    let case = case();
    let session = case.enter().await;
    let published = case.publish(&session, "basics: {name: Bob}\r\n").await;
    assert_eq!((published.status, published.header(LOCATION)), (StatusCode::SEE_OTHER, EDITOR));
    let page = case.get(EDITOR, &session.0).await.text;
    assert!(page.contains("visitors see cv.yaml as it is now") && page.contains("Bob"), "{page}");
    assert!(!case.get(EDITOR, &session.0).await.text.contains("visitors see cv.yaml"), "it is said once");
    let version = case.get("/admin/cv/versions/v1", &session.0).await.text;
    assert!(version.contains("<del>− basics: {name: Bob}</del>"), "{version}");
    assert!(version.contains("<ins>+ basics: {name: Ada}</ins>"), "{version}");
    let restored = case.send_form("/admin/cv/versions/v1/restore", &session, &[]).await;
    assert_eq!((restored.status, restored.header(LOCATION)), (StatusCode::SEE_OTHER, EDITOR));
    assert_eq!(case.text(), "basics: {name: Ada}\n");
    let audited = case.audited(audit::Event::CvPublished);
    assert!(audited.len() == 1 && audited[0].1.contains("publish cv.yaml"), "{audited:?}");
    assert_eq!(case.audited(audit::Event::CvRestored).len(), 1);
}

#[actix_web::test]
async fn a_broken_text_comes_back_with_its_problems_and_is_not_written() {
    let case = case();
    let session = case.enter().await;
    let broken = "basics:\n  name: [Ada\nwork: 1\n";
    let refused = case.publish(&session, broken).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in ["the text has errors", "cv.yaml:3:", "name: [Ada\nwork: 1"] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    assert_eq!(case.text(), "basics: {name: Ada}\n");
    let checked = case.draft("check", &session, "", broken).await;
    assert_eq!(checked.status, StatusCode::OK);
    assert!(checked.text.contains("cv.yaml:3:") && checked.text.contains("data-changed"));
}

#[actix_web::test]
async fn the_script_is_told_lines_and_hints() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let ask = async |text: &str| {
        let req = test::TestRequest::post().uri("/admin/cv/draft/check").insert_header(("Cookie", &*cookie));
        let fields = [("csrf", &*csrf), ("file", "cv.yaml"), ("seen", ""), ("text", text)];
        let answer = case.send(req.insert_header(("Accept", "application/json")).set_form(fields)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        serde_json::from_str::<serde_json::Value>(&answer.text).unwrap()
    };
    let answer = ask("basics: {name: Ada}\nwork:\n  - startDate: soon\n").await;
    let problem = &answer["problems"][0];
    assert_eq!((&problem["line"], &problem["error"]), (&3.into(), &false.into()), "{answer}");
    assert!(problem["hint"].as_str().unwrap().contains("YYYY"), "{answer}");
    assert_eq!(answer["found"], "No errors, 1 warning.");
    assert_eq!(ask("basics: {name: Ada}").await["problems"], serde_json::json!([]));
}

#[actix_web::test]
async fn who_was_overtaken_gets_both_texts_and_decides() {
    let case = case();
    let session = case.enter().await;
    let seen = field(&case.get(EDITOR, &session.0).await.text, "seen");
    case.publish(&session, "basics: {name: Bob}\n").await;
    let conflict = case.draft("publish", &session, &seen, "basics: {name: Eve}\r\n").await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    assert_eq!(case.text(), "basics: {name: Bob}\n");
    for part in
        ["the file was changed", "<del>− basics: {name: Bob}</del>", "<ins>+ basics: {name: Eve}</ins>"]
    {
        assert!(conflict.text.contains(part), "{part}: {}", conflict.text);
    }
    // What the form carries now is what was seen beside it.
    let seen = field(&conflict.text, "seen");
    let published = case.draft("publish", &session, &seen, "basics: {name: Eve}\n").await;
    assert_eq!(published.status, StatusCode::SEE_OTHER);
    assert_eq!(case.text(), "basics: {name: Eve}\n");
}

#[actix_web::test]
async fn a_refused_reload_says_why_and_keeps_what_was_typed() {
    let case = case();
    let session = case.enter().await;
    *case.editor.refusal.lock().unwrap() = Some(vec!["`http.threads` cannot change".into()]);
    let refused = case.publish(&session, "basics: {name: Bob}").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("`http.threads` cannot change") && refused.text.contains("name: Bob"));
    let audited = case.audited(audit::Event::CvPublished);
    assert!(audited[0].1.contains("cannot change"), "{audited:?}");
}

#[actix_web::test]
async fn a_reload_by_the_button_says_how_it_ended() {
    let case = case();
    let session = case.enter().await;
    case.reloads.lock().unwrap().extend([Err("cv.yaml:3:1: <odd>".into()), Ok("reloaded: all".into())]);
    for expect in ["reloaded: all", "cv.yaml:3:1: &lt;odd&gt;"] {
        let done = case.send_form("/admin/cv/reload", &session, &[]).await;
        assert_eq!((done.status, done.header(LOCATION)), (StatusCode::SEE_OTHER, "/admin/cv"));
        assert!(case.get("/admin/cv", &session.0).await.text.contains(expect), "{expect}");
    }
    assert_eq!(case.audited(audit::Event::Reload).len(), 2);
}

#[actix_web::test]
async fn markup_in_a_text_stays_text() {
    let case = case();
    let session = case.enter().await;
    assert_eq!(case.publish(&session, HOSTILE).await.status, StatusCode::SEE_OTHER);
    assert_eq!(case.publish(&session, "basics: {name: Bob}\n").await.status, StatusCode::SEE_OTHER);
    let seen = field(&case.get(EDITOR, &session.0).await.text, "seen");
    let pages = [
        case.draft("check", &session, &seen, &format!("{HOSTILE}{HOSTILE}")).await.text,
        case.draft("publish", &session, "overtaken", HOSTILE).await.text,
        case.get("/admin/cv/versions/v2", &session.0).await.text,
        case.get(&format!("{EDITOR}&version=v2"), &session.0).await.text,
        case.get("/admin/cv/edit?file=%3Cscript%3Ealert(1)", &session.0).await.text
            + &case.get("/admin/cv", &session.0).await.text,
    ];
    for (idx, page) in pages.iter().enumerate() {
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{idx}: {page}");
        assert!(page.contains("&lt;script&gt;alert"), "{idx}: {page}");
    }
}

#[actix_web::test]
async fn a_preview_is_shown_to_its_session_alone() {
    let case = case();
    let (session, other) = (case.enter().await, case.enter().await);
    let made = case.draft("preview", &session, "", "basics: {name: Bob, phone: '+1 555 0100'}").await;
    assert_eq!((made.status, made.header(LOCATION)), (StatusCode::SEE_OTHER, "/admin/cv/preview/"));
    let page = case.get("/admin/cv/preview/", &session.0).await;
    assert!(page.text.contains("Bob") && !page.text.contains("555"), "{}", page.text);
    assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
    let style = case.get("/admin/cv/preview/style.css", &session.0).await;
    assert_eq!((style.status, style.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
    assert_eq!(case.get("/admin/cv/preview/nothing", &session.0).await.status, StatusCode::NOT_FOUND);
    assert_eq!(case.get("/admin/cv/preview/", &other.0).await.header(LOCATION), "/admin/cv");
    let broken = case.draft("preview", &session, "", "basics: [").await;
    assert_eq!(broken.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(broken.text.contains("cv.yaml:"), "{}", broken.text);
}

#[actix_web::test]
async fn a_large_text_passes_and_a_larger_one_is_refused_by_name() {
    let case = case();
    let session = case.enter().await;
    // Each letter is six bytes of a form.
    let large = format!("basics: {{name: Ada}}\n# {}\n", "я".repeat(editor::TEXT_MAX_BYTES / 2 - 100));
    assert_eq!(case.publish(&session, &large).await.status, StatusCode::SEE_OTHER);
    let refused = case.draft("publish", &session, "x", &"a".repeat(editor::TEXT_MAX_BYTES + 1)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.text.contains("larger than 1 MB") && refused.text.contains("aaaaaaaa"));
    let (cookie, csrf) = &session;
    let body =
        format!("csrf={csrf}&file=cv.yaml&text={}", "a".repeat(crate::http::admin::cv::FORM_MAX_BYTES));
    let req =
        test::TestRequest::post().uri("/admin/cv/draft/publish").insert_header(("Cookie", cookie.as_str()));
    let req = req.insert_header(("Content-Type", "application/x-www-form-urlencoded")).set_payload(body);
    let answer = case.send(req).await;
    assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, "/admin/cv"));
    assert!(case.get("/admin/cv", cookie).await.text.contains("larger than 1 MB"));
}

#[actix_web::test]
async fn where_nothing_may_be_written_the_page_says_what_changes_that() {
    let case = case();
    let session = case.enter().await;
    let remedy = vec!["sudo chown -R vitrine: /etc/vitrine/site".to_string()];
    *case.editor.bar.lock().unwrap() =
        Some(Bar { reason: BarReason::NoPermission { user: "vitrine".into() }, remedy });
    for uri in [EDITOR, "/admin/cv"] {
        let page = case.get(uri, &session.0).await.text;
        assert!(page.contains("may not write") && page.contains("sudo chown -R vitrine:"), "{page}");
    }
    let page = case.get(EDITOR, &session.0).await.text;
    assert!(page.contains("readonly") && !page.contains(r#"id="publish""#), "{page}");
    let refused = case.publish(&session, "basics: {name: Bob}").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("name: Bob"), "what was typed is gone");
    assert_eq!(case.text(), "basics: {name: Ada}\n");
}
