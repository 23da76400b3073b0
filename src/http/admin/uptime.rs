//! What the public status page shows: when the process was there to be sampled, and when not.
//!
//! While the site is up its uptime is sampled again and again; a gap that is much longer than the
//! distance of the samples around it is a time in which it was down, whatever that distance was then.
//! Anybody may ask for the page, so it is read once for all, in the background, and what was read last
//! is shown until that is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::AdminState;
use super::ask::{Ask, AskError, PATIENCE};
use super::gather::off_thread;
use crate::clock::UnixMillis;
use crate::pace;
use crate::pages::admin::{Day, Lang, Outage, UptimeView, uptime};
use crate::record::labels::METRIC_NAME;
use crate::record::names::{PROCESS_UPTIME, SERVICE_NAME};
use crate::record::read::{Matcher, SeriesSelect};
use crate::record::rollup::bucket_end;
use crate::record::{Resolution, Rollup};

/// How long a page is shown before it is read again.
const FRESH: Duration = Duration::from_secs(60);

/// After a read that failed the next one waits so long.
const PAUSE: Duration = Duration::from_secs(10);

/// A page older than this is worth a moment's wait for a newer one: nobody asked for long.
const OLD: Duration = Duration::from_secs(600);

/// That moment.
const WAIT: Duration = Duration::from_secs(2);

const DAY_MS: i64 = 86_400_000;

/// Days that are shown as bars.
const DAYS: i64 = 90;

/// The spans whose share is told, in days.
const SPANS: [i64; 4] = [1, 7, 30, 90];

/// How far back outages are listed.
const OUTAGES_MS: i64 = 7 * DAY_MS;

/// An outage is told from this on; a hand-over takes none, a restart seconds.
const OUTAGE_MIN_MS: i64 = 60_000;

/// More outages than this are no longer read.
const OUTAGES_MAX: usize = 50;

/// Samples that should have come before a share is told of a time.
const SAMPLES_MIN: u32 = 6;

/// Share of errors in the last hour from which visitors hear of them, and their least number.
const ERROR_SHARE: f64 = 0.05;
const ERRORS_MIN: f64 = 5.0;

/// The page shown last, in every language, and who makes the next one.
#[derive(Default)]
pub(super) struct Kept {
    /// Held for a look.
    state: Mutex<Shown>,
    /// Held by whoever reads the next one.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// A broken store is logged when it breaks, not at every try.
    is_unreadable: AtomicBool,
}

#[derive(Default)]
struct Shown {
    made: Option<Made>,
    /// When the last try failed.
    failed: Option<Duration>,
}

/// A page, and when it was made, by the monotonic clock.
#[derive(Clone)]
struct Made {
    at: Duration,
    pages: [Arc<str>; Lang::ALL.len()],
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, Shown> {
        // A panic while it was held leaves whole pages behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdminState {
    /// Returns the public status page; none when it cannot be read and never was.
    pub(in crate::http) async fn status_page(self: &Arc<Self>, lang: Lang) -> Option<Arc<str>> {
        let place = Lang::ALL.iter().position(|known| *known == lang).unwrap_or_default();
        let page = |made: Made| made.pages[place].clone();
        let age = |made: &Made| self.parts.clock.elapsed().saturating_sub(made.at);
        if let Some(made) = self.shown() {
            let turn = self.status_pages.turn.clone().try_lock_owned();
            let is_due = age(&made) >= FRESH && !self.has_just_failed();
            if let Some(turn) = turn.ok().filter(|_| is_due) {
                let reading = self.read_status_page(turn);
                if age(&made) >= OLD {
                    // In vain or not, there is a page.
                    _ = tokio::time::timeout(WAIT, reading).await;
                }
            }
            return self.shown().map(page);
        }
        // The first of all: who comes meanwhile waits for the same read.
        let turn = self.status_pages.turn.clone().lock_owned().await;
        if self.shown().is_none() && !self.has_just_failed() {
            // It ends by itself; a panic in it was logged.
            _ = self.read_status_page(turn).await;
        }
        self.shown().map(page)
    }

    fn shown(&self) -> Option<Made> {
        self.status_pages.state().made.clone()
    }

    /// Returns when the page that is shown was made.
    #[cfg(test)]
    pub(super) fn shown_at(&self) -> Duration {
        self.shown().unwrap().at
    }

    fn has_just_failed(&self) -> bool {
        let failed = self.status_pages.state().failed;
        failed.is_some_and(|failed| self.parts.clock.elapsed().saturating_sub(failed) < PAUSE)
    }

    /// Reads the page in a task of its own, so that whoever began it may leave; it ends by itself after
    /// [`PATIENCE`] at the latest.
    fn read_status_page(self: &Arc<Self>, turn: OwnedMutexGuard<()>) -> tokio::task::JoinHandle<()> {
        let state = self.clone();
        tokio::spawn(async move {
            let made = off_thread(&state, |state| {
                let until = Instant::now().checked_add(PATIENCE);
                pace::within(until, || state.make_status_page())
            });
            let made = match made.await {
                Ok(Ok(made)) => Ok(made),
                Ok(Err(err)) => Err(err.to_string()),
                Err(err) => Err(err.to_string()),
            };
            let kept = &state.status_pages;
            let was_unreadable = kept.is_unreadable.swap(made.is_err(), Ordering::Relaxed);
            match made {
                Ok(made) => *kept.state() = Shown { made: Some(made), failed: None },
                Err(err) => {
                    if !was_unreadable {
                        tracing::error!("the status page cannot be read anew: {err}");
                    }
                    kept.state().failed = Some(state.parts.clock.elapsed());
                }
            }
            drop(turn);
        })
    }

    fn make_status_page(&self) -> Result<Made, AskError> {
        let read = read(&self.ask(), self.parts.clock.now_ms(), self.parts.sample_interval)?;
        let (assets, now) = (self.parts.assets.clone(), self.parts.clock.now());
        let mut view = UptimeView { assets, now, ..read };
        let pages = Lang::ALL.map(|lang| {
            view.lang = lang;
            uptime(&view).into_string().into()
        });
        Ok(Made { at: self.parts.clock.elapsed(), pages })
    }
}

/// Samples that lie in one step of the roll-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first_ms: i64,
    last_ms: i64,
    count: u32,
}

