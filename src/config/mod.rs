//! The configuration: file, environment and flags, composed into the parts' own Configs.
//!
//! One table ([`settings::SETTINGS`]) names every key with its default, what it accepts
//! and whether SIGHUP applies it; the file, the environment, `vitrine init`, the README
//! and `/admin` all read that table. A flag wins over the environment, that over the
//! file, that over the default. Loading collects every problem before it refuses, and
//! each names the key, the value and what would be accepted.

mod arrays;
mod file;
mod rules;
pub mod settings;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use settings::{SETTINGS, Setting};

use crate::http::admin::password;
use crate::ingest::{forward, push, tail};
use crate::{balancer, cv, http, query, release, store, telemetry, visitors};

/// The file looked for when no `--config` is given.
pub const DEFAULT_FILE: &str = "vitrine.toml";

/// The prefix of every setting's environment variable.
pub const ENV_PREFIX: &str = "VITRINE_";

/// Variables with our prefix that are not settings.
///
/// The password has its own rules: never in a file, never shown.
const ENV_OTHER: &[&str] = &["VITRINE_CONFIG", ADMIN_PASSWORD, release::handover::VARIABLE];

/// The variable that gives the admin password.
const ADMIN_PASSWORD: &str = "VITRINE_ADMIN_PASSWORD";

/// Everything that can be configured, as a struct of the parts' own Configs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder with the CV.
    pub site: PathBuf,
    /// Whether its files are watched, and reloaded when they change.
    pub watch: bool,
    /// The folder that holds everything that must survive a restart.
    pub data: PathBuf,
    /// The public face.
    pub http: http::Config,
    /// The admin page.
    pub admin: http::admin::Config,
    /// What the page shows.
    pub cv: cv::Config,
    /// The workers.
    pub balancer: balancer::Config,
    /// The history's bounds.
    pub store: store::Config,
    /// Logs of other programs.
    pub forward: forward::Config,
    /// What other programs push by HTTP.
    pub push: push::Config,
    /// Files and journals that are followed.
    pub logs: tail::Config,
    /// Who looks at the CV.
    pub visitors: visitors::Config,
    /// What queries may take.
    pub query: http::api::prometheus::Config,
    /// Alert and recording rules.
    pub rules: query::rules::Config,
    /// Logging and export.
    pub telemetry: telemetry::Config,
    /// Releases and the hand-over to the next one.
    pub release: release::Config,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            site: ".".into(),
            watch: false,
            data: "vitrine-data".into(),
            http: http::Config::default(),
            admin: http::admin::Config::default(),
            cv: cv::Config::default(),
            balancer: balancer::Config::default(),
            store: store::Config::default(),
            forward: forward::Config::default(),
            push: push::Config::default(),
            logs: tail::Config::default(),
            visitors: visitors::Config::default(),
            query: http::api::prometheus::Config::default(),
            rules: query::rules::Config::default(),
            telemetry: telemetry::Config::default(),
            release: release::Config::default(),
        }
    }
}

/// Where a value came from; later wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A command-line flag.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Environment(name) => write!(f, "environment variable {name}"),
            Source::Flag => f.write_str("flag"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File with line and column, variable or flag.
    pub place: String,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// What the configuration is made of, kept so that a reload reads the same places again.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The file named by `--config` or `VITRINE_CONFIG`; it must exist.
    pub file: Option<PathBuf>,
    /// Environment variables, ours and others.
    pub environment: Vec<(String, String)>,
    /// Variables with our prefix whose value is not UTF-8.
    pub unreadable: Vec<String>,
    /// Values of flags by setting key.
    pub flags: Vec<(&'static str, String)>,
}

impl Layers {
    /// Returns an environment variable.
    pub fn environment(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Takes the file of an installation when there is neither a file that was named nor one in the
    /// current folder.
    pub fn or_installed(mut self, installed: &Path) -> Self {
        if file_of(&self).is_none() && installed.exists() {
            self.file = Some(installed.to_path_buf());
        }
        self
    }

    /// Returns the admin password that the environment gives; an empty one is none.
    pub fn admin_password(&self) -> Option<String> {
        self.environment(ADMIN_PASSWORD).filter(|password| !password.is_empty())
    }
}

/// A configuration with the source of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where each value that is not a default came from, by key.
    pub sources: BTreeMap<&'static str, Source>,
    /// What looks like a mistake but stops nothing.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// Returns where the value of `key` came from.
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }
}

