//! Being built.

pub mod admin;
pub mod api;
