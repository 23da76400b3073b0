//! The way to an answer and back, the same for every API: parameters from the query string and the
//! form, work on the heavy lane, compression.

use std::io::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;

use crate::balancer::{Lane, LaneError};
use crate::http::negotiate::{self, Encoding};

/// Longest form: a query of 1 MiB, each byte of it escaped, is refused by the parser and not here.
const FORM_MAX_BYTES: usize = 4 << 20;

/// Shorter answers are sent as they are.
const COMPRESSED_MIN_BYTES: usize = 1 << 10;

/// An answer as it is sent.
pub(super) struct Reply {
    /// The status.
    pub status: StatusCode,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// What was asked for, by names and values.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(pub Vec<(String, String)>);

impl Parameters {
    /// Returns a parameter, `""` when it was not given.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Returns every value of a parameter.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Reads what a form holds.
    pub fn of_form(text: &[u8]) -> Self {
        Parameters(url::form_urlencoded::parse(text).into_owned().collect())
    }
}

/// Reads the parameters of a request; the fault is a sentence.
///
/// Of a name that stands in both, that of the form comes before that of the query string, as in Go.
pub(super) async fn parameters(request: &HttpRequest, payload: web::Payload) -> Result<Parameters, String> {
    let mut res = Parameters::of_form(&form(request, payload).await?);
    res.0.extend(Parameters::of_form(request.query_string().as_bytes()).0);
    Ok(res)
}

/// Reads the body of a form; a body of another kind is not looked at.
async fn form(request: &HttpRequest, mut payload: web::Payload) -> Result<Vec<u8>, String> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let mut res = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|fault| format!("the form broke off: {fault}"))?;
        if res.len() + chunk.len() > FORM_MAX_BYTES {
            return Err(format!("form of more than {FORM_MAX_BYTES} bytes"));
        }
        if is_form {
            res.extend_from_slice(&chunk);
        }
    }
    Ok(res)
}

/// Does work on a lane, and sends what comes of it; `refused` says how an API says that it does not.
pub(super) async fn on_lane(
    request: &HttpRequest,
    lane: &Lane,
    work: impl FnOnce() -> Reply + Send + 'static,
    refused: impl FnOnce(StatusCode, &'static str) -> Reply,
) -> HttpResponse {
    let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    // What is written for one answer alone takes longer in Brotli than it saves.
    let wanted = negotiate::encodings(accepted).into_iter().find(|encoding| *encoding != Encoding::Brotli);
    let is_compressed = wanted == Some(Encoding::Gzip);
    let done = lane.run(move || {
        let reply = work();
        if is_compressed && reply.body.len() >= COMPRESSED_MIN_BYTES {
            match gzipped(&reply.body) {
                Ok(body) => return (Reply { body, ..reply }, true),
                Err(fault) => tracing::error!("an answer of the API could not be compressed: {fault}"),
            }
        }
        (reply, false)
    });
    match done.await {
        Ok((reply, is_compressed)) => respond(reply, is_compressed),
        Err(LaneError::Full { .. }) => {
            send(refused(StatusCode::SERVICE_UNAVAILABLE, "too many queries at once, try again"))
        }
        Err(fault) => {
            tracing::error!("a query of the API broke off: {fault}");
            send(refused(StatusCode::INTERNAL_SERVER_ERROR, "the query broke off, the log has more"))
        }
    }
}

fn gzipped(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// Sends an answer as it is.
pub(super) fn send(reply: Reply) -> HttpResponse {
    respond(reply, false)
}

fn respond(reply: Reply, is_compressed: bool) -> HttpResponse {
    let mut response = HttpResponse::build(reply.status);
    response.content_type(reply.content_type).insert_header((VARY, "Accept-Encoding"));
    if is_compressed {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    response.body(reply.body)
}
