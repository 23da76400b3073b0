//! Regular expressions.
//!
//! They are Go's, match anywhere, and `.` is not a line end in them. Those that stand in the template
//! are compiled once; others, made of labels, are kept as long as few are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regex::Captures;

use super::{Answer, Args, Context, Function, Kind, of};
use crate::query::logql::template::budget::fits;
use crate::query::logql::template::value::Value;
use crate::record::pattern::{COST_MAX, Pattern};

const THREE: &[Kind] = &[Kind::Text, Kind::Text, Kind::Text];

pub(super) const FUNCTIONS: &[Function] = &[
    of("regexReplaceAll", THREE, |context, args| {
        replaced(context, args, |captures, by, res| captures.expand(by, res))
    }),
    of("regexReplaceAllLiteral", THREE, |context, args| {
        replaced(context, args, |_, by, res| res.push_str(by))
    }),
    of("count", &[Kind::Text, Kind::Text], |context, args| {
        let pattern = context.pattern(args.text(0))?;
        // No more than a text has characters, and one.
        Ok(Value::Int(pattern.regex().find_iter(args.text(1)).count() as i64))
    }),
];

/// Returns whether the first argument of a function is an expression.
pub(in crate::query::logql::template) fn takes_pattern(function: &Function) -> bool {
    FUNCTIONS.iter().any(|known| known.name == function.name)
}

/// Expressions of labels that are kept at the same time: a template has one or two, and each takes
/// some hundred kB at worst.
const KEPT_MAX: usize = 8;

/// Bytes that compiling a character of an expression takes as long as to read.
const COMPILING: u64 = 32;

/// An expression, or what is wrong with it.
type Compiled = Result<Arc<Pattern>, String>;

/// The compiled expressions of a template.
#[derive(Debug, Default)]
pub(in crate::query::logql::template) struct Patterns {
    /// Those that stand in it.
    fixed: HashMap<String, Compiled>,
    fixed_cost: u64,
    /// The others, oldest first. The lock is held while one is looked for, not while one is compiled
    /// or matches.
    kept: Mutex<Vec<(String, Arc<Pattern>)>>,
}

impl Patterns {
    /// Compiles an expression that stands in the template. When they cost too much together, the
    /// rest is left to the lines that need it, within what a line may take.
    pub(in crate::query::logql::template) fn prepare(&mut self, written: &str) {
        if self.fixed_cost > COST_MAX || self.fixed.contains_key(written) {
            return;
        }
        let compiled = compile(written);
        // What is none costs as much as its text.
        let cost = compiled.as_ref().map_or(written.len() as u64, |pattern| pattern.cost());
        self.fixed_cost = self.fixed_cost.saturating_add(cost);
        self.fixed.insert(written.to_string(), compiled);
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(String, Arc<Pattern>)>> {
        // Nothing panics while it is held, and a list without the newest is one too.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compile(written: &str) -> Compiled {
    Pattern::search(written).map(Arc::new).map_err(|error| error.to_string())
}

impl Context<'_> {
    fn pattern(&mut self, written: &str) -> Compiled {
        if let Some(compiled) = self.patterns.fixed.get(written) {
            return compiled.clone();
        }
        let known =
            self.patterns.kept().iter().find(|(known, _)| known == written).map(|(_, known)| known.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let pattern = compile(written)?;
        let cost = usize::try_from(pattern.cost().saturating_mul(COMPILING)).unwrap_or(usize::MAX);
        self.budget.work(cost)?;
        let mut kept = self.patterns.kept();
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push((written.to_string(), pattern.clone()));
        Ok(pattern)
    }
}

fn replaced<'t>(
    context: &mut Context<'t>,
    args: Args<'t>,
    push: fn(&Captures<'_>, &str, &mut String),
) -> Answer<'t> {
    let (pattern, text, by) = (context.pattern(args.text(0))?, args.text(1), args.text(2));
    let (mut res, mut end) = (String::new(), 0);
    for captures in pattern.regex().captures_iter(text) {
        let whole = captures.get_match();
        res.push_str(&text[end..whole.start()]);
        push(&captures, by, &mut res);
        end = whole.end();
        fits(res.len())?;
    }
    res.push_str(&text[end..]);
    Ok(Value::text(res))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn matches_are_replaced_anywhere() {
        check(r#"{{regexReplaceAll "(a*)bc" "xaabcy" "${1}-$1x-$$"}}"#, "xaa--$y");
        check(r#"{{regexReplaceAllLiteral "(a*)bc" "xaabcy" "$1"}}"#, "x$1y");
        check(r#"{{regexReplaceAll "b*" "abc" "-"}}{{regexReplaceAll "^|$" "ab" "."}}"#, "-a-c-.ab.");
        check(r#"{{regexReplaceAll "." "a\nb" "x"}}{{regexReplaceAll "(?s)." "\n" "x"}}"#, "x\nxx");
        check(r#"{{regexReplaceAll "(?P<n>\\d)" "a1b2" "<${n}>"}}"#, "a<1>b<2>");
    }

    #[test]
    fn matches_are_counted() {
        check(r#"{{count "a|b" "abab"}}{{.name | count "o"}}{{count "" "ab"}}{{count "b*" "abc"}}"#, "4133");
        check(r#"{{count .name __line__}}{{count "\\w+" __line__}}"#, "02");
    }

    #[test]
    fn what_is_no_expression_is_an_error_of_the_line() {
        check("{{if false}}{{count \"(\" .name}}{{end}}", "");
        let wrong = "error calling count: error parsing regexp: missing closing ): `(`";
        check_fault("{{count \"(\" .name}}", wrong);
        check_fault("{{count (print \"(\") .name}}", wrong);
    }

    #[test]
    fn few_are_kept() {
        let patterns = Patterns::default();
        let line = crate::query::logql::template::tests::Line::default();
        let mut context = Context { scope: &line, patterns: &patterns, budget: Default::default() };
        for idx in 0..100 {
            assert!(context.pattern(&format!("a{idx}")).unwrap().is_match(&format!("xa{idx}")));
        }
        assert!(context.pattern("a99").is_ok());
        assert_eq!(patterns.kept().len(), KEPT_MAX);
    }

    #[test]
    fn those_that_cost_much_are_bounded() {
        let mut patterns = Patterns { fixed_cost: COST_MAX - 25_000, ..Patterns::default() };
        for idx in 0..10 {
            patterns.prepare(&format!("x{idx}(.{{1000}})"));
        }
        assert_eq!(patterns.fixed.len(), 3);
        check_fault(
            "{{range $i := 1000}}{{count (printf \"%d.{1000}\" $i) \"a\"}}{{end}}",
            "template works on more than 16777216 bytes",
        );
        check_fault(
            "{{regexReplaceAll \"a\" (repeat 10000 \"a\") (repeat 1000 \"b\")}}",
            "result is above the limit",
        );
    }
}
