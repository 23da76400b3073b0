//! The black-box suite: one target, so that it links once.

#![allow(clippy::unwrap_used)]

mod balancer;
mod packaging;
mod tidy;
