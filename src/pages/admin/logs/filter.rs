//! What the log page was asked for, and the address that says it.

use std::fmt;

use crate::pages::admin::frame::Tab;
use crate::pages::admin::window::{Window, address};

/// Most conditions of one address: more is a query to be written by hand.
pub const FIELDS_MAX: usize = 20;

/// What the log page was asked for, by its fields or by a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// The stretch of time.
    pub window: Window,
    /// Text to look for in the line.
    pub text: String,
    /// Whether the text may be in other letters than it was typed.
    pub any_case: bool,
    /// Lowest level, or `""` for all.
    pub level: String,
    /// What labels and metadata must be.
    pub fields: Vec<FieldFilter>,
    /// Shows what is hidden by default: successful probes and the owner's own visits.
    pub with_routine: bool,
    /// The query as it was written, in place of the fields; `""` for that of the fields.
    pub logql: String,
    /// Where in the time the list begins.
    pub place: Place,
}

/// Where in the time a list begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// At the newest line.
    #[default]
    Newest,
    /// With lines before this moment, in Unix nanoseconds, the newest first.
    Before(i64),
    /// With the lines that come next behind this moment.
    After(i64),
}

impl Place {
    /// Returns the moment; none for the newest line.
    pub fn moment(self) -> Option<i64> {
        match self {
            Place::Newest => None,
            Place::Before(at) | Place::After(at) => Some(at),
        }
    }
}

/// A condition on one label or one value of the metadata.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldFilter {
    /// The name, one that [`is_field_name`] accepts.
    pub name: String,
    /// How it is compared.
    pub op: FieldOp,
    /// With what.
    pub value: String,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldOp {
    /// It is this.
    #[default]
    Is,
    /// It is anything else.
    IsNot,
    /// A regular expression matches the whole of it.
    Matches,
    /// None does.
    MatchesNot,
}

impl FieldOp {
    /// All of them.
    pub const ALL: [FieldOp; 4] = [FieldOp::Is, FieldOp::IsNot, FieldOp::Matches, FieldOp::MatchesNot];

    /// Returns it as LogQL and the address write it.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldOp::Is => "=",
            FieldOp::IsNot => "!=",
            FieldOp::Matches => "=~",
            FieldOp::MatchesNot => "!~",
        }
    }

    /// Returns the operator that is written so.
    pub fn read(text: &str) -> Option<FieldOp> {
        FieldOp::ALL.into_iter().find(|op| op.as_str() == text)
    }
}

/// Words that mean something else in a query, so no condition on a field of such a name can be written.
pub(super) const RESERVED: &[&str] = &[
    "and",
    "bool",
    "by",
    "decolorize",
    "drop",
    "group_left",
    "group_right",
    "ignoring",
    "json",
    "keep",
    "label_format",
    "line_format",
    "logfmt",
    "offset",
    "on",
    "or",
    "pattern",
    "regexp",
    "unless",
    "unpack",
    "unwrap",
    "without",
];

/// Returns true for a name that a query can have a condition on.
pub fn is_field_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_first)
        && name.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
        && RESERVED.binary_search(&name.to_ascii_lowercase().as_str()).is_err()
}

impl FieldFilter {
    /// Returns a condition of equality.
    pub fn is(name: impl Into<String>, value: impl Into<String>) -> Self {
        FieldFilter { name: name.into(), op: FieldOp::Is, value: value.into() }
    }

    /// Reads what `Display` writes; none for what is no condition.
    pub fn read(text: &str) -> Option<FieldFilter> {
        let end = text.find(['=', '!'])?;
        let (name, rest) = text.split_at(end);
        // The longer signs begin with the shorter one.
        let signs = [
            ("==", FieldOp::Is),
            ("=~", FieldOp::Matches),
            ("!~", FieldOp::MatchesNot),
            ("!=", FieldOp::IsNot),
            ("=", FieldOp::Is),
        ];
        let (sign, op) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign))?;
        let value = rest[sign.len()..].to_string();
        is_field_name(name).then(|| FieldFilter { name: name.into(), op, value })
    }
}

