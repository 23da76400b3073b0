//! Decimal numbers, as exact as sums of what people write are expected to be: 0.1 + 0.2 is 0.3.
//!
//! Source: github.com/shopspring/decimal, which sprig adds, subtracts, multiplies and divides with.

/// Digits behind the point of a quotient; the last is rounded, halves away from zero.
const QUOTIENT_DIGITS: i32 = 16;

/// An exact number, `mantissa` × 10^`exponent`.
#[derive(Clone, Copy, Debug)]
struct Exact {
    mantissa: i128,
    exponent: i32,
}

/// A number that is exact as long as 38 digits hold it, and a float from then on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    exact: Option<Exact>,
    float: f64,
}

impl Decimal {
    /// Takes a float by its shortest digits; none is one that is not finite.
    pub(super) fn new(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let shown = format!("{float:e}");
        let (digits, exponent) = shown.split_once('e')?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()? - fraction.len() as i32;
        Some(Decimal { exact: Some(Exact { mantissa, exponent }), float })
    }

    pub(super) fn plus(self, other: Decimal) -> Decimal {
        let exact = self.exact.zip(other.exact).and_then(|(a, b)| {
            let exponent = a.exponent.min(b.exponent);
            let mantissa = a.scaled(exponent)?.checked_add(b.scaled(exponent)?)?;
            Some(Exact { mantissa, exponent })
        });
        Decimal { exact, float: self.float + other.float }
    }

    pub(super) fn negated(self) -> Decimal {
        let exact = self.exact.and_then(|exact| {
            Some(Exact { mantissa: exact.mantissa.checked_neg()?, exponent: exact.exponent })
        });
        Decimal { exact, float: -self.float }
    }

    pub(super) fn times(self, other: Decimal) -> Decimal {
        let exact = self.exact.zip(other.exact).and_then(|(a, b)| {
            let mantissa = a.mantissa.checked_mul(b.mantissa)?;
            Some(Exact { mantissa, exponent: a.exponent + b.exponent })
        });
        Decimal { exact, float: self.float * other.float }
    }

    /// Divides; none by zero.
    pub(super) fn over(self, other: Decimal) -> Option<Decimal> {
        if other.float == 0.0 {
            return None;
        }
        let exact = self.exact.zip(other.exact).and_then(|(a, b)| {
            let shift = a.exponent.checked_sub(b.exponent)?.checked_add(QUOTIENT_DIGITS)?;
            let scale = 10i128.checked_pow(shift.unsigned_abs())?;
            let (above, below) = if shift < 0 {
                (a.mantissa, b.mantissa.checked_mul(scale)?)
            } else {
                (a.mantissa.checked_mul(scale)?, b.mantissa)
            };
            let (whole, rest) = (above / below, above % below);
            let is_half = rest.unsigned_abs() >= below.unsigned_abs() - rest.unsigned_abs();
            let sign = if (above < 0) == (below < 0) { 1 } else { -1 };
            let mantissa = whole + if is_half { sign } else { 0 };
            Some(Exact { mantissa, exponent: -QUOTIENT_DIGITS })
        });
        Some(Decimal { exact, float: self.float / other.float })
    }

    pub(super) fn to_float(self) -> f64 {
        let exact =
            self.exact.and_then(|exact| format!("{}e{}", exact.mantissa, exact.exponent).parse().ok());
        exact.unwrap_or(self.float)
    }
}

impl Exact {
    /// Returns the mantissa for a smaller exponent.
    fn scaled(self, exponent: i32) -> Option<i128> {
        let scale = 10i128.checked_pow((self.exponent - exponent).unsigned_abs())?;
        self.mantissa.checked_mul(scale)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(float: f64) -> Decimal {
        Decimal::new(float).unwrap()
    }

    #[test]
    fn sums_of_decimals_are_exact() {
        assert_eq!(of(0.1).plus(of(0.2)).to_float(), 0.3);
        assert_eq!(of(0.3).plus(of(0.1).negated()).to_float(), 0.2);
        assert_eq!(of(1.1).times(of(1.1)).to_float(), 1.21);
        assert_eq!(of(1.0).over(of(3.0)).unwrap().to_float(), 0.3333333333333333);
        assert_eq!(of(2.0).over(of(3.0)).unwrap().to_float(), 0.6666666666666667);
        assert_eq!(of(-1.0).over(of(8e16)).unwrap().to_float(), 0.0);
        assert!(of(1.0).over(of(0.0)).is_none() && Decimal::new(f64::NAN).is_none());
    }

    proptest! {
        #[test]
        fn every_number_can_be_taken(a: f64, b: f64) {
            if let (Some(a), Some(b)) = (Decimal::new(a), Decimal::new(b)) {
                prop_assert_eq!(a.to_float(), a.float);
                a.plus(b).to_float();
                a.times(b).to_float();
                a.over(b);
            }
        }
    }
}
