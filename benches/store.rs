//! What the store takes on disk, in memory and in time: one table of figures and budgets.
//!
//! Defends the budgets of the store: bytes per sample and per log line on disk, lines per second
//! of processor time, memory while everything comes at once and during each query, the
//! time of the queries, and the time of opening a full store. Ends with 1 when one is missed.
//!
//! All data is generated from a seed, so that two runs and two versions are compared on the
//! same bytes; each answer is checked against what was generated. Each measurement is taken
//! in a process of its own: this program started again as a [`child`]. Begin reading at
//! [`history`], which is the store most parts share, and [`feed`], which fills it.

#![allow(clippy::unwrap_used)]

#[path = "store/child.rs"]
mod child;
#[path = "store/feed.rs"]
mod feed;
#[path = "store/history.rs"]
mod history;
#[path = "store/ingest.rs"]
mod ingest;
#[path = "store/lines.rs"]
mod lines;
#[path = "store/measure.rs"]
mod measure;
#[path = "store/opening.rs"]
mod opening;
#[path = "store/peers.rs"]
mod peers;
#[path = "store/program.rs"]
mod program;
#[path = "store/queries.rs"]
mod queries;
#[path = "store/random.rs"]
mod random;
#[path = "store/recording.rs"]
mod recording;
#[path = "store/scratch.rs"]
mod scratch;
#[path = "store/search.rs"]
mod search;
#[path = "store/series.rs"]
mod series;
#[path = "store/sizes.rs"]
mod sizes;
#[path = "store/table.rs"]
mod table;
#[path = "store/words.rs"]
mod words;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use history::Run;
use table::Section;

/// Measures what the store takes, prints a table, and ends with 1 when a budget is missed.
///
/// Works in a folder of its own below TMPDIR, which needs about 1 GB at scale 1 and is
/// removed at the end. Tries to be alone: other work on the machine adds to every time.
#[derive(Parser)]
#[command(name = "cargo bench --bench store --", after_help = ENVIRONMENT)]
struct Args {
    /// Which data is generated.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much of it: the length of metrics and the bytes of logs, as a factor. Below 1 a
    /// size says little, because what a partition costs in any case weighs more.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// The parts to run.
    #[arg(long, value_delimiter = ',', default_value = "metrics,logs,ingest,queries,opening,peers")]
    only: Vec<Part>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const ENVIRONMENT: &str = "\
Environment:
  VITRINE_HOST_DATA     a recording of a host's metrics: `# TIME <unix ms>`, then Prometheus text
  PROMETHEUS_BIN, PROMTOOL_BIN, VICTORIA_METRICS_BIN, VICTORIA_LOGS_BIN
                        other stores for the part `peers`, which are else looked for in PATH";

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Bytes per sample on disk
    Metrics,
    /// Bytes of log lines on disk
    Logs,
    /// Processor time and memory of taking in
    Ingest,
    /// Times and memory of reads
    Queries,
    /// Time of a start, and of dropping a partition
    Opening,
    /// Other stores on the same data
    Peers,
}

impl Part {
    fn run(self, run: &mut Run) -> Section {
        match self {
            Part::Metrics => sizes::metrics(run),
            Part::Logs => sizes::logs(run),
            Part::Ingest => ingest::section(run),
            Part::Queries => queries::section(run),
            Part::Opening => opening::section(run),
            Part::Peers => peers::section(run),
        }
    }
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if (0.01..=10.0).contains(&scale) => Ok(scale),
        _ => Err("a number from 0.01 to 10".into()),
    }
}

fn main() -> ExitCode {
    vitrine::heap::tune();
    if child::is_child() {
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let began = Instant::now();
    let dir = scratch::folder();
    let mut run = Run::new(args.seed, args.scale, dir.path().to_path_buf());
    // What changes the shared store comes last.
    let mut parts = args.only;
    parts.sort_by_key(|part| *part == Part::Opening);
    let sections: Vec<Section> = parts
        .into_iter()
        .map(|part| {
            let name = part.to_possible_value().unwrap().get_name().to_string();
            eprintln!("{name}, after {} s", began.elapsed().as_secs());
            part.run(&mut run)
        })
        .collect();
    println!("store, seed {}, scale {}", args.seed, args.scale);
    table::print(&sections);
    let n_missed: usize = sections.iter().map(Section::n_missed).sum();
    println!("\n{n_missed} budgets missed, {} s", began.elapsed().as_secs());
    if n_missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
