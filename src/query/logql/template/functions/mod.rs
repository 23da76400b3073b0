//! What templates can call: Go's own functions and those that Loki documents, no others.
//!
//! Each function says what types it takes; the evaluator looks at them, so a function finds what it
//! asked for. Source: Go, the documentation of `text/template`; Loki, "LogQL template functions";
//! sprig's documentation for those that Loki takes from it.

mod decimal;
mod encode;
mod json;
mod logic;
mod number;
mod pattern;
mod text;
mod time;
mod units;

use std::borrow::Cow;
use std::fmt;

pub(super) use pattern::{Patterns, takes_pattern};

use super::Scope;
use super::budget::Budget;
use super::moment::{Moment, Zone};
use super::value::Value;

/// What a function takes as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Moment,
    /// An `interface{}`.
    Any,
    /// A `reflect.Value`, as Go's own functions take it.
    Reflected,
}

impl Kind {
    pub(super) fn shown(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Float => "float64",
            Kind::Moment => "time.Time",
            Kind::Any => "interface {}",
            Kind::Reflected => "reflect.Value",
        }
    }

    /// Returns whether `nil` is one.
    pub(super) fn takes_nil(self) -> bool {
        matches!(self, Kind::Any | Kind::Reflected)
    }
}

/// What a function yields; the error is what it says, without its name.
pub(super) type Answer<'t> = Result<Value<'t>, String>;

type Plain = for<'t> fn(&mut Context<'t>, Args<'t>) -> Answer<'t>;

#[derive(Clone, Copy)]
pub(super) enum Body {
    /// Take their arguments one by one and stop at the first that decides.
    And,
    Or,
    /// Would call a function that is a value; there are none.
    Call,
    Plain(Plain),
}

pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) takes: &'static [Kind],
    /// What it takes any number of, behind the others.
    pub(super) rest: Option<Kind>,
    pub(super) body: Body,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    pub(super) fn find(name: &str) -> Option<&'static Function> {
        TABLES.iter().flat_map(|table| table.iter()).find(|function| function.name == name)
    }

    /// Returns a method of times.
    pub(super) fn method(receiver: &Value<'_>, name: &str) -> Option<&'static Function> {
        let methods = match receiver {
            Value::Moment(_) => time::METHODS,
            Value::Named(_) => time::METHODS_OF_NAMED,
            _ => return None,
        };
        methods.iter().find(|function| function.name == name)
    }

    /// Returns the type of an argument that is not the last of a pipeline.
    pub(super) fn kind(&self, idx: usize) -> Option<Kind> {
        self.takes.get(idx).copied().or(self.rest)
    }
}

const TABLES: &[&[Function]] = &[
    logic::FUNCTIONS,
    text::FUNCTIONS,
    number::FUNCTIONS,
    time::FUNCTIONS,
    units::FUNCTIONS,
    pattern::FUNCTIONS,
    encode::FUNCTIONS,
    json::FUNCTIONS,
];

const fn of(name: &'static str, takes: &'static [Kind], body: Plain) -> Function {
    Function { name, takes, rest: None, body: Body::Plain(body) }
}

const fn with_rest(name: &'static str, takes: &'static [Kind], rest: Kind, body: Plain) -> Function {
    Function { name, takes, rest: Some(rest), body: Body::Plain(body) }
}

/// What functions see besides their arguments.
pub(super) struct Context<'t> {
    pub(super) scope: &'t dyn Scope,
    pub(super) patterns: &'t Patterns,
    pub(super) budget: Budget,
}

impl<'t> Context<'t> {
    /// Returns the zone that Go calls `Local`.
    fn here(&self) -> Zone {
        Zone::Named(self.scope.zone())
    }
}

/// The arguments of a call, of the types that the function takes.
pub(super) struct Args<'t>(pub(super) Vec<Value<'t>>);

impl<'t> Args<'t> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn value(&self, idx: usize) -> &Value<'t> {
        self.0.get(idx).unwrap_or(&Value::Nothing)
    }

    fn take(&mut self, idx: usize) -> Value<'t> {
        self.0.get_mut(idx).map_or(Value::Nothing, |value| std::mem::replace(value, Value::Nothing))
    }

    fn text(&self, idx: usize) -> &str {
        if let Value::Text(text) = self.value(idx) { text } else { "" }
    }

    fn take_text(&mut self, idx: usize) -> Cow<'t, str> {
        if let Value::Text(text) = self.take(idx) { text } else { "".into() }
    }

    fn int(&self, idx: usize) -> i64 {
        self.value(idx).integer().unwrap_or_default()
    }

    fn float(&self, idx: usize) -> f64 {
        if let Value::Float(number) = self.value(idx) { *number } else { 0.0 }
    }

    fn moment(&self, idx: usize) -> Moment {
        if let Value::Moment(moment) = self.value(idx) { (**moment).clone() } else { Moment::none() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names in Loki's function map and Go's own, and no others.
    #[test]
    fn the_functions_are_those_of_loki() {
        let names: BTreeSet<&str> =
            TABLES.iter().flat_map(|table| table.iter()).map(|function| function.name).collect();
        let expect = "Replace ToLower ToUpper Trim TrimLeft TrimPrefix TrimRight TrimSpace TrimSuffix __line__ \
            __timestamp__ add addf alignLeft alignRight and b64dec b64enc bytes call ceil contains count date \
            default div divf duration duration_seconds eq float64 floor fromJson ge gt hasPrefix hasSuffix html \
            indent index int js le len lower lt max maxf min minf mod mul mulf ne nindent not now or print printf \
            println regexReplaceAll regexReplaceAllLiteral repeat replace round slice sub subf substr title toDate \
            toDateInZone trim trimAll trimPrefix trimSuffix trunc unixEpoch unixEpochMillis unixEpochNanos \
            unixToTime upper urldecode urlencode urlquery";
        assert_eq!(names.into_iter().collect::<Vec<_>>().join(" "), expect);
    }
}
