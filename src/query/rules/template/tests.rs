use super::*;

fn labels() -> Labels {
    Labels::new([("__name__", "up"), ("job", "shop"), ("instance", "a.example.com:9100"), ("x.y", "dotted")])
}

fn expanded(text: &str, value: f64) -> String {
    let template = Template::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    template.expand(Scope { labels: &labels(), value, at: UnixMillis(1_500) })
}

fn check(text: &str, value: f64, expect: &str) {
    assert_eq!(expanded(text, value), expect, "{text}");
}

fn check_refused(text: &str, expect: &str) {
    let fault = Template::parse(text).expect_err(text);
    assert!(fault.starts_with(expect), "{text}: {fault}");
}

#[test]
fn variables_and_fields_are_filled_in() {
    check("up", 1.0, "up");
    check("{{ $labels.job }} is at {{$value}}", 0.25, "shop is at 0.25");
    check("{{ .Labels.job }}|{{ .Value }}|{{ $labels.nope }}|", 1e9, "shop|1e+09||");
    check("{{ index $labels \"x.y\" }}", 1.0, "dotted");
    check("{{ ($labels.job) }}{{ $externalURL }}{{ $externalLabels.region }}", 1.0, "shop");
    check("{{ $labels }}", 1.0, "map[__name__:up instance:a.example.com:9100 job:shop x.y:dotted]");
}

#[test]
fn texts_around_actions_are_kept_or_trimmed() {
    check("a {{- $value -}} b", 1.5, "a1.5b");
    check("{{/* a }} comment */}}x{{ \"a }} b\" }}}}", 1.0, "xa }} b}}");
    check(
        "{{ `raw\\n` }}{{ \"a\\tb\" }}{{ -3 }}{{ 1e3 }}{{ 0x10 }}{{ true }}",
        1.0,
        "raw\\na\tb-3100016true",
    );
}

#[test]
fn pipelines_give_their_value_as_the_last_argument() {
    check("{{ $value | humanize | printf \"%5s|\" }}", 1_234_567.0, "1.235M|");
    check(
        "{{ printf \"%s at %.1f%%\" $labels.job (printf \"%v\" 5 | print | humanize) }}",
        1.0,
        "shop at %!f(string=5)%",
    );
    check("{{ $labels.job | toUpper | toLower | title }}", 1.0, "Shop");
    check("{{ print $value $labels.job 1 2 }}", 1.5, "1.5shop1 2");
    check("{{ now }}|{{ parseDuration \"1h30m\" }}|{{ parseDuration \"-1s\" }}", 1.0, "1.5|5400|-1");
}

