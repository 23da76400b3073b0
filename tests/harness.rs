//! Starts the real program for a test and is its client.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use vitrine::clock::{Clock, UnixMillis, UnixNanos};
use vitrine::record::read::{Direction, LogRead, LogSelect, Matcher, MetricRead, SeriesSelect};
use vitrine::store::{Config, Store};

/// Nothing in the suite takes this long; a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The admin password that the harness gives every process.
pub const PASSWORD: &str = "correct horse battery staple";

/// A command of the program with nothing inherited that could change its settings.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("VITRINE_") || name.starts_with("OTEL_") || name == "NOTIFY_SOCKET" {
            command.env_remove(&*name);
        }
    }
    // Tests run side by side and cannot all have the protocol's port.
    command.env("VITRINE_FORWARD_LISTEN", "");
    command
}

/// A running program with its own folders; killed and removed when dropped.
pub struct Vitrine {
    child: Child,
    address: String,
    dir: Folders,
    lines: Receiver<String>,
    log: String,
    /// The cookie of an admin session, once there was a login.
    session: RefCell<Option<String>>,
}

/// The folders of a program: kept apart so that a second one can be started on them.
pub struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    /// Makes an empty site and data folder.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("site")).unwrap();
        Folders { root }
    }

    /// Makes the folders with this CV.
    pub fn with_cv(cv: &str) -> Self {
        let res = Folders::new();
        res.write("cv.yaml", cv);
        res
    }

    /// Returns the site folder.
    pub fn site(&self) -> PathBuf {
        self.root.path().join("site")
    }

    /// Returns the data folder.
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Writes a file of the site.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.site().join(name), text).unwrap();
    }

    /// Returns a `serve` command on these folders, on a free port, sampling each second.
    pub fn serve(&self) -> Command {
        let (site, data) = (self.site(), self.data());
        let mut command = command(&["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--site").arg(site).arg("--data").arg(data).current_dir(self.root.path());
        command.env("VITRINE_ADMIN_PASSWORD", PASSWORD).env("VITRINE_TELEMETRY_SAMPLE_INTERVAL", "1s");
        command
    }

    /// Runs a command of the program on these folders to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        let mut command = command(args);
        command.arg("--site").arg(self.site()).arg("--data").arg(self.data()).current_dir(self.root.path());
        run(command)
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a command to its end; one that does not end is killed and fails the test.
pub fn run(mut command: Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end:\n{}", err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ended { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn read_all(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Vitrine {
    /// Starts on fresh folders with the sample CV.
    pub fn start() -> Self {
        Vitrine::start_on(Folders::new())
    }

    /// Starts on folders.
    pub fn start_on(dir: Folders) -> Self {
        let command = dir.serve();
        Vitrine::spawn(command, dir)
    }

    /// Starts a prepared `serve` command and waits until it serves.
    pub fn spawn(mut command: Command, dir: Folders) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut res = Vitrine {
            child,
            address: String::new(),
            dir,
            lines,
            log: String::new(),
            session: RefCell::default(),
        };
        let line = res.wait_for_line("serving on http://");
        let after = line.split("serving on http://").nth(1).unwrap();
        res.address = after.split([',', ' ']).next().unwrap().to_string();
        res
    }

    /// Waits until a line of the log contains `text`, and returns it.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push_str(&line);
                    self.log.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no line with {text:?} in:\n{}", self.log),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended with {:?} before {text:?}:\n{}", self.child.wait(), self.log)
                }
            }
        }
    }

    /// Returns the log as far as it was read.
    pub fn log_text(&self) -> &str {
        &self.log
    }

    /// Reads what is left of the log of a process that has ended, and returns all of it.
    pub fn rest_of_the_log(&mut self) -> &str {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        &self.log
    }

    /// Returns the address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the admin password.
    pub fn admin_password(&self) -> &str {
        PASSWORD
    }

    /// Returns the folders.
    pub fn dir(&self) -> &Folders {
        &self.dir
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends GET.
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[])
    }

    /// Sends GET as the admin.
    pub fn get_as_admin(&self, path: &str) -> Response {
        self.request("GET", path, &[("authorization", &basic_auth())])
    }

    /// Logs in as a browser would, once, and returns a page of `/admin`.
    pub fn admin_page(&self, path: &str) -> Response {
        self.request("GET", path, &[("cookie", &self.cookie())])
    }

    /// Sends a form as a browser that is logged in would.
    pub fn post_as_admin(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = agent().post(self.url(path)).header("cookie", self.cookie());
        Response::of(request.send_form(form.iter().copied()).unwrap())
    }

    /// Returns the cookie of a browser that is logged in; it logs in once.
    pub fn cookie(&self) -> String {
        self.session.borrow_mut().get_or_insert_with(|| self.log_in()).clone()
    }

    /// Lets the next page log in anew: another process knows no session of the one before.
    pub fn forget_session(&self) {
        *self.session.borrow_mut() = None;
    }

    fn log_in(&self) -> String {
        let form = format!("password={}", PASSWORD.replace(' ', "+"));
        let response = agent()
            .post(self.url("/admin/login"))
            .content_type("application/x-www-form-urlencoded")
            .send(form)
            .unwrap();
        let cookie = response.headers().get("set-cookie").expect("the login gives a session");
        cookie.to_str().unwrap().split(';').next().unwrap().to_string()
    }

    /// Returns the lines of the last hour that `/admin` shows and that have a text in them or in what
    /// is known of them, in whatever case, the newest first; a `+` stands for a blank.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let text = text.replace('+', " ").to_lowercase();
        let (mut res, mut before) = (Vec::new(), String::new());
        loop {
            let page = self.admin_page(&format!("/admin/logs/rows?{before}")).text();
            let page: serde_json::Value = serde_json::from_str(&page).unwrap_or_else(|_| panic!("{page}"));
            let lines = page["rows"].as_array().expect("the page has rows").iter().map(line_of);
            res.extend(lines.filter(|line| line.to_lowercase().contains(&text)));
            let Some(older) = page["older"].as_str() else { return res };
            before = format!("before={older}");
        }
    }

    /// Sends a request with headers; no status is an error.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.head(method, path, headers);
        Response::of(agent().run(request.body(()).unwrap()).unwrap())
    }

    /// Sends a request with headers and a body; no status is an error.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let request = self.head(method, path, headers);
        Response::of(agent().run(request.body(body).unwrap()).unwrap())
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
        let request = http::Request::builder().method(method).uri(self.url(path));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    /// Sends bytes and returns what comes until the other end closes, which it may do before it
    /// has read all of them.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut writer, request) = (stream.try_clone().unwrap(), request.to_string());
        // Its error shows as an answer that is missing or too short.
        let writing = std::thread::spawn(move || writer.write_all(request.as_bytes()));
        let mut answer = Vec::new();
        if let Err(fault) = stream.read_to_end(&mut answer) {
            assert_eq!(fault.kind(), ErrorKind::ConnectionReset, "{fault}");
        }
        _ = writing.join().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Returns the resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Returns how the process ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("the process ends", || self.child.try_wait().unwrap())
    }

    /// Ends the process by SIGTERM and returns its folders for the next one.
    pub fn stop(mut self) -> Folders {
        self.signal(rustix::process::Signal::TERM);
        let status = self.wait();
        if !status.success() {
            // A successor may still hold the other end of the pipe.
            while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
                self.log.push_str(&line);
                self.log.push('\n');
            }
            panic!("ended with {status:?}:\n{}", self.log);
        }
        std::mem::replace(&mut self.dir, Folders::new())
    }

    /// Returns the folders of a process that has ended.
    pub fn into_dir(mut self) -> Folders {
        std::mem::replace(&mut self.dir, Folders::new())
    }

    /// Kills the process by SIGKILL and returns its folders for the next one.
    pub fn kill(mut self) -> Folders {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.dir, Folders::new())
    }
}

