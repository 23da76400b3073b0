//! Other programs as children of a measurement, which end when it does.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};

/// The argument that makes this program another one; then comes its command line.
const BECOME: &str = "--become";

/// Returns the command of this program.
pub fn itself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// Returns another program's command, which is told to end when this process does.
pub fn command(program: &str) -> Command {
    let mut command = itself();
    command.args([BECOME, program]);
    command
}

/// Has this process told to end with the one that started it.
pub fn end_with_parent(signal: Signal) {
    set_parent_process_death_signal(Some(signal)).unwrap();
}

/// Becomes another program when the arguments say so.
pub fn become_another(args: &[&str], signal: Signal) {
    if let [BECOME, program, args @ ..] = args {
        end_with_parent(signal);
        panic!("{program}: {}", Command::new(program).args(args).exec());
    }
}
