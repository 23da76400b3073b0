//! Parts of a document (RFC 9110 section 14), for a download that goes on after a break.
//!
//! One range of bytes is answered. Of several the whole document is sent, which is always
//! allowed, and what cannot be read counts as absent (section 14.2).

use std::ops::Range;
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, ByteRangeSpec, HeaderValue};

/// What of a document is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// These bytes: 206.
    Bytes(Range<usize>),
    /// It ends before the range begins: 416.
    Beyond,
}

impl Part {
    /// Returns what a request asks for of `n_bytes` that `etag` names.
    pub(super) fn of(request: &HttpRequest, etag: &HeaderValue, n_bytes: usize) -> Part {
        let headers = request.headers();
        let Some(range) = headers.get(header::RANGE) else { return Part::Whole };
        // Section 13.1.5: with another validator the client has a part of another document. A
        // weak one never matches, nor does a date, since we send none.
        let is_same = headers.get(header::IF_RANGE).is_none_or(|known| known == etag);
        if *request.method() != Method::GET || !is_same {
            return Part::Whole;
        }
        Part::read(range.to_str().unwrap_or_default(), n_bytes)
    }

    fn read(range: &str, n_bytes: usize) -> Part {
        let Ok(header::Range::Bytes(ranges)) = header::Range::from_str(range) else { return Part::Whole };
        let [spec] = ranges.as_slice() else { return Part::Whole };
        if matches!(spec, ByteRangeSpec::FromTo(first, last) if first > last) {
            return Part::Whole;
        }
        match spec.to_satisfiable_range(n_bytes as u64) {
            Some((first, last)) => Part::Bytes(first as usize..last as usize + 1),
            None => Part::Beyond,
        }
    }
}

/// Returns the value of `Content-Range`.
pub(super) fn content_range(part: &Part, n_bytes: usize) -> Option<String> {
    match part {
        Part::Whole => None,
        Part::Bytes(Range { start, end }) => Some(format!("bytes {start}-{}/{n_bytes}", end - 1)),
        Part::Beyond => Some(format!("bytes */{n_bytes}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, expected: Part) {
        assert_eq!(Part::read(range, 100), expected, "{range}");
    }

    #[test]
    fn ranges_are_those_of_the_rfc() {
        check("bytes=0-9", Part::Bytes(0..10));
        check("bytes=90-", Part::Bytes(90..100));
        check("bytes=90-1000", Part::Bytes(90..100));
        check("bytes=-10", Part::Bytes(90..100));
        check("bytes=-1000", Part::Bytes(0..100));
        check("bytes=99-99", Part::Bytes(99..100));
        check("bytes=100-", Part::Beyond);
        check("bytes=-0", Part::Beyond);
    }

    #[test]
    fn what_is_not_one_range_of_bytes_means_the_whole() {
        for range in
            ["", "bytes=", "bytes=9-1", "bytes=a-b", "bytes=0-1,3-4", "lines=0-9", "bytes=1--2", "0-9"]
        {
            check(range, Part::Whole);
        }
        check("bytes=0-18446744073709551616", Part::Whole);
    }

    #[test]
    fn an_empty_document_has_no_part() {
        assert_eq!(Part::read("bytes=0-", 0), Part::Beyond);
    }
}
