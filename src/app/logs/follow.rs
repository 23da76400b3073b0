//! Lines as they come in: a look every half second at what is new.
//!
//! A line is printed once, and once it is there it is printed however late it came within [`LATE`].
//! What one look does not find, as while one process hands over to the next, a later one does; a
//! process that is restarted is waited for. There is no most of lines: a look that an answer has no
//! room for goes on from the last line it had.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::print::{Line, Printer, lines_of};
use super::{Direction, NoAnswer, Range, Source};
use crate::clock::Clock;

/// Between two looks at what came in: a line is shown within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lines may come this much after their time and are shown still.
const LATE: Duration = Duration::from_secs(10);

/// A process that hands over, or is started again, answers by then.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Lines of one answer, as many as there can be.
const PAGE_LINES: usize = 5_000;

/// What is known of the time that is looked at again.
pub(super) struct Follow {
    /// Every look begins here; it only moves on.
    from_ns: i64,
    /// Lines that were shown, by their time and what they say, and how many such there were.
    shown: HashMap<(i64, u64), u32>,
}

impl Follow {
    /// Begins behind the answer for a range. Of a `full` one there were more lines than it has, and these
    /// are not wanted: then everything follows its oldest line.
    pub fn behind(first: &[Line<'_>], range: &Range, full: bool) -> Self {
        let from_ns = match first {
            [oldest, ..] if full => oldest.at_ns.saturating_add(1),
            _ => range.start_ns,
        };
        let mut res = Follow { from_ns, shown: HashMap::new() };
        res.news(first.to_vec());
        res.forget(range.end_ns);
        res
    }

    /// Goes on until it is interrupted, or whoever reads goes away.
    pub fn run(&mut self, source: &Source<'_>, expr: &str, printer: &Printer) -> anyhow::Result<()> {
        loop {
            std::thread::sleep(LOOK_EVERY);
            let end_ns = Clock::system().now().0.saturating_add(1);
            let mut page =
                Range { start_ns: self.from_ns, end_ns, limit: PAGE_LINES, direction: Direction::Forward };
            while page.start_ns < end_ns {
                let answer = ask_patiently(source, &page.form(expr))?;
                let lines = lines_of(&answer);
                let last_ns = lines.last().map_or(page.start_ns, |line| line.at_ns);
                // An answer may also end where it has too many bytes, and warns then.
                let is_whole = lines.len() < PAGE_LINES && answer["warnings"].is_null();
                printer.lines(&self.news(lines))?;
                if is_whole {
                    break;
                }
                if last_ns == page.start_ns {
                    eprintln!("more lines have one time than an answer holds; the rest of them is left out");
                }
                page.start_ns = last_ns.max(page.start_ns.saturating_add(1));
            }
            // Only now: what comes in while nobody answers is looked for with the next look.
            self.forget(end_ns);
        }
    }

    /// Leaves out the lines that were shown; the others count as shown.
    fn news<'a>(&mut self, lines: Vec<Line<'a>>) -> Vec<Line<'a>> {
        let mut seen: HashMap<(i64, u64), u32> = HashMap::new();
        let is_new = |line: &Line<'a>| {
            let key = key(line);
            let n_seen = seen.entry(key).or_default();
            *n_seen += 1;
            let n_shown = self.shown.entry(key).or_default();
            let is_new = *n_seen > *n_shown;
            *n_shown = (*n_shown).max(*n_seen);
            is_new
        };
        lines.into_iter().filter(is_new).collect()
    }

    /// Forgets what no look from now on can find, after one up to a moment.
    fn forget(&mut self, end_ns: i64) {
        self.from_ns = self.from_ns.max(end_ns.saturating_sub(LATE.as_nanos() as i64));
        self.shown.retain(|(at_ns, _), _| *at_ns >= self.from_ns);
    }
}

/// Asks, and again when nobody answers at this moment.
fn ask_patiently(source: &Source<'_>, form: &str) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        match source.ask(form.to_string()) {
            Err(NoAnswer::Momentary(_)) if begun.elapsed() < SILENCE_MAX => std::thread::sleep(LOOK_EVERY),
            answer => return Ok(answer?),
        }
    }
}

/// Tells lines apart; the same line has the same key in each answer.
fn key(line: &Line<'_>) -> (i64, u64) {
    let mut hasher = DefaultHasher::new();
    (line.stream, line.text, &line.categories["structuredMetadata"]).hash(&mut hasher);
    (line.at_ns, hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    fn answer(lines: &[(i64, &str)]) -> Value {
        let values: Vec<Value> =
            lines.iter().map(|(at_s, text)| json!([(at_s * SECOND_NS).to_string(), text, {}])).collect();
        json!({"data": {"result": [{"stream": {"job": "a"}, "values": values}]}})
    }

    /// What is new in an answer; the look was up to a second.
    fn look(follow: &mut Follow, end_s: i64, lines: &[(i64, &str)]) -> Vec<String> {
        let res = follow.news(lines_of(&answer(lines))).iter().map(|line| line.text.to_string()).collect();
        follow.forget(end_s * SECOND_NS);
        res
    }

    fn behind(end_s: i64, lines: &[(i64, &str)], full: bool) -> Follow {
        let end_ns = end_s * SECOND_NS;
        let range = Range { start_ns: 0, end_ns, limit: 1, direction: Direction::Backward };
        Follow::behind(&lines_of(&answer(lines)), &range, full)
    }

    #[test]
    fn what_the_limit_left_out_does_not_come_later() {
        let from_ns = |lines, full| behind(105, lines, full).from_ns;
        assert_eq!(from_ns(&[(103, "three"), (104, "four")], true), 103 * SECOND_NS + 1);
        assert_eq!(from_ns(&[(103, "three"), (104, "four")], false), 95 * SECOND_NS);
        assert_eq!(from_ns(&[(3, "three"), (4, "four")], true), 95 * SECOND_NS);
        assert_eq!(from_ns(&[], true), 95 * SECOND_NS);
    }

    #[test]
    fn what_one_look_misses_is_neither_lost_nor_shown_twice() {
        let mut follow = behind(100, &[(99, "a")], false);
        assert_eq!(look(&mut follow, 101, &[(99, "a"), (100, "b")]), ["b"]);
        // The one that was asked knows nothing yet.
        assert_eq!(look(&mut follow, 102, &[]), [""; 0]);
        assert_eq!(look(&mut follow, 103, &[(98, "late"), (99, "a"), (100, "b")]), ["late"]);
        assert_eq!(look(&mut follow, 104, &[(98, "late"), (99, "a"), (100, "b")]), [""; 0]);
    }

    #[test]
    fn the_same_line_twice_is_two_lines() {
        let mut follow = behind(100, &[(99, "a"), (99, "a")], false);
        assert_eq!(look(&mut follow, 101, &[(99, "a"), (99, "a"), (99, "a")]), ["a"]);
        assert_eq!(look(&mut follow, 101, &[(99, "a")]), [""; 0]);
    }

    #[test]
    fn nothing_is_known_for_longer_than_it_can_be_found() {
        let mut follow = behind(106, &[(100, "a"), (105, "b")], false);
        look(&mut follow, 112, &[]);
        assert_eq!((follow.from_ns, follow.shown.len()), (102 * SECOND_NS, 1));
        // A clock that is set back.
        look(&mut follow, 50, &[]);
        assert_eq!((follow.from_ns, follow.shown.len()), (102 * SECOND_NS, 1));
    }
}