impl Drop for Vitrine {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Writes a row of the log as one text: level, line, and all that is known of it.
fn line_of(row: &serde_json::Value) -> String {
    let pairs = ["s", "f"].map(|name| row[name].as_array().expect("a row has pairs"));
    let pairs = pairs.into_iter().flatten().flat_map(|pair| pair.as_array().expect("a pair has two"));
    let texts: Vec<&str> = [&row["l"], &row["b"]]
        .into_iter()
        .chain(pairs)
        .map(|text| text.as_str().unwrap_or_default())
        .collect();
    texts.join(" ")
}

/// What came back.
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body as sent, still in its content encoding.
    pub body: Vec<u8>,
}

impl Response {
    fn of(mut response: http::Response<ureq::Body>) -> Response {
        Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap(),
        }
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Returns a header, `""` when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into()
}

/// Returns the value of a series on a page of `/metrics`: the first line of that name that has
/// all these labels, written `name="value"`.
pub fn metric(page: &str, name: &str, labels: &[&str]) -> f64 {
    let mut lines = page.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let line = lines.find(|line| labels.iter().all(|label| line.contains(label)));
    let line = line.unwrap_or_else(|| panic!("{name} {labels:?} is not on the page"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Opens the store of a stopped vitrine.
pub fn stored(dir: &Folders) -> Store {
    let meter = NoopMeterProvider::new().meter("test");
    Store::open(&dir.data().join("store"), Config::default(), Clock::system(), &meter).unwrap()
}

/// Returns the samples that a stopped vitrine has of a metric, as milliseconds and values.
pub fn stored_samples(dir: &Folders, name: &str) -> Vec<(i64, f64)> {
    let store = stored(dir);
    let matchers = vec![Matcher::equal("__name__", name)];
    let select = SeriesSelect { matchers, from: UnixMillis(0), to: UnixMillis(i64::MAX) };
    let mut res = Vec::new();
    let read = store.series(&select, &mut |_, samples| {
        res.extend(samples.iter().map(|sample| (sample.at.0, sample.value)));
        ControlFlow::Continue(())
    });
    read.unwrap();
    res
}

/// Returns the lines that a stopped vitrine has of a job, oldest first, each behind its scope.
pub fn stored_lines(dir: &Folders, job: &str) -> Vec<String> {
    let store = stored(dir);
    let matchers = vec![Matcher::equal("job", job)];
    let select = LogSelect::new(matchers, UnixNanos(0), UnixNanos(i64::MAX), Direction::Forward);
    let mut res = Vec::new();
    let read = store.lines(&select, &mut |line| {
        res.push(format!("{} {}", line.metadata("scope_name"), line.body()));
        ControlFlow::Continue(())
    });
    read.unwrap();
    res
}

/// Returns the number that a variable of the environment says, which makes a run longer or another.
pub fn number_of_run(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Returns the admin's `Authorization` header.
pub fn basic_auth() -> String {
    use base64::Engine as _;
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("admin:{PASSWORD}"));
    format!("Basic {credential}")
}

/// Waits until `probe` returns something; polls, because the other side is a process.
pub fn wait_until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
