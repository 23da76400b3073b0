//! Numbers as planes of bytes, all lowest bytes first, which zstd takes better than varints.

use super::Sections;
use crate::store::wire::{Damaged, Reader, put_varint, unzigzag, zigzag};

const STEPS: u8 = 16;

/// So many numbers tell of all whether steps are smaller.
const SAMPLE: usize = 1_024;

/// Numbers as they lie in the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    n: usize,
    base: u64,
    is_steps: bool,
    planes: &'a [u8],
}

/// Sixteen times the binary logarithm, nearly; integers, so that it is the same everywhere.
pub fn log2_16(value: usize) -> usize {
    let whole = value.max(1).ilog2() as usize;
    whole * 16 + (((value.max(1) << 4) >> whole) & 15)
}

/// Returns about how many sixteenths of a bit the symbols take that are so frequent.
pub fn entropy_16(counts: &[u32]) -> usize {
    let total: usize = counts.iter().map(|count| *count as usize).sum();
    let all = total * log2_16(total);
    all - counts.iter().map(|count| *count as usize * log2_16(*count as usize)).sum::<usize>().min(all)
}

fn bytes_of(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()).div_ceil(8) as usize
}

/// How the numbers would be written.
struct Form {
    base: u64,
    is_steps: bool,
    width: usize,
}

impl Form {
    fn of(values: &[u64]) -> Form {
        let (least, most) =
            values.iter().fold((u64::MAX, 0), |(least, most), value| (least.min(*value), most.max(*value)));
        let first = values.first().copied().unwrap_or_default();
        let sample = &values[..values.len().min(SAMPLE)];
        let plain =
            Form { base: least.min(most), is_steps: false, width: bytes_of(most.saturating_sub(least)) };
        let widest = steps(values, first).fold(0, |all, step| all | step);
        let stepped = Form { base: first, is_steps: true, width: bytes_of(widest) };
        if plain.width > 0 && stepped.bits_16(sample) + SAMPLE < plain.bits_16(sample) {
            stepped
        } else {
            plain
        }
    }

    fn each(&self, values: &[u64]) -> impl Iterator<Item = u64> {
        let Form { base, is_steps, .. } = *self;
        let mut before = base;
        values.iter().map(move |value| {
            let res = if is_steps { zigzag(value.wrapping_sub(before) as i64) } else { value - base };
            before = *value;
            res
        })
    }

    fn bits_16(&self, sample: &[u64]) -> usize {
        let mut bits = 0;
        for plane in 0..self.width {
            let mut counts = [0_u32; 256];
            self.each(sample).for_each(|value| counts[usize::from(value.to_le_bytes()[plane])] += 1);
            bits += entropy_16(&counts);
        }
        bits
    }
}

fn steps(values: &[u64], first: u64) -> impl Iterator<Item = u64> {
    let mut before = first;
    values.iter().map(move |value| {
        let step = zigzag(value.wrapping_sub(before) as i64);
        before = *value;
        step
    })
}

/// Returns about how many sixteenths of a bit [`put`] needs for these.
pub fn bits_16(values: &[u64]) -> usize {
    Form::of(values).bits_16(values)
}

/// Appends numbers in the form that seems the smaller one.
pub fn put(out: &mut Sections, values: &[u64]) {
    let form = Form::of(values);
    out.numbers.push(form.width as u8 | if form.is_steps { STEPS } else { 0 });
    put_varint(&mut out.numbers, form.base);
    let n = values.len();
    let start = out.numbers.len();
    out.numbers.resize(start + n * form.width, 0);
    for (idx, value) in form.each(values).enumerate() {
        for (plane, byte) in value.to_le_bytes().iter().enumerate().take(form.width) {
            out.numbers[start + plane * n + idx] = *byte;
        }
    }
}

impl<'a> Numbers<'a> {
    /// Takes `n` numbers.
    pub fn read(reader: &mut Reader<'a>, n: usize) -> Result<Self, Damaged> {
        let head = reader.u8()?;
        let width = usize::from(head & (STEPS - 1));
        if width > 8 || head >= 2 * STEPS {
            return Err(Damaged("form of numbers"));
        }
        let base = reader.varint()?;
        let planes = reader.take(width.checked_mul(n).ok_or(Damaged("count beyond the record"))?)?;
        Ok(Numbers { n, base, is_steps: head >= STEPS, planes })
    }

    /// Returns all of them.
    pub fn all(&self) -> Vec<u64> {
        let mut res = vec![0_u64; self.n];
        for (plane, bytes) in self.planes.chunks_exact(self.n.max(1)).enumerate() {
            for (value, byte) in res.iter_mut().zip(bytes) {
                *value |= u64::from(*byte) << (8 * plane);
            }
        }
        let mut before = self.base;
        for value in &mut res {
            if self.is_steps {
                before = before.wrapping_add(unzigzag(*value) as u64);
                *value = before;
            } else {
                *value = value.wrapping_add(self.base);
            }
        }
        res
    }

    /// Returns all of them, if each is below a bound.
    pub fn below(&self, bound: usize, what: &'static str) -> Result<Vec<u32>, Damaged> {
        let bound = u32::try_from(bound).unwrap_or(u32::MAX);
        let mut most = 0;
        let res = if self.planes.len() == self.n && !self.is_steps && self.base < u64::from(bound) {
            let base = self.base as u32;
            most = self.planes.iter().max().map_or(base, |byte| base.saturating_add((*byte).into())).into();
            self.planes.iter().map(|byte| base.wrapping_add((*byte).into())).collect()
        } else {
            let all = self.all().into_iter();
            all.inspect(|value| most = most.max(*value)).map(|value| value as u32).collect::<Vec<_>>()
        };
        if most < u64::from(bound) || self.n == 0 { Ok(res) } else { Err(Damaged(what)) }
    }

    /// Returns the sum, or the largest number if it is larger.
    pub fn sum(&self) -> u64 {
        if self.is_steps {
            return self.all().into_iter().fold(0, u64::saturating_add);
        }
        let bases = self.base.saturating_mul(self.n as u64);
        let planes = self.planes.chunks_exact(self.n.max(1)).enumerate();
        planes.fold(bases, |sum, (plane, bytes)| {
            let own: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            sum.saturating_add(own.saturating_mul(1 << (8 * plane)))
        })
    }

    /// Returns where lengths end; their [`Numbers::sum`] fits 32 bits.
    pub fn ends(&self) -> Vec<u32> {
        let mut end = 0_u32;
        let ends = self.all().into_iter().map(|len| {
            end = end.wrapping_add(len as u32);
            end
        });
        ends.collect()
    }
}