/// The cases of Prometheus's own test of its templates.
#[test]
fn numbers_are_humanized_as_prometheus_does() {
    let each = |function: &str, cases: &[(f64, &str)]| {
        for (value, expect) in cases {
            check(&format!("{{{{ $value | {function} }}}}"), *value, expect);
        }
    };
    let odd = [(f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf"), (f64::NAN, "NaN")];
    for function in ["humanize", "humanize1024", "humanizeDuration", "humanizeTimestamp"] {
        each(function, &odd);
    }
    each(
        "humanize",
        &[(0.0, "0"), (-1.0, "-1"), (1_234_567.0, "1.235M"), (0.12, "120m"), (i64::MAX as f64, "9.223E")],
    );
    each(
        "humanize1024",
        &[
            (0.0, "0"),
            (1_048_576.0, "1Mi"),
            (0.12, "0.12"),
            (1_234_567.0, "1.177Mi"),
            (u64::MAX as f64, "16Ei"),
        ],
    );
    each(
        "humanizeDuration",
        &[
            (0.0, "0s"),
            (1.0, "1s"),
            (60.0, "1m 0s"),
            (3_600.0, "1h 0m 0s"),
            (90_000.0, "1d 1h 0m 0s"),
            (-183_845.0, "-2d 3h 4m 5s"),
            (899.99, "14m 59s"),
            (0.0001, "100us"),
            (0.12345, "123.5ms"),
            (1.2345, "1.234s"),
            (12.345, "12.35s"),
        ],
    );
    each(
        "humanizePercentage",
        &[(-0.22222, "-22.22%"), (0.0, "0%"), (1.23456, "123.5%"), (1_234_567.0, "1.235e+08%")],
    );
    each(
        "humanizeTimestamp",
        &[
            (0.0, "1970-01-01 00:00:00 +0000 UTC"),
            (1_234_567.25, "1970-01-15 06:56:07.25 +0000 UTC"),
            (9_223_372_036.0, "2262-04-11 23:47:16 +0000 UTC"),
        ],
    );
    check("{{ humanize \"1234567\" }}", 1.0, "1.235M");
}

#[test]
fn addresses_and_texts_are_cut_as_prometheus_does() {
    let each = |function: &str, cases: &[(&str, &str)]| {
        for (text, expect) in cases {
            check(&format!("{{{{ {function} {text:?} }}}}"), 1.0, expect);
        }
    };
    each(
        "stripPort",
        &[
            ("foo.example.com", "foo.example.com"),
            ("foo.example.com:12345", "foo.example.com"),
            ("192.0.2.1:12345", "192.0.2.1"),
            ("2001:0DB8::1", "2001:0DB8::1"),
            ("[2001:0DB8::1]:12345", "2001:0DB8::1"),
            ("[2001:0DB8::1]::12345", "[2001:0DB8::1]::12345"),
        ],
    );
    each(
        "stripDomain",
        &[
            ("foo.example.com", "foo"),
            ("foo.example.com:12345", "foo:12345"),
            ("192.0.2.1:12345", "192.0.2.1:12345"),
        ],
    );
    check(
        "{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}{{ match \"a.\" \"ab\" }}{{ urlQueryEscape \"a b&\" }}",
        1.0,
        "xatruea+b%26",
    );
}

/// What Go 1.25 prints.
#[test]
fn printf_writes_as_go_does() {
    check(
        "{{ printf \"%6.2f|%-8.1f|%+.0f|%05.1f\" $value $value $value $value }}",
        1.5,
        "  1.50|1.5     |+2|001.5",
    );
    check("{{ printf \"%d %x %d\" 5 255 $value }}", 1.5, "5 ff %!d(float64=1.5)");
    check("{{ printf \"%5s|%-5s|%.2s|%q\" \"abc\" \"abc\" \"abc\" \"abc\" }}", 1.0, "  abc|abc  |ab|\"abc\"");
    check(
        "{{ printf \"%g %.3g %e %t\" $value $value $value true }}",
        1234.5678,
        "1234.5678 1.23e+03 1.234568e+03 true",
    );
    check("{{ printf \"%s\" }}{{ printf \"x\" 1 }}", 1.0, "%!s(MISSING)x%!(EXTRA int=1)");
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    check_refused(
        "{{ query \"up\" | first | value }}",
        "function \"query\" is not defined: there are externalURL, humanize",
    );
    check_refused("{{ if gt $value 5.0 }}high{{ end }}", "{{ if }} is not supported");
    check_refused("{{ $x }}", "undefined variable \"$x\": there are $labels");
    check_refused("{{ .Foo }}", "undefined variable \".Foo\"");
    check_refused("{{ $labels.a.b }}", "$labels.a.b is not a label");
    check_refused("{{ $value", "unclosed action");
    check_refused("{{", "missing value for command");
    check_refused("{{ }}", "missing value for command");
    check_refused("{{ \"a\" 1 }}", "can't give argument to non-function");
    check_refused("{{ $value | $labels }}", "can't give argument to non-function");
    check_refused("{{ \"open }}", "unterminated quoted string");
    check_refused("{{ humanize }}", "wrong number of args for humanize: want 1 got 0");
    check_refused("{{ printf \"%w\" 1 }}", "printf has no verb 'w' here");
    check_refused("{{ /* open }}", "unclosed comment");
    check_refused(&format!("{{{{ {}1", "(".repeat(20)), "parentheses are nested deeper");
}

#[test]
fn what_fails_at_the_time_says_so_in_the_text() {
    check(
        "{{ humanize \"one\" }}",
        1.0,
        "<error expanding template: error calling humanize: \"one\" is not a number>",
    );
}

proptest::proptest! {
    #[test]
    fn no_text_ends_in_a_panic(text in "[a-z{}|$. \"`()%*/0-9é-]{0,60}", value: f64) {
        if let Ok(template) = Template::parse(&text) {
            template.expand(Scope { labels: &labels(), value, at: UnixMillis(0) });
        }
    }

    #[test]
    fn no_format_ends_in_a_panic(format in "[a-z%.0-9+# é-]{0,30}", value: f64) {
        format::printf(&format, &[Val::Number(value), Val::Text("é".into()), Val::Whole(i64::MIN)]);
    }
}
