//! The days that the tables are about: a range that ends today, or days that were picked.

use maud::{Markup, html};

use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::format;
use crate::pages::admin::lang::Lang;
use crate::pages::admin::window::address;

const DAY_MS: i64 = 86_400_000;

/// Days since 1970, the first and the last of a stretch; both are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Days {
    /// Returns every day in the order of time.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = i64> {
        self.first..=self.last
    }
}

/// Which days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Period {
    /// The day that is.
    Today,
    /// The day before.
    Yesterday,
    /// Today and six days before.
    #[default]
    Week,
    /// Today and 29 days before.
    Month,
    /// Today and 364 days before.
    Year,
    /// Days that were picked on the chart.
    Picked(Days),
}

/// The range that is longest, and the most days that can be picked.
const DAYS_MAX: i64 = 365;

impl Period {
    /// The ranges, shortest first.
    pub const RANGES: [Period; 5] =
        [Period::Today, Period::Yesterday, Period::Week, Period::Month, Period::Year];

    /// Reads the query parameters `range`, or `from` and `to` in Unix milliseconds: those days are
    /// picked whose noon lies after the one and not after the other. What is nonsense, or nothing,
    /// is the default.
    pub fn read(range: &str, from: &str, to: &str, today: i64) -> Period {
        let moment = |text: &str| text.trim().parse::<i64>().ok().filter(|ms| *ms >= 0);
        if let (Some(from), Some(to)) = (moment(from), moment(to))
            && from < to
        {
            let last = (to - DAY_MS / 2).div_euclid(DAY_MS).min(today);
            let first = ((from - DAY_MS / 2).div_euclid(DAY_MS) + 1).min(last).max(last - DAYS_MAX + 1);
            return Period::Picked(Days { first, last });
        }
        Period::RANGES.into_iter().find(|period| period.key() == range).unwrap_or_default()
    }

    /// Returns the value of the query parameter.
    pub fn key(self) -> &'static str {
        match self {
            Period::Today => "today",
            Period::Yesterday => "yesterday",
            Period::Week => "7d",
            Period::Month => "30d",
            Period::Year => "365d",
            Period::Picked(_) => "",
        }
    }

    /// Returns its days when this is today.
    pub fn days(self, today: i64) -> Days {
        let last = |n_days| Days { first: today - n_days + 1, last: today };
        match self {
            Period::Today => last(1),
            Period::Yesterday => Days { first: today - 1, last: today - 1 },
            Period::Week => last(7),
            Period::Month => last(30),
            Period::Year => last(365),
            Period::Picked(days) => days,
        }
    }

    /// Returns the query parameters that [`Period::read`] reads it from.
    pub fn parameters(self) -> Vec<(&'static str, String)> {
        match self {
            Period::Picked(Days { first, last }) => {
                vec![("from", (first * DAY_MS).to_string()), ("to", ((last + 1) * DAY_MS).to_string())]
            }
            range => vec![("range", range.key().to_string())],
        }
    }

    fn label(self, lang: Lang) -> &'static str {
        match self {
            Period::Today => lang.tr("Today"),
            Period::Yesterday => lang.tr("Yesterday"),
            Period::Week => lang.tr("7 d"),
            Period::Month => lang.tr("30 d"),
            Period::Year => lang.tr("365 d"),
            Period::Picked(_) => "",
        }
    }
}

/// Returns noon of a day, at which it is that day almost everywhere.
pub fn noon(day: i64) -> UnixNanos {
    UnixMillis(day.saturating_mul(DAY_MS).saturating_add(DAY_MS / 2)).to_nanos()
}

/// The buttons of the ranges.
pub(super) fn ranges(lang: Lang, period: Period, days: Days) -> Markup {
    let (from, to) = (days.first * DAY_MS, (days.last + 1) * DAY_MS);
    html! {
        nav.ranges aria-label=(lang.tr("Days shown")) data-from=(from) data-to=(to) data-step=(DAY_MS) {
            @for range in Period::RANGES {
                a href=(address("/admin/visitors", &[("range", range.key())]))
                    aria-current=[(range == period).then_some("true")] data-range=(range.key()) {
                    (range.label(lang))
                }
            }
            @if let Period::Picked(Days { first, last }) = period {
                span.fixed {
                    (format::date(noon(first)))
                    @if last > first { " – " (format::date(noon(last))) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: i64 = 20_000;

    fn read(from: i64, to: i64) -> Period {
        Period::read("", &from.to_string(), &to.to_string(), TODAY)
    }

    fn picked(first: i64, last: i64) -> Period {
        Period::Picked(Days { first, last })
    }

    #[test]
    fn a_point_of_the_chart_picks_its_day() {
        for day in [TODAY, TODAY - 1, TODAY - 300] {
            let noon = noon(day).to_millis().0;
            assert_eq!(read(noon - DAY_MS, noon), picked(day, day));
        }
    }

    #[test]
    fn a_stretch_picks_its_days_and_never_too_many_or_none() {
        let midnight = TODAY * DAY_MS;
        assert_eq!(read(midnight - 3 * DAY_MS, midnight), picked(TODAY - 3, TODAY - 1));
        assert_eq!(read(midnight, midnight + 1), picked(TODAY - 1, TODAY - 1));
        assert_eq!(read(midnight, midnight + 99 * DAY_MS), picked(TODAY, TODAY));
        assert_eq!(read(0, midnight), picked(TODAY - 365, TODAY - 1));
        assert_eq!(read(0, i64::MAX), picked(TODAY - 364, TODAY));
    }

    #[test]
    fn ranges_end_today_and_nonsense_is_the_default() {
        for period in Period::RANGES {
            assert_eq!(Period::read(period.key(), "", "", TODAY), period);
        }
        for (range, from, to) in
            [("", "", ""), ("2d", "", ""), ("x", "5", "4"), ("x", "-5", "4"), ("x", "a", "4")]
        {
            assert_eq!(Period::read(range, from, to, TODAY), Period::Week, "{range} {from} {to}");
        }
        assert_eq!(Period::Week.days(TODAY), Days { first: TODAY - 6, last: TODAY });
        assert_eq!(Period::Yesterday.days(TODAY).iter().collect::<Vec<_>>(), [TODAY - 1]);
    }

    #[test]
    fn a_period_is_read_from_its_own_parameters() {
        let all = [picked(TODAY - 9, TODAY - 3), picked(TODAY, TODAY), Period::Year, Period::Today];
        for period in all {
            let of = |wanted: &str| {
                let found = period.parameters().into_iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| value).unwrap_or_default()
            };
            assert_eq!(Period::read(&of("range"), &of("from"), &of("to"), TODAY), period);
        }
    }
}