/// A time without samples that should have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down {
    from_ms: i64,
    to_ms: i64,
    /// How long, which is less where it is only known to lie in between.
    lasted_ms: i64,
}

impl Down {
    /// Returns true when it is known when it began and ended.
    fn is_placed(&self) -> bool {
        self.lasted_ms == self.to_ms - self.from_ms
    }

    /// Returns how much of it lies between two moments; what lies somewhere in an hour is spread.
    fn inside(&self, from_ms: i64, to_ms: i64) -> f64 {
        let common = (self.to_ms.min(to_ms) - self.from_ms.max(from_ms)).max(0);
        common as f64 * self.lasted_ms as f64 / (self.to_ms - self.from_ms).max(1) as f64
    }
}

fn read(ask: &Ask<'_>, now: UnixMillis, interval: Duration) -> Result<UptimeView, AskError> {
    // A day more: who was sampled then is on record from the first moment on.
    let begin = now.0 - (DAYS + 1) * DAY_MS;
    let stretches = stretches(ask, UnixMillis(begin), now)?;
    let has_errors = has_errors(ask)?;
    let Some(first) = stretches.first() else {
        return Ok(UptimeView { has_errors, ..UptimeView::default() });
    };
    let (since, down) = (first.first_ms, down(&stretches));
    let least_ms = (interval * SAMPLES_MIN).as_millis() as i64;
    let share = |from: i64, to: i64| {
        let from = from.max(since);
        let lacking: f64 = down.iter().map(|down| down.inside(from, to)).sum();
        (to - from >= least_ms).then(|| (1.0 - lacking / (to - from) as f64).clamp(0.0, 1.0))
    };
    let midnight = now.0 - now.0.rem_euclid(DAY_MS);
    let days = (0..DAYS).rev().map(|age| {
        let from = midnight - age * DAY_MS;
        Day { at: UnixMillis(from).to_nanos(), share: share(from, (from + DAY_MS).min(now.0)) }
    });
    // Who reads this was answered, so none goes on.
    let outages = down.iter().rev().filter(|down| down.to_ms > now.0 - OUTAGES_MS && down.is_placed());
    let outages = outages.map(|down| Outage {
        from: UnixMillis(down.from_ms).to_nanos(),
        to: UnixMillis(down.to_ms).to_nanos(),
    });
    let begin = midnight - (DAYS - 1) * DAY_MS;
    Ok(UptimeView {
        has_errors,
        since: Some(UnixMillis(since.max(begin)).to_nanos()),
        shares: SPANS.map(|n_days| (n_days.unsigned_abs(), share(now.0 - n_days * DAY_MS, now.0))).into(),
        days: days.collect(),
        outages: outages.take(OUTAGES_MAX).collect(),
        ..UptimeView::default()
    })
}

