//! LogQL of the fields of the log page, and its fields of LogQL.
//!
//! What a store can leave out unread is said so that it can: labels of streams in the braces,
//! a text as it is in the line, levels as a list of words, values of the metadata by equality.

use crate::pages::admin::{FieldFilter, FieldOp, LogFilter};
use crate::query::logql::ast::{LabelFilter, LineFilter, LineMatch, LineOp, LogExpr, Stage};
use crate::query::logql::{DETECTED_LEVEL, parse_log};
use crate::query::quote::quoted;
use crate::record::read::{MatchOp, Matcher};

/// Every stream has this label, so this selects all of them.
const EVERY_STREAM: &str = "service_name=~\".+\"";

/// Leaves out what programs ask for again and again, and the owner's own page, when it went
/// well: that is most of a quiet server's lines and tells nothing about visitors.
const NO_ROUTINE: &str = "job!=\"access\" or http_response_status_code!~\"[23].*\" or \
     url_path!~\"/(health|ready|metrics|(assets/)?admin)(/.*)?\"";

/// The levels at or above one, by its key in the form.
const LEVELS: [(&str, &str); 4] = [
    ("debug", "debug|info|warn|error|fatal"),
    ("info", "info|warn|error|fatal"),
    ("warn", "warn|error|fatal"),
    ("error", "error|fatal"),
];

/// What a text that is looked for in any case begins with.
const ANY_CASE: &str = "(?i)";

/// Returns the query for what was asked: as it was written, or that of the fields.
/// `is_label` says which names are labels of streams.
pub(super) fn query(filter: &LogFilter, is_label: impl Fn(&str) -> bool) -> String {
    if !filter.logql.is_empty() {
        return filter.logql.clone();
    }
    let condition = |field: &&FieldFilter| {
        let FieldFilter { name, op, value } = field;
        format!("{name}{}{}", op.as_str(), quoted(value))
    };
    let (labels, others): (Vec<&FieldFilter>, Vec<&FieldFilter>) =
        filter.fields.iter().partition(|field| is_label(&field.name));
    // A query has to name something that a stream has.
    let names_something = labels.iter().any(|field| field.op == FieldOp::Is && !field.value.is_empty());
    let every = (!names_something).then(|| EVERY_STREAM.to_string());
    let matchers: Vec<String> = every.into_iter().chain(labels.iter().map(condition)).collect();
    let mut res = format!("{{{}}}", matchers.join(", "));
    if !filter.text.is_empty() {
        res += &match filter.any_case {
            true => format!(" |~ {}", quoted(&format!("{ANY_CASE}{}", regex::escape(&filter.text)))),
            false => format!(" |= {}", quoted(&filter.text)),
        };
    }
    if let Some((_, words)) = LEVELS.iter().find(|(key, _)| *key == filter.level) {
        res += &format!(" | {DETECTED_LEVEL}=~{}", quoted(words));
    }
    for field in &others {
        res += &format!(" | {}", condition(field));
    }
    if !filter.with_routine {
        res += &format!(" | {NO_ROUTINE}");
    }
    res
}

/// Reads the fields off a query that says no more than they can; none off any other.
pub(super) fn fields(log: &LogExpr) -> Option<LogFilter> {
    let mut res = LogFilter { with_routine: true, ..LogFilter::default() };
    for matcher in &log.matchers {
        let is_every = matcher.name == "service_name"
            && matches!(&matcher.op, MatchOp::Matches(pattern) if pattern.as_str() == ".+");
        if !is_every {
            res.fields.push(field(matcher));
        }
    }
    for stage in &log.stages {
        match stage {
            Stage::Line(filter) if res.text.is_empty() => (res.text, res.any_case) = text(filter)?,
            Stage::Label(LabelFilter::Text(matcher)) if matcher.name == DETECTED_LEVEL => {
                let MatchOp::Matches(words) = &matcher.op else { return None };
                let (key, _) = LEVELS.iter().find(|(_, known)| *known == words.as_str())?;
                if !std::mem::replace(&mut res.level, key.to_string()).is_empty() {
                    return None;
                }
            }
            Stage::Label(LabelFilter::Text(matcher)) => res.fields.push(field(matcher)),
            Stage::Label(filter) if res.with_routine && filter.to_string() == no_routine() => {
                res.with_routine = false;
            }
            _ => return None,
        }
    }
    Some(res)
}

/// What a query selects, when it selects by streams and levels alone; whether requests were probes is
/// left aside.
pub(super) struct Coarse<'a> {
    pub(super) matchers: &'a [Matcher],
    levels: Vec<&'a Matcher>,
}

