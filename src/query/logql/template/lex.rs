//! From the text of a template to its tokens.
//!
//! Spaces that `{{-` and `-}}` trim are left out here, and so are comments: the parser sees neither.
//! What is no token ends the list with what is wrong with it, so that a fault before it is found
//! first. Source: Go, the documentation of `text/template`, and what its lexer answers.

use std::borrow::Cow;

use super::quoted;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text is what is wrong.
    Error,
    End,
    Text,
    Open,
    Close,
    Space,
    OpenParen,
    CloseParen,
    Pipe,
    Assign,
    Declare,
    /// `true` or `false`.
    Truth,
    Field,
    Identifier,
    Variable,
    Number,
    Character,
    Quoted,
    Raw,
    /// Another printable character, such as the comma.
    Other,
    /// A word of the language, the dot and `nil` among them.
    Keyword(Keyword),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Dot,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

const KEYWORDS: &[(&str, Keyword)] = &[
    ("block", Keyword::Block),
    ("break", Keyword::Break),
    ("continue", Keyword::Continue),
    ("define", Keyword::Define),
    ("else", Keyword::Else),
    ("end", Keyword::End),
    ("if", Keyword::If),
    ("nil", Keyword::Nil),
    ("range", Keyword::Range),
    ("template", Keyword::Template),
    ("with", Keyword::With),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// The line in which it begins, from 1.
    pub(super) line: usize,
    pub(super) text: Cow<'s, str>,
}

impl Token<'_> {
    /// Returns how the token is called in a message.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            Kind::End => "EOF".to_string(),
            Kind::Error => self.text.to_string(),
            Kind::Keyword(_) => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                format!("{}...", quoted(&self.text.chars().take(10).collect::<String>()))
            }
            _ => quoted(&self.text),
        }
    }
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Returns the tokens of a template; the last is the end or an error.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at: 0, line: 1, n_parens: 0, tokens: Vec::new() };
    let last = match lexer.template() {
        Ok(()) => Token { kind: Kind::End, at: text.len(), line: lexer.line, text: "".into() },
        Err(fault) => Token { kind: Kind::Error, at: lexer.at, line: lexer.line, text: fault.into() },
    };
    lexer.tokens.push(last);
    lexer.tokens
}

