//! Renders a tree over the labels of a line.
//!
//! It goes through the tree as Go's `text/template` does, keeps the part that it looks at for
//! messages, and refuses what is not of the type that a function takes. Texts and labels are borrowed
//! all the way: what only passes one through allocates nothing.

use super::budget::{Budget, CALLS_MAX, fits};
use super::format::{display, print};
use super::functions::{Args, Body, Context, Function, Kind};
use super::literal::Number;
use super::node::{Branch, Call, Command, Node, Operand, Pipeline, Place, Term};
use super::value::Value;
use super::{Parsed, Scope, TemplateError, quoted};

/// What comes behind a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Evaluated<'t> = Result<Value<'t>, String>;

/// Renders a template to the end of a text.
pub(super) fn render(parsed: &Parsed, scope: &dyn Scope, out: &mut String) -> Result<(), TemplateError> {
    let Some(root) = parsed.trees.get(parsed.name) else { return Ok(()) };
    let start = out.len();
    let mut render = Render {
        parsed,
        context: Context { scope, patterns: &parsed.patterns, budget: Budget::default() },
        out,
        start,
        tree: parsed.name,
        place: Place::Text(""),
        root: Value::Labels,
        variables: Vec::new(),
        n_calls: 0,
    };
    let walked = render.walk(root, &Value::Labels);
    walked.map(|_| ()).map_err(|message| parsed.fault(render.tree, render.place, message))
}

struct Render<'t, 'o> {
    parsed: &'t Parsed,
    context: Context<'t>,
    out: &'o mut String,
    /// How long the text was before.
    start: usize,
    /// The name of the tree that is rendered.
    tree: &'t str,
    place: Place<'t>,
    /// What `$` is.
    root: Value<'t>,
    /// Variables with their dollars, the innermost last.
    variables: Vec<(&'t str, Value<'t>)>,
    n_calls: usize,
}

