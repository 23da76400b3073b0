//! Rules as they were written, each part with its place, and the check that makes rules of them.
//!
//! Whatever is wrong is collected, so that an owner reads all of it at once. The rules of the
//! check and most of its words are those of Prometheus's `rulefmt`.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::definition::{Alerting, Group, INTERVAL_MIN, Kind, Query, RULES_MAX, Rule};
use super::template::Template;
use crate::query::promql::ast::Type;
use crate::query::promql::{parse, parse_duration};
use crate::record::labels::METRIC_NAME;

/// A text and where it was written, as file, line and column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: String,
}

/// Names with texts, in the order of the file.
pub type Pairs = Vec<(String, Field)>;

/// A rule as it was written.
#[derive(Clone, Debug, Default)]
pub struct DraftRule {
    /// Where it begins.
    pub place: String,
    /// `record`
    pub record: Option<Field>,
    /// `alert`
    pub alert: Option<Field>,
    /// `expr`
    pub expr: Option<Field>,
    /// `for`
    pub hold: Option<Field>,
    /// `keep_firing_for`
    pub keep_firing_for: Option<Field>,
    /// `labels`
    pub labels: Pairs,
    /// `annotations`
    pub annotations: Pairs,
}

/// A group as it was written.
#[derive(Clone, Debug, Default)]
pub struct DraftGroup {
    /// `name`
    pub name: Field,
    /// The file that it is in.
    pub file: String,
    /// `interval`
    pub interval: Option<Field>,
    /// `query_offset`
    pub query_offset: Option<Field>,
    /// `limit`
    pub limit: Option<Field>,
    /// `labels`, which every rule has unless it sets them itself.
    pub labels: Pairs,
    /// `rules`
    pub rules: Vec<DraftRule>,
}

/// One thing wrong with the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as file, line and column.
    pub place: String,
    /// Group, rule and what is wrong.
    pub message: String,
}

/// Makes rules of what was written, or says everything that is wrong.
pub fn check(drafts: &[DraftGroup], interval: Duration) -> Result<Vec<Arc<Group>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut known = HashSet::new();
    let mut groups = Vec::new();
    for draft in drafts {
        let name = &draft.name;
        let mut note = |message: String| problems.push(Problem { place: name.place.clone(), message });
        if name.text.is_empty() {
            note("Groupname must not be empty".into());
        } else if !known.insert((&draft.file, &name.text)) {
            note(format!("groupname: {:?} is repeated in the same file", name.text));
        }
        groups.push(Arc::new(GroupCheck { draft, problems: &mut problems }.group(interval)));
    }
    let n_rules: usize = drafts.iter().map(|draft| draft.rules.len()).sum();
    if n_rules > RULES_MAX {
        let place = drafts.last().map_or(String::new(), |draft| draft.name.place.clone());
        let message = format!("{n_rules} rules of all groups are above the limit of {RULES_MAX}");
        problems.push(Problem { place, message });
    }
    if problems.is_empty() { Ok(groups) } else { Err(problems) }
}

struct GroupCheck<'a> {
    draft: &'a DraftGroup,
    problems: &'a mut Vec<Problem>,
}

impl GroupCheck<'_> {
    fn group(&mut self, interval: Duration) -> Group {
        let draft = self.draft;
        let own = self.duration("interval", draft.interval.as_ref()).filter(|own| !own.is_zero());
        if let (Some(own), Some(text)) = (own, &draft.interval)
            && own < INTERVAL_MIN
        {
            self.note(text, format!("`interval`: {:?} is shorter than {INTERVAL_MIN:?}", text.text));
        }
        let limit = draft.limit.as_ref().map(|limit| {
            let note = format!("`limit`: {:?} is not a whole number from 0", limit.text);
            limit.text.parse().map_err(|_| self.note(limit, note))
        });
        self.label_names("label", &draft.labels);
        Group {
            name: draft.name.text.clone(),
            file: draft.file.clone(),
            interval: own.unwrap_or(interval),
            query_offset: self.duration("query_offset", draft.query_offset.as_ref()).unwrap_or_default(),
            limit: limit.and_then(Result::ok).unwrap_or(0),
            rules: (1..).zip(&draft.rules).filter_map(|(no, rule)| self.rule(no, rule)).collect(),
        }
    }

    fn rule(&mut self, no: usize, draft: &DraftRule) -> Option<Rule> {
        let named = draft.alert.as_ref().or(draft.record.as_ref());
        let name = named.map_or(String::new(), |name| name.text.clone());
        let mut rule = RuleCheck { group: self, no, name: &name, draft };
        let kind = rule.kind();
        let query = rule.query();
        let labels = rule.labels();
        Some(Rule { kind: kind?, query: query?, labels: labels?, name })
    }

    fn duration(&mut self, field: &str, text: Option<&Field>) -> Option<Duration> {
        let text = text?;
        let read = parse_duration(&text.text).map(Duration::from_millis);
        read.map_err(|fault| self.note(text, format!("`{field}`: {fault}"))).ok()
    }

    fn label_names(&mut self, what: &str, labels: &[(String, Field)]) {
        for (name, value) in labels {
            if name.is_empty() || name == METRIC_NAME {
                self.note(value, format!("invalid {what} name: {name}"));
            }
        }
    }

    fn note(&mut self, at: &Field, message: String) {
        let message = format!("group {:?}: {message}", self.draft.name.text);
        self.problems.push(Problem { place: at.place.clone(), message });
    }
}

