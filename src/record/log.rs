//! Log records: lines with a time, a stream and structured metadata.

use std::borrow::Cow;
use std::fmt;

use super::Labels;
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
    /// Returns a value of the structured metadata, `""` when there is none.
    pub fn metadata(&self, name: &str) -> &str {
        self.metadata.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_numbers_round_trip() {
        for severity in [
            Severity::Unspecified,
            Severity::Trace,
            Severity::Debug,
            Severity::Info,
            Severity::Warn,
            Severity::Error,
            Severity::Fatal,
        ] {
            assert_eq!(Severity::from_number(severity.number()), severity);
        }
        assert_eq!(Severity::from_number(14), Severity::Warn);
        assert_eq!(Severity::from_number(99), Severity::Unspecified);
    }
}
