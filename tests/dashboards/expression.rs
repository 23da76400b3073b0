//! What an expression of PromQL or LogQL names, read by its tokens.
//!
//! This is no parser: whether an expression means anything is for a parser to say. It promises
//! that no name passes unseen, so it fails on a word that it can place nowhere.

use std::collections::BTreeSet;

/// One token; the texts are without their quotes.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    /// A number or a duration.
    Number(String),
    /// `$name` or `${name}` of Grafana.
    Variable(String),
    Symbol(&'static str),
}

/// Longest first, so that `=~` is not read as `=`.
const SYMBOLS: &[&str] = &[
    "=~", "!~", "!=", "==", ">=", "<=", "|=", "|~", "|>", "!>", "=", ">", "<", "|", "+", "-", "*", "/", "%",
    "^", "(", ")", "{", "}", "[", "]", ",", "@", ":",
];

/// Between a name and a value, in braces or behind a pipe.
const COMPARISONS: &[&str] = &["=~", "!~", "!=", "==", ">=", "<=", "=", ">", "<"];

/// Before a list of labels in parentheses.
const GROUPINGS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words between expressions.
const OPERATORS: &[&str] = &["and", "or", "unless", "bool", "offset", "inf", "nan"];

const AGGREGATIONS: &[&str] =
    &["sum", "min", "max", "avg", "count", "group", "topk", "bottomk", "quantile", "stddev", "stdvar"];

/// The functions of PromQL that a dashboard may want; add to it what a new panel needs.
const PROMQL_FUNCTIONS: &[&str] = &[
    "rate",
    "irate",
    "increase",
    "delta",
    "changes",
    "resets",
    "deriv",
    "histogram_quantile",
    "clamp_min",
    "clamp_max",
    "vector",
    "scalar",
    "time",
    "timestamp",
    "absent",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "last_over_time",
    "predict_linear",
    "round",
    "label_replace",
];

/// The same of LogQL.
const LOGQL_FUNCTIONS: &[&str] = &[
    "rate",
    "count_over_time",
    "bytes_over_time",
    "bytes_rate",
    "avg_over_time",
    "max_over_time",
    "min_over_time",
    "sum_over_time",
    "quantile_over_time",
    "vector",
];

/// Stages of a LogQL pipeline that name no field by themselves.
const STAGES: &[&str] = &["json", "logfmt", "unwrap", "drop", "keep", "decolorize"];

/// A selector with the name before its braces, `""` in LogQL.
#[derive(Debug, Default, PartialEq)]
pub struct Selector {
    /// The metric.
    pub metric: String,
    /// Label, operator and text of each matcher.
    pub matchers: Vec<(String, &'static str, String)>,
}

/// What an expression names.
#[derive(Debug, Default)]
pub struct Names {
    /// Selectors in their order.
    pub selectors: Vec<Selector>,
    /// Labels of `by (…)` and its kin.
    pub groupings: BTreeSet<String>,
    /// Fields that stages of a pipeline compare or unwrap.
    pub fields: BTreeSet<String>,
    /// Grafana's variables, those inside texts too.
    pub variables: BTreeSet<String>,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Yields the variables in a text, `$name`, `${name}` and `${name:format}`.
pub fn variables_in(text: &str) -> Vec<String> {
    let behind = text.split('$').skip(1);
    let names = behind.map(|rest| rest.strip_prefix('{').unwrap_or(rest));
    let names = names.map(|rest| rest.chars().take_while(|c| is_name(*c)).collect::<String>());
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')).collect()
}

fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut res = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let take = |test: fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
        let n_bytes = match first {
            '"' | '\'' | '`' => {
                let (mut text, mut is_escaped, mut end) = (String::new(), false, None);
                for (idx, c) in rest.char_indices().skip(1) {
                    match c {
                        _ if is_escaped => is_escaped = false,
                        '\\' if first != '`' => {
                            is_escaped = true;
                            continue;
                        }
                        _ if c == first => {
                            end = Some(idx + 1);
                            break;
                        }
                        _ => {}
                    }
                    text.push(c);
                }
                res.push(Token::Text(text));
                end.ok_or("a text does not end")?
            }
            '$' => {
                let name = variables_in(rest).into_iter().next().ok_or("a $ without a name")?;
                let n_bytes = match rest.starts_with("${") {
                    true => rest.find('}').ok_or("a variable does not end")? + 1,
                    false => 1 + name.len(),
                };
                res.push(Token::Variable(name));
                n_bytes
            }
            '0'..='9' | '.' => {
                let n_bytes = take(|c| c.is_ascii_alphanumeric() || c == '.');
                res.push(Token::Number(rest[..n_bytes].to_string()));
                n_bytes
            }
            _ if is_name(first) => {
                // Recording rules have colons in their names.
                let n_bytes = take(|c| is_name(c) || c == ':');
                res.push(Token::Name(rest[..n_bytes].to_string()));
                n_bytes
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol = symbol.ok_or_else(|| format!("no symbol begins with {first}"))?;
                res.push(Token::Symbol(symbol));
                symbol.len()
            }
        };
        rest = rest[n_bytes..].trim_start();
    }
    Ok(res)
}

