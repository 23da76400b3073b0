//! What visitors get: the page, its encodings, its caching, its errors.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Folders, Vitrine, wait_until};

const CV: &str = "basics:\n  name: Ada Example\n  label: Engineer\n  email: ada@example.com\n";

#[test]
fn the_page_is_served_in_the_encoding_asked_for() {
    let vitrine = Vitrine::start();
    let plain = vitrine.get("/");
    assert_eq!((plain.status, plain.header("content-encoding")), (200, ""));
    assert_eq!(plain.header("vary"), "Accept-Encoding");
    assert_eq!(plain.header("content-type"), "text/html; charset=utf-8");

    let brotli = vitrine.request("GET", "/", &[("accept-encoding", "gzip, br")]);
    assert_eq!(brotli.header("content-encoding"), "br");
    let mut unpacked = Vec::new();
    brotli::BrotliDecompress(&mut &brotli.body[..], &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);

    let gzip = vitrine.request("GET", "/", &[("accept-encoding", "gzip;q=0.5, br;q=0")]);
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    assert!(brotli.body.len() < gzip.body.len() && gzip.body.len() < plain.body.len());
}

#[test]
fn a_known_page_is_not_sent_again() {
    let vitrine = Vitrine::start();
    let first = vitrine.request("GET", "/", &[("accept-encoding", "br")]);
    let tag = first.header("etag").to_string();
    assert!(first.header("cache-control").contains("must-revalidate"));
    let second = vitrine.request("GET", "/", &[("accept-encoding", "br"), ("if-none-match", &tag)]);
    assert_eq!((second.status, second.body.len()), (304, 0));
    assert_eq!(second.header("etag"), tag);
    assert_eq!(second.header("vary"), "Accept-Encoding");
    assert_ne!(vitrine.get("/").header("etag"), tag, "a strong tag differs between encodings");
}

#[test]
fn a_part_of_a_document_is_sent_when_it_is_still_the_same() {
    let vitrine = Vitrine::start();
    let whole = vitrine.request("GET", "/", &[("accept-encoding", "br")]);
    let (tag, n_bytes) = (whole.header("etag"), whole.body.len());
    let ask = |method: &str, range: &str, known: &str| {
        let headers = [("accept-encoding", "br"), ("range", range), ("if-range", known)];
        vitrine.request(method, "/", &headers)
    };
    let part = ask("GET", "bytes=10-", tag);
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..]));
    assert_eq!(part.header("content-range"), format!("bytes 10-{}/{n_bytes}", n_bytes - 1));
    assert_eq!((part.header("content-encoding"), part.header("etag")), ("br", tag));
    assert_eq!(whole.header("accept-ranges"), "bytes");

    let beyond = ask("GET", &format!("bytes={n_bytes}-"), tag);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{n_bytes}")));
    for (method, range, known) in
        [("GET", "bytes=10-", "\"another\""), ("GET", "bytes=0-1,4-5", tag), ("HEAD", "bytes=10-", tag)]
    {
        let answer = ask(method, range, known);
        assert_eq!((answer.status, answer.header("content-range")), (200, ""), "{method} {range} {known}");
    }
}

#[test]
fn every_asset_of_the_page_is_served_and_immutable() {
    let vitrine = Vitrine::start();
    let page = vitrine.get("/").text();
    let assets: Vec<&str> =
        page.split('"').filter(|piece| piece.starts_with("/assets/") && !piece.contains(' ')).collect();
    assert!(!assets.is_empty());
    for asset in assets {
        let response = vitrine.get(asset);
        assert_eq!(response.status, 200, "{asset}");
        assert!(response.header("cache-control").contains("immutable"), "{asset}");
    }
}

#[test]
fn the_cv_is_served_as_json_resume_without_private_contacts() {
    let cv =
        format!("{CV}  phone: \"+49 30 1234\"\n  location: {{address: Hidden Street 1, city: Berlin}}\n");
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv));
    let json = vitrine.get("/resume.json");
    assert!(json.header("content-type").starts_with("application/json"), "{}", json.header("content-type"));
    let value: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(value["basics"]["name"], "Ada Example");
    assert_eq!(value["basics"]["location"]["city"], "Berlin");
    for path in ["/", "/resume.json"] {
        let text = vitrine.get(path).text();
        assert!(!text.contains("1234") && !text.contains("Hidden Street"), "{path}");
    }
}

