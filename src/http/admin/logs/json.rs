//! Lines as the script of the list takes them.

use serde_json::{Value, json};

use crate::http::follow::LeftOut;
use crate::pages::admin::LineView;
use crate::query::logql::{DETECTED_LEVEL, Line};

/// Returns a line as the pages show it.
pub(super) fn view(line: Line) -> LineView {
    let stream = line.stream.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let mut level = line.stream.get(DETECTED_LEVEL).to_string();
    let mut fields = line.metadata;
    // What stages found hides what was there.
    for (name, value) in line.parsed {
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value));
    }
    fields.retain(|(name, value)| {
        if name == DETECTED_LEVEL {
            level.clone_from(value);
        }
        name != DETECTED_LEVEL
    });
    LineView { at: line.at, level, text: line.text, stream, fields, is_marked: false }
}

/// Returns a line for the script: time, level, text, labels of its stream, and what else is known.
pub(super) fn row(line: LineView) -> Value {
    // A script's numbers are too small for nanoseconds.
    json!({ "t": line.at.0.to_string(), "l": line.level, "b": line.text, "s": line.stream, "f": line.fields })
}

/// Writes what came in, the oldest line first.
pub(super) fn message(lines: Vec<Line>, left_out: &LeftOut) -> String {
    let rows: Vec<Value> = lines.into_iter().map(|line| row(view(line))).collect();
    json!({ "rows": rows, "left": left_out.count }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::Labels;

    #[test]
    fn a_line_is_its_time_level_text_labels_and_fields() {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        let line = Line {
            at: UnixNanos(1_795_000_000_123_456_789),
            text: "a\n\"b\"".into(),
            stream: Labels::new([("job", "app")]),
            metadata: owned(&[("detected_level", "warn"), ("status", "200")]),
            parsed: owned(&[("status", "500")]),
        };
        let text = message(vec![line], &LeftOut { names: Vec::new(), count: 3 });
        assert!(!text.contains('\n'), "it is one line of an event");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({
                "rows": [{
                    "t": "1795000000123456789",
                    "l": "warn",
                    "b": "a\n\"b\"",
                    "s": [["job", "app"]],
                    "f": [["status", "500"]],
                }],
                "left": 3,
            })
        );
    }
}
