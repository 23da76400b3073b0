//! The store: what it says of itself, and what its metrics say over time.
//!
//! What is to be expected (when bytes are used up, when a partition goes) follows from how much
//! the newest partitions hold of the time that they cover; that is the pace at which it grows
//! now, whatever came before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::AdminState;
use super::ask::{Ask, AskError, Grid};
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::gather::{GatherError, off_thread};
use super::guard;
use super::marks::marks;
use super::overview::window_of;
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::{
    self, ArrivalView, KindFacts, LossView, Mark, Outlook, PartitionFacts, SlowDoor, SlowView, StoreChart,
    StoreChartKind, StorePageView, Tab, Window, lines_address, metrics_address,
};
use crate::query::journal::{Door, Language, Slow};

/// What came in so long says how fast it grows now.
const PACE_SPAN: Duration = Duration::from_secs(86_400);

/// A shorter time says nothing.
const PACE_SPAN_MIN: Duration = Duration::from_secs(600);

/// Losses of this time are told in the sentence at the top.
const TODAY: Duration = Duration::from_secs(86_400);

/// A rate needs two samples, which come every 10 s.
const RATE_MIN: Duration = Duration::from_secs(60);

/// `GET /admin/store`; the time as everywhere.
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    match view(&state, window_of(req.query_string())).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Store);
            let page = state.stages().run("render", || admin::store(&frame, &view).into_string());
            html(StatusCode::OK, page)
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Fills the view.
pub(super) async fn view(state: &Arc<AdminState>, window: Window) -> Result<StorePageView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| {
        let facts = stages.run("read the store's facts", || (state.parts.store)());
        let now = state.parts.clock.now();
        let outlooks = facts.kinds.iter().map(|kind| outlook(kind, now)).collect();
        let slow = state.parts.journal.slow().into_iter().map(slow_view).collect();
        let view = StorePageView { facts, outlooks, window, slow, ..StorePageView::default() };
        match stages.run("query numbers", || over_time(&state.ask(), window, now)) {
            Ok(over) => StorePageView {
                lost: over.lost,
                n_lost_today: over.n_lost_today,
                arrived: over.arrived,
                charts: over.charts,
                at: over.at,
                step: over.step,
                marks: over.marks,
                ..view
            },
            Err(fault) => StorePageView { unreadable: Some(fault.to_string()), ..view },
        }
    })
    .await
}

/// What the metrics say.
#[derive(Default)]
struct OverTime {
    lost: Vec<LossView>,
    n_lost_today: f64,
    arrived: Vec<ArrivalView>,
    charts: Vec<StoreChart>,
    at: Vec<UnixNanos>,
    step: Duration,
    marks: Vec<Mark>,
}

/// Records that no counter but these has; a queue that was full counts apart from the store.
const LOST: &str = r#"sum by (signal, reason) (increase({__name__=~"vitrine_store_dropped_total|vitrine_telemetry_dropped_total",job="vitrine"}[$w])) > 0"#;

fn over_time(ask: &Ask<'_>, window: Window, now: UnixNanos) -> Result<OverTime, AskError> {
    let (from, to) = window.bounds(now.to_millis());
    let grid = Grid { from, to, step: window.step() };
    let lost = |span: Duration| LOST.replace("$w", &format!("{}s", span.as_secs()));
    let mut losses: Vec<LossView> = ask
        .numbers_at(&lost(window.span()), to)?
        .into_iter()
        .map(|(labels, n)| LossView {
            signal: labels.get("signal").into(),
            reason: labels.get("reason").into(),
            n,
        })
        .collect();
    losses.sort_by(|one, other| other.n.total_cmp(&one.n).then_with(|| one.reason.cmp(&other.reason)));
    let today = ask.numbers(&lost(TODAY))?.into_iter().map(|(_, n)| n).sum();
    let charts = charts(grid.step.max(RATE_MIN));
    let charts = charts.into_iter().map(|(kind, query)| drawn(ask, grid, kind, query));
    Ok(OverTime {
        lost: losses,
        n_lost_today: today,
        arrived: arrived(ask, window, now)?,
        charts: charts.collect::<Result<_, _>>()?,
        at: grid.moments().map(UnixMillis::to_nanos).collect(),
        step: grid.step,
        marks: marks(ask, from.to_nanos(), to.to_nanos()),
    })
}

