//! Line charts as SVG, complete without a script.
//!
//! The lines are drawn in a box of fixed size that stretches to the page's width; the
//! numbers along the axes are HTML beside it, so that they stay readable on a phone. The
//! same values stand in a table for those who cannot see the lines, and for the script,
//! which reads them from there. [`Bars`] draws counts so.

mod bars;

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use maud::{Markup, html};
use serde_json::json;

use super::format::{self, Unit};
use super::lang::Lang;
use super::window::address;
use crate::clock::UnixNanos;

pub use bars::Bars;

/// The box that lines are drawn in; it is stretched, so only its ratio of digits matters.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// A lone value is drawn this long: long enough to be seen on a phone.
const DASH: f64 = 6.0;

/// One chart.
pub struct Chart<'a> {
    /// Names the chart's elements; unique on the page.
    pub id: &'a str,
    /// Title in words.
    pub title: &'a str,
    /// What its values are.
    pub unit: Unit,
    /// The end of each step.
    pub at: &'a [UnixNanos],
    /// The distance of two steps.
    pub step: Duration,
    /// The lines; the first is the strongest.
    pub lines: Vec<Line<'a>>,
    /// What to show where there is no value at all.
    pub empty: &'a str,
    /// The top of the axis is at least this, so that noise does not look like a mountain.
    pub top_min: f64,
    /// What happened meanwhile.
    pub marks: &'a [Mark],
    /// What is shown of a step's moments; none where there is nothing.
    pub behind: Option<Behind<'a>>,
    /// The address where the same is asked for by a query.
    pub query: Option<&'a str>,
}

/// What a step of a chart leads to: an address, the step's moments aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind<'a> {
    /// The lines that were logged in it.
    Lines(&'a str),
    /// The tables of its day.
    Days(&'a str),
}

impl<'a> Behind<'a> {
    fn address(self) -> &'a str {
        match self {
            Behind::Lines(address) | Behind::Days(address) => address,
        }
    }

    /// Returns the name by which the script knows what it says of it.
    fn key(self) -> &'static str {
        match self {
            Behind::Lines(_) => "lines",
            Behind::Days(_) => "days",
        }
    }
}

/// A chart as a stream sends it.
pub struct Drawn {
    /// The id of its figure.
    pub id: String,
    /// What it has lines of; empty without any value. A script can take other numbers for the
    /// same lines, for other lines it takes the figure.
    pub shape: String,
    /// What the script draws.
    pub data: serde_json::Value,
    /// All of it.
    pub figure: Markup,
}

/// Returns a word that differs where charts have other lines.
pub fn shapes<'a>(of_charts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = DefaultHasher::new();
    for shape in of_charts {
        shape.hash(&mut hasher);
    }
    format!("{:x}", hasher.finish())
}

/// One line of a chart.
pub struct Line<'a> {
    /// Its name in the legend and the table.
    pub name: &'a str,
    /// The class that colours it and gives it its dashes.
    pub class: &'static str,
    /// One place a step.
    pub values: &'a [Option<f64>],
}

/// Something that happened to the process, shown at its moment on every chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: UnixNanos,
    /// What it was.
    pub kind: MarkKind,
    /// What it was in words, as it was logged.
    pub text: String,
    /// Whether it ended as it should.
    pub is_good: bool,
}

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A process began to serve.
    Start,
    /// A reload was applied or refused.
    Reload,
    /// A hand-over failed.
    HandOver,
    /// A release was deployed or rolled back.
    Release,
}

/// The classes that tell lines apart by colour and dashes, in the order in which they are given
/// out; a chart of more lines begins anew.
pub const LINE_CLASSES: [&str; 8] = ["l1", "l2", "l3", "l5", "l6", "l7", "l4", "l8"];

/// More lines than this have their legend below, where it may be long.
const LEGEND_SHORT_MAX: usize = 4;

