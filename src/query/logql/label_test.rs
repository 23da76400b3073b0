//! Conditions on labels, ready to be asked of a line.

use std::borrow::Cow;

use super::ast::{BinaryOp, LabelFilter, Quantity};
use super::entry::Entry;
use super::error::ParseError;
use super::ip::IpMatcher;
use super::{bytes, go_duration, go_float};
use crate::record::read::Matcher;

/// What the condition on a label that cannot be read as a number is answered with in `__error__`.
const FILTER_ERROR: &str = "LabelFilterErr";

/// A condition on labels.
#[derive(Clone, Debug)]
pub enum LabelTest {
    /// On a text.
    Text(Matcher),
    /// On a number.
    Number {
        /// The label.
        name: String,
        /// The comparison.
        op: BinaryOp,
        /// What it is compared with.
        number: Quantity,
    },
    /// On an address.
    Ip {
        /// The label.
        name: String,
        /// Holds when the address is none of these.
        is_negative: bool,
        /// The addresses.
        addresses: IpMatcher,
    },
    /// Both hold.
    And(Box<[LabelTest; 2]>),
    /// One of the two holds.
    Or(Box<[LabelTest; 2]>),
}

/// Whether a condition holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The label cannot be compared, for this reason; the line stays.
    Fault(String),
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Verdict::Yes } else { Verdict::No }
    }
}

impl LabelTest {
    /// Prepares a condition.
    pub fn new(filter: &LabelFilter) -> Result<Self, ParseError> {
        Ok(match filter {
            LabelFilter::Text(matcher) => LabelTest::Text(matcher.clone()),
            LabelFilter::Number(filter) => {
                LabelTest::Number { name: filter.name.clone(), op: filter.op, number: filter.number }
            }
            LabelFilter::Ip { name, is_negative, addresses } => {
                let fault = |fault| ParseError::of_stage(format!("| {filter}"), fault);
                let addresses = IpMatcher::new(addresses).map_err(fault)?;
                LabelTest::Ip { name: name.clone(), is_negative: *is_negative, addresses }
            }
            LabelFilter::And(one, other) => {
                LabelTest::And(Box::new([LabelTest::new(one)?, LabelTest::new(other)?]))
            }
            LabelFilter::Or(one, other) => {
                LabelTest::Or(Box::new([LabelTest::new(one)?, LabelTest::new(other)?]))
            }
        })
    }

    /// Returns the label that it is about, if it is only one.
    pub fn label(&self) -> Option<&str> {
        match self {
            LabelTest::Text(matcher) => Some(&matcher.name),
            LabelTest::Number { name, .. } | LabelTest::Ip { name, .. } => Some(name),
            LabelTest::And(_) | LabelTest::Or(_) => None,
        }
    }

    /// Asks the condition, without saying of the line that it could not be answered.
    pub fn test(&self, entry: &Entry<'_>) -> Verdict {
        match self {
            LabelTest::Text(matcher) => matcher.accepts_value(entry.tested(&matcher.name)).into(),
            LabelTest::Number { name, op, number } => {
                entry.label(name).map_or(Verdict::No, |value| compared(value, *op, *number))
            }
            // Of a line with which something is wrong only texts are compared.
            LabelTest::Ip { .. } if !entry.error().is_empty() => Verdict::Yes,
            LabelTest::Ip { name, is_negative, addresses } => entry
                .label(name)
                .map_or(Verdict::No, |value| (addresses.matches_value(value) != *is_negative).into()),
            LabelTest::And(both) => match both[0].test(entry) {
                Verdict::No => Verdict::No,
                first => match both[1].test(entry) {
                    Verdict::Yes => first,
                    second => second,
                },
            },
            LabelTest::Or(both) => match both[0].test(entry) {
                Verdict::No => both[1].test(entry),
                first => first,
            },
        }
    }

    /// Returns true when a line stays; what cannot be compared stays and is said to be wrong, unless
    /// an earlier stage said so.
    pub fn keeps(&self, entry: &mut Entry<'_>) -> bool {
        match self {
            LabelTest::And(both) => {
                // Both are asked, since each may have something to say.
                let first = both[0].keeps(entry);
                both[1].keeps(entry) && first
            }
            LabelTest::Or(both) => both[0].keeps(entry) || both[1].keeps(entry),
            one => match one.test(entry) {
                Verdict::Yes => true,
                Verdict::No => false,
                Verdict::Fault(details) => {
                    if entry.error().is_empty() {
                        entry.set_error(FILTER_ERROR, &details);
                    }
                    true
                }
            },
        }
    }
}

fn compared(value: &str, op: BinaryOp, number: Quantity) -> Verdict {
    let holds = |ordering: std::cmp::Ordering| {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual};
        match op {
            Equal => ordering.is_eq(),
            Greater => ordering.is_gt(),
            GreaterEqual => ordering.is_ge(),
            Less => ordering.is_lt(),
            LessEqual => ordering.is_le(),
            _ => ordering.is_ne(),
        }
    };
    let read: Result<bool, Cow<'_, str>> = match number {
        Quantity::Plain(number) => go_float::parse_float(value)
            .map(|value| op.of_numbers(value, number) != 0.0)
            .map_err(|fault| fault.about(value).into()),
        Quantity::Duration(ns) => go_duration::parse_duration(value)
            .map(|value| holds(value.cmp(&ns)))
            .map_err(|fault| fault.to_string().into()),
        Quantity::Bytes(n_bytes) => bytes::parse_bytes(value)
            .map(|value| holds(value.cmp(&n_bytes)))
            .map_err(|fault| fault.to_string().into()),
    };
    read.map_or_else(|details| Verdict::Fault(details.into_owned()), Verdict::from)
}
