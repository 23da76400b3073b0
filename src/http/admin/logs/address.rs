//! What an address of the log page asks for.
//!
//! Any query is read: what it does not understand it leaves out, and of a name that may come
//! once the last one counts.

use url::form_urlencoded;

use crate::http::admin::overview::window_of;
use crate::pages::admin::{
    FIELDS_MAX, FieldFilter, FieldOp, LEVELS, LOGQL_MAX_BYTES, LogFilter, Place, TEXT_MAX_BYTES,
    is_field_name,
};
use crate::query::logql;
use crate::record::access::cut;

/// What an address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Which lines.
    pub(super) filter: LogFilter,
    /// A line by its moment and the selector of its source, with so many neighbours.
    pub(super) around: Option<(i64, String, Option<usize>)>,
    /// The lines are to be counted, however long it takes.
    pub(super) counts: bool,
    /// So many lines are wanted.
    pub(super) limit: Option<usize>,
    /// The newest line that is known already.
    pub(super) since: Option<i64>,
}

/// Reads the query of an address.
pub(super) fn read(query: &str) -> Asked {
    let mut res = Asked::default();
    let filter = &mut res.filter;
    filter.window = window_of(query);
    let (mut field, mut around, mut source, mut n) = (Named::default(), None, String::new(), None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            // Who types a query where a text is looked for means the query.
            "q" if is_query(&value) => filter.logql = value.trim().to_string(),
            "q" => filter.text = cut(value.trim(), TEXT_MAX_BYTES).to_string(),
            "case" => filter.any_case = value == "1",
            "level" => filter.level = level(&value).to_string(),
            "job" => push(
                &mut filter.fields,
                Named { name: name.into(), value: value.into(), ..Named::default() }.read(),
            ),
            "f" => push(&mut filter.fields, FieldFilter::read(cut_field(&value))),
            "fn" => field.name = value.trim().to_string(),
            "fo" => field.op = FieldOp::read(&value).unwrap_or_default(),
            "fv" => field.value = cut(value.trim(), TEXT_MAX_BYTES).to_string(),
            "all" => filter.with_routine = value == "1",
            // A longer one is no longer the same query: it is told to be too long.
            "logql" | "query" => filter.logql = cut(value.trim(), LOGQL_MAX_BYTES + 1).to_string(),
            "before" => filter.place = value.parse().map_or(filter.place, Place::Before),
            "after" => filter.place = value.parse().map_or(filter.place, Place::After),
            "around" => around = value.parse().ok(),
            "source" => source = cut(&value, LOGQL_MAX_BYTES).to_string(),
            "n" => n = value.parse().ok(),
            "count" => res.counts = value == "1",
            "limit" => res.limit = value.parse().ok(),
            "since" => res.since = value.parse().ok(),
            _ => {}
        }
    }
    push(&mut filter.fields, field.read());
    res.around = around.filter(|_| !source.is_empty()).map(|at| (at, source, n));
    res
}

/// A condition whose parts stand apart.
#[derive(Default)]
struct Named {
    name: String,
    op: FieldOp,
    value: String,
}

impl Named {
    fn read(self) -> Option<FieldFilter> {
        // Every line lacks what nobody named.
        let is_one = is_field_name(&self.name) && !(self.value.is_empty() && self.op == FieldOp::Is);
        is_one.then_some(FieldFilter { name: self.name, op: self.op, value: self.value })
    }
}

fn push(fields: &mut Vec<FieldFilter>, field: Option<FieldFilter>) {
    if let Some(field) = field
        && fields.len() < FIELDS_MAX
        && !fields.contains(&field)
    {
        fields.push(field);
    }
}

fn is_query(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{') && text.len() <= LOGQL_MAX_BYTES && logql::parse(text).is_ok()
}

/// A value of the metadata may be longer than what is typed, such as a browser's name.
fn cut_field(text: &str) -> &str {
    const FIELD_MAX_BYTES: usize = 1_024;
    cut(text, FIELD_MAX_BYTES)
}

fn level(word: &str) -> &'static str {
    LEVELS.iter().find(|(key, _)| *key == word).map_or("", |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let filter = LogFilter {
            window: window_of("range=6h"),
            text: "a&b \"c\"".into(),
            any_case: true,
            level: "warn".into(),
            fields: vec![
                FieldFilter::is("job", "access"),
                FieldFilter { name: "url_path".into(), op: FieldOp::MatchesNot, value: "/x=~.*".into() },
            ],
            with_routine: true,
            logql: String::new(),
            place: Place::Before(12),
        };
        let address = filter.address();
        assert_eq!(read(address.split_once('?').unwrap().1).filter, filter);
        let raw =
            LogFilter { logql: "{a=~\"ü+\"} |= `&`".into(), place: Place::After(3), ..LogFilter::default() };
        assert_eq!(read(raw.address().split_once('?').unwrap().1).filter, raw);
    }

    #[test]
    fn the_parts_of_a_condition_become_one() {
        let fields = |query: &str| read(query).filter.fields;
        assert_eq!(fields("fn=a&fo=%21%3D&fv=+x+")[0].to_string(), "a!=x");
        assert_eq!(fields("job=shop&f=job%3Dshop"), [FieldFilter::is("job", "shop")]);
        for nothing in ["fn=&fo=%3D&fv=x", "fn=a&fv=", "job=", "f=", "f=a-b%3Dc", "fn=by&fv=x"] {
            assert_eq!(fields(nothing), [], "{nothing}");
        }
        assert_eq!(fields("fn=a&fo=%21%3D&fv=")[0].to_string(), "a!=");
    }

    #[test]
    fn a_query_may_be_typed_where_a_text_is_looked_for() {
        let of = |text: &str| {
            let filter =
                read(&format!("q={}", form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()))
                    .filter;
            (filter.text, filter.logql)
        };
        let query = "{job=\"access\"} | visitor=\"v\"";
        assert_eq!(of(query), (String::new(), query.to_string()));
        for text in ["{\"status\":500", "{", "{job=", "a {job=\"b\"}"] {
            assert_eq!(of(text), (text.to_string(), String::new()));
        }
        assert_eq!(read("query=%7Ba%3D%22b%22%7D").filter.logql, "{a=\"b\"}");
    }

    #[test]
    fn what_is_too_much_is_cut_or_left_out() {
        let many: String = (0..30).map(|n| format!("f=a{n}%3Dx&")).collect();
        assert_eq!(read(&many).filter.fields.len(), FIELDS_MAX);
        assert_eq!(read(&format!("q={}", "é".repeat(300))).filter.text.len(), TEXT_MAX_BYTES);
        assert_eq!(read("around=5").around, None);
        assert_eq!(read("around=5&source=%7Ba%3D%22b%22%7D&n=x").around, Some((5, "{a=\"b\"}".into(), None)));
        assert_eq!(read("level=loud&before=x&limit=-1&q=%FF%").filter.level, "");
    }
}
