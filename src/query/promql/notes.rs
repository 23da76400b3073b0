//! Warnings and infos about an answer: each once, with the place that it is about.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::ast::Span;
use crate::clock::UnixMillis;
use crate::query::buckets::Forced;
use crate::query::number::{shortest, significant};
use crate::query::place::line_and_column;

/// Collects notes while a query is evaluated.
#[derive(Default)]
pub(super) struct Notes {
    /// By the text without a place: of equal ones the last place counts, as in Prometheus.
    texts: RefCell<BTreeMap<String, Span>>,
    forced: RefCell<BTreeMap<String, (Span, Monotonicity)>>,
}

/// What was mended in classic histograms whose buckets decrease.
struct Monotonicity {
    forced: Forced,
    first: UnixMillis,
    last: UnixMillis,
    count: u64,
}

impl Notes {
    /// Adds that something may be wrong.
    pub fn warn(&self, span: &Span, text: &str) {
        self.texts.borrow_mut().insert(format!("PromQL warning: {text}"), span.clone());
    }

    /// Adds something worth knowing.
    pub fn inform(&self, span: &Span, text: &str) {
        self.texts.borrow_mut().insert(format!("PromQL info: {text}"), span.clone());
    }

    /// Adds that a quantile is none.
    pub fn check_quantile(&self, span: &Span, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            self.warn(span, &format!("quantile value should be between 0 and 1, got {}", shortest(q)));
        }
    }

    /// Adds that a ratio is none, and what is taken for it.
    pub fn check_ratio(&self, span: &Span, least: f64, greatest: f64) {
        let check = |is_over: bool, ratio: f64, cap: &str| {
            if is_over {
                let ratio = shortest(ratio);
                let text = format!("ratio value should be between -1 and 1, got {ratio}, capping to {cap}");
                self.warn(span, &text);
            }
        };
        check(greatest > 1.0, greatest, "1");
        check(least < -1.0, least, "-1");
    }

    /// Adds that a bucket has no bound.
    pub fn bad_bucket(&self, span: &Span, metric: &str, bound: &str) {
        let text = format!("bucket label \"le\" is missing or has a malformed value of {bound:?}");
        self.warn(span, &with_metric(text, metric));
    }

    /// Adds that `rate` is taken of what by its name is no counter.
    pub fn check_counter(&self, span: &Span, metric: &str) {
        let is_counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|end| metric.ends_with(end));
        if !metric.is_empty() && !is_counter {
            let text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
            self.inform(span, &format!("{text} {metric:?}"));
        }
    }

    /// Adds that a histogram's buckets had to be made monotonic at a moment.
    pub fn forced_monotonic(&self, span: &Span, metric: &str, at: UnixMillis, forced: Forced) {
        let text = "PromQL info: input to histogram_quantile needed to be fixed for monotonicity \
                    (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let mut known = self.forced.borrow_mut();
        let new = Monotonicity { forced, first: at, last: at, count: 1 };
        match known.get_mut(&with_metric(text.into(), metric)) {
            Some((place, old)) => {
                *place = span.clone();
                old.first = old.first.min(at);
                old.last = old.last.max(at);
                old.count += 1;
                old.forced.min_bucket = old.forced.min_bucket.min(new.forced.min_bucket);
                old.forced.max_bucket = old.forced.max_bucket.max(new.forced.max_bucket);
                old.forced.max_diff = old.forced.max_diff.max(new.forced.max_diff);
            }
            None => {
                known.insert(with_metric(text.into(), metric), (span.clone(), new));
            }
        }
    }

    /// Returns warnings and infos, sorted, each with its place in the query.
    pub fn into_texts(self, query: &str) -> (Vec<String>, Vec<String>) {
        let place = |span: &Span| {
            let (line, column) = line_and_column(query, span.start);
            format!("({line}:{column})")
        };
        let forced = self.forced.into_inner().into_iter().map(|(text, (span, seen))| {
            let Monotonicity { forced, first, last, count } = seen;
            format!(
                "{text}, from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {} {}",
                shortest(forced.min_bucket),
                shortest(forced.max_bucket),
                significant(forced.max_diff, 2),
                rfc3339(first),
                rfc3339(last),
                place(&span),
            )
        });
        let texts =
            self.texts.into_inner().into_iter().map(|(text, span)| format!("{text} {}", place(&span)));
        texts.chain(forced).partition(|text| text.starts_with("PromQL warning"))
    }
}

fn with_metric(text: String, metric: &str) -> String {
    if metric.is_empty() { text } else { format!("{text} for metric name {metric:?}") }
}

/// A time to the second, as RFC 3339 writes it.
fn rfc3339(at: UnixMillis) -> String {
    let whole = jiff::Timestamp::from_second(at.0.div_euclid(1_000));
    whole.map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_notes_are_one_with_the_last_place() {
        let notes = Notes::default();
        notes.check_counter(&(5..6), "up");
        notes.check_counter(&(17..18), "up");
        notes.check_counter(&(1..2), "x_total");
        notes.check_quantile(&(3..4), 2.0);
        let (warnings, infos) = notes.into_texts("rate(up[5m]) +\nrate(up[5m])");
        assert_eq!(warnings, ["PromQL warning: quantile value should be between 0 and 1, got 2 (1:4)"]);
        assert_eq!(infos.len(), 1);
        assert!(infos[0].ends_with(r#"_bucket: "up" (2:3)"#), "{infos:?}");
    }
}
