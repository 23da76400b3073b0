//! What templates can call: the functions of Prometheus that need nothing but their arguments.
//!
//! Source: "Template reference" in the documentation of Prometheus 3. What runs queries, loops or
//! builds links to a server of its own is not here.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;

use super::format::{self, display};
use super::{Scope, Val};
use crate::query::number::{shortest, significant};
use crate::query::promql::parse_duration;

/// A function: its name, how many arguments it takes, and what it does.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Least and most arguments.
    pub(super) n_args: (usize, usize),
    call: fn(&Scope<'_>, &[Val]) -> Result<Val, String>,
}

impl Function {
    pub(super) fn find(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    pub(super) fn call(&self, scope: &Scope<'_>, args: &[Val]) -> Result<Val, String> {
        (self.call)(scope, args).map_err(|fault| format!("error calling {}: {fault}", self.name))
    }
}

/// Most arguments of those that take any number.
const ARGS_MAX: usize = 64;

/// Every function, by its name.
pub(super) const FUNCTIONS: &[Function] = &[
    of("externalURL", 0, |_, _| Ok(Val::Text(String::new()))),
    of("humanize", 1, |_, args| number(&args[0]).map(|value| Val::Text(humanize(value)))),
    of("humanize1024", 1, |_, args| number(&args[0]).map(|value| Val::Text(humanize_1024(value)))),
    of("humanizeDuration", 1, |_, args| number(&args[0]).map(|value| Val::Text(humanize_duration(value)))),
    of("humanizePercentage", 1, |_, args| {
        number(&args[0]).map(|value| Val::Text(format!("{}%", significant(value * 100.0, 4))))
    }),
    of("humanizeTimestamp", 1, |_, args| humanize_timestamp(number(&args[0])?).map(Val::Text)),
    of("index", 2, |_, args| match (&args[0], &args[1]) {
        (Val::Labels(labels), Val::Text(name)) => Ok(Val::Text(labels.get(name).to_string())),
        _ => Err("it wants labels and the name of one".into()),
    }),
    of("match", 2, |_, args| Ok(Val::Truth(pattern(text(&args[0])?)?.is_match(text(&args[1])?)))),
    of("now", 0, |scope, _| Ok(Val::Number(scope.at.0 as f64 / 1e3))),
    of("parseDuration", 1, |_, args| {
        let text = text(&args[0])?;
        let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
        parse_duration(rest).map(|ms| Val::Number(sign * ms as f64 / 1e3))
    }),
    of("pathPrefix", 0, |_, _| Ok(Val::Text(String::new()))),
    Function { name: "print", n_args: (0, ARGS_MAX), call: |_, args| Ok(Val::Text(print(args))) },
    Function {
        name: "printf",
        n_args: (1, ARGS_MAX),
        call: |_, args| {
            let (form, rest) = args.split_first().expect("it has one argument at least");
            Ok(Val::Text(format::printf(text(form)?, rest)))
        },
    },
    of("reReplaceAll", 3, |_, args| {
        let (pattern, by) = (pattern(text(&args[0])?)?, text(&args[1])?);
        Ok(Val::Text(pattern.replace_all(text(&args[2])?, by).into_owned()))
    }),
    of("stripDomain", 1, |_, args| text(&args[0]).map(|address| Val::Text(strip_domain(address)))),
    of("stripPort", 1, |_, args| {
        let address = text(&args[0])?;
        Ok(Val::Text(host_and_port(address).map_or(address, |(host, _)| host).to_string()))
    }),
    of("title", 1, |_, args| text(&args[0]).map(|text| Val::Text(title(text)))),
    of("toLower", 1, |_, args| text(&args[0]).map(|text| Val::Text(text.to_lowercase()))),
    of("toUpper", 1, |_, args| text(&args[0]).map(|text| Val::Text(text.to_uppercase()))),
    of("urlQueryEscape", 1, |_, args| {
        let escaped = url::form_urlencoded::byte_serialize(text(&args[0])?.as_bytes()).collect();
        Ok(Val::Text(escaped))
    }),
];

const fn of(
    name: &'static str,
    n_args: usize,
    call: fn(&Scope<'_>, &[Val]) -> Result<Val, String>,
) -> Function {
    Function { name, n_args: (n_args, n_args), call }
}

fn text(value: &Val) -> Result<&str, String> {
    match value {
        Val::Text(text) => Ok(text),
        other => Err(format!("{} is not a text", display(other))),
    }
}

/// A text that is a number is one, as for Prometheus's functions.
fn number(value: &Val) -> Result<f64, String> {
    match value {
        Val::Number(number) => Ok(*number),
        Val::Whole(number) => Ok(*number as f64),
        Val::Text(text) => text.parse().map_err(|_| format!("{text:?} is not a number")),
        Val::Truth(_) | Val::Labels(_) => Err(format!("{} is not a number", display(value))),
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|fault| fault.to_string())
}

/// Like Go's `Sprint`: a space between two of which neither is a text.
fn print(args: &[Val]) -> String {
    let mut res = String::new();
    for (idx, arg) in args.iter().enumerate() {
        let is_text = |arg: &Val| matches!(arg, Val::Text(_));
        if idx > 0 && !is_text(arg) && !is_text(&args[idx - 1]) {
            res.push(' ');
        }
        res.push_str(&display(arg));
    }
    res
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return significant(value, 4);
    }
    let (value, prefix) = if value.abs() >= 1.0 { grown(value, 1e3, &LARGE) } else { shrunk(value) };
    format!("{}{prefix}", significant(value, 4))
}

fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return significant(value, 4);
    }
    let (value, prefix) = grown(value, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]);
    format!("{}{prefix}", significant(value, 4))
}

fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return significant(value, 4);
    }
    if value == 0.0 {
        return "0s".into();
    }
    if value.abs() < 1.0 {
        let (value, prefix) = shrunk(value);
        return format!("{}{prefix}s", significant(value, 4));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs() as u64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3_600 % 24, whole / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", significant(value.abs(), 4)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

fn grown(mut value: f64, by: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < by {
            break;
        }
        prefix = next;
        value /= by;
    }
    (value, prefix)
}

fn shrunk(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1e3;
    }
    (value, prefix)
}

/// As Go prints a time in UTC: `2026-11-27 00:10:00.5 +0000 UTC`.
fn humanize_timestamp(seconds: f64) -> Result<String, String> {
    if !seconds.is_finite() {
        return Ok(significant(seconds, 4));
    }
    let beyond = || format!("{} is beyond the times that there are", shortest(seconds));
    // Prometheus keeps milliseconds of it.
    let millis = (seconds * 1e3).trunc();
    if millis.abs() > 1e15 {
        return Err(beyond());
    }
    let at = Timestamp::from_millisecond(millis as i64).map_err(|_| beyond())?;
    let date = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let part = Duration::from_nanos(at.subsec_nanosecond().unsigned_abs().into()).as_millis();
    let part = if part == 0 { String::new() } else { format!(".{part:03}") };
    Ok(format!("{date}{} +0000 UTC", part.trim_end_matches('0')))
}

/// Parts `host:port` and `[::1]:port`; none when it is something else.
fn host_and_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').map(|host| (host, port)),
        None => (!host.contains([':', '[', ']'])).then_some((host, port)),
    }
}

fn strip_domain(address: &str) -> String {
    let (host, port) = host_and_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_string();
    }
    let first = host.split('.').next().unwrap_or_default();
    if port.is_empty() { first.to_string() } else { format!("{first}:{port}") }
}

fn title(text: &str) -> String {
    let mut is_inside = false;
    text.chars()
        .flat_map(|c| {
            let begins = c.is_alphanumeric() && !is_inside;
            is_inside = c.is_alphanumeric() || (is_inside && c == '\'');
            let upper: Vec<char> = if begins { c.to_uppercase().collect() } else { vec![c] };
            upper
        })
        .collect()
}
