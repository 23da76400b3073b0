//! The CV as Markdown (CommonMark), for whoever works on with it.

use super::contacts::{Contact, contacts};
use super::labels::Labels;
use super::outline::{self, Entry, Form, Part, Phrase};
use super::{display_name, markdown, shown_label};
use crate::cv::Disclosed;

/// Writes the CV as Markdown. Texts of the file that are Markdown stay what they are; all
/// others are escaped, so that they are shown as written.
pub fn commonmark(cv: &Disclosed) -> String {
    let labels = Labels::of_cv(cv);
    let mut blocks = vec![format!("# {}", escaped(display_name(cv, labels)))];
    blocks.extend(shown_label(cv).map(|label| format!("**{}**", escaped(label))));
    let contacts = contacts(cv, labels).into_iter().map(|Contact { kind, said, .. }| {
        let kind = kind.map_or(String::new(), |kind| format!("{}: ", escaped(kind)));
        format!("- {kind}{}", link(&said))
    });
    push_lines(&mut blocks, contacts);
    blocks.extend(cv.basics.summary.as_deref().map(markdown::tidy));
    for section in outline::sections(cv, labels) {
        blocks.push(format!("## {}", escaped(section.title)));
        // Entries of a line each are a list; with headings they would be longer than what they say.
        let is_compact = |entry: &&Entry<'_>| entry.form == Form::Compact;
        push_lines(&mut blocks, section.entries.iter().filter(is_compact).map(compact));
        section.entries.iter().filter(|entry| !is_compact(entry)).for_each(|entry| {
            push(&mut blocks, entry, "###", section.labels);
        });
    }
    blocks.join("\n\n") + "\n"
}

/// Readers of Markdown show it as it is meant; who looks for addresses finds none.
const AT: &str = "&#64;";

fn push_lines(blocks: &mut Vec<String>, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        blocks.push(lines.join("\n"));
    }
}

fn compact(entry: &Entry<'_>) -> String {
    let (mut res, mut words) = (String::from("- "), String::new());
    if let Some(title) = &entry.title {
        res.push_str(&format!("**{}**", link(title)));
    }
    for part in &entry.body {
        match part {
            Part::Level(level) => res.push_str(&format!(" ({})", escaped(level))),
            Part::Keywords(keywords) => words = escaped(&keywords.join(", ")),
            _ => {}
        }
    }
    if entry.title.is_none() || words.is_empty() { res + &words } else { format!("{res}: {words}") }
}

fn push(blocks: &mut Vec<String>, entry: &Entry<'_>, marks: &str, labels: &Labels) {
    blocks.extend(entry.title.as_ref().map(|title| format!("{marks} {}", link(title))));
    let times = entry.times.iter().map(|time| format!("*{}*", escaped(&time.said(labels))));
    let facts: Vec<String> = entry.org.iter().map(link).chain(times).collect();
    blocks.extend((!facts.is_empty()).then(|| facts.join(" · ")));
    for part in &entry.body {
        match part {
            Part::Description(text) | Part::Summary(text) => blocks.push(markdown::tidy(text)),
            Part::Quote(text) => blocks.push(format!("> {}", markdown::tidy(text).replace('\n', "\n> "))),
            Part::Highlights(texts) => {
                push_lines(
                    blocks,
                    texts.iter().map(|text| format!("- {}", markdown::tidy(text).replace('\n', "\n  "))),
                );
            }
            Part::Keywords(words) => blocks.push(escaped(&words.join(", "))),
            Part::Score(score) => blocks.push(escaped(&format!("{} {score}", labels.grade))),
            Part::Level(level) => blocks.push(escaped(level)),
            Part::Speaker(name) => blocks.push(format!("– {}", escaped(name))),
        }
    }
    entry.roles.iter().for_each(|role| push(blocks, role, "####", labels));
}

fn link(phrase: &Phrase<'_>) -> String {
    match phrase.url {
        Some(url) => {
            let url = url.as_str().replace(['<', '>'], "").replace('@', AT);
            format!("[{}](<{url}>)", escaped(&phrase.text))
        }
        None => escaped(&phrase.text),
    }
}

fn escaped(text: &str) -> String {
    markdown::escape(text).replace('@', AT)
}
