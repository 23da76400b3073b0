//! From text to words, one at a time.
//!
//! The words and what makes them are Loki's: a function's name is one only before a parenthesis or
//! a grouping, a number with a unit behind it is a duration or a size, and brackets hold nothing
//! but a duration.

use std::ops::Range;

use super::ast::{BinaryOp, Conversion, RangeOp, VectorOp};
use super::error::ParseError;
use super::{bytes, go_duration};
use crate::query::promql::{parse_duration, quoted_end, unquoted};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A name.
    Identifier,
    /// A text in quotes.
    Text,
    /// A number without a unit.
    Number,
    /// `5m`, in nanoseconds.
    Duration(i64),
    /// `1KB`, in bytes.
    Bytes(u64),
    /// `[5m]`, in nanoseconds.
    Range(i64),
    /// `--strict`, `--keep-empty`.
    Flag,
    /// A word that has a meaning, in small letters: `by`, `json`.
    Word(&'static str),
    /// The name of a range aggregation.
    RangeOp(RangeOp),
    /// The name of an aggregation.
    VectorOp(VectorOp),
    /// The name of a conversion of `unwrap`.
    Conversion(Conversion),
    /// An operator between two expressions; `!=` also begins a line filter.
    Op(BinaryOp),
    /// Any other sign.
    Sign(&'static str),
    /// The end of the query.
    End,
}

impl Kind {
    /// Returns how an error names the word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Identifier => "IDENTIFIER",
            Kind::Text => "STRING",
            Kind::Number => "NUMBER",
            Kind::Duration(_) => "DURATION",
            Kind::Bytes(_) => "BYTES",
            Kind::Range(_) => "RANGE",
            Kind::Flag => "FUNCTION_FLAG",
            Kind::Word(word) => word,
            Kind::RangeOp(op) => op.as_str(),
            Kind::VectorOp(op) => op.as_str(),
            Kind::Conversion(conversion) => conversion.as_str(),
            Kind::Op(op) => op.as_str(),
            Kind::Sign(sign) => sign,
            Kind::End => "$end",
        }
    }
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub span: Range<usize>,
}

impl Token {
    /// Returns the word as it was written.
    pub fn text<'q>(&self, query: &'q str) -> &'q str {
        &query[self.span.clone()]
    }

    /// Returns what a text in quotes means.
    pub fn unquoted(&self, query: &str) -> String {
        unquoted(self.text(query))
    }
}

/// Words that have a meaning wherever they stand.
const WORDS: &[&str] = &[
    "by",
    "without",
    "bool",
    "unwrap",
    "offset",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "json",
    "regexp",
    "logfmt",
    "unpack",
    "pattern",
    "label_format",
    "line_format",
    "decolorize",
    "drop",
    "keep",
];

/// Words that have a meaning before a parenthesis, and are names elsewhere.
const CALLED: &[&str] = &["ip", "label_replace", "vector"];

/// Signs that begin with another one come before it.
const SIGNS: &[&str] = &["!~", "!>", "|=", "|~", "|>", "=~", ",", ".", "{", "}", "=", "|", "(", ")", "]"];

const OPERATORS: &[BinaryOp] = &[
    BinaryOp::Equal,
    BinaryOp::NotEqual,
    BinaryOp::GreaterEqual,
    BinaryOp::LessEqual,
    BinaryOp::Greater,
    BinaryOp::Less,
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Mod,
    BinaryOp::Pow,
];

const FLAGS: &[&str] = &["--strict", "--keep-empty"];

/// Hands out the words of a query.
pub struct Lexer<'q> {
    query: &'q str,
    /// Where the next character is, in bytes.
    pos: usize,
}

impl<'q> Lexer<'q> {
    /// Returns a lexer before the first word.
    pub fn new(query: &'q str) -> Self {
        Lexer { query, pos: 0 }
    }

