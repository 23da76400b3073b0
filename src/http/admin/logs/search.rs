//! Finds the lines of a page, and counts those of a stretch of time, within the time that a
//! page may take.
//!
//! A search goes through the time in slices, small ones first: what is in many lines is found
//! in the first one, and of what is in few the page says how far it looked, and goes on from
//! there when it is asked to.

use std::ops::Range;
use std::time::Duration;

use super::question;
use crate::clock::{Clock, UnixMillis, UnixNanos};
use crate::http::admin::ask::{Ask, AskError, Grid};
use crate::pages::admin::{LineCounts, Window};
use crate::query::logql::{DETECTED_LEVEL, Line, level_word, parse_log};
use crate::record::Severity;
use crate::record::read::Direction;

/// The first slice is this part of the whole, and each further one at most twice the one before.
const SLICES: i64 = 64;

/// The first slice of a count is this part of the whole.
const COUNT_SLICES: usize = 16;

/// Finer slices cost more than they save.
const SLICE_MIN_NS: i64 = 1_000_000_000;

/// Lines of one moment that belong to one page: pages end between moments, so that none is
/// shown twice or never. Of more at one nanosecond the rest is not shown.
const SAME_MAX: usize = 5_000;

/// What is looked for.
pub(super) struct Search<'a> {
    pub(super) query: &'a str,
    /// The first moment wanted, and the first one not wanted.
    pub(super) range: Range<UnixNanos>,
    pub(super) direction: Direction,
    pub(super) limit: usize,
    /// No further slice is begun after this.
    pub(super) budget: Duration,
    /// By which the time is taken.
    pub(super) clock: &'a Clock,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order of the search.
    pub(super) lines: Vec<Line>,
    /// There may be more lines behind the last one.
    pub(super) has_more: bool,
    /// Where the search ended for want of time; the next one begins there.
    pub(super) reached: Option<UnixNanos>,
}

impl Search<'_> {
    /// Looks until there are enough lines, or the time is over.
    pub(super) fn run(&self, ask: &Ask<'_>) -> Result<Found, AskError> {
        let begun = self.clock.elapsed();
        let mut found = Found::default();
        let mut left = self.range.clone();
        let mut size = (length(&left) / SLICES).max(SLICE_MIN_NS);
        while left.start < left.end {
            let slice = self.slice(&left, size);
            let wanted = self.limit + 1 - found.lines.len();
            let answer = ask.lines(self.query, slice.start, slice.end, self.direction, wanted)?;
            found.has_more = answer.is_cut_off || answer.lines.len() == wanted;
            found.lines.extend(answer.lines);
            if found.has_more {
                break;
            }
            match self.direction {
                Direction::Backward => left.end = slice.start,
                Direction::Forward => left.start = slice.end,
            }
            let took = self.clock.elapsed().saturating_sub(begun);
            if took >= self.budget && left.start < left.end {
                found.reached = Some(match self.direction {
                    Direction::Backward => left.end,
                    Direction::Forward => left.start,
                });
                break;
            }
            size = self.next_size(&left, size, took);
        }
        self.end_between_moments(ask, &mut found)?;
        Ok(found)
    }

    fn slice(&self, left: &Range<UnixNanos>, size: i64) -> Range<UnixNanos> {
        match self.direction {
            Direction::Backward => UnixNanos(left.end.0.saturating_sub(size).max(left.start.0))..left.end,
            Direction::Forward => left.start..UnixNanos(left.start.0.saturating_add(size).min(left.end.0)),
        }
    }

    /// Returns how long the next slice is: no longer than there is likely to be time for.
    fn next_size(&self, left: &Range<UnixNanos>, size: i64, took: Duration) -> i64 {
        let done = length(&self.range) - length(left);
        let remaining = self.budget.saturating_sub(took).as_secs_f64();
        let likely = done as f64 * remaining / took.as_secs_f64().max(1e-6);
        size.saturating_mul(2).min(likely as i64).max(SLICE_MIN_NS.min(size))
    }

    /// Takes away the one line too many, and takes in those of the last moment that the limit cut off.
    fn end_between_moments(&self, ask: &Ask<'_>, found: &mut Found) -> Result<(), AskError> {
        if found.lines.len() <= self.limit {
            return Ok(());
        }
        let beyond = found.lines[self.limit].at;
        found.lines.truncate(self.limit);
        if found.lines.last().is_some_and(|last| last.at == beyond) {
            found.lines.retain(|line| line.at != beyond);
            let next = UnixNanos(beyond.0.saturating_add(1));
            let same = ask.lines(self.query, beyond, next, self.direction, SAME_MAX)?;
            found.lines.extend(same.lines);
        }
        Ok(())
    }
}

