//! Queries from a seed: any that means something, and some that do not.

use super::random::Random;

const SELECTORS: &[&str] = &[
    "requests_total",
    "load",
    "state",
    "odd",
    "build_info",
    "duration_seconds_bucket",
    "duration_seconds_count",
    r#"requests_total{job="api"}"#,
    r#"load{instance=~"a.*|c:2"}"#,
    r#"state{path!="/"}"#,
    r#"{__name__=~"load|state"}"#,
    r#"{__name__=~"requests.*",job!~"w.b"}"#,
    r#"load{absent=""}"#,
    r#"load{job="none"}"#,
    r#"{"load",path="/cv",}"#,
];

const LABELS: &[&str] = &["job", "instance", "path", "le", "none", "version"];

const RANGES: &[&str] = &["1m", "90s", "5m", "17m", "1h", "15s", "30s"];

const OVER_TIME: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "mad_over_time",
    "absent_over_time",
    "ts_of_min_over_time",
    "ts_of_max_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
];

const ELEMENTWISE: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "sgn",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "round",
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
    "timestamp",
    "absent",
];

const AGGREGATIONS: &[&str] = &["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"];

const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "^", "%", "atan2"];

const COMPARISONS: &[&str] = &["==", "!=", ">", "<", ">=", "<="];

const SETS: &[&str] = &["and", "or", "unless"];

const WRONG: &[&str] = &[
    "sum(",
    "rate(load)",
    "load[5m]",
    "sum by job (load)",
    r#"label_replace(load, "x", "$1", "job", "(")"#,
    r#"{job=""}"#,
    "load offset 5",
    "topk(load, load)",
    "1 and 1",
    "nothing(load)",
    "load + on(job) load",
    r#"{job=~"["}"#,
    "load{job='a'",
    "-load[5m]",
    "histogram_quantile(load, load)",
    "clamp(load, 1)",
    "1 == 1",
    "load @ load",
];

/// Writes one query.
pub fn query(random: &mut Random) -> String {
    if random.once_in(25) {
        return random.of(WRONG).to_string();
    }
    match random.below(10) {
        0 => scalar(random, 2),
        _ => vector(random, 3),
    }
}

fn number(random: &mut Random) -> String {
    let of = ["0", "1", "2", "-1", "0.5", "10", "100", "1e3", "Inf", "NaN", "-0.1", "0x1F", "5m"];
    random.of(&of).to_string()
}

fn scalar(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 3 } else { 7 }) {
        0 | 1 => number(random),
        2 => "time()".into(),
        3 => format!("scalar({})", vector(random, depth - 1)),
        4 => "pi()".into(),
        5 => format!("(-{})", scalar(random, depth - 1)),
        _ => {
            let (lhs, rhs) = (scalar(random, depth - 1), scalar(random, depth - 1));
            if random.once_in(3) {
                format!("({lhs} {} bool {rhs})", random.of(COMPARISONS))
            } else {
                format!("({lhs} {} {rhs})", random.of(ARITHMETIC))
            }
        }
    }
}

/// An `offset`, an `@`, both or none.
fn modifiers(random: &mut Random) -> String {
    let offset = match random.below(8) {
        0 => format!(" offset {}", random.of(RANGES)),
        1 => " offset -1m".into(),
        _ => String::new(),
    };
    let at = match random.below(12) {
        0 => " @ start()",
        1 => " @ end()",
        _ => "",
    };
    format!("{offset}{at}")
}

fn matrix(random: &mut Random, depth: usize) -> String {
    if depth > 0 && random.once_in(5) {
        let step = random.of(&["", "30s", "1m", "47s", "5m"]);
        let inner = vector(random, depth - 1);
        return format!("({inner})[{}:{step}]{}", random.of(RANGES), modifiers(random));
    }
    format!("{}[{}]{}", random.of(SELECTORS), random.of(RANGES), modifiers(random))
}

fn vector(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return format!("{}{}", random.of(SELECTORS), modifiers(random));
    }
    match random.below(16) {
        0 => format!("{}{}", random.of(SELECTORS), modifiers(random)),
        1..=3 => format!("{}({})", random.of(OVER_TIME), matrix(random, depth)),
        4 => parametrised(random, depth),
        5 => format!("{}({})", random.of(ELEMENTWISE), vector(random, depth - 1)),
        6..=8 => aggregation(random, depth),
        9 | 10 => with_scalar(random, depth),
        11 | 12 => with_vector(random, depth),
        13 => labelled(random, depth),
        14 => histogram(random),
        _ => format!("-({})", vector(random, depth - 1)),
    }
}

