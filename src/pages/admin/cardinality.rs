//! What series there are, and what makes them many.
//!
//! Series are counted by metric, by label and by pair of both. Every row narrows the view to
//! what it stands for, and the selector that comes of it stands in the address.

use maud::{Markup, html};

use super::explore::{METRICS, metrics_address};
use super::format;
use super::frame::Frame;
use super::lang::Lang;
use super::panels::bar;
use super::window::{Window, address};

/// Where it is.
pub const CARDINALITY: &str = "/admin/metrics/cardinality";

/// The page.
#[derive(Clone, Debug)]
pub struct CardinalityView {
    /// The selector as it was written, `""` for all series.
    pub selector: String,
    /// Its conditions, each with the selector that is left without it.
    pub conditions: Vec<(String, String)>,
    /// The label whose values are shown, `""` for none.
    pub label: String,
    /// The stretch of time.
    pub window: Window,
    /// Series that are written now, whatever is selected.
    pub n_written: u64,
    /// How many may be.
    pub n_written_max: u64,
    /// What was counted, or why nothing was.
    pub counted: Result<CountedView, String>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedView {
    /// Series that are selected.
    pub n_series: u64,
    /// Metrics that they are of.
    pub n_metrics: u64,
    /// Labels that they have.
    pub n_labels: u64,
    /// The metrics with most series.
    pub metrics: Vec<CountView>,
    /// The labels with most values.
    pub labels: Vec<LabelCountView>,
    /// The pairs that most series have.
    pub pairs: Vec<CountView>,
    /// The values of the label that is looked at, by their series.
    pub values: Vec<CountView>,
    /// How many values it has.
    pub n_values: u64,
}

/// How many series something has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountView {
    /// What it is called.
    pub name: String,
    /// How many.
    pub n_series: u64,
    /// The selector that narrows the view to it.
    pub selector: String,
}

/// How many values a label has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelCountView {
    /// The label.
    pub name: String,
    /// Its values.
    pub n_values: u64,
    /// The series that have it.
    pub n_series: u64,
}

/// Renders the page.
pub fn cardinality(frame: &Frame, view: &CardinalityView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        p.turn { a href=(METRICS) { (lang.tr("Back to the queries")) } }
        (selection(lang, view))
        (frame.ranges_of(CARDINALITY, view.window, &[("match", &view.selector), ("label", &view.label)]))
        @match &view.counted {
            Err(cause) => { p.banner.bad role="alert" { (lang.tr("Nothing was counted:")) " " (cause) } }
            Ok(counted) => { (counts(lang, view, counted)) }
        }
    };
    frame.page(lang.tr("What series there are"), &content)
}

fn place(view: &CardinalityView, selector: &str, label: &str) -> String {
    let window = view.window.parameters();
    let mut all = vec![("match", selector), ("label", label)];
    all.extend(window.iter().map(|(name, value)| (*name, value.as_str())));
    address(CARDINALITY, &all)
}

fn selection(lang: Lang, view: &CardinalityView) -> Markup {
    let parameters = view.window.parameters();
    html! {
        form.filter.selector method="get" action=(CARDINALITY) role="search" {
            @for (name, value) in &parameters { input type="hidden" name=(name) value=(value); }
            @if !view.label.is_empty() { input type="hidden" name="label" value=(view.label); }
            label {
                span.visually-hidden { (lang.tr("Only series that this selects")) }
                input type="search" name="match" value=(view.selector) id="search" spellcheck="false"
                    autocapitalize="off" autocomplete="off" placeholder=(lang.tr("A selector, such as {job=\"vitrine\"}"));
            }
            button type="submit" { (lang.tr("Narrow")) }
        }
        @if !view.conditions.is_empty() {
            ul.conditions aria-label=(lang.tr("Conditions")) {
                @for (condition, rest) in &view.conditions {
                    li {
                        code { (condition) } " "
                        a href=(place(view, rest, &view.label))
                            aria-label=(lang.trf("Without {condition}", &[("condition", condition)])) { "×" }
                    }
                }
                li { a href=(metrics_address(&view.selector, view.window)) { (lang.tr("Ask for their values")) } }
            }
        }
    }
}

fn counts(lang: Lang, view: &CardinalityView, counted: &CountedView) -> Markup {
    let number = |n: u64| format::count(lang, n);
    let most = lang.trf("of {most} at most", &[("most", &number(view.n_written_max))]);
    html! {
        dl.tiles {
            (tile(lang.tr("Series in this time"), &number(counted.n_series), lang.tr("by the files they lie in")))
            (tile(lang.tr("Written now"), &number(view.n_written), &most))
            (tile(lang.tr("Metrics"), &number(counted.n_metrics), ""))
            (tile(lang.tr("Labels"), &number(counted.n_labels), ""))
        }
        p.note {
            (lang.tr(
                "A file holds up to a day, so a series is counted here that ended some hours before this time. What is counted and not written now has ended: many of those are churn, as of a label that changes with every start."
            ))
        }
        @if counted.n_series == 0 {
            p.empty {
                (lang.tr("No series fits.")) " "
                a href=(place(view, "", "")) { (lang.tr("Look at all series")) }
            }
        } @else {
            @if !view.label.is_empty() { (values(lang, view, counted)) }
            div.columns {
                (shares(lang, view, counted, (lang.tr("Metrics by their series"), lang.tr("Metric")), &counted.metrics, counted.n_metrics))
                (labels(lang, view, counted))
                (shares(lang, view, counted, (lang.tr("Pairs by their series"), lang.tr("Pair")), &counted.pairs, 0))
            }
        }
    }
}

