//! One evaluation of a script: the query as it stands, and the other forms that must answer alike.

use super::compare::{check_notes, check_sorted, check_value, check_vector};
use super::samples::Samples;
use super::script::{Eval, Text};
use crate::clock::UnixMillis;
use crate::query::promql::ast::{At, Expr};
use crate::query::promql::{Engine, Moments, ParseError, Value, depends_on_moment, parse};
use crate::record::Labels;
use crate::record::read::Matcher;

/// The step of the range that an instant evaluation is repeated in.
const AROUND_MS: i64 = 60_000;

/// Functions that see a counter begin anew where a sample has a start timestamp.
const START_TIME_FUNCTIONS: [&str; 4] = ["rate", "irate", "increase", "resets"];

/// How an evaluation went.
pub enum Outcome {
    /// As expected.
    Passed,
    /// Otherwise, for this reason.
    Failed(String),
    /// Not evaluated, for this reason.
    Skipped(&'static str),
}

/// Evaluates one case.
pub fn run_case(engine: &Engine, samples: &Samples, eval: &Eval) -> Outcome {
    let expr = match parse(&eval.query) {
        Ok(expr) => expr,
        Err(error) => return not_parsed(eval, &error),
    };
    if let Some(reason) = skipped(samples, eval, &expr) {
        return Outcome::Skipped(reason);
    }
    match eval.step_ms {
        Some(step_ms) => {
            let moments = Moments { from: UnixMillis(eval.from_ms), to: UnixMillis(eval.to_ms), step_ms };
            outcome(check(engine, samples, eval, &eval.query, moments).map(|_| ()))
        }
        None => outcome(instant(engine, samples, eval, &expr)),
    }
}

fn outcome(result: Result<(), String>) -> Outcome {
    result.map_or_else(Outcome::Failed, |()| Outcome::Passed)
}

fn not_parsed(eval: &Eval, error: &ParseError) -> Outcome {
    let expected = eval.expect.fail.as_ref();
    let is_this = expected.is_some_and(|expected| expected.accepts(&error.to_string()));
    let is_any = matches!(expected, Some(Text::Any));
    // Where any error will do, the refusal says nothing about the one that was meant.
    if let Some(reason) = refused_kind(&error.message)
        && (!is_this || is_any)
    {
        return Outcome::Skipped(reason);
    }
    match expected {
        Some(_) if is_this => Outcome::Passed,
        Some(expected) => Outcome::Failed(format!("expected the error {:?}, got: {error}", expected.shown())),
        None => Outcome::Failed(error.to_string()),
    }
}

/// The kind of syntax that a parse error refuses by name.
fn refused_kind(message: &str) -> Option<&'static str> {
    let kinds = [
        ("anchored modifier", "anchored"),
        ("smoothed modifier", "smoothed"),
        ("fill modifiers", "fill"),
        ("experimental duration expression", "duration arithmetic"),
        ("function \"info\"", "info()"),
        ("is for native histograms", "trim operators"),
        ("native histograms", "native histograms"),
    ];
    kinds.iter().find(|(text, _)| message.contains(text)).map(|(_, kind)| *kind)
}

fn skipped(samples: &Samples, eval: &Eval, expr: &Expr) -> Option<&'static str> {
    let mut selectors = Vec::new();
    let mut functions = Vec::new();
    walk(expr, &mut |expr| match expr {
        Expr::Vector(selector) => selectors.push(selector.matchers.clone()),
        Expr::Matrix(matrix) => selectors.push(matrix.selector.matchers.clone()),
        Expr::Call(call) => functions.push(call.function.name),
        _ => {}
    });
    let is_selected = |matchers: &Vec<Matcher>| samples.selects_histograms(matchers);
    if eval.expect.has_histograms() || selectors.iter().any(is_selected) {
        return Some("native histograms");
    }
    let is_called = |names: &[&str]| functions.iter().any(|name| names.contains(name));
    let has_start_times = |matchers: &Vec<Matcher>| samples.selects_start_times(matchers);
    let needs_start_times = is_called(&["start_timestamp"])
        || is_called(&START_TIME_FUNCTIONS) && selectors.iter().any(has_start_times);
    needs_start_times.then_some("start timestamps")
}

fn walk(expr: &Expr, visit: &mut impl FnMut(&Expr)) {
    visit(expr);
    expr.children().into_iter().for_each(|child| walk(child, visit));
}

/// Evaluates at one moment and in every other form.
fn instant(engine: &Engine, samples: &Samples, eval: &Eval, expr: &Expr) -> Result<(), String> {
    let at_ms = eval.expect.range.map_or(eval.from_ms, |(_, to_ms, _)| to_ms);
    one_form(engine, samples, eval, &eval.query, at_ms)?;
    let mut fixed = expr.clone();
    if !fix_moment(&mut fixed, at_ms, false) {
        return Ok(());
    }
    let query = fixed.to_string();
    let others =
        if at_ms == 0 { vec![-1_000, 0, 1_000] } else { vec![-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms] };
    others.into_iter().try_for_each(|other| one_form(engine, samples, eval, &query, other))
}

