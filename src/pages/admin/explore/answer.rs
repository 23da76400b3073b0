//! The answer to a query: what was read for it, its chart, its table.

use std::time::Duration;

use maud::{Markup, html};

use super::{ExploreView, Explored, METRICS, metrics_address};
use crate::clock::UnixNanos;
use crate::pages::admin::chart::{Behind, Chart, Drawn, LINE_CLASSES, Line, Mark, events};
use crate::pages::admin::format::{self, Unit};
use crate::pages::admin::frame::{Fragment, stream_address};
use crate::pages::admin::lang::Lang;
use crate::pages::admin::window::Window;

/// A table of more rows scrolls in a box of its own.
const TALL_ROWS: usize = 50;

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct AnsweredView {
    /// What it is.
    pub value: AnswerValue,
    /// What may be wrong.
    pub warnings: Vec<String>,
    /// What is worth knowing.
    pub infos: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Samples read for it.
    pub n_samples: u64,
    /// The lines over the stretch of time; none for what has none.
    pub lines: Option<LinesView>,
    /// Why there are no lines although there could be.
    pub lines_fault: Option<String>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// When the table was true.
    pub at: UnixNanos,
}

/// What a query gives at one moment.
#[derive(Clone, Debug, Default)]
pub enum AnswerValue {
    /// Series with a value each.
    Series(RowsView),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Series with samples over a time.
    #[default]
    Nothing,
    /// The samples of a range.
    Samples(Vec<SamplesView>, usize),
}

/// Series with a value each.
#[derive(Clone, Debug, Default)]
pub struct RowsView {
    /// The first [`super::ROWS_MAX`].
    pub rows: Vec<RowView>,
    /// All there are.
    pub n_series: usize,
    /// The labels that all of them have with the same value.
    pub common: Vec<(String, String)>,
    /// What the values are.
    pub unit: Unit,
}

/// One series.
#[derive(Clone, Debug, Default)]
pub struct RowView {
    /// The labels by which it differs from the others.
    pub name: String,
    /// Its value; none for one that ended before.
    pub value: Option<f64>,
    /// The value with all its digits.
    pub exact: String,
    /// Which line of the chart it is.
    pub line: Option<usize>,
    /// The query that selects it alone, if there is one.
    pub selector: Option<String>,
}

/// The samples of one series.
#[derive(Clone, Debug, Default)]
pub struct SamplesView {
    /// The series.
    pub name: String,
    /// How many samples it has.
    pub n_samples: usize,
    /// The newest of them, with all their digits.
    pub newest: Vec<(UnixNanos, String)>,
}

/// Lines over a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct LinesView {
    /// The moments.
    pub at: Vec<UnixNanos>,
    /// Their distance.
    pub step: Duration,
    /// What the values are.
    pub unit: Unit,
    /// Up to [`super::LINES_MAX`] lines: names, and a value a moment.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
    /// How many series are not drawn.
    pub n_left_out: usize,
}

/// Renders the parts of an answer that change by themselves, the chart aside.
pub fn answer_fragments(lang: Lang, view: &ExploreView) -> Vec<Fragment> {
    match &view.outcome {
        Explored::Answered(answered) => vec![
            Fragment { id: "answer-said", markup: said(lang, answered) },
            Fragment { id: "answer-value", markup: value(lang, view, answered) },
        ],
        // The values stay, and are said to be old.
        Explored::Failed(cause) => vec![Fragment {
            id: "answer-said",
            markup: html! {
                div id="answer-said" { p.banner.bad { (lang.tr("This query has no answer any more:")) " " span.text { (cause) } } }
            },
        }],
        Explored::Nothing(_) | Explored::Wrong(_) => Vec::new(),
    }
}

/// Returns the chart of an answer for the stream.
pub fn answer_drawn(lang: Lang, view: &ExploreView) -> Vec<Drawn> {
    let Explored::Answered(answered) = &view.outcome else { return Vec::new() };
    let chart = answered.lines.as_ref().map(|lines| chart(lang, lines, answered));
    chart.iter().map(|chart| chart.drawn(lang)).collect()
}

pub fn answer(lang: Lang, view: &ExploreView, answered: &AnsweredView) -> Markup {
    let chart: Vec<Chart<'_>> = answered.lines.iter().map(|lines| chart(lang, lines, answered)).collect();
    let stream = stream_address("metrics", view.window, &chart, &[("q", &view.query)]);
    html! {
        section aria-labelledby="answer-title" data-stream=[view.window.is_moving().then_some(stream)] {
            h2 id="answer-title" { (lang.tr("Answer")) }
            (said(lang, answered))
            @if let Some(lines) = &answered.lines { (over_time(lang, lines, answered)) }
            (value(lang, view, answered))
        }
    }
}

/// What is to be said of an answer: how much was read for it, and what may be wrong with it.
fn said(lang: Lang, answered: &AnsweredView) -> Markup {
    html! {
        div id="answer-said" {
            p.facts { (facts(lang, answered)) }
            @for (class, notes) in [("warn", &answered.warnings), ("info", &answered.infos)] {
                @for note in notes { p.banner.(class) { (note) } }
            }
            @if let Some(cause) = &answered.lines_fault {
                p.banner.warn { (lang.tr("There is no chart:")) " " (cause) }
            }
        }
    }
}

/// What a query gives at the end of the time.
fn value(lang: Lang, view: &ExploreView, answered: &AnsweredView) -> Markup {
    html! {
        div id="answer-value" {
            @match &answered.value {
                AnswerValue::Nothing => {}
                AnswerValue::Number(number) => {
                    p.answer-number { (format::any(lang, *number)) }
                }
                AnswerValue::Text(text) => { pre.text-value { (text) } }
                AnswerValue::Series(rows) => { (table(lang, view, answered, rows)) }
                AnswerValue::Samples(rows, n_more) => { (samples(lang, rows, *n_more)) }
            }
        }
    }
}

