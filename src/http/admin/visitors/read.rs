//! What the page of visitors shows, asked of the store.
//!
//! Of today, yesterday and the days of the tables the access lines are counted. The chart and the
//! sums over days come from the daily series, which are kept for a year; of a day that was counted
//! both ways the greater number is right, since either can only lack something.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::AdminState;
use super::super::ask::{Ask, AskError, Grid};
use super::super::marks::marks;
use super::days::{About, Counted, VIEWS, add};
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::{
    ByLink, Count, Days, Latest, OtherTag, Period, Row, Tables, TaggedView, VisitorsView, noon,
};
use crate::query::logql::Line;
use crate::record::names::{Instrument, SERVICE_NAME, VIEWS_TODAY, VISITORS_TODAY, VISITORS_VIA_TODAY};
use crate::record::read::Direction;
use crate::record::view::{CvDocument, fields};
use crate::visitors::day::{self, Day};
use crate::visitors::tagged::{LABEL_MAX_CHARS, TaggedLink};

/// Days whose lines are counted for the tables; lines are kept for a month by default.
const LINE_DAYS_MAX: i64 = 31;

/// Days of the chart, unless a year is wanted.
const CHART_DAYS: i64 = 30;
const YEAR_DAYS: i64 = 365;

/// Visitors of the list of those who came last.
const LATEST_MAX: usize = 20;

/// Lines of a day that are read for that list.
const LATEST_LINES: usize = 300;

/// Tags of no list that are shown: a stranger can make any number.
const OTHER_TAGS_MAX: usize = 20;

/// Fills the view; what cannot be read is left out and said.
pub(super) fn view(state: &AdminState, period: Period, address: String) -> VisitorsView {
    view_by(state, period, address, |reader, view| reader.fill(view))
}

/// Fills of the view what its sentence and its tiles say, which takes a part of the queries.
pub(super) fn people(state: &AdminState, period: Period, address: String) -> VisitorsView {
    view_by(state, period, address, |reader, view| {
        let People { daily, .. } = reader.fill_people(view)?;
        (view.at, view.people, view.views) = daily.into_lines();
        Ok(())
    })
}

