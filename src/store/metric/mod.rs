//! Metrics: open windows, chunks, partitions, and how they are read.

pub mod chunk;
pub mod group;
pub mod names;
pub mod part;
pub mod read;
pub mod window;
