//! The words of the language, and how an error names one.

use super::super::ast::{AggregateOp, BinaryOp, Span};
use crate::query::quote::quoted;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `{`
    LeftBrace,
    /// `}`
    RightBrace,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `:` between the range and the step of a subquery
    Colon,
    /// `=`
    Assign,
    /// `=~`
    AssignRegex,
    /// `!~`
    NotRegex,
    /// An operator between two expressions; `+` and `-` also stand before one, `!=` also in braces.
    Op(BinaryOp),
    /// `</`
    TrimUpper,
    /// `>/`
    TrimLower,
    /// `@`
    At,
    /// The name of an aggregation.
    Aggregate(AggregateOp),
    /// A word that has a meaning in some places, and is a name in others.
    Word(Word),
    /// A name without colon.
    Identifier,
    /// A name with a colon.
    MetricIdentifier,
    /// `1.5`
    Number,
    /// `5m`
    Duration,
    /// A text in quotes.
    Text,
    /// The end of the query.
    End,
}

/// The words that have a meaning in some places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// Words and what they are, by the order of the word.
const WORDS: &[(&str, Kind)] = &[
    ("anchored", Kind::Word(Word::Anchored)),
    ("and", Kind::Op(BinaryOp::And)),
    ("atan2", Kind::Op(BinaryOp::Atan2)),
    ("bool", Kind::Word(Word::Bool)),
    ("by", Kind::Word(Word::By)),
    ("end", Kind::Word(Word::End)),
    ("fill", Kind::Word(Word::Fill)),
    ("fill_left", Kind::Word(Word::FillLeft)),
    ("fill_right", Kind::Word(Word::FillRight)),
    ("group_left", Kind::Word(Word::GroupLeft)),
    ("group_right", Kind::Word(Word::GroupRight)),
    ("ignoring", Kind::Word(Word::Ignoring)),
    ("inf", Kind::Number),
    ("max_of", Kind::Word(Word::MaxOf)),
    ("min_of", Kind::Word(Word::MinOf)),
    ("nan", Kind::Number),
    ("offset", Kind::Word(Word::Offset)),
    ("on", Kind::Word(Word::On)),
    ("or", Kind::Op(BinaryOp::Or)),
    ("range", Kind::Word(Word::Range)),
    ("smoothed", Kind::Word(Word::Smoothed)),
    ("start", Kind::Word(Word::Start)),
    ("step", Kind::Word(Word::Step)),
    ("unless", Kind::Op(BinaryOp::Unless)),
    ("without", Kind::Word(Word::Without)),
];

/// No word that means anything is longer, in bytes.
const WORD_LEN_MAX: usize = 12;

impl Kind {
    /// Returns what a word means in lower or upper case, if it is not just a name.
    pub fn of_word(word: &str) -> Option<Kind> {
        if word.len() > WORD_LEN_MAX {
            return None;
        }
        let word = word.to_ascii_lowercase();
        let aggregate = || AggregateOp::ALL.into_iter().find(|op| op.as_str() == word).map(Kind::Aggregate);
        match WORDS.binary_search_by(|(known, _)| (*known).cmp(&word)) {
            Ok(idx) => Some(WORDS[idx].1),
            Err(_) => aggregate(),
        }
    }

    /// Returns true when it can be the name of a metric where an expression may begin.
    pub fn is_metric_name(self) -> bool {
        use Word::{
            Anchored, By, End, Fill, FillLeft, FillRight, MaxOf, MinOf, Offset, Range, Smoothed, Start, Step,
            Without,
        };
        match self {
            Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregate(_) => true,
            Kind::Op(op) => op.is_set(),
            Kind::Word(word) => matches!(
                word,
                Anchored
                    | By
                    | End
                    | Fill
                    | FillLeft
                    | FillRight
                    | MaxOf
                    | MinOf
                    | Offset
                    | Range
                    | Smoothed
                    | Start
                    | Step
                    | Without
            ),
            _ => false,
        }
    }

    /// Returns true when it can be the name of a label in `by (..)` and its like.
    pub fn is_label_name(self) -> bool {
        match self {
            Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregate(_) => true,
            Kind::Op(op) => op.is_set() || op == BinaryOp::Atan2,
            Kind::Word(word) => word != Word::Without,
            _ => false,
        }
    }
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

impl Token {
    /// Returns the word as it is written.
    pub fn text<'q>(&self, query: &'q str) -> &'q str {
        query.get(self.span.clone()).unwrap_or_default()
    }

    /// Returns the word as an error names it: what it is, and the text, long ones cut.
    pub fn described(&self, query: &str) -> String {
        let text = self.text(query);
        match self.kind {
            Kind::End => "end of input".to_string(),
            Kind::Identifier => format!("identifier {}", quoted(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quoted(text)),
            Kind::Number => format!("number {}", shortened(text)),
            Kind::Duration => format!("duration {}", shortened(text)),
            Kind::Text => format!("string {}", shortened(text)),
            Kind::Aggregate(_) => format!("<aggr:{text}>"),
            Kind::Op(_)
            | Kind::TrimUpper
            | Kind::TrimLower
            | Kind::At
            | Kind::AssignRegex
            | Kind::NotRegex => format!("<op:{text}>"),
            Kind::Word(Word::Start | Word::End | Word::Step | Word::Range | Word::MaxOf | Word::MinOf) => {
                quoted(text)
            }
            Kind::Word(_) => format!("<{text}>"),
            _ => quoted(text),
        }
    }
}

/// Longest text that an error repeats whole, in bytes, and how many characters are left of a
/// longer one; Prometheus's numbers.
const SHOWN_MAX: usize = 10;

fn shortened(text: &str) -> String {
    if text.len() <= SHOWN_MAX {
        return quoted(text);
    }
    let start: String = text.chars().take(SHOWN_MAX).collect();
    format!("{}...", quoted(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_short_and_found_in_any_case() {
        assert!(WORDS.is_sorted_by_key(|(word, _)| *word));
        assert!(WORDS.iter().all(|(word, _)| word.len() <= WORD_LEN_MAX));
        assert!(AggregateOp::ALL.iter().all(|op| op.as_str().len() <= WORD_LEN_MAX));
        assert_eq!(Kind::of_word("Sum"), Some(Kind::Aggregate(AggregateOp::Sum)));
        assert_eq!(Kind::of_word("NaN"), Some(Kind::Number));
        assert_eq!(Kind::of_word("up"), None);
    }
}
