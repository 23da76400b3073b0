use super::*;
use crate::pages::admin::window::{Range, Window};

const AT: UnixNanos = UnixNanos(1_795_000_000_123_456_789);
const EVIL: &str = "\"><script>alert(1)</script>";

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn line(level: &str, text: &str) -> LineView {
    LineView {
        at: AT,
        level: level.into(),
        text: text.into(),
        stream: owned(&[("job", "app"), ("level", level), ("service_name", "vitrine")]),
        fields: Vec::new(),
        is_marked: false,
    }
}

fn request() -> LineView {
    LineView {
        stream: owned(&[("job", "access"), ("level", "error"), ("service_name", "vitrine")]),
        fields: owned(&[
            ("http_request_method", "GET"),
            ("url_path", "/cv \"x\""),
            ("http_response_status_code", "500"),
            ("duration_ms", "1.204"),
            ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
            ("visitor", "v1"),
        ]),
        ..line("error", "GET /cv 500 1.2ms")
    }
}

fn page(view: &LogsView) -> String {
    let frame = Frame { tab: Tab::Logs, now: AT, ..Frame::default() };
    logs(&frame, view).into_string().replace('\u{a0}', " ")
}

fn some() -> LogsView {
    let counts = LineCounts {
        at: vec![AT],
        step: Duration::from_secs(60),
        kinds: [vec![Some(2.0)], vec![None], vec![Some(5.0)], vec![None], vec![None]],
        marks: Vec::new(),
        reached: None,
    };
    LogsView {
        query: "{service_name=~\".+\"}".into(),
        histogram: Histogram::Counted(counts),
        lines: vec![request(), line("warn", "reload refused\nsecond line")],
        older: Some(17),
        known: KnownLabels { sources: vec!["access".into(), "app".into()], names: vec!["url_path".into()] },
        ..LogsView::default()
    }
}

#[test]
fn a_count_that_ended_early_says_how_far_it_came_and_what_counts_all() {
    let mut view = some();
    assert!(!page(&view).contains("Counted back to"));
    let Histogram::Counted(counts) = &mut view.histogram else { panic!("some() has a count") };
    counts.reached = Some(AT);
    let text = page(&view);
    assert!(
        text.contains("Counted back to <time") && text.contains("href=\"/admin/logs?count=1\""),
        "{text}"
    );
}

#[test]
fn a_request_stands_in_columns_and_any_other_line_as_it_is() {
    let text = page(&some());
    assert!(text.contains("<span class=\"status error\">500</span>"), "{text}");
    assert!(text.contains("<span class=\"lasted\">1.2 ms</span>"));
    assert!(text.contains("<span class=\"body\">reload refused</span>"));
    assert!(text.contains("<span class=\"level warn\">warn</span>"));
    assert!(text.contains("<pre class=\"text\">reload refused\nsecond line</pre>"));
}

#[test]
fn a_line_of_another_day_says_which_and_each_says_its_moment_when_it_is_open() {
    let old = LineView { at: UnixNanos(AT.0 - 86_400_000_000_000), ..line("info", "old") };
    let lines = || vec![line("info", "new"), old.clone()];
    let stamps = |view: &LogsView| -> Vec<String> {
        let text = page(view);
        let summaries = text.split("<summary><time ").skip(1);
        summaries.map(|rest| rest.split(['>', '<']).nth(1).unwrap().to_string()).collect()
    };
    let today = LogsView { lines: lines(), ..some() };
    assert_eq!(stamps(&today), ["11:06:40", "11-17 11:06:40"]);
    let filter = LogFilter { window: Window::Moving(Range::Week), ..LogFilter::default() };
    assert_eq!(stamps(&LogsView { filter, lines: lines(), ..some() }), ["11-18 11:06:40", "11-17 11:06:40"]);
    let text = page(&today);
    let first = text.split("<dl class=\"meta\">").nth(1).unwrap();
    assert!(first.starts_with("<dt>time</dt><dd><time data-at=\"exact\""), "{first}");
    assert!(first.split("</dd>").next().unwrap().ends_with(">2026-11-18 11:06:40.123</time>"), "{first}");
}

