//! Times as texts, and back, by Go's layouts: the form of `Mon Jan 2 15:04:05 MST 2006`.
//!
//! Source: Go, the documentation of the package `time`, and what it answers.

use super::moment::{Civil, DAY_S, Moment, Zone, days_in, days_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Month(Width),
    MonthName,
    MonthShort,
    WeekdayName,
    WeekdayShort,
    Day(Width),
    YearDay(Width),
    Hour,
    Hour12(Width),
    Minute(Width),
    Second(Width),
    Year,
    YearOfCentury,
    Noon {
        is_upper: bool,
    },
    ZoneName,
    Offset(Offset),
    Fraction {
        n_digits: usize,
        mark: char,
        /// Without the zeros at its end.
        trims: bool,
    },
}

/// How a number is brought to its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    None,
    Spaces,
    Zeros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// `Z` stands for UTC.
    has_z: bool,
    has_colons: bool,
    parts: Parts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Hours,
    Minutes,
    Seconds,
}

const fn offset(has_z: bool, has_colons: bool, parts: Parts) -> Element {
    Element::Offset(Offset { has_z, has_colons, parts })
}

/// What a layout can have in it; of two that begin alike, the first that is there counts.
const ELEMENTS: &[(&str, Element)] = &[
    ("January", Element::MonthName),
    ("Jan", Element::MonthShort),
    ("Monday", Element::WeekdayName),
    ("Mon", Element::WeekdayShort),
    ("MST", Element::ZoneName),
    ("01", Element::Month(Width::Zeros)),
    ("02", Element::Day(Width::Zeros)),
    ("03", Element::Hour12(Width::Zeros)),
    ("04", Element::Minute(Width::Zeros)),
    ("05", Element::Second(Width::Zeros)),
    ("06", Element::YearOfCentury),
    ("002", Element::YearDay(Width::Zeros)),
    ("15", Element::Hour),
    ("1", Element::Month(Width::None)),
    ("2006", Element::Year),
    ("2", Element::Day(Width::None)),
    ("_2", Element::Day(Width::Spaces)),
    ("__2", Element::YearDay(Width::Spaces)),
    ("3", Element::Hour12(Width::None)),
    ("4", Element::Minute(Width::None)),
    ("5", Element::Second(Width::None)),
    ("PM", Element::Noon { is_upper: true }),
    ("pm", Element::Noon { is_upper: false }),
    ("-070000", offset(false, false, Parts::Seconds)),
    ("-07:00:00", offset(false, true, Parts::Seconds)),
    ("-0700", offset(false, false, Parts::Minutes)),
    ("-07:00", offset(false, true, Parts::Minutes)),
    ("-07", offset(false, false, Parts::Hours)),
    ("Z070000", offset(true, false, Parts::Seconds)),
    ("Z07:00:00", offset(true, true, Parts::Seconds)),
    ("Z0700", offset(true, false, Parts::Minutes)),
    ("Z07:00", offset(true, true, Parts::Minutes)),
    ("Z07", offset(true, false, Parts::Hours)),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn month_name(month: u8) -> &'static str {
    MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or_default()
}

pub(super) fn weekday_name(weekday: u8) -> &'static str {
    WEEKDAYS.get(usize::from(weekday)).copied().unwrap_or_default()
}

/// Returns the element at the front of a layout, and how many bytes of it it takes.
fn element(layout: &str) -> Option<(Element, usize)> {
    if layout.starts_with(['.', ',']) {
        return fraction(layout);
    }
    // The underscore before a year is one.
    if layout.starts_with("_2006") {
        return None;
    }
    let known = ELEMENTS.iter().find(|(written, element)| {
        let is_short = matches!(element, Element::MonthShort | Element::WeekdayShort);
        layout.strip_prefix(written).is_some_and(|rest| {
            // "Month" has no "Mon" in it.
            !is_short || !rest.starts_with(|c: char| c.is_ascii_lowercase())
        })
    });
    known.map(|(written, element)| (*element, written.len()))
}

