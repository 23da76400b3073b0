//! From text to words, one at a time.
//!
//! What a character means depends on where it stands: braces hold matchers, brackets hold
//! durations, and everywhere else are names, numbers and operators. The words, the errors and the
//! places of the errors are those of Prometheus 3; so is that an error may stand behind the
//! character that it is about, where Prometheus has already given the word away.

mod number;
mod text;
mod token;

pub use text::unquoted;
pub use token::{Kind, Token, Word};

use super::ParseError;
use super::ast::BinaryOp;
use crate::query::quote::quoted_char;

/// Returns where a text in quotes ends that begins at a place of a query, with its closing quote.
pub fn quoted_end(query: &str, start: usize) -> Result<usize, ParseError> {
    Lexer { pos: start, ..Lexer::new(query) }.next_token().map(|token| token.span.end)
}

/// Hands out the words of a query.
pub struct Lexer<'q> {
    query: &'q str,
    /// Where the next character is, in bytes.
    pos: usize,
    /// Where the word being read began.
    start: usize,
    n_open_parens: usize,
    in_braces: bool,
    in_brackets: bool,
    /// The word before, in the same brackets, was not a number: only a duration can follow.
    wants_duration: bool,
    had_colon: bool,
    /// A number stood in some brackets so far; never taken back, as in Prometheus.
    had_duration: bool,
}

impl<'q> Lexer<'q> {
    /// Returns a lexer before the first word.
    pub fn new(query: &'q str) -> Self {
        Lexer {
            query,
            pos: 0,
            start: 0,
            n_open_parens: 0,
            in_braces: false,
            in_brackets: false,
            wants_duration: false,
            had_colon: false,
            had_duration: false,
        }
    }

