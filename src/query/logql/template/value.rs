//! What an operand is, with the types that Go would give it.
//!
//! The types matter: functions refuse what has another one, `int` and `int64` are not the same, and
//! messages name them. A text is UTF-8 here, so what cuts a character in two leaves U+FFFD, as it
//! does in Loki's answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Scope;
use super::moment::Moment;

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// What is not there: `<no value>`, or `nil` as an argument.
    Nothing,
    Text(Cow<'a, str>),
    Truth(bool),
    /// An `int`, as numbers in a template are.
    Int(i64),
    /// An `int64`, as sums are.
    Long(i64),
    /// An `uint8`: a byte of a text.
    Byte(u8),
    Float(f64),
    Moment(Rc<Moment>),
    /// A number of days, months or nanoseconds that has a text.
    Named(Named),
    /// All labels, a `map[string]string`.
    Labels,
    List(Rc<Vec<Value<'static>>>),
    Map(Rc<BTreeMap<String, Value<'static>>>),
    /// Something out of a list or a map, whose type Go does not look at unless it is used.
    Held(Box<Value<'a>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// From 1.
    Month(u8),
    /// From 0, a Sunday.
    Weekday(u8),
    Nanoseconds(i64),
}

impl Named {
    pub(super) fn number(self) -> i64 {
        match self {
            Named::Month(number) | Named::Weekday(number) => number.into(),
            Named::Nanoseconds(number) => number,
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Text(text.into())
    }

    /// Returns what is held, if something holds it.
    pub(super) fn unheld(self) -> Self {
        match self {
            Value::Held(inner) => *inner,
            other => other,
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Nothing => "<nil>",
            Value::Text(_) => "string",
            Value::Truth(_) => "bool",
            Value::Int(_) => "int",
            Value::Long(_) => "int64",
            Value::Byte(_) => "uint8",
            Value::Float(_) => "float64",
            Value::Moment(_) => "time.Time",
            Value::Named(Named::Month(_)) => "time.Month",
            Value::Named(Named::Weekday(_)) => "time.Weekday",
            Value::Named(Named::Nanoseconds(_)) => "time.Duration",
            Value::Labels => "map[string]string",
            Value::List(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
            Value::Held(_) => "interface {}",
        }
    }

    /// Returns whether a condition takes it for true: whether it is not the zero of its type.
    pub(super) fn is_true(&self, scope: &dyn Scope) -> bool {
        match self {
            Value::Nothing => false,
            Value::Text(text) => !text.is_empty(),
            Value::Truth(truth) => *truth,
            Value::Int(number) | Value::Long(number) => *number != 0,
            Value::Byte(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Named(named) => named.number() != 0,
            Value::Moment(_) => true,
            Value::Labels => n_labels(scope) > 0,
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Held(inner) => inner.is_true(scope),
        }
    }

    /// Returns an integer of any type.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Value::Int(number) | Value::Long(number) => Some(*number),
            Value::Byte(number) => Some((*number).into()),
            Value::Named(named) => Some(named.number()),
            _ => None,
        }
    }
}

pub(super) fn n_labels(scope: &dyn Scope) -> usize {
    let mut res = 0;
    scope.each_label(&mut |_, _| res += 1);
    res
}

/// Returns bytes as a text, each that is no UTF-8 as U+FFFD, as Go's JSON does.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut res = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        res.push_str(chunk.valid());
        res.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    res.into()
}
