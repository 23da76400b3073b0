//! What the processes of a measurement are, none of which outlives this one.

use std::process::Command;

use rustix::process::Signal;

use super::plain::{self, Serve};
use super::program;

/// Not KILL: a master that is killed leaves its workers behind.
const END: Signal = Signal::TERM;

/// The argument that makes this program a plain server; then comes a [`Serve`].
const SERVE: &str = "--serve";

/// Returns the command of a plain server.
pub fn serve(serve: &Serve) -> Command {
    let mut command = program::itself();
    command.args([SERVE, &serde_json::to_string(serve).unwrap()]);
    command
}

/// Does what the arguments say when they make this process a child; returns false otherwise.
pub fn is_child() -> bool {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    program::become_another(&args, END);
    let [SERVE, serve] = args[..] else { return false };
    program::end_with_parent(END);
    plain::run(serde_json::from_str(serve).unwrap());
    true
}
