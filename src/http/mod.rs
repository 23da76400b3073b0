//! Being built.

pub mod admin;
