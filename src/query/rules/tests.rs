use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::clock::{Clock, UnixNanos};
use crate::record::{Labels, Sample};

/// 2027-01-15T08:00:00Z; a multiple of every interval that the tests have.
const START_MS: i64 = 1_800_000_000_000;

/// Answers each query with what a test says, and keeps what is written.
#[derive(Default)]
struct Fake {
    answers: Mutex<BTreeMap<String, Result<Vec<InstantSample>, String>>>,
    asked: Mutex<Vec<(String, i64)>>,
    kept: Mutex<Vec<Scrape>>,
}

impl World for Fake {
    fn evaluate(&self, query: &Query, at: UnixMillis) -> Result<Vec<InstantSample>, String> {
        self.asked.lock().unwrap().push((query.text.clone(), at.0));
        self.answers.lock().unwrap().get(&query.text).cloned().unwrap_or(Ok(Vec::new()))
    }

    fn keep(&self, scrape: Scrape) -> Result<(), String> {
        self.kept.lock().unwrap().push(scrape);
        Ok(())
    }
}

impl Fake {
    /// Says what a query answers: pairs of an instance and a value.
    fn answer(&self, query: &str, series: &[(&str, f64)]) {
        let sample = |(instance, value): &(&str, f64)| InstantSample {
            labels: Labels::new([("__name__", "up"), ("instance", *instance)]),
            sample: Sample { at: UnixMillis(0), value: *value },
        };
        let answer = series.iter().map(sample).collect();
        self.answers.lock().unwrap().insert(query.into(), Ok(answer));
    }

    fn fail(&self, query: &str, fault: &str) {
        self.answers.lock().unwrap().insert(query.into(), Err(fault.into()));
    }

    /// Returns what was written since the last call, a line each, sorted; of every scrape.
    fn written(&self) -> Vec<String> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        let mut res: Vec<String> = kept
            .iter()
            .flat_map(|scrape| &scrape.points)
            .map(|point| {
                let is_end = point.value.to_bits() == crate::record::metric::STALE_NAN_BITS;
                let value = if is_end { "ends".to_string() } else { point.value.to_string() };
                format!("{} {value}", point.series)
            })
            .collect();
        res.sort();
        res
    }
}

fn groups(text: &str) -> Vec<Arc<Group>> {
    let drafts = file::read("rules.yml", text).unwrap();
    check(&drafts, Duration::from_secs(60)).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let drafts = file::read("rules.yml", text);
    let faults = drafts.and_then(|drafts| check(&drafts, Duration::from_secs(60))).err().unwrap_or_default();
    // What there is instead is told behind it.
    let known = |message: &str| message.split(": there are").next().unwrap().to_string();
    faults.into_iter().map(|fault| format!("{}: {}", fault.place, known(&fault.message))).collect()
}

struct Bench {
    clock: Clock,
    world: Fake,
    schedule: Schedule,
}

impl Bench {
    fn new(text: &str) -> Self {
        let clock = Clock::manual(UnixNanos(START_MS * 1_000_000));
        let schedule = Schedule::new(clock.clone(), &groups(text), &Saved::default());
        Bench { clock, world: Fake::default(), schedule }
    }

    /// Lets so many seconds pass and evaluates what became due.
    fn pass(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        while self.schedule.evaluate_next(&self.world, &|| false).is_some() {}
    }

    /// Returns the alerts as `instance state` with the seconds since they are active.
    fn alerts(&self) -> Vec<String> {
        let view = self.schedule.view();
        let rules = view.iter().flat_map(|group| &group.rules);
        let alerts = rules.filter_map(|rule| rule.alerting.as_ref()).flat_map(|alerting| &alerting.alerts);
        let now = self.clock.now_ms();
        alerts
            .map(|alert| {
                let since = (now.0 - alert.active_at.0) / 60_000;
                let held = if alert.keep_firing_since.is_some() { " held" } else { "" };
                format!("{} {} {since}m{held}", alert.labels.get("instance"), alert.state.as_str())
            })
            .collect()
    }

    fn rule(&self) -> RuleView {
        self.schedule.view()[0].rules[0].clone()
    }

    /// Ends and begins again on what was saved, so many seconds later.
    fn restart(&mut self, text: &str, seconds: u64) {
        let saved = Saved::from_json(&self.schedule.saved().to_json()).unwrap();
        self.clock.advance(Duration::from_secs(seconds));
        self.schedule = Schedule::new(self.clock.clone(), &groups(text), &saved);
    }
}

