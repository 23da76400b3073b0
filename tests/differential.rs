//! The same samples and the same queries to a real Prometheus and to vitrine.
//!
//! Needs a Prometheus 3 that takes remote write (`PROMETHEUS_BIN` or in the path); without one it
//! says that it skips. `VITRINE_DIFFERENTIAL` is how many queries are asked, 600 unless set, and
//! `VITRINE_DIFFERENTIAL_SEED` where they begin: each failure names its own seed.

#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/data.rs"]
mod data;
#[path = "differential/queries.rs"]
mod queries;
#[path = "differential/random.rs"]
pub mod random;

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{Vitrine, basic_auth, number_of_run};
use crate::observers::{PROMETHEUS, Peer, start_prometheus};
use random::Random;

/// Returns a Prometheus 3, whose semantics are compared; an older one, as Debian 12 has, is no peer.
fn prometheus() -> Option<PathBuf> {
    let program = PROMETHEUS.find()?;
    let said = Command::new(&program).arg("--version").output().unwrap();
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    if said.starts_with("prometheus, version 2.") {
        println!("skipped: {} is Prometheus 2, whose ranges are closed on the left", program.display());
        return None;
    }
    Some(program)
}

/// What vitrine always does, and its own test scripts ask for.
const FEATURES: &str = "--enable-feature=promql-experimental-functions,promql-delayed-name-removal";

/// Writes the samples of a seed to both.
fn write(peer: &Peer, vitrine: &Vitrine, seed: u64, first_ms: i64) {
    let series = data::series(seed);
    for moments in data::slices() {
        let body = data::write_request(&series, first_ms, moments);
        for url in [format!("{}/api/v1/write", peer.url), vitrine.url("/api/v1/write")] {
            let request = ureq::post(url)
                .header("authorization", basic_auth())
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy")
                .header("x-prometheus-remote-write-version", "0.1.0");
            let answer = request.send(&body[..]).unwrap();
            assert_eq!(answer.status(), 204);
        }
    }
}

/// Asks one of the two.
fn ask(url: String, form: &[(&str, String)]) -> Value {
    let form = form.iter().map(|(name, value)| (*name, value.as_str()));
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let request = ureq::Agent::new_with_config(config).post(url).header("authorization", basic_auth());
    let text = request.send_form(form).unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// When a query is asked for, and whether at one moment or at many.
fn moments(random: &mut Random, first_ms: i64) -> (&'static str, Vec<(&'static str, String)>) {
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let span_ms = data::last_ms(first_ms) - first_ms;
    let within = |random: &mut Random| first_ms + (random.share() * 1.05 * span_ms as f64) as i64;
    if random.once_in(3) {
        return ("query", vec![("time", seconds(within(random)))]);
    }
    let begin = within(random);
    let step_ms = [15_000, 60_000, 7_000, 300_000, 1_234][random.below(5)];
    let end = begin + step_ms * random.below(40) as i64 + random.below(1_000) as i64;
    ("query_range", vec![("start", seconds(begin)), ("end", seconds(end)), ("step", seconds(step_ms))])
}

/// Queries whose answers once differed, by what was wrong.
const PAST: &[(&str, &str)] = &[
    (
        "the same quantile twice, under an aggregation",
        r#"stddev by (path) (histogram_quantiles(rate(duration_seconds_bucket[5m]), "q", 0.5, 0.5))"#,
    ),
    (
        "the same quantile twice, on one side of an operator",
        r#"(quantile by (version) (NaN, load < bool ignoring () group_right () build_info))
           == (histogram_quantiles(sum by (le) (increase(duration_seconds_bucket[17m])), "q", 0.5, 0.5))"#,
    ),
    ("rows picked by the hash of their labels", "limit_ratio(0.5, load)"),
    ("a label of bytes that are no UTF-8", r#"count_values("\xff", state)"#),
];

/// Asks both what was answered differently once.
fn past_failures(peer: &Peer, vitrine: &Vitrine, first_ms: i64) -> Vec<String> {
    let time = (data::last_ms(first_ms) / 1_000).to_string();
    let differs = |(what, query): &(&str, &str)| {
        let form = [("query", (*query).to_string()), ("time", time.clone())];
        let reference = ask(format!("{}/api/v1/query", peer.url), &form);
        let ours = ask(vitrine.url("/api/v1/query"), &form);
        compare::difference(&reference, &ours).map(|difference| format!("{what}: {difference}"))
    };
    PAST.iter().filter_map(differs).collect()
}

/// Asks both and returns what differs.
fn check(peer: &Peer, vitrine: &Vitrine, first_ms: i64, seed: u64) -> Option<String> {
    let mut random = Random(seed);
    let query = queries::query(&mut random);
    let (path, mut form) = moments(&mut random, first_ms);
    form.push(("query", query));
    let reference = ask(format!("{}/api/v1/{path}", peer.url), &form);
    let ours = ask(vitrine.url(&format!("/api/v1/{path}")), &form);
    let difference = compare::difference(&reference, &ours)?;
    Some(format!("seed {seed}: {path} {form:?}\n    {difference}"))
}

#[test]
fn queries_answer_as_a_real_prometheus_does() {
    let Some(program) = prometheus() else { return };
    let args = [FEATURES, "--web.enable-remote-write-receiver"];
    let peer = start_prometheus(&program, 0, &args, "global: {scrape_interval: 1h}\n");
    let vitrine = Vitrine::start();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    // A whole second, so that steps and samples meet now and then.
    let first_ms = (now_ms / 60_000 - 125) * 60_000;
    write(&peer, &vitrine, 1, first_ms);
    let (first_seed, n_queries) =
        (number_of_run("VITRINE_DIFFERENTIAL_SEED", 1), number_of_run("VITRINE_DIFFERENTIAL", 600));
    let seeds = first_seed..first_seed + n_queries;
    let past = past_failures(&peer, &vitrine, first_ms);
    assert!(past.is_empty(), "{}", past.join("\n"));
    let failures: Vec<String> = seeds.filter_map(|seed| check(&peer, &vitrine, first_ms, seed)).collect();
    let n_equal = n_queries as usize - failures.len();
    println!("{n_equal} of {n_queries} queries answered as Prometheus does");
    assert!(
        failures.is_empty(),
        "{n_equal} of {n_queries}:\n{}",
        failures[..failures.len().min(20)].join("\n")
    );
}
