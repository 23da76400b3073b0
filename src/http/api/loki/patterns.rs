//! `patterns`: what the lines of a query are built like, and when there were how many.

use std::io::Write as _;

use serde_json::json;

use super::LogQueries;
use super::asked::Asked;
use super::json::{Answered, Refused};
use crate::query::budget::Cancel;
use crate::query::logql::ast::Expr;
use crate::query::logql::{Mined, PatternRange, parse};

/// The shortest step, as in Loki; who asks for a shorter one gets this.
const STEP_MIN_NS: i64 = 10_000_000_000;

/// `patterns`: those of most lines first. A query may have stages, which Loki's may not.
pub(super) fn patterns(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (from, to) = asked.range()?;
    let step_ns = asked.step(from, to)?.max(STEP_MIN_NS);
    let Expr::Log(log) = parse(asked.text("query"))? else {
        return Err(Refused::bad_request("only log selector is supported"));
    };
    let range = PatternRange { from, to, step_ns };
    let answer =
        queries.engine(asked.door).patterns(&*queries.logs, &log, &range, asked.now, &Cancel::default())?;
    Ok(written(&answer.patterns))
}

/// Writes patterns; times are whole seconds.
fn written(patterns: &[Mined]) -> Answered {
    let mut body = br#"{"status":"success","data":["#.to_vec();
    for (idx, mined) in patterns.iter().enumerate() {
        let (comma, pattern) = (comma(idx), json!(mined.pattern));
        put(&mut body, format_args!(r#"{comma}{{"pattern":{pattern},"level":"{}","samples":["#, mined.level));
        for (idx, (at, n_lines)) in mined.samples.iter().enumerate() {
            let seconds = at.to_millis().0.div_euclid(1_000);
            put(&mut body, format_args!("{}[{seconds},{n_lines}]", self::comma(idx)));
        }
        body.extend_from_slice(b"]}");
    }
    body.extend_from_slice(b"]}");
    Answered { body }
}

fn comma(idx: usize) -> &'static str {
    if idx == 0 { "" } else { "," }
}

fn put(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;

    #[test]
    fn patterns_are_written_as_loki_writes_them() {
        let at = |seconds: i64| UnixNanos(seconds * 1_000_000_000);
        let mined =
            |pattern: &str, samples| Mined { pattern: pattern.into(), level: "info", n_lines: 3, samples };
        let answered = written(&[mined("a \"<_>\"", vec![(at(10), 2), (at(20), 1)]), mined("b", Vec::new())]);
        assert_eq!(
            String::from_utf8(answered.body).unwrap(),
            concat!(
                r#"{"status":"success","data":[{"pattern":"a \"<_>\"","level":"info","samples":[[10,2],[20,1]]},"#,
                r#"{"pattern":"b","level":"info","samples":[]}]}"#
            )
        );
        assert_eq!(written(&[]).body, br#"{"status":"success","data":[]}"#);
    }
}
