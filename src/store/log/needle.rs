//! What a search asks of a block's filter; why it may is said in [`tokens`](super::tokens).

use super::filter::FilterRef;
use super::tokens::{Class, N_CLASSES, metadata_key, tokens};
use crate::store::wire::{Damaged, Reader, put_varint};

/// What a block tells about its keys beside the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// Bytes of the longest token with a digit; 255 for all from there.
    pub longest: u8,
    /// Of each class the keys were put that end in so many zero bits.
    pub n_zeros: [u8; N_CLASSES],
}

/// Instead of a number of zero bits: no key of the class was put.
const LEFT_OUT: u8 = 15;

/// Returns true when a key was put, given how far its class was thinned.
pub fn is_put(key: u64, n_zeros: u8) -> bool {
    n_zeros < LEFT_OUT && key.trailing_zeros() >= u32::from(n_zeros)
}

impl TokenFacts {
    /// Appends the facts: the longest token u8, then a varint of four bits a class.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.longest);
        put_varint(out, self.n_zeros.iter().rev().fold(0, |all, n| all << 4 | u64::from(*n)));
    }

    /// The inverse of [`TokenFacts::encode`].
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let longest = reader.u8()?;
        let all = reader.varint()?;
        if all >> (4 * N_CLASSES) != 0 {
            return Err(Damaged("class of tokens unknown"));
        }
        Ok(TokenFacts { longest, n_zeros: std::array::from_fn(|class| (all >> (4 * class)) as u8 & 15) })
    }

    /// Returns false when the key of a class would be in the filter and is not.
    fn may_have(&self, filter: &FilterRef<'_>, class: Class, key: u64) -> bool {
        !is_put(key, self.n_zeros[class as usize]) || filter.contains(key)
    }
}

/// A substring to look for in the bodies of lines, case sensitive.
#[derive(Clone, Debug)]
pub struct Needle(Vec<Ask>);

#[derive(Clone, Copy, Debug)]
enum Ask {
    /// The key must be there.
    Key(Class, u64),
    /// A token with a digit is at least so long.
    Longest(u8),
    /// A token with a digit is longer, or one is as long and has the key.
    LongestOrKey(u8, Class, u64),
}

impl Needle {
    /// Finds out what a block must have to contain the needle.
    pub fn new(needle: &str) -> Self {
        let mut asks = Vec::new();
        for run in tokens(needle) {
            let has_gram = run.inherited(&mut |class, key| asks.push(Ask::Key(class, key)));
            let is_part = run.start == 0 || run.start + run.text.len() == needle.len();
            let len = run.len_or_max();
            match (run.whole(has_gram), is_part) {
                // A part without digits may be in any token, also in one that has digits.
                (_, true) if !run.has_digit() => {}
                (Some((class, key)), true) => asks.push(Ask::LongestOrKey(len, class, key)),
                (Some((class, key)), false) => asks.push(Ask::Key(class, key)),
                (None, _) if run.has_digit() => asks.push(Ask::Longest(len)),
                (None, _) => {}
            }
        }
        Needle(asks)
    }

    /// Returns false only when no line of the block contains the needle.
    pub fn may_be_in(&self, filter: &FilterRef<'_>, facts: TokenFacts) -> bool {
        self.0.iter().all(|ask| match *ask {
            Ask::Key(class, key) => facts.may_have(filter, class, key),
            Ask::Longest(len) => facts.longest >= len,
            Ask::LongestOrKey(len, class, key) => {
                facts.longest > len || facts.longest == len && facts.may_have(filter, class, key)
            }
        })
    }
}

/// A pair of metadata to look for.
#[derive(Clone, Copy, Debug)]
pub struct MetadataNeedle(Option<u64>);

impl MetadataNeedle {
    /// Asks for lines whose metadata have this value under this name.
    pub fn new(name: &str, value: &str) -> Self {
        // A line without the name has the value "", and put no key.
        MetadataNeedle((!value.is_empty()).then(|| metadata_key(name, value)))
    }

