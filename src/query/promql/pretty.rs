//! From tree to text on as many lines as it takes, as Prometheus's `format_query` writes it.

use std::fmt::{self, Display, Write};

use super::ast::{Expr, Unary};
use super::print::{Head, Operator, Suffix};

/// What is longer, in bytes, is put on lines of its own; Prometheus's number.
const LINE_LEN_MAX: usize = 100;

/// Returns a query on lines of about a hundred characters, what is inside indented by two spaces.
pub fn pretty(expr: &Expr) -> String {
    let mut res = String::new();
    write_pretty(&mut res, expr, 0);
    res
}

fn write_pretty(res: &mut String, expr: &Expr, level: usize) {
    if let Expr::Unary(unary) = expr {
        return write_unary(res, unary, level);
    }
    if let Expr::Subquery(subquery) = expr {
        // A short one is not indented; as in Prometheus.
        if !is_long(expr) {
            return push(res, expr);
        }
        write_pretty(res, &subquery.inner, level);
        return push(res, Suffix(subquery));
    }
    if !is_long(expr) {
        indent(res, level);
        return push(res, expr);
    }
    match expr {
        Expr::Binary(binary) => {
            write_pretty(res, &binary.lhs, level + 1);
            res.push('\n');
            indent(res, level);
            push(res, Operator(binary));
            res.push('\n');
            write_pretty(res, &binary.rhs, level + 1);
        }
        Expr::Aggregate(aggregate) => {
            let args = aggregate.parameter.iter().chain([&aggregate.inner]).map(AsRef::as_ref);
            write_around(res, &Head(aggregate), args, level);
        }
        Expr::Call(call) => write_around(res, &call.function.name, call.args.iter(), level),
        Expr::Paren(paren) => write_around(res, &"", [paren.inner.as_ref()].into_iter(), level),
        _ => {
            indent(res, level);
            push(res, expr);
        }
    }
}

/// Writes what stands before parentheses, and each part in them on lines of its own.
fn write_around<'e>(
    res: &mut String,
    head: &dyn Display,
    parts: impl Iterator<Item = &'e Expr>,
    level: usize,
) {
    indent(res, level);
    push(res, head);
    res.push('(');
    for (idx, part) in parts.enumerate() {
        res.push_str(if idx == 0 { "\n" } else { ",\n" });
        write_pretty(res, part, level + 1);
    }
    res.push('\n');
    indent(res, level);
    res.push(')');
}

fn write_unary(res: &mut String, unary: &Unary, level: usize) {
    indent(res, level);
    res.push(if unary.is_minus { '-' } else { '+' });
    let sign_end = res.len();
    write_pretty(res, &unary.inner, level);
    let blanks = res[sign_end..].len() - res[sign_end..].trim_start().len();
    res.replace_range(sign_end..sign_end + blanks, "");
}

fn indent(res: &mut String, level: usize) {
    res.extend(std::iter::repeat_n("  ", level));
}

fn push(res: &mut String, part: impl Display) {
    // A string takes whatever is written to it.
    let _ = write!(res, "{part}");
}

/// Returns true when an expression is too long for a line. Looks no further than the line, so that
/// every level of a large query can be asked.
fn is_long(expr: &Expr) -> bool {
    struct Line(usize);
    impl Write for Line {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            if self.0 > LINE_LEN_MAX { Err(fmt::Error) } else { Ok(()) }
        }
    }
    write!(Line(0), "{expr}").is_err()
}
