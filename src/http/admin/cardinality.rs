//! What series there are, counted from their labels; no sample is read.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::AdminState;
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::explore::{QUERY_MAX_BYTES, parameter};
use super::gather::{GatherError, off_thread};
use super::guard;
use super::overview::window_of;
use crate::pages::admin::{
    self, CardinalityView, CountView, CountedView, LabelCountView, StoreFacts, Tab, Window,
};
use crate::query::promql::ast::VectorSelector;
use crate::query::promql::{condition, parse_selector};
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;
use crate::record::read::{MatchOp, Matcher, SeriesSelect};

/// Rows of each list: what makes series many is at their top.
const TOP: usize = 20;

/// Values of the label that is looked at.
const VALUES_TOP: usize = 100;

/// `GET /admin/metrics/cardinality`; `match`, `label`, and the time as everywhere.
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let [selector, label] = ["match", "label"].map(|name| parameter(req.query_string(), name));
    match view(&state, selector, label, window_of(req.query_string())).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Metrics);
            let page = state.stages().run("render", || admin::cardinality(&frame, &view).into_string());
            html(StatusCode::OK, page)
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

async fn view(
    state: &Arc<AdminState>,
    selector: String,
    label: String,
    window: Window,
) -> Result<CardinalityView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| {
        let StoreFacts { n_series: n_written, n_series_max: n_written_max, .. } = (state.parts.store)();
        let read = matchers(&selector);
        let conditions = read.as_deref().map(conditions).unwrap_or_default();
        let counted =
            read.and_then(|matchers| stages.run("count series", || count(state, &matchers, &label, window)));
        CardinalityView { selector, conditions, label, window, n_written, n_written_max, counted }
    })
    .await
}

fn matchers(selector: &str) -> Result<Vec<Matcher>, String> {
    if selector.trim().is_empty() {
        return Ok(Vec::new());
    }
    if selector.len() > QUERY_MAX_BYTES {
        return Err(format!(
            "selector of {} bytes, no more than {QUERY_MAX_BYTES} are read here",
            selector.len()
        ));
    }
    parse_selector(selector).map(|selector| selector.matchers).map_err(|fault| fault.to_string())
}

fn conditions(matchers: &[Matcher]) -> Vec<(String, String)> {
    let one = |idx: usize| {
        let mut rest = matchers.to_vec();
        let text = condition(&rest.remove(idx));
        (text.replacen(METRIC_NAME, "name", usize::from(text.starts_with(METRIC_NAME))), selector(rest))
    };
    (0..matchers.len()).map(one).collect()
}

fn selector(matchers: Vec<Matcher>) -> String {
    VectorSelector::of(matchers).to_string()
}

fn count(
    state: &AdminState,
    matchers: &[Matcher],
    label: &str,
    window: Window,
) -> Result<CountedView, String> {
    let (from, to) = window.bounds(state.parts.clock.now_ms());
    let select = SeriesSelect { matchers: matchers.to_vec(), from, to };
    let sets = state.parts.metrics.label_sets(&select).map_err(|fault| fault.to_string())?;
    Ok(counted(&sets, matchers, label))
}

fn counted(sets: &[Labels], matchers: &[Matcher], label: &str) -> CountedView {
    // By label, then by value: how many series have it.
    let mut labels: HashMap<&str, HashMap<&str, u64>> = HashMap::new();
    for (name, value) in sets.iter().flat_map(Labels::iter) {
        *labels.entry(name).or_default().entry(value).or_default() += 1;
    }
    let metrics = labels.remove(METRIC_NAME).unwrap_or_default();
    let pairs = labels
        .iter()
        .flat_map(|(name, values)| values.iter().map(|(value, n_series)| ((*name, *value), *n_series)));
    let count_view = |name: String, (label, value): (&str, &str), n_series: u64| CountView {
        name,
        n_series,
        selector: narrowed(matchers, label, value),
    };
    let of_label = |label: &str, values: &HashMap<&str, u64>, n_max: usize| -> Vec<CountView> {
        let top = most(values.iter().map(|(value, n)| (*value, *n)), n_max);
        top.into_iter().map(|(value, n)| count_view(value.into(), (label, value), n)).collect()
    };
    let pair = |((label, value), n_series): ((&str, &str), u64)| {
        count_view(condition(&Matcher::equal(label, value)), (label, value), n_series)
    };
    let mut label_counts: Vec<LabelCountView> = labels
        .iter()
        .map(|(name, values)| LabelCountView {
            name: (*name).into(),
            n_values: values.len() as u64,
            n_series: values.values().sum(),
        })
        .collect();
    label_counts.sort_by(|one, other| {
        (other.n_values, other.n_series, &one.name).cmp(&(one.n_values, one.n_series, &other.name))
    });
    label_counts.truncate(TOP);
    let looked_at = labels.get(label);
    CountedView {
        n_series: sets.len() as u64,
        n_metrics: metrics.len() as u64,
        n_labels: labels.len() as u64,
        metrics: of_label(METRIC_NAME, &metrics, TOP),
        labels: label_counts,
        pairs: most(pairs, TOP).into_iter().map(pair).collect(),
        values: looked_at.map(|values| of_label(label, values, VALUES_TOP)).unwrap_or_default(),
        n_values: looked_at.map_or(0, |values| values.len() as u64),
    }
}

