//! Protobuf fields one after the other, without a copy.
//!
//! Messages that others send are read field by field instead of into generated types: two
//! bytes on the wire would be a hundred in memory there, and a sender chooses how often.

use prost::encoding::{WireType, decode_key, decode_varint};

/// A text that is no protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the protobuf message that it should be")]
pub struct NotProtobuf;

/// One value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'b> {
    /// An integer, an enum or a truth.
    Varint(u64),
    /// Eight bytes, a double among them.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// A text, bytes, a message, or numbers in a row.
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    /// Returns the number of a double.
    pub fn double(self) -> Result<f64, NotProtobuf> {
        let Value::Fixed64(bits) = self else { return Err(NotProtobuf) };
        Ok(f64::from_bits(bits))
    }

    /// Returns an integer of any plain kind; a negative one is as long as can be.
    #[expect(clippy::cast_possible_wrap, reason = "protobuf writes negative numbers in two's complement")]
    pub fn int(self) -> Result<i64, NotProtobuf> {
        let Value::Varint(number) = self else { return Err(NotProtobuf) };
        Ok(number as i64)
    }

    /// Returns an integer of a `sint` kind.
    pub fn zigzag(self) -> Result<i64, NotProtobuf> {
        let Value::Varint(number) = self else { return Err(NotProtobuf) };
        Ok(unzigzag(number))
    }

    /// Returns the bytes.
    pub fn bytes(self) -> Result<&'b [u8], NotProtobuf> {
        let Value::Bytes(bytes) = self else { return Err(NotProtobuf) };
        Ok(bytes)
    }

    /// Returns the text.
    pub fn text(self) -> Result<&'b str, NotProtobuf> {
        std::str::from_utf8(self.bytes()?).map_err(|_| NotProtobuf)
    }

    /// Returns the fields of a message.
    pub fn message(self) -> Result<Fields<'b>, NotProtobuf> {
        self.bytes().map(Fields)
    }

    /// Visits integers that stand in a row, or the one that stands alone.
    pub fn each_varint(self, mut visit: impl FnMut(u64)) -> Result<(), NotProtobuf> {
        match self {
            Value::Varint(number) => visit(number),
            Value::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    visit(decode_varint(&mut bytes).map_err(|_| NotProtobuf)?);
                }
            }
            Value::Fixed64(_) | Value::Fixed32(_) => return Err(NotProtobuf),
        }
        Ok(())
    }

    /// Visits doubles that stand in a row, or the one that stands alone.
    pub fn each_double(self, mut visit: impl FnMut(f64)) -> Result<(), NotProtobuf> {
        match self {
            Value::Fixed64(bits) => visit(f64::from_bits(bits)),
            Value::Bytes(bytes) => {
                let (doubles, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(NotProtobuf);
                }
                doubles.iter().for_each(|double| visit(f64::from_le_bytes(*double)));
            }
            Value::Varint(_) | Value::Fixed32(_) => return Err(NotProtobuf),
        }
        Ok(())
    }
}

/// Undoes the zigzag of `sint` kinds.
#[expect(clippy::cast_possible_wrap, reason = "that is what the zigzag is")]
pub fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// The fields of one message in their order; ends at the first fault.
#[derive(Clone, Debug)]
pub struct Fields<'b>(pub &'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, n_bytes: usize) -> Result<&'b [u8], NotProtobuf> {
        let (taken, rest) = self.0.split_at_checked(n_bytes).ok_or(NotProtobuf)?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u32, Value<'b>), NotProtobuf> {
        let (number, wire_type) = decode_key(&mut self.0).map_err(|_| NotProtobuf)?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(decode_varint(&mut self.0).map_err(|_| NotProtobuf)?),
            WireType::SixtyFourBit => {
                let bytes = self.take(8)?.try_into().map_err(|_| NotProtobuf)?;
                Value::Fixed64(u64::from_le_bytes(bytes))
            }
            WireType::ThirtyTwoBit => {
                let bytes = self.take(4)?.try_into().map_err(|_| NotProtobuf)?;
                Value::Fixed32(u32::from_le_bytes(bytes))
            }
            WireType::LengthDelimited => {
                let n_bytes = decode_varint(&mut self.0).map_err(|_| NotProtobuf)?;
                Value::Bytes(self.take(usize::try_from(n_bytes).map_err(|_| NotProtobuf)?)?)
            }
            // Long gone from the language, and in none of the messages here.
            WireType::StartGroup | WireType::EndGroup => return Err(NotProtobuf),
        };
        Ok((number, value))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u32, Value<'b>), NotProtobuf>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_is_read() {
        // 1: varint 300, 2: "ab", 3: double 1.5, 4: fixed32 7
        let bytes =
            [&[0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x19][..], &1.5_f64.to_le_bytes(), &[0x25, 7, 0, 0, 0]]
                .concat();
        let fields: Vec<_> = Fields(&bytes).map(Result::unwrap).collect();
        assert_eq!(fields[0], (1, Value::Varint(300)));
        assert_eq!((fields[1].0, fields[1].1.text()), (2, Ok("ab")));
        assert_eq!(fields[2].1.double(), Ok(1.5));
        assert_eq!(fields[3], (4, Value::Fixed32(7)));
        assert_eq!((unzigzag(0), unzigzag(1), unzigzag(2), unzigzag(u64::MAX)), (0, -1, 1, i64::MIN));
    }

    #[test]
    fn a_length_beyond_the_end_is_a_fault_and_the_last_item() {
        let mut fields = Fields(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        assert_eq!(fields.next(), Some(Err(NotProtobuf)));
        assert_eq!(fields.next(), None);
        assert_eq!(Fields(&[0x0b]).next(), Some(Err(NotProtobuf)), "a group");
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}
