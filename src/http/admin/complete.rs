//! What may come next in a query that is being written.
//!
//! Where the cursor stands is found by the language ([`cursor`]); this fills in the names that
//! the store has, what is known of them, and puts the most fitting first. An answer has at
//! most [`ITEMS_MAX`] offers.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::AdminState;
use super::explore::{QUERY_MAX_BYTES, names_of, parameter, refused, utf16};
use super::gather::off_thread;
use super::overview::window_of;
use super::{guard, language};
use crate::clock::UnixMillis;
use crate::pages::admin::{Lang, Window, promql_help};
use crate::query::promql::ast::AggregateOp;
use crate::query::promql::signature::{FUNCTIONS, Function};
use crate::query::promql::{Cursor, Offer, cursor};
use crate::query::quote::quoted;
use crate::record::labels::METRIC_NAME;
use crate::record::read::{Matcher, MetricRead, ReadError};
use crate::record::{Metadata, MetricKind};

/// Offers of one answer: more than anybody looks through; typing on narrows them.
const ITEMS_MAX: usize = 50;

/// A longer name or value is no help to whoever types.
const NAME_MAX_BYTES: usize = 256;

/// Functions of native histograms, which the store does not hold: they would have no answer.
const OF_NATIVE: [&str; 5] =
    ["histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum"];

/// What is written most comes before what is written seldom.
const COMMON: [&str; 14] = [
    "avg",
    "avg_over_time",
    "count",
    "delta",
    "histogram_quantile",
    "increase",
    "label_replace",
    "max",
    "max_over_time",
    "min",
    "rate",
    "sort_desc",
    "sum",
    "topk",
];

/// Durations that are offered where none has begun.
const DURATIONS: [&str; 8] = ["30s", "1m", "5m", "15m", "1h", "6h", "1d", "7d"];

/// `GET /admin/metrics/complete`: offers for the query `q` at the place `at`, in units of UTF-16;
/// the names are those of the time that the page looks at.
pub(super) async fn complete(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if guard::session(&state, &req).await.is_none() {
        return refused();
    }
    let query = parameter(req.query_string(), "q");
    let at = parameter(req.query_string(), "at").parse().unwrap_or(usize::MAX);
    let (window, lang) = (window_of(req.query_string()), language::of(&req));
    if query.len() > QUERY_MAX_BYTES {
        return HttpResponse::Ok().json(json!({ "items": [] }));
    }
    let state = state.into_inner();
    let completed = off_thread(&state, move |state| {
        let now = state.parts.clock.now_ms();
        let names = Names { metrics: &*state.parts.metrics, window, now, lang };
        names.complete(&query, byte(&query, at))
    });
    match completed.await {
        Ok(Ok(completed)) => HttpResponse::Ok().json(completed),
        // Too many series for a list of names: whoever types on selects fewer.
        Ok(Err(fault)) => HttpResponse::Ok().json(json!({ "items": [], "error": fault.to_string() })),
        Err(err) => HttpResponse::ServiceUnavailable().json(json!({ "error": err.to_string() })),
    }
}

/// Returns the byte at so many units of UTF-16.
fn byte(text: &str, at: usize) -> usize {
    let mut n_units = 0;
    for (byte, character) in text.char_indices() {
        if n_units >= at {
            return byte;
        }
        n_units += character.len_utf16();
    }
    text.len()
}

/// One offer.
struct Item {
    /// What is matched and shown.
    label: String,
    /// What is written.
    text: String,
    kind: &'static str,
    /// A few words beside it.
    note: String,
    /// A sentence below.
    help: String,
}

impl Item {
    fn new(kind: &'static str, label: impl Into<String>, text: impl Into<String>) -> Self {
        Item { label: label.into(), text: text.into(), kind, note: String::new(), help: String::new() }
    }
}

/// Where names are looked up.
struct Names<'a> {
    metrics: &'a dyn MetricRead,
    window: Window,
    now: UnixMillis,
    lang: Lang,
}

