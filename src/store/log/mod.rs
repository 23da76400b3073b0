//! Log lines: open blocks, their columns, partitions, and how they are read.
//!
//! What a block tells of itself, so that a search need not open it, is pure and knows neither
//! blocks nor the disk: `tokens` cuts lines and searches into 64-bit keys and says why a block
//! may be ruled out by them, `collect` gathers the keys of a block, `filter` packs them into
//! about a byte each, and `needle` is what a search asks.

pub mod batch;
pub mod block;
mod cells;
mod collect;
pub mod filter;
mod needle;
pub mod open;
pub mod part;
pub mod parts;
pub mod read;
mod search;
mod texts;
mod tokens;