fn length(range: &Range<UnixNanos>) -> i64 {
    range.end.0.saturating_sub(range.start.0)
}

/// Counts the lines of a query by level, step by step.
pub(super) fn counts(
    ask: &Ask<'_>,
    query: &str,
    is_written: bool,
    window: Window,
    now: UnixMillis,
) -> Result<LineCounts, AskError> {
    let grid = grid(window, now);
    Ok(LineCounts { kinds: count(ask, query, is_written, grid)?, ..empty(grid) })
}

fn count(
    ask: &Ask<'_>,
    query: &str,
    is_written: bool,
    grid: Grid,
) -> Result<[Vec<Option<f64>>; LineCounts::KINDS.len()], AskError> {
    let mut kinds = empty(grid).kinds;
    // A line that a stage of the query fails on is a line, too; without this it would end the count.
    let tolerant = if is_written { " | drop __error__" } else { "" };
    // On a line of its own: the query may end in a comment.
    let query = format!(
        "sum by ({DETECTED_LEVEL}) (count_over_time({query}\n{tolerant} [{}s]))",
        grid.step.as_secs()
    );
    for (labels, values) in ask.log_rows(&query, grid)? {
        let kind = &mut kinds[kind_of(labels.get(DETECTED_LEVEL))];
        for (sum, value) in kind.iter_mut().zip(values) {
            *sum = sum.iter().chain(&value).copied().reduce(|one, other| one + other);
        }
    }
    Ok(kinds)
}

/// Counts them from the newest step back, in slices, and stops where there is no more time for it.
pub(super) fn counts_in_time(
    ask: &Ask<'_>,
    query: &str,
    is_written: bool,
    (window, now): (Window, UnixMillis),
    (budget, clock): (Duration, &Clock),
) -> Result<LineCounts, AskError> {
    let (grid, begun) = (grid(window, now), clock.elapsed());
    let mut res = empty(grid);
    let (mut left, mut size) = (grid.count(), (grid.count() / COUNT_SLICES).max(1));
    while left > 0 {
        let took = clock.elapsed().saturating_sub(begun);
        let first = left.saturating_sub(size);
        let slice = Grid { from: grid.moment(first), to: grid.moment(left - 1), step: grid.step };
        let in_time = ask.clone().with_patience(budget.saturating_sub(took));
        match count(&in_time, query, is_written, slice) {
            Ok(kinds) => {
                for (all, some) in res.kinds.iter_mut().zip(kinds) {
                    all[first..left].copy_from_slice(&some);
                }
            }
            Err(fault) if fault.is_timeout() => {
                res.reached = Some(res.at[left - 1]);
                break;
            }
            Err(fault) => return Err(fault),
        }
        left = first;
        let took = clock.elapsed().saturating_sub(begun).as_secs_f64();
        let likely = (grid.count() - left) as f64 * (budget.as_secs_f64() - took) / took.max(1e-6);
        size = (size * 2).min(likely.max(1.0) as usize);
    }
    Ok(res)
}

