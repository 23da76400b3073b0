//! Reads a recording of a host's exposition: `# TIME <unix ms>`, then lines of Prometheus text.

use std::path::Path;

use vitrine::clock::UnixMillis;
use vitrine::record::{Labels, Point, Scrape};

/// Reads all scrapes, with the labels that a scraper adds.
pub fn read(path: &Path) -> Vec<Scrape> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|err| panic!("read {}: {err}", path.display()));
    // The recorder may be in the middle of the last one.
    let whole = text.rfind("# TIME ").map_or("", |end| &text[..end]);
    let mut scrapes: Vec<Scrape> = Vec::new();
    for line in whole.lines() {
        if let Some(at) = line.strip_prefix("# TIME ") {
            scrapes.push(Scrape { at: UnixMillis(at.trim().parse().unwrap()), points: Vec::new() });
        } else if !line.starts_with('#') && !line.is_empty() {
            scrapes.last_mut().expect("a recording begins with a time").points.push(point(line));
        }
    }
    scrapes
}

fn point(line: &str) -> Point {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut pairs = vec![
        ("__name__".to_string(), name.to_string()),
        ("instance".to_string(), "host-1:9100".to_string()),
        ("job".to_string(), "node".to_string()),
    ];
    let mut rest = labels;
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = quoted(after);
        pairs.push((name.trim_start_matches(',').to_string(), value));
        rest = after;
    }
    let value = value.parse().unwrap_or_else(|_| panic!("no number in {line:?}"));
    Point { series: Labels::new(pairs), value }
}

/// Returns a label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            _ => value.push(character),
        }
    }
    panic!("no closing quote in {text:?}");
}
