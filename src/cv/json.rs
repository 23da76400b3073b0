//! Reads JSON into the tree, with places.
//!
//! Own, because a message must name the line, the column and the path where a file breaks
//! off, and because numbers must stay as written. Strings are decoded by `serde_json`;
//! a property test holds this reader against it.

use super::node::{Budget, Key, MapBuilder, Node, Value};
use super::problem::{Fault, Place, quoted};

/// Reads one JSON document.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let mut reader =
        Reader { text, offset: 0, line: 1, counted: (0, 1), path: Vec::new(), budget: Budget::default() };
    reader.skip_space();
    let node = reader.value(1)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.unexpected("the end of the file")),
    }
}

enum Step {
    Key(String),
    Index(usize),
}

struct Reader<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    /// An offset on this line and its column. Columns are counted on from there, not from
    /// the start of the line: a file may be one line of 10 MB.
    counted: (usize, usize),
    /// Where in the document we are, for the message when the file ends too soon.
    path: Vec<Step>,
    budget: Budget,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn place(&mut self) -> Place {
        let (offset, column) = self.counted;
        let column = column + self.text[offset..self.offset].chars().count();
        self.counted = (self.offset, column);
        Place { line: self.line, column }
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.counted = (self.offset + 1, 1);
                }
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.offset += 1;
        }
    }

    fn path(&self) -> String {
        let mut res = String::new();
        for step in &self.path {
            match step {
                Step::Key(name) if res.is_empty() => res.push_str(name),
                Step::Key(name) => {
                    res.push('.');
                    res.push_str(name);
                }
                Step::Index(idx) => res.push_str(&format!("[{idx}]")),
            }
        }
        res
    }

    fn unexpected(&mut self, wanted: &str) -> Fault {
        let Some(found) = self.text[self.offset..].chars().next() else {
            return self.ends();
        };
        let hint = match found {
            ']' | '}' => "a comma before it may be one too many",
            '/' | '#' => "JSON has no comments; a file named cv.yaml may have them",
            '\'' => "JSON wants double quotes",
            _ => "",
        };
        let message = format!("found {} where {wanted} should be", quoted(&found.to_string()));
        Fault::new(self.place(), message, hint).at_path(self.path())
    }

    fn ends(&mut self) -> Fault {
        let path = self.path();
        let inside = if path.is_empty() { "the first value".to_string() } else { path };
        let message = format!("the file ends inside {inside}");
        Fault::new(self.place(), message, "it was cut off: copy the whole file again")
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        let place = self.place();
        Budget::depth(place, depth)?;
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Scalar(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Scalar(self.number()?),
            Some(b't') => self.word("true", Value::Scalar("true".to_string()))?,
            Some(b'f') => self.word("false", Value::Scalar("false".to_string()))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(self.unexpected("a value")),
        };
        let text_bytes = if let Value::Scalar(text) = &value { text.len() } else { 0 };
        self.budget.node(place, text_bytes)?;
        Ok(Node { value, place })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut map = MapBuilder::default();
        self.offset += 1;
        self.skip_space();
        if self.eat(b'}') {
            return Ok(map.finish());
        }
        loop {
            let key = self.key(&mut map)?;
            self.path.push(Step::Key(key.name.clone()));
            let value = self.value(depth + 1)?;
            self.path.pop();
            map.value(key, value);
            self.skip_space();
            if self.eat(b'}') {
                return Ok(map.finish());
            }
            if !self.eat(b',') {
                return Err(self.unexpected("a comma or `}`"));
            }
            self.skip_space();
        }
    }

    fn key(&mut self, map: &mut MapBuilder) -> Result<Key, Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let place = self.place();
        let name = self.string()?;
        self.budget.node(place, name.len())?;
        let key = map.key(name, place).map_err(|fault| fault.at_path(self.path()))?;
        self.skip_space();
        if !self.eat(b':') {
            return Err(self.unexpected("a colon"));
        }
        self.skip_space();
        Ok(key)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        self.offset += 1;
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.path.push(Step::Index(items.len()));
            items.push(self.value(depth + 1)?);
            self.path.pop();
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("a comma or `]`"));
            }
            self.skip_space();
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.offset += usize::from(found);
        found
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.offset;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                None => {
                    self.offset = bytes.len();
                    return Err(self.ends());
                }
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(0..0x20) => {
                    self.offset = end;
                    let hint = "write a line break in a text as \\n, and close the text with a double quote";
                    let message = "a text goes over the end of its line";
                    return Err(Fault::new(self.place(), message, hint).at_path(self.path()));
                }
                Some(_) => end += 1,
            }
        }
        let res = serde_json::from_str(&self.text[start..=end]).map_err(|_| {
            let message = format!("{} is not a JSON text", quoted(&self.text[start + 1..end]));
            let hint = "a backslash is followed by one of \" \\ / b f n r t or by u and four hex digits";
            Fault::new(self.place(), message, hint).at_path(self.path())
        })?;
        self.offset = end + 1;
        Ok(res)
    }

    fn number(&mut self) -> Result<String, Fault> {
        let rest = &self.text[self.offset..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let number = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if !is_number(number) {
            let message = format!("{} is not a number", quoted(number));
            return Err(Fault::new(self.place(), message, "put a text in double quotes").at_path(self.path()));
        }
        self.offset += number.len();
        Ok(number.to_string())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        let rest = &self.text[self.offset..];
        if rest.starts_with(word) {
            self.offset += word.len();
            return Ok(value);
        }
        if word.starts_with(rest) {
            self.offset = self.text.len();
            return Err(self.ends());
        }
        Err(self.unexpected("a value"))
    }
}

