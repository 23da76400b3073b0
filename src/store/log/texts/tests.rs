//! Laws: what was put in comes out, and a search finds what a search of the text finds.

use memchr::memmem::Finder;
use proptest::prelude::*;

use super::*;

const ENOUGH: usize = 1 << 22;

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
    let view = View::read(&mut Reader::new(bytes), n, ENOUGH).unwrap();
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
    assert_eq!(decode(&mut reader, lines.len(), texts.text().len()).unwrap(), texts);
    assert!(reader.end().is_ok());
    let mut plain = Vec::new();
    encode_plain(&texts, 0..texts.len(), &mut plain);
    assert_eq!(decode(&mut Reader::new(&plain), lines.len(), texts.text().len()).unwrap(), texts);
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
        let back = decode(&mut Reader::new(&out[1..]), range.len(), ENOUGH).unwrap();
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
    if let Ok(texts) = decode(&mut Reader::new(bytes), n, 1 << 16) {
        assert_eq!(texts.len(), n);
        assert!(texts.text().len() <= 1 << 16);
    }
    if let Ok(view) = View::read(&mut Reader::new(bytes), n, 1 << 16) {
        let _ = view.find(&Finder::new("a 1"), |idx| assert!(idx < n));
        let _ = view.find(&Finder::new("0"), |idx| assert!(idx < n));
    }
}

/// A column of so many templates within each other, each line of which has one variable, and at
/// the end the same text for each.
fn nested(depth: usize, n: usize, text: &[u8]) -> Vec<u8> {
    let mut sections = Sections::default();
    for _ in 0..depth {
        sections.numbers.push(TEMPLATES);
        // One template, one column; the column of its one slot; the template of each line.
        sections.numbers.extend([1, 1, 0, 0, 0, 0]);
        sections.text.extend([SLOT, TEMPLATE_END]);
    }
    sections.numbers.push(SAME);
    sections.numbers.push(text.len() as u8);
    sections.text.extend_from_slice(text);
    let mut out = Vec::new();
    sections.write(&mut out);
    assert!(n > 0);
    out
}

#[test]
fn columns_within_columns_have_one_bound_together() {
    const N: usize = 1_000;
    let read = |depth, bytes_max| {
        let bytes = nested(depth, N, b"0123456789");
        View::read(&mut Reader::new(&bytes), N, bytes_max)
            .and_then(|view| view.texts().map(|texts| texts.len()))
    };
    assert_eq!(read(3, 10 * N), Ok(N));
    assert!(read(3, 9 * N).is_err(), "more text than there may be");
    assert!(read(1, N / 16).is_err(), "more cells than there may be, of numbers that take no bytes");
    assert!(read(7, 1 << 20).is_err(), "too deep");
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
    assert!(View::read(&mut Reader::new(&out), 1, ENOUGH).is_err());
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
