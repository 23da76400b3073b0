//! Visitors from the outside: what a line says of them, what it never says, and numbers that are
//! the same after a restart and a hand-over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{Folders, Response, Vitrine, basic_auth, metric, wait_until};
use crate::line::Line;
use crate::loki_api::{now_ns, push};

#[path = "../src/visitors/country/specimen.rs"]
mod specimen;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// A visitor behind the proxy that is trusted by default.
struct Visitor {
    address: &'static str,
    agent: &'static str,
}

const ADA: Visitor = Visitor { address: "198.51.100.77", agent: FIREFOX };
const BOB: Visitor = Visitor { address: "203.0.113.5", agent: IPHONE };

impl Visitor {
    fn get(&self, vitrine: &Vitrine, path: &str, more: &[(&str, &str)]) -> Response {
        self.ask(vitrine, "GET", path, more)
    }

    fn ask(&self, vitrine: &Vitrine, method: &str, path: &str, more: &[(&str, &str)]) -> Response {
        let mut headers = vec![("x-forwarded-for", self.address), ("user-agent", self.agent)];
        headers.extend(more);
        let answer = vitrine.request(method, path, &headers);
        assert_eq!(answer.header("set-cookie"), "", "{path}");
        answer
    }
}

fn query(vitrine: &Vitrine, query: &str) -> Value {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/loki/api/v1/query_range?limit=1000&direction=forward&query={query}");
    let answer = vitrine.request("GET", &path, &[("authorization", &basic_auth())]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// Returns the labels of every line in the order of their times.
fn lines(vitrine: &Vitrine, text: &str) -> Vec<BTreeMap<String, String>> {
    let answer = query(vitrine, text);
    let mut res = Vec::new();
    for stream in answer["data"]["result"].as_array().unwrap() {
        let labels: BTreeMap<String, String> = serde_json::from_value(stream["stream"].clone()).unwrap();
        for value in stream["values"].as_array().unwrap() {
            res.push((value[0].as_str().unwrap().to_string(), labels.clone()));
        }
    }
    res.sort();
    res.into_iter().map(|(_, labels)| labels).collect()
}

/// Returns the views, once a request that was sent after all others has its line.
fn views(vitrine: &Vitrine) -> Vec<BTreeMap<String, String>> {
    static N_ASKED: AtomicUsize = AtomicUsize::new(0);
    let last = format!("/last-{}", N_ASKED.fetch_add(1, Ordering::Relaxed));
    assert_eq!(vitrine.get(&last).status, 404);
    wait_until("the last line is there", || {
        let found = lines(vitrine, &format!(r#"{{job="access"}} | url_path="{last}""#));
        (!found.is_empty()).then_some(())
    });
    lines(vitrine, r#"{job="access"} | document!="""#)
}

fn summary(view: &BTreeMap<String, String>) -> [&str; 4] {
    ["http_route", "document", "lang", "bot"].map(|name| view.get(name).map_or("", String::as_str))
}

fn site() -> Folders {
    let dir = Folders::with_cv("x-lang: en\nbasics: {name: Ada Lovelace, email: ada@example.com}\n");
    dir.write("cv.ru.yaml", "basics: {name: Ада Лавлейс}\n");
    dir.write("cv.pdf", "%PDF-1.4");
    dir
}

#[test]
fn a_view_is_a_document_that_was_shown_to_somebody() {
    let vitrine = Vitrine::start_on(site());
    let page = ADA.get(&vitrine, "/", &[]);
    let tag = page.header("etag").to_string();
    for path in ["/ru/", "/resume.json", "/cv.txt", "/cv.md", "/ru/cv.vcf", "/cv.pdf"] {
        assert_eq!(ADA.get(&vitrine, path, &[]).status, 200, "{path}");
    }
    // Who comes back has the page, and looks at it.
    assert_eq!(ADA.get(&vitrine, "/", &[("if-none-match", &tag)]).status, 304);
    let made = vitrine.post_as_admin("/admin/links", &[("csrf", &csrf(&vitrine)), ("days", "1")]);
    assert_eq!(made.status, 303);
    let links = vitrine.admin_page("/admin/links").text();
    let private = links.split("/p/").nth(1).unwrap().split('/').next().unwrap();
    assert_eq!(ADA.get(&vitrine, &format!("/p/{private}/"), &[]).status, 200);
    assert_eq!(ADA.get(&vitrine, &format!("/p/{private}/ru/cv.txt"), &[]).status, 200);
    let googlebot = Visitor { agent: GOOGLEBOT, ..BOB };
    googlebot.get(&vitrine, "/", &[]);
    // None of these is a view.
    ADA.ask(&vitrine, "HEAD", "/", &[]);
    ADA.ask(&vitrine, "POST", "/", &[]);
    for (name, value) in
        [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")]
    {
        assert_eq!(ADA.get(&vitrine, "/", &[(name, value)]).status, 200);
    }
    assert_eq!(ADA.get(&vitrine, "/ru", &[]).status, 308);
    assert_eq!(ADA.get(&vitrine, "/cv.pdf", &[("range", "bytes=1-2")]).status, 206);
    for path in ["/nothing", "/favicon.svg", "/robots.txt", "/health", "/p/AAAA/", "/de/"] {
        ADA.get(&vitrine, path, &[]);
    }
    let style = page.text();
    let style = style.split("href=\"/assets/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(ADA.get(&vitrine, &format!("/assets/{style}"), &[]).status, 200);
    let views = views(&vitrine);
    let expect = [
        ["/", "page", "en", ""],
        ["/{lang}/", "page", "ru", ""],
        ["/resume.json", "resume.json", "en", ""],
        ["/cv.txt", "cv.txt", "en", ""],
        ["/cv.md", "cv.md", "en", ""],
        ["/{lang}/cv.vcf", "cv.vcf", "ru", ""],
        ["/cv.pdf", "cv.pdf", "en", ""],
        ["/", "page", "en", ""],
        ["/p/{token}/", "private_page", "en", ""],
        ["/p/{token}/", "cv.txt", "ru", ""],
        ["/", "page", "en", "Googlebot"],
    ];
    let found: Vec<[&str; 4]> = views.iter().map(summary).collect();
    assert_eq!(found, expect);
    let other = lines(&vitrine, r#"{job="access"} | document="" | visitor!="""#);
    assert!(other.is_empty(), "{other:?}");
}

/// Returns the token of the forms of `/admin`.
fn csrf(vitrine: &Vitrine) -> String {
    let page = vitrine.admin_page("/admin/links").text();
    let field = page.split("name=\"csrf\" value=\"").nth(1).expect("the form has a token");
    field.split('"').next().unwrap().to_string()
}

#[test]
fn a_tagged_link_shows_the_same_page_and_is_told_apart() {
    let dir = site();
    dir.write("../vitrine.toml", "[cv]\nbase_url = \"http://cv.example.com\"\n");
    let vitrine = Vitrine::start_on(dir);
    let plain = ADA.get(&vitrine, "/", &[("host", "cv.example.com")]);
    let tagged = ADA.get(&vitrine, "/?utm_source=x&via=Acme-Corp", &[("host", "cv.example.com")]);
    assert_eq!((tagged.status, tagged.text()), (200, plain.text()));
    for name in ["etag", "cache-control", "vary", "content-type"] {
        assert_eq!(tagged.header(name), plain.header(name), "{name}");
    }
    assert!(tagged.text().contains(r#"<link rel="canonical" href="http://cv.example.com/">"#));
    let moved = ADA.get(&vitrine, "/ru?via=acme-corp", &[]);
    assert_eq!((moved.status, moved.header("location")), (308, "/ru/?via=acme-corp"));
    ADA.get(&vitrine, "/cv.pdf?via=%3Cscript%3E", &[]);
    let referrers = [
        ("https://www.LinkedIn.com/in/ada?trk=secret-path", "linkedin.com"),
        ("http://cv.example.com/ru/", ""),
        ("https://192.0.2.200/intranet", ""),
    ];
    for (referrer, _) in referrers {
        BOB.get(&vitrine, "/", &[("referer", referrer), ("host", "cv.example.com")]);
    }
    // Whatever name it is asked by is its own.
    BOB.get(&vitrine, "/", &[("referer", &vitrine.url("/ru/"))]);
    let views = views(&vitrine);
    let of = |view: &BTreeMap<String, String>, name: &str| view.get(name).cloned().unwrap_or_default();
    let via: Vec<String> = views.iter().map(|view| of(view, "via")).collect();
    assert_eq!(via, ["", "acme-corp", "", "", "", "", ""]);
    let hosts: Vec<String> = views[3..].iter().map(|view| of(view, "referrer_host")).collect();
    assert_eq!(hosts, ["linkedin.com", "", "", ""]);
    let browsers = |view| (of(view, "user_agent_name"), of(view, "user_agent_os_name"));
    assert_eq!(browsers(&views[0]), ("Firefox".into(), "Linux".into()));
    assert_eq!(browsers(&views[3]), ("Safari".into(), "iOS".into()));
    assert_ne!(of(&views[0], "visitor"), of(&views[3], "visitor"));
    assert_eq!(of(&views[0], "visitor"), of(&views[1], "visitor"));
    // Of all this nothing more than that is kept, in whatever line.
    let all = query(&vitrine, r#"{service_name=~".+"}"#).to_string();
    for text in ["198.51.100", "203.0.113", "secret-path", "utm_source", "script", "intranet", "192.0.2.200"]
    {
        assert!(!all.contains(text), "{text} is in a line");
    }
    assert!(all.contains("acme-corp") && all.contains("linkedin.com"));
}

#[test]
fn the_admin_page_says_who_came_and_makes_links() {
    within_a_day(|| {
        let vitrine = Vitrine::start_on(site());
        let empty = vitrine.admin_page("/admin/visitors").text();
        assert!(empty.contains("Nobody has read your CV yet."), "{empty}");
        let form = [("csrf", &*csrf(&vitrine)), ("label", "Письмо рекрутёру")];
        assert_eq!(vitrine.post_as_admin("/admin/visitors/links", &form).status, 303);
        ADA.get(&vitrine, "/?via=pismo-rekruteru", &[]);
        BOB.get(&vitrine, "/ru/", &[]);
        assert_eq!(views(&vitrine).len(), 2);
        // What was counted of today a moment ago is shown for a moment.
        let page = wait_until("the page knows both", || {
            let page = vitrine.admin_page("/admin/visitors").text();
            page.contains("Today 2 so far. 2 are here now.").then_some(page)
        });
        for text in ["the page, ru", "iOS", "Письмо рекрутёру", "1 person, 1 view"] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
        let links = vitrine.dir().data().join("tagged-links.json");
        assert!(std::fs::read_to_string(links).unwrap().contains("pismo-rekruteru"));
        let by_link = wait_until("the link's people are a series", || {
            let page = vitrine.get_as_admin("/metrics").text();
            let line = page.lines().find(|line| line.starts_with("vitrine_visitors_via_today{"))?;
            Some(line.to_string())
        });
        assert!(by_link.contains(r#"via="pismo-rekruteru""#) && by_link.ends_with(" 1"), "{by_link}");
    });
}

/// Does something within one day of UTC: again, when midnight came in between.
fn within_a_day(mut work: impl FnMut()) {
    let day = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let before = day();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut work));
    match ended {
        Ok(()) => {}
        Err(_) if day() != before => work(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Waits until the day's numbers are told.
fn today(vitrine: &Vitrine) -> (f64, f64) {
    let page = wait_until("the day's numbers are known", || {
        let page = vitrine.get_as_admin("/metrics").text();
        page.contains("\nvitrine_visitors_today{").then_some(page)
    });
    let views = page.lines().filter(|line| line.starts_with("vitrine_views_today{"));
    let views = views.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    (metric(&page, "vitrine_visitors_today", &[]), views)
}

#[test]
fn a_restart_counts_nobody_twice() {
    within_a_day(|| {
        let vitrine = Vitrine::start_on(site());
        ADA.get(&vitrine, "/", &[]);
        BOB.get(&vitrine, "/cv.txt", &[]);
        let before = views(&vitrine);
        assert_eq!(today(&vitrine), (2.0, 2.0));
        let vitrine = Vitrine::start_on(vitrine.stop());
        ADA.get(&vitrine, "/", &[]);
        let after = views(&vitrine);
        assert_eq!(after.len(), 3);
        assert_eq!(after[2]["visitor"], before[0]["visitor"]);
        assert_eq!(today(&vitrine), (2.0, 3.0));
        // Killed, too, once everything so far is on disk, as what is pushed after it is.
        push(&vitrine, now_ns(), &["acknowledged"]);
        let vitrine = Vitrine::start_on(vitrine.kill());
        assert_eq!(today(&vitrine), (2.0, 3.0));
    });
}

#[test]
fn a_hand_over_counts_nobody_twice() {
    within_a_day(|| {
        let mut line = Line::start();
        ADA.get(line.vitrine(), "/", &[]);
        views(line.vitrine());
        line.hand_over("restart");
        ADA.get(line.vitrine(), "/", &[]);
        BOB.get(line.vitrine(), "/", &[]);
        assert_eq!(today(line.vitrine()), (2.0, 3.0));
        let views = views(line.vitrine());
        assert_eq!(views[0]["visitor"], views[1]["visitor"], "both processes have one salt");
        line.stop();
    });
}

#[test]
fn the_country_comes_from_the_owners_database_alone() {
    let dir = site();
    let database = dir.site().join("countries.mmdb");
    std::fs::write(&database, specimen::database("DBIP-Country-Lite", &[("198.51.100.0", 24, "PT")]))
        .unwrap();
    let vitrine = Vitrine::start_on(dir);
    ADA.get(&vitrine, "/", &[]);
    // A line is written a moment after its request, by what is in force then.
    wait_until("the first view is in the log", || (views(&vitrine).len() == 1).then_some(()));
    let config = vitrine.dir().site().join("../vitrine.toml");
    std::fs::write(&config, format!("[visitors]\ncountries = {database:?}\n")).unwrap();
    assert_eq!(vitrine.dir().run(&["reload"]).code, 0);
    ADA.get(&vitrine, "/", &[]);
    BOB.get(&vitrine, "/", &[]);
    std::fs::write(&database, "damaged").unwrap();
    let refused = vitrine.dir().run(&["reload"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("`visitors.countries`") && refused.err.contains("GeoLite2"),
        "{}",
        refused.err
    );
    ADA.get(&vitrine, "/", &[]);
    let countries: Vec<Option<String>> =
        views(&vitrine).iter().map(|view| view.get("geo_country_iso_code").cloned()).collect();
    let portugal = Some("PT".to_string());
    assert_eq!(countries, [None, portugal.clone(), None, portugal], "what was refused changes nothing");
    let dir = vitrine.stop();
    for command in ["check", "serve"] {
        let ended = dir.run(&[command]);
        assert_eq!(ended.code, 78, "{command}: {}", ended.err);
        assert!(ended.err.contains("`visitors.countries`"), "{}", ended.err);
    }
}
