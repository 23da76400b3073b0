//! Queries from a seed: any that means something, and some that do not.

use super::queries::{AGGREGATIONS, GROUPED, OVER_LINES, TEMPLATES, UNGROUPED, WRONG, quoted};
use crate::differential::random::Random;

/// A kind of streams: their selectors, what makes labels of their lines, the labels that are there
/// then, and those of them that hold numbers, with what reads them.
struct Kind {
    selectors: &'static [&'static str],
    parsers: &'static [&'static str],
    labels: &'static [&'static str],
    numbers: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        selectors: &[
            r#"{job="api"}"#,
            r#"{job="api",env="prod"}"#,
            r#"{env="dev"}"#,
            r#"{instance=~"[ab]:1"}"#,
            r#"{job="api",env!="dev"}"#,
        ],
        parsers: &[
            "json",
            "json",
            "json level, status, method",
            r#"json who="user.id", first="list[0].name", msg"#,
            r#"regexp "\"status\":(?P<status>\\d+)""#,
            r#"pattern "{\"level\":\"<level>\",\"method\":\"<method>\",<_>\"status\":<status>,<_>""#,
        ],
        labels: &[
            "level",
            "status",
            "method",
            "user_id",
            "msg",
            "env",
            "instance",
            "none",
            "level_extracted",
        ],
        numbers: &[
            "status",
            "latency",
            "bytes",
            "user_id",
            "bytes(size)",
            "duration(duration)",
            "msg",
            "big",
        ],
    },
    Kind {
        selectors: &[
            r#"{job="shop"}"#,
            r#"{level=~"info|error",job="shop"}"#,
            r#"{service_name="shop",level!="error"}"#,
        ],
        parsers: &[
            "logfmt",
            "logfmt",
            "logfmt --strict",
            "logfmt --keep-empty",
            r#"logfmt order, name="user", status"#,
            "logfmt --strict --keep-empty order, flag",
            r#"regexp "order=(?P<order>\\d+) status=(?P<status>\\d+)""#,
        ],
        labels: &["order", "status", "user", "took", "level", "level_extracted", "empty", "flag", "none"],
        numbers: &[
            "order",
            "status",
            "price",
            "bytes(size)",
            "duration(took)",
            "duration_seconds(took)",
            "user",
        ],
    },
    Kind {
        selectors: &[r#"{job="web"}"#, r#"{host="one"}"#, r#"{job="web",host=~"t.+"}"#],
        parsers: &[
            r#"pattern "<ip> - <user> [<_>] \"<method> <path> <_>\" <status> <size> <_>""#,
            r#"pattern "<ip> <_>""#,
            r#"regexp "^(?P<ip>\\S+) .* (?P<status>\\d+) (?P<size>\\d+) ""#,
        ],
        labels: &["ip", "method", "path", "status", "size", "host", "http_response_status_code", "trace_id"],
        numbers: &["duration_ms", "http_response_status_code", "status", "size", "bytes(size)"],
    },
    Kind {
        selectors: &[
            r#"{job="plain"}"#,
            r#"{job="meta"}"#,
            r#"{severity="Warning"}"#,
            r#"{job=~"plain|meta"}"#,
        ],
        parsers: &["decolorize", r#"pattern "worker <id> <what> <n>""#, r#"regexp "(?P<n>\\d+)$""#, "logfmt"],
        labels: &["user", "level", "detected_level", "env", "n", "id", "what", "msg", "status"],
        numbers: &["n", "id", "status"],
    },
    Kind {
        selectors: &[r#"{job="packed"}"#],
        parsers: &["unpack", "unpack", "json", "unpack | logfmt", "unpack | json"],
        labels: &["pod", "container", "level", "order", "status", "_entry"],
        numbers: &["order", "n", "status"],
    },
    Kind {
        selectors: &[r#"{job="numbers"}"#],
        parsers: &["logfmt", "logfmt", "logfmt n, d, b", r#"pattern "n=\"<n>\" d=\"<d>\" <_>""#],
        labels: &["n", "d", "b", "ip", "i", "f", "u"],
        numbers: &["n", "i", "f", "duration(d)", "bytes(b)", "i", "f"],
    },
    Kind {
        selectors: &[r#"{job=~".+"}"#, r#"{service_name=~"api|meta|packed"}"#, r#"{env="prod"}"#],
        parsers: &["json", "logfmt", "json | logfmt", "logfmt | json", "unpack"],
        labels: &["job", "level", "status", "detected_level", "service_name", "msg", "user"],
        numbers: &["status", "order", "duration_ms"],
    },
];

const WORDS: &[&str] = &[
    "needle", "needle", "worker", "GET", "error", "status", "Änne", "a.b*c", "10.", "0", "", "nowhere", "\\d",
];

const PATTERNS: &[&str] =
    &["n.+e", "(?i)INFO", "[0-9]{3}", "^worker", "2..|5..", "\"$", "x?", "^$", "\\bto\\b", ".+=.+", "ü|Ä"];

const PICTURES: &[&str] =
    &["<_>needle<_>", "<_> took <_>", "worker <_>", "<_>status<_>", "<_> - <_> [<_>", "GET"];

const NETWORKS: &[&str] = &["10.0.0.0/8", "192.168.0.7", "2001:db8::/32", "192.168.0.1-192.168.4.255", "x"];

const RANGES: &[&str] = &["1m", "5m", "5m", "10m", "90s", "1h", "17m"];

/// Writes one query; true when it asks for lines.
pub fn query(random: &mut Random) -> (String, bool) {
    if random.once_in(30) {
        let wrong = random.of(WRONG).to_string();
        let is_lines = wrong.starts_with('{');
        return (wrong, is_lines);
    }
    if random.once_in(2) { (lines(random), true) } else { (numbers(random, 2), false) }
}

fn lines(random: &mut Random) -> String {
    let kind = &KINDS[random.below(KINDS.len())];
    format!("{}{}", random.of(kind.selectors), stages(random, kind, 5))
}

fn stages(random: &mut Random, kind: &Kind, n_max: usize) -> String {
    (0..random.below(n_max)).map(|_| format!(" {}", stage(random, kind))).collect()
}

fn stage(random: &mut Random, kind: &Kind) -> String {
    match random.below(14) {
        0..=2 => line_filter(random),
        3..=5 => format!("| {}", random.of(kind.parsers)),
        6..=8 => format!("| {}", label_filter(random, kind, 2)),
        9 => format!("| line_format {}", quoted(random.of(TEMPLATES))),
        10 => format!("| label_format {}", label_formats(random, kind)),
        11 => format!("| keep {}", named(random, kind)),
        12 => format!("| drop {}", named(random, kind)),
        _ => {
            random.of(&["| decolorize", r#"| __error__ = """#, "| drop __error__, __error_details__"]).into()
        }
    }
}

fn line_filter(random: &mut Random) -> String {
    match random.below(8) {
        0 => {
            let first = random.of(&["|=", "!="]);
            format!("{first} ip({})", quoted(random.of(NETWORKS)))
        }
        1 => format!("{} {}", random.of(&["|>", "!>"]), quoted(random.of(PICTURES))),
        2 | 3 => format!(
            "{} {}{}",
            random.of(&["|~", "!~"]),
            quoted(random.of(PATTERNS)),
            others(random, PATTERNS)
        ),
        _ => format!("{} {}{}", random.of(&["|=", "!="]), quoted(random.of(WORDS)), others(random, WORDS)),
    }
}

/// Now and then what a line may have as well.
fn others(random: &mut Random, of: &[&str]) -> String {
    let n = if random.once_in(4) { 1 + random.below(2) } else { 0 };
    (0..n).map(|_| format!(" or {}", quoted(random.of(of)))).collect()
}

fn label_filter(random: &mut Random, kind: &Kind, depth: usize) -> String {
    if depth > 0 && random.once_in(4) {
        let (lhs, rhs) = (label_filter(random, kind, depth - 1), label_filter(random, kind, depth - 1));
        return match random.below(5) {
            0 => format!("{lhs} and {rhs}"),
            1 => format!("{lhs} or {rhs}"),
            2 => format!("{lhs}, {rhs}"),
            3 => format!("({lhs} or {rhs})"),
            _ => format!("({lhs}) and {rhs}"),
        };
    }
    let label = random.of(kind.labels);
    let compare = random.of(&["=", "==", "!=", ">", ">=", "<", "<="]);
    match random.below(7) {
        0 | 1 => format!(
            "{label} {} {}",
            random.of(&["=", "!="]),
            quoted(random.of(&["info", "200", "", "anna", "x"]))
        ),
        2 => format!(
            "{label} {} {}",
            random.of(&["=~", "!~"]),
            quoted(random.of(&["2[0-9]+", ".+", ".*", "info|error", "[a-z]"]))
        ),
        3 => format!("{label} {} ip({})", random.of(&["=", "!="]), quoted(random.of(NETWORKS))),
        4 => format!("{label} {compare} {}", random.of(&["1s", "250ms", "1h", "0s", "1d"])),
        5 => format!("{label} {compare} {}", random.of(&["1KB", "3MB", "0B", "1.5GiB"])),
        _ => format!("{label} {compare} {}", random.of(&["0", "200", "404", "-1", "1e3", "0.5", "+3"])),
    }
}

fn label_formats(random: &mut Random, kind: &Kind) -> String {
    let n = 1 + random.below(2);
    let one = |random: &mut Random| {
        let to = random.of(&["made", "level", "status", "env", "other"]);
        match random.below(3) {
            0 => format!("{to}={}", random.of(kind.labels)),
            1 => format!("{to}=\"{{{{.{}}}}}-{{{{.made}}}}\"", random.of(kind.labels)),
            _ => format!("{to}={}", quoted(random.of(TEMPLATES))),
        }
    };
    (0..n).map(|_| one(random)).collect::<Vec<_>>().join(", ")
}

fn named(random: &mut Random, kind: &Kind) -> String {
    let n = 1 + random.below(3);
    let one = |random: &mut Random| match random.below(4) {
        0 => format!("{}=\"{}\"", random.of(kind.labels), random.of(&["info", "200", ""])),
        1 => format!(
            "{}{}\"{}\"",
            random.of(kind.labels),
            random.of(&["=~", "!~", "!="]),
            random.of(&["2[0-9]+", "i.*"])
        ),
        _ => random.of(kind.labels).to_string(),
    };
    (0..n).map(|_| one(random)).collect::<Vec<_>>().join(", ")
}

fn numbers(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 4 } else { 10 }) {
        0 | 1 => over_lines(random),
        2 | 3 => over_numbers(random),
        4..=6 => aggregation(random, depth),
        7 => with_literal(random, depth),
        8 => with_numbers(random, depth),
        _ => labelled(random, depth),
    }
}

fn window(random: &mut Random) -> String {
    let offset = match random.below(8) {
        0 => format!(" offset {}", random.of(RANGES)),
        1 => " offset -3m".into(),
        _ => String::new(),
    };
    format!("[{}]{offset}", random.of(RANGES))
}

/// Ends what went wrong in a line, as most questions do: else all of them would be refused.
fn without_errors(random: &mut Random) -> &'static str {
    random.of(&[r#" | __error__ = """#, r#" | __error__ = """#, " | drop __error__, __error_details__", ""])
}

fn over_lines(random: &mut Random) -> String {
    let kind = &KINDS[random.below(KINDS.len())];
    let function = random.of(OVER_LINES);
    let stages = stages(random, kind, 4);
    let errors = if stages.is_empty() { "" } else { without_errors(random) };
    let keep = if random.once_in(3) { format!(" | keep {}", named(random, kind)) } else { String::new() };
    format!("{function}({}{stages}{errors}{keep} {})", random.of(kind.selectors), window(random))
}

fn over_numbers(random: &mut Random) -> String {
    let kind = &KINDS[random.below(KINDS.len())];
    let parser = match random.below(6) {
        0 => String::new(),
        _ => format!(" | {}", random.of(kind.parsers)),
    };
    let (stages, of) = (stages(random, kind, 2), random.of(kind.numbers));
    let errors = random.of(&[r#" | __error__ = """#, r#" | __error__ = """#, ""]);
    let range =
        format!("{}{parser}{stages} | unwrap {of}{errors} {})", random.of(kind.selectors), window(random));
    let grouping = grouping(random, kind);
    match random.below(6) {
        0 => {
            format!("quantile_over_time({}, {range}{grouping}", random.of(&["0.5", "0.99", "0", "1", "0.1"]))
        }
        1 | 2 => format!("{}{grouping} ({}({range})", random.of(AGGREGATIONS), random.of(UNGROUPED)),
        3 => format!("{}({range}", random.of(UNGROUPED)),
        _ => format!("{}({range}{grouping}", random.of(GROUPED)),
    }
}

fn grouping(random: &mut Random, kind: &Kind) -> String {
    let n = random.below(3);
    let labels = (0..n).map(|_| random.of(kind.labels)).collect::<Vec<_>>().join(", ");
    format!(" {} ({labels})", random.of(&["by", "by", "without"]))
}

fn aggregation(random: &mut Random, depth: usize) -> String {
    let kind = &KINDS[random.below(KINDS.len())];
    let grouping = if random.once_in(3) { String::new() } else { grouping(random, kind) };
    let inner = numbers(random, depth - 1);
    match random.below(9) {
        // Which of equal values is picked is nobody's promise, but how many are.
        0 => format!(
            "count({}{grouping} ({}, {inner}))",
            random.of(&["topk", "bottomk"]),
            random.of(&["1", "2", "7"])
        ),
        1 => format!("{}({inner})", random.of(&["sort", "sort_desc"])),
        2 => format!("{}({inner}){grouping}", random.of(AGGREGATIONS)),
        _ => format!("{}{grouping} ({inner})", random.of(AGGREGATIONS)),
    }
}

fn operator(random: &mut Random) -> String {
    match random.below(3) {
        0 => random.of(&["==", "!=", ">", "<", ">=", "<="]).to_string(),
        1 => format!("{} bool", random.of(&["==", "!=", ">", "<", ">=", "<="])),
        _ => random.of(&["+", "-", "*", "/", "%", "^"]).to_string(),
    }
}

fn with_literal(random: &mut Random, depth: usize) -> String {
    let (inner, operator) = (numbers(random, depth - 1), operator(random));
    let literal = random.of(&["0", "1", "2", "-1", "0.5", "1e3", "100", "vector(3)", "(1 + 2)"]);
    if random.once_in(3) {
        format!("{literal} {operator} ({inner})")
    } else {
        format!("({inner}) {operator} {literal}")
    }
}

fn with_numbers(random: &mut Random, depth: usize) -> String {
    let (lhs, rhs) = (numbers(random, depth - 1), numbers(random, depth - 1));
    let meeting = match random.below(5) {
        0 => " on (job)",
        1 => " on ()",
        2 => " ignoring (env, instance)",
        _ => "",
    };
    if random.once_in(3) {
        return format!("({lhs}) {}{meeting} ({rhs})", random.of(&["and", "or", "unless"]));
    }
    let group = match random.below(4) {
        0 if !meeting.is_empty() => {
            random.of(&[" group_left", " group_left ()", " group_left (env)", " group_right"])
        }
        _ => "",
    };
    if random.once_in(2) {
        return format!("({lhs}) {}{meeting}{group} ({rhs})", operator(random));
    }
    // One that meets itself has something to meet. Whether it is more than itself is rounding.
    format!("({lhs}) {}{meeting}{group} ({lhs})", random.of(&["+", "*", "/"]))
}

fn labelled(random: &mut Random, depth: usize) -> String {
    let inner = numbers(random, depth - 1);
    match random.below(4) {
        0 => format!(r#"label_replace({inner}, "to", "$1-x", "job", "(.).*")"#),
        1 => format!(r#"label_replace({inner}, "env", "", "env", ".*")"#),
        2 => format!(r#"label_replace({inner}, "to", "${{1}}y", "none", "(.*)")"#),
        _ => format!("({inner})"),
    }
}
