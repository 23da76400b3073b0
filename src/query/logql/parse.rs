//! From words to a tree.
//!
//! The grammar is Loki's, and what is wrong is said in its form, with the place. What it checks
//! only when it evaluates (expressions, patterns and templates of stages) is left to
//! [`pipeline`](super::pipeline). A tree is never so deep that walking it could need much stack.

mod aggregate;
mod filter;
mod range;
mod selector;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::ast::{Binary, BinaryOp, Cardinality, Expr, LogExpr, Matching, Metric};
use super::error::ParseError;
use super::go_float::parse_float;
use super::lex::{Kind, Lexer, Token};
use crate::query::number;
use crate::record::read::{MatchOp, Matcher};

/// Longest query in bytes; Loki refuses from the same length on.
const QUERY_MAX_BYTES: usize = 131_072;

/// Most stages and filters of a query: a tree of filters can be as deep, and a walk of it takes some
/// hundred bytes of stack for each.
const FILTERS_MAX: usize = 500;

/// Most operators, functions and parentheses: a tree can be as deep, and evaluating it takes some
/// kilobytes of stack for each.
const OPERATORS_MAX: usize = 100;

/// Most regular expressions of a query's selectors and label filters.
const PATTERNS_MAX: usize = 100;

const NEEDS_MATCHER: &str = "queries require at least one regexp or equality matcher that does not have an \
     empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

/// Reads a query.
pub fn parse(query: &str) -> Result<Expr, ParseError> {
    let expr = parse_unchecked(query)?;
    let mut is_fine = true;
    match &expr {
        Expr::Log(log) => is_fine = is_selective(&log.matchers),
        Expr::Metric(metric) => {
            metric.each_range(&mut |range| is_fine &= is_selective(&range.log.matchers));
        }
    }
    if is_fine { Ok(expr) } else { Err(ParseError::of_all(NEEDS_MATCHER)) }
}

/// Reads a selector with nothing behind it, which may accept every stream; so does an empty text.
pub fn parse_selector(query: &str) -> Result<Vec<Matcher>, ParseError> {
    if query.trim().is_empty() {
        return Ok(Vec::new());
    }
    match parse_unchecked(query)? {
        Expr::Log(LogExpr { matchers, stages }) if stages.is_empty() => Ok(matchers),
        _ => Err(ParseError::of_all("only label matchers are supported")),
    }
}

/// Reads a query for lines, which may be of every stream; so is an empty text.
pub fn parse_log(query: &str) -> Result<LogExpr, ParseError> {
    if query.trim().is_empty() {
        return Ok(LogExpr { matchers: Vec::new(), stages: Vec::new() });
    }
    match parse_unchecked(query)? {
        Expr::Log(log) => Ok(log),
        Expr::Metric(_) => Err(ParseError::of_all("only log selector is supported")),
    }
}

/// Reads a query whose selectors may accept every stream.
pub fn parse_unchecked(query: &str) -> Result<Expr, ParseError> {
    if query.len() >= QUERY_MAX_BYTES {
        let message = format!("input size too long ({} > {QUERY_MAX_BYTES})", query.len());
        return Err(ParseError::of_all(message));
    }
    let lexer = Lexer::new(query);
    let mut parser =
        Parser { query, lexer, ahead: VecDeque::new(), n_filters: 0, n_operators: 0, n_patterns: 0, cost: 0 };
    let expr = parser.expr(0)?;
    match parser.peek()?.kind {
        Kind::End => Ok(expr),
        _ => Err(parser.unexpected()),
    }
}

fn is_selective(matchers: &[Matcher]) -> bool {
    matchers.iter().any(|matcher| !matcher.accepts_value(""))
}

/// How tightly an operator binds; the others have no precedence.
fn precedence(op: BinaryOp) -> u8 {
    use BinaryOp::{Add, And, Div, Mod, Mul, Or, Pow, Sub, Unless};
    match op {
        Or => 1,
        And | Unless => 2,
        Add | Sub => 4,
        Mul | Div | Mod => 5,
        Pow => 6,
        _ => 3,
    }
}

/// Reads one query.
struct Parser<'q> {
    query: &'q str,
    lexer: Lexer<'q>,
    /// Words that were looked at and not taken, two at most.
    ahead: VecDeque<Token>,
    n_filters: usize,
    n_operators: usize,
    n_patterns: usize,
    cost: u64,
}