/// As the address has it: `job=access`. A value that would make another sign of `=` has it twice.
impl fmt::Display for FieldFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ambiguous = self.op == FieldOp::Is && self.value.starts_with(['=', '~']);
        let sign = if is_ambiguous { "==" } else { self.op.as_str() };
        write!(f, "{}{sign}{}", self.name, self.value)
    }
}

impl LogFilter {
    /// Returns the parameters that say it, those without a value left out.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut res = self.window.parameters();
        res.extend(self.question());
        match self.place {
            Place::Newest => {}
            Place::Before(at) => res.push(("before", at.to_string())),
            Place::After(at) => res.push(("after", at.to_string())),
        }
        res
    }

    /// Returns the parameters that say which lines are wanted, whenever they were.
    pub fn question(&self) -> Vec<(&'static str, String)> {
        if !self.logql.is_empty() {
            return vec![("logql", self.logql.clone())];
        }
        let flag = |is_set: bool| if is_set { "1".to_string() } else { String::new() };
        let mut res = vec![
            ("q", self.text.clone()),
            ("case", flag(self.any_case && !self.text.is_empty())),
            ("level", self.level.clone()),
        ];
        res.extend(self.fields.iter().map(|field| ("f", field.to_string())));
        res.push(("all", flag(self.with_routine)));
        res.retain(|(_, value)| !value.is_empty());
        res
    }

    /// Returns the address of the page.
    pub fn address(&self) -> String {
        with_parameters(Tab::Logs.path(), &self.parameters())
    }

    /// Returns it from another place on.
    pub fn at(&self, place: Place) -> LogFilter {
        LogFilter { place, ..self.clone() }
    }

    /// Returns true when it asks for less than everything.
    pub fn is_narrow(&self) -> bool {
        let is_narrow = !self.text.is_empty() || !self.level.is_empty() || !self.fields.is_empty();
        is_narrow || !self.logql.is_empty()
    }
}

/// Returns an address with parameters behind it.
pub fn with_parameters(path: &str, parameters: &[(&str, String)]) -> String {
    let borrowed: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    address(path, &borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_written() {
        for (text, name, op, value) in [
            ("job=access", "job", FieldOp::Is, "access"),
            ("url_path==~x", "url_path", FieldOp::Is, "~x"),
            ("url_path===x", "url_path", FieldOp::Is, "=x"),
            ("a!=b=c", "a", FieldOp::IsNot, "b=c"),
            ("a!=~b", "a", FieldOp::IsNot, "~b"),
            ("a=~b|c", "a", FieldOp::Matches, "b|c"),
            ("_a1!~", "_a1", FieldOp::MatchesNot, ""),
        ] {
            let expect = FieldFilter { name: name.into(), op, value: value.into() };
            assert_eq!(FieldFilter::read(text).as_ref(), Some(&expect), "{text}");
            assert_eq!(expect.to_string(), text);
        }
        for text in ["", "job", "=x", "1a=x", "a b=c", "a-b=c", "json=x", "на=x", "a!x"] {
            assert_eq!(FieldFilter::read(text), None, "{text}");
        }
    }

    #[test]
    fn reserved_words_are_sorted_to_be_found() {
        assert!(RESERVED.is_sorted());
        assert!(!is_field_name("by") && is_field_name("byte") && is_field_name("ip"));
    }

    #[test]
    fn an_address_says_the_query_or_the_fields() {
        let filter = LogFilter {
            text: "a&b".into(),
            any_case: true,
            level: "warn".into(),
            fields: vec![FieldFilter::is("job", "access"), FieldFilter::is("url_path", "/\"x\"")],
            with_routine: true,
            place: Place::Before(7),
            ..LogFilter::default()
        };
        assert_eq!(
            filter.address(),
            "/admin/logs?q=a%26b&case=1&level=warn&f=job%3Daccess&f=url_path%3D%2F%22x%22&all=1&before=7"
        );
        let raw = LogFilter { logql: "{a=\"b\"}".into(), place: Place::After(3), ..filter };
        assert_eq!(raw.address(), "/admin/logs?logql=%7Ba%3D%22b%22%7D&after=3");
    }
}
