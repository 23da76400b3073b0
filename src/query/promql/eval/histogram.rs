//! Quantiles and fractions of classic histograms: of series that are told apart by `le`, the
//! upper bounds of their buckets.

use super::call::texts;
use super::{Evaluator, Output};
use crate::clock::UnixMillis;
use crate::query::algebra::{ABSENT, Grid, Row, is_absent, merge_equal, present};
use crate::query::buckets::{Bucket, bucket_fraction, bucket_quantile};
use crate::query::number::open_metrics;
use crate::query::promql::Error;
use crate::query::promql::ast::Span;
use crate::query::promql::plan::Arg;
use crate::record::Labels;

/// The label that holds a bucket's upper bound.
const BUCKET_BOUND: &str = "le";

/// One histogram: the buckets' rows in the order of their bounds.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, Vec<f64>)>,
}

impl Histogram {
    /// The buckets that are there at a moment.
    fn at(&self, idx: usize) -> Vec<Bucket> {
        let present = self.buckets.iter().filter(|(_, counts)| !is_absent(counts[idx]));
        present
            .map(|(upper_bound, counts)| Bucket { upper_bound: *upper_bound, count: counts[idx] })
            .collect()
    }
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(&self, args: &[Arg], grid: Grid) -> Result<Output, Error> {
        let quantiles = self.numbers_of(args, 0, grid)?;
        let rows = self.rows_of(args, 1, grid)?;
        let [q_span, span] = [args[0].span.clone(), args[1].span.clone()];
        quantiles.iter().for_each(|q| self.notes.check_quantile(&q_span, *q));
        let histograms = self.histograms(rows, &span);
        let rows = histograms.iter().map(|histogram| {
            let values = self.quantiles(histogram, &quantiles, &span, grid);
            Row { labels: histogram.labels.clone(), values, drop_name: true }
        });
        Ok(Output::Rows(rows.filter(|row| !row.is_empty()).collect()))
    }

    pub(super) fn histogram_quantiles(&self, args: &[Arg], grid: Grid) -> Result<Output, Error> {
        let rows = self.rows_of(args, 0, grid)?;
        let span = args[0].span.clone();
        let label = texts(&args[1..]).first().map(|label| (*label).to_string()).unwrap_or_default();
        let histograms = self.histograms(rows, &span);
        let mut res = Vec::new();
        for arg in &args[2..] {
            let quantiles = self.numbers(&arg.node, grid)?;
            quantiles.iter().for_each(|q| self.notes.check_quantile(&arg.span, *q));
            for histogram in &histograms {
                let values = self.quantiles(histogram, &quantiles, &span, grid);
                res.extend(self.by_quantile(histogram, &label, &quantiles, &values)?);
            }
        }
        // At one moment the same quantile may be asked for twice, as long as the answer is not.
        Ok(Output::Rows(if grid.count == 1 { res } else { super::execution(merge_equal(res))? }))
    }

    pub(super) fn histogram_fraction(&self, args: &[Arg], grid: Grid) -> Result<Output, Error> {
        let (lower, upper) = (self.numbers_of(args, 0, grid)?, self.numbers_of(args, 1, grid)?);
        let rows = self.rows_of(args, 2, grid)?;
        let histograms = self.histograms(rows, &args[2].span);
        let row = |histogram: &Histogram| {
            let value = |idx: usize| {
                let mut buckets = histogram.at(idx);
                if buckets.is_empty() {
                    ABSENT
                } else {
                    present(bucket_fraction(lower[idx], upper[idx], &mut buckets))
                }
            };
            Row {
                labels: histogram.labels.clone(),
                values: (0..grid.count).map(value).collect(),
                drop_name: true,
            }
        };
        Ok(Output::Rows(histograms.iter().map(row).filter(|row| !row.is_empty()).collect()))
    }

    /// Puts the rows of each histogram together; a row without a bound is left out, and said.
    fn histograms(&self, rows: Vec<Row>, span: &Span) -> Vec<Histogram> {
        let mut places = std::collections::HashMap::new();
        let mut res: Vec<Histogram> = Vec::new();
        for row in rows {
            let Some(bound) = parse_bound(row.labels.get(BUCKET_BOUND)) else {
                self.notes.bad_bucket(span, row.labels.metric_name(), row.labels.get(BUCKET_BOUND));
                continue;
            };
            let labels = row.labels.without(&[BUCKET_BOUND]);
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                res.push(Histogram { labels, buckets: Vec::new() });
                res.len() - 1
            });
            res[place].buckets.push((bound, row.values));
        }
        for histogram in &mut res {
            histogram.buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        }
        res
    }

    fn quantiles(&self, histogram: &Histogram, quantiles: &[f64], span: &Span, grid: Grid) -> Vec<f64> {
        let value = |(idx, q): (usize, &f64)| {
            let mut buckets = histogram.at(idx);
            if buckets.is_empty() {
                return ABSENT;
            }
            let quantile = bucket_quantile(*q, &mut buckets);
            if let Some(forced) = quantile.forced {
                let at = UnixMillis(grid.at(idx));
                self.notes.forced_monotonic(span, histogram.labels.metric_name(), at, forced);
            }
            present(quantile.value)
        };
        quantiles.iter().enumerate().map(value).collect()
    }

    /// The rows of one histogram's quantiles, told apart by a label; a quantile may change from
    /// moment to moment.
    fn by_quantile(
        &self,
        histogram: &Histogram,
        label: &str,
        quantiles: &[f64],
        values: &[f64],
    ) -> Result<Vec<Row>, Error> {
        let mut res: Vec<(u64, Row)> = Vec::new();
        for (idx, (q, value)) in quantiles.iter().zip(values).enumerate() {
            if is_absent(*value) {
                continue;
            }
            let place = match res.iter().position(|(bits, _)| *bits == q.to_bits()) {
                Some(place) => place,
                None => {
                    self.budget.hold(values.len())?;
                    let labels = histogram.labels.with(label, &open_metrics(*q));
                    let row = Row { labels, values: vec![ABSENT; values.len()], drop_name: true };
                    res.push((q.to_bits(), row));
                    res.len() - 1
                }
            };
            res[place].1.values[idx] = *value;
        }
        Ok(res.into_iter().map(|(_, row)| row).collect())
    }
}

/// A bucket's bound as Go reads a float.
fn parse_bound(text: &str) -> Option<f64> {
    text.parse::<f64>().ok()
}
