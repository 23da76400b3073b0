//! From the text of a template to its parts.

use super::format::unknown_verb;
use super::functions::{FUNCTIONS, Function};
use super::{Command, Operand, Part, Pipeline, Val};

/// Deepest parentheses; nobody writes more, and reading them recurses.
const DEPTH_MAX: usize = 16;

/// Longest template.
const TEXT_MAX_BYTES: usize = 16 << 10;

pub(super) fn parts(text: &str) -> Result<Vec<Part>, String> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(format!("template of {} bytes is above the limit of {TEXT_MAX_BYTES}", text.len()));
    }
    let (mut res, mut rest) = (Vec::new(), text);
    let mut trims = false;
    while !rest.is_empty() {
        let (before, action) =
            rest.split_once("{{").map_or((rest, None), |(before, after)| (before, Some(after)));
        let before = if trims { before.trim_start() } else { before };
        let action = action.map(|action| match action.strip_prefix('-') {
            // A minus sign belongs to a number unless a space follows it.
            Some(after) if after.starts_with(char::is_whitespace) => (before.trim_end(), after),
            _ => (before, action),
        });
        let Some((before, action)) = action else {
            res.push(Part::Text(before.to_string()));
            break;
        };
        res.push(Part::Text(before.to_string()));
        let comment = action.trim_start().strip_prefix("/*");
        let mut lexer = Lexer { rest: action, depth: 0 };
        if let Some(comment) = comment {
            let (_, after) = comment.split_once("*/").ok_or("unclosed comment")?;
            lexer.rest = after;
        } else {
            res.push(Part::Action(lexer.pipeline()?));
        }
        trims = lexer.end()?;
        rest = lexer.rest;
    }
    res.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    Ok(res)
}

