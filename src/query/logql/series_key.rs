//! Which series a line belongs to, by its labels.

use std::collections::HashMap;

use super::ast::{Grouping, Unwrap};
use super::entry::Entry;
use crate::record::Labels;

/// The series that lines were found to belong to.
pub struct SeriesKeys {
    by: By,
    places: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    /// The key of the line before and its place: the next line is often of the same series.
    last: Option<(Vec<u8>, usize)>,
    stream: Option<StreamSeries>,
    labels: Vec<(String, String)>,
}

/// What is known of the lines of one stream.
struct StreamSeries {
    stream: Labels,
    /// It has all labels that are grouped by, so that all lines are of one series whose labels no
    /// stage changed.
    has_all: bool,
    place: Option<usize>,
}

enum By {
    Nothing,
    Names(Vec<String>),
    Without(Vec<String>),
}

impl SeriesKeys {
    /// Prepares a grouping; `unwrap` says which label is the number of a line.
    pub fn new(grouping: Option<&Grouping>, unwrap: Option<&Unwrap>) -> Self {
        // The label with the number tells series apart only where it is asked for.
        let unwrapped = unwrap.map(|unwrap| unwrap.label.clone());
        let by = match grouping {
            Some(grouping) if !grouping.is_without && grouping.names.is_empty() => By::Nothing,
            Some(grouping) if !grouping.is_without => By::Names(grouping.names.clone()),
            Some(grouping) => By::Without(grouping.names.iter().cloned().chain(unwrapped).collect()),
            None => By::Without(unwrapped.into_iter().collect()),
        };
        SeriesKeys {
            by,
            places: HashMap::new(),
            key: Vec::new(),
            last: None,
            stream: None,
            labels: Vec::new(),
        }
    }

    /// Returns the number of the series of a line, and its labels if it is new.
    pub fn place(&mut self, entry: &Entry<'_>) -> (usize, Option<Labels>) {
        let By::Names(names) = &self.by else { return self.place_by_key(entry) };
        if !entry.is_untouched() {
            return self.place_by_key(entry);
        }
        let stream = entry.line.stream;
        let known = self.stream.as_ref().filter(|known| known.stream.is_copy_of(stream));
        if let Some(place) = known.and_then(|known| known.place) {
            return (place, None);
        }
        if known.is_none() {
            let has_all = names.iter().all(|name| !stream.get(name).is_empty());
            self.stream = Some(StreamSeries { stream: stream.clone(), has_all, place: None });
        }
        let res = self.place_by_key(entry);
        if let Some(known) = self.stream.as_mut().filter(|known| known.has_all) {
            known.place = Some(res.0);
        }
        res
    }

    fn place_by_key(&mut self, entry: &Entry<'_>) -> (usize, Option<Labels>) {
        self.key.clear();
        let has_error = !entry.error().is_empty();
        match &self.by {
            By::Nothing if !has_error => {}
            By::Names(names) if !has_error => {
                for name in names {
                    push_text(&mut self.key, entry.label(name).unwrap_or_default());
                }
            }
            _ => self.push_all(entry, has_error),
        }
        if let Some((key, place)) = &self.last
            && *key == self.key
        {
            return (*place, None);
        }
        let known = self.places.get(&self.key).copied();
        let place = known.unwrap_or(self.places.len());
        let last = self.last.get_or_insert_default();
        last.0.clone_from(&self.key);
        last.1 = place;
        if known.is_some() {
            return (place, None);
        }
        self.places.insert(self.key.clone(), place);
        let labels = match &self.by {
            By::Nothing if !has_error => Labels::default(),
            By::Names(names) if !has_error => {
                Labels::new(names.iter().map(|name| (name.as_str(), entry.label(name).unwrap_or_default())))
            }
            _ => Labels::new(self.labels.drain(..)),
        };
        (place, Some(labels))
    }

    /// Takes all labels but those that the grouping leaves out; with an error, really all.
    fn push_all(&mut self, entry: &Entry<'_>, has_error: bool) {
        let (labels, by) = (&mut self.labels, &self.by);
        labels.clear();
        entry.each_label(&mut |_, name, value| {
            let is_left_out = match by {
                By::Without(names) => !has_error && names.iter().any(|without| without == name),
                _ => false,
            };
            if !is_left_out && !value.is_empty() {
                labels.push((name.to_string(), value.to_string()));
            }
        });
        labels.sort_unstable();
        self.key.push(u8::from(has_error));
        for (name, value) in labels {
            push_text(&mut self.key, name);
            push_text(&mut self.key, value);
        }
    }
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u32).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}
