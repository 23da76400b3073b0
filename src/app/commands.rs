//! The commands of the command line, each from its layers of settings to an outcome.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use super::control::{self, Word};
use super::releases::SelfTest;
use super::{Failure, data, serve as server, site};
use crate::clock::Clock;
use crate::config::settings::SETTINGS;
use crate::config::{self, Layers};
use crate::cv::{self, FileForm};
use crate::http::admin::{password as admin_password, second_factor};
use crate::http::front;
use crate::record::access::cut;
use crate::release::install::{self, Contents, Keep, Place, Plan, Start, Step};

/// Serves until told to stop.
pub fn serve(layers: Layers) -> Result<(), Failure> {
    crate::http::block_on(server::serve(layers))
}

/// Validates configuration and CV and prints every problem.
pub fn check(layers: &Layers) -> Result<(), Failure> {
    let loaded = config::load(layers)?;
    for warning in &loaded.warnings {
        println!("warning: {warning}");
    }
    loaded.config.visitors.read().map_err(|fault| Failure::Configuration(fault.to_string()))?;
    match site::check(&loaded.config.site, &loaded.config.cv) {
        Ok((path, warnings)) => {
            for warning in &warnings {
                println!("warning: {warning}");
            }
            println!("{}: good, {}", path.display(), counted(warnings.len(), "warning"));
            Ok(())
        }
        Err(site::SiteError::Missing(folder)) => {
            println!("{}: no CV, the sample would be shown", folder.display());
            Ok(())
        }
        Err(fault) => Err(Failure::Configuration(site::lines(&fault.into_problems()))),
    }
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Writes a commented sample site.
pub fn init(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let mut files = vec![(config::DEFAULT_FILE, sample_configuration(&[]))];
    match cv::find(dir) {
        // A sample beside a CV of one's own would be shown in its place.
        Some(found) => println!("{} is there already and is left as it is", found.path.display()),
        None => files.push(("cv.yaml", cv::SAMPLE.to_string())),
    }
    for (name, content) in files {
        let path = dir.join(name);
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(content.as_bytes()).with_context(|| format!("write {}", path.display()))?;
                println!("wrote {}", path.display());
            }
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                println!("{} is there already and is left as it is", path.display());
            }
            Err(fault) => return Err(anyhow!(fault).context(format!("write {}", path.display())).into()),
        }
    }
    println!("\nnow edit the CV in {0} and run:\n\n    cd {0} && vitrine", dir.display());
    Ok(())
}

