//! What a template reads, so that no more is made ready for it.
//!
//! It says rather too much than too little: a field of something else than the labels counts too.

use std::collections::BTreeSet;

use super::functions::takes_pattern;
use super::node::{Command, Node, Operand, Pipeline, Term};
use super::parse::Trees;

#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Labels that are read by their names.
    pub(super) fields: BTreeSet<String>,
    /// Whether the dot or `$` is used as a whole.
    pub(super) every_label: bool,
    /// Regular expressions that stand in it.
    pub(super) patterns: Vec<String>,
}

pub(super) fn of(trees: &Trees) -> Needs {
    let mut res = Needs::default();
    trees.values().for_each(|tree| res.block(tree));
    res
}

impl Needs {
    fn block(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipeline) => self.pipeline(pipeline),
                Node::Branch { pipeline, body, otherwise, .. } => {
                    self.pipeline(pipeline);
                    self.block(body);
                    self.block(otherwise);
                }
                Node::Call(call) => call.pipeline.iter().for_each(|pipeline| self.pipeline(pipeline)),
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        for command in &pipeline.commands {
            self.pattern(command);
            command.operands.iter().for_each(|operand| self.operand(operand));
        }
    }

    fn pattern(&mut self, command: &Command) {
        if let [first, second, ..] = &command.operands[..]
            && let (Term::Function(function), Term::Text { text, .. }) = (&first.term, &second.term)
            && takes_pattern(function)
        {
            self.patterns.push(text.clone());
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match &operand.term {
            Term::Nil | Term::Truth(_) | Term::Number(_) | Term::Text { .. } | Term::Function(_) => {}
            Term::Dot => self.every_label = true,
            Term::Field(names) => self.fields.extend(names.first().cloned()),
            // Another variable that holds all labels was given the dot or `$`.
            Term::Variable(_, names) if !names.is_empty() => self.fields.extend(names.first().cloned()),
            Term::Variable(name, _) => self.every_label |= name == "$",
            Term::Nested(pipeline) => self.pipeline(pipeline),
            Term::Chain(inner, names) => {
                self.operand(inner);
                self.fields.extend(names.first().cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::Template;

    #[test]
    fn what_is_read_is_known_before() {
        let check = |text: &str, fields: &[&str], every_label: bool| {
            let template = Template::parse(text).unwrap();
            assert_eq!(template.fields(), fields, "{text}");
            assert_eq!(template.needs_every_label(), every_label, "{text}");
        };
        check("a{{/* .x */}}{{__line__}}", &[], false);
        check("{{.b}}{{.a.c | printf \"%s\" .d}}", &["a", "b", "d"], false);
        check(
            "{{if eq .a (print .b)}}{{$.c}}{{else if .d}}{{else}}{{.e}}{{end}}",
            &["a", "b", "c", "d", "e"],
            false,
        );
        check("{{range $i, $x := fromJson .a}}{{$x.b}}{{(print .c).d}}{{end}}", &["a", "b", "c", "d"], false);
        check("{{define \"t\"}}{{.a}}{{end}}{{template \"t\" .}}", &["a"], true);
        check("{{$x := .}}{{$x.a}}", &["a"], true);
        check("{{index . \"a\"}}", &[], true);
        check("{{$}}", &[], true);
    }
}
