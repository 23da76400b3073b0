//! The overview: how it is, read from the store off the async threads.
//!
//! What was counted of requests comes from one walk over the duration histogram: its `+Inf`
//! buckets count requests and errors, all of them give the quantiles, and every request is
//! counted once, which `increase` does not promise. All else is asked for by PromQL and LogQL.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::OwnedMutexGuard;
use url::form_urlencoded;

use super::AdminState;
use super::ask::{Ask, AskError, Grid, PATIENCE};
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::gather::{GatherError, off_thread};
use super::marks::marks;
use super::{guard, visitors};
use crate::clock::{UnixMillis, UnixNanos};
use crate::pace::{self, Ending};
use crate::pages::admin::{
    self, MachineNow, MachineView, Mark, OverviewView, PeopleNow, Tab, Totals, TrafficView, Window,
    metrics_address,
};
use crate::query::QueryError;
use crate::query::selection::{Function, Selection, Steps};
use crate::query::vector::{Matrix, sum};
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;
use crate::record::names::{
    HTTP_REQUEST_DURATION, Instrument, PROCESS_MEMORY_USAGE, SERVICE_NAME, STORE_DROPPED, TELEMETRY_DROPPED,
    VISITORS_TODAY, WORKER_JOBS,
};
use crate::record::pattern::Pattern;
use crate::record::read::{MatchOp, Matcher, MetricRead};
use crate::record::seldom::Seldom;

/// Numbers are read up to the last multiple of this. Samples come every 10 s, so a
/// shorter one would redraw the charts for nothing, a longer one would show them late.
const GRANULE_MS: i64 = 5_000;

/// The labels of the histogram, as stored (underscores for the dots of `record::names`).
const STATUS: &str = "http_response_status_code";
const ROUTE: &str = "http_route";
const BOUND: &str = "le";

/// `GET /admin`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let window = window_of(req.query_string());
    match view(&state, window).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Overview);
            let page = state.stages().run("render", || admin::overview(&frame, &view).into_string());
            html(StatusCode::OK, page)
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Reads the time that a page looks at off its query; of a name that comes twice the last
/// one counts.
pub(super) fn window_of(query: &str) -> Window {
    let (mut range, mut from, mut to) = Default::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "range" => range = value,
            "from" => from = value,
            "to" => to = value,
            _ => {}
        }
    }
    Window::read(&range, &from, &to)
}

/// What was read of the store, and when.
type ReadAt = (Duration, Arc<Kept>);

/// The part of the view that is kept for a moment.
#[derive(Default)]
struct Kept {
    traffic: TrafficView,
    /// When the rest was asked for, on the monotonic clock.
    asked: Duration,
    machine: MachineView,
    marks: Vec<Mark>,
    people: PeopleNow,
}

/// Views that several viewers share for a moment.
pub(super) struct Cache {
    /// Held for a look. Bounded by [`KEPT_MAX`].
    places: Mutex<HashMap<Window, Place>>,
    /// A broken store is logged when it breaks, not at every tick.
    is_unreadable: AtomicBool,
    /// So is a part that cannot be read.
    complaints: [Seldom; 2],
}

impl Default for Cache {
    fn default() -> Self {
        let complaints = std::array::from_fn(|_| Seldom::once_in(COMPLAINTS));
        Cache { places: Mutex::default(), is_unreadable: AtomicBool::new(false), complaints }
    }
}