#[test]
fn each_language_has_a_page_and_they_name_each_other() {
    let dir = Folders::with_cv(&format!("{CV}  summary: Hello\nmeta: {{themeOptions: {{printQr: true}}}}\n"));
    dir.write("cv.ru.yaml", "basics: {label: Инженер}\n");
    dir.write("vitrine.toml", "[cv]\nbase_url = \"https://cv.example.com\"\n");
    let mut command = dir.serve();
    command.arg("--config").arg(dir.site().join("vitrine.toml"));
    let mut vitrine = Vitrine::spawn(command, dir);
    let russian = vitrine.get("/ru/").text();
    for piece in [
        "<html lang=\"ru\"",
        "Инженер",
        "id=\"profile\" aria-label=\"О себе\" lang=\"en\"",
        "<a href=\"/\" hreflang=\"en\" lang=\"en\" dir=\"ltr\">English</a>",
        "<a href=\"/ru/\" hreflang=\"ru\" lang=\"ru\" dir=\"ltr\" aria-current=\"page\">Русский</a>",
    ] {
        assert!(russian.contains(piece), "{piece} is not in {russian}");
    }
    for page in [&russian, &vitrine.get("/").text()] {
        for (lang, path) in [("en", "/"), ("ru", "/ru/"), ("x-default", "/")] {
            let link = format!("hreflang=\"{lang}\" href=\"https://cv.example.com{path}\"");
            assert!(page.contains(&link), "{link}");
        }
    }
    let moved = vitrine.get("/ru");
    assert_eq!((moved.status, moved.header("location")), (308, "/ru/"));
    assert!(vitrine.get("/ru/resume.json").text().contains("Инженер"));
    assert!(vitrine.get("/sitemap.xml").text().contains("<loc>https://cv.example.com/ru/</loc>"));
    assert!(vitrine.get("/robots.txt").text().contains("Sitemap: https://cv.example.com/sitemap.xml"));

    assert!(russian.contains("property=\"og:image\" content=\"https://cv.example.com/assets/card-"));
    assert!(russian.contains("<figure class=\"print-qr\"><img src=\"/assets/qr-"), "{russian}");

    // A translation that breaks leaves all as it is, and all of it is kept for a later start.
    vitrine.dir().write("cv.ru.yaml", "basics: [");
    vitrine.signal(rustix::process::Signal::HUP);
    vitrine.wait_for_line("reload refused");
    assert_eq!(vitrine.get("/ru/").status, 200);
    let again = Vitrine::start_on(vitrine.stop());
    assert!(again.get("/ru/").text().contains("Инженер"));
}

/// Returns the beginning of a picture of a size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let (width, height) = (width.to_be_bytes(), height.to_be_bytes());
    [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &width, &height, &[8, 2, 0, 0, 0]].concat()
}

#[test]
fn the_photo_beside_the_cv_is_shown_and_a_missing_one_is_warned_about() {
    let dir = Folders::with_cv(&format!("{CV}  image: me.png\n"));
    let ended = dir.run(&["check"]);
    assert!(
        ended.code == 0 && ended.out.contains("basics.image") && ended.out.contains("No such file"),
        "{ended:?}"
    );
    for (bytes, expect) in [
        (b"a picture".to_vec(), "it is not a picture, whatever its name says"),
        (png(10_000, 10_000), "it has 100 megapixels, and 50 are the most that are shown"),
        (png(400, 400), "good, 0 warnings"),
    ] {
        std::fs::write(dir.site().join("me.png"), bytes).unwrap();
        let ended = dir.run(&["check"]);
        assert!(ended.code == 0 && ended.out.contains(expect), "{ended:?}");
    }
    let vitrine = Vitrine::start_on(dir);
    assert!(vitrine.get("/").text().contains("src=\"/photo.png\""));
    let photo = vitrine.get("/photo.png");
    assert_eq!((photo.status, photo.header("content-type")), (200, "image/png"));
    assert_eq!(photo.body, png(400, 400));
}

#[test]
fn a_photo_that_leads_out_of_the_folder_is_not_served() {
    let dir = Folders::with_cv(&format!("{CV}  image: me.png\n"));
    std::os::unix::fs::symlink("/etc/hostname", dir.site().join("me.png")).unwrap();
    assert!(dir.run(&["check"]).out.contains("out of the site folder"));
    assert_eq!(Vitrine::start_on(dir).get("/photo.png").status, 404);
}

