//! Parts of a date in UTC, of seconds since 1970.
//!
//! The calendar is the Gregorian one of today, in every year, without leap seconds. No number is
//! refused: what is no number or does not fit into 64 bits is the least number that does, as in
//! Go on the machines that Prometheus mostly runs on, and years wrap around as Go's do.

/// Returns the function of a name that takes part of a date.
pub fn calendar(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "minute" => |at| (Date::of(at).second_of_day / 60 % 60) as f64,
        "hour" => |at| (Date::of(at).second_of_day / 3600) as f64,
        "day_of_month" => |at| Date::of(at).day as f64,
        "day_of_week" => |at| Date::of(at).weekday as f64,
        "day_of_year" => |at| Date::of(at).day_of_year() as f64,
        "days_in_month" => |at| Date::of(at).days_in_month() as f64,
        "month" => |at| Date::of(at).month as f64,
        "year" => |at| Date::of(at).year as f64,
        _ => return None,
    })
}

/// Days in 400 years, after which the calendar repeats itself.
const ERA_DAYS: u64 = 146_097;

/// Days are counted from the first of March, 292 277 022 400 years before the year 0: so far back
/// that no moment of 64 bits is earlier. The years are a multiple of 400, the day is a Wednesday.
const ZERO_YEAR: i64 = -292_277_022_400;

/// Days from the first of March of the year 0 to 1970.
const DAYS_TO_1970: u64 = 719_468;

const DAY_SECONDS: u64 = 86_400;

struct Date {
    year: i64,
    /// From 1.
    month: u64,
    /// Of the month, from 1.
    day: u64,
    /// From 0, a Sunday.
    weekday: u64,
    second_of_day: u64,
}

impl Date {
    fn of(at: f64) -> Date {
        let fits = (-(2f64.powi(63))..2f64.powi(63)).contains(&at);
        let at = if fits { at as i64 } else { i64::MIN };
        let since_zero = ZERO_YEAR.unsigned_abs() / 400 * ERA_DAYS + DAYS_TO_1970;
        let at = (at as u64).wrapping_add(since_zero.wrapping_mul(DAY_SECONDS));
        let (days, second_of_day) = (at / DAY_SECONDS, at % DAY_SECONDS);

        // Years begin in March here, so that the day that comes and goes is their last.
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Five months from March have 153 days, and so do the next five.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let (month, is_next_year) =
            if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
        let year = ZERO_YEAR + (era * 400 + year_of_era) as i64 + is_next_year;
        Date { year, month, day, weekday: (days + 3) % 7, second_of_day }
    }

    fn is_leap_year(&self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn days_in_month(&self) -> u64 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u64::from(self.is_leap_year()),
            _ => 31,
        }
    }

    /// From 1.
    fn day_of_year(&self) -> u64 {
        let before = (1..self.month).map(|month| Date { month, ..*self }.days_in_month());
        before.sum::<u64>() + self.day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] =
        ["year", "month", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute"];

    fn check(at: f64, expect: [i64; 8]) {
        let got = NAMES.map(|name| calendar(name).unwrap()(at) as i64);
        assert_eq!(got, expect, "{at}");
    }

    #[test]
    fn days_that_are_special_are_known() {
        // functions.test: "Test time-related functions" and the leap years after it.
        check(0.0, [1970, 1, 1, 4, 1, 31, 0, 0]);
        check(1_230_767_999.0, [2008, 12, 31, 3, 366, 31, 23, 59]);
        check(1_456_790_399.0, [2016, 2, 29, 1, 60, 29, 23, 59]);
        check(1_456_790_400.0, [2016, 3, 1, 2, 61, 31, 0, 0]);
        check(4_107_542_400.0, [2100, 3, 1, 1, 60, 31, 0, 0]);
        check(-1.0, [1969, 12, 31, 3, 365, 31, 23, 59]);
        check(-62_135_596_801.0, [0, 12, 31, 0, 366, 31, 23, 59]);
    }

    #[test]
    fn parts_of_seconds_are_dropped_towards_1970() {
        check(59.999, [1970, 1, 1, 4, 1, 31, 0, 0]);
        check(-0.9, [1970, 1, 1, 4, 1, 31, 0, 0]);
    }

    #[test]
    fn years_without_number_are_gos() {
        // Each as Go's `time.Unix(int64(at), 0).UTC()` has it.
        check(f64::NAN, [292_277_026_596, 12, 4, 0, 339, 31, 15, 30]);
        check(f64::INFINITY, [292_277_026_596, 12, 4, 0, 339, 31, 15, 30]);
        check(-1e19, [292_277_026_596, 12, 4, 0, 339, 31, 15, 30]);
        check(9_223_372_036_854_774_784.0, [292_277_026_596, 12, 4, 0, 339, 31, 15, 13]);
        check(-9.2e18, [-291_536_392_293, 5, 3, 2, 123, 31, 12, 26]);
        check(1e12, [33_658, 9, 27, 5, 270, 30, 1, 46]);
        check(-6.3e10, [-27, 8, 11, 6, 223, 31, 8, 0]);
    }
}
