//! Functions of labels: `label_replace`, `label_join`, and the order of `sort_by_label`.
//!
//! Whether two series have the same labels afterwards is not looked at here.

use std::cmp::Ordering;

use regex::Captures;

use crate::record::Labels;
use crate::record::pattern::Pattern;

/// Longest value that is made: eight times as long as all labels of a series that is kept. Values made
/// of values would grow without end.
pub const VALUE_MAX_BYTES: usize = 64 << 10;

/// Why a function of labels cannot be called so, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The pattern is no regular expression.
    #[error("invalid regular expression in label_replace(): {0}")]
    Pattern(String),
    /// The label to be set cannot be one.
    #[error("invalid destination label name in {function}(): {name}")]
    Destination {
        /// The function called.
        function: &'static str,
        /// The name given.
        name: String,
    },
    /// The value would be longer than [`VALUE_MAX_BYTES`].
    #[error("value of more than {VALUE_MAX_BYTES} bytes in {0}()")]
    TooLong(&'static str),
    /// A label to be read cannot be one.
    #[error("invalid source label name in label_join(): {0}")]
    Source(String),
}

/// A call of `label_replace` without its vector.
#[derive(Clone, Debug)]
pub struct LabelReplace {
    destination: String,
    replacement: String,
    source: String,
    pattern: Pattern,
}

impl LabelReplace {
    /// Takes the arguments in their order; the pattern has to match the whole value.
    pub fn new(
        destination: &str,
        replacement: &str,
        source: &str,
        pattern: &str,
    ) -> Result<Self, LabelError> {
        let invalid = |_| LabelError::Pattern(pattern.to_owned());
        let pattern = Pattern::new(pattern).map_err(invalid)?;
        check_destination("label_replace", destination)?;
        let [destination, replacement, source] = [destination, replacement, source].map(str::to_owned);
        Ok(LabelReplace { destination, replacement, source, pattern })
    }

    /// Returns the labels as they are to be; none when the pattern does not match and they stay.
    pub fn apply(&self, labels: &Labels) -> Result<Option<Labels>, LabelError> {
        let Some(captures) = self.pattern.regex().captures(labels.get(&self.source)) else { return Ok(None) };
        let value = expand(&self.replacement, &captures).ok_or(LabelError::TooLong("label_replace"))?;
        Ok(Some(labels.with(&self.destination, &value)))
    }
}

/// A call of `label_join` without its vector.
#[derive(Clone, Debug)]
pub struct LabelJoin {
    destination: String,
    separator: String,
    sources: Vec<String>,
}

impl LabelJoin {
    /// Takes the arguments in their order.
    pub fn new(
        destination: &str,
        separator: &str,
        sources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, LabelError> {
        let sources: Vec<String> = sources.into_iter().map(Into::into).collect();
        if let Some(invalid) = sources.iter().find(|name| !is_label_name(name)) {
            return Err(LabelError::Source(invalid.clone()));
        }
        check_destination("label_join", destination)?;
        let (destination, separator) = (destination.to_owned(), separator.to_owned());
        Ok(LabelJoin { destination, separator, sources })
    }

    /// Returns the labels as they are to be.
    pub fn apply(&self, labels: &Labels) -> Result<Labels, LabelError> {
        let values: Vec<&str> = self.sources.iter().map(|name| labels.get(name)).collect();
        let n_bytes: usize = values.iter().map(|value| value.len() + self.separator.len()).sum();
        if n_bytes > VALUE_MAX_BYTES {
            return Err(LabelError::TooLong("label_join"));
        }
        Ok(labels.with(&self.destination, &values.join(&self.separator)))
    }
}

fn check_destination(function: &'static str, name: &str) -> Result<(), LabelError> {
    if is_label_name(name) {
        return Ok(());
    }
    Err(LabelError::Destination { function, name: name.to_owned() })
}

/// Any text is a name, but for none: Prometheus 3 wants no more than UTF-8. Bytes that were none
/// are the replacement character since the text was read.
pub fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER)
}

/// Puts what groups matched into a template, by the rules of Go's `Regexp.Expand`: `$name` takes
/// letters, digits and `_` as far as they go, so that `$1x` is the group `1x`; `${1}x` is not;
/// `$$` is a dollar, and so is one that begins nothing. A group that is not there is empty.
/// None when it would be longer than [`VALUE_MAX_BYTES`].
fn expand(template: &str, captures: &Captures<'_>) -> Option<String> {
    let mut res = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        if res.len() > VALUE_MAX_BYTES {
            return None;
        }
        res.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            res.push('$');
            rest = after;
        } else if let Some((name, after)) = group_name(after) {
            res.push_str(group(name, captures));
            rest = after;
        } else {
            res.push('$');
            rest = after;
        }
    }
    res.push_str(rest);
    (res.len() <= VALUE_MAX_BYTES).then_some(res)
}

/// Splits the name of a group, in braces or without, from what follows it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let text = braced.unwrap_or(text);
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = if braced.is_some() { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

fn group<'t>(name: &str, captures: &Captures<'t>) -> &'t str {
    // A number with a leading zero is a name to Go, and no group has such a name.
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let found = if is_number {
        // A number that does not fit is that of no group.
        name.parse().ok().and_then(|idx| captures.get(idx))
    } else {
        captures.name(name)
    };
    found.map_or("", |found| found.as_str())
}