/// A value somebody set, on its way into the [`Config`].
struct Given {
    setting: &'static Setting,
    value: String,
    source: Source,
    place: String,
}

/// Loads the configuration, or says everything that is wrong with it.
pub fn load(layers: &Layers) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let mut given: Vec<Given> = Vec::new();
    let mut config = Config::default();

    let (path, mut lists) = (file_of(layers), arrays::Lists::default());
    if let Some(path) = &path {
        file::read(path, &mut given, &mut lists, &mut problems);
    }
    config.logs = lists.logs;
    from_environment(layers, &mut given, &mut warnings);
    for (key, value) in &layers.flags {
        let setting = settings::find(key).expect("flags are declared by the keys of the table");
        given.push(Given { setting, value: value.clone(), source: Source::Flag, place: flag_name(key) });
    }

    problems.extend(layers.unreadable.iter().map(|name| Problem {
        place: format!("environment variable {name}"),
        message: "its value is not UTF-8".to_string(),
    }));
    problems.extend(password_problem(layers));

    let mut sources = BTreeMap::new();
    for Given { setting, value, source, place } in given {
        match (setting.set)(&mut config, &value) {
            Ok(()) => _ = sources.insert(setting.key, source),
            Err(fault) => problems.push(Problem { place, message: refusal(setting, &value, &fault) }),
        }
    }
    let (telemetry, faults) = config.telemetry.clone().with_environment(&|name| layers.environment(name));
    let before = config.clone();
    config.telemetry = telemetry;
    sources.extend(overlaid(&before, &config, layers));
    // The OpenTelemetry specification wants a variable that makes no sense to be warned
    // about and ignored; our own settings are refused like all others.
    warnings.extend(faults.iter().map(|fault| of_telemetry(fault, "environment")));
    problems.extend(tls_problem(&config));
    problems.extend(rules::load(&mut config.rules, lists.rules, path.as_deref()));
    problems.extend(config.telemetry.faults().iter().map(|fault| of_telemetry(fault, "telemetry")));
    if problems.is_empty() { Ok(Loaded { config, sources, warnings }) } else { Err(Problems(problems)) }
}

/// Reads one setting's value as the file's would be read; returns it as it would be shown, or
/// what is wrong with it and what would be accepted.
pub fn read_value(setting: &Setting, text: &str) -> Result<String, String> {
    let mut config = Config::default();
    (setting.set)(&mut config, text).map_err(|fault| refusal(setting, text, &fault))?;
    Ok(setting.value(&config))
}

