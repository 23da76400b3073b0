//! The admin page in a real browser: log in, find the own request, log out.
//!
//! It needs Debian's `chromium` and `chromium-driver`. Where they are missing it says
//! that it skips, unless `VITRINE_REQUIRE` names `chromium`: then that is a failure.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::harness::{Folders, Vitrine};

/// A request is in the logs within a second and in the numbers within a sample, a tick and
/// a granule; a slow machine may take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What lets chromium run in a container, and keeps it from calling home.
pub const CHROMIUM_FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=390,844",
];

/// A chromedriver of this test, ended with it whatever happens.
struct Driver {
    child: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    /// Starts chromedriver on a port of its choice.
    fn start(program: PathBuf) -> Driver {
        let mut command = Command::new(program);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, ports) = channel();
        // It ends with the driver, whose output it reads to the end so that it never blocks.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let port = line.split("started successfully on port ").nth(1);
                if let Some(port) = port.and_then(|port| port.trim_end_matches('.').trim().parse().ok()) {
                    // Nobody listens any more when the test gave up.
                    _ = sender.send(port);
                }
            }
        });
        let mut driver = Driver { child, port: 0, profile: tempfile::tempdir().unwrap() };
        driver.port = ports.recv_timeout(PATIENCE).expect("chromedriver says its port");
        driver
    }

    async fn browser(&self, chromium: PathBuf) -> Client {
        let mut flags: Vec<String> = CHROMIUM_FLAGS.iter().map(ToString::to_string).collect();
        flags.push(format!("--user-data-dir={}", self.profile.path().display()));
        let capabilities = json!({ "goog:chromeOptions": { "binary": chromium, "args": flags } });
        let serde_json::Value::Object(capabilities) = capabilities else { unreachable!() };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        builder.connect(&format!("http://127.0.0.1:{}", self.port)).await.unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The driver closes its browsers when it is told to shut down; a kill would leave
        // them behind. Whatever does not answer in time is killed.
        let address = ([127, 0, 0, 1], self.port).into();
        if let Ok(mut socket) = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
            use std::io::{Read, Write};
            let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
            let _ =
                socket.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            let _ = socket.read(&mut [0; 64]);
        }
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds a program in the search path.
pub fn program(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn programs() -> Option<(PathBuf, PathBuf)> {
    let found = program("chromium").zip(program("chromedriver"));
    if found.is_none() {
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name.trim() == "chromium"),
            "VITRINE_REQUIRE names chromium, but chromium or chromedriver is not in the path"
        );
        println!("skipped: the browser test needs chromium and chromedriver in the path");
    }
    found
}

/// A page, with the waiting that a live page needs.
struct Page(Client);

impl Page {
    async fn open(&self, url: &str) {
        self.0.goto(url).await.unwrap();
    }

    async fn element(&self, css: &str) -> Element {
        self.0.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await.expect(css)
    }

    /// Returns the text of an element that the stream does not replace.
    async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    /// Waits until the text of an element is as wanted; the page changes under our hands,
    /// so an element that is gone is looked for again.
    async fn text_until(&self, css: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        let begun = std::time::Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        let mut seen = String::new();
        while begun.elapsed() < PATIENCE {
            pause.tick().await;
            if let Ok(element) = self.0.find(Locator::Css(css)).await
                && let Ok(text) = element.text().await
            {
                if is_wanted(&text) {
                    return text;
                }
                seen = text;
            }
        }
        panic!("{css} still says {seen:?}");
    }

