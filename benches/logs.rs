//! What questions about log lines take: the same mixed lines in vitrine and, where they are
//! installed, in Loki and VictoriaLogs, the same questions to each in turn.
//!
//! Defends "`{job="x"} |= "needle"` over 1 GB of raw log: cold ≤ 140 ms, warm ≤ 30 ms; a substring
//! that is no whole word ≤ 1.1 s, `| json | status >= 500` ≤ 1.5 s", and the memory of a query. Cold
//! is the first answer of a process that was started on files of which nothing was in memory, as far
//! as this user may have it dropped; warm is the middle of later ones, asked of one after the other,
//! so that whatever else the machine does meets all alike. All are times of whole HTTP answers, and
//! each answer is checked against what was generated, or against the others'. Ends with 1 when a
//! budget is missed.
//!
//! `LOGS_MB` is how much is pushed, 100 unless set; the budgets are of 1,000. `LOKI_BIN` and
//! `VICTORIA_LOGS_BIN` name the programs, else `PATH` is searched; `LOGS_PEERS` names
//! those that are wanted of `vitrine,Loki,VictoriaLogs`, all unless set. With `--test` it asks a little
//! about a little, to see that it works.

#![allow(clippy::unwrap_used)]

#[path = "logs/feed.rs"]
mod feed;
#[path = "store/lines.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod lines;
#[path = "store/measure.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod measure;
#[path = "logs/peer.rs"]
mod peer;
#[path = "server/process.rs"]
mod process;
#[path = "logs/question.rs"]
mod question;
#[path = "store/random.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod random;
#[path = "push/request.rs"]
mod request;
#[path = "store/scratch.rs"]
mod scratch;
#[path = "store/search.rs"]
mod search;
#[path = "store/table.rs"]
#[allow(dead_code, reason = "it is shared with other benchmarks")]
mod table;
#[path = "query/vitrine.rs"]
mod vitrine;
#[path = "store/words.rs"]
mod words;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use feed::Feed;
use measure::median;
use peer::Peer;
use question::Question;
use table::{Row, Section};

/// Times each question is asked of each while it is warm.
const ROUNDS: usize = 5;

/// What the budgets are of.
const BUDGET_MB: u64 = 1_000;

/// Unless `LOGS_MB` says otherwise; with `--test`.
const DEFAULT_MB: u64 = 100;
const TEST_MB: u64 = 3;

/// Proportional set size at any moment, by DESIGN.md.
const MEMORY_MAX_BYTES: u64 = 96_000_000;

/// How much is done.
struct Extent {
    raw_bytes: u64,
    rounds: usize,
    has_budgets: bool,
}

impl Extent {
    fn of_arguments() -> Extent {
        let is_test = std::env::args().any(|arg| arg == "--test");
        let named = std::env::var("LOGS_MB").ok().map(|text| text.parse().expect("LOGS_MB is a number"));
        let mb: u64 = named.unwrap_or(if is_test { TEST_MB } else { DEFAULT_MB });
        let rounds = if is_test { 1 } else { ROUNDS };
        Extent { raw_bytes: mb * 1_000_000, rounds, has_budgets: !is_test && mb >= BUDGET_MB }
    }
}

fn main() -> ExitCode {
    let extent = Extent::of_arguments();
    let dir = scratch::folder();
    let mut peers = Peer::all(dir.path());
    peers.iter_mut().for_each(Peer::start);
    let mut feed = Feed::new(extent.raw_bytes);
    while let Some(body) = feed.next() {
        peers.iter().for_each(|peer| peer.push(&body));
    }
    peers.iter().for_each(Peer::settle);
    peers.iter_mut().for_each(|peer| peer.look("the push"));
    let sections = [of_questions(&extent, &feed, &mut peers), of_peers(&extent, &feed, &mut peers)];
    table::print(&sections);
    let n_missed: usize = sections.iter().map(Section::n_missed).sum();
    if n_missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn of_questions(extent: &Extent, feed: &Feed, peers: &mut [Peer]) -> Section {
    let mut section = Section::new("LogQL, whole answers over HTTP");
    for question in question::all() {
        let cold: Vec<Asked> = peers
            .iter_mut()
            .map(|peer| {
                peer.start_cold();
                Asked::of(&question, peer, feed)
            })
            .collect();
        let mut warm: Vec<Vec<Duration>> = vec![Vec::new(); peers.len()];
        for _ in 0..extent.rounds {
            for (peer, times) in peers.iter().zip(&mut warm) {
                times.push(Asked::of(&question, peer, feed).took);
            }
        }
        peers.iter_mut().for_each(|peer| peer.look(question.what));
        let warm: Vec<Duration> = warm.into_iter().map(median).collect();
        let expect = (question.expect)(feed.told()).unwrap_or(cold[0].n_lines);
        let first_name = peers[0].name;
        for (idx, peer) in peers.iter().enumerate() {
            assert_eq!(cold[idx].n_lines, expect, "{}: {}", question.what, peer.name);
            let row = |heat: &str, took: Duration, first: Duration| {
                let ratio = took.as_secs_f64() / first.as_secs_f64();
                Row::new(format!("{}, {heat}, {}", question.what, peer.name), table::ms(took))
                    .note(format!("{ratio:.2} times {first_name}'s"))
            };
            let budget = question.budget_ms.filter(|_| idx == 0 && extent.has_budgets);
            let budgets = budget.map_or([None, None], |(cold, warm)| [Some(cold), Some(warm)]);
            let rows = [row("cold", cold[idx].took, cold[0].took), row("warm", warm[idx], warm[0])];
            let took = [cold[idx].took, warm[idx]];
            for ((row, budget), took) in rows.into_iter().zip(budgets).zip(took) {
                section.push(match budget {
                    Some(ms) => row.budget(format!("≤ {ms} ms"), took <= Duration::from_millis(ms)),
                    None => row,
                });
            }
        }
    }
    section
}

/// What a question took, and how many lines its answer was about.
struct Asked {
    took: Duration,
    n_lines: u64,
}

impl Asked {
    fn of(question: &Question, peer: &Peer, feed: &Feed) -> Asked {
        let began = Instant::now();
        let n_lines = question.ask(peer.language(), &feed.range_ns(), &|path| peer.get(path));
        Asked { took: began.elapsed(), n_lines }
    }
}

fn of_peers(extent: &Extent, feed: &Feed, peers: &mut [Peer]) -> Section {
    let told = feed.told();
    let mut section = Section::new("What the lines and the questions took");
    section.push(Row::new("lines", table::count(told.n_lines)).note(table::bytes(told.raw_bytes)));
    for peer in peers {
        peer.stop();
        let (resident, proportional) = peer.memory();
        let row = Row::new(format!("highest memory, {}", peer.name), table::bytes(resident.n_bytes));
        let proportional =
            format!("{} proportional after {}", table::bytes(proportional.n_bytes), proportional.after);
        let row = row.note(format!("seen after {}; {proportional}", resident.after));
        section.push(if peer.name == "vitrine" && extent.has_budgets {
            row.budget(format!("≤ {}", table::bytes(MEMORY_MAX_BYTES)), resident.n_bytes <= MEMORY_MAX_BYTES)
        } else {
            row
        });
        section.push(
            Row::new(format!("on disk, {}", peer.name), table::bytes(peer.disk_bytes()))
                .note(format!("{:.2} ×", told.raw_bytes as f64 / peer.disk_bytes() as f64)),
        );
    }
    section
}
