//! Any text at all: it is refused or evaluated, within limits, and what is printed of it means the
//! same. `PROPTEST_CASES` asks for more than a few hundred.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Engine, Limits, Moments, parse, pretty};
use crate::clock::UnixMillis;
use crate::query::memory::MemoryStore;
use crate::record::metric::STALE_NAN_BITS;

/// Pieces that meet to something that means something more often than letters do.
const PIECES: &[&str] = &[
    "m",
    "up",
    "{",
    "}",
    "(",
    ")",
    "[5m]",
    "[1h:1m]",
    "[10y:1ms]",
    "[:]",
    "by (a)",
    "without ()",
    "on (a)",
    "ignoring (le)",
    "group_left (b)",
    "group_right ()",
    "bool",
    "offset 5m",
    "offset -300y",
    "@ 1e15",
    "@ start()",
    "@ end()",
    "@ -1",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    ">",
    "<=",
    "and",
    "or",
    "unless",
    "atan2",
    "sum",
    "avg",
    "topk",
    "quantile",
    "count_values",
    "limitk",
    "limit_ratio",
    "stddev",
    "rate",
    "increase",
    "histogram_quantile",
    "label_replace",
    "label_join",
    "absent",
    "absent_over_time",
    "predict_linear",
    "quantile_over_time",
    "vector",
    "scalar",
    "time()",
    "timestamp",
    "sort_by_label",
    "clamp",
    "round",
    "1",
    "0",
    "-1",
    "1e308",
    "NaN",
    "Inf",
    "0x1F",
    "5m",
    "\"a\"",
    "'$1'",
    "`(.*)`",
    "\"\\xff\"",
    ",",
    "=",
    "=~",
    "!~",
    "a",
    "le",
    "__name__",
    "\"[\"",
    "#",
    "\n",
    " ",
    "info",
    "smoothed",
    "fill(0)",
    "🦀",
    "step()",
    "start",
    "minute",
];

/// Whole expressions that can stand in each other.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "m",
        "m{a=\"1\"}",
        "{__name__=~\"m|h_bucket\"}",
        "m offset 1m",
        "m @ 60",
        "1",
        "NaN",
        "-Inf",
        "time()",
        "vector(2)",
        "h_bucket",
        "scalar(m)",
    ]);
    leaf.prop_map(str::to_string).prop_recursive(5, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let op = prop::sample::select(vec![
            "+",
            "/",
            "^",
            "% on (a)",
            "> bool",
            "and",
            "or",
            "unless on ()",
            "== ignoring (a) group_left ()",
        ]);
        let aggregation =
            prop::sample::select(vec!["sum", "avg by (a)", "stdvar", "group without (a)", "count", "min"]);
        let function = prop::sample::select(vec![
            "abs",
            "exp",
            "absent",
            "sort",
            "minute",
            "timestamp",
            "-",
            "round",
            "vector",
            "scalar",
        ]);
        let range = prop::sample::select(vec![
            "[5m]",
            "[5m:]",
            "[1h:7s]",
            "[1ms:1ms]",
            "[2m:1m] @ 100",
            "[1m:30s] offset -1h",
        ]);
        let window = prop::sample::select(vec![
            "rate",
            "delta",
            "quantile_over_time",
            "mad_over_time",
            "absent_over_time",
            "deriv",
            "irate",
        ]);
        prop_oneof![
            (two, op).prop_map(|((lhs, rhs), op)| format!("({lhs}) {op} ({rhs})")),
            (inner.clone(), aggregation).prop_map(|(inner, op)| format!("{op} ({inner})")),
            (inner.clone(), function).prop_map(|(inner, name)| format!("{name}({inner})")),
            (inner.clone(), range, window).prop_map(|(inner, range, name)| {
                let quantile = if name == "quantile_over_time" { "0.5, " } else { "" };
                format!("{name}({quantile}({inner}){range})")
            }),
            inner.clone().prop_map(|inner| format!("topk(2, {inner})")),
            inner.clone().prop_map(|inner| format!("count_values(\"v\", {inner})")),
            inner.clone().prop_map(|inner| format!("histogram_quantile(0.9, {inner})")),
            inner.prop_map(|inner| format!(r#"label_replace({inner}, "b", "$0$0", "a", ".*")"#)),
        ]
    })
}