/// Reads tokens in order.
struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    names: Names,
}

impl Reader {
    fn new(expression: &str) -> Result<Self, String> {
        let variables = variables_in(expression).into_iter().collect();
        let names = Names { variables, ..Names::default() };
        Ok(Reader { tokens: tokens(expression)?.into_iter().peekable(), names })
    }

    fn next_is(&mut self, symbol: &str) -> bool {
        matches!(self.tokens.peek(), Some(Token::Symbol(next)) if *next == symbol)
    }

    /// Takes a comparison when one comes next.
    fn comparison(&mut self) -> Option<&'static str> {
        match self.tokens.peek() {
            Some(Token::Symbol(symbol)) if COMPARISONS.contains(symbol) => {
                let symbol = *symbol;
                self.tokens.next();
                Some(symbol)
            }
            _ => None,
        }
    }

    /// Reads the matchers behind `{`.
    fn selector(&mut self, metric: String) -> Result<(), String> {
        let mut selector = Selector { metric, ..Selector::default() };
        loop {
            match self.tokens.next().ok_or("a selector does not end")? {
                Token::Symbol("}") => break,
                Token::Symbol(",") => {}
                Token::Name(label) | Token::Text(label) => {
                    let operator = self.comparison().ok_or_else(|| format!("{label} matches nothing"))?;
                    let Some(Token::Text(text)) = self.tokens.next() else {
                        return Err(format!("{label} is compared with no text"));
                    };
                    if label == "__name__" {
                        return Err("a metric is named by a matcher, where nobody finds it".into());
                    }
                    selector.matchers.push((label, operator, text));
                }
                other => return Err(format!("{other:?} in a selector")),
            }
        }
        self.names.selectors.push(selector);
        Ok(())
    }

    /// Reads `(label, …)` behind a grouping word.
    fn grouping(&mut self, word: &str) -> Result<(), String> {
        if !self.next_is("(") {
            return match word {
                "group_left" | "group_right" => Ok(()),
                _ => Err(format!("{word} without its labels")),
            };
        }
        self.tokens.next();
        loop {
            match self.tokens.next().ok_or("a list of labels does not end")? {
                Token::Symbol(")") => return Ok(()),
                Token::Symbol(",") => {}
                Token::Name(label) => _ = self.names.groupings.insert(label),
                other => return Err(format!("{other:?} in a list of labels")),
            }
        }
    }

    /// Whether the name just read is called: parentheses follow, or a grouping and then these.
    fn is_called(&mut self) -> bool {
        let groups = |token: &Token| matches!(token, Token::Name(word) if GROUPINGS.contains(&word.as_str()));
        self.next_is("(") || self.tokens.peek().is_some_and(groups)
    }
}

/// Reads an expression of PromQL.
pub fn promql(expression: &str) -> Result<Names, String> {
    let mut reader = Reader::new(expression)?;
    while let Some(token) = reader.tokens.next() {
        match token {
            Token::Symbol("{") => return Err("a selector without a metric".into()),
            Token::Name(word) if GROUPINGS.contains(&word.as_str()) => reader.grouping(&word)?,
            Token::Name(word) if OPERATORS.contains(&word.as_str()) => {}
            Token::Name(word) if reader.is_called() => {
                let is_known =
                    [AGGREGATIONS, PROMQL_FUNCTIONS].iter().any(|list| list.contains(&word.as_str()));
                is_known
                    .then_some(())
                    .ok_or_else(|| format!("{word} is no function that this test knows"))?;
            }
            Token::Name(metric) if reader.next_is("{") => {
                reader.tokens.next();
                reader.selector(metric)?;
            }
            Token::Name(metric) => reader.names.selectors.push(Selector { metric, matchers: Vec::new() }),
            Token::Text(_) | Token::Number(_) | Token::Variable(_) | Token::Symbol(_) => {}
        }
    }
    Ok(reader.names)
}

