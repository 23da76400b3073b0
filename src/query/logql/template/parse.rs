//! From tokens to trees, one for the template itself and one for each `define` and `block`.
//!
//! Faults are said in the words of Go, with the line of the last token that was looked at. Source:
//! Go, the documentation of `text/template`, and what its parser answers.

use std::collections::BTreeMap;

use super::functions::Function;
use super::lex::{Keyword, Kind, Token, tokens};
use super::node::{Block, Branch, Call, Command, Node, Operand, Pipeline, Term};
use super::{TemplateError, literal, quoted};

/// Longest template: hundreds of times what fits a line of a query, and its tree stays below 10 MB.
const TEXT_MAX_BYTES: usize = 64 << 10;

/// Deepest nesting of blocks, `else if`s and parentheses: reading them goes down the stack, and
/// nobody nests a tenth as deep. Go's limit, 10,000 parentheses, is one of its own stack.
const NESTING_MAX: usize = 100;

/// The trees of a template, by their names; its own has the name that it was given.
pub(super) type Trees = BTreeMap<String, Block>;

/// Reads a template that messages call by a name.
pub(super) fn parse(name: &'static str, text: &str) -> Result<Trees, TemplateError> {
    let fault = |line, message| TemplateError::Syntax { name, line, message };
    if text.len() > TEXT_MAX_BYTES {
        let message = format!("template of {} bytes is above the limit of {TEXT_MAX_BYTES}", text.len());
        return Err(fault(1, message));
    }
    let mut parser = Parser {
        name,
        tokens: tokens(text),
        next: 0,
        furthest: 0,
        depth: 0,
        trees: Trees::new(),
        scope: Scope::default(),
    };
    match parser.template() {
        Ok(()) => Ok(parser.trees),
        Err(message) => Err(fault(parser.tokens[parser.furthest].line, message)),
    }
}

struct Parser<'s> {
    name: &'static str,
    /// The last is the end or an error, and is never passed.
    tokens: Vec<Token<'s>>,
    next: usize,
    /// The furthest token that was looked at.
    furthest: usize,
    depth: usize,
    trees: Trees,
    scope: Scope,
}

/// What holds in one tree.
#[derive(Default)]
struct Scope {
    /// The variables that are known, `$` aside.
    variables: Vec<String>,
    /// How many loops are open.
    n_ranges: usize,
    /// The line in which the action began that is being read.
    action_line: Option<usize>,
}

/// What ends a list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    End,
    /// The token behind it is still to be read, when it is `if` or `with`.
    Else,
}

impl Ending {
    fn shown(self) -> &'static str {
        match self {
            Ending::End => "{{end}}",
            Ending::Else => "{{else}}",
        }
    }
}

enum Item {
    Node(Node),
    Ending(Ending),
}

