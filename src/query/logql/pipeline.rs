//! The stages of a query, compiled once and run line by line.
//!
//! Nothing that a line can be like ends a query: a stage that cannot do its work says so in the
//! labels of the line, and the line goes on.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::ast::{LabelFormat, LabelSource, LineFilter, LineMatch, LineOp, Named, Stage};
use super::decolorize::decolorize;
use super::entry::{Entry, Scratch};
use super::error::{ERROR_DETAILS_LABEL, ERROR_LABEL, PRESERVE_ERROR_LABEL, ParseError};
use super::extract::{
    Json, JsonExpressions, LinePattern, Logfmt, LogfmtExpressions, PatternFilter, RegexpFields, Unpack,
};
use super::hints::{self, Hints};
use super::ip::IpMatcher;
use super::label_test::LabelTest;
use super::template::{Scope, Template};
use crate::clock::UnixNanos;
use crate::pace::give_way;
use crate::query::algebra::aggregate::Grouping;
use crate::record::pattern::{COST_MAX, Pattern};
use crate::record::read::LineRef;

/// What a template that cannot be rendered is answered with in `__error__`.
const TEMPLATE_ERROR: &str = "TemplateFormatErr";

/// Bytes that the templates of all stages may write for one line, beside what the last of them does.
const RENDERED_MAX_BYTES: usize = 2 << 20;

/// Most that compiling all expressions of a pipeline may cost together.
const PATTERNS_COST_MAX: u64 = COST_MAX;

/// Stages ready to be run.
pub struct Pipeline {
    steps: Vec<Step>,
    hints: Hints,
    /// The time that templates are told.
    now: UnixNanos,
}

enum Step {
    Line { tests: Vec<LineTest>, is_negative: bool },
    Parse(Parse),
    Unpack(Unpack),
    Label(LabelTest),
    LineFormat(Template),
    LabelFormat(Vec<(String, Format)>),
    Decolorize,
    Drop(Vec<Named>),
    Keep(Vec<Named>),
}

/// Finds labels in a line.
type Parse = Box<dyn Fn(&str, &mut Entry<'_>) + Send + Sync>;

enum LineTest {
    Contains(Finder<'static>),
    Matches(Pattern),
    Pattern(PatternFilter),
    Ip(IpMatcher),
}

enum Format {
    Label(String),
    Template(Template),
}

impl LineTest {
    fn holds(&self, line: &str) -> bool {
        match self {
            LineTest::Contains(finder) => finder.find(line.as_bytes()).is_some(),
            LineTest::Matches(pattern) => pattern.is_match(line),
            LineTest::Pattern(pattern) => pattern.is_match(line),
            LineTest::Ip(addresses) => addresses.found_in_line(line),
        }
    }
}

/// What a template sees of a line.
struct Seen<'e, 'a> {
    entry: &'e Entry<'a>,
    /// The labels as they were when the stage began.
    labels: Option<&'e [(String, String)]>,
    now: UnixNanos,
}

impl Scope for Seen<'_, '_> {
    fn line(&self) -> &str {
        self.entry.text()
    }

    fn at(&self) -> UnixNanos {
        self.entry.line.at
    }

    fn now(&self) -> UnixNanos {
        self.now
    }

    fn label(&self, name: &str) -> Option<&str> {
        match self.labels {
            Some(labels) => labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()),
            None if name == ERROR_LABEL => Some(self.entry.error()).filter(|error| !error.is_empty()),
            None if name == ERROR_DETAILS_LABEL => Some(self.entry.error_details()),
            None => self.entry.label(name),
        }
    }

    fn each_label(&self, visit: &mut dyn FnMut(&str, &str)) {
        let collected;
        let labels = match self.labels {
            Some(labels) => labels,
            None => {
                collected = labels_of(self.entry);
                &collected
            }
        };
        labels.iter().for_each(|(name, value)| visit(name, value));
    }
}

/// Returns the labels sorted by name.
fn labels_of(entry: &Entry<'_>) -> Vec<(String, String)> {
    let mut res = Vec::new();
    entry.each_label(&mut |_, name, value| res.push((name.to_string(), value.to_string())));
    res.sort_unstable();
    res
}

/// Compiles the stages of one pipeline.
struct Compiler {
    cost: u64,
    /// Labels that stages read.
    named: Vec<String>,
    /// Some template may read any label.
    reads_all: bool,
}

/// What numbers are made of the lines that leave a pipeline.
pub struct Numbers<'a> {
    /// The groups, if there are any.
    pub grouping: Option<&'a Grouping>,
    /// Labels that are read behind the pipeline.
    pub named: Vec<String>,
    /// The bytes of lines are counted: what a line looks like matters to the end.
    pub counts_bytes: bool,
}

