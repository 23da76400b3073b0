//! What the front answers by itself, when the one behind does not.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

use super::client::Fault;

/// Returns what a visitor hears of a fault.
pub(super) fn of(fault: &Fault) -> HttpResponse {
    match fault {
        Fault::NotReached { .. } | Fault::HeldTooLong | Fault::Crowded => away(),
        Fault::Lost(_) => no_answer(),
        Fault::Silent => plain(StatusCode::GATEWAY_TIMEOUT, "the site did not answer in time\n"),
        Fault::Upload => bad_request(),
    }
}

pub(super) fn away() -> HttpResponse {
    let mut res =
        plain(StatusCode::SERVICE_UNAVAILABLE, "the site is being replaced and will be back in a moment\n");
    res.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    res
}

pub(super) fn no_answer() -> HttpResponse {
    let text = "the site was interrupted while it answered, and may have done what was asked\n";
    plain(StatusCode::BAD_GATEWAY, text)
}

pub(super) fn too_many_connections() -> HttpResponse {
    plain(StatusCode::TOO_MANY_REQUESTS, "too many connections from this address\n")
}

pub(super) fn no_tunnel() -> HttpResponse {
    plain(StatusCode::NOT_IMPLEMENTED, "this is no proxy to other sites\n")
}

pub(super) fn bad_request() -> HttpResponse {
    plain(StatusCode::BAD_REQUEST, "the request cannot be understood\n")
}

fn plain(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8")).body(text)
}
