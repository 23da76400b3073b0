//! The numbers of single days, counted from their access lines by one query each.
//!
//! A day that is over does not change any more: what was counted of it is kept, so that a page of a
//! month asks for today alone. A day that had more different names of something than are kept has
//! the most frequent ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::ask::{Ask, AskError};
use crate::clock::UnixNanos;
use crate::pages::admin::Count;
use crate::record::Labels;
use crate::record::view::fields;
use crate::visitors::day::Day;

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum About {
    /// Document and language, with a blank between them.
    Document,
    Lang,
    Referrer,
    Browser,
    System,
    Country,
    Via,
}

impl About {
    const ALL: [About; 7] = [
        About::Document,
        About::Lang,
        About::Referrer,
        About::Browser,
        About::System,
        About::Country,
        About::Via,
    ];

    /// Returns what a view says of it.
    pub(super) fn of(self, labels: &Labels) -> String {
        let field = match self {
            About::Document => {
                return format!("{} {}", labels.get(fields::DOCUMENT), labels.get(fields::LANG));
            }
            About::Lang => fields::LANG,
            About::Referrer => fields::REFERRER_HOST,
            About::Browser => fields::BROWSER,
            About::System => fields::OS,
            About::Country => fields::COUNTRY,
            About::Via => fields::VIA,
        };
        labels.get(field).to_string()
    }
}

/// Different names of one thing that are kept of a day, those with most people.
const NAMES_MAX: usize = 200;

/// What was counted of a day, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// People and their views.
    pub(super) all: Count,
    /// The same by what they read, where they came from and so on.
    pub(super) by: BTreeMap<(About, String), Count>,
    /// Views of programs by their names.
    pub(super) bots: BTreeMap<String, u64>,
}

impl Counted {
    /// Counts what a query gave: a number of views for each way in which somebody looked.
    fn of(rows: &[(Labels, f64)]) -> Counted {
        let mut res = Counted::default();
        let mut people: HashMap<(About, String), HashSet<&str>> = HashMap::new();
        let mut all: HashSet<&str> = HashSet::new();
        for (labels, views) in rows {
            let views = views.round() as u64;
            let bot = labels.get(fields::BOT);
            if !bot.is_empty() {
                *res.bots.entry(bot.to_string()).or_default() += views;
                continue;
            }
            let visitor = labels.get(fields::VISITOR);
            all.insert(visitor);
            res.all.views += views;
            for about in About::ALL {
                let place = (about, about.of(labels));
                res.by.entry(place.clone()).or_default().views += views;
                people.entry(place).or_default().insert(visitor);
            }
        }
        res.all.people = all.len() as u64;
        for (place, people) in people {
            res.by.entry(place).or_default().people = people.len() as u64;
        }
        res.shorten();
        res
    }

    /// Adds another day: people of two days are counted on each.
    pub(super) fn add(&mut self, other: &Counted) {
        add(&mut self.all, other.all);
        for (place, count) in &other.by {
            add(self.by.entry(place.clone()).or_default(), *count);
        }
        for (bot, views) in &other.bots {
            *self.bots.entry(bot.clone()).or_default() += views;
        }
    }

    fn shorten(&mut self) {
        for about in About::ALL {
            let mut names: Vec<(Count, String)> = self.names(about).collect();
            if names.len() > NAMES_MAX {
                names.sort_by_key(|(count, _)| (count.people, count.views));
                names.truncate(names.len() - NAMES_MAX);
                names.into_iter().for_each(|(_, name)| _ = self.by.remove(&(about, name)));
            }
        }
        if self.bots.len() > NAMES_MAX {
            let mut bots: Vec<(String, u64)> = std::mem::take(&mut self.bots).into_iter().collect();
            bots.sort_by(|(one, n), (other, m)| m.cmp(n).then_with(|| one.cmp(other)));
            bots.truncate(NAMES_MAX);
            self.bots = bots.into_iter().collect();
        }
    }

    /// Returns the names of one thing with their counts.
    pub(super) fn names(&self, about: About) -> impl Iterator<Item = (Count, String)> + '_ {
        let of = self.by.iter().filter(move |((of, _), _)| *of == about);
        of.map(|((_, name), count)| (*count, name.clone()))
    }
}

pub(super) fn add(to: &mut Count, other: Count) {
    to.people += other.people;
    to.views += other.views;
}

/// All access lines of ours that tell of a view.
pub(super) const VIEWS: &str = r#"{job="access", service_name="vitrine"} | document!="""#;

/// Counts the views of the day by everything that tables are about.
fn query() -> String {
    let labels = [
        fields::VISITOR,
        fields::BOT,
        fields::DOCUMENT,
        fields::LANG,
        fields::REFERRER_HOST,
        fields::BROWSER,
        fields::OS,
        fields::COUNTRY,
        fields::VIA,
    ];
    format!("sum by ({}) (count_over_time({VIEWS} [24h]))", labels.join(", "))
}

