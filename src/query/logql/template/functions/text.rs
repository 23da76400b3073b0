//! Texts: cases, trimming, cutting, repeating.
//!
//! Source: Go's package `strings`; sprig for those whose name begins small, which take the text that
//! they work on last.

use std::borrow::Cow;
use std::ops::Range;

use super::{Answer, Args, Context, Function, Kind, of};
use crate::query::logql::template::budget::fits;
use crate::query::logql::template::value::{Value, lossy};

pub(super) const FUNCTIONS: &[Function] = &[
    of("__line__", &[], |context, _| Ok(Value::text(context.scope.line()))),
    of("ToLower", &[Kind::Text], lower),
    of("ToUpper", &[Kind::Text], upper),
    of("Replace", &[Kind::Text, Kind::Text, Kind::Text, Kind::Int], |context, mut args| {
        let n_max = usize::try_from(args.int(3)).unwrap_or(usize::MAX);
        let text = args.take_text(0);
        replaced(context, text, args.text(1), args.text(2), n_max)
    }),
    of("Trim", &[Kind::Text, Kind::Text], |_, args| Ok(trimmed(args, 0, 1, true, true))),
    of("TrimLeft", &[Kind::Text, Kind::Text], |_, args| Ok(trimmed(args, 0, 1, true, false))),
    of("TrimRight", &[Kind::Text, Kind::Text], |_, args| Ok(trimmed(args, 0, 1, false, true))),
    of("TrimPrefix", &[Kind::Text, Kind::Text], |_, args| Ok(without_prefix(args, 0, 1))),
    of("TrimSuffix", &[Kind::Text, Kind::Text], |_, args| Ok(without_suffix(args, 0, 1))),
    of("TrimSpace", &[Kind::Text], trim),
    of("lower", &[Kind::Text], lower),
    of("upper", &[Kind::Text], upper),
    of("title", &[Kind::Text], |_, args| Ok(Value::text(title(args.text(0))))),
    of("trim", &[Kind::Text], trim),
    of("trimAll", &[Kind::Text, Kind::Text], |_, args| Ok(trimmed(args, 1, 0, true, true))),
    of("trimPrefix", &[Kind::Text, Kind::Text], |_, args| Ok(without_prefix(args, 1, 0))),
    of("trimSuffix", &[Kind::Text, Kind::Text], |_, args| Ok(without_suffix(args, 1, 0))),
    of("replace", &[Kind::Text, Kind::Text, Kind::Text], |context, mut args| {
        let text = args.take_text(2);
        replaced(context, text, args.text(0), args.text(1), usize::MAX)
    }),
    of("repeat", &[Kind::Int, Kind::Text], |context, args| {
        repeated(context, args.text(1), args.int(0)).map(Value::text)
    }),
    of("indent", &[Kind::Int, Kind::Text], |context, args| indented(context, "", args)),
    of("nindent", &[Kind::Int, Kind::Text], |context, args| indented(context, "\n", args)),
    of("trunc", &[Kind::Int, Kind::Text], |_, mut args| {
        let (n, text) = (args.int(0), args.take_text(1));
        let n_bytes = text.len();
        let n_last = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(match usize::try_from(n) {
            Ok(n_first) => part(text, 0..n_first.min(n_bytes)),
            Err(_) => part(text, n_bytes.saturating_sub(n_last)..n_bytes),
        })
    }),
    of("substr", &[Kind::Int, Kind::Int, Kind::Text], |_, mut args| {
        let (start, end, text) = (args.int(0), args.int(1), args.take_text(2));
        let n_bytes = text.len();
        let outside = |bounds: String| format!("runtime error: slice bounds out of range {bounds}");
        let range = if start < 0 {
            match usize::try_from(end) {
                Ok(end) if end <= n_bytes => 0..end,
                Ok(_) => return Err(outside(format!("[:{end}] with length {n_bytes}"))),
                Err(_) => return Err(outside(format!("[:{end}]"))),
            }
        } else {
            let end = usize::try_from(end).ok().filter(|end| *end <= n_bytes).unwrap_or(n_bytes);
            match usize::try_from(start) {
                Ok(start) if start <= end => start..end,
                _ => return Err(outside(format!("[{start}:{end}]"))),
            }
        };
        Ok(part(text, range))
    }),
    of("contains", &[Kind::Text, Kind::Text], |_, args| {
        Ok(Value::Truth(args.text(1).contains(args.text(0))))
    }),
    of("hasPrefix", &[Kind::Text, Kind::Text], |_, args| {
        Ok(Value::Truth(args.text(1).starts_with(args.text(0))))
    }),
    of("hasSuffix", &[Kind::Text, Kind::Text], |_, args| {
        Ok(Value::Truth(args.text(1).ends_with(args.text(0))))
    }),
    of("alignLeft", &[Kind::Int, Kind::Text], |_, args| aligned(args, true)),
    of("alignRight", &[Kind::Int, Kind::Text], |_, args| aligned(args, false)),
];