/// What is kept of one window.
#[derive(Clone, Default)]
struct Place {
    kept: Option<ReadAt>,
    /// Held by the one viewer for whom the window is read; others wait for it off the lane, so that
    /// a window that takes long takes one of its threads.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Whose turn it is to read a window.
enum Turn {
    /// Nobody's: it is known.
    Known(Arc<Kept>),
    /// This viewer's; what was read before, if anything was.
    Own(OwnedMutexGuard<()>, Option<Arc<Kept>>),
}

/// Windows that are kept; when there are more, those that are no longer fresh go.
const KEPT_MAX: usize = 16;

/// What is older than this is no view of now, also while a newer one is being read.
const STALE_MAX: Duration = Duration::from_secs(60);

/// A part that cannot be read is told of so often.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// Fills the view.
pub(super) async fn view(state: &Arc<AdminState>, window: Window) -> Result<OverviewView, GatherError> {
    let stages = state.stages();
    let turn = state.cache.turn(window, || state.parts.clock.elapsed()).await;
    off_thread(state, move |state| {
        let kept = match turn {
            Turn::Known(kept) => kept,
            // The turn ends with the reading, also when whoever began it left.
            Turn::Own(_turn, before) => stages.run("query numbers", || read_anew(state, window, before)),
        };
        OverviewView {
            status: (state.parts.status)(),
            traffic: kept.traffic.clone(),
            machine: kept.machine.clone(),
            marks: kept.marks.clone(),
            queries: chart_queries(kept.traffic.step)
                .into_iter()
                .map(|(chart, query)| (chart, metrics_address(&query, window)))
                .collect(),
            people: kept.people,
        }
    })
    .await
}

impl Cache {
    fn places(&self) -> MutexGuard<'_, HashMap<Window, Place>> {
        // A panic while it was held leaves whole views behind.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of a window, or waits for the turn to read it.
    async fn turn(&self, window: Window, now: impl Fn() -> Duration) -> Turn {
        let Place { kept, turn } = self.place(window, now());
        let age = |read: Duration| now().saturating_sub(read);
        match (kept, turn.clone().try_lock_owned()) {
            (Some((read, kept)), _) if age(read) < fresh_for(window) => return Turn::Known(kept),
            (kept, Ok(turn)) => return Turn::Own(turn, kept.map(|(_, kept)| kept)),
            // Another viewer's turn: it need not be waited for.
            (Some((read, kept)), Err(_)) if age(read) < STALE_MAX => return Turn::Known(kept),
            (_, Err(_)) => {}
        }
        let turn = turn.lock_owned().await;
        match self.places().get(&window).and_then(|place| place.kept.clone()) {
            Some((read, kept)) if age(read) < fresh_for(window) => Turn::Known(kept),
            kept => Turn::Own(turn, kept.map(|(_, kept)| kept)),
        }
    }

    /// Returns the place of a window, for which room is made.
    fn place(&self, window: Window, now: Duration) -> Place {
        let mut places = self.places();
        if places.len() >= KEPT_MAX && !places.contains_key(&window) {
            places.retain(|window, place| {
                let is_fresh = |(read, _): &ReadAt| now.saturating_sub(*read) < fresh_for(*window);
                place.turn.try_lock().is_err() || place.kept.as_ref().is_some_and(is_fresh)
            });
            if places.len() >= KEPT_MAX {
                places.clear();
            }
        }
        places.entry(window).or_default().clone()
    }

