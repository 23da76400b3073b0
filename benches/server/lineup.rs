//! The servers that are measured, all running at once and asked one after the other.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::child;
use super::flask::Flask;
use super::load::Shape;
use super::machine::n_cores;
use super::nginx::{AccessLog, Nginx, Sending};
use super::page::Page;
use super::plain::{By, LISTENING, Serve};
use super::process::Process;
use super::program;
use super::programs::Programs;

/// As many replicas as vitrine replaces.
const N_UPSTREAMS: usize = 3;

/// A kind of server, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Balancer,
    Vitrine,
    NginxLog,
    NginxNoLog,
    NginxCopying,
    NginxUpstreams,
    NginxFlask,
}

impl Kind {
    /// Returns its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Plain => "plain actix handler",
            Kind::Balancer => "handler behind the balancer",
            Kind::Vitrine => "vitrine, everything on",
            Kind::NginxLog => "nginx, access log on",
            Kind::NginxNoLog => "nginx, access log off",
            Kind::NginxCopying => "nginx, log on, sendfile off",
            Kind::NginxUpstreams => "nginx, 3 actix upstreams",
            Kind::NginxFlask => "nginx, 3 Flask replicas",
        }
    }

    /// Returns whether it is asked in this way. Those that stand beside a budget are asked
    /// only where budgets are checked, for the sake of time.
    pub fn is_in(self, shape: Shape) -> bool {
        match self {
            Kind::Plain | Kind::Balancer | Kind::Vitrine => true,
            Kind::NginxLog | Kind::NginxNoLog | Kind::NginxUpstreams => true,
            Kind::NginxCopying | Kind::NginxFlask => shape == Shape::Keep64,
        }
    }

    /// Returns whether it has work left after its last answer: telemetry is packed and written
    /// up to a second later.
    pub fn works_later(self) -> bool {
        self == Kind::Vitrine
    }
}

/// A running server.
pub struct Server {
    pub kind: Kind,
    pub url: String,
    /// Those whose processor time counts, with all their descendants.
    pub processes: Vec<Process>,
}

impl Server {
    fn new(kind: Kind, processes: Vec<Process>, address: &str) -> Self {
        Server { kind, url: format!("http://{address}/"), processes }
    }
}

/// All servers, and the page that they answer.
pub struct Lineup {
    pub servers: Vec<Server>,
    pub page: Page,
}

impl Lineup {
    /// Starts every server in a folder and sees that all answer the same.
    pub fn start(programs: &Programs, dir: &Path, encoding: &str) -> Lineup {
        let vitrine = vitrine(&dir.join("vitrine"));
        let (page, page_dir) = (Page::fetch(&vitrine.url, encoding), dir.join("page"));
        page.store(&page_dir);
        let unencoded = Page::fetch(&vitrine.url, "identity").body;
        let flask = programs.gunicorn.as_ref();
        let flask = flask.and_then(|gunicorn| Flask::prepare(gunicorn, &dir.join("flask"), &unencoded));

        let mut servers = vec![
            handler(Kind::Plain, &page_dir, By::Handler),
            handler(Kind::Balancer, &page_dir, By::Workers),
            vitrine,
        ];
        let nginx = Nginx { program: &programs.nginx, dir, n_workers: n_cores() };
        for (kind, name, log, sending) in [
            (Kind::NginxLog, "nginx-log", AccessLog::On, Sending::Sendfile),
            (Kind::NginxNoLog, "nginx-no-log", AccessLog::Off, Sending::Sendfile),
            (Kind::NginxCopying, "nginx-copying", AccessLog::On, Sending::Copy),
        ] {
            let (process, address) = nginx.with_file(name, log, sending, &page_dir);
            servers.push(Server::new(kind, vec![process], &address));
        }
        let replicas = |kind, name, start: &dyn Fn() -> (Process, String)| {
            let (mut processes, addresses): (Vec<_>, Vec<_>) = (0..N_UPSTREAMS).map(|_| start()).unzip();
            let (front, address) = nginx.with_upstreams(name, &addresses);
            // The front first, so that it is ended before those it asks.
            processes.insert(0, front);
            Server::new(kind, processes, &address)
        };
        let upstream = || start_handler(&page_dir, 1, By::Handler);
        servers.push(replicas(Kind::NginxUpstreams, "nginx-upstreams", &upstream));
        for server in &servers {
            page.expect_in(&Page::fetch(&server.url, encoding), server.kind.title());
        }
        if let Some(flask) = flask {
            let server = replicas(Kind::NginxFlask, "nginx-flask", &|| flask.start());
            assert!(Page::fetch(&server.url, "identity").body == unencoded, "Flask answers another page");
            servers.push(server);
        }
        Lineup { servers, page }
    }

    /// Returns a server, if it could be started.
    pub fn find(&self, kind: Kind) -> Option<&Server> {
        self.servers.iter().find(|server| server.kind == kind)
    }
}

fn handler(kind: Kind, page: &Path, by: By) -> Server {
    let (process, address) = start_handler(page, n_cores(), by);
    Server::new(kind, vec![process], &address)
}

fn start_handler(page: &Path, threads: usize, by: By) -> (Process, String) {
    Process::start(child::serve(&Serve { page: page.to_path_buf(), threads, by }), LISTENING)
}

/// The admin password of the vitrine that is measured.
const PASSWORD: &str = "correct horse battery staple";

/// Starts the real program as it is by default, with the sample CV.
fn vitrine(dir: &Path) -> Server {
    fs::create_dir_all(dir.join("site")).unwrap();
    let mut command = program::command(env!("CARGO_BIN_EXE_vitrine"));
    without_settings(&mut command);
    command.arg("serve").args(["--listen", "127.0.0.1:0"]);
    command.arg("--site").arg(dir.join("site")).arg("--data").arg(dir.join("data")).current_dir(dir);
    command.env("VITRINE_ADMIN_PASSWORD", PASSWORD);
    // Another vitrine on this machine may have the protocol's port.
    command.env("VITRINE_FORWARD_LISTEN", "127.0.0.1:0");
    let (process, after) = Process::start(command, "serving on http://");
    Server::new(Kind::Vitrine, vec![process], after.split([',', ' ']).next().unwrap())
}

/// Takes away what could change the program's settings.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("VITRINE_") || name.starts_with("OTEL_") || name == "NOTIFY_SOCKET" {
            command.env_remove(&*name);
        }
    }
}

/// Returns how many telemetry records vitrine has dropped, by its own count.
pub fn n_dropped(vitrine: &Server) -> u64 {
    let credential = BASE64_STANDARD.encode(format!("admin:{PASSWORD}"));
    let metrics = ureq::get(format!("{}metrics", vitrine.url))
        .header("authorization", format!("Basic {credential}"))
        .call()
        .and_then(|mut response| response.body_mut().read_to_string())
        .unwrap();
    let dropped = metrics.lines().filter(|line| line.starts_with("vitrine_telemetry_dropped_total"));
    dropped.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}