#[test]
fn each_value_leads_to_the_lines_that_have_it() {
    let filter = LogFilter {
        text: "cv".into(),
        fields: vec![FieldFilter::is("job", "access")],
        window: Window::Moving(Range::Day),
        ..LogFilter::default()
    };
    let text = page(&LogsView { filter, ..some() });
    assert!(text.contains("form=\"only\" name=\"f\" value=\"http_response_status_code=500\""), "{text}");
    assert!(text.contains("value=\"url_path=/cv &quot;x&quot;\""), "{text}");
    // What holds already holds on.
    let form = text.split("<form id=\"only\"").nth(1).unwrap().split("</form>").next().unwrap();
    for kept in ["name=\"range\" value=\"24h\"", "name=\"q\" value=\"cv\"", "name=\"f\" value=\"job=access\""]
    {
        assert!(form.contains(kept), "{kept} is not in {form}");
    }
}

#[test]
fn a_line_leads_to_its_neighbours_its_trace_and_its_visitor() {
    let text = page(&some());
    assert!(text.contains("href=\"/admin/traces/4bf92f3577b34da6a3ce929d0e0e4736\""), "{text}");
    assert!(text.contains("&amp;f=trace_id%3D4bf92f3577b34da6a3ce929d0e0e4736&amp;all=1"), "{text}");
    assert!(text.contains("&amp;f=visitor%3Dv1&amp;all=1"));
    // The same source whatever the level.
    let around =
        "around=1795000000123456789&amp;source=%7Bjob%3D%22access%22%2C+service_name%3D%22vitrine%22%7D";
    assert!(text.contains(around), "{text}");
    let mut foreign = request();
    foreign.fields = owned(&[("trace_id", "no id")]);
    assert!(!page(&LogsView { lines: vec![foreign], ..some() }).contains("/admin/traces/"));
}

#[test]
fn a_name_that_cannot_be_asked_for_is_no_button() {
    let mut odd = line("info", "x");
    odd.fields = owned(&[("by", "a"), ("a-b", "c"), ("fine", "d")]);
    let text = page(&LogsView { lines: vec![odd], ..some() });
    assert!(text.contains("value=\"fine=d\"") && !text.contains("value=\"by=a\"") && !text.contains("a-b=c"));
}

#[test]
fn bars_count_the_levels_there_are_and_lead_to_their_lines() {
    let text = page(&some());
    assert!(
        text.contains("error <b data-now=\"\">2</b>") && text.contains("info <b data-now=\"\">5</b>"),
        "{text}"
    );
    assert!(text.contains("debug <b data-now=\"\">0</b>") && !text.contains("without a level"));
    let Histogram::Counted(counts) = some().histogram else { unreachable!() };
    let about = page(&LogsView { histogram: Histogram::Later(Some(counts)), ..some() });
    assert!(about.contains("Lines by level, about") && about.contains("error <b data-now=\"\">2</b>"));
    assert!(about.contains("data-later=\"/admin/logs/histogram\""), "{about}");
    let later = page(&LogsView { histogram: Histogram::Later(None), ..some() });
    assert!(
        later.contains("data-later=\"/admin/logs/histogram\"")
            && later.contains("href=\"/admin/logs?count=1\"")
    );
}

#[test]
fn a_fault_is_marked_in_the_query() {
    let query = "{job=\"app\"} |= <b>";
    let place = Some(("{job=\"app\"} |= ".to_string(), "<".to_string(), "b>".to_string()));
    let fault = FaultView { message: "parse error at line 1, col 16: syntax error".into(), place };
    let filter = LogFilter { logql: query.into(), ..LogFilter::default() };
    let text = page(&LogsView {
        filter,
        query: query.into(),
        is_raw: true,
        fault: Some(fault),
        ..LogsView::default()
    });
    assert!(
        text.contains("<pre class=\"place\">{job=&quot;app&quot;} |= <mark>&lt;</mark>b&gt;</pre>"),
        "{text}"
    );
    assert!(text.contains("aria-invalid=\"true\"") && text.contains("aria-describedby=\"fault\""));
    assert!(text.contains("line 1, col 16") && !text.contains("id=\"log-lines\""));
}

#[test]
fn pages_turn_by_time_and_only_the_newest_is_live() {
    let text = page(&some());
    assert!(
        text.contains("href=\"/admin/logs?before=17\"")
            && text.contains("data-stream=\"/admin/events?page=logs\"")
    );
    let filter = LogFilter { place: Place::Before(17), ..LogFilter::default() };
    let text = page(&LogsView { filter, newer: Some(20), ..some() });
    assert!(
        text.contains("href=\"/admin/logs?after=20\"") && text.contains("href=\"/admin/logs\""),
        "{text}"
    );
    assert!(!text.contains("data-stream="));
    let window = Window::read("", "1000000", "2000000");
    let text = page(&LogsView { filter: LogFilter { window, ..LogFilter::default() }, ..some() });
    assert!(
        !text.contains("data-stream=")
            && text.contains("data-rows=\"/admin/logs/rows?from=1000000&amp;to=2000000\"")
    );
}

