//! Dates as precise as they were written: a year, a month or a day.

use std::fmt;

/// A date of a CV; `2014` never becomes the first of January.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialDate {
    /// Year, 1000 to 2999 (what the schema of JSON Resume allows).
    pub year: i16,
    /// Month from one, when written.
    pub month: Option<i8>,
    /// Day from one, when written; only together with a month.
    pub day: Option<i8>,
}

impl fmt::Display for PartialDate {
    /// Writes `YYYY`, `YYYY-MM` or `YYYY-MM-DD`: valid in JSON Resume and in HTML's `datetime`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

impl PartialDate {
    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, checked against the calendar.
    pub fn parse(text: &str) -> Option<PartialDate> {
        exact(text)
    }

    /// Whether this date is over before the other begins: `2014` is not before `2014-06`.
    pub fn lies_before(self, other: PartialDate) -> bool {
        let (mine, others) = (self.to_string(), other.to_string());
        let common = mine.len().min(others.len());
        mine[..common] < others[..common]
    }
}

/// A date field: a date, or words that are none ("summer 2014"), kept as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// A date of the calendar.
    Date(PartialDate),
    /// Anything else; shown, but left out of the JSON.
    Words(String),
}

impl When {
    /// Returns the same without the day.
    pub fn to_month(&self) -> When {
        match self {
            When::Date(date) => When::Date(PartialDate { day: None, ..*date }),
            When::Words(_) => self.clone(),
        }
    }
}

/// How a stretch of time ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// The file has no end date. For a job that means it goes on; for a project the start is its date.
    #[default]
    Unwritten,
    /// The file says so: `null`, `""`, `present`, `now`.
    Ongoing,
    /// It ended.
    At(When),
}

/// When something was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// When it began.
    pub start: Option<When>,
    /// How it ended.
    pub end: End,
}

impl Period {
    /// Whether the file says nothing about time here.
    pub fn is_empty(&self) -> bool {
        self.start.is_none() && !matches!(self.end, End::At(_))
    }
}

/// What a date field's text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Written as it should be.
    Exact(PartialDate),
    /// Written in another way that can mean only one thing.
    Mended(PartialDate),
    /// "present" and its kin.
    Ongoing,
    /// Not a date.
    Words,
}

/// Words for "it goes on", in lower case, as exporters and people write them.
const ONGOING: &[&str] = &[
    "present",
    "now",
    "current",
    "currently",
    "ongoing",
    "today",
    "to date",
    "heute",
    "actualidad",
    "настоящее время",
    "по настоящее время",
    "н.в.",
    "aujourd'hui",
    "至今",
];

/// Whether a text says that something goes on.
pub(super) fn is_ongoing(text: &str) -> bool {
    ONGOING.contains(&text.trim().to_lowercase().as_str())
}

/// Reads the text of a date field.
pub(super) fn read(text: &str) -> Read {
    let text = text.trim();
    if is_ongoing(text) {
        return Read::Ongoing;
    }
    if let Some(date) = exact(text) {
        return Read::Exact(date);
    }
    match mended(text) {
        Some(date) => Read::Mended(date),
        None => Read::Words,
    }
}

fn exact(text: &str) -> Option<PartialDate> {
    let parts: Vec<&str> = text.split('-').collect();
    let widths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    match widths.as_slice() {
        [4] | [4, 2] | [4, 2, 2] => date_of(&parts),
        _ => None,
    }
}

/// Reads `2014/06`, `2014-6`, `2014.06.29`, `06/2014` and a date with a time after it.
fn mended(text: &str) -> Option<PartialDate> {
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    if day.len() < text.len() && text.contains(':') {
        return exact(day);
    }
    let mut parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    if parts.len() == 2 && parts[1].len() == 4 {
        parts.swap(0, 1);
    }
    // A day before the month cannot be told from a month before the day: not guessed.
    let is_plausible =
        parts[0].len() == 4 && parts.len() <= 3 && parts[1..].iter().all(|part| part.len() <= 2);
    if is_plausible { date_of(&parts) } else { None }
}

fn date_of(parts: &[&str]) -> Option<PartialDate> {
    let number = |idx: usize| -> Option<Option<i16>> {
        let Some(part) = parts.get(idx) else { return Some(None) };
        let is_digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits { part.parse().ok().map(Some) } else { None }
    };
    let (year, month, day) = (number(0)??, number(1)?, number(2)?);
    let small = |value: Option<i16>| value.map(i8::try_from).transpose().ok();
    let (month, day) = (small(month)?, small(day)?);
    if !(1000..3000).contains(&year) {
        return None;
    }
    jiff::civil::Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
    Some(PartialDate { year, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let found = match read(text) {
            Read::Exact(date) => date.to_string(),
            Read::Mended(date) => format!("~{date}"),
            Read::Ongoing => "ongoing".to_string(),
            Read::Words => "words".to_string(),
        };
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn precision_is_kept() {
        check("2014", "2014");
        check("2014-06", "2014-06");
        check("2014-06-29", "2014-06-29");
        check(" 2014 ", "2014");
    }

    #[test]
    fn the_calendar_is_asked() {
        for text in ["2014-13", "2014-00", "2014-02-30", "2014-06-00", "2015-02-29", "0999", "3000"] {
            check(text, "words");
        }
        check("2016-02-29", "2016-02-29");
    }

    #[test]
    fn one_meaning_is_mended_and_two_are_not_guessed() {
        check("2014/06", "~2014-06");
        check("2014-6", "~2014-06");
        check("06/2014", "~2014-06");
        check("2014-06-29T12:00:00Z", "~2014-06-29");
        check("06/07/2014", "words");
        check("summer 2014", "words");
        check("", "words");
        check("-", "words");
        check("20é4", "words");
    }

    #[test]
    fn present_is_known_in_several_languages() {
        for text in ["Present", "now", "PRESENT", "heute", "по настоящее время"] {
            check(text, "ongoing");
        }
    }
}
