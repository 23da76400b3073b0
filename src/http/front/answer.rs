//! The answer of the one behind, passed on piece by piece.
//!
//! It promises that what was cut there is cut here, so that nobody takes a part for the whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{self, BodyStream, SizedStream};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_LENGTH;
use hyper::body::{Body, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use super::client::Connection;
use super::headers::of_message;
use super::journal::Journal;
use super::refusal;

/// An answer whose head is there.
pub(super) struct Answer {
    head: http::Response<Incoming>,
    connection: Connection,
}

impl Answer {
    pub(super) fn new(head: http::Response<Incoming>, connection: Connection) -> Self {
        Answer { head, connection }
    }

    /// Passes it on; the place is given back with its last byte.
    pub(super) fn respond(
        self,
        request: &HttpRequest,
        place: OwnedSemaphorePermit,
        journal: Arc<Journal>,
    ) -> HttpResponse {
        let (head, body) = self.head.into_parts();
        let status = StatusCode::from_u16(head.status.as_u16()).ok().filter(|status| status.as_u16() >= 200);
        // Nobody asked for another protocol: `Upgrade` is not passed on.
        let Some(status) = status else { return refusal::no_answer() };
        let mut response = HttpResponse::build(status);
        let lines = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        for (name, value) in of_message(lines) {
            let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value));
            if let (Ok(name), Ok(value)) = pair {
                response.append_header((name, value));
            }
        }
        let is_head = *request.method() == Method::HEAD;
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let pieces = Pieces { body, journal, _connection: self.connection, _place: place };
        // These two have no body, whatever their length says (RFC 9112, section 6.3).
        if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) {
            return response.body(body::None::new());
        }
        match length {
            Some(length) => response.body(SizedStream::new(length, pieces)),
            None if is_head => response.body(body::None::new()),
            None if request.version() < Version::HTTP_11 => {
                let mut res = response.force_close().body(BodyStream::new(pieces));
                res.head_mut().no_chunking(true);
                res
            }
            None => response.body(BodyStream::new(pieces)),
        }
    }
}

/// The body, with what it needs until its end.
struct Pieces {
    body: Incoming,
    journal: Arc<Journal>,
    _connection: Connection,
    _place: OwnedSemaphorePermit,
}

impl Stream for Pieces {
    type Item = hyper::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // Trailers are about a connection that nobody asked them on.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                Some(Err(fault)) => {
                    self.journal.complain(&format!("an answer was cut: {fault}"));
                    return Poll::Ready(Some(Err(fault)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}
