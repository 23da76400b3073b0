//! Interleaved rounds: each server in turn, so that what else the machine does hits all alike.

use std::time::Instant;

use super::lineup::{Kind, Lineup, Server};
use super::load::{Errors, Load, Shape};
use super::processor;

/// What one run gave.
#[derive(Clone, Copy)]
pub struct Sample {
    pub per_second: f64,
    pub cpu_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub n_requests: u64,
    pub errors: Errors,
}

/// The samples of one server, one a round.
pub struct Samples {
    pub kind: Kind,
    pub rounds: Vec<Sample>,
}

/// All samples of one form of load.
pub struct Comparison {
    pub shape: Shape,
    pub servers: Vec<Samples>,
}

/// A ratio of two servers over the rounds.
#[derive(Clone, Copy)]
pub struct Ratio {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Comparison {
    /// Asks every server in each round.
    pub fn take(lineup: &Lineup, load: &Load, shape: Shape, n_rounds: usize, began: Instant) -> Self {
        let asked: Vec<&Server> = lineup.servers.iter().filter(|server| server.kind.is_in(shape)).collect();
        let mut servers: Vec<Samples> =
            asked.iter().map(|server| Samples { kind: server.kind, rounds: Vec::new() }).collect();
        for round in 0..n_rounds {
            let (title, seconds) = (shape.title(), began.elapsed().as_secs());
            eprintln!("{title}, round {} of {n_rounds}, after {seconds} s", round + 1);
            for turn in 0..asked.len() {
                // Another one begins each time: the first may find the machine still busy.
                let server_idx = (turn + round) % asked.len();
                let sample = take(asked[server_idx], load, shape);
                eprintln!(
                    "  {:<28} {:>8.0}/s {:>8.1} µs",
                    asked[server_idx].kind.title(),
                    sample.per_second,
                    sample.cpu_us
                );
                servers[server_idx].rounds.push(sample);
            }
        }
        Comparison { shape, servers }
    }

    /// Returns the samples of a server, if it was asked.
    pub fn find(&self, kind: Kind) -> Option<&Samples> {
        self.servers.iter().find(|samples| samples.kind == kind)
    }

    /// Returns the ratio of two servers, taken within each round.
    pub fn ratio(&self, of: Kind, to: Kind, figure: fn(&Sample) -> f64) -> Option<Ratio> {
        let pairs = self.find(of)?.rounds.iter().zip(&self.find(to)?.rounds);
        let ratios = sorted(pairs.map(|(of, to)| figure(of) / figure(to)));
        Some(Ratio { least: ratios[0], median: ratios[ratios.len() / 2], most: ratios[ratios.len() - 1] })
    }
}

impl Samples {
    /// Returns the middle of a figure over the rounds.
    pub fn median(&self, figure: fn(&Sample) -> f64) -> f64 {
        sorted(self.rounds.iter().map(figure))[self.rounds.len() / 2]
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut res: Vec<f64> = figures.collect();
    res.sort_unstable_by(f64::total_cmp);
    res
}

fn take(server: &Server, load: &Load, shape: Shape) -> Sample {
    let pids: Vec<i32> = server.processes.iter().map(|process| process.pid()).collect();
    let before = processor::time_of(&pids);
    let answered = load.put_on(&server.url, shape);
    if server.kind.works_later() {
        // Else this work would count for nobody, and take from the next one's turn.
        processor::wait_for_rest(&pids);
    }
    let cpu = processor::time_of(&pids) - before;
    assert!(answered.requests > 0, "{} answered nothing: {:?}", server.kind.title(), answered.errors);
    let n_requests = answered.requests;
    Sample {
        per_second: n_requests as f64 / (answered.duration_us as f64 / 1e6),
        cpu_us: cpu.as_secs_f64() * 1e6 / n_requests as f64,
        p50_us: answered.p50_us as f64,
        p99_us: answered.p99_us as f64,
        p999_us: answered.p999_us as f64,
        n_requests,
        errors: answered.errors,
    }
}