const DOWN: &str = "
groups:
- name: g
  rules:
  - alert: Down
    expr: up == 0
    for: 2m
    keep_firing_for: 3m
    labels: {severity: page, what: '{{ $labels.instance }}'}
    annotations: {summary: '{{ $labels.instance }} has {{ $value }}'}
";

#[test]
fn an_alert_is_pending_fires_is_held_and_goes() {
    let mut bench = Bench::new(DOWN);
    assert_eq!(bench.rule().state(), "unknown");
    bench.pass(60);
    assert_eq!((bench.rule().state(), bench.alerts(), bench.world.written()), ("inactive", vec![], vec![]));
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    let since = bench.schedule.view()[0].rules[0].alerting.as_ref().unwrap().alerts[0].active_at.0 / 1_000;
    let labels = r#"alertname="Down""#;
    let own = r#"instance="a",severity="page",what="a""#;
    let pending = format!(r#"{{__name__="ALERTS",{labels},alertstate="pending",{own}}}"#);
    let firing = format!(r#"{{__name__="ALERTS",{labels},alertstate="firing",{own}}}"#);
    let for_state = format!(r#"{{__name__="ALERTS_FOR_STATE",{labels},{own}}}"#);
    assert_eq!(bench.world.written(), [format!("{pending} 1"), format!("{for_state} {since}")]);
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a pending 1m"]);
    bench.world.written();
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a firing 2m"]);
    assert_eq!(
        bench.world.written(),
        [format!("{firing} 1"), format!("{pending} ends"), format!("{for_state} {since}")]
    );
    let alert = bench.rule().alerting.unwrap().alerts[0].clone();
    assert_eq!(alert.annotations.get("summary"), "a has 0");
    bench.world.answer("up == 0", &[]);
    for held in ["a firing 3m held", "a firing 4m held", "a firing 5m held"] {
        bench.pass(60);
        assert_eq!(bench.alerts(), [held]);
    }
    bench.world.written();
    bench.pass(60);
    assert_eq!(bench.alerts(), [""; 0]);
    assert_eq!(bench.world.written(), [format!("{firing} ends"), format!("{for_state} ends")]);
}

#[test]
fn an_alert_that_comes_back_is_not_held_any_more() {
    let mut bench = Bench::new(DOWN);
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(180);
    bench.pass(60);
    bench.pass(60);
    bench.world.answer("up == 0", &[]);
    bench.pass(120);
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    assert!(bench.alerts()[0].starts_with("a firing") && !bench.alerts()[0].ends_with("held"));
}

#[test]
fn without_for_an_alert_fires_at_once_and_goes_at_once() {
    let mut bench = Bench::new("groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}]");
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a firing 0m"]);
    bench.world.answer("up == 0", &[]);
    bench.pass(60);
    assert_eq!(bench.alerts(), [""; 0]);
}

#[test]
fn a_restart_goes_on_with_the_alerts_that_there_were() {
    let mut bench = Bench::new(DOWN);
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    bench.world.answer("up == 0", &[("a", 0.0), ("b", 0.0)]);
    bench.pass(60);
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a firing 2m", "b pending 1m"]);
    let before: Vec<UnixMillis> =
        bench.rule().alerting.unwrap().alerts.iter().map(|alert| alert.active_at).collect();
    bench.restart(DOWN, 5);
    assert_eq!(bench.alerts(), ["a firing 2m", "b pending 1m"], "shown before the first evaluation");
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a firing 3m", "b firing 2m"]);
    let after: Vec<UnixMillis> =
        bench.rule().alerting.unwrap().alerts.iter().map(|alert| alert.active_at).collect();
    assert_eq!(before, after);
    // What is over by then ends.
    bench.restart(DOWN, 5);
    bench.world.answer("up == 0", &[]);
    bench.world.written();
    bench.pass(300);
    bench.pass(300);
    assert_eq!(bench.world.written().iter().filter(|line| line.ends_with("ends")).count(), 4);
}

#[test]
fn the_time_of_an_outage_does_not_count_for_what_was_pending() {
    let mut bench = Bench::new(DOWN);
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    bench.restart(DOWN, 1_200);
    bench.pass(60);
    assert!(bench.alerts()[0].starts_with("a pending"), "{:?}", bench.alerts());
    bench.pass(60);
    assert!(bench.alerts()[0].starts_with("a firing"), "{:?}", bench.alerts());
    bench.restart(DOWN, 7_200);
    assert_eq!(bench.alerts(), [""; 0], "too long ago");
}

#[test]
fn a_reload_keeps_what_is_still_there_and_ends_what_is_not() {
    let mut bench = Bench::new(
        "groups: [{name: g, rules: [{alert: Down, expr: up == 0}, {record: 'a:sum', expr: sum(up)}]},
                  {name: h, rules: [{record: 'b:sum', expr: sum(up)}, {record: 'c:sum', expr: sum(up)}]}]",
    );
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.world.answer("up < 1", &[("a", 0.0)]);
    bench.world.answer("sum(up)", &[("", 1.0)]);
    bench.pass(60);
    bench.world.written();
    // The alert's expression is another, one group is gone, and one of its rules moved.
    let after =
        groups("groups: [{name: g, rules: [{record: 'c:sum', expr: sum(up)}, {alert: Down, expr: up < 1}]}]");
    bench.schedule.apply(&after);
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a firing 1m"]);
    let written = bench.world.written();
    assert!(written.contains(&r#"{__name__="a:sum"} ends"#.to_string()), "{written:?}");
    assert!(!written.iter().any(|line| line.contains("b:sum")), "its group may only be renamed");
    bench.pass(60);
    bench.pass(60);
    let written = bench.world.written();
    assert!(written.contains(&r#"{__name__="b:sum"} ends"#.to_string()), "{written:?}");
    assert!(!written.contains(&r#"{__name__="c:sum"} ends"#.to_string()), "{written:?}");
}

#[test]
fn a_longer_for_makes_a_firing_alert_pending_again() {
    let mut bench = Bench::new(DOWN);
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    bench.pass(60);
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a firing 2m"]);
    bench.schedule.apply(&groups(&DOWN.replace("for: 2m", "for: 10m")));
    bench.pass(60);
    assert_eq!(bench.alerts(), ["a pending 3m"]);
}

#[test]
fn a_recording_rule_writes_under_its_name_with_exactly_its_labels() {
    let mut bench = Bench::new(
        "groups: [{name: g, query_offset: 30s, labels: {team: a, env: x}, rules: [
            {record: 'up:all', expr: up, labels: {env: prod, text: '{{ $value }}'}}]}]",
    );
    bench.world.answer("up", &[("a", 1.0), ("b", 2.0)]);
    bench.pass(60);
    let series = |instance: &str| {
        format!(r#"{{__name__="up:all",env="prod",instance="{instance}",team="a",text="{{{{ $value }}}}"}}"#)
    };
    assert_eq!(bench.world.written(), [format!("{} 1", series("a")), format!("{} 2", series("b"))]);
    bench.world.answer("up", &[("b", 3.0)]);
    bench.pass(60);
    let asked = bench.world.asked.lock().unwrap().last().unwrap().1;
    assert_eq!(bench.world.kept.lock().unwrap()[0].at.0, asked, "the offset is the samples' too");
    assert_eq!(
        (asked + 30_000 - bench.schedule.saved().at.0).rem_euclid(1_000),
        (asked - START_MS).rem_euclid(1_000)
    );
    assert_eq!(bench.world.written(), [format!("{} ends", series("a")), format!("{} 3", series("b"))]);
}

#[test]
fn a_failure_is_shown_and_changes_nothing() {
    let mut bench = Bench::new(DOWN);
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    bench.world.written();
    bench.world.fail("up == 0", "query timed out in expression evaluation");
    bench.pass(60);
    let rule = bench.rule();
    assert_eq!(rule.health, Health::Err);
    assert_eq!(rule.last_error.as_deref(), Some("query timed out in expression evaluation"));
    assert_eq!((bench.alerts(), bench.world.written()), (vec!["a pending 1m".to_string()], vec![]));
    let outcome = bench.schedule.view()[0].outcome;
    assert_eq!((outcome.n_evaluations, outcome.n_failures, outcome.n_missed), (2, 1, 0));
    bench.world.answer("up == 0", &[("a", 0.0)]);
    bench.pass(60);
    assert_eq!((bench.rule().health, bench.rule().last_error), (Health::Ok, None));
}

#[test]
fn results_that_cannot_be_told_apart_or_are_too_many_are_failures() {
    let mut bench = Bench::new(
        "groups: [{name: g, limit: 1, rules: [{alert: A, expr: up == 0, labels: {instance: x}},
            {record: r, expr: up == 0, labels: {instance: x}}, {alert: B, expr: up == 0}, {record: s, expr: up == 0}]}]",
    );
    bench.world.answer("up == 0", &[("a", 0.0), ("b", 0.0)]);
    bench.pass(60);
    let faults: Vec<String> =
        bench.schedule.view()[0].rules.iter().filter_map(|rule| rule.last_error.clone()).collect();
    assert_eq!(
        faults,
        [
            "vector contains metrics with the same labelset after applying alert labels",
            "vector contains metrics with the same labelset after applying rule labels",
            "exceeded limit of 1 with 2 alerts",
            "exceeded limit of 1 with 2 series",
        ]
    );
    assert_eq!((bench.alerts(), bench.world.written()), (vec![], vec![]));
}

#[test]
fn groups_keep_their_own_pace_and_count_what_they_miss() {
    let mut bench = Bench::new(
        "groups: [{name: slow, interval: 5m, rules: [{record: a, expr: up}]},
                  {name: fast, interval: 30s, rules: [{record: b, expr: up}]}]",
    );
    for _ in 0..20 {
        bench.pass(30);
    }
    let view = bench.schedule.view();
    let [fast, slow] = [&view[0], &view[1]];
    assert_eq!((fast.name.as_str(), fast.outcome.n_evaluations), ("fast", 20));
    assert_eq!((slow.name.as_str(), slow.outcome.n_evaluations), ("slow", 2));
    bench.pass(300);
    let outcome = bench.schedule.view()[0].outcome;
    assert_eq!((outcome.n_evaluations, outcome.n_missed), (21, 9));
    // A clock that is set back by an hour costs no hour.
    bench.clock.jump(-3_600_000_000_000);
    bench.pass(30);
    bench.pass(30);
    assert_eq!(bench.schedule.view()[0].outcome.n_evaluations, 22);
}

#[test]
fn whatever_is_wrong_is_named_with_its_place() {
    assert_eq!(
        problems(
            "groups:
- name: g
  interval: 5x
  rules:
  - alert: A
    record: b
    expr: up
  - expr: up
  - alert: B
    expr: sum(up
    for: soon
  - record: 'a{b}'
    expr: up[5m]
    for: 1m
    annotations: {x: y}
  - alert: C
    expr: up
    labels: {__name__: x, a: '{{ query \"up\" }}'}
    annotations: {s: '{{ $nope }}'}
- name: g
"
        ),
        [
            "rules.yml:3:13: group \"g\": `interval`: unknown unit \"x\" in duration \"5x\"",
            "rules.yml:5:5: group \"g\", rule 1, \"A\": only one of 'record' and 'alert' must be set",
            "rules.yml:8:5: group \"g\", rule 2, \"\": one of 'record' or 'alert' must be set",
            "rules.yml:11:10: group \"g\", rule 3, \"B\": `for`: not a valid duration string: \"soon\"",
            "rules.yml:10:11: group \"g\", rule 3, \"B\": `expr`: could not parse expression: 1:7: parse error: unclosed left parenthesis",
            "rules.yml:15:22: group \"g\", rule 4, \"a{b}\": invalid field 'annotations' in recording rule",
            "rules.yml:14:10: group \"g\", rule 4, \"a{b}\": invalid field 'for' in recording rule",
            "rules.yml:12:13: group \"g\", rule 4, \"a{b}\": braces present in the recording rule name; should it be in expr?: a{b}",
            "rules.yml:13:11: group \"g\", rule 4, \"a{b}\": `expr`: a rule is a vector or a scalar, this is a range vector",
            "rules.yml:19:22: group \"g\", rule 5, \"C\": annotation \"s\": undefined variable \"$nope\"",
            "rules.yml:18:24: group \"g\", rule 5, \"C\": invalid label name: __name__",
            "rules.yml:18:30: group \"g\", rule 5, \"C\": label \"a\": function \"query\" is not defined",
            "rules.yml:20:9: groupname: \"g\" is repeated in the same file",
        ]
    );
}

#[test]
fn slips_of_the_pen_in_a_file_are_named() {
    assert_eq!(
        problems("groups:\n- name: g\n  rule: []\n- rules:\n  - alrt: A\n    expr: {a: b}\ngroup: x\n"),
        [
            "rules.yml:3:3: field rule not found: a group has name, interval, query_offset, limit, labels, rules",
            "rules.yml:5:5: field alrt not found: a rule has record, alert, expr, for, keep_firing_for, labels, annotations",
            "rules.yml:6:11: `expr` is a text, this is a group of keys",
            "rules.yml:7:1: field group not found: a rule file has groups",
        ]
    );
    assert_eq!(problems(""), [""; 0]);
    assert!(problems("groups:\n\t- name: g")[0].contains("indented with a tab"));
}

#[test]
fn a_text_that_is_none_of_ours_is_refused() {
    assert!(Saved::from_json("{}").is_err());
    let text = r#"{"version":2,"at_ms":0,"rules":[]}"#;
    assert_eq!(Saved::from_json(text).unwrap_err(), "version 2 is not 1");
}