/// Returns the `n_max` things that most series have, equal ones in their order.
fn most<T: Ord + Copy>(counts: impl Iterator<Item = (T, u64)>, n_max: usize) -> Vec<(T, u64)> {
    let mut res: Vec<(T, u64)> = counts.collect();
    let by_count = |one: &(T, u64), other: &(T, u64)| (other.1, one.0).cmp(&(one.1, other.0));
    if res.len() > n_max {
        res.select_nth_unstable_by(n_max, by_count);
        res.truncate(n_max);
    }
    res.sort_unstable_by(by_count);
    res
}

/// Returns the selector with one more condition.
fn narrowed(matchers: &[Matcher], label: &str, value: &str) -> String {
    let is_same = |matcher: &&Matcher| {
        matcher.name == label && matches!(&matcher.op, MatchOp::Equal(known) if known == value)
    };
    let mut all = matchers.to_vec();
    if !matchers.iter().any(|matcher| is_same(&matcher)) {
        all.push(Matcher::equal(label, value));
    }
    selector(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<Labels> {
        let mut res: Vec<Labels> = (0..50)
            .map(|n| Labels::new([("__name__", "requests"), ("job", "shop"), ("path", &format!("/{n:02}"))]))
            .collect();
        res.push(Labels::new([("__name__", "up"), ("job", "shop")]));
        res.push(Labels::new([("__name__", "up"), ("job", "blog")]));
        res
    }

    fn rows(counts: &[CountView]) -> Vec<(&str, u64, &str)> {
        counts.iter().map(|count| (count.name.as_str(), count.n_series, count.selector.as_str())).collect()
    }

    #[test]
    fn series_are_counted_by_metric_label_and_pair() {
        let found = counted(&sets(), &[], "path");
        assert_eq!((found.n_series, found.n_metrics, found.n_labels, found.n_values), (52, 2, 2, 50));
        assert_eq!(rows(&found.metrics), [("requests", 50, "requests"), ("up", 2, "up")]);
        let labels: Vec<_> =
            found.labels.iter().map(|row| (row.name.as_str(), row.n_values, row.n_series)).collect();
        assert_eq!(labels, [("path", 50, 50), ("job", 2, 52)]);
        assert_eq!(
            rows(&found.pairs)[..2],
            [("job=\"shop\"", 51, "{job=\"shop\"}"), ("job=\"blog\"", 1, "{job=\"blog\"}"),]
        );
        assert_eq!(found.pairs.len(), TOP);
        assert_eq!(rows(&found.values)[0], ("/00", 1, "{path=\"/00\"}"));
        assert_eq!(found.values.len(), 50);
        // None of them has it.
        assert!(counted(&sets(), &[], "absent").values.is_empty());
    }

    #[test]
    fn a_row_narrows_what_is_selected() {
        let selected = matchers("requests{path!=\"/00\"}").unwrap();
        assert_eq!(narrowed(&selected, "job", "shop"), "requests{job=\"shop\",path!=\"/00\"}");
        assert_eq!(narrowed(&selected, METRIC_NAME, "requests"), "requests{path!=\"/00\"}");
        let expect = [
            ("path!=\"/00\"".to_string(), "requests".to_string()),
            ("name=\"requests\"".to_string(), "{path!=\"/00\"}".to_string()),
        ];
        assert_eq!(conditions(&selected), expect);
    }

    #[test]
    fn a_selector_that_is_none_says_where() {
        assert_eq!(matchers("").unwrap().len(), 0);
        assert!(matchers("up{").unwrap_err().contains("unexpected end of input inside braces"));
        assert!(matchers(&"x".repeat(QUERY_MAX_BYTES + 1)).unwrap_err().contains("no more than"));
    }
}