fn tile(name: &str, value: &str, aside: &str) -> Markup {
    html! { div { dt { (name) } dd.value { (value) } @if !aside.is_empty() { dd.aside { (aside) } } } }
}

fn values(lang: Lang, view: &CardinalityView, counted: &CountedView) -> Markup {
    let title = lang.trf("Values of {label}", &[("label", &view.label)]);
    html! {
        (shares(lang, view, counted, (&title, lang.tr("Value")), &counted.values, counted.n_values))
        p.turn { a href=(place(view, &view.selector, "")) { (lang.tr("Close the values")) } }
    }
}

fn shares(
    lang: Lang,
    view: &CardinalityView,
    counted: &CountedView,
    (title, what): (&str, &str),
    rows: &[CountView],
    n_all: u64,
) -> Markup {
    html! {
        section {
            h2 { (title) }
            div.scroll.tall tabindex="0" role="region" aria-label=(title) {
                table.counts {
                    thead { tr {
                        th scope="col" { (what) }
                        th.num scope="col" { (lang.tr("Count")) }
                        th scope="col" { (lang.tr("Share")) }
                    } }
                    tbody {
                        @for row in rows {
                            @let share = row.n_series as f64 / counted.n_series.max(1) as f64;
                            @let words = format::percent(lang, share);
                            tr {
                                th.series scope="row" { a href=(place(view, &row.selector, &view.label)) { (row.name) } }
                                td.num { (format::count(lang, row.n_series)) }
                                td.load { span { (bar(share, &words)) span { (words) } } }
                            }
                        }
                    }
                }
            }
            (rest(lang, n_all.saturating_sub(rows.len() as u64)))
        }
    }
}

fn labels(lang: Lang, view: &CardinalityView, counted: &CountedView) -> Markup {
    let title = lang.tr("Labels by their values");
    html! {
        section {
            h2 { (title) }
            div.scroll.tall tabindex="0" role="region" aria-label=(title) {
                table.counts {
                    thead { tr {
                        th scope="col" { (lang.tr("Label")) }
                        th.num scope="col" { (lang.tr("Values")) }
                        th.num scope="col" { (lang.tr("Count")) }
                    } }
                    tbody {
                        @for row in &counted.labels {
                            tr {
                                th.series scope="row" {
                                    a href=(place(view, &view.selector, &row.name))
                                        aria-current=[(row.name == view.label).then_some("true")] { (row.name) }
                                }
                                td.num { (format::count(lang, row.n_values)) }
                                td.num { (format::count(lang, row.n_series)) }
                            }
                        }
                    }
                }
            }
            (rest(lang, counted.n_labels.saturating_sub(counted.labels.len() as u64)))
        }
    }
}

fn rest(lang: Lang, n_rest: u64) -> Markup {
    html! { @if n_rest > 0 { p.note { (lang.trn(n_rest, "and {n} more", "and {n} more")) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> CardinalityView {
        CardinalityView {
            selector: "up{job=\"<x>\"}".into(),
            conditions: vec![("job=\"<x>\"".into(), "up".into())],
            label: "path".into(),
            window: Window::default(),
            n_written: 12,
            n_written_max: 20_000,
            counted: Ok(CountedView {
                n_series: 1_000,
                n_metrics: 30,
                n_labels: 4,
                metrics: vec![CountView { name: "up".into(), n_series: 250, selector: "up".into() }],
                labels: vec![LabelCountView { name: "path".into(), n_values: 900, n_series: 950 }],
                pairs: vec![CountView {
                    name: "job=\"<x>\"".into(),
                    n_series: 1_000,
                    selector: "a&b".into(),
                }],
                values: vec![CountView {
                    name: "/<i>".into(),
                    n_series: 3,
                    selector: "{path=\"/<i>\"}".into(),
                }],
                n_values: 900,
            }),
        }
    }

    fn rendered(view: &CardinalityView) -> String {
        cardinality(&Frame::default(), view).into_string().replace('\u{a0}', " ")
    }

    #[test]
    fn every_row_narrows_the_view_and_says_its_share() {
        let text = rendered(&view());
        for piece in [
            "href=\"/admin/metrics/cardinality?match=up&amp;label=path\"",
            "<td class=\"num\">250</td>",
            "25 %",
            "aria-current=\"true\">path</a>",
            "match=a%26b&amp;label=path",
            "and 899 more",
            "and 29 more",
            "of 20,000 at most",
            "href=\"/admin/metrics?q=up%7Bjob%3D%22%3Cx%3E%22%7D\"",
        ] {
            assert!(text.contains(piece), "{piece} is not in {text}");
        }
        assert!(!text.contains("<x>") && !text.contains("<i>"), "{text}");
    }

    #[test]
    fn no_series_and_no_answer_say_what_to_do() {
        let text = rendered(&CardinalityView { counted: Ok(CountedView::default()), ..view() });
        assert!(text.contains("No series fits.") && text.contains("Look at all series"), "{text}");
        let text = rendered(&CardinalityView { counted: Err("selection of <many>".into()), ..view() });
        assert!(text.contains("Nothing was counted: selection of &lt;many&gt;"), "{text}");
    }
}