impl<'t> Render<'t, '_> {
    fn push(&mut self, text: &str) -> Result<(), String> {
        fits(self.out.len() - self.start + text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn walk(&mut self, nodes: &'t [Node], dot: &Value<'t>) -> Result<Flow, String> {
        for node in nodes {
            self.context.budget.step()?;
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'t Node, dot: &Value<'t>) -> Result<Flow, String> {
        match node {
            Node::Text(text) => {
                self.place = Place::Text(text);
                self.push(text)?;
            }
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.show(&value)?;
                }
            }
            Node::Branch { kind, pipeline, body, otherwise } => {
                self.context.budget.enter()?;
                let n_variables = self.variables.len();
                let flow = match kind {
                    Branch::Range => self.range(pipeline, body, otherwise, dot)?,
                    Branch::If | Branch::With => {
                        let value = self.pipeline(pipeline, dot)?;
                        match (value.is_true(self.context.scope), kind) {
                            (false, _) => self.walk(otherwise, dot)?,
                            (true, Branch::With) => self.walk(body, &value)?,
                            (true, _) => self.walk(body, dot)?,
                        }
                    }
                };
                self.variables.truncate(n_variables);
                self.context.budget.leave();
                return Ok(flow);
            }
            Node::Call(call) => self.call_tree(call, dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// Writes a value.
    fn show(&mut self, value: &Value<'t>) -> Result<(), String> {
        match value {
            Value::Text(text) => self.push(text),
            value => {
                display(self.context.scope, value, self.out)?;
                fits(self.out.len() - self.start)
            }
        }
    }

    fn range(
        &mut self,
        pipeline: &'t Pipeline,
        body: &'t [Node],
        otherwise: &'t [Node],
        dot: &Value<'t>,
    ) -> Result<Flow, String> {
        let over = self.pipeline(pipeline, dot)?;
        let is_empty = match &over {
            Value::Int(n) | Value::Long(n) => *n <= 0,
            Value::Byte(n) => *n == 0,
            Value::Nothing => true,
            Value::List(_) | Value::Map(_) | Value::Labels => !over.is_true(self.context.scope),
            other => {
                let shown = print(self.context.scope, std::slice::from_ref(other))?;
                return Err(format!("range can't iterate over {shown}"));
            }
        };
        if over.integer().is_some() && pipeline.variables.len() > 1 {
            let shown = print(self.context.scope, std::slice::from_ref(&over))?;
            return Err(format!("can't use {shown} to iterate over more than one variable"));
        }
        if is_empty {
            return self.walk(otherwise, dot);
        }
        let held = |value: &Value<'static>| Value::Held(Box::new(value.clone()));
        match over {
            Value::Int(n) => self.turns((0..n).map(|at| (Value::Nothing, Value::Int(at))), pipeline, body),
            Value::Long(n) => self.turns((0..n).map(|at| (Value::Nothing, Value::Long(at))), pipeline, body),
            Value::Byte(n) => self.turns((0..n).map(|at| (Value::Nothing, Value::Byte(at))), pipeline, body),
            Value::List(list) => {
                let each = list.iter().enumerate().map(|(at, value)| (Value::Int(at as i64), held(value)));
                self.turns(each, pipeline, body)
            }
            Value::Map(map) => {
                let each = map.iter().map(|(name, value)| (Value::text(name.clone()), held(value)));
                self.turns(each, pipeline, body)
            }
            _ => {
                let labels = self.labels()?;
                let each = labels.into_iter().map(|(name, value)| (Value::text(name), Value::text(value)));
                self.turns(each, pipeline, body)
            }
        }
    }

    /// Returns copies of all labels.
    fn labels(&mut self) -> Result<Vec<(String, String)>, String> {
        let (mut res, mut n_bytes) = (Vec::new(), 0);
        self.context.scope.each_label(&mut |name, value| {
            n_bytes += name.len() + value.len();
            if n_bytes <= super::budget::OUTPUT_MAX_BYTES {
                res.push((name.to_string(), value.to_string()));
            }
        });
        self.context.budget.result(n_bytes)?;
        Ok(res)
    }

    fn turns(
        &mut self,
        each: impl Iterator<Item = (Value<'t>, Value<'t>)>,
        pipeline: &'t Pipeline,
        body: &'t [Node],
    ) -> Result<Flow, String> {
        let n_variables = self.variables.len();
        for (key, element) in each {
            self.context.budget.step()?;
            match (&pipeline.variables[..], pipeline.assigns) {
                ([], _) => {}
                ([name], true) => self.assign(name, element.clone())?,
                ([name, ..], true) => {
                    self.assign(name, key)?;
                    self.assign(&pipeline.variables[1], element.clone())?;
                }
                // They were declared by the pipeline, and lie on top.
                ([_], false) => self.set_from_top(1, element.clone()),
                ([..], false) => {
                    self.set_from_top(2, key);
                    self.set_from_top(1, element.clone());
                }
            }
            let flow = self.walk(body, &element)?;
            self.variables.truncate(n_variables);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn set_from_top(&mut self, n_from_top: usize, value: Value<'t>) {
        let idx = self.variables.len().checked_sub(n_from_top);
        if let Some((_, variable)) = idx.and_then(|idx| self.variables.get_mut(idx)) {
            *variable = value;
        }
    }

    fn assign(&mut self, name: &str, value: Value<'t>) -> Result<(), String> {
        if let Some((_, variable)) = self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            *variable = value;
            return Ok(());
        }
        if name != "$" {
            return Err(format!("undefined variable: {name}"));
        }
        self.root = value;
        Ok(())
    }

    fn variable(&self, name: &str) -> Evaluated<'t> {
        let known = self.variables.iter().rev().find(|(known, _)| *known == name);
        match known {
            Some((_, value)) => Ok(value.clone()),
            None if name == "$" => Ok(self.root.clone()),
            None => Err(format!("undefined variable: {name}")),
        }
    }

    fn call_tree(&mut self, call: &'t Call, dot: &Value<'t>) -> Result<(), String> {
        self.place = Place::Call(call);
        let known = self.parsed.trees.get_key_value(call.name.as_str());
        let (name, tree) = known.ok_or_else(|| format!("template {} not defined", quoted(&call.name)))?;
        if self.n_calls == CALLS_MAX {
            return Err(format!("exceeded maximum template depth ({CALLS_MAX})"));
        }
        self.context.budget.enter()?;
        let dot = match &call.pipeline {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Nothing,
        };
        let outer_root = std::mem::replace(&mut self.root, dot.clone());
        let outer_variables = std::mem::take(&mut self.variables);
        let outer_tree = std::mem::replace(&mut self.tree, name);
        self.n_calls += 1;
        self.walk(tree, &dot)?;
        self.n_calls -= 1;
        (self.root, self.variables, self.tree) = (outer_root, outer_variables, outer_tree);
        self.context.budget.leave();
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Value<'t>) -> Evaluated<'t> {
        self.place = Place::Pipeline(pipeline);
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, dot, last)?.unheld());
        }
        let value = last.unwrap_or(Value::Nothing);
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    /// Evaluates a command; `last` is what the one before it in the pipeline yielded.
    fn command(&mut self, command: &'t Command, dot: &Value<'t>, last: Option<Value<'t>>) -> Evaluated<'t> {
        let (first, args) = command.operands.split_first().ok_or("empty command")?;
        match &first.term {
            Term::Field(names) => {
                self.place = Place::Operand(first);
                self.fields(dot.clone(), names, dot, Place::Operand(first), args, last)
            }
            Term::Chain(inner, names) => {
                self.place = Place::Operand(first);
                let receiver = self.argument(inner, dot, None)?;
                self.fields(receiver, names, dot, Place::Operand(first), args, last)
            }
            Term::Function(function) => {
                self.place = Place::Operand(first);
                let call =
                    Invocation { function, place: Place::Command(command), receiver: None, args, last };
                self.invoke(call, dot)
            }
            Term::Variable(name, names) if !names.is_empty() => {
                self.place = Place::Operand(first);
                let receiver = self.variable(name)?;
                self.fields(receiver, names, dot, Place::Operand(first), args, last)
            }
            _ => {
                if !matches!(first.term, Term::Nested(_)) {
                    self.place = Place::Operand(first);
                }
                if !args.is_empty() || last.is_some() {
                    return Err(format!("can't give argument to non-function {first}"));
                }
                match &first.term {
                    Term::Nested(pipeline) => self.nested(pipeline, dot),
                    Term::Variable(name, _) => self.variable(name),
                    Term::Dot => Ok(dot.clone()),
                    Term::Nil => Err("nil is not a command".into()),
                    other => constant(other),
                }
            }
        }
    }

    fn nested(&mut self, pipeline: &'t Pipeline, dot: &Value<'t>) -> Evaluated<'t> {
        self.context.budget.enter()?;
        let value = self.pipeline(pipeline, dot)?;
        self.context.budget.leave();
        Ok(value)
    }

    /// Evaluates an operand; where no type is asked for, nothing is refused.
    fn argument(&mut self, operand: &'t Operand, dot: &Value<'t>, kind: Option<Kind>) -> Evaluated<'t> {
        self.place = Place::Operand(operand);
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil if kind.is_none_or(Kind::takes_nil) => return Ok(Value::Nothing),
            Term::Nil => {
                return Err(format!("cannot assign nil to {}", kind.map_or("", Kind::shown)));
            }
            Term::Field(names) => self.fields(dot.clone(), names, dot, Place::Operand(operand), &[], None)?,
            Term::Variable(name, names) => {
                let value = self.variable(name)?;
                self.fields(value, names, dot, Place::Operand(operand), &[], None)?
            }
            Term::Nested(pipeline) => self.nested(pipeline, dot)?,
            Term::Function(function) => {
                let place = Place::Operand(operand);
                let call = Invocation { function, place, receiver: None, args: &[], last: None };
                self.invoke(call, dot)?
            }
            Term::Chain(inner, names) => {
                let receiver = self.argument(inner, dot, None)?;
                self.fields(receiver, names, dot, Place::Operand(operand), &[], None)?
            }
            Term::Truth(_) | Term::Number(_) | Term::Text { .. } => return literal(operand, kind),
        };
        match kind {
            Some(kind) => fitting(value, kind),
            None => Ok(value),
        }
    }

    /// Goes through fields, of which the last may be a method with arguments.
    fn fields(
        &mut self,
        receiver: Value<'t>,
        names: &'t [String],
        dot: &Value<'t>,
        place: Place<'t>,
        args: &'t [Operand],
        last: Option<Value<'t>>,
    ) -> Evaluated<'t> {
        let Some((name, before)) = names.split_last() else { return Ok(receiver) };
        let mut receiver = receiver;
        for name in before {
            receiver = self.field(receiver, name, dot, place, &[], None)?;
        }
        self.field(receiver, name, dot, place, args, last)
    }

    fn field(
        &mut self,
        receiver: Value<'t>,
        name: &'t str,
        dot: &Value<'t>,
        place: Place<'t>,
        args: &'t [Operand],
        last: Option<Value<'t>>,
    ) -> Evaluated<'t> {
        let type_name = receiver.type_name();
        let receiver = match receiver {
            Value::Nothing => return Ok(Value::Nothing),
            Value::Held(inner) if matches!(*inner, Value::Nothing) => {
                return Err(format!("nil pointer evaluating {type_name}.{name}"));
            }
            other => other.unheld(),
        };
        if let Some(function) = Function::method(&receiver, name) {
            let call = Invocation { function, place, receiver: Some(receiver), args, last };
            return self.invoke(call, dot);
        }
        let is_map = matches!(receiver, Value::Labels | Value::Map(_));
        if is_map && (!args.is_empty() || last.is_some()) {
            return Err(format!("{name} is not a method but has arguments"));
        }
        match &receiver {
            Value::Labels => Ok(Value::text(self.context.scope.label(name).unwrap_or_default())),
            Value::Map(map) => Ok(Value::Held(Box::new(map.get(name).cloned().unwrap_or(Value::Nothing)))),
            _ => Err(format!("can't evaluate field {name} in type {type_name}")),
        }
    }

    fn invoke(&mut self, call: Invocation<'t>, dot: &Value<'t>) -> Evaluated<'t> {
        let Invocation { function, place, receiver, args, last } = call;
        let n_receivers = usize::from(receiver.is_some());
        let n_taken = function.takes.len() - n_receivers;
        let n_args = args.len() + usize::from(last.is_some());
        let name = function.name;
        if function.rest.is_some() && n_args < n_taken {
            // Go does not count the one of the pipeline here.
            return Err(format!(
                "wrong number of args for {name}: want at least {n_taken} got {}",
                args.len()
            ));
        }
        if function.rest.is_none() && n_args != n_taken {
            return Err(format!("wrong number of args for {name}: want {n_taken} got {n_args}"));
        }
        let body = match function.body {
            Body::And => return self.until(args, last, dot, false),
            Body::Or => return self.until(args, last, dot, true),
            Body::Call => None,
            Body::Plain(body) => Some(body),
        };
        let mut values = Vec::with_capacity(n_args + n_receivers);
        values.extend(receiver);
        for operand in args {
            let kind = function.kind(values.len());
            values.push(self.argument(operand, dot, kind)?);
        }
        if let Some(last) = last {
            let kind = function.kind(values.len()).unwrap_or(Kind::Any);
            values.push(fitting(last, kind)?);
        }
        let answer = match body {
            Some(body) => self.answer(body, values),
            None => Err(not_called(args.first(), values.first())),
        };
        answer.map_err(|message| {
            self.place = place;
            format!("error calling {name}: {message}")
        })
    }

    /// Calls a function, within what the rendering may take.
    fn answer(
        &mut self,
        body: fn(&mut Context<'t>, Args<'t>) -> Evaluated<'t>,
        values: Vec<Value<'t>>,
    ) -> Evaluated<'t> {
        let n_bytes = |value: &Value<'t>| if let Value::Text(text) = value { text.len() } else { 0 };
        self.context.budget.work(values.iter().map(n_bytes).sum())?;
        let value = body(&mut self.context, Args(values))?;
        if let Value::Text(std::borrow::Cow::Owned(text)) = &value {
            self.context.budget.result(text.len())?;
        }
        Ok(value)
    }

    /// Returns the first argument that is as true as it says, or the last; the others are not looked
    /// at.
    fn until(
        &mut self,
        args: &'t [Operand],
        last: Option<Value<'t>>,
        dot: &Value<'t>,
        truth: bool,
    ) -> Evaluated<'t> {
        let mut value = Value::Nothing;
        for operand in args {
            value = self.argument(operand, dot, Some(Kind::Reflected))?;
            if value.is_true(self.context.scope) == truth {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}

struct Invocation<'t> {
    function: &'static Function,
    /// What messages name.
    place: Place<'t>,
    /// What the method is one of.
    receiver: Option<Value<'t>>,
    args: &'t [Operand],
    /// The last argument, out of the pipeline.
    last: Option<Value<'t>>,
}

