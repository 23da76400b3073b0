//! What the public status page shows: when the process was there to be sampled, and when not.
//!
//! While the site is up its uptime is sampled at each interval; a time without a sample is a
//! time in which it was down. The counts of samples are kept as long as roll-ups are, so a
//! quarter of a year is read by a few queries, and not more often than once a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::AdminState;
use super::ask::{Ask, AskError, Grid};
use super::gather::off_thread;
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::{Day, Lang, Outage, UptimeView, uptime};

/// How long a page is shown before it is read again: anybody may ask for it.
const FRESH: Duration = Duration::from_secs(60);

const DAY_MS: i64 = 86_400_000;

/// Days that are shown as bars.
const DAYS: i64 = 90;

/// The spans whose share is told, in days.
const SPANS: [u64; 4] = [1, 7, 30, 90];

/// How far back outages are listed: as far as samples, or their minutes, are kept.
const OUTAGES: Duration = Duration::from_secs(7 * 86_400);

/// An outage is told from this on; a hand-over takes none, a restart seconds.
const OUTAGE_MIN: Duration = Duration::from_secs(60);

/// More outages than this are no longer read.
const OUTAGES_MAX: usize = 50;

/// Share of errors in the last hour from which visitors hear of them, and their least number.
const ERROR_SHARE: f64 = 0.05;
const ERRORS_MIN: f64 = 5.0;

/// The pages shown last, one a language, and when they were made.
#[derive(Default)]
pub(super) struct Kept(Mutex<[Option<Made>; Lang::ALL.len()]>);

/// A page, and when it was made.
type Made = (Duration, Arc<str>);

impl AdminState {
    /// Returns the public status page; none when too many queries wait already.
    pub(in crate::http) async fn status_page(self: &Arc<Self>, lang: Lang) -> Option<Arc<str>> {
        let place = Lang::ALL.iter().position(|known| *known == lang).unwrap_or_default();
        let kept = move |state: &AdminState| {
            let pages = state.status_pages.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = state.parts.clock.elapsed();
            let (made, page) = pages[place].clone()?;
            (now.saturating_sub(made) < FRESH).then_some(page)
        };
        if let Some(page) = kept(self) {
            return Some(page);
        }
        let made = off_thread(self, move |state| {
            // Whoever waited for the lane may find it made by another.
            if let Some(page) = kept(state) {
                return page;
            }
            let mut view = read(&state.ask(), state.parts.clock.now_ms(), state.parts.sample_interval)
                .unwrap_or_else(|err| {
                    tracing::error!("the status page shows no history: {err}");
                    UptimeView::default()
                });
            view.assets = state.parts.assets.clone();
            (view.lang, view.now) = (lang, state.parts.clock.now());
            let page: Arc<str> = uptime(&view).into_string().into();
            let mut pages = state.status_pages.0.lock().unwrap_or_else(PoisonError::into_inner);
            pages[place] = Some((state.parts.clock.elapsed(), page.clone()));
            page
        });
        made.await.ok()
    }
}

