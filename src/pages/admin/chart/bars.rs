//! Bars that stand on each other: how many there were in each step, and of what kind.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Chart, HEIGHT, WIDTH, nice_above, pointed};
use crate::pages::admin::format;
use crate::pages::admin::lang::Lang;

/// A chart whose values are counts of the steps; the first line's bars stand on the axis.
pub struct Bars<'a>(pub Chart<'a>);

/// The share of a step that its bar takes.
const FULLNESS: f64 = 0.86;

impl Bars<'_> {
    /// Draws the chart with its legend and its table.
    pub fn render(&self, lang: Lang) -> Markup {
        let chart = &self.0;
        let is_empty = chart.is_empty();
        html! {
            figure.chart.bars id={ "chart-" (chart.id) } data-chart=[(!is_empty).then(|| self.data().to_string())] {
                figcaption {
                    h2.h3 { (chart.title) }
                    (pointed(is_empty))
                    p.legend { @for idx in 0..chart.lines.len() { (self.legend(lang, idx)) } }
                }
                @if is_empty {
                    p.empty { (chart.empty) }
                } @else {
                    (self.plot(lang))
                    (chart.table(lang))
                }
            }
        }
    }

    /// Returns what the script draws.
    pub fn data(&self) -> serde_json::Value {
        let mut res = self.0.data();
        res["bars"] = true.into();
        res["top"] = self.top().into();
        res
    }

    /// The name of a kind, and how many there are in all.
    fn legend(&self, lang: Lang, idx: usize) -> Markup {
        let line = &self.0.lines[idx];
        let total: f64 = line.values.iter().flatten().sum();
        html! {
            span.(line.class) {
                svg.key viewBox="0 0 20 10" aria-hidden="true" { path.fill d="M4 0H16V10H4Z" {} }
                (line.name) " "
                b data-now="" { (format::count(lang, total.round() as u64)) }
            }
        }
    }

    fn plot(&self, lang: Lang) -> Markup {
        let chart = &self.0;
        let top = self.top();
        let (title_id, desc_id) = (format!("{}-title", chart.id), format!("{}-desc", chart.id));
        html! {
            div.plot {
                div.y aria-hidden="true" {
                    span { (chart.unit.write(lang, top)) }
                    span { (chart.unit.write(lang, top / 2.0)) }
                    span { (chart.unit.write(lang, 0.0)) }
                }
                svg.lines viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                    aria-labelledby={ (title_id) " " (desc_id) } {
                    title id=(title_id) { (chart.title) }
                    desc id=(desc_id) { (self.description(lang)) }
                    path.grid d={ "M0 0H" (WIDTH) "M0 " (HEIGHT / 2.0) "H" (WIDTH) "M0 " (HEIGHT) "H" (WIDTH) } {}
                    @for idx in 0..chart.lines.len() {
                        path.fill.(chart.lines[idx].class) d=(self.path(idx, top)) {}
                    }
                    @for mark in chart.marks {
                        @if let Some(x) = self.place(mark.at.0) {
                            path.mark.(mark.kind.class()).bad[!mark.is_good] d={ "M" (x) " 0V" (HEIGHT) } {}
                        }
                    }
                }
                div.x aria-hidden="true" {
                    @for at in chart.ticks() { (chart.tick(at)) }
                }
            }
        }
    }

    fn description(&self, lang: Lang) -> String {
        let count = |value: f64| format::count(lang, value.round() as u64);
        let said = |idx: usize| {
            let line = &self.0.lines[idx];
            let values = || line.values.iter().flatten();
            let (total, most) = (count(values().sum()), count(values().copied().fold(0.0, f64::max)));
            lang.trf(
                "{name}: {total} in all, at most {most} in one step. ",
                &[("name", &line.name), ("total", &total), ("most", &most)],
            )
        };
        (0..self.0.lines.len()).map(said).collect()
    }

    /// Returns where a moment lies across the box; none outside it.
    fn place(&self, at_ns: i64) -> Option<f64> {
        let (first, last) = (self.0.at.first()?.0, self.0.at.last()?.0);
        let begin = first.saturating_sub(i64::try_from(self.0.step.as_nanos()).ok()?);
        let share = (at_ns - begin) as f64 / (last - begin).max(1) as f64;
        (0.0..=1.0).contains(&share).then(|| (share * WIDTH * 10.0).round() / 10.0)
    }

    /// Draws the bars of one kind above those of the kinds before it.
    fn path(&self, idx: usize, top: f64) -> String {
        let gap = WIDTH / self.0.at.len().max(1) as f64;
        let (width, aside) = (gap * FULLNESS, gap * (1.0 - FULLNESS) / 2.0);
        let height = |value: f64| HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0));
        let mut res = String::new();
        for step in 0..self.0.at.len() {
            let own = self.0.lines[idx].values[step].unwrap_or(0.0);
            if own <= 0.0 {
                continue;
            }
            let below = self.sum(step, idx);
            let (x, from, to) = (step as f64 * gap + aside, height(below), height(below + own));
            // Writing to a String cannot fail.
            let _ = write!(res, "M{x:.1} {from:.1}V{to:.1}h{width:.1}V{from:.1}Z");
        }
        res
    }

    /// Returns how many there are in a step of the first so many kinds.
    fn sum(&self, step: usize, n_kinds: usize) -> f64 {
        self.0.lines[..n_kinds].iter().filter_map(|line| line.values[step]).sum()
    }

    fn top(&self) -> f64 {
        let n_kinds = self.0.lines.len();
        let highest = (0..self.0.at.len()).map(|step| self.sum(step, n_kinds)).fold(self.0.top_min, f64::max);
        nice_above(highest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::UnixNanos;
    use crate::pages::admin::chart::{Behind, Line};
    use crate::pages::admin::format::Unit;

    fn bars<'a>(at: &'a [UnixNanos], errors: &'a [Option<f64>], rest: &'a [Option<f64>]) -> Bars<'a> {
        Bars(Chart {
            id: "n",
            title: "Lines",
            unit: Unit::Number,
            at,
            step: Duration::from_secs(60),
            lines: vec![
                Line { name: "errors", class: "l4", values: errors },
                Line { name: "rest", class: "l1", values: rest },
            ],
            empty: "nothing",
            top_min: 1.0,
            marks: &[],
            behind: Some(Behind::Lines("/admin/logs?q=x")),
            query: None,
        })
    }

    #[test]
    fn kinds_stand_on_each_other_and_the_axis_holds_all_of_them() {
        let at = [60, 120].map(|seconds| UnixNanos(seconds * 1_000_000_000));
        let (errors, rest) = ([Some(1.0), None], [Some(3.0), Some(2.0)]);
        let bars = bars(&at, &errors, &rest);
        assert_eq!(bars.top(), 4.0);
        assert_eq!(bars.path(0, 4.0), "M21.0 120.0V90.0h258.0V120.0Z");
        assert_eq!(bars.path(1, 4.0), "M21.0 90.0V0.0h258.0V90.0ZM321.0 120.0V60.0h258.0V120.0Z");
        let text = bars.render(Lang::En).into_string();
        assert!(
            text.contains("errors <b data-now=\"\">1</b>") && text.contains("rest <b data-now=\"\">5</b>")
        );
        assert!(text.contains("/admin/logs?q=x&amp;from=60000&amp;to=120000"), "{text}");
        assert!(text.contains("rest: 5 in all, at most 3 in one step."), "{text}");
        assert_eq!(bars.data()["bars"], true);
    }

    #[test]
    fn moments_lie_in_the_bars_of_their_steps() {
        let at = [60, 120].map(|seconds| UnixNanos(seconds * 1_000_000_000));
        let values = [Some(1.0), Some(1.0)];
        let bars = bars(&at, &values, &values);
        assert_eq!(bars.place(0), Some(0.0));
        assert_eq!(bars.place(90_000_000_000), Some(450.0));
        assert_eq!(bars.place(-1), None);
    }

    #[test]
    fn nothing_counted_says_so() {
        let text = bars(&[UnixNanos(0)], &[None], &[None]).render(Lang::En).into_string();
        assert!(text.contains("nothing") && !text.contains("data-chart"));
    }
}