#[test]
fn an_empty_list_says_what_to_do() {
    let empty = |filter: LogFilter| page(&LogsView { filter, ..LogsView::default() });
    assert!(empty(LogFilter::default()).contains("No lines of visitors in this time."));
    let all = LogFilter { with_routine: true, ..LogFilter::default() };
    assert!(empty(all).contains("open the CV once"));
    let narrow = empty(LogFilter { text: "Needle".into(), ..LogFilter::default() });
    assert!(
        narrow.contains("No line fits.") && narrow.contains("href=\"/admin/logs?q=Needle&amp;case=1\""),
        "{narrow}"
    );
    let trace = empty(LogFilter { text: "4bf92f3577b34da6a3ce929d0e0e4736".into(), ..LogFilter::default() });
    assert!(trace.contains("f=trace_id%3D4bf92f3577b34da6a3ce929d0e0e4736"), "{trace}");
    let cut = LogsView { searched_to: Some(AT), older: Some(AT.0), ..LogsView::default() };
    assert!(page(&cut).contains("No line so far.") && page(&cut).contains("Search further back"));
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let mut evil = request();
    evil.text = EVIL.into();
    evil.level = EVIL.into();
    evil.stream = owned(&[("job", EVIL)]);
    evil.fields.extend(owned(&[(EVIL, EVIL), ("user_agent_original", EVIL), ("visitor", EVIL)]));
    for field in &mut evil.fields {
        field.1 = EVIL.into();
    }
    let filter = LogFilter {
        text: EVIL.into(),
        fields: vec![FieldFilter::is("job", EVIL), FieldFilter::is("a", EVIL)],
        ..LogFilter::default()
    };
    let fault = FaultView { message: EVIL.into(), place: Some((EVIL.into(), EVIL.into(), EVIL.into())) };
    let known = KnownLabels { sources: vec![EVIL.into()], names: vec![EVIL.into()] };
    let mut plain = line(EVIL, EVIL);
    plain.stream = evil.stream.clone();
    let view = LogsView { filter, query: EVIL.into(), known, lines: vec![evil.clone(), plain], ..some() };
    let around_view = AroundView { source: EVIL.into(), n: 1, lines: vec![evil], ..AroundView::default() };
    let frame = Frame::default();
    let pages = [
        page(&view),
        page(&LogsView { fault: Some(fault.clone()), is_raw: true, ..view }),
        around(&frame, &around_view).into_string(),
        around(&frame, &AroundView { fault: Some(fault), ..around_view }).into_string(),
    ];
    for text in pages {
        assert!(!text.contains(EVIL) && !text.contains("<script>"), "{text}");
        assert!(!text.contains(" style=") && !text.contains("onclick"));
    }
}

#[test]
fn every_field_has_a_name_and_every_id_is_given_once() {
    let filter = LogFilter { fields: vec![FieldFilter::is("job", "gone")], ..LogFilter::default() };
    let text = page(&LogsView { filter, ..some() });
    let mut ids: Vec<&str> =
        text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let n_ids = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n_ids);
    // A source that has no lines in this time stays chosen.
    assert!(text.contains("<option value=\"gone\" selected>gone</option>"), "{text}");
}

#[test]
fn a_line_among_its_neighbours_is_marked() {
    let mut own = line("error", "it");
    own.is_marked = true;
    let view = AroundView {
        at: AT,
        source: own.source(),
        n: 20,
        has_more: (true, false),
        lines: vec![line("info", "after"), own, line("info", "before")],
        fault: None,
    };
    let text = around(&Frame::default(), &view).into_string();
    assert_eq!(text.matches("aria-current=\"true\"").count(), 1, "{text}");
    assert!(
        text.contains("&amp;n=80\"") && text.contains("More before it") && !text.contains("More after it")
    );
    let none = AroundView { source: "{a=\"b\"}".into(), ..AroundView::default() };
    assert!(around(&Frame::default(), &none).into_string().contains("There is no such line."));
}
