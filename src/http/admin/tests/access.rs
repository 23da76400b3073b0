//! Who may enter, and how that is changed: sessions, tokens, the password.

use super::super::tokens::has_form;
use super::*;

const PLACE: &str = "/admin/settings/access";

impl Case {
    async fn form(&self, uri: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let req = test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie));
        self.send(req.set_form(fields)).await
    }

    /// Makes a token as the owner does, and reads it off the page.
    async fn make_token(&self, (cookie, csrf): &(String, String), name: &str, scope: &str) -> String {
        let fields = [("csrf", csrf.as_str()), ("name", name), ("scope", scope)];
        let made = self.form(&format!("{PLACE}/tokens"), cookie, &fields).await;
        assert_eq!((made.status, made.header(LOCATION)), (StatusCode::SEE_OTHER, PLACE));
        let page = self.get(PLACE, cookie).await.text;
        let secret = page.split(r#"<code class="secret">"#).nth(1).unwrap().split('<').next().unwrap();
        assert!(has_form(secret), "{secret}");
        secret.to_string()
    }

    async fn with(&self, method: &str, uri: &str, credential: &str) -> Answer {
        let req = test::TestRequest::default().method(method.parse().unwrap()).uri(uri);
        self.send(req.insert_header((AUTHORIZATION, credential))).await
    }
}

/// The number of the session that a page was shown to.
fn own_number(page: &str) -> String {
    let before = page.split("this one").next().unwrap();
    before.rsplit("session ").next().unwrap().split('<').next().unwrap().to_string()
}

#[actix_web::test]
async fn sessions_are_listed_with_their_logins_and_ended_by_number() {
    let case = case();
    let (laptop, csrf) = case.enter().await;
    let phone = test::TestRequest::post().uri("/admin/login").peer_addr("192.0.2.7:1".parse().unwrap());
    let phone = phone.insert_header(("User-Agent", "Mozilla/5.0 (Android 14; Mobile) Firefox/125.0"));
    let phone = case.send(phone.set_form([("password", PASSWORD)])).await.cookie();
    let number = own_number(&case.get(PLACE, &phone).await.text);
    let page = case.get(PLACE, &laptop).await.text;
    assert!(page.contains("Firefox, Android") && page.contains("192.0.2.7"), "{page}");
    for secret in [&phone, &laptop] {
        assert!(!page.contains(secret.split('=').nth(1).unwrap()));
    }
    let end = format!("{PLACE}/sessions/{number}/end");
    assert_eq!(case.post(&end, &laptop, "guess").await.status, StatusCode::FORBIDDEN);
    assert_eq!(case.get(PLACE, &phone).await.status, StatusCode::OK);
    assert_eq!(case.post(&end, &laptop, &csrf).await.header(LOCATION), PLACE);
    assert_eq!(case.get(PLACE, &phone).await.status, StatusCode::SEE_OTHER);
    assert!(case.get(PLACE, &laptop).await.text.contains(&format!("Session {number} has ended.")));
    case.post(&end, &laptop, &csrf).await;
    assert!(case.get(PLACE, &laptop).await.text.contains("There is no such session any more."));
    case.post(&format!("{PLACE}/sessions/nonsense/end"), &laptop, &csrf).await;
    assert!(case.get(PLACE, &laptop).await.text.contains("There is no such session any more."));
    assert_eq!(case.audited(audit::Event::SessionEnded)[0].1, format!("ended session {number}"));
}

#[actix_web::test]
async fn all_other_sessions_end_at_once_and_the_own_stays() {
    let case = case();
    let (own, csrf) = case.enter().await;
    let others = [case.enter().await.0, case.enter().await.0];
    case.post(&format!("{PLACE}/sessions/end-others"), &own, &csrf).await;
    for other in others {
        assert_eq!(case.get(PLACE, &other).await.status, StatusCode::SEE_OTHER);
    }
    assert!(case.get(PLACE, &own).await.text.contains("2 other sessions have ended."));
    assert_eq!(case.audited(audit::Event::SessionEnded)[0].1, "ended all other sessions, 2 of them");
}

#[actix_web::test]
async fn a_notice_is_shown_once_and_not_to_a_script_that_only_looks() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    case.post(&format!("{PLACE}/sessions/end-others"), &cookie, &csrf).await;
    assert_eq!(case.with_cookie("HEAD", "/admin", &cookie).await.status, StatusCode::OK);
    // Whatever page comes next shows it.
    assert!(case.get("/admin/workers", &cookie).await.text.contains("0 other sessions have ended."));
    assert!(!case.get(PLACE, &cookie).await.text.contains("have ended."));
}

impl Case {
    async fn with_cookie(&self, method: &str, uri: &str, cookie: &str) -> Answer {
        let req = test::TestRequest::default().method(method.parse().unwrap()).uri(uri);
        self.send(req.insert_header(("Cookie", cookie))).await
    }
}

