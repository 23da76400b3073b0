//! Reads YAML into the tree, from the events of `saphyr-parser`.
//!
//! Nothing is typed here: a plain `NO` is the text `NO`. Aliases are copied under a budget,
//! so that a file of a few lines cannot ask for a gigabyte.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::node::{Budget, Key, MapBuilder, Node, Value};
use super::problem::{Fault, Place};

/// Reads one YAML document.
pub fn read(text: &str) -> Result<Node, Fault> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|err| explain(text, &err))?;
        builder.take(event, place_of(&span.start))?;
    }
    Ok(builder.root.unwrap_or(Node { value: Value::Null, place: Place::START }))
}

fn place_of(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// Turns a fault of the scanner into words for a person who does not know YAML by heart.
fn explain(text: &str, err: &ScanError) -> Fault {
    let place = place_of(err.marker());
    if let Some(place) = tab_indent(text, place.line) {
        let hint = "YAML wants spaces there: replace each tab by two";
        return Fault::new(place, "this line is indented with a tab", hint);
    }
    let hint = match err.info() {
        info if info.contains("mapping values are not allowed") => {
            "a text with a colon and a space in it needs quotes around it"
        }
        info if info.contains("while parsing a block mapping") || info.contains("simple key expect") => {
            "check the indentation of this line and the one before it, and that each key ends with a colon"
        }
        info if info.contains("quoted scalar") => "a quote is opened and not closed",
        info if info.contains("character that cannot start any token") => {
            "a text that begins with @, ` or % needs quotes around it"
        }
        info if info.contains("unknown anchor") => "an alias (`*name`) needs an anchor (`&name`) before it",
        _ => "a text with special characters needs quotes around it",
    };
    Fault::new(place, format!("not valid YAML ({})", err.info()), hint)
}

/// Returns the last line up to `line` that is indented with a tab, if the lines near it are.
///
/// The scanner often notices a tab one or two lines late.
fn tab_indent(text: &str, line: usize) -> Option<Place> {
    let first = line.saturating_sub(3);
    let near = text.lines().enumerate().skip(first).take(line + 1 - first);
    near.filter_map(|(idx, line)| {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let tab = line[..indent].find('\t')?;
        (indent < line.trim_end().len()).then_some(Place { line: idx + 1, column: tab + 1 })
    })
    .last()
}

/// A list or map that is still open.
enum Open {
    List(Vec<Node>),
    Map { map: MapBuilder, key: Option<Key> },
}

struct Frame {
    open: Open,
    place: Place,
    anchor: usize,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    budget: Budget,
    n_documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => self.document(place),
            Event::Scalar(text, style, anchor, _) => {
                self.budget.node(place, text.len())?;
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if style == ScalarStyle::Plain => Value::Null,
                    _ => Value::Scalar(text.into_owned()),
                };
                self.finish(Node { value, place }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), place, anchor),
            Event::MappingStart(anchor, _) => {
                self.open(Open::Map { map: MapBuilder::default(), key: None }, place, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    let hint = "an alias may not stand inside the value that it names";
                    return Err(Fault::new(place, "this alias has no finished anchor", hint));
                };
                let node = Node { value: node.value.clone(), place };
                self.budget.copy(&node)?;
                self.finish(node, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, place: Place) -> Result<(), Fault> {
        self.n_documents += 1;
        if self.n_documents > 1 {
            let hint = "a file is one document: remove the line `---` or what follows it";
            return Err(Fault::new(place, "a second YAML document begins here", hint));
        }
        Ok(())
    }

    fn open(&mut self, open: Open, place: Place, anchor: usize) -> Result<(), Fault> {
        self.budget.node(place, 0)?;
        Budget::depth(place, self.stack.len() + 1)?;
        if let Some(Frame { open: Open::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(key_is_no_text(place));
        }
        self.stack.push(Frame { open, place, anchor });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let frame = self.stack.pop().expect("the parser ends only what it began");
        let value = match frame.open {
            Open::List(items) => Value::List(items),
            Open::Map { map, .. } => map.finish(),
        };
        self.finish(Node { value, place: frame.place }, frame.anchor)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        if anchor != 0 {
            // The copy counts too: anchors are kept until the file is read.
            self.budget.copy(&node)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { map, key }) => match key.take() {
                Some(key) => map.value(key, node),
                None => {
                    let name = match node.value {
                        Value::Scalar(text) => text,
                        Value::Null => "null".to_string(),
                        Value::List(_) | Value::Map(_) => return Err(key_is_no_text(node.place)),
                    };
                    *key = Some(map.key(name, node.place)?);
                }
            },
        }
        Ok(())
    }
}

fn key_is_no_text(place: Place) -> Fault {
    Fault::new(place, "a key must be a text", "put quotes around a text that begins with [ or {")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a tree on one line: `-` is null, texts are bare.
    fn line(node: &Node) -> String {
        match &node.value {
            Value::Null => "-".to_string(),
            Value::Scalar(text) => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("{}: {}", key.name, line(value))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(line(&read(text).unwrap()), expect, "{text:?}");
    }

    fn check_fault(text: &str, place: &str, message: &str) {
        let fault = read(text).unwrap_err();
        assert_eq!(fault.place.to_string(), place, "{text:?} {fault:?}");
        assert!(fault.message.contains(message), "{fault:?}");
    }

    #[test]
    fn scalars_keep_their_source_text() {
        check("a: NO\nb: 4.0\nc: 0123\nd: 2014\ne: +49 30\nf: true", {
            "{a: NO, b: 4.0, c: 0123, d: 2014, e: +49 30, f: true}"
        });
        check("a:\nb: ~\nc: null\nd: ''\ne: 'null'", "{a: -, b: -, c: -, d: , e: null}");
    }

    #[test]
    fn windows_line_ends_and_block_texts_read_the_same() {
        check("a: |\r\n  one\r\n  two\r\nb: >\r\n  x\r\n  y\r\n", "{a: one\ntwo\n, b: x y\n}");
    }

    #[test]
    fn a_tab_is_named_as_a_tab() {
        check_fault("basics:\n\tname: A\n", "2:1", "indented with a tab");
        check_fault("work:\n  - name: A\n\t  position: B\n", "3:1", "indented with a tab");
    }

    #[test]
    fn a_key_that_comes_twice_names_both_places() {
        check_fault("a: 1\nb: 2\na: 3", "3:1", "the key \"a\" comes twice here, first on line 1");
    }

    #[test]
    fn aliases_are_copied_under_a_budget() {
        check("a: &x [1, 2]\nb: *x", "{a: [1, 2], b: [1, 2]}");
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
        }
        assert!(read(&bomb).unwrap_err().message.contains("more than"));
    }

    #[test]
    fn odd_documents_are_refused_with_a_place() {
        check_fault("a: 1\n---\nb: 2", "2:1", "second YAML document");
        check_fault("? [a]\n: b", "1:3", "a key must be a text");
        check_fault("a: \"open\nb: 1", "1:4", "not valid YAML");
        check_fault(&"[".repeat(100), "1:65", "deeper than 64");
    }

    #[test]
    fn an_empty_file_is_nothing() {
        check("", "-");
        check("# only a comment\n", "-");
    }
}
