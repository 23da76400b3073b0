//! Fills the page's view: asks the store, off the async threads, a few at once.
//!
//! All numbers of a range come from one walk over the duration histogram: its `+Inf`
//! buckets count requests and errors, all of them give the quantiles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::form_urlencoded;

use super::AdminState;
use crate::balancer::LaneError;
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::{AdminView, LogFilter, LogsView, Range, SINCE, StatusView, Totals, TrafficView};
use crate::query::QueryError;
use crate::query::logs::{LogSearch, LogsFound, SCAN_MAX, TEXT_MAX_BYTES};
use crate::query::selection::{Function, LOOKBACK, Selection, Steps};
use crate::query::vector::{Matrix, sum};
use crate::record::access::{JOB_ACCESS, cut};
use crate::record::labels::METRIC_NAME;
use crate::record::names::{
    HTTP_REQUEST_DURATION, Instrument, PROCESS_MEMORY_USAGE, SERVICE_NAME, STORE_DROPPED, TELEMETRY_DROPPED,
    WORKER_JOBS,
};
use crate::record::pattern::Pattern;
use crate::record::read::{LineRef, MatchOp, Matcher, MetricRead};
use crate::record::{Labels, Severity};

/// Lines on one page: several screens of a phone, 15 kB of markup.
const LINES_MAX: usize = 50;

/// Numbers are read up to the last multiple of this. Samples come every 10 s, so a
/// shorter one would redraw the charts for nothing, a longer one would show them late.
const GRANULE_MS: i64 = 5_000;

/// Lines may reach the store this long after their time; a stream reads that far back.
const LATENESS: Duration = Duration::from_secs(5);

/// The labels of the histogram, as stored (underscores for the dots of `record::names`).
const STATUS: &str = "http_response_status_code";
const ROUTE: &str = "http_route";
const BOUND: &str = "le";

/// The page's address, as typed or linked.
#[derive(Debug, Default)]
pub(super) struct PageQuery {
    range: String,
    q: String,
    level: String,
    since: String,
    all: String,
    before: String,
}

impl PageQuery {
    /// Reads any query: what it does not understand it leaves out, and of a name that
    /// comes twice the last one counts.
    pub(super) fn parse(text: &str) -> Self {
        let mut res = PageQuery::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let field = match name.as_ref() {
                "range" => &mut res.range,
                "q" => &mut res.q,
                "level" => &mut res.level,
                "since" => &mut res.since,
                "all" => &mut res.all,
                "before" => &mut res.before,
                _ => continue,
            };
            *field = value.into_owned();
        }
        res
    }
}

/// What a page shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    range: Range,
    filter: LogFilter,
}

impl From<PageQuery> for Ask {
    fn from(query: PageQuery) -> Self {
        let since = SINCE.iter().map(|(key, ..)| *key).find(|key| *key == query.since).unwrap_or(SINCE[0].0);
        let level = severity(&query.level).as_str().to_string();
        let text = cut(query.q.trim(), TEXT_MAX_BYTES).to_string();
        let (since, before) = (since.to_string(), query.before.parse().ok());
        let filter = LogFilter { text, level, since, with_routine: query.all == "1", before };
        Ask { range: Range::from_key(&query.range), filter }
    }
}

/// The lines that a stream showed last, so that it reads only what came since.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) logs: LogsView,
    pub(super) until: UnixNanos,
}

/// Why a view could not be filled.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum GatherError {
    /// Enough queries wait already.
    #[error("too many queries at once")]
    Saturated,
    /// The query panicked, or the runtime stops.
    #[error("query broke off")]
    Lost,
}

/// Numbers, and when they were read.
type ReadAt = (Duration, Arc<TrafficView>);

/// Numbers that several viewers share for a moment, one place a range.
#[derive(Default)]
pub(super) struct Cache {
    /// Held while the numbers are read, so that viewers of one moment read them once; only
    /// ever on blocking threads, of which there are at most two.
    traffic: Mutex<[Option<ReadAt>; Range::ALL.len()]>,
    /// A broken store is logged when it breaks, not at every tick.
    is_unreadable: AtomicBool,
}

