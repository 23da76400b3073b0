//! From tree to text, on one line: the form that Prometheus gives a query.
//!
//! Reading what was printed gives the same tree, but for places and the order of matchers, which
//! are sorted; and but for a lone `by ()`, which means nothing and is left out.

use std::fmt::{self, Display, Formatter, Write};

use super::ast::{
    Aggregate, At, Binary, Cardinality, Expr, Matching, MatrixSelector, Number, Subquery, VectorSelector,
};
use super::duration::format_duration;
use crate::query::quote::quoted;
use crate::record::read::{MatchOp, Matcher};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Number(number) => write!(f, "{number}"),
            Expr::String(text) => f.write_str(&quoted(&text.value)),
            Expr::Paren(paren) => write!(f, "({})", paren.inner),
            Expr::Unary(unary) => write!(f, "{}{}", if unary.is_minus { '-' } else { '+' }, unary.inner),
            Expr::Binary(binary) => write!(f, "{} {} {}", binary.lhs, Operator(binary), binary.rhs),
            Expr::Aggregate(aggregate) => {
                write!(f, "{}(", Head(aggregate))?;
                if let Some(parameter) = &aggregate.parameter {
                    write!(f, "{parameter}, ")?;
                }
                write!(f, "{})", aggregate.inner)
            }
            Expr::Call(call) => {
                write!(f, "{}(", call.function.name)?;
                for (idx, arg) in call.args.iter().enumerate() {
                    write!(f, "{}{arg}", if idx == 0 { "" } else { ", " })?;
                }
                f.write_char(')')
            }
            Expr::Vector(selector) => write!(f, "{selector}"),
            Expr::Matrix(matrix) => write!(f, "{matrix}"),
            Expr::Subquery(subquery) => write!(f, "{}{}", subquery.inner, Suffix(subquery)),
        }
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_duration {
            f.write_str(&format_duration((self.value * 1e3).round() as i64))
        } else if self.value.is_infinite() {
            f.write_str(if self.value > 0.0 { "+Inf" } else { "-Inf" })
        } else {
            // Both languages write the shortest digits that mean the same number, and no exponent.
            write!(f, "{}", self.value)
        }
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Series(self), Moment { at: self.at, offset_ms: self.offset_ms })
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (selector, range) = (&self.selector, format_duration(self.range_ms));
        let moment = Moment { at: selector.at, offset_ms: selector.offset_ms };
        write!(f, "{}[{range}]{moment}", Series(selector))
    }
}

/// An aggregation before its arguments: `sum by (job) `.
pub(super) struct Head<'e>(pub(super) &'e Aggregate);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Head(aggregate) = self;
        f.write_str(aggregate.op.as_str())?;
        match (aggregate.is_without, aggregate.grouping.is_empty()) {
            (true, _) => write!(f, " without {} ", Labels(&aggregate.grouping)),
            (false, false) => write!(f, " by {} ", Labels(&aggregate.grouping)),
            (false, true) => Ok(()),
        }
    }
}

/// An operator with its modifiers: `+ on (job) group_left ()`.
pub(super) struct Operator<'e>(pub(super) &'e Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Operator(binary) = self;
        f.write_str(binary.op.as_str())?;
        if binary.is_bool {
            f.write_str(" bool")?;
        }
        let Some(Matching { cardinality, labels, is_on, include }) = &binary.matching else {
            return Ok(());
        };
        let group = match cardinality {
            Cardinality::ManyToOne => Some("group_left"),
            Cardinality::OneToMany => Some("group_right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if *is_on || !labels.is_empty() || group.is_some() {
            write!(f, " {} {}", if *is_on { "on" } else { "ignoring" }, Labels(labels))?;
        }
        group.map_or(Ok(()), |group| write!(f, " {group} {}", Labels(include)))
    }
}

/// What stands behind the expression of a subquery: `[1h:1m] offset 5m`.
pub(super) struct Suffix<'e>(pub(super) &'e Subquery);

impl Display for Suffix<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Suffix(Subquery { range_ms, step_ms, offset_ms, at, .. }) = self;
        let (range, step) = (format_duration(*range_ms), step_ms.map(format_duration).unwrap_or_default());
        write!(f, "[{range}:{step}]{}", Moment { at: *at, offset_ms: *offset_ms })
    }
}

/// The names of labels in parentheses.
struct Labels<'e>(&'e [String]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        for (idx, label) in self.0.iter().enumerate() {
            write!(f, "{}{}", if idx == 0 { "" } else { ", " }, label_name(label))?;
        }
        f.write_char(')')
    }
}

/// The name and the matchers of a selector, without its modifiers.
struct Series<'e>(&'e VectorSelector);

impl Display for Series<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Series(VectorSelector { name, matchers, .. }) = self;
        f.write_str(name.as_deref().unwrap_or_default())?;
        let is_name = |matcher: &Matcher| match &matcher.op {
            MatchOp::Equal(value) => matcher.name == "__name__" && name.as_ref() == Some(value),
            _ => false,
        };
        let mut matchers: Vec<String> =
            matchers.iter().filter(|matcher| !is_name(matcher)).map(condition).collect();
        if matchers.is_empty() {
            return Ok(());
        }
        matchers.sort_unstable();
        write!(f, "{{{}}}", matchers.join(","))
    }
}

/// Writes a condition as it stands in a selector: `job=~"a|b"`.
pub fn condition(matcher: &Matcher) -> String {
    let (op, value) = match &matcher.op {
        MatchOp::Equal(value) => ("=", value.as_str()),
        MatchOp::NotEqual(value) => ("!=", value.as_str()),
        MatchOp::Matches(pattern) => ("=~", pattern.as_str()),
        MatchOp::MatchesNot(pattern) => ("!~", pattern.as_str()),
    };
    format!("{}{op}{}", label_name(&matcher.name), quoted(value))
}

/// Returns a label's name, in quotes if it needs them.
fn label_name(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain && !name.is_empty() { name.to_string() } else { quoted(name) }
}

/// The modifiers `@` and `offset`.
struct Moment {
    at: Option<At>,
    offset_ms: i64,
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(At::Time(ms)) => write!(f, " @ {:.3}", ms as f64 / 1e3)?,
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            None => {}
        }
        if self.offset_ms == 0 {
            return Ok(());
        }
        write!(f, " offset {}", format_duration(self.offset_ms))
    }
}
