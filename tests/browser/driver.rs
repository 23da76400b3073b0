//! A chromium of a test, driven by Debian's `chromium-driver`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// A request is in the logs within a second and in the numbers within a sample, a tick and
/// a granule; a slow machine may take this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

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

/// How a browser is.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// What it asks for, `en` or `ru`.
    pub lang: &'static str,
    /// Whether it wants dark pages.
    pub is_dark: bool,
    /// Width and height of its window.
    pub size: (u32, u32),
    /// Whether it runs scripts.
    pub has_scripts: bool,
}

/// As small as phones are.
pub const PHONE: (u32, u32) = (390, 844);

/// An ordinary screen.
pub const DESK: (u32, u32) = (1_280, 900);

impl Default for Viewer {
    fn default() -> Self {
        Viewer { lang: "en", is_dark: false, size: PHONE, has_scripts: true }
    }
}

/// A chromedriver of this test, ended with it whatever happens.
pub struct Driver {
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

    async fn browser(&self, chromium: PathBuf, viewer: Viewer) -> Client {
        let mut flags: Vec<String> = CHROMIUM_FLAGS.iter().map(ToString::to_string).collect();
        let (width, height) = viewer.size;
        // The later of two counts.
        flags.push(format!("--window-size={width},{height}"));
        flags.push(format!("--user-data-dir={}", self.profile.path().display()));
        flags.push(format!("--blink-settings=preferredColorScheme={}", u8::from(!viewer.is_dark)));
        let capabilities = json!({
            "goog:chromeOptions": {
                "binary": chromium,
                "args": flags,
                "prefs": {
                    "intl.accept_languages": viewer.lang,
                    // 1 allows, 2 blocks.
                    "profile.managed_default_content_settings.javascript": if viewer.has_scripts { 1 } else { 2 },
                },
                // A window has a least width that is wider than a phone; what is emulated has none.
                "mobileEmulation": (width < 500).then(|| json!({
                    "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2.0 },
                })),
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(mut capabilities) = capabilities else { unreachable!() };
        if let Some(options) =
            capabilities.get_mut("goog:chromeOptions").and_then(|value| value.as_object_mut())
        {
            options.retain(|_, value| !value.is_null());
        }
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

/// Starts a browser; none where there is none, unless one is required.
pub async fn browser(viewer: Viewer) -> Option<(Driver, Page)> {
    let Some((chromium, chromedriver)) = program("chromium").zip(program("chromedriver")) else {
        assert!(
            !is_required("chromium"),
            "VITRINE_REQUIRE names chromium, but chromium or chromedriver is not in the path"
        );
        println!("skipped: the browser tests need chromium and chromedriver in the path");
        return None;
    };
    let driver = Driver::start(chromedriver);
    let page = Page(driver.browser(chromium, viewer).await);
    Some((driver, page))
}

/// Returns true when a thing that tests can do without must be there.
pub fn is_required(name: &str) -> bool {
    let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
    required.split(',').any(|known| known.trim() == name)
}

/// A page, with the waiting that a live page needs.
pub struct Page(pub Client);

impl Page {
    pub async fn open(&self, url: &str) {
        self.0.goto(url).await.unwrap();
    }

    pub async fn element(&self, css: &str) -> Element {
        self.0.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await.expect(css)
    }

    /// Returns the text of an element that the stream does not replace.
    pub async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    /// Waits until the text of an element is as wanted; the page changes under our hands,
    /// so an element that is gone is looked for again.
    pub async fn text_until(&self, css: &str, is_wanted: impl Fn(&str) -> bool) -> String {
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

    /// Presses an element; one that the stream replaces meanwhile is looked for again.
    pub async fn click(&self, css: &str) {
        let begun = std::time::Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        let mut fault = String::new();
        while begun.elapsed() < PATIENCE {
            pause.tick().await;
            let clicked = match self.0.find(Locator::Css(css)).await {
                Ok(element) => element.click().await,
                Err(fault) => Err(fault),
            };
            match clicked {
                Ok(_) => return,
                Err(again) => fault = again.to_string(),
            }
        }
        panic!("{css} cannot be pressed: {fault}");
    }

    /// Runs a script and returns what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.0.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script returns what is wanted.
    pub async fn run_until(&self, script: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        let mut seen = Value::Null;
        while begun.elapsed() < PATIENCE {
            pause.tick().await;
            // The page may be on its way to another one.
            if let Ok(value) = self.0.execute(script, Vec::new()).await {
                if is_wanted(&value) {
                    return value;
                }
                seen = value;
            }
        }
        panic!("{script} still returns {seen}");
    }

    /// Opens a page again and again until a script returns what is wanted of it.
    pub async fn open_until(&self, url: &str, script: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(500));
        let mut seen = Value::Null;
        while begun.elapsed() < PATIENCE {
            pause.tick().await;
            self.open(url).await;
            seen = self.run(script).await;
            if is_wanted(&seen) {
                return seen;
            }
        }
        panic!("{url} was opened for {PATIENCE:?}, and {script} still returns {seen}");
    }

    /// Presses keys where the focus is.
    pub async fn press(&self, keys: &str) {
        self.element("body").await.send_keys(keys).await.unwrap();
    }

    /// Returns what the browser complained of since it was asked last: refused scripts and
    /// styles, errors of scripts, what could not be loaded.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.0.issue_cmd(BrowserLog).await.unwrap();
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = entries.into_iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_string()).collect()
    }

    pub async fn log_in(&self, password: &str) {
        self.element("#password").await.send_keys(password).await.unwrap();
        self.element("main.login button").await.click().await.unwrap();
    }
}

/// Chromedriver's own command that hands over the console.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
