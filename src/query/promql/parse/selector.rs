//! Selectors: a name and matchers in braces.

use super::super::ParseError;
use super::super::ast::{BinaryOp, Span, VectorSelector};
use super::super::lex::{Kind, Token, unquoted};
use super::{PATTERNS_COST_MAX, PATTERNS_MAX, Parser};
use crate::record::labels::METRIC_NAME;
use crate::record::pattern::Pattern;
use crate::record::read::{MatchOp, Matcher};

impl Parser<'_> {
    /// Reads a selector whose name was read, if it has one before the braces.
    pub(super) fn selector(&mut self, name: Option<Token>) -> Result<VectorSelector, ParseError> {
        let mut matchers = Vec::new();
        let mut span = name.as_ref().map(|name| name.span.clone());
        if self.peek()? == Kind::LeftBrace {
            let start = self.next()?.span.start;
            let end = self.matchers(&mut matchers)?;
            span = Some(span.map_or(start, |span| span.start)..end);
        }
        let name = name.map(|token| token.text(self.query).to_string());
        matchers.extend(name.iter().map(|name| Matcher::equal(METRIC_NAME, name)));
        Ok(VectorSelector { name, matchers, offset_ms: 0, at: None, span: span.unwrap_or_default() })
    }

    /// Reads matchers and the closing brace, and returns where that ends.
    fn matchers(&mut self, res: &mut Vec<Matcher>) -> Result<usize, ParseError> {
        while self.peek()? != Kind::RightBrace {
            res.push(self.matcher()?);
            if self.peek()? != Kind::RightBrace && !self.accept(Kind::Comma)? {
                return Err(self.unexpected("label matching", "\",\" or \"}\""));
            }
        }
        Ok(self.next()?.span.end)
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        const CONTEXT: &str = "label matching";
        let is_quoted = match self.peek()? {
            Kind::Identifier => false,
            Kind::Text => true,
            _ => return Err(self.unexpected(CONTEXT, "identifier or \"}\"")),
        };
        let label = self.next()?;
        let text = label.text(self.query);
        let name = if is_quoted { unquoted(text) } else { text.to_string() };
        let op = match self.peek()? {
            op @ (Kind::Assign | Kind::Op(BinaryOp::NotEqual) | Kind::AssignRegex | Kind::NotRegex) => op,
            _ if is_quoted => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return Err(self.unexpected(CONTEXT, "label matching operator")),
        };
        self.next()?;
        if self.peek()? != Kind::Text {
            return Err(self.unexpected(CONTEXT, "string"));
        }
        let token = self.next()?;
        let value = unquoted(token.text(self.query));
        let op = match op {
            Kind::Assign => MatchOp::Equal(value),
            Kind::AssignRegex | Kind::NotRegex => {
                let pattern = self.pattern(&value, label.span.start..token.span.end)?;
                if op == Kind::AssignRegex { MatchOp::Matches(pattern) } else { MatchOp::MatchesNot(pattern) }
            }
            _ => MatchOp::NotEqual(value),
        };
        Ok(Matcher { name, op })
    }

    /// Compiles a regular expression of a matcher.
    fn pattern(&mut self, text: &str, matcher: Span) -> Result<Pattern, ParseError> {
        self.n_patterns += 1;
        if self.n_patterns > PATTERNS_MAX {
            let message = format!("query has more than {PATTERNS_MAX} regular expressions");
            return Err(self.error(matcher, message));
        }
        let pattern = Pattern::new(text).map_err(|err| self.error(matcher.clone(), err.to_string()))?;
        self.patterns_cost += pattern.cost();
        if self.patterns_cost > PATTERNS_COST_MAX {
            return Err(self.error(matcher, "regular expressions too large together"));
        }
        Ok(pattern)
    }
}
