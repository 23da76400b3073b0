//! Stages of a pipeline.

use super::super::ast::{Extraction, LabelFormat, LabelSource, LogfmtFlags, Named, Stage};
use super::super::error::ParseError;
use super::super::lex::Kind;
use super::Parser;

impl Parser<'_> {
    /// Reads stages as far as they go; `unwrap` is none.
    pub(super) fn stages(&mut self) -> Result<Vec<Stage>, ParseError> {
        let mut res = Vec::new();
        loop {
            if let Some(op) = self.line_op()? {
                res.push(Stage::Line(self.line_filter(op)?));
            } else if self.peek()?.kind == Kind::Sign("|") && self.peek_second()?.kind != Kind::Word("unwrap")
            {
                self.next()?;
                res.push(self.stage()?);
            } else {
                return Ok(res);
            }
            self.filter()?;
        }
    }

    fn stage(&mut self) -> Result<Stage, ParseError> {
        let Kind::Word(word) = self.peek()?.kind else {
            return Ok(Stage::Label(self.label_filter()?));
        };
        if !is_stage(word) {
            return Err(self.unexpected());
        }
        self.next()?;
        Ok(match word {
            "json" if self.begins_list()? => Stage::JsonLabels(self.extractions()?),
            "json" => Stage::Json,
            "logfmt" => {
                let flags = self.logfmt_flags()?;
                if self.begins_list()? {
                    Stage::LogfmtLabels(flags, self.extractions()?)
                } else {
                    Stage::Logfmt(flags)
                }
            }
            "regexp" => Stage::Regexp(self.text()?),
            "pattern" => Stage::Pattern(self.text()?),
            "unpack" => Stage::Unpack,
            "line_format" => Stage::LineFormat(self.text()?),
            "label_format" => Stage::LabelFormat(self.list(Self::label_format)?),
            "drop" => Stage::Drop(self.list(Self::named)?),
            "keep" => Stage::Keep(self.list(Self::named)?),
            _ => Stage::Decolorize,
        })
    }

    fn begins_list(&mut self) -> Result<bool, ParseError> {
        Ok(self.peek()?.kind == Kind::Identifier)
    }

    /// Reads one or more, with commas between them.
    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, ParseError>) -> Result<Vec<T>, ParseError> {
        let mut res = vec![one(self)?];
        while self.accept(Kind::Sign(","))? {
            self.filter()?;
            res.push(one(self)?);
        }
        Ok(res)
    }

    fn logfmt_flags(&mut self) -> Result<LogfmtFlags, ParseError> {
        let mut res = LogfmtFlags::default();
        while self.peek()?.kind == Kind::Flag {
            let flag = self.next()?;
            match flag.text(self.query) {
                "--strict" => res.is_strict = true,
                _ => res.keeps_empty = true,
            }
        }
        Ok(res)
    }

    fn extractions(&mut self) -> Result<Vec<Extraction>, ParseError> {
        self.list(|parser| {
            let label = parser.identifier()?;
            let path = if parser.accept(Kind::Sign("="))? { parser.text()? } else { label.clone() };
            Ok(Extraction { label, path })
        })
    }

    fn label_format(&mut self) -> Result<LabelFormat, ParseError> {
        let name = self.identifier()?;
        self.sign("=")?;
        let value = match self.peek()?.kind {
            Kind::Identifier => LabelSource::Label(self.identifier()?),
            _ => LabelSource::Template(self.text()?),
        };
        Ok(LabelFormat { name, value })
    }

    fn named(&mut self) -> Result<Named, ParseError> {
        use super::super::ast::BinaryOp::NotEqual;
        let name = self.identifier()?;
        Ok(match self.peek()?.kind {
            Kind::Sign("=" | "=~" | "!~") | Kind::Op(NotEqual) => Named::Matching(self.matcher(name)?),
            _ => Named::Name(name),
        })
    }
}

fn is_stage(word: &str) -> bool {
    matches!(
        word,
        "json"
            | "logfmt"
            | "regexp"
            | "pattern"
            | "unpack"
            | "line_format"
            | "label_format"
            | "drop"
            | "keep"
            | "decolorize"
    )
}