impl Names<'_> {
    fn complete(&self, query: &str, at: usize) -> Result<Value, ReadError> {
        let Cursor { prefix, replaced, offers } = cursor(query, at);
        let mut items = Vec::new();
        for offer in &offers {
            self.put(offer, &prefix, &mut items)?;
        }
        let mut ranked: Vec<(usize, Item)> = items
            .into_iter()
            .filter(|item| item.label.len() <= NAME_MAX_BYTES)
            .filter_map(|item| Some((rank(&item.label, &prefix)?, item)))
            .collect();
        // What is complete already is no offer.
        ranked.retain(|(_, item)| query[replaced.clone()] != item.text);
        // Who has typed nothing yet begins with a metric.
        let is_later = |item: &Item| prefix.is_empty() && matches!(item.kind, "function" | "aggregation");
        ranked.sort_by(|(one_rank, one), (other_rank, other)| {
            let key = |rank: usize, item: &Item| {
                (rank, is_later(item), item.kind != "metric" && !COMMON.contains(&item.label.as_str()))
            };
            // Durations come in their order.
            let name = |item: &Item| (item.kind != "duration").then(|| item.label.clone());
            key(*one_rank, one).cmp(&key(*other_rank, other)).then_with(|| name(one).cmp(&name(other)))
        });
        let n_more = ranked.len().saturating_sub(ITEMS_MAX);
        ranked.truncate(ITEMS_MAX);
        let items: Vec<Value> = ranked
            .into_iter()
            .map(|(_, Item { label, text, kind, note, help })| {
                json!({ "label": label, "text": text, "kind": kind, "note": note, "help": help })
            })
            .collect();
        let (from, to) = (utf16(query, replaced.start), utf16(query, replaced.end));
        Ok(json!({ "from": from, "to": to, "items": items, "more": n_more }))
    }

    fn put(&self, offer: &Offer, prefix: &str, items: &mut Vec<Item>) -> Result<(), ReadError> {
        match offer {
            Offer::Operand => {
                let offered = FUNCTIONS.iter().filter(|function| !OF_NATIVE.contains(&function.name));
                items.extend(offered.map(|function| self.function(function)));
                items.extend(AggregateOp::ALL.iter().map(|op| self.aggregation(*op)));
                items.extend(self.metric_names()?);
            }
            Offer::Word(word) => {
                let text = match *word {
                    "=" | "!=" | "=~" | "!~" => format!("{word}\""),
                    "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" => {
                        format!("{word} (")
                    }
                    "start()" | "end()" => (*word).to_string(),
                    _ => format!("{word} "),
                };
                items.push(Item { help: self.help(word), ..Item::new("word", *word, text) });
            }
            Offer::Duration { closes } => {
                let behind = if *closes { "]" } else { "" };
                let item = |duration: String| {
                    let text = format!("{duration}{behind}");
                    Item::new("duration", duration, text)
                };
                if prefix.is_empty() {
                    items.extend(DURATIONS.into_iter().map(|duration| item(duration.to_string())));
                } else if prefix.bytes().all(|digit| digit.is_ascii_digit()) {
                    let units = ["s", "m", "h", "d", "w"];
                    items.extend(units.into_iter().map(|unit| item(format!("{prefix}{unit}"))));
                }
            }
            Offer::LabelName(matchers) => {
                let names = self.metrics.label_names(&self.select(matchers.clone()))?;
                let names = names.into_iter().filter(|name| name != METRIC_NAME);
                items.extend(names.map(|name| {
                    let text = format!("{}=\"", label_name(&name));
                    Item::new("label", name, text)
                }));
            }
            Offer::LabelValue { matchers, label, quote } => {
                let values = self.metrics.label_values(label, &self.select(matchers.clone()))?;
                items.extend(values.into_iter().map(|value| {
                    let text = in_quotes(&value, *quote);
                    Item::new("value", value, text)
                }));
            }
            Offer::Grouping(selectors) => {
                let mut names = BTreeSet::new();
                for matchers in selectors {
                    names.extend(self.metrics.label_names(&self.select(matchers.clone()))?);
                }
                if selectors.is_empty() {
                    names.extend(self.metrics.label_names(&self.select(Vec::new()))?);
                }
                let names = names.into_iter().filter(|name| name != METRIC_NAME || prefix.starts_with('_'));
                items.extend(names.map(|name| {
                    let text = label_name(&name);
                    Item::new("label", name, text)
                }));
            }
        }
        Ok(())
    }

    fn select(&self, matchers: Vec<Matcher>) -> crate::record::read::SeriesSelect {
        names_of(matchers, self.window, self.now)
    }

    fn help(&self, word: &str) -> String {
        promql_help(self.lang, word).unwrap_or_default().to_string()
    }

    fn function(&self, function: &Function) -> Item {
        Item {
            note: signature(function),
            help: self.help(function.name),
            ..Item::new("function", function.name, format!("{}(", function.name))
        }
    }

    fn aggregation(&self, op: AggregateOp) -> Item {
        let name = op.as_str();
        let parameter = op.parameter().map_or(String::new(), |kind| format!("{}, ", kind.as_str()));
        let note = format!("({parameter}instant vector) by (…)");
        Item { note, help: self.help(name), ..Item::new("aggregation", name, format!("{name}(")) }
    }

    fn metric_names(&self) -> Result<Vec<Item>, ReadError> {
        let names = self.metrics.label_values(METRIC_NAME, &self.select(Vec::new()))?;
        let known = self.metrics.metadata();
        Ok(names
            .into_iter()
            .map(|name| {
                let (note, help) = about(&name, &known).unwrap_or_default();
                Item { note, help, ..Item::new("metric", name.clone(), name) }
            })
            .collect())
    }
}

