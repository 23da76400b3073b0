//! A query as a tree of JSON, in the form of Prometheus's own `parse_query`.

use serde_json::{Value, json};

use crate::http::api::values::Number;
use crate::query::promql::ast::{At, Expr, Matching, Type, VectorSelector};
use crate::record::read::{MatchOp, Matcher};

/// Returns an expression and all below it.
pub(super) fn of(expr: &Expr) -> Value {
    match expr {
        Expr::Number(number) => json!({"type": "numberLiteral", "val": Number(number.value).to_string()}),
        Expr::String(text) => json!({"type": "stringLiteral", "val": text.value}),
        Expr::Paren(paren) => json!({"type": "parenExpr", "expr": of(&paren.inner)}),
        Expr::Unary(unary) => {
            let op = if unary.is_minus { "-" } else { "+" };
            json!({"type": "unaryExpr", "op": op, "expr": of(&unary.inner)})
        }
        Expr::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.as_str(),
            "lhs": of(&binary.lhs),
            "rhs": of(&binary.rhs),
            "matching": binary.matching.as_ref().map(matching),
            "bool": binary.is_bool,
        }),
        Expr::Aggregate(aggregate) => json!({
            "type": "aggregation",
            "op": aggregate.op.as_str(),
            "expr": of(&aggregate.inner),
            "param": aggregate.parameter.as_ref().map(|parameter| of(parameter)),
            "grouping": aggregate.grouping,
            "without": aggregate.is_without,
        }),
        Expr::Call(call) => {
            let function = call.function;
            let optional = match function.args_max {
                None => -1,
                Some(most) => most as i64 - function.args_min as i64,
            };
            json!({
                "type": "call",
                "func": {
                    "name": function.name,
                    "argTypes": function.args.iter().map(|arg| type_word(*arg)).collect::<Vec<_>>(),
                    "variadic": optional,
                    "returnType": type_word(function.returns),
                },
                "args": call.args.iter().map(of).collect::<Vec<_>>(),
            })
        }
        Expr::Vector(selector) => {
            let mut res = modifiers(selector.offset_ms, selector.at);
            res["type"] = json!("vectorSelector");
            put_selector(&mut res, selector);
            res
        }
        Expr::Matrix(matrix) => {
            let mut res = modifiers(matrix.selector.offset_ms, matrix.selector.at);
            res["type"] = json!("matrixSelector");
            res["range"] = json!(matrix.range_ms);
            put_selector(&mut res, &matrix.selector);
            res
        }
        Expr::Subquery(subquery) => {
            let mut res = modifiers(subquery.offset_ms, subquery.at);
            res["type"] = json!("subquery");
            res["expr"] = of(&subquery.inner);
            res["range"] = json!(subquery.range_ms);
            res["step"] = json!(subquery.step_ms.unwrap_or_default());
            res
        }
    }
}

fn type_word(kind: Type) -> &'static str {
    match kind {
        Type::Scalar => "scalar",
        Type::String => "string",
        Type::Vector => "vector",
        Type::Matrix => "matrix",
    }
}

fn matching(matching: &Matching) -> Value {
    json!({
        "card": matching.cardinality.as_str(),
        "labels": matching.labels,
        "on": matching.is_on,
        "include": matching.include,
    })
}

fn modifiers(offset_ms: i64, at: Option<At>) -> Value {
    let (timestamp, start_or_end) = match at {
        Some(At::Time(ms)) => (Some(ms), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
        None => (None, None),
    };
    json!({"offset": offset_ms, "timestamp": timestamp, "startOrEnd": start_or_end})
}

fn put_selector(res: &mut Value, selector: &VectorSelector) {
    res["name"] = json!(selector.name.as_deref().unwrap_or_default());
    res["matchers"] = selector.matchers.iter().map(matcher).collect();
}

fn matcher(matcher: &Matcher) -> Value {
    let (kind, value) = match &matcher.op {
        MatchOp::Equal(value) => ("=", value.as_str()),
        MatchOp::NotEqual(value) => ("!=", value.as_str()),
        MatchOp::Matches(pattern) => ("=~", pattern.as_str()),
        MatchOp::MatchesNot(pattern) => ("!~", pattern.as_str()),
    };
    json!({"name": matcher.name, "value": value, "type": kind})
}
