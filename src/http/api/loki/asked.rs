//! The parameters of a request: what they may be, and what is said of what they may not.

use super::json::Refused;
use crate::clock::UnixNanos;
use crate::http::api::reply::Parameters;
use crate::query::journal::Door;
use crate::query::logql::go_duration::parse_duration;
use crate::record::read::Direction;

/// Most lines of one answer, as Loki has it by default.
pub(super) const LINES_MAX: usize = 5_000;

/// Lines of an answer when no number is said.
const LINES: usize = 100;

/// How far back a range begins when that is not said.
const SINCE_NS: i64 = 3_600_000_000_000;

/// A range has so many steps when their distance is not said.
const STEPS: i64 = 250;

const SECOND_NS: i64 = 1_000_000_000;

/// Most steps of one answer; Loki refuses above the same number.
const STEPS_MAX: i64 = 11_000;

/// A request as an endpoint sees it.
pub(super) struct Asked {
    /// Names and values.
    pub parameters: Parameters,
    /// The label in the path.
    pub name: String,
    /// When it was asked.
    pub now: UnixNanos,
    /// Labels are wanted by where they come from.
    pub categorizes: bool,
    /// Which way it came.
    pub door: Door,
}

impl Asked {
    /// Returns a parameter, `""` when it was not given.
    pub fn text(&self, name: &str) -> &str {
        self.parameters.text(name)
    }

    /// Returns a moment, or `default` when none was given.
    pub fn moment(&self, name: &str, default: UnixNanos) -> Result<UnixNanos, Refused> {
        match self.text(name) {
            "" => Ok(default),
            text => parse_moment(text).ok_or_else(|| {
                Refused::bad_request(format!("could not parse '{name}' parameter: {text:?} is no time"))
            }),
        }
    }

    /// Returns the first moment of a range and the first one behind it.
    pub fn range(&self) -> Result<(UnixNanos, UnixNanos), Refused> {
        let end = self.moment("end", self.now)?;
        let since_ns = match self.text("since") {
            "" => SINCE_NS,
            text => parse_step(text).ok_or_else(|| {
                Refused::bad_request(format!("could not parse 'since' parameter: {text:?} is no duration"))
            })?,
        };
        let start = self.moment("start", UnixNanos(end.0.min(self.now.0).saturating_sub(since_ns)))?;
        if end < start {
            return Err(Refused::bad_request("end timestamp must not be before or equal to start time"));
        }
        Ok((start, end))
    }

    /// Returns the distance of two steps in nanoseconds, more than none.
    pub fn step(&self, from: UnixNanos, to: UnixNanos) -> Result<i64, Refused> {
        let span_ns = to.0.saturating_sub(from.0);
        let step_ns = match self.text("step") {
            "" => (span_ns / STEPS / SECOND_NS).max(1) * SECOND_NS,
            text => parse_step(text)
                .ok_or_else(|| Refused::bad_request(format!("cannot parse {text:?} to a valid duration")))?,
        };
        if step_ns <= 0 {
            return Err(Refused::bad_request(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        if span_ns / step_ns > STEPS_MAX {
            return Err(Refused::bad_request(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter",
            ));
        }
        Ok(step_ns)
    }

    /// Returns a duration in nanoseconds, or none when it was not given.
    pub fn duration(&self, name: &str) -> Result<i64, Refused> {
        match self.text(name) {
            "" => Ok(0),
            text => parse_step(text).filter(|ns| *ns >= 0).ok_or_else(|| {
                Refused::bad_request(format!("could not parse '{name}' parameter: {text:?} is no duration"))
            }),
        }
    }

    /// Returns how many lines are wanted at most.
    pub fn line_limit(&self) -> Result<usize, Refused> {
        let limit = self.number("limit", LINES)?;
        if limit > LINES_MAX {
            return Err(Refused::bad_request(format!(
                "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {LINES_MAX})"
            )));
        }
        Ok(limit)
    }

    /// Returns a number that is more than none.
    pub fn number(&self, name: &str, default: usize) -> Result<usize, Refused> {
        match self.text(name) {
            "" => Ok(default),
            text => match text.parse::<i64>() {
                Ok(number) if number > 0 => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
                Ok(_) => Err(Refused::bad_request(format!("{name} must be a positive value"))),
                Err(_) => {
                    Err(Refused::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
                }
            },
        }
    }

    /// Returns the end of a range at which to begin.
    pub fn direction(&self) -> Result<Direction, Refused> {
        match self.text("direction").to_ascii_lowercase().as_str() {
            "" | "backward" => Ok(Direction::Backward),
            "forward" => Ok(Direction::Forward),
            other => Err(Refused::bad_request(format!("invalid direction '{other}'"))),
        }
    }
}

/// Reads nanoseconds or seconds since 1970, or RFC 3339. A whole number of up to ten digits is
/// seconds, a longer one nanoseconds, as in Loki.
pub(super) fn parse_moment(text: &str) -> Option<UnixNanos> {
    if let Ok(whole) = text.parse::<i64>() {
        let is_seconds = text.trim_start_matches('-').len() <= 10;
        return Some(UnixNanos(if is_seconds { whole.saturating_mul(SECOND_NS) } else { whole }));
    }
    if text.contains('.')
        && let Ok(seconds) = text.parse::<f64>()
    {
        // A float has the seconds and a part of them; the part to the microsecond.
        return seconds.is_finite().then(|| {
            let (whole, part) = (seconds.trunc(), seconds.fract());
            UnixNanos(((whole * 1e9) as i64).saturating_add((part * 1e9).round() as i64))
        });
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(moment.as_nanosecond()).ok().map(UnixNanos)
}

/// Reads seconds, or a duration such as `5m`, and returns nanoseconds.
pub(super) fn parse_step(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ns = seconds * 1e9;
        return (ns.abs() < i64::MAX as f64).then_some(ns as i64);
    }
    let by_prometheus = crate::query::promql::parse_duration(text).ok();
    by_prometheus
        .and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000_000))
        .or_else(|| parse_duration(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_nanoseconds_seconds_or_dates() {
        for (text, expect) in [
            ("4000000000", Some(4_000_000_000 * SECOND_NS)),
            ("1763800000123456789", Some(1_763_800_000_123_456_789)),
            ("1763800000.5", Some(1_763_800_000_500_000_000)),
            ("2025-11-22T08:26:40.000000001Z", Some(1_763_800_000_000_000_001)),
            ("2025-11-22T09:26:40+01:00", Some(1_763_800_000_000_000_000)),
            ("soon", None),
        ] {
            assert_eq!(parse_moment(text).map(|at| at.0), expect, "{text}");
        }
    }

    #[test]
    fn steps_are_seconds_or_have_units() {
        for (text, expect) in [
            ("60000ms", Some(60 * SECOND_NS)),
            ("15", Some(15 * SECOND_NS)),
            ("0.5", Some(SECOND_NS / 2)),
            ("1h30m", Some(5_400 * SECOND_NS)),
            ("1.5h", Some(5_400 * SECOND_NS)),
            ("x", None),
            ("1e300", None),
        ] {
            assert_eq!(parse_step(text), expect, "{text}");
        }
    }
}