impl Pipeline {
    /// Prepares stages whose lines are shown with all their labels. Templates take `now` for the time.
    pub fn of_lines(stages: &[Stage], now: UnixNanos) -> Result<Self, ParseError> {
        let mut compiler = Compiler { cost: 0, named: Vec::new(), reads_all: false };
        Ok(Pipeline { steps: compiler.steps(stages)?, hints: Hints::everything(), now })
    }

    /// Prepares stages whose lines are counted.
    pub fn of_numbers(stages: &[Stage], numbers: Numbers<'_>, now: UnixNanos) -> Result<Self, ParseError> {
        let mut compiler = Compiler { cost: 0, named: Vec::new(), reads_all: false };
        // How a line is formatted that nobody looks at any more says nothing, and costs much.
        let last_look = stages.iter().rposition(reads_line).unwrap_or_default();
        let is_seen = |(idx, stage): &(usize, &Stage)| {
            *idx < last_look || numbers.counts_bytes || !matches!(stage, Stage::LineFormat(_))
        };
        let seen: Vec<Stage> =
            stages.iter().enumerate().filter(is_seen).map(|(_, stage)| stage.clone()).collect();
        let steps = compiler.steps(&seen)?;
        compiler.named.extend(numbers.named);
        let hints = if compiler.reads_all {
            Hints::everything()
        } else {
            Hints::new(compiler.named, numbers.grouping)
        };
        Ok(Pipeline { steps, hints, now })
    }

    /// Returns false when no stage looks at the text of a line.
    pub fn reads_text(&self) -> bool {
        let looks = |step: &Step| !matches!(step, Step::Label(_) | Step::Drop(_) | Step::Keep(_));
        self.steps.iter().any(looks)
    }

    /// Returns about how many bytes the stages work on before they are done with a line.
    pub fn work_bytes(&self, line: &LineRef<'_>) -> usize {
        let renders = |step: &Step| matches!(step, Step::LineFormat(_) | Step::LabelFormat(_));
        match () {
            // What a template does takes longer than to look at the time.
            () if self.steps.iter().any(renders) => usize::MAX,
            () if self.reads_text() => line.body().len(),
            () => 0,
        }
    }

    /// Runs the stages on a line; none when it is left out.
    pub fn run<'a>(&'a self, line: LineRef<'a>, scratch: &'a mut Scratch) -> Option<Entry<'a>> {
        let mut entry = Entry::new(line, scratch, &self.hints);
        for (idx, step) in self.steps.iter().enumerate() {
            let guard = || match self.steps.get(idx + 1) {
                Some(Step::Label(test)) => Some(test).filter(|test| test.label().is_some()),
                _ => None,
            };
            let stays = match step {
                Step::Line { tests, is_negative } => {
                    tests.iter().any(|test| test.holds(entry.text())) != *is_negative
                }
                Step::Parse(parse) => entry.parse(guard(), parse),
                Step::Unpack(unpack) => {
                    let mut unpacked = None;
                    let stays = entry.parse(guard(), |line, entry| unpacked = unpack.extract(line, entry));
                    if let Some(unpacked) = unpacked {
                        entry.set_text(unpacked);
                    }
                    stays
                }
                Step::Label(test) => test.keeps(&mut entry),
                other => {
                    change(other, &mut entry, self.now);
                    true
                }
            };
            if !stays {
                return None;
            }
        }
        Some(entry)
    }
}

/// Returns true for a stage that looks at the text of a line.
fn reads_line(stage: &Stage) -> bool {
    matches!(stage, Stage::Line(_)) || stage.parses()
}

/// Runs a stage that leaves no line out.
fn change(step: &Step, entry: &mut Entry<'_>, now: UnixNanos) {
    match step {
        Step::LineFormat(template) => match rendered(template, &Seen { entry, labels: None, now }) {
            Ok(text) => {
                entry.note_rendered(text.len());
                entry.set_text(text);
            }
            Err(fault) => entry.set_error(TEMPLATE_ERROR, &fault),
        },
        Step::LabelFormat(formats) => format_labels(formats, entry, now),
        Step::Decolorize => {
            if let Cow::Owned(plain) = decolorize(entry.text()) {
                entry.set_text(plain);
            }
        }
        Step::Drop(names) => names.iter().for_each(|named| drop_label(named, entry)),
        Step::Keep(names) => keep_labels(names, entry),
        Step::Line { .. } | Step::Parse(_) | Step::Unpack(_) | Step::Label(_) => {}
    }
}

