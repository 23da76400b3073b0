//! The page of visitors over lines and daily series in memory.

use super::*;
use crate::record::LogRecord;
use crate::record::access::own_stream;
use crate::visitors::day::Day;

/// The day that the clock of the tests stands in.
const TODAY: i64 = NOW_MS / 86_400_000;

/// A view so many days ago.
fn view(case: &Case, days_ago: i64, visitor: &str, more: &[(&'static str, &str)]) {
    view_at(case, NOW_MS - days_ago * 86_400_000 - 1_000, visitor, more);
}

fn view_at(case: &Case, at_ms: i64, visitor: &str, more: &[(&'static str, &str)]) {
    let own = [("document", "page"), ("lang", "en"), ("visitor", visitor), ("user_agent_name", "Firefox")];
    let mut metadata: Vec<(&'static str, &str)> = more.to_vec();
    metadata.extend(own.into_iter().filter(|(name, _)| more.iter().all(|(known, _)| known != name)));
    case.store.record(LogRecord {
        at: UnixNanos(at_ms * 1_000_000),
        severity: Severity::Info,
        stream: own_stream("access", Severity::Info),
        metadata: metadata.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        body: "GET / 200 1.0ms".into(),
    });
}

/// A day's number as it was sampled last.
fn day_number(case: &Case, name: &str, more: &[(&str, &str)], days_ago: i64, value: f64) {
    let labels = [("__name__", name), ("job", "vitrine"), ("instance", "i")];
    let labels: Vec<(&str, &str)> = labels.into_iter().chain(more.iter().copied()).collect();
    case.store.sample(&labels, Day(TODAY - days_ago).last_ms().0 - 5_000, value / 2.0);
    case.store.sample(&labels, Day(TODAY - days_ago).last_ms().0, value);
}

/// What a reader sees, without the marks.
fn words(page: &str) -> String {
    let mut text = String::new();
    for part in page.split('<').skip(1) {
        text.push_str(part.split_once('>').map_or("", |(_, text)| text));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[actix_web::test]
async fn the_sentence_says_who_read_it_yesterday_and_by_which_link() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let make = test::TestRequest::post().uri("/admin/visitors/links").insert_header(("Cookie", &*cookie));
    let made = case.send(make.set_form([("csrf", &*csrf), ("label", "Recruiter's mail")])).await;
    assert_eq!((made.status, made.header(LOCATION)), (StatusCode::SEE_OTHER, "/admin/visitors"));
    for (visitor, more) in [
        ("aa", &[("via", "recruiter-s-mail")][..]),
        ("aa", &[("document", "cv.pdf")]),
        ("bb", &[("referrer_host", "linkedin.com"), ("geo_country_iso_code", "PT")]),
        ("cc", &[("via", "stranger")]),
        ("dd", &[("bot", "Googlebot")]),
    ] {
        view(&case, 1, visitor, more);
    }
    view(&case, 0, "ee", &[]);
    view(&case, 3, "ff", &[("lang", "ru")]);
    let page = case.get("/admin/visitors", &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    let text = words(&page.text);
    for said in [
        "3 people read your CV yesterday, one from your link “Recruiter&#39;s mail” (via=recruiter-s-mail), one from a link with via=stranger.",
        "Today 1 so far. 1 is here now.",
        "In the last 5 minutes 1 1 view Today 1 1 view Yesterday 3 4 views 7 days 5 6 views 30 days 5 6 views",
        "Pages Page People Times the page, en 4 4 the page, ru 1 1",
        "Downloads File People Times cv.pdf 1 1",
        "directly, or not told 4 5 linkedin.com 1 1",
        "Country People Times not told 4 5 PT 1 1",
        "Program Times Googlebot 1",
        "via=stranger : 1 person, 1 view",
    ] {
        let said = said.replace("&#39;", "'");
        assert!(text.contains(&said), "{said}\nis not in: {text}");
    }
    assert!(page.text.contains("https://cv.example.com/?via=recruiter-s-mail"));
    let lines = "/admin/logs?q=%7Bjob%3D%22access%22%7D+%7C+visitor%3D%22ee%22&amp;from=";
    assert!(page.text.contains(lines), "{}", page.text);
    // Another day alone.
    let noon = (TODAY - 3) * 86_400_000 + 43_200_000;
    let picked = case.get(&format!("/admin/visitors?from={}&to={noon}", noon - 86_400_000), &cookie).await;
    let text = words(&picked.text);
    assert!(text.contains("Page People Times the page, ru 1 1 Sites"), "{text}");
    assert!(text.contains("3 people read your CV yesterday"), "{text}");
    let today = words(&case.get("/admin/visitors?range=today", &cookie).await.text);
    assert!(today.contains("Page People Times the page, en 1 1 Sites"), "{today}");
    assert!(today.contains("No search engine"), "{today}");
}

#[actix_web::test]
async fn days_without_lines_are_told_by_the_daily_series() {
    let case = case();
    let (cookie, _) = case.enter().await;
    for days_ago in [200, 20, 2, 1] {
        day_number(&case, "vitrine_visitors_today", &[], days_ago, 4.0);
        let page = [("document", "page"), ("lang", "en")];
        day_number(&case, "vitrine_views_today", &page, days_ago, 9.0);
        day_number(&case, "vitrine_views_today", &[("document", "cv.pdf"), ("lang", "en")], days_ago, 1.0);
    }
    // More than the series says were counted of yesterday by lines, fewer of the day before.
    (0..6).for_each(|n| view(&case, 1, &format!("a{n}"), &[]));
    view(&case, 2, "b", &[]);
    let page = case.get("/admin/visitors", &cookie).await.text;
    let text = words(&page);
    assert!(text.contains("6 people read your CV yesterday."), "{text}");
    assert!(text.contains("Yesterday 6 10 views 7 days 10 20 views 30 days 14 30 views"), "{text}");
    let chart: serde_json::Value = {
        let data = page.split("data-chart=\"").nth(1).unwrap().split('"').next().unwrap();
        serde_json::from_str(&data.replace("&quot;", "\"")).unwrap()
    };
    let people = chart["lines"][0]["values"].as_array().unwrap();
    assert_eq!(people.len(), 30);
    let of = |days_ago: usize| people[29 - days_ago].as_f64();
    assert_eq!([of(0), of(1), of(2), of(3), of(20)], [Some(0.0), Some(6.0), Some(4.0), None, Some(4.0)]);
    let year = words(&case.get("/admin/visitors?range=365d", &cookie).await.text);
    assert!(year.contains("Read in 365 days Document Times the page, en 36 cv.pdf, en 4"), "{year}");
}

#[actix_web::test]
async fn before_anybody_came_it_says_what_to_do() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let page = case.get("/admin/visitors", &cookie).await.text;
    let text = words(&page);
    assert!(text.contains("Nobody has read your CV yet. Share your link"), "{text}");
    assert!(page.contains("href=\"https://cv.example.com\""), "{page}");
    let russian = test::TestRequest::get().uri("/admin/visitors").insert_header(("Cookie", &*cookie));
    let russian = case.send(russian.insert_header(("Accept-Language", "ru"))).await.text;
    assert!(words(&russian).contains("Ваше резюме пока никто не читал."), "{russian}");
}

#[actix_web::test]
async fn links_are_made_and_deleted_by_their_owner_alone() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let make = |csrf: &str, label: &str| {
        let form = [("csrf", csrf.to_string()), ("label", label.to_string())];
        let req = test::TestRequest::post().uri("/admin/visitors/links").set_form(form);
        req.insert_header(("Cookie", cookie.clone()))
    };
    assert_eq!(case.send(make("wrong", "Acme")).await.status, StatusCode::FORBIDDEN);
    assert!(case.state.parts.tagged.list().is_empty());
    case.send(make(&csrf, "Acme")).await;
    for (label, said) in [
        ("acme", "There is a link with the tag acme already"),
        ("!", "No tag can be made of this"),
        (" ", "Say in a few words"),
    ] {
        assert_eq!(case.send(make(&csrf, label)).await.header(LOCATION), "/admin/visitors");
        let page = case.get("/admin/visitors", &cookie).await.text;
        assert!(page.contains(said), "{said} is not in {page}");
    }
    assert!(!case.get("/admin/visitors", &cookie).await.text.contains("Say in a few words"), "said once");
    let delete = "/admin/visitors/links/acme/delete";
    assert_eq!(case.post(delete, &cookie, "wrong").await.status, StatusCode::FORBIDDEN);
    assert_eq!(case.post(delete, "", &csrf).await.header(LOCATION), LOST);
    assert_eq!(
        case.send(make(&csrf, "x").uri("/admin/visitors")).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(case.get("/admin/visitors", "").await.header(LOCATION), "/admin/login?to=%2Fadmin%2Fvisitors");
    assert!(case.state.parts.tagged.has("acme"));
    assert_eq!(case.post(delete, &cookie, &csrf).await.status, StatusCode::SEE_OTHER);
    assert!(!case.state.parts.tagged.has("acme"));
    case.post(delete, &cookie, &csrf).await;
    assert!(case.get("/admin/visitors", &cookie).await.text.contains("This link was deleted already."));
    let words = |event| -> Vec<String> { case.audited(event).into_iter().map(|(_, words)| words).collect() };
    assert_eq!(words(audit::Event::TagMade)[0], "made the tagged link acme: Acme");
    let deleted = "delete the tagged link acme";
    assert_eq!(
        words(audit::Event::TagDeleted),
        [deleted, &format!("{deleted}: there is no link with this tag")]
    );
}

#[actix_web::test]
async fn what_strangers_wrote_is_text() {
    let case = case();
    let (cookie, _) = case.enter().await;
    let script = "<script>alert(1)</script>";
    for field in ["referrer_host", "via", "bot", "user_agent_name", "lang"] {
        view(&case, 0, &format!("a{field}"), &[(field, script)]);
    }
    let page = case.get("/admin/visitors", &cookie).await.text;
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"), "{page}");
}

#[actix_web::test]
async fn the_sentence_and_the_tiles_of_an_open_page_go_on() {
    let case = case();
    let (cookie, _) = case.enter().await;
    view(&case, 0, "aa", &[]);
    view(&case, 1, "bb", &[]);
    let mut body = stream_of(&case, &cookie, "/admin/visitors").await;
    let first = next_event(&mut body).await.unwrap();
    assert!(first.contains("Today 1 so far. 1 is here now.") && first.contains("\"people-now\""), "{first}");
    // It is looked at again after ten seconds, not at every tick.
    case.clock.advance(Duration::from_secs(600));
    let second = next_event(&mut body).await.unwrap();
    assert!(second.contains(r#""fragments":{}"#), "{second}");
    let mut later = String::new();
    for _ in 0..5 {
        later.push_str(&next_event(&mut body).await.unwrap());
    }
    assert!(later.contains("Today 1 so far.<") || later.contains("Today 1 so far. "), "{later}");
    assert!(!later.contains("is here now"), "{later}");
}

#[actix_web::test]
async fn events_are_marked_on_the_chart_of_days() {
    let case = case();
    let (cookie, _) = case.enter().await;
    view(&case, 0, "aa", &[]);
    view(&case, 1, "bb", &[]);
    case.store.record(LogRecord {
        at: UnixNanos((NOW_MS - 3 * 86_400_000) * 1_000_000),
        severity: Severity::Info,
        stream: own_stream("app", Severity::Info),
        metadata: vec![("event_name".into(), "vitrine.reload".into())],
        body: "reloaded: cv.yaml".into(),
    });
    let page = case.get("/admin/visitors?range=today", &cookie).await.text;
    assert!(page.contains("1 event is marked") && page.contains("reloaded: cv.yaml"), "{page}");
}

#[actix_web::test]
async fn at_midnight_nobody_is_here_twice() {
    let case = case();
    let to_midnight_ms = 86_400_000 - NOW_MS % 86_400_000;
    // The same person, who is another visitor on the next day.
    for (later_ms, visitor) in [(to_midnight_ms - 30_000, "aa"), (to_midnight_ms + 30_000, "bb")] {
        view_at(&case, NOW_MS + later_ms, visitor, &[]);
    }
    case.clock.advance(Duration::from_millis(to_midnight_ms as u64 + 60_000));
    let (cookie, _) = case.enter().await;
    let page = words(&case.get("/admin/visitors", &cookie).await.text);
    assert!(page.contains("1 is here now."), "{page}");
}
