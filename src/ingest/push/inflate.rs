//! Bodies as they were before they were compressed, within a bound.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::Fault;

/// Bytes of a body once it is inflated: batches of log shippers have one megabyte, those of a
/// Prometheus a few hundred kilobytes.
pub const INFLATED_MAX_BYTES: usize = 8 << 20;

/// How a body was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// `gzip`, in one or more members.
    Gzip,
    /// One block of snappy, without a frame.
    Snappy,
}

impl Encoding {
    /// Reads a `Content-Encoding`.
    pub fn parse(text: &str) -> Option<Encoding> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Encoding::Identity),
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "snappy" => Some(Encoding::Snappy),
            _ => None,
        }
    }
}

/// Inflates a body; what it claims to become is checked before room is made for it.
pub fn inflate(body: Vec<u8>, encoding: Encoding) -> Result<Vec<u8>, Fault> {
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => {
            let mut res = Vec::new();
            let mut reader = MultiGzDecoder::new(body.as_slice()).take(INFLATED_MAX_BYTES as u64 + 1);
            reader.read_to_end(&mut res).map_err(|_| Fault::Compression)?;
            if res.len() > INFLATED_MAX_BYTES { Err(Fault::Inflated) } else { Ok(res) }
        }
        Encoding::Snappy => {
            let n_bytes = snap::raw::decompress_len(&body).map_err(|_| Fault::Compression)?;
            if n_bytes > INFLATED_MAX_BYTES {
                return Err(Fault::Inflated);
            }
            snap::raw::Decoder::new().decompress_vec(&body).map_err(|_| Fault::Compression)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_encoding_is_undone() {
        let snappy = snap::raw::Encoder::new().compress_vec(b"hello").unwrap();
        assert_eq!(inflate(snappy, Encoding::Snappy).unwrap(), b"hello");
        let twice = [gzip(b"hel"), gzip(b"lo")].concat();
        assert_eq!(inflate(twice, Encoding::Gzip).unwrap(), b"hello");
        assert_eq!(inflate(b"hello".into(), Encoding::Identity).unwrap(), b"hello");
    }

    #[test]
    fn a_bomb_and_a_false_length_are_refused_without_the_room() {
        let bomb = gzip(&vec![0; INFLATED_MAX_BYTES + 1]);
        assert!(bomb.len() < 64 << 10);
        assert_eq!(inflate(bomb, Encoding::Gzip), Err(Fault::Inflated));
        // Claims four gigabytes in six bytes.
        let claims = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        let info = allocation_counter::measure(|| {
            assert_eq!(inflate(claims.clone(), Encoding::Snappy), Err(Fault::Inflated));
        });
        assert!(info.bytes_max < 1024, "{info:?}");
        assert_eq!(inflate(vec![3, 0xff], Encoding::Snappy), Err(Fault::Compression));
        assert_eq!(inflate(b"hello".into(), Encoding::Gzip), Err(Fault::Compression));
    }
}
