//! Conditions on lines and on labels.

use super::super::ast::{BinaryOp, LabelFilter, LineFilter, LineMatch, LineOp, NumberFilter, Quantity};
use super::super::error::ParseError;
use super::super::lex::Kind;
use super::Parser;

/// What two filters become.
type Join = fn(Box<LabelFilter>, Box<LabelFilter>) -> LabelFilter;

/// How tightly the operators between label filters bind.
const OR: u8 = 1;
const AND: u8 = 2;

impl Parser<'_> {
    /// Returns the line filter's operator if the next word is one.
    pub(super) fn line_op(&mut self) -> Result<Option<LineOp>, ParseError> {
        Ok(Some(match self.peek()?.kind {
            Kind::Sign("|=") => LineOp::Contains,
            Kind::Op(BinaryOp::NotEqual) => LineOp::ContainsNot,
            Kind::Sign("|~") => LineOp::Matches,
            Kind::Sign("!~") => LineOp::MatchesNot,
            Kind::Sign("|>") => LineOp::Pattern,
            Kind::Sign("!>") => LineOp::PatternNot,
            _ => return Ok(None),
        }))
    }

    /// Reads `|= "a" or ip("10.0.0.0/8")`, the operator included.
    pub(super) fn line_filter(&mut self, op: LineOp) -> Result<LineFilter, ParseError> {
        self.next()?;
        let mut alternatives = vec![self.line_match()?];
        while self.accept(Kind::Op(BinaryOp::Or))? {
            self.filter()?;
            alternatives.push(self.line_match()?);
        }
        Ok(LineFilter { op, alternatives })
    }

    fn line_match(&mut self) -> Result<LineMatch, ParseError> {
        Ok(match self.peek()?.kind {
            Kind::Word("ip") => LineMatch::Ip(self.ip()?),
            _ => LineMatch::Text(self.text()?),
        })
    }

    /// Reads `ip("10.0.0.0/8")`.
    fn ip(&mut self) -> Result<String, ParseError> {
        self.next()?;
        self.sign("(")?;
        let res = self.text()?;
        self.sign(")")?;
        Ok(res)
    }

    /// Reads conditions on labels with `and`, `or`, commas or nothing between them.
    pub(super) fn label_filter(&mut self) -> Result<LabelFilter, ParseError> {
        self.label_filters(0)
    }

    fn label_filters(&mut self, least: u8) -> Result<LabelFilter, ParseError> {
        let mut least = least;
        let mut joined = Vec::new();
        let mut lhs = self.one_label_filter()?;
        loop {
            let (precedence, both): (u8, Join) = match self.peek()?.kind {
                Kind::Op(BinaryOp::Or) => (OR, LabelFilter::Or),
                Kind::Op(BinaryOp::And) => (AND, LabelFilter::And),
                // A comma, or nothing, joins all that follows, however tightly it binds before it.
                Kind::Sign(",") | Kind::Identifier | Kind::Sign("(") => {
                    self.accept(Kind::Sign(","))?;
                    joined.push(lhs);
                    lhs = self.one_label_filter()?;
                    least = 0;
                    continue;
                }
                _ => break,
            };
            if precedence < least {
                break;
            }
            self.next()?;
            self.operator()?;
            let rhs = self.label_filters(precedence + 1)?;
            lhs = both(Box::new(lhs), Box::new(rhs));
        }
        let and = |rhs, lhs| LabelFilter::And(Box::new(lhs), Box::new(rhs));
        Ok(joined.into_iter().rev().fold(lhs, and))
    }

    fn one_label_filter(&mut self) -> Result<LabelFilter, ParseError> {
        self.filter()?;
        if self.accept(Kind::Sign("("))? {
            self.operator()?;
            let inner = self.label_filters(0)?;
            self.sign(")")?;
            return Ok(inner);
        }
        let name = self.identifier()?;
        let op = self.peek()?.kind;
        let behind = self.peek_second()?.kind;
        let number_op = match op {
            Kind::Sign("=") | Kind::Op(BinaryOp::Equal) => BinaryOp::Equal,
            Kind::Op(op) if op.is_comparison() => op,
            _ => return Ok(LabelFilter::Text(self.matcher(name)?)),
        };
        let can_be_text = matches!(op, Kind::Sign("=") | Kind::Op(BinaryOp::NotEqual));
        match behind {
            Kind::Text if can_be_text => Ok(LabelFilter::Text(self.matcher(name)?)),
            Kind::Word("ip") if can_be_text => {
                self.next()?;
                let is_negative = op != Kind::Sign("=");
                Ok(LabelFilter::Ip { name, is_negative, addresses: self.ip()? })
            }
            _ => {
                self.next()?;
                let number = self.quantity()?;
                Ok(LabelFilter::Number(NumberFilter { name, op: number_op, number }))
            }
        }
    }

    fn quantity(&mut self) -> Result<Quantity, ParseError> {
        let res = match self.peek()?.kind {
            Kind::Duration(ns) => Quantity::Duration(ns),
            Kind::Bytes(n_bytes) => Quantity::Bytes(n_bytes),
            Kind::Number => return Ok(Quantity::Plain(self.number()?)),
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.next()?;
                let number = self.number()?;
                return Ok(Quantity::Plain(if op == BinaryOp::Sub { -number } else { number }));
            }
            _ => return Err(self.unexpected()),
        };
        self.next()?;
        Ok(res)
    }
}
