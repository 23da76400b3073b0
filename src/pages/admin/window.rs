//! The time that a view looks at: a range that ends now, or two moments.

use std::time::Duration;

use super::lang::Lang;
use crate::clock::UnixMillis;

/// Ranges that end now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// A quarter of an hour.
    Quarter,
    /// One hour.
    #[default]
    Hour,
    /// Six hours.
    SixHours,
    /// A day.
    Day,
    /// A week.
    Week,
    /// Thirty days.
    Month,
}

impl Range {
    /// Every range, shortest first.
    pub const ALL: [Range; 6] =
        [Range::Quarter, Range::Hour, Range::SixHours, Range::Day, Range::Week, Range::Month];

    /// Returns the range for a query parameter.
    pub fn from_key(key: &str) -> Option<Range> {
        Range::ALL.into_iter().find(|range| range.key() == key)
    }

    /// Returns the value of the query parameter.
    pub fn key(self) -> &'static str {
        match self {
            Range::Quarter => "15m",
            Range::Hour => "1h",
            Range::SixHours => "6h",
            Range::Day => "24h",
            Range::Week => "7d",
            Range::Month => "30d",
        }
    }

    /// Returns the range on a button.
    pub fn label(self, lang: Lang) -> &'static str {
        match self {
            Range::Quarter => lang.tr("15 min"),
            Range::Hour => lang.tr("1 h"),
            Range::SixHours => lang.tr("6 h"),
            Range::Day => lang.tr("24 h"),
            Range::Week => lang.tr("7 d"),
            Range::Month => lang.tr("30 d"),
        }
    }

    /// Returns the range at the end of a sentence.
    pub fn words(self, lang: Lang) -> &'static str {
        match self {
            Range::Quarter => lang.tr("in the last 15 minutes"),
            Range::Hour => lang.tr("in the last hour"),
            Range::SixHours => lang.tr("in the last 6 hours"),
            Range::Day => lang.tr("in the last 24 hours"),
            Range::Week => lang.tr("in the last 7 days"),
            Range::Month => lang.tr("in the last 30 days"),
        }
    }

    /// Returns how long it is.
    pub fn span(self) -> Duration {
        let minutes = match self {
            Range::Quarter => 15,
            Range::Hour => 60,
            Range::SixHours => 360,
            Range::Day => 1_440,
            Range::Week => 7 * 1_440,
            Range::Month => 30 * 1_440,
        };
        Duration::from_secs(minutes * 60)
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// It ends now and moves on.
    Moving(Range),
    /// It stays where it is.
    Fixed {
        /// The first moment.
        from: UnixMillis,
        /// The last one, later than the first.
        to: UnixMillis,
    },
}

impl Default for Window {
    fn default() -> Self {
        Window::Moving(Range::default())
    }
}

/// A window shorter than this has no two samples.
const SPAN_MIN_MS: i64 = 30_000;

/// A longer one is longer than anything is kept.
const SPAN_MAX_MS: i64 = 400 * 86_400_000;

/// About as many points as a phone is wide enough for.
const POINTS: u64 = 72;

/// Distances of two points that read well; samples come every ten seconds.
const STEPS_S: [u64; 15] =
    [10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

impl Window {
    /// Reads the query parameters `range`, or `from` and `to` in Unix milliseconds; what is
    /// nonsense, or nothing, is the default.
    pub fn read(range: &str, from: &str, to: &str) -> Window {
        let moment = |text: &str| text.trim().parse().ok().filter(|ms| *ms >= 0).map(UnixMillis);
        if let (Some(from), Some(to)) = (moment(from), moment(to))
            && to.0.saturating_sub(from.0) <= SPAN_MAX_MS
            && to > from
        {
            let to = UnixMillis(to.0.max(from.0.saturating_add(SPAN_MIN_MS)));
            return Window::Fixed { from, to };
        }
        Range::from_key(range).map_or(Window::default(), Window::Moving)
    }

    /// Returns the parameters that [`Window::read`] reads, none for the default.
    pub fn parameters(self) -> Vec<(&'static str, String)> {
        match self {
            Window::Moving(range) if range == Range::default() => Vec::new(),
            Window::Moving(range) => vec![("range", range.key().to_string())],
            Window::Fixed { from, to } => vec![("from", from.0.to_string()), ("to", to.0.to_string())],
        }
    }

    /// Returns the first and the last moment of it when it is `now`.
    pub fn bounds(self, now: UnixMillis) -> (UnixMillis, UnixMillis) {
        match self {
            Window::Moving(range) => (now.minus(range.span()), now),
            Window::Fixed { from, to } => (from, to),
        }
    }

    /// Returns how long it is.
    pub fn span(self) -> Duration {
        match self {
            Window::Moving(range) => range.span(),
            Window::Fixed { from, to } => Duration::from_millis(to.0.abs_diff(from.0)),
        }
    }

    /// Returns the distance of two points of a chart.
    pub fn step(self) -> Duration {
        let wanted = self.span().as_secs() / POINTS;
        let step = STEPS_S.into_iter().find(|step| *step >= wanted);
        Duration::from_secs(step.unwrap_or(STEPS_S[STEPS_S.len() - 1] * 7))
    }

    /// Returns true while it moves on.
    pub fn is_moving(self) -> bool {
        matches!(self, Window::Moving(_))
    }

    /// Returns it at the end of a sentence.
    pub fn words(self, lang: Lang) -> &'static str {
        match self {
            Window::Moving(range) => range.words(lang),
            Window::Fixed { .. } => lang.tr("in this time"),
        }
    }
}

/// Returns an address with parameters behind it; those without a value are left out.
pub fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_string() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let fixed = Window::Fixed { from: UnixMillis(1_000_000), to: UnixMillis(2_000_000) };
        for window in Range::ALL.map(Window::Moving).into_iter().chain([fixed]) {
            let parameters = window.parameters();
            let get = |name: &str| {
                parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
            };
            assert_eq!(Window::read(get("range"), get("from"), get("to")), window);
        }
    }

    #[test]
    fn nonsense_is_the_default_and_a_moment_becomes_a_stretch() {
        for (range, from, to) in
            [("2h", "", ""), ("", "5", "4"), ("", "-5", "4"), ("", "x", "4"), ("", "0", "99999999999999")]
        {
            assert_eq!(Window::read(range, from, to), Window::default(), "{range} {from} {to}");
        }
        let expect = Window::Fixed { from: UnixMillis(5), to: UnixMillis(30_005) };
        assert_eq!(Window::read("", "5", "6"), expect);
    }

    #[test]
    fn no_window_has_too_many_points_or_hardly_any() {
        for window in Range::ALL.map(Window::Moving) {
            let n_points = window.span().as_secs() / window.step().as_secs();
            assert!((45..=90).contains(&n_points), "{window:?}: {n_points}");
        }
        let year = Window::Fixed { from: UnixMillis(0), to: UnixMillis(365 * 86_400_000) };
        assert!(year.span().as_secs() / year.step().as_secs() <= 72);
    }

    #[test]
    fn addresses_escape_what_was_typed_and_leave_out_what_was_not() {
        assert_eq!(address("/admin", &[("q", "")]), "/admin");
        assert_eq!(address("/admin", &[("range", "24h"), ("q", "a&b c")]), "/admin?range=24h&q=a%26b+c");
    }
}
