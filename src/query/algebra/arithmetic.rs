//! Operators on two numbers.

use super::{ABSENT, present};

/// The operator of a binary expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    GreaterEqual,
    /// `<=`
    LessEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl BinaryOp {
    /// Returns the operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Pow => "^",
            BinaryOp::Atan2 => "atan2",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Greater => ">",
            BinaryOp::Less => "<",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::LessEqual => "<=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Unless => "unless",
        }
    }

    /// Returns true for `==`, `<` and their like.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual)
    }

    /// Returns true for `and`, `or` and `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }

    /// Returns true for `+`, `atan2` and their like.
    pub fn is_arithmetic(self) -> bool {
        !self.is_comparison() && !self.is_set()
    }

    /// Applies the operator to two numbers; a comparison is 1 when it holds and 0 when not. A
    /// set operator has no value and is NaN.
    pub fn of_numbers(self, lhs: f64, rhs: f64) -> f64 {
        match self {
            BinaryOp::Add => lhs + rhs,
            BinaryOp::Sub => lhs - rhs,
            BinaryOp::Mul => lhs * rhs,
            BinaryOp::Div => lhs / rhs,
            // Both take the sign of the dividend.
            BinaryOp::Mod => lhs % rhs,
            BinaryOp::Pow => lhs.powf(rhs),
            BinaryOp::Atan2 => lhs.atan2(rhs),
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
            comparison => f64::from(u8::from(comparison.holds(lhs, rhs))),
        }
    }

    /// Applies the operator to two elements of vectors: a comparison filters, and keeps the
    /// left number where it holds, unless `is_bool` asks for 1 or 0.
    pub fn of_elements(self, lhs: f64, rhs: f64, is_bool: bool) -> f64 {
        if !self.is_comparison() || is_bool {
            present(self.of_numbers(lhs, rhs))
        } else if self.holds(lhs, rhs) {
            lhs
        } else {
            ABSENT
        }
    }

    fn holds(self, lhs: f64, rhs: f64) -> bool {
        match self {
            BinaryOp::Equal => lhs == rhs,
            BinaryOp::NotEqual => lhs != rhs,
            BinaryOp::Greater => lhs > rhs,
            BinaryOp::Less => lhs < rhs,
            BinaryOp::GreaterEqual => lhs >= rhs,
            BinaryOp::LessEqual => lhs <= rhs,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::algebra::is_absent;

    #[test]
    fn numbers_and_elements_differ_in_comparisons() {
        assert_eq!(BinaryOp::Greater.of_numbers(2.0, 1.0), 1.0);
        assert_eq!(BinaryOp::Greater.of_elements(2.0, 1.0, false), 2.0);
        assert_eq!(BinaryOp::Greater.of_elements(2.0, 1.0, true), 1.0);
        assert!(is_absent(BinaryOp::Greater.of_elements(1.0, 2.0, false)));
        assert_eq!(BinaryOp::Mod.of_numbers(-7.0, 3.0), -1.0);
        assert_eq!(BinaryOp::Pow.of_numbers(-1.0, f64::INFINITY), 1.0);
        assert!(BinaryOp::Div.of_numbers(0.0, 0.0).is_nan());
    }

    #[test]
    fn a_nan_is_a_value_and_unequal_to_itself() {
        let nan = f64::NAN;
        assert!(BinaryOp::Add.of_elements(nan, 1.0, false).is_nan());
        assert!(!is_absent(BinaryOp::Add.of_elements(nan, 1.0, false)));
        assert_eq!(BinaryOp::NotEqual.of_numbers(nan, nan), 1.0);
        assert!(is_absent(BinaryOp::Equal.of_elements(nan, nan, false)));
    }
}
