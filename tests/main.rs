//! The black-box suite: one target, so that it links once.

#![allow(clippy::unwrap_used)]

mod admin_door;
mod admin_logs;
mod admin_store;
mod bad_input;
mod balancer;
mod browser;
mod chaos;
mod cv_editor;
mod dashboards;
mod differential;
mod export;
mod forward;
mod forward_clients;
mod front;
mod hand_over;
mod harness;
mod import;
mod life;
mod line;
mod logql_differential;
mod logs;
mod loki_api;
mod observers;
mod packaging;
mod page;
mod paper;
mod password;
mod pictures;
mod prometheus_api;
mod promtest;
mod push;
mod readme;
mod release;
mod reload;
mod rules;
mod ship;
mod stack;
mod start;
mod systemd;
mod tail;
mod tidy;
mod tls;
mod traces;
mod visitors;