impl Coarse<'_> {
    /// Returns true when lines of a level are wanted.
    pub(super) fn wants(&self, level: &str) -> bool {
        self.levels.iter().all(|matcher| matcher.accepts_value(level))
    }
}

/// Returns what a query selects by streams and levels; none when it looks at the lines.
pub(super) fn coarse(log: &LogExpr) -> Option<Coarse<'_>> {
    let mut levels = Vec::new();
    for stage in &log.stages {
        match stage {
            Stage::Label(LabelFilter::Text(matcher)) if matcher.name == DETECTED_LEVEL => {
                levels.push(matcher)
            }
            Stage::Label(filter) if filter.to_string() == no_routine() => {}
            _ => return None,
        }
    }
    Some(Coarse { matchers: &log.matchers, levels })
}

fn field(matcher: &Matcher) -> FieldFilter {
    let (op, value) = match &matcher.op {
        MatchOp::Equal(value) => (FieldOp::Is, value.as_str()),
        MatchOp::NotEqual(value) => (FieldOp::IsNot, value.as_str()),
        MatchOp::Matches(pattern) => (FieldOp::Matches, pattern.as_str()),
        MatchOp::MatchesNot(pattern) => (FieldOp::MatchesNot, pattern.as_str()),
    };
    FieldFilter { name: matcher.name.clone(), op, value: value.to_string() }
}

/// Returns the text that a filter looks for, and whether in any case.
fn text(filter: &LineFilter) -> Option<(String, bool)> {
    let [LineMatch::Text(text)] = &filter.alternatives[..] else { return None };
    match filter.op {
        LineOp::Contains => Some((text.clone(), false)),
        LineOp::Matches => {
            let escaped = text.strip_prefix(ANY_CASE)?;
            let plain = unescaped(escaped);
            (regex::escape(&plain) == escaped).then_some((plain, true))
        }
        _ => None,
    }
}

fn unescaped(expression: &str) -> String {
    let (mut res, mut chars) = (String::new(), expression.chars());
    while let Some(character) = chars.next() {
        res.push(if character == '\\' { chars.next().unwrap_or('\\') } else { character });
    }
    res
}