fn store() -> MemoryStore {
    let store = MemoryStore::default();
    let odd = [1.0, f64::NAN, f64::INFINITY, -0.0, 5e-324, -1e308, f64::from_bits(STALE_NAN_BITS), 3.0];
    for idx in 0..40_i64 {
        store.sample(&[("__name__", "m"), ("a", "1")], idx * 15_000, odd[idx as usize % odd.len()]);
        store.sample(&[("__name__", "m"), ("a", "2")], idx * 20_000, idx as f64);
        for (bound, count) in [("1", 1.0), ("2", 0.5), ("+Inf", 3.0)] {
            store.sample(&[("__name__", "h_bucket"), ("le", bound)], idx * 15_000, count * idx as f64);
        }
    }
    store
}

/// Reads, prints and evaluates a text; whatever comes of it comes soon.
fn check(store: &MemoryStore, text: &str) {
    let Ok(expr) = parse(text) else { return };
    let printed = expr.to_string();
    let again = parse(&printed).unwrap_or_else(|error| panic!("{text} was printed as {printed}: {error}"));
    assert_eq!(again.to_string(), printed);
    assert!(parse(&pretty(&expr)).is_ok(), "{text}");
    let limits = Limits { samples_max: 20_000, timeout: Duration::from_millis(500), ..Limits::default() };
    let engine = Engine { limits, ..Engine::default() };
    let range = |from, to, step_ms| Moments { from: UnixMillis(from), to: UnixMillis(to), step_ms };
    let far = i64::MAX / 4;
    let began = Instant::now();
    for moments in [
        Moments::instant(UnixMillis(300_000)),
        range(0, 600_000, 60_000),
        range(-far, far, far / 10),
        Moments::instant(UnixMillis(far)),
        range(5, 4, 1),
    ] {
        // An error is an answer too.
        let _ = engine.query(store, text, moments);
    }
    // Five times the limit, and what a busy machine adds.
    assert!(began.elapsed() < Duration::from_secs(20), "{text}");
}

proptest! {
    #[test]
    fn pieces_in_any_order_do_no_harm(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..14), gap in "[ \n]?") {
        check(&store(), &pieces.join(&gap));
    }

    #[test]
    fn any_text_does_no_harm(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let store = store();
        check(&store, &text);
        check(&store, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn expressions_in_each_other_do_no_harm(text in expression()) {
        check(&store(), &text);
    }
}

#[test]
fn what_is_deep_long_or_far_is_bounded() {
    let store = store();
    for text in [
        format!("{}1{}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("1{}", "+1".repeat(50_000)),
        "-".repeat(100_000),
        format!("{}m{}", "sum(".repeat(5_000), ")".repeat(5_000)),
        format!("m{{a=~\"{}\"}}", "(x+x+)+".repeat(200)),
        "m[10y:1ms]".into(),
        "sum_over_time(m[10y:1ms])".into(),
        "m offset 290y @ 9e15".into(),
        "rate(m[290y] offset -290y)".into(),
        "count_values(\"v\", m) or label_replace(m, \"a\", \"$0$0$0$0$0$0$0$0\", \"a\", \".*\")".into(),
        "max_over_time((m offset -1y)[5m:1m] @ 9e18)".into(),
        "max_over_time(rate(m[5m] offset -290y)[5m:1m] @ -9e18)".into(),
        format!("{}m{}", "label_replace(".repeat(30), r#", "a", "$0$0$0$0", "a", ".*")"#.repeat(30)),
        r#"m > bool on () group_left (v) count_values("v", vector(time()))"#.into(),
        format!("\"{}", "x".repeat(2_000_000)),
    ] {
        check(&store, &text);
    }
}
