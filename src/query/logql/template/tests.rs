//! What templates become, and what they may not do.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A line that was logged at 2026-11-26 16:49:02.123456789 UTC, and is looked at soon after.
pub(super) struct Line {
    labels: BTreeMap<&'static str, &'static str>,
    line: String,
}

impl Default for Line {
    fn default() -> Self {
        let json = r#"{"k":[1,"two",null,{"z":true}],"n":null,"f":1.5}"#;
        let labels = BTreeMap::from([("a", "1"), ("b", "x y"), ("json", json), ("name", "shop")]);
        Line { labels, line: "hello World".into() }
    }
}

impl Scope for Line {
    fn line(&self) -> &str {
        &self.line
    }

    fn at(&self) -> UnixNanos {
        UnixNanos(1_795_711_742_123_456_789)
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).copied()
    }

    fn each_label(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.labels.iter().for_each(|(name, value)| visit(name, value));
    }

    fn now(&self) -> UnixNanos {
        UnixNanos(1_795_737_600_000_000_000)
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

fn rendered(text: &str) -> Result<String, TemplateError> {
    let mut res = String::from("before ");
    Template::parse(text)?.render(&Line::default(), &mut res)?;
    Ok(res["before ".len()..].to_string())
}

/// Asserts what a template becomes.
pub(super) fn check(text: &str, expect: &str) {
    assert_eq!(rendered(text).as_deref(), Ok(expect), "{text}");
}

/// Asserts that a template fails at a line, and that the message ends with, or has, a text.
pub(super) fn check_fault(text: &str, expect: &str) {
    let error = rendered(text).expect_err(text);
    assert!(matches!(error, TemplateError::Execution { .. }), "{text}: {error}");
    assert!(error.to_string().contains(expect), "{text}: {error}");
}

#[test]
fn labels_and_texts_are_filled_in() {
    check("", "");
    check("a {{.name}} b{{.nope}}", "a shop b");
    check("{{__line__}}|{{ .name | ToUpper }}|{{$.name}}", "hello World|SHOP|shop");
    check("{{.}}", r#"map[a:1 b:x y json:{"k":[1,"two",null,{"z":true}],"n":null,"f":1.5} name:shop]"#);
    check(
        "{{1}} {{1.0}} {{1e6}} {{'a'}} {{true}} {{`\\n`}} {{\"\\u00e9\"}} {{-0x10}}",
        "1 1 1e+06 97 true \\n é -16",
    );
    check("a  {{- .name -}}  b {{/* c */}}{{- /* d */ -}} e", "ashopb e");
    check("{{ \"a\" }}}}", "a}}");
}

#[test]
fn conditions_choose() {
    check("{{if eq .name \"shop\"}}yes{{else}}no{{end}}", "yes");
    check("{{if .nope}}a{{else if .name}}b{{else}}c{{end}}", "b");
    check("{{if .nope}}a{{else if .nope}}b{{else}}c{{end}}", "c");
    check(
        "{{with .name}}{{.}} of {{$.a}}{{end}}{{with .nope}}x{{else with .b}}{{.}}{{else}}y{{end}}",
        "shop of 1x y",
    );
    check("{{if and (contains \"ho\" .name) (not .nope)}}both{{end}}", "both");
}

#[test]
fn loops_go_through_lists_maps_labels_and_numbers() {
    check("{{range $k, $v := .}}{{if ne $k \"json\"}}{{$k}}={{$v}};{{end}}{{end}}", "a=1;b=x y;name=shop;");
    check("{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}{{range add 1 1}}{{.}}{{end}}", "0120101");
    check(
        "{{range fromJson \"[1,2,3,4]\"}}{{if eq . 2.0}}{{continue}}{{end}}{{if eq . 4.0}}{{break}}{{end}}{{.}}{{end}}",
        "13",
    );
    check(
        "{{range fromJson \"[]\"}}x{{else}}none{{end}}{{range .nope | fromJson}}x{{else}}none{{end}}{{range 0}}x{{else}}zero{{end}}",
        "nonenonezero",
    );
    check("{{$x := 0}}{{range $x = fromJson \"[7,8]\"}}{{end}}{{$x}}", "8");
    check("{{range $i, $x := fromJson \"[\\\"a\\\"]\"}}{{$i}}{{$x}}{{end}}", "0a");
    check_fault(
        "{{range \"abc\"}}x{{end}}",
        "1:8: executing \"line\" at <\"abc\">: range can't iterate over abc",
    );
    check_fault("{{range $i, $x := 3}}{{end}}", "at <3>: can't use 3 to iterate over more than one variable");
}

#[test]
fn variables_live_until_their_block_ends() {
    check("{{$x := .name}}{{$x}}{{$x = 2}}{{$x}}", "shop2");
    check("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "32");
    check("{{if $x := .name}}{{$x}}{{end}}{{with $y := .b}}{{$y}}{{end}}", "shopx y");
    check("{{($x := 5)}}{{$x}}", "55");
    check("{{$x := .}}{{$x.name}}", "shop");
}

#[test]
fn templates_call_templates() {
    check("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .name}}{{template \"t\"}}", "<shop><<no value>>");
    check("{{block \"x\" .a}}({{.}}{{$}}){{end}}{{template \"x\" \"b\"}}", "(11)(bb)");
    check("{{define \"line\"}}x{{end}} ", "x");
    check("{{$x := 1}}{{define \"t\"}}{{$x := 2}}{{end}}{{template \"t\"}}{{$x}}", "1");
    check_fault(
        "{{template \"x\"}}",
        "line:1:11: executing \"line\" at <{{template \"x\"}}>: template \"x\" not defined",
    );
    check_fault(
        "{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" 1}}",
        "line:1:25: executing \"t\" at <{{template \"t\" .}}>: exceeded maximum template depth (100)",
    );
}

#[test]
fn faults_have_their_place_and_are_said_as_go_says_them() {
    let check_whole = |text: &str, expect: &str| {
        assert_eq!(rendered(text).expect_err(text).to_string(), format!("template: line:{expect}"));
    };
    check_whole("{{.a.b}}", "1:4: executing \"line\" at <.a.b>: can't evaluate field b in type string");
    check_whole(
        "x\n {{ trunc 5 . }}",
        "2:12: executing \"line\" at <.>: wrong type for value; expected string; got map[string]string",
    );
    check_whole(
        "{{trunc (add 1 2) .name}}",
        "1:15: executing \"line\" at <2>: wrong type for value; expected int; got int64",
    );
    check_whole(
        "{{trunc}}",
        "1:2: executing \"line\" at <trunc>: wrong number of args for trunc: want 2 got 0",
    );
    check_whole(
        "{{.name | trunc}}",
        "1:10: executing \"line\" at <trunc>: wrong number of args for trunc: want 2 got 1",
    );
    check_whole(
        "{{.name | .name}}",
        "1:10: executing \"line\" at <.name>: name is not a method but has arguments",
    );
    check_whole(
        "{{\"x\" \"y\"}}",
        "1:2: executing \"line\" at <\"x\">: can't give argument to non-function \"x\"",
    );
    check_whole("{{nil}}", "1:2: executing \"line\" at <nil>: nil is not a command");
    check_whole("{{lower nil}}", "1:8: executing \"line\" at <nil>: cannot assign nil to string");
    check_whole(
        "{{9223372036854775808}}",
        "1:2: executing \"line\" at <9223372036854775808>: 9223372036854775808 overflows int",
    );
    check_whole(
        "{{(fromJson .json).n.x}}",
        "1:12: executing \"line\" at <.json>: nil pointer evaluating interface {}.x",
    );
    check_whole(
        "{{(fromJson .json).k.x}}",
        "1:12: executing \"line\" at <.json>: can't evaluate field x in type interface {}",
    );
    check_whole(
        "{{range fromJson .json}}{{.x}}{{end}}",
        "1:26: executing \"line\" at <.x>: can't evaluate field x in type interface {}",
    );
    check_whole(
        "{{div 1 0 | print}}",
        "1:2: executing \"line\" at <div 1 0>: error calling div: runtime error: integer divide by zero",
    );
    check_whole("{{foo}}", "1: function \"foo\" not defined");
    assert_eq!(
        Template::parse_label("{{foo}}").unwrap_err().to_string(),
        "template: label:1: function \"foo\" not defined"
    );
}

#[test]
fn what_passes_through_allocates_nothing() {
    let template = Template::parse("a {{.name}} {{__line__}} {{$.a}} {{if .a}}b{{end}} {{.nope}}").unwrap();
    let (line, mut out) = (Line::default(), String::with_capacity(1_000));
    let counted = allocation_counter::measure(|| template.render(&line, &mut out).unwrap());
    assert_eq!((counted.count_total, out.as_str()), (0, "a shop hello World 1 b "));
}

#[test]
fn threads_share_a_template() {
    let template = Template::parse("{{count .name .name}}{{count \"o\" .name}}").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let template = template.clone();
            scope.spawn(move || {
                let mut out = String::new();
                template.render(&Line::default(), &mut out).unwrap();
                assert_eq!(out, "11");
            });
        }
    });
}