/// A day is counted anew until this long after its end: a request may last, and a clock differ.
const SETTLED_AFTER: Duration = Duration::from_secs(600);

/// A day that goes on is counted anew after so long.
const FRESH_FOR: Duration = Duration::from_secs(3);

/// A month and some days that were picked; when there are more, all are counted again.
const KNOWN_MAX: usize = 64;

/// A day that was counted.
struct Entry {
    counted: Arc<Counted>,
    /// When that was, by the monotonic clock, while the day goes on.
    at: Option<Duration>,
}

/// The days that were counted.
#[derive(Default)]
pub(in crate::http::admin) struct Known {
    /// Held while a day is looked up.
    days: Mutex<HashMap<Day, Entry>>,
}

impl Known {
    /// Returns the numbers of a day; asks for them when they are not known, or not any more.
    pub(super) fn day(
        &self,
        ask: &Ask<'_>,
        day: Day,
        now: UnixNanos,
        elapsed: Duration,
    ) -> Result<Arc<Counted>, AskError> {
        let is_fresh = |entry: &&Entry| entry.at.is_none_or(|at| elapsed.saturating_sub(at) < FRESH_FOR);
        if let Some(entry) = self.lock().get(&day).filter(is_fresh) {
            return Ok(entry.counted.clone());
        }
        let last = UnixNanos(Day(day.0 + 1).begin().0 - 1);
        let counted = Arc::new(Counted::of(&ask.log_numbers(&query(), last)?));
        let at = (now <= last.plus(SETTLED_AFTER)).then_some(elapsed);
        let mut days = self.lock();
        if days.len() >= KNOWN_MAX {
            days.clear();
        }
        days.insert(day, Entry { counted: counted.clone(), at });
        Ok(counted)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Day, Entry>> {
        // A panic while it was held leaves whole days behind.
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(visitor: &str, more: &[(&str, &str)], views: f64) -> (Labels, f64) {
        let own = [("visitor", visitor), ("document", "page"), ("lang", "en")];
        (Labels::new(own.into_iter().chain(more.iter().copied())), views)
    }

    #[test]
    fn people_are_counted_once_in_each_table_and_programs_in_none() {
        let counted = Counted::of(&[
            row("a", &[("referrer_host", "linkedin.com")], 2.0),
            row("a", &[("document", "cv.pdf")], 1.0),
            row("b", &[("via", "acme")], 1.0),
            row("c", &[("bot", "Googlebot")], 7.0),
        ]);
        assert_eq!(counted.all, Count { people: 2, views: 4 });
        let of = |about, name: &str| {
            let found = counted.by.get(&(about, name.to_string()));
            found.map(|count| (count.people, count.views))
        };
        assert_eq!(of(About::Document, "page en"), Some((2, 3)));
        assert_eq!(of(About::Document, "cv.pdf en"), Some((1, 1)));
        assert_eq!(of(About::Lang, "en"), Some((2, 4)));
        assert_eq!(of(About::Referrer, "linkedin.com"), Some((1, 2)));
        assert_eq!(of(About::Referrer, ""), Some((2, 2)));
        assert_eq!(of(About::Via, "acme"), Some((1, 1)));
        assert_eq!(counted.bots, BTreeMap::from([("Googlebot".to_string(), 7)]));
    }

    #[test]
    fn days_add_up_and_what_is_kept_of_one_is_bounded() {
        let names: Vec<String> = (0..NAMES_MAX + 50).map(|n| format!("spam{n}.example")).collect();
        let mut rows: Vec<(Labels, f64)> =
            names.iter().map(|name| row("a", &[("referrer_host", name)], 1.0)).collect();
        rows.push(row("b", &[("referrer_host", "linkedin.com")], 3.0));
        rows.extend(names.iter().map(|name| row("c", &[("bot", name)], 1.0)));
        rows.push(row("c", &[("bot", "Googlebot")], 2.0));
        let mut counted = Counted::of(&rows);
        assert_eq!(counted.names(About::Referrer).count(), NAMES_MAX);
        // Of those with one view each there is room for some.
        assert_eq!((counted.bots.len(), counted.bots["Googlebot"]), (NAMES_MAX, 2));
        assert!(counted.bots.contains_key("spam0.example") && !counted.bots.contains_key("spam99.example"));
        let other = counted.clone();
        counted.add(&other);
        assert_eq!(counted.all.people, 4);
        assert_eq!(counted.by[&(About::Referrer, "linkedin.com".into())], Count { people: 2, views: 6 });
    }
}
