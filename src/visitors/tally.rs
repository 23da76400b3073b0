//! The numbers of the day that is: how many people looked, at what, and by which links.
//!
//! They are read as gauges that begin at zero with each day of UTC, so that the greatest value of a
//! day is the day's number, and roll-ups, which keep that, keep it for a year. A number that a
//! restart had made smaller would be a lie: until the views of the day so far were counted again
//! from the access lines there is none.

use std::collections::{BTreeMap, HashSet};

use super::day::Day;
use crate::clock::UnixNanos;
use crate::record::names::{self, Instrument, keys};
use crate::record::trace::SpanId;
use crate::record::view::CvDocument;

/// Different people of one day that are told apart: sixteen bytes each. A CV that has more is
/// under attack, and the number stays at this.
const PEOPLE_MAX: usize = 100_000;

/// Views counted while those before them are counted again, by which one is not counted twice.
/// When there are more, what a predecessor saw at the same time is left out.
const OWN_MAX: usize = 65_536;

/// A clock that is set back by more than this means it; by less, the day goes on.
const BACK_MAX_NS: i64 = 3_600_000_000_000;

/// One view as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'v> {
    /// Who looked.
    pub visitor: u64,
    /// At what.
    pub document: CvDocument,
    /// In which language.
    pub lang: &'v str,
    /// Whether that was a program.
    pub is_bot: bool,
    /// The tag of the link that led here, when it is one of the owner's list.
    pub via: Option<&'v str>,
}

/// What was counted of one day.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    people: HashSet<u64>,
    views: BTreeMap<CvDocument, BTreeMap<String, u64>>,
    bot_views: u64,
    by_tag: BTreeMap<String, HashSet<u64>>,
}

impl Numbers {
    /// Counts a view.
    pub fn count(&mut self, seen: Seen<'_>) {
        if seen.is_bot {
            self.bot_views += 1;
            return;
        }
        let langs = self.views.entry(seen.document).or_default();
        match langs.get_mut(seen.lang) {
            Some(views) => *views += 1,
            None => _ = langs.insert(seen.lang.to_string(), 1),
        }
        if self.people.len() < PEOPLE_MAX {
            self.people.insert(seen.visitor);
        }
        if let Some(tag) = seen.via
            && self.by_tag.values().map(HashSet::len).sum::<usize>() < PEOPLE_MAX
        {
            self.by_tag.entry(tag.to_string()).or_default().insert(seen.visitor);
        }
    }

    fn add(&mut self, other: Numbers) {
        let room = PEOPLE_MAX.saturating_sub(self.people.len());
        self.people.extend(other.people.into_iter().take(room));
        for (document, langs) in other.views {
            let own = self.views.entry(document).or_default();
            langs.into_iter().for_each(|(lang, views)| *own.entry(lang).or_default() += views);
        }
        self.bot_views += other.bot_views;
        for (tag, people) in other.by_tag {
            self.by_tag.entry(tag).or_default().extend(people);
        }
    }
}

/// A value of an instrument with its attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Of which instrument.
    pub instrument: Instrument,
    /// Label keys with their values.
    pub attributes: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

/// Every instrument that is read from a tally.
pub const INSTRUMENTS: [Instrument; 4] =
    [names::VISITORS_TODAY, names::VIEWS_TODAY, names::BOT_VIEWS_TODAY, names::VISITORS_VIA_TODAY];

/// How far the numbers of the day can be told.
#[derive(Debug)]
enum Whole {
    /// Views of before this process are still to be counted; these are its own.
    NotYet(HashSet<SpanId>),
    /// Everything of the day is in it.
    Yes,
    /// What was before this process could not be read; the next day is whole.
    Never,
}

/// The day that is, and its numbers.
#[derive(Debug)]
pub struct Tally {
    day: Day,
    numbers: Numbers,
    whole: Whole,
}

