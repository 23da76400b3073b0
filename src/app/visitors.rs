//! The numbers of visitors joined to the store: what was seen of the day before this process comes
//! back from the access lines, and a day's last numbers go into the store with the time of that day.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::balancer::{Lane, LaneError};
use crate::clock::UnixNanos;
use crate::pace;
use crate::record::access::{JOB_ACCESS, severity_of_status};
use crate::record::labels::METRIC_NAME;
use crate::record::names::SERVICE_NAME;
use crate::record::read::{Direction, LogRead, LogSelect, Matcher, ReadError};
use crate::record::trace::SpanId;
use crate::record::{Labels, Levels, Point, Scrape};
use crate::store::Store;
use crate::visitors::Visitors;
use crate::visitors::day::Day;
use crate::visitors::tally::{Numbers, Reading};

/// Reading a day may take so long; a million lines take a second or two.
const READING_MAX: Duration = Duration::from_secs(120);

/// A predecessor's last lines can be read within a second of its end, and the lane may be taken.
const ATTEMPTS: u32 = 120;
const ATTEMPTS_PAUSE: Duration = Duration::from_millis(500);

/// Why the views of the day so far are not known.
#[derive(Debug, thiserror::Error)]
enum EarlierError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("reading the day's lines took longer than {READING_MAX:?}")]
    TooLong,
    #[error("the store did not take over from its predecessor")]
    Beside,
    #[error(transparent)]
    Lane(#[from] LaneError),
}

/// Counts what was seen of the day before this process, once nobody else sees visitors.
pub fn count_earlier(visitors: Arc<Visitors>, store: Store, lane: Lane) {
    // It ends by itself, and with the runtime if that ends before.
    tokio::spawn(async move {
        let (day, since) = visitors.counting();
        let read = earlier(&visitors, &store, &lane, day, since).await;
        if let Err(fault) = &read {
            warn!("the day's numbers of visitors begin again tomorrow: count those so far: {fault}");
        }
        visitors.add_earlier(day, read.ok());
    });
}

async fn earlier(
    visitors: &Arc<Visitors>,
    store: &Store,
    lane: &Lane,
    day: Day,
    since: UnixNanos,
) -> Result<Numbers, EarlierError> {
    let mut last = EarlierError::Beside;
    for _ in 0..ATTEMPTS {
        if !store.is_beside() {
            let (visitors, store) = (visitors.clone(), store.clone());
            match lane.run(move || read(&visitors, &store, day, since)).await {
                Ok(read) => return read,
                Err(fault @ LaneError::Full { .. }) => last = fault.into(),
                Err(fault) => return Err(fault.into()),
            }
        }
        tokio::time::sleep(ATTEMPTS_PAUSE).await;
    }
    Err(last)
}

/// Counts the views that the lines of a day tell of and that this process did not count.
fn read(
    visitors: &Visitors,
    logs: &dyn LogRead,
    day: Day,
    since: UnixNanos,
) -> Result<Numbers, EarlierError> {
    let matchers = vec![Matcher::equal("service_name", SERVICE_NAME), Matcher::equal("job", JOB_ACCESS)];
    let end = Day(day.0 + 1).begin();
    let select = LogSelect {
        levels: Levels::of([severity_of_status(200)]),
        reads_text: false,
        ..LogSelect::new(matchers, day.begin(), end, Direction::Forward)
    };
    let until = Instant::now() + READING_MAX;
    let (mut numbers, mut n_lines) = (Numbers::default(), 0);
    pace::within(Some(until), || -> Result<(), ReadError> {
        let parts = logs.parts(&select);
        while let Some(stats) = parts.next(&mut |line| {
            let is_counted = || {
                let span = SpanId::parse_hex(line.metadata("span_id"));
                line.at >= since && span.is_some_and(|span| visitors.has_counted(span))
            };
            if !line.metadata("visitor").is_empty() && !is_counted() {
                visitors.count_line(&mut numbers, |name| line.metadata(name));
            }
            ControlFlow::Continue(())
        })? {
            n_lines += stats.n_lines;
        }
        Ok(())
    })?;
    if Instant::now() >= until {
        return Err(EarlierError::TooLong);
    }
    debug!("counted the day's visitors so far in {n_lines} lines");
    Ok(numbers)
}

