//! From Go's regular expressions to the `regex` crate's.
//!
//! Reads an expression as Go does, refuses it as Go does, and writes one that means the same:
//! whatever the two languages do not mean alike is spelled out, and flags stand only around what
//! they change. No group of the result but the outermost reaches over what was not one in the
//! original, so captures keep their numbers.
//!
//! Source: Go, package regexp/syntax with its flag `Perl`, and with `DotNL` where that is asked for.

use std::collections::HashSet;

use super::class::NOTHING;
use super::{COST_MAX, Fault, invalid};

/// Most times that what is repeated may be repeated, all repetitions around it multiplied.
const REPEAT_MAX: u64 = 1_000;

/// Most groups in each other: the crate goes down the stack with them, a hundred repeated ones do not
/// fit 2 MiB. Go allows a thousand.
const NESTING_MAX: usize = 40;

/// What compiling one character costs; the others are multiples, as they were measured, rounded up.
pub(super) const COST_CHARACTER: u64 = 1;
pub(super) const COST_ANY: u64 = 10;
pub(super) const COST_PROPERTY: u64 = 1_000;

/// An expression of the crate's.
pub(super) struct Rewritten {
    pub(super) text: String,
    /// Names of its groups by their numbers, the first group's first.
    pub(super) group_names: Vec<Option<String>>,
    /// How much compiling it costs, in characters.
    pub(super) cost: u64,
}

/// What `.` matches at the beginning of an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dot {
    Any,
    /// Everything but a line end.
    InLine,
}

/// Writes an expression of Go's as one of the crate's.
pub(super) fn rewrite(pattern: &str, dot: Dot) -> Result<Rewritten, Fault> {
    let mut rewriter = Rewriter {
        pattern,
        rest: pattern,
        res: String::with_capacity(pattern.len() + 16),
        flags: Flags { folds: false, is_multi_line: false, dot_is_any: dot == Dot::Any, is_lazy: false },
        groups: vec![Group::default()],
        last: None,
        last_repeat: None,
        names: HashSet::new(),
        group_names: Vec::new(),
        n_properties: 0,
    };
    while !rewriter.rest.is_empty() {
        rewriter.step()?;
    }
    if rewriter.groups.len() > 1 {
        return Err(invalid("missing closing )", pattern));
    }
    rewriter.close_piece();
    let cost = rewriter.groups.iter().map(|group| group.cost).sum();
    Ok(Rewritten { text: rewriter.res, group_names: rewriter.group_names, cost })
}

/// What `(?i)` and its like change.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) folds: bool,
    is_multi_line: bool,
    dot_is_any: bool,
    is_lazy: bool,
}

/// A group that is open, the whole expression included.
#[derive(Default)]
struct Group {
    /// The flags outside of it.
    flags: Option<Flags>,
    /// Where it begins in the result.
    start: usize,
    /// The largest product of repetitions in it.
    repeats: u64,
    cost: u64,
}

/// What a repetition would repeat.
struct Piece {
    /// Where it begins in the result.
    start: usize,
    is_repeated: bool,
    repeats: u64,
    cost: u64,
}

pub(super) struct Rewriter<'p> {
    pattern: &'p str,
    pub(super) rest: &'p str,
    pub(super) res: String,
    pub(super) flags: Flags,
    groups: Vec<Group>,
    last: Option<Piece>,
    /// What was left when the repetition was read that stands directly before.
    last_repeat: Option<&'p str>,
    names: HashSet<&'p str>,
    group_names: Vec<Option<String>>,
    n_properties: u64,
}