    /// Returns the next word; [`Kind::End`] again and again at the end.
    pub fn next_token(&mut self) -> Result<Token, ParseError> {
        self.skip_blanks();
        let start = self.pos;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: Kind::End, span: start..start });
        };
        let kind = match first {
            '"' | '`' => self.quoted()?,
            '[' => self.range()?,
            '0'..='9' => self.number()?,
            '.' if self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) => self.number()?,
            _ if first == '_' || first.is_alphabetic() => self.word(),
            _ => self.sign(first)?,
        };
        Ok(Token { kind, span: start..self.pos })
    }

    fn rest(&self) -> &'q str {
        &self.query[self.pos..]
    }

    fn error(&self, start: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.query, start..self.pos.max(start), message)
    }

    /// Skips blanks and comments: `# …`, `// …` and `/* … */`.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            self.pos += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            let rest = self.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.pos += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.pos += rest.find("*/").map_or(rest.len(), |end| end + 2);
            } else {
                return;
            }
        }
    }

    fn quoted(&mut self) -> Result<Kind, ParseError> {
        self.pos = quoted_end(self.query, self.pos)
            .map_err(|fault| ParseError::new(self.query, fault.span, fault.message))?;
        Ok(Kind::Text)
    }

    fn range(&mut self) -> Result<Kind, ParseError> {
        let start = self.pos;
        let Some(length) = self.rest().find(']') else {
            self.pos = self.query.len();
            return Err(self.error(start, "missing closing ']' in duration"));
        };
        let text = &self.rest()[1..length];
        self.pos += length + 1;
        let range_ms = parse_duration(text).map_err(|message| self.error(start, message))?;
        Ok(Kind::Range(as_ns(range_ms)))
    }

    fn number(&mut self) -> Result<Kind, ParseError> {
        let start = self.pos;
        let rest = self.rest();
        let n_digits = number_len(rest);
        let with_unit = |is_unit: fn(char) -> bool| {
            let is_part = |c: char| c.is_numeric() || c == '.' || is_unit(c);
            let behind = &rest[n_digits..];
            let length = behind.find(|c: char| !is_part(c)).unwrap_or(behind.len());
            (length > 0).then(|| &rest[..n_digits + length])
        };
        let is_duration_unit = |c: char| matches!(c, 'n' | 'u' | 'µ' | 'm' | 's' | 'h' | 'd' | 'w' | 'y');
        if let Some((text, ns)) = with_unit(is_duration_unit).and_then(|text| Some((text, duration(text)?))) {
            self.pos += text.len();
            return Ok(Kind::Duration(ns));
        }
        let is_bytes_unit = |c: char| matches!(c, 'B' | 'i' | 'k' | 'K' | 'M' | 'G' | 'T' | 'P');
        let size = with_unit(is_bytes_unit).and_then(|text| Some((text, bytes::parse_bytes(text).ok()?)));
        if let Some((text, n_bytes)) = size {
            self.pos += text.len();
            return Ok(Kind::Bytes(n_bytes));
        }
        self.pos = start + n_digits;
        Ok(Kind::Number)
    }

    fn word(&mut self) -> Kind {
        let rest = self.rest();
        let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        self.pos += length;
        let word = rest[..length].to_lowercase();
        if self.is_called()
            && let Some(kind) = called(&word)
        {
            return kind;
        }
        match word.as_str() {
            "or" => return Kind::Op(BinaryOp::Or),
            "and" => return Kind::Op(BinaryOp::And),
            "unless" => return Kind::Op(BinaryOp::Unless),
            _ => {}
        }
        WORDS.iter().find(|known| **known == word).map_or(Kind::Identifier, |known| Kind::Word(known))
    }

    /// Returns true when a parenthesis or a grouping follows.
    fn is_called(&self) -> bool {
        let rest = self.rest().trim_start();
        let is_grouping = |word: &str| {
            let begins = rest.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
            begins && rest[word.len()..].trim_start().starts_with('(')
        };
        rest.starts_with('(') || is_grouping("by") || is_grouping("without")
    }

    fn sign(&mut self, first: char) -> Result<Kind, ParseError> {
        let start = self.pos;
        let rest = self.rest();
        if first == '-' {
            if let Some(flag) = FLAGS.iter().find(|flag| {
                let behind = rest.strip_prefix(**flag);
                behind.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphabetic() || c == '-'))
            }) {
                self.pos += flag.len();
                return Ok(Kind::Flag);
            }
            let is_part = |c: char| c.is_ascii_digit() || c == '.' || "nuµmshdwy".contains(c);
            let length = rest[1..].find(|c: char| !is_part(c)).map_or(rest.len(), |at| at + 1);
            if let Some(ns) = duration(&rest[..length]).filter(|_| length > 1) {
                self.pos += length;
                return Ok(Kind::Duration(ns));
            }
        }
        if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(op.as_str())) {
            self.pos += op.as_str().len();
            return Ok(Kind::Op(*op));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.pos += sign.len();
            return Ok(Kind::Sign(sign));
        }
        self.pos += first.len_utf8();
        Err(self.error(start, format!("syntax error: unexpected {first:?}")))
    }
}

