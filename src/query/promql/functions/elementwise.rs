//! Functions of one number: `abs` to `tanh`, rounding and clamping.
//!
//! They give what Go's `math` gives, as Prometheus calls it, where a query can tell the
//! difference: for what is infinite or no number, and where a logarithm is next to a whole number.
//! Only the logarithms of numbers below 2e-308 are right here and wrong there.

use std::f64::consts::{LN_2, LOG2_E, LOG10_E, PI};

/// Returns the function of a name that takes each value of a vector alone, and no argument more.
pub fn elementwise(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => log2,
        "log10" => log10,
        "sgn" => sgn,
        "deg" => |value| value * 180.0 / PI,
        "rad" => |value| value * PI / 180.0,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => asinh,
        "acosh" => acosh,
        "atanh" => f64::atanh,
        _ => return None,
    })
}

/// Rounds to the nearest multiple, halves upwards.
pub fn round(value: f64, to_nearest: f64) -> f64 {
    let per_one = 1.0 / to_nearest;
    (value * per_one + 0.5).floor() / per_one
}

/// Returns what lies nearest to a value from `min` to `max`, which the caller compared. For
/// `clamp_min` and `clamp_max` the other bound is infinite.
pub fn clamp(value: f64, min: f64, max: f64) -> f64 {
    max_of(min, min_of(max, value))
}

/// Returns the greater: an infinity before a NaN, a NaN before any number.
pub fn max_of(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        // Of two zeros the positive one.
        a + b
    } else {
        a.max(b)
    }
}

/// Returns the less: a negative infinity before a NaN, a NaN before any number.
pub fn min_of(a: f64, b: f64) -> f64 {
    -max_of(-a, -b)
}

fn sgn(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// Exact for powers of two.
fn log2(value: f64) -> f64 {
    if !(value.is_normal() && value > 0.0) {
        return value.log2();
    }
    let (fraction, exponent) = fraction_and_exponent(value);
    if fraction == 0.5 {
        return exponent - 1.0;
    }
    fraction.ln() * LOG2_E + exponent
}

/// The logarithm of 1e15 is a little less than 15, as in Go; `floor` shows it.
fn log10(value: f64) -> f64 {
    value.ln() * LOG10_E
}

/// Takes a normal number above zero apart: into a fraction from one half to one, and the power of
/// two that it is multiplied by.
fn fraction_and_exponent(value: f64) -> (f64, f64) {
    const FRACTION_BITS: u64 = 52;
    /// The exponent of numbers from one half to one, as it is stored.
    const HALF: u64 = 1022;
    let bits = value.to_bits();
    let exponent = (bits >> FRACTION_BITS) as f64 - HALF as f64;
    let fraction = bits & ((1 << FRACTION_BITS) - 1) | HALF << FRACTION_BITS;
    (f64::from_bits(fraction), exponent)
}

/// From here on `x² + 1` and `x² - 1` are the same number, and twice `x` may not fit.
const LARGE: f64 = (1u64 << 28) as f64;

fn asinh(value: f64) -> f64 {
    if value.abs() > LARGE { (value.abs().ln() + LN_2).copysign(value) } else { value.asinh() }
}

fn acosh(value: f64) -> f64 {
    if value > LARGE { value.ln() + LN_2 } else { value.acosh() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: f64, expect: f64) {
        let got = elementwise(name).unwrap()(value);
        let is_same = got == expect || (got.is_nan() && expect.is_nan());
        assert!(is_same || (got - expect).abs() <= 1e-12 * expect.abs(), "{name}({value}) = {got}");
    }

    #[test]
    fn the_script_of_trigonometry_holds() {
        // trig_functions.test
        check("sin", 10.0, -0.5440211108893699);
        check("cos", 10.0, -0.8390715290764524);
        check("tan", 10.0, 0.6483608274590867);
        check("asin", 10.0, f64::NAN);
        check("acos", 0.2, 1.369_438_406_004_566);
        check("atan", 10.0, 1.4711276743037345);
        check("sinh", 10.0, 11013.232874703393);
        check("cosh", 10.0, 11013.232920103323);
        check("tanh", 10.0, 0.9999999958776927);
        check("asinh", 10.0, 2.99822295029797);
        check("acosh", 10.0, 2.993222846126381);
        check("acosh", 0.0, f64::NAN);
        check("atanh", 0.1, 0.10033534773107562);
        check("atanh", 10.0, f64::NAN);
        check("rad", 10.0, 0.17453292519943295);
        check("deg", 10.0, 572.9577951308232);
    }

    #[test]
    fn what_does_not_fit_twice_has_its_area_sine() {
        check("asinh", f64::MAX, 710.4758600739439);
        check("asinh", -f64::MAX, -710.4758600739439);
        check("asinh", f64::NEG_INFINITY, f64::NEG_INFINITY);
        check("acosh", f64::MAX, 710.4758600739439);
    }

    #[test]
    fn logarithms_end_as_gos_do() {
        assert_eq!(log2(1024.0), 10.0);
        assert_eq!(log10(1000.0), 3.0);
        assert_eq!(log10(1e15), 14.999_999_999_999_998);
        for name in ["ln", "log2", "log10"] {
            check(name, 0.0, f64::NEG_INFINITY);
            check(name, -10.0, f64::NAN);
            check(name, f64::INFINITY, f64::INFINITY);
            check(name, f64::NAN, f64::NAN);
        }
        check("log2", f64::from_bits(1), -1074.0);
    }

    #[test]
    fn the_sign_of_zero_is_kept() {
        assert_eq!(sgn(-2.5), -1.0);
        assert!(sgn(-0.0).is_sign_negative());
        assert!(sgn(f64::NAN).is_nan());
    }

    #[test]
    fn halves_are_rounded_up() {
        assert_eq!(round(2.5, 1.0), 3.0);
        assert_eq!(round(-2.5, 1.0), -2.0);
        assert_eq!(round(0.15, 0.1), 0.2);
        assert_eq!(round(1.249, 0.1), 1.2);
        assert!(round(1.0, f64::NAN).is_nan());
        assert!(round(1.0, f64::INFINITY).is_nan());
    }

    #[test]
    fn an_infinite_bound_outweighs_what_is_no_number() {
        assert_eq!(clamp(-50.0, -25.0, 75.0), -25.0);
        assert_eq!(clamp(100.0, -25.0, 75.0), 75.0);
        assert_eq!(clamp(1.0, f64::NEG_INFINITY, 75.0), 1.0);
        assert!(clamp(1.0, f64::NAN, f64::INFINITY).is_nan());
        assert!(clamp(f64::NAN, f64::NEG_INFINITY, 75.0).is_nan());
        assert_eq!(clamp(f64::NAN, f64::INFINITY, f64::INFINITY), f64::INFINITY);
        assert_eq!(max_of(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert_eq!(min_of(f64::NAN, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(max_of(-0.0, 0.0).is_sign_positive());
        assert!(min_of(-0.0, 0.0).is_sign_negative());
    }
}
