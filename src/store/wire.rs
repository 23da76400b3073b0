//! Integers, strings and label sets as bytes; the reader trusts nothing.

use crate::record::Labels;

/// A record that does not have the form that FORMAT.md draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged record ({0})")]
pub struct Damaged(pub &'static str);

/// Appends an unsigned integer, seven bits a byte, least significant first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer so that small magnitudes stay short.
pub fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Maps 0, -1, 1, -2 … to 0, 1, 2, 3 ….
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends a length and the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends the number of pairs, then name and value of each.
pub fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_varint(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

/// Reads from the front of a slice; every length is checked against what is left.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Returns what was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Takes `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Damaged("ends early"))?;
        self.0 = tail;
        Ok(head)
    }

    /// Takes a fixed number of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Damaged("ends early"))?;
        self.0 = tail;
        Ok(*head)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, Damaged> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a varint.
    pub fn varint(&mut self) -> Result<u64, Damaged> {
        let mut res = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Damaged("varint too long"));
            }
            res |= bits << shift;
            if byte < 0x80 {
                return Ok(res);
            }
        }
        Err(Damaged("varint too long"))
    }

    /// Takes a varint that fits 32 bits.
    pub fn u32(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.varint()?).map_err(|_| Damaged("number beyond 32 bits"))
    }

    /// Takes a signed varint.
    pub fn zigzag(&mut self) -> Result<i64, Damaged> {
        self.varint().map(unzigzag)
    }

    /// Takes a varint that counts things of at least one byte each, so that a damaged
    /// count never allocates more than the record is long.
    pub fn count(&mut self) -> Result<usize, Damaged> {
        let n = self.varint()?;
        self.at_least(usize::try_from(n).unwrap_or(usize::MAX))
    }

    /// Returns `n` when there is a byte left for each of so many things.
    pub fn at_least(&self, n: usize) -> Result<usize, Damaged> {
        if n <= self.0.len() { Ok(n) } else { Err(Damaged("count beyond the record")) }
    }

    /// Takes a length and the bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let n = self.count()?;
        self.take(n)
    }

    /// Takes a length and the text.
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("text is not UTF-8"))
    }

    /// Takes a label set.
    pub fn labels(&mut self) -> Result<Labels, Damaged> {
        let n = self.count()?;
        let mut pairs = Vec::with_capacity(n.min(self.0.len() / 2));
        for _ in 0..n {
            pairs.push((self.text()?, self.text()?));
        }
        Ok(Labels::new(pairs))
    }

    /// Accepts only the end.
    pub fn end(&self) -> Result<(), Damaged> {
        if self.0.is_empty() { Ok(()) } else { Err(Damaged("bytes after the end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_round_trip(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, unsigned);
            put_zigzag(&mut out, signed);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint().unwrap(), unsigned);
            prop_assert_eq!(reader.zigzag().unwrap(), signed);
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>) {
            let _ = Reader::new(&bytes).labels();
            let _ = Reader::new(&bytes).varint();
        }
    }

    #[test]
    fn labels_round_trip() {
        let labels = Labels::new([("__name__", "up"), ("job", "vitrine")]);
        let mut out = Vec::new();
        put_labels(&mut out, &labels);
        assert_eq!(Reader::new(&out).labels().unwrap(), labels);
    }

    #[test]
    fn a_huge_count_is_refused_before_it_allocates() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        assert_eq!(Reader::new(&out).labels().unwrap_err(), Damaged("count beyond the record"));
    }
}