    /// Returns false only when no line of the block has the pair.
    pub fn may_be_in(&self, filter: &FilterRef<'_>, facts: TokenFacts) -> bool {
        self.0.is_none_or(|key| facts.may_have(filter, Class::Metadata, key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::store::log::collect::{BUDGETS, TokenCollector};
    use crate::store::log::filter::Filter;
    use crate::store::log::tokens::{
        fold,
        samples::{cut, line},
    };

    fn block(lines: &[impl AsRef<str>]) -> (Filter, TokenFacts) {
        let mut collector = TokenCollector::default();
        lines.iter().for_each(|line| collector.add(line.as_ref()));
        collector.finish()
    }

    fn may_be_in(needle: &str, (filter, facts): &(Filter, TokenFacts)) -> bool {
        Needle::new(needle).may_be_in(&filter.view(), *facts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn a_needle_from_a_line_is_never_ruled_out(
            lines in prop::collection::vec(line(), 1..10),
            cuts in prop::collection::vec((any::<Index>(), any::<Index>(), 1_usize..=60), 24),
            budgets in select(&[BUDGETS, [9; N_CLASSES], [2, 3, 1, 2, 0], [0; N_CLASSES]]),
        ) {
            let mut collector = TokenCollector::with_budgets(budgets);
            lines.iter().for_each(|line| collector.add(line));
            let block = collector.finish();
            for (line, from, n_chars) in cuts {
                let needle = cut(&lines[line.index(lines.len())], from, n_chars);
                prop_assert!(may_be_in(&needle, &block), "{needle:?}");
            }
            for token in lines.iter().flat_map(|line| tokens(line)) {
                let needle = std::str::from_utf8(token.text).unwrap();
                prop_assert!(may_be_in(needle, &block), "{needle:?}");
            }
        }

        #[test]
        fn a_pair_of_a_line_is_never_ruled_out(
            pairs in prop::collection::vec(("[a-c]{0,3}", "[a-c]{0,3}|.{0,20}"), 1..20),
            budgets in select(&[BUDGETS, [3; N_CLASSES], [0; N_CLASSES]]),
        ) {
            let mut collector = TokenCollector::with_budgets(budgets);
            pairs.iter().for_each(|(name, value)| collector.add_metadata(name, value));
            let (filter, facts) = collector.finish();
            for (name, value) in &pairs {
                prop_assert!(MetadataNeedle::new(name, value).may_be_in(&filter.view(), facts));
            }
        }

        #[test]
        fn facts_round_trip(longest: u8, n_zeros in prop::array::uniform5(0..=LEFT_OUT)) {
            let facts = TokenFacts { longest, n_zeros };
            let mut out = Vec::new();
            facts.encode(&mut out);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(TokenFacts::decode(&mut reader), Ok(facts));
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn bad_facts_give_an_error_or_facts_and_no_panic(bytes: Vec<u8>) {
            if let Ok(facts) = TokenFacts::decode(&mut Reader::new(&bytes)) {
                may_be_in("any 1 needle", &(Filter::build(&mut Vec::new()), facts));
            }
        }
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn check(lines: &[&str], needle: &str, expect: bool) {
        assert_eq!(may_be_in(needle, &block(lines)), expect, "{needle:?} in {lines:?}");
    }

    #[test]
    fn words_are_ruled_out_by_their_grams() {
        check(&["connection refused"], "needle", false);
        check(&["connection refused"], "nnect", true);
        check(&["connection refused"], "connections", false);
        check(&["NullPointerException"], "PointerEx", true);
        check(&["NullPointerException"], "Printer", false);
        check(&["a9needle7"], "needle", true);
        check(&["a9needle7"], "noodle", false);
        check(&["GET /x"], "GET ", true);
        check(&["GET /x"], "\"PUT ", false);
        // Too short, and at an edge.
        check(&["GET /x"], "PUT", true);
        check(&["GET /x"], "", true);
    }

    #[test]
    fn words_of_other_scripts_are_ruled_out_too() {
        check(&["ошибка соединения"], "соединен", true);
        check(&["ошибка соединения"], "таймаут", false);
        check(&["データベース接続に失敗しました"], "失敗", true);
        check(&["データベース接続に失敗しました"], "成功", false);
        check(&["“naïve” — done"], "naïve", true);
        check(&["“naïve” — done"], "naive", false);
    }

    #[test]
    fn trace_id_is_ruled_out_also_where_tokens_are_longer() {
        let other = TRACE.replace("4bf", "4bd");
        let longer = format!("sha256={other}{}", other.replace('3', "9"));
        check(&["id=00f067aa0ba902b7"], TRACE, false);
        check(&[&format!("trace_id={other} ok")], TRACE, false);
        check(&[&longer], TRACE, false);
        check(&[&longer, &format!("x{TRACE}9")], TRACE, true);
    }

    #[test]
    fn part_with_digits_is_the_whole_where_none_is_longer() {
        check(&["order 1234567 done"], "order 1234567", true);
        check(&["order 1234567 done"], "order 1234568", false);
        check(&["order 1234567 done"], "12345678", false);
        check(&["order 1234567 done"], "23456", true);
        // A longer token might contain the part, unless the needle shows where it ends.
        check(&["order 1234567 done", TRACE], "order 1234568", true);
        check(&["order 1234567 done", TRACE], "order 1234568 ", false);
        check(&["abc12", "12abc"], "abc12", true);
        check(&["abc12", "12abc"], "bc123", false);
        check(&["abc12", "12abc"], "abc1", true);
    }

    #[test]
    fn absent_pairs_are_ruled_out_and_absent_names_are_not() {
        let mut collector = TokenCollector::default();
        collector.add_metadata("trace_id", TRACE);
        let (filter, facts) = collector.finish();
        let may_be_in = |name, value| MetadataNeedle::new(name, value).may_be_in(&filter.view(), facts);
        assert!(may_be_in("trace_id", TRACE));
        assert!(!may_be_in("trace_id", "4bf9") && !may_be_in("span_id", TRACE));
        // A line without the name has the value "".
        assert!(may_be_in("span_id", ""));
    }

    #[test]
    fn absent_words_are_ruled_out_of_ordinary_lines() {
        const PRESENT: &str = "accepted address already answer backend balancer bytes cache certificate client \
            closed configuration connected connection container database deadline deleted disk drained error \
            exceeded expired failed file finished flushed from handle header health incoming initialised \
            invalid keepalive latency limit listening loaded memory message migration missing network opened \
            partition password payload peer process queue reading received refused reload replied request \
            response retry route running schema server session shutdown signal socket started status stopped \
            stream table thread timeout token transaction unavailable upstream user version waiting worker";
        const ABSENT: &str = "abandon blanket butter canyon crystal dolphin elephant fabric giraffe glacier \
            harvest horizon island jungle kitchen lantern lemon marble meadow mirror mountain needle ocean \
            orchard oxygen pepper piano pillow planet pocket quartz rabbit ribbon saddle shadow silver spider \
            sugar sunset thunder tiger timber tunnel umbrella valley velvet violin whisper window winter \
            yellow zebra";
        let words: Vec<&str> = PRESENT.split_whitespace().collect();
        let mut random = 7_u64;
        let mut next = |n: usize| {
            random = fold(random.wrapping_add(0x9e37)) | 1;
            (random >> 8) as usize % n
        };
        let (mut n_asked, mut n_ruled_out) = (0, 0);
        for _ in 0..20 {
            let mut line = || {
                let words: Vec<&str> = (0..4 + next(8)).map(|_| words[next(words.len())]).collect();
                format!("level=info id={:08x} {} in {}ms", next(1 << 32), words.join(" "), next(9_999))
            };
            let block = block(&(0..200).map(|_| line()).collect::<Vec<_>>());
            for needle in ABSENT.split_whitespace() {
                n_asked += 1;
                n_ruled_out += usize::from(!may_be_in(needle, &block));
            }
        }
        assert!(n_ruled_out * 100 >= n_asked * 95, "{n_ruled_out} of {n_asked}");
    }
}
