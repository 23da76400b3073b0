//! What is asked: the head as it is passed on, and the body, which stays with the request while
//! an attempt to send it fails.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use hyper::body::{Body, Frame, SizeHint};
use ipnet::IpNet;
use tokio::time::Instant;

use super::headers::{forwarded, is_forwarded, of_message};
use crate::http::client::is_trusted;

/// A request, to be sent as often as it takes.
pub(super) struct Asked {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    upload: Upload,
}

impl Asked {
    /// Returns none for what cannot be passed on.
    pub(super) fn of(request: &HttpRequest, payload: Payload, trusted: &[IpNet]) -> Option<Asked> {
        let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let lines = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let lines = of_message(lines);
        let mut headers = HeaderMap::with_capacity(lines.len() + 3);
        // Who expects to hear whether to go on has heard it from us.
        let is_ours = |name: &str| is_forwarded(name) || ["content-length", "expect"].contains(&name);
        for (name, value) in lines.iter().filter(|(name, _)| !is_ours(name)) {
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        let peer = request.peer_addr()?.ip().to_canonical();
        for (name, value) in forwarded(&lines, peer, is_trusted(peer, trusted)) {
            headers.insert(name, HeaderValue::from_bytes(&value).ok()?);
        }
        let size = Size::of(request)?;
        match size {
            Size::None => {}
            Size::Known(n) => _ = headers.insert(CONTENT_LENGTH, n.into()),
            Size::Unknown => _ = headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        }
        Some(Asked {
            method: Method::from_bytes(request.method().as_str().as_bytes()).ok()?,
            target: target.parse().ok()?,
            headers,
            upload: Upload {
                payload: Rc::new(RefCell::new(payload)),
                left: size,
                moved: Rc::new(Cell::new(Instant::now())),
            },
        })
    }

    /// Returns the request for one attempt.
    pub(super) fn attempt(&self, authority: &str) -> http::Request<Upload> {
        let mut res = http::Request::new(self.upload.clone());
        *res.method_mut() = self.method.clone();
        *res.uri_mut() = self.target.clone();
        *res.headers_mut() = self.headers.clone();
        // HTTP/1.0 has none, HTTP/1.1 must.
        if let (false, Ok(host)) = (self.headers.contains_key(HOST), HeaderValue::from_str(authority)) {
            res.headers_mut().insert(HOST, host);
        }
        // Each attempt has a connection of its own, so that a lost one says something about it.
        res.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        self.upload.moved.set(Instant::now());
        res
    }

    /// Returns true when it may arrive twice without changing anything, and can be sent twice.
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_safe() && matches!(self.upload.left, Size::None)
    }

    /// Returns when it was last seen that something of it was taken.
    pub(super) fn moved(&self) -> Instant {
        self.upload.moved.get()
    }
}

/// How much of a body is to come, in bytes.
#[derive(Clone, Copy)]
enum Size {
    None,
    Known(u64),
    Unknown,
}

impl Size {
    fn of(request: &HttpRequest) -> Option<Size> {
        let headers = request.headers();
        if headers.contains_key("transfer-encoding") {
            return Some(Size::Unknown);
        }
        let Some(length) = headers.get("content-length") else { return Some(Size::None) };
        let n = length.to_str().ok()?.parse().ok()?;
        // A form without a field has a length too, and whoever wants one must see it.
        let has_none = n == 0 && request.method().is_safe();
        Some(if has_none { Size::None } else { Size::Known(n) })
    }
}

/// The body as it comes from the visitor, no faster than it is taken.
#[derive(Clone)]
pub(super) struct Upload {
    payload: Rc<RefCell<Payload>>,
    left: Size,
    moved: Rc<Cell<Instant>>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut *self.payload.borrow_mut()).poll_next(context));
        self.moved.set(Instant::now());
        if let (Some(Ok(piece)), Size::Known(left)) = (&next, &mut self.left) {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(next.map(|piece| piece.map(Frame::data).map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.left, Size::None | Size::Known(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Size::None => SizeHint::with_exact(0),
            Size::Known(left) => SizeHint::with_exact(left),
            Size::Unknown => SizeHint::default(),
        }
    }
}