fn fraction(layout: &str) -> Option<(Element, usize)> {
    let mut rest = layout.chars();
    let mark = rest.next()?;
    let digit = rest.next().filter(|c| matches!(c, '0' | '9'))?;
    let n_digits = layout[1..].bytes().take_while(|byte| *byte == digit as u8).count();
    let is_followed = layout[1 + n_digits..].starts_with(|c: char| c.is_ascii_digit());
    (!is_followed).then_some((Element::Fraction { n_digits, mark, trims: digit == '9' }, 1 + n_digits))
}

/// Parts a layout into a text, an element behind it and the rest.
fn split(layout: &str) -> (&str, Option<Element>, &str) {
    for (at, _) in layout.char_indices() {
        if let Some((element, n_bytes)) = element(&layout[at..]) {
            return (&layout[..at], Some(element), &layout[at + n_bytes..]);
        }
    }
    (layout, None, "")
}

/// Writes a time by a layout.
pub(super) fn format(moment: &Moment, layout: &str) -> String {
    let civil = moment.civil();
    let (offset_s, zone) = moment.zone.at(moment.seconds);
    let mut res = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    while !rest.is_empty() {
        let (before, element, after) = split(rest);
        res.push_str(before);
        rest = after;
        match element {
            None => break,
            Some(Element::Offset(offset)) => push_offset(&mut res, offset, offset_s),
            Some(Element::ZoneName) if zone.is_empty() => {
                let minutes = Offset { has_z: false, has_colons: false, parts: Parts::Minutes };
                push_offset(&mut res, minutes, offset_s);
            }
            Some(Element::ZoneName) => res.push_str(&zone),
            Some(Element::Fraction { n_digits, mark, trims }) => {
                push_fraction(&mut res, moment.nanos, n_digits, mark, trims);
            }
            Some(element) => push_civil(&mut res, element, &civil),
        }
    }
    res
}

fn push_civil(res: &mut String, element: Element, civil: &Civil) {
    let mut number = |number: i64, n_digits: usize, width: Width| match width {
        Width::None => res.push_str(&number.to_string()),
        Width::Spaces => res.push_str(&format!("{number:n_digits$}")),
        Width::Zeros => {
            let sign = if number < 0 { "-" } else { "" };
            res.push_str(&format!("{sign}{:0n_digits$}", number.unsigned_abs()));
        }
    };
    let hour_12 = (civil.hour + 11) % 12 + 1;
    match element {
        Element::Year => number(civil.year, 4, Width::Zeros),
        Element::YearOfCentury => number((civil.year % 100).abs(), 2, Width::Zeros),
        Element::Month(width) => number(civil.month.into(), 2, width),
        Element::Day(width) => number(civil.day.into(), 2, width),
        Element::YearDay(width) => number(civil.year_day.into(), 3, width),
        Element::Hour => number(civil.hour.into(), 2, Width::Zeros),
        Element::Hour12(width) => number(hour_12.into(), 2, width),
        Element::Minute(width) => number(civil.minute.into(), 2, width),
        Element::Second(width) => number(civil.second.into(), 2, width),
        Element::MonthName => res.push_str(month_name(civil.month)),
        Element::MonthShort => res.push_str(&month_name(civil.month)[..3]),
        Element::WeekdayName => res.push_str(weekday_name(civil.weekday)),
        Element::WeekdayShort => res.push_str(&weekday_name(civil.weekday)[..3]),
        Element::Noon { is_upper: true } => res.push_str(if civil.hour >= 12 { "PM" } else { "AM" }),
        Element::Noon { is_upper: false } => res.push_str(if civil.hour >= 12 { "pm" } else { "am" }),
        Element::ZoneName | Element::Offset(_) | Element::Fraction { .. } => {}
    }
}