/// The condition as it is printed once it was read.
fn no_routine() -> String {
    let log = parse_log(&format!("{{{EVERY_STREAM}}} | {NO_ROUTINE}")).expect("the query is constant");
    match &log.stages[..] {
        [Stage::Label(filter)] => filter.to_string(),
        _ => unreachable!("it is one condition"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::pages::admin::is_field_name;
    use crate::query::logql::{Live, parse};
    use crate::record::{Labels, LogRecord, Severity};

    fn asked(filter: &LogFilter) -> String {
        query(filter, |name| matches!(name, "job" | "service_name"))
    }

    fn all() -> LogFilter {
        LogFilter { with_routine: true, ..LogFilter::default() }
    }

    #[test]
    fn fields_become_conditions_that_a_store_can_leave_lines_out_by() {
        assert_eq!(asked(&all()), "{service_name=~\".+\"}");
        let filter = LogFilter {
            text: "disk full".into(),
            level: "warn".into(),
            fields: vec![
                FieldFilter::is("trace_id", "4bf9"),
                FieldFilter::is("job", "shop"),
                FieldFilter { name: "service_name".into(), op: FieldOp::IsNot, value: "x".into() },
            ],
            ..all()
        };
        assert_eq!(
            asked(&filter),
            "{job=\"shop\", service_name!=\"x\"} |= \"disk full\" | detected_level=~\"warn|error|fatal\" \
             | trace_id=\"4bf9\""
        );
        let negative = FieldFilter { name: "job".into(), op: FieldOp::IsNot, value: "x".into() };
        let filter = LogFilter { fields: vec![negative], ..all() };
        assert_eq!(asked(&filter), "{service_name=~\".+\", job!=\"x\"}");
    }

    /// Texts that mean something to one of the languages that they pass through.
    const ODD: [&str; 12] = [
        "\"quoted\"",
        "back\\slash \\d",
        "`backtick`",
        "(90%) [a-z]+ .* ^$ a|b",
        "größer — 😀",
        "tab\tand\u{7f}",
        "{{.template}}",
        "# no comment // nor /* this */",
        "<script>alert(1)</script>",
        "\u{202e}turned",
        "(?i)x",
        "~&#-",
    ];

    #[test]
    fn whatever_is_typed_is_looked_for_and_nothing_else() {
        for text in ODD {
            for any_case in [false, true] {
                let field = FieldFilter::is("url_path", text);
                let filter = LogFilter { text: text.into(), any_case, fields: vec![field], ..all() };
                let query = asked(&filter);
                let log = parse_log(&query).unwrap_or_else(|fault| panic!("{query}: {fault}"));
                let mut live =
                    Live::new(log, UnixNanos(0)).unwrap_or_else(|fault| panic!("{query}: {fault}"));
                let record = |body: String, path: &str| LogRecord {
                    at: UnixNanos(1),
                    severity: Severity::Info,
                    stream: Labels::new([("service_name", "a")]),
                    metadata: vec![("url_path".into(), path.into())],
                    body,
                };
                let mut finds = |body: String, path: &str| live.line(record(body, path).view()).is_some();
                assert!(finds(format!("before {text} behind"), text), "{query}");
                assert!(!finds("before behind".into(), text), "{query}");
                assert!(!finds(format!("before {text} behind"), "/"), "{query}");
            }
        }
    }

    #[test]
    fn fields_are_read_off_the_query_that_was_made_of_them() {
        for text in ODD.into_iter().chain([""]) {
            for (any_case, level, with_routine) in
                [(false, "", true), (true, "error", false), (false, "debug", false), (true, "info", true)]
            {
                let mut fields = Vec::new();
                for op in FieldOp::ALL {
                    let value = if matches!(op, FieldOp::Is | FieldOp::IsNot) { text } else { "a.*|b" };
                    fields.push(FieldFilter { name: "job".into(), op, value: value.into() });
                    fields.push(FieldFilter { name: "url_path".into(), op, value: value.into() });
                }
                // Labels come first in a query.
                fields.sort_by_key(|field| field.name != "job");
                let filter = LogFilter {
                    text: text.into(),
                    any_case: any_case && !text.is_empty(),
                    level: level.into(),
                    fields,
                    with_routine,
                    ..LogFilter::default()
                };
                let query = asked(&filter);
                assert_eq!(fields_of(&query), Some(filter), "{query}");
            }
        }
    }

    fn fields_of(query: &str) -> Option<LogFilter> {
        fields(&parse_log(query).unwrap_or_else(|fault| panic!("{query}: {fault}")))
    }

    #[test]
    fn what_fields_cannot_say_is_not_read_off() {
        for query in [
            "{a=\"b\"} | json",
            "{a=\"b\"} |= \"x\" |= \"y\"",
            "{a=\"b\"} |= \"x\" or \"y\"",
            "{a=\"b\"} != \"x\"",
            "{a=\"b\"} |~ \"x.*\"",
            "{a=\"b\"} |~ \"(?i)x.*\"",
            "{a=\"b\"} | status >= 500",
            "{a=\"b\"} | c=\"d\" or e=\"f\"",
            "{a=\"b\"} | detected_level=\"warn\"",
            "{a=\"b\"} | line_format \"x\"",
        ] {
            assert_eq!(fields_of(query), None, "{query}");
        }
        assert!(fields_of("{a=\"b\"} | c=\"d\"").is_some());
    }

    #[test]
    fn probes_and_the_owners_visits_are_left_out_when_they_went_well() {
        let mut live = Live::new(parse_log(&asked(&LogFilter::default())).unwrap(), UnixNanos(0)).unwrap();
        let mut is_shown = |job: &str, path: &str, status: &str| {
            let record = LogRecord {
                at: UnixNanos(1),
                severity: Severity::Info,
                stream: Labels::new([("job", job), ("service_name", "vitrine")]),
                metadata: vec![
                    ("url_path".into(), path.into()),
                    ("http_response_status_code".into(), status.into()),
                ],
                body: "x".into(),
            };
            live.line(record.view()).is_some()
        };
        for path in ["/health", "/ready", "/metrics", "/admin", "/admin/logs", "/assets/admin/a.js"] {
            assert!(!is_shown("access", path, "200") && !is_shown("access", path, "303"), "{path}");
            assert!(is_shown("access", path, "503") && is_shown("access", path, "404"), "{path}");
            assert!(is_shown("shop", path, "200"), "{path}");
        }
        assert!(is_shown("access", "/", "200") && is_shown("access", "/administrator", "200"));
        assert!(is_shown("access", "/assets/cv/a.css", "200"));
        assert!(is_shown("access", "/de/health", "200") && is_shown("app", "", ""));
    }

    #[test]
    fn every_name_that_is_taken_for_a_field_can_be_asked_for() {
        let words = "by without bool unwrap offset on ignoring group_left group_right json regexp logfmt \
             unpack pattern label_format line_format decolorize drop keep ip label_replace vector and or \
             unless sum rate count_over_time bytes duration topk JSON By _ a1";
        for name in words.split_whitespace() {
            let can_be_asked = parse(&format!("{{a=\"b\"}} | {name}=\"c\"")).is_ok()
                && parse(&format!("{{a=\"b\", {name}=\"c\"}}")).is_ok();
            assert_eq!(is_field_name(name), can_be_asked, "{name}");
        }
    }
}
