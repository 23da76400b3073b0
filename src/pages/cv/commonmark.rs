//! The CV as Markdown (CommonMark), for whoever works on with it.

use super::outline::{Item, Outline, Said};
use crate::cv::Disclosed;

/// Writes the CV as Markdown. Texts of the file that are Markdown stay what they are; all
/// others are escaped, so that they are shown as written.
pub fn markdown(cv: &Disclosed) -> String {
    let outline = Outline::of(cv);
    let mut blocks = vec![format!("# {}", escaped(&outline.name))];
    blocks.extend(outline.label.as_ref().map(|label| format!("**{}**", escaped(label))));
    let contacts = outline.contacts.iter().map(|(kind, said)| {
        let kind = kind.as_ref().map_or(String::new(), |kind| format!("{}: ", escaped(kind)));
        format!("- {kind}{}", link(said))
    });
    let contacts: Vec<String> = contacts.collect();
    blocks.extend((!contacts.is_empty()).then(|| contacts.join("\n")));
    blocks.extend(outline.summary.clone());
    for section in &outline.sections {
        blocks.push(format!("## {}", escaped(&section.title)));
        // Entries of a line each are a list; with headings they would be longer than what they say.
        if section.items.iter().all(is_line) {
            blocks.push(
                section.items.iter().map(|item| format!("- {}", line(item))).collect::<Vec<_>>().join("\n"),
            );
        } else {
            section.items.iter().for_each(|item| push(&mut blocks, item));
        }
    }
    blocks.join("\n\n") + "\n"
}

/// Readers of Markdown show it as it is meant; who looks for addresses finds none.
const AT: &str = "&#64;";

fn is_line(item: &Item) -> bool {
    item.org.is_empty() && item.dates.is_none() && item.texts.is_empty() && item.highlights.is_empty()
}

fn line(item: &Item) -> String {
    let head = match (&item.title, &item.level) {
        (Some(title), Some(level)) => format!("**{}** ({})", link(title), escaped(level)),
        (Some(title), None) => format!("**{}**", link(title)),
        (None, level) => escaped(level.as_deref().unwrap_or_default()),
    };
    let keywords = escaped(&item.keywords.join(", "));
    match (head.is_empty(), keywords.is_empty()) {
        (false, false) => format!("{head}: {keywords}"),
        _ => head + &keywords,
    }
}

fn push(blocks: &mut Vec<String>, item: &Item) {
    if let Some(title) = &item.title {
        let marks = if item.is_role { "####" } else { "###" };
        let level = item.level.as_ref().map_or(String::new(), |level| format!(" ({})", escaped(level)));
        blocks.push(format!("{marks} {}{level}", link(title)));
    }
    let mut facts: Vec<String> = item.org.iter().map(link).collect();
    facts.extend(item.dates.as_ref().map(|dates| format!("*{}*", escaped(dates))));
    blocks.extend((!facts.is_empty()).then(|| facts.join(" · ")));
    blocks.extend(item.texts.iter().cloned());
    let highlights = item.highlights.iter().map(|text| format!("- {}", text.trim().replace('\n', "\n  ")));
    let highlights: Vec<String> = highlights.collect();
    blocks.extend((!highlights.is_empty()).then(|| highlights.join("\n")));
    blocks.extend((!item.keywords.is_empty()).then(|| escaped(&item.keywords.join(", "))));
}

fn link(said: &Said) -> String {
    match &said.url {
        Some(url) => {
            let url = url.replace(['<', '>'], "").replace('@', AT);
            format!("[{}](<{url}>)", escaped(&said.text))
        }
        None => escaped(&said.text),
    }
}

/// Puts a backslash before all that could be a mark (CommonMark 0.31 section 2.4).
fn escaped(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for (idx, character) in text.split_whitespace().collect::<Vec<_>>().join(" ").char_indices() {
        // A number with a dot, a dash or a plus makes a list only where a line begins.
        let begins_list = idx == 0 && matches!(character, '-' | '+' | '=' | '~');
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '&' | '|')
            || begins_list
        {
            res.push('\\');
        }
        match character {
            '@' => res.push_str(AT),
            other => res.push(other),
        }
    }
    res
}
