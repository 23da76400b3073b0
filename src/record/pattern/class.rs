//! Classes of characters, and escapes in and outside of them.

use regex::Regex;

use super::rewrite::{COST_ANY, COST_CHARACTER, COST_PROPERTY, Rewriter};
use super::{Fault, invalid};

/// A class of no character.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10ffff}]";

/// The names that `[:name:]` may have.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// General categories of Unicode by short and long name, without case, blanks, `_` and `-`.
#[rustfmt::skip]
const CATEGORIES: &[&str] = &[
    "any", "assigned", "ascii",
    "c", "cc", "cf", "cn", "co", "cs", "l", "lc", "ll", "lm", "lo", "lt", "lu", "m", "mc", "me", "mn",
    "n", "nd", "nl", "no", "p", "pc", "pd", "pe", "pf", "pi", "po", "ps", "s", "sc", "sk", "sm", "so",
    "z", "zl", "zp", "zs",
    "casedletter", "closepunctuation", "cntrl", "combiningmark", "connectorpunctuation", "control",
    "currencysymbol", "dashpunctuation", "decimalnumber", "digit", "enclosingmark", "finalpunctuation",
    "format", "initialpunctuation", "letter", "letternumber", "lineseparator", "lowercaseletter", "mark",
    "mathsymbol", "modifierletter", "modifiersymbol", "nonspacingmark", "number", "openpunctuation",
    "other", "otherletter", "othernumber", "otherpunctuation", "othersymbol", "paragraphseparator",
    "privateuse", "punct", "punctuation", "separator", "spaceseparator", "spacingmark", "surrogate",
    "symbol", "titlecaseletter", "unassigned", "uppercaseletter",
];

impl<'p> Rewriter<'p> {
    /// Reads a class whose bracket was read; `before` begins with it.
    pub(super) fn class(&mut self, before: &'p str) -> Result<(), Fault> {
        let start = self.res.len();
        let mut cost = COST_CHARACTER;
        if self.rest.starts_with('^') {
            self.next();
            self.res.push('^');
            cost = COST_ANY;
        }
        let mut is_first = true;
        while is_first || !self.rest.starts_with(']') {
            is_first = false;
            let part = match self.posix()? {
                Some(part) => Some(part),
                None => self.class_escape()?,
            };
            cost += match part {
                Some(part) => part,
                None => self.range(before)?,
            };
        }
        self.next();
        let items = self.res.split_off(start);
        self.piece(&self.folding(&format!("[{items}]")), cost);
        Ok(())
    }

