//! Numbers out of the values of labels, for `unwrap`.

use super::ast::Conversion;
use super::bytes::{BytesError, parse_bytes};
use super::go_duration::{DurationError, parse_duration, seconds};
use super::go_float::parse_float;

/// What `__error__` says of a value that is no number.
pub const SAMPLE_EXTRACTION_ERROR: &str = "SampleExtractionErr";

/// A value that cannot be read so; its text belongs into `__error_details__`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// It is no number.
    #[error("{0}")]
    Number(String),
    /// It is no duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// It is no size.
    #[error(transparent)]
    Bytes(#[from] BytesError),
}

impl Conversion {
    /// Reads a value.
    pub fn convert(self, value: &str) -> Result<f64, UnwrapError> {
        match self {
            Self::Plain => parse_float(value).map_err(|error| UnwrapError::Number(error.about(value))),
            Self::Duration | Self::DurationSeconds => Ok(seconds(parse_duration(value)?)),
            Self::Bytes => Ok(parse_bytes(value)? as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conversion: Conversion, value: &str, expect: Result<f64, &str>) {
        let read = conversion.convert(value).map_err(|error| error.to_string());
        assert_eq!(read, expect.map_err(str::to_string), "{value:?}");
    }

    #[test]
    fn values_are_read_by_their_conversion() {
        check(Conversion::Plain, "1e3", Ok(1_000.0));
        check(Conversion::Duration, "1m30.5s", Ok(90.5));
        check(Conversion::Bytes, "2KiB", Ok(2_048.0));
        check(Conversion::Plain, "x", Err(r#"strconv.ParseFloat: parsing "x": invalid syntax"#));
        check(Conversion::Duration, "1", Err(r#"time: missing unit in duration "1""#));
        check(Conversion::Bytes, "1 y", Err("unhandled size name: y"));
    }
}