impl Parser<'_> {
    /// Looks at the next word.
    fn peek(&mut self) -> Result<&Token, ParseError> {
        self.peek_at(0)
    }

    /// Looks at the word behind the next one.
    fn peek_second(&mut self) -> Result<&Token, ParseError> {
        self.peek_at(1)
    }

    fn peek_at(&mut self, idx: usize) -> Result<&Token, ParseError> {
        while self.ahead.len() <= idx {
            let token = self.lexer.next_token()?;
            self.ahead.push_back(token);
        }
        Ok(&self.ahead[idx])
    }

    fn next(&mut self) -> Result<Token, ParseError> {
        match self.ahead.pop_front() {
            Some(token) => Ok(token),
            None => self.lexer.next_token(),
        }
    }

    /// Takes the next word if it is this one.
    fn accept(&mut self, kind: Kind) -> Result<bool, ParseError> {
        let is_it = self.peek()?.kind == kind;
        if is_it {
            self.next()?;
        }
        Ok(is_it)
    }

    fn expect(&mut self, kind: Kind) -> Result<Token, ParseError> {
        if self.peek()?.kind == kind { self.next() } else { Err(self.unexpected_for(kind.name())) }
    }

    fn sign(&mut self, sign: &'static str) -> Result<Token, ParseError> {
        self.expect(Kind::Sign(sign))
    }

    fn identifier(&mut self) -> Result<String, ParseError> {
        let token = self.expect(Kind::Identifier)?;
        Ok(token.text(self.query).to_string())
    }

    fn text(&mut self) -> Result<String, ParseError> {
        let token = self.expect(Kind::Text)?;
        Ok(token.unquoted(self.query))
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let token = self.expect(Kind::Number)?;
        self.number_of(&token)
    }

    fn number_of(&self, token: &Token) -> Result<f64, ParseError> {
        let invalid = |_| {
            let message = format!("unable to parse literal as a float: {:?}", token.text(self.query));
            ParseError::new(self.query, token.span.clone(), message)
        };
        parse_float(token.text(self.query)).map_err(invalid)
    }

    /// Says that the next word cannot stand here.
    fn unexpected(&mut self) -> ParseError {
        self.unexpected_token("")
    }

    /// The same, where only one word can.
    fn unexpected_for(&mut self, expected: &str) -> ParseError {
        self.unexpected_token(&format!(", expecting {expected}"))
    }

    fn unexpected_token(&mut self, expecting: &str) -> ParseError {
        match self.peek().cloned() {
            Err(fault) => fault,
            Ok(token) => {
                let message = format!("syntax error: unexpected {}{expecting}", token.kind.name());
                ParseError::new(self.query, token.span, message)
            }
        }
    }

    /// Counts a stage or a filter.
    fn filter(&mut self) -> Result<(), ParseError> {
        self.n_filters += 1;
        if self.n_filters > FILTERS_MAX {
            let message = format!("query has more than {FILTERS_MAX} stages and filters");
            return Err(ParseError::of_all(message));
        }
        Ok(())
    }

    /// Counts an operator, a function or a parenthesis.
    fn operator(&mut self) -> Result<(), ParseError> {
        self.n_operators += 1;
        if self.n_operators > OPERATORS_MAX {
            let message = format!("query has more than {OPERATORS_MAX} operators and parentheses");
            return Err(ParseError::of_all(message));
        }
        Ok(())
    }

    /// Reads operators that bind at least as tightly, and what is between them.
    fn expr(&mut self, least: u8) -> Result<Expr, ParseError> {
        self.operator()?;
        let mut lhs = self.operand()?;
        while let Kind::Op(op) = self.peek()?.kind {
            if precedence(op) < least {
                break;
            }
            self.next()?;
            let (is_bool, matching) = self.between(op)?;
            // Only powers group to the right.
            let least = if op == BinaryOp::Pow { precedence(op) } else { precedence(op) + 1 };
            let rhs = self.expr(least)?;
            lhs = Expr::Metric(Box::new(combined(op, is_bool, matching, lhs, rhs)?));
        }
        Ok(lhs)
    }

    /// Reads `bool`, `on (a)`, `ignoring (a)`, `group_left (b)`, `group_right (b)`.
    fn between(&mut self, op: BinaryOp) -> Result<(bool, Matching), ParseError> {
        let is_bool = self.accept(Kind::Word("bool"))?;
        let cardinality = if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne };
        let mut matching = Matching { cardinality, labels: Vec::new(), is_on: false, include: Vec::new() };
        let is_on = self.accept(Kind::Word("on"))?;
        if is_on || self.accept(Kind::Word("ignoring"))? {
            matching.is_on = is_on;
            matching.labels = self.label_names()?;
            let is_left = self.accept(Kind::Word("group_left"))?;
            if is_left || self.accept(Kind::Word("group_right"))? {
                matching.cardinality = if is_left { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                if self.peek()?.kind == Kind::Sign("(") {
                    matching.include = self.label_names()?;
                }
            }
        }
        Ok((is_bool, matching))
    }

    /// Reads `(a, b)`.
    fn label_names(&mut self) -> Result<Vec<String>, ParseError> {
        self.sign("(")?;
        let mut res = Vec::new();
        if !self.accept(Kind::Sign(")"))? {
            res.push(self.identifier()?);
            while self.accept(Kind::Sign(","))? {
                res.push(self.identifier()?);
            }
            self.sign(")")?;
        }
        Ok(res)
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        let metric = match self.peek()?.kind {
            Kind::Sign("{") => {
                let matchers = self.selector()?;
                let stages = self.stages()?;
                return Ok(Expr::Log(LogExpr { matchers, stages }));
            }
            Kind::Sign("(") => {
                self.next()?;
                let inner = self.expr(0)?;
                self.sign(")")?;
                return Ok(inner);
            }
            Kind::Number => Metric::Number(self.number()?),
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.next()?;
                let number = self.number()?;
                Metric::Number(if op == BinaryOp::Sub { -number } else { number })
            }
            Kind::RangeOp(op) => self.range_aggregation(op)?,
            Kind::VectorOp(op) => self.aggregate(op)?,
            Kind::Word("vector") => self.vector()?,
            Kind::Word("label_replace") => self.label_replace()?,
            _ => return Err(self.unexpected()),
        };
        Ok(Expr::Metric(Box::new(metric)))
    }

    /// Reads an expression that has numbers.
    fn metric(&mut self) -> Result<Metric, ParseError> {
        match self.expr(0)? {
            Expr::Metric(metric) => Ok(*metric),
            Expr::Log(_) => Err(self.unexpected()),
        }
    }

    /// Compiles a regular expression that has to match the whole of a value.
    fn pattern(&mut self, text: &str) -> Result<crate::record::pattern::Pattern, ParseError> {
        use crate::record::pattern::{COST_MAX, Pattern};
        self.n_patterns += 1;
        if self.n_patterns > PATTERNS_MAX {
            let message = format!("query has more than {PATTERNS_MAX} regular expressions");
            return Err(ParseError::of_all(message));
        }
        let pattern = Pattern::new(text).map_err(|fault| ParseError::of_all(fault.to_string()))?;
        self.cost += pattern.cost();
        if self.cost > COST_MAX {
            return Err(ParseError::of_all("regular expressions too large together"));
        }
        Ok(pattern)
    }

    /// Reads what a label is compared with by `=`, `!=`, `=~` or `!~`.
    fn match_op(&mut self, op: Kind) -> Result<MatchOp, ParseError> {
        let value = self.text()?;
        Ok(match op {
            Kind::Sign("=") => MatchOp::Equal(value),
            Kind::Sign("=~") => MatchOp::Matches(self.pattern(&value)?),
            Kind::Sign("!~") => MatchOp::MatchesNot(self.pattern(&value)?),
            _ => MatchOp::NotEqual(value),
        })
    }
}

