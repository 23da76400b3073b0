//! Values as texts: `printf` with its verbs, `print`, and what an action writes.
//!
//! Source: Go, the documentation of the package `fmt`, and what it prints. Not here are the forms
//! that nobody wants of a log line: floats in hexadecimal or binary (`%x`, `%b`), what `#` adds to
//! floats, and the inside of a time (`%d`). They are written like a verb that does not fit.

use std::borrow::Cow;

use super::budget::fits;
use super::layout::{month_name, weekday_name};
use super::value::{Named, Value};
use super::{Scope, quoted, quoted_char};
use crate::query::number::{fixed, shortest, significant, with_exponent};

/// Widest field and longest precision that a format can name; beyond, Go takes it for none.
const WIDTH_MAX: usize = 1_000_000;

/// What stands between the percent sign and the verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    is_signed: bool,
    is_left: bool,
    is_alternative: bool,
    has_space: bool,
    fills_with_zeros: bool,
    /// `%#v`: as in a source of Go.
    is_source: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Writes values to the end of a text, and refuses to make it too long.
pub(super) struct Printer<'p> {
    scope: &'p dyn Scope,
    res: &'p mut String,
    /// How long the text was when it began.
    start: usize,
    flags: Flags,
}

/// Writes a value as an action does.
pub(super) fn display(scope: &dyn Scope, value: &Value<'_>, res: &mut String) -> Result<(), String> {
    match value {
        Value::Nothing => res.push_str("<no value>"),
        Value::Text(text) => res.push_str(text),
        Value::Held(inner) => display(scope, inner, res)?,
        other => Printer::new(scope, res).value(other, 'v', 0)?,
    }
    Ok(())
}

/// Returns values as Go's `Sprint` does: with a space between two of which neither is a text.
pub(super) fn print(scope: &dyn Scope, args: &[Value<'_>]) -> Result<String, String> {
    let mut res = String::new();
    let mut printer = Printer::new(scope, &mut res);
    let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
    for (idx, arg) in args.iter().enumerate() {
        if idx > 0 && !is_text(arg) && !is_text(&args[idx - 1]) {
            printer.push(" ")?;
        }
        printer.value(arg, 'v', 0)?;
    }
    Ok(res)
}

/// Returns values as Go's `Sprintln` does: with spaces between them and the end of a line.
pub(super) fn print_line(scope: &dyn Scope, args: &[Value<'_>]) -> Result<String, String> {
    let mut res = String::new();
    let mut printer = Printer::new(scope, &mut res);
    for (idx, arg) in args.iter().enumerate() {
        printer.push(if idx > 0 { " " } else { "" })?;
        printer.value(arg, 'v', 0)?;
    }
    printer.push("\n")?;
    Ok(res)
}

/// Returns values by a format; whatever does not fit says so in the text.
pub(super) fn print_by(scope: &dyn Scope, format: &str, args: &[Value<'_>]) -> Result<String, String> {
    let mut res = String::new();
    Printer::new(scope, &mut res).by_format(format, args)?;
    Ok(res)
}

/// Reads a format, from a percent sign on.
struct Reader<'f> {
    rest: &'f str,
    args: &'f [Value<'f>],
    /// Which argument is next.
    next: usize,
    /// Whether the one just read was named by its number, `[1]`.
    is_indexed: bool,
    /// Whether any was, so that some may be left over.
    is_reordered: bool,
    /// Whether there is an argument of the last number.
    is_index_good: bool,
}

impl Reader<'_> {
    fn take(&mut self, c: char) -> bool {
        let after = self.rest.strip_prefix(c);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Takes the number of an argument in brackets.
    fn index(&mut self) {
        self.is_indexed = false;
        let Some(after) = self.rest.strip_prefix('[') else { return };
        self.is_reordered = true;
        let Some((number, behind)) = after.split_once(']').filter(|_| self.rest.len() >= 3) else {
            self.rest = after;
            self.is_index_good = false;
            return;
        };
        self.rest = behind;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let index = number.parse::<usize>().ok().filter(|index| is_number && *index <= 10 * WIDTH_MAX);
        match index {
            Some(index) if (1..=self.args.len()).contains(&index) => self.next = index - 1,
            _ => self.is_index_good = false,
        }
        self.is_indexed = index.is_some();
    }

    /// Takes digits; a number that is too large takes the rest of the format with it, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        let n_digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        for digit in self.rest[..n_digits].bytes() {
            if number > WIDTH_MAX {
                self.rest = "";
                return None;
            }
            number = number * 10 + usize::from(digit - b'0');
        }
        self.rest = &self.rest[n_digits..];
        (n_digits > 0).then_some(number)
    }

    /// Takes an argument for a width or a precision.
    fn number_of_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        arg.integer().filter(|number| number.unsigned_abs() <= WIDTH_MAX as u64)
    }
}

