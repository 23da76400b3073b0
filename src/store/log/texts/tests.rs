//! Laws: what was put in comes out, and a search finds what a search of the text finds.

use memchr::memmem::Finder;
use proptest::prelude::*;

use super::*;

const ENOUGH: usize = 1 << 22;

fn allowance() -> Allowance {
    Allowance::new(1 << 23)
}

fn texts<S: AsRef<str>>(lines: &[S]) -> Texts {
    let mut res = Texts::default();
    lines.iter().for_each(|line| res.push(line.as_ref()));
    res
}

fn encoded(texts: &Texts) -> Vec<u8> {
    let mut out = Vec::new();
    encode(texts, 0..texts.len(), &mut out);
    out
}

fn found(bytes: &[u8], n: usize, needle: &str) -> Vec<usize> {
    let allowance = allowance();
    let view = View::read(&mut Reader::new(bytes), n, ENOUGH, &allowance).unwrap();
    let mut res = Vec::new();
    view.find(&Finder::new(needle), |idx| res.push(idx)).unwrap();
    res
}

/// Checks all laws.
fn check(lines: &[String]) {
    let texts = texts(lines);
    let bytes = encoded(&texts);
    assert_eq!(bytes, encoded(&texts), "equal texts give equal bytes");
    let mut reader = Reader::new(&bytes);
    assert_eq!(decode(&mut reader, lines.len(), texts.text().len(), &allowance()).unwrap(), texts);
    assert!(reader.end().is_ok());
    let mut plain = Vec::new();
    encode_plain(&texts, 0..texts.len(), &mut plain);
    let back = decode(&mut Reader::new(&plain), lines.len(), texts.text().len(), &allowance());
    assert_eq!(back.unwrap(), texts);
}

fn check_find(lines: &[String], needle: &str) {
    let bytes = encoded(&texts(lines));
    let expected: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| line.contains(needle)).map(|(idx, _)| idx).collect();
    assert_eq!(found(&bytes, lines.len(), needle), expected, "{needle:?}");
}

/// Sentences from few templates with variables of many kinds.
fn line() -> impl Strategy<Value = String> {
    let hex = "[0-9a-f]{8}";
    prop_oneof![
        (0_u32..40, "[a-c]{1,2}").prop_map(|(n, user)| format!("session {n} of user {user} opened")),
        (0_u64..10_000, hex).prop_map(|(n, id)| format!("took {n:05}us for request={id}")),
        (0_u32..3, 0_u32..60).prop_map(|(h, s)| format!("{h:02}:00:{s:02},1 GET \"/a b/{s}\" 10.0.{h}.{s}")),
        "[a-c]{0,3}",
        "[ab0-2 \"/:.-]{0,12}",
        any::<String>(),
    ]
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(line(), 0..120)
}

proptest! {
    #[test]
    fn any_texts_come_back(lines: Vec<String>) {
        check(&lines);
    }

    #[test]
    fn lines_of_a_log_come_back(lines in lines()) {
        check(&lines);
    }

    #[test]
    fn values_of_one_kind_come_back(lines in prop_oneof![
        prop::collection::vec("[0-9]{1,20}", 0..100),
        prop::collection::vec("0{0,3}[0-9]{1,2}", 0..100),
        prop::collection::vec("[0-9a-f]{16}", 0..100),
        prop::collection::vec("[0-9A-F]{4}-[0-9a-f]{3}", 0..100),
        prop::collection::vec("(GET|POST|é)", 0..100),
        prop::collection::vec("/[ab]/[0-9]{1,3}(\\?x=[0-9]\u{0}?)?", 0..100),
    ]) {
        check(&lines);
    }

    #[test]
    fn a_range_comes_back(lines in lines(), start: usize, end: usize) {
        let (start, end) = (start % (lines.len() + 1), end % (lines.len() + 1));
        let range = start.min(end)..start.max(end);
        let mut out = vec![7];
        encode(&texts(&lines), range.clone(), &mut out);
        let back = decode(&mut Reader::new(&out[1..]), range.len(), ENOUGH, &allowance()).unwrap();
        prop_assert_eq!(back, texts(&lines[range]));
    }

    #[test]
    fn a_search_finds_what_is_in_the_text(lines in lines(), line: usize, start: usize, len in 0_usize..14) {
        // A needle from one of the lines, so that it is there.
        let chars: Vec<char> = lines.get(line % lines.len().max(1)).map_or(Vec::new(), |line| line.chars().collect());
        let start = start % (chars.len() + 1);
        let needle: String = chars[start..].iter().take(len).collect();
        check_find(&lines, &needle);
    }

    #[test]
    fn a_search_finds_nothing_else(lines in lines(), needle in "[a-e0-2 =:/.\"]{0,4}") {
        check_find(&lines, &needle);
    }

    #[test]
    fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>, n in 0_usize..200) {
        read_all(&bytes, n);
    }

    #[test]
    fn bytes_with_a_wrong_one_give_an_error_or_other_texts(lines in lines(), place: usize, byte: u8, n_more in 0_usize..3) {
        let mut bytes = encoded(&texts(&lines));
        let place = place % bytes.len();
        bytes[place] = byte;
        read_all(&bytes, lines.len());
        read_all(&bytes, lines.len() + n_more);
        read_all(&bytes[..place], lines.len());
    }
}

