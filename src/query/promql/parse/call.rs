//! Calls of functions, aggregations, and the lists of labels in parentheses.

use std::cmp::Reverse;

use super::super::ParseError;
use super::super::ast::{Aggregate, AggregateOp, Call, Expr};
use super::super::lex::{Kind, Token, Word, unquoted};
use super::super::signature::{FUNCTIONS, Function};
use super::expr::can_begin;
use super::{Parser, Tree};
use crate::query::quote::quoted;

/// The function that enriches series by an info metric; behind a feature flag in Prometheus.
const INFO: &str = "info";

/// Arguments, and the height of the highest.
struct Args {
    args: Vec<Expr>,
    height: usize,
}

impl Parser<'_> {
    /// Reads a call whose name was read.
    pub(super) fn call(&mut self, name: &Token) -> Result<Tree, ParseError> {
        let Args { args, height } = self.args()?;
        let called = name.text(self.query);
        let Some(function) = Function::named(called) else {
            return Err(self.error(name.span.clone(), unknown_function(called)));
        };
        let span = name.span.start..self.last_closing;
        self.node(Expr::Call(Call { function, args, span }), height)
    }

    /// Reads an aggregation whose operator was read.
    pub(super) fn aggregate(&mut self, op: AggregateOp, name: &Token) -> Result<Tree, ParseError> {
        self.n_open_aggregations += 1;
        let mut grouping = self.grouping()?;
        if self.peek()? != Kind::LeftParen {
            return Err(self.unexpected_in_expr());
        }
        let args = self.args()?;
        let mut end = self.last_closing;
        if grouping.is_none() {
            grouping = self.grouping()?;
            end = if grouping.is_some() { self.last_closing } else { self.end_before_paren() };
        }
        self.n_open_aggregations -= 1;
        let (grouping, is_without) = grouping.unwrap_or_default();
        let span = name.span.start..end;
        let Args { mut args, height } = args;
        let wanted = 1 + usize::from(op.parameter().is_some());
        let given = args.len();
        let inner = match args.pop() {
            None => return Err(self.error(span, "no arguments for aggregate expression provided")),
            Some(_) if given != wanted => {
                let message = format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}"
                );
                return Err(self.error(span, message));
            }
            Some(inner) => Box::new(inner),
        };
        let parameter = args.pop().map(Box::new);
        self.node(Expr::Aggregate(Aggregate { op, parameter, inner, grouping, is_without, span }), height)
    }

    /// Returns where an aggregation ended whose following word was looked at already. If that
    /// is a parenthesis, it took over the last closing one, and the one before is looked for.
    fn end_before_paren(&self) -> usize {
        if self.last.kind != Kind::RightParen {
            return self.last_closing;
        }
        let before = self.query[..self.last.span.start].trim_end_matches([' ', '\t', '\n', '\r']);
        if before.ends_with(')') { before.len() } else { self.last_closing }
    }

    fn args(&mut self) -> Result<Args, ParseError> {
        self.next()?;
        let mut res = Args { args: Vec::new(), height: 0 };
        if self.accept(Kind::RightParen)? {
            return Ok(res);
        }
        loop {
            let tree = self.expr()?;
            res.height = res.height.max(tree.height);
            res.args.push(tree.expr);
            match self.peek()? {
                Kind::RightParen => {
                    self.next()?;
                    return Ok(res);
                }
                Kind::Comma => {
                    let comma = self.next()?;
                    if !can_begin(self.peek()?) {
                        return Err(
                            self.error(comma.span, "trailing commas not allowed in function call args")
                        );
                    }
                }
                _ => return Err(self.unexpected_in_expr()),
            }
        }
    }

    /// Reads `by (..)` or `without (..)` if there is one; returns the labels and whether they are
    /// left out.
    fn grouping(&mut self) -> Result<Option<(Vec<String>, bool)>, ParseError> {
        let Kind::Word(word @ (Word::By | Word::Without)) = self.peek()? else { return Ok(None) };
        self.next()?;
        Ok(Some((self.grouping_labels()?, word == Word::Without)))
    }

    /// Reads the names of labels in parentheses.
    pub(super) fn grouping_labels(&mut self) -> Result<Vec<String>, ParseError> {
        const CONTEXT: &str = "grouping opts";
        if !self.accept(Kind::LeftParen)? {
            return Err(self.unexpected(CONTEXT, "\"(\""));
        }
        let mut res = Vec::new();
        while !self.accept(Kind::RightParen)? {
            let kind = self.peek()?;
            if kind != Kind::Text && !kind.is_label_name() {
                return Err(self.unexpected(CONTEXT, "label"));
            }
            let token = self.next()?;
            let text = token.text(self.query);
            let name = if kind == Kind::Text { unquoted(text) } else { text.to_string() };
            if name.is_empty() {
                let message = format!("invalid label name for grouping: {}", quoted(&name));
                return Err(self.error(token.span, message));
            }
            res.push(name);
            if self.peek()? != Kind::RightParen && !self.accept(Kind::Comma)? {
                return Err(self.unexpected(CONTEXT, "\",\" or \")\""));
            }
        }
        Ok(res)
    }
}

fn unknown_function(name: &str) -> String {
    if name == INFO {
        return format!("function {} is not supported", quoted(name));
    }
    let message = format!("unknown function with name {}", quoted(name));
    match nearest(name) {
        Some(known) => format!("{message}, did you mean {}?", quoted(known)),
        None => message,
    }
}

/// Returns the function or aggregation whose name is nearest, if it is near enough to be meant:
/// one edit for each four characters.
fn nearest(name: &str) -> Option<&'static str> {
    // Longer names than any function's cannot be near, and need not be compared.
    const LEN_MAX: usize = 40;
    if name.len() > LEN_MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let names =
        FUNCTIONS.iter().map(|function| function.name).chain(AggregateOp::ALL.map(AggregateOp::as_str));
    // Of equally near ones that which begins alike is meant: who types rarely errs at the start.
    let differs_from = |known: &str| lower.bytes().zip(known.bytes()).position(|(a, b)| a != b);
    let alike = |known: &str| differs_from(known).unwrap_or(lower.len().min(known.len()));
    let (distance, _, nearest) =
        names.map(|known| (edits(&lower, known), Reverse(alike(known)), known)).min()?;
    (distance <= name.len().div_ceil(4)).then_some(nearest)
}

/// Returns how many characters must be changed, put in or taken away to turn one ASCII text into
/// another.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (idx, given) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = idx + 1;
        for (column, wanted) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(given != wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_near_a_known_one_is_answered_with_it() {
        assert_eq!(unknown_function("rates"), r#"unknown function with name "rates", did you mean "rate"?"#);
        assert_eq!(nearest("RATE"), Some("rate"));
        assert_eq!(nearest("rat"), Some("rate"), "and not rad");
        assert_eq!(nearest("histogram_quantil"), Some("histogram_quantile"));
        assert_eq!(nearest("sums"), Some("sum"));
        assert_eq!(nearest("xyzzy"), None);
        assert_eq!(unknown_function("info"), r#"function "info" is not supported"#);
    }
}
