//! A script's commands, line by line.

use std::sync::LazyLock;

use regex::Regex;

use super::series::{Described, Point, parse_series, parse_value};
use super::start_times::{StartTimes, is_start_times, parse_start_times};
use crate::query::promql::parse_duration;
use crate::record::Labels;

/// `eval instant` and its old forms.
static INSTANT: LazyLock<Regex> =
    LazyLock::new(|| form(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$"));

/// `eval range` and its old forms.
static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    form(r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")
});

/// What follows `expect range vector`.
static MOMENTS: LazyLock<Regex> = LazyLock::new(|| form(r"^\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$"));

/// What follows `expect` otherwise.
static EXPECTATION: LazyLock<Regex> =
    LazyLock::new(|| form(r"^(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$"));

fn form(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

/// What a script does next.
pub enum Command {
    /// Forgets all series.
    Clear,
    /// Adds series, one sample a step from the time zero on.
    Load {
        /// The distance of two samples in milliseconds.
        step_ms: i64,
        /// The series.
        series: Vec<Described>,
        /// Native histograms are to be made of the classic ones.
        makes_histograms: bool,
        /// Those whose samples have start timestamps.
        start_times: Vec<Labels>,
    },
    /// Evaluates a query.
    Eval(Box<Eval>),
}

/// A query with what it is to answer.
pub struct Eval {
    /// Its line in the file, counted from one.
    pub line: usize,
    /// Its text.
    pub query: String,
    /// The first moment in milliseconds; of an instant evaluation the only one.
    pub from_ms: i64,
    /// The last moment.
    pub to_ms: i64,
    /// The distance of two moments; none of an instant evaluation.
    pub step_ms: Option<i64>,
    /// What is expected.
    pub expect: Expect,
}

/// What a query is to answer.
#[derive(Default)]
pub struct Expect {
    /// It fails, with this text if one is given.
    pub fail: Option<Text>,
    /// Warnings: all of these and no others.
    pub warn: Vec<Text>,
    /// Infos: all of these and no others.
    pub info: Vec<Text>,
    /// There is a warning, whatever it says: `eval_warn`.
    pub some_warn: bool,
    /// There is an info, whatever it says: `eval_info`.
    pub some_info: bool,
    /// There are no warnings.
    pub no_warn: bool,
    /// There are no infos.
    pub no_info: bool,
    /// In this order.
    pub is_ordered: bool,
    /// A number alone.
    pub scalar: Option<f64>,
    /// A text.
    pub string: Option<String>,
    /// Series with their values, in the order of the lines.
    pub series: Vec<Described>,
    /// An instant evaluation answers a range vector with these moments: first, last, step.
    pub range: Option<(i64, i64, i64)>,
}

/// A text that is expected.
pub enum Text {
    /// Any.
    Any,
    /// This one.
    Is(String),
    /// One that matches.
    Matches(Regex),
}

impl Text {
    /// Returns true when a text is the one expected.
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Text::Any => true,
            Text::Is(expected) => expected == text,
            Text::Matches(regex) => regex.is_match(text),
        }
    }

    /// Returns what is expected, for messages.
    pub fn shown(&self) -> &str {
        match self {
            Text::Any => "any",
            Text::Is(expected) => expected,
            Text::Matches(regex) => regex.as_str(),
        }
    }
}

/// A line that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// Counted from one.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads a script.
pub fn parse_script(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines: Vec<&str> = text.lines().map(bare).collect();
    let mut res = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let word = line.split([' ', '\t']).next().unwrap_or_default().to_lowercase();
        let fail = |message: String| ScriptError { line: at + 1, message };
        // A command's own lines follow it up to the next empty one.
        let n_below = lines[at + 1..].iter().take_while(|line| !line.is_empty()).count();
        let below = &lines[at + 1..at + 1 + n_below];
        match word.as_str() {
            "" => {}
            "clear" => res.push(Command::Clear),
            _ if word.starts_with("load") => {
                res.push(load(line, below, at)?);
                at += n_below;
            }
            _ if word.starts_with("eval") => {
                let mut head = Head::parse(line).map_err(fail)?;
                let n_read = head.expectations(below, at)?;
                let eval = Eval { line: at + 1, ..head.eval };
                res.push(Command::Eval(Box::new(eval)));
                at += n_read;
            }
            _ => return Err(fail(format!("{word:?} is no command; there are load, clear and eval"))),
        }
        at += 1;
    }
    Ok(res)
}

/// A line without blanks around it; a comment is as good as none.
fn bare(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') { "" } else { line }
}

