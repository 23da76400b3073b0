//! The black-box suite: one target, so that it links once.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod balancer;
mod browser;
mod chaos;
mod forward;
mod harness;
mod import;
mod life;
mod packaging;
mod page;
mod paper;
mod password;
mod pictures;
mod readme;
mod reload;
mod start;
mod tail;
mod tidy;
mod tls;