/// The samples of a window; of several processes that hand over, those of the one with most.
fn samples(window: &str) -> String {
    format!(r#"max(count_over_time(process_uptime_seconds{{job="vitrine"}}[{window}]))"#)
}

fn read(ask: &Ask<'_>, now: UnixMillis, interval: Duration) -> Result<UptimeView, AskError> {
    let midnight = now.0 - now.0.rem_euclid(DAY_MS);
    let Some(since) = first_sample(ask, now, midnight)? else { return Ok(UptimeView::default()) };
    let per_ms = 1.0 / (interval.as_millis() as f64).max(1.0);
    // The share of the samples that there should be between two moments.
    let share = |n_samples: Option<f64>, from: i64, to: i64| {
        let from = from.max(since);
        (to > from).then(|| (n_samples.unwrap_or(0.0) / ((to - from) as f64 * per_ms)).min(1.0))
    };
    let grid = Grid {
        from: UnixMillis(midnight - (DAYS - 2) * DAY_MS),
        to: UnixMillis(midnight),
        step: Duration::from_millis(DAY_MS as u64),
    };
    let counts = ask.row(&samples("1d"), grid)?;
    let mut days: Vec<Day> = counts
        .into_iter()
        .enumerate()
        .map(|(idx, n_samples)| {
            let end = grid.from.0 + idx as i64 * DAY_MS;
            let at = UnixMillis(end - DAY_MS).to_nanos();
            Day { at, share: share(n_samples, end - DAY_MS, end) }
        })
        .collect();
    let today = ask.number(&samples(&format!("{}ms", (now.0 - midnight).max(1))))?;
    days.push(Day { at: UnixMillis(midnight).to_nanos(), share: share(today, midnight, now.0) });
    let mut shares = Vec::new();
    for n_days in SPANS {
        let n_samples = ask.number(&samples(&format!("{n_days}d")))?;
        shares.push((n_days, share(n_samples, now.0 - n_days as i64 * DAY_MS, now.0)));
    }
    Ok(UptimeView {
        has_errors: has_errors(ask)?,
        since: Some(UnixMillis(since).to_nanos()),
        shares,
        days,
        outages: outages(ask, now, since, interval)?,
        ..UptimeView::default()
    })
}

/// Returns when the first sample of the days shown was, to the hour, or to the minute if
/// that is less than a week ago.
fn first_sample(ask: &Ask<'_>, now: UnixMillis, midnight: i64) -> Result<Option<i64>, AskError> {
    let first = |from: i64, to: i64, step_ms: i64, window: &str| -> Result<Option<i64>, AskError> {
        let step = Duration::from_millis(step_ms as u64);
        let grid = Grid { from: UnixMillis(from), to: UnixMillis(to), step };
        let counts = ask.row(&samples(window), grid)?;
        let idx = counts.iter().position(Option::is_some);
        Ok(idx.map(|idx| from + (idx as i64 - 1) * step_ms))
    };
    let begin = midnight - (DAYS - 1) * DAY_MS;
    let Some(day) = first(begin + DAY_MS, midnight + DAY_MS, DAY_MS, "1d")? else { return Ok(None) };
    if day <= begin {
        return Ok(Some(begin));
    }
    const HOUR_MS: i64 = 3_600_000;
    let Some(hour) = first(day + HOUR_MS, day + DAY_MS, HOUR_MS, "1h")? else { return Ok(Some(day)) };
    const MINUTE_MS: i64 = 60_000;
    let minute = first(hour + MINUTE_MS, (hour + HOUR_MS).min(now.0 + MINUTE_MS), MINUTE_MS, "1m")?;
    Ok(Some(minute.unwrap_or(hour)))
}

fn outages(ask: &Ask<'_>, now: UnixMillis, since: i64, interval: Duration) -> Result<Vec<Outage>, AskError> {
    // A window holds two samples at least, so that none is missing by a moment's delay.
    let step = OUTAGE_MIN.max(interval * 2);
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    let aligned = |ms: i64| ms - ms.rem_euclid(step_ms);
    let from = aligned(now.minus(OUTAGES).0.max(since)) + step_ms;
    // The newest window is whole, and its samples have arrived.
    let to = aligned(now.0 - step_ms);
    if to < from {
        return Ok(Vec::new());
    }
    let grid = Grid { from: UnixMillis(from), to: UnixMillis(to), step };
    let counts = ask.row(&samples(&format!("{}s", step.as_secs().max(1))), grid)?;
    let mut res = Vec::new();
    let mut begun = None;
    for (idx, count) in counts.iter().enumerate() {
        let begin = UnixMillis(from + (idx as i64 - 1) * step_ms).to_nanos();
        match (count, begun) {
            (None, None) => begun = Some(begin),
            (Some(_), Some(from)) => {
                res.push(Outage { from, to: begin });
                begun = None;
            }
            _ => {}
        }
    }
    // Who reads this was answered, so the last one is over.
    res.extend(begun.map(|from: UnixNanos| Outage { from, to: UnixMillis(to).to_nanos() }));
    res.reverse();
    res.truncate(OUTAGES_MAX);
    Ok(res)
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
        let labels = [("__name__", "process_uptime_seconds"), ("job", "vitrine")];
        for at in (from - from.rem_euclid(10_000) + 10_000..=to).step_by(10_000) {
            store.sample(&labels, at, 1.0);
        }
    }

    fn view(store: &MemoryStore) -> UptimeView {
        let ask = Ask::new(store, store, UnixMillis(NOW).to_nanos());
        read(&ask, UnixMillis(NOW), TEN).unwrap()
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
        assert_eq!(view.outages, [Outage { from: at(gap), to: at(gap + 600_000) }]);
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
