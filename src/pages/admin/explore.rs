//! Metrics by PromQL: a box for the query, and its answer as a chart and as a table.
//!
//! The address is the state: the query and the time stand in it, so an answer can be kept as a
//! bookmark and sent to somebody. What is wrong with a query is marked where it is. Without a
//! script the box is a form; with one it offers what may come next, and marks as one types.

mod answer;
mod examples;

use std::ops::Range;

use maud::{Markup, html};

use super::frame::Frame;
use super::lang::Lang;
use super::window::{Window, address};

pub use answer::{
    AnswerValue, AnsweredView, LinesView, RowView, RowsView, SamplesView, answer_drawn, answer_fragments,
};
pub use examples::{EXAMPLES, Example};

/// Where metrics are asked for.
pub const METRICS: &str = "/admin/metrics";

/// Lines of one chart; of more, nobody tells them apart.
pub const LINES_MAX: usize = 20;

/// Rows of one table; more are counted.
pub const ROWS_MAX: usize = 200;

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

/// Renders the page.
pub fn explore(frame: &Frame, view: &ExploreView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        (form(lang, view))
        (frame.ranges(view.window, &[("q", &view.query)]))
        @match &view.outcome {
            Explored::Nothing(examples) => { (examples::nothing(lang, view.window, examples)) }
            Explored::Wrong(fault) => { (wrong(lang, &view.query, fault)) }
            Explored::Failed(cause) => {
                div.banner.bad role="alert" { (lang.tr("This query has no answer:")) " " span.text { (cause) } }
            }
            Explored::Answered(answered) => { (answer::answer(lang, view, answered)) }
        }
    };
    frame.page(lang.tr("Metrics"), &content)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::UnixNanos;
    use crate::pages::admin::format::Unit;

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
