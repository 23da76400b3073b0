//! What a page costs: vitrine beside nginx and beside parts of itself, in one table.
//!
//! Defends the budgets of DESIGN.md on throughput and processor time per request. Ends with 1
//! when one is missed, or when a request failed.
//!
//! Every server runs in processes of its own and answers the very same page, which is fetched
//! from vitrine; wrk asks them one after the other, round after round. Begin reading at
//! [`lineup`], which says who takes part, and [`rounds`], which says how figures are taken.

#![allow(clippy::unwrap_used)]

#[path = "server/child.rs"]
mod child;
#[path = "server/figures.rs"]
mod figures;
#[path = "server/flask.rs"]
mod flask;
#[path = "server/lineup.rs"]
mod lineup;
#[path = "server/load.rs"]
mod load;
#[path = "server/machine.rs"]
mod machine;
#[path = "server/nginx.rs"]
mod nginx;
#[path = "server/page.rs"]
mod page;
#[path = "server/plain.rs"]
mod plain;
#[path = "server/process.rs"]
mod process;
#[path = "server/processor.rs"]
mod processor;
#[path = "store/program.rs"]
mod program;
#[path = "server/programs.rs"]
mod programs;
#[path = "server/rounds.rs"]
mod rounds;
#[path = "store/scratch.rs"]
mod scratch;
#[path = "store/search.rs"]
mod search;
#[path = "store/table.rs"]
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use lineup::{Kind, Lineup};
use load::{Load, Shape};
use programs::Programs;
use rounds::Comparison;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Measures what a page costs, prints a table, and ends with 1 when a budget is missed.
///
/// Takes about eleven minutes. Needs nginx and wrk, and installs them where it runs as root on
/// Debian, which then also starts an nginx on port 80; with Flask and gunicorn there is one more
/// row. The load comes from the same cores: ratios say more than times, and other work on the
/// machine adds to all.
#[derive(Parser)]
#[command(name = "cargo bench --bench server --", after_help = ENVIRONMENT)]
struct Args {
    /// Seconds of load in one measurement.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Measurements of each server with each load.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// In which encoding the page is asked for.
    #[arg(long, default_value = "br")]
    encoding: Encoding,
    /// The loads to put on.
    #[arg(long, value_delimiter = ',', default_value = "keep-1,keep-64,keep-1000,new-1,new-64,new-1000")]
    only: Vec<Shape>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const ENVIRONMENT: &str = "\
Environment:
  NGINX_BIN, WRK_BIN, GUNICORN_BIN
                        the programs, which are else looked for in PATH";

/// What wrk says it accepts.
#[derive(Clone, Copy, ValueEnum)]
enum Encoding {
    /// Brotli, as browsers do
    Br,
    Gzip,
    Identity,
}

impl Encoding {
    fn token(self) -> &'static str {
        match self {
            Encoding::Br => "br",
            Encoding::Gzip => "gzip",
            Encoding::Identity => "identity",
        }
    }
}

/// A proxy has two descriptors for each of 1,000 connections, and others beside them.
const FILES_MIN: u64 = 4_096;

fn main() -> ExitCode {
    vitrine::heap::tune();
    if child::is_child() {
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    match raise_file_limit().and_then(|()| programs::find_or_install()) {
        Ok(programs) => measure(&args, &programs),
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

/// Raises what this process and its children may open as far as it may.
fn raise_file_limit() -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised may be enough as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < FILES_MIN => Err(format!("{files} open files are too few: see `ulimit -Hn`")),
        _ => Ok(()),
    }
}

fn measure(args: &Args, programs: &Programs) -> ExitCode {
    let began = Instant::now();
    let dir = scratch::folder();
    let encoding = args.encoding.token();
    let lineup = Lineup::start(programs, dir.path(), encoding);
    let load = Load::new(&programs.wrk, dir.path(), Duration::from_secs(args.seconds), encoding);
    let take = |shape: &Shape| Comparison::take(&lineup, &load, *shape, args.rounds as usize, began);
    let comparisons: Vec<Comparison> = args.only.iter().map(take).collect();
    let budgets = comparisons.iter().find(|one| one.shape == Shape::Keep64).map(figures::budgets);

    println!("{}", machine::describe(programs));
    println!(
        "page of {} ({encoding}), {} rounds of {} s: medians, and ratios within a round (least–most)",
        table::bytes(lineup.page.body.len() as u64),
        args.rounds,
        args.seconds,
    );
    let n_failed: u64 = comparisons.iter().map(figures::print).sum();
    print_notes(&lineup, &comparisons);
    table::print(budgets.as_slice());
    let n_missed = budgets.map_or(0, |section| section.n_missed());
    println!("\n{n_missed} budgets missed, {n_failed} requests failed, {} s", began.elapsed().as_secs());
    if n_missed == 0 && n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_notes(lineup: &Lineup, comparisons: &[Comparison]) {
    println!("\n  × nginx: to nginx with its access log. Times do not contain the making of a connection.");
    if lineup.find(Kind::NginxFlask).is_none() {
        println!("  Flask replicas left out: gunicorn is not there, or its Python has no Flask.");
    }
    if let Some(vitrine) = lineup.find(Kind::Vitrine) {
        let samples = comparisons.iter().filter_map(|one| one.find(Kind::Vitrine));
        let n_requests: u64 = samples.flat_map(|one| &one.rounds).map(|sample| sample.n_requests).sum();
        println!(
            "  vitrine dropped {} telemetry records of {} requests.",
            table::count(lineup::n_dropped(vitrine)),
            table::count(n_requests),
        );
    }
}
