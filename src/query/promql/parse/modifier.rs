//! What may stand behind an expression: `offset`, `@`, brackets.

use super::super::ParseError;
use super::super::ast::{At, BinaryOp, Expr};
use super::super::lex::{Kind, Word};
use super::brackets::{NO_ARITHMETIC, Place, Seconds};
use super::{Parser, Tree};

const OFFSET: Place = Place { context: "offset", expected: "number, duration, step(), or range()" };

/// The parts of a selector or subquery that modifiers change.
struct Modified<'e> {
    offset_ms: &'e mut i64,
    at: &'e mut Option<At>,
    end: &'e mut usize,
}

fn modified_part(expr: &mut Expr) -> Option<Modified<'_>> {
    match expr {
        Expr::Vector(selector) => Some(Modified {
            offset_ms: &mut selector.offset_ms,
            at: &mut selector.at,
            end: &mut selector.span.end,
        }),
        Expr::Matrix(matrix) => Some(Modified {
            offset_ms: &mut matrix.selector.offset_ms,
            at: &mut matrix.selector.at,
            end: &mut matrix.end,
        }),
        Expr::Subquery(subquery) => Some(Modified {
            offset_ms: &mut subquery.offset_ms,
            at: &mut subquery.at,
            end: &mut subquery.end,
        }),
        _ => None,
    }
}

impl Parser<'_> {
    /// Reads the modifiers behind an expression.
    pub(super) fn modified(&mut self, mut tree: Tree) -> Result<Tree, ParseError> {
        loop {
            match self.peek()? {
                Kind::LeftBracket => tree = self.brackets(tree)?,
                Kind::Word(Word::Offset) => self.offset(&mut tree.expr)?,
                Kind::At => self.at(&mut tree.expr)?,
                Kind::Word(word @ (Word::Anchored | Word::Smoothed)) => {
                    let word = if word == Word::Anchored { "anchored" } else { "smoothed" };
                    let message = format!("{word} modifier is experimental and not enabled");
                    return Err(self.error(tree.expr.span(), message));
                }
                _ => return Ok(tree),
            }
        }
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<(), ParseError> {
        self.next()?;
        let offset_ms = match self.peek()? {
            Kind::Number | Kind::Duration => self.plain_duration(OFFSET)?.as_ms(),
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                let start = self.next()?.span.start;
                let ms = self.signed_offset(start)?.as_ms();
                if op == BinaryOp::Sub { -ms } else { ms }
            }
            _ => self.duration(OFFSET, 0)?.as_ms(),
        };
        let (span, end) = (expr.span(), self.last_closing);
        let Some(part) = modified_part(expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(self.error(span, message));
        };
        if *part.offset_ms != 0 {
            return Err(self.error(span, "offset may not be set multiple times"));
        }
        *part.offset_ms = offset_ms;
        *part.end = end;
        Ok(())
    }

    /// Reads the duration of an offset behind its sign. Parentheses around a plain one are allowed
    /// only here, as in Prometheus.
    fn signed_offset(&mut self, start: usize) -> Result<Seconds, ParseError> {
        match self.peek()? {
            Kind::Number | Kind::Duration => self.plain_duration(OFFSET),
            Kind::LeftParen => {
                self.next()?;
                let seconds = self.duration(OFFSET, 0)?;
                if !self.accept(Kind::RightParen)? {
                    return Err(self.unexpected(OFFSET.context, OFFSET.expected));
                }
                Ok(seconds)
            }
            _ => {
                let behind = self.last.span.start;
                // A function that is refused is so from the sign on.
                self.duration(OFFSET, 3).map_err(|fault| match fault.message == NO_ARITHMETIC {
                    true if fault.span.start == behind => self.error(start..fault.span.end, NO_ARITHMETIC),
                    _ => fault,
                })
            }
        }
    }

    fn at(&mut self, expr: &mut Expr) -> Result<(), ParseError> {
        self.next()?;
        let at = self.moment(expr)?;
        let (span, end) = (expr.span(), self.last_closing);
        let Some(part) = modified_part(expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(self.error(span, message));
        };
        if part.at.is_some() {
            return Err(self.error(span, "@ <timestamp> may not be set multiple times"));
        }
        *part.at = Some(at);
        *part.end = end;
        Ok(())
    }

    fn moment(&mut self, expr: &Expr) -> Result<At, ParseError> {
        const CONTEXT: &str = "@";
        const EXPECTED: &str = "timestamp";
        let sign = match self.peek()? {
            Kind::Word(word @ (Word::Start | Word::End)) => {
                self.next()?;
                if !self.accept(Kind::LeftParen)? || !self.accept(Kind::RightParen)? {
                    return Err(self.unexpected(CONTEXT, EXPECTED));
                }
                return Ok(if word == Word::Start { At::Start } else { At::End });
            }
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.next()?;
                if op == BinaryOp::Sub { -1.0 } else { 1.0 }
            }
            _ => 1.0,
        };
        let Some(number) = self.number()? else {
            return Err(self.unexpected(CONTEXT, EXPECTED));
        };
        let seconds = sign * number.value;
        // The largest that counts fits 63 bits as seconds, too, as in Prometheus.
        if !seconds.is_finite() || seconds >= i64::MAX as f64 || seconds <= i64::MIN as f64 {
            let shown = go_float(seconds);
            let message = format!("timestamp out of bounds for @ modifier: {shown}");
            return Err(self.error(expr.span(), message));
        }
        Ok(At::Time((seconds * 1e3).round() as i64))
    }
}

/// Returns a number as Go's `%f`.
fn go_float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_string()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_string()
    } else {
        format!("{value:.6}")
    }
}
