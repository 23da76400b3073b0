//! The command: arguments in, exit code out, nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vitrine::app::commands::Doing;
use vitrine::app::control::Word;
use vitrine::app::{Failure, commands, logs, promtest, query, releases};
use vitrine::config::{ENV_PREFIX, Layers};
use vitrine::cv::FileForm;
use vitrine::http::front;
use vitrine::release::gate::Traffic;
use vitrine::release::install::{CONFIGURATION, Keep, Start};

/// Serves a CV and watches itself.
///
/// Without a command it serves: the CV of the current folder (cv.yaml or resume.json), or a
/// sample, on http://localhost:2727, with /admin beside it. Every setting can be given in
/// vitrine.toml and as an environment variable (`VITRINE_` and the path in capitals);
/// `vitrine init DIR` writes a folder with all of them explained.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed (port, permission, second process, newer data, or the \
command's own refusal); 2 wrong usage, or a release that could not be taken back; 75 another release command is at \
work; 78 configuration or CV wrong, trying again does not help.";

/// The settings that have a flag; the others are set in the file or the environment.
#[derive(Args, Default)]
struct Settings {
    /// Configuration file [default: vitrine.toml, if it is there; commands other than serve then
    /// look for /etc/vitrine/vitrine.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder with cv.yaml or resume.json [default: .]
    #[arg(long, value_name = "DIR")]
    site: Option<String>,
    /// Folder for everything that must survive a restart [default: vitrine-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Address and port; port 0 picks a free one [default: 0.0.0.0:2727]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the CV, /admin and the APIs until SIGTERM (this is also the default)
    Serve(Settings),
    /// Validates configuration and CV: exit 0, or 78 with every problem named
    Check(Settings),
    /// Writes a commented sample site into a folder
    Init {
        /// The folder; it is created, and no file in it is overwritten
        dir: PathBuf,
    },
    /// Turns any resume.json into tidy YAML, and YAML into JSON Resume
    ///
    /// Nothing is lost but comments, and that numbers become texts in JSON: keys that vitrine
    /// does not know stay, older names become those of today, keys get the order of the
    /// schema, empty values go. What is odd about
    /// the file is told on standard error, as `vitrine check` does.
    Import {
        /// The file, JSON Resume of any age or YAML
        file: PathBuf,
        /// What to write [default: YAML from a .json file, JSON from any other]
        #[arg(long, value_enum)]
        to: Option<To>,
        /// Where to write it; a file that is there is not overwritten [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Makes the running vitrine apply what is on disk now, and says how that went
    Reload(Settings),
    /// Hands over to the binary now on disk without losing a request
    ///
    /// The running vitrine starts it from the path that it was run by, gives it its sockets,
    /// and leaves once it serves. One that exits, hangs or crashes changes nothing: exit 1, with
    /// the reason and its last lines. SIGUSR2 does the same without an answer.
    Upgrade(Settings),
    /// Hands over to a new process of the same binary: applies what a reload cannot
    Restart(Settings),
    /// Deploys releases and rolls them back
    Release {
        #[command(subcommand)]
        command: ReleaseCommand,
    },
    /// Proves configuration, CV, every page and the store's format; what `release` asks a binary
    #[command(hide = true)]
    SelfTest(Settings),
    /// Sets the admin password, also under a running vitrine
    Password(Settings),
    /// Asks a running vitrine whether it is healthy: exit 0 or 1
    Health {
        /// Address of /health [default: the configured port on this machine]
        url: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Asks the running vitrine by PromQL
    ///
    /// Prints one line a series: the value, then the labels. Warnings and infos go to standard
    /// error; what is wrong with an expression is marked under the place.
    Query {
        /// The expression, such as `sum by (http_route) (rate(http_server_request_duration_seconds_count[5m]))`
        #[arg(allow_hyphen_values = true)]
        expr: String,
        /// The moment, in seconds since 1970 or by RFC 3339 [default: now]
        #[arg(long, allow_hyphen_values = true)]
        time: Option<String>,
        /// Evaluates over a range that begins so long ago, such as -1h
        #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
        range: Option<String>,
        /// Distance of two moments of the range [default: a sixtieth of it]
        #[arg(long, value_name = "DURATION", requires = "range")]
        step: Option<String>,
        /// Prints the answer of the API as it is
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Asks the running vitrine by LogQL, or the store of one that is stopped
    ///
    /// Prints lines, the oldest first: time, level, whose, text; of an expression that makes numbers
    /// the numbers of this moment. On a terminal control characters in a text are escaped.
    ///
    /// The store of a stopped one is opened as the next start would open it: it is locked, its
    /// books are kept, and after a crash the write-ahead log is replayed into it; no record is added
    /// and none goes. So only its owner may, and root has to become that user: `sudo -u USER vitrine logs`.
    /// While another process holds the store, it is refused with that one's pid.
    Logs {
        /// The expression, such as `{job="access"} |= "GET" | http_response_status_code >= 500`
        expr: String,
        /// How far back lines are looked for; numbers look as far back as the expression says
        #[arg(long, value_name = "DURATION", default_value = "1h")]
        since: String,
        /// Most lines, the newest ones; 5000 at most. Does not count for numbers
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Goes on with lines as they come in, until it is interrupted; not with numbers
        #[arg(long, short)]
        follow: bool,
        /// Prints the answer of the API as it is; with --follow an object a line, as logcli's jsonl:
        /// {"labels":{…},"line":"…","timestamp":"…"}
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Runs test scripts in Prometheus's own language for PromQL, and prints pass and fail
    ///
    /// `load`, `clear`, `eval instant` and `eval range` with what they are to answer. What vitrine
    /// refuses by name, such as native histograms, is counted as skipped. Exit 1 if any failed.
    Promtest {
        /// The scripts
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Prints a list of {file, passed, failed, skipped, failures} instead
        #[arg(long)]
        json: bool,
    },
    /// Stands before a vitrine in a container, and holds requests while that is replaced
    ///
    /// For Docker, where a new image means a new container: requests wait for the new one, at most
    /// for the time of --hold. It speaks plain HTTP/1.1.
    Front {
        /// Address and port for visitors
        #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:2727")]
        listen: std::net::SocketAddr,
        /// Host and port of the vitrine behind
        #[arg(long, value_name = "HOST:PORT")]
        to: front::Destination,
        /// How long a request is held, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=60))]
        hold: u64,
        /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are passed on
        #[arg(long, value_name = "NETWORKS", value_delimiter = ',', default_value = front::TRUSTED, value_parser = front::read_network)]
        trust: Vec<ipnet::IpNet>,
    },
    /// Makes this program a service of systemd: user, folders, units, and the command by its name
    ///
    /// The program is copied to /opt/vitrine, the configuration is /etc/vitrine/vitrine.toml, the
    /// CV lies in /etc/vitrine/site, the data in /var/lib/vitrine. Run again it changes only
    /// what differs, and never the configuration or the CV.
    Install {
        /// Starts the service too
        #[arg(long, conflicts_with = "root")]
        now: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Takes back what `install` made; configuration, CV and data stay
    Uninstall {
        /// Removes configuration, CV, data and the user as well
        #[arg(long)]
        purge: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Where something is installed, and whether it is.
#[derive(Args)]
struct Place {
    /// Only says what would be done, to the text of the units; needs no root
    #[arg(long)]
    dry_run: bool,
    /// Puts every path below this folder and makes no user and no call of systemctl, for packages
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Place {
    fn doing(&self) -> Doing {
        if self.dry_run { Doing::DryRun } else { Doing::InEarnest }
    }
}

#[derive(Subcommand)]
enum ReleaseCommand {
    /// Places a binary, proves it, hands over to it, and goes back if it is not healthy in 10 s
    ///
    /// Nothing moves before the binary has passed its own checks with the real configuration.
    /// The site serves all the while. Exit 0: it serves; 1: it does not, and what was before does;
    /// 2: what was before could not be brought back; 75: another such command is at work.
    Deploy {
        /// The binary; FILE.sha256 beside it is heeded, and FILE.minisig if a key is configured
        file: PathBuf,
        /// What its SHA-256 must be, in hexadecimal
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Hands over to an earlier release: the newest that is not marked as bad, or ID
    Rollback {
        /// The release, as `list` names it
        id: Option<String>,
        /// After a start that failed again and again: nothing runs that could hand over
        #[arg(long, hide = true)]
        boot: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Shows all releases, the newest first; * is the current one
    List(Settings),
    /// Shows what is current, what runs, and how the last attempts ended
    Status(Settings),
    /// Watches a release for its first minute
    #[command(hide = true)]
    Watch {
        id: String,
        requests: u64,
        failed: u64,
        #[command(flatten)]
        settings: Settings,
    },
}

/// What `import` writes.
#[derive(Clone, Copy, ValueEnum)]
enum To {
    Yaml,
    Json,
}

impl Settings {
    /// The layers of a command that is about the vitrine of this machine.
    fn layers(self) -> Layers {
        self.layers_to_serve().or_installed(Path::new(CONFIGURATION))
    }

    /// The layers of a server: it takes no file that is neither named nor beside it.
    fn layers_to_serve(self) -> Layers {
        let flags = [("site", self.site), ("data", self.data), ("listen", self.listen)];
        let (mut environment, mut unreadable) = (Vec::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => environment.push((name, value)),
                (Ok(name), Err(_)) if name.starts_with(ENV_PREFIX) => unreadable.push(name),
                // Not ours to judge.
                _ => {}
            }
        }
        Layers {
            file: self.config,
            environment,
            unreadable,
            flags: flags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        }
    }
}

fn main() -> ExitCode {
    vitrine::heap::tune();
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => commands::serve(cli.settings.layers_to_serve()),
        Some(Command::Serve(settings)) => commands::serve(settings.layers_to_serve()),
        Some(Command::Check(settings)) => commands::check(&settings.layers()),
        Some(Command::Init { dir }) => commands::init(&dir),
        Some(Command::Import { file, to, output }) => {
            let form = to.map(|to| match to {
                To::Yaml => FileForm::Yaml,
                To::Json => FileForm::Json,
            });
            commands::import(&file, form, output.as_deref())
        }
        Some(Command::Reload(settings)) => commands::reload(&settings.layers()),
        Some(Command::Upgrade(settings)) => commands::hand_over(&settings.layers(), &Word::Upgrade),
        Some(Command::Restart(settings)) => commands::hand_over(&settings.layers(), &Word::Restart),
        Some(Command::Release { command }) => release(command),
        Some(Command::SelfTest(settings)) => commands::self_test(&settings.layers()),
        Some(Command::Password(settings)) => commands::password(&settings.layers()),
        Some(Command::Health { url, settings }) => commands::health(url, &settings.layers()),
        Some(Command::Query { expr, time, range, step, json, settings }) => {
            let asked = query::Asked { expr, time, range, step, as_json: json };
            query::run(&settings.layers(), &asked)
        }
        Some(Command::Logs { expr, since, limit, follow, json, settings }) => {
            let asked = logs::Asked { expr, since, limit, follows: follow, as_json: json };
            logs::run(&settings.layers(), &asked)
        }
        Some(Command::Promtest { files, json }) => promtest::run(&files, json),
        Some(Command::Front { listen, to, hold, trust }) => {
            commands::front(front::Config { listen, to, hold: Duration::from_secs(hold), trusted: trust })
        }
        Some(Command::Install { now, place }) => {
            let start = if now { Start::Now } else { Start::AtBoot };
            commands::install(place.root.as_deref(), start, place.doing())
        }
        Some(Command::Uninstall { purge, place }) => {
            let keep = if purge { Keep::Nothing } else { Keep::WhatIsTheOwners };
            commands::uninstall(place.root.as_deref(), keep, place.doing())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("vitrine: {failure}");
            ExitCode::from(match failure {
                Failure::Configuration(_) => EX_CONFIG,
                Failure::Environment(_) => 1,
                Failure::Stuck(_) => 2,
                Failure::Busy(_) => EX_TEMPFAIL,
            })
        }
    }
}

fn release(command: ReleaseCommand) -> Result<(), Failure> {
    match command {
        ReleaseCommand::Deploy { file, sha256, settings } => {
            releases::deploy(settings.layers(), file, sha256)
        }
        ReleaseCommand::Rollback { boot: true, settings, .. } => {
            releases::roll_back_at_boot(settings.layers())
        }
        ReleaseCommand::Rollback { id, settings, .. } => {
            releases::roll_back(settings.layers(), id.as_deref())
        }
        ReleaseCommand::List(settings) => releases::list(&settings.layers()),
        ReleaseCommand::Status(settings) => releases::status(settings.layers()),
        ReleaseCommand::Watch { id, requests, failed, settings } => {
            releases::watch(settings.layers(), &id, Traffic { requests, failed })
        }
    }
}

/// `EX_TEMPFAIL` of sysexits.h: the same may work later.
const EX_TEMPFAIL: u8 = 75;

/// `EX_CONFIG` of sysexits.h: a supervisor must not try again.
const EX_CONFIG: u8 = 78;
