//! Metrics by PromQL: a box for the query, and its answer as a chart and as a table.
//!
//! The address is the state: the query and the time stand in it, so an answer can be kept as a
//! bookmark and sent to somebody. What is wrong with a query is marked where it is. Without a
//! script the box is a form; with one it offers what may come next, and marks as one types.

use std::ops::Range;
use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Behind, Chart, Drawn, LINE_CLASSES, Line, Mark, events};
use super::format::{self, Unit};
use super::frame::{Fragment, Frame, stream_address};
use super::lang::{Lang, text};
use super::window::{Window, address};
use crate::clock::UnixNanos;

/// Where metrics are asked for.
pub const METRICS: &str = "/admin/metrics";

/// Lines of one chart; of more, nobody tells them apart.
pub const LINES_MAX: usize = 20;

/// Rows of one table; more are counted.
pub const ROWS_MAX: usize = 200;

/// A table of more rows scrolls in a box of its own.
const TALL_ROWS: usize = 50;

/// Lines of text that the box shows at least and at most.
const BOX_LINES: (usize, usize) = (2, 12);

/// The page.
#[derive(Clone, Debug, Default)]
pub struct ExploreView {
    /// What was asked.
    pub query: String,
    /// The stretch of time.
    pub window: Window,
    /// What came of it.
    pub outcome: Explored,
}

/// What came of a query.
#[derive(Clone, Debug)]
pub enum Explored {
    /// Nothing was asked; these are worth asking here.
    Nothing(Vec<&'static Example>),
    /// It is no query.
    Wrong(QueryFault),
    /// It has no answer, and why.
    Failed(String),
    /// It has one.
    Answered(Box<AnsweredView>),
}

impl Default for Explored {
    fn default() -> Self {
        Explored::Nothing(Vec::new())
    }
}

/// What is wrong with a query, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryFault {
    /// What is wrong, in the words of the parser.
    pub message: String,
    /// The line, from one.
    pub line: usize,
    /// The column in bytes, from one.
    pub column: usize,
    /// The part that it is about, in bytes.
    pub span: Range<usize>,
}

/// A query that is worth asking.
#[derive(Debug, PartialEq, Eq)]
pub struct Example {
    /// What it answers; to be shown in the viewer's language.
    pub title: &'static str,
    /// The query.
    pub query: &'static str,
    /// The metric without which it has no answer.
    pub needs: &'static str,
}

/// Queries that are worth asking of a store that has what they need.
#[rustfmt::skip]
pub const EXAMPLES: &[Example] = &[
    Example {
        title: text!("Requests a second, by route"),
        query: r#"sum by (http_route) (rate(http_server_request_duration_seconds_count{job="vitrine", http_route!~"/admin(/.*)?"}[5m]))"#,
        needs: "http_server_request_duration_seconds_count",
    },
    Example {
        title: text!("Time to answer by route: 95 of 100 requests are faster"),
        query: r#"histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{job="vitrine"}[5m])))"#,
        needs: "http_server_request_duration_seconds_bucket",
    },
    Example {
        title: text!("Share of requests that failed"),
        query: r#"sum(rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[5m])) / sum(rate(http_server_request_duration_seconds_count[5m]))"#,
        needs: "http_server_request_duration_seconds_count",
    },
    Example {
        title: text!("Visitors of the day"),
        query: "vitrine_visitors_today",
        needs: "vitrine_visitors_today",
    },
    Example {
        title: text!("Memory of this process"),
        query: r#"process_memory_usage_bytes{job="vitrine"}"#,
        needs: "process_memory_usage_bytes",
    },
    Example {
        title: text!("What the processors do, in processors"),
        query: r#"sum by (cpu_mode) (rate(system_cpu_time_seconds_total{cpu_mode!="idle"}[5m]))"#,
        needs: "system_cpu_time_seconds_total",
    },
    Example {
        title: text!("Free space on the disks"),
        query: r#"system_filesystem_usage_bytes{system_filesystem_state="free"}"#,
        needs: "system_filesystem_usage_bytes",
    },
    Example {
        title: text!("Requests in hand, by worker"),
        query: "max by (worker_id) (vitrine_worker_in_flight)",
        needs: "vitrine_worker_in_flight",
    },
    Example {
        title: text!("Records that were not kept, by reason"),
        query: "sum by (signal, reason) (increase(vitrine_store_dropped_total[1h])) > 0",
        needs: "vitrine_store_dropped_total",
    },
    Example {
        title: text!("How long queries take: 99 of 100 are faster"),
        query: "histogram_quantile(0.99, sum by (le, query_language) (rate(vitrine_query_duration_seconds_bucket[1h])))",
        needs: "vitrine_query_duration_seconds_bucket",
    },
    Example {
        title: text!("Metrics with most series"),
        query: r#"topk(10, count by (__name__) ({__name__=~".+"}))"#,
        needs: "",
    },
];

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
    /// The first [`ROWS_MAX`].
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
    /// Up to [`LINES_MAX`] lines: names, and a value a moment.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
    /// How many series are not drawn.
    pub n_left_out: usize,
}

