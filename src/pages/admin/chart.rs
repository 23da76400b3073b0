//! Line charts as SVG, complete without a script.
//!
//! The lines are drawn in a box of fixed size that stretches to the page's width; the
//! numbers along the axes are HTML beside it, so that they stay readable on a phone. The
//! same values stand in a table for those who cannot see the lines, and for the script,
//! which reads them from there.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::format;
use crate::clock::UnixNanos;

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
    /// Writes a value with its unit.
    pub write: fn(f64) -> String,
    /// The end of each step.
    pub at: &'a [UnixNanos],
    /// The lines; the first is the strongest.
    pub lines: Vec<Line<'a>>,
    /// What to show where there is no value at all.
    pub empty: &'a str,
    /// The top of the axis is at least this, so that noise does not look like a mountain.
    pub top_min: f64,
    /// What a round number is here.
    pub scale: Scale,
}

/// The units in which the axis is round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Powers of ten.
    Decimal,
    /// Powers of 1024, for bytes.
    Binary,
}

/// One line of a chart.
pub struct Line<'a> {
    /// Its name in the legend and the table.
    pub name: &'a str,
    /// The class that colours it and gives it its dashes.
    pub class: &'a str,
    /// One place a step.
    pub values: &'a [Option<f64>],
}

impl Chart<'_> {
    /// Draws the chart with its legend and its table.
    pub fn render(&self) -> Markup {
        let is_empty = self.lines.iter().all(|line| line.values.iter().all(Option::is_none));
        html! {
            figure.chart id={ "chart-" (self.id) } data-chart="" {
                figcaption {
                    h3 { (self.title) }
                    p.legend { @for line in &self.lines { (self.legend(line)) } }
                }
                @if is_empty {
                    p.empty { (self.empty) }
                } @else {
                    (self.plot())
                    (self.table())
                }
            }
        }
    }

    fn legend(&self, line: &Line<'_>) -> Markup {
        let newest = line.values.iter().rev().flatten().next();
        html! {
            span.(line.class) {
                svg.key viewBox="0 0 20 4" aria-hidden="true" { path.line d="M0 2H20" {} }
                (line.name) " "
                b data-now="" { (newest.map_or(format::NONE.to_string(), |value| (self.write)(*value))) }
            }
        }
    }

    fn plot(&self) -> Markup {
        let top = self.top();
        let (title_id, desc_id) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        html! {
            div.plot {
                div.y aria-hidden="true" {
                    span { ((self.write)(top)) }
                    span { ((self.write)(top / 2.0)) }
                    span { ((self.write)(0.0)) }
                }
                svg.lines data-steps=(self.at.len()) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                    aria-labelledby={ (title_id) " " (desc_id) } {
                    title id=(title_id) { (self.title) }
                    desc id=(desc_id) { (self.description()) }
                    path.grid d={ "M0 0H" (WIDTH) "M0 " (HEIGHT / 2.0) "H" (WIDTH) "M0 " (HEIGHT) "H" (WIDTH) } {}
                    @if let Some(line) = self.lines.first() {
                        path.area.(line.class) d=(path(line.values, top, Shape::Area)) {}
                    }
                    @for line in self.lines.iter().rev() {
                        path.line.(line.class) d=(path(line.values, top, Shape::Line)) {}
                    }
                }
                div.x aria-hidden="true" {
                    @for at in self.ticks() { (format::minute(at)) }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            details id={ "table-" (self.id) } {
                summary { "As a table" }
                div.scroll tabindex="0" {
                    table {
                        thead { tr {
                            th scope="col" { "Until (" span data-zone="" { "UTC" } ")" }
                            @for line in &self.lines { th scope="col" { (line.name) } }
                        } }
                        tbody {
                            @for (idx, at) in self.rows() {
                                // The script finds the row for a place on the axis by it.
                                tr data-step=(idx) {
                                    th scope="row" { (format::minute(*at)) }
                                    @for line in &self.lines { td { (self.cell(line.values[idx])) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Returns the steps with a value, newest first.
    fn rows(&self) -> impl Iterator<Item = (usize, &UnixNanos)> {
        let has_value = |idx: usize| self.lines.iter().any(|line| line.values[idx].is_some());
        self.at.iter().enumerate().rev().filter(move |(idx, _)| has_value(*idx))
    }

    fn cell(&self, value: Option<f64>) -> String {
        value.map_or(format::NONE.to_string(), self.write)
    }

    /// First, middle and last moment: three labels fit the narrowest phone.
    fn ticks(&self) -> Vec<UnixNanos> {
        let n = self.at.len();
        [0, n / 2, n.saturating_sub(1)].iter().filter_map(|idx| self.at.get(*idx).copied()).collect()
    }

    fn top(&self) -> f64 {
        let values = self.lines.iter().flat_map(|line| line.values.iter().flatten());
        let highest = values.copied().filter(|value| value.is_finite()).fold(self.top_min, f64::max);
        match self.scale {
            Scale::Decimal => nice_above(highest),
            Scale::Binary => {
                let unit = 1024f64.powf(highest.max(1.0).log(1024.0).floor());
                nice_above(highest / unit) * unit
            }
        }
    }

    fn description(&self) -> String {
        let mut res = String::new();
        for line in &self.lines {
            let values = line.values.iter().flatten().copied().filter(|value| value.is_finite());
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            let (low, high) = ((self.write)(low), (self.write)(high));
            // Writing to a String cannot fail.
            let _ = write!(res, "{}: between {low} and {high}. ", line.name);
        }
        res
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Line,
    Area,
}

/// Draws each unbroken run of values; a step without a value is a gap, not a zero.
fn path(values: &[Option<f64>], top: f64, shape: Shape) -> String {
    let gap = WIDTH / (values.len().saturating_sub(1).max(1)) as f64;
    let mut res = String::new();
    let place = |idx: usize, value: f64| (idx as f64 * gap, HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0)));
    let is_value = |idx: usize| values.get(idx).copied().flatten().is_some_and(f64::is_finite);
    let mut begin = 0;
    while begin < values.len() {
        if !is_value(begin) {
            begin += 1;
            continue;
        }
        let end = (begin..values.len()).find(|idx| !is_value(*idx)).unwrap_or(values.len());
        let points = (begin..end).filter_map(|idx| Some(place(idx, values[idx]?)));
        run(&mut res, &points.collect::<Vec<_>>(), shape);
        begin = end;
    }
    res
}

fn run(res: &mut String, points: &[(f64, f64)], shape: Shape) {
    let ([(first_x, _), ..], [.., (last_x, last_y)]) = (points, points) else { return };
    for (idx, (x, y)) in points.iter().enumerate() {
        let step = if idx == 0 { 'M' } else { 'L' };
        // Writing to a String cannot fail.
        let _ = write!(res, "{step}{x:.1} {y:.1}");
    }
    let _ = match shape {
        Shape::Area => write!(res, "L{last_x:.1} {HEIGHT}L{first_x:.1} {HEIGHT}Z"),
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

    fn chart<'a>(at: &'a [UnixNanos], values: &'a [Option<f64>]) -> String {
        let lines = vec![Line { name: "all", class: "l1", values }];
        let (title, empty) = ("Requests <a second>", "nothing yet");
        Chart {
            id: "rate",
            title,
            write: format::number,
            at,
            lines,
            empty,
            top_min: 1.0,
            scale: Scale::Decimal,
        }
        .render()
        .into_string()
    }

    #[test]
    fn gaps_stay_gaps() {
        let values = [Some(1.0), Some(2.0), None, Some(4.0)];
        assert_eq!(path(&values, 4.0, Shape::Line), "M0.0 90.0L200.0 60.0M600.0 0.0M594.0 0.0h6");
        assert!(path(&[None, Some(f64::NAN)], 1.0, Shape::Line).is_empty());
    }

    #[test]
    fn table_has_the_steps_with_values_newest_first() {
        let at = [0, 60, 120].map(|seconds| UnixNanos(seconds * 1_000_000_000));
        let text = chart(&at, &[Some(1.0), None, Some(3.0)]);
        let steps: Vec<&str> = text.split("data-step=\"").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(steps, ["2", "0"]);
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
    fn chart_without_values_says_so() {
        assert!(chart(&[UnixNanos(0)], &[None]).contains("nothing yet"));
        assert!(chart(&[], &[]).contains("nothing yet"));
    }
}
