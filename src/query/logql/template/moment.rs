//! A point in time with the zone that it is shown in, as Go's `time.Time`.
//!
//! The calendar is the Gregorian one before its time too, and any year is one: what cannot be read
//! as a time is the first moment of the year 1, and a number of seconds may lie far from here.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::layout;

#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// Since 1970, in UTC.
    pub(super) seconds: i64,
    /// Below a billion.
    pub(super) nanos: u32,
    pub(super) zone: Zone,
}

#[derive(Clone, Debug)]
pub(super) enum Zone {
    Utc,
    Named(TimeZone),
    /// Of a time that was read with an offset or a zone that is not known.
    Fixed {
        offset_s: i32,
        /// Empty when only the offset was there.
        name: String,
    },
}

impl Zone {
    /// Returns the zone of a name, as Go's `LoadLocation` does: UTC when there is none.
    pub(super) fn of_name(name: &str, here: &TimeZone) -> Zone {
        let is_path = name.contains("..") || name.starts_with(['/', '\\']);
        match name {
            "" | "UTC" => Zone::Utc,
            "Local" => Zone::Named(here.clone()),
            _ if is_path => Zone::Utc,
            _ => TimeZone::get(name).map_or(Zone::Utc, Zone::Named),
        }
    }

    /// Returns the offset from UTC at a moment, in seconds, and its abbreviation.
    pub(super) fn at(&self, seconds: i64) -> (i32, Cow<'_, str>) {
        match self {
            Zone::Utc => (0, "UTC".into()),
            Zone::Fixed { offset_s, name } => (*offset_s, name.into()),
            Zone::Named(zone) => {
                let bounds = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let at = Timestamp::from_second(seconds.clamp(bounds.0, bounds.1)).unwrap_or_default();
                let info = zone.to_offset_info(at);
                (info.offset().seconds(), info.abbreviation().to_string().into())
            }
        }
    }

    /// Returns the moment at which clocks in the zone show so many seconds since 1970. Where they
    /// show it twice or never, it is the one that Go takes.
    pub(super) fn seconds_of_clock(&self, shown: i64) -> i64 {
        let (first, _) = self.at(shown);
        if first == 0 {
            return shown;
        }
        let (offset, _) = self.at(shown.wrapping_sub(first.into()));
        shown.wrapping_sub(offset.into())
    }

    /// Returns the offset that an abbreviation has in the zone, at a moment if it is in force then.
    /// One that was in force only at other times is not found, where Go finds it.
    pub(super) fn offset_of(&self, name: &str, shown: i64) -> Option<i32> {
        let here = self.at(self.seconds_of_clock(shown));
        let half_a_year = 182 * DAY_S;
        let (before, after) = (shown - half_a_year, shown + half_a_year);
        // A time without a year lies before there were zones.
        let places = [before, after, WINTER_OF_2020_S, WINTER_OF_2020_S + half_a_year];
        let near = places.map(|at| self.at(at));
        std::iter::once(here).chain(near).find(|(_, known)| known == name).map(|(offset, _)| offset)
    }
}

pub(super) const DAY_S: i64 = 86_400;

/// The first of January, of any year in which most zones have the names that they have now.
const WINTER_OF_2020_S: i64 = 1_577_836_800;

/// What a calendar and a clock show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1, like the day.
    pub(super) month: u8,
    pub(super) day: u8,
    /// From 1.
    pub(super) year_day: u16,
    /// From 0, a Sunday.
    pub(super) weekday: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
}

impl Moment {
    pub(super) fn new(seconds: i64, nanos: u32, zone: Zone) -> Self {
        Moment { seconds, nanos, zone }
    }

    /// Returns the moment so many nanoseconds after 1970.
    pub(super) fn of_nanos(nanos: i64, zone: Zone) -> Self {
        let rest = nanos.rem_euclid(1_000_000_000) as u32;
        Moment::new(nanos.div_euclid(1_000_000_000), rest, zone)
    }

    /// Returns the first moment of the year 1, which Go has for "none".
    pub(super) fn none() -> Self {
        Moment::new(days_of(1, 1, 1) * DAY_S, 0, Zone::Utc)
    }

    pub(super) fn is_none(&self) -> bool {
        self.seconds == days_of(1, 1, 1) * DAY_S && self.nanos == 0
    }

    /// Returns the nanoseconds since 1970, and nonsense for what is centuries away, as Go does.
    pub(super) fn unix_nanos(&self) -> i64 {
        self.seconds.wrapping_mul(1_000_000_000).wrapping_add(self.nanos.into())
    }