    /// Reads `[:name:]`, if it comes next, writes it, and returns what it costs.
    fn posix(&mut self) -> Result<Option<u64>, Fault> {
        let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|named| named.split_once(":]")) else {
            return Ok(None);
        };
        let named = &self.rest[..self.rest.len() - rest.len()];
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(invalid("invalid character class range", named));
        }
        self.res.push_str(named);
        self.rest = rest;
        Ok(Some(if name.starts_with('^') { COST_ANY } else { COST_CHARACTER }))
    }

    /// Reads a character or a range of them, writes it, and returns what it costs.
    fn range(&mut self, class: &'p str) -> Result<u64, Fault> {
        let before = self.rest;
        let low = self.class_character(class)?;
        let mut high = low;
        if self.rest.len() >= 2 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
            self.next();
            high = self.class_character(class)?;
            if high < low {
                let range = &before[..before.len() - self.rest.len()];
                return Err(invalid("invalid character class range", range));
            }
        }
        // No text holds a surrogate, and the crate knows none.
        let surrogates = 0xd800..=0xdfff;
        let low = if surrogates.contains(&low) { 0xe000 } else { low };
        let high = if surrogates.contains(&high) { 0xd7ff } else { high };
        if low <= high {
            self.res.push_str(&format!("\\x{{{low:x}}}-\\x{{{high:x}}}"));
        } else {
            self.res.push_str(NOTHING);
        }
        Ok(if high < 0x80 { COST_CHARACTER } else { COST_ANY })
    }

    fn class_character(&mut self, class: &'p str) -> Result<u32, Fault> {
        if self.rest.starts_with('\\') {
            return self.character_escape();
        }
        self.next().map(u32::from).ok_or_else(|| invalid("missing closing ]", class))
    }

    /// Reads the escape of a class such as `\d`, if it comes next, writes it as it stands in
    /// brackets, and returns what it costs.
    pub(super) fn class_escape(&mut self) -> Result<Option<u64>, Fault> {
        let text = match self.rest.get(..2) {
            Some("\\d") => "0-9",
            Some("\\D") => "[^0-9]",
            Some("\\s") => r"\t\n\f\r ",
            Some("\\S") => r"[^\t\n\f\r ]",
            Some("\\w") => "0-9A-Za-z_",
            Some("\\W") => "[^0-9A-Za-z_]",
            Some("\\p" | "\\P") => return self.property().map(Some),
            _ => return Ok(None),
        };
        self.rest = &self.rest[2..];
        self.res.push_str(text);
        Ok(Some(if text.starts_with('[') { COST_ANY } else { COST_CHARACTER }))
    }

    /// Reads `\pN`, `\p{Greek}` or `\P{^Greek}`, writes it, and returns what it costs.
    fn property(&mut self) -> Result<u64, Fault> {
        const WHAT: &str = "invalid character class range";
        self.count_property()?;
        let before = self.rest;
        self.rest = &before[2..];
        let mut is_without = before.starts_with("\\P");
        let name = match self.next() {
            Some('{') => {
                let Some((name, rest)) = self.rest.split_once('}') else {
                    return Err(invalid(WHAT, before));
                };
                self.rest = rest;
                name
            }
            _ => &before[2..before.len() - self.rest.len()],
        };
        let seen = &before[..before.len() - self.rest.len()];
        let name = match name.strip_prefix('^') {
            Some(name) => {
                is_without = !is_without;
                name
            }
            None => name,
        };
        let plain: String =
            name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect::<String>().to_ascii_lowercase();
        let is_category = CATEGORIES.contains(&plain.as_str());
        let class = if matches!(plain.as_str(), "cs" | "surrogate") {
            if is_without { r"\x{0}-\x{10ffff}".to_string() } else { NOTHING.to_string() }
        } else {
            let kind = if is_category { "gc" } else { "sc" };
            format!("\\{}{{{kind}={plain}}}", if is_without { 'P' } else { 'p' })
        };
        let is_name = plain.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !plain.is_empty();
        if !is_name || (!is_category && Regex::new(&class).is_err()) {
            return Err(invalid(WHAT, seen));
        }
        self.res.push_str(&class);
        Ok(COST_PROPERTY)
    }

    /// Reads the escape of one character; the backslash comes next. Returns the number of the
    /// character, which may be a surrogate's.
    pub(super) fn character_escape(&mut self) -> Result<u32, Fault> {
        let before = self.rest;
        self.next();
        let Some(kind) = self.next() else {
            return Err(invalid("trailing backslash at end of expression", ""));
        };
        let value = match kind {
            '0' => self.octal(0),
            '1'..='7' if self.rest.starts_with(|c| matches!(c, '0'..='7')) => {
                self.octal(kind.to_digit(8).unwrap_or_default())
            }
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            _ if kind.is_ascii() && !kind.is_ascii_alphanumeric() => Some(kind.into()),
            _ => None,
        };
        value.ok_or_else(|| invalid("invalid escape sequence", &before[..before.len() - self.rest.len()]))
    }

    /// Reads up to two more octal digits.
    fn octal(&mut self, first: u32) -> Option<u32> {
        let mut value = first;
        for _ in 0..2 {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else { break };
            value = value * 8 + digit;
            self.next();
        }
        Some(value)
    }

    /// Reads two hexadecimal digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        let first = self.next()?;
        if first != '{' {
            let second = self.next();
            return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
        }
        let mut value = None;
        loop {
            match self.next()? {
                '}' => return value,
                digit => {
                    let sum = value.unwrap_or(0) * 16 + digit.to_digit(16)?;
                    value = Some(sum).filter(|sum| *sum <= char::MAX.into());
                    value?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_knows_every_category() {
        for name in CATEGORIES.iter().filter(|name| !matches!(**name, "cs" | "surrogate")) {
            assert!(Regex::new(&format!(r"\p{{gc={name}}}")).is_ok(), "{name}");
        }
        assert!(!Regex::new(NOTHING).unwrap().is_match("a"));
    }
}
