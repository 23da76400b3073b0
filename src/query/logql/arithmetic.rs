//! Arithmetic where LogQL differs from PromQL: what is divided by zero is no number.
//!
//! Source: Loki, `MergeBinOp`.

use super::ast::BinaryOp;
use crate::query::algebra::{Row, is_absent};

/// Applies an operator to two numbers; a comparison answers 0 or 1.
pub fn of_numbers(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    op.of_numbers(lhs, divisor(op, rhs))
}

/// Returns the right side of an operator so that PromQL's arithmetic answers as LogQL's.
pub fn divisor(op: BinaryOp, rhs: f64) -> f64 {
    let divides = matches!(op, BinaryOp::Div | BinaryOp::Mod);
    if divides && rhs == 0.0 { f64::NAN } else { rhs }
}

/// The same for all values of rows.
pub fn divisors(op: BinaryOp, rows: &mut [Row]) {
    if matches!(op, BinaryOp::Div | BinaryOp::Mod) {
        let values = rows.iter_mut().flat_map(|row| &mut row.values);
        values.filter(|value| !is_absent(**value)).for_each(|value| *value = divisor(op, *value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_divided_by_zero() {
        assert!(of_numbers(BinaryOp::Div, 1.0, 0.0).is_nan());
        assert!(of_numbers(BinaryOp::Mod, 1.0, 0.0).is_nan());
        assert_eq!(of_numbers(BinaryOp::Div, 1.0, 4.0), 0.25);
        assert_eq!(of_numbers(BinaryOp::Add, 1.0, 0.0), 1.0);
        assert_eq!(of_numbers(BinaryOp::Greater, 1.0, 0.0), 1.0);
    }
}
