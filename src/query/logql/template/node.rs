//! A template as a tree, and how messages show the parts of it.

use std::fmt;

use super::functions::Function;
use super::literal::Number;
use super::quoted;

/// Nodes that follow each other.
pub(super) type Block = Vec<Node>;

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    Branch { kind: Branch, pipeline: Pipeline, body: Block, otherwise: Block },
    Call(Call),
    Break,
    Continue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    If,
    Range,
    With,
}

/// `{{template "name" pipeline}}`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) pipeline: Option<Pipeline>,
}

/// Commands of which each is given what the one before it yields, as its last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) at: usize,
    /// The variables that are declared or assigned, with their dollar: two at most.
    pub(super) variables: Vec<String>,
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, or a function or method with its arguments; there is one operand at least.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) term: Term,
}

#[derive(Debug)]
pub(super) enum Term {
    Dot,
    Nil,
    Truth(bool),
    Number(Number),
    Text {
        /// With its quotes.
        written: String,
        text: String,
    },
    /// `.a.b`, fields of the dot.
    Field(Vec<String>),
    /// `$x.a.b`; the name has its dollar.
    Variable(String, Vec<String>),
    Function(&'static Function),
    Nested(Pipeline),
    /// `(…).a.b` or `now.Year`.
    Chain(Box<Operand>, Vec<String>),
}

/// The part of a template that is being looked at when something goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'t> {
    /// In its beginning or in a text.
    Text(&'t str),
    Pipeline(&'t Pipeline),
    Command(&'t Command),
    Operand(&'t Operand),
    Call(&'t Call),
}

impl Place<'_> {
    pub(super) fn at(&self) -> usize {
        match self {
            Place::Text(_) => 0,
            Place::Pipeline(pipeline) => pipeline.at,
            Place::Command(command) => command.at,
            Place::Operand(operand) => operand.at,
            Place::Call(call) => call.at,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Text(text) => f.write_str(text),
            Place::Pipeline(pipeline) => pipeline.fmt(f),
            Place::Command(command) => command.fmt(f),
            Place::Operand(operand) => operand.fmt(f),
            Place::Call(call) => call.fmt(f),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", quoted(&self.name))?;
        if let Some(pipeline) = &self.pipeline {
            write!(f, " {pipeline}")?;
        }
        f.write_str("}}")
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.variables.join(", "))?;
        }
        for (idx, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if idx > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, operand) in self.operands.iter().enumerate() {
            f.write_str(if idx > 0 { " " } else { "" })?;
            operand.in_parens(f)?;
        }
        Ok(())
    }
}

impl Operand {
    fn in_parens(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Nested(pipeline) => write!(f, "({pipeline})"),
            _ => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut fmt::Formatter<'_>, fields: &[String]| {
            fields.iter().try_for_each(|field| write!(f, ".{field}"))
        };
        match &self.term {
            Term::Dot => f.write_str("."),
            Term::Nil => f.write_str("nil"),
            Term::Truth(truth) => write!(f, "{truth}"),
            Term::Number(number) => f.write_str(&number.written),
            Term::Text { written, .. } => f.write_str(written),
            Term::Field(names) => fields(f, names),
            Term::Variable(name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            Term::Function(function) => f.write_str(function.name),
            Term::Nested(pipeline) => pipeline.fmt(f),
            Term::Chain(operand, names) => {
                operand.in_parens(f)?;
                fields(f, names)
            }
        }
    }
}