/// Renders the page.
pub fn explore(frame: &Frame, view: &ExploreView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        (form(lang, view))
        (frame.ranges(view.window, &[("q", &view.query)]))
        @match &view.outcome {
            Explored::Nothing(examples) => { (nothing(lang, view.window, examples)) }
            Explored::Wrong(fault) => { (wrong(lang, &view.query, fault)) }
            Explored::Failed(cause) => {
                div.banner.bad role="alert" { (lang.tr("This query has no answer:")) " " span.text { (cause) } }
            }
            Explored::Answered(answered) => { (answer(lang, view, answered)) }
        }
    };
    frame.page(lang.tr("Metrics"), &content)
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

/// Returns the address that asks a query over a stretch of time.
pub fn metrics_address(query: &str, window: Window) -> String {
    let parameters = window.parameters();
    let all = [("q", query)].into_iter();
    let all: Vec<(&str, &str)> =
        all.chain(parameters.iter().map(|(name, value)| (*name, value.as_str()))).collect();
    address(METRICS, &all)
}

fn form(lang: Lang, view: &ExploreView) -> Markup {
    let parameters = view.window.parameters();
    let (least, most) = BOX_LINES;
    let n_lines = view.query.lines().count().clamp(least, most);
    let words = serde_json::json!({
        "offers": lang.tr("{n} offers; arrow keys choose, Tab or Enter takes one"),
        "more": lang.tr("and {n} more: type on"),
    });
    html! {
        form.query-form id="query-form" method="get" action=(METRICS) role="search" data-words=(words) {
            @for (name, value) in &parameters { input type="hidden" name=(name) value=(value); }
            label for="search" { (lang.tr("Query in PromQL")) }
            div.query-box {
                textarea id="search" name="q" rows=(n_lines) spellcheck="false" autocomplete="off"
                    autocapitalize="off" autocorrect="off" wrap="soft" aria-describedby="ask-help" { (view.query) }
            }
            p.hint id="ask-help" {
                span id="ask-fault" {}
                span id="ask-keys" hidden { (lang.tr("Enter asks, Shift+Enter begins a line, Ctrl+Space offers words.")) }
            }
            div.query-actions {
                button type="submit" { (lang.tr("Ask")) }
                a href={ (METRICS) "/cardinality" } { (lang.tr("What series there are")) }
            }
        }
    }
}

fn nothing(lang: Lang, window: Window, examples: &[&Example]) -> Markup {
    html! {
        section aria-labelledby="examples-title" {
            h2 id="examples-title" { (lang.tr("Worth asking")) }
            @if examples.is_empty() {
                p.empty {
                    (lang.tr("Nothing is stored yet: the first samples come ten seconds after the start. Look here again then."))
                }
            } @else {
                ul.examples {
                    @for example in examples {
                        li {
                            a href=(metrics_address(example.query, window)) { (lang.tr(example.title)) }
                            code { (example.query) }
                        }
                    }
                }
            }
        }
    }
}

fn wrong(lang: Lang, query: &str, fault: &QueryFault) -> Markup {
    let place = lang.trf("Line {line}, column {column}", &[("line", &fault.line), ("column", &fault.column)]);
    html! {
        div.banner.bad role="alert" {
            p { b { (place) ": " } (fault.message) }
            pre.marked { (marked(query, &fault.span)) }
        }
    }
}

/// Writes a query with a part of it marked; of a part that is empty, the place.
fn marked(query: &str, span: &Range<usize>) -> Markup {
    let start = query.floor_char_boundary(span.start);
    let end = query.floor_char_boundary(span.end.max(start));
    let (before, part, after) = (&query[..start], &query[start..end], &query[end..]);
    html! {
        (before)
        @if part.trim().is_empty() { mark.place { "\u{a0}" (part) } } @else { mark { (part) } }
        (after)
    }
}