/// Returns the type with its unit, and the meaning, of a metric.
fn about(name: &str, known: &[Metadata]) -> Option<(String, String)> {
    let find = |name: &str| known.iter().find(|metadata| metadata.name == name);
    let of_histogram = || {
        let ends = ["_bucket", "_count", "_sum"];
        let base = ends.into_iter().find_map(|end| name.strip_suffix(end))?;
        find(base).filter(|metadata| metadata.kind == MetricKind::Histogram)
    };
    let found = find(name).or_else(of_histogram)?;
    let unit = if found.unit.is_empty() { String::new() } else { format!(", {}", found.unit) };
    Some((format!("{}{unit}", found.kind.as_str()), found.help.clone()))
}

/// Writes the arguments of a function and its answer.
fn signature(function: &Function) -> String {
    let n_args = function.args_max.unwrap_or(function.args_min + 1).min(function.args_min + 2);
    let mut args = Vec::new();
    for idx in 0..n_args {
        let Some(kind) = function.arg(idx) else { break };
        let name = kind.as_str();
        args.push(if idx < function.args_min { name.to_string() } else { format!("[{name}]") });
    }
    let more = if function.args_max.is_none_or(|max| max > n_args) { ", …" } else { "" };
    format!("({}{more}) → {}", args.join(", "), function.returns.as_str())
}

/// Returns a label's name, in quotes if it needs them.
fn label_name(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_plain { name.to_string() } else { quoted(name) }
}

/// Writes a value in the quotes that have begun, or in double ones.
fn in_quotes(value: &str, quote: Option<char>) -> String {
    match quote {
        Some('`') if !value.contains('`') => format!("`{value}`"),
        Some('\'') => {
            let inner = quoted(value);
            let inner = inner[1..inner.len() - 1].replace("\\\"", "\"").replace('\'', "\\'");
            format!("'{inner}'")
        }
        _ => quoted(value),
    }
}

