//! Sizes in bytes as people write them: `1.5KiB`, `20 MB`, `1,024`.
//!
//! Source: the package `go-humanize`, functions `ParseBytes` and `Bytes`. Units of 1000 have a `B`
//! or nothing behind them, units of 1024 an `i`; case does not count.

use std::borrow::Cow;

use super::go_float::parse_float;

/// Prefixes in the order of their powers.
const PREFIXES: [char; 6] = ['k', 'm', 'g', 't', 'p', 'e'];

/// The same as they are written.
const WRITTEN: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A text that is no size, in the package's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// It does not begin with a number.
    #[error("{0}")]
    Number(String),
    /// What stands behind the number is no unit.
    #[error("unhandled size name: {0}")]
    Unit(String),
    /// It is 2⁶⁴ or more.
    #[error("too large: {0}")]
    TooLarge(String),
}

/// Reads a size, and returns whole bytes.
pub fn parse_bytes(text: &str) -> Result<u64, BytesError> {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    let number_len = text.find(|c| !is_of_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let plain =
        if number.contains(',') { Cow::Owned(number.replace(',', "")) } else { Cow::Borrowed(number) };
    let count = parse_float(&plain).map_err(|error| BytesError::Number(error.about(&plain)))?;
    let size = count * unit_bytes(unit).ok_or_else(|| BytesError::Unit(small_letters(unit).collect()))?;
    // The nearest float to the greatest count is one above it.
    if size >= u64::MAX as f64 {
        return Err(BytesError::TooLarge(text.to_string()));
    }
    Ok(size as u64)
}

/// Returns the letters of a unit without the white space around it, each as one small letter.
fn small_letters(unit: &str) -> impl Iterator<Item = char> {
    unit.trim().chars().filter_map(|c| c.to_lowercase().next())
}

/// Returns the bytes of a unit: a prefix, an `i` behind one, and a `b`, each of which may lack.
fn unit_bytes(unit: &str) -> Option<f64> {
    let mut letters = small_letters(unit).peekable();
    let prefix = letters.peek().and_then(|first| PREFIXES.iter().position(|known| known == first));
    let (mut base, mut power) = (1000_f64, 0);
    if let Some(idx) = prefix {
        letters.next();
        power = idx as i32 + 1;
        base = if letters.next_if_eq(&'i').is_some() { 1024.0 } else { 1000.0 };
    }
    letters.next_if_eq(&'b');
    letters.next().is_none().then(|| base.powi(power))
}

/// Writes a size as Loki prints one that a label is compared with: two significant digits or more,
/// in powers of 1000, without a space. What was read may be more exact than what is written.
pub fn format_bytes(size_bytes: u64) -> String {
    if size_bytes < 10 {
        return format!("{size_bytes}B");
    }
    let size = size_bytes as f64;
    let power = (size.ln() / 1000_f64.ln()).floor();
    let value = (size / 1000_f64.powf(power) * 10.0 + 0.5).floor() / 10.0;
    let n_decimals = usize::from(value < 10.0);
    format!("{value:.n_decimals$}{}", WRITTEN[power as usize])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<u64, &str>) {
        let read = parse_bytes(text).map_err(|error| error.to_string());
        assert_eq!(read, expect.map_err(str::to_string), "{text:?}");
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        check("42", Ok(42));
        check("1.5KiB", Ok(1_536));
        check("1.5kb", Ok(1_500));
        check("20 MB", Ok(20_000_000));
        check("1,005.03 mi", Ok(1_053_850_337));
        check("2g", Ok(2_000_000_000));
        check("3E", Ok(3_000_000_000_000_000_000));
        check("1B", Ok(1));
        check("0.4B", Ok(0));
        check("5 TiB ", Ok(5 << 40));
        check("1KİB", Ok(1_024));
    }

    #[test]
    fn what_is_no_size_is_said_in_the_packages_words() {
        check("", Err(r#"strconv.ParseFloat: parsing "": invalid syntax"#));
        check("-1kb", Err(r#"strconv.ParseFloat: parsing "": invalid syntax"#));
        check("1.2.3kb", Err(r#"strconv.ParseFloat: parsing "1.2.3": invalid syntax"#));
        check("1 KX", Err("unhandled size name: kx"));
        check("1ib", Err("unhandled size name: ib"));
        check("1bb", Err("unhandled size name: bb"));
        check("16EiB", Err("too large: 16EiB"));
        check("20EB", Err("too large: 20EB"));
    }

    #[test]
    fn sizes_are_written_as_loki_prints_a_filter() {
        let check = |size, expect| assert_eq!(format_bytes(size), expect);
        check(0, "0B");
        check(9, "9B");
        check(10, "10B");
        check(999, "999B");
        check(1_000, "1.0kB");
        check(1_536, "1.5kB");
        check(999_999, "1000kB");
        check(82_854_982, "83MB");
        check(u64::MAX, "18EB");
    }

    proptest! {
        #[test]
        fn any_text_and_any_size_does_no_harm(text in any::<String>(), number in "[0-9.,]{0,5} ?[kKmMiIbB]{0,3}", size in any::<u64>()) {
            let _ = (parse_bytes(&text), parse_bytes(&number), parse_bytes(&format_bytes(size)));
        }
    }
}