struct RuleCheck<'a, 'g> {
    group: &'a mut GroupCheck<'g>,
    /// From one.
    no: usize,
    name: &'a str,
    draft: &'a DraftRule,
}

impl RuleCheck<'_, '_> {
    fn note(&mut self, place: &str, message: impl AsRef<str>) {
        let mut text = format!("group {:?}, rule {}, {:?}: ", self.group.draft.name.text, self.no, self.name);
        // Writing to a text cannot fail.
        _ = text.write_str(message.as_ref());
        self.group.problems.push(Problem { place: place.to_string(), message: text });
    }

    fn kind(&mut self) -> Option<Kind> {
        let draft = self.draft;
        let is_set = |field: &Option<Field>| field.as_ref().is_some_and(|field| !field.text.is_empty());
        match (is_set(&draft.record), is_set(&draft.alert)) {
            (true, true) => {
                self.note(&draft.place, "only one of 'record' and 'alert' must be set");
                None
            }
            (false, false) => {
                self.note(&draft.place, "one of 'record' or 'alert' must be set");
                None
            }
            (true, false) => self.record(),
            (false, true) => self.alert(),
        }
    }

    fn record(&mut self) -> Option<Kind> {
        let draft = self.draft;
        let place = &draft.record.as_ref().unwrap_or(&Field::default()).place.clone();
        let not_of_records = [
            ("annotations", draft.annotations.first().map(|(_, value)| value)),
            ("for", draft.hold.as_ref()),
            ("keep_firing_for", draft.keep_firing_for.as_ref()),
        ];
        let n_before = self.group.problems.len();
        for (field, given) in not_of_records {
            if let Some(given) = given {
                self.note(&given.place, format!("invalid field '{field}' in recording rule"));
            }
        }
        if self.name.contains(['{', '}']) {
            let name = self.name;
            let message = format!("braces present in the recording rule name; should it be in expr?: {name}");
            self.note(place, message);
        }
        (self.group.problems.len() == n_before).then_some(Kind::Record)
    }

    fn alert(&mut self) -> Option<Kind> {
        let draft = self.draft;
        let hold = self.duration("for", draft.hold.as_ref());
        let keep_firing_for = self.duration("keep_firing_for", draft.keep_firing_for.as_ref());
        let mut annotations = Some(Vec::new());
        for (name, value) in &draft.annotations {
            if name.is_empty() {
                self.note(&value.place, "invalid annotation name: ");
            }
            let template = self.template("annotation", name, value);
            annotations = annotations.zip(template).map(|(mut all, template)| {
                all.push((name.clone(), template));
                all
            });
        }
        Some(Kind::Alert(Alerting {
            hold: hold?,
            keep_firing_for: keep_firing_for?,
            annotations: annotations?,
        }))
    }

    fn query(&mut self) -> Option<Query> {
        let Some(expr) = self.draft.expr.as_ref().filter(|expr| !expr.text.trim().is_empty()) else {
            self.note(&self.draft.place.clone(), "field 'expr' must be set in rule");
            return None;
        };
        match parse(&expr.text) {
            Ok(parsed) if matches!(parsed.value_type(), Type::Scalar | Type::Vector) => {
                let printed = parsed.to_string().into();
                Some(Query { text: expr.text.clone(), expr: Arc::new(parsed), printed })
            }
            Ok(parsed) => {
                let is = parsed.value_type().as_str();
                self.note(&expr.place, format!("`expr`: a rule is a vector or a scalar, this is a {is}"));
                None
            }
            Err(fault) => {
                self.note(&expr.place, format!("`expr`: could not parse expression: {fault}"));
                None
            }
        }
    }

    /// The rule's labels, over those of the group.
    fn labels(&mut self) -> Option<Vec<(String, Template)>> {
        let mut res = BTreeMap::new();
        let mut is_right = true;
        let (of_group, own) = (&self.group.draft.labels, &self.draft.labels);
        for (name, value) in of_group.iter().chain(own) {
            let is_own = own.iter().any(|(_, own)| std::ptr::eq(own, value));
            if is_own && (name.is_empty() || name == METRIC_NAME) {
                self.note(&value.place, format!("invalid label name: {name}"));
                is_right = false;
            }
            match self.template("label", name, value) {
                Some(template) => _ = res.insert(name.clone(), template),
                None => is_right = false,
            }
        }
        is_right.then(|| res.into_iter().collect())
    }

    /// Labels of recording rules are taken as they are.
    fn template(&mut self, what: &str, name: &str, value: &Field) -> Option<Template> {
        if self.draft.alert.is_none() {
            return Some(Template::plain(&value.text));
        }
        let read = Template::parse(&value.text);
        read.map_err(|fault| self.note(&value.place, format!("{what} {name:?}: {fault}"))).ok()
    }

    fn duration(&mut self, field: &str, text: Option<&Field>) -> Option<Duration> {
        let Some(text) = text else { return Some(Duration::ZERO) };
        let read = parse_duration(&text.text).map(Duration::from_millis);
        read.map_err(|fault| self.note(&text.place, format!("`{field}`: {fault}"))).ok()
    }
}