/// Go changes each character for itself, and into one.
fn lower<'t>(_: &mut Context<'t>, args: Args<'t>) -> Answer<'t> {
    let one = |c: char| match c {
        'İ' => 'i',
        c => single(c, c.to_lowercase()),
    };
    Ok(Value::text(args.text(0).chars().map(one).collect::<String>()))
}

fn upper<'t>(_: &mut Context<'t>, args: Args<'t>) -> Answer<'t> {
    Ok(Value::text(args.text(0).chars().map(upper_char).collect::<String>()))
}

fn upper_char(c: char) -> char {
    single(c, c.to_uppercase())
}

fn single(c: char, mut changed: impl Iterator<Item = char>) -> char {
    match (changed.next(), changed.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// Returns each word with its first letter large; words have letters, digits and underscores.
fn title(text: &str) -> String {
    let mut is_inside = false;
    let each = |c: char| {
        let begins = !is_inside;
        is_inside = c == '_' || c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace());
        if begins { upper_char(c) } else { c }
    };
    text.chars().map(each).collect()
}

/// Returns a part of a text, without a copy of what is borrowed.
fn part(text: Cow<'_, str>, range: Range<usize>) -> Value<'_> {
    match text {
        Cow::Borrowed(text) => Value::Text(lossy(&text.as_bytes()[range])),
        Cow::Owned(text) => Value::text(lossy(&text.as_bytes()[range]).into_owned()),
    }
}

/// Returns the part of a text that a shorter one of it is.
fn range_of(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

fn trim<'t>(_: &mut Context<'t>, mut args: Args<'t>) -> Answer<'t> {
    let text = args.take_text(0);
    let range = range_of(&text, text.trim());
    Ok(part(text, range))
}

fn trimmed(mut args: Args<'_>, idx: usize, set_idx: usize, left: bool, right: bool) -> Value<'_> {
    let text = args.take_text(idx);
    let set = args.text(set_idx);
    let mut kept: &str = &text;
    if left {
        kept = kept.trim_start_matches(|c| set.contains(c));
    }
    if right {
        kept = kept.trim_end_matches(|c| set.contains(c));
    }
    let range = range_of(&text, kept);
    part(text, range)
}

fn without_prefix(mut args: Args<'_>, idx: usize, prefix_idx: usize) -> Value<'_> {
    let text = args.take_text(idx);
    let range = range_of(&text, text.strip_prefix(args.text(prefix_idx)).unwrap_or(&text));
    part(text, range)
}

fn without_suffix(mut args: Args<'_>, idx: usize, suffix_idx: usize) -> Value<'_> {
    let text = args.take_text(idx);
    let range = range_of(&text, text.strip_suffix(args.text(suffix_idx)).unwrap_or(&text));
    part(text, range)
}

fn replaced<'t>(
    context: &mut Context<'t>,
    text: Cow<'t, str>,
    old: &str,
    new: &str,
    n_max: usize,
) -> Answer<'t> {
    let n_found = text.matches(old).take(n_max).count();
    if n_found == 0 || old == new {
        return Ok(Value::Text(text));
    }
    let n_bytes = text.len().saturating_sub(n_found * old.len());
    context.budget.result(n_bytes.saturating_add(n_found.saturating_mul(new.len())))?;
    Ok(Value::text(text.replacen(old, new, n_found)))
}

fn repeated(context: &mut Context<'_>, text: &str, n_times: i64) -> Result<String, String> {
    let n_times = usize::try_from(n_times).map_err(|_| "strings: negative Repeat count")?;
    context.budget.result(text.len().saturating_mul(n_times))?;
    // Nothing is nothing, however often.
    Ok(if text.is_empty() { String::new() } else { text.repeat(n_times) })
}

fn indented<'t>(context: &mut Context<'t>, before: &str, args: Args<'t>) -> Answer<'t> {
    let text = args.text(1);
    let spaces = repeated(context, " ", args.int(0))?;
    let n_lines = 1 + text.matches('\n').count();
    context.budget.result(spaces.len().saturating_mul(n_lines).saturating_add(text.len()))?;
    let body = text.replace('\n', &format!("\n{spaces}"));
    Ok(Value::text(format!("{before}{spaces}{body}")))
}

/// Brings a text to a number of characters, which stand left or right in it.
fn aligned(mut args: Args<'_>, is_left: bool) -> Answer<'_> {
    let text = args.take_text(1);
    let n_chars = text.chars().count();
    let Ok(width) = usize::try_from(args.int(0)) else { return Ok(Value::Text(text)) };
    if width >= n_chars {
        fits(text.len().saturating_add(width - n_chars))?;
        let spaces = " ".repeat(width - n_chars);
        return Ok(Value::text(if is_left { format!("{text}{spaces}") } else { format!("{spaces}{text}") }));
    }
    let n_skipped = if is_left { width } else { n_chars - width };
    let at = text.char_indices().nth(n_skipped).map_or(text.len(), |(at, _)| at);
    let range = if is_left { 0..at } else { at..text.len() };
    Ok(part(text, range))
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn cases_are_changed_character_by_character() {
        check(r#"{{lower "HÉİΣ"}}{{ToLower "A"}}"#, "héiσa");
        check(r#"{{upper "héß"}}{{ToUpper "a"}}"#, "HÉßA");
        check(r#"{{title "hello wörld_x o'neil"}}"#, "Hello Wörld_x O'Neil");
    }

    #[test]
    fn ends_are_trimmed() {
        check(r#"[{{trim "\t a \n"}}][{{TrimSpace " a "}}]"#, "[a][a]");
        check(r#"{{trimAll "$é" "$é5.00$"}}{{Trim "xax" "x"}}"#, "5.00a");
        check(r#"{{TrimLeft "xax" "x"}}{{TrimRight "xax" "x"}}"#, "axxa");
        check(r#"{{trimPrefix "-" "-a-"}}{{trimSuffix "-" "-a-"}}"#, "a--a");
        check(r#"{{TrimPrefix "-a-" "-"}}{{TrimSuffix "-a-" "-"}}"#, "a--a");
        check(r#"{{.name | trimPrefix "sh" | trimSuffix "p"}}"#, "o");
    }

    #[test]
    fn texts_are_replaced_and_repeated() {
        check(
            r#"{{.name | replace "o" "00"}}{{Replace "aaa" "a" "b" 2}}{{Replace "aaa" "a" "b" -1}}"#,
            "sh00pbbabbb",
        );
        check(r#"{{replace "" "-" "ab"}}"#, "-a-b-");
        check(r#"{{repeat 3 "ab"}}{{repeat 0 "a"}}{{repeat 99999999 ""}}"#, "ababab");
        check(r#"{{indent 2 "a\nb"}}|{{nindent 1 "a"}}"#, "  a\n  b|\n a");
        check_fault(r#"{{repeat -1 "x"}}"#, "error calling repeat: strings: negative Repeat count");
        check_fault(r#"{{indent -1 "x"}}"#, "error calling indent: strings: negative Repeat count");
    }

    #[test]
    fn texts_are_cut_by_bytes_and_aligned_by_characters() {
        check(
            r#"{{trunc 2 "héllo"}}|{{trunc -2 "hello"}}|{{trunc 9 "a"}}|{{trunc -9 "a"}}"#,
            "h\u{fffd}|lo|a|a",
        );
        check(
            r#"{{substr 1 3 "hello"}}{{substr -1 2 "hello"}}{{substr 3 99 "hello"}}{{substr 3 -1 "hello"}}"#,
            "elhelolo",
        );
        check(r#"{{.name | substr 0 2}}"#, "sh");
        check(r#"{{alignLeft 3 "éa"}}|{{alignLeft 1 "éa"}}|{{alignLeft -1 "a"}}"#, "éa |é|a");
        check(r#"{{alignRight 3 "éa"}}|{{alignRight 1 "éa"}}|{{alignRight 0 "a"}}"#, " éa|a|");
        let outside = "error calling substr: runtime error: slice bounds out of range";
        check_fault(r#"{{substr 9 12 "abc"}}"#, &format!("{outside} [9:3]"));
        check_fault(r#"{{substr 2 1 "abc"}}"#, &format!("{outside} [2:1]"));
        check_fault(r#"{{substr -1 9 "abc"}}"#, &format!("{outside} [:9] with length 3"));
        check_fault(r#"{{substr -1 -1 "abc"}}"#, &format!("{outside} [:-1]"));
    }

    #[test]
    fn texts_are_looked_into() {
        check(
            r#"{{contains "ll" "hello"}}{{hasPrefix "he" "hello"}}{{hasSuffix "x" "hello"}}"#,
            "truetruefalse",
        );
    }

    #[test]
    fn what_grows_too_long_is_refused() {
        for template in [
            r#"{{repeat 1000000 "ab"}}"#,
            r#"{{indent 2000000 ""}}"#,
            r#"{{repeat 1000 "\n" | indent 2000}}"#,
            r#"{{alignLeft 9000000000 "a"}}"#,
            r#"{{alignRight 2000000 "a"}}"#,
            r#"{{repeat 10000 "a" | replace "a" (repeat 1000 "b")}}"#,
        ] {
            check_fault(template, "result is above the limit of 1048576 bytes");
        }
    }
}
