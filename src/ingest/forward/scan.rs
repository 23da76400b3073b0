//! Where a message ends, found as its bytes arrive.
//!
//! Each byte is looked at once, however small the pieces are, and a claim of a length or a
//! depth that is not allowed is refused before anything of it was read.

use rmp::Marker;

use super::Refusal;
use super::bounds::{DEPTH_MAX, JSON_MAX_BYTES};

/// The head of one msgpack value: its marker and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// What kind of value it is.
    pub marker: Marker,
    /// Bytes of the marker and its length.
    pub head_len: usize,
    /// Bytes of text, number or extension behind the head; 0 for arrays and maps.
    pub payload_len: usize,
    /// Values inside: elements, or keys and values.
    pub n_children: usize,
}

impl Head {
    /// Reads a head; none while bytes of it are missing.
    pub fn read(bytes: &[u8]) -> Result<Option<Head>, Refusal> {
        let Some(first) = bytes.first() else { return Ok(None) };
        let marker = Marker::from_u8(*first);
        // Bytes of the length, of the payload beside that length, and values per length.
        let (length_len, fixed_len, per_length) = match marker {
            Marker::Reserved => return Err(Refusal::Format),
            Marker::Null | Marker::False | Marker::True | Marker::FixPos(_) | Marker::FixNeg(_) => (0, 0, 0),
            Marker::U8 | Marker::I8 => (0, 1, 0),
            Marker::U16 | Marker::I16 => (0, 2, 0),
            Marker::U32 | Marker::I32 | Marker::F32 => (0, 4, 0),
            Marker::U64 | Marker::I64 | Marker::F64 => (0, 8, 0),
            Marker::FixExt1 => (0, 2, 0),
            Marker::FixExt2 => (0, 3, 0),
            Marker::FixExt4 => (0, 5, 0),
            Marker::FixExt8 => (0, 9, 0),
            Marker::FixExt16 => (0, 17, 0),
            Marker::FixStr(len) => (0, usize::from(len), 0),
            Marker::Str8 | Marker::Bin8 => (1, 0, 0),
            Marker::Str16 | Marker::Bin16 => (2, 0, 0),
            Marker::Str32 | Marker::Bin32 => (4, 0, 0),
            // The type's byte counts as payload.
            Marker::Ext8 => (1, 1, 0),
            Marker::Ext16 => (2, 1, 0),
            Marker::Ext32 => (4, 1, 0),
            Marker::FixArray(_) => (0, 0, 1),
            Marker::Array16 => (2, 0, 1),
            Marker::Array32 => (4, 0, 1),
            Marker::FixMap(_) => (0, 0, 2),
            Marker::Map16 => (2, 0, 2),
            Marker::Map32 => (4, 0, 2),
        };
        let Some(length) = bytes.get(1..1 + length_len) else { return Ok(None) };
        let length = match marker {
            Marker::FixArray(n) | Marker::FixMap(n) => usize::from(n),
            _ => length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        let payload_len = if per_length == 0 { fixed_len + length } else { 0 };
        Ok(Some(Head { marker, head_len: 1 + length_len, payload_len, n_children: length * per_length }))
    }
}

/// Finds the end of one msgpack value.
#[derive(Debug)]
pub struct Scanner {
    max_bytes: usize,
    at: usize,
    is_begun: bool,
    /// Values still to come in each array or map that is open.
    open: Vec<usize>,
}

impl Scanner {
    /// Begins a value of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Scanner { max_bytes, at: 0, is_begun: false, open: Vec::new() }
    }

    /// Looks at what came since the last call; `bytes` begins where the value begins.
    /// Returns the value's length once it is complete.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        loop {
            self.open.truncate(self.open.iter().rposition(|left| *left > 0).map_or(0, |idx| idx + 1));
            if self.is_begun && self.open.is_empty() {
                return Ok(Some(self.at).filter(|end| *end <= bytes.len()));
            }
            let Some(rest) = bytes.get(self.at..) else { return Ok(None) };
            let Some(head) = Head::read(rest)? else { return Ok(None) };
            self.take(head)?;
        }
    }

    fn take(&mut self, head: Head) -> Result<(), Refusal> {
        self.is_begun = true;
        self.at += head.head_len + head.payload_len;
        // Each value inside takes a byte at least, so that a huge count is a huge value.
        if self.at.saturating_add(head.n_children) > self.max_bytes {
            return Err(Refusal::Size);
        }
        if let Some(left) = self.open.last_mut() {
            *left -= 1;
        }
        if head.n_children > 0 {
            self.open.push(head.n_children);
        }
        if self.open.len() > DEPTH_MAX { Err(Refusal::Depth) } else { Ok(()) }
    }
}