/// Compares as `sort_by_label` does: numbers inside of texts by their size, `cpu2` before `cpu10`.
///
/// Where Prometheus's comparison contradicts itself this one decides, as sorting needs it: a text
/// comes before what begins with it, the empty one included; numbers written in two ways
/// (`7`, `007`) are told apart as texts; and a number of any length is compared by its size.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let (chunk_a, chunk_b);
        (chunk_a, rest_a) = split_chunk(rest_a);
        (chunk_b, rest_b) = split_chunk(rest_b);
        let order = match (significant_digits(chunk_a), significant_digits(chunk_b)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => chunk_a.cmp(chunk_b),
        };
        if order.is_ne() {
            return order;
        }
    }
    (rest_a.len().cmp(&rest_b.len())).then_with(|| a.cmp(b))
}

/// Splits as many digits as a text begins with, or as many characters that are none.
fn split_chunk(text: &str) -> (&str, &str) {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns the digits of a chunk without the zeros that they begin with; none of other text.
fn significant_digits(chunk: &str) -> Option<&str> {
    chunk.starts_with(|c: char| c.is_ascii_digit()).then(|| chunk.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(replacement: &str, pattern: &str) -> Option<String> {
        let labels = Labels::new([("src", "source-value-10"), ("dst", "original")]);
        let replace = LabelReplace::new("dst", replacement, "src", pattern).unwrap();
        replace.apply(&labels).unwrap().map(|labels| labels.get("dst").to_owned())
    }

    #[test]
    fn a_label_is_replaced_when_the_whole_value_matches() {
        // functions.test: "Tests for label_replace".
        let check = |replacement, pattern, expect: &str| {
            assert_eq!(replaced(replacement, pattern).as_deref(), Some(expect), "{replacement}");
        };
        check("destination-value-$1", "source-value-(.*)", "destination-value-10");
        check("value-$0", ".*", "value-source-value-10");
        check("${value}-x", "source-(?P<value>[a-z]+)-(?P<tag>.*)", "value-x");
        check("$tag-$value", "source-(?P<value>[a-z]+)-(?P<tag>.*)", "10-value");
        assert_eq!(replaced("value-$1", "value-(.*)"), None);
        assert_eq!(replaced("value-$1", "non-matching-regex"), None);
    }

    #[test]
    fn an_empty_value_removes_the_label() {
        let labels = Labels::new([("src", "a"), ("dst", "b")]);
        let replace = LabelReplace::new("dst", "", "src", ".*").unwrap();
        assert_eq!(replace.apply(&labels), Ok(Some(Labels::new([("src", "a")]))));
        // What is not there is an empty value.
        let replace = LabelReplace::new("dst", "[$1]", "none", "(.*)").unwrap();
        assert_eq!(replace.apply(&labels).unwrap().unwrap().get("dst"), "[]");
    }

    #[test]
    fn templates_are_expanded_as_by_go() {
        let check = |template, expect| {
            let pattern = regex::Regex::new("^(?s:(?P<first>[^-]*)-(.*))$").unwrap();
            let expanded = expand(template, &pattern.captures("ab-cd").unwrap());
            assert_eq!(expanded.as_deref(), Some(expect), "{template}");
        };
        check("$1x", "");
        check("${1}x", "abx");
        check("$2-$1", "cd-ab");
        check("$first.$3.$99999999999999999999", "ab..");
        check("$$1 $ $", "$1 $ $");
        check("${1", "${1");
        check("${}", "${}");
        check("${a-b}", "${a-b}");
        check("$01", "");
        check("$1ä", "");
        check("$1→", "ab→");
    }

    #[test]
    fn labels_are_joined() {
        // functions.test: "Tests for label_join".
        let labels = Labels::new([("src", "a"), ("src1", "b"), ("src2", "c"), ("dst", "o")]);
        let joined = |separator: &str, sources: &[&str]| {
            let join = LabelJoin::new("dst", separator, sources.iter().copied()).unwrap();
            join.apply(&labels).unwrap().get("dst").to_owned()
        };
        assert_eq!(joined("-", &["src", "src1", "src2"]), "a-b-c");
        assert_eq!(joined("", &["src", "none", "src2"]), "ac");
        assert_eq!(joined(",", &["src3", "src"]), ",a");
        assert_eq!(joined("-", &[]), "");
    }

    #[test]
    fn what_cannot_be_called_is_refused_in_prometheus_words() {
        let message = |replace: Result<LabelReplace, LabelError>| replace.unwrap_err().to_string();
        assert_eq!(
            message(LabelReplace::new("dst", "", "src", "(.*")),
            "invalid regular expression in label_replace(): (.*"
        );
        assert_eq!(
            message(LabelReplace::new("", "", "src", "(.*)")),
            "invalid destination label name in label_replace(): "
        );
        let join = |destination, source| LabelJoin::new(destination, ",", [source]).unwrap_err().to_string();
        assert_eq!(join("", "src"), "invalid destination label name in label_join(): ");
        assert_eq!(join("dst", ""), "invalid source label name in label_join(): ");
    }

    #[test]
    fn numbers_in_texts_are_sorted_by_size() {
        // functions.test: "Tests for sort_by_label".
        let check = |sorted: &[&str]| {
            for (idx, a) in sorted.iter().enumerate() {
                for (other, b) in sorted.iter().enumerate() {
                    assert_eq!(natural_cmp(a, b), idx.cmp(&other), "{a} and {b}");
                }
            }
        };
        check(&["0", "1", "2", "3", "10", "11", "12", "20", "21", "100"]);
        check(&["4m5", "4m600", "4m1000"]);
        check(&["1.2.3", "1.11.3", "1.111.3"]);
        check(&["", "-", "7", "007a", "7b", "99999999999999999999", "100000000000000000000", "a", "ä"]);
        check(&["x0", "x00", "x01", "x1"]);
    }
}