/// Puts `@` at a moment behind every selector that has no time of its own; `@ start()` and
/// `@ end()` are no such times. Returns false when the query depends on the moment in another way.
fn fix_moment(expr: &mut Expr, at_ms: i64, is_fixed: bool) -> bool {
    let put = |at: &mut Option<At>| {
        if !is_fixed && !matches!(at, Some(At::Time(_))) {
            *at = Some(At::Time(at_ms));
        }
    };
    match expr {
        Expr::Vector(selector) => put(&mut selector.at),
        Expr::Matrix(matrix) => put(&mut matrix.selector.at),
        Expr::Subquery(subquery) => {
            // What is inside of a subquery under `@` keeps its own time.
            put(&mut subquery.at);
            return fix_moment(&mut subquery.inner, at_ms, true);
        }
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Paren(paren) => return fix_moment(&mut paren.inner, at_ms, is_fixed),
        Expr::Unary(unary) => return fix_moment(&mut unary.inner, at_ms, is_fixed),
        Expr::Binary(binary) => {
            let lhs = fix_moment(&mut binary.lhs, at_ms, is_fixed);
            return fix_moment(&mut binary.rhs, at_ms, is_fixed) && lhs;
        }
        Expr::Aggregate(aggregate) => {
            let parameter =
                aggregate.parameter.as_mut().is_none_or(|parameter| fix_moment(parameter, at_ms, is_fixed));
            return fix_moment(&mut aggregate.inner, at_ms, is_fixed) && parameter;
        }
        Expr::Call(call) => {
            let depends = !is_fixed && depends_on_moment(call.function.name);
            // Each of them is fixed, whatever is found in the others.
            let args: Vec<bool> = call.args.iter_mut().map(|arg| fix_moment(arg, at_ms, is_fixed)).collect();
            return !args.contains(&false) && !depends;
        }
    }
    true
}

/// Evaluates one form at one moment, and as the middle of a range.
fn one_form(engine: &Engine, samples: &Samples, eval: &Eval, query: &str, at_ms: i64) -> Result<(), String> {
    let at = UnixMillis(at_ms);
    let Some(value) = check(engine, samples, eval, query, Moments::instant(at))? else { return Ok(()) };
    let expect = &eval.expect;
    let speaks_of_range = ["start()", "end()", "range()", "step()"].iter().any(|call| query.contains(call));
    if expect.range.is_some() || expect.string.is_some() || speaks_of_range {
        return Ok(());
    }
    let around = Moments {
        from: UnixMillis(at_ms - AROUND_MS),
        to: UnixMillis(at_ms + AROUND_MS),
        step_ms: AROUND_MS,
    };
    let in_range = |message: String| format!("{message} (as a range, {query} at {at_ms} ms)");
    let answer = engine.query(samples, query, around).map_err(|error| in_range(error.to_string()))?;
    let Value::Matrix(series) = &answer.value else { return Err(in_range("no matrix".into())) };
    if expect.is_ordered {
        return Ok(());
    }
    check_sorted(series).map_err(in_range)?;
    let middle: Vec<(&Labels, f64)> = series
        .iter()
        .filter_map(|series| {
            let sample = series.samples.iter().find(|sample| sample.at == at)?;
            Some((&series.labels, sample.value))
        })
        .collect();
    let compared = match (&value, middle.first()) {
        (Value::Scalar(_), None) => Err("expected a scalar, got nothing".into()),
        (Value::Scalar(scalar), Some((_, value))) => {
            let sample = crate::record::Sample { value: *value, ..*scalar };
            check_value(eval, &Value::Scalar(sample))
        }
        _ => check_vector(expect, &middle),
    };
    compared.map_err(in_range)
}

/// Evaluates and checks; none when a failure was expected and came.
fn check(
    engine: &Engine,
    samples: &Samples,
    eval: &Eval,
    query: &str,
    moments: Moments,
) -> Result<Option<Value>, String> {
    let with_form = |message: String| {
        if query == eval.query { message } else { format!("{message} (as {query} at {} ms)", moments.from.0) }
    };
    match (engine.query(samples, query, moments), &eval.expect.fail) {
        (Err(error), Some(expected)) if expected.accepts(&error.to_string()) => Ok(None),
        (Err(error), Some(expected)) => {
            Err(with_form(format!("expected the error {:?}, got: {error}", expected.shown())))
        }
        (Err(error), None) => Err(with_form(error.to_string())),
        (Ok(_), Some(_)) => Err(with_form("expected an error, got an answer".into())),
        (Ok(answer), None) => {
            check_notes(&eval.expect, &answer).map_err(with_form)?;
            check_value(eval, &answer.value).map_err(with_form)?;
            Ok(Some(answer.value))
        }
    }
}