/// Finds the end of one JSON object or array.
#[derive(Debug, Default)]
pub struct JsonScanner {
    at: usize,
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
}

impl JsonScanner {
    /// Like [`Scanner::advance`].
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        for byte in &bytes[self.at..] {
            self.at += 1;
            if self.at > JSON_MAX_BYTES {
                return Err(Refusal::Size);
            }
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_text => self.is_escaped = true,
                b'"' => self.is_in_text = !self.is_in_text,
                _ if self.is_in_text => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            match self.depth {
                0 => return Ok(Some(self.at)),
                1..=DEPTH_MAX => {}
                _ => return Err(Refusal::Depth),
            }
        }
        Ok(None)
    }
}

/// Finds the end of the next message of a connection, whichever its form.
#[derive(Debug)]
pub enum Boundary {
    /// The first byte says msgpack.
    Msgpack(Scanner),
    /// The first byte is `{` or `[`.
    Json(JsonScanner),
}

impl Boundary {
    /// Chooses by the first byte of a message. In msgpack `{` and `[` would be numbers,
    /// which are no messages.
    pub fn new(first: u8, max_bytes: usize) -> Self {
        if is_json(first) {
            Boundary::Json(JsonScanner::default())
        } else {
            Boundary::Msgpack(Scanner::new(max_bytes))
        }
    }

    /// Like [`Scanner::advance`].
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        match self {
            Boundary::Msgpack(scanner) => scanner.advance(bytes),
            Boundary::Json(scanner) => scanner.advance(bytes),
        }
    }
}

/// Returns true when a message that begins with this byte is JSON.
pub fn is_json(first: u8) -> bool {
    matches!(first, b'{' | b'[')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the bytes one by one and returns the end, which must be found at that byte.
    fn end_of(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let mut scanner = Scanner::new(1_000);
        for n in 0..=bytes.len() {
            if let Some(end) = scanner.advance(&bytes[..n])? {
                assert_eq!(end, n, "{bytes:x?}");
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_end_is_found_byte_by_byte() {
        let check = |bytes: &[u8], expect| assert_eq!(end_of(bytes), Ok(expect), "{bytes:x?}");
        check(&[0xc0, 1, 2], Some(1));
        check(&[0xcd, 1, 2, 9], Some(3));
        check(&[0xa3, b'a', b'b', b'c', 9], Some(4));
        check(&[0xd7, 0, 1, 2, 3, 4, 5, 6, 7, 8], Some(10));
        check(&[0xc7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8], Some(11));
        check(&[0x90, 1], Some(1));
        check(&[0x92, 0x81, 0xa1, b'k', 0x90, 0xc4, 1, 7, 0xc0], Some(8));
        check(&[0x92, 0x80], None);
        check(&[0xdc, 0], None);
        check(&[], None);
    }

    #[test]
    fn claims_beyond_the_bounds_are_refused_at_once() {
        assert_eq!(end_of(&[0xdb, 0xff, 0xff, 0xff, 0xff]), Err(Refusal::Size));
        assert_eq!(end_of(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(Refusal::Size));
        assert_eq!(end_of(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(Refusal::Size));
        assert_eq!(end_of(&[0x91; 200]), Err(Refusal::Depth));
        assert_eq!(end_of(&[0xc1]), Err(Refusal::Format));
    }

    #[test]
    fn json_ends_outside_of_texts() {
        let end = |text: &str| JsonScanner::default().advance(text.as_bytes());
        assert_eq!(end(r#"{"a":"}\"]","b":[{}]} {"#), Ok(Some(21)));
        assert_eq!(end(r#"{"a":"#), Ok(None));
        assert_eq!(end(&"[".repeat(100)), Err(Refusal::Depth));
        assert_eq!(end(&format!("[\"{}", "x".repeat(JSON_MAX_BYTES))), Err(Refusal::Size));
    }

    proptest! {
        #[test]
        fn pieces_do_not_change_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let whole = Scanner::new(1_000).advance(&bytes);
            let mut pieces = Scanner::new(1_000);
            let mut res = Ok(None);
            for n in 0..=bytes.len() {
                res = pieces.advance(&bytes[..n]);
                if res != Ok(None) { break; }
            }
            prop_assert_eq!(res, whole);
        }
    }
}