struct Lexer<'s> {
    text: &'s str,
    /// Where the next token begins, and in which line.
    at: usize,
    line: usize,
    n_parens: usize,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    fn skip(&mut self, n_bytes: usize) {
        self.line += self.rest()[..n_bytes].matches('\n').count();
        self.at += n_bytes;
    }

    fn token(&mut self, kind: Kind, n_bytes: usize) {
        let text = &self.rest()[..n_bytes];
        self.tokens.push(Token { kind, at: self.at, line: self.line, text: text.into() });
        self.skip(n_bytes);
    }

    fn template(&mut self) -> Result<(), String> {
        while let Some(n_before) = self.rest().find(OPEN) {
            let before = &self.rest()[..n_before];
            let action = &self.rest()[n_before + OPEN.len()..];
            let trims = action.starts_with('-') && action[1..].starts_with(is_space);
            let n_kept = if trims { before.trim_end_matches(is_space).len() } else { n_before };
            if n_kept > 0 {
                self.token(Kind::Text, n_kept);
            }
            self.skip(n_before - n_kept);
            let n_marker = if trims { 2 } else { 0 };
            if action[n_marker..].starts_with("/*") {
                self.skip(OPEN.len() + n_marker);
                self.comment()?;
            } else {
                self.token(Kind::Open, OPEN.len());
                self.skip(n_marker);
                self.n_parens = 0;
                while self.inside()? {}
            }
        }
        if !self.rest().is_empty() {
            self.token(Kind::Text, self.rest().len());
        }
        Ok(())
    }

    /// Skips a comment with the braces behind it.
    fn comment(&mut self) -> Result<(), String> {
        let n_bytes = self.rest()[2..].find("*/").ok_or("unclosed comment")? + 4;
        let after = &self.rest()[n_bytes..];
        let n_close = close_len(after).ok_or("comment ends before closing delimiter")?;
        self.skip(n_bytes + n_close);
        if n_close > CLOSE.len() {
            self.skip_spaces();
        }
        Ok(())
    }

    fn skip_spaces(&mut self) {
        self.skip(self.rest().len() - self.rest().trim_start_matches(is_space).len());
    }

    /// Takes a token inside of an action; false when it ended the action.
    fn inside(&mut self) -> Result<bool, String> {
        let rest = self.rest();
        if let Some(n_close) = close_len(rest) {
            if self.n_parens > 0 {
                return Err("unclosed left paren".into());
            }
            self.skip(n_close - CLOSE.len());
            self.token(Kind::Close, CLOSE.len());
            if n_close > CLOSE.len() {
                self.skip_spaces();
            }
            return Ok(false);
        }
        let first = rest.chars().next().ok_or("unclosed action")?;
        match first {
            c if is_space(c) => {
                let mut n_spaces = rest.len() - rest.trim_start_matches(is_space).len();
                // The last one belongs to the mark that trims.
                if close_len(&rest[n_spaces - 1..]).is_some() {
                    n_spaces -= 1;
                }
                self.token(Kind::Space, n_spaces);
            }
            '=' => self.token(Kind::Assign, 1),
            ':' if rest.starts_with(":=") => self.token(Kind::Declare, 2),
            ':' => return Err("expected :=".into()),
            '|' => self.token(Kind::Pipe, 1),
            '"' => self.quoted('"', Kind::Quoted, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Kind::Character, "unterminated character constant")?,
            '`' => {
                let n_bytes = rest[1..].find('`').ok_or("unterminated raw quoted string")? + 2;
                self.token(Kind::Raw, n_bytes);
            }
            '$' => self.name(Kind::Variable)?,
            '.' if rest[1..].starts_with(|c: char| !c.is_ascii_digit()) => self.name(Kind::Field)?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            c if is_word(c) => self.word()?,
            '(' => {
                self.n_parens += 1;
                self.token(Kind::OpenParen, 1);
            }
            ')' => {
                self.n_parens = self.n_parens.checked_sub(1).ok_or("unexpected right paren")?;
                self.token(Kind::CloseParen, 1);
            }
            ' '..='~' => self.token(Kind::Other, 1),
            c => return Err(format!("unrecognized character in action: {}", code_point(c))),
        }
        Ok(true)
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<(), String> {
        let mut is_escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                c if c == quote => {
                    self.token(kind, at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(unterminated.into())
    }

    /// Takes `.name`, `$name`, or the dot or dollar alone.
    fn name(&mut self, kind: Kind) -> Result<(), String> {
        let rest = self.rest();
        let n_bytes = rest[1..].find(|c| !is_word(c)).map_or(rest.len(), |n| n + 1);
        self.end_of_word(n_bytes)?;
        let kind = if &rest[..n_bytes] == "." { Kind::Keyword(Keyword::Dot) } else { kind };
        self.token(kind, n_bytes);
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let n_bytes = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        self.end_of_word(n_bytes)?;
        let word = &rest[..n_bytes];
        let keyword = KEYWORDS.iter().find(|(written, _)| *written == word);
        let kind = match (keyword, word) {
            (Some((_, keyword)), _) => Kind::Keyword(*keyword),
            (None, "true" | "false") => Kind::Truth,
            (None, _) => Kind::Identifier,
        };
        self.token(kind, n_bytes);
        Ok(())
    }

    /// Refuses a word that another character than a separator follows.
    fn end_of_word(&self, n_bytes: usize) -> Result<(), String> {
        let after = &self.rest()[n_bytes..];
        match after.chars().next() {
            Some(c) if !is_space(c) && !".,|:)(".contains(c) && !after.starts_with(CLOSE) => {
                Err(format!("bad character {}", code_point(c)))
            }
            _ => Ok(()),
        }
    }

    /// Takes what looks like a number; whether it is one, the parser finds.
    fn number(&mut self) -> Result<(), String> {
        let mut n_bytes = number_len(self.rest());
        let bad = |text: &str| format!("bad number syntax: {}", quoted(text));
        let next = |n_bytes: usize| self.rest()[n_bytes..].chars().next();
        if let Some(c) = next(n_bytes).filter(|c| is_word(*c)) {
            return Err(bad(&self.rest()[..n_bytes + c.len_utf8()]));
        }
        if let Some('+' | '-') = next(n_bytes) {
            // The second part of a complex number, which the parser refuses.
            n_bytes += number_len(&self.rest()[n_bytes..]);
            let text =
                &self.rest()[..n_bytes + next(n_bytes).filter(|c| is_word(*c)).map_or(0, char::len_utf8)];
            if text.len() > n_bytes || !text.ends_with('i') {
                return Err(bad(text));
            }
        }
        self.token(Kind::Number, n_bytes);
        Ok(())
    }
}

/// Returns the length of `}}` or ` -}}` when a text begins with it.
fn close_len(text: &str) -> Option<usize> {
    if text.starts_with(is_space) && text[1..].starts_with("-}}") {
        return Some(2 + CLOSE.len());
    }
    text.starts_with(CLOSE).then_some(CLOSE.len())
}

fn number_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    let accept = |at: &mut usize, set: &[u8]| {
        let is_there = bytes.get(*at).is_some_and(|byte| set.contains(byte));
        *at += usize::from(is_there);
        is_there
    };
    accept(&mut at, b"+-");
    let mut digits: &[u8] = b"0123456789_";
    let mut exponent: &[u8] = b"eE";
    if accept(&mut at, b"0") {
        if accept(&mut at, b"xX") {
            (digits, exponent) = (b"0123456789abcdefABCDEF_", b"pP");
        } else if accept(&mut at, b"oO") {
            (digits, exponent) = (b"01234567_", b"");
        } else if accept(&mut at, b"bB") {
            (digits, exponent) = (b"01_", b"");
        }
    }
    while accept(&mut at, digits) {}
    if accept(&mut at, b".") {
        while accept(&mut at, digits) {}
    }
    if accept(&mut at, exponent) {
        accept(&mut at, b"+-");
        while accept(&mut at, b"0123456789_") {}
    }
    accept(&mut at, b"i");
    at
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Returns a character as Go's `%#U` writes it.
fn code_point(c: char) -> String {
    let is_plain = !c.is_control() && (c == ' ' || !c.is_whitespace());
    let shown = if is_plain { format!(" '{c}'") } else { String::new() };
    format!("U+{:04X}{shown}", c as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let shown: Vec<String> = tokens(text).iter().map(Token::shown).collect();
        assert_eq!(shown.join(" "), expect, "{text}");
    }

    #[test]
    fn texts_and_actions_alternate() {
        check("a{{.b}}c", r#""a" "{{" ".b" "}}" "c" EOF"#);
        check("{{$x := 1}}", r#""{{" "$x" " " ":=" " " "1" "}}" EOF"#);
        check("{{if true}}{{end}}", r#""{{" <if> " " "true" "}}" "{{" <end> "}}" EOF"#);
        check("{{. | f $.a `b`}}", r#""{{" <.> " " "|" " " "f" " " "$" ".a" " " "`b`" "}}" EOF"#);
        check("{{'a' \"\\\"\"}}", r#""{{" "'a'" " " "\"\\\"\"" "}}" EOF"#);
        check("a very long text", "\"a very lon\"... EOF");
    }

    #[test]
    fn marks_trim_and_comments_vanish() {
        check("a \n{{- 1 -}} \n b", r#""a" "{{" "1" "}}" "b" EOF"#);
        check("{{-3}}", r#""{{" "-3" "}}" EOF"#);
        check("{{1  -}} b", r#""{{" "1" " " "}}" "b" EOF"#);
        check("a {{- /* c */ -}} b{{/* }} */}}", r#""a" "b" EOF"#);
    }

    #[test]
    fn numbers_are_taken_whole() {
        check("{{.5 0x1F 1e-3 1_0}}", r#""{{" ".5" " " "0x1F" " " "1e-3" " " "1_0" "}}" EOF"#);
        check("{{1+2i}}", r#""{{" "1+2i" "}}" EOF"#);
        check("{{3a}}", r#""{{" bad number syntax: "3a""#);
        check("{{1-2}}", r#""{{" bad number syntax: "1-2""#);
    }

    #[test]
    fn what_is_no_token_is_named() {
        check("{{", r#""{{" unclosed action"#);
        check("{{(}}", r#""{{" "(" unclosed left paren"#);
        check("{{)", r#""{{" unexpected right paren"#);
        check("{{:", r#""{{" expected :="#);
        check("{{\"a\n\"}}", r#""{{" unterminated quoted string"#);
        check("{{'a", r#""{{" unterminated character constant"#);
        check("{{`a", r#""{{" unterminated raw quoted string"#);
        check("{{/* a", "unclosed comment");
        check("{{/* a */ }}", "comment ends before closing delimiter");
        check("{{a/b}}", r#""{{" bad character U+002F '/'"#);
        check("{{\u{1}}}", r#""{{" unrecognized character in action: U+0001"#);
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<usize> = tokens("a\n{{/*\n*/}}{{`\n`\n}}\n").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 3, 3, 4, 5, 5, 6]);
    }
}