impl Tally {
    /// Begins within a day, of which views of before may be in the access lines.
    pub fn begin(now: UnixNanos) -> Self {
        Tally { day: Day::of(now), numbers: Numbers::default(), whole: Whole::NotYet(HashSet::new()) }
    }

    /// Returns the day.
    pub fn day(&self) -> Day {
        self.day
    }

    /// Whether another day has come, or the clock was set back into one before.
    pub fn is_over(&self, now: UnixNanos) -> bool {
        Day::of(now) > self.day || now.0 < self.day.begin().0.saturating_sub(BACK_MAX_NS)
    }

    /// Counts a view of the day, by the span of its request; one of a day before is none.
    pub fn count(&mut self, at: UnixNanos, span: SpanId, seen: Seen<'_>) {
        if Day::of(at) < self.day {
            return;
        }
        if let Whole::NotYet(own) = &mut self.whole
            && own.len() < OWN_MAX
        {
            own.insert(span);
        }
        self.numbers.count(seen);
    }

    /// Whether this process counted a view of this span, or counted too many to know.
    pub fn has_counted(&self, span: SpanId) -> bool {
        matches!(&self.whole, Whole::NotYet(own) if own.len() >= OWN_MAX || own.contains(&span))
    }

    /// Adds what was before this process; the numbers are whole from then on.
    pub fn add_earlier(&mut self, day: Day, earlier: Numbers) {
        if day == self.day && matches!(self.whole, Whole::NotYet(_)) {
            self.numbers.add(earlier);
            self.whole = Whole::Yes;
        }
    }

    /// Says that what was before this process cannot be read.
    pub fn give_up_earlier(&mut self, day: Day) {
        if day == self.day && matches!(self.whole, Whole::NotYet(_)) {
            self.whole = Whole::Never;
        }
    }

    /// Begins another day, and returns the last readings of the one that ends.
    pub fn turn(&mut self, now: UnixNanos) -> Vec<Reading> {
        let last = self.readings();
        *self = Tally { day: Day::of(now), numbers: Numbers::default(), whole: Whole::Yes };
        last
    }

    /// Returns the numbers as far as they can be told; none while they are not whole.
    pub fn readings(&self) -> Vec<Reading> {
        if !matches!(self.whole, Whole::Yes) {
            return Vec::new();
        }
        let reading = |instrument, attributes, value| Reading { instrument, attributes, value };
        let Numbers { people, views, bot_views, by_tag } = &self.numbers;
        let mut res = vec![
            reading(names::VISITORS_TODAY, vec![], people.len() as u64),
            reading(names::BOT_VIEWS_TODAY, vec![], *bot_views),
        ];
        for (document, langs) in views {
            res.extend(langs.iter().map(|(lang, views)| {
                let document = (keys::DOCUMENT, document.as_str().to_string());
                reading(names::VIEWS_TODAY, vec![document, (keys::LANG, lang.clone())], *views)
            }));
        }
        res.extend(by_tag.iter().map(|(tag, people)| {
            reading(names::VISITORS_VIA_TODAY, vec![(keys::VIA, tag.clone())], people.len() as u64)
        }));
        res
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visitors::day;

    const NOON: UnixNanos = UnixNanos(20_000 * 86_400_000_000_000 + 43_200_000_000_000);
    const NEXT: UnixNanos = UnixNanos(NOON.0 + 86_400_000_000_000);

    fn seen(visitor: u64) -> Seen<'static> {
        Seen { visitor, document: CvDocument::Page, lang: "en", is_bot: false, via: None }
    }

    fn span(n: u8) -> SpanId {
        SpanId([n; 8])
    }

    fn value(tally: &Tally, instrument: Instrument) -> Option<u64> {
        let readings = tally.readings();
        let mut of = readings.iter().filter(|reading| reading.instrument == instrument);
        let first = of.next().map(|reading| reading.value);
        assert!(of.next().is_none(), "more than one of {}", instrument.name);
        first
    }