fn view_by(
    state: &AdminState,
    period: Period,
    address: String,
    fill: impl FnOnce(&Reader<'_>, &mut VisitorsView) -> Result<(), AskError>,
) -> VisitorsView {
    let now = state.parts.clock.now();
    let today = Day::of(now).0;
    let links = state.parts.tagged.list();
    let mut view = VisitorsView {
        period,
        days: period.days(today),
        // Whoever made a link finds it, whatever the store says.
        links: links.iter().map(|link| tagged(&address, link)).collect(),
        address,
        label_max_chars: LABEL_MAX_CHARS,
        ..VisitorsView::default()
    };
    let reader = Reader { state, ask: state.ask(), now, today };
    if let Err(err) = fill(&reader, &mut view) {
        view.unreadable = Some(err.to_string());
    }
    view
}

fn tagged(address: &str, link: &TaggedLink) -> TaggedView {
    TaggedView {
        tag: link.tag.clone(),
        label: link.label.clone(),
        url: format!("{address}/?via={}", link.tag),
        created: UnixMillis::from_seconds(link.created).to_nanos(),
        ..TaggedView::default()
    }
}

/// The number of each day that a query at the midnight after it gives.
fn of_day(instrument: Instrument) -> String {
    format!(r#"max_over_time({}{{job="{SERVICE_NAME}"}}[1d])"#, instrument.exposed())
}

/// The days of a stretch as they were counted.
type Counts = Vec<(i64, Arc<Counted>)>;

/// The numbers of people that were read.
struct People {
    daily: Daily,
    /// The days of the tables.
    counts: Counts,
    /// Yesterday and today.
    recent: [(i64, Arc<Counted>); 2],
}

struct Reader<'s> {
    state: &'s AdminState,
    ask: Ask<'s>,
    now: UnixNanos,
    today: i64,
}

impl Reader<'_> {
    fn fill(&self, view: &mut VisitorsView) -> Result<(), AskError> {
        let People { daily, counts, recent } = self.fill_people(view)?;
        let mut counted = Counted::default();
        counts.iter().for_each(|(_, of_day)| counted.add(of_day));
        view.tables = tables(&counted);
        if view.period == Period::Year {
            view.tables.of_year = self.views_of_year(&recent[1].1)?;
        }
        view.lines_since = self.lines_since(view.days)?;
        view.latest = self.latest(&counts)?;
        self.fill_links(view, &counted, counts.iter().chain(&recent))?;
        view.marks = marks(&self.ask, Day(daily.first).begin(), self.now);
        (view.at, view.people, view.views) = daily.into_lines();
        Ok(())
    }

    /// Fills the numbers of the sentence and of the tiles.
    fn fill_people(&self, view: &mut VisitorsView) -> Result<People, AskError> {
        let (today, yesterday) = (self.counted(self.today)?, self.counted(self.today - 1)?);
        view.now = lately(&self.ask)?;
        view.today = today.all;
        view.yesterday_by_link = by_link(&yesterday, &view.links);
        let n_days = if view.period == Period::Year { YEAR_DAYS } else { CHART_DAYS };
        let mut daily = self.daily(n_days)?;
        let counts = self.counts(view.days)?;
        let recent = [(self.today - 1, yesterday), (self.today, today)];
        counts.iter().chain(&recent).for_each(|(day, of_day)| daily.know(*day, of_day.all));
        view.yesterday = daily.sum(self.today - 1..=self.today - 1);
        view.week = daily.sum(self.today - 6..=self.today);
        view.month = daily.sum(self.today - 29..=self.today);
        Ok(People { daily, counts, recent })
    }

    fn counted(&self, day: i64) -> Result<Arc<Counted>, AskError> {
        self.state.visitors.day(&self.ask, Day(day), self.now, self.state.parts.clock.elapsed())
    }

    /// Counts the days of the tables, as far back as lines are looked at.
    fn counts(&self, days: Days) -> Result<Counts, AskError> {
        let first = days.first.max(self.today - LINE_DAYS_MAX + 1);
        let days = Days { first, ..days };
        days.iter().map(|day| Ok((day, self.counted(day)?))).collect()
    }

    /// The daily series of the last days, which do not have today yet.
    fn daily(&self, n_days: i64) -> Result<Daily, AskError> {
        let first = self.today - n_days + 1;
        let grid = self.midnights_after(first);
        let row = |instrument: Instrument| -> Result<Vec<Option<f64>>, AskError> {
            let mut row = self.ask.row(&format!("sum({})", of_day(instrument)), grid)?;
            row.push(None);
            Ok(row)
        };
        Ok(Daily { first, people: row(VISITORS_TODAY)?, views: row(VIEWS_TODAY)? })
    }

    /// The moments at which the numbers of the days from the first one to yesterday are asked for.
    fn midnights_after(&self, first: i64) -> Grid {
        let after = |day: i64| Day(day + 1).begin().to_millis();
        Grid { from: after(first), to: after(self.today - 1), step: day::LENGTH }
    }

    /// What was read in a year, by views alone: people are told apart for a day, and lines are gone
    /// after a month.
    fn views_of_year(&self, today: &Counted) -> Result<Vec<Row>, AskError> {
        let query = format!("sum by (document, lang) ({})", of_day(VIEWS_TODAY));
        let mut views: BTreeMap<String, u64> =
            today.names(About::Document).map(|(count, name)| (name, count.views)).collect();
        for (labels, values) in self.ask.rows(&query, self.midnights_after(self.today - YEAR_DAYS + 1))? {
            let sum = values.iter().flatten().sum::<f64>().round() as u64;
            *views.entry(About::Document.of(&labels)).or_default() += sum;
        }
        let row = |(name, views)| Row { name, count: Count { people: 0, views } };
        let mut res: Vec<Row> = views.into_iter().map(row).collect();
        res.sort_by_key(|row| Reverse(row.count.views));
        Ok(res)
    }

    /// Says since when there are lines, where that is later than the days begin.
    fn lines_since(&self, days: Days) -> Result<Option<UnixNanos>, AskError> {
        let (from, to) = (Day(days.first).begin(), Day(days.last + 1).begin());
        let query = r#"{job="access", service_name="vitrine"}"#;
        let first = self.ask.lines(query, from, to, Direction::Forward, 1)?;
        let next = Day(days.first + 1).begin();
        Ok(first.lines.first().map(|line| line.at).filter(|at| *at >= next))
    }

    /// Returns who came last, each with what they read on that day.
    fn latest(&self, counts: &Counts) -> Result<Vec<Latest>, AskError> {
        let mut res: Vec<Latest> = Vec::new();
        let query = format!(r#"{VIEWS} | bot="""#);
        for (day, _) in counts.iter().rev().filter(|(_, of_day)| of_day.all.people > 0) {
            let (from, to) = (Day(*day).begin(), Day(*day + 1).begin());
            let found = self.ask.lines(&query, from, to, Direction::Backward, LATEST_LINES)?;
            found.lines.iter().for_each(|line| put_latest(&mut res, *day, line));
            if res.len() >= LATEST_MAX {
                break;
            }
        }
        Ok(res)
    }

    fn fill_links<'c>(
        &self,
        view: &mut VisitorsView,
        counted: &Counted,
        days: impl Iterator<Item = &'c (i64, Arc<Counted>)>,
    ) -> Result<(), AskError> {
        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        let mut people_of_year: BTreeMap<String, u64> = BTreeMap::new();
        let (first, query) = (self.today - YEAR_DAYS + 1, of_day(VISITORS_VIA_TODAY));
        for (labels, values) in
            self.ask.rows(&format!("sum by (via) ({query})"), self.midnights_after(first))?
        {
            let tag = labels.get(fields::VIA).to_string();
            if let Some(idx) = values.iter().rposition(|value| value.is_some_and(|people| people > 0.0)) {
                last.insert(tag.clone(), first + idx as i64);
            }
            people_of_year.insert(tag, values.iter().flatten().sum::<f64>().round() as u64);
        }
        for (day, of_day) in days {
            for (_, tag) in of_day.names(About::Via) {
                let last = last.entry(tag).or_insert(*day);
                *last = (*last).max(*day);
            }
        }
        let mut counts: BTreeMap<String, Count> = counted
            .names(About::Via)
            .filter(|(_, tag)| !tag.is_empty())
            .map(|(count, tag)| (tag, count))
            .collect();
        for link in &mut view.links {
            link.count = counts.remove(&link.tag).unwrap_or_default();
            if view.period == Period::Year {
                let of_year = people_of_year.get(&link.tag).copied().unwrap_or_default();
                link.count.people = link.count.people.max(of_year);
            }
            link.last = last.get(&link.tag).copied().map(noon);
        }
        let other = |(tag, count)| OtherTag { tag, count };
        view.other_tags = counts.into_iter().map(other).collect();
        view.other_tags.sort_by_key(|other| Reverse((other.count.people, other.count.views)));
        view.other_tags.truncate(OTHER_TAGS_MAX);
        Ok(())
    }
}