fn push_offset(res: &mut String, offset: Offset, offset_s: i32) {
    if offset.has_z && offset_s == 0 {
        res.push('Z');
        return;
    }
    // Less than a minute has no sign of its own.
    res.push(if offset_s / 60 < 0 { '-' } else { '+' });
    let colon = if offset.has_colons { ":" } else { "" };
    let seconds = offset_s.unsigned_abs();
    res.push_str(&format!("{:02}", seconds / 3_600));
    if offset.parts != Parts::Hours {
        res.push_str(&format!("{colon}{:02}", seconds / 60 % 60));
    }
    if offset.parts == Parts::Seconds {
        res.push_str(&format!("{colon}{:02}", seconds % 60));
    }
}

fn push_fraction(res: &mut String, nanos: u32, n_digits: usize, mark: char, trims: bool) {
    let digits = format!("{nanos:09}");
    let digits = &digits[..n_digits.min(digits.len())];
    let digits = if trims { digits.trim_end_matches('0') } else { digits };
    if !digits.is_empty() {
        res.push(mark);
        res.push_str(digits);
    }
}

/// Reads a time by a layout; without an offset or a zone of its own it is one of the zone `here`.
pub(super) fn parse(layout: &str, text: &str, here: Zone) -> Option<Moment> {
    let mut read = Read::default();
    let mut reader = Reader { rest: text };
    let mut layout = layout;
    loop {
        let (before, element, after) = split(layout);
        reader.skip(before)?;
        let Some(element) = element else { break };
        layout = after;
        reader.read(element, after, &mut read)?;
    }
    if !reader.rest.is_empty() {
        return None;
    }
    read.moment(here)
}

/// What was read so far.
#[derive(Default)]
struct Read {
    year: i64,
    month: Option<u8>,
    day: Option<u8>,
    year_day: Option<u16>,
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    is_afternoon: Option<bool>,
    is_utc: bool,
    offset_s: Option<i32>,
    zone: String,
}