/// Returns about how many lines there were, by what streams have in each step; none for a query that
/// looks at the lines. A level is that of the stream.
pub(super) fn estimate(
    ask: &Ask<'_>,
    query: &str,
    window: Window,
    now: UnixMillis,
) -> Result<Option<LineCounts>, AskError> {
    let Ok(log) = parse_log(query) else { return Ok(None) };
    let Some(coarse) = question::coarse(&log) else { return Ok(None) };
    let grid = grid(window, now);
    let mut res = empty(grid);
    let step_ns = i64::try_from(grid.step.as_nanos()).unwrap_or(i64::MAX);
    for idx in 0..grid.count() {
        let to = res.at[idx];
        let from = UnixNanos(to.0.saturating_sub(step_ns).saturating_add(1));
        for volume in ask.volumes(coarse.matchers, from, UnixNanos(to.0.saturating_add(1)))? {
            let level = Severity::from_word(volume.stream.get("level")).unwrap_or(Severity::Unspecified);
            let level = level_word(level);
            if volume.n_lines > 0 && coarse.wants(level) {
                *res.kinds[kind_of(level)][idx].get_or_insert(0.0) += volume.n_lines as f64;
            }
        }
    }
    Ok(Some(res))
}

fn empty(grid: Grid) -> LineCounts {
    let at = (0..grid.count()).map(|idx| grid.moment(idx).to_nanos()).collect();
    let kinds = std::array::from_fn(|_| vec![None; grid.count()]);
    LineCounts { at, step: grid.step, kinds, marks: Vec::new(), reached: None }
}

/// Returns the place of a level among the kinds.
fn kind_of(level: &str) -> usize {
    let known = LineCounts::KINDS.iter().position(|levels| levels.contains(&level));
    known.unwrap_or(LineCounts::KINDS.len() - 1)
}