/// Reads the inside of one `{{ … }}`.
struct Lexer<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Lexer<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Takes the closing braces; returns whether the spaces behind them are to be left out.
    fn end(&mut self) -> Result<bool, String> {
        self.skip_spaces();
        if self.take("-}}") {
            return Ok(true);
        }
        if self.take("}}") {
            return Ok(false);
        }
        match self.rest.chars().next() {
            None => Err("unclosed action".into()),
            Some(c) => Err(format!("unexpected {c:?} in action")),
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_spaces();
        self.rest.is_empty() || self.rest.starts_with(['|', ')', '}']) || self.rest.starts_with("-}}")
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let mut res = Vec::new();
        loop {
            let command = self.command(!res.is_empty())?;
            res.push(command);
            self.skip_spaces();
            if !self.take("|") {
                return Ok(Pipeline(res));
            }
        }
    }

    fn command(&mut self, is_piped: bool) -> Result<Command, String> {
        if self.is_at_end() {
            return Err("missing value for command".into());
        }
        let word_len = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
        let word = &self.rest[..word_len];
        let is_word = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !is_word || ["true", "false"].contains(&word) {
            let operand = self.operand()?;
            if is_piped || !self.is_at_end() {
                return Err("can't give argument to non-function".into());
            }
            return Ok(Command::Value(operand));
        }
        let function = find(word)?;
        self.rest = &self.rest[word_len..];
        let mut args = Vec::new();
        while !self.is_at_end() {
            args.push(self.operand()?);
        }
        let n_args = args.len() + usize::from(is_piped);
        let (least, most) = function.n_args;
        if !(least..=most).contains(&n_args) {
            let wanted = if least == most { least.to_string() } else { format!("at least {least}") };
            return Err(format!("wrong number of args for {word}: want {wanted} got {n_args}"));
        }
        if function.name == "printf"
            && let Some(Operand::Literal(Val::Text(format))) = args.first()
            && let Some(verb) = unknown_verb(format)
        {
            return Err(format!("printf has no verb {verb:?} here: there are %s %d %f %g %e %v %q %t %x"));
        }
        Ok(Command::Call(function, args))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let first = self.rest.chars().next().ok_or("unclosed action")?;
        match first {
            '"' => self.quoted().map(|text| Operand::Literal(Val::Text(text))),
            '`' => {
                let (text, after) = self.rest[1..].split_once('`').ok_or("unterminated raw quoted string")?;
                self.rest = after;
                Ok(Operand::Literal(Val::Text(text.to_string())))
            }
            '(' => self.nested(),
            '$' | '.' => self.variable(),
            c if c.is_ascii_digit() || "+-".contains(c) => self.number(),
            _ => {
                let word_len = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
                let (word, after) = self.rest.split_at(word_len);
                self.rest = after;
                match word {
                    "true" => Ok(Operand::Literal(Val::Truth(true))),
                    "false" => Ok(Operand::Literal(Val::Truth(false))),
                    "" => Err(format!("unexpected {first:?} in operand")),
                    name => {
                        Ok(Operand::Nested(Pipeline(vec![Command::Call(without_args(name)?, Vec::new())])))
                    }
                }
            }
        }
    }

    fn nested(&mut self) -> Result<Operand, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("parentheses are nested deeper than {DEPTH_MAX}"));
        }
        self.rest = &self.rest[1..];
        let pipeline = self.pipeline()?;
        self.skip_spaces();
        if !self.take(")") {
            return Err("unclosed left paren".into());
        }
        self.depth -= 1;
        Ok(Operand::Nested(pipeline))
    }

    fn variable(&mut self) -> Result<Operand, String> {
        let end =
            self.rest[1..].find(|c: char| !is_word(c) && c != '.').map_or(self.rest.len(), |end| end + 1);
        let (name, after) = self.rest.split_at(end);
        self.rest = after;
        let mut names = name[1..].split('.');
        let (head, fields) = (names.next().unwrap_or_default(), names.collect::<Vec<_>>());
        let known = |variable: &str, field: &str| {
            if name.starts_with('$') { head == variable } else { head == field }
        };
        if known("labels", "Labels") {
            return match fields.as_slice() {
                [] => Ok(Operand::Labels),
                [label] if !label.is_empty() => Ok(Operand::Label(label.to_string())),
                _ => Err(format!("{name} is not a label: they are $labels.NAME, or index $labels \"NAME\"")),
            };
        }
        if known("externalLabels", "ExternalLabels") {
            return match fields.as_slice() {
                [] => Ok(Operand::ExternalLabels),
                // There are none.
                _ => Ok(Operand::Literal(Val::Text(String::new()))),
            };
        }
        match fields.as_slice() {
            [] if known("value", "Value") => Ok(Operand::Value),
            [] if known("externalURL", "ExternalURL") => Ok(Operand::Literal(Val::Text(String::new()))),
            _ => Err(format!(
                "undefined variable \"{name}\": there are $labels, $value, $externalLabels and $externalURL"
            )),
        }
    }

    fn number(&mut self) -> Result<Operand, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        // What ends the action with `-}}` is no part of the number.
        let end =
            if self.rest[end..].starts_with("}}") && self.rest[..end].ends_with('-') { end - 1 } else { end };
        let (text, after) = self.rest.split_at(end);
        self.rest = after;
        let hex = text.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok());
        let value = hex.or_else(|| text.parse().ok()).map(Val::Whole);
        let value =
            value.or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Val::Number));
        value.map(Operand::Literal).ok_or_else(|| format!("bad number syntax: {text:?}"))
    }

    /// Reads a text in double quotes, by the escapes of Go that JSON has too.
    fn quoted(&mut self) -> Result<String, String> {
        let mut is_escaped = false;
        let end = self.rest[1..].find(|c: char| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let end = end.ok_or("unterminated quoted string")? + 2;
        let (quoted, after) = self.rest.split_at(end);
        self.rest = after;
        serde_json::from_str(quoted).map_err(|_| format!("bad escape in {quoted}"))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn without_args(name: &str) -> Result<&'static Function, String> {
    let function = find(name)?;
    if function.n_args.0 == 0 {
        return Ok(function);
    }
    Err(format!("wrong number of args for {name}: want {} got 0", function.n_args.0))
}

/// Words of Go's templates that are no functions.
const KEYWORDS: [&str; 10] =
    ["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"];

fn find(name: &str) -> Result<&'static Function, String> {
    let unknown = || {
        let known: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        let known = known.join(", ");
        if KEYWORDS.contains(&name) {
            format!("{{{{ {name} }}}} is not supported: a template has values and the functions {known}")
        } else {
            format!("function {name:?} is not defined: there are {known}")
        }
    };
    Function::find(name).ok_or_else(unknown)
}