fn not_called(operand: Option<&Operand>, value: Option<&Value<'_>>) -> String {
    match value {
        None | Some(Value::Nothing) => "call of nil".into(),
        Some(value) => {
            let type_name = value.type_name();
            let piped = || match value {
                Value::Text(text) => text.to_string(),
                _ => format!("<{type_name} Value>"),
            };
            let shown = operand.map_or_else(piped, Operand::to_string);
            format!("non-function {shown} of type {type_name}")
        }
    }
}

/// Returns a constant with the type that its writing gives it.
fn constant<'t>(term: &'t Term) -> Evaluated<'t> {
    match term {
        Term::Truth(truth) => Ok(Value::Truth(*truth)),
        Term::Text { text, .. } => Ok(Value::text(text.as_str())),
        Term::Number(Number { float: Some(float), is_float: true, .. }) => Ok(Value::Float(*float)),
        Term::Number(Number { int: Some(int), .. }) => Ok(Value::Int(*int)),
        Term::Number(Number { written, .. }) => Err(format!("{written} overflows int")),
        _ => Ok(Value::Nothing),
    }
}

/// Returns a constant as an argument of a type.
fn literal<'t>(operand: &'t Operand, kind: Option<Kind>) -> Evaluated<'t> {
    let Some(kind) = kind else { return constant(&operand.term) };
    let unlike = |expected: &str| Err(format!("expected {expected}; found {operand}"));
    match (kind, &operand.term) {
        (Kind::Any | Kind::Reflected, term) => constant(term),
        (Kind::Text, Term::Text { text, .. }) => Ok(Value::text(text.as_str())),
        (Kind::Text, _) => unlike("string"),
        (Kind::Int, Term::Number(Number { int: Some(int), .. })) => Ok(Value::Int(*int)),
        (Kind::Int, _) => unlike("integer"),
        (Kind::Float, Term::Number(Number { float: Some(float), .. })) => Ok(Value::Float(*float)),
        (Kind::Float, _) => unlike("float"),
        (Kind::Moment, _) => Err(format!("can't handle {operand} for arg of type time.Time")),
    }
}

/// Refuses a value that is not of a type.
fn fitting(value: Value<'_>, kind: Kind) -> Evaluated<'_> {
    let value = match value {
        Value::Held(inner) if matches!(*inner, Value::Nothing) && !kind.takes_nil() => {
            return Err(format!("wrong type for value; expected {}; got interface {{}}", kind.shown()));
        }
        other => other.unheld(),
    };
    let fits = match (&value, kind) {
        (_, Kind::Any | Kind::Reflected) => true,
        (Value::Text(_), Kind::Text) | (Value::Int(_), Kind::Int) => true,
        (Value::Float(_), Kind::Float) | (Value::Moment(_), Kind::Moment) => true,
        (Value::Nothing, _) => return Err(format!("invalid value; expected {}", kind.shown())),
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    Err(format!("wrong type for value; expected {}; got {}", kind.shown(), value.type_name()))
}
