//! What programs ask for: one module for each protocol spoken.

pub mod metrics;
