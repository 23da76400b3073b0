//! Random histories against a plain list: whatever was accepted is read, in order, once,
//! open or sealed, after a restart and after a crash.
//!
//! Runs a bounded number of histories; `PROPTEST_CASES` asks for more.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::record::read::{LogSelect, SpanRead, SpanSelect};
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Levels, Span, SpanKind, SpanStatus};

#[derive(Clone, Debug)]
enum Op {
    /// A scrape of some series, so many milliseconds from now.
    Scrape { source: u8, series: Vec<(u8, i16)>, offset_ms: i64 },
    /// Lines of one stream: word, severity, nanoseconds from now.
    Lines { stream: u8, lines: Vec<(u8, u8, i64)> },
    /// Spans of one trace.
    Spans { trace: u8, n: u8 },
    /// Time goes by.
    Advance { secs: u16 },
    /// Everything accepted is made durable.
    Sync,
    /// A clean close and a new start.
    Restart,
    /// The process dies after a sync: what is on disk at that moment is opened.
    Crash,
    /// Reads and compares.
    Read { from_ms: i64, span_ms: i64, word: u8, level: u8 },
}

fn any_op() -> impl Strategy<Value = Op> {
    let series = prop::collection::vec((0_u8..6, any::<i16>()), 1..6);
    let lines = prop::collection::vec((any::<u8>(), 0_u8..7, -5_000_000_000_i64..5_000_000_000), 1..20);
    prop_oneof![
        8 => (0_u8..3, series, -600_000_i64..1_000).prop_map(|(source, series, offset_ms)| {
            Op::Scrape { source, series, offset_ms: offset_ms / 1_000 * 1_000 }
        }),
        8 => (0_u8..4, lines).prop_map(|(stream, lines)| Op::Lines { stream, lines }),
        2 => (0_u8..5, 1_u8..9).prop_map(|(trace, n)| Op::Spans { trace, n }),
        4 => (1_u16..1_500).prop_map(|secs| Op::Advance { secs }),
        3 => Just(Op::Sync),
        1 => Just(Op::Restart),
        1 => Just(Op::Crash),
        3 => (-3_600_000_i64..0, 0_i64..3_600_000, any::<u8>(), 0_u8..7)
            .prop_map(|(from_ms, span_ms, word, level)| Op::Read { from_ms, span_ms, word, level }),
    ]
}

/// Words of different kinds; long ones, so that blocks fill.
fn word(n: u8) -> String {
    match n % 4 {
        0 => format!("request{n}"),
        1 => format!("Größe {n} überschritten"),
        2 => format!("{:032x}", u128::from(n).wrapping_mul(0x1234_5678_9abc_def0_1234_5678_9abc_def1)),
        _ => "x".repeat(usize::from(n) * 90),
    }
}

const SEVERITIES: [Severity; 7] = [
    Severity::Unspecified,
    Severity::Trace,
    Severity::Debug,
    Severity::Info,
    Severity::Warn,
    Severity::Error,
    Severity::Fatal,
];

struct Model {
    dir: tempfile::TempDir,
    clock: Clock,
    store: Option<Store>,
    samples: BTreeMap<Labels, BTreeMap<i64, f64>>,
    /// By time, then arrival.
    lines: Vec<LogRecord>,
    spans: Vec<Span>,
}