    #[test]
    fn people_count_once_a_day_and_their_views_each_time() {
        let mut tally = Tally::begin(NOON);
        tally.add_earlier(Day::of(NOON), Numbers::default());
        for (n, visitor) in [1, 2, 1].into_iter().enumerate() {
            tally.count(NOON, span(n as u8), seen(visitor));
        }
        tally.count(NOON, span(4), Seen { is_bot: true, ..seen(3) });
        tally.count(NOON, span(5), Seen { via: Some("acme"), ..seen(2) });
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(2));
        assert_eq!(value(&tally, names::VIEWS_TODAY), Some(4));
        assert_eq!(value(&tally, names::BOT_VIEWS_TODAY), Some(1));
        assert_eq!(value(&tally, names::VISITORS_VIA_TODAY), Some(1));
        let last = tally.turn(NEXT);
        assert_eq!(last[0].value, 2, "the day's number");
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(0));
        assert_eq!(value(&tally, names::VIEWS_TODAY), None);
        // A request of yesterday that ended late is nobody of today.
        tally.count(NOON, span(6), seen(9));
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(0));
    }

    #[test]
    fn a_restart_counts_nobody_twice_and_tells_nothing_before_it_knows() {
        let mut tally = Tally::begin(NOON);
        tally.count(NOON, span(1), seen(1));
        assert_eq!(tally.readings(), []);
        assert!(tally.has_counted(span(1)) && !tally.has_counted(span(2)));
        let mut earlier = Numbers::default();
        earlier.count(seen(1));
        earlier.count(seen(2));
        tally.add_earlier(Day::of(NOON), earlier);
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(2));
        assert_eq!(value(&tally, names::VIEWS_TODAY), Some(3));
        // What comes a second time is left out.
        let mut again = Numbers::default();
        again.count(seen(7));
        tally.add_earlier(Day::of(NOON), again);
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(2));
    }

    #[test]
    fn what_was_read_of_yesterday_is_not_added_to_today() {
        let mut tally = Tally::begin(NOON);
        tally.count(NOON, span(1), seen(1));
        assert_eq!(tally.turn(NEXT), [], "nobody knows the number of a day that was not read");
        tally.count(NEXT, span(2), seen(1));
        let mut earlier = Numbers::default();
        earlier.count(seen(2));
        tally.add_earlier(Day::of(NOON), earlier);
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(1));
    }

    #[test]
    fn a_day_that_could_not_be_read_has_no_numbers_and_the_next_has() {
        let mut tally = Tally::begin(NOON);
        tally.give_up_earlier(Day::of(NOON));
        tally.count(NOON, span(1), seen(1));
        assert_eq!(tally.readings(), []);
        tally.turn(NEXT);
        assert_eq!(value(&tally, names::VISITORS_TODAY), Some(0));
    }

    #[test]
    fn a_day_ends_at_midnight_of_utc_and_a_clock_set_back_a_little_does_not_matter() {
        let tally = Tally::begin(NOON);
        let midnight = tally.day().begin().0 + day::LENGTH.as_nanos() as i64;
        assert!(!tally.is_over(UnixNanos(midnight - 1)));
        assert!(tally.is_over(UnixNanos(midnight)));
        assert!(!tally.is_over(UnixNanos(tally.day().begin().0 - 1)));
        assert!(tally.is_over(UnixNanos(tally.day().begin().0 - BACK_MAX_NS - 1)));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut numbers = Numbers::default();
        for visitor in 0..PEOPLE_MAX as u64 + 10 {
            numbers.count(Seen { via: Some("acme"), ..seen(visitor) });
        }
        assert_eq!((numbers.people.len(), numbers.by_tag["acme"].len()), (PEOPLE_MAX, PEOPLE_MAX));
        let mut tally = Tally::begin(NOON);
        for n in 0..=OWN_MAX as u64 {
            tally.count(NOON, SpanId(n.to_be_bytes()), seen(1));
        }
        assert!(tally.has_counted(SpanId([255; 8])), "it cannot be known any more");
    }
}
