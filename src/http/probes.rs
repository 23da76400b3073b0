//! `/health` and `/ready`, for supervisors and load balancers.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::server::Thread;

/// How the process is; the answer of `/health`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok`, or `degraded` when no worker is ready.
    pub status: &'static str,
    /// The version of the binary.
    pub version: &'static str,
    /// The release that it was shipped as.
    pub release: String,
    /// The workers.
    pub workers: HealthWorkers,
    /// Why the CV on disk is not the one shown, and why nothing is being recorded; left out when
    /// all is well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// The workers' share of [`Health`].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HealthWorkers {
    /// How many take jobs.
    pub ready: usize,
    /// How many there are.
    pub total: usize,
}

/// Answers 200 while a worker is ready, else 503; a broken CV is named and still 200,
/// because the page is served.
pub(super) async fn health(request: HttpRequest) -> HttpResponse {
    let thread = Thread::of(&request);
    let health = (thread.shared.health)();
    let mut response =
        if health.workers.ready > 0 { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(health)
}

/// Answers 200 while traffic is wanted, 503 from the start of a drain.
pub(super) async fn ready(request: HttpRequest) -> HttpResponse {
    let wanted = Thread::of(&request).shared.switches.is_wanted();
    let mut response = if wanted { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(if wanted { "ready\n" } else { "draining\n" })
}