/// Reads when there were samples, whichever process they are of: by the minute as far back as minutes
/// are kept, and by the hour before.
fn stretches(ask: &Ask<'_>, from: UnixMillis, to: UnixMillis) -> Result<Vec<Stretch>, AskError> {
    /// So many roll-ups are in memory at a time, whatever is kept of them.
    const PIECE_MS: i64 = 7 * DAY_MS;
    const HOUR: Duration = Duration::from_secs(3_600);
    let minutes = ask.coverage().into_iter().find(|coverage| coverage.resolution == Resolution::Minute);
    let minutes = minutes.map_or(to, |minutes| bucket_end(minutes.oldest.max(from), HOUR).min(to));
    let mut res = Vec::new();
    for (resolution, from, to) in [(Resolution::Hour, from, minutes), (Resolution::Minute, minutes, to)] {
        let mut begin = from;
        while begin < to {
            let end = UnixMillis(begin.0 + PIECE_MS).min(to);
            let select = SeriesSelect {
                matchers: vec![
                    Matcher::equal(METRIC_NAME, PROCESS_UPTIME.exposed()),
                    Matcher::equal("job", SERVICE_NAME),
                ],
                // Steps are open on the left.
                from: UnixMillis(begin.0 + 1),
                to: end,
            };
            ask.rollups(&select, resolution, &mut |rollup: &Rollup| {
                if rollup.count > 0 {
                    let Rollup { first_at, last_at, count, .. } = rollup;
                    res.push(Stretch { first_ms: first_at.0, last_ms: last_at.0, count: *count });
                }
            })?;
            begin = end;
        }
    }
    // Where the two meet an hour may be told twice, and processes that hand over are both sampled.
    res.sort_by_key(|stretch| (stretch.first_ms, stretch.last_ms));
    Ok(res)
}

/// Finds the times without samples. What the distance of samples was is told by those around: it may
/// have been changed.
fn down(stretches: &[Stretch]) -> Vec<Down> {
    let mut distances = Vec::with_capacity(stretches.len());
    let (mut last_ms, mut gaps) = (i64::MAX, Vec::with_capacity(stretches.len()));
    for stretch in stretches {
        let gap = if last_ms == i64::MAX { 0 } else { (stretch.first_ms - last_ms).max(0) };
        let inside = stretch.last_ms - stretch.first_ms;
        distances.push(if stretch.count > 1 { inside / i64::from(stretch.count - 1) } else { gap });
        gaps.push(gap);
        last_ms = if last_ms == i64::MAX { stretch.last_ms } else { last_ms.max(stretch.last_ms) };
    }
    /// Stretches on each side; an outage or two among them do not change the one in the middle.
    const AROUND: usize = 3;
    let usual = |idx: usize| {
        let (from, to) = (idx.saturating_sub(AROUND), (idx + AROUND + 1).min(distances.len()));
        let mut around: Vec<i64> = distances[from..to].iter().copied().filter(|ms| *ms > 0).collect();
        around.sort_unstable();
        around.get(around.len() / 2).copied().unwrap_or(0)
    };
    let mut res = Vec::new();
    for (idx, stretch) in stretches.iter().enumerate() {
        let distance = usual(idx);
        let is_long = |ms: i64| ms > OUTAGE_MIN_MS.max(2 * distance);
        let (gap, inside) = (gaps[idx], stretch.last_ms - stretch.first_ms);
        if is_long(gap) {
            res.push(Down { from_ms: stretch.first_ms - gap, to_ms: stretch.first_ms, lasted_ms: gap });
        }
        let lacking = inside - i64::from(stretch.count - 1) * distance;
        if is_long(lacking) {
            res.push(Down { from_ms: stretch.first_ms, to_ms: stretch.last_ms, lasted_ms: lacking });
        }
    }
    res
}