/// Settings that OpenTelemetry's standard variables give, and which of those. One that stands
/// behind another counts where the one before it is not set.
const OTEL: &[(&str, &[&str])] = &[
    ("telemetry.traces.sampler", &["OTEL_TRACES_SAMPLER"]),
    ("telemetry.traces.ratio", &["OTEL_TRACES_SAMPLER_ARG", "OTEL_TRACES_SAMPLER"]),
    ("telemetry.otlp.enabled", &["OTEL_SDK_DISABLED"]),
    ("telemetry.otlp.endpoint", &["OTEL_EXPORTER_OTLP_ENDPOINT"]),
    ("telemetry.otlp.metric_interval", &["OTEL_METRIC_EXPORT_INTERVAL"]),
    ("telemetry.otlp.certificate", &["OTEL_EXPORTER_OTLP_CERTIFICATE"]),
    ("telemetry.otlp.client_certificate", &["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]),
    ("telemetry.otlp.client_key", &["OTEL_EXPORTER_OTLP_CLIENT_KEY"]),
    ("telemetry.otlp.metrics.endpoint", &["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"]),
    ("telemetry.otlp.logs.endpoint", &["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"]),
    ("telemetry.otlp.traces.endpoint", &["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]),
];

/// Returns the settings that the standard variables changed, and by which of them.
fn overlaid<'a>(
    before: &'a Config,
    after: &'a Config,
    layers: &'a Layers,
) -> impl Iterator<Item = (&'static str, Source)> + 'a {
    let is_set = |name: &&&str| layers.environment(name).is_some_and(|text| !text.trim().is_empty());
    let changed = OTEL.iter().filter(|(key, _)| {
        let setting = settings::find(key).expect("the list has keys of the table");
        (setting.get)(before) != (setting.get)(after)
    });
    changed.filter_map(move |(key, names)| {
        let name = names.iter().find(is_set)?;
        Some((*key, Source::Environment((*name).to_string())))
    })
}

/// Says what is wrong with the admin password, without the password.
fn password_problem(layers: &Layers) -> Option<Problem> {
    let length = layers.admin_password()?.len();
    let (min, max) = (password::LENGTH_MIN, password::LENGTH_MAX);
    let message = format!("the password has {length} bytes, between {min} and {max} are accepted");
    let place = format!("environment variable {ADMIN_PASSWORD}");
    (!(min..=max).contains(&length)).then_some(Problem { place, message })
}

fn tls_problem(config: &Config) -> Option<Problem> {
    let tls = &config.http.tls;
    (tls.cert.is_some() != tls.key.is_some()).then(|| Problem {
        place: "tls".into(),
        message: "`tls.cert` and `tls.key` belong together: set both, or none".into(),
    })
}

fn of_telemetry(fault: &telemetry::Fault, place: &str) -> Problem {
    Problem { place: place.to_string(), message: fault.to_string() }
}

/// Returns the keys whose change needs a restart, with the old and the new value.
pub fn restart_needed(old: &Config, new: &Config) -> Vec<(&'static Setting, String, String)> {
    SETTINGS
        .iter()
        .filter(|setting| !setting.reload)
        .map(|setting| (setting, (setting.get)(old), (setting.get)(new)))
        .filter(|(_, old, new)| old != new)
        .collect()
}

/// Returns the file that `layers` read: the one named, else the default one if it is there.
pub fn file_of(layers: &Layers) -> Option<PathBuf> {
    let named = layers.file.clone().or_else(|| layers.environment("VITRINE_CONFIG").map(PathBuf::from));
    named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()))
}

/// Returns the environment variable of a key: `VITRINE_` and the path in capitals.
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn flag_name(key: &str) -> String {
    format!("--{key}")
}

fn refusal(setting: &Setting, value: &str, fault: &str) -> String {
    let reason = if fault.is_empty() { String::new() } else { format!(" ({fault})") };
    let value = if setting.is_secret { value::MASK } else { value };
    format!("`{}`: {value:?} is not {}{reason}", setting.key, setting.accepts)
}

fn from_environment(layers: &Layers, given: &mut Vec<Given>, warnings: &mut Vec<Problem>) {
    for (name, value) in &layers.environment {
        if !name.starts_with(ENV_PREFIX) || ENV_OTHER.contains(&name.as_str()) {
            continue;
        }
        match SETTINGS.iter().find(|setting| env_name(setting.key) == *name) {
            Some(setting) => given.push(Given {
                setting,
                value: value.clone(),
                source: Source::Environment(name.clone()),
                place: format!("environment variable {name}"),
            }),
            // Not refused: a shell may export a variable for another version of vitrine.
            None => warnings.push(Problem {
                place: format!("environment variable {name}"),
                message: unknown(name, SETTINGS.iter().map(|setting| env_name(setting.key))),
            }),
        }
    }
}

/// Says that a name is unknown and which known one is nearest, if one is near.
fn unknown(name: &str, known: impl Iterator<Item = String>) -> String {
    let near = known
        .map(|known| (strsim::damerau_levenshtein(name, &known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3));
    match near {
        Some((_, known)) => format!("`{name}` is not a setting; did you mean `{known}`?"),
        None => format!("`{name}` is not a setting; `vitrine init` writes a file with all of them"),
    }
}

/// Returns `path` as a place with the line and column (from 1) of a byte offset.
fn place_in(path: &Path, text: &str, offset: usize) -> String {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{}:{line}:{column}", path.display())
}

#[cfg(test)]
mod tests;
