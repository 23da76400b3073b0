//! `printf` with the verbs that templates of alerts use, as Go's `fmt` has them.

use super::Val;
use crate::query::number::{DIGITS_MAX, fixed, shortest, significant, with_exponent};

/// The verbs that are known; a template with another one is refused when it is read.
pub(super) const VERBS: &str = "sdfgevqtx%";

/// One `%…` of a format.
struct Spec {
    is_left: bool,
    is_signed: bool,
    is_zero_filled: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

/// Takes a `%…` off the front of a text that begins behind the percent sign.
fn take_spec(text: &str) -> (Option<Spec>, &str) {
    let mut spec = Spec {
        is_left: false,
        is_signed: false,
        is_zero_filled: false,
        width: 0,
        precision: None,
        verb: ' ',
    };
    let mut rest = text;
    while let Some(flag) = rest.chars().next().filter(|c| "+-0# ".contains(*c)) {
        match flag {
            '-' => spec.is_left = true,
            '+' => spec.is_signed = true,
            '0' => spec.is_zero_filled = true,
            // Alternative forms are of verbs that are not known.
            _ => {}
        }
        rest = &rest[1..];
    }
    let number = |rest: &mut &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        *rest = after;
        digits.parse::<usize>().unwrap_or(if digits.is_empty() { 0 } else { DIGITS_MAX }).min(DIGITS_MAX)
    };
    spec.width = number(&mut rest);
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        spec.precision = Some(number(&mut rest));
    }
    let Some(verb) = rest.chars().next() else { return (None, "") };
    spec.verb = verb;
    (Some(spec), &rest[verb.len_utf8()..])
}

/// Returns the first verb of a format that is not known; an unfinished one is `%`.
pub(super) fn unknown_verb(format: &str) -> Option<char> {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let (spec, after) = take_spec(after);
        match spec {
            Some(spec) if VERBS.contains(spec.verb) => rest = after,
            Some(spec) => return Some(spec.verb),
            None => return Some('%'),
        }
    }
    None
}

/// Writes values by a format; whatever does not fit says so in the text, as in Go.
pub(super) fn printf(format: &str, args: &[Val]) -> String {
    let (mut res, mut rest, mut args) = (String::new(), format, args.iter());
    while let Some((before, after)) = rest.split_once('%') {
        res.push_str(before);
        let (spec, after) = take_spec(after);
        rest = after;
        let Some(spec) = spec else {
            res.push_str("%!(NOVERB)");
            continue;
        };
        match (spec.verb, args.len()) {
            ('%', _) => res.push('%'),
            (verb, 0) => res.push_str(&format!("%!{verb}(MISSING)")),
            _ => res.push_str(&spec.write(args.next().expect("one is left"))),
        }
    }
    res.push_str(rest);
    let extra: Vec<String> = args.map(|arg| format!("{}={}", type_of(arg), display(arg))).collect();
    if !extra.is_empty() {
        res.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    res
}

impl Spec {
    fn write(&self, value: &Val) -> String {
        match self.plain(value) {
            Some(text) => self.pad(text, matches!(value, Val::Number(_) | Val::Whole(_))),
            None => format!("%!{}({}={})", self.verb, type_of(value), display(value)),
        }
    }

    /// None when the verb is not one of the value's type.
    fn plain(&self, value: &Val) -> Option<String> {
        let digits = self.precision.unwrap_or(6);
        let signed = |text: String| {
            if self.is_signed && !text.starts_with(['+', '-']) { format!("+{text}") } else { text }
        };
        match (self.verb, value) {
            ('f', Val::Number(number)) => Some(signed(fixed(*number, digits))),
            ('e', Val::Number(number)) => Some(signed(with_exponent(*number, digits))),
            ('g' | 'v', Val::Number(number)) => Some(signed(match self.precision {
                Some(digits) => significant(*number, digits),
                None => shortest(*number),
            })),
            ('d' | 'v', Val::Whole(number)) => Some(signed(number.to_string())),
            ('x', Val::Whole(number)) => {
                Some(format!("{}{:x}", if *number < 0 { "-" } else { "" }, number.unsigned_abs()))
            }
            ('x', Val::Text(text)) => Some(hex::encode(text)),
            ('s' | 'v', Val::Text(text)) => {
                Some(self.precision.map_or(text.clone(), |n| text.chars().take(n).collect()))
            }
            ('q', Val::Text(text)) => Some(format!("{text:?}")),
            ('t' | 'v', Val::Truth(truth)) => Some(truth.to_string()),
            ('s' | 'v', Val::Labels(_)) => Some(display(value)),
            _ => None,
        }
    }

    fn pad(&self, text: String, is_number: bool) -> String {
        let n_missing = self.width.saturating_sub(text.chars().count());
        if self.is_left {
            return text + &" ".repeat(n_missing);
        }
        if self.is_zero_filled && is_number && text.ends_with(|c: char| c.is_ascii_digit()) {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            return format!("{sign}{}{digits}", "0".repeat(n_missing));
        }
        " ".repeat(n_missing) + &text
    }
}

/// Writes a value as `{{ … }}` and `%v` do.
pub(super) fn display(value: &Val) -> String {
    match value {
        Val::Text(text) => text.clone(),
        Val::Number(number) => shortest(*number),
        Val::Whole(number) => number.to_string(),
        Val::Truth(truth) => truth.to_string(),
        Val::Labels(labels) => {
            let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

fn type_of(value: &Val) -> &'static str {
    match value {
        Val::Text(_) => "string",
        Val::Number(_) => "float64",
        Val::Whole(_) => "int",
        Val::Truth(_) => "bool",
        Val::Labels(_) => "map[string]string",
    }
}
