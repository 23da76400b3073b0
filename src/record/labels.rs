//! A label set: what identifies a metric series or a log stream.

use std::fmt;
use std::sync::Arc;

/// The label that holds a metric's name, as in Prometheus.
pub const METRIC_NAME: &str = "__name__";

/// Sorted label pairs with unique names and no empty values; cheap to clone.
///
/// An empty value is the same as an absent label (Prometheus data model), so it is
/// dropped on the way in and two sets are equal exactly when they mean the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

impl Labels {
    /// Builds a label set; of two pairs with one name the later wins.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<Box<str>>,
        V: Into<Box<str>>,
    {
        let mut sorted: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            match sorted.binary_search_by(|(known, _)| known.cmp(&name)) {
                Ok(found) => sorted[found].1 = value,
                Err(place) => sorted.insert(place, (name, value)),
            }
        }
        sorted.retain(|(_, value)| !value.is_empty());
        Labels(sorted.into())
    }

    /// Returns the value of `name`, or `""`: an absent label equals an empty one.
    pub fn get(&self, name: &str) -> &str {
        match self.0.binary_search_by(|(known, _)| known.as_ref().cmp(name)) {
            Ok(found) => &self.0[found].1,
            Err(_) => "",
        }
    }

    /// Returns the metric name, `""` for a log stream.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Returns the pairs in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Returns the number of labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true when there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns this set with `name` set to `value`; an empty value removes it.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        Labels::new(self.iter().chain([(name, value)]))
    }

    /// Returns this set without the labels named.
    pub fn without(&self, names: &[&str]) -> Labels {
        Labels::new(self.iter().filter(|(name, _)| !names.contains(name)))
    }

    /// Returns only the labels named.
    pub fn only(&self, names: &[&str]) -> Labels {
        Labels::new(self.iter().filter(|(name, _)| names.contains(name)))
    }
}

/// Writes the set as a selector: `{job="app",level="info"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (idx, (name, value)) in self.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_unique_and_never_empty() {
        let labels = Labels::new([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1",b="3"}"#);
        assert_eq!(labels.get("c"), "");
        assert_eq!(labels.with("a", "").to_string(), r#"{b="3"}"#);
        assert_eq!(labels.only(&["a"]), labels.without(&["b"]));
    }
}
