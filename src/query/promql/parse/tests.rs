//! The grammar, fault by fault and form by form; each line was compared with Prometheus 3.14.

use proptest::prelude::*;

use super::super::ast::{At, Expr, VectorSelector};
use super::super::{parse, parse_selector, pretty};
use super::{HEIGHT_MAX, QUERY_LEN_MAX};
use crate::record::read::{MatchOp, Matcher};

fn printed(query: &str) -> String {
    parse(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_string()
}

fn fault(query: &str) -> String {
    match parse(query) {
        Ok(expr) => panic!("{query} was read as {expr}"),
        Err(error) => error.to_string(),
    }
}

/// Writes parentheses around whatever an operator or a sign joins.
fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(binary) => {
            format!("({} {} {})", grouped(&binary.lhs), binary.op.as_str(), grouped(&binary.rhs))
        }
        Expr::Unary(unary) => {
            format!("({}{})", if unary.is_minus { '-' } else { '+' }, grouped(&unary.inner))
        }
        other => other.to_string(),
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    for (query, expect) in [
        ("a or b and c", "(a or (b and c))"),
        ("a unless b and c", "((a unless b) and c)"),
        ("a and b == c", "(a and (b == c))"),
        ("a > b + c", "(a > (b + c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a + b * c atan2 d", "(a + ((b * c) atan2 d))"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("--a", "(-(-a))"),
        ("-1 ^ 2", "(-(1 ^ 2))"),
        ("- -1", "1"),
        ("a + b offset 5m", "(a + b offset 5m)"),
        ("-a offset 5m", "(-a offset 5m)"),
        ("a offset -2 ^ 2", "(a offset -2s ^ 2)"),
    ] {
        assert_eq!(grouped(&parse(query).unwrap()), expect, "{query}");
    }
}

#[test]
fn what_is_read_is_printed_in_one_form() {
    for (query, expect) in [
        ("SUM(a) BY (b,)", "sum by (b) (a)"),
        ("sum by (b) (a)", "sum by (b) (a)"),
        ("sum by () (a)", "sum(a)"),
        ("sum without () (a)", "sum without () (a)"),
        ("topk by(\"a.b\", sum) (5,a)", "topk by (\"a.b\", sum) (5, a)"),
        ("count_values('v', a)", "count_values(\"v\", a)"),
        ("a ==bool on(x,)group_left b", "a == bool on (x) group_left () b"),
        ("a*ignoring(x)group_right(y)b", "a * ignoring (x) group_right (y) b"),
        ("a / on() b", "a / on () b"),
        ("a / ignoring() b", "a / b"),
        ("{b='1',a!~`x`,}", "{a!~\"x\",b=\"1\"}"),
        ("a{}", "a"),
        ("{\"a.b\",'c d'=\"e\"}", "{\"c d\"=\"e\",__name__=\"a.b\"}"),
        ("{__name__='a'}", "{__name__=\"a\"}"),
        ("a[90m] @ 1.5 offset 0x10", "a[1h30m] @ 1.500 offset 16s"),
        ("a @ end() offset -1w", "a @ end() offset -1w"),
        ("a offset 1m @ start ()", "a @ start() offset 1m"),
        ("a offset -(5)", "a offset -5s"),
        ("(a)[1h:]", "(a)[1h:]"),
        ("rate(a[5m])[1h : 5m] offset 1d", "rate(a[5m])[1h:5m] offset 1d"),
        ("5m", "5m"),
        ("-1h30m", "-1h30m"),
        ("+Inf", "+Inf"),
        ("-inF", "-Inf"),
        ("nan", "NaN"),
        ("1e-7", "0.0000001"),
        ("0x_1F + 1_000 + 017", "31 + 1000 + 15"),
        ("'a\\'\\x41\\n'", "\"a'A\\n\""),
        ("start() + step()", "start() + step()"),
    ] {
        assert_eq!(printed(query), expect, "{query}");
    }
}

#[test]
fn words_are_names_where_they_mean_nothing_else() {
    for name in [
        "sum",
        "by",
        "without",
        "offset",
        "and",
        "or",
        "unless",
        "start",
        "end",
        "step",
        "range",
        "min_of",
        "max_of",
        "fill",
        "fill_left",
        "anchored",
        "smoothed",
        "limitk",
        "Avg",
    ] {
        assert_eq!(printed(name), name);
        assert_eq!(printed(&format!("{name} + {name}{{a=\"b\"}}")), format!("{name} + {name}{{a=\"b\"}}"));
    }
    for name in ["bool", "on", "ignoring", "group_left", "atan2"] {
        assert!(parse(name).is_err(), "{name}");
        assert_eq!(printed(&format!("sum by ({name}) (a)")), format!("sum by ({name}) (a)"));
    }
    assert_eq!(printed("sum by (a:b) (c)"), "sum by (\"a:b\") (c)");
    assert_eq!(
        fault("sum by (without) (a)"),
        "1:9: parse error: unexpected <without> in grouping opts, expected label"
    );
}

#[test]
fn faults_have_prometheus_s_words_and_places() {
    for (query, expect) in [
        ("", "unknown position: parse error: no expression found in input"),
        (" # c", "1:1: parse error: no expression found in input"),
        ("a b", "1:3: parse error: unexpected identifier \"b\""),
        ("a\n  b:c", "2:3: parse error: unexpected metric identifier \"b:c\""),
        ("1 2", "1:3: parse error: unexpected number \"2\""),
        ("a \"a long text\"", "1:3: parse error: unexpected string \"\\\"a long te\"..."),
        ("a +", "1:4: parse error: unexpected end of input"),
        ("* a", "1:1: parse error: unexpected <op:*>"),
        ("()", "1:2: parse error: unexpected \")\""),
        ("(a", "1:3: parse error: unclosed left parenthesis"),
        ("a)", "1:3: parse error: unexpected right parenthesis ')'"),
        ("a[5m", "1:5: parse error: unclosed left bracket"),
        ("a]", "1:2: parse error: unexpected right bracket ']'"),
        ("a[b]", "1:3: parse error: unexpected character in duration expression: 'b'"),
        ("a[5m b]", "1:6: parse error: unexpected character: 'b', expected ':'"),
        (
            "a[5m 5]",
            "1:6: parse error: unexpected number \"5\" in subquery or range, expected \":\" or \"]\"",
        ),
        (
            "a[]",
            "1:3: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()",
        ),
        ("a[:5m]", "1:4: parse error: unexpected colon before duration in duration expression"),
        ("a[5m:1m:]", "1:8: parse error: unexpected colon ':'"),
        (
            "a[5m:*]",
            "1:6: parse error: unexpected <op:*> in subquery selector, expected number, duration, step(), range(), or \"]\"",
        ),
        ("a[0]", "1:3: parse error: duration must be greater than 0"),
        ("a[-5m:]", "1:3: parse error: duration must be greater than 0"),
        ("a[1m1h]", "1:3: parse error: not a valid duration string: \"1m1h\""),
        ("a[5mm]", "1:3: parse error: bad number or duration syntax: \"5mm\""),
        ("a[1e11]", "1:3: parse error: duration out of range"),
        ("1[5m]", "1:2: parse error: ranges only allowed for vector selectors"),
        ("a offset 1m[5m]", "1:12: parse error: no offset modifiers allowed before range"),
        ("a @ 1[5m]", "1:6: parse error: no @ modifiers allowed before range"),
        (
            "a offset b",
            "1:10: parse error: unexpected identifier \"b\" in offset, expected number, duration, step(), or range()",
        ),
        ("a offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"),
        (
            "1 + sum(a) offset 1m",
            "1:5: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("a @ b", "1:5: parse error: unexpected identifier \"b\" in @, expected timestamp"),
        ("a @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("a @ -Inf", "1:1: parse error: timestamp out of bounds for @ modifier: -Inf"),
        ("a{", "1:3: parse error: unexpected end of input inside braces"),
        ("a{1}", "1:3: parse error: unexpected character inside braces: '1'"),
        ("a{b}", "1:4: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("a{b=c}", "1:5: parse error: unexpected identifier \"c\" in label matching, expected string"),
        (
            "a{b='c' d='e'}",
            "1:9: parse error: unexpected identifier \"d\" in label matching, expected \",\" or \"}\"",
        ),
        ("a{,}", "1:3: parse error: unexpected \",\" in label matching, expected identifier or \"}\""),
        ("a{b=~'['}", "1:3: parse error: error parsing regexp: missing closing ]: `[`"),
        ("a{b=~'x+*'}", "1:3: parse error: error parsing regexp: invalid nested repetition operator: `+*`"),
        ("sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"),
        ("sum by a", "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\""),
        ("sum by (1) (a)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"),
        (
            "sum by (a b) (c)",
            "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        ),
        ("sum by ('') (c)", "1:9: parse error: invalid label name for grouping: \"\""),
        (
            "a + on(b) group_left",
            "1:21: parse error: unexpected end of input in grouping opts, expected \"(\"",
        ),
        ("a + group_left b", "1:5: parse error: unexpected <group_left>"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        (
            "topk(a)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        ("rate(a[5m],)", "1:11: parse error: trailing commas not allowed in function call args"),
        ("1 + foo(a)", "1:5: parse error: unknown function with name \"foo\""),
        ("rat(a[5m])", "1:1: parse error: unknown function with name \"rat\", did you mean \"rate\"?"),
        ("a =~ b", "1:3: parse error: unexpected character after '=': '~'"),
        ("a !", "1:3: parse error: unexpected character after '!': '\u{fffd}'"),
        ("é", "1:1: parse error: unexpected character: 'é'"),
        ("\u{200b}", "1:1: parse error: unexpected character: '\\u200b'"),
        ("'a", "1:1: parse error: unterminated quoted string"),
        ("`a", "1:1: parse error: unterminated raw string"),
        ("'\\q'", "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("'\\xg'", "1:1: parse error: illegal character U+0067 'g' in escape sequence"),
        ("'\\ud800'", "1:1: parse error: escape sequence is an invalid Unicode code point"),
        (
            "1e400",
            "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range",
        ),
        ("1..2", "1:1: parse error: bad number or duration syntax: \"1..\""),
    ] {
        assert_eq!(fault(query), expect, "{query}");
    }
}

#[test]
fn types_and_counts_are_checked_in_prometheus_s_order() {
    for (query, expect) in [
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("a and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("a + 'b'", "1:5: parse error: binary expression must contain only scalar and instant vector types"),
        ("1 + on(b) a", "1:1: parse error: vector matching only allowed between instant vectors"),
        ("a and on(b) group_left() c", "1:1: parse error: no grouping allowed for \"and\" operation"),
        (
            "a + on(b) group_left(b) c",
            "1:3: parse error: label \"b\" must not occur in ON and GROUP clause at once",
        ),
        (
            "-'a'",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\"",
        ),
        ("1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
        ("sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"),
        ("topk(a, b)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"),
        (
            "rate(a)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"),
        ("round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"),
        ("round(a, 1, 1)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{a=~'.*'}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("a{__name__='b'}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""),
    ] {
        assert_eq!(fault(query), expect, "{query}");
    }
}

#[test]
fn what_prometheus_keeps_behind_flags_is_refused_by_name() {
    for (query, expect) in [
        ("rate(a[5m] anchored)", "1:6: parse error: anchored modifier is experimental and not enabled"),
        ("rate(a[5m] smoothed)", "1:6: parse error: smoothed modifier is experimental and not enabled"),
        ("a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
        (
            "a + fill_left(-1) fill_right(0) b",
            "1:1: parse error: binop fill modifiers are experimental and not enabled",
        ),
        ("a[5m + 1m * 2]", "1:8: parse error: experimental duration expression is not enabled"),
        ("a[step()]", "1:3: parse error: experimental duration expression is not enabled"),
        ("a offset -min_of(1m, 2m)", "1:10: parse error: experimental duration expression is not enabled"),
        ("a[(5m)]", "1:4: parse error: experimental duration expression is not enabled"),
        ("info(a)", "1:1: parse error: function \"info\" is not supported"),
        ("a </ b", "1:3: parse error: operator </ is for native histograms, which are not supported"),
    ] {
        assert_eq!(fault(query), expect, "{query}");
    }
}

#[test]
fn places_reach_from_the_first_to_the_last_word() {
    for (query, expect) in [
        ("a{b='c'}[5m] offset 1m ", 0..22),
        ("(sum(a) )", 0..9),
        ("sum(a) by (b) ", 0..13),
        ("rate(a[5m]) ", 0..11),
        ("a[1h:] @ end() ", 0..14),
        ("-1 ", 0..2),
        ("- a", 0..3),
    ] {
        assert_eq!(parse(query).unwrap().span(), expect, "{query}");
    }
    // The parenthesis behind an aggregation is not its own.
    let Expr::Paren(paren) = parse("(sum(a) )").unwrap() else { panic!("parentheses") };
    assert_eq!(paren.inner.span(), 1..7);
}

#[test]
fn a_selector_stands_alone() {
    let selector = parse_selector("a{b=~'c|d'}").unwrap();
    assert_eq!(selector.name.as_deref(), Some("a"));
    let names: Vec<&str> = selector.matchers.iter().map(|matcher| matcher.name.as_str()).collect();
    assert_eq!(names, ["b", "__name__"]);
    assert!(matches!(&selector.matchers[0].op, MatchOp::Matches(pattern) if pattern.as_str() == "c|d"));
    assert!(parse_selector("{}").is_ok(), "the caller refuses it");
    let fault = |text: &str| parse_selector(text).unwrap_err().to_string();
    assert_eq!(fault("a[5m]"), "1:2: parse error: unexpected \"[\"");
    assert_eq!(fault(""), "unknown position: parse error: unexpected end of input");
}

#[test]
fn modifiers_change_the_selector() {
    let Expr::Matrix(matrix) = parse("a[1.5] offset -1h @ 1.5004").unwrap() else { panic!("a range") };
    let selector = matrix.selector;
    assert_eq!(
        (matrix.range_ms, selector.offset_ms, selector.at),
        (1_500, -3_600_000, Some(At::Time(1_500)))
    );
}

#[test]
fn long_queries_are_put_on_lines() {
    let name = "a_name_that_is_so_long_that_no_two_of_it_fit_on_one_line_of_a_hundred_characters";
    let query = format!("-sum by (job) (rate({name}[5m])) / on (job) ({name} > bool 1)");
    let expect = format!("  -sum by (job) (rate({name}[5m]))\n/ on (job)\n  ({name} > bool 1)");
    let expect =
        expect.replace("sum by (job) (rate(", "sum by (job) (\n    rate(").replace("[5m]))", "[5m])\n  )");
    assert_eq!(pretty(&parse(&query).unwrap()), expect);
    assert_eq!(pretty(&parse("sum( a )").unwrap()), "sum(a)");
}

/// In a thread with the stack that the threads of the server have.
#[test]
fn depth_and_length_end_in_a_fault_within_a_thread_s_stack() {
    let check = || {
        let terms = vec!["a"; HEIGHT_MAX];
        let printed = parse(&terms.join("+")).unwrap().to_string();
        assert!(parse(&printed).is_ok());
        assert!(fault(&format!("{}+a", terms.join("+"))).contains("levels of expressions"));
        for (open, close) in [("(", ")"), ("abs(", ")"), ("sum(", ")"), ("-", ""), ("a^", ""), ("((a)-", ")")]
        {
            let nested = |n: usize| format!("{}a{}", open.repeat(n), close.repeat(n));
            assert!(parse(&nested(50)).is_ok(), "{open}");
            assert!(parse(&nested(100_000)).is_err(), "{open}");
        }
        assert!(parse(&"(".repeat(QUERY_LEN_MAX)).is_err());
        assert!(parse(&format!("a{{{}}}", "b='c',".repeat(150_000))).is_ok());
        assert!(parse(&format!("label_join(a, 'b', 'c' {})", ", 'd'".repeat(150_000))).is_ok());
        assert!(fault(&" ".repeat(QUERY_LEN_MAX + 1)).contains("no more than"));
        assert!(fault(&format!("a[{}5m]", "-".repeat(1_000))).contains("nests deeper"));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).unwrap().join().unwrap();
}

#[test]
fn regular_expressions_are_bounded_together() {
    let many = |pattern: &str, n: usize| format!("a{{{}}}", format!("b=~'{pattern}',").repeat(n));
    assert!(parse(&many("x.*", 200)).is_ok());
    assert!(fault(&many("x", 1_001)).contains("more than 1000 regular expressions"));
    assert!(fault(&many(r"(\\pL\\pN){30}", 20)).contains("too large together"));
}

/// Words that are likely to be read, of every kind.
const WORDS: &[&str] = &[
    "a",
    "b:c",
    "sum",
    "topk",
    "rate",
    "time",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "fill",
    "start",
    "step",
    "and",
    "or",
    "1",
    "5m",
    "0x1F",
    "NaN",
    "'t'",
    "\"\\xff\"",
    "`r`",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[5m]",
    "[1h:]",
    ":",
    ",",
    "=",
    "==",
    "!=",
    "=~",
    "+",
    "-",
    "*",
    "^",
    "<",
    "@",
    "#",
    "\n",
    "é",
    "{a='b'}",
    "(a)",
    "\\",
];

proptest! {
    #[test]
    fn no_text_does_harm_and_what_is_read_is_read_again(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..24),
        text in any::<String>(),
    ) {
        for query in [words.join(" "), words.concat(), text.clone(), words.join(&text)] {
            let _ = parse_selector(&query);
            let Ok(expr) = parse(&query) else { continue };
            let again = parse(&expr.to_string()).unwrap();
            prop_assert_eq!(grouped(&again), grouped(&expr));
            prop_assert_eq!(grouped(&parse(&pretty(&expr)).unwrap()), grouped(&expr));
        }
    }
}

#[test]
fn selectors_are_made_of_conditions() {
    for (name, label, expect) in [
        ("up", "job", r#"up{job="a\"b"}"#),
        ("a:b", "job", r#"a:b{job="a\"b"}"#),
        ("http.status", "job", r#"{__name__="http.status",job="a\"b"}"#),
        // A number where an expression may begin.
        ("inf", "job", r#"{__name__="inf",job="a\"b"}"#),
        ("up", "http.status", r#"up{"http.status"="a\"b"}"#),
    ] {
        let matchers = vec![Matcher::equal("__name__", name), Matcher::equal(label, "a\"b")];
        let text = VectorSelector::of(matchers).to_string();
        assert_eq!(text, expect);
        assert_eq!(parse_selector(&text).unwrap().to_string(), expect, "it reads back");
    }
    assert_eq!(VectorSelector::of(vec![Matcher::equal("__name__", "up")]).to_string(), "up");
}