#[test]
fn what_takes_too_much_ends() {
    let deep = "{{if .a}}".repeat(90) + "{{template \"t\" .}}" + &"{{end}}".repeat(90);
    let deep = format!("{{{{define \"t\"}}}}{deep}{{{{end}}}}{{{{template \"t\" .}}}}");
    check_fault(&deep, "template goes deeper than 200 levels");
    check_fault("{{range 10000}}{{range 10000}}{{end}}{{end}}", "template takes more than 10000 steps");
    check_fault("{{define \"t\"}}{{range 9}}{{template \"t\"}}{{end}}{{end}}{{template \"t\"}}", "exceeded");
    check_fault("{{range 9000}}{{repeat 1000 \"a\"}}{{end}}", "result is above the limit of 1048576 bytes");
    let held = (0..30).map(|at| format!("{{{{$x{at} := repeat 1000000 \"a\"}}}}")).collect::<String>();
    check_fault(&held, "template works on more than 16777216 bytes");
    let text = "x".repeat(60_000);
    check_fault(&format!("{{{{range 100}}}}{text}{{{{end}}}}"), "result is above the limit of 1048576 bytes");
}

#[test]
fn nothing_needs_a_large_stack() {
    let parens = format!("{{{{{}.a{}}}}}", "(".repeat(99), ")".repeat(99));
    let deep = "{{if .a}}".repeat(90) + "{{template \"t\" .}}" + &"{{end}}".repeat(90);
    let deep = format!("{{{{define \"t\"}}}}{deep}{{{{end}}}}{{{{template \"t\" .}}}}");
    let calls = "{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" .}}";
    let json = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let json = format!("{}{{{{fromJson `{json}`}}}}{}", "{{if .a}}".repeat(99), "{{end}}".repeat(99));
    let render = move || {
        assert_eq!(rendered(&parens).unwrap(), "1");
        assert_eq!(rendered(&json).unwrap().len(), 240);
        assert!(rendered(&deep).is_err() && rendered(calls).is_err());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(render).unwrap().join().unwrap();
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "[a-z0-9{}|$. \"`()%*/:=,\n\\\\'é-]{0,80}") {
        let _ = rendered(&text);
        let _ = rendered(&format!("{{{{{text}}}}}"));
    }

    #[test]
    fn no_soup_of_pieces_does_harm(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        if let Ok(text) = rendered(&pieces.concat()) {
            prop_assert!(text.len() <= budget::OUTPUT_MAX_BYTES);
        }
        let _ = rendered(&format!("{{{{{}}}}}", pieces.join(" ")));
    }

    #[test]
    fn no_function_does_harm(
        name in prop::sample::select(NAMES.split(' ').chain(METHODS).collect::<Vec<_>>()),
        args in prop::collection::vec(prop::sample::select(ARGS), 0..5),
    ) {
        let _ = rendered(&format!("{{{{{name} {}}}}}", args.join(" ")));
    }
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{if ",
    "{{else}}",
    "{{else if ",
    "{{end}}",
    "{{range ",
    "{{with ",
    "{{define \"t\"}}",
    "{{template \"t\" .}}",
    "{{block \"b\" .}}",
    "{{break}}",
    "{{continue}}",
    "{{/* c */}}",
    "{{.name}}",
    "$x",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    " ",
    ".",
    ".a",
    ".json",
    "$",
    "$x := ",
    "1",
    "1.5",
    "\"s\"",
    "`r`",
    "'c'",
    "true",
    "nil",
    "fromJson .json",
    "index",
    "printf \"%v\"",
    "add",
    "len",
    "repeat 1000",
    "range 100",
    "text é",
    "\n",
    "__line__",
    "now",
    "eq",
    "and",
    "slice",
    "trunc 2",
    "date \"2006\"",
    "count \"a\"",
];

const ARGS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "9223372036854775807",
    "1.5",
    "1e300",
    "\"\"",
    "\"é\"",
    "\"a b\"",
    "\"%d\"",
    "\"2006-01-02\"",
    "\"Local\"",
    ".",
    ".name",
    ".json",
    "nil",
    "true",
    "now",
    "(fromJson .json)",
    "(index \"a\" 0)",
    "__line__",
    "(add 1)",
];

const NAMES: &str = "Replace Trim TrimLeft TrimPrefix add addf alignLeft alignRight and b64dec b64enc bytes call \
    ceil contains count date default div divf duration eq float64 floor fromJson ge hasPrefix html \
    indent index int js len lower lt maxf min mod mulf nindent not or print printf println \
    regexReplaceAll regexReplaceAllLiteral repeat replace round slice subf substr title toDate \
    toDateInZone trimAll trunc unixEpoch unixToTime urldecode urlencode";

const METHODS: [&str; 3] = ["now.Format", "now.Sub", "(now.Sub now).Hours"];
