//! A label set: what identifies a metric series or a log stream.
//!
//! Tens of thousands of them are in memory, many more than once, so a set is one
//! allocation: a text that holds the number of pairs, then for each pair the length of
//! the name, the length of the value, the name and the value. Numbers are characters
//! too, which lets a reader slice the text where safe Rust has checked it already.
//! Nothing outside this file knows the form; on disk it is `store`'s.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Bytes of all labels of one series or stream, names included; the store takes no more.
pub const LABELS_MAX_BYTES: usize = 8 << 10;

/// The label that holds a metric's name, as in Prometheus.
pub const METRIC_NAME: &str = "__name__";

/// Numbers are written as digits to this base, the lowest first, each a `char` of its own
/// value, plus the base when more follow. So the highest is below 0x8000, where no
/// surrogate is in the way, and a length below 128 takes one byte.
const BASE: usize = 1 << 14;

/// Sorted label pairs with unique names and no empty values; cheap to clone.
///
/// An empty value is the same as an absent label (Prometheus data model), so it is
/// dropped on the way in and two sets are equal exactly when they mean the same.
///
/// Sets are ordered as the lists of their pairs are: by the first pair in which they
/// differ, by its name before its value, and a set before any that only adds to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// Builds a label set; of two pairs with one name the later wins.
    ///
    /// Pairs that come sorted are only copied.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        if !pairs.is_sorted_by(|(one, _), (next, _)| one.as_ref() < next.as_ref()) {
            // Stable, so that of one name the last to come is the last here.
            pairs.sort_by(|(one, _), (other, _)| one.as_ref().cmp(other.as_ref()));
            pairs.dedup_by(|later, kept| {
                let is_same = later.0.as_ref() == kept.0.as_ref();
                if is_same {
                    std::mem::swap(later, kept);
                }
                is_same
            });
        }
        pairs.retain(|(_, value)| !value.as_ref().is_empty());
        let n_bytes: usize =
            pairs.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len()).sum();
        // Three bytes hold any number of one digit; larger ones grow the text.
        let mut text = String::with_capacity(n_bytes + 3 * (1 + 2 * pairs.len()));
        put_number(&mut text, pairs.len());
        for (name, value) in &pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            put_number(&mut text, name.len());
            put_number(&mut text, value.len());
            text.push_str(name);
            text.push_str(value);
        }
        Labels(text.into())
    }

    /// Returns true for a copy of this very set; false says nothing.
    pub fn is_copy_of(&self, other: &Labels) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the value of `name`, or `""`: an absent label equals an empty one.
    pub fn get(&self, name: &str) -> &str {
        self.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// Returns the metric name, `""` for a log stream.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Returns the pairs in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let (left, rest) = take_number(&self.0);
        Pairs { left, rest }
    }

    /// Returns the number of labels.
    pub fn len(&self) -> usize {
        take_number(&self.0).0
    }

    /// Returns true when there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes that this set and all its clones have on the heap together,
    /// without what the allocator adds.
    pub fn size_bytes(&self) -> usize {
        // The two counters of the Arc, to whose size the text is rounded up.
        const COUNTER: usize = size_of::<usize>();
        2 * COUNTER + self.0.len().next_multiple_of(COUNTER)
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

/// No labels at all.
impl Default for Labels {
    fn default() -> Self {
        Labels::new::<&str, &str>([])
    }
}

struct Pairs<'a> {
    left: usize,
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (name_len, rest) = take_number(self.rest);
        let (value_len, rest) = take_number(rest);
        let (name, rest) = rest.split_at(name_len);
        let (value, rest) = rest.split_at(value_len);
        self.rest = rest;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

fn put_number(text: &mut String, mut number: usize) {
    let mut put = |digit: usize| {
        let digit = u32::try_from(digit).ok().and_then(char::from_u32);
        text.push(digit.expect("a digit is below 0x8000, where every number is a char"));
    };
    while number >= BASE {
        put(number % BASE + BASE);
        number /= BASE;
    }
    put(number);
}

/// Returns the number at the front and what follows it.
fn take_number(text: &str) -> (usize, &str) {
    // Nearly every number is this short, and walking the pairs takes half the time so.
    if let Some(number @ ..0x80) = text.as_bytes().first() {
        return (usize::from(*number), &text[1..]);
    }
    let mut digits = text.chars();
    let (mut res, mut weight) = (0, 1);
    for digit in digits.by_ref() {
        let digit = digit as usize;
        res += digit % BASE * weight;
        if digit < BASE {
            break;
        }
        // Of what `put_number` wrote, the last digit is below the base.
        weight *= BASE;
    }
    (res, digits.as_str())
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        // Two texts are compared in a tenth of the time that their pairs take.
        if self.0 == other.0 { Ordering::Equal } else { self.iter().cmp(other.iter()) }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    /// What a label set means, told as slowly and plainly as can be.
    type Reference = Vec<(String, String)>;

    fn reference(pairs: &[(String, String)]) -> Reference {
        let mut res = Reference::new();
        for (name, value) in pairs {
            res.retain(|(known, _)| known != name);
            res.push((name.clone(), value.clone()));
        }
        res.retain(|(_, value)| !value.is_empty());
        res.sort();
        res
    }

    /// Short texts of few characters, so that names meet; lengths on both sides of each
    /// step in how a number is written; and whatever else Unicode has.
    fn text() -> impl Strategy<Value = String> {
        let edges = prop::sample::select(vec![127, 128, 2_047, 2_048, 16_383, 16_384, 40_000]);
        prop_oneof![
            20 => "[a-c]{0,2}",
            5 => "[aé\u{3fff}\u{4000}𝄞\0]{0,3}",
            5 => any::<String>(),
            1 => edges.prop_map(|n| "x".repeat(n)),
        ]
    }

    fn pairs() -> impl Strategy<Value = Reference> {
        prop::collection::vec((text(), text()), 0..=40)
    }

    fn to_pairs(labels: &Labels) -> Reference {
        labels.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    proptest! {
        #[test]
        fn a_set_means_what_its_pairs_mean(pairs in pairs(), name in text(), value in text()) {
            let (labels, expect) = (Labels::new(pairs.clone()), reference(&pairs));
            prop_assert_eq!(to_pairs(&labels), expect.clone());
            prop_assert_eq!(labels.len(), expect.len());
            prop_assert_eq!(labels.iter().len(), expect.len());
            prop_assert_eq!(labels.is_empty(), expect.is_empty());
            for (name, value) in &expect {
                prop_assert_eq!(labels.get(name), value);
            }
            let known = expect.iter().find(|(known, _)| *known == name);
            prop_assert_eq!(labels.get(&name), known.map_or("", |(_, value)| value));
            let shown: Vec<String> = expect.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            prop_assert_eq!(labels.to_string(), format!("{{{}}}", shown.join(",")));
            prop_assert_eq!(format!("{labels:?}"), labels.to_string());
            let with = [pairs, vec![(name.clone(), value.clone())]].concat();
            prop_assert_eq!(to_pairs(&labels.with(&name, &value)), reference(&with));
        }

        #[test]
        fn a_set_is_cut_by_names(pairs in pairs(), names in prop::collection::vec(text(), 0..4)) {
            let (labels, all) = (Labels::new(pairs.clone()), reference(&pairs));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let is_named = |(name, _): &&(String, String)| names.contains(&name.as_str());
            let named: Reference = all.iter().filter(is_named).cloned().collect();
            let others: Reference = all.iter().filter(|pair| !is_named(pair)).cloned().collect();
            prop_assert_eq!(to_pairs(&labels.only(&names)), named);
            prop_assert_eq!(to_pairs(&labels.without(&names)), others);
        }

        #[test]
        fn sets_are_ordered_and_hashed_as_their_pairs(one in pairs(), change in pairs(), kept in 0..=40_usize) {
            // A common beginning, so that the order is not settled by the first pair.
            let other = [&one[..kept.min(one.len())], &change[..change.len().min(3)]].concat();
            let (left, right) = (Labels::new(one.clone()), Labels::new(other.clone()));
            let (left_pairs, right_pairs) = (reference(&one), reference(&other));
            prop_assert_eq!(left.cmp(&right), left_pairs.cmp(&right_pairs));
            prop_assert_eq!(left.partial_cmp(&right), Some(left.cmp(&right)));
            prop_assert_eq!(left == right, left_pairs == right_pairs);
            let hasher = RandomState::new();
            let again = Labels::new(left_pairs.into_iter().rev());
            prop_assert_eq!(&again, &left);
            prop_assert_eq!(hasher.hash_one(&again), hasher.hash_one(&left));
        }

        #[test]
        fn numbers_come_back(number: usize, shift in 0..usize::BITS, after in text()) {
            let number = number >> shift;
            let mut text = String::new();
            put_number(&mut text, number);
            text.push_str(&after);
            prop_assert_eq!(take_number(&text), (number, after.as_str()));
        }
    }

    #[test]
    fn labels_are_sorted_unique_and_never_empty() {
        let labels = Labels::new([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1",b="3"}"#);
        assert_eq!(labels.get("c"), "");
        assert_eq!(labels.with("a", "").to_string(), r#"{b="3"}"#);
        assert_eq!(labels.only(&["a"]), labels.without(&["b"]));
    }

    #[test]
    fn a_small_set_takes_little_more_than_its_text() {
        let labels = Labels::new([("__name__", "up"), ("job", "vitrine")]);
        // 20 bytes of text, one for the number of pairs, four for lengths, 16 for counters.
        assert_eq!(labels.size_bytes(), 48);
    }
}