#[test]
fn head_has_the_headers_and_no_body() {
    let vitrine = Vitrine::start();
    let (get, head) = (vitrine.get("/"), vitrine.request("HEAD", "/", &[]));
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "etag", "cache-control", "vary", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[test]
fn what_is_not_there_and_what_is_not_allowed_say_so() {
    let vitrine = Vitrine::start();
    let missing = vitrine.get("/nothing-here");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("404") && missing.header("x-request-id").len() == 32);
    let post = vitrine.request("POST", "/", &[]);
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn every_answer_has_the_security_headers() {
    let vitrine = Vitrine::start();
    for path in ["/", "/nothing", "/admin/login", "/health", "/resume.json"] {
        let response = vitrine.get(path);
        let policy = response.header("content-security-policy");
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe-inline"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!response.header("referrer-policy").is_empty(), "{path}");
    }
}

#[test]
fn health_names_version_and_workers() {
    let vitrine = Vitrine::start();
    let health = vitrine.get("/health");
    assert_eq!(health.status, 200);
    let health: serde_json::Value = serde_json::from_slice(&health.body).unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["workers"]["ready"], health["workers"]["total"]);
    assert!(health["workers"]["total"].as_u64().unwrap() >= 3);
    assert!(health.get("problems").is_none());
    assert_eq!(vitrine.get("/ready").status, 200);
}

#[test]
fn a_panic_costs_its_own_request_a_500_and_nothing_else() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    let mut vitrine = Vitrine::spawn(command, dir);
    for _ in 0..3 {
        let response = vitrine.get("/drill/panic");
        assert_eq!(response.status, 500);
        assert_eq!(response.header("x-request-id").len(), 32);
        assert_eq!(vitrine.get("/").status, 200);
    }
    vitrine.wait_for_line("a drill: somebody asked for /drill/panic");
    // The replacement takes its number at once, but the probe may come before it.
    wait_until("all workers are ready again", || {
        let health: serde_json::Value = serde_json::from_slice(&vitrine.get("/health").body).unwrap();
        (health["workers"]["ready"] == health["workers"]["total"]).then_some(())
    });
}

#[test]
fn request_that_holds_its_http_thread_is_named() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    let mut vitrine = Vitrine::spawn(command, dir);
    assert_eq!(vitrine.get("/drill/block").status, 404, "it answers in the end");
    vitrine.wait_for_line("by /drill/block: all its other requests wait");
    vitrine.wait_for_line("goes on after about");
    assert_eq!(vitrine.get("/").status, 200);
}

#[test]
fn drills_are_off_unless_asked_for() {
    assert_eq!(Vitrine::start().get("/drill/panic").status, 404);
}

/// Every value of the real CVs is on the page; which are left out, and in what form others
/// appear, is tested beside the page itself.
#[test]
fn a_real_cv_is_shown_with_every_entry() {
    let Some(folder) = std::env::var_os("VITRINE_RESUMES").map(std::path::PathBuf::from) else {
        eprintln!("skipped: VITRINE_RESUMES names no folder with real CVs");
        return;
    };
    let mut n_seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let dir = Folders::new();
        dir.write("resume.json", &text);
        let vitrine = Vitrine::start_on(dir);
        let page = vitrine.get("/").text();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for section in ["work", "education", "projects", "volunteer", "awards", "skills", "publications"] {
            for entry in value[section].as_array().into_iter().flatten() {
                let title = ["name", "institution", "organization", "title"]
                    .iter()
                    .find_map(|key| entry[key].as_str());
                let title = title.unwrap().replace('&', "&amp;");
                assert!(page.contains(&title), "{}: {section}: {title}", path.display());
            }
        }
        n_seen += 1;
    }
    assert!(n_seen > 0, "the folder holds no CV");
}

#[test]
fn an_address_that_asks_too_often_waits_and_no_other_does() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_REQUESTS_PER_SECOND", "1").env("VITRINE_HTTP_THREADS", "1");
    let vitrine = Vitrine::spawn(command, dir);
    let from = |address: &str| vitrine.request("GET", "/", &[("X-Forwarded-For", address)]);
    let refused = (0..100).map(|_| from("203.0.113.9")).find(|response| response.status != 200).unwrap();
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(from("203.0.113.10").status, 200);
    assert_eq!(vitrine.get("/").status, 200, "the proxy itself is not limited");
}

