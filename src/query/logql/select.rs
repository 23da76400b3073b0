//! What a store may leave out, read off a query: the fewer lines it hands over, the sooner an answer
//! is there.
//!
//! Nothing is left out that the pipeline would have kept. So only stages that see the line as it
//! lies in the store count: those before the first one that changes the line, and for labels those
//! before the first one that finds or changes labels.

use super::ast::{LabelFilter, LineMatch, LineOp, LogExpr, Stage};
use super::entry::{DETECTED_LEVEL, level_word};
use super::error::{ERROR_DETAILS_LABEL, ERROR_LABEL, PRESERVE_ERROR_LABEL};
use super::extract::{EXTRACTED_SUFFIX, PatternFilter};
use crate::clock::UnixNanos;
use crate::record::pattern::Pattern;
use crate::record::read::{Direction, LogRead, LogSelect, MatchOp, Matcher, ReadError};
use crate::record::{Levels, Severity};

/// A regular expression of so many words at most is read as a list of levels.
const WORDS_MAX: usize = 16;

/// Returns what a store has to hand over for a query.
pub fn select(
    logs: &dyn LogRead,
    log: &LogExpr,
    from: UnixNanos,
    to: UnixNanos,
    direction: Direction,
) -> Result<LogSelect, ReadError> {
    let mut res = said(log, from, to, direction);
    keep_only_metadata(&mut res, logs)?;
    Ok(res)
}

/// Reads off what the stages say of lines as stored.
fn said(log: &LogExpr, from: UnixNanos, to: UnixNanos, direction: Direction) -> LogSelect {
    let mut res = LogSelect::new(log.matchers.clone(), from, to, direction);
    res.contains = contained(&log.stages);
    each_early_equality(&log.stages, &mut |matcher| {
        if is_of_errors(&matcher.name) {
            // Stages before may have set it.
        } else if matcher.name == DETECTED_LEVEL {
            res.levels = both(res.levels, levels(matcher));
        } else if let MatchOp::Equal(value) = &matcher.op
            && !value.is_empty()
        {
            res.having.push((matcher.name.clone(), value.clone()));
        }
    });
    res
}

/// Lets go of conditions on metadata whose name is a label of some selected stream: there the
/// stream's label is meant.
fn keep_only_metadata(select: &mut LogSelect, logs: &dyn LogRead) -> Result<(), ReadError> {
    if select.having.is_empty() && select.levels == Levels::ALL {
        return Ok(());
    }
    let streams = logs.streams(&select.matchers, select.from, select.to)?;
    let is_label = |name: &str| streams.iter().any(|volume| !volume.stream.get(name).is_empty());
    select.having.retain(|(name, _)| {
        !is_label(name) && name.strip_suffix(EXTRACTED_SUFFIX).is_none_or(|taken| !is_label(taken))
    });
    if is_label(DETECTED_LEVEL) {
        select.levels = Levels::ALL;
    }
    Ok(())
}

fn changes_line(stage: &Stage) -> bool {
    matches!(stage, Stage::LineFormat(_) | Stage::Decolorize | Stage::Unpack)
}

/// Returns the stages that are left to be run on what a store hands over.
pub fn left(stages: &[Stage]) -> Vec<Stage> {
    let n_early = stages.iter().take_while(|stage| !changes_line(stage)).count();
    let (early, late) = stages.split_at(n_early);
    early.iter().filter(|stage| whole_text(stage).is_none()).chain(late).cloned().collect()
}

/// Texts that are part of every line that stays.
fn contained(stages: &[Stage]) -> Vec<String> {
    let mut res = Vec::new();
    let mut is_parsed = false;
    for (idx, stage) in stages.iter().enumerate() {
        if matches!(stage, Stage::Json) && !is_parsed && refuses_errors(&stages[idx + 1..]) {
            // What has no object is no JSON, and that is an error.
            res.push("{".to_string());
        }
        if changes_line(stage) {
            break;
        }
        is_parsed |= stage.parses();
        match whole_text(stage) {
            Some(text) => res.push(text.to_string()),
            None => res.extend(longest_text(stage)),
        }
    }
    res.retain(|text| !text.is_empty());
    res
}

/// Returns true for a label that says what a stage could not do.
fn is_of_errors(name: &str) -> bool {
    matches!(name, ERROR_LABEL | ERROR_DETAILS_LABEL | PRESERVE_ERROR_LABEL)
}

/// Returns true when no line stays of which a stage before these said that something is wrong.
fn refuses_errors(stages: &[Stage]) -> bool {
    for stage in stages {
        match stage {
            Stage::Label(filter) => {
                let mut refuses = false;
                each_needed(filter, &mut |matcher| {
                    let is_none = matches!(&matcher.op, MatchOp::Equal(value) if value.is_empty());
                    refuses |= matcher.name == ERROR_LABEL && is_none;
                });
                if refuses {
                    return true;
                }
            }
            Stage::Drop(names) if names.iter().any(|named| named.name() == ERROR_LABEL) => return false,
            _ => {}
        }
    }
    false
}

/// Returns the text that is all that a stage asks for.
fn whole_text(stage: &Stage) -> Option<&str> {
    let Stage::Line(filter) = stage else { return None };
    let [LineMatch::Text(text)] = &filter.alternatives[..] else { return None };
    let is_whole = filter.op == LineOp::Contains || filter.op == LineOp::Matches && is_plain(text);
    is_whole.then_some(text)
}

/// Returns the longest text that a stage asks for beside other things.
fn longest_text(stage: &Stage) -> Option<String> {
    let Stage::Line(filter) = stage else { return None };
    match (&filter.alternatives[..], filter.op) {
        ([LineMatch::Text(text)], LineOp::Pattern) => longest_piece(text),
        ([LineMatch::Text(text)], LineOp::Matches) => Pattern::needed_text(text),
        _ => None,
    }
}

