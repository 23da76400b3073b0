//! Builds every part, joins them, runs, reloads, drains.
//!
//! The life of the process, in order (`start`, then `serve`): configuration → data directory →
//! telemetry → store → CV → balancer → bind → ready. A reload (`reload`) reads and proves
//! everything before it changes anything; a hand-over (`hand_over`) does the same with a whole
//! process. A stop goes backwards: not ready → no more
//! accepting → requests in hand → exporters → store, last because all others write to it.

mod admin;
mod beside;
pub mod commands;
pub mod control;
mod data;
mod durable;
mod edit;
mod events;
mod forward;
mod hand_over;
pub mod logs;
mod look;
mod pipeline;
pub mod promtest;
mod push;
pub mod query;
pub mod releases;
mod reload;
mod rules;
mod serve;
mod signals;
mod site;
mod sockets;
mod start;
mod status;
mod tail;
mod versions;
mod visitors;
mod vitals;
mod watch;

use std::fmt;
use std::time::Duration;

use crate::http::DRAIN_GRACE;

/// The store's folder in the data directory.
const STORE_DIR: &str = "store";

/// The final export may take so long; what a dead far end did not take by then is lost.
pub const EXPORT_GRACE: Duration = Duration::from_secs(2);

/// The final flush of the store may take so long.
pub const STORE_GRACE: Duration = Duration::from_secs(3);

/// What the steps between those take: connections that settle, threads that are joined.
const STOP_SLACK: Duration = Duration::from_secs(1);

/// The longest that a stop takes; whoever supervises the process must wait longer before
/// it kills (compose file and systemd unit do, and a test compares).
pub const STOP_BUDGET: Duration =
    DRAIN_GRACE.saturating_add(EXPORT_GRACE).saturating_add(STORE_GRACE).saturating_add(STOP_SLACK);

/// Why a command ended without success.
#[derive(Debug)]
pub enum Failure {
    /// Configuration or CV are wrong; trying again does not help.
    Configuration(String),
    /// The environment (port, permission, second process, newer data), or the command's
    /// own refusal.
    Environment(anyhow::Error),
    /// Another command is at work.
    Busy(anyhow::Error),
    /// What was before could not be brought back.
    Stuck(anyhow::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Configuration(problems) => f.write_str(problems),
            Failure::Environment(fault) | Failure::Busy(fault) | Failure::Stuck(fault) => {
                write!(f, "{fault:#}")
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(fault: anyhow::Error) -> Self {
        Failure::Environment(fault)
    }
}

impl From<crate::config::Problems> for Failure {
    fn from(problems: crate::config::Problems) -> Self {
        Failure::Configuration(format!("the configuration is wrong:\n{problems}"))
    }
}