fn charts(rate: Duration) -> Vec<(StoreChartKind, String)> {
    let per_second = |name: &str| format!(r#"sum(rate({name}{{job="vitrine"}}[{}s]))"#, rate.as_secs());
    let each = |kinds: &str| {
        let of = |name: &str| format!(r#"sum by (signal) ({name}{{job="vitrine",signal=~"{kinds}"}})"#);
        format!("{} / ({} > 0)", of("vitrine_store_size_bytes"), of("vitrine_store_records"))
    };
    vec![
        (StoreChartKind::Size, r#"sum by (signal) (vitrine_store_size_bytes{job="vitrine"})"#.into()),
        (StoreChartKind::Samples, per_second("vitrine_store_samples_total")),
        (StoreChartKind::Lines, per_second("vitrine_store_lines_total")),
        (StoreChartKind::SampleBytes, each("metrics|minutes|hours")),
        (StoreChartKind::LineBytes, each("logs")),
    ]
}

/// The signals in the order of the legend.
const ORDER: [&str; 6] = ["metrics", "minutes", "hours", "logs", "spans", "wal"];

fn drawn(ask: &Ask<'_>, grid: Grid, kind: StoreChartKind, query: String) -> Result<StoreChart, AskError> {
    let own = match kind {
        StoreChartKind::Samples => "metrics",
        StoreChartKind::Lines => "logs",
        StoreChartKind::Size | StoreChartKind::SampleBytes | StoreChartKind::LineBytes => "",
    };
    let mut lines: Vec<(String, Vec<Option<f64>>)> = ask
        .rows(&query, grid)?
        .into_iter()
        .map(|(labels, values)| match labels.get("signal") {
            "" => (own.to_string(), values),
            signal => (signal.to_string(), values),
        })
        .collect();
    lines.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    Ok(StoreChart { kind, query, lines })
}

/// Reads what came from other programs, by the way it came.
fn arrived(ask: &Ask<'_>, window: Window, now: UnixNanos) -> Result<Vec<ArrivalView>, AskError> {
    let (_, to) = window.bounds(now.to_millis());
    let span = window.span().as_secs();
    let mut ways: BTreeMap<String, ArrivalView> = BTreeMap::new();
    for (prefix, label) in [("ingest", "network_transport"), ("push", "protocol")] {
        type Put = fn(&mut ArrivalView, f64);
        let counters: [(&str, Put); 3] = [
            ("records", |view, n| view.n_records += n),
            ("bytes", |view, n| view.n_bytes += n),
            ("refused", |view, n| view.n_refused += n),
        ];
        for (counter, put) in counters {
            let query = format!(
                r#"sum by ({label}) (increase(vitrine_{prefix}_{counter}_total{{job="vitrine"}}[{span}s])) > 0"#
            );
            for (labels, n) in ask.numbers_at(&query, to)? {
                put(ways.entry(labels.get(label).to_string()).or_default(), n);
            }
        }
    }
    Ok(ways.into_iter().map(|(way, view)| ArrivalView { way, ..view }).collect())
}

fn slow_view(slow: Slow) -> SlowView {
    let again = match slow.language {
        Language::PromQl => metrics_address(&slow.text, Window::default()),
        Language::LogQl => lines_address(&slow.text),
    };
    SlowView {
        language: slow.language.name(),
        door: match slow.door {
            Door::Api => SlowDoor::Api,
            Door::Page => SlowDoor::Page,
            Door::Command => SlowDoor::Command,
            Door::Rules => SlowDoor::Rules,
        },
        again: (!slow.is_cut).then_some(again),
        text: slow.text,
        n_times: slow.n_times,
        last: slow.last,
        took: slow.took,
        n_samples: slow.effort.n_samples,
        n_lines: slow.effort.n_lines,
        n_bytes: slow.effort.n_bytes,
        fault: slow.fault,
    }
}

/// Says what is to be expected of a kind of history.
fn outlook(kind: &KindFacts, now: UnixNanos) -> Outlook {
    let pace = pace(&kind.partitions);
    let cap = kind.size_max_bytes.saturating_sub(kind.room_bytes) as f64;
    let lasting = |bytes: f64| {
        let seconds = pace.map(|pace| bytes.max(0.0) / pace)?;
        // A pace of a few bytes a day comes to ages.
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    };
    let (mut older, mut goes_in) = (0.0, Vec::with_capacity(kind.partitions.len()));
    for partition in &kind.partitions {
        let by_bytes = lasting(cap - (kind.size_bytes as f64 - older));
        older += partition.size_bytes as f64;
        goes_in.push(going(partition, by_bytes, kind.max_age, now));
    }
    Outlook {
        bytes_per_record: (kind.n_records > 0).then(|| kind.size_bytes as f64 / kind.n_records as f64),
        bytes_per_day: pace.map(|pace| pace * 86_400.0),
        full_in: lasting(cap - kind.size_bytes as f64),
        reach: lasting(cap),
        goes_in,
    }
}

/// Returns when a partition goes, and whether by its age.
fn going(
    partition: &PartitionFacts,
    by_bytes: Option<Duration>,
    max_age: Duration,
    now: UnixNanos,
) -> Option<(Duration, bool)> {
    let (_, newest) = partition.range.filter(|_| !partition.is_open)?;
    let left = newest.plus(max_age).0.saturating_sub(now.0);
    let by_age = Duration::from_nanos(u64::try_from(left).unwrap_or(0));
    Some(match by_bytes {
        Some(by_bytes) if by_bytes < by_age => (by_bytes, false),
        _ => (by_age, true),
    })
}

/// Returns the bytes a second that the newest partitions came in; none while that is too short a time.
fn pace(partitions: &[PartitionFacts]) -> Option<f64> {
    let ranged =
        || partitions.iter().rev().filter_map(|partition| Some((partition.range?, partition.size_bytes)));
    let newest = ranged().map(|((_, to), _)| to).max()?;
    let (mut n_bytes, mut span) = (0, Duration::ZERO);
    for ((from, _), size_bytes) in ranged() {
        n_bytes += size_bytes;
        span = span.max(Duration::from_nanos(u64::try_from(newest.0.saturating_sub(from.0)).unwrap_or(0)));
        if span >= PACE_SPAN {
            break;
        }
    }
    (span >= PACE_SPAN_MIN && n_bytes > 0).then(|| n_bytes as f64 / span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::promql::parse;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: UnixNanos = UnixNanos(1_795_000_000_000_000_000);

    fn ago(days: f64) -> UnixNanos {
        UnixNanos(NOW.0 - (days * 86_400e9) as i64)
    }

    fn partition(from_days: f64, to_days: f64, mib: u64) -> PartitionFacts {
        PartitionFacts {
            range: Some((ago(from_days), ago(to_days))),
            size_bytes: mib << 20,
            n_records: mib * 1_000,
            is_open: to_days == 0.0,
            ..PartitionFacts::default()
        }
    }

    fn kind(partitions: Vec<PartitionFacts>, max_mib: u64, max_age: Duration) -> KindFacts {
        KindFacts {
            size_bytes: partitions.iter().map(|partition| partition.size_bytes).sum(),
            n_records: partitions.iter().map(|partition| partition.n_records).sum(),
            size_max_bytes: max_mib << 20,
            max_age,
            partitions,
            ..KindFacts::default()
        }
    }

    fn days(duration: Option<Duration>) -> f64 {
        (duration.unwrap().as_secs_f64() / 86_400.0 * 100.0).round() / 100.0
    }

    #[test]
    fn the_newest_partitions_say_how_fast_it_grows() {
        // A burst of long ago is not the pace of today.
        let facts = kind(
            vec![partition(9.0, 2.0, 700), partition(2.0, 1.0, 10), partition(1.0, 0.0, 10)],
            800,
            30 * DAY,
        );
        let found = outlook(&facts, NOW);
        assert_eq!(found.bytes_per_day.unwrap().round() as u64, 10 << 20);
        assert_eq!((days(found.full_in), days(found.reach)), (8.0, 80.0));
        assert!((found.bytes_per_record.unwrap() - 1_048.576).abs() < 1e-9);
    }

    #[test]
    fn a_partition_goes_by_age_or_by_bytes_whichever_comes_first() {
        let parts = vec![partition(20.0, 10.0, 100), partition(10.0, 1.0, 80), partition(1.0, 0.0, 10)];
        // Room for two more days of ten each; then the oldest goes, and makes room for ten more.
        let found = outlook(&kind(parts.clone(), 210, 30 * DAY), NOW);
        let goes: Vec<_> =
            found.goes_in.iter().map(|goes| goes.map(|(left, by_age)| (days(Some(left)), by_age))).collect();
        assert_eq!(goes, [Some((2.0, false)), Some((12.0, false)), None]);
        let found = outlook(&kind(parts, 1_000, 11 * DAY), NOW);
        let goes: Vec<_> =
            found.goes_in.iter().map(|goes| goes.map(|(left, by_age)| (days(Some(left)), by_age))).collect();
        assert_eq!(goes, [Some((1.0, true)), Some((10.0, true)), None]);
    }

    #[test]
    fn room_for_the_open_partition_is_kept_and_a_full_store_is_full_now() {
        let mut facts = kind(vec![partition(1.0, 0.5, 90), partition(0.5, 0.0, 90)], 200, 30 * DAY);
        facts.room_bytes = 30 << 20;
        let found = outlook(&facts, NOW);
        assert_eq!(found.full_in, Some(Duration::ZERO));
        assert_eq!(found.goes_in[0], Some((Duration::ZERO, false)));
        assert_eq!(days(found.reach), 0.94);
    }

    #[test]
    fn a_young_store_is_not_judged() {
        let found = outlook(&kind(vec![partition(0.001, 0.0, 1)], 200, DAY), NOW);
        assert_eq!((found.bytes_per_day, found.full_in, found.reach), (None, None, None));
        assert!(found.bytes_per_record.is_some());
        assert_eq!(outlook(&kind(Vec::new(), 200, DAY), NOW), Outlook::default());
    }

    #[test]
    fn every_query_of_the_page_is_one() {
        for (_, query) in charts(Duration::from_secs(60)) {
            parse(&query).unwrap();
        }
        parse(&LOST.replace("$w", "60s")).unwrap();
    }
}