    async fn log_in(&self, password: &str) {
        self.element("#password").await.send_keys(password).await.unwrap();
        self.element("main.login button").await.click().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_logs_in_sees_a_request_and_logs_out() {
    let Some((chromium, chromedriver)) = programs() else { return };
    let vitrine = Vitrine::start();
    let driver = Driver::start(chromedriver);
    let page = Page(driver.browser(chromium).await);

    page.open(&vitrine.url("/")).await;
    assert!(!page.text("h1").await.is_empty(), "the CV has a heading");

    page.open(&vitrine.url("/admin")).await;
    page.log_in("not the password").await;
    let notice = page.text("#notice").await;
    assert_eq!(notice, "That is not the password. Please try again.");

    page.log_in(vitrine.admin_password()).await;
    page.text_until("#verdict", |text| text.contains("ready")).await;
    page.text_until("#live", |text| text.starts_with("live")).await;

    // The page is live now: what follows must arrive without another load.
    let path = format!("/nothing-{:08x}", rand::random::<u32>());
    assert_eq!(vitrine.get(&path).status, 404);
    let n_counted = |text: &str| {
        let words = text.lines().skip_while(|line| *line != "Answered").nth(1);
        words.and_then(|number| number.replace(',', "").parse::<u64>().ok()).unwrap_or(0)
    };
    // The CV, its parts and the path that is not there.
    page.text_until("#tiles", |text| n_counted(text) >= 2).await;

    // Its line, by the address alone, as a browser without a script loads it.
    page.open(&vitrine.url(&format!("/admin/logs?q={}", path.trim_start_matches('/')))).await;
    page.text_until("#log-lines", |text| text.contains(&path)).await;

    page.element("header.top form[action='/admin/logout'] button").await.click().await.unwrap();
    assert_eq!(page.text("#notice").await, "You are logged out.");
    page.open(&vitrine.url("/admin")).await;
    page.element("#password").await;

    page.0.close().await.unwrap();
}

impl Page {
    /// Follows what a link leads to; links that the script moves about are looked for again.
    async fn follow(&self, css: &str) {
        self.element(css).await.click().await.unwrap();
    }
}

/// A person's path: the chart of errors has a spike; which requests were they, and where did the
/// time of one go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_finds_out_why_a_request_failed() {
    let Some((chromium, chromedriver)) = programs() else { return };
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    let vitrine = Vitrine::spawn(command, dir);
    let driver = Driver::start(chromedriver);
    let page = Page(driver.browser(chromium).await);
    assert_eq!(vitrine.get("/drill/panic").status, 500);
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;

    // The chart has a step with an error once it was sampled; each has a link to its lines.
    let begun = std::time::Instant::now();
    while page.0.find(Locator::Css("#chart-errors[data-chart]")).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "no error is on the chart");
        page.open(&vitrine.url("/admin")).await;
        page.text_until("#live", |text| text.starts_with("live")).await;
    }
    page.follow("#table-errors summary").await;
    page.follow("#table-errors tbody tr:has(td:not(:empty)) a").await;

    page.text_until("#log-lines", |text| text.contains("/drill/panic")).await;
    page.element("#chart-lines[data-chart]").await;
    // By the keyboard to the first line, which opens.
    page.element("body").await.send_keys("j").await.unwrap();
    page.element("#log-lines li summary:focus").await.send_keys(" ").await.unwrap();
    let known = page.text("#log-lines details[open] dl").await;
    assert!(known.contains("http_response_status_code") || known.contains("exception"), "{known}");
    page.follow("#log-lines details[open] a[href^='/admin/traces/']").await;
    page.text_until("h1", |text| text.starts_with("GET")).await;
    let spans = page.text("section.waterfall").await;
    assert!(spans.contains("failed"), "{spans}");
    page.follow("main a[href^='/admin/logs?']").await;
    page.text_until("#log-lines", |text| text.contains("/drill/panic")).await;

    page.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_in_until_the_owner_pauses_them() {
    let Some((chromium, chromedriver)) = programs() else { return };
    let vitrine = Vitrine::start();
    let driver = Driver::start(chromedriver);
    let page = Page(driver.browser(chromium).await);
    page.open(&vitrine.url("/admin")).await;
    page.log_in(vitrine.admin_password()).await;
    page.open(&vitrine.url("/admin/logs")).await;
    page.text_until("#live", |text| text.starts_with("live")).await;

    vitrine.get("/comes-in");
    page.text_until("#log-lines", |text| text.contains("/comes-in")).await;
    page.element("body").await.send_keys("p").await.unwrap();
    assert_eq!(
        page.element("#tail-pause").await.attr("aria-pressed").await.unwrap().as_deref(),
        Some("true")
    );
    vitrine.get("/waits");
    page.text_until("#tail-waiting", |text| text.ends_with(": 1")).await;
    assert!(!page.text("#log-lines ol").await.contains("/waits"));
    page.follow("#tail-pause").await;
    page.text_until("#log-lines", |text| text.contains("/waits")).await;

    page.0.close().await.unwrap();
}
