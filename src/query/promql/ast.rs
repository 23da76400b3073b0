//! What a PromQL text means, with the place of every part in it.
//!
//! The tree keeps what was written (parentheses, `5m` as a number) so that it can be printed
//! again, and positions, so that whatever is wrong with a part can be shown under it.

use std::ops::Range;

use super::signature::Function;
pub use crate::query::algebra::aggregate::AggregateOp;
pub use crate::query::algebra::arithmetic::BinaryOp;
pub use crate::query::algebra::matching::{Cardinality, Matching};
use crate::record::read::Matcher;

/// A part of the query's text, in bytes; the end is not included.
pub type Span = Range<usize>;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// One number at each moment.
    Scalar,
    /// One text.
    String,
    /// One number for each of many label sets at each moment.
    Vector,
    /// Samples over a time for each of many label sets.
    Matrix,
}

impl Type {
    /// Returns the type's name as Prometheus documents it.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Scalar => "scalar",
            Type::String => "string",
            Type::Vector => "instant vector",
            Type::Matrix => "range vector",
        }
    }
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    /// `1.5`, `0x1F`, `Inf`, `5m`
    Number(Number),
    /// `"text"`
    String(Text),
    /// `(inner)`
    Paren(Paren),
    /// `-inner`
    Unary(Unary),
    /// `lhs op rhs`
    Binary(Binary),
    /// `sum by (job) (inner)`
    Aggregate(Aggregate),
    /// `rate(x[5m])`
    Call(Call),
    /// `up{job="vitrine"} offset 5m`
    Vector(VectorSelector),
    /// `up{job="vitrine"}[5m]`
    Matrix(MatrixSelector),
    /// `inner[1h:1m]`
    Subquery(Subquery),
}

/// A number as it was written.
#[derive(Clone, Debug)]
pub struct Number {
    /// The value; of a duration its seconds.
    pub value: f64,
    /// It was written as a duration, such as `1h30m`.
    pub is_duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A text in quotes.
#[derive(Clone, Debug)]
pub struct Text {
    /// What it means, escapes resolved.
    pub value: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// An expression in parentheses.
#[derive(Clone, Debug)]
pub struct Paren {
    /// What is inside.
    pub inner: Box<Expr>,
    /// Where it stands, parentheses included.
    pub span: Span,
}

/// A sign before an expression.
#[derive(Clone, Debug)]
pub struct Unary {
    /// `-` rather than `+`.
    pub is_minus: bool,
    /// What it stands before.
    pub inner: Box<Expr>,
    /// Where the sign stands.
    pub start: usize,
}

/// An operator between two expressions.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// The left side.
    pub lhs: Box<Expr>,
    /// The right side.
    pub rhs: Box<Expr>,
    /// `bool`: answer 0 or 1 rather than filter.
    pub is_bool: bool,
    /// How series meet; none unless both sides are vectors.
    pub matching: Option<Matching>,
}

impl AggregateOp {
    /// Returns the type of the parameter before the vector, if the operator takes one.
    pub fn parameter(self) -> Option<Type> {
        use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
        match self {
            Topk | Bottomk | Quantile | Limitk | LimitRatio => Some(Type::Scalar),
            CountValues => Some(Type::String),
            _ => None,
        }
    }
}

/// An aggregation over a vector.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// The parameter of those that take one.
    pub parameter: Option<Box<Expr>>,
    /// The vector.
    pub inner: Box<Expr>,
    /// The labels of `by` or `without`, as written.
    pub grouping: Vec<String>,
    /// `without` rather than `by`.
    pub is_without: bool,
    /// Where all of it stands.
    pub span: Span,
}

/// A call of a function.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called.
    pub function: &'static Function,
    /// What with.
    pub args: Vec<Expr>,
    /// Where it stands, from the name to the closing parenthesis.
    pub span: Span,
}

/// The moment of an `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A number of milliseconds since 1970.
    Time(i64),
    /// `@ start()`: the query's first moment.
    Start,
    /// `@ end()`: the query's last moment.
    End,
}

/// A selector of series.
#[derive(Clone, Debug)]
pub struct VectorSelector {
    /// The metric's name if it was written before the braces; it is among the matchers too, last.
    pub name: Option<String>,
    /// All must accept a series, in the order written.
    pub matchers: Vec<Matcher>,
    /// `offset`, in milliseconds into the past.
    pub offset_ms: i64,
    /// `@`
    pub at: Option<At>,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// A selector of series with the samples of a range.
#[derive(Clone, Debug)]
pub struct MatrixSelector {
    /// Which series, and the modifiers, which are written behind the range.
    pub selector: VectorSelector,
    /// The range's length in milliseconds, more than none.
    pub range_ms: i64,
    /// Where it ends, modifiers included.
    pub end: usize,
}

/// An expression evaluated at many moments of a range.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What is evaluated.
    pub inner: Box<Expr>,
    /// The range's length in milliseconds, more than none.
    pub range_ms: i64,
    /// The distance of two evaluations in milliseconds; none takes the default.
    pub step_ms: Option<i64>,
    /// `offset`, in milliseconds into the past.
    pub offset_ms: i64,
    /// `@`
    pub at: Option<At>,
    /// Where it ends, modifiers included.
    pub end: usize,
}

impl Expr {
    /// Returns where the expression stands.
    pub fn span(&self) -> Span {
        match self {
            Expr::Number(number) => number.span.clone(),
            Expr::String(text) => text.span.clone(),
            Expr::Paren(paren) => paren.span.clone(),
            Expr::Unary(unary) => unary.start..unary.inner.span().end,
            Expr::Binary(binary) => binary.lhs.span().start..binary.rhs.span().end,
            Expr::Aggregate(aggregate) => aggregate.span.clone(),
            Expr::Call(call) => call.span.clone(),
            Expr::Vector(selector) => selector.span.clone(),
            Expr::Matrix(matrix) => matrix.selector.span.start..matrix.end,
            Expr::Subquery(subquery) => subquery.inner.span().start..subquery.end,
        }
    }

    /// Returns the type that the expression evaluates to.
    pub fn value_type(&self) -> Type {
        match self {
            Expr::Number(_) => Type::Scalar,
            Expr::String(_) => Type::String,
            Expr::Paren(paren) => paren.inner.value_type(),
            Expr::Unary(unary) => unary.inner.value_type(),
            Expr::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
            Expr::Call(call) => call.function.returns,
            Expr::Aggregate(_) | Expr::Vector(_) => Type::Vector,
            Expr::Matrix(_) | Expr::Subquery(_) => Type::Matrix,
        }
    }

    /// Returns the expression inside any parentheses around it.
    pub fn bare(&self) -> &Expr {
        match self {
            Expr::Paren(paren) => paren.inner.bare(),
            other => other,
        }
    }

    /// Returns the expressions directly below this one, in the order of the text.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => Vec::new(),
            Expr::Paren(paren) => vec![&paren.inner],
            Expr::Unary(unary) => vec![&unary.inner],
            Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            Expr::Aggregate(aggregate) => {
                aggregate.parameter.iter().chain([&aggregate.inner]).map(AsRef::as_ref).collect()
            }
            Expr::Call(call) => call.args.iter().collect(),
            Expr::Subquery(subquery) => vec![&subquery.inner],
        }
    }
}
