//! A bounded search in the logs: newest first, by text and by level.

use std::ops::ControlFlow;

use regex::{Regex, RegexBuilder};

use super::QueryError;
use crate::clock::UnixNanos;
use crate::record::access::cut;
use crate::record::read::{Direction, LineRef, LogRead, LogSelect, Matcher};
use crate::record::{Levels, LogRecord, Severity};

/// A longer search text is cut; nobody types more, and a request may not cost more.
pub const TEXT_MAX_BYTES: usize = 256;

/// Lines read before a search gives up, about a second on one slow core: a rare word in
/// a long log answers with what was found so far.
pub const SCAN_MAX: usize = 200_000;

/// What to look for.
#[derive(Clone, Debug)]
pub struct LogSearch {
    /// All must accept the stream's labels.
    pub matchers: Vec<Matcher>,
    /// Part of the line or of a metadata value, in any case; `""` accepts every line.
    pub text: String,
    /// The lowest severity wanted; [`Severity::Unspecified`] accepts every line.
    pub level: Severity,
    /// Leaves out the lines for which it is true.
    pub except: Option<fn(&LineRef<'_>) -> bool>,
    /// The first moment wanted.
    pub from: UnixNanos,
    /// The first moment not wanted.
    pub to: UnixNanos,
    /// Most lines to return.
    pub limit: usize,
    /// Most lines to read.
    pub scan_max: usize,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct LogsFound {
    /// The lines, newest first.
    pub lines: Vec<LogRecord>,
    /// How many lines were read.
    pub scanned: usize,
    /// True when reading stopped at the limit of [`LogSearch::scan_max`] lines.
    pub is_cut_off: bool,
    /// True when there may be older lines than the last one returned.
    pub has_older: bool,
}

impl LogSearch {
    /// Reads backwards until the limit, the scan limit or the beginning of the range.
    pub fn run(&self, logs: &dyn LogRead) -> Result<LogsFound, QueryError> {
        let select = LogSelect {
            levels: self.levels(),
            ..LogSelect::new(self.matchers.clone(), self.from, self.to, Direction::Backward)
        };
        let text = self.text_pattern();
        let mut res = LogsFound::default();
        logs.lines(&select, &mut |line| {
            if res.lines.len() == self.limit {
                res.has_older = true;
                return ControlFlow::Break(());
            }
            if res.scanned == self.scan_max {
                (res.is_cut_off, res.has_older) = (true, true);
                return ControlFlow::Break(());
            }
            res.scanned += 1;
            let is_left_out = self.except.is_some_and(|except| except(&line));
            if !is_left_out && text.as_ref().is_none_or(|text| contains(&line, text)) {
                res.lines.push(line.to_record());
            }
            ControlFlow::Continue(())
        })?;
        Ok(res)
    }

    fn levels(&self) -> Levels {
        use Severity::{Debug, Error, Fatal, Info, Trace, Warn};
        match self.level {
            Severity::Unspecified => Levels::ALL,
            level => {
                Levels::of([Trace, Debug, Info, Warn, Error, Fatal].into_iter().filter(|word| *word >= level))
            }
        }
    }

    fn text_pattern(&self) -> Option<Regex> {
        let text = cut(self.text.trim(), TEXT_MAX_BYTES);
        let pattern = || {
            RegexBuilder::new(&regex::escape(text))
                .case_insensitive(true)
                .build()
                .expect("an escaped text of bounded length is a valid pattern")
        };
        (!text.is_empty()).then(pattern)
    }
}

fn contains(line: &LineRef<'_>, text: &Regex) -> bool {
    let mut is_found = text.is_match(line.body());
    if !is_found {
        line.content.each(&mut |_, value| is_found |= text.is_match(value));
    }
    is_found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::memory::MemoryStore;

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        store.line(1, "access", Severity::Info, "GET /Größe 200");
        store.line(2, "app", Severity::Warn, "reload refused");
        store.line(3, "app", Severity::Error, "disk full (90%)");
        store
    }

    fn all() -> LogSearch {
        LogSearch {
            matchers: Vec::new(),
            text: String::new(),
            level: Severity::Unspecified,
            except: None,
            from: UnixNanos(0),
            to: UnixNanos(100),
            limit: 10,
            scan_max: SCAN_MAX,
        }
    }

    fn check(search: LogSearch, expect: &[&str]) {
        let found = search.run(&store()).unwrap();
        assert_eq!(found.lines.iter().map(|line| line.body.as_str()).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn lines_come_newest_first() {
        check(all(), &["disk full (90%)", "reload refused", "GET /Größe 200"]);
        check(LogSearch { to: UnixNanos(3), ..all() }, &["reload refused", "GET /Größe 200"]);
    }

    #[test]
    fn lines_left_out_take_no_place() {
        let except: fn(&LineRef<'_>) -> bool = |line| line.body().starts_with("disk");
        check(LogSearch { except: Some(except), limit: 1, ..all() }, &["reload refused"]);
    }

    #[test]
    fn text_is_found_in_any_case_and_is_no_pattern() {
        check(LogSearch { text: " grÖSSE".into(), ..all() }, &[]);
        check(LogSearch { text: "grÖße".into(), ..all() }, &["GET /Größe 200"]);
        check(LogSearch { text: "(90%)".into(), ..all() }, &["disk full (90%)"]);
        check(LogSearch { text: ".*".into(), ..all() }, &[]);
    }

    #[test]
    fn level_is_a_lower_bound() {
        check(LogSearch { level: Severity::Warn, ..all() }, &["disk full (90%)", "reload refused"]);
        check(LogSearch { level: Severity::Fatal, ..all() }, &[]);
    }

    #[test]
    fn limits_are_kept_and_said() {
        let found = LogSearch { limit: 1, ..all() }.run(&store()).unwrap();
        assert_eq!((found.lines.len(), found.has_older, found.is_cut_off), (1, true, false));
        let search = LogSearch { text: "GET".into(), scan_max: 2, ..all() };
        let found = search.run(&store()).unwrap();
        assert_eq!((found.lines.len(), found.scanned, found.is_cut_off), (0, 2, true));
        let found = all().run(&store()).unwrap();
        assert_eq!((found.has_older, found.is_cut_off), (false, false));
    }

    #[test]
    fn overlong_text_is_cut_not_refused() {
        let search = LogSearch { text: "ß".repeat(100_000), ..all() };
        assert!(search.run(&store()).unwrap().lines.is_empty());
    }
}