/// Renders a template, unless those before it wrote too much or there is no time for more.
fn rendered(template: &Template, seen: &Seen<'_, '_>) -> Result<String, String> {
    if seen.entry.n_rendered() > RENDERED_MAX_BYTES {
        return Err(format!("templates wrote more than {RENDERED_MAX_BYTES} bytes for one line"));
    }
    if give_way().is_break() {
        return Err("no time is left".to_string());
    }
    let mut res = String::new();
    template.render(seen, &mut res).map_err(|fault| fault.to_string())?;
    Ok(res)
}

fn format_labels(formats: &[(String, Format)], entry: &mut Entry<'_>, now: UnixNanos) {
    let mut labels: Option<Vec<(String, String)>> = None;
    for (name, format) in formats {
        match format {
            Format::Label(from) => {
                if let Some(value) = entry.label(from).map(str::to_string) {
                    entry.set_label(name, &value);
                    entry.remove_label(from);
                }
            }
            Format::Template(template) => {
                // All templates of a stage see the labels as the first one found them.
                let labels = (formats.len() > 1).then(|| &*labels.get_or_insert_with(|| labels_of(entry)));
                let labels = labels.map(Vec::as_slice);
                match rendered(template, &Seen { entry, labels, now }) {
                    Ok(value) => {
                        entry.note_rendered(value.len());
                        entry.set_label(name, &value);
                    }
                    Err(fault) => entry.set_error(TEMPLATE_ERROR, &fault),
                }
            }
        }
    }
}

fn drop_label(named: &Named, entry: &mut Entry<'_>) {
    let name = named.name();
    let value = match name {
        ERROR_LABEL => entry.error(),
        ERROR_DETAILS_LABEL => entry.error_details(),
        _ => entry.label(name).unwrap_or_default(),
    };
    if let Named::Matching(matcher) = named
        && !matcher.accepts_value(value)
    {
        return;
    }
    match name {
        ERROR_LABEL => entry.clear_error(),
        ERROR_DETAILS_LABEL => entry.clear_error_details(),
        _ => entry.remove_label(name),
    }
}

fn keep_labels(names: &[Named], entry: &mut Entry<'_>) {
    let is_kept = |name: &str, value: &str| {
        names.iter().any(|named| match named {
            Named::Name(kept) => kept == name,
            Named::Matching(matcher) => matcher.name == name && matcher.accepts_value(value),
        })
    };
    let mut gone = Vec::new();
    entry.each_label(&mut |_, name, value| {
        let says_what_failed = matches!(name, ERROR_LABEL | ERROR_DETAILS_LABEL | PRESERVE_ERROR_LABEL);
        if !says_what_failed && !is_kept(name, value) {
            gone.push(name.to_string());
        }
    });
    gone.iter().for_each(|name| entry.remove_label(name));
}

impl Compiler {
    /// Compiles stages. Filters of the line come as early as the line is what they ask about: what
    /// they leave out need not be parsed.
    fn steps(&mut self, stages: &[Stage]) -> Result<Vec<Step>, ParseError> {
        let mut res: Vec<Step> = Vec::with_capacity(stages.len());
        let mut earliest = 0;
        for stage in stages {
            match self.step(stage)? {
                filter @ Step::Line { .. } => {
                    res.insert(earliest, filter);
                    earliest += 1;
                }
                changing @ (Step::LineFormat(_) | Step::Unpack(_) | Step::Decolorize) => {
                    res.push(changing);
                    earliest = res.len();
                }
                other => res.push(other),
            }
        }
        Ok(res)
    }

