//! From text to tree.

use super::ParseError;
use super::ast::{Expr, VectorSelector};

/// Parses and checks an expression.
pub fn parse(_query: &str) -> Result<Expr, ParseError> {
    unimplemented!("soon")
}

/// Parses a selector alone, as `match[]` of the API has one.
pub fn parse_selector(_text: &str) -> Result<VectorSelector, ParseError> {
    unimplemented!("soon")
}