fn facts(lang: Lang, answered: &AnsweredView) -> String {
    let mut res = Vec::new();
    match &answered.value {
        AnswerValue::Series(rows) => {
            res.push(lang.trn(rows.n_series as u64, "{n} series", "{n} series"));
        }
        AnswerValue::Samples(rows, n_more) => {
            let n_series = (rows.len() + n_more) as u64;
            res.push(lang.trn(n_series, "{n} series", "{n} series"));
        }
        _ => {}
    }
    res.push(lang.trn(answered.n_samples, "{n} sample read", "{n} samples read"));
    let took = format::seconds(lang, answered.took.as_secs_f64());
    res.push(lang.trf("took {time}", &[("time", &took)]));
    res.join(", ")
}

fn chart<'a>(lang: Lang, lines: &'a LinesView, answered: &'a AnsweredView) -> Chart<'a> {
    let drawn = lines.lines.iter().enumerate().map(|(idx, (name, values))| Line {
        // A number has no labels.
        name: if name.is_empty() { lang.tr("number") } else { name },
        class: LINE_CLASSES[idx % LINE_CLASSES.len()],
        values,
    });
    Chart {
        id: "answer",
        title: lang.tr("Over time"),
        unit: lines.unit,
        at: &lines.at,
        step: lines.step,
        lines: drawn.collect(),
        empty: lang.tr("There is no value in this time. A longer time, or another one, may have some."),
        top_min: 0.0,
        marks: &answered.marks,
        behind: Some(Behind::Lines("/admin/logs")),
        query: None,
    }
}

fn over_time(lang: Lang, lines: &LinesView, answered: &AnsweredView) -> Markup {
    html! {
        div.charts.wide { (chart(lang, lines, answered).render(lang)) }
        @if lines.n_left_out > 0 {
            p.note {
                (lang.trn(
                    lines.n_left_out as u64,
                    "{n} more series is not drawn; the table has it.",
                    "{n} more series are not drawn; the table has them.",
                ))
            }
        }
        (events(lang, &answered.marks))
    }
}

fn table(lang: Lang, view: &ExploreView, answered: &AnsweredView, rows: &RowsView) -> Markup {
    let (_, to) = view.window.bounds(answered.at.to_millis());
    html! {
        h3.above { (lang.tr("Values at")) " " (format::moment(to.to_nanos())) }
        @if !rows.common.is_empty() {
            p.note {
                (lang.tr("All of them have")) " "
                @for (name, value) in &rows.common { code.pair { (name) "=" (format!("{value:?}")) } " " }
            }
        }
        @if rows.rows.is_empty() {
            p.empty {
                (lang.tr("No series has a value at this moment.")) " "
                a href={ (METRICS) "/cardinality" } { (lang.tr("What series there are")) }
            }
        } @else {
            div.scroll.tall[rows.rows.len() > TALL_ROWS] tabindex="0" role="region" aria-label=(lang.tr("Values")) {
                table.answer {
                    thead { tr {
                        th scope="col" { (lang.tr("Series")) }
                        th.num scope="col" { (lang.tr("Value")) }
                        th.num scope="col" { (lang.tr("All digits")) }
                    } }
                    tbody { @for row in &rows.rows { (series(lang, view.window, rows.unit, row)) } }
                }
            }
            (more(lang, rows.n_series.saturating_sub(rows.rows.len())))
        }
    }
}

fn series(lang: Lang, window: Window, unit: Unit, row: &RowView) -> Markup {
    let class = row.line.map(|idx| LINE_CLASSES[idx % LINE_CLASSES.len()]);
    html! {
        tr {
            th.series scope="row" {
                @if let Some(class) = class {
                    span.(class) { svg.key viewBox="0 0 20 4" aria-hidden="true" { path.line d="M0 2H20" {} } }
                }
                @match &row.selector {
                    Some(selector) => { a href=(metrics_address(selector, window)) { (row.name) } }
                    None => { (row.name) }
                }
            }
            @match row.value {
                Some(value) => { td.num { (unit.write(lang, value)) } td.num { (row.exact) } }
                None => { td.num { (format::NONE) } td.num { (lang.tr("ended before")) } }
            }
        }
    }
}

fn samples(lang: Lang, rows: &[SamplesView], n_more: usize) -> Markup {
    html! {
        @if rows.is_empty() {
            p.empty { (lang.tr("No series has a sample in this range.")) }
        } @else {
            div.scroll tabindex="0" role="region" aria-label=(lang.tr("Samples")) {
                table.answer {
                    thead { tr {
                        th scope="col" { (lang.tr("Series")) }
                        th.num scope="col" { (lang.tr("Samples")) }
                        th scope="col" { (lang.tr("The newest")) }
                    } }
                    tbody {
                        @for row in rows {
                            tr {
                                th.series scope="row" { (row.name) }
                                td.num { (format::count(lang, row.n_samples as u64)) }
                                td.list {
                                    @for (at, value) in &row.newest { span { (value) " @ " (format::time(*at)) } " " }
                                }
                            }
                        }
                    }
                }
            }
            (more(lang, n_more))
        }
    }
}

fn more(lang: Lang, n_more: usize) -> Markup {
    html! {
        @if n_more > 0 {
            p.note {
                (lang.trn(
                    n_more as u64,
                    "{n} more series is not listed: select fewer by labels, or take topk(20, …).",
                    "{n} more series are not listed: select fewer by labels, or take topk(20, …).",
                ))
            }
        }
    }
}