fn read_all(bytes: &[u8], n: usize) {
    if let Ok(texts) = decode(&mut Reader::new(bytes), n, 1 << 16, &allowance()) {
        assert_eq!(texts.len(), n);
        assert!(texts.text().len() <= 1 << 16);
    }
    let allowance = allowance();
    if let Ok(view) = View::read(&mut Reader::new(bytes), n, 1 << 16, &allowance) {
        let _ = view.find(&Finder::new("a 1"), |idx| assert!(idx < n));
        let _ = view.find(&Finder::new("0"), |idx| assert!(idx < n));
    }
}

/// A column that stands for as much as its few bytes can.
#[derive(Clone, Debug)]
enum Made {
    Plain {
        len: u8,
    },
    Same {
        len: u16,
    },
    Integers {
        width: u8,
        base: u64,
        are_steps: bool,
    },
    Digits {
        pattern: u8,
    },
    Words {
        n: u16,
        words: Box<Made>,
        are_recent: bool,
    },
    /// Each template has as many slots, which are those of the columns in turns.
    Templates {
        n: u16,
        n_slots: u16,
        columns: Vec<Made>,
    },
}

impl Made {
    fn put(&self, n: usize, out: &mut Sections) {
        let number = |out: &mut Sections, base: u64, head: u8| {
            out.numbers.push(head);
            put_varint(&mut out.numbers, base);
        };
        match self {
            Made::Plain { len } => {
                // More than a block has is refused for that alone.
                let len = if usize::from(*len) * n > 1 << 20 { 0 } else { *len };
                out.numbers.push(PLAIN);
                number(out, len.into(), 0);
                out.text.resize(out.text.len() + usize::from(len) * n, b'1');
            }
            Made::Same { len } => {
                out.numbers.push(SAME);
                put_varint(&mut out.numbers, (*len).into());
                out.text.resize(out.text.len() + usize::from(*len), b'a');
            }
            Made::Integers { width, base, are_steps } => {
                out.numbers.extend([INTEGERS, *width]);
                number(out, *base, if *are_steps { 16 } else { 0 });
            }
            Made::Digits { pattern } => {
                out.numbers.extend([DIGITS, *pattern]);
                out.text.resize(out.text.len() + usize::from(*pattern), b'0');
            }
            Made::Words { n: n_words, words, are_recent } => {
                let n_words = (*n_words).max(1);
                out.numbers.push(WORDS);
                put_varint(&mut out.numbers, n_words.into());
                words.put(n_words.into(), out);
                put_varint(&mut out.numbers, if *are_recent { n as u64 + 1 } else { 0 });
                if *are_recent {
                    number(out, RECENT as u64 + 1, 0);
                }
                number(out, u64::from(n_words) - 1, 0);
            }
            Made::Templates { n: n_templates, n_slots, columns } => {
                let (n_templates, n_slots) = (usize::from((*n_templates).max(1)), usize::from(*n_slots));
                let n_columns = columns.len().min(n_slots * n_templates);
                out.numbers.push(TEMPLATES);
                put_varint(&mut out.numbers, n_templates as u64);
                put_varint(&mut out.numbers, n_columns as u64);
                let mut template = vec![SLOT; n_slots];
                template.push(TEMPLATE_END);
                out.text.extend(template.repeat(n_templates));
                out.numbers.extend([1, 0]);
                let slots = 0..n_templates * n_slots;
                out.numbers.extend(slots.map(|slot| (slot % n_slots % n_columns.max(1)) as u8));
                number(out, n_templates as u64 - 1, 0);
                for (idx, column) in columns.iter().enumerate().take(n_columns) {
                    let in_line = (0..n_slots).filter(|slot| slot % n_columns == idx).count();
                    column.put(n * in_line, out);
                }
            }
        }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let bases = prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()];
    let leaf = prop_oneof![
        (0_u8..4).prop_map(|len| Made::Plain { len }),
        prop_oneof![0_u16..20, any::<u16>()].prop_map(|len| Made::Same { len }),
        (0_u8..=20, bases, any::<bool>()).prop_map(|(width, base, are_steps)| Made::Integers {
            width,
            base,
            are_steps
        }),
        any::<u8>().prop_map(|pattern| Made::Digits { pattern }),
    ];
    let counts = || prop_oneof![0_u16..4, 0_u16..200, 0_u16..40_000];
    leaf.prop_recursive(6, 12, 3, move |inner| {
        let columns = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (counts(), inner, any::<bool>()).prop_map(|(n, words, are_recent)| Made::Words {
                n,
                words: Box::new(words),
                are_recent
            }),
            (counts(), counts(), columns)
                .prop_filter("more than a block has", |(n, n_slots, _)| {
                    usize::from(*n) * usize::from(*n_slots) < 2 << 20
                })
                .prop_map(|(n, n_slots, columns)| Made::Templates { n, n_slots, columns }),
        ]
    })
}