    pub(super) fn unix_micros(&self) -> i64 {
        self.seconds.wrapping_mul(1_000_000).wrapping_add((self.nanos / 1_000).into())
    }

    pub(super) fn unix_millis(&self) -> i64 {
        self.seconds.wrapping_mul(1_000).wrapping_add((self.nanos / 1_000_000).into())
    }

    pub(super) fn is_before(&self, other: &Moment) -> bool {
        (self.seconds, self.nanos) < (other.seconds, other.nanos)
    }

    pub(super) fn is_same_as(&self, other: &Moment) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }

    /// Returns how many nanoseconds it is after another moment, clamped to what fits.
    pub(super) fn since(&self, other: &Moment) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(other.seconds);
        let nanos = seconds * 1_000_000_000 + i128::from(self.nanos) - i128::from(other.nanos);
        nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    pub(super) fn civil(&self) -> Civil {
        let (offset, _) = self.zone.at(self.seconds);
        civil_of(self.seconds.saturating_add(offset.into()))
    }

    /// Returns it as Go prints it.
    pub(super) fn shown(&self) -> String {
        layout::format(self, "2006-01-02 15:04:05.999999999 -0700 MST")
    }
}

/// Returns what clocks show so many seconds after 1970.
fn civil_of(seconds: i64) -> Civil {
    let (days, second) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    // Years begin in March here, so that a leap day ends one; an era has 400 of them.
    let since_march = days + 719_468;
    let (era, day) = (since_march.div_euclid(146_097), since_march.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let year_day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * year_day + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month: month as u8,
        day: (year_day - (153 * month_from_march + 2) / 5 + 1) as u8,
        year_day: (days - days_of(year, 1, 1) + 1) as u16,
        weekday: (days + 4).rem_euclid(7) as u8,
        hour: (second / 3_600) as u8,
        minute: (second / 60 % 60) as u8,
        second: (second % 60) as u8,
    }
}

/// Returns how many days after 1970-01-01 a date is.
pub(super) fn days_of(year: i64, month: u8, day: u8) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (i64::from(month) + 9) % 12;
    let year_day = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + year_day - 719_468
}

/// Returns how many days a month has.
pub(super) fn days_in(year: i64, month: u8) -> u8 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    (days_of(next_year, next_month, 1) - days_of(year, month, 1)) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_calendar_is_that_of_go() {
        let check = |seconds, expect: &str| {
            assert_eq!(Moment::new(seconds, 0, Zone::Utc).shown(), expect);
        };
        check(0, "1970-01-01 00:00:00 +0000 UTC");
        check(-1, "1969-12-31 23:59:59 +0000 UTC");
        check(951_782_400, "2000-02-29 00:00:00 +0000 UTC");
        check(-62_135_596_800, "0001-01-01 00:00:00 +0000 UTC");
        check(253_402_300_800, "10000-01-01 00:00:00 +0000 UTC");
        assert!(Moment::none().is_none());
        assert_eq!(Moment::none().unix_nanos(), -6_795_364_578_871_345_152);
        assert_eq!((days_in(2024, 2), days_in(1900, 2), days_in(2026, 12)), (29, 28, 31));
    }

    #[test]
    fn zones_are_those_of_the_machine_and_others_are_utc() {
        let here = TimeZone::fixed(jiff::tz::offset(2));
        assert!(matches!(Zone::of_name("No/Where", &here), Zone::Utc));
        assert!(matches!(Zone::of_name("../Europe/Berlin", &here), Zone::Utc));
        assert_eq!(Zone::of_name("Local", &here).at(0).0, 7_200);
        // Clocks in Berlin went from 2 to 3 at 1:00 UTC on 2026-03-29, and back on 2026-10-25.
        let berlin = Zone::of_name("Europe/Berlin", &here);
        assert_eq!(berlin.at(1_782_900_000), (7_200, "CEST".into()));
        assert_eq!(berlin.seconds_of_clock(1_782_907_200), 1_782_900_000);
        assert_eq!(berlin.offset_of("CET", 1_782_907_200), Some(3_600));
    }

    proptest! {
        #[test]
        fn days_are_counted_as_they_are_shown(days in -5_000_000i64..5_000_000) {
            let civil = civil_of(days * DAY_S + 1);
            prop_assert_eq!(days_of(civil.year, civil.month, civil.day), days);
        }

        #[test]
        fn any_number_of_seconds_is_a_moment(seconds: i64) {
            Moment::new(seconds, 0, Zone::Named(TimeZone::fixed(jiff::tz::offset(-5)))).shown();
        }
    }
}