/// Who came so long ago is here now.
const HERE_S: i64 = 300;

/// Says who came in the last five minutes. At midnight everybody becomes another visitor, so that
/// it goes back no further.
pub(in crate::http::admin) fn lately(ask: &Ask<'_>) -> Result<Count, AskError> {
    let since_s = HERE_S.min(ask.now().0.div_euclid(1_000_000_000).rem_euclid(86_400) + 1);
    let query = format!(r#"sum by ({}) (count_over_time({VIEWS} | bot="" [{since_s}s]))"#, fields::VISITOR);
    let people = ask.log_numbers(&query, ask.now())?;
    let views = people.iter().map(|(_, views)| views.round() as u64).sum();
    Ok(Count { people: people.len() as u64, views })
}

/// The numbers of days one after the other, the last of them today.
struct Daily {
    first: i64,
    people: Vec<Option<f64>>,
    views: Vec<Option<f64>>,
}

impl Daily {
    /// Takes what was counted of a day by its lines.
    fn know(&mut self, day: i64, count: Count) {
        let Ok(idx) = usize::try_from(day - self.first) else { return };
        for (values, counted) in [(&mut self.people, count.people), (&mut self.views, count.views)] {
            if let Some(value) = values.get_mut(idx) {
                // Nothing was counted of a day that is not on record.
                let was = value.unwrap_or(0.0).max(counted as f64);
                *value = value.map(|_| was).or((counted > 0).then_some(was));
            }
        }
    }

    fn sum(&self, days: std::ops::RangeInclusive<i64>) -> Count {
        let sum = |values: &[Option<f64>]| {
            let of = days.clone().filter_map(|day| usize::try_from(day - self.first).ok());
            of.filter_map(|idx| values.get(idx).copied().flatten()).sum::<f64>().round() as u64
        };
        Count { people: sum(&self.people), views: sum(&self.views) }
    }

    /// Returns the noon of each day with its people and views. Today has begun, so it has a number.
    fn into_lines(mut self) -> (Vec<UnixNanos>, Vec<Option<f64>>, Vec<Option<f64>>) {
        let has_any = self.people.iter().any(Option::is_some);
        for values in [&mut self.people, &mut self.views] {
            if let Some(today) = values.last_mut().filter(|_| has_any) {
                *today = Some(today.unwrap_or(0.0));
            }
        }
        let at = (0..self.people.len() as i64).map(|idx| noon(self.first + idx)).collect();
        (at, self.people, self.views)
    }
}

/// Who of a day came by which link, most of them first.
fn by_link(counted: &Counted, links: &[TaggedView]) -> Vec<ByLink> {
    let label = |tag: &str| links.iter().find(|link| link.tag == tag).map(|link| link.label.clone());
    let mut res: Vec<ByLink> = counted
        .names(About::Via)
        .filter(|(_, tag)| !tag.is_empty())
        .map(|(count, tag)| ByLink { label: label(&tag), tag, people: count.people })
        .collect();
    // A name of the owner's says more than one that a stranger may have written.
    res.sort_by_key(|link| (link.label.is_none(), Reverse(link.people)));
    res
}

/// Adds a line, newer ones before it, to the list of those who came last.
fn put_latest(res: &mut Vec<Latest>, day: i64, line: &Line) {
    let field = |name: &str| {
        let found = line.metadata.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let visitor = field(fields::VISITOR);
    let idx = match res.iter().position(|known| known.visitor == visitor) {
        Some(idx) => idx,
        None if res.len() >= LATEST_MAX => return,
        None => {
            let ms = |day: i64| Day(day).begin().to_millis().0;
            res.push(Latest {
                visitor: visitor.to_string(),
                at: line.at,
                day_ms: (ms(day), ms(day + 1)),
                browser: field(fields::BROWSER).to_string(),
                system: field(fields::OS).to_string(),
                country: field(fields::COUNTRY).to_string(),
                ..Latest::default()
            });
            res.len() - 1
        }
    };
    let (one, document) = (&mut res[idx], field(fields::DOCUMENT));
    if !one.documents.iter().any(|known| known == document) {
        one.documents.push(document.to_string());
    }
    // Where they came from is said by the first of their requests that says it.
    for (to, said) in [(&mut one.referrer, field(fields::REFERRER_HOST)), (&mut one.via, field(fields::VIA))]
    {
        if !said.is_empty() {
            *to = said.to_string();
        }
    }
}

fn tables(counted: &Counted) -> Tables {
    let rows = |about: About| {
        let mut rows: Vec<Row> = counted.names(about).map(|(count, name)| Row { name, count }).collect();
        sort(&mut rows);
        rows
    };
    let is_page = |row: &Row| {
        let pages = [CvDocument::Page, CvDocument::PrivatePage].map(CvDocument::as_str);
        pages.contains(&row.name.split(' ').next().unwrap_or_default())
    };
    let (pages, files): (Vec<Row>, Vec<Row>) = rows(About::Document).into_iter().partition(is_page);
    // Of a file its language says little.
    let mut downloads: BTreeMap<String, Count> = BTreeMap::new();
    for row in files {
        let name = row.name.split(' ').next().unwrap_or_default().to_string();
        add(downloads.entry(name).or_default(), row.count);
    }
    let mut downloads: Vec<Row> = downloads.into_iter().map(|(name, count)| Row { name, count }).collect();
    sort(&mut downloads);
    let bots = counted.bots.iter();
    let mut bots: Vec<Row> = bots
        .map(|(name, views)| Row { name: name.clone(), count: Count { people: 0, views: *views } })
        .collect();
    sort(&mut bots);
    Tables {
        pages,
        downloads,
        langs: rows(About::Lang),
        referrers: rows(About::Referrer),
        browsers: rows(About::Browser),
        systems: rows(About::System),
        countries: rows(About::Country),
        bots,
        of_year: Vec::new(),
    }
}

fn sort(rows: &mut [Row]) {
    rows.sort_by_key(|row| Reverse((row.count.people, row.count.views)));
}
