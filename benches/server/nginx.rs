//! nginx, tuned, with a configuration of its own in the folder of the benchmark.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use super::page::Page;
use super::process::Process;
use super::program;

/// What nginx writes once it listens.
const STARTED: &str = "start worker processes";

/// Whether requests are written to a file, one line each, as nginx does by default.
#[derive(Clone, Copy)]
pub enum AccessLog {
    On,
    Off,
}

/// How a file gets into the socket.
#[derive(Clone, Copy)]
pub enum Sending {
    /// By `sendfile` and `tcp_nopush`, as distributions have it and advice goes. A page of a few
    /// kilobytes takes four system calls with them.
    Sendfile,
    /// Read and written with its headers in one piece, which is dearer for large files only.
    Copy,
}

/// Where nginx is and works.
pub struct Nginx<'a> {
    pub program: &'a str,
    pub dir: &'a Path,
    pub n_workers: usize,
}

impl Nginx<'_> {
    /// Starts it with the page as a file; returns its address too.
    pub fn with_file(&self, name: &str, log: AccessLog, sending: Sending, page: &Path) -> (Process, String) {
        let (mut headers, mut content_type) = (String::new(), String::new());
        for (name, value) in Page::load(page).headers {
            match name.as_str() {
                // The type is set, not added.
                "content-type" => content_type = quoted(&value),
                _ => writeln!(headers, "            add_header {name} {};", quoted(&value)).unwrap(),
            }
        }
        let root = quoted(page.to_str().unwrap());
        let sending = match sending {
            Sending::Sendfile => "sendfile on; tcp_nopush on;",
            Sending::Copy => "sendfile off;",
        };
        let http = format!(
            "{sending}
    open_file_cache max=100 inactive=1h;
    open_file_cache_valid 1h;
    server {{
        listen {{address}} reuseport backlog=1024;
        root {root};
        location = / {{
            # The cheapest of its ways from a folder to a file: `index` redirects inside.
            try_files /index.html =404;
            types {{ }}
            default_type {content_type};
            etag off;
            max_ranges 0;
            add_header last-modified \"\";
{headers}        }}
    }}"
        );
        self.start(name, log, &http)
    }

    /// Starts it in front of upstreams, to which it keeps connections where they keep them;
    /// returns its address too.
    pub fn with_upstreams(&self, name: &str, upstreams: &[String]) -> (Process, String) {
        let servers: String =
            upstreams.iter().map(|address| format!("        server {address};\n")).collect();
        let http = format!(
            "upstream replicas {{
{servers}        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {{address}} reuseport backlog=1024;
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}"
        );
        self.start(name, AccessLog::On, &http)
    }

    /// Starts it in a folder of this name with what its `http` block shall have beside the
    /// common settings, where `{address}` stands for its address.
    fn start(&self, name: &str, log: AccessLog, http: &str) -> (Process, String) {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).unwrap();
        // Free when it was asked for; nobody else is expected to take it before nginx does.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = free.unwrap().to_string();
        let log = match log {
            AccessLog::On => "access.log combined",
            AccessLog::Off => "off",
        };
        // Workers of a master that is root become somebody who cannot read this folder.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let (n_workers, http) = (self.n_workers, http.replace("{address}", &address));
        let config = format!(
            "daemon off;
{user}
worker_processes {n_workers};
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    access_log {log};
    server_tokens off;
    keepalive_timeout 75s;
    # By default a connection ends after 1,000 requests, which the others do not do.
    keepalive_requests 1000000000;
    {http}
}}
"
        );
        let file = dir.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = program::command(self.program);
        command.arg("-p").arg(dir).arg("-c").arg(file).args(["-e", "stderr"]);
        let (process, _) = Process::start(command, STARTED);
        (process, address)
    }
}

fn quoted(text: &str) -> String {
    // There is no way to write a dollar sign in a parameter that may have variables.
    assert!(!text.contains('$'), "{text} cannot be given to nginx");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