#[test]
fn an_address_with_too_many_connections_is_told_so_until_one_ends() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_CONNECTIONS_PER_ADDRESS", "2").env("VITRINE_HTTP_TRUSTED_PROXIES", "10.0.0.1");
    let vitrine = Vitrine::spawn(command, dir);
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut head = [0; 512];
        let n = stream.read(&mut head).unwrap();
        String::from_utf8_lossy(&head[..n]).into_owned()
    };
    let connect = || TcpStream::connect(vitrine.address()).unwrap();
    let mut held = [connect(), connect()];
    for stream in &mut held {
        assert!(ask(stream).starts_with("HTTP/1.1 200"));
    }
    let refused = ask(&mut connect());
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("connection: close"), "{refused}");
    drop(held);
    wait_until("there is room again", || ask(&mut connect()).starts_with("HTTP/1.1 200").then_some(()));
}

fn folder(dir: &Folders, name: &str) {
    std::fs::create_dir_all(dir.site().join(name)).unwrap();
}

#[test]
fn the_owner_s_own_files_are_served_with_types_and_ranges() {
    let dir = Folders::with_cv(CV);
    folder(&dir, "static/deep");
    folder(&dir, ".well-known");
    dir.write("static/deep/a b.txt", "0123456789");
    dir.write("static/.hidden", "x");
    dir.write(".well-known/security.txt", "Contact: mailto:a@b.example");
    dir.write("cv.pdf", "%PDF-1.7");
    dir.write("404.html", "<!DOCTYPE html><title>Gone fishing</title>");
    let vitrine = Vitrine::start_on(dir);
    let text = vitrine.get("/static/deep/a%20b.txt");
    assert_eq!((text.status, &*text.text()), (200, "0123456789"));
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    let part = vitrine.request("GET", "/static/deep/a%20b.txt", &[("range", "bytes=2-4")]);
    assert_eq!((part.status, &*part.text()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let again = [("if-none-match", text.header("etag"))];
    assert_eq!(vitrine.request("GET", "/static/deep/a%20b.txt", &again).status, 304);
    let head = vitrine.request("HEAD", "/static/deep/a%20b.txt", &[]);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "10", 0));
    assert_eq!(vitrine.request("POST", "/static/deep/a%20b.txt", &[]).status, 405);
    assert!(vitrine.get("/.well-known/security.txt").text().contains("Contact"));

    assert_eq!(vitrine.get("/cv.pdf").header("content-type"), "application/pdf");
    assert!(vitrine.get("/").text().contains("<a class=\"print-link\" href=\"/cv.pdf\">PDF</a>"));

    for path in
        ["/static/", "/static/deep", "/static/.hidden", "/static/..%2fcv.yaml", "/static/none", "/none"]
    {
        let missing = vitrine.get(path);
        assert_eq!(missing.status, 404, "{path}");
        assert!(missing.text().contains("Gone fishing"), "{path}");
    }
}

#[test]
fn the_owner_s_style_comes_after_the_theme_and_stays_for_pages_that_are_open() {
    let dir = Folders::with_cv(&format!(
        "{CV}meta: {{themeOptions: {{colors: {{accent: ['#b00020', '#ff8a80']}}}}}}\n"
    ));
    dir.write("style.css", ".name { font-style: italic }");
    let mut vitrine = Vitrine::start_on(dir);
    let stylesheet = |page: &str| {
        let link = page.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
        link.split('"').next().unwrap().to_string()
    };
    let first = stylesheet(&vitrine.get("/").text());
    let css = vitrine.get(&first);
    assert!(css.header("cache-control").contains("immutable"));
    let css = css.text();
    let places = [".cv-header", "--accent:#b00020;", "--accent:#ff8a80;", ".name { font-style: italic }"];
    let places = places.map(|piece| css.find(piece).unwrap_or_else(|| panic!("{piece} is not in {css}")));
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(stylesheet(&vitrine.get("/none").text()), first, "an error looks like the page");

    vitrine.dir().write("cv.yaml", &format!("{CV}meta: {{theme: modern}}\n"));
    vitrine.signal(rustix::process::Signal::HUP);
    vitrine.wait_for_line("reloaded");
    let css = vitrine.get(&stylesheet(&vitrine.get("/").text())).text();
    assert!(css.contains("Inter Fallback") && css.ends_with("italic }"));
    let font = css.split("url(\"").nth(1).unwrap().split('"').next().unwrap();
    let font = vitrine.get(font);
    assert_eq!((font.status, font.header("content-type")), (200, "font/woff2"));

    folder(vitrine.dir(), "theme");
    vitrine.dir().write("theme/style.css", "body { color: red }");
    vitrine.signal(rustix::process::Signal::HUP);
    vitrine.wait_for_line("reloaded");
    let second = stylesheet(&vitrine.get("/").text());
    let css = vitrine.get(&second).text();
    assert!(
        css.starts_with("body { color: red }") && !css.contains(".cv-header") && css.ends_with("italic }")
    );
    assert_eq!(vitrine.get(&first).status, 200, "pages that are open still need it");
}

