//! Texts of alerts with `{{ … }}` in them: the part of Go's templates that alerts use.
//!
//! There are the variables `$labels`, `$value`, `$externalLabels` and `$externalURL` (also as
//! `.Labels` and so on), fields, texts and numbers, pipelines, and the functions of
//! `functions`. What Prometheus has besides (`if`, `range`, `with`, `query`, own variables) is
//! refused by name when a rule is read, so that no alert says less than its author meant.
//!
//! Source: "Template reference" in the documentation of Prometheus 3 and the documentation of
//! Go's `text/template`.

mod format;
mod functions;
mod parse;

use crate::clock::UnixMillis;
use crate::record::Labels;
use functions::Function;

/// Bytes that a template becomes at most; longer ones are cut.
const EXPANDED_MAX_BYTES: usize = 16 << 10;

/// A text that was read and can be expanded.
#[derive(Clone, Debug)]
pub struct Template {
    /// As it was written.
    text: String,
    parts: Vec<Part>,
}

/// Two templates are the same when their texts are.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Action(Pipeline),
}

/// Commands of which each is given what the one before it yields, as its last argument.
#[derive(Clone, Debug)]
struct Pipeline(Vec<Command>);

#[derive(Clone, Debug)]
enum Command {
    /// A value.
    Value(Operand),
    /// A function and its arguments.
    Call(&'static Function, Vec<Operand>),
}

#[derive(Clone, Debug)]
enum Operand {
    Literal(Val),
    Labels,
    Label(String),
    Value,
    ExternalLabels,
    Nested(Pipeline),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What an operand is.
#[derive(Clone, Debug)]
enum Val {
    Text(String),
    Number(f64),
    Whole(i64),
    Truth(bool),
    Labels(Labels),
}

/// What a template is about.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The labels of the series, its name among them.
    pub labels: &'a Labels,
    /// Its value.
    pub value: f64,
    /// The moment of the evaluation.
    pub at: UnixMillis,
}

impl Template {
    /// Reads a template, or says what in it is wrong or not there.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Template { text: text.to_string(), parts: parse::parts(text)? })
    }

    /// Takes a text as it is, with nothing to fill in.
    pub fn plain(text: &str) -> Self {
        Template { text: text.to_string(), parts: vec![Part::Text(text.to_string())] }
    }

    /// Returns the template as it was written.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// Fills the template in; what cannot be filled in says so in the text, as in Prometheus.
    pub fn expand(&self, scope: Scope<'_>) -> String {
        let mut res = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => res.push_str(text),
                Part::Action(pipeline) => match pipeline.value(&scope) {
                    Ok(value) => res.push_str(&format::display(&value)),
                    Err(fault) => return format!("<error expanding template: {fault}>"),
                },
            }
            if res.len() > EXPANDED_MAX_BYTES {
                res.truncate(res.floor_char_boundary(EXPANDED_MAX_BYTES));
                break;
            }
        }
        res
    }
}

impl Pipeline {
    fn value(&self, scope: &Scope<'_>) -> Result<Val, String> {
        let mut piped: Option<Val> = None;
        for command in &self.0 {
            piped = Some(match command {
                Command::Value(operand) => operand.value(scope)?,
                Command::Call(function, args) => {
                    let args: Result<Vec<Val>, String> = args.iter().map(|arg| arg.value(scope)).collect();
                    let mut args = args?;
                    args.extend(piped.take());
                    function.call(scope, &args)?
                }
            });
        }
        piped.ok_or_else(|| "it has no command".to_string())
    }
}

impl Operand {
    fn value(&self, scope: &Scope<'_>) -> Result<Val, String> {
        Ok(match self {
            Operand::Literal(value) => value.clone(),
            Operand::Labels => Val::Labels(scope.labels.clone()),
            Operand::Label(name) => Val::Text(scope.labels.get(name).to_string()),
            Operand::Value => Val::Number(scope.value),
            Operand::ExternalLabels => Val::Labels(Labels::default()),
            Operand::Nested(pipeline) => return pipeline.value(scope),
        })
    }
}

#[cfg(test)]
mod tests;