/// Puts an operator between two expressions, and computes what has the same value everywhere.
fn combined(
    op: BinaryOp,
    is_bool: bool,
    matching: Matching,
    lhs: Expr,
    rhs: Expr,
) -> Result<Metric, ParseError> {
    let word = op.as_str();
    let metric = |side: &str, expr| match expr {
        Expr::Metric(metric) => Ok(*metric),
        Expr::Log(_) => {
            let message = format!("unexpected type for {side} leg of binary operation ({word}): log query");
            Err(ParseError::of_all(message))
        }
    };
    let (lhs, rhs) = (metric("left", lhs)?, metric("right", rhs)?);
    if op.is_set() {
        for (side, leg) in [("left", &lhs), ("right", &rhs)] {
            if let Metric::Number(number) = leg {
                let number = number::fixed(*number, 6);
                let message = format!(
                    "unexpected literal for {side} leg of logical/set binary operation ({word}): {number}"
                );
                return Err(ParseError::of_all(message));
            }
        }
    }
    Ok(match (&lhs, &rhs) {
        (Metric::Number(lhs), Metric::Number(rhs)) => {
            Metric::Number(super::arithmetic::of_numbers(op, *lhs, *rhs))
        }
        _ => Metric::Binary(Box::new(Binary { op, is_bool, matching, lhs, rhs })),
    })
}