fn duration(text: &str) -> Result<i64, String> {
    let ms = parse_duration(text.trim()).map_err(|error| format!("{text:?} is no duration: {error}"))?;
    i64::try_from(ms).map_err(|_| format!("{text:?} is too long"))
}

fn load(line: &str, below: &[&str], at: usize) -> Result<Command, ScriptError> {
    let fail = |line: usize, message: String| ScriptError { line: line + 1, message };
    let (word, step) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let makes_histograms = match word {
        "load" => false,
        "load_with_nhcb" => true,
        _ => return Err(fail(at, format!("{word:?} is no command; there are load and load_with_nhcb"))),
    };
    let step_ms = duration(step).map_err(|message| fail(at, message))?;
    let (mut series, mut start_times) = (Vec::new(), Vec::new());
    // Start timestamps stand on a line of their own above their series.
    let mut above: Option<StartTimes> = None;
    for (line, at) in below.iter().zip(at + 1..) {
        let fail = |message: String| fail(at, message);
        if is_start_times(line) {
            if above.is_some() {
                return Err(fail("@st above another @st, not above a series".into()));
            }
            above = Some(parse_start_times(line).map_err(fail)?);
            continue;
        }
        let described = parse_series(line).map_err(fail)?;
        if let Some(above) = above.take() {
            above.check(&described).map_err(fail)?;
            start_times.push(above.labels);
        }
        series.push(described);
    }
    if above.is_some() {
        return Err(fail(at + below.len(), "@st without its series below".into()));
    }
    Ok(Command::Load { step_ms, series, makes_histograms, start_times })
}

/// An `eval` line while the lines below it are read.
struct Head {
    eval: Eval,
    /// The words of the old form: `expected_fail_message` may follow.
    is_old_fail: bool,
}

impl Head {
    fn parse(line: &str) -> Result<Self, String> {
        let (modifier, from_ms, to_ms, step_ms, query) = if let Some(found) = INSTANT.captures(line) {
            let at = found.get(2).ok_or("instant evaluation without its time: at <duration>")?;
            let at_ms = duration(at.as_str())?;
            (found.get(1), at_ms, at_ms, None, found[3].to_string())
        } else if let Some(found) = RANGE.captures(line) {
            let (from, to, step) = (duration(&found[2])?, duration(&found[3])?, duration(&found[4])?);
            if to < from {
                return Err(format!("range that ends at {} before it begins at {}", &found[3], &found[2]));
            }
            (found.get(1), from, to, Some(step), found[5].to_string())
        } else {
            return Err(
                "an evaluation is `eval instant at <time> <query>` or `eval range from <time> to <time> step <step> <query>`"
                    .into(),
            );
        };
        let mut expect = Expect::default();
        let modifier = modifier.map(|found| found.as_str());
        match modifier {
            Some("fail") => expect.fail = Some(Text::Any),
            Some("warn") => expect.some_warn = true,
            Some("info") => expect.some_info = true,
            Some("ordered") => expect.is_ordered = true,
            _ => {}
        }
        let eval = Eval { line: 0, query, from_ms, to_ms, step_ms, expect };
        Ok(Head { eval, is_old_fail: modifier == Some("fail") })
    }

    /// Reads what is expected from the lines below, and returns how many of them were read.
    fn expectations(&mut self, below: &[&str], at: usize) -> Result<usize, ScriptError> {
        for (idx, line) in below.iter().enumerate() {
            let fail = |message: String| ScriptError { line: at + 2 + idx, message };
            if self.is_last(line).map_err(fail)? {
                return Ok(idx + 1);
            }
        }
        Ok(below.len())
    }

    /// Reads one line, and returns true when no other belongs to the evaluation.
    fn is_last(&mut self, line: &str) -> Result<bool, String> {
        let expect = &mut self.eval.expect;
        if self.is_old_fail {
            if let Some(message) = line.strip_prefix("expected_fail_message") {
                expect.fail = Some(Text::Is(message.trim().into()));
                return Ok(true);
            }
            if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
                expect.fail = Some(Text::Matches(regex(pattern.trim())?));
                return Ok(true);
            }
        }
        if let Some(range) = line.strip_prefix("expect range vector") {
            expect.range = Some(moments(range)?);
            return Ok(false);
        }
        if let Some(text) = line.strip_prefix("expect string") {
            expect.string = Some(unquoted(text.trim())?);
            return Ok(false);
        }
        if let Some(rest) = line.strip_prefix("expect ") {
            annotation(expect, rest)?;
            return Ok(false);
        }
        if let Ok(value) = parse_value(line) {
            expect.scalar = Some(value);
            return Ok(true);
        }
        let described = parse_series(line)?;
        let is_one = described.points.len() <= 1 || self.eval.step_ms.is_some() || expect.range.is_some();
        if !is_one {
            return Err(
                "more than one value in an instant evaluation; `expect range vector` allows it".into()
            );
        }
        expect.series.push(described);
        Ok(false)
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("{pattern:?} is no regular expression: {error}"))
}