impl<'p> Rewriter<'p> {
    /// Counts a property of Unicode, which is looked up as it is read.
    pub(super) fn count_property(&mut self) -> Result<(), Fault> {
        self.n_properties += 1;
        if self.n_properties * COST_PROPERTY > COST_MAX {
            return Err(invalid("expression too large", self.pattern));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Fault> {
        let before = self.rest;
        let last_repeat = self.last_repeat.take();
        let Some(c) = self.next() else { return Ok(()) };
        match c {
            '(' => self.open(before)?,
            '|' => {
                self.close_piece();
                self.res.push('|');
            }
            ')' => self.close()?,
            '^' if self.flags.is_multi_line => self.piece("(?m:^)", COST_CHARACTER),
            '^' => self.piece(r"\A", COST_CHARACTER),
            '$' if self.flags.is_multi_line => self.piece("(?m:$)", COST_CHARACTER),
            '$' => self.piece(r"\z", COST_CHARACTER),
            '.' if self.flags.dot_is_any => self.piece("(?s:.)", COST_ANY),
            '.' => self.piece(r"[^\n]", COST_ANY),
            '[' => self.class(before)?,
            '*' | '+' | '?' => self.repeat(before, last_repeat, None)?,
            '{' => match self.counts() {
                Some(counts) => self.repeat(before, last_repeat, Some(counts))?,
                None => self.literal('{'),
            },
            '\\' => self.escape(before)?,
            c => self.literal(c),
        }
        Ok(())
    }

    /// Reads what stands behind a backslash outside of classes.
    fn escape(&mut self, before: &'p str) -> Result<(), Fault> {
        let (simple, cost) = match self.rest.as_bytes().first() {
            Some(b'A') => (r"\A", COST_CHARACTER),
            Some(b'z') => (r"\z", COST_CHARACTER),
            Some(b'b') => (r"(?-u:\b)", COST_CHARACTER),
            Some(b'B') => (r"(?-u:\B)", COST_CHARACTER),
            Some(b'Q') => {
                let (literal, rest) = self.rest[1..].split_once("\\E").unwrap_or((&self.rest[1..], ""));
                literal.chars().for_each(|c| self.literal(c));
                self.rest = rest;
                return Ok(());
            }
            _ => {
                self.rest = before;
                let start = self.res.len();
                if let Some(cost) = self.class_escape()? {
                    let text = self.res.split_off(start);
                    self.piece(&self.folding(&format!("[{text}]")), cost);
                    return Ok(());
                }
                match char::from_u32(self.character_escape()?) {
                    Some(c) => self.literal(c),
                    None => self.piece(NOTHING, COST_CHARACTER),
                }
                return Ok(());
            }
        };
        self.next();
        self.piece(simple, cost);
        Ok(())
    }

    fn literal(&mut self, c: char) {
        let text = match c {
            '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => c.to_string(),
            _ => format!("\\x{{{:x}}}", c as u32),
        };
        let cost = if self.flags.folds { 3 * COST_CHARACTER } else { COST_CHARACTER };
        self.piece(&self.folding(&text), cost);
    }

    pub(super) fn folding(&self, text: &str) -> String {
        if self.flags.folds { format!("(?i:{text})") } else { text.to_string() }
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Writes what a repetition behind it would repeat.
    pub(super) fn piece(&mut self, text: &str, cost: u64) {
        self.close_piece();
        self.last = Some(Piece { start: self.res.len(), is_repeated: false, repeats: 1, cost });
        self.res.push_str(text);
    }

    /// Ends what a repetition would repeat.
    fn close_piece(&mut self) {
        if let (Some(piece), Some(group)) = (self.last.take(), self.groups.last_mut()) {
            group.repeats = group.repeats.max(piece.repeats);
            group.cost = group.cost.saturating_add(piece.cost);
        }
    }

    /// Reads `{2}`, `{2,}` or `{2,3}` behind the brace, if it is one.
    fn counts(&mut self) -> Option<(u64, Option<u64>)> {
        let (inside, rest) = self.rest.split_once('}')?;
        let count = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
            let is_plain = is_number && (text.len() == 1 || !text.starts_with('0'));
            is_plain.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let counts = match inside.split_once(',') {
            None => (count(inside)?, Some(count(inside)?)),
            Some((min, "")) => (count(min)?, None),
            Some((min, max)) => (count(min)?, Some(count(max)?)),
        };
        self.rest = rest;
        Some(counts)
    }

    /// Repeats the last piece; `before` begins with the repetition.
    fn repeat(
        &mut self,
        before: &'p str,
        last_repeat: Option<&'p str>,
        counts: Option<(u64, Option<u64>)>,
    ) -> Result<(), Fault> {
        let op = self.read_since(before);
        if let Some((min, max)) = counts
            && (min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || min > max))
        {
            return Err(invalid("invalid repeat count", op));
        }
        let turns = self.rest.starts_with('?');
        if turns {
            self.next();
        }
        if let Some(last_repeat) = last_repeat {
            return Err(invalid("invalid nested repetition operator", self.read_since(last_repeat)));
        }
        let whole_op = self.read_since(before);
        let is_lazy = self.flags.is_lazy != turns;
        let Some(piece) = &mut self.last else {
            return Err(invalid("missing argument to repetition operator", whole_op));
        };
        match counts {
            Some((_, Some(0))) => piece.repeats = 0,
            Some((min, max)) => {
                let most = max.unwrap_or(min);
                piece.repeats *= most.max(1);
                piece.cost = piece.cost.saturating_mul(most.max(1));
                if most >= 2 && piece.repeats > REPEAT_MAX {
                    return Err(invalid("invalid repeat count", whole_op));
                }
            }
            None => piece.cost = piece.cost.saturating_add(COST_CHARACTER),
        }
        if piece.is_repeated {
            self.res.insert_str(piece.start, "(?:");
            self.res.push(')');
        }
        piece.is_repeated = true;
        self.res.push_str(op);
        if is_lazy {
            self.res.push('?');
        }
        self.last_repeat = Some(before);
        Ok(())
    }

    fn read_since(&self, before: &'p str) -> &'p str {
        &before[..before.len() - self.rest.len()]
    }

    /// Opens a group, or sets flags; `before` begins with the parenthesis.
    fn open(&mut self, before: &'p str) -> Result<(), Fault> {
        if !self.rest.starts_with('?') {
            self.group_names.push(None);
            return self.open_group("(", self.flags);
        }
        for start in ["(?P<", "(?<"] {
            if let Some(named) = before.strip_prefix(start).filter(|named| !named.is_empty()) {
                let Some((name, rest)) = named.split_once('>') else {
                    return Err(invalid("invalid named capture", before));
                };
                self.rest = rest;
                let is_valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if !is_valid || name.is_empty() {
                    return Err(invalid("invalid named capture", self.read_since(before)));
                }
                // Names that the crate refuses are those that begin with a digit or come again:
                // such a group is known by its number only.
                let is_known = name.as_bytes()[0].is_ascii_digit() || !self.names.insert(name);
                self.group_names.push(Some(name.to_string()));
                let text = if is_known { "(".to_string() } else { format!("(?P<{name}>") };
                return self.open_group(&text, self.flags);
            }
        }
        self.next();
        let (mut flags, mut sets, mut had_flag) = (self.flags, true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.folds = sets,
                'm' => flags.is_multi_line = sets,
                's' => flags.dot_is_any = sets,
                'U' => flags.is_lazy = sets,
                '-' if sets => {
                    (sets, had_flag) = (false, false);
                    continue;
                }
                ':' | ')' if sets || had_flag => {
                    if c == ':' {
                        return self.open_group("(?:", flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            had_flag = true;
        }
        Err(invalid("invalid or unsupported Perl syntax", self.read_since(before)))
    }

    /// Opens a group in which flags hold.
    fn open_group(&mut self, text: &str, flags: Flags) -> Result<(), Fault> {
        self.close_piece();
        if self.groups.len() > NESTING_MAX {
            return Err(invalid("expression nests too deeply", self.pattern));
        }
        let (start, outer) = (self.res.len(), Some(self.flags));
        self.groups.push(Group { flags: outer, start, repeats: 1, cost: COST_CHARACTER });
        self.res.push_str(text);
        self.flags = flags;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.close_piece();
        let group = if self.groups.len() > 1 { self.groups.pop() } else { None };
        let Some(Group { flags: Some(flags), start, repeats, cost }) = group else {
            return Err(invalid("unexpected )", self.pattern));
        };
        self.flags = flags;
        self.res.push(')');
        self.last = Some(Piece { start, is_repeated: false, repeats, cost });
        Ok(())
    }
}