impl Read {
    fn moment(self, here: Zone) -> Option<Moment> {
        let (month, day) = match self.year_day {
            Some(year_day) => self.of_year_day(year_day)?,
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > days_in(self.year, month) {
            return None;
        }
        let hour = match self.is_afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let clock_s = i64::from(hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let shown = days_of(self.year, month, day) * DAY_S + clock_s;
        if self.is_utc {
            return Some(Moment::new(shown, self.nanos, Zone::Utc));
        }
        if let Some(offset_s) = self.offset_s {
            let seconds = shown - i64::from(offset_s);
            let (known, name) = here.at(seconds);
            let is_here = known == offset_s && (self.zone.is_empty() || self.zone == name);
            let zone = if is_here { here.clone() } else { Zone::Fixed { offset_s, name: self.zone } };
            return Some(Moment::new(seconds, self.nanos, zone));
        }
        if self.zone.is_empty() {
            return Some(Moment::new(here.seconds_of_clock(shown), self.nanos, here));
        }
        if let Some(offset_s) = here.offset_of(&self.zone, shown) {
            return Some(Moment::new(shown - i64::from(offset_s), self.nanos, here));
        }
        // Of zones that are not known only `GMT+3` says how far it is from here.
        let hours = self.zone.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
        let offset_s = hours * 3_600;
        let zone = Zone::Fixed { offset_s, name: self.zone };
        Some(Moment::new(shown - i64::from(offset_s), self.nanos, zone))
    }

    /// Returns the month and the day of a day of the year, which those that were read must equal.
    fn of_year_day(&self, year_day: u16) -> Option<(u8, u8)> {
        let mut rest = year_day;
        for month in 1..=12 {
            let n_days = u16::from(days_in(self.year, month));
            if rest <= n_days {
                let day = u8::try_from(rest).ok().filter(|day| *day > 0)?;
                let is_same = self.month.is_none_or(|known| known == month)
                    && self.day.is_none_or(|known| known == day);
                return is_same.then_some((month, day));
            }
            rest -= n_days;
        }
        None
    }
}

struct Reader<'s> {
    rest: &'s str,
}

impl<'s> Reader<'s> {
    /// Skips a text of the layout; as many spaces as there are count as one.
    fn skip(&mut self, text: &str) -> Option<()> {
        let mut expected = text;
        while let Some(c) = expected.chars().next() {
            if c == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return None;
                }
                expected = expected.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
            } else {
                self.rest = self.rest.strip_prefix(c)?;
                expected = &expected[c.len_utf8()..];
            }
        }
        Some(())
    }

    fn take(&mut self, n_bytes: usize) -> Option<&'s str> {
        let (taken, rest) = self.rest.split_at_checked(n_bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn n_digits(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    /// Takes a number of so many digits at most, and of all of them when it is filled with zeros.
    fn number(&mut self, n_digits_max: usize, width: Width) -> Option<u16> {
        let n_digits = self.n_digits().min(n_digits_max);
        if n_digits == 0 || (width == Width::Zeros && n_digits < n_digits_max) {
            return None;
        }
        self.take(n_digits)?.parse().ok()
    }

    fn below(&mut self, bound: u16, width: Width) -> Option<u8> {
        self.number(2, width).filter(|number| *number < bound).map(|number| number as u8)
    }

    /// Takes one of some names, in any case; returns its index.
    fn name(&mut self, names: &[&str], n_bytes: Option<usize>) -> Option<usize> {
        let idx = names.iter().position(|name| {
            let name = &name[..n_bytes.unwrap_or(name.len())];
            self.rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name))
        })?;
        self.take(n_bytes.unwrap_or(names[idx].len()))?;
        Some(idx)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
    }

    fn read(&mut self, element: Element, after: &str, read: &mut Read) -> Option<()> {
        match element {
            Element::Year => {
                let digits =
                    self.rest.get(..4).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
                read.year = digits.parse().ok()?;
                self.take(4)?;
            }
            Element::YearOfCentury => {
                let year: i64 = self.take(2)?.parse().ok()?;
                read.year = if year >= 69 { year + 1_900 } else { year + 2_000 };
            }
            Element::Month(width) => read.month = Some(self.below(13, width).filter(|month| *month > 0)?),
            Element::MonthName => read.month = Some(self.name(&MONTHS, None)? as u8 + 1),
            Element::MonthShort => read.month = Some(self.name(&MONTHS, Some(3))? as u8 + 1),
            // It is only looked at: which day it is, the date says.
            Element::WeekdayName => {
                self.name(&WEEKDAYS, None)?;
            }
            Element::WeekdayShort => {
                self.name(&WEEKDAYS, Some(3))?;
            }
            Element::Day(width) => {
                if width == Width::Spaces {
                    self.skip_space();
                }
                read.day = Some(self.below(100, width)?);
            }
            Element::YearDay(width) => {
                if width == Width::Spaces {
                    self.skip_space();
                    self.skip_space();
                }
                read.year_day = Some(self.number(3, width)?);
            }
            Element::Hour => read.hour = self.below(24, Width::None)?,
            Element::Hour12(width) => read.hour = self.below(13, width)?,
            Element::Minute(width) => read.minute = self.below(60, width)?,
            Element::Second(width) => {
                read.second = self.below(60, width)?;
                // A fraction may follow that the layout does not have.
                let (_, next, _) = split(after);
                if !matches!(next, Some(Element::Fraction { .. })) {
                    self.fraction(read)?;
                }
            }
            Element::Noon { is_upper } => {
                let names = if is_upper { ["AM", "PM"] } else { ["am", "pm"] };
                let name = self.take(2)?;
                read.is_afternoon = Some(names.iter().position(|known| *known == name)? == 1);
            }
            Element::ZoneName => self.zone_name(read)?,
            Element::Offset(offset) => self.offset(offset, read)?,
            Element::Fraction { trims: true, .. } => self.fraction(read)?,
            Element::Fraction { n_digits, .. } => {
                let digits = self.take(1 + n_digits)?.strip_prefix(['.', ','])?;
                read.nanos = nanos(digits)?;
            }
        }
        Some(())
    }

    /// Takes a fraction of a second if there is one, of any number of digits.
    fn fraction(&mut self, read: &mut Read) -> Option<()> {
        let Some(after) = self.rest.strip_prefix(['.', ',']) else { return Some(()) };
        let n_digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if n_digits > 0 {
            read.nanos = nanos(&after[..n_digits])?;
            self.rest = &after[n_digits..];
        }
        Some(())
    }

    fn offset(&mut self, offset: Offset, read: &mut Read) -> Option<()> {
        if offset.has_z && self.rest.starts_with('Z') {
            self.take(1)?;
            read.is_utc = true;
            return Some(());
        }
        let sign = match self.take(1)? {
            "+" => 1,
            "-" => -1,
            _ => return None,
        };
        let part = |reader: &mut Self, is_first: bool, max: u16| {
            if offset.has_colons && !is_first && reader.take(1)? != ":" {
                return None;
            }
            reader.number(2, Width::Zeros).filter(|number| *number <= max).map(i32::from)
        };
        let mut seconds = part(self, true, 24)? * 3_600;
        if offset.parts != Parts::Hours {
            seconds += part(self, false, 60)? * 60;
        }
        if offset.parts == Parts::Seconds {
            seconds += part(self, false, 60)?;
        }
        read.offset_s = Some(sign * seconds);
        Some(())
    }

    fn zone_name(&mut self, read: &mut Read) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix("UTC") {
            self.rest = rest;
            read.is_utc = true;
            return Some(());
        }
        let n_bytes = zone_name_len(self.rest)?;
        read.zone = self.take(n_bytes)?.to_string();
        Some(())
    }
}