impl<'s> Parser<'s> {
    fn peek(&mut self) -> Token<'s> {
        let at = self.next.min(self.tokens.len() - 1);
        self.furthest = self.furthest.max(at);
        self.tokens[at].clone()
    }

    fn take(&mut self) -> Token<'s> {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn peek_word(&mut self) -> Token<'s> {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn take_word(&mut self) -> Token<'s> {
        self.peek_word();
        self.take()
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'s>, String> {
        let token = self.take_word();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    fn unexpected(&self, token: &Token<'_>, context: &str) -> String {
        if token.kind != Kind::Error {
            return format!("unexpected {} in {context}", token.shown());
        }
        match self.scope.action_line.filter(|line| *line != token.line) {
            // "unclosed action" says it already.
            Some(line) if token.text.ends_with(" action") => {
                format!("{} started at {}:{line}", token.text, self.name)
            }
            Some(line) => format!("{} in action started at {}:{line}", token.text, self.name),
            None => token.text.to_string(),
        }
    }

    /// Reads what is nested a step deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(format!("blocks and parentheses are nested deeper than {NESTING_MAX}"));
        }
        let res = read(self);
        self.depth -= 1;
        res
    }

    fn template(&mut self) -> Result<(), String> {
        let mut root = Block::new();
        while self.peek().kind != Kind::End {
            let before = self.next;
            if self.take().kind == Kind::Open && self.take_word().kind == Kind::Keyword(Keyword::Define) {
                self.deeper(Self::definition)?;
                continue;
            }
            self.next = before;
            match self.item()? {
                Item::Node(node) => root.push(node),
                Item::Ending(ending) => return Err(format!("unexpected {}", ending.shown())),
            }
        }
        self.add(self.name.to_string(), root)
    }

    fn add(&mut self, name: String, tree: Block) -> Result<(), String> {
        let has_both = !is_empty(&tree) && self.trees.get(&name).is_some_and(|known| !is_empty(known));
        if has_both {
            return Err(format!("template: multiple definition of template {}", quoted(&name)));
        }
        if self.trees.get(&name).is_none_or(|known| is_empty(known)) {
            self.trees.insert(name, tree);
        }
        Ok(())
    }

    /// Reads `"name"}} … {{end}}` behind `define`.
    fn definition(&mut self) -> Result<(), String> {
        let context = "define clause";
        let outer = std::mem::take(&mut self.scope);
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        self.expect(Kind::Close, context)?;
        self.tree(name, context)?;
        self.scope = outer;
        Ok(())
    }

    /// Reads the body of another template, up to its end.
    fn tree(&mut self, name: String, context: &str) -> Result<(), String> {
        let (tree, ending) = self.list()?;
        match ending {
            Ending::End => self.add(name, tree),
            Ending::Else => Err(format!("unexpected {} in {context}", ending.shown())),
        }
    }

    fn list(&mut self) -> Result<(Block, Ending), String> {
        let mut res = Block::new();
        while self.peek_word().kind != Kind::End {
            match self.item()? {
                Item::Node(node) => res.push(node),
                Item::Ending(ending) => return Ok((res, ending)),
            }
        }
        Err("unexpected EOF".into())
    }

    fn item(&mut self) -> Result<Item, String> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text.into_owned()))),
            Kind::Open => {
                self.scope.action_line = Some(token.line);
                let res = self.action();
                if res.is_ok() {
                    self.scope.action_line = None;
                }
                res
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Result<Item, String> {
        let before = self.next;
        let token = self.take_word();
        let Kind::Keyword(keyword) = token.kind else {
            self.next = before;
            return Ok(Item::Node(Node::Action(self.pipeline("command", Kind::Close)?)));
        };
        let node = match keyword {
            Keyword::Block => self.deeper(Self::block)?,
            Keyword::Break => self.leave_loop("{{break}}", Node::Break)?,
            Keyword::Continue => self.leave_loop("{{continue}}", Node::Continue)?,
            Keyword::Else => {
                let next = self.peek_word().kind;
                if !matches!(next, Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.expect(Kind::Close, "else")?;
                }
                return Ok(Item::Ending(Ending::Else));
            }
            Keyword::End => {
                self.expect(Kind::Close, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Keyword::If => self.branch(Branch::If)?,
            Keyword::Range => self.branch(Branch::Range)?,
            Keyword::With => self.branch(Branch::With)?,
            Keyword::Template => self.call()?,
            Keyword::Define | Keyword::Dot | Keyword::Nil => {
                self.next = before;
                Node::Action(self.pipeline("command", Kind::Close)?)
            }
        };
        Ok(Item::Node(node))
    }

    fn leave_loop(&mut self, shown: &str, node: Node) -> Result<Node, String> {
        self.expect(Kind::Close, shown)?;
        if self.scope.n_ranges == 0 {
            return Err(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn branch(&mut self, kind: Branch) -> Result<Node, String> {
        self.deeper(|parser| {
            let n_variables = parser.scope.variables.len();
            let node = parser.branch_in_scope(kind)?;
            parser.scope.variables.truncate(n_variables);
            Ok(node)
        })
    }

    fn branch_in_scope(&mut self, kind: Branch) -> Result<Node, String> {
        let (context, keyword) = match kind {
            Branch::If => ("if", Some(Keyword::If)),
            Branch::With => ("with", Some(Keyword::With)),
            Branch::Range => ("range", None),
        };
        let pipeline = self.pipeline(context, Kind::Close)?;
        let in_loop = usize::from(kind == Branch::Range);
        self.scope.n_ranges += in_loop;
        let (body, ending) = self.list()?;
        self.scope.n_ranges -= in_loop;
        let mut otherwise = Block::new();
        if ending == Ending::Else {
            if keyword.is_some_and(|keyword| self.peek().kind == Kind::Keyword(keyword)) {
                // `else if` is an `if` in the `else`; their ends are one.
                self.take();
                otherwise.push(self.branch(kind)?);
            } else {
                let (nodes, ending) = self.list()?;
                if ending != Ending::End {
                    return Err(format!("expected end; found {}", ending.shown()));
                }
                otherwise = nodes;
            }
        }
        Ok(Node::Branch { kind, pipeline, body, otherwise })
    }

    /// Reads `"name" pipeline}} … {{end}}` behind `block`: a definition and a call of it.
    fn block(&mut self) -> Result<Node, String> {
        let context = "block clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let pipeline = Some(self.pipeline(context, Kind::Close)?);
        let outer = std::mem::take(&mut self.scope);
        self.tree(name.clone(), context)?;
        self.scope = outer;
        Ok(Node::Call(Call { at: token.at, name, pipeline }))
    }

    fn call(&mut self) -> Result<Node, String> {
        let context = "template clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let is_bare = self.peek_word().kind == Kind::Close;
        let pipeline = if is_bare {
            self.take();
            None
        } else {
            Some(self.pipeline(context, Kind::Close)?)
        };
        Ok(Node::Call(Call { at: token.at, name, pipeline }))
    }

    fn template_name(&mut self, token: &Token<'_>, context: &str) -> Result<String, String> {
        match token.kind {
            Kind::Quoted | Kind::Raw => literal::text(&token.text),
            _ => Err(self.unexpected(token, context)),
        }
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline, String> {
        let at = self.peek_word().at;
        let mut res = Pipeline { at, variables: Vec::new(), assigns: false, commands: Vec::new() };
        self.variables(&mut res, context)?;
        loop {
            let before = self.next;
            let token = self.take_word();
            match token.kind {
                kind if kind == end => break,
                Kind::Truth
                | Kind::Character
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Raw
                | Kind::Quoted
                | Kind::Variable
                | Kind::OpenParen
                | Kind::Keyword(Keyword::Dot | Keyword::Nil) => {
                    self.next = before;
                    let command = self.command()?;
                    res.commands.push(command);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        if res.commands.is_empty() {
            return Err(format!("missing value for {context}"));
        }
        let is_value = |command: &Command| {
            let term = &command.operands[0].term;
            matches!(term, Term::Truth(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text { .. })
        };
        match res.commands.iter().skip(1).position(is_value) {
            Some(idx) => Err(format!("non executable command in pipeline stage {}", idx + 2)),
            None => Ok(res),
        }
    }

    /// Reads `$x :=`, `$x =` or, in a loop, `$i, $x :=`.
    fn variables(&mut self, pipeline: &mut Pipeline, context: &str) -> Result<(), String> {
        while self.peek_word().kind == Kind::Variable {
            let before = self.next;
            let name = self.take().text.into_owned();
            // Also when it turns out to be no declaration: Go looks at the token behind a space too.
            self.peek();
            let next = self.peek_word();
            let is_sign = matches!(next.kind, Kind::Assign | Kind::Declare);
            let is_comma = next.kind == Kind::Other && next.text == ",";
            if !is_sign && !is_comma {
                self.next = before;
                return Ok(());
            }
            self.take();
            pipeline.variables.push(name.clone());
            self.scope.variables.push(name);
            if is_sign {
                pipeline.assigns = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipeline.variables.len() > 1 {
                return Err(format!("too many declarations in {context}"));
            }
            if !matches!(self.peek_word().kind, Kind::Variable | Kind::Close | Kind::CloseParen) {
                return Err("range can only initialize variables".into());
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command, String> {
        let at = self.peek_word().at;
        let mut operands = Vec::new();
        loop {
            self.peek_word();
            operands.extend(self.operand()?);
            let before = self.next;
            let token = self.take();
            match token.kind {
                Kind::Space => continue,
                Kind::Close | Kind::CloseParen => self.next = before,
                Kind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if operands.is_empty() {
            return Err("empty command".into());
        }
        Ok(Command { at, operands })
    }

    /// Reads a term and the fields behind it; none when the next token is no term.
    fn operand(&mut self) -> Result<Option<Operand>, String> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(operand));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.take().text[1..].to_string());
        }
        match &mut operand.term {
            Term::Field(names) | Term::Variable(_, names) => names.append(&mut fields),
            Term::Truth(_) | Term::Text { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                return Err(format!("unexpected . after term {}", quoted(&operand.to_string())));
            }
            Term::Function(_) | Term::Nested(_) | Term::Chain(..) => {
                let inner = Box::new(operand);
                return Ok(Some(Operand { at: first.at, term: Term::Chain(inner, fields) }));
            }
        }
        // A place in Go's messages is where the second field begins.
        operand.at = first.at;
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>, String> {
        let before = self.next;
        let token = self.take_word();
        let term = match token.kind {
            Kind::Identifier => match Function::find(&token.text) {
                Some(function) => Term::Function(function),
                None => return Err(format!("function {} not defined", quoted(&token.text))),
            },
            Kind::Keyword(Keyword::Dot) => Term::Dot,
            Kind::Keyword(Keyword::Nil) => Term::Nil,
            Kind::Variable => {
                let is_known =
                    token.text == "$" || self.scope.variables.iter().any(|name| *name == token.text);
                if !is_known {
                    return Err(format!("undefined variable {}", quoted(&token.text)));
                }
                Term::Variable(token.text.into_owned(), Vec::new())
            }
            Kind::Field => Term::Field(vec![token.text[1..].to_string()]),
            Kind::Truth => Term::Truth(token.text == "true"),
            Kind::Character => Term::Number(literal::character(&token.text)?),
            Kind::Number => Term::Number(literal::number(&token.text)?),
            Kind::OpenParen => {
                let nested = |parser: &mut Self| parser.pipeline("parenthesized pipeline", Kind::CloseParen);
                Term::Nested(self.deeper(nested)?)
            }
            Kind::Quoted | Kind::Raw => {
                let text = literal::text(&token.text)?;
                Term::Text { written: token.text.into_owned(), text }
            }
            _ => {
                self.next = before;
                return Ok(None);
            }
        };
        // Go takes a pipeline to begin behind its parenthesis.
        let at = if let Term::Nested(pipeline) = &term { pipeline.at } else { token.at };
        Ok(Some(Operand { at, term }))
    }
}

/// Returns true when a tree has nothing in it but spaces.
fn is_empty(tree: &[Node]) -> bool {
    tree.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let error = parse("line", text).expect_err(text);
        assert_eq!(error.to_string(), format!("template: line:{expect}"), "{text}");
    }

    #[test]
    fn what_is_no_template_is_refused_in_the_words_of_go() {
        check("{{ if .a\n  .b }}", "2: unexpected EOF");
        check("{{if .a}}x", "1: unexpected EOF");
        check("{{\n", "2: unclosed action started at line:1");
        check("{{\n\"a", "2: unterminated quoted string in action started at line:1");
        check("{{ .a }\n}", "1: unexpected \"}\" in operand");
        check("{{else}}", "1: unexpected {{else}}");
        check("{{if .a}}{{else}}{{else}}{{end}}", "1: expected end; found {{else}}");
        check("{{if .a}}{{else with .a}}{{end}}{{end}}", "1: unexpected <with> in input");
        check("{{ 1 | 2 }}", "1: non executable command in pipeline stage 2");
        check("{{ | .a}}", "1: unexpected \"|\" in command");
        check("{{()}}", "1: missing value for parenthesized pipeline");
        check("{{$x}}", "1: undefined variable \"$x\"");
        check("{{if $x := .a}}{{end}}{{$x}}", "1: undefined variable \"$x\"");
        check("{{$x, $y := .a}}", "1: too many declarations in command");
        check("{{range $x, 1 := .a}}", "1: range can only initialize variables");
        check("{{foo .a}}", "1: function \"foo\" not defined");
        check("{{\"\\q\"}}", "1: invalid syntax");
        check("{{\"x\".y}}", "1: unexpected . after term \"\\\"x\\\"\"");
        check("{{template foo}}", "1: unexpected \"foo\" in template clause");
        check("{{block \"x\"}}{{end}}", "1: missing value for block clause");
        check("{{define \"x\"}}{{else}}", "1: unexpected {{else}} in define clause");
        check(
            "{{define \"x\"}}a{{end}}{{define \"x\"}}b{{end}}",
            "1: template: multiple definition of template \"x\"",
        );
        check("{{break}}", "1: {{break}} outside {{range}}");
        check("{{range .}}{{block \"x\" .}}{{continue}}", "1: {{continue}} outside {{range}}");
        check("{{1i}}", "1: illegal number syntax: \"1i\"");
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_refused() {
        let parens = format!("{{{{{}1{}}}}}", "(".repeat(101), ")".repeat(101));
        check(&parens, "1: blocks and parentheses are nested deeper than 100");
        let blocks = format!("{}{}", "{{if .a}}".repeat(101), "{{end}}".repeat(101));
        check(&blocks, "1: blocks and parentheses are nested deeper than 100");
        let chain = format!("{{{{if .a}}}}{}{{{{end}}}}", "{{else if .a}}".repeat(100));
        check(&chain, "1: blocks and parentheses are nested deeper than 100");
        check(&"a".repeat(70_000), "1: template of 70000 bytes is above the limit of 65536");
    }

    #[test]
    fn trees_have_names() {
        let names = |text: &str| parse("line", text).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names("{{define `a`}}x{{end}}{{block \"b\" .}}y{{end}}"), ["a", "b", "line"]);
        let trees = parse("line", "{{define \"line\"}}x{{end}} ").unwrap();
        assert!(matches!(&trees["line"][..], [Node::Text(text)] if text == "x"));
    }
}