fn called(word: &str) -> Option<Kind> {
    let range_op = RangeOp::ALL.into_iter().find(|op| op.as_str() == word).map(Kind::RangeOp);
    let vector_op = || VectorOp::ALL.into_iter().find(|op| op.as_str() == word).map(Kind::VectorOp);
    let conversion = || {
        let all = [Conversion::Bytes, Conversion::Duration, Conversion::DurationSeconds];
        all.into_iter().find(|conversion| conversion.as_str() == word).map(Kind::Conversion)
    };
    let other = || CALLED.iter().find(|known| **known == word).map(|known| Kind::Word(known));
    range_op.or_else(vector_op).or_else(conversion).or_else(other)
}

/// Returns the length of the number at the beginning: digits with or without underscores between
/// them, a point, an exponent.
fn number_len(text: &str) -> usize {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let mut length = digits(text);
    if text[length..].starts_with('.') {
        length += 1 + digits(&text[length + 1..]);
    }
    if text[length..].starts_with(['e', 'E']) {
        let behind = &text[length + 1..];
        let sign = usize::from(behind.starts_with(['+', '-']));
        let n_digits = digits(&behind[sign..]);
        if n_digits > 0 {
            length += 1 + sign + n_digits;
        }
    }
    length
}

/// Reads a duration in Prometheus's form, or else in Go's, and returns nanoseconds.
fn duration(text: &str) -> Option<i64> {
    match parse_duration(text) {
        Ok(ms) => Some(as_ns(ms)),
        Err(_) => go_duration::parse_duration(text).ok(),
    }
}

fn as_ns(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(query: &str) -> Vec<Kind> {
        let mut lexer = Lexer::new(query);
        let next = || lexer.next_token().map(|token| token.kind).unwrap();
        std::iter::repeat_with(next).take_while(|kind| *kind != Kind::End).collect()
    }

    fn names(query: &str) -> String {
        kinds(query).into_iter().map(Kind::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_word_is_a_function_only_where_it_is_called() {
        assert_eq!(names("rate({rate=`x`}[1m])"), "rate ( { IDENTIFIER = STRING } RANGE )");
        assert_eq!(names("SUM by (sum) (x)"), "sum by ( IDENTIFIER ) ( IDENTIFIER )");
        assert_eq!(
            names("duration duration (x) ip ip(\"a\")"),
            "IDENTIFIER duration ( IDENTIFIER ) IDENTIFIER ip ( STRING )"
        );
        assert_eq!(names("| json | Unwrap a or b"), "| json | unwrap IDENTIFIER or IDENTIFIER");
    }

    #[test]
    fn numbers_may_have_units() {
        let ms = 1_000_000;
        assert_eq!(
            kinds("5m 250ms 1.5h -2s"),
            [300_000, 250, 5_400_000, -2_000].map(|n| Kind::Duration(n * ms))
        );
        assert_eq!(kinds("1KB 1.5MiB"), [Kind::Bytes(1_000), Kind::Bytes(1_572_864)]);
        assert_eq!(names("1 .5 1e3 -1 0.99"), "NUMBER NUMBER NUMBER - NUMBER NUMBER");
        assert_eq!(kinds("[1h30m]"), [Kind::Range(5_400_000 * ms)]);
    }

    #[test]
    fn signs_are_taken_as_long_as_they_go() {
        assert_eq!(names("|= != |~ !~ |> !> | == = =~ >= > ^"), "|= != |~ !~ |> !> | == = =~ >= > ^");
        assert_eq!(names("--strict --keep-empty - -"), "FUNCTION_FLAG FUNCTION_FLAG - -");
    }

    #[test]
    fn comments_are_blanks() {
        assert_eq!(names("a # b\n// c\n/* d */ e"), "IDENTIFIER IDENTIFIER");
    }

    #[test]
    fn what_is_no_word_is_named_with_its_place() {
        let fault = |query: &str| {
            let mut lexer = Lexer::new(query);
            loop {
                match lexer.next_token() {
                    Ok(token) => assert_ne!(token.kind, Kind::End, "{query} has no fault"),
                    Err(fault) => return fault.to_string(),
                }
            }
        };
        assert_eq!(fault("a ;"), "parse error at line 1, col 3: syntax error: unexpected ';'");
        assert_eq!(fault("{a=\"x"), "parse error at line 1, col 4: unterminated quoted string");
        assert_eq!(fault("[5m"), "parse error at line 1, col 1: missing closing ']' in duration");
        assert_eq!(fault("[5x]"), "parse error at line 1, col 1: unknown unit \"x\" in duration \"5x\"");
    }
}
