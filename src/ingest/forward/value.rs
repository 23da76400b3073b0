//! msgpack values as JSON values, which is what a record's fields are told in.
//!
//! Text that is not UTF-8 is kept with its faults replaced; binary data is read as text, as
//! old senders have no other type for it.

use rmp::Marker;
use serde_json::{Map, Number, Value};

use super::Refusal;
use super::bounds::{DEPTH_MAX, ENTRY_VALUES_MAX};
use super::scan::{Head, Scanner};
use crate::clock::UnixNanos;

/// The extension type of Fluentd's time with nanoseconds.
const EVENT_TIME: u8 = 0;

/// A run of complete msgpack values.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// Takes the next value as its bytes; none at the end.
    pub fn item(&mut self) -> Result<Option<&'a [u8]>, Refusal> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let end = Scanner::new(self.0.len()).advance(self.0)?.ok_or(Refusal::Format)?;
        let (item, rest) = self.0.split_at(end);
        self.0 = rest;
        Ok(Some(item))
    }

    /// Takes the next value, which must be there.
    pub fn required(&mut self) -> Result<&'a [u8], Refusal> {
        self.item()?.ok_or(Refusal::Format)
    }
}

/// Reads the head of a complete value, and what is behind the head.
pub fn open(item: &[u8]) -> Result<(Head, &[u8]), Refusal> {
    let head = Head::read(item)?.ok_or(Refusal::Format)?;
    item.get(head.head_len..).map(|rest| (head, rest)).ok_or(Refusal::Format)
}

/// Returns the elements of an array, none if the value is something else.
pub fn elements(item: &[u8]) -> Result<Option<Cursor<'_>>, Refusal> {
    let (head, rest) = open(item)?;
    let is_array = matches!(head.marker, Marker::FixArray(_) | Marker::Array16 | Marker::Array32);
    Ok(is_array.then_some(Cursor(rest)))
}

/// Returns the bytes of a text or of binary data, none if the value is something else.
pub fn raw(item: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let (head, payload) = open(item)?;
    let is_raw = matches!(
        head.marker,
        Marker::FixStr(_)
            | Marker::Str8
            | Marker::Str16
            | Marker::Str32
            | Marker::Bin8
            | Marker::Bin16
            | Marker::Bin32
    );
    Ok(is_raw.then_some(payload))
}

/// Returns a time: whole seconds, seconds with a fraction, or an EventTime; none if the
/// value is something else.
pub fn time(item: &[u8]) -> Result<Option<UnixNanos>, Refusal> {
    let (head, payload) = open(item)?;
    if let Some((seconds, nanos)) = event_time(head, payload) {
        return Ok(Some(UnixNanos(i64::from(seconds) * 1_000_000_000 + i64::from(nanos))));
    }
    Ok(scalar(head, payload)?.as_ref().and_then(time_of_number))
}

/// Returns the time that a number of seconds stands for; out of range it is the nearest
/// that can be told.
pub fn time_of_number(number: &Value) -> Option<UnixNanos> {
    match number.as_i64() {
        Some(seconds) => Some(UnixNanos(seconds.saturating_mul(1_000_000_000))),
        None => number.as_f64().map(|seconds| UnixNanos((seconds * 1e9) as i64)),
    }
}

/// Decodes one complete value.
pub fn decode(item: &[u8]) -> Result<Value, Refusal> {
    Decoder { rest: item, n_values_left: ENTRY_VALUES_MAX }.value(0)
}

/// Decodes a map; anything else is no record.
pub fn decode_map(item: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match decode(item)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Refusal::Format),
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
    n_values_left: usize,
}

impl Decoder<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Refusal> {
        if depth > DEPTH_MAX {
            return Err(Refusal::Depth);
        }
        self.n_values_left = self.n_values_left.checked_sub(1).ok_or(Refusal::Size)?;
        let head = Head::read(self.rest)?.ok_or(Refusal::Format)?;
        let payload = self.rest.get(head.head_len..head.head_len + head.payload_len);
        let payload = payload.ok_or(Refusal::Format)?;
        self.rest = &self.rest[head.head_len + head.payload_len..];
        match head.marker {
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                // Grown as values come: the count is only a claim.
                let mut res = Vec::new();
                for _ in 0..head.n_children {
                    res.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(res))
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                let mut res = Map::new();
                for _ in 0..head.n_children / 2 {
                    let name = match self.value(depth + 1)? {
                        Value::String(name) => name,
                        other => other.to_string(),
                    };
                    res.insert(name, self.value(depth + 1)?);
                }
                Ok(Value::Object(res))
            }
            _ => scalar(head, payload)?.ok_or(Refusal::Format),
        }
    }
}