#[actix_web::test]
async fn a_token_is_shown_once_and_opens_what_it_is_for() {
    let case = case();
    let own = case.enter().await;
    let secret = case.make_token(&own, "grafana", "read").await;
    let page = case.get(PLACE, &own.0).await.text;
    assert!(page.contains("grafana") && page.contains("never used") && !page.contains(&secret), "{page}");
    let bearer = format!("Bearer {secret}");
    assert_eq!(case.with("GET", "/admin/api/v1/workers", &bearer).await.status, StatusCode::OK);
    assert!(!case.get(PLACE, &own.0).await.text.contains("never used"));
    let refused = case.with("POST", "/admin/api/v1/reload", &bearer).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("has the scope read, and this needs admin"), "{}", refused.text);
    assert!(refused.header("WWW-Authenticate").contains("insufficient_scope"));
    // A token is no session: the pages are not for programs.
    assert_eq!(case.with("GET", "/admin", &bearer).await.status, StatusCode::SEE_OTHER);
    let written = format!("{:?}", case.written.lock().unwrap());
    assert!(
        written.contains("made the token \\\"grafana\\\" to read") && !written.contains(&secret),
        "{written}"
    );
}

#[actix_web::test]
async fn a_token_of_an_admin_does_what_the_api_does_and_is_named_for_it() {
    let case = case();
    let own = case.enter().await;
    let secret = case.make_token(&own, "deploy", "admin").await;
    case.reloads.lock().unwrap().push(Ok("1 language".into()));
    let bearer = format!("bearer {secret}");
    assert_eq!(case.with("POST", "/admin/api/v1/reload", &bearer).await.status, StatusCode::OK);
    assert_eq!(case.audited(audit::Event::Reload), [("token deploy".to_string(), "1 language".to_string())]);
    let cross = test::TestRequest::post().uri("/admin/api/v1/reload").insert_header((AUTHORIZATION, bearer));
    let cross = case.send(cross.insert_header(("Sec-Fetch-Site", "cross-site"))).await;
    assert_eq!(cross.status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_token_is_the_password_of_any_user_by_basic_auth() {
    let case = case();
    let own = case.enter().await;
    let secret = case.make_token(&own, "promtail", "read").await;
    let basic =
        |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    for user in ["promtail", "anyone", "", "admin"] {
        let answer = case.with("GET", "/admin/api/v1/workers", &basic(user, &secret)).await;
        assert_eq!(answer.status, StatusCode::OK, "{user}");
    }
    let unknown = format!("vtr_{}", "A".repeat(43));
    let answer = case.with("GET", "/admin/api/v1/workers", &basic("promtail", &unknown)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text.contains("there is no such token"), "{}", answer.text);
    // Nobody but admin has a password.
    let answer = case.with("GET", "/admin/api/v1/workers", &basic("promtail", PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_revoked_token_opens_nothing_and_its_owner_is_not_kept_out_for_it() {
    let case = case();
    let own = case.enter().await;
    let secret = case.make_token(&own, "grafana", "read").await;
    let id = case.state.parts.auth.tokens().list()[0].id.clone();
    let revoke = format!("{PLACE}/tokens/{id}/revoke");
    assert_eq!(case.post(&revoke, &own.0, "guess").await.status, StatusCode::FORBIDDEN);
    case.post(&revoke, &own.0, &own.1).await;
    let bearer = format!("Bearer {secret}");
    for _ in 0..20 {
        let answer = case.with("GET", "/admin/api/v1/workers", &bearer).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("WWW-Authenticate").starts_with("Bearer "));
    }
    // A program that goes on trying does not slow the owner's login down.
    assert_eq!(case.login(PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert!(case.get(PLACE, &own.0).await.text.contains("The token grafana is revoked."));
    case.post(&revoke, &own.0, &own.1).await;
    assert!(case.get(PLACE, &own.0).await.text.contains("There is no such token any more."));
}

#[actix_web::test]
async fn what_is_no_token_is_refused_in_words() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    for (name, scope, days, expect) in [
        ("", "read", "", "A token&#39;s name has 1 to 40 letters"),
        ("a", "root", "", "A token may read, write, or do everything."),
        ("a", "read", "0", "A token lasts from 1 to 3650 days"),
        ("a", "read", "soon", "A token lasts from 1 to 3650 days"),
    ] {
        let fields = [("csrf", csrf.as_str()), ("name", name), ("scope", scope), ("days", days)];
        case.form(&format!("{PLACE}/tokens"), &cookie, &fields).await;
        let page = case.get(PLACE, &cookie).await.text.replace('\'', "&#39;");
        assert!(page.contains(expect), "{expect}");
    }
    assert!(case.state.parts.auth.tokens().list().is_empty());
}

#[actix_web::test]
async fn an_expired_token_says_so() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let fields = [("csrf", csrf.as_str()), ("name", "short"), ("scope", "read"), ("days", "1")];
    case.form(&format!("{PLACE}/tokens"), &cookie, &fields).await;
    let page = case.get(PLACE, &cookie).await.text;
    let secret = page.split(r#"<code class="secret">"#).nth(1).unwrap().split('<').next().unwrap();
    let bearer = format!("Bearer {secret}");
    assert_eq!(case.with("GET", "/admin/api/v1/workers", &bearer).await.status, StatusCode::OK);
    case.clock.advance(Duration::from_secs(86_400));
    let answer = case.with("GET", "/admin/api/v1/workers", &bearer).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text.contains("has expired"), "{}", answer.text);
}

#[actix_web::test]
async fn the_password_is_changed_by_who_knows_it_and_only_their_session_goes_on() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let (other, _) = case.enter().await;
    let own = (cookie.clone(), csrf.clone());
    let token = case.make_token(&own, "grafana", "read").await;
    let change = async |current: &str, new: &str, again: &str| {
        let fields = [("csrf", csrf.as_str()), ("current", current), ("new", new), ("again", again)];
        case.form(&format!("{PLACE}/password"), &cookie, &fields).await
    };
    for (current, new, again, expect) in [
        ("guess guess", "a new password", "a new password", "That is not the current password."),
        (PASSWORD, "a new password", "another one", "not typed the same twice"),
        (PASSWORD, "short", "short", "has 5 bytes, between 8 and 1024 are accepted"),
    ] {
        let refused = change(current, new, again).await;
        assert_eq!((refused.header(LOCATION), refused.header(SET_COOKIE)), (PLACE, ""));
        let page = case.get(PLACE, &cookie).await.text;
        assert!(page.contains(expect), "{expect}");
    }
    assert_eq!(case.get(PLACE, &other).await.status, StatusCode::OK);

    let changed = change(PASSWORD, "a new password", "a new password").await;
    assert_eq!((changed.status, changed.header(LOCATION)), (StatusCode::SEE_OTHER, PLACE));
    let fresh = changed.cookie();
    assert!(changed.header(SET_COOKIE).contains("; HttpOnly; SameSite=Strict"));
    for ended in [&cookie, &other] {
        assert_eq!(case.get(PLACE, ended).await.status, StatusCode::SEE_OTHER);
    }
    let page = case.get(PLACE, &fresh).await.text;
    assert!(page.contains("The password is changed, and every other session has ended."), "{page}");
    assert_eq!(case.login(PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(case.login("a new password").await.status, StatusCode::SEE_OTHER);
    let bearer = format!("Bearer {token}");
    assert_eq!(case.with("GET", "/admin/api/v1/workers", &bearer).await.status, StatusCode::OK);

    let told: Vec<String> =
        case.audited(audit::Event::PasswordChanged).into_iter().map(|(_, what)| what).collect();
    assert_eq!(told[0], "change the admin password: wrong password");
    assert_eq!(told.last().unwrap(), "changed the admin password; every other session ended");
    let written = format!("{:?}", case.written.lock().unwrap());
    for secret in ["guess guess", "a new password", PASSWORD] {
        assert!(!written.contains(secret), "{secret}");
    }
}

#[actix_web::test]
async fn guesses_at_the_current_password_are_slowed_down_like_those_at_the_door() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let fields = [
        ("csrf", csrf.as_str()),
        ("current", "guess guess"),
        ("new", "a new password"),
        ("again", "a new password"),
    ];
    for _ in 0..6 {
        case.form(&format!("{PLACE}/password"), &cookie, &fields).await;
    }
    assert!(case.get(PLACE, &cookie).await.text.contains("Too many wrong attempts."));
    assert_eq!(case.login(PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[actix_web::test]
async fn a_token_that_others_can_read_is_not_taken_where_that_is_wished() {
    let case = case_with(Config { require_tls: true, ..Config::default() });
    let secret =
        case.state.parts.auth.tokens().create("grafana", tokens::Scope::Read, None, case.clock.now_ms());
    let bearer = format!("Bearer {}", secret.unwrap().reveal());
    let ask = async |proto: &str| {
        let req =
            test::TestRequest::get().uri("/admin/api/v1/workers").peer_addr("127.0.0.1:1".parse().unwrap());
        let req =
            req.insert_header(("X-Forwarded-For", "192.0.2.7")).insert_header(("X-Forwarded-Proto", proto));
        case.send(req.insert_header((AUTHORIZATION, bearer.as_str()))).await
    };
    let refused = ask("http").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("admin.require_tls"), "{}", refused.text);
    assert_eq!(ask("https").await.status, StatusCode::OK);
}
