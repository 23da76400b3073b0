//! The CV as plain text, for those who paste it into a form or read it in a terminal.

use textwrap::Options;

use super::markdown;
use super::outline::{Item, Outline, Said};
use crate::cv::Disclosed;

/// Columns of a line; a link may be longer and is not broken.
const COLUMNS: usize = 78;

/// Writes the CV as text in lines of at most 78 columns, links written out.
pub fn text(cv: &Disclosed) -> String {
    let outline = Outline::of(cv);
    let mut res = Text(String::new());
    res.paragraph(&outline.name.to_uppercase(), "");
    if let Some(label) = &outline.label {
        res.paragraph(label, "");
    }
    res.gap();
    for (kind, said) in &outline.contacts {
        let kind = kind.as_ref().map_or(String::new(), |kind| format!("{kind}: "));
        res.paragraph(&format!("{kind}{}", with_link(said)), "");
    }
    if let Some(summary) = &outline.summary {
        res.gap();
        res.markdown(summary);
    }
    for section in &outline.sections {
        res.gap();
        res.heading(&section.title);
        for (idx, item) in section.items.iter().enumerate() {
            let is_short = item.is_short() && idx > 0 && section.items[idx - 1].is_short();
            if !is_short {
                res.gap();
            }
            res.item(item);
        }
    }
    res.0
}

/// Returns a text with its link behind it, unless that says the same.
fn with_link(said: &Said) -> String {
    match &said.url {
        Some(url) if url.starts_with("mailto:") => said.text.clone(),
        Some(url) if url.contains(&said.text) => url.clone(),
        Some(url) => format!("{} ({url})", said.text),
        None => said.text.clone(),
    }
}

impl Item {
    /// Whether it is a line or two, so that a gap would be larger than it.
    fn is_short(&self) -> bool {
        self.org.is_empty() && self.dates.is_none() && self.texts.is_empty() && self.highlights.is_empty()
    }
}

struct Text(String);

impl Text {
    /// Leaves a line empty, once.
    fn gap(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    /// Adds lines, the first one with `mark` before it and the others as far in.
    fn paragraph(&mut self, text: &str, mark: &str) {
        if text.trim().is_empty() {
            return;
        }
        let indent = " ".repeat(mark.len());
        let options =
            Options::new(COLUMNS).initial_indent(mark).subsequent_indent(&indent).break_words(false);
        for line in textwrap::wrap(text.trim(), options) {
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }

    fn heading(&mut self, title: &str) {
        self.paragraph(&title.to_uppercase(), "");
        self.0.push_str(&"-".repeat(textwrap::core::display_width(&title.to_uppercase()).min(COLUMNS)));
        self.0.push('\n');
    }

    fn markdown(&mut self, text: &str) {
        for (idx, paragraph) in markdown::paragraphs(text).iter().enumerate() {
            let mark = if paragraph.is_item { "- " } else { "" };
            if idx > 0 && !paragraph.is_item {
                self.gap();
            }
            self.paragraph(&paragraph.text, mark);
        }
    }

    fn item(&mut self, item: &Item) {
        let title = item.title.as_ref().map(with_link);
        let head = match (title, &item.level) {
            (Some(title), Some(level)) => Some(format!("{title}: {level}")),
            (title, level) => title.or_else(|| level.clone()),
        };
        let keywords = item.keywords.join(", ");
        match head {
            // A skill with its words is read on one line.
            Some(head) if item.is_short() && !keywords.is_empty() => {
                self.paragraph(&format!("{head}: {keywords}"), "");
                return;
            }
            Some(head) => self.paragraph(&head, ""),
            None => {}
        }
        let org: Vec<String> = item.org.iter().map(with_link).collect();
        if !org.is_empty() {
            self.paragraph(&org.join(", "), "");
        }
        if let Some(dates) = &item.dates {
            self.paragraph(dates, "");
        }
        item.texts.iter().for_each(|text| self.markdown(text));
        item.highlights.iter().for_each(|text| self.paragraph(&markdown::with_links(text), "- "));
        self.paragraph(&keywords, "");
    }
}
