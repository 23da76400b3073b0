//! What a tree must fulfil beyond its grammar: types, numbers of arguments, matchers.
//!
//! The order of the checks decides which fault is shown, and is Prometheus's.

use super::ParseError;
use super::ast::{Aggregate, Binary, Call, Cardinality, Expr, Span, Type, VectorSelector};
use crate::query::quote::quoted;
use crate::record::read::MatchOp;

/// Checks a tree, and returns its type. Matching is taken from operators whose sides are not both
/// vectors, and made many-to-many for those between sets.
pub fn check(query: &str, expr: &mut Expr) -> Result<Type, ParseError> {
    Check { query }.expr(expr)
}

struct Check<'q> {
    query: &'q str,
}

impl Check<'_> {
    fn expr(&self, expr: &mut Expr) -> Result<Type, ParseError> {
        match expr {
            Expr::Number(_) => Ok(Type::Scalar),
            Expr::String(_) => Ok(Type::String),
            Expr::Paren(paren) => self.expr(&mut paren.inner),
            Expr::Unary(unary) => {
                let start = unary.start;
                let inner = self.expr(&mut unary.inner)?;
                if !is_of_numbers(inner) {
                    let message = format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                        quoted(inner.as_str())
                    );
                    return Err(self.error(start..unary.inner.span().end, message));
                }
                Ok(inner)
            }
            Expr::Binary(binary) => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Call(call) => self.call(call),
            Expr::Vector(selector) => {
                self.selector(selector)?;
                Ok(Type::Vector)
            }
            Expr::Matrix(matrix) => {
                self.selector(&matrix.selector)?;
                Ok(Type::Matrix)
            }
            Expr::Subquery(subquery) => {
                let inner = self.expr(&mut subquery.inner)?;
                if inner != Type::Vector {
                    let short = match inner {
                        Type::Scalar => "scalar",
                        Type::String => "string",
                        Type::Vector => "vector",
                        Type::Matrix => "matrix",
                    };
                    let message = format!("subquery is only allowed on instant vector, got {short} instead");
                    return Err(self.error(subquery.inner.span().start..subquery.end, message));
                }
                Ok(Type::Matrix)
            }
        }
    }

    fn aggregate(&self, aggregate: &mut Aggregate) -> Result<Type, ParseError> {
        self.expect(&mut aggregate.inner, Type::Vector, "aggregation expression")?;
        if let (Some(wanted), Some(parameter)) = (aggregate.op.parameter(), &mut aggregate.parameter) {
            self.expect(parameter, wanted, "aggregation parameter")?;
        }
        Ok(Type::Vector)
    }

    fn call(&self, call: &mut Call) -> Result<Type, ParseError> {
        let (function, given) = (call.function, call.args.len());
        let wanted = match function.args_max {
            Some(max) if max == function.args_min && given != max => Some(format!("expected {max}")),
            _ if given < function.args_min => Some(format!("expected at least {}", function.args_min)),
            Some(max) if given > max => Some(format!("expected at most {max}")),
            _ => None,
        };
        let name = quoted(function.name);
        if let Some(wanted) = wanted {
            let message = format!("{wanted} argument(s) in call to {name}, got {given}");
            return Err(self.error(call.span.clone(), message));
        }
        for (idx, arg) in call.args.iter_mut().enumerate() {
            if let Some(wanted) = function.arg(idx) {
                self.expect(arg, wanted, &format!("call to function {name}"))?;
            }
        }
        Ok(function.returns)
    }

    fn expect(&self, expr: &mut Expr, wanted: Type, context: &str) -> Result<(), ParseError> {
        let found = self.expr(expr)?;
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (wanted.as_str(), found.as_str());
        Err(self.error(expr.span(), format!("expected type {wanted} in {context}, got {found}")))
    }

    fn binary(&self, binary: &mut Binary) -> Result<Type, ParseError> {
        let lhs = self.expr(&mut binary.lhs)?;
        let rhs = self.expr(&mut binary.rhs)?;
        let op = binary.op;
        if binary.is_bool && !op.is_comparison() {
            return Err(self.at_operator(binary, "bool modifier can only be used on comparison operators"));
        }
        let is_scalar = lhs == Type::Scalar && rhs == Type::Scalar;
        if op.is_comparison() && !binary.is_bool && is_scalar {
            return Err(self.at_operator(binary, "comparisons between scalars must use BOOL modifier"));
        }
        if let Some(matching) = &binary.matching
            && matching.is_on
            && let Some(label) = matching.labels.iter().find(|label| matching.include.contains(label))
        {
            let message = format!("label {} must not occur in ON and GROUP clause at once", quoted(label));
            return Err(self.at_operator(binary, &message));
        }
        for (side, found) in [(&binary.lhs, lhs), (&binary.rhs, rhs)] {
            if !is_of_numbers(found) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err(self.error(side.span(), message));
            }
        }
        let are_vectors = lhs == Type::Vector && rhs == Type::Vector;
        self.matching(binary, are_vectors)?;
        if op.is_set() && !are_vectors {
            let message =
                format!("set operator {} not allowed in binary scalar expression", quoted(op.as_str()));
            return Err(self.error(span(binary), message));
        }
        Ok(if is_scalar { Type::Scalar } else { Type::Vector })
    }

    fn matching(&self, binary: &mut Binary, are_vectors: bool) -> Result<(), ParseError> {
        let Some(matching) = &mut binary.matching else { return Ok(()) };
        let message = if !are_vectors {
            if matching.labels.is_empty() {
                binary.matching = None;
                return Ok(());
            }
            "vector matching only allowed between instant vectors".to_string()
        } else if !binary.op.is_set() {
            return Ok(());
        } else if matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
            return Ok(());
        } else {
            format!("no grouping allowed for {} operation", quoted(binary.op.as_str()))
        };
        Err(self.error(span(binary), message))
    }

    fn selector(&self, selector: &VectorSelector) -> Result<(), ParseError> {
        let Some(name) = &selector.name else {
            if selector.matchers.iter().any(|matcher| !matcher.accepts_value("")) {
                return Ok(());
            }
            let message = "vector selector must contain at least one non-empty matcher";
            return Err(self.error(selector.span.clone(), message));
        };
        // The last matcher is that of the name before the braces.
        let before = selector.matchers.split_last().map_or(&[][..], |(_, before)| before);
        match before.iter().find(|matcher| matcher.name == "__name__") {
            None => Ok(()),
            Some(second) => {
                let second = match &second.op {
                    MatchOp::Equal(value) | MatchOp::NotEqual(value) => value.as_str(),
                    MatchOp::Matches(pattern) | MatchOp::MatchesNot(pattern) => pattern.as_str(),
                };
                let (name, second) = (quoted(name), quoted(second));
                let message = format!("metric name must not be set twice: {name} or {second}");
                Err(self.error(selector.span.clone(), message))
            }
        }
    }

    /// Returns a fault at what stands between the sides of an operator.
    fn at_operator(&self, binary: &Binary, message: &str) -> ParseError {
        const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];
        let (start, end) = (binary.lhs.span().end, binary.rhs.span().start);
        let between = self.query.get(start..end).unwrap_or_default();
        let start = start + (between.len() - between.trim_start_matches(BLANKS).len());
        let end = start + between.trim_matches(BLANKS).len();
        self.error(start..end, message)
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError::new(self.query, span, message)
    }
}

fn is_of_numbers(found: Type) -> bool {
    matches!(found, Type::Scalar | Type::Vector)
}

fn span(binary: &Binary) -> Span {
    binary.lhs.span().start..binary.rhs.span().end
}