/// Fills the view of a page, or of a stream that `shown` something already.
pub(super) async fn view(
    state: &Arc<AdminState>,
    ask: Ask,
    csrf: String,
    shown: Option<Shown>,
) -> Result<AdminView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| {
        let now = state.parts.clock.now();
        let traffic = stages.run("query numbers", || traffic(state, ask.range));
        AdminView {
            assets: state.parts.assets.clone(),
            csrf,
            now,
            status: (state.parts.status)(),
            traffic: (*traffic).clone(),
            logs: stages.run("query lines", || logs(state, ask.filter, now, shown)),
        }
    })
    .await
}

/// Asks for the state of the process alone.
pub(super) async fn status(state: &Arc<AdminState>) -> Result<StatusView, GatherError> {
    off_thread(state, |state| (state.parts.status)()).await
}

/// Runs a job where it stops no page.
async fn off_thread<T: Send + 'static>(
    state: &Arc<AdminState>,
    job: impl FnOnce(&AdminState) -> T + Send + 'static,
) -> Result<T, GatherError> {
    let asked = state.clone();
    state.parts.heavy.run(move || job(&asked)).await.map_err(|err| {
        if matches!(err, LaneError::Full { .. }) {
            return GatherError::Saturated;
        }
        tracing::error!("admin query broke off: {err}");
        GatherError::Lost
    })
}

fn traffic(state: &AdminState, range: Range) -> Arc<TrafficView> {
    // A panic while the lock was held leaves whole views behind.
    let mut cached = state.cache.traffic.lock().unwrap_or_else(PoisonError::into_inner);
    let now = state.parts.clock.elapsed();
    let place = &mut cached[Range::ALL.iter().position(|known| *known == range).unwrap_or_default()];
    if let Some((read, traffic)) = place
        && now.saturating_sub(*read) < fresh_for(range)
    {
        return traffic.clone();
    }
    let read = read_traffic(state.parts.metrics.as_ref(), range, state.parts.clock.now_ms());
    let was_unreadable = state.cache.is_unreadable.swap(read.is_err(), Ordering::Relaxed);
    let traffic = Arc::new(read.unwrap_or_else(|err| {
        if !was_unreadable {
            tracing::error!("admin page shows no numbers: {err}");
        }
        TrafficView { range, unreadable: Some(err.to_string()), ..TrafficView::default() }
    }));
    *place = Some((now, traffic.clone()));
    traffic
}

/// A longer range costs more to read and changes less from one moment to the next.
fn fresh_for(range: Range) -> Duration {
    match range {
        Range::Hour => Duration::from_secs(1),
        Range::SixHours => Duration::from_secs(5),
        Range::Day => Duration::from_secs(15),
    }
}

/// Reads the numbers of a range that ends at `now`.
pub(super) fn read_traffic(
    metrics: &dyn MetricRead,
    range: Range,
    now: UnixMillis,
) -> Result<TrafficView, QueryError> {
    let to = UnixMillis(now.0 - now.0.rem_euclid(GRANULE_MS));
    let (steps, since) = steps(metrics, range, to)?;
    let step = steps.step();
    let buckets = requests(steps, Vec::new()).sum_by(metrics, &[BOUND, STATUS])?;
    let requests = buckets.sum_where(is_count);
    let errors = buckets.sum_where(|labels| is_count(labels) && labels.get(STATUS).starts_with('5'));
    // Without a failed request there is no series of errors: that is a zero.
    let errors = requests.iter().zip(&errors).map(|(all, errors)| all.map(|_| errors.unwrap_or(0.0)));
    let errors: Vec<_> = errors.collect();
    let durations = buckets.sum_by(&[BOUND]);
    let whole = durations.sum_over_steps();
    let per_second = |values: &[Option<f64>]| -> Vec<Option<f64>> {
        values.iter().map(|value| value.map(|value| value / step.as_secs_f64())).collect()
    };
    let of_whole = |quantile| quantile_of(&whole, quantile).first().copied().flatten();
    let panicked = vec![Matcher::equal("outcome", "panicked")];
    Ok(TrafficView {
        range,
        since,
        at: steps.iter().map(UnixMillis::to_nanos).collect(),
        rate: per_second(&requests),
        errors: per_second(&errors),
        p50: quantile_of(&durations, 0.5),
        p95: quantile_of(&durations, 0.95),
        p99: quantile_of(&durations, 0.99),
        memory: memory(steps, LOOKBACK.min(step)).sum_by(metrics, &[])?.sum_where(|_| true),
        rate_now: rate_now(metrics, to)?,
        total: Totals {
            requests: sum(&requests).unwrap_or(0.0),
            errors: sum(&errors).unwrap_or(0.0),
            panics: counted(metrics, WORKER_JOBS, panicked, steps)?,
            dropped: counted(metrics, STORE_DROPPED, Vec::new(), steps)?
                + counted(metrics, TELEMETRY_DROPPED, Vec::new(), steps)?,
            p50: of_whole(0.5),
            p95: of_whole(0.95),
            p99: of_whole(0.99),
        },
        unreadable: None,
    })
}