/// Reads what is neither array nor map.
fn scalar(head: Head, payload: &[u8]) -> Result<Option<Value>, Refusal> {
    let unsigned = || payload.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let res = match head.marker {
        Marker::Null => Value::Null,
        Marker::True => true.into(),
        Marker::False => false.into(),
        Marker::FixPos(number) => number.into(),
        Marker::FixNeg(number) => number.into(),
        Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => unsigned().into(),
        Marker::I8 => (unsigned() as i8).into(),
        Marker::I16 => (unsigned() as i16).into(),
        Marker::I32 => (unsigned() as i32).into(),
        Marker::I64 => (unsigned() as i64).into(),
        Marker::F32 => float(f64::from(f32::from_bits(unsigned() as u32))),
        Marker::F64 => float(f64::from_bits(unsigned())),
        Marker::FixStr(_)
        | Marker::Str8
        | Marker::Str16
        | Marker::Str32
        | Marker::Bin8
        | Marker::Bin16
        | Marker::Bin32 => String::from_utf8_lossy(payload).into(),
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => match event_time(head, payload) {
            Some((seconds, nanos)) => format!("{seconds}.{nanos:09}").into(),
            None => hex::encode(payload.get(1..).ok_or(Refusal::Format)?).into(),
        },
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => return Ok(None),
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => return Ok(None),
        Marker::Reserved => return Err(Refusal::Format),
    };
    Ok(Some(res))
}

/// JSON has no word for NaN and the infinities; they are told as text.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

/// Reads the eight bytes of an EventTime: seconds and nanoseconds, big-endian.
fn event_time(head: Head, payload: &[u8]) -> Option<(u32, u32)> {
    let is_extension = matches!(head.marker, Marker::FixExt8 | Marker::Ext8);
    let (kind, rest) = payload.split_first().filter(|_| is_extension)?;
    let [s0, s1, s2, s3, n0, n1, n2, n3] = *rest else { return None };
    (*kind == EVENT_TIME)
        .then(|| (u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([n0, n1, n2, n3])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_is_told() {
        let check = |bytes: &[u8], expect: Value| assert_eq!(decode(bytes), Ok(expect), "{bytes:x?}");
        check(&[0xc0], Value::Null);
        check(&[0xc3], json!(true));
        check(&[0x07], json!(7));
        check(&[0xff], json!(-1));
        check(&[0xd1, 0xff, 0x00], json!(-256));
        check(&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], json!(u64::MAX));
        check(&[0xca, 0x3f, 0xc0, 0, 0], json!(1.5));
        check(&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], json!("NaN"));
        check(&[0xa2, 0xc3, 0xa9], json!("é"));
        check(&[0xc4, 2, b'o', 0xff], json!("o\u{fffd}"));
        check(&[0xd4, 5, 0xab], json!("ab"));
        check(&[0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 5], json!("1.000000005"));
        check(&[0x82, 0xa1, b'a', 0x91, 1, 3, 0xc2], json!({"a": [1], "3": false}));
    }

    #[test]
    fn times_of_three_kinds_are_read() {
        let check = |bytes: &[u8], expect| assert_eq!(time(bytes), Ok(expect), "{bytes:x?}");
        check(&[0xce, 0x6a, 0, 0, 0], Some(UnixNanos(0x6a00_0000_i64 * 1_000_000_000)));
        check(&[0xd7, 0, 0, 0, 0, 2, 0, 0, 0, 9], Some(UnixNanos(2_000_000_009)));
        check(&[0xc7, 8, 0, 0, 0, 0, 2, 0, 0, 0, 9], Some(UnixNanos(2_000_000_009)));
        check(&[0xca, 0x3f, 0xc0, 0, 0], Some(UnixNanos(1_500_000_000)));
        check(&[0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Some(UnixNanos(i64::MAX)));
        check(&[0xa1, b'x'], None);
        check(&[0x90], None);
    }

    #[test]
    fn a_value_with_too_much_inside_is_refused() {
        let mut bytes = vec![0xdd, 0, 0, 0xff, 0xff];
        bytes.extend([0xc0; 0xffff]);
        assert_eq!(decode(&bytes), Err(Refusal::Size));
        assert_eq!(decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(Refusal::Format));
        assert_eq!(decode(&[0x91; 100]), Err(Refusal::Depth));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            _ = decode(&bytes);
            _ = time(&bytes);
            let mut cursor = Cursor(&bytes);
            while let Ok(Some(_)) = cursor.item() {}
        }
    }
}
