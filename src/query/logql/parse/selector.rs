//! Selectors of streams.

use super::super::ast::BinaryOp;
use super::super::error::ParseError;
use super::super::lex::Kind;
use super::Parser;
use crate::record::read::Matcher;

impl Parser<'_> {
    /// Reads `{job="access", level!~"debug|info"}`.
    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>, ParseError> {
        self.sign("{")?;
        let mut res = Vec::new();
        while !self.accept(Kind::Sign("}"))? {
            if !res.is_empty() && !self.accept(Kind::Sign(","))? {
                return Err(self.unexpected_for("} or ,"));
            }
            let name = self.identifier()?;
            res.push(self.matcher(name)?);
        }
        Ok(res)
    }

    /// Reads a condition on a label whose name was read.
    pub(super) fn matcher(&mut self, name: String) -> Result<Matcher, ParseError> {
        let op = self.peek()?.kind;
        match op {
            Kind::Sign("=" | "=~" | "!~") | Kind::Op(BinaryOp::NotEqual) => {
                self.next()?;
                Ok(Matcher { name, op: self.match_op(op)? })
            }
            _ => Err(self.unexpected_for("=, !=, =~ or !~")),
        }
    }
}