#[test]
fn the_site_has_one_name_when_a_proxy_says_how_a_visitor_came() {
    let dir = Folders::with_cv(CV);
    let mut command = dir.serve();
    command.env("VITRINE_CV_BASE_URL", "https://cv.example.com");
    let vitrine = Vitrine::spawn(command, dir);
    let get = |path: &str, host: &str, proto: &str| {
        vitrine.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: {proto}\r\nConnection: close\r\n\r\n"
        ))
    };
    assert!(get("/", "cv.example.com", "https").starts_with("HTTP/1.1 200"));
    for (host, proto) in [("cv.example.com", "http"), ("www.cv.example.com", "https")] {
        let answer = get("/?a=b", host, proto);
        assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
        assert!(answer.contains("location: https://cv.example.com/?a=b\r\n"), "{answer}");
    }
    for path in ["/health", "/.well-known/none", "/admin/login"] {
        assert!(!get(path, "cv.example.com", "http").starts_with("HTTP/1.1 3"), "{path}");
    }
}

#[test]
fn a_private_link_shows_every_contact_and_is_not_logged() {
    let dir = Folders::with_cv(&format!("{CV}  phone: '+49 30 1234'\nx-private: [email]\n"));
    dir.write("cv.ru.yaml", "basics: {label: Инженер}\n");
    let vitrine = Vitrine::start_on(dir);
    let page = vitrine.admin_page("/admin/links").text();
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string();
    let made = vitrine.post_as_admin("/admin/links", &[("csrf", &csrf), ("note", "Ada"), ("days", "2")]);
    assert_eq!((made.status, made.header("location")), (303, "/admin/links"));
    let page = vitrine.admin_page("/admin/links").text();
    let path = page.split(&format!("href=\"{}", vitrine.url(""))).nth(1).unwrap().split('"').next().unwrap();

    let private = vitrine.get(path);
    let text = private.text();
    assert!(
        private.status == 200 && text.contains("+49 30 1234") && text.contains("&#97;&#100;&#97;&#64;"),
        "{text}"
    );
    assert_eq!(private.header("cache-control"), "private, no-store");
    assert_eq!(private.header("referrer-policy"), "no-referrer");
    assert!(
        text.contains("<a href=\"./ru/\"") && text.contains("name=\"robots\" content=\"noindex\""),
        "{text}"
    );
    assert!(vitrine.get(&format!("{path}ru/")).text().contains("Инженер"));
    assert!(vitrine.get(&format!("{path}resume.json")).text().contains("1234"));
    let moved = vitrine.get(path.trim_end_matches('/'));
    assert_eq!(moved.status, 308);
    let elsewhere = "/p/%2f%2fevil.example".to_string();
    for wrong in [path.replace("/p/", "/p/A"), "/p/x/".into(), format!("{path}none"), "/p/".into(), elsewhere]
    {
        assert_eq!(vitrine.get(&wrong).status, 404, "{wrong}");
    }
    assert!(!vitrine.get("/").text().contains("1234"));

    let token = path.split('/').nth(2).unwrap();
    wait_until("the visits are logged", || (vitrine.logged("token").len() >= 4).then_some(()));
    assert!(vitrine.logged(token).is_empty(), "who reads the log could open the page");
}

#[test]
fn the_status_page_is_there_when_it_is_switched_on() {
    let dir = Folders::with_cv(CV);
    assert_eq!(Vitrine::start_on(Folders::with_cv(CV)).get("/status").status, 404, "it is off");
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_STATUS_PAGE", "true").env("VITRINE_TELEMETRY_SAMPLE_INTERVAL", "1s");
    let vitrine = Vitrine::spawn(command, dir);
    let page = vitrine.get("/status");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text().contains("The site is up."), "{}", page.text());
    assert!(!page.text().contains("href=\"/admin") && page.header("set-cookie").is_empty());
    let russian = vitrine.request("GET", "/status", &[("accept-language", "ru")]).text();
    assert!(russian.contains("Сайт работает."), "{russian}");
    assert_eq!(vitrine.request("HEAD", "/status", &[]).body.len(), 0);
    assert_eq!(vitrine.request("POST", "/status", &[]).status, 405);
}
