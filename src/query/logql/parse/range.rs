//! Ranges of lines and what is made of them.

use super::super::ast::{Conversion, LogExpr, LogRange, Metric, RangeAggregation, RangeOp, Unwrap};
use super::super::error::ParseError;
use super::super::lex::Kind;
use super::Parser;
use crate::query::number;

/// A range as far as it was read.
struct Part {
    log: LogExpr,
    unwrap: Option<Unwrap>,
    /// The range and its offset, in nanoseconds.
    range: Option<(i64, i64)>,
}

impl Parser<'_> {
    /// Reads `quantile_over_time(0.9, {job="x"} | unwrap took [5m]) by (path)`.
    pub(super) fn range_aggregation(&mut self, op: RangeOp) -> Result<Metric, ParseError> {
        self.next()?;
        self.sign("(")?;
        let mut parameter = None;
        if self.peek()?.kind == Kind::Number {
            let token = self.next()?;
            parameter = Some((self.number_of(&token)?, token.text(self.query)));
            self.sign(",")?;
        }
        let range = self.log_range()?;
        self.sign(")")?;
        let grouping = self.grouping()?;
        let word = op.as_str();
        let refuse = |message: String| Err(ParseError::of_all(message));
        match (&parameter, op) {
            (None, RangeOp::Quantile) => return refuse(format!("parameter required for operation {word}")),
            (Some((_, text)), op) if op != RangeOp::Quantile => {
                return refuse(format!("parameter {text} not supported for operation {word}"));
            }
            _ => {}
        }
        if grouping.is_some() && !op.can_group() {
            return refuse(format!("grouping not allowed for {word} aggregation"));
        }
        match &range.unwrap {
            Some(_) if !op.takes_numbers() => {
                return refuse(format!("invalid aggregation {word} with unwrap"));
            }
            None if !op.takes_lines() => return refuse(format!("invalid aggregation {word} without unwrap")),
            _ => {}
        }
        let parameter = parameter.map(|(number, _)| number);
        Ok(Metric::Range(RangeAggregation { op, parameter, range, grouping }))
    }

    fn log_range(&mut self) -> Result<LogRange, ParseError> {
        let part = self.range_part(true)?;
        match part.range {
            Some((range_ns, offset_ns)) => {
                Ok(LogRange { log: part.log, unwrap: part.unwrap, range_ns, offset_ns })
            }
            None => Err(self.unexpected_for("RANGE")),
        }
    }

    /// Reads lines with their range, which inside parentheses may follow behind them.
    fn range_part(&mut self, has_to_end: bool) -> Result<Part, ParseError> {
        self.operator()?;
        if has_to_end && self.accept(Kind::Sign("("))? {
            let is_nested = self.peek()?.kind == Kind::Sign("(");
            let mut part = self.range_part(is_nested)?;
            self.sign(")")?;
            if part.range.is_none() {
                part.range = Some(self.range()?);
                if part.log.stages.is_empty() && part.unwrap.is_none() {
                    part.unwrap = self.unwrap()?;
                }
            }
            return Ok(part);
        }
        let matchers = self.selector()?;
        let is_first = matches!(self.peek()?.kind, Kind::Range(_));
        let mut range = if is_first { Some(self.range()?) } else { None };
        let stages = self.stages()?;
        let unwrap = self.unwrap()?;
        if range.is_none() && (has_to_end || matches!(self.peek()?.kind, Kind::Range(_))) {
            range = Some(self.range()?);
        }
        Ok(Part { log: LogExpr { matchers, stages }, unwrap, range })
    }

    /// Reads `[5m] offset 1h`.
    fn range(&mut self) -> Result<(i64, i64), ParseError> {
        let Kind::Range(range_ns) = self.peek()?.kind else {
            return Err(self.unexpected_for("RANGE"));
        };
        self.next()?;
        if !self.accept(Kind::Word("offset"))? {
            return Ok((range_ns, 0));
        }
        let Kind::Duration(offset_ns) = self.peek()?.kind else {
            return Err(self.unexpected_for("DURATION"));
        };
        self.next()?;
        Ok((range_ns, offset_ns))
    }

    /// Reads `| unwrap bytes(size) | size_bytes > 5`, if it is there.
    fn unwrap(&mut self) -> Result<Option<Unwrap>, ParseError> {
        if self.peek()?.kind != Kind::Sign("|") || self.peek_second()?.kind != Kind::Word("unwrap") {
            return Ok(None);
        }
        self.next()?;
        self.next()?;
        let (label, conversion) = match self.peek()?.kind {
            Kind::Conversion(conversion) => {
                self.next()?;
                self.sign("(")?;
                let label = self.identifier()?;
                self.sign(")")?;
                (label, conversion)
            }
            _ => (self.identifier()?, Conversion::Plain),
        };
        let mut filters = Vec::new();
        while self.accept(Kind::Sign("|"))? {
            self.filter()?;
            filters.push(self.label_filter()?);
        }
        Ok(Some(Unwrap { label, conversion, filters }))
    }

    /// Reads `vector(1)`.
    pub(super) fn vector(&mut self) -> Result<Metric, ParseError> {
        self.next()?;
        self.sign("(")?;
        let number = self.number()?;
        self.sign(")")?;
        Ok(Metric::Vector(number))
    }

    /// Reads a number of which there is a whole one.
    pub(super) fn count(&mut self, word: &str) -> Result<usize, ParseError> {
        let token = self.expect(Kind::Number)?;
        let text = token.text(self.query);
        let refuse = |message: String| ParseError::new(self.query, token.span.clone(), message);
        match text.parse::<i64>() {
            Err(_) => Err(refuse(format!("invalid parameter {word}({text},"))),
            Ok(count) if count <= 0 => {
                Err(refuse(format!("invalid parameter (must be greater than 0) {word}({text}")))
            }
            Ok(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        }
    }

    /// Says that an aggregation takes no parameter.
    pub(super) fn no_parameter(&mut self, word: &str) -> ParseError {
        match self.number() {
            Ok(value) => {
                let value = number::plain(value);
                ParseError::of_all(format!("unsupported parameter for operation {word}({value},"))
            }
            Err(fault) => fault,
        }
    }
}
