//! Places in JSON: `response.code`, `servers[0]`, `headers["User-Agent"]`.
//!
//! Source: "Log queries" in the documentation of Loki, and what it accepts and refuses: a string ends
//! at a bracket too, and white space may stand anywhere between the pieces.

use std::iter::Peekable;
use std::str::Chars;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A piece of a path as it is written.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Dot,
    Opening,
    Closing,
    Text(String),
    Field(String),
    Index(usize),
    End,
}

impl Token {
    /// Returns its name in Loki's grammar.
    fn name(&self) -> &'static str {
        match self {
            Self::Dot => "DOT",
            Self::Opening => "LSB",
            Self::Closing => "RSB",
            Self::Text(_) => "STRING",
            Self::Field(_) => "FIELD",
            Self::Index(_) => "INDEX",
            Self::End => "$end",
        }
    }

    fn unexpected(&self, expected: &str) -> String {
        format!("syntax error: unexpected {}{expected}", self.name())
    }
}

/// Reads a path, which has at least one step.
pub(super) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut tokens = Tokens { rest: path.chars().peekable(), fault: None };
    let mut steps = Vec::new();
    loop {
        let step = match tokens.next() {
            Token::Field(field) if steps.is_empty() => Step::Key(field),
            Token::Dot if !steps.is_empty() => match tokens.next() {
                Token::Field(field) => Step::Key(field),
                other => return Err(other.unexpected(", expecting FIELD")),
            },
            Token::Opening => tokens.in_brackets()?,
            Token::End if !steps.is_empty() => break,
            other if steps.is_empty() => return Err(other.unexpected(", expecting LSB or FIELD")),
            other => return Err(other.unexpected("")),
        };
        steps.push(step);
    }
    // What ended the path may have been no piece of one.
    tokens.fault.map_or(Ok(steps), Err)
}

struct Tokens<'p> {
    rest: Peekable<Chars<'p>>,
    /// What is wrong with the text where the last piece ended.
    fault: Option<String>,
}

impl Tokens<'_> {
    fn in_brackets(&mut self) -> Result<Step, String> {
        let step = match self.next() {
            Token::Text(text) => Step::Key(text),
            Token::Index(idx) => Step::Index(idx),
            other => return Err(other.unexpected(", expecting STRING or INDEX")),
        };
        match self.next() {
            Token::Closing => Ok(step),
            other => Err(other.unexpected(", expecting RSB")),
        }
    }

    fn next(&mut self) -> Token {
        while self.rest.next_if(|c| matches!(c, ' ' | '\t' | '\n')).is_some() {}
        match self.rest.peek().copied() {
            None | Some('\0') => Token::End,
            Some('0'..='9') => self.index(),
            Some('a'..='z' | 'A'..='Z' | '_') => {
                Token::Field(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            Some(other) => {
                self.rest.next();
                match other {
                    '[' => Token::Opening,
                    ']' => Token::Closing,
                    '.' => Token::Dot,
                    '"' => {
                        let text = self.take_while(|c| !matches!(c, '"' | ']' | '\0'));
                        self.rest.next();
                        Token::Text(text)
                    }
                    _ => self.refuse(format!("unexpected char {other}")),
                }
            }
        }
    }

    fn take_while(&mut self, is_inside: impl Fn(char) -> bool) -> String {
        std::iter::from_fn(|| self.rest.next_if(|c| is_inside(*c))).collect()
    }

    fn index(&mut self) -> Token {
        let digits = self.take_while(|c| c.is_ascii_digit());
        match self.rest.peek().copied() {
            Some('.') => self.refuse("cannot use float as array index".to_string()),
            Some(' ' | '\t' | '\n' | ']') => match digits.parse::<i64>() {
                Ok(idx) => Token::Index(idx as usize),
                Err(_) => self.refuse(format!("strconv.Atoi: parsing \"{digits}\": value out of range")),
            },
            other => self.refuse(format!("non-integer value: {}", other.unwrap_or('\0'))),
        }
    }

    /// What cannot be a piece ends the path.
    fn refuse(&mut self, fault: String) -> Token {
        self.fault = Some(fault);
        Token::End
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(path: &str, expect: Result<&str, &str>) {
        let shown = |step: &Step| match step {
            Step::Key(key) => format!("<{key}>"),
            Step::Index(idx) => format!("<{idx}>"),
        };
        let steps = parse(path).map(|steps| steps.iter().map(shown).collect::<String>());
        assert_eq!(steps.as_deref().map_err(String::as_str), expect, "{path:?}");
    }

    #[test]
    fn a_path_has_fields_keys_and_indexes() {
        check("app", Ok("<app>"));
        check("app.name", Ok("<app><name>"));
        check(r#"["app"]["a b.c"]"#, Ok("<app><a b.c>"));
        check(r#"pods[0].params["x"] . y"#, Ok("<pods><0><params><x><y>"));
        check("[ 12 ][3]", Ok("<12><3>"));
        check(r#"[""]"#, Ok("<>"));
        check("_a1\tb[0]", Err("syntax error: unexpected FIELD"));
    }

    #[test]
    fn what_is_no_path_is_said_as_loki_says_it() {
        check("", Err("syntax error: unexpected $end, expecting LSB or FIELD"));
        check(".a", Err("syntax error: unexpected DOT, expecting LSB or FIELD"));
        check("a.", Err("syntax error: unexpected $end, expecting FIELD"));
        check("a[b]", Err("syntax error: unexpected FIELD, expecting STRING or INDEX"));
        check("a[1.5]", Err("syntax error: unexpected $end, expecting STRING or INDEX"));
        check(r#"a["b]"#, Err("syntax error: unexpected $end, expecting RSB"));
        check(r#"a["b]"]"#, Err("syntax error: unexpected STRING, expecting RSB"));
        check("a b", Err("syntax error: unexpected FIELD"));
        check("a@", Err("unexpected char @"));
        check("a-b", Err("unexpected char -"));
        check("a 1", Err("non-integer value: \0"));
    }

    proptest! {
        #[test]
        fn any_path_does_no_harm(text in any::<String>(), soup in r#"[\[\]". a1]{0,20}"#) {
            let _ = (parse(&text), parse(&soup));
        }
    }
}
