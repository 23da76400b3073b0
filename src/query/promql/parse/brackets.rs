//! Ranges and subqueries, and the durations in them and behind `offset`.
//!
//! Arithmetic between durations is Prometheus's experiment and is refused: it is read far
//! enough to say so at the right place.

use super::super::ParseError;
use super::super::ast::{BinaryOp, Expr, MatrixSelector, Span, Subquery};
use super::super::lex::{Kind, Word};
use super::{Parser, Tree};

/// What is said when arithmetic between durations is asked for.
pub(super) const NO_ARITHMETIC: &str = "experimental duration expression is not enabled";

/// Longest duration in seconds: Prometheus counts nanoseconds in 63 bits, 292 years.
const SECONDS_MAX: f64 = (1_u64 << 63) as f64 / 1e9;

/// How a fault in a duration is named.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) context: &'static str,
    pub(super) expected: &'static str,
}

const RANGE: Place =
    Place { context: "subquery or range selector", expected: "number, duration, step(), or range()" };
const STEP: Place =
    Place { context: "subquery selector", expected: "number, duration, step(), range(), or \"]\"" };

/// A duration in seconds.
pub(super) struct Seconds {
    pub(super) value: f64,
    span: Span,
}

impl Seconds {
    /// Returns whole milliseconds: nanoseconds are rounded, and their rest is cut, as in Prometheus.
    pub(super) fn as_ms(&self) -> i64 {
        (self.value * 1e9).round() as i64 / 1_000_000
    }
}

/// Returns how tightly an operator between durations binds, if it is one.
fn tightness(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Op(BinaryOp::Add | BinaryOp::Sub) => Some(1),
        Kind::Op(BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod) => Some(2),
        Kind::Op(BinaryOp::Pow) => Some(3),
        _ => None,
    }
}

impl Parser<'_> {
    /// Reads a range or a subquery behind an expression; the bracket comes next.
    pub(super) fn brackets(&mut self, tree: Tree) -> Result<Tree, ParseError> {
        let start = self.next()?.span.start;
        let range_ms = self.positive(RANGE)?;
        match self.peek()? {
            Kind::RightBracket => {
                let end = self.next()?.span.end;
                self.range(tree, range_ms, start..end)
            }
            Kind::Colon => {
                self.next()?;
                let step_ms =
                    if self.peek()? == Kind::RightBracket { None } else { Some(self.positive(STEP)?) };
                if self.peek()? != Kind::RightBracket {
                    return Err(self.unexpected("subquery selector", "\"]\""));
                }
                let end = self.next()?.span.end;
                let inner = Box::new(tree.expr);
                let subquery = Subquery { inner, range_ms, step_ms, offset_ms: 0, at: None, end };
                self.node(Expr::Subquery(subquery), tree.height)
            }
            _ => Err(self.unexpected("subquery or range", "\":\" or \"]\"")),
        }
    }

    fn range(&self, tree: Tree, range_ms: i64, brackets: Span) -> Result<Tree, ParseError> {
        let message = match tree.expr {
            Expr::Vector(selector) if selector.offset_ms == 0 && selector.at.is_none() => {
                let matrix = MatrixSelector { selector, range_ms, end: brackets.end };
                return Ok(Tree::leaf(Expr::Matrix(matrix)));
            }
            Expr::Vector(selector) if selector.offset_ms != 0 => "no offset modifiers allowed before range",
            Expr::Vector(_) => "no @ modifiers allowed before range",
            _ => "ranges only allowed for vector selectors",
        };
        Err(self.error(brackets, message))
    }

    /// Reads a duration of more than nothing, and returns milliseconds, at least one.
    fn positive(&mut self, place: Place) -> Result<i64, ParseError> {
        let seconds = self.duration(place, 0)?;
        if seconds.value <= 0.0 {
            return Err(self.error(seconds.span, "duration must be greater than 0"));
        }
        Ok(seconds.as_ms().max(1))
    }

    /// Reads a duration; operators that bind at least so tightly belong to it.
    pub(super) fn duration(&mut self, place: Place, tightness_min: u8) -> Result<Seconds, ParseError> {
        self.enter()?;
        let lhs = match self.peek()? {
            Kind::Number | Kind::Duration => self.plain_duration(place)?,
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                let sign = self.next()?;
                // A sign binds as tightly as `*`.
                let inner = self.duration(place, 3)?;
                let value = if op == BinaryOp::Sub { -inner.value } else { inner.value };
                Seconds { value, span: sign.span.start..inner.span.end }
            }
            _ => return Err(self.refused_duration(place)?),
        };
        if let Some(found) = tightness(self.peek()?).filter(|found| *found >= tightness_min) {
            self.next()?;
            self.duration(place, found + u8::from(found < 3))?;
            return Err(self.error(lhs.span, NO_ARITHMETIC));
        }
        self.leave();
        Ok(lhs)
    }

    /// Reads a number or a duration without anything around it.
    pub(super) fn plain_duration(&mut self, place: Place) -> Result<Seconds, ParseError> {
        let Some(number) = self.number()? else {
            return Err(self.unexpected(place.context, place.expected));
        };
        if number.value.is_nan() || number.value > SECONDS_MAX {
            return Err(self.error(number.span, "duration out of range"));
        }
        Ok(Seconds { value: number.value, span: number.span })
    }

    /// Reads what stands for a duration and is refused, and returns why. Fails when even that
    /// cannot be read.
    fn refused_duration(&mut self, place: Place) -> Result<ParseError, ParseError> {
        let first = match self.peek()? {
            first @ (Kind::LeftParen | Kind::Word(Word::Step | Word::Range | Word::MaxOf | Word::MinOf)) => {
                first
            }
            _ => return Err(self.unexpected(place.context, place.expected)),
        };
        let start = self.next()?.span;
        if first == Kind::LeftParen {
            let inner = self.duration(place, 0)?;
            self.expect_in(place, Kind::RightParen)?;
            return Ok(self.error(inner.span, NO_ARITHMETIC));
        }
        self.expect_in(place, Kind::LeftParen)?;
        if let Kind::Word(Word::MaxOf | Word::MinOf) = first {
            self.duration(place, 0)?;
            self.expect_in(place, Kind::Comma)?;
            self.duration(place, 0)?;
        }
        self.expect_in(place, Kind::RightParen)?;
        Ok(self.error(start.start..self.last_closing, NO_ARITHMETIC))
    }

    fn expect_in(&mut self, place: Place, kind: Kind) -> Result<(), ParseError> {
        if self.accept(kind)? { Ok(()) } else { Err(self.unexpected(place.context, place.expected)) }
    }
}
