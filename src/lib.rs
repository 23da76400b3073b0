//! vitrine: a person's CV, served and watched by one process.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod config;

pub mod http;
pub mod release;
pub mod telemetry;

pub mod ingest;
pub mod query;

pub mod balancer;
pub mod pages;
pub mod store;

pub mod clock;
pub mod cv;
pub mod record;