fn made_bytes(made: &Made, n: usize) -> Vec<u8> {
    let mut sections = Sections::default();
    made.put(n, &mut sections);
    let mut out = Vec::new();
    sections.write(&mut out);
    out
}

/// What is counted as so many bytes takes at most so many times as much: a buffer that grows is
/// there twice while it is copied.
const TIMES: u64 = 3;

proptest! {
    #[test]
    fn whatever_few_bytes_stand_for_takes_bounded_memory(made in made(), n in 0_usize..16_384) {
        const N_BYTES: usize = 1 << 20;
        let bytes = made_bytes(&made, n);
        let peak = |read: &dyn Fn(&View<'_>)| {
            let info = allocation_counter::measure(|| {
                let allowance = Allowance::new(N_BYTES);
                let _ = View::read(&mut Reader::new(&bytes), n, N_BYTES, &allowance).map(|view| read(&view));
            });
            info.bytes_max
        };
        let decoding = peak(&|view| { let _ = view.texts(); });
        prop_assert!(decoding <= TIMES * N_BYTES as u64, "{decoding} bytes to decode");
        for needle in ["1", "a1", "11a", "0a"] {
            let searching = peak(&|view| { let _ = view.find(&Finder::new(needle), |_| ()); });
            prop_assert!(searching <= TIMES * N_BYTES as u64, "{searching} bytes to search");
        }
    }
}

/// A column of so many templates within each other, each line of which has one variable, and at
/// the end the same text for each.
fn nested(depth: usize, len: u16) -> Made {
    (0..depth).fold(Made::Same { len }, |column, _| Made::Templates {
        n: 1,
        n_slots: 1,
        columns: vec![column],
    })
}

#[test]
fn columns_within_columns_have_one_bound_together() {
    const N: usize = 1_000;
    let read = |depth, bytes_max, memory| {
        let (bytes, allowance) = (made_bytes(&nested(depth, 10), N), Allowance::new(memory));
        View::read(&mut Reader::new(&bytes), N, bytes_max, &allowance)
            .and_then(|view| view.texts().map(|texts| texts.len()))
    };
    assert_eq!(read(3, 10 * N, ENOUGH), Ok(N));
    assert!(read(3, 9 * N, ENOUGH).is_err(), "more text than there may be");
    assert!(read(1, ENOUGH, 10 * N).is_err(), "more cells than there may be, of numbers that take no bytes");
    assert!(read(7, ENOUGH, ENOUGH).is_err(), "too deep");
}

#[test]
fn a_search_puts_no_line_together_that_a_reader_has_no_memory_for() {
    let search = |n_slots, n| {
        let made = Made::Templates { n: 1, n_slots, columns: vec![Made::Same { len: u16::MAX }] };
        let (bytes, allowance) = (made_bytes(&made, n), allowance());
        let view = View::read(&mut Reader::new(&bytes), n, ENOUGH, &allowance).unwrap();
        view.find(&Finder::new(&"a".repeat(1 << 16)), |_| ())
    };
    assert_eq!(search(2, 1), Ok(()));
    assert!(search(60_000, 1).is_err(), "a line of 4 GB");
    assert!(search(2, 5_000).is_err(), "many lines, of which one has room");
}

#[test]
fn counts_that_no_bytes_stand_for_are_refused() {
    // A million columns for no slot.
    let mut sections = Sections::default();
    sections.numbers.extend([TEMPLATES, 1]);
    put_varint(&mut sections.numbers, 1_000_000);
    sections.numbers.extend(vec![0; 1_000_000]);
    sections.text.push(TEMPLATE_END);
    let mut out = Vec::new();
    sections.write(&mut out);
    assert!(View::read(&mut Reader::new(&out), 1, ENOUGH, &allowance()).is_err());
}

#[test]
fn words_and_templates_in_turns_come_back() {
    let pick = |n: u64, of: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % of;
    let lines: Vec<String> = (0..6_000_u64)
        .map(|n| {
            let n = pick(n, 3_000);
            let user = pick(n + 7, 400);
            format!(
                "GET /api/u{}-{:x}.k{}/x{} {}",
                user % 60,
                user % 23,
                user,
                pick(n, 700),
                200 + pick(n, 5)
            )
        })
        .collect();
    check(&lines);
    check_find(&lines, "u5-");
}

#[test]
fn a_line_of_very_many_variables_is_found_by_a_long_needle() {
    let lines: Vec<String> =
        (0_u64..4).map(|n| (0_u64..60_000).map(|k| format!("{} ", (k * k + n) % 7)).collect()).collect();
    check_find(&lines, &"5 ".repeat(128));
    check_find(&lines, &lines[2][50_000..50_200]);
    check_find(&lines, &lines[3][..200]);
}
