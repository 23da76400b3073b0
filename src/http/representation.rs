//! A document as it goes over the wire: made, compressed and hashed at load.

use std::io::Write;

use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::negotiate::Encoding;
use crate::record::view::Shown;

/// How long a client may keep a document (RFC 9111).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Ask each time; the ETag makes the answer short. For everything an owner can edit.
    Revalidate,
    /// Nobody keeps it: only who asked may see it.
    Never,
    /// Never ask again: the address changes with the content.
    Immutable,
}

/// One document in every encoding that makes it smaller.
#[derive(Debug)]
pub struct Representation {
    pub(super) content_type: HeaderValue,
    pub(super) cache_control: HeaderValue,
    /// Whether another encoding exists, so that caches must tell them apart.
    pub(super) varies: bool,
    /// Which document of the CV it is; none for what belongs to one.
    pub(super) shown: Option<Shown>,
    variants: [Option<Variant>; 3],
}

/// The document in one encoding.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) body: Bytes,
    /// A strong validator: it differs between encodings, as RFC 9110 section 8.8.3.3 asks.
    pub(super) etag: HeaderValue,
}

/// Below this a compressed answer saves nothing: it fits one TCP segment anyway.
const COMPRESS_MIN_BYTES: usize = 512;

/// Brotli's level; 11 takes 40 times as long for 3 % fewer bytes of such pages.
const BROTLI_LEVEL: i32 = 9;

/// Brotli's windows have from 2^10 to 2^24 bytes; 2^22 is its default for text.
const BROTLI_WINDOW_BITS: std::ops::RangeInclusive<i32> = 10..=22;

impl Representation {
    /// Hashes a document and compresses it where that makes it smaller.
    pub fn new(content_type: &'static str, caching: Caching, body: Vec<u8>) -> Self {
        let hash = hex::encode(&Sha256::digest(&body)[..12]);
        let variant = |body: Vec<u8>, suffix: &str| Variant {
            body: Bytes::from(body),
            etag: header(&format!("\"{hash}{suffix}\"")),
        };
        let smaller = |compressed: &Vec<u8>| compressed.len() < body.len();
        // What hardly anybody asks for is not worth the time at each load.
        let is_rare = caching == Caching::Never;
        let compress = body.len() >= COMPRESS_MIN_BYTES && is_text(content_type) && !is_rare;
        let brotli = compress.then(|| brotli(&body)).filter(smaller).map(|body| variant(body, "-br"));
        let gzip = compress.then(|| gzip(&body)).filter(smaller).map(|body| variant(body, "-gz"));
        Representation {
            content_type: HeaderValue::from_static(content_type),
            cache_control: HeaderValue::from_static(match caching {
                Caching::Never => "private, no-store",
                Caching::Revalidate => "public, max-age=0, must-revalidate",
                Caching::Immutable => "public, max-age=31536000, immutable",
            }),
            varies: brotli.is_some() || gzip.is_some(),
            shown: None,
            variants: [Some(variant(body, "")), gzip, brotli],
        }
    }

    /// Says which document of the CV it is, so that who asks for it is a visitor.
    pub fn shown_as(self, shown: Shown) -> Self {
        Representation { shown: Some(shown), ..self }
    }

    /// Returns true for what a page is made of and does not itself say.
    pub fn is_part(&self) -> bool {
        let kind = self.content_type.to_str().unwrap_or_default();
        kind.starts_with("image/") || kind.starts_with("text/css")
    }

    /// Returns the first of the wanted encodings that exists; identity always does.
    pub(super) fn variant(&self, encodings: [Encoding; 3]) -> (Encoding, &Variant) {
        let found = encodings.into_iter().find_map(|encoding| {
            self.variants[encoding as usize].as_ref().map(|variant| (encoding, variant))
        });
        found.unwrap_or_else(|| {
            let identity = self.variants[Encoding::Identity as usize].as_ref();
            (Encoding::Identity, identity.expect("the identity variant is always made"))
        })
    }

    /// Returns true when `if_none_match` names this document in an encoding (RFC 9110 section
    /// 13.1.2: weak comparison, and only with the representation that would be sent, or a
    /// cache would show one client what another asked for).
    pub(super) fn is_known_as(&self, if_none_match: &str, encoding: Encoding) -> bool {
        let (_, variant) = self.variant([encoding; 3]);
        let is_it = |tag: &str| tag.trim().trim_start_matches("W/").as_bytes() == variant.etag.as_bytes();
        if_none_match.trim() == "*" || if_none_match.split(',').any(is_it)
    }

    /// Returns the uncompressed document.
    pub fn identity(&self) -> &Bytes {
        &self.variant([Encoding::Identity; 3]).1.body
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.starts_with("text/")
        || ["json", "javascript", "xml", "+json", "+xml"].iter().any(|suffix| kind.ends_with(suffix))
}

fn header(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("a quoted hexadecimal hash is a valid header value")
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let window_bits = i32::try_from(body.len().ilog2() + 1).unwrap_or(i32::MAX);
    let params = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_LEVEL,
        // A window larger than the document only costs memory, megabytes of it.
        lgwin: window_bits.clamp(*BROTLI_WINDOW_BITS.start(), *BROTLI_WINDOW_BITS.end()),
        size_hint: body.len(),
        ..Default::default()
    };
    let mut res = Vec::new();
    brotli::BrotliCompress(&mut &body[..], &mut res, &params).expect("writing to a vector cannot fail");
    res
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).expect("writing to a vector cannot fail");
    encoder.finish().expect("writing to a vector cannot fail")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::http::negotiate;

    fn document() -> Representation {
        let text = "A line of text that repeats. ".repeat(100);
        Representation::new("text/html; charset=utf-8", Caching::Revalidate, text.into_bytes())
    }

    #[test]
    fn every_encoding_unpacks_to_the_same_document() {
        let document = document();
        let (encoding, brotli) = document.variant(negotiate::encodings(Some("gzip, br")));
        assert_eq!(encoding, Encoding::Brotli);
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut &brotli.body[..], &mut unpacked).unwrap();
        assert_eq!(unpacked, document.identity().to_vec());

        let (encoding, gzip) = document.variant(negotiate::encodings(Some("gzip")));
        assert_eq!(encoding, Encoding::Gzip);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, document.identity().to_vec());
        assert_ne!(gzip.etag, brotli.etag);
    }

    #[test]
    fn small_and_packed_documents_stay_as_they_are() {
        let tiny = Representation::new("text/plain", Caching::Revalidate, b"User-agent: *".to_vec());
        assert!(!tiny.varies);
        let picture = Representation::new("image/png", Caching::Immutable, vec![0; 4096]);
        assert!(!picture.varies);
        let drawing = Representation::new("image/svg+xml", Caching::Immutable, vec![b' '; 4096]);
        assert!(drawing.varies);
    }

    #[test]
    fn only_the_tag_of_the_encoding_that_would_be_sent_makes_a_document_known() {
        let document = document();
        let (_, brotli) = document.variant(negotiate::encodings(Some("br")));
        let tag = brotli.etag.to_str().unwrap();
        assert!(document.is_known_as(tag, Encoding::Brotli));
        assert!(!document.is_known_as(tag, Encoding::Gzip));
        assert!(document.is_known_as(&format!("\"other\", W/{tag}"), Encoding::Brotli));
        assert!(document.is_known_as("*", Encoding::Identity));
        assert!(!document.is_known_as("\"other\"", Encoding::Brotli));
        assert!(!document.is_known_as("", Encoding::Brotli));
    }
}
