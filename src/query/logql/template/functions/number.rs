//! Numbers: integers, floats, and texts that are some.
//!
//! Source: sprig; github.com/spf13/cast for what a text, a truth or nothing is as a number. What is
//! none counts as 0.

use super::decimal::Decimal;
use super::{Answer, Args, Context, Function, Kind, of, with_rest};
use crate::query::logql::go_float::parse_float;
use crate::query::logql::template::literal::{self, TWO_TO_63};
use crate::query::logql::template::value::Value;

const ANY: &[Kind] = &[Kind::Any];
const TWO: &[Kind] = &[Kind::Any, Kind::Any];

pub(super) const FUNCTIONS: &[Function] = &[
    of("int", ANY, |_, args| Ok(Value::Int(integer(args.value(0))))),
    of("float64", ANY, |_, args| Ok(Value::Float(float(args.value(0))))),
    with_rest("add", &[], Kind::Any, |_, args| Ok(Value::Long(integers(&args).fold(0, i64::wrapping_add)))),
    of("sub", TWO, |_, args| Ok(Value::Long(integer(args.value(0)).wrapping_sub(integer(args.value(1)))))),
    with_rest("mul", ANY, Kind::Any, |_, args| Ok(Value::Long(integers(&args).fold(1, i64::wrapping_mul)))),
    of("div", TWO, |_, args| divided(&args, i64::wrapping_div)),
    of("mod", TWO, |_, args| divided(&args, i64::wrapping_rem)),
    with_rest("max", ANY, Kind::Any, |_, args| Ok(Value::Long(integers(&args).max().unwrap_or(0)))),
    with_rest("min", ANY, Kind::Any, |_, args| Ok(Value::Long(integers(&args).min().unwrap_or(0)))),
    with_rest("addf", &[], Kind::Any, addf),
    with_rest("subf", ANY, Kind::Any, |_, args| folded(&args, |a, b| Some(a.plus(b.negated())))),
    with_rest("mulf", ANY, Kind::Any, |_, args| folded(&args, |a, b| Some(a.times(b)))),
    with_rest("divf", ANY, Kind::Any, |_, args| folded(&args, Decimal::over)),
    with_rest("maxf", ANY, Kind::Any, |_, args| Ok(extreme(&args, |a, b| a > b))),
    with_rest("minf", ANY, Kind::Any, |_, args| Ok(extreme(&args, |a, b| a < b))),
    of("ceil", ANY, |_, args| Ok(Value::Float(float(args.value(0)).ceil()))),
    of("floor", ANY, |_, args| Ok(Value::Float(float(args.value(0)).floor()))),
    with_rest("round", &[Kind::Any, Kind::Int], Kind::Float, |_, args| {
        // From which part of one on it is rounded up.
        let up_from = if args.len() > 2 { args.float(2) } else { 0.5 };
        let scale = 10f64.powf(args.int(1) as f64);
        let scaled = scale * float(args.value(0));
        let whole = if scaled.fract() >= up_from { scaled.ceil() } else { scaled.floor() };
        Ok(Value::Float(whole / scale))
    }),
];

fn integers<'t>(args: &Args<'t>) -> impl Iterator<Item = i64> {
    args.0.iter().map(integer)
}

/// Returns a value as an integer.
pub(super) fn integer(value: &Value<'_>) -> i64 {
    match value {
        Value::Truth(truth) => i64::from(*truth),
        Value::Float(number) => truncated(*number),
        Value::Text(text) => {
            let whole = literal::integer(without_fraction(text));
            whole.and_then(|whole| i64::try_from(whole).ok()).unwrap_or(0)
        }
        Value::Held(inner) => integer(inner),
        other => other.integer().unwrap_or(0),
    }
}

/// What does not fit becomes the least integer, as on the machines that Loki runs on.
fn truncated(number: f64) -> i64 {
    if (-TWO_TO_63..TWO_TO_63).contains(&number) { number as i64 } else { i64::MIN }
}

/// Returns the integer that a plain decimal begins with, and any other text as it is.
fn without_fraction(text: &str) -> &str {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => {
            match whole.strip_prefix(['+', '-']).unwrap_or(whole) {
                "" => "0",
                digits if is_digits(digits) => whole,
                _ => text,
            }
        }
        _ => text,
    }
}