/// Whether a text is a number by the grammar of JSON.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_fault(text: &str, place: &str, message: &str) {
        let fault = read(text).unwrap_err();
        assert_eq!((fault.place.to_string().as_str(), fault.message.as_str()), (place, message), "{text}");
    }

    /// Writes the tree as `serde_json` sees the same document, numbers as text.
    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar(text) => text.clone().into(),
            Value::List(items) => items.iter().map(plain).collect::<Vec<_>>().into(),
            Value::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|(k, v)| (k.name.clone(), plain(v))).collect())
            }
        }
    }

    fn scalars_as_text(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Bool(_) | serde_json::Value::Number(_) => value.to_string().into(),
            serde_json::Value::Array(items) => {
                items.into_iter().map(scalars_as_text).collect::<Vec<_>>().into()
            }
            serde_json::Value::Object(map) => {
                serde_json::Value::Object(map.into_iter().map(|(k, v)| (k, scalars_as_text(v))).collect())
            }
            other => other,
        }
    }

    #[test]
    fn a_file_cut_in_half_says_where_it_ends() {
        check_fault(
            "{\"work\": [\n  {\"highlights\": [\"a\", \"b",
            "2:26",
            "the file ends inside work[0].highlights[1]",
        );
        check_fault("{\"a\": tr", "1:9", "the file ends inside a");
        check_fault("", "1:1", "the file ends inside the first value");
        check_fault("{\"a\": \"\\", "1:9", "the file ends inside a");
    }

    #[test]
    fn faults_name_the_place() {
        check_fault("{\"é\": 1,}", "1:9", "found \"}\" where a key in double quotes should be");
        check_fault("{\"a\": 012}", "1:7", "\"012\" is not a number");
        check_fault("{\"a\": 1, \"a\": 2}", "1:10", "the key \"a\" comes twice here, first on line 1");
        check_fault("{\"a\": \"x\ny\"}", "1:9", "a text goes over the end of its line");
        check_fault("[1] 2", "1:5", "found \"2\" where the end of the file should be");
        check_fault(r#"["\ud800"]"#, "1:2", r#""\ud800" is not a JSON text"#);
        check_fault(&"[".repeat(100), "1:65", "this is nested deeper than 64 levels");
    }

    #[test]
    fn numbers_stay_as_written_and_surrogates_join() {
        let node = read(r#"{"score": 4.0, "emoji": "\ud83d\ude00"}"#).unwrap();
        assert_eq!(plain(&node), serde_json::json!({"score": "4.0", "emoji": "😀"}));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in json()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(plain(&read(&text).unwrap()), scalars_as_text(value));
        }

        #[test]
        fn accepts_nothing_that_serde_json_refuses(text in r#"[\[\]{}:, \n"\\a-f0-9.eE+-]{0,24}"#) {
            if read(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            }
        }
    }
}