/// Finer steps for a time that is recorded only in part; samples come every 10 s, so
/// three of them make a point at least.
const STEPS: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// More points than this are no better seen on a phone.
const POINTS_MAX: u32 = 72;

/// Returns the steps to read. Where recording began inside the range they begin there,
/// finer if that leaves few of them; that moment is the second value.
///
/// Memory is sampled whether anyone visits or not, so its first sample is the beginning.
fn steps(
    metrics: &dyn MetricRead,
    range: Range,
    to: UnixMillis,
) -> Result<(Steps, Option<UnixNanos>), QueryError> {
    let whole = Steps::new(to.minus(range.span() - range.step()), to, range.step())?;
    // A sample of before the range means that it is recorded from its first moment on.
    let Some(begin) = first_value(metrics, whole)?.filter(|at| *at > whole.first()) else {
        return Ok((whole, None));
    };
    // Once more, to the granule: the first look was as coarse as the range's steps.
    let close = Steps::new(begin.minus(range.step()), begin, STEPS[0])?;
    let begin = first_value(metrics, close)?.unwrap_or(begin);
    let age = Duration::from_millis(u64::try_from(to.0 - begin.0).unwrap_or(0)) + STEPS[0];
    let step =
        STEPS.into_iter().find(|step| age <= *step * POINTS_MAX).unwrap_or(range.step()).min(range.step());
    // Counted back from the end, as steps end there; the oldest one may begin earlier.
    let n_gaps = (age.as_millis().div_ceil(step.as_millis()) as u32).saturating_sub(1);
    Ok((Steps::new(to.minus(step * n_gaps), to, step)?, Some(begin.minus(STEPS[0]).to_nanos())))
}

/// Returns the end of the first step in which memory was sampled.
fn first_value(metrics: &dyn MetricRead, steps: Steps) -> Result<Option<UnixMillis>, QueryError> {
    // Windows without gaps between them, so that no sample is overlooked.
    let memory = memory(steps, steps.step()).sum_by(metrics, &[])?.sum_where(|_| true);
    Ok(steps.iter().zip(memory).find_map(|(at, value)| value.map(|_| at)))
}

fn memory(steps: Steps, window: Duration) -> Selection {
    Selection {
        matchers: vec![own(PROCESS_MEMORY_USAGE.exposed()), Matcher::equal("job", SERVICE_NAME)],
        function: Function::Last,
        window,
        steps,
    }
}

fn requests(steps: Steps, more: Vec<Matcher>) -> Selection {
    let mut matchers = vec![
        own(format!("{}_bucket", HTTP_REQUEST_DURATION.exposed())),
        Matcher::equal("job", SERVICE_NAME),
        not_admin(),
    ];
    matchers.extend(more);
    Selection { matchers, function: Function::Counted, window: steps.step(), steps }
}

/// What "now" means for a rate: six samples, so that one more visit does not make it jump.
const NOW: Duration = Duration::from_secs(60);

/// Returns the visitors' requests a second of the last minute.
fn rate_now(metrics: &dyn MetricRead, to: UnixMillis) -> Result<Option<f64>, QueryError> {
    let infinite = Matcher::equal(BOUND, "+Inf");
    let counted = requests(Steps::new(to, to, NOW)?, vec![infinite]).sum_by(metrics, &[])?;
    Ok(sum(&counted.sum_where(|_| true)).map(|n_requests| n_requests / NOW.as_secs_f64()))
}

