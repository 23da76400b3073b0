//! Randomness that is the same on every machine for ever: a seed names a run's data.
//!
//! Own, because the generators of crates may give other numbers in their next version, and
//! a figure is only comparable to last year's when it was taken on the same data. Nothing
//! here calls the platform's mathematics, which rounds differently from one to the next.

/// SplitMix64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Begins a sequence of its own for a name, so that one more draw in one place does not
    /// change what is drawn in another.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut random = Random(seed);
        for byte in name.bytes() {
            random.0 = random.draw() ^ u64::from(byte);
        }
        random
    }

    /// Returns 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`, all equally likely.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// Returns a number in `0.0 .. 1.0` of which all bits are random.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns true with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Returns a number around 0 that is mostly below 1, as a sum of four, which is close
    /// enough to a normal distribution.
    pub fn around_zero(&mut self) -> f64 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.7
    }

    /// Returns one of these, all equally likely.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// Ranks by Zipf's law, as pages of a site and its visitors have them: the second is half as
/// frequent as the first, the third a third.
pub struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    /// Prepares for ranks `0 .. n`.
    pub fn new(n: usize) -> Self {
        Zipf::flattened(n, 0)
    }

    /// The same beginning at a later rank, as the words of a text have it once the smallest are
    /// left out (Mandelbrot's form of the law).
    pub fn flattened(n: usize, offset: usize) -> Self {
        let sums = (1..=n).scan(0.0, |sum, rank| {
            *sum += 1.0 / (rank + offset) as f64;
            Some(*sum)
        });
        Zipf { sums: sums.collect() }
    }

    /// Returns a rank.
    pub fn draw(&self, random: &mut Random) -> usize {
        let all = self.sums.last().unwrap();
        let at = random.unit() * all;
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len() - 1)
    }
}