impl MarkKind {
    /// Returns the kind of an event by its name in the log.
    pub fn from_event(name: &str) -> Option<MarkKind> {
        match name {
            "vitrine.start" => Some(MarkKind::Start),
            "vitrine.reload" => Some(MarkKind::Reload),
            "vitrine.hand_over" => Some(MarkKind::HandOver),
            "vitrine.release" => Some(MarkKind::Release),
            _ => None,
        }
    }

    /// Returns the word for it.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            MarkKind::Start => lang.tr("start"),
            MarkKind::Reload => lang.tr("reload"),
            MarkKind::HandOver => lang.tr("hand-over"),
            MarkKind::Release => lang.tr("release"),
        }
    }

    /// Returns the class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            MarkKind::Start => "start",
            MarkKind::Reload => "reload",
            MarkKind::HandOver => "hand-over",
            MarkKind::Release => "release",
        }
    }
}

/// More events than this are no longer read; the log has all of them.
const MARKS_SHOWN_MAX: usize = 12;

/// Says what the marks on the charts mean, the newest first.
pub fn events(lang: Lang, marks: &[Mark]) -> Markup {
    html! {
        div id="events" {
            @if !marks.is_empty() {
                details.events id="events-list" open[marks.len() <= 4] {
                    summary { (lang.trn(marks.len() as u64, "{n} event is marked", "{n} events are marked")) }
                    ol {
                        @for mark in marks.iter().rev().take(MARKS_SHOWN_MAX) {
                            li { (format::moment(mark.at)) " "
                                span.mark-key.(mark.kind.class()) { (mark.kind.word(lang)) } " "
                                span.text { (mark.text) }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Chart<'_> {
    /// Draws the chart with its legend and its table.
    pub fn render(&self, lang: Lang) -> Markup {
        let is_empty = self.is_empty();
        html! {
            figure.chart id={ "chart-" (self.id) } data-chart=[(!is_empty).then(|| self.data().to_string())] {
                figcaption {
                    h3 { (self.title) }
                    (pointed(is_empty))
                    @if let Some(query) = self.query {
                        a.query href=(query) aria-label={ "PromQL: " (self.title) } { "PromQL" }
                    }
                    @if !self.has_long_legend() {
                        p.legend { @for line in &self.lines { (self.legend(lang, line)) } }
                    }
                }
                @if is_empty {
                    p.empty { (self.empty) }
                } @else {
                    (self.plot(lang))
                    @if self.has_long_legend() {
                        ul.legend.long tabindex="0" aria-label=(self.title) { @for line in &self.lines { li { (self.legend(lang, line)) } } }
                    }
                    (self.table(lang))
                }
            }
        }
    }

    /// Returns the chart as a stream sends it.
    pub fn drawn(&self, lang: Lang) -> Drawn {
        Drawn {
            id: format!("chart-{}", self.id),
            shape: self.shape(),
            data: self.data(),
            figure: self.render(lang),
        }
    }

    /// Returns the names of its lines, nothing where there is no value.
    pub fn shape(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        self.lines.iter().flat_map(|line| [line.name, "\n"]).collect()
    }

    /// Returns what the script draws: the same numbers as the table's, with four digits.
    fn data(&self) -> serde_json::Value {
        let lines = self.lines.iter().map(|line| {
            let values: Vec<Option<f64>> = line.values.iter().map(|value| value.map(four_digits)).collect();
            json!({ "name": line.name, "class": line.class, "values": values })
        });
        let marks = self.marks.iter().map(
            |mark| json!({ "at": mark.at.to_millis().0, "class": mark.kind.class(), "good": mark.is_good }),
        );
        json!({
            "from": self.at.first().map(|at| at.to_millis().0),
            "step": self.step.as_millis() as u64,
            "unit": self.unit.key(),
            "bottom": self.bottom(),
            "top": self.top(),
            "lines": lines.collect::<Vec<_>>(),
            "marks": marks.collect::<Vec<_>>(),
            "behind": self.behind.map(|behind| json!({ "kind": behind.key(), "place": behind.address() })),
        })
    }

    fn has_long_legend(&self) -> bool {
        self.lines.len() > LEGEND_SHORT_MAX
    }

    fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.values.iter().all(Option::is_none))
    }

    fn legend(&self, lang: Lang, line: &Line<'_>) -> Markup {
        let newest = line.values.iter().rev().flatten().next();
        html! {
            span.(line.class) {
                svg.key viewBox="0 0 20 4" aria-hidden="true" { path.line d="M0 2H20" {} }
                (line.name) " "
                b data-now="" { (newest.map_or(format::NONE.to_string(), |value| self.unit.write(lang, *value))) }
            }
        }
    }

    fn plot(&self, lang: Lang) -> Markup {
        let (bottom, top) = (self.bottom(), self.top());
        let (title_id, desc_id) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        html! {
            div.plot {
                div.y aria-hidden="true" {
                    span { (self.unit.write(lang, top)) }
                    span { (self.unit.write(lang, (top + bottom) / 2.0)) }
                    span { (self.unit.write(lang, bottom)) }
                }
                svg.lines viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                    aria-labelledby={ (title_id) " " (desc_id) } {
                    title id=(title_id) { (self.title) }
                    desc id=(desc_id) { (self.description(lang)) }
                    path.grid d={ "M0 0H" (WIDTH) "M0 " (HEIGHT / 2.0) "H" (WIDTH) "M0 " (HEIGHT) "H" (WIDTH) } {}
                    @for mark in self.marks {
                        @if let Some(x) = self.place(mark.at) {
                            path.mark.(mark.kind.class()).bad[!mark.is_good] d={ "M" (x) " 0V" (HEIGHT) } {}
                        }
                    }
                    @if let Some(line) = self.lines.first() {
                        path.area.(line.class) d=(path(line.values, (bottom, top), Shape::Area)) {}
                    }
                    @for line in self.lines.iter().rev() {
                        path.line.(line.class) d=(path(line.values, (bottom, top), Shape::Line)) {}
                    }
                }
                div.x aria-hidden="true" {
                    @for at in self.ticks() { (self.tick(at)) }
                }
            }
        }
    }

    /// Returns where a moment lies across the box; none outside it.
    fn place(&self, at: UnixNanos) -> Option<f64> {
        let (first, last) = (self.at.first()?.0, self.at.last()?.0);
        let share = (at.0 - first) as f64 / (last - first).max(1) as f64;
        (0.0..=1.0).contains(&share).then(|| (share * WIDTH * 10.0).round() / 10.0)
    }

    /// Writes a moment as finely as the axis is.
    fn tick(&self, at: UnixNanos) -> Markup {
        let is_long = self.step * self.at.len() as u32 > Duration::from_secs(2 * 86_400);
        if is_long { format::date(at) } else { format::minute(at) }
    }

    fn table(&self, lang: Lang) -> Markup {
        html! {
            details id={ "table-" (self.id) } {
                summary { (lang.tr("As a table")) }
                div.scroll tabindex="0" role="region" aria-label=(self.title) {
                    table {
                        thead { tr {
                            th scope="col" { (if self.is_daily() { lang.tr("Day") } else { lang.tr("Until") }) }
                            @for line in &self.lines { th scope="col" { (line.name) } }
                        } }
                        tbody {
                            @for (idx, at) in self.rows() {
                                tr {
                                    th scope="row" { (self.moment(*at)) }
                                    @for line in &self.lines { td { (self.cell(lang, line.values[idx])) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The moment of a row, with the way to what is behind its step.
    fn moment(&self, at: UnixNanos) -> Markup {
        let from = at.to_millis().minus(self.step).0.to_string();
        let to = at.to_millis().0.to_string();
        html! {
            @match self.behind.map(Behind::address) {
                Some(place) => {
                    a href={ (place) @if place.contains('?') { "&" } @else { "?" } (&address("", &[("from", &from), ("to", &to)])[1..]) } {
                        (self.row_name(at))
                    }
                }
                None => { (self.row_name(at)) }
            }
        }
    }

    /// Whether its steps are days, which its moments lie in; shorter ones end at theirs.
    fn is_daily(&self) -> bool {
        self.step >= Duration::from_secs(86_400)
    }

    /// Whether an hour comes more than once.
    fn is_over_a_day(&self) -> bool {
        let n_steps = u32::try_from(self.at.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.step.saturating_mul(n_steps) >= Duration::from_secs(86_400)
    }

    fn row_name(&self, at: UnixNanos) -> Markup {
        match () {
            () if self.is_daily() => format::date(at),
            () if self.is_over_a_day() => format::date_and_minute(at),
            () if self.step < Duration::from_secs(60) => format::time(at),
            () => format::minute(at),
        }
    }

    /// Returns the steps with a value, newest first.
    fn rows(&self) -> impl Iterator<Item = (usize, &UnixNanos)> {
        let has_value = |idx: usize| self.lines.iter().any(|line| line.values[idx].is_some());
        self.at.iter().enumerate().rev().filter(move |(idx, _)| has_value(*idx))
    }

    fn cell(&self, lang: Lang, value: Option<f64>) -> String {
        value.map_or(format::NONE.to_string(), |value| self.unit.write(lang, value))
    }

    /// First, middle and last moment: three labels fit the narrowest phone.
    fn ticks(&self) -> Vec<UnixNanos> {
        let n = self.at.len();
        [0, n / 2, n.saturating_sub(1)].iter().filter_map(|idx| self.at.get(*idx).copied()).collect()
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let values = self.lines.iter().flat_map(|line| line.values.iter().flatten());
        values.copied().filter(|value| value.is_finite())
    }

    /// The axis begins at zero, but where there is less than nothing.
    fn bottom(&self) -> f64 {
        let lowest = self.values().fold(0.0, f64::min);
        if lowest < 0.0 { -nice_above(-lowest) } else { 0.0 }
    }

    fn top(&self) -> f64 {
        let highest = self.values().fold(self.top_min, f64::max);
        match self.unit {
            // All of it lies below.
            _ if highest <= 0.0 && self.bottom() < 0.0 => 0.0,
            Unit::Number | Unit::Seconds | Unit::Any => nice_above(highest),
            // More than all of it there is not, unless there is.
            Unit::Share if highest > 0.6 && highest <= 1.0 => 1.0,
            Unit::Share => nice_above(highest),
            Unit::Bytes | Unit::BytesPerSecond => {
                let unit = 1024f64.powf(highest.max(1.0).log(1024.0).floor());
                nice_above(highest / unit) * unit
            }
        }
    }

    fn description(&self, lang: Lang) -> String {
        let mut res = String::new();
        for line in &self.lines {
            let values = line.values.iter().flatten().copied().filter(|value| value.is_finite());
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            let (low, high) = (self.unit.write(lang, low), self.unit.write(lang, high));
            let values: [(&str, &dyn std::fmt::Display); 3] =
                [("name", &line.name), ("low", &low), ("high", &high)];
            res.push_str(&lang.trf("{name}: between {low} and {high}. ", &values));
        }
        res
    }
}

/// The room in which the script says the moment that is pointed at.
fn pointed(is_empty: bool) -> Markup {
    html! { @if !is_empty { span.pointed {} } }
}

/// What a chart shows of a number: the script writes it with three.
fn four_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Line,
    Area,
}

/// Draws each unbroken run of values; a step without a value is a gap, not a zero.
fn path(values: &[Option<f64>], (bottom, top): (f64, f64), shape: Shape) -> String {
    let gap = WIDTH / (values.len().saturating_sub(1).max(1)) as f64;
    let mut res = String::new();
    let y = |value: f64| HEIGHT * (1.0 - ((value - bottom) / (top - bottom)).clamp(0.0, 1.0));
    let place = |idx: usize, value: f64| (idx as f64 * gap, y(value));
    let is_value = |idx: usize| values.get(idx).copied().flatten().is_some_and(f64::is_finite);
    let mut begin = 0;
    while begin < values.len() {
        if !is_value(begin) {
            begin += 1;
            continue;
        }
        let end = (begin..values.len()).find(|idx| !is_value(*idx)).unwrap_or(values.len());
        let points = (begin..end).filter_map(|idx| Some(place(idx, values[idx]?)));
        run(&mut res, &points.collect::<Vec<_>>(), y(0.0), shape);
        begin = end;
    }
    res
}

fn run(res: &mut String, points: &[(f64, f64)], zero_y: f64, shape: Shape) {
    let ([(first_x, _), ..], [.., (last_x, last_y)]) = (points, points) else { return };
    for (idx, (x, y)) in points.iter().enumerate() {
        let step = if idx == 0 { 'M' } else { 'L' };
        // Writing to a String cannot fail.
        let _ = write!(res, "{step}{x:.1} {y:.1}");
    }
    let _ = match shape {
        Shape::Area => write!(res, "L{last_x:.1} {zero_y:.0}L{first_x:.1} {zero_y:.0}Z"),
        // A lone value, as a server has that just started, is a short dash.
        Shape::Line if points.len() == 1 => {
            let begin = (last_x - DASH / 2.0).clamp(0.0, WIDTH - DASH);
            write!(res, "M{begin:.1} {last_y:.1}h{DASH}")
        }
        Shape::Line => Ok(()),
    };
}

/// Returns the next round number, so that the axis is easy to read.
fn nice_above(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let magnitude = 10f64.powf(value.log10().floor());
    let nice = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|step| step * magnitude >= value * 0.999_999);
    nice.unwrap_or(10.0) * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: &[Mark] =
        &[Mark { at: UnixNanos(30_000_000_000), kind: MarkKind::Reload, text: String::new(), is_good: true }];

    fn chart(at: &[UnixNanos], values: &[Option<f64>]) -> String {
        sample(at, values).render(Lang::En).into_string()
    }

    fn sample<'a>(at: &'a [UnixNanos], values: &'a [Option<f64>]) -> Chart<'a> {
        let lines = vec![Line { name: "all", class: "l1", values }];
        Chart {
            id: "rate",
            title: "Requests <a second>",
            unit: Unit::Number,
            at,
            step: Duration::from_secs(60),
            lines,
            empty: "nothing yet",
            top_min: 1.0,
            marks: MARKS,
            behind: Some(Behind::Lines("/admin/logs?level=error")),
            query: None,
        }
    }

    #[test]
    fn gaps_stay_gaps() {
        let values = [Some(1.0), Some(2.0), None, Some(4.0)];
        assert_eq!(path(&values, (0.0, 4.0), Shape::Line), "M0.0 90.0L200.0 60.0M600.0 0.0M594.0 0.0h6");
        assert!(path(&[None, Some(f64::NAN)], (0.0, 1.0), Shape::Line).is_empty());
    }

    #[test]
    fn what_is_less_than_nothing_is_below_the_zero_line() {
        let values = [Some(-1.0), Some(3.0)];
        assert_eq!(path(&values, (-1.0, 3.0), Shape::Line), "M0.0 120.0L600.0 0.0");
        assert_eq!(path(&values, (-1.0, 3.0), Shape::Area), "M0.0 120.0L600.0 0.0L600.0 90L0.0 90Z");
        let at = [UnixNanos(0), UnixNanos(60_000_000_000)];
        let text = chart(&at, &[Some(-3.0), Some(-1.5)]);
        assert!(text.contains("<span>1</span><span>-1</span><span>-3</span>"), "{text}");
        assert!(text.contains("&quot;bottom&quot;:-3.0"), "{text}");
    }

    #[test]
    fn many_lines_have_their_legend_below() {
        let at = [UnixNanos(0), UnixNanos(60_000_000_000)];
        let values = [Some(1.0), Some(2.0)];
        let line = |name| Line { name, class: "l1", values: &values };
        let chart = |lines| Chart {
            id: "many",
            title: "many",
            unit: Unit::Any,
            at: &at,
            step: Duration::from_secs(60),
            lines,
            empty: "",
            top_min: 0.0,
            marks: &[],
            behind: None,
            query: Some("/admin/metrics?q=up"),
        };
        let few = chart(vec![line("a")]).render(Lang::En).into_string();
        assert!(
            few.contains("<p class=\"legend\">") && few.contains("href=\"/admin/metrics?q=up\""),
            "{few}"
        );
        let many = chart(["a", "b", "c", "d", "e"].map(line).into()).render(Lang::En).into_string();
        assert!(
            many.contains("<ul class=\"legend long\" tabindex=\"0\"")
                && !many.contains("<p class=\"legend\">")
        );
    }

    #[test]
    fn table_has_the_steps_with_values_newest_first() {
        let at = [0, 60, 120].map(|seconds| UnixNanos(seconds * 1_000_000_000));
        let text = chart(&at, &[Some(1.0), None, Some(3.0)]);
        let steps: Vec<&str> =
            text.split("&amp;to=").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(steps, ["120000", "0"], "{text}");
        assert!(text.contains("level=error&amp;from=60000&amp;to=120000"), "{text}");
    }

    #[test]
    fn table_has_the_day_where_an_hour_comes_twice() {
        let day = |n: i64, step: u64| {
            let at: Vec<UnixNanos> =
                (0..=n).map(|idx| UnixNanos(idx * step as i64 * 1_000_000_000)).collect();
            let values = vec![Some(1.0); at.len()];
            let step = Duration::from_secs(step);
            Chart { step, ..sample(&at, &values) }.render(Lang::En).into_string()
        };
        let hours = day(24, 3_600);
        for name in ["01-01 00:00", "01-01 14:00", "01-02 00:00"] {
            assert!(hours.contains(&format!(">{name}</time></a></th>")), "{name} is not in {hours}");
        }
        assert!(day(23, 3_600).contains(">14:00</time></a></th>"));
        assert!(day(23, 30).contains(">00:00:30</time></a></th>"));
        assert!(day(3, 86_400).contains(">01-02</time></a></th>"));
    }

    #[test]
    fn the_script_knows_what_is_behind_a_step() {
        let (at, values) = ([UnixNanos(0)], [Some(1.0)]);
        let lines = sample(&at, &values);
        assert_eq!(lines.data()["behind"], json!({ "kind": "lines", "place": "/admin/logs?level=error" }));
        let days = Chart { behind: Some(Behind::Days("/admin/visitors")), ..lines };
        assert_eq!(days.data()["behind"]["kind"], "days");
        assert!(Chart { behind: None, ..days }.data()["behind"].is_null());
    }

    #[test]
    fn axis_ends_at_a_round_number() {
        for (value, expect) in [(0.0, 1.0), (0.31, 0.4), (1.0, 1.0), (6.1, 8.0), (120.0, 150.0)] {
            assert!((nice_above(value) - expect).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn chart_has_words_and_a_table_for_its_lines() {
        let at = [UnixNanos(0), UnixNanos(60_000_000_000)];
        let text = chart(&at, &[Some(1.0), Some(3.0)]);
        assert!(text.contains("Requests &lt;a second&gt;"), "{text}");
        assert!(text.contains("all: between 1 and 3."), "{text}");
        assert!(text.contains("<td>3</td>"), "{text}");
    }

    #[test]
    fn what_happened_is_marked_where_it_happened() {
        let at = [UnixNanos(0), UnixNanos(60_000_000_000)];
        let text = chart(&at, &[Some(1.0), Some(3.0)]);
        assert!(text.contains("<path class=\"mark reload\" d=\"M300 0V120\">"), "{text}");
        let later = [UnixNanos(60_000_000_000), UnixNanos(120_000_000_000)];
        assert!(!chart(&later, &[Some(1.0), Some(3.0)]).contains("class=\"mark"));
    }

    #[test]
    fn the_script_gets_four_digits() {
        for (value, expect) in
            [(0.000_123_456, 0.000_123_5), (123_456.0, 123_500.0), (0.0, 0.0), (-1.234_56, -1.235)]
        {
            assert!((four_digits(value) - expect).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn chart_without_values_says_so() {
        assert!(chart(&[UnixNanos(0)], &[None]).contains("nothing yet"));
        assert!(chart(&[], &[]).contains("nothing yet"));
    }
}
