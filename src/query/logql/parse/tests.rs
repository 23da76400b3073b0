//! What is read and printed, and what is refused.

use super::*;

/// Checks that a query is printed so, and that what is printed means the same.
fn check(query: &str, expect: &str) {
    let printed = parse_unchecked(query).map(|expr| expr.to_string());
    assert_eq!(printed.as_deref().map_err(ToString::to_string), Ok(expect), "{query}");
    let again = parse_unchecked(expect).unwrap_or_else(|fault| panic!("{expect}: {fault}"));
    assert_eq!(again.to_string(), expect);
}

fn refused(query: &str, expect: &str) {
    let fault = parse(query).map(|expr| expr.to_string()).unwrap_err();
    assert_eq!(fault.to_string(), expect, "{query}");
}

#[test]
fn selectors() {
    check("{}", "{}");
    check("{ a = \"b\" , c != `d\"` }", r#"{a="b", c!="d\""}"#);
    check(r#"{a=~"b|c",d!~"e.*"}"#, r#"{a=~"b|c", d!~"e.*"}"#);
    refused("{a=\"b\",}", "parse error at line 1, col 8: syntax error: unexpected }, expecting IDENTIFIER");
    refused("{a}", "parse error at line 1, col 3: syntax error: unexpected }, expecting =, !=, =~ or !~");
    refused("{a=1}", "parse error at line 1, col 4: syntax error: unexpected NUMBER, expecting STRING");
    refused("{a=~\"(\"}", "parse error : error parsing regexp: missing closing ): `(`");
    refused("", "parse error at line 1, col 1: syntax error: unexpected $end");
    refused("{a=\"b\"} x", "parse error at line 1, col 9: syntax error: unexpected IDENTIFIER");
}

#[test]
fn some_matcher_has_to_select() {
    for query in ["{}", "{a=\"\"}", "{a=~\".*\"}", "{a!=\"b\"}", "rate({a=~\".*\"}[1m])"] {
        assert!(parse(query).unwrap_err().to_string().contains("at least one regexp or equality"), "{query}");
    }
    assert!(parse("{a=~\".+\", b=\"\"}").is_ok());
    assert!(parse_selector("").unwrap().is_empty() && parse_selector("{}").unwrap().is_empty());
    assert!(parse_selector("{a=\"b\"} |= \"c\"").is_err());
}

#[test]
fn line_filters() {
    check(
        "{a=\"b\"} |= `c` != \"d\" |~ \"e\" !~ \"f\" |> \"<_>g\" !> \"h<_>\"",
        r#"{a="b"} |= "c" != "d" |~ "e" !~ "f" |> "<_>g" !> "h<_>""#,
    );
    check(r#"{a="b"} |= "c" or "d" or ip("1.2.3.4")"#, r#"{a="b"} |= "c" or "d" or ip("1.2.3.4")"#);
    check(r#"{a="b"} != ip("10.0.0.0/8")"#, r#"{a="b"} != ip("10.0.0.0/8")"#);
    refused(
        "{a=\"b\"} |= c",
        "parse error at line 1, col 12: syntax error: unexpected IDENTIFIER, expecting STRING",
    );
    refused(
        "{a=\"b\"} |= \"c\" or d",
        "parse error at line 1, col 19: syntax error: unexpected IDENTIFIER, expecting STRING",
    );
}

#[test]
fn parsers() {
    check("{} | json | logfmt | unpack", "{} | json | logfmt | unpack");
    check("{} | json a, b=`c.d[0]`", r#"{} | json a="a",b="c.d[0]""#);
    check("{} | logfmt --strict --keep-empty a", r#"{} | logfmt --strict --keep-empty a="a""#);
    check("{} | regexp `(?P<a>b)` | pattern \"<c> d\"", r#"{} | regexp "(?P<a>b)" | pattern "<c> d""#);
    refused(
        "{a=\"b\"} | regexp",
        "parse error at line 1, col 17: syntax error: unexpected $end, expecting STRING",
    );
    refused("{a=\"b\"} | by", "parse error at line 1, col 11: syntax error: unexpected by");
}

#[test]
fn formats_and_names() {
    check(
        "{} | line_format `{{.a}}` | label_format a=b,c=`{{.d}}` | decolorize",
        r#"{} | line_format "{{.a}}" | label_format a=b,c="{{.d}}" | decolorize"#,
    );
    check(
        "{} | drop a, b=\"c\", __error__ | keep d, e=~\"f\"",
        r#"{} | drop a,b="c",__error__ | keep d,e=~"f""#,
    );
    refused(
        "{a=\"b\"} | label_format a",
        "parse error at line 1, col 25: syntax error: unexpected $end, expecting =",
    );
}

#[test]
fn label_filters() {
    check("{} | a=\"b\" | c!=`d` | e=~\"f\"", r#"{} | a="b" | c!="d" | e=~"f""#);
    check("{} | a>1 | b>=2.5 | c<-3 | d==4 | e=5 | f!=+6", "{} | a>1 | b>=2.5 | c<-3 | d==4 | e==5 | f!=6");
    check("{} | a>250ms | b<=1h30m | c>1KB", "{} | a>250ms | b<=1h30m0s | c>1.0kB");
    check("{} | a=ip(\"1.2.3.4\") | b!=ip(\"::1\")", r#"{} | a=ip("1.2.3.4") | b!=ip("::1")"#);
    check("{} | a>1 or b>2 and c>3", "{} | ( a>1 or ( b>2 , c>3 ) )");
    check("{} | (a>1 or b>2) and c>3", "{} | ( ( a>1 or b>2 ) , c>3 )");
    check("{} | a>1 b>2 or c>3", "{} | ( a>1 , ( b>2 or c>3 ) )");
    check("{} | a>1, b>2", "{} | ( a>1 , b>2 )");
    check("{} | a>1 and b>2 , c>3", "{} | ( a>1 , ( b>2 , c>3 ) )");
    refused("{a=\"b\"} | c > \"d\"", "parse error at line 1, col 15: syntax error: unexpected STRING");
    refused("{a=\"b\"} | c == \"d\"", "parse error at line 1, col 16: syntax error: unexpected STRING");
}

#[test]
fn range_aggregations() {
    check("rate({a=\"b\"}[5m])", r#"rate({a="b"}[5m])"#);
    check("count_over_time({a=\"b\"}[5m] |= \"c\")", r#"count_over_time({a="b"} |= "c"[5m])"#);
    check("rate(({a=\"b\"} | json)[1h] offset 5m)", r#"rate({a="b"} | json[1h] offset 5m0s)"#);
    check("rate(({a=\"b\"}[1h] offset -5m))", r#"rate({a="b"}[1h] offset -5m0s)"#);
    check(
        "quantile_over_time(0.99, {a=\"b\"} | json | unwrap duration(c) | __error__=`` [1m]) by (d, e)",
        r#"quantile_over_time(0.99,{a="b"} | json | unwrap duration(c) | __error__=""[1m]) by (d,e)"#,
    );
    check("sum_over_time({a=\"b\"}[1m] | unwrap c)", r#"sum_over_time({a="b"} | unwrap c[1m])"#);
    check(
        "max_over_time(({a=\"b\"})[1m] | unwrap bytes(c))",
        r#"max_over_time({a="b"} | unwrap bytes(c)[1m])"#,
    );
    let refusals = [
        ("rate({a=\"b\"})", "parse error at line 1, col 13: syntax error: unexpected ), expecting RANGE"),
        ("rate(1, {a=\"b\"}[1m])", "parse error : parameter 1 not supported for operation rate"),
        (
            "quantile_over_time({a=\"b\"} | unwrap c [1m])",
            "parse error : parameter required for operation quantile_over_time",
        ),
        ("rate({a=\"b\"}[1m]) by (c)", "parse error : grouping not allowed for rate aggregation"),
        (
            "count_over_time({a=\"b\"} | unwrap c [1m])",
            "parse error : invalid aggregation count_over_time with unwrap",
        ),
        ("avg_over_time({a=\"b\"}[1m])", "parse error : invalid aggregation avg_over_time without unwrap"),
        ("rate({a=\"b\"}[1x])", "parse error at line 1, col 13: unknown unit \"x\" in duration \"1x\""),
    ];
    refusals.iter().for_each(|(query, expect)| refused(query, expect));
}

#[test]
fn aggregations() {
    let rate = "rate({a=\"b\"}[1m])";
    check(&format!("sum({rate})"), r#"sum(rate({a="b"}[1m]))"#);
    check(&format!("sum by (c,d) ({rate})"), r#"sum by (c,d)(rate({a="b"}[1m]))"#);
    check(&format!("avg({rate}) without (c)"), r#"avg without (c)(rate({a="b"}[1m]))"#);
    check(&format!("sum by () ({rate})"), r#"sum(rate({a="b"}[1m]))"#);
    check(&format!("topk(3, {rate})"), r#"topk(3,rate({a="b"}[1m]))"#);
    check(&format!("sort_desc({rate})"), r#"sort_desc(rate({a="b"}[1m]))"#);
    refused(&format!("topk({rate})"), "parse error : parameter required for operation topk");
    refused(
        &format!("topk(0, {rate})"),
        "parse error at line 1, col 6: invalid parameter (must be greater than 0) topk(0",
    );
    refused(&format!("sum(2, {rate})"), "parse error : unsupported parameter for operation sum(2,");
    refused(&format!("sort({rate}) by (c)"), "parse error : sort and sort_desc doesn't allow grouping by ");
    refused("sum({a=\"b\"})", "parse error at line 1, col 12: syntax error: unexpected )");
}

#[test]
fn operators() {
    check("1 + 2 * 3 ^ 2 - 4", "15");
    check("2 ^ 3 ^ 2", "512");
    check("2 > 1", "1");
    check("vector(1) + vector(1)", "(vector(1.000000) + vector(1.000000))");
    check("vector(1) + vector(2) * vector(3)", "(vector(1.000000) + (vector(2.000000) * vector(3.000000)))");
    check(
        "vector(1) > bool ignoring (a) group_left (b) vector(2)",
        "(vector(1.000000) > bool ignoring (a) group_left (b) vector(2.000000))",
    );
    check("vector(1) and on () vector(2)", "(vector(1.000000) and on () vector(2.000000))");
    check(
        "label_replace(vector(1), \"a\", \"$1\", \"b\", \"(.*)\")",
        r#"label_replace(vector(1.000000),"a","$1","b","(.*)")"#,
    );
    refused(
        "1 and vector(1)",
        "parse error : unexpected literal for left leg of logical/set binary operation (and): 1.000000",
    );
    refused(
        "vector(1) + {a=\"b\"}",
        "parse error : unexpected type for right leg of binary operation (+): log query",
    );
    refused(
        "label_replace(vector(1), \"a\", \"\", \"b\", \"(\")",
        "parse error : invalid regex in label_replace: error parsing regexp: missing closing ): `(`",
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(30_000));
    assert_eq!(
        parse(&deep).unwrap_err().to_string(),
        "parse error : query has more than 100 operators and parentheses"
    );
    let long = "1".repeat(200_000);
    assert_eq!(parse(&long).unwrap_err().to_string(), "parse error : input size too long (200000 > 131072)");
    let many = format!("{{a=\"b\"}} | {}", vec!["c=1"; 10_000].join(","));
    assert!(parse(&many).unwrap_err().to_string().contains("more than 500 stages and filters"));
    let patterns = vec!["a=~\"b\""; 200].join(",");
    assert!(parse(&format!("{{{patterns}}}")).unwrap_err().to_string().contains("more than 100 regular"));
}

#[test]
fn long_queries_are_put_over_several_lines() {
    let query = "sum by (level) (count_over_time({service_name=\"vitrine\", job=\"access\"} |= \"something long\" | json | status >= 500 | line_format \"{{.path}}\" [5m])) / 100";
    let pretty = super::super::pretty(&parse(query).unwrap());
    assert_eq!(
        pretty,
        "  sum by (level)(
    count_over_time(
      {service_name=\"vitrine\", job=\"access\"}
        |= \"something long\"
        | json
        | status>=500
        | line_format \"{{.path}}\"[5m]
    )
  )
/
  100"
    );
    assert_eq!(parse(&pretty).unwrap().to_string(), parse(query).unwrap().to_string());
}
