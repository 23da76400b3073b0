//! What is printed: a table for each form of load, and the budgets.

use std::time::Duration;

use super::lineup::Kind;
use super::rounds::{Comparison, Ratio, Sample, Samples};
use super::table::{Row, Section, count, ms};

/// What the ratios of the tables are taken to.
const REFERENCE: Kind = Kind::NginxLog;

/// Prints the medians of one form of load; returns how many requests failed.
pub fn print(comparison: &Comparison) -> u64 {
    println!(
        "\n{:<32}{:>10}  {:<17}{:>7}  {:<17}{:>10}{:>10}{:>10}",
        comparison.shape.title(),
        "requests/s",
        "× nginx",
        "CPU µs",
        "× nginx",
        "p50",
        "p99",
        "p99.9",
    );
    comparison.servers.iter().for_each(|samples| print_row(comparison, samples));
    let failed = comparison.servers.iter().flat_map(|samples| {
        samples.rounds.iter().filter(|sample| sample.errors.sum() > 0).map(|sample| (samples.kind, sample))
    });
    let failed = failed.inspect(|(kind, sample)| println!("  FAILED: {}: {:?}", kind.title(), sample.errors));
    failed.map(|(_, sample)| sample.errors.sum()).sum()
}

fn print_row(comparison: &Comparison, samples: &Samples) {
    let time = |figure| ms(Duration::from_secs_f64(samples.median(figure) / 1e6));
    let ratio = |figure| comparison.ratio(samples.kind, REFERENCE, figure).map(range).unwrap_or_default();
    println!(
        "  {:<30}{:>10}  {:<17}{:>7.1}  {:<17}{:>10}{:>10}{:>10}",
        samples.kind.title(),
        count(samples.median(|sample| sample.per_second) as u64),
        ratio(|sample| sample.per_second),
        samples.median(|sample| sample.cpu_us),
        ratio(|sample| sample.cpu_us),
        time(|sample| sample.p50_us),
        time(|sample| sample.p99_us),
        time(|sample| sample.p999_us),
    );
}

/// Writes the middle of a ratio, and the rounds that were farthest from it.
fn range(ratio: Ratio) -> String {
    // Of what is many times as much two decimals say nothing.
    let decimals = if ratio.most < 10.0 { 2 } else { 0 };
    format!("{:.decimals$} ({:.decimals$}–{:.decimals$})", ratio.median, ratio.least, ratio.most)
}

/// A bound on a ratio.
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What DESIGN.md promises of one server against another.
struct Budget {
    what: &'static str,
    of: Kind,
    to: Kind,
    figure: fn(&Sample) -> f64,
    bound: Bound,
}

const BUDGETS: [Budget; 5] = [
    Budget {
        what: "vitrine against nginx with access log, throughput",
        of: Kind::Vitrine,
        to: Kind::NginxLog,
        figure: |sample| sample.per_second,
        bound: Bound::AtLeast(1.0),
    },
    Budget {
        what: "vitrine against nginx with access log, CPU per request",
        of: Kind::Vitrine,
        to: Kind::NginxLog,
        figure: |sample| sample.cpu_us,
        bound: Bound::AtMost(1.0),
    },
    Budget {
        what: "balancer against plain handler, CPU per request",
        of: Kind::Balancer,
        to: Kind::Plain,
        figure: |sample| sample.cpu_us,
        bound: Bound::AtMost(1.1),
    },
    Budget {
        what: "telemetry on against off, CPU per request",
        of: Kind::Vitrine,
        to: Kind::Balancer,
        figure: |sample| sample.cpu_us,
        bound: Bound::AtMost(1.1),
    },
    Budget {
        what: "vitrine against nginx with 3 Flask replicas, throughput",
        of: Kind::Vitrine,
        to: Kind::NginxFlask,
        figure: |sample| sample.per_second,
        bound: Bound::AtLeast(40.0),
    },
];

/// Returns the budgets that can be checked with these figures.
pub fn budgets(comparison: &Comparison) -> Section {
    let mut section = Section::new("Budgets, with 64 connections kept alive");
    for budget in BUDGETS {
        let Some(ratio) = comparison.ratio(budget.of, budget.to, budget.figure) else {
            section.push(Row::new(budget.what, "not measured"));
            continue;
        };
        let (text, is_kept) = match budget.bound {
            Bound::AtLeast(bound) => (format!(">= {bound:.2}"), ratio.median >= bound),
            Bound::AtMost(bound) => (format!("<= {bound:.2}"), ratio.median <= bound),
        };
        let rounds = format!("{:.3} to {:.3}", ratio.least, ratio.most);
        section
            .push(Row::new(budget.what, format!("{:.3}", ratio.median)).budget(text, is_kept).note(rounds));
    }
    section.footnote(
        "Telemetry has no switch: \"off\" is the handler behind the balancer, which also lacks the choice of \
         encoding and language, the limits per address and the headers that every answer gets.",
    );
    section
}
