//! The programs that are measured against, and the one that measures.

use std::path::Path;
use std::process::Command;

use super::search::find;

/// The variables that name the programs; else they are looked for in `PATH`.
const NGINX: &str = "NGINX_BIN";
const WRK: &str = "WRK_BIN";
const GUNICORN: &str = "GUNICORN_BIN";

/// Debian keeps it out of the `PATH` of everyone but root.
const NGINX_OF_ROOT: &str = "/usr/sbin/nginx";

/// Where the programs are.
pub struct Programs {
    pub nginx: String,
    pub wrk: String,
    pub gunicorn: Option<String>,
}

/// Finds the programs, and installs what is needed where this user may do so.
pub fn find_or_install() -> Result<Programs, String> {
    let missing: Vec<&str> = [("nginx-light", nginx()), ("wrk", wrk())]
        .into_iter()
        .filter_map(|(package, found)| found.is_none().then_some(package))
        .collect();
    if !missing.is_empty() {
        install(&missing);
    }
    match (nginx(), wrk()) {
        (Some(nginx), Some(wrk)) => Ok(Programs { nginx, wrk, gunicorn: find(GUNICORN, "gunicorn") }),
        _ => Err(format!(
            "{} missing: run `{}` as root, or name the programs by {NGINX} and {WRK}",
            missing.join(" and "),
            words(&missing).join(" "),
        )),
    }
}

fn nginx() -> Option<String> {
    let of_root = || Path::new(NGINX_OF_ROOT).is_file().then(|| NGINX_OF_ROOT.to_string());
    find(NGINX, "nginx").or_else(of_root)
}

fn wrk() -> Option<String> {
    find(WRK, "wrk")
}

fn words<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    [&["apt-get", "install", "--yes", "--no-install-recommends"], packages].concat()
}

/// Installs packages as far as this is root on Debian or one of its kind.
fn install(packages: &[&str]) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let run = |args: &[&str]| {
        eprintln!("running apt-get {}", args.join(" "));
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(std::io::stderr());
        command.status().is_ok_and(|status| status.success())
    };
    let words = words(packages);
    // A fresh machine knows of no packages yet. Whether it worked, the next search tells.
    let _ = run(&words[1..]) || (run(&["update"]) && run(&words[1..]));
}