/// Reads an expression of LogQL.
pub fn logql(expression: &str) -> Result<Names, String> {
    let mut reader = Reader::new(expression)?;
    while let Some(token) = reader.tokens.next() {
        match token {
            Token::Symbol("{") => reader.selector(String::new())?,
            Token::Name(word) if GROUPINGS.contains(&word.as_str()) => reader.grouping(&word)?,
            Token::Name(word) if OPERATORS.contains(&word.as_str()) => {}
            Token::Name(word) if reader.is_called() => {
                let is_known =
                    [AGGREGATIONS, LOGQL_FUNCTIONS].iter().any(|list| list.contains(&word.as_str()));
                is_known
                    .then_some(())
                    .ok_or_else(|| format!("{word} is no function that this test knows"))?;
            }
            Token::Name(word) if STAGES.contains(&word.as_str()) => {
                // `unwrap field`, `drop field, field`: what follows are fields.
                while let Some(Token::Name(field)) = reader.tokens.peek().cloned() {
                    reader.names.fields.insert(field);
                    reader.tokens.next();
                    if reader.next_is(",") {
                        reader.tokens.next();
                    }
                }
            }
            Token::Name(field) => {
                reader.comparison().ok_or_else(|| format!("{field} is compared with nothing"))?;
                reader.names.fields.insert(field);
            }
            Token::Text(_) | Token::Number(_) | Token::Variable(_) | Token::Symbol(_) => {}
        }
    }
    let has_selector = !reader.names.selectors.is_empty() || expression.starts_with("vector");
    has_selector.then_some(reader.names).ok_or_else(|| "no stream is selected".into())
}

fn words<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_name_of_a_promql_expression_is_found() {
    let check = |expression: &str, metrics: &str, labels: &str| {
        let names = promql(expression).unwrap_or_else(|fault| panic!("{expression}: {fault}"));
        assert_eq!(words(names.selectors.iter().map(|selector| &selector.metric)), metrics, "{expression}");
        let matched = names.selectors.iter().flat_map(|selector| selector.matchers.iter().map(|m| &m.0));
        let found: BTreeSet<String> = matched.chain(&names.groupings).cloned().collect();
        assert_eq!(words(&found), labels, "{expression}");
    };
    check("up", "up", "");
    check("rate(a_total[5m]) / b", "a_total b", "");
    check(r#"a{x="}",y=~"{5..}"} offset 5m"#, "a", "x y");
    check("sum by (le, b) (rate(a_bucket[$__rate_interval]))", "a_bucket", "b le");
    check("sum(a) without(c) > bool 1e9", "a", "c");
    check("a * on (i) group_left (v) max by(i)(b{}) or vector(0)", "a b", "i v");
    check("topk(10, x) - -y{'q'!~`\\d`} ^ 2 @ 1", "x y", "q");
    check(r#"avg_over_time((a:b > 1)[1h:5m]) == inf"#, "a:b", "");
    let names = promql(r#"rate(a{i=~"$instance", j="${job:regex}|x$"}[$__range])"#).unwrap();
    assert_eq!(words(&names.variables), "__range instance job");
}

#[test]
fn every_name_of_a_logql_expression_is_found() {
    let check = |expression: &str, labels: &str, fields: &str, groupings: &str| {
        let names = logql(expression).unwrap_or_else(|fault| panic!("{expression}: {fault}"));
        let matched = names.selectors.iter().flat_map(|selector| selector.matchers.iter().map(|m| &m.0));
        assert_eq!(words(matched), labels, "{expression}");
        assert_eq!(
            (words(&names.fields), words(&names.groupings)),
            (fields.into(), groupings.into()),
            "{expression}"
        );
    };
    check(r#"{job="a", level=~"x|y"} |= "x = y" != `z`"#, "job level", "", "");
    check(r#"{job="a"} | status >= 500 and path!="/" | json"#, "job", "path status", "");
    check(r#"quantile_over_time(0.9, {job="a"} | unwrap ms [$__auto]) by (w)"#, "job", "ms", "w");
    check(r#"topk(5, sum by (p) (count_over_time({job="a"} | drop x, y [5m])))"#, "job", "x y", "p");
}

#[test]
fn what_cannot_be_placed_is_refused() {
    let of_promql = |expression: &str, fault: &str| {
        let found = promql(expression).unwrap_err();
        assert!(found.contains(fault), "{expression}: {found}");
    };
    of_promql("ratte(a[5m])", "ratte is no function");
    of_promql(r#"{__name__="a"}"#, "without a metric");
    of_promql(r#"a{__name__="b"}"#, "by a matcher");
    of_promql(r#"a{b}"#, "matches nothing");
    of_promql(r#"a{b="c"#, "does not end");
    of_promql("a ; b", "no symbol");
    of_promql("sum by le (a)", "by without its labels");
    let of_logql = |expression: &str, fault: &str| {
        let found = logql(expression).unwrap_err();
        assert!(found.contains(fault), "{expression}: {found}");
    };
    of_logql(r#"{job="a"} | jsn"#, "jsn is compared with nothing");
    of_logql(r#"count({job="a"} [5m]) + ctr({job="a"})"#, "ctr is no function");
    of_logql("1 + 1", "no stream");
}
