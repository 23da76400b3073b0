//! The only place where our errors meet status codes.
//!
//! A visitor gets a page that says what they can do; the cause goes to the log.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, HeaderMap, HeaderValue};

use super::edition::Edition;
use crate::balancer::{DispatchError, WorkerId};
use crate::pages::error::{ErrorView, page};
use crate::record::trace::TraceContext;

/// Why a visitor does not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nothing lies at the path, as a worker found.
    #[error("nothing lies at this path")]
    NotFound {
        /// The worker that looked.
        worker: WorkerId,
    },
    /// The owner has no such file.
    #[error("there is no such file")]
    NoFile,
    /// The path can only be read.
    #[error("this path can only be read")]
    MethodNotAllowed,
    /// One address has enough connections; this one is closed.
    #[error("too many connections from one address")]
    TooManyConnections,
    /// One address has sent enough requests.
    #[error("too many requests from one address, the next in {wait:?}")]
    TooManyRequests {
        /// When the next one is answered.
        wait: Duration,
    },
    /// No worker answered.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::NotFound { .. } | Error::NoFile => StatusCode::NOT_FOUND,
            Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Error::TooManyConnections | Error::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Dispatch(DispatchError::Overloaded { .. } | DispatchError::Draining) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Dispatch(DispatchError::Deadline { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Error::Dispatch(DispatchError::Panicked { .. } | DispatchError::WorkerLost { .. }) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Returns the worker that had the job, if one had it.
    pub(super) fn worker(&self) -> Option<WorkerId> {
        match self {
            Error::NotFound { worker }
            | Error::Dispatch(
                DispatchError::Panicked { worker, .. }
                | DispatchError::Deadline { worker, .. }
                | DispatchError::WorkerLost { worker },
            ) => Some(*worker),
            Error::NoFile
            | Error::MethodNotAllowed
            | Error::TooManyConnections
            | Error::TooManyRequests { .. }
            | Error::Dispatch(DispatchError::Overloaded { .. } | DispatchError::Draining) => None,
        }
    }

    /// Logs what the owner should know of and nobody else logged: the balancer told of a
    /// panic, and a refusal is counted, since overload must not flood the log as well.
    pub(super) fn log(&self, path: &str) {
        if let Error::Dispatch(fault @ (DispatchError::Deadline { .. } | DispatchError::WorkerLost { .. })) =
            self
        {
            tracing::warn!(url_path = path, "{fault}");
        }
    }

    /// Returns the page for the visitor, with the request's id for a question to the owner.
    ///
    /// The owner may have a page of their own for what is not there.
    pub(super) fn response(&self, edition: &Edition) -> HttpResponse {
        let request_id = TraceContext::current().map(|trace| trace.trace_id.to_string());
        let own = edition.not_found.as_ref().filter(|_| self.status() == StatusCode::NOT_FOUND);
        let body = own.cloned().unwrap_or_else(|| {
            let view = ErrorView {
                status: self.status().as_u16(),
                request_id: request_id.as_deref(),
                stylesheets: std::slice::from_ref(&edition.stylesheet),
                favicon: Some("/favicon.svg"),
            };
            page(&view).into_string().into()
        });
        let mut response = HttpResponse::build(self.status());
        response.content_type(ContentType::html()).insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(request_id) = request_id {
            response.insert_header(("x-request-id", request_id));
        }
        if matches!(self, Error::TooManyConnections) {
            response.force_close();
        }
        let mut response = response.body(body);
        self.add_headers(response.headers_mut());
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            Error::MethodNotAllowed => headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
            Error::TooManyConnections => headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")),
            Error::TooManyRequests { wait } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1))
            }
            Error::Dispatch(DispatchError::Overloaded { retry_after }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)))
            }
            Error::Dispatch(DispatchError::Draining) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            Error::NotFound { .. } | Error::NoFile | Error::Dispatch(_) => return,
        };
    }
}