/// Says whether visitors got errors of late; the owner's own are none.
fn has_errors(ask: &Ask<'_>) -> Result<bool, AskError> {
    const ALL: &str = r#"job="vitrine",http_route!~"/admin(/.*)?""#;
    let count = |more: &str| {
        ask.number(&format!("sum(increase(http_server_request_duration_seconds_count{{{ALL}{more}}}[1h]))"))
    };
    let errors = count(r#",http_response_status_code=~"5..""#)?.unwrap_or(0.0);
    Ok(errors >= ERRORS_MIN && errors > ERROR_SHARE * count("")?.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::memory::MemoryStore;

    const NOW: i64 = 1_795_000_000_000;
    const TEN: Duration = Duration::from_secs(10);

    fn sampled(store: &MemoryStore, from: i64, to: i64) {
        sampled_every(10_000, store, from, to);
    }

    fn sampled_every(every_ms: i64, store: &MemoryStore, from: i64, to: i64) {
        let labels = [("__name__", "process_uptime_seconds"), ("job", "vitrine")];
        for at in (from - from.rem_euclid(every_ms) + every_ms..=to).step_by(every_ms as usize) {
            store.sample(&labels, at, 1.0);
        }
    }

    fn view(store: &MemoryStore) -> UptimeView {
        view_at(store, NOW)
    }

    fn view_at(store: &MemoryStore, now: i64) -> UptimeView {
        let ask = Ask::new(store, store, UnixMillis(now).to_nanos());
        read(&ask, UnixMillis(now), TEN).unwrap()
    }

    #[test]
    fn the_past_is_told_by_the_distance_that_samples_had_then() {
        let store = MemoryStore::default();
        let (long_ago, then) = (NOW - 3 * DAY_MS, NOW - DAY_MS);
        sampled_every(300_000, &store, long_ago, then);
        let (from, to) = (then + 6 * 3_600_000, then + 7 * 3_600_000);
        sampled_every(30_000, &store, then, from);
        sampled_every(30_000, &store, to, then + 12 * 3_600_000);
        sampled(&store, then + 12 * 3_600_000, NOW);
        let view = view(&store);
        assert_eq!(view.outages.len(), 1, "{:?}", view.outages);
        assert_eq!(view.outages[0].to.to_millis().0 - view.outages[0].from.to_millis().0 - 3_600_000, 30_000);
        let shares: Vec<f64> = view.shares.iter().map(|(_, share)| share.unwrap()).collect();
        assert!(
            (shares[0] - 23.0 / 24.0).abs() < 0.001 && (shares[1] - 71.0 / 72.0).abs() < 0.001,
            "{shares:?}"
        );
    }

    #[test]
    fn a_day_that_has_just_begun_is_not_told_of() {
        let store = MemoryStore::default();
        let midnight = NOW - NOW.rem_euclid(DAY_MS);
        sampled(&store, midnight - 3_600_000, midnight);
        let today = |now| view_at(&store, now).days.last().unwrap().share;
        assert_eq!(today(midnight + 7_000), None);
        sampled(&store, midnight, midnight + 60_000);
        assert_eq!(today(midnight + 60_000), Some(1.0));
        assert_eq!(view_at(&store, midnight + 7_000).days[DAYS as usize - 2].share, Some(1.0));
    }

    #[test]
    fn hours_tell_of_what_is_missing_inside_them() {
        const HOUR: i64 = 3_600_000;
        let hour =
            |no: i64, count: u32| Stretch { first_ms: no * HOUR + 10_000, last_ms: (no + 1) * HOUR, count };
        let mut hours: Vec<Stretch> = (0..10).map(|no| hour(no, 360)).collect();
        // Samples of every five minutes, from the tenth hour on.
        hours.extend((10..20).map(|no| Stretch { first_ms: no * HOUR + 300_000, ..hour(no, 12) }));
        assert_eq!(down(&hours), []);
        hours[4].count = 180;
        let found = down(&hours);
        assert_eq!((found.len(), found[0].lasted_ms, found[0].is_placed()), (1, 1_800_000, false));
        assert_eq!(found[0].inside(0, 20 * HOUR).round(), 1_800_000.0);
        hours.remove(6);
        assert!(down(&hours)[1].is_placed());
    }

    #[test]
    fn what_was_never_sampled_is_not_down() {
        let view = view(&MemoryStore::default());
        assert!(view.since.is_none() && view.days.is_empty() && view.outages.is_empty());
    }

    #[test]
    fn a_gap_is_an_outage_and_lowers_its_day() {
        let store = MemoryStore::default();
        // On record for three hours, of which ten minutes are missing.
        let begin = NOW - 3 * 3_600_000;
        let gap = NOW - 3_600_000 - (NOW - 3_600_000).rem_euclid(60_000);
        sampled(&store, begin, gap);
        sampled(&store, gap + 600_000, NOW);
        let view = view(&store);
        let at = |ms| UnixMillis(ms).to_nanos();
        // The first sample comes ten seconds later.
        assert_eq!(view.outages, [Outage { from: at(gap), to: at(gap + 610_000) }]);
        assert!((view.since.unwrap().to_millis().0 - begin).abs() <= 60_000);
        let share = view.shares[0].1.unwrap();
        assert!((share - 170.0 / 180.0).abs() < 0.01, "{share}");
        assert_eq!(view.days.len(), DAYS as usize);
        assert!(view.days[..DAYS as usize - 2].iter().all(|day| day.share.is_none()));
    }

    #[test]
    fn a_short_restart_is_no_outage() {
        let store = MemoryStore::default();
        sampled(&store, NOW - 7_200_000, NOW - 3_600_000);
        sampled(&store, NOW - 3_600_000 + 30_000, NOW);
        let view = view(&store);
        assert!(view.outages.is_empty(), "{:?}", view.outages);
        assert!(view.shares[0].1.unwrap() > 0.99);
    }
}
