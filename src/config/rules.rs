//! Rules: `[[rules]]` of the configuration file and the files of `rule_files`, as one list of groups.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, glob_with};
use toml_edit::{Item, TableLike};

use super::Problem;
use super::file::{Walk, read_bounded};
use crate::query::rules::draft::{DraftGroup, DraftRule, Field, Pairs};
use crate::query::rules::{Config, check, file};

/// The keys of one `[[rules]]`: those of a rule, and which group it belongs to.
pub const KEYS: [&str; 9] =
    ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations", "group", "interval"];

/// The group of rules that name none.
const GROUP: &str = "rules";

/// Most files of all patterns together.
const FILES_MAX: usize = 64;

/// One `[[rules]]` as it was written.
#[derive(Debug)]
pub struct Written {
    rule: DraftRule,
    group: Option<Field>,
    interval: Option<Field>,
}

/// Reads one table; values that are no texts are problems.
pub(super) fn written(walk: &mut Walk<'_>, table: &dyn TableLike, place: &str) -> Written {
    let first = table.iter().next().and_then(|(name, _)| table.key(name)?.span());
    let place = first.map_or(place.to_string(), |span| walk.place(span.start));
    let mut entry = Entry { walk, table };
    let rule = DraftRule {
        place,
        record: entry.text("record"),
        alert: entry.text("alert"),
        expr: entry.text("expr"),
        hold: entry.text("for"),
        keep_firing_for: entry.text("keep_firing_for"),
        labels: entry.pairs("labels"),
        annotations: entry.pairs("annotations"),
    };
    Written { rule, group: entry.text("group"), interval: entry.text("interval") }
}

struct Entry<'a, 'w> {
    walk: &'a mut Walk<'w>,
    table: &'a dyn TableLike,
}

impl Entry<'_, '_> {
    fn text(&mut self, key: &str) -> Option<Field> {
        field(self.walk, self.table, key, &format!("rules.{key}"))
    }

    fn pairs(&mut self, key: &str) -> Pairs {
        let Some(item) = self.table.get(key) else { return Vec::new() };
        let Some(table) = item.as_table_like() else {
            let place = place_of(self.walk, self.table, key);
            let message = format!("`rules.{key}`: {} is not a table of texts", self.walk.shown(item));
            self.walk.problems.push(Problem { place, message });
            return Vec::new();
        };
        let names: Vec<String> = table.iter().map(|(name, _)| name.to_string()).collect();
        let pair = |name: String| {
            let value = field(self.walk, table, &name, &format!("rules.{key}.{name}"))?;
            Some((name, value))
        };
        names.into_iter().filter_map(pair).collect()
    }
}

fn field(walk: &mut Walk<'_>, table: &dyn TableLike, key: &str, shown: &str) -> Option<Field> {
    let item: &Item = table.get(key)?;
    let place = place_of(walk, table, key);
    if let Some(text) = item.as_str() {
        return Some(Field { text: text.to_string(), place });
    }
    let message = format!("`{shown}`: {} is not a text ({})", walk.shown(item), item.type_name());
    walk.problems.push(Problem { place, message });
    None
}

fn place_of(walk: &Walk<'_>, table: &dyn TableLike, key: &str) -> String {
    let span = table.key(key).and_then(|key| key.span());
    walk.place(span.map_or(0, |span| span.start))
}

/// Reads every rule file and checks all rules, those of the configuration file included, or says
/// everything that is wrong.
pub(super) fn load(config: &mut Config, written: Vec<Written>, path: Option<&Path>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let own = path.map_or(String::new(), |path| path.display().to_string());
    let mut drafts = grouped(written, &own, &mut problems);
    for path in files(&config.files, &mut problems) {
        let name = path.display().to_string();
        match read_bounded(&path).map(|text| file::read(&name, &text)) {
            Ok(Ok(groups)) => drafts.extend(groups),
            Ok(Err(faults)) => problems.extend(faults.into_iter().map(of_rules)),
            Err(message) => problems.push(Problem { place: name, message }),
        }
    }
    match check(&drafts, config.interval) {
        Ok(groups) => config.groups = groups,
        Err(faults) => problems.extend(faults.into_iter().map(of_rules)),
    }
    problems
}

fn of_rules(problem: crate::query::rules::Problem) -> Problem {
    Problem { place: problem.place, message: problem.message }
}

/// Puts the rules of the configuration file into their groups, in the order of the file.
fn grouped(written: Vec<Written>, path: &str, problems: &mut Vec<Problem>) -> Vec<DraftGroup> {
    let mut res: Vec<DraftGroup> = Vec::new();
    for Written { rule, group, interval } in written {
        let name = group.unwrap_or_else(|| Field { text: GROUP.into(), place: rule.place.clone() });
        let known = res.iter_mut().find(|known| known.name.text == name.text);
        let Some(known) = known else {
            let file = path.to_string();
            res.push(DraftGroup { name, file, interval, rules: vec![rule], ..DraftGroup::default() });
            continue;
        };
        known.rules.push(rule);
        match (&known.interval, interval) {
            (Some(known), Some(other)) if known.text != other.text => {
                let message = format!(
                    "`rules.interval`: {:?} is not {:?}, which the group {:?} has already",
                    other.text, known.text, name.text
                );
                problems.push(Problem { place: other.place, message });
            }
            (None, Some(first)) => known.interval = Some(first),
            _ => {}
        }
    }
    res
}

/// Returns the files that the patterns mean, each once. One that is no pattern must be there.
fn files(patterns: &[String], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut res: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        if !pattern.contains(['*', '?', '[']) {
            res.push(pattern.into());
            continue;
        }
        match glob_with(pattern, options) {
            Ok(found) => res.extend(found.take(FILES_MAX + 1).flatten()),
            Err(fault) => problems
                .push(Problem { place: "rule_files".into(), message: format!("{pattern:?}: {fault}") }),
        }
    }
    let mut seen = std::collections::HashSet::new();
    res.retain(|path| seen.insert(path.clone()));
    if res.len() > FILES_MAX {
        let message = format!("{} rule files are above the limit of {FILES_MAX}", res.len());
        problems.push(Problem { place: "rule_files".into(), message });
        res.truncate(FILES_MAX);
    }
    res
}