impl<'p> Printer<'p> {
    fn new(scope: &'p dyn Scope, res: &'p mut String) -> Self {
        let start = res.len();
        Printer { scope, res, start, flags: Flags::default() }
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        fits(self.res.len() - self.start + text.len())?;
        self.res.push_str(text);
        Ok(())
    }

    fn push_repeated(&mut self, c: char, n_times: usize) -> Result<(), String> {
        fits(self.res.len() - self.start + n_times)?;
        self.res.extend(std::iter::repeat_n(c, n_times));
        Ok(())
    }

    fn by_format(&mut self, format: &str, args: &[Value<'_>]) -> Result<(), String> {
        let mut reader = Reader {
            rest: format,
            args,
            next: 0,
            is_indexed: false,
            is_reordered: false,
            is_index_good: true,
        };
        while let Some((before, after)) = reader.rest.split_once('%') {
            self.push(before)?;
            reader.rest = after;
            self.flags(&mut reader)?;
            let Some(verb) = reader.rest.chars().next() else {
                self.push("%!(NOVERB)")?;
                break;
            };
            reader.rest = &reader.rest[verb.len_utf8()..];
            match args.get(reader.next) {
                _ if verb == '%' => self.push("%")?,
                _ if !reader.is_index_good => self.push(&format!("%!{verb}(BADINDEX)"))?,
                None => self.push(&format!("%!{verb}(MISSING)"))?,
                Some(arg) => {
                    self.flags.is_source = verb == 'v' && self.flags.is_alternative;
                    if verb == 'v' {
                        (self.flags.is_alternative, self.flags.is_signed) = (false, false);
                    }
                    self.value(arg, verb, 0)?;
                    reader.next += 1;
                }
            }
        }
        self.push(reader.rest)?;
        let extra = args.get(reader.next..).unwrap_or_default();
        if !reader.is_reordered && !extra.is_empty() {
            self.extra(extra)?;
        }
        Ok(())
    }

    /// Reads what stands before a verb.
    fn flags(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        let mut flags = Flags::default();
        (reader.is_index_good, reader.is_indexed) = (true, false);
        while let Some(flag) = reader.rest.chars().next() {
            match flag {
                '#' => flags.is_alternative = true,
                '0' => flags.fills_with_zeros = true,
                '+' => flags.is_signed = true,
                '-' => flags.is_left = true,
                ' ' => flags.has_space = true,
                _ => break,
            }
            reader.rest = &reader.rest[1..];
        }
        reader.index();
        if reader.take('*') {
            let width = reader.number_of_arg();
            if width.is_none() {
                self.push("%!(BADWIDTH)")?;
            }
            if width.is_some_and(|width| width < 0) {
                (flags.is_left, flags.fills_with_zeros) = (true, false);
            }
            flags.width = width.map(|width| width.unsigned_abs() as usize);
            reader.is_indexed = false;
        } else {
            flags.width = reader.number();
            reader.is_index_good &= !(reader.is_indexed && flags.width.is_some());
        }
        if reader.rest.len() > 1 && reader.take('.') {
            reader.is_index_good &= !reader.is_indexed;
            reader.index();
            if reader.take('*') {
                let precision = reader.number_of_arg();
                flags.precision = precision.and_then(|precision| usize::try_from(precision).ok());
                if flags.precision.is_none() {
                    self.push("%!(BADPREC)")?;
                }
                reader.is_indexed = false;
            } else {
                flags.precision = Some(reader.number().unwrap_or(0));
            }
        }
        if !reader.is_indexed {
            reader.index();
        }
        self.flags = flags;
        Ok(())
    }

    fn extra(&mut self, args: &[Value<'_>]) -> Result<(), String> {
        self.flags = Flags::default();
        self.push("%!(EXTRA ")?;
        for (idx, arg) in args.iter().enumerate() {
            self.push(if idx > 0 { ", " } else { "" })?;
            if !matches!(arg, Value::Nothing) {
                self.push(arg.type_name())?;
                self.push("=")?;
            }
            self.value(arg, 'v', 0)?;
        }
        self.push(")")
    }

    /// Writes a value by a verb and the flags; `depth` is how many lists and maps it is in.
    fn value(&mut self, value: &Value<'_>, verb: char, depth: usize) -> Result<(), String> {
        if verb == 'T' && depth == 0 {
            let name = value.type_name();
            return self.padded(&name[..self.cut(name)]);
        }
        match (value, verb) {
            (Value::Held(inner), _) => self.value(inner, verb, depth),
            (Value::Nothing, _) if depth > 0 => {
                self.push(if self.flags.is_source { "interface {}(nil)" } else { "<nil>" })
            }
            (Value::Nothing, 'v') => self.padded("<nil>"),
            (Value::Nothing, _) => self.push(&format!("%!{verb}(<nil>)")),
            (Value::Truth(truth), 't' | 'v') => self.padded(if *truth { "true" } else { "false" }),
            (Value::Text(text), _) => self.text(value, text, verb),
            (Value::Moment(moment), 'v' | 's' | 'x' | 'X' | 'q') => self.text(value, &moment.shown(), verb),
            (Value::Named(named), 'v' | 's' | 'x' | 'X' | 'q') => self.text(value, &named_text(*named), verb),
            (Value::Int(_) | Value::Long(_) | Value::Byte(_) | Value::Named(_), _) => {
                match self.integer(value.integer().unwrap_or_default(), verb) {
                    Some(text) => self.padded(&text?),
                    None => self.misfit(value, verb),
                }
            }
            (Value::Float(number), _) => self.float(value, *number, verb),
            (Value::List(list), _) => {
                let (open, comma, close) = self.brackets("[]interface {}", "[");
                self.push(open)?;
                for (idx, element) in list.iter().enumerate() {
                    self.push(if idx > 0 { comma } else { "" })?;
                    self.value(element, verb, depth + 1)?;
                }
                self.push(close)
            }
            (Value::Map(map), _) => {
                let (open, comma, close) = self.brackets("map[string]interface {}", "map[");
                self.push(open)?;
                for (idx, (name, element)) in map.iter().enumerate() {
                    self.push(if idx > 0 { comma } else { "" })?;
                    self.value(&Value::text(name.as_str()), verb, depth + 1)?;
                    self.push(":")?;
                    self.value(element, verb, depth + 1)?;
                }
                self.push(close)
            }
            (Value::Labels, _) => self.labels(verb, depth),
            (Value::Truth(_) | Value::Moment(_), _) => self.misfit(value, verb),
        }
    }

    fn labels(&mut self, verb: char, depth: usize) -> Result<(), String> {
        let (open, comma, close) = self.brackets("map[string]string", "map[");
        self.push(open)?;
        let (scope, mut res, mut n_labels) = (self.scope, Ok(()), 0);
        scope.each_label(&mut |name, value| {
            let mut write = || {
                self.push(if n_labels > 0 { comma } else { "" })?;
                self.value(&Value::text(name), verb, depth + 1)?;
                self.push(":")?;
                self.value(&Value::text(value), verb, depth + 1)
            };
            if res.is_ok() {
                res = write();
            }
            n_labels += 1;
        });
        res?;
        self.push(close)
    }

    /// Returns what opens, parts and closes a list or a map.
    fn brackets(
        &self,
        type_name: &'static str,
        open: &'static str,
    ) -> (&'static str, &'static str, &'static str) {
        if !self.flags.is_source {
            return (open, " ", "]");
        }
        let open = match type_name {
            "[]interface {}" => "[]interface {}{",
            "map[string]string" => "map[string]string{",
            _ => "map[string]interface {}{",
        };
        (open, ", ", "}")
    }

    /// Writes a value whose type the verb is not for.
    fn misfit(&mut self, value: &Value<'_>, verb: char) -> Result<(), String> {
        self.push(&format!("%!{verb}({}=", value.type_name()))?;
        match value {
            Value::Moment(moment) => self.push(&moment.shown())?,
            other => self.value(other, 'v', 0)?,
        }
        self.push(")")
    }

    /// Fills a text up to the width.
    fn padded(&mut self, text: &str) -> Result<(), String> {
        let Some(width) = self.flags.width else { return self.push(text) };
        let n_missing = width.saturating_sub(text.chars().count());
        if self.flags.is_left {
            self.push(text)?;
            return self.push_repeated(' ', n_missing);
        }
        self.push_repeated(if self.flags.fills_with_zeros { '0' } else { ' ' }, n_missing)?;
        self.push(text)
    }

    /// Returns how many bytes of a text the precision leaves.
    fn cut(&self, text: &str) -> usize {
        let at = self.flags.precision.and_then(|n_chars| text.char_indices().nth(n_chars));
        at.map_or(text.len(), |(at, _)| at)
    }

    fn text(&mut self, value: &Value<'_>, text: &str, verb: char) -> Result<(), String> {
        match verb {
            'v' if self.flags.is_source => self.padded(&quoted(text)),
            'v' | 's' => self.padded(&text[..self.cut(text)]),
            'q' => {
                let text = &text[..self.cut(text)];
                fits(text.len())?;
                self.padded(&self.quoted(text))
            }
            'x' | 'X' => self.hex(text.as_bytes(), verb == 'X'),
            _ => self.misfit(value, verb),
        }
    }

    fn quoted(&self, text: &str) -> String {
        let is_raw = |c: char| c == '\t' || (c >= ' ' && c != '`' && c != '\u{7f}' && c != '\u{feff}');
        if self.flags.is_alternative && text.chars().all(is_raw) {
            return format!("`{text}`");
        }
        self.only_ascii(quoted(text))
    }

    /// Escapes what is beyond ASCII, when the flag asks for it.
    fn only_ascii(&self, text: String) -> String {
        if !self.flags.is_signed || text.is_ascii() {
            return text;
        }
        let escaped = |c: char| match c as u32 {
            0..0x80 => c.to_string(),
            point @ 0x80..0x1_0000 => format!("\\u{point:04x}"),
            point => format!("\\U{point:08x}"),
        };
        text.chars().map(escaped).collect()
    }

    fn hex(&mut self, bytes: &[u8], is_upper: bool) -> Result<(), String> {
        let n_bytes = self.flags.precision.map_or(bytes.len(), |n| n.min(bytes.len()));
        // Each byte becomes seven characters at most.
        fits(n_bytes.saturating_mul(2))?;
        let prefix = match (self.flags.is_alternative, is_upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut res = String::new();
        for (idx, byte) in bytes[..n_bytes].iter().enumerate() {
            if idx > 0 && self.flags.has_space {
                res.push(' ');
            }
            if idx == 0 || self.flags.has_space {
                res.push_str(prefix);
            }
            res.push_str(&if is_upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.padded(&res)
    }

    /// Returns an integer by a verb; none when the verb is not for integers.
    fn integer(&mut self, number: i64, verb: char) -> Option<Result<String, String>> {
        let magnitude = number.unsigned_abs();
        let is_alternative = self.flags.is_alternative;
        let (digits, prefix) = match verb {
            'v' | 'd' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), if is_alternative { "0b" } else { "" }),
            'o' => (format!("{magnitude:o}"), if is_alternative { "0" } else { "" }),
            'O' => (format!("{magnitude:o}"), if is_alternative { "0o0" } else { "0o" }),
            'x' => (format!("{magnitude:x}"), if is_alternative { "0x" } else { "" }),
            'X' => (format!("{magnitude:X}"), if is_alternative { "0X" } else { "" }),
            'c' | 'q' | 'U' => return Some(Ok(self.character(number, verb))),
            _ => return None,
        };
        let sign = match (number < 0, self.flags.is_signed, self.flags.has_space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let fills = std::mem::take(&mut self.flags.fills_with_zeros) && !self.flags.is_left;
        let n_digits = match (self.flags.precision, self.flags.width) {
            (Some(0), _) if number == 0 => return Some(Ok(String::new())),
            (Some(precision), _) => precision,
            (None, Some(width)) if fills => width.saturating_sub(sign.len()),
            (None, _) => 0,
        };
        let n_zeros = n_digits.saturating_sub(digits.len());
        // An octal number has its zero only once.
        let has_zero = n_zeros > 0 || number == 0;
        let prefix = match verb {
            'o' if has_zero => "",
            'O' if has_zero => "0o",
            _ => prefix,
        };
        let whole = fits(n_digits).map(|()| format!("{sign}{prefix}{}{digits}", "0".repeat(n_zeros)));
        Some(whole)
    }

    fn character(&mut self, number: i64, verb: char) -> String {
        let known = u32::try_from(number).ok().and_then(char::from_u32);
        let c = known.unwrap_or(char::REPLACEMENT_CHARACTER);
        match verb {
            'c' => c.to_string(),
            'q' => self.only_ascii(quoted_char(c)),
            _ => {
                self.flags.fills_with_zeros = false;
                let n_digits = self.flags.precision.unwrap_or(4).clamp(4, 64);
                let quoted = quoted_char(c);
                let is_shown = self.flags.is_alternative && known.is_some() && !quoted.contains('\\');
                let shown = if is_shown { format!(" '{c}'") } else { String::new() };
                format!("U+{:0n_digits$X}{shown}", number as u64)
            }
        }
    }

    fn float(&mut self, value: &Value<'_>, number: f64, verb: char) -> Result<(), String> {
        let precision = self.flags.precision;
        let text = match (verb, precision) {
            ('v' | 'g' | 'G', None) => shortest(number),
            ('v' | 'g' | 'G', Some(n_digits)) => significant(number, n_digits),
            ('f' | 'F', _) => fixed(number, precision.unwrap_or(6)),
            ('e' | 'E', _) => with_exponent(number, precision.unwrap_or(6)),
            _ => return self.misfit(value, verb),
        };
        let text = if matches!(verb, 'G' | 'E') { text.replace('e', "E") } else { text };
        let (sign, digits): (&str, Cow<'_, str>) = match text.strip_prefix(['-', '+']) {
            Some(digits) if text.starts_with('-') => ("-", digits.into()),
            // Infinity has its sign always.
            Some(digits) if !self.flags.has_space || self.flags.is_signed => ("+", digits.into()),
            Some(digits) => (" ", digits.into()),
            None if self.flags.is_signed => ("+", text.as_str().into()),
            None if self.flags.has_space => (" ", text.as_str().into()),
            None => ("", text.as_str().into()),
        };
        let fills =
            std::mem::take(&mut self.flags.fills_with_zeros) && !self.flags.is_left && number.is_finite();
        let n_missing = self.flags.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        if !fills {
            return self.padded(&format!("{sign}{digits}"));
        }
        self.push(sign)?;
        self.push_repeated('0', n_missing)?;
        self.push(&digits)
    }
}

/// Returns the text of a number that has one.
pub(super) fn named_text(named: Named) -> String {
    match named {
        Named::Month(month) => month_name(month).to_string(),
        Named::Weekday(weekday) => weekday_name(weekday).to_string(),
        Named::Nanoseconds(nanos) => duration(nanos),
    }
}

/// Returns a duration as Go writes it: `1h30m0.5s`, `1.5ms`.
fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let fraction = format!("{:0n_digits$}", value % unit, n_digits = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() || unit == 1 { "" } else { "." };
        format!("{}{point}{}", value / unit, if unit == 1 { "" } else { fraction })
    };
    let text = match total {
        0 => return "0s".to_string(),
        1..1_000 => format!("{total}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(total, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(total, 1_000_000)),
        _ => {
            let (minutes, rest) = (total / 60_000_000_000, total % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::Line;
    use super::*;

    fn check(format: &str, args: &[Value<'_>], expect: &str) {
        assert_eq!(print_by(&Line::default(), format, args).unwrap(), expect, "{format}");
    }

    fn ints(numbers: &[i64]) -> Vec<Value<'static>> {
        numbers.iter().map(|number| Value::Int(*number)).collect()
    }

    #[test]
    fn integers_are_written_as_go_writes_them() {
        check("%*d|%-5d|%05d|%+d|% d", &ints(&[5, 1, 2, 3, 4, 5]), "    1|2    |00003|+4| 5");
        check(
            "%x|%X|%o|%b|%c|%U|%q|%#x|%O",
            &ints(&[255, 255, 8, 5, 65, 65, 65, 255, 8]),
            "ff|FF|10|101|A|U+0041|'A'|0xff|0o10",
        );
        check("%+08d|%.3d|%8.3d|%.0d|%-+4dx", &ints(&[5, 7, -7, 0, 1]), "+0000005|007|    -007||+1  x");
        check("%#O|%#.4O", &ints(&[8, 8]), "0o010|0o0010");
        check("%#o|%#b|%#U|%#X|%05c", &ints(&[8, 5, 65, 255, 65]), "010|0b101|U+0041 'A'|0XFF|0000A");
        check("%s|%f|%5z", &ints(&[1, 2, 3]), "%!s(int=1)|%!f(int=2)|%!z(int=    3)");
        check("%d %v", &[Value::Byte(9), Value::Long(i64::MIN)], "9 -9223372036854775808");
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let floats = |numbers: &[f64]| numbers.iter().map(|number| Value::Float(*number)).collect::<Vec<_>>();
        check(
            "%6.2f|%e|%g|%G|%.3g",
            &floats(&[1.5, 1.5, 1e21, 1e-7, 1234.5]),
            "  1.50|1.500000e+00|1e+21|1E-07|1.23e+03",
        );
        check(
            "%-+8.3f|%08.3f|% f|%+v|%#v",
            &floats(&[1.5, -1.5, 1.5, 1.5, 1.5]),
            "+1.500  |-001.500| 1.500000|1.5|1.5",
        );
        check("%f|%08f|%+f", &floats(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN]), "+Inf|    -Inf|+NaN");
        check("%d", &floats(&[1.5]), "%!d(float64=1.5)");
    }

    #[test]
    fn texts_are_written_as_go_writes_them() {
        let texts = |texts: &[&'static str]| texts.iter().map(|text| Value::text(*text)).collect::<Vec<_>>();
        check("%s|%5s|%-5s|%.2s|%05s", &texts(&["a", "b", "c", "déf", "x"]), "a|    b|c    |dé|0000x");
        check(
            "%q|%#q|%+q|%x|% x|%#X",
            &texts(&["g\"", "x", "é", "hi", "hi", "hi"]),
            r#""g\""|`x`|"\u00e9"|6869|68 69|0X6869"#,
        );
        check("%d", &texts(&["a"]), "%!d(string=a)");
        check("%t %5t %v", &[Value::Truth(true), Value::Truth(false), Value::Nothing], "true false <nil>");
        check("%T %T %s", &[Value::Long(1), Value::Nothing, Value::Nothing], "int64 <nil> %!s(<nil>)");
        check("%6.3T|%.0T", &[Value::Long(1), Value::Float(1.0)], "   int|");
    }

    #[test]
    fn arguments_are_chosen_as_in_go() {
        check("%[2]d %[1]d %d", &ints(&[1, 2]), "2 1 2");
        check("%[3]d|%[x]d|%[1]5d", &ints(&[1, 2]), "%!d(BADINDEX)|%!d(BADINDEX)|%!d(BADINDEX)");
        check("%[2]*[1]d|%.*f", &[Value::Int(1), Value::Int(3), Value::Float(1.23)], "  1|1.230");
        check("%!|%z %d|100%", &ints(&[1]), "%!!(int=1)|%!z(MISSING) %!d(MISSING)|100%!(NOVERB)");
        check("%d%%", &ints(&[5, 6]), "5%%!(EXTRA int=6)");
        check("x", &[Value::Nothing, Value::text("a")], "x%!(EXTRA <nil>, string=a)");
        check("%*d", &[Value::text("a"), Value::Int(1)], "%!(BADWIDTH)1");
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let check = |nanos, expect: &str| assert_eq!(duration(nanos), expect);
        check(0, "0s");
        check(999, "999ns");
        check(1_500, "1.5µs");
        check(-2_000_000, "-2ms");
        check(5_400_500_000_000, "1h30m0.5s");
        check(61_000_000_000, "1m1s");
        check(i64::MIN, "-2562047h47m16.854775808s");
    }

    #[test]
    fn what_grows_too_long_is_refused() {
        for format in ["%2000000d", "%-2000000d", "%02000000d", "%.1500000d"] {
            let error = print_by(&Line::default(), format, &ints(&[1])).unwrap_err();
            assert_eq!(error, "result is above the limit of 1048576 bytes", "{format}");
        }
        check("%99999999d", &ints(&[1]), "%!(NOVERB)%!(EXTRA int=1)");
        let long = "x".repeat(700_000);
        for format in ["%s%s", "%x", "%q%q"] {
            assert!(print_by(&Line::default(), format, &[Value::text(&long), Value::text(&long)]).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_format_does_harm(format in "[a-zA-Z%.0-9+# *\\[\\]é-]{0,30}", number: i64, float: f64) {
            let args = [Value::Int(number), Value::Float(float), Value::text("é\n"), Value::Labels, Value::Nothing];
            let _ = print_by(&Line::default(), &format, &args);
        }
    }
}
