//! Recent traces: what a slow, a failed and a sampled request leave, and a reload.

use std::ops::ControlFlow;

use rustix::process::Signal;
use vitrine::clock::UnixNanos;
use vitrine::record::read::{Direction, SpanRead, SpanSelect};
use vitrine::record::trace::TraceId;
use vitrine::record::{Span, SpanStatus};

use crate::harness::{Folders, Vitrine, stored};

/// Returns a caller's header for a trace of our choosing.
fn caller(trace: &str, is_sampled: bool) -> (&'static str, String) {
    ("traceparent", format!("00-{trace}-00f067aa0ba902b7-0{}", u8::from(is_sampled)))
}

fn names_of(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_ref()).collect()
}

#[test]
fn slow_failed_and_sampled_requests_can_be_found_by_the_ids_of_their_lines() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    // Nothing of its own accord, so that what is found is what was asked for.
    command.env("VITRINE_TELEMETRY_TRACES_RATIO", "0");
    let mut vitrine = Vitrine::spawn(command, dir);
    let ids: Vec<String> = (1..=5).map(|n| format!("{n:032x}")).collect();
    let cookie = vitrine.cookie();
    let get = |id: &str, is_sampled, path| {
        let (name, value) = caller(id, is_sampled);
        vitrine.request("GET", path, &[(name, &value), ("cookie", &cookie)]).status
    };
    assert_eq!(get(&ids[0], false, "/"), 200);
    assert_eq!(get(&ids[1], true, "/"), 200);
    assert_eq!(get(&ids[2], false, "/drill/panic"), 500);
    assert_eq!(get(&ids[3], false, "/drill/block"), 404);
    assert_eq!(get(&ids[4], true, "/admin"), 200);
    vitrine.signal(Signal::HUP);
    vitrine.wait_for_line("reloaded");
    // A failed request finds its lines by its id.
    let lines = vitrine.logged(&ids[2]);
    assert!(lines.iter().any(|line| line.contains("a drill")), "{lines:?}");
    let dir = vitrine.stop();

    let store = stored(&dir);
    let trace = |n: usize| store.trace(TraceId::parse_hex(&ids[n]).unwrap()).unwrap();
    assert_eq!(names_of(&trace(0)), Vec::<&str>::new(), "quick, well, and not wanted");
    let sampled = trace(1);
    let mut names = names_of(&sampled);
    names.sort_unstable();
    assert_eq!(names, ["GET /", "balancer", "respond", "send", "worker"]);
    let failed = trace(2);
    assert_eq!((failed.len(), failed[0].status), (1, SpanStatus::Error));
    let slow = trace(3);
    assert!(slow.len() == 1 && slow[0].duration.as_secs() >= 2, "{slow:?}");
    let stages = slow[0].attributes.iter().filter(|(name, _)| name.starts_with("vitrine.stage."));
    assert!(stages.count() >= 2, "{slow:?}");
    let page = trace(4);
    let root = page.iter().find(|span| span.name == "GET /admin").unwrap();
    for stage in ["query numbers", "render"] {
        let stage = page.iter().find(|span| span.name == stage).unwrap_or_else(|| panic!("{page:?}"));
        assert_eq!(stage.parent, Some(root.span_id));
        assert!(stage.start >= root.start && stage.duration <= root.duration);
    }
    let mut operations = Vec::new();
    let all = SpanSelect {
        from: UnixNanos(0),
        to: UnixNanos(i64::MAX),
        duration_min: std::time::Duration::ZERO,
        status: None,
        roots_only: true,
        direction: Direction::Forward,
    };
    let mut note = |span: Span| {
        operations.push(span.name.to_string());
        ControlFlow::Continue(())
    };
    store.spans(&all, &mut note).unwrap();
    assert_eq!(operations, ["start", "reload"]);
}
