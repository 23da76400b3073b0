//! A sum that keeps what is small.

/// Adds up as Prometheus does: a sum of many numbers of different sizes loses what is below the
/// last place of the largest; the correction kept beside it (Neumaier's variant of Kahan's
/// summation) gives it back. Infinite once is infinite for good, unless the other infinity comes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// Returns a sum that begins with a number, its sign included should it be zero.
    pub fn of(first: f64) -> Self {
        Sum { sum: first, lost: 0.0 }
    }

    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.lost + ((self.sum - sum) + value)
        } else {
            self.lost + ((value - sum) + self.sum)
        };
        self.sum = sum;
    }

    /// Adds what was added up elsewhere.
    pub fn merge(&mut self, other: Sum) {
        self.add(other.sum);
        if !self.is_infinite() {
            self.lost += other.lost;
        }
    }

    /// Returns the sum so far.
    pub fn value(self) -> f64 {
        self.sum + self.lost
    }

    /// Returns true when no number was large enough for it.
    pub fn is_infinite(self) -> bool {
        self.sum.is_infinite()
    }

    /// Returns this many times the sum.
    pub fn times(self, factor: f64) -> Self {
        Sum { sum: factor * self.sum, lost: factor * self.lost }
    }

    /// Returns the sum in so many parts.
    pub fn divided(self, parts: f64) -> Self {
        Sum { sum: self.sum / parts, lost: self.lost / parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_keeps_what_is_small() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.value(), 2.0);
        let mut other = Sum::of(1e100);
        [1.0, -1e100].into_iter().for_each(|value| other.add(value));
        sum.merge(other);
        assert_eq!(sum.value(), 3.0);
        sum.add(f64::INFINITY);
        assert_eq!(sum.value(), f64::INFINITY);
        other.merge(sum);
        assert_eq!(other.value(), f64::INFINITY);
    }
}