    fn step(&mut self, stage: &Stage) -> Result<Step, ParseError> {
        let refused = |fault: &dyn std::fmt::Display| ParseError::of_stage(stage, fault);
        hints::each_named(stage, &mut |name| self.named.push(name.to_string()));
        Ok(match stage {
            Stage::Line(filter) => self.line_filter(filter).map_err(|fault| refused(&fault))?,
            Stage::Json => Step::Parse(Box::new(|line, entry| Json.extract(line, entry))),
            Stage::JsonLabels(labels) => {
                let parser = JsonExpressions::new(labels).map_err(|fault| refused(&fault))?;
                Step::Parse(Box::new(move |line, entry| parser.extract(line, entry)))
            }
            Stage::Logfmt(flags) => {
                let parser = Logfmt::new(*flags);
                Step::Parse(Box::new(move |line, entry| parser.extract(line, entry)))
            }
            Stage::LogfmtLabels(flags, labels) => {
                let parser = LogfmtExpressions::new(labels, flags.is_strict);
                let parser = parser.map_err(|fault| refused(&fault))?;
                Step::Parse(Box::new(move |line, entry| parser.extract(line, entry)))
            }
            Stage::Regexp(pattern) => {
                let parser = RegexpFields::new(pattern).map_err(|fault| refused(&fault))?;
                self.count(parser.cost()).map_err(|fault| refused(&fault))?;
                Step::Parse(Box::new(move |line, entry| parser.extract(line, entry)))
            }
            Stage::Pattern(pattern) => {
                let parser = LinePattern::new(pattern).map_err(|fault| refused(&fault))?;
                Step::Parse(Box::new(move |line, entry| parser.extract(line, entry)))
            }
            Stage::Unpack => Step::Unpack(Unpack),
            Stage::Label(filter) => Step::Label(LabelTest::new(filter)?),
            Stage::LineFormat(template) => {
                let fault = |fault| refused(&format!("invalid line template: {fault}"));
                let template = Template::parse(template).map_err(fault)?;
                self.reads(&template);
                Step::LineFormat(template)
            }
            Stage::LabelFormat(formats) => self.label_formats(formats).map_err(|fault| refused(&fault))?,
            Stage::Decolorize => Step::Decolorize,
            Stage::Drop(names) => Step::Drop(names.clone()),
            Stage::Keep(names) => Step::Keep(names.clone()),
        })
    }

    fn reads(&mut self, template: &Template) {
        self.named.extend(template.fields());
        self.reads_all |= template.needs_every_label();
    }

    fn count(&mut self, cost: u64) -> Result<(), String> {
        self.cost += cost;
        if self.cost > PATTERNS_COST_MAX {
            return Err("regular expressions too large together".to_string());
        }
        Ok(())
    }

    fn line_filter(&mut self, filter: &LineFilter) -> Result<Step, String> {
        let mut tests = Vec::with_capacity(filter.alternatives.len());
        for alternative in &filter.alternatives {
            tests.push(match (alternative, filter.op) {
                (LineMatch::Ip(addresses), LineOp::Contains | LineOp::ContainsNot) => {
                    LineTest::Ip(IpMatcher::new(addresses).map_err(|fault| fault.to_string())?)
                }
                (LineMatch::Ip(_), _) => return Err("ip: invalid operation".to_string()),
                (LineMatch::Text(text), LineOp::Contains | LineOp::ContainsNot) => {
                    LineTest::Contains(Finder::new(text).into_owned())
                }
                (LineMatch::Text(text), LineOp::Matches | LineOp::MatchesNot) => {
                    let pattern = Pattern::search(text).map_err(|fault| fault.to_string())?;
                    self.count(pattern.cost())?;
                    LineTest::Matches(pattern)
                }
                (LineMatch::Text(text), LineOp::Pattern | LineOp::PatternNot) => {
                    LineTest::Pattern(PatternFilter::new(text).map_err(|fault| fault.to_string())?)
                }
            });
        }
        Ok(Step::Line { tests, is_negative: filter.op.is_negative() })
    }

    fn label_formats(&mut self, formats: &[LabelFormat]) -> Result<Step, String> {
        let mut res: Vec<(String, Format)> = Vec::with_capacity(formats.len());
        for LabelFormat { name, value } in formats {
            if name == ERROR_LABEL {
                return Err(format!("{name} cannot be formatted"));
            }
            if res.iter().any(|(known, _)| known == name) {
                return Err(format!("multiple label name '{name}' not allowed in a single format operation"));
            }
            let format = match value {
                LabelSource::Label(from) => {
                    self.named.push(from.clone());
                    Format::Label(from.clone())
                }
                LabelSource::Template(text) => {
                    let fault = |fault| format!("invalid template for label '{name}': {fault}");
                    let template = Template::parse_label(text).map_err(fault)?;
                    self.reads(&template);
                    Format::Template(template)
                }
            };
            res.push((name.clone(), format));
        }
        Ok(Step::LabelFormat(res))
    }
}
