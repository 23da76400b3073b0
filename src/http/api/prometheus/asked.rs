//! The parameters of a request: what they may be, and what is said of what they may not.

use std::time::Duration;

use super::json::Refused;
use crate::clock::UnixMillis;
use crate::http::api::reply::Parameters;
use crate::query::journal::Door;
use crate::query::promql::{FAR_MS, parse_duration, parse_selector};
use crate::record::read::Matcher;

/// A request as an endpoint sees it.
pub(super) struct Asked {
    /// Names and values.
    pub parameters: Parameters,
    /// The label in the path.
    pub label: String,
    /// When it was asked.
    pub now: UnixMillis,
    /// Which way it came.
    pub door: Door,
}

impl Asked {
    /// Returns a parameter, `""` when it was not given.
    pub fn text(&self, name: &str) -> &str {
        self.parameters.text(name)
    }

    /// Returns every value of a parameter.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.parameters.all(name)
    }

    /// Returns a moment, or `default` when none was given.
    pub fn moment(&self, name: &str, default: UnixMillis) -> Result<UnixMillis, Refused> {
        match self.text(name) {
            "" => Ok(default),
            text => parse_moment(text).map_err(|message| {
                Refused::invalid(name, format!("invalid time value for '{name}': {message}"))
            }),
        }
    }

    /// Returns the range of a question about names: all times unless it is said.
    pub fn range(&self) -> Result<(UnixMillis, UnixMillis), Refused> {
        Ok((self.moment("start", UnixMillis(-FAR_MS))?, self.moment("end", UnixMillis(FAR_MS))?))
    }

    /// Returns a duration if one was given.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, Refused> {
        match self.text(name) {
            "" => Ok(None),
            text => {
                let ms = parse_ms(text).map_err(|message| Refused::invalid(name, message))?;
                // What is below zero, or no number, is none.
                Ok(Some(Duration::from_millis(ms as u64)))
            }
        }
    }

    /// Returns how many results are wanted at most, if that was said; zero is any number.
    pub fn limit(&self) -> Result<Option<usize>, Refused> {
        let text = self.text("limit");
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(limit) if limit > 0 => Ok(Some(usize::try_from(limit).unwrap_or(usize::MAX))),
            Ok(_) => Err(Refused::invalid("limit", "limit must be non-negative")),
            Err(_) => {
                Err(Refused::invalid("limit", format!("strconv.Atoi: parsing {text:?}: invalid syntax")))
            }
        }
    }

    /// Returns the selectors of `match[]`; none of them may select everything.
    pub fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Refused> {
        let parse = |text: &&str| {
            let selector = parse_selector(text).map_err(|error| Refused::bad_data(error.to_string()))?;
            if selector.matchers.iter().all(|matcher| matcher.accepts_value("")) {
                return Err(Refused::bad_data("match[] must contain at least one non-empty matcher"));
            }
            Ok(selector.matchers)
        };
        self.all("match[]").iter().map(parse).collect()
    }
}

/// Reads seconds since 1970 or RFC 3339, and returns milliseconds.
pub(super) fn parse_moment(text: &str) -> Result<UnixMillis, String> {
    let invalid = || format!("cannot parse {text:?} to a valid timestamp");
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return Err(invalid());
        }
        // What is out of the range of a float's exact numbers is far away in any case.
        return Ok(UnixMillis(((seconds * 1e3).round() as i64).clamp(-FAR_MS, FAR_MS)));
    }
    let moment: jiff::Timestamp = text.parse().map_err(|_| invalid())?;
    Ok(UnixMillis(moment.as_millisecond()))
}

/// Reads seconds, or a duration such as `5m`, and returns milliseconds.
pub(super) fn parse_ms(text: &str) -> Result<f64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1e3;
        if ms.abs() >= i64::MAX as f64 / 1e6 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok(ms);
    }
    let parsed = parse_duration(text).ok().map(|ms| ms as f64);
    parsed.ok_or_else(|| format!("cannot parse {text:?} to a valid duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_or_dates() {
        for (text, expect) in [
            ("4", Some(4_000)),
            ("1795334656.6", Some(1_795_334_656_600)),
            ("-0.001", Some(-1)),
            ("2026-11-26T00:00:00Z", Some(1_795_651_200_000)),
            ("2026-11-26T01:00:00.5+01:00", Some(1_795_651_200_500)),
            ("1e300", Some(FAR_MS)),
            ("NaN", None),
            ("soon", None),
        ] {
            assert_eq!(parse_moment(text).ok().map(|at| at.0), expect, "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_units() {
        for (text, expect) in [
            ("15", Some(15_000.0)),
            ("0.25", Some(250.0)),
            ("1h30m", Some(5_400_000.0)),
            ("-1", Some(-1_000.0)),
        ] {
            assert_eq!(parse_ms(text).ok(), expect, "{text}");
        }
        for text in ["x", "1e300", "", "5 m"] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
    }
}