/// Reads ` from 10s to 1m step 10s`.
fn moments(text: &str) -> Result<(i64, i64, i64), String> {
    let found =
        MOMENTS.captures(text).ok_or("write: expect range vector from <time> to <time> step <step>")?;
    Ok((duration(&found[1])?, duration(&found[2])?, duration(&found[3])?))
}

/// Reads a text in quotes by the rules of PromQL.
fn unquoted(text: &str) -> Result<String, String> {
    match crate::query::promql::parse(text) {
        Ok(crate::query::promql::ast::Expr::String(text)) => Ok(text.value),
        _ => Err(format!("{text:?} is no string in quotes")),
    }
}

/// Reads what follows `expect`: `fail`, `warn msg: …`, `no_info` and their like.
fn annotation(expect: &mut Expect, text: &str) -> Result<(), String> {
    let found = EXPECTATION.captures(text.trim()).ok_or_else(|| format!("{text:?} cannot be expected"))?;
    let given = match (found.get(2).map(|kind| kind.as_str()), found.get(3).map(|text| text.as_str().trim()))
    {
        (Some("msg"), Some(text)) => Text::Is(text.into()),
        (Some(_), Some(pattern)) => Text::Matches(regex(pattern)?),
        _ => Text::Any,
    };
    match &found[1] {
        "ordered" => expect.is_ordered = true,
        // `eval_fail` may be told more precisely.
        "fail" if expect.fail.as_ref().is_some_and(|fail| !matches!(fail, Text::Any)) => {
            return Err("`expect fail` stands twice".into());
        }
        "fail" => expect.fail = Some(given),
        "warn" => expect.warn.push(given),
        "info" => expect.info.push(given),
        "no_warn" => expect.no_warn = true,
        _ => expect.no_info = true,
    }
    if expect.no_warn && !expect.warn.is_empty() || expect.no_info && !expect.info.is_empty() {
        return Err("warnings or infos are both expected and excluded".into());
    }
    Ok(())
}

impl Expect {
    /// Returns true when a native histogram is among what is expected.
    pub fn has_histograms(&self) -> bool {
        self.series.iter().any(|series| series.points.contains(&Point::Histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
# A comment.
load 5m
    up{job="a"}  0+10x2
    h {{sum:1}}

eval instant at 10m sum(up)
    expect no_warn
    {} 20

eval range from 0 to 10m step 5m up
    up{job="a"} 0 10 20

eval_fail instant at 0 sum(
    expected_fail_message no
clear
eval instant at 1m "a"
    expect string "a"

eval instant at 1m 1 + 1
    2
"#;

    #[test]
    fn a_script_is_its_commands() {
        let commands = parse_script(SCRIPT).unwrap();
        let lines: Vec<usize> = commands
            .iter()
            .map(|command| match command {
                Command::Eval(eval) => eval.line,
                Command::Load { series, .. } => series.len(),
                Command::Clear => 0,
            })
            .collect();
        assert_eq!(lines, [2, 7, 11, 14, 0, 17, 20]);
        let Command::Eval(sum) = &commands[1] else { panic!() };
        assert_eq!((sum.query.as_str(), sum.from_ms, sum.step_ms), ("sum(up)", 600_000, None));
        assert!(sum.expect.no_warn && sum.expect.series[0].labels.is_empty());
        let Command::Eval(fails) = &commands[3] else { panic!() };
        assert!(fails.expect.fail.as_ref().unwrap().accepts("no"));
        let Command::Eval(number) = &commands[6] else { panic!() };
        assert_eq!(number.expect.scalar, Some(2.0));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (script, line) in [
            ("lod 5m", 1),
            ("load x\n  up 1", 1),
            ("load 5m\n up 1\n up one", 3),
            ("\neval instant up", 2),
            ("eval range from 5m to 1m step 1m up", 1),
            ("eval instant at 1m up\n  expect nothing", 2),
            ("eval instant at 1m up\n  up 1 2", 2),
            ("eval instant at 1m up\n  expect warn\n  expect no_warn", 3),
        ] {
            assert_eq!(parse_script(script).err().map(|error| error.line), Some(line), "{script}");
        }
    }
}