/// Returns true for an expression that matches only itself.
fn is_plain(expression: &str) -> bool {
    !expression.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}

/// Returns the longest text between the captures of a pattern.
fn longest_piece(pattern: &str) -> Option<String> {
    let filter = PatternFilter::new(pattern).ok()?;
    let longest = filter.texts().max_by_key(|text| text.len())?;
    std::str::from_utf8(longest).ok().map(str::to_string)
}

/// Hands over conditions on single labels that all have to hold and that see labels as stored.
fn each_early_equality<'s>(stages: &'s [Stage], visit: &mut dyn FnMut(&'s Matcher)) {
    for stage in stages {
        match stage {
            Stage::Line(_) | Stage::LineFormat(_) | Stage::Decolorize => {}
            Stage::Label(filter) => each_needed(filter, visit),
            _ => return,
        }
    }
}

fn each_needed<'s>(filter: &'s LabelFilter, visit: &mut dyn FnMut(&'s Matcher)) {
    match filter {
        LabelFilter::Text(matcher) => visit(matcher),
        LabelFilter::And(one, other) => {
            each_needed(one, visit);
            each_needed(other, visit);
        }
        _ => {}
    }
}

fn both(one: Levels, other: Levels) -> Levels {
    Levels::from_bits(one.bits() & other.bits())
}

/// Returns the severities that a line can have whose detected level is accepted. A line without one
/// may have any other word of its source.
fn levels(matcher: &Matcher) -> Levels {
    let of_words = |words: &[&str]| {
        let ours = |word: &&str| Severity::ALL.into_iter().find(|severity| level_word(*severity) == *word);
        Levels::of(words.iter().map(|word| ours(word).unwrap_or(Severity::Unspecified)))
    };
    match &matcher.op {
        MatchOp::Equal(word) if !word.is_empty() => of_words(&[word]),
        MatchOp::Matches(pattern) => {
            let words: Vec<&str> = pattern.as_str().split('|').collect();
            let is_list =
                words.len() <= WORDS_MAX && words.iter().all(|word| !word.is_empty() && is_plain(word));
            if is_list { of_words(&words) } else { Levels::ALL }
        }
        _ => Levels::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::Expr;
    use super::super::parse;
    use super::*;

    fn selected(query: &str) -> LogSelect {
        let Expr::Log(log) = parse(query).unwrap() else { panic!("{query} has numbers") };
        said(&log, UnixNanos(0), UnixNanos(1), Direction::Forward)
    }

    #[test]
    fn texts_are_taken_while_the_line_is_what_is_stored() {
        let query = r#"{a="1"} |= "x" |~ "y" |~ "z.*" != "w" | json |> "<_> 200 <_>" |= "v" or "u" | line_format "t" |= "s""#;
        assert_eq!(selected(query).contains, ["x", "y", "z", " 200 "]);
        let Expr::Log(log) = parse(query).unwrap() else { panic!("{query} has numbers") };
        let left: Vec<String> = left(&log.stages).iter().map(ToString::to_string).collect();
        let expect = [
            r#"|~ "z.*" != "w""#,
            "| json",
            r#"|> "<_> 200 <_>" |= "v" or "u""#,
            r#"| line_format "t""#,
            r#"|= "s""#,
        ];
        assert_eq!(left.join(" "), expect.join(" "));
    }

    #[test]
    fn what_must_be_json_has_an_object() {
        let contains = |stages: &str| selected(&format!("{{a=\"1\"}} {stages}")).contains;
        for stages in [
            r#"| json | __error__="""#,
            r#"| json | status >= 500 | b="c" and __error__="""#,
            r#"|= "" | json | drop a | __error__="""#,
        ] {
            assert_eq!(contains(stages), ["{"], "{stages}");
        }
        for stages in [
            "| json",
            r#"| __error__="" | json"#,
            r#"| json | __error__="" or a="b""#,
            r#"| json | __error__="JSONParserErr""#,
            r#"| json | drop __error__ | __error__="""#,
            r#"| unpack | __error__="""#,
            r#"| logfmt | json | __error__="""#,
            r#"| line_format "x" | json | __error__="""#,
        ] {
            assert!(contains(stages).is_empty(), "{stages}");
        }
    }

    #[test]
    fn metadata_is_asked_while_labels_are_what_is_stored() {
        let select = selected(r#"{a="1"} | trace_id="t" and b="c" | d="e" or f="g" | json | h="i""#);
        let expect =
            [("trace_id", "t"), ("b", "c")].map(|(name, value)| (name.to_string(), value.to_string()));
        assert_eq!(select.having, expect);
        assert!(selected(r#"{a="1"} | size > 5 | __error__="LabelFilterErr""#).having.is_empty());
    }

    #[test]
    fn levels_are_those_that_can_be_called_so() {
        let levels = |filter: &str| selected(&format!("{{a=\"1\"}} | detected_level{filter}")).levels;
        assert_eq!(levels(r#"="error""#), Levels::of([Severity::Error]));
        assert_eq!(levels(r#"=~"error|warn""#), Levels::of([Severity::Error, Severity::Warn]));
        assert_eq!(levels(r#"="unknown""#), Levels::of([Severity::Unspecified]));
        assert_eq!(levels(r#"="odd""#), Levels::of([Severity::Unspecified]));
        assert_eq!(levels(r#"!="error""#), Levels::ALL);
        assert_eq!(levels(r#"=~"e.*""#), Levels::ALL);
        assert_eq!(levels(r#"="""#), Levels::ALL);
    }
}
