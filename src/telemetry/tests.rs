use std::io;
use std::sync::{Arc, Mutex};

use tracing::{Level, debug, error, info, info_span, warn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::subscriber::Terminal;
use super::*;
use crate::clock::UnixNanos;
use crate::record::Severity;
use crate::record::trace::TraceContext;

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    telemetry: Telemetry,
    records: Receiver<LogRecord>,
    dispatch: Dispatch,
    screen: Screen,
    clock: Clock,
}

impl Fixture {
    fn new(config: Config) -> Self {
        let screen = Screen::default();
        let writer = {
            let screen = screen.clone();
            BoxMakeWriter::new(move || screen.clone())
        };
        let identity = Identity { instance_id: "i1".into(), version: "1.2.3".into(), release: "r7".into() };
        let clock = Clock::manual(UnixNanos(1_700_000_000_123_456_789));
        let terminal = Terminal { writer, is_coloured: false };
        let (telemetry, records, dispatch) =
            Telemetry::assemble_for(terminal, config, identity, clock.clone()).unwrap();
        Fixture { telemetry, records, dispatch, screen, clock }
    }

    fn run(&self, log: impl FnOnce()) -> Vec<LogRecord> {
        tracing::dispatcher::with_default(&self.dispatch, log);
        self.records.drain(usize::MAX).collect()
    }

    /// Changes the level as a process does, whose one subscriber is everybody's: what was
    /// logged before is judged anew by the subscriber of the thread that changes it.
    fn set_log_level(&self, level: &str) -> Result<(), LevelError> {
        tracing::dispatcher::with_default(&self.dispatch, || self.telemetry.set_log_level(level))
    }