/// Returns the last readings of a day as they are scraped in its last millisecond.
///
/// What is read each ten seconds would miss those who came after the last time, and the greatest
/// value of a day is that day's number.
pub fn last_of_day(day: Day, readings: Vec<Reading>, instance: &str) -> Scrape {
    let point = |reading: Reading| {
        let name = reading.instrument.exposed();
        let own = [(METRIC_NAME, name), ("job", SERVICE_NAME.into()), ("instance", instance.into())];
        let own = own.into_iter().map(|(key, value)| (key.to_string(), value));
        let attributes = reading.attributes.into_iter().map(|(key, value)| (key.replace('.', "_"), value));
        Point { series: Labels::new(own.chain(attributes)), value: reading.value as f64 }
    };
    Scrape { at: day.last_ms(), points: readings.into_iter().map(point).collect() }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry::metrics::noop::NoopMeterProvider;

    use super::*;
    use crate::clock::{Clock, UnixMillis};
    use crate::record::names;
    use crate::record::view::{CvDocument, Shown};
    use crate::record::{AccessRecord, View};
    use crate::store;
    use crate::telemetry::{self, Identity, Telemetry};
    use crate::visitors::{self, tagged::Tagged};

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0";
    const NOON: UnixNanos = UnixNanos(20_000 * 86_400_000_000_000 + 43_200_000_000_000);

    fn record(at: UnixNanos, address: [u8; 4]) -> AccessRecord {
        AccessRecord {
            user_agent: Some(FIREFOX.into()),
            view: Some(View {
                shown: Shown { document: CvDocument::Page, lang: "en".into() },
                address: address.into(),
                referrer_host: None,
                via: None,
            }),
            ..AccessRecord::specimen(at)
        }
    }

    /// A process that writes what it sees.
    struct Process {
        store: Store,
        visitors: Visitors,
    }

    impl Process {
        fn start(dir: &std::path::Path, clock: &Clock) -> Process {
            let meter = NoopMeterProvider::new().meter("test");
            let store =
                Store::open(&dir.join("store"), store::Config::default(), clock.clone(), &meter).unwrap();
            let tagged = Arc::new(Tagged::open(dir));
            Process { store, visitors: Visitors::open(dir, tagged, None, clock.now()) }
        }

        fn see(&self, record: AccessRecord) {
            let mut line = record.to_log_record();
            self.visitors.see(&record, record.view.as_ref().unwrap(), &mut line.metadata);
            self.store.append_logs(vec![line]);
            self.store.sync().unwrap();
        }

        fn count_earlier(&self) {
            let (day, since) = self.visitors.counting();
            self.visitors.add_earlier(day, Some(read(&self.visitors, &self.store, day, since).unwrap()));
        }

        fn numbers(&self) -> [Option<u64>; 2] {
            let readings = self.visitors.readings();
            [names::VISITORS_TODAY, names::VIEWS_TODAY].map(|instrument| {
                readings.iter().find(|reading| reading.instrument == instrument).map(|reading| reading.value)
            })
        }
    }

    #[test]
    fn a_restart_in_the_day_changes_no_number() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOON);
        let before = Process::start(dir.path(), &clock);
        before.count_earlier();
        // Of yesterday, which is another day's visitor.
        let yesterday = UnixNanos(NOON.0 - 50_000_000_000_000);
        before.see(record(yesterday, [192, 0, 2, 9]));
        for last in [1, 2, 1] {
            before.see(record(clock.now(), [192, 0, 2, last]));
        }
        assert_eq!(before.numbers(), [Some(2), Some(3)]);
        before.store.close(Duration::from_secs(10)).unwrap();
        drop(before);
        clock.advance(Duration::from_secs(60));
        let after = Process::start(dir.path(), &clock);
        // Who comes before the lines are read is in them too.
        after.see(record(clock.now(), [192, 0, 2, 2]));
        after.see(record(clock.now(), [192, 0, 2, 3]));
        assert_eq!(after.numbers(), [None, None]);
        after.count_earlier();
        assert_eq!(after.numbers(), [Some(3), Some(5)]);
        after.see(record(clock.now(), [192, 0, 2, 1]));
        assert_eq!(after.numbers(), [Some(3), Some(6)]);
    }

    #[test]
    fn what_a_predecessor_saw_at_the_same_time_is_added_once() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOON);
        let successor = Process::start(dir.path(), &clock);
        clock.advance(Duration::from_secs(1));
        successor.see(record(clock.now(), [192, 0, 2, 1]));
        // A line that the one before wrote after the successor began.
        let of_predecessor = record(clock.now(), [192, 0, 2, 2]);
        let tagged = Arc::new(Tagged::open(dir.path()));
        let predecessor = Visitors::open(dir.path(), tagged, None, NOON);
        let mut line = of_predecessor.to_log_record();
        predecessor.see(&of_predecessor, of_predecessor.view.as_ref().unwrap(), &mut line.metadata);
        successor.store.append_logs(vec![line]);
        successor.store.sync().unwrap();
        successor.count_earlier();
        assert_eq!(successor.numbers(), [Some(2), Some(2)]);
    }

    #[test]
    fn the_last_numbers_of_a_day_are_of_the_series_that_are_scraped() {
        let clock = Clock::manual(NOON);
        let identity =
            Identity { instance_id: "0123".into(), version: String::new(), release: String::new() };
        let (telemetry, _, _) =
            Telemetry::assemble(telemetry::Config::default(), identity, clock.clone()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let tagged = Arc::new(Tagged::open(dir.path()));
        let visitors = Arc::new(Visitors::open(dir.path(), tagged, None, NOON));
        visitors.add_earlier(Day::of(NOON), Some(Numbers::default()));
        let of_clock = clock.clone();
        visitors::observe(&visitors, &telemetry.meter(), move || of_clock.now());
        let record = record(NOON, [192, 0, 2, 1]);
        visitors.see(&record, record.view.as_ref().unwrap(), &mut Vec::new());
        let ours = |points: &[Point]| {
            let is_ours = |name: &str| name.ends_with("_today");
            let mut ours: Vec<(String, f64)> = points
                .iter()
                .filter(|point| is_ours(point.series.metric_name()))
                .map(|point| (point.series.to_string(), point.value))
                .collect();
            ours.sort_by(|one, other| one.0.cmp(&other.0));
            ours
        };
        let scraped = ours(&telemetry.collect().scrape.points);
        assert_eq!(scraped.len(), 3, "{scraped:?}");
        clock.advance(Duration::from_secs(43_200));
        assert_eq!(ours(&telemetry.collect().scrape.points), [], "nobody is told yesterday's as today's");
        let (day, readings) = visitors.turn(clock.now());
        let last = last_of_day(day, readings, "0123");
        assert_eq!(ours(&last.points), scraped);
        assert_eq!(last.at, UnixMillis(clock.now_ms().0 - 1));
        let next = ours(&telemetry.collect().scrape.points);
        assert_eq!(next.len(), 2, "{next:?}");
        assert!(next.iter().all(|(_, value)| *value == 0.0), "{next:?}");
    }
}
