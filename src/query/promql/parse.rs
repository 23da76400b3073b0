//! From text to tree.
//!
//! One word is looked ahead. The first fault ends the reading, and it is the one that Prometheus 3
//! would show, in its words and at its place: the order in which words are read and faults are
//! looked for is that of its generated parser. Whatever the text, reading takes time and memory in
//! proportion to its length, and the tree is no higher than [`HEIGHT_MAX`].

mod brackets;
mod call;
mod expr;
mod modifier;
mod number;
mod selector;

use super::ParseError;
use super::ast::{Expr, Span, VectorSelector};
use super::check::check;
use super::lex::{Kind, Lexer, Token};
use crate::record::labels::METRIC_NAME;
use crate::record::pattern::COST_MAX;
use crate::record::read::{MatchOp, Matcher};

/// Longest query in bytes: a megabyte is a hundred times the longest that people write, and what
/// a form may post.
pub const QUERY_LEN_MAX: usize = 1 << 20;

/// Most parentheses, calls and signs around one another: the parser goes down the stack with them,
/// and a thread has 2 MiB of it.
const NESTING_MAX: usize = 128;

/// Highest tree: whoever walks a tree goes down the stack with it. A chain `a + b + c` is as high
/// as it has terms.
pub const HEIGHT_MAX: usize = 600;

/// Most regular expressions in one query: each compiles to a program of its own.
const PATTERNS_MAX: usize = 1_000;

/// Most that all of them may cost together: as much as the largest alone.
const PATTERNS_COST_MAX: u64 = COST_MAX;

/// Parses and checks an expression.
pub fn parse(query: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(query)?;
    if parser.peek()? == Kind::End {
        return Err(ParseError::new(query, 0..0, "no expression found in input"));
    }
    let mut tree = parser.expr()?;
    parser.expect_end()?;
    check(query, &mut tree.expr)?;
    Ok(tree.expr)
}

/// Parses a selector alone, as `match[]` of the API has one.
///
/// That it may select everything is for the caller to refuse, as in Prometheus.
pub fn parse_selector(text: &str) -> Result<VectorSelector, ParseError> {
    let mut parser = Parser::new(text)?;
    let selector = match parser.peek()? {
        Kind::LeftBrace => parser.selector(None)?,
        kind if kind.is_metric_name() => {
            let name = parser.next()?;
            parser.selector(Some(name))?
        }
        _ => return Err(parser.unexpected("", "")),
    };
    parser.expect_end()?;
    Ok(selector)
}

impl VectorSelector {
    /// Returns the selector of some conditions, with the metric's name before the braces where it
    /// can stand there.
    pub fn of(matchers: Vec<Matcher>) -> VectorSelector {
        let named = matchers.iter().find_map(|matcher| match &matcher.op {
            MatchOp::Equal(name) if matcher.name == METRIC_NAME => Some(name.clone()),
            _ => None,
        });
        let is_plain =
            |name: &String| parse_selector(name).is_ok_and(|read| read.name.as_ref() == Some(name));
        VectorSelector { name: named.filter(is_plain), matchers, offset_ms: 0, at: None, span: 0..0 }
    }
}

/// A tree and its height, which is one for a leaf.
struct Tree {
    expr: Expr,
    height: usize,
}

impl Tree {
    fn leaf(expr: Expr) -> Self {
        Tree { expr, height: 1 }
    }
}

/// Reads words and builds trees.
struct Parser<'q> {
    query: &'q str,
    lexer: Lexer<'q>,
    /// The word that comes next, once it was looked at.
    ahead: Option<Token>,
    /// The word that was read last, looked ahead or not.
    last: Token,
    /// Where the last number or closing bracket of any kind ended, looked ahead or not: there ends
    /// what they close.
    last_closing: usize,
    nesting: usize,
    /// How many aggregations are not complete: faults in them are named so.
    n_open_aggregations: usize,
    n_patterns: usize,
    patterns_cost: u64,
}

impl<'q> Parser<'q> {
    fn new(query: &'q str) -> Result<Self, ParseError> {
        if query.len() > QUERY_LEN_MAX {
            let message = format!("query of {} bytes, no more than {QUERY_LEN_MAX} are read", query.len());
            return Err(ParseError::new(query, 0..0, message));
        }
        Ok(Parser {
            query,
            lexer: Lexer::new(query),
            ahead: None,
            last: Token { kind: Kind::End, span: 0..0 },
            last_closing: 0,
            nesting: 0,
            n_open_aggregations: 0,
            n_patterns: 0,
            patterns_cost: 0,
        })
    }

    /// Returns what comes next, and leaves it there.
    fn peek(&mut self) -> Result<Kind, ParseError> {
        if let Some(token) = &self.ahead {
            return Ok(token.kind);
        }
        let token = self.lexer.next_token()?;
        if let Kind::RightBrace | Kind::RightParen | Kind::RightBracket | Kind::Duration | Kind::Number =
            token.kind
        {
            self.last_closing = token.span.end;
        }
        self.last = token.clone();
        Ok(self.ahead.insert(token).kind)
    }

    /// Takes the next word.
    fn next(&mut self) -> Result<Token, ParseError> {
        self.peek()?;
        Ok(self.ahead.take().unwrap_or_else(|| self.last.clone()))
    }

    /// Takes the next word if it is of a kind.
    fn accept(&mut self, kind: Kind) -> Result<bool, ParseError> {
        let found = self.peek()? == kind;
        if found {
            self.ahead = None;
        }
        Ok(found)
    }

    fn expect_end(&mut self) -> Result<(), ParseError> {
        if self.peek()? == Kind::End { Ok(()) } else { Err(self.unexpected("", "")) }
    }

    /// Takes one more level of nesting; [`Self::leave`] gives it back.
    fn enter(&mut self) -> Result<(), ParseError> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            let message = format!("query nests deeper than {NESTING_MAX} levels");
            return Err(self.error(self.last.span.clone(), message));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// Puts a node above trees of which the highest has `height`.
    fn node(&self, expr: Expr, height: usize) -> Result<Tree, ParseError> {
        if height >= HEIGHT_MAX {
            let message = format!("query combines more than {HEIGHT_MAX} levels of expressions");
            return Err(self.error(self.last.span.clone(), message));
        }
        Ok(Tree { expr, height: height + 1 })
    }

    /// Returns the fault that the word read last cannot stand where it does.
    fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        let mut message = format!("unexpected {}", self.last.described(self.query));
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.error(self.last.span.clone(), message)
    }

    /// Returns the fault of a word that cannot stand in an expression.
    fn unexpected_in_expr(&self) -> ParseError {
        self.unexpected(if self.n_open_aggregations > 0 { "aggregation" } else { "" }, "")
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError::new(self.query, span, message)
    }
}

#[cfg(test)]
mod tests;