/// Returns a value as a float.
fn float(value: &Value<'_>) -> f64 {
    match value {
        Value::Truth(truth) => f64::from(u8::from(*truth)),
        Value::Float(number) => *number,
        Value::Text(text) => parse_float(text).unwrap_or(0.0),
        Value::Held(inner) => float(inner),
        other => other.integer().map_or(0.0, |number| number as f64),
    }
}

fn divided<'t>(args: &Args<'t>, by: fn(i64, i64) -> i64) -> Answer<'t> {
    match integer(args.value(1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::Long(by(integer(args.value(0)), divisor))),
    }
}

fn addf<'t>(_: &mut Context<'t>, mut args: Args<'t>) -> Answer<'t> {
    args.0.insert(0, Value::Int(0));
    folded(&args, |a, b| Some(a.plus(b)))
}

fn folded<'t>(args: &Args<'t>, op: fn(Decimal, Decimal) -> Option<Decimal>) -> Answer<'t> {
    let decimal = |value: &Value<'t>| {
        let number = float(value);
        let shown = crate::query::number::shortest(number);
        Decimal::new(number).ok_or_else(|| format!("Cannot create a Decimal from {shown}"))
    };
    let mut res = decimal(args.value(0))?;
    for arg in args.0.iter().skip(1) {
        res = op(res, decimal(arg)?).ok_or("decimal division by 0")?;
    }
    Ok(Value::Float(res.to_float()))
}

/// Returns the float that beats all others; what is no number beats them all.
fn extreme<'t>(args: &Args<'t>, beats: fn(f64, f64) -> bool) -> Value<'t> {
    let stronger = |a: f64, b: f64| if a.is_nan() || !(b.is_nan() || beats(b, a)) { a } else { b };
    Value::Float(args.0.iter().map(float).reduce(stronger).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn texts_are_numbers_as_far_as_they_are() {
        check(r#"{{add "0x1f" "010" "1.9" "-1.5" "1e3" " 5" "1_0"}}"#, "49");
        check(r#"{{add "1.x" ".5" "5." "-.5" true nil}}"#, "6");
        check(r#"{{int 1e300}} {{int "9223372036854775808"}} {{int -1.9}}"#, "-9223372036854775808 0 -1");
        check(
            r#"{{float64 "0x1p2"}} {{float64 "1_0"}} {{float64 "x"}} {{float64 "1e400"}} {{float64 "inf"}}"#,
            "4 10 0 0 +Inf",
        );
        check("{{add .}}{{int __timestamp__}}", "00");
    }

    #[test]
    fn integers_are_reckoned() {
        check("{{add}} {{add 1 2.9 3}} {{sub 1 3}} {{mul 2}} {{mul 2 3 4}}", "0 6 -2 2 24");
        check("{{div 7 2}} {{mod -7 2}} {{max 1 3 2}} {{min 2 \"1\" 3}}", "3 -1 3 1");
        check("{{mul 4611686018427387904 4}} {{add 9223372036854775807 1}}", "0 -9223372036854775808");
        check("{{div (add -9223372036854775807 -1) -1}}", "-9223372036854775808");
        check_fault("{{div 1 0}}", "error calling div: runtime error: integer divide by zero");
        check_fault("{{mod 1 \"x\"}}", "error calling mod: runtime error: integer divide by zero");
    }

    #[test]
    fn floats_are_reckoned_in_decimals() {
        check(
            "{{addf 0.1 0.2}} {{addf}} {{subf 5.5 2 1.5}} {{mulf 1.1 1.1}} {{divf 10 2 4}}",
            "0.3 0 2 1.21 1.25",
        );
        check("{{divf 1 3}} {{maxf 1 2.5 3}} {{minf 1 2.5 \"x\"}}", "0.3333333333333333 3 0");
        check("{{ceil 1.2}} {{floor \"-1.2\"}} {{ceil \"x\"}}", "2 -2 0");
        check("{{maxf \"nan\" 1}} {{minf 1 \"nan\"}}", "NaN NaN");
        check_fault("{{divf 1 0}}", "error calling divf: decimal division by 0");
        check_fault("{{addf \"inf\"}}", "error calling addf: Cannot create a Decimal from +Inf");
    }

    #[test]
    fn floats_are_rounded() {
        check(
            "{{round 1.2345 2}} {{round -1.5 0}} {{round \"1.5\" 0 0.6}} {{round 1234 -2}}",
            "1.23 -2 1 1200",
        );
        check_fault("{{round 1.5 \"1\"}}", "expected integer; found \"1\"");
        check_fault("{{round 1.5}}", "wrong number of args for round: want at least 2 got 1");
    }
}