    fn keep(&self, window: Window, now: Duration, kept: &Arc<Kept>) {
        // What was cleared away meanwhile comes back; no more are read at once than the lane has threads.
        self.places().entry(window).or_default().kept = Some((now, kept.clone()));
    }
}

/// Reads a window, and keeps it for others; what was broken off is kept for nobody.
fn read_anew(state: &AdminState, window: Window, before: Option<Arc<Kept>>) -> Arc<Kept> {
    let clock = &state.parts.clock;
    let granule = Duration::from_millis(GRANULE_MS.unsigned_abs());
    let begun = clock.elapsed();
    let recent = before.as_deref().filter(|before| begun.saturating_sub(before.asked) < granule);
    let until = Instant::now().checked_add(PATIENCE);
    let read = pace::within(until, || read(state, window, clock.now_ms(), recent));
    if matches!(read, Err(ReadError::Left)) {
        // Nobody looks at what is returned.
        return before.unwrap_or_default();
    }
    let was_unreadable = state.cache.is_unreadable.swap(read.is_err(), Ordering::Relaxed);
    let kept = Arc::new(read.unwrap_or_else(|err| {
        if !was_unreadable {
            tracing::error!("admin page shows no numbers: {err}");
        }
        let unreadable = Some(err.to_string());
        Kept { traffic: TrafficView { window, unreadable, ..TrafficView::default() }, ..Kept::default() }
    }));
    state.cache.keep(window, clock.elapsed(), &kept);
    kept
}

/// A longer window costs more to read and changes less from one moment to the next.
fn fresh_for(window: Window) -> Duration {
    match window.span().as_secs() {
        0..=3_600 => Duration::from_secs(1),
        3_601..=21_600 => Duration::from_secs(5),
        _ => Duration::from_secs(15),
    }
}

/// Why the overview has no numbers.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{0}")]
    Requests(#[from] QueryError),
    #[error("reading them took longer than {} s", PATIENCE.as_secs())]
    Late,
    #[error("nobody waits for them any more")]
    Left,
}

/// Refuses what was read until it was broken off: it looks like the whole.
fn whole() -> Result<(), ReadError> {
    match pace::ending() {
        None => Ok(()),
        Some(Ending::Late) => Err(ReadError::Late),
        Some(Ending::Left) => Err(ReadError::Left),
    }
}

/// Reads what is kept; what `before`, of a moment ago, had at the same moments is not asked for
/// again: samples come less often than viewers look.
fn read(
    state: &AdminState,
    window: Window,
    now: UnixMillis,
    before: Option<&Kept>,
) -> Result<Kept, ReadError> {
    let traffic = read_traffic(state.parts.metrics.as_ref(), window, now)?;
    whole()?;
    if let Some(before) = before.filter(|before| before.traffic.at == traffic.at) {
        let Kept { machine, marks, asked, people, .. } = before;
        let (machine, marks) = (machine.clone(), marks.clone());
        return Ok(Kept { traffic, asked: *asked, machine, marks, people: *people });
    }
    let ask = state.ask();
    let (first, last) = (traffic.at.first(), traffic.at.last());
    let (Some(first), Some(last)) = (first.copied(), last.copied()) else { return Ok(Kept::default()) };
    let grid = Grid { from: first.to_millis(), to: last.to_millis(), step: traffic.step };
    let asked = state.parts.clock.elapsed();
    // Each of them fails alone: the others are no less true for it.
    let [of_people, of_machine] = &state.cache.complaints;
    let people = part("people", of_people, asked, people(&ask))?;
    let machine = part("machine", of_machine, asked, machine(&ask, grid))?;
    let marks = marks(&ask, first, last);
    match whole() {
        Err(ReadError::Left) => Err(ReadError::Left),
        _ => Ok(Kept {
            machine: machine.unwrap_or_else(|| unsampled(grid.count())),
            marks,
            asked,
            people: people.unwrap_or_default(),
            traffic,
        }),
    }
}

/// Returns none of a part that cannot be read, and tells why.
fn part<T>(
    name: &str,
    complaints: &Seldom,
    now: Duration,
    read: Result<T, AskError>,
) -> Result<Option<T>, ReadError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(err) if err.is_left() && pace::ending() == Some(Ending::Left) => Err(ReadError::Left),
        Err(err) => {
            if complaints.due(now).is_some() {
                tracing::warn!("the overview shows no {name}: {err}");
            }
            Ok(None)
        }
    }
}

/// The machine without any sample: its charts have a place for each step all the same.
fn unsampled(n_steps: usize) -> MachineView {
    let none = || vec![None; n_steps];
    MachineView {
        cpu: none(),
        own_cpu: none(),
        memory: none(),
        own_memory: none(),
        received: none(),
        sent: none(),
        read: none(),
        written: none(),
        now: MachineNow::default(),
    }
}

