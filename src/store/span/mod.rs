//! Spans as the store keeps them: bounded, numbered, many to a block.
//!
//! `bounds` cuts what a source made too large, `open` has what is not sealed, `columns` turns
//! a block into bytes and back, and `facts` is what a block's header says, so that `read`
//! unpacks only blocks of a partition (`part`) that can have what it looks for.

pub mod bounds;
pub mod columns;
pub mod facts;
pub mod open;
pub mod part;
pub mod read;

#[cfg(test)]
mod specimen;

use crate::record::Span;

/// One span inside its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedSpan {
    /// Its place among all spans of this generation, in the order of arrival.
    pub no: u64,
    /// The span.
    pub span: Span,
}

impl NumberedSpan {
    /// Returns about how many bytes the span takes in memory.
    pub fn size_bytes(&self) -> usize {
        self.span.size_bytes() + size_of_val(&self.no)
    }
}
