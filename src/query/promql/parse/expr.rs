//! Expressions: operators by how tightly they bind, and what stands between them.

use super::super::ParseError;
use super::super::ast::{Binary, BinaryOp, Cardinality, Expr, Matching, Paren, Text, Unary};
use super::super::lex::{Kind, Word, unquoted};
use super::{Parser, Tree};

/// How tightly `^` binds; an operand of a sign is bound by nothing looser, so `-a ^ b` is
/// `-(a ^ b)` and `-a * b` is `(-a) * b`.
const POWER: u8 = 6;

/// Returns how tightly an operator binds.
fn tightness(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::Less
        | BinaryOp::GreaterEqual
        | BinaryOp::LessEqual => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => POWER,
    }
}

/// What may stand between an operator and its right side.
struct Between {
    is_bool: bool,
    matching: Matching,
    has_fill: bool,
}

/// Returns true when an expression can begin with a word.
pub(super) fn can_begin(kind: Kind) -> bool {
    kind.is_metric_name()
        || matches!(
            kind,
            Kind::Op(BinaryOp::Add | BinaryOp::Sub)
                | Kind::Number
                | Kind::Duration
                | Kind::Text
                | Kind::LeftParen
                | Kind::LeftBrace
        )
}

impl Parser<'_> {
    /// Reads an expression.
    pub(super) fn expr(&mut self) -> Result<Tree, ParseError> {
        self.binary(0)
    }

    /// Reads an expression of operators that bind at least so tightly.
    fn binary(&mut self, tightness_min: u8) -> Result<Tree, ParseError> {
        self.enter()?;
        let mut lhs = self.operand()?;
        loop {
            let op = match self.peek()? {
                Kind::Op(op) if tightness(op) >= tightness_min => op,
                Kind::TrimUpper | Kind::TrimLower => {
                    let op = self.last.text(self.query);
                    let message = format!("operator {op} is for native histograms, which are not supported");
                    return Err(self.error(self.last.span.clone(), message));
                }
                _ => break,
            };
            self.next()?;
            let between = self.between()?;
            let is_right_first = op == BinaryOp::Pow;
            let rhs = self.binary(tightness(op) + u8::from(!is_right_first))?;
            lhs = self.joined(lhs, op, between, rhs)?;
        }
        self.leave();
        Ok(lhs)
    }

    fn joined(&self, lhs: Tree, op: BinaryOp, between: Between, rhs: Tree) -> Result<Tree, ParseError> {
        let Between { is_bool, matching, has_fill } = between;
        let height = lhs.height.max(rhs.height);
        let (lhs, rhs) = (Box::new(lhs.expr), Box::new(rhs.expr));
        let expr = Expr::Binary(Binary { op, lhs, rhs, is_bool, matching: Some(matching) });
        if has_fill {
            return Err(self.error(expr.span(), "binop fill modifiers are experimental and not enabled"));
        }
        self.node(expr, height)
    }

    /// Reads `bool`, `on (..)` and their like behind an operator.
    fn between(&mut self) -> Result<Between, ParseError> {
        let is_bool = self.accept(Kind::Word(Word::Bool))?;
        let mut matching = Matching {
            cardinality: Cardinality::OneToOne,
            labels: Vec::new(),
            is_on: false,
            include: Vec::new(),
        };
        if let Kind::Word(word @ (Word::On | Word::Ignoring)) = self.peek()? {
            self.next()?;
            matching.is_on = word == Word::On;
            matching.labels = self.grouping_labels()?;
            if let Kind::Word(word @ (Word::GroupLeft | Word::GroupRight)) = self.peek()? {
                self.next()?;
                matching.cardinality =
                    if word == Word::GroupLeft { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                // The labels may be left out, but only before the right side.
                if self.peek()? == Kind::LeftParen || !can_begin(self.last.kind) {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        let has_fill = self.fill()?;
        Ok(Between { is_bool, matching, has_fill })
    }

    /// Reads `fill (0)`, `fill_left (0) fill_right (0)`, or nothing; returns true if there was any.
    fn fill(&mut self) -> Result<bool, ParseError> {
        let Kind::Word(first @ (Word::Fill | Word::FillLeft | Word::FillRight)) = self.peek()? else {
            return Ok(false);
        };
        self.next()?;
        self.fill_value()?;
        let other = match first {
            Word::FillLeft => Word::FillRight,
            Word::FillRight => Word::FillLeft,
            _ => return Ok(true),
        };
        if self.accept(Kind::Word(other))? {
            self.fill_value()?;
        }
        Ok(true)
    }

    fn fill_value(&mut self) -> Result<(), ParseError> {
        if !self.accept(Kind::LeftParen)? {
            return Err(self.unexpected_in_expr());
        }
        if let Kind::Op(BinaryOp::Add | BinaryOp::Sub) = self.peek()? {
            self.next()?;
        }
        self.number()?.ok_or_else(|| self.unexpected_in_expr())?;
        if self.accept(Kind::RightParen)? { Ok(()) } else { Err(self.unexpected_in_expr()) }
    }

    /// Reads what stands between operators, with its modifiers.
    fn operand(&mut self) -> Result<Tree, ParseError> {
        let tree = match self.peek()? {
            Kind::Op(BinaryOp::Add | BinaryOp::Sub) => self.unary()?,
            Kind::Number | Kind::Duration => match self.number()? {
                Some(number) => Tree::leaf(Expr::Number(number)),
                None => return Err(self.unexpected_in_expr()),
            },
            Kind::Text => {
                let token = self.next()?;
                let value = unquoted(token.text(self.query));
                Tree::leaf(Expr::String(Text { value, span: token.span }))
            }
            Kind::LeftParen => self.paren()?,
            Kind::LeftBrace => Tree::leaf(Expr::Vector(self.selector(None)?)),
            kind if kind.is_metric_name() => self.named()?,
            _ => return Err(self.unexpected_in_expr()),
        };
        self.modified(tree)
    }

    fn unary(&mut self) -> Result<Tree, ParseError> {
        let sign = self.next()?;
        let is_minus = sign.kind == Kind::Op(BinaryOp::Sub);
        let mut tree = self.binary(POWER)?;
        if let Expr::Number(number) = &mut tree.expr {
            number.span.start = sign.span.start;
            if is_minus {
                number.value = -number.value;
            }
            return Ok(tree);
        }
        let inner = Box::new(tree.expr);
        self.node(Expr::Unary(Unary { is_minus, inner, start: sign.span.start }), tree.height)
    }

    fn paren(&mut self) -> Result<Tree, ParseError> {
        let start = self.next()?.span.start;
        let tree = self.expr()?;
        if self.peek()? != Kind::RightParen {
            return Err(self.unexpected_in_expr());
        }
        let end = self.next()?.span.end;
        self.node(Expr::Paren(Paren { inner: Box::new(tree.expr), span: start..end }), tree.height)
    }

    /// Reads what begins with a name: a call, an aggregation or a selector.
    fn named(&mut self) -> Result<Tree, ParseError> {
        let name = self.next()?;
        let next = self.peek()?;
        match name.kind {
            Kind::Identifier
            | Kind::Word(Word::Start | Word::End | Word::Step | Word::Range | Word::MaxOf | Word::MinOf)
                if next == Kind::LeftParen =>
            {
                self.call(&name)
            }
            Kind::Aggregate(op) if matches!(next, Kind::LeftParen | Kind::Word(Word::By | Word::Without)) => {
                self.aggregate(op, &name)
            }
            _ => Ok(Tree::leaf(Expr::Vector(self.selector(Some(name))?))),
        }
    }
}