fn answer(lang: Lang, view: &ExploreView, answered: &AnsweredView) -> Markup {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            now: UnixNanos(1_795_000_000_000_000_000),
            tab: super::super::Tab::Metrics,
            ..Frame::default()
        }
    }

    fn rendered(view: &ExploreView) -> String {
        explore(&frame(), view).into_string().replace('\u{a0}', " ")
    }

    fn answered(value: AnswerValue) -> ExploreView {
        let answered = AnsweredView {
            value,
            took: Duration::from_millis(4),
            n_samples: 1_234,
            at: frame().now,
            ..AnsweredView::default()
        };
        ExploreView {
            query: "up".into(),
            outcome: Explored::Answered(Box::new(answered)),
            ..ExploreView::default()
        }
    }

    #[test]
    fn a_fault_is_marked_where_it_is() {
        let check = |query: &str, span: Range<usize>, expect: &str| {
            let fault = QueryFault { message: "unexpected".into(), line: 1, column: 5, span };
            let outcome = Explored::Wrong(fault);
            let text = rendered(&ExploreView { query: query.into(), outcome, ..ExploreView::default() });
            assert!(text.contains("<b>Line 1, column 5: </b>unexpected"), "{text}");
            assert!(text.contains(&format!("<pre class=\"marked\">{expect}</pre>")), "{text}");
        };
        check("sum(}", 4..5, "sum(<mark>}</mark>");
        check("sum(", 4..4, "sum(<mark class=\"place\"> </mark>");
        check("<b>é", 3..400, "&lt;b&gt;<mark>é</mark>");
        // Not on a character's edge.
        check("é+", 1..2, "<mark>é</mark>+");
    }

    #[test]
    fn an_empty_box_shows_what_is_worth_asking() {
        let outcome = Explored::Nothing(EXAMPLES.iter().collect());
        let text = rendered(&ExploreView { outcome, ..ExploreView::default() });
        assert!(text.contains("href=\"/admin/metrics?q=process_memory_usage_bytes%7B"), "{text}");
        assert!(rendered(&ExploreView::default()).contains("Nothing is stored yet"));
    }

    #[test]
    fn every_kind_of_answer_is_shown() {
        let text = rendered(&answered(AnswerValue::Number(1.5)));
        assert!(text.contains("<p class=\"answer-number\">1.5</p>"), "{text}");
        assert!(text.contains("1,234 samples read, took 4 ms"), "{text}");
        let text = rendered(&answered(AnswerValue::Text("a <b>".into())));
        assert!(text.contains("<pre class=\"text-value\">a &lt;b&gt;</pre>"), "{text}");
        let text = rendered(&answered(AnswerValue::Samples(
            vec![SamplesView { name: "up".into(), n_samples: 9, newest: vec![(frame().now, "1".into())] }],
            2,
        )));
        assert!(text.contains("2 more series are not listed") && text.contains("3 series"), "{text}");
        let text = rendered(&answered(AnswerValue::Series(RowsView::default())));
        assert!(text.contains("No series has a value at this moment."), "{text}");
    }

    #[test]
    fn lines_and_rows_share_their_colours() {
        let row = |name: &str, line| RowView {
            name: name.into(),
            value: Some(2_048.0),
            exact: "2048".into(),
            line,
            selector: Some("up".into()),
        };
        let rows = RowsView {
            rows: vec![row("{a=\"<1>\"}", Some(0)), row("{a=\"2\"}", None)],
            n_series: 30,
            common: vec![("job".into(), "v\"x".into())],
            unit: Unit::Bytes,
        };
        let mut view = answered(AnswerValue::Series(rows));
        let Explored::Answered(inner) = &mut view.outcome else { unreachable!() };
        inner.warnings = vec!["PromQL warning: <careful>".into()];
        inner.lines = Some(LinesView {
            at: vec![UnixNanos(0), UnixNanos(60_000_000_000)],
            step: Duration::from_secs(60),
            unit: Unit::Bytes,
            lines: vec![("{a=\"<1>\"}".into(), vec![Some(1.0), Some(2.0)])],
            n_left_out: 29,
        });
        let text = rendered(&view);
        for piece in [
            "29 more series are not drawn; the table has them.",
            "28 more series are not listed",
            "<td class=\"num\">2 KiB</td><td class=\"num\">2048</td>",
            "<span class=\"l1\"><svg class=\"key\"",
            "<code class=\"pair\">job=&quot;v\\&quot;x&quot;</code>",
            "PromQL warning: &lt;careful&gt;",
            "{a=&quot;&lt;1&gt;&quot;}</a>",
        ] {
            assert!(text.contains(piece), "{piece} is not in {text}");
        }
        assert!(!text.contains("<1>"), "what came from outside is no markup");
    }

    #[test]
    fn the_query_stays_in_its_box_as_it_was_written() {
        let query = "up{a=\"</textarea><script>\"}\n+ 1";
        let text = rendered(&ExploreView { query: query.into(), ..ExploreView::default() });
        assert!(!text.contains("<script>"), "{text}");
        assert!(text.contains("up{a=&quot;&lt;/textarea&gt;&lt;script&gt;&quot;}\n+ 1</textarea>"), "{text}");
    }
}