impl Model {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
        let store = Some(open(dir.path(), &clock));
        Model { dir, clock, store, samples: BTreeMap::new(), lines: Vec::new(), spans: Vec::new() }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Scrape { source, series, offset_ms } => self.scrape(source, &series, offset_ms),
            Op::Lines { stream, lines } => self.lines(stream, lines),
            Op::Spans { trace, n } => self.spans(trace, n),
            Op::Advance { secs } => {
                // What waits in the queue must not become late by this.
                self.store().sync().unwrap();
                self.clock.advance(Duration::from_secs(secs.into()));
            }
            Op::Sync => self.store().sync().unwrap(),
            Op::Restart => {
                self.store().close(DEADLINE).unwrap();
                self.store = None;
                self.store = Some(open(self.dir.path(), &self.clock));
            }
            Op::Crash => {
                self.store().sync().unwrap();
                let copy = tempfile::tempdir().unwrap();
                copy_tree(self.dir.path(), copy.path());
                self.store().close(DEADLINE).unwrap();
                self.store = None;
                self.dir = copy;
                self.store = Some(open(self.dir.path(), &self.clock));
            }
            Op::Read { from_ms, span_ms, word, level } => self.compare(from_ms, span_ms, word, level),
        }
    }

    fn scrape(&mut self, source: u8, series: &[(u8, i16)], offset_ms: i64) {
        let at = UnixMillis(self.clock.now_ms().0 + offset_ms);
        let mut points = Vec::new();
        for (n, value) in series {
            let labels = Labels::new([("__name__", format!("m{n}")), ("instance", format!("i{source}"))]);
            let value = f64::from(*value) / 4.0;
            // The first value of a time stays, in one scrape too.
            self.samples.entry(labels.clone()).or_default().entry(at.0).or_insert(value);
            points.push(Point { series: labels, value });
        }
        self.store().append_scrape(Scrape { at, points });
    }

    fn lines(&mut self, stream: u8, lines: Vec<(u8, u8, i64)>) {
        let mut records = Vec::new();
        for (n, severity, offset_ns) in lines {
            let record = LogRecord {
                at: UnixNanos(self.clock.now().0 + offset_ns),
                severity: SEVERITIES[usize::from(severity)],
                stream: Labels::new([("job", format!("j{stream}"))]),
                metadata: vec![("word".into(), word(n)), ("n".into(), n.to_string())],
                body: format!("{} said {}", n % 16, word(n)),
            };
            self.lines.push(record.clone());
            records.push(record);
        }
        assert!(self.store().append_logs(records));
        self.lines.sort_by_key(|line| line.at);
    }

    fn spans(&mut self, trace: u8, n: u8) {
        let mut spans = Vec::new();
        for n in 0..n {
            let no = self.spans.len() as u64 + 1;
            let span = Span {
                trace_id: TraceId([trace + 1; 16]),
                span_id: SpanId(no.to_be_bytes()),
                parent: (n > 0).then_some(SpanId(1_u64.to_be_bytes())),
                name: format!("GET /{no}").into(),
                kind: SpanKind::Server,
                service: "vitrine".into(),
                start: UnixNanos(self.clock.now().0 + i64::from(n)),
                duration: Duration::from_millis(u64::from(n) * 100),
                status: if n % 3 == 2 { SpanStatus::Error } else { SpanStatus::Unset },
                status_message: String::new(),
                attributes: vec![("http.route".into(), "/".into())],
                events: Vec::new(),
            };
            self.spans.push(span.clone());
            spans.push(span);
        }
        self.store().append_spans(spans);
        self.spans.sort_by_key(|span| span.start);
    }

    fn compare(&self, from_ms: i64, span_ms: i64, n: u8, level: u8) {
        self.store().sync().unwrap();
        let from = self.clock.now_ms().0 + from_ms;
        self.compare_samples(from, from + span_ms);
        let (from, to) = (from * 1_000_000, (from + span_ms) * 1_000_000);
        let levels = Levels::of([SEVERITIES[usize::from(level)]]);
        let plain = LogSelect::new(vec![], UnixNanos(from), UnixNanos(to), Direction::Forward);
        let word = word(n);
        let part: String = word.chars().skip(2).take(20).collect();
        self.compare_lines(&plain);
        self.compare_lines(&LogSelect { direction: Direction::Backward, ..plain.clone() });
        self.compare_lines(&LogSelect { levels, ..plain.clone() });
        self.compare_lines(&LogSelect { contains: vec![part, "said".into()], ..plain.clone() });
        self.compare_lines(&LogSelect { having: vec![("word".into(), word)], ..plain.clone() });
        let one = Matcher::equal("job", format!("j{}", n % 4));
        self.compare_lines(&LogSelect { matchers: vec![one], ..plain });
        self.compare_spans(from, to);
    }

    fn compare_samples(&self, from: i64, to: i64) {
        let matchers = vec![Matcher::matches("__name__", "m[0-3]").unwrap()];
        let select = SeriesSelect { matchers, from: UnixMillis(from), to: UnixMillis(to) };
        let mut found = BTreeMap::new();
        self.store()
            .series(&select, &mut |labels, samples| {
                let samples: Vec<_> = samples.iter().map(|sample| (sample.at.0, sample.value)).collect();
                assert!(found.insert(labels.clone(), samples).is_none(), "a series comes once");
                ControlFlow::Continue(())
            })
            .unwrap();
        let mut expect = BTreeMap::new();
        for (labels, samples) in self.samples.iter().filter(|(labels, _)| select.accepts(labels)) {
            let samples: Vec<_> = samples.range(from..=to).map(|(at, value)| (*at, *value)).collect();
            if !samples.is_empty() {
                expect.insert(labels.clone(), samples);
            }
        }
        assert_eq!(found, expect);
        let sets: BTreeSet<Labels> = self.store().label_sets(&select).unwrap().into_iter().collect();
        assert!(expect.keys().all(|labels| sets.contains(labels)));
    }

    fn compare_lines(&self, select: &LogSelect) {
        let mut found = Vec::new();
        self.store()
            .lines(select, &mut |line| {
                found.push(line.to_record());
                ControlFlow::Continue(())
            })
            .unwrap();
        let mut expect: Vec<_> =
            self.lines.iter().filter(|line| select.accepts(&line.view())).cloned().collect();
        if select.direction == Direction::Backward {
            expect.reverse();
        }
        assert_eq!(found, expect, "{select:?}");
        assert_same_lines(read_parts(self.store(), select), expect);
    }

    fn compare_spans(&self, from: i64, to: i64) {
        let select = SpanSelect {
            from: UnixNanos(from),
            to: UnixNanos(to),
            duration_min: Duration::from_millis(150),
            status: None,
            roots_only: false,
            direction: Direction::Forward,
        };
        for direction in [Direction::Forward, Direction::Backward] {
            let select = SpanSelect { direction, ..select.clone() };
            let mut found = Vec::new();
            self.store()
                .spans(&select, &mut |span| {
                    found.push(span);
                    ControlFlow::Continue(())
                })
                .unwrap();
            let mut expect: Vec<_> = self.spans.iter().filter(|span| select.accepts(span)).cloned().collect();
            if direction == Direction::Backward {
                expect.reverse();
            }
            assert_eq!(found, expect);
        }
        let id = TraceId([2; 16]);
        let expect: Vec<_> = self.spans.iter().filter(|span| span.trace_id == id).cloned().collect();
        assert_eq!(self.store().trace(id).unwrap(), expect);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(
            std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24)
        )
    })]

    #[test]
    fn store_agrees_with_a_plain_list(ops in prop::collection::vec(any_op(), 1..60)) {
        let mut model = Model::new();
        ops.into_iter().for_each(|op| model.run(op));
        model.compare(-86_400_000, 90_000_000, 7, 3);
        model.store().close(DEADLINE).unwrap();
        model.compare_after_close();
    }
}

impl Model {
    // A closed store still reads.
    fn compare_after_close(&self) {
        let now = self.clock.now_ms().0;
        self.compare_samples(now - 86_400_000, now + 3_600_000);
    }
}