/// Reads who is here.
fn people(ask: &Ask<'_>) -> Result<PeopleNow, AskError> {
    let today = format!(r#"sum({}{{job="{SERVICE_NAME}"}})"#, VISITORS_TODAY.exposed());
    let now = visitors::lately(ask)?.people as f64;
    Ok(PeopleNow { now: Some(now), today: ask.number(&today)? })
}

/// A rate needs two samples, which come every 10 s; six of them do not jump.
const RATE_MIN: Duration = Duration::from_secs(60);

/// What the machine and this process do; `$w` is the time over which a rate is taken.
const BUSY: &str = r#"sum(rate(system_cpu_time_seconds_total{cpu_mode!~"idle|iowait",job="vitrine"}[$w])) / sum(rate(system_cpu_time_seconds_total{job="vitrine"}[$w]))"#;
const OWN_BUSY: &str = r#"sum(rate(process_cpu_time_seconds_total{job="vitrine"}[$w])) / sum(system_cpu_logical_count{job="vitrine"})"#;
const MEMORY: &str = r#"sum(system_memory_usage_bytes{system_memory_state="used",job="vitrine"})"#;
const OWN_MEMORY: &str = r#"sum(process_memory_usage_bytes{job="vitrine"})"#;
const NETWORK: &str =
    r#"sum(rate(system_network_io_bytes_total{network_io_direction="$d",job="vitrine"}[$w]))"#;
const DISKS: &str = r#"sum(rate(system_disk_io_bytes_total{disk_io_direction="$d",job="vitrine"}[$w]))"#;

/// Reads how the machine was and is.
fn machine(ask: &Ask<'_>, grid: Grid) -> Result<MachineView, AskError> {
    let over = |query: &str, window: Duration| query.replace("$w", &format!("{}s", window.as_secs()));
    let row = |query: &str| ask.row(&over(query, grid.step.max(RATE_MIN)), grid);
    let number = |query: &str| ask.number(&over(query, RATE_MIN));
    let [receive, transmit] = ["receive", "transmit"].map(|direction| NETWORK.replace("$d", direction));
    let [read, write] = ["read", "write"].map(|direction| DISKS.replace("$d", direction));
    Ok(MachineView {
        cpu: row(BUSY)?,
        own_cpu: row(OWN_BUSY)?,
        memory: row(MEMORY)?,
        own_memory: row(OWN_MEMORY)?,
        received: row(&receive)?,
        sent: row(&transmit)?,
        read: row(&read)?,
        written: row(&write)?,
        now: MachineNow {
            cpu: number(BUSY)?,
            n_cpus: number(r#"sum(system_cpu_logical_count{job="vitrine"})"#)?,
            load: number(r#"sum(system_cpu_load_average_1m{job="vitrine"})"#)?,
            memory: number(MEMORY)?,
            memory_max: number(r#"sum(system_memory_limit_bytes{job="vitrine"})"#)?,
            own_memory: number(OWN_MEMORY)?,
            own_cpu: number(OWN_BUSY)?,
            received: number(&receive)?,
            sent: number(&transmit)?,
            disks: disks(ask)?,
        },
    })
}

/// Returns for each chart the query that gives about the same, at a distance of its points.
fn chart_queries(step: Duration) -> Vec<(&'static str, String)> {
    const VISITS: &str = r#"job="vitrine",http_route!~"/admin(/.*)?""#;
    let window = format!("{}s", step.max(RATE_MIN).as_secs());
    let requests = |more: &str| {
        format!("sum(rate(http_server_request_duration_seconds_count{{{VISITS}{more}}}[{window}]))")
    };
    let both = |machine: &str, own: &str| {
        let named = |query: &str, name: &str| {
            format!(r#"label_replace({}, "of", "{name}", "", "")"#, query.replace("$w", &window))
        };
        format!("{} or {}", named(machine, "machine"), named(own, "vitrine"))
    };
    let flow = |counter: &str, direction: &str| {
        format!(r#"sum by ({direction}) (rate({counter}{{job="vitrine"}}[{window}]))"#)
    };
    vec![
        ("rate", requests("")),
        ("errors", requests(r#",http_response_status_code=~"5..""#)),
        (
            "latency",
            format!(
                "histogram_quantiles(sum by (le) (rate(http_server_request_duration_seconds_bucket{{{VISITS}}}[{window}])), \"quantile\", 0.5, 0.95, 0.99)"
            ),
        ),
        ("cpu", both(BUSY, OWN_BUSY)),
        ("memory", both(MEMORY, OWN_MEMORY)),
        ("network", flow("system_network_io_bytes_total", "network_io_direction")),
        ("disk", flow("system_disk_io_bytes_total", "disk_io_direction")),
    ]
}

/// Returns the file systems with the bytes in use and in all, by where they are mounted.
fn disks(ask: &Ask<'_>) -> Result<Vec<(String, f64, f64)>, AskError> {
    const PLACE: &str = "system_filesystem_mountpoint";
    let used = ask.numbers(
        r#"sum by (system_filesystem_mountpoint) (system_filesystem_usage_bytes{system_filesystem_state="used",job="vitrine"})"#,
    )?;
    let whole = ask
        .numbers(r#"sum by (system_filesystem_mountpoint) (system_filesystem_limit_bytes{job="vitrine"})"#)?;
    let find = |place: &str| whole.iter().find(|(labels, _)| labels.get(PLACE) == place);
    let sized = used.iter().filter_map(|(labels, used)| {
        let place = labels.get(PLACE);
        Some((place.to_string(), *used, find(place)?.1))
    });
    Ok(sized.collect())
}

/// Reads the numbers of a window when it is `now`.
pub(super) fn read_traffic(
    metrics: &dyn MetricRead,
    window: Window,
    now: UnixMillis,
) -> Result<TrafficView, QueryError> {
    let to = window.bounds(now).1;
    let to = UnixMillis(to.0 - to.0.rem_euclid(GRANULE_MS));
    let (steps, since) = steps(metrics, window, to)?;
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
        window,
        step,
        since,
        at: steps.iter().map(UnixMillis::to_nanos).collect(),
        rate: per_second(&requests),
        errors: per_second(&errors),
        p50: quantile_of(&durations, 0.5),
        p95: quantile_of(&durations, 0.95),
        p99: quantile_of(&durations, 0.99),
        rate_now: rate_now(metrics, now)?,
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

/// Finer steps for a time that is recorded only in part.
const STEPS: [Duration; 6] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// More points than this are no better seen on a phone.
const POINTS_MAX: u32 = 72;

/// Returns the steps to read. Where recording began inside the window they begin there,
/// finer if that leaves few of them; that moment is the second value.
///
/// Memory is sampled whether anyone visits or not, so its first sample is the beginning.
fn steps(
    metrics: &dyn MetricRead,
    window: Window,
    to: UnixMillis,
) -> Result<(Steps, Option<UnixNanos>), QueryError> {
    let (span, step) = (window.span(), window.step());
    let whole = Steps::new(to.minus(span.saturating_sub(step)), to, step)?;
    // A sample of before the window means that it is recorded from its first moment on.
    let Some(begin) = first_value(metrics, whole)?.filter(|at| *at > whole.first()) else {
        return Ok((whole, None));
    };
    // Once more, to the granule: the first look was as coarse as the window's steps.
    let close = Steps::new(begin.minus(step), begin, STEPS[0])?;
    let begin = first_value(metrics, close)?.unwrap_or(begin);
    let age = Duration::from_millis(u64::try_from(to.0 - begin.0).unwrap_or(0)) + STEPS[0];
    let step = STEPS.into_iter().find(|step| age <= *step * POINTS_MAX).unwrap_or(step).min(step);
    // Counted back from the end, as steps end there; the oldest one may begin earlier.
    let n_gaps = (age.as_millis().div_ceil(step.as_millis()) as u32).saturating_sub(1);
    Ok((Steps::new(to.minus(step * n_gaps), to, step)?, Some(begin.minus(STEPS[0]).to_nanos())))
}

/// Returns the end of the first step in which memory was sampled.
fn first_value(metrics: &dyn MetricRead, steps: Steps) -> Result<Option<UnixMillis>, QueryError> {
    let memory = Selection {
        matchers: vec![own(PROCESS_MEMORY_USAGE.exposed()), Matcher::equal("job", SERVICE_NAME)],
        function: Function::Last,
        // Windows without gaps between them, so that no sample is overlooked.
        window: steps.step(),
        steps,
    };
    let memory = memory.sum_by(metrics, &[])?.sum_where(|_| true);
    Ok(steps.iter().zip(memory).find_map(|(at, value)| value.map(|_| at)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::memory::MemoryStore;
    use crate::query::promql::{Engine, Moments, Value};

    const NOW: i64 = 1_795_000_000_000;

    #[test]
    fn every_chart_can_be_asked_for_by_a_query() {
        let store = MemoryStore::default();
        for age in 0..30 {
            let (at, n) = (NOW - (29 - age) * 10_000, age as f64);
            let put = |name: &str, labels: &[(&str, &str)], value: f64| {
                let own = [("__name__", name), ("job", "vitrine"), ("instance", "i")];
                let all: Vec<(&str, &str)> = own.iter().chain(labels).copied().collect();
                store.sample(&all, at, value);
            };
            for (route, status) in [("/", "200"), ("/", "500"), ("/admin", "500"), ("/admin/logs", "200")] {
                let labels = [("http_route", route), ("http_response_status_code", status)];
                put("http_server_request_duration_seconds_count", &labels, n);
                for le in ["0.1", "+Inf"] {
                    let [route, status] = labels;
                    put("http_server_request_duration_seconds_bucket", &[route, status, ("le", le)], n);
                }
            }
            for mode in ["user", "idle"] {
                put("system_cpu_time_seconds_total", &[("cpu_mode", mode)], n);
            }
            put("process_cpu_time_seconds_total", &[], n);
            put("system_cpu_logical_count", &[], 2.0);
            put("system_memory_usage_bytes", &[("system_memory_state", "used")], 100.0);
            put("process_memory_usage_bytes", &[], 10.0);
            for direction in ["receive", "transmit"] {
                put("system_network_io_bytes_total", &[("network_io_direction", direction)], n * 100.0);
            }
            for direction in ["read", "write"] {
                put("system_disk_io_bytes_total", &[("disk_io_direction", direction)], n * 100.0);
            }
        }
        let asked = |query: &str| {
            let moments = Moments::instant(UnixMillis(NOW));
            match Engine::default().query(&store, query, moments).unwrap().value {
                Value::Vector(rows) => {
                    rows.iter().map(|row| (row.sample.value * 100.0).round() / 100.0).collect()
                }
                other => panic!("{query} gives {other:?}"),
            }
        };
        let found: Vec<(&str, Vec<f64>)> = chart_queries(Duration::from_secs(10))
            .iter()
            .map(|(chart, query)| (*chart, asked(query)))
            .collect();
        let expect: [(&str, &[f64]); 7] = [
            // Two series of visitors, each one request in ten seconds; the owner's are no visits.
            ("rate", &[0.2]),
            ("errors", &[0.1]),
            ("latency", &[0.05, 0.1, 0.1]),
            ("cpu", &[0.5, 0.05]),
            ("memory", &[100.0, 10.0]),
            ("network", &[10.0, 10.0]),
            ("disk", &[10.0, 10.0]),
        ];
        for ((chart, values), (expected_chart, expected)) in found.iter().zip(expect) {
            assert_eq!((*chart, values.as_slice()), (expected_chart, expected));
        }
    }
}
