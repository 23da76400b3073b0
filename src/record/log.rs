//! Log records: lines with a time, a stream and structured metadata.

use std::borrow::Cow;
use std::fmt;

use super::Labels;
use super::read::{Content, LineRef, Pairs};
use crate::clock::UnixNanos;

/// How much a log record matters (OpenTelemetry log data model, "SeverityNumber").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The source gave none.
    Unspecified,
    /// Finest detail.
    Trace,
    /// For an investigation.
    Debug,
    /// An ordinary event.
    Info,
    /// Something is degraded, and we carried on.
    Warn,
    /// Someone should look.
    Error,
    /// The process ends over it.
    Fatal,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Severity; 7] = [
        Severity::Unspecified,
        Severity::Trace,
        Severity::Debug,
        Severity::Info,
        Severity::Warn,
        Severity::Error,
        Severity::Fatal,
    ];

    /// Returns OpenTelemetry's number: the first of the range that the word names.
    pub fn number(self) -> u8 {
        match self {
            Severity::Unspecified => 0,
            Severity::Trace => 1,
            Severity::Debug => 5,
            Severity::Info => 9,
            Severity::Warn => 13,
            Severity::Error => 17,
            Severity::Fatal => 21,
        }
    }

    /// Returns the severity whose range holds an OpenTelemetry number.
    pub fn from_number(number: u8) -> Self {
        match number {
            1..=4 => Severity::Trace,
            5..=8 => Severity::Debug,
            9..=12 => Severity::Info,
            13..=16 => Severity::Warn,
            17..=20 => Severity::Error,
            21..=24 => Severity::Fatal,
            _ => Severity::Unspecified,
        }
    }

    /// Reads the word that a program uses for a severity, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim();
        let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        if is(&["trace", "trc"]) {
            Some(Severity::Trace)
        } else if is(&["debug", "dbg"]) {
            Some(Severity::Debug)
        } else if is(&["info", "inf", "information", "informational", "notice"]) {
            Some(Severity::Info)
        } else if is(&["warn", "wrn", "warning"]) {
            Some(Severity::Warn)
        } else if is(&["error", "err"]) {
            Some(Severity::Error)
        } else if is(&["fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"]) {
            Some(Severity::Fatal)
        } else {
            None
        }
    }

    /// Returns the word used in the `level` label; `""` where there is none.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Unspecified => "",
            Severity::Trace => "trace",
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }
}

/// A set of severities, one bit each, as the headers of log blocks carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// Every severity, and lines without one.
    pub const ALL: Levels = Levels(u8::MAX);

    /// No severity.
    pub const NONE: Levels = Levels(0);

    /// Returns the set of these severities.
    pub fn of(all: impl IntoIterator<Item = Severity>) -> Levels {
        all.into_iter().fold(Levels::NONE, |set, severity| Levels(set.0 | bit(severity)))
    }

    /// Returns true when the set has a severity.
    pub fn has(self, severity: Severity) -> bool {
        self.0 & bit(severity) != 0
    }

    /// Returns true when two sets have a severity in common.
    pub fn overlaps(self, other: Levels) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the bits: 0 none given, 1 trace, 2 debug, 3 info, 4 warn, 5 error, 6 fatal.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Returns the set of these bits.
    pub fn from_bits(bits: u8) -> Levels {
        Levels(bits)
    }
}

fn bit(severity: Severity) -> u8 {
    match severity.number() {
        0 => 1,
        number => 1 << (number / 4 + 1),
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// When it happened.
    pub at: UnixNanos,
    /// How much it matters.
    pub severity: Severity,
    /// The stream that it belongs to: few, bounded labels.
    pub stream: Labels,
    /// Structured metadata by OpenTelemetry names with underscores; unbounded values
    /// (paths, ids) belong here and not in the stream.
    pub metadata: Vec<(Cow<'static, str>, String)>,
    /// The line itself.
    pub body: String,
}

impl LogRecord {
    /// Returns the record as a reader of the store sees it.
    pub fn view(&self) -> LineRef<'_> {
        LineRef { at: self.at, severity: self.severity, stream: &self.stream, content: self }
    }

    /// Returns a value of the structured metadata, `""` when there is none.
    pub fn metadata(&self, name: &str) -> &str {
        self.metadata.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Content for LogRecord {
    fn body(&self) -> &str {
        &self.body
    }
}

impl Pairs for LogRecord {
    fn get(&self, name: &str) -> &str {
        self.metadata(name)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.metadata.each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_numbers_round_trip() {
        for severity in Severity::ALL {
            assert_eq!(Severity::from_number(severity.number()), severity);
        }
        assert_eq!(Severity::from_number(14), Severity::Warn);
        assert_eq!(Severity::from_number(99), Severity::Unspecified);
    }
}