/// Writes a CV's file anew: any JSON Resume as tidy YAML, YAML as JSON Resume.
pub fn import(file: &Path, form: Option<FileForm>, output: Option<&Path>) -> Result<(), Failure> {
    let bytes =
        data::read_bounded(file, cv::SIZE_BYTES_MAX).with_context(|| format!("read {}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let form = form.unwrap_or(match FileForm::of(&name) {
        FileForm::Json => FileForm::Yaml,
        FileForm::Yaml => FileForm::Json,
    });
    let (written, problems) = cv::rewrite(&cv::Source { name: &name, bytes: &bytes }, form);
    let Some(written) = written else {
        return Err(Failure::Configuration(site::lines(&problems)));
    };
    for problem in &problems {
        eprintln!("warning: {problem}");
    }
    match output {
        None => io::stdout().write_all(written.as_bytes()).context("write to standard output")?,
        Some(path) => {
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).open(path).with_context(|| {
                    format!("write {}: a file that is there is left as it is", path.display())
                })?;
            file.write_all(written.as_bytes()).with_context(|| format!("write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Lists have no default, so that these lines are an example.
const SAMPLE_LISTS: &str = "
# Logs of other programs that are followed as they grow: up to 32 of each, changed by a reload.
#
# tag is the stream's job and service_name (the file's stem, the unit, or journal);
# format is auto, text, json or access; from is end or start, for the first time only.
#
#[[logs.file]]
#path = \"/var/log/nginx/*.log\"
#tag = \"nginx\"
#format = \"auto\"
#from = \"end\"
#
#[[logs.journal]]
#units = [\"ssh.service\"]
#
# Alert and recording rules in PromQL, with the fields of Prometheus's rule files.
#
#[[rules]]
#alert = \"PagesFail\"
#expr = \"sum(rate(http_server_request_duration_seconds_count{http_response_status_code=~'5..'}[5m])) > 0\"
#for = \"2m\"
#labels = {severity = \"page\"}
#annotations = {summary = \"{{ $value | humanize }} requests a second fail\"}
";

/// Returns a configuration file with every setting explained, and commented out but for those
/// that are `given`.
fn sample_configuration(given: &[(&str, &str)]) -> String {
    let mut res = String::from(
        "# vitrine's configuration. Every line shows a default; take away the # to change it.\n\
         # The environment wins over this file: listen is VITRINE_LISTEN, [http] threads is\n\
         # VITRINE_HTTP_THREADS. `vitrine check` validates, `vitrine reload` applies.\n",
    );
    let mut table = "";
    for setting in SETTINGS {
        let (own_table, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if own_table != table {
            res.push_str(&format!("\n[{own_table}]\n"));
            table = own_table;
        }
        let restart = if setting.reload { "" } else { " (needs a restart)" };
        res.push_str(&format!("\n# {}{restart}.\n", setting.meaning));
        match given.iter().find(|(key, _)| *key == setting.key) {
            Some((_, value)) => res.push_str(&format!("{name} = {value:?}\n")),
            None => res.push_str(&format!("# {name} = {}\n", setting.default_toml())),
        }
    }
    res.push_str(SAMPLE_LISTS);
    res
}

/// Makes the running process reload and prints how it went.
pub fn reload(layers: &Layers) -> Result<(), Failure> {
    let loaded = config::load(layers)?;
    let answer = control::send(&loaded.config.data, &Word::Reload).map_err(anyhow::Error::from)?;
    if answer.ok {
        println!("{}", answer.message);
        Ok(())
    } else {
        Err(anyhow!("reload refused, everything stays as it was:\n{}", answer.message).into())
    }
}

/// Sets the admin password from the terminal or from standard input's first line, and has
/// a running process take it up: what is said of sessions is what that process said.
pub fn password(layers: &Layers) -> Result<(), Failure> {
    let loaded = config::load(layers)?;
    data::prepare(&loaded.config.data)?;
    let password = if io::stdin().is_terminal() { ask_twice()? } else { first_line()? };
    // First, so that the new password finds it gone: whoever lost the app has this way in.
    if second_factor::take_away(&loaded.config.data).map_err(anyhow::Error::from)? {
        println!("the second factor is switched off");
    }
    admin_password::set(&loaded.config.data, &password).map_err(anyhow::Error::from)?;
    match control::send(&loaded.config.data, &Word::PasswordChanged) {
        Ok(answer) if answer.ok => {
            println!("the admin password is set; {}", answer.message);
            Ok(())
        }
        Ok(answer) => Err(anyhow!(
            "the running vitrine keeps the password that it has, the new one is only stored: {}",
            answer.message
        )
        .into()),
        Err(control::AskError::NotRunning(_)) => {
            println!("the admin password is set; no vitrine runs here, the next start takes it up");
            Ok(())
        }
        Err(fault) => {
            Err(anyhow!(fault).context("the password is stored, but nobody said that it is in force").into())
        }
    }
}

/// Stands before a vitrine in a container, and holds requests while that is replaced.
pub fn front(config: front::Config) -> Result<(), Failure> {
    let to = config.to.clone();
    let ready = move |address| eprintln!("vitrine: holds what comes to http://{address} for {to}");
    crate::http::block_on(front::serve(config, ready)).map_err(Failure::from)
}

/// Has the running process hand over to a new one.
pub fn hand_over(layers: &Layers, word: &Word) -> Result<(), Failure> {
    let loaded = config::load(layers)?;
    let answer = control::send(&loaded.config.data, word).map_err(anyhow::Error::from)?;
    if !answer.ok {
        return Err(anyhow!("no hand-over, the running vitrine serves on: {}", answer.message).into());
    }
    println!("{}", answer.message);
    Ok(())
}

fn ask_twice() -> anyhow::Result<String> {
    let first = rpassword::prompt_password("new admin password: ").context("read the password")?;
    let second = rpassword::prompt_password("the same again: ").context("read the password")?;
    if first != second {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(first)
}

fn first_line() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}

/// As much of a refusal is shown as fits a terminal.
const ANSWER_SHOWN_MAX_BYTES: usize = 1_000;

/// A probe that takes longer than this says "unhealthy" by itself.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks `/health` of the process at `url`, or of the one on this machine.
pub fn health(url: Option<String>, layers: &Layers) -> Result<(), Failure> {
    let url = match url {
        Some(url) => health_url(&url),
        None => own_health_url(layers)?,
    };
    let (body, answer) = ask_health(&url)?;
    if answer["status"].is_null() {
        return Err(anyhow!("{url} answered, but not as a vitrine does: is it the right address?").into());
    }
    println!("{body}");
    Ok(())
}

/// Asks for a process's health; an answer that says otherwise is an error.
pub fn ask_health(url: &str) -> anyhow::Result<(String, serde_json::Value)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(HEALTH_TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let mut response = agent.get(url).call().with_context(|| format!("ask {url}"))?;
    let body = response.body_mut().read_to_string().with_context(|| format!("read the answer of {url}"))?;
    if !response.status().is_success() {
        bail!("{url} answered {}: {}", response.status(), cut(&body, ANSWER_SHOWN_MAX_BYTES));
    }
    let answer = serde_json::from_str(&body).unwrap_or_default();
    Ok((body, answer))
}

/// Completes what people write: `localhost:2727` and `http://localhost:2727` mean its `/health`.
fn health_url(text: &str) -> String {
    let url = if text.contains("://") { text.to_string() } else { format!("http://{text}") };
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').contains('/'));
    if has_path { url } else { format!("{}/health", url.trim_end_matches('/')) }
}

fn own_health_url(layers: &Layers) -> Result<String, Failure> {
    Ok(health_address(config::load(layers)?.config.http.listen))
}

/// Returns where a process on this machine that listens on an address is asked for its health.
pub fn health_address(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}/health")
}

/// Does what a start does up to the point where it would accept, changes nothing, and prints
/// what `vitrine release` reads.
pub fn self_test(layers: &Layers) -> Result<(), Failure> {
    let config = config::load(layers)?.config;
    config.http.tls.read().map_err(anyhow::Error::from)?;
    site::prove_all(&config.site, &config.cv)
        .map_err(|fault| Failure::Configuration(site::lines(&fault.into_problems())))?;
    crate::store::check_format(&config.data.join(super::STORE_DIR)).map_err(anyhow::Error::from)?;
    let version = crate::release::current().version.to_string();
    println!("{}", serde_json::to_string(&SelfTest { version }).expect("texts become JSON"));
    Ok(())
}

/// The settings in force in the configuration of an installation.
const INSTALLED: [(&str, &str); 2] = [("site", install::SITE), ("data", install::DATA)];

/// The program that runs, whatever its path leads to by now.
const RUNNING: &str = "/proc/self/exe";

/// Whether the steps of an installation are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// They are only listed.
    DryRun,
    /// They are made.
    InEarnest,
}

/// Installs this program as a service of systemd, or below `root`.
pub fn install(root: Option<&Path>, start: Start, doing: Doing) -> Result<(), Failure> {
    let contents = Contents {
        program: RUNNING.into(),
        at: Clock::system().now(),
        configuration: sample_configuration(&INSTALLED),
    };
    let place = place(root)?;
    let plan = Plan::to_install(&place, &contents, start).map_err(anyhow::Error::from)?;
    carry_out(&plan, &place, doing)
}

/// Takes back what [`install()`] made.
pub fn uninstall(root: Option<&Path>, keep: Keep, doing: Doing) -> Result<(), Failure> {
    let place = place(root)?;
    let plan = Plan::to_uninstall(&place, keep).map_err(anyhow::Error::from)?;
    carry_out(&plan, &place, doing)
}

fn place(root: Option<&Path>) -> anyhow::Result<Place> {
    match root {
        Some(root) => Ok(Place::below(root)),
        None => Ok(Place::this_machine()?),
    }
}

fn carry_out(plan: &Plan, place: &Place, doing: Doing) -> Result<(), Failure> {
    match doing {
        Doing::DryRun => plan.steps.iter().for_each(|step| {
            println!("would {step}");
            if let Step::WriteUnit { text, .. } = step {
                text.lines().for_each(|line| println!("    | {line}"));
            }
        }),
        Doing::InEarnest => {
            plan.carry_out(place, |step| println!("{step}")).map_err(anyhow::Error::from)?;
        }
    }
    if plan.steps.is_empty() {
        println!("nothing is to be done");
    }
    plan.notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_configuration_is_valid_with_every_line_uncommented() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vitrine.toml");
        let text: Vec<String> = sample_configuration(&[])
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") => rest.to_string(),
                _ => line.to_string(),
            })
            .collect();
        fs::write(&path, text.join("\n")).unwrap();
        let loaded = config::load(&Layers { file: Some(path), ..Layers::default() }).unwrap();
        assert_eq!(loaded.config, config::Config::default());
        assert_eq!(loaded.sources.len(), SETTINGS.len());
    }

    #[test]
    fn the_installed_configuration_names_the_installed_folders_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vitrine.toml");
        fs::write(&path, sample_configuration(&INSTALLED)).unwrap();
        let loaded = config::load(&Layers { file: Some(path), ..Layers::default() }).unwrap();
        let expect = config::Config {
            site: install::SITE.into(),
            data: install::DATA.into(),
            ..config::Config::default()
        };
        assert_eq!(loaded.config, expect);
    }

    #[test]
    fn a_health_address_is_completed() {
        let check = |text: &str, expect: &str| assert_eq!(health_url(text), expect);
        check("localhost:2727", "http://localhost:2727/health");
        check("https://cv.example.com/", "https://cv.example.com/health");
        check("http://[::1]:1/up", "http://[::1]:1/up");
    }

    #[test]
    fn init_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("resume.json"), "mine").unwrap();
        init(dir.path()).unwrap();
        assert!(!dir.path().join("cv.yaml").exists(), "it would hide the CV that is there");
        fs::write(dir.path().join(config::DEFAULT_FILE), "mine").unwrap();
        init(dir.path()).unwrap();
        for name in ["resume.json", config::DEFAULT_FILE] {
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine");
        }
    }
}