/// Returns how long the abbreviation of a zone at the front of a text is.
fn zone_name_len(text: &str) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours_len(after));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed_hours_len(text)).filter(|n_bytes| *n_bytes > 0);
    }
    let n_upper = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    let ends_in_t = text.as_bytes().get(n_upper.wrapping_sub(1)) == Some(&b'T');
    match n_upper {
        3 => Some(3),
        4 if ends_in_t || text.starts_with("WITA") => Some(4),
        5 if ends_in_t => Some(5),
        _ => None,
    }
}

/// Returns how long a sign and a number of hours are, up to 23.
fn signed_hours_len(text: &str) -> usize {
    let Some(digits) = text.strip_prefix(['+', '-']) else { return 0 };
    let n_digits = digits.bytes().take_while(u8::is_ascii_digit).count();
    match digits[..n_digits].parse::<u64>() {
        Ok(hours) if hours <= 23 => 1 + n_digits,
        _ => 0,
    }
}

/// Reads the digits behind a point as nanoseconds; what is below one is dropped.
fn nanos(digits: &str) -> Option<u32> {
    let digits = &digits[..digits.len().min(9)];
    let number: u32 = digits.parse().ok()?;
    Some(number * 10u32.pow(9 - digits.len() as u32))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-26 16:49:02.123456789 UTC, a Thursday.
    fn moment(zone: Zone) -> Moment {
        Moment::of_nanos(1_795_711_742_123_456_789, zone)
    }

    fn berlin() -> Zone {
        Zone::of_name("Europe/Berlin", &TimeZone::UTC)
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        let check = |layout: &str, expect: &str| {
            assert_eq!(format(&moment(berlin()), layout), expect, "{layout}");
        };
        check("Mon Jan _2 15:04:05 MST 2006", "Thu Nov 26 17:49:02 CET 2026");
        check("Monday, 02-January-06 3:4:5pm", "Thursday, 26-November-26 5:49:2pm");
        check("2006-01-02T15:04:05.999999999Z07:00", "2026-11-26T17:49:02.123456789+01:00");
        check("05.000 05,00 .0000000000 .9", "02.123 02,12 .123456789 .1");
        check("002 __2 _2006 -07 -0700 Z07 -07:00:00", "330 330 _2026 +01 +0100 +01 +01:00:00");
        check("Month Mont 03PM 2 1 é", "Month Mont 05PM 26 11 é");
        check("05.00x 05.001", "02.12x 02.011");
        let utc = format(&moment(Zone::Utc), "Z07:00 Z0700 -0700 MST");
        assert_eq!(utc, "Z Z +0000 UTC");
        let fixed = Zone::Fixed { offset_s: -5_400, name: String::new() };
        assert_eq!(format(&moment(fixed), "15:04 -07:00 MST"), "15:19 -01:30 -0130");
        let short = Zone::Fixed { offset_s: -30, name: "X".into() };
        assert_eq!(format(&moment(short), "-07:00:00 MST"), "+00:00:30 X");
    }

    #[test]
    fn times_are_read_as_go_reads_them() {
        let check = |layout: &str, text: &str, expect: &str| {
            let shown = parse(layout, text, berlin()).map(|moment| moment.shown()).unwrap_or_default();
            assert_eq!(shown, expect, "{layout} and {text}");
        };
        check("2006-01-02", "2026-07-01", "2026-07-01 00:00:00 +0200 CEST");
        check("2006-01-02T15:04:05Z07:00", "2026-07-01T10:00:00.5Z", "2026-07-01 10:00:00.5 +0000 UTC");
        check("2006-01-02T15:04:05Z07:00", "2026-07-01T10:00:00+02:00", "2026-07-01 10:00:00 +0200 CEST");
        check("2006-01-02T15:04:05Z07:00", "2026-07-01T10:00:00-03:00", "2026-07-01 10:00:00 -0300 -0300");
        check("Jan _2 2006 3:04PM", "jul  1 2026 12:30AM", "2026-07-01 00:30:00 +0200 CEST");
        check(
            "Mon, 02 Jan 2006 15:04:05 MST",
            "Wed, 01 Jul 2026 10:00:00 CEST",
            "2026-07-01 10:00:00 +0200 CEST",
        );
        check("Jan _2 15:04 MST", "Jul  1 10:00 CEST", "0000-07-01 08:53:28 +0053 LMT");
        check("2006 MST", "2026 PDT", "2026-01-01 00:00:00 +0000 PDT");
        check("2006 MST", "2026 GMT+3", "2026-01-01 00:00:00 +0300 GMT+3");
        check("06 002", "70 366", "");
        check("06 002", "24 060", "2024-02-29 00:00:00 +0100 CET");
        check("15:04", "9:05", "0000-01-01 09:05:00 +0053 LMT");
        check("2006-01-02", "2026-02-29", "");
        check("2006-01-02", "2026-13-01", "");
        check("2006-01-02", "2026-01-01x", "");
        check("15:04:05.000", "10:00:00.12", "");
        check("2006  x", "2026 x", "2026-01-01 00:00:00 +0100 CET");
        // Clocks showed this never, and the next one twice.
        check("2006-01-02 15:04", "2026-03-29 02:30", "2026-03-29 03:30:00 +0200 CEST");
        check("2006-01-02 15:04", "2026-10-25 02:30", "2026-10-25 02:30:00 +0100 CET");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(nanos: i64) {
            let moment = Moment::of_nanos(nanos, Zone::Utc);
            let layout = "Mon, 02 Jan 2006 15:04:05.000000000 -0700";
            let read = parse(layout, &format(&moment, layout), Zone::Utc).unwrap();
            prop_assert_eq!(read.unix_nanos(), nanos);
        }

        #[test]
        fn no_layout_does_harm(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..10), text in "\\PC{0,30}") {
            let layout = pieces.concat();
            let shown = format(&moment(berlin()), &layout);
            parse(&layout, &shown, berlin());
            parse(&layout, &text, berlin());
            parse(&text, &shown, berlin());
        }
    }

    const PIECES: &[&str] = &[
        "2006", "06", "Jan", "January", "1", "01", "_2", "2", "02", "__2", "002", "Mon", "15", "3", "03",
        "4", "05", "PM", "MST", "-0700", "Z07:00", ".000", ".999", ",9", " ", "é", "_", "-", "é",
    ];
}
