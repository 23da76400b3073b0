//! What the processes of a measurement are, none of which outlives this one.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::plain::{self, Serve};

/// The argument that makes this program a plain server; then comes a [`Serve`].
const SERVE: &str = "--serve";

/// The argument that makes this program another one; then comes its command line.
const BECOME: &str = "--become";

/// Returns the command of a plain server.
pub fn serve(serve: &Serve) -> Command {
    let mut command = itself();
    command.args([SERVE, &serde_json::to_string(serve).unwrap()]);
    command
}

/// Returns another program's command, which is told to end when this process does.
pub fn command(program: &str) -> Command {
    let mut command = itself();
    command.args([BECOME, program]);
    command
}

fn itself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// Does what the arguments say when they make this process a child; returns false otherwise.
pub fn is_child() -> bool {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // Not KILL: a master that is killed leaves its workers behind.
    let end_with_parent = || set_parent_process_death_signal(Some(Signal::TERM)).unwrap();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [SERVE, serve] => {
            end_with_parent();
            plain::run(serde_json::from_str(serve).unwrap());
            true
        }
        [BECOME, program, ref args @ ..] => {
            end_with_parent();
            panic!("{program}: {}", Command::new(program).args(args).exec());
        }
        _ => false,
    }
}