    /// Returns the next word; [`Kind::End`] again and again at the end.
    pub fn next_token(&mut self) -> Result<Token, ParseError> {
        self.skip_blanks();
        if self.in_braces {
            self.in_braces_token()
        } else if self.wants_duration {
            self.duration_token()
        } else {
            self.statement_token()
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\n' | '\r') => self.pos += 1,
                // A duration's place has no comments: there `#` is an unexpected character.
                Some('#') if self.in_braces || !self.wants_duration => {
                    let rest = &self.query[self.pos..];
                    self.pos += rest.find(['\n', '\r']).unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        self.start = self.pos;
    }

    fn statement_token(&mut self) -> Result<Token, ParseError> {
        use BinaryOp::{
            Add, Div, Equal, Greater, GreaterEqual, Less, LessEqual, Mod, Mul, NotEqual, Pow, Sub,
        };
        let Some(first) = self.next_char() else {
            return self.end();
        };
        let kind = match first {
            ',' => Kind::Comma,
            '*' => Kind::Op(Mul),
            '/' => Kind::Op(Div),
            '%' => Kind::Op(Mod),
            '+' => Kind::Op(Add),
            '-' => Kind::Op(Sub),
            '^' => Kind::Op(Pow),
            '@' => Kind::At,
            '=' if self.peek() == Some('~') => {
                return Err(self.error("unexpected character after '=': '~'"));
            }
            '=' if self.accept("=") => Kind::Op(Equal),
            '=' => Kind::Assign,
            '!' => match self.next_char() {
                Some('=') => Kind::Op(NotEqual),
                other => return Err(self.unexpected("unexpected character after '!':", other)),
            },
            '<' if self.accept("=") => Kind::Op(LessEqual),
            '<' if self.accept("/") => Kind::TrimUpper,
            '<' => Kind::Op(Less),
            '>' if self.accept("=") => Kind::Op(GreaterEqual),
            '>' if self.accept("/") => Kind::TrimLower,
            '>' => Kind::Op(Greater),
            '0'..='9' => return self.number_or_duration(),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                return self.number_or_duration();
            }
            '"' | '\'' => return self.text(first),
            '`' => return self.raw_text(),
            'a'..='z' | 'A'..='Z' | '_' | ':' if self.in_brackets => return self.bracket_word(first),
            'a'..='z' | 'A'..='Z' | '_' | ':' => return Ok(self.word()),
            '(' | ')' => return self.paren(first),
            '{' => {
                self.in_braces = true;
                Kind::LeftBrace
            }
            '[' if self.in_brackets => return Err(self.unexpected("unexpected left bracket", Some('['))),
            '[' => {
                (self.in_brackets, self.wants_duration, self.had_colon) = (true, true, false);
                Kind::LeftBracket
            }
            ']' if !self.in_brackets => return Err(self.unexpected("unexpected right bracket", Some(']'))),
            ']' => {
                self.in_brackets = false;
                Kind::RightBracket
            }
            other => return Err(self.unexpected("unexpected character:", Some(other))),
        };
        Ok(self.token(kind))
    }

    fn in_braces_token(&mut self) -> Result<Token, ParseError> {
        let Some(first) = self.next_char() else {
            return Err(self.error("unexpected end of input inside braces"));
        };
        let kind = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                self.accept_while(|c| c.is_ascii_alphanumeric() || c == '_');
                Kind::Identifier
            }
            ',' => Kind::Comma,
            '"' | '\'' => return self.text(first),
            '`' => return self.raw_text(),
            '=' if self.accept("~") => Kind::AssignRegex,
            '=' => Kind::Assign,
            '!' => match self.next_char() {
                Some('~') => Kind::NotRegex,
                Some('=') => Kind::Op(BinaryOp::NotEqual),
                other => return Err(self.unexpected("unexpected character after '!' inside braces:", other)),
            },
            '{' => return Err(self.unexpected("unexpected left brace", Some('{'))),
            '}' => {
                self.in_braces = false;
                Kind::RightBrace
            }
            other => return Err(self.unexpected("unexpected character inside braces:", Some(other))),
        };
        Ok(self.token(kind))
    }

    /// Reads where only a duration can stand: behind a bracket, and behind an operator in them.
    fn duration_token(&mut self) -> Result<Token, ParseError> {
        let Some(first) = self.next_char() else {
            return Err(self.error("unexpected end of input in duration expression"));
        };
        let kind = match first {
            ']' => {
                (self.in_brackets, self.wants_duration, self.had_colon) = (false, false, false);
                Kind::RightBracket
            }
            ':' => {
                self.start = self.pos;
                if !self.had_duration {
                    return Err(self.error("unexpected colon before duration in duration expression"));
                }
                if self.had_colon {
                    return Err(self.error("unexpected repeated colon in duration expression"));
                }
                self.had_colon = true;
                self.start -= 1;
                Kind::Colon
            }
            '(' | ')' => return self.paren(first),
            '+' => Kind::Op(BinaryOp::Add),
            '-' => Kind::Op(BinaryOp::Sub),
            '*' => Kind::Op(BinaryOp::Mul),
            '/' => Kind::Op(BinaryOp::Div),
            '%' => Kind::Op(BinaryOp::Mod),
            '^' => Kind::Op(BinaryOp::Pow),
            ',' => Kind::Comma,
            's' | 'r' | 'm' | 'S' | 'R' | 'M' if self.duration_word().is_some() => {
                return self.duration_keyword();
            }
            '0'..='9' => return self.bracket_number(),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => return self.bracket_number(),
            other => return Err(self.unexpected("unexpected character in duration expression:", Some(other))),
        };
        Ok(self.token(kind))
    }

    fn bracket_number(&mut self) -> Result<Token, ParseError> {
        self.had_duration = true;
        self.wants_duration = false;
        self.number_or_duration()
    }

    /// Reads a letter or a colon behind a number in brackets.
    fn bracket_word(&mut self, first: char) -> Result<Token, ParseError> {
        if first == ':' {
            if self.had_colon {
                return Err(self.unexpected("unexpected colon", Some(first)));
            }
            self.had_colon = true;
            return Ok(self.token(Kind::Colon));
        }
        if matches!(first, 's' | 'r' | 'm' | 'S' | 'R' | 'M') && self.duration_word().is_some() {
            return self.duration_keyword();
        }
        Err(self.error(format!("unexpected character: {}, expected ':'", quoted_char(first))))
    }

    fn duration_keyword(&mut self) -> Result<Token, ParseError> {
        match self.duration_word() {
            Some((kind, len)) => {
                self.pos = self.start + len;
                Ok(self.token(kind))
            }
            None => Err(self.error("unexpected word in duration expression")),
        }
    }

    /// Returns the word that began, and its length, if it can be a part of a duration.
    fn duration_word(&self) -> Option<(Kind, usize)> {
        let rest = &self.query[self.start..];
        let len = rest.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(rest.len());
        let kind = Kind::of_word(&rest[..len])?;
        let fits = matches!(kind, Kind::Word(Word::Step | Word::Range | Word::MaxOf | Word::MinOf));
        fits.then_some((kind, len))
    }

    fn paren(&mut self, paren: char) -> Result<Token, ParseError> {
        if paren == '(' {
            self.n_open_parens += 1;
            return Ok(self.token(Kind::LeftParen));
        }
        if self.n_open_parens == 0 {
            self.start = self.pos;
            return Err(self.unexpected("unexpected right parenthesis", Some(paren)));
        }
        self.n_open_parens -= 1;
        Ok(self.token(Kind::RightParen))
    }

    fn word(&mut self) -> Token {
        self.accept_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let word = &self.query[self.start..self.pos];
        let kind = match Kind::of_word(word) {
            Some(Kind::Word(Word::Fill | Word::FillLeft | Word::FillRight)) if !self.paren_follows() => {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        };
        self.token(kind)
    }

    fn paren_follows(&self) -> bool {
        self.query[self.pos..].trim_start_matches([' ', '\t', '\n', '\r']).starts_with('(')
    }

    fn end(&mut self) -> Result<Token, ParseError> {
        if self.n_open_parens > 0 {
            Err(self.error("unclosed left parenthesis"))
        } else if self.in_brackets {
            Err(self.error("unclosed left bracket"))
        } else {
            Ok(self.token(Kind::End))
        }
    }

    fn token(&self, kind: Kind) -> Token {
        Token { kind, span: self.start..self.pos }
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.query, self.start..self.query.len(), message)
    }

    /// Returns an error about a character; the end counts as one, which Prometheus quotes so.
    fn unexpected(&self, what: &str, character: Option<char>) -> ParseError {
        let shown = character.map_or_else(|| "'\u{fffd}'".to_string(), quoted_char);
        self.error(format!("{what} {shown}"))
    }

    fn peek(&self) -> Option<char> {
        self.query[self.pos..].chars().next()
    }

    fn next_char(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        Some(next)
    }

    /// Reads one character if it is among the accepted.
    fn accept(&mut self, accepted: &str) -> bool {
        let found = self.peek().is_some_and(|next| accepted.contains(next));
        if found {
            self.pos += 1;
        }
        found
    }

    fn accept_while(&mut self, accepts: impl Fn(char) -> bool) {
        let rest = &self.query[self.pos..];
        self.pos += rest.find(|next| !accepts(next)).unwrap_or(rest.len());
    }
}