/// Returns what a counter of ours counted over all steps.
fn counted(
    metrics: &dyn MetricRead,
    counter: Instrument,
    more: Vec<Matcher>,
    steps: Steps,
) -> Result<f64, QueryError> {
    let mut matchers = vec![own(counter.exposed()), Matcher::equal("job", SERVICE_NAME)];
    matchers.extend(more);
    let selection = Selection { matchers, function: Function::Counted, window: steps.step(), steps };
    Ok(sum(&selection.sum_by(metrics, &[])?.sum_where(|_| true)).unwrap_or(0.0))
}

fn own(name: String) -> Matcher {
    Matcher::equal(METRIC_NAME, name)
}

/// The owner's own page, and its streams that last for hours, are no visitors.
fn not_admin() -> Matcher {
    let admin = Pattern::new("/admin(/.*)?").expect("the pattern is constant");
    Matcher { name: ROUTE.to_string(), op: MatchOp::MatchesNot(admin) }
}

/// The `+Inf` bucket counts every observation.
fn is_count(labels: &Labels) -> bool {
    labels.get(BOUND).parse().is_ok_and(f64::is_infinite)
}

fn quantile_of(durations: &Matrix, quantile: f64) -> Vec<Option<f64>> {
    let res = durations.histogram_quantile(quantile);
    let values = res.rows.into_iter().next().map(|row| row.values);
    values.unwrap_or_else(|| vec![None; durations.steps.count()])
}

fn logs(state: &AdminState, filter: LogFilter, now: UnixNanos, shown: Option<Shown>) -> LogsView {
    let seconds = SINCE.iter().find(|(key, ..)| *key == filter.since).map_or(SINCE[0].2, |since| since.2);
    let begin = now.to_millis().minus(Duration::from_secs(seconds)).to_nanos();
    let from = shown.as_ref().map_or(begin, |shown| shown.until.to_millis().minus(LATENESS).to_nanos());
    let search = LogSearch {
        matchers: Vec::new(),
        text: filter.text.clone(),
        level: severity(&filter.level),
        except: (!filter.with_routine).then_some(is_routine),
        from: from.max(begin),
        to: UnixNanos(filter.before.unwrap_or(now.0).min(now.0)),
        limit: LINES_MAX,
        scan_max: SCAN_MAX,
    };
    match search.run(state.parts.logs.as_ref()) {
        Ok(found) => join(filter, found, from, shown),
        Err(err) => {
            // One line a page or a broken stream's tick; the store logs its cause once.
            tracing::debug!("admin page shows no lines: {err}");
            LogsView { filter, unreadable: Some(err.to_string()), ..LogsView::default() }
        }
    }
}

/// Routes that programs ask for again and again, and the owner's own page.
const ROUTINE: &[&str] = &["/health", "/ready", "/metrics", "/admin"];

/// Says whether a line is a probe or the owner's own visit, and went well: those are most
/// of a quiet server's lines and tell nothing about visitors.
fn is_routine(line: &LineRef<'_>) -> bool {
    let path = line.metadata("url_path");
    let is_below =
        |route: &&str| path.strip_prefix(*route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_well = line.metadata("http_response_status_code").starts_with(['2', '3']);
    is_well && line.stream.get("job") == JOB_ACCESS && ROUTINE.iter().any(is_below)
}

/// Puts what was found before what was shown and still lies outside the part read again.
fn join(filter: LogFilter, found: LogsFound, from: UnixNanos, shown: Option<Shown>) -> LogsView {
    let LogsFound { mut lines, scanned, is_cut_off, mut has_older } = found;
    let mut cut_off_after = is_cut_off.then_some(scanned);
    if let Some(Shown { logs, .. }) = shown {
        lines.extend(logs.lines.into_iter().filter(|line| line.at < from));
        has_older = has_older || logs.has_older || lines.len() > LINES_MAX;
        cut_off_after = cut_off_after.or(logs.cut_off_after);
        lines.truncate(LINES_MAX);
    }
    LogsView { filter, lines, cut_off_after, has_older, unreadable: None }
}

fn severity(word: &str) -> Severity {
    let known = [Severity::Debug, Severity::Info, Severity::Warn, Severity::Error];
    known.into_iter().find(|severity| severity.as_str() == word).unwrap_or(Severity::Unspecified)
}