    fn screen(&self) -> String {
        String::from_utf8(self.screen.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn an_event_becomes_a_record_and_a_line() {
    let fixture = Fixture::new(Config::default());
    let found = fixture.run(|| {
        tracing::event!(target: "vitrine::cv", Level::WARN, worker.id = 3, ok = true, "a {} link", "bad");
    });
    let [record] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(record.body, "a bad link");
    assert_eq!(record.severity, Severity::Warn);
    assert_eq!(record.at, UnixNanos(1_700_000_000_123_456_789));
    assert_eq!(record.stream.to_string(), r#"{job="app",level="warn",service_name="vitrine"}"#);
    assert_eq!(record.metadata("scope_name"), "vitrine::cv");
    assert_eq!((record.metadata("worker_id"), record.metadata("ok")), ("3", "true"));
    assert_eq!(record.metadata("trace_id"), "");
    assert_eq!(fixture.screen(), "2023-11-14T22:13:20.123Z  WARN a bad link worker.id=3 ok=true\n");
}

#[test]
fn lines_of_a_request_and_of_an_operation_carry_ids() {
    let fixture = Fixture::new(Config::default());
    let context = TraceContext::root();
    let found = fixture.run(|| {
        let _entered = context.enter();
        info!("in a request");
    });
    assert_eq!(found[0].metadata("trace_id"), context.trace_id.to_string());
    assert_eq!(found[0].metadata("span_id"), context.span_id.to_string());

    let found = fixture.run(|| {
        info_span!("reload").in_scope(|| {
            info!("one");
            info_span!("read").in_scope(|| info!("two"));
        });
        info!("outside");
    });
    let ids: Vec<(&str, &str)> =
        found.iter().map(|record| (record.metadata("trace_id"), record.metadata("span_id"))).collect();
    assert_eq!((ids[0].0.len(), ids[0].1.len()), (32, 16));
    assert_eq!(ids[0].0, ids[1].0);
    assert_ne!(ids[0].1, ids[1].1);
    assert_eq!(ids[2], ("", ""));
}

#[test]
fn level_changes_at_run_time_and_a_wrong_one_changes_nothing() {
    let fixture = Fixture::new(Config::default());
    let bodies = || {
        let found = fixture.run(|| {
            debug!(target: "vitrine::cv", "fine");
            info!(target: "vitrine::cv", "ordinary");
        });
        found.into_iter().map(|record| record.body).collect::<Vec<_>>()
    };
    assert_eq!(bodies(), ["ordinary"]);
    fixture.set_log_level("warn,vitrine::cv=debug").unwrap();
    assert_eq!(bodies(), ["fine", "ordinary"]);
    assert!(fixture.set_log_level("vitrine=loud").is_err());
    assert_eq!(bodies(), ["fine", "ordinary"]);
    let off = Config { log_level: "off".into(), ..Config::default() };
    tracing::dispatcher::with_default(&fixture.dispatch, || fixture.telemetry.apply(&off)).unwrap();
    assert!(bodies().is_empty());
}

#[test]
fn what_the_level_does_not_name_stays_at_info_and_off_is_off() {
    let fixture = Fixture::new(Config { log_level: "vitrine::cv=debug".into(), ..Config::default() });
    let bodies = || {
        let found = fixture.run(|| {
            debug!(target: "vitrine::cv", "cv");
            debug!(target: "vitrine::app", "fine");
            info!(target: "vitrine::app", "app");
            warn!(target: "hyper", "library");
        });
        found.into_iter().map(|record| record.body).collect::<Vec<_>>()
    };
    assert_eq!(bodies(), ["cv", "app"]);
    let before = fixture.screen();
    fixture.set_log_level("off").unwrap();
    assert!(bodies().is_empty());
    assert_eq!(fixture.screen(), before);
}

#[test]
fn libraries_below_the_writer_reach_the_terminal_but_not_the_records() {
    let fixture = Fixture::new(Config { log_level: "trace".into(), ..Config::default() });
    let found = fixture.run(|| {
        error!(target: "opentelemetry_sdk", "one");
        warn!(target: "sled", "two");
        debug!(target: "hyper::client", "three");
        debug!(target: "vitrine::store", "four");
        debug!(target: "vitrine::telemetry::otlp", "five");
    });
    assert!(found.is_empty(), "{found:?}");
    let screen = fixture.screen();
    assert!(screen.contains("one") && screen.contains("two") && !screen.contains("three"), "{screen}");
}

#[test]
fn what_the_audit_log_has_already_is_printed_and_not_kept_twice() {
    let fixture = Fixture::new(Config::default());
    let found = fixture.run(|| info!(target: crate::record::access::AUDIT_TARGET, "session 1: logged in"));
    assert!(found.is_empty() && fixture.screen().contains("session 1: logged in"), "{found:?}");
}

#[test]
fn what_the_writer_says_about_itself_is_bounded_and_counted() {
    let fixture = Fixture::new(Config::default());
    let complain = || {
        fixture.run(|| (0..500).for_each(|n| error!(target: "vitrine::store", "cannot write {n}"))).len()
            as u64
    };
    assert_eq!(complain(), capture::GUARDED_PER_MINUTE);
    assert_eq!(complain(), 0);
    fixture.clock.advance(Duration::from_secs(60));
    assert_eq!(complain(), capture::GUARDED_PER_MINUTE);
    let dropped = dropped(&fixture.telemetry.collect(), "feedback_guard");
    assert_eq!(dropped, (1_500 - 2 * capture::GUARDED_PER_MINUTE) as f64);
    // Everybody else is still heard.
    assert_eq!(fixture.run(|| info!(target: "vitrine::cv", "hello")).len(), 1);
}

fn dropped(collected: &Collected, reason: &str) -> f64 {
    let is_wanted = |point: &&crate::record::Point| {
        point.series.metric_name() == "vitrine_telemetry_dropped_total"
            && point.series.get("signal") == "logs"
            && point.series.get("reason") == reason
    };
    collected.scrape.points.iter().find(is_wanted).unwrap().value
}

#[test]
fn full_ring_drops_and_the_drops_are_a_metric() {
    let fixture = Fixture::new(Config::default());
    let n_events = RING_RECORDS + 10;
    let found = fixture.run(|| (0..n_events).for_each(|n| info!(target: "vitrine::cv", "{n}")));
    assert_eq!(found.len(), RING_RECORDS);
    assert_eq!(dropped(&fixture.telemetry.collect(), "app_ring"), 10.0);
    fixture.telemetry.count_drops(Signal::Logs, "access_ring", || 7);
    assert_eq!(dropped(&fixture.telemetry.collect(), "access_ring"), 7.0);
}

#[test]
fn long_lines_and_fields_are_cut() {
    let fixture = Fixture::new(Config::default());
    let long = "é".repeat(20_000);
    let found = fixture.run(|| info!(target: "vitrine::cv", text = long.as_str(), "{long}"));
    assert_eq!((found[0].body.len(), found[0].metadata("text").len()), (8 * 1024, 1024));
}

fn value(collected: &Collected, name: &str) -> Option<f64> {
    collected.scrape.points.iter().find(|point| point.series.metric_name() == name).map(|point| point.value)
}

#[test]
fn a_callback_that_panics_is_missing_and_nothing_else_is() {
    let fixture = Fixture::new(Config::default());
    let meter = fixture.telemetry.meter();
    meter.u64_observable_gauge("broken").with_callback(|_| panic!("on purpose")).build();
    meter.u64_observable_gauge("sound").with_callback(|observer| observer.observe(3, &[])).build();
    fixture.telemetry.count_drops(Signal::Logs, "broken", || panic!("on purpose"));
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut collected = None;
        said.extend(fixture.run(|| collected = Some(fixture.telemetry.collect())));
        let collected = collected.unwrap();
        assert_eq!((value(&collected, "broken"), value(&collected, "sound")), (None, Some(3.0)));
        assert!(value(&collected, "process_uptime_seconds").is_some());
    }
    fixture.telemetry.count_drops(Signal::Logs, "late", || 1);
    let n_said = said.iter().filter(|line| line.body.contains("panicked")).count();
    assert_eq!(n_said, 2, "each broken instrument is told once: {said:?}");
}

#[test]
fn a_histogram_keeps_the_boundaries_that_it_brings() {
    let fixture = Fixture::new(Config::default());
    let flush = names::STORE_FLUSH_DURATION;
    let meter = fixture.telemetry.meter();
    let histogram = meter.f64_histogram(flush.name).with_unit(flush.unit);
    histogram.with_boundaries(vec![0.5, 1.0]).build().record(0.7, &[]);
    let points = fixture.telemetry.collect().scrape.points;
    let name = format!("{}_bucket", flush.exposed());
    let is_bucket = |point: &&crate::record::Point| point.series.metric_name() == name;
    let bounds: Vec<&str> = points.iter().filter(is_bucket).map(|point| point.series.get("le")).collect();
    assert_eq!(bounds, ["0.5", "1", "+Inf"]);
}