/// Returns the ends of the steps of a window; they stay where they are while the window moves.
fn grid(window: Window, now: UnixMillis) -> Grid {
    let (from, to) = window.bounds(now);
    let step = window.step();
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    let up = |at: i64| at.saturating_add(step_ms - 1).div_euclid(step_ms) * step_ms;
    let first = from.0.div_euclid(step_ms) * step_ms + step_ms;
    Grid { from: UnixMillis(first), to: UnixMillis(up(to.0).max(first)), step }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::query::memory::MemoryStore;

    static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock::manual(UnixNanos(0)));

    const SECOND: i64 = 1_000_000_000;
    const ALL: &str = "{service_name=~\".+\"}";

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        for n in 0..1_000 {
            let severity = if n % 10 == 0 { Severity::Error } else { Severity::Info };
            // Ten lines share each moment.
            store.line(n / 10 * SECOND, "app", severity, &format!("line {n:04}"));
        }
        store
    }

    fn search<'a>(query: &'a str, range: Range<i64>, direction: Direction, limit: usize) -> Search<'a> {
        let range = UnixNanos(range.start)..UnixNanos(range.end);
        Search { query, range, direction, limit, budget: Duration::from_secs(60), clock: &CLOCK }
    }

    fn texts(found: &Found) -> Vec<&str> {
        found.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn pages_show_every_line_once_whatever_the_limit() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        for limit in [1, 7, 10, 25, 999, 2_000] {
            let (mut end, mut seen) = (200 * SECOND, Vec::new());
            loop {
                let found = search(ALL, 0..end, Direction::Backward, limit).run(&ask).unwrap();
                assert!(found.lines.is_sorted_by(|one, next| one.at >= next.at));
                seen.extend(found.lines.iter().map(|line| line.text.clone()));
                if !found.has_more {
                    break;
                }
                end = found.lines.last().unwrap().at.0;
            }
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 1_000, "{limit}");
        }
    }

    #[test]
    fn a_rare_line_is_found_far_back_and_forwards() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        let query = format!("{ALL} |= \"0003\"");
        for direction in [Direction::Backward, Direction::Forward] {
            let found = search(&query, -5_000 * SECOND..1_000 * SECOND, direction, 10).run(&ask).unwrap();
            assert_eq!((texts(&found), found.has_more, found.reached), (vec!["line 0003"], false, None));
        }
    }

    #[test]
    fn a_search_without_time_says_how_far_it_came() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        let query = format!("{ALL} |= \"0003\"");
        let mut range = 0..6_400 * SECOND;
        let mut n_searches = 0;
        loop {
            let search =
                Search { budget: Duration::ZERO, ..search(&query, range.clone(), Direction::Backward, 10) };
            let found = search.run(&ask).unwrap();
            n_searches += 1;
            match found.reached {
                Some(at) => {
                    assert!(found.lines.is_empty() && at.0 < range.end);
                    range.end = at.0;
                }
                None => {
                    assert_eq!(texts(&found), ["line 0003"]);
                    break;
                }
            }
        }
        assert!(n_searches > 3, "{n_searches}");
        let forward = Search {
            budget: Duration::ZERO,
            ..search(&query, -100 * SECOND..1_000 * SECOND, Direction::Forward, 10)
        };
        assert!(forward.run(&ask).unwrap().reached.is_some_and(|at| at.0 > -100 * SECOND));
    }

    #[test]
    fn lines_are_counted_by_level_in_steps_that_do_not_move() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        let window = Window::Fixed { from: UnixMillis(0), to: UnixMillis(95_000) };
        let counts = counts(&ask, ALL, false, window, UnixMillis(0)).unwrap();
        let budget = (Duration::from_secs(60), &*CLOCK);
        let in_slices = counts_in_time(&ask, ALL, false, (window, UnixMillis(0)), budget).unwrap();
        assert_eq!((&in_slices.kinds, in_slices.reached), (&counts.kinds, None));
        let none =
            counts_in_time(&ask, ALL, false, (window, UnixMillis(0)), (Duration::ZERO, &*CLOCK)).unwrap();
        assert_eq!(none.reached, none.at.last().copied(), "not even the newest step was counted");
        assert_eq!(counts.step, Duration::from_secs(10));
        let at: Vec<i64> = counts.at.iter().map(|at| at.0 / SECOND).collect();
        assert_eq!(at, (1..=10).map(|n| n * 10).collect::<Vec<_>>());
        // The moment zero is before the first step.
        assert_eq!(counts.kinds[0][..2], [Some(10.0), Some(10.0)]);
        assert_eq!(counts.kinds[2][9], Some(81.0));
        assert!(counts.kinds[1].iter().all(Option::is_none));
    }

    #[test]
    fn an_estimate_looks_at_no_line_and_so_answers_only_what_streams_say() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        let window = Window::Fixed { from: UnixMillis(0), to: UnixMillis(95_000) };
        let exact = counts(&ask, ALL, false, window, UnixMillis(0)).unwrap();
        let of = |query: &str| estimate(&ask, query, window, UnixMillis(0)).unwrap();
        // In memory a volume is exact.
        assert_eq!(of(ALL).unwrap().kinds, exact.kinds);
        let errors = of(&format!("{ALL} | detected_level=~\"error|fatal\"")).unwrap();
        assert_eq!((&errors.kinds[0], &errors.kinds[2]), (&exact.kinds[0], &vec![None; 10]));
        for query in ["|= \"line\"", "| a=\"b\"", "| json"] {
            assert!(of(&format!("{ALL} {query}")).is_none(), "{query}");
        }
    }

    #[test]
    fn a_query_that_ends_in_a_comment_is_counted_like_any() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        let window = Window::Fixed { from: UnixMillis(0), to: UnixMillis(90_000) };
        for is_written in [false, true] {
            let of = |query: &str| counts(&ask, query, is_written, window, UnixMillis(0)).unwrap().kinds;
            assert_eq!(of(&format!("{ALL} # mine")), of(ALL));
        }
    }

    #[test]
    fn a_stage_that_fails_does_not_end_the_count() {
        let store = store();
        let ask = Ask::of(&store, UnixNanos(1_000 * SECOND));
        let query = format!("{ALL} | json");
        let window = Window::Fixed { from: UnixMillis(0), to: UnixMillis(90_000) };
        let counted = counts(&ask, &query, true, window, UnixMillis(0)).unwrap();
        assert_eq!(counted.kinds[0][0], Some(10.0));
        assert!(counts(&ask, &query, false, window, UnixMillis(0)).is_err());
    }
}