fn parametrised(random: &mut Random, depth: usize) -> String {
    match random.below(7) {
        0 => format!("quantile_over_time({}, {})", number(random), matrix(random, depth)),
        1 => format!("predict_linear({}, {})", matrix(random, depth), random.of(&["60", "-300", "3600"])),
        2 => format!("double_exponential_smoothing({}, 0.3, 0.6)", matrix(random, depth)),
        3 => format!("clamp({}, {}, {})", vector(random, depth - 1), number(random), number(random)),
        4 => format!("clamp_min({}, {})", vector(random, depth - 1), scalar(random, 1)),
        5 => format!("clamp_max({}, {})", vector(random, depth - 1), scalar(random, 1)),
        _ => format!("round({}, {})", vector(random, depth - 1), random.of(&["0.1", "5", "0.25"])),
    }
}

fn labels(random: &mut Random) -> String {
    let n = random.below(3);
    (0..n).map(|_| random.of(LABELS)).collect::<Vec<_>>().join(", ")
}

fn aggregation(random: &mut Random, depth: usize) -> String {
    let grouping = match random.below(3) {
        0 => String::new(),
        1 => format!(" by ({})", labels(random)),
        _ => format!(" without ({})", labels(random)),
    };
    let inner = vector(random, depth - 1);
    match random.below(10) {
        0 => format!("quantile{grouping} ({}, {inner})", number(random)),
        // Which of equal values is picked is nobody's promise, and counters have many.
        1 => format!("topk{grouping} ({}, load)", random.of(&["1", "2", "5", "0", "-1", "NaN"])),
        2 => format!("bottomk{grouping} ({}, rate(duration_seconds_sum[5m]))", random.of(&["1", "2"])),
        // The last digit of what is computed differs, and here it would be a label.
        3 => format!(r#"count_values{grouping} ("value", {})"#, random.of(&["state", "load", "odd"])),
        4 => format!("count(limitk{grouping} (2, {inner}))"),
        5 => format!(
            "limit_ratio{grouping} ({}, {})",
            random.of(&["0.5", "-0.3", "0.1"]),
            random.of(&["load", "state"])
        ),
        _ => format!("{}{grouping} ({inner})", random.of(AGGREGATIONS)),
    }
}

fn with_scalar(random: &mut Random, depth: usize) -> String {
    let (vector, scalar) = (vector(random, depth - 1), scalar(random, 1));
    let operator = match random.below(3) {
        0 => random.of(ARITHMETIC).to_string(),
        1 => random.of(COMPARISONS).to_string(),
        _ => format!("{} bool", random.of(COMPARISONS)),
    };
    if random.once_in(3) {
        format!("({scalar}) {operator} ({vector})")
    } else {
        format!("({vector}) {operator} ({scalar})")
    }
}

fn with_vector(random: &mut Random, depth: usize) -> String {
    let (lhs, rhs) = (vector(random, depth - 1), vector(random, depth - 1));
    let meeting = match random.below(4) {
        0 => String::new(),
        1 => format!(" on ({})", labels(random)),
        2 => format!(" ignoring ({})", labels(random)),
        _ => " on (instance)".into(),
    };
    if random.once_in(3) {
        return format!("({lhs}) {}{meeting} ({rhs})", random.of(SETS));
    }
    let group = match random.below(4) {
        0 if !meeting.is_empty() => format!(" group_left ({})", random.of(&["", "version", "le"])),
        1 if !meeting.is_empty() => " group_right ()".to_string(),
        _ => String::new(),
    };
    let operator = match random.below(3) {
        0 => random.of(COMPARISONS).to_string(),
        1 => format!("{} bool", random.of(COMPARISONS)),
        _ => random.of(ARITHMETIC).to_string(),
    };
    if random.once_in(3) {
        return format!("{}{operator}{meeting}{group} build_info", random.of(&["load ", "state ", "odd "]));
    }
    format!("({lhs}) {operator}{meeting}{group} ({rhs})")
}

fn labelled(random: &mut Random, depth: usize) -> String {
    let inner = vector(random, depth - 1);
    match random.below(5) {
        0 => format!(r#"label_replace({inner}, "to", "$1-x", "instance", "(.*):.*")"#),
        1 => format!(r#"label_replace({inner}, "job", "", "job", ".*")"#),
        2 => format!(r#"label_replace({inner}, "__name__", "new", "", "")"#),
        3 => format!(r#"label_join({inner}, "joined", "/", "job", "path", "none")"#),
        _ => format!("sort({inner})"),
    }
}

fn histogram(random: &mut Random) -> String {
    let quantile = random.of(&["0.5", "0.99", "0", "1", "1.5", "-1", "NaN", "0.05"]);
    let buckets = random.of(&[
        "rate(duration_seconds_bucket[5m])",
        "duration_seconds_bucket",
        "sum by (le) (increase(duration_seconds_bucket[17m]))",
        "sum by (le, instance) (rate(duration_seconds_bucket[1m]))",
        "load",
    ]);
    match random.below(4) {
        0 => format!("histogram_fraction(0.2, {}, {buckets})", random.of(&["1", "0.1", "Inf"])),
        1 => format!(r#"histogram_quantiles({buckets}, "q", 0.5, {quantile})"#),
        _ => format!("histogram_quantile({quantile}, {buckets})"),
    }
}