/// Returns how well a name fits what was begun, the best first; none when it does not.
fn rank(name: &str, prefix: &str) -> Option<usize> {
    if name.starts_with(prefix) {
        return Some(0);
    }
    let (name, prefix) = (name.to_lowercase(), prefix.to_lowercase());
    let at = name.find(&prefix)?;
    let begins_word = at == 0 || !name[..at].ends_with(char::is_alphanumeric);
    Some(if begins_word { 1 } else { 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::memory::MemoryStore;

    const NOW: i64 = 1_795_000_000_000;

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        for (name, job, path) in [
            ("http_requests_total", "shop", "/"),
            ("http_requests_total", "shop", "/a\"b"),
            ("http_requests_total", "blog", "/it's"),
            ("up", "blog", ""),
            ("sales_total", "shop", ""),
        ] {
            store.sample(&[("__name__", name), ("job", job), ("path", path)], NOW - 60_000, 1.0);
        }
        store.sample(&[("__name__", "old"), ("job", "gone")], NOW - 2 * 86_400_000, 1.0);
        store
    }

    /// Returns what is replaced and what would be written, where `|` stands.
    fn completed(text: &str) -> (String, Vec<String>) {
        let store = store();
        let at = text.find('|').unwrap();
        let query = text.replacen('|', "", 1);
        let names =
            Names { metrics: &store, window: Window::default(), now: UnixMillis(NOW), lang: Lang::En };
        let found = names.complete(&query, at).unwrap();
        let place = |name: &str| byte(&query, found[name].as_u64().unwrap() as usize);
        let texts = found["items"].as_array().unwrap().iter();
        let texts = texts.map(|item| item["text"].as_str().unwrap().to_string()).collect();
        (query[place("from")..place("to")].to_string(), texts)
    }

    fn check(text: &str, replaced: &str, expect: &[&str]) {
        let (found, texts) = completed(text);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!((found.as_str(), texts.as_slice()), (replaced, expect), "{text}");
    }

    #[test]
    fn names_are_offered_where_they_fit() {
        check("http|", "http", &["http_requests_total"]);
        check("sum(rate(HTTP_R|", "HTTP_R", &["http_requests_total"]);
        // A word inside the name, before a part of one.
        check("requests|", "requests", &["http_requests_total"]);
        check("sal|", "sal", &["sales_total"]);
        check("tota|l", "total", &["http_requests_total", "sales_total"]);
        check("up{|", "", &["job=\""]);
        check("http_requests_total{pa|}", "pa", &["path=\""]);
        check("http_requests_total{job=|}", "", &["\"blog\"", "\"shop\""]);
        check("http_requests_total{path=~\"|\"}", "\"\"", &["\"/\"", "\"/a\\\"b\"", "\"/it's\""]);
        check("http_requests_total{path='/i|", "'/i", &["'/it\\'s'"]);
        check("http_requests_total{path='/a|", "'/a", &["'/a\"b'"]);
        check("http_requests_total{job=\"shop\",path=|}", "", &["\"/\"", "\"/a\\\"b\""]);
        check("sum by (|) (http_requests_total)", "", &["job", "path"]);
        check("sum by (j|) (up)", "j", &["job"]);
        // What is written out is no offer, and what ended long ago is none.
        check("sales_total|", "sales_total", &[]);
        check("old|", "old", &[]);
    }

    #[test]
    fn words_and_durations_are_offered_where_they_mean_something() {
        check("up[|", "", &["30s]", "1m]", "5m]", "15m]", "1h]", "6h]", "1d]", "7d]"]);
        check("up[5|]", "5", &["5s", "5m", "5h", "5d", "5w"]);
        check("up of|", "of", &["offset "]);
        check("sum b|", "b", &["by ("]);
        check("up{job!|", "", &[]);
        check("hour|", "hour", &["hour("]);
        check("stddev|", "stddev", &["stddev(", "stddev_over_time("]);
        // The common one first.
        assert_eq!(completed("ra|").1[..3], ["rate(", "rad(", "range("]);
    }

    #[test]
    fn every_function_and_word_is_explained_in_every_language() {
        for lang in Lang::ALL {
            for name in FUNCTIONS.iter().map(|function| function.name) {
                assert!(OF_NATIVE.contains(&name) || promql_help(lang, name).is_some(), "{name}");
            }
            for op in AggregateOp::ALL {
                assert!(promql_help(lang, op.as_str()).is_some(), "{op:?}");
            }
            for query in ["a |", "a > |", "sum |", "sum(a) |", "a @ |", "a on (b) |", "a / on (b) |", "a{b |"]
            {
                for offer in cursor(&query.replace('|', ""), query.len() - 1).offers {
                    if let Offer::Word(word) = offer {
                        assert!(promql_help(lang, word).is_some(), "{word}");
                    }
                }
            }
        }
    }

    #[test]
    fn signatures_say_what_goes_in_and_what_comes_out() {
        let signature = |name| signature(Function::named(name).unwrap());
        assert_eq!(signature("rate"), "(range vector) → instant vector");
        assert_eq!(signature("time"), "() → scalar");
        assert_eq!(signature("round"), "(instant vector, [scalar]) → instant vector");
        assert_eq!(signature("label_join"), "(instant vector, string, string, [string], …) → instant vector");
    }

    #[test]
    fn a_metric_is_explained_by_what_is_known_of_it() {
        let known = [Metadata {
            name: "x_seconds".into(),
            kind: MetricKind::Histogram,
            unit: "seconds".into(),
            help: "Time.".into(),
        }];
        let expect = Some(("histogram, seconds".to_string(), "Time.".to_string()));
        assert_eq!(about("x_seconds_bucket", &known), expect);
        assert_eq!(about("x_seconds_total", &known), None);
    }

    #[test]
    fn places_are_counted_as_scripts_count() {
        let text = "a😀é";
        for (units, bytes) in [(0, 0), (1, 1), (3, 5), (4, 7), (99, 7)] {
            assert_eq!(byte(text, units), bytes, "{units}");
        }
        assert_eq!((utf16(text, 5), utf16(text, 3)), (3, 1));
    }

    #[test]
    fn an_answer_is_bounded() {
        let store = MemoryStore::default();
        for n in 0..200 {
            store.sample(&[("__name__", &format!("x_{n:03}"))], NOW - 60_000, 1.0);
        }
        store.sample(&[("__name__", &"x".repeat(NAME_MAX_BYTES + 1))], NOW - 60_000, 1.0);
        let names =
            Names { metrics: &store, window: Window::default(), now: UnixMillis(NOW), lang: Lang::En };
        let found = names.complete("x_0", 3).unwrap();
        assert_eq!(found["items"].as_array().unwrap().len(), ITEMS_MAX);
        assert_eq!(found["more"], 50);
    }
}
