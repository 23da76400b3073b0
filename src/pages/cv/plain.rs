//! The CV as plain text, for those who paste it into a form or read it in a terminal.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

use super::contacts::{Contact, contacts};
use super::labels::Labels;
use super::outline::{self, Entry, Form, Part, Phrase};
use super::{display_name, markdown, shown_label};
use crate::cv::Disclosed;

/// Columns of a line; a link may be longer and is not broken.
const COLUMNS: usize = 78;

/// Writes the CV as text in lines of at most 78 columns, links written out.
pub fn text(cv: &Disclosed) -> String {
    let labels = Labels::of_cv(cv);
    let mut res = Text(String::new());
    res.heading(display_name(cv, labels), "=");
    if let Some(label) = shown_label(cv) {
        res.paragraph(label, "");
    }
    res.gap();
    for Contact { kind, said, .. } in contacts(cv, labels) {
        let kind = kind.map_or(String::new(), |kind| format!("{kind}: "));
        res.paragraph(&format!("{kind}{}", with_link(&said)), "");
    }
    if let Some(summary) = &cv.basics.summary {
        res.gap();
        res.markdown(summary);
    }
    for section in outline::sections(cv, labels) {
        res.gap();
        res.heading(section.title, "-");
        for (idx, entry) in section.entries.iter().enumerate() {
            // Lines of a list stand together.
            if idx == 0 || entry.form != Form::Compact {
                res.gap();
            }
            res.entry(entry, section.labels);
        }
    }
    res.0
}

/// Returns a text with its link behind it, unless that says the same.
fn with_link(phrase: &Phrase<'_>) -> String {
    match phrase.url {
        Some(url) if [url.spoken(), url.as_str()].contains(&&*phrase.text) => url.to_string(),
        Some(url) => format!("{} ({url})", phrase.text),
        None => phrase.text.to_string(),
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
        // A terminal would take control characters for commands.
        let words: Vec<&str> = text.split_whitespace().collect();
        let text: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
        if text.is_empty() {
            return;
        }
        // What has a link in it is parted at spaces alone.
        let has_link = text.contains("://");
        let separator =
            if has_link { WordSeparator::AsciiSpace } else { WordSeparator::UnicodeBreakProperties };
        let indent = " ".repeat(mark.len());
        let options = Options::new(COLUMNS)
            .initial_indent(mark)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation)
            .word_separator(separator);
        for line in textwrap::wrap(&text, options) {
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }

    /// Adds a line with a stroke below it.
    fn heading(&mut self, title: &str, stroke: &str) {
        self.paragraph(title, "");
        self.0.push_str(&stroke.repeat(display_width(title).min(COLUMNS)));
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

    fn entry(&mut self, entry: &Entry<'_>, labels: &Labels) {
        if entry.form == Form::Compact {
            self.paragraph(&compact(entry), "");
            return;
        }
        if let Some(title) = &entry.title {
            self.paragraph(&with_link(title), "");
        }
        self.paragraph(&entry.org.iter().map(with_link).collect::<Vec<_>>().join(", "), "");
        entry.times.iter().for_each(|time| self.paragraph(&time.said(labels), ""));
        entry.body.iter().for_each(|part| self.part(part, labels));
        for role in &entry.roles {
            self.gap();
            self.entry(role, labels);
        }
    }

    fn part(&mut self, part: &Part<'_>, labels: &Labels) {
        match part {
            Part::Description(text) | Part::Summary(text) | Part::Quote(text) => self.markdown(text),
            Part::Highlights(texts) => {
                texts.iter().for_each(|text| self.paragraph(&markdown::with_links(text), "- "));
            }
            Part::Keywords(words) => self.paragraph(&words.join(", "), ""),
            Part::Score(score) => self.paragraph(&format!("{} {score}", labels.grade), ""),
            Part::Level(text) => self.paragraph(text, ""),
            Part::Speaker(name) => self.paragraph(&format!("– {name}"), ""),
        }
    }
}

/// Returns a short entry on one line: `Rust (master): tokio, actix`.
fn compact(entry: &Entry<'_>) -> String {
    let (mut res, mut words) = (entry.title.as_ref().map(with_link).unwrap_or_default(), String::new());
    for part in &entry.body {
        match part {
            Part::Level(level) => res.push_str(&format!(" ({level})")),
            Part::Keywords(keywords) => words = keywords.join(", "),
            _ => {}
        }
    }
    if res.is_empty() || words.is_empty() { res + &words } else { format!("{res}: {words}") }
}
