//! What it costs to take in log lines by Loki's push, as log shippers send them.
//!
//! Defends "log ingest by Loki push (protobuf, 1,000 lines a request), at ≤ 96 MB:
//! ≥ 100,000 lines per CPU second". Ends with 1 when it does not. The lines are mixed ones of
//! the store's benchmark; the time is all that the program uses from the first request until it
//! is at rest, the memory its highest.

#![allow(clippy::unwrap_used)]

#[path = "store/lines.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod lines;
#[path = "server/process.rs"]
mod process;
#[path = "server/processor.rs"]
mod processor;
#[path = "store/random.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod random;
#[path = "push/request.rs"]
mod request;
#[path = "store/scratch.rs"]
mod scratch;
#[path = "store/table.rs"]
#[allow(dead_code, reason = "it is shared with other benchmarks")]
mod table;
#[path = "store/words.rs"]
mod words;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use lines::{LineKind, Lines};
use process::Process;
use request::body;
use table::{Row, Section};
use vitrine::clock::{Clock, UnixNanos};

/// Lines of one request.
const BATCH: usize = 1_000;

/// Requests, one after the other on a connection that is kept.
const REQUESTS: usize = 1_000;

/// The budgets.
const LINES_PER_CPU_SECOND_MIN: f64 = 100_000.0;
const MEMORY_MAX_BYTES: u64 = 96_000_000;

const PASSWORD: &str = "correct horse battery staple";

fn start(dir: &Path) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--site"]).arg(dir);
    command.arg("--data").arg(dir.join("data")).current_dir(dir);
    command.env("VITRINE_ADMIN_PASSWORD", PASSWORD).env("VITRINE_FORWARD_LISTEN", "127.0.0.1:0");
    command.env("VITRINE_PUSH_BYTES_PER_SECOND", "0");
    let (process, after) = Process::start(command, "serving on http://");
    (process, after.split([',', ' ']).next().unwrap().to_string())
}

fn highest_memory(pid: i32) -> u64 {
    procfs::process::Process::new(pid).unwrap().status().unwrap().vmhwm.unwrap() * 1024
}

fn main() -> ExitCode {
    let dir = scratch::folder();
    let (process, address) = start(dir.path());
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60))).build().into();
    let credential = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("admin:{PASSWORD}"))
    };
    let push = |body: &[u8]| {
        let request = agent.post(format!("http://{address}/loki/api/v1/push"));
        let request = request.header("authorization", format!("Basic {credential}"));
        let answer = request.content_type("application/x-protobuf").send(body).unwrap();
        assert_eq!(answer.status(), 204);
    };
    let begin = Clock::system().now().0 - 3_600_000_000_000;
    let mut lines = Lines::new(LineKind::Mixed, 1, UnixNanos(begin), u64::MAX);
    // The password is hashed once, and not at the lines' expense.
    push(&body(&mut lines, BATCH));
    processor::wait_for_rest(&[process.pid()]);
    let before = processor::time_of(&[process.pid()]);
    let mut n_bytes = 0;
    for _ in 0..REQUESTS {
        let body = body(&mut lines, BATCH);
        n_bytes += body.len() as u64;
        push(&body);
    }
    processor::wait_for_rest(&[process.pid()]);
    let used = processor::time_of(&[process.pid()]).saturating_sub(before);
    let rate = (BATCH * REQUESTS) as f64 / used.as_secs_f64();
    let memory = highest_memory(process.pid());
    let mut section = Section::new("Log lines by Loki's push");
    let is_quick = rate >= LINES_PER_CPU_SECOND_MIN;
    section.push(
        Row::new("lines per CPU second", table::count(rate as u64))
            .budget(table::count(LINES_PER_CPU_SECOND_MIN as u64), is_quick)
            .note(format!("{} requests of {BATCH} lines, {} on the wire", REQUESTS, table::bytes(n_bytes))),
    );
    let is_small = memory <= MEMORY_MAX_BYTES;
    section.push(
        Row::new("highest memory", table::bytes(memory)).budget(table::bytes(MEMORY_MAX_BYTES), is_small),
    );
    table::print(&[section]);
    if is_quick && is_small { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
