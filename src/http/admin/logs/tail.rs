//! Lines as they come in, for the stream of a page.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::RETRY_AFTER;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use serde_json::json;

use super::address;
use super::json::message;
use super::question;
use crate::clock::UnixNanos;
use crate::http::admin::AdminState;
use crate::http::admin::ask::AskError;
use crate::http::admin::events::event;
use crate::http::admin::gather::off_thread;
use crate::http::follow::Following;
use crate::query::logql::{self, Line, Live, ast::Expr};
use crate::record::read::Direction;

/// Lines of the past that a page is told when it was away: as many as it fetches at once.
const PAST_MAX: usize = 1_000;

/// Bytes of messages that are handed to a connection at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Who follows the log by the stream of a page.
pub(in crate::http::admin) struct Tail {
    following: Following,
    begin: Option<Bytes>,
}

/// Follows what the address of a page asks for, from the newest line on that the page has; the
/// refusal is an answer.
pub(in crate::http::admin) async fn open(state: &Arc<AdminState>, query: &str) -> Result<Tail, HttpResponse> {
    let asked = address::read(query);
    let query = question::query(&asked.filter, is_known_label);
    let refused = |fault: AskError| HttpResponse::BadRequest().json(json!({ "error": fault.to_string() }));
    let live = live(&query, state.parts.clock.now()).map_err(refused)?;
    // Before the past is read, so that nothing falls between the two.
    let Some(mut following) = state.parts.followers.follow(live, message) else {
        let error = json!({ "error": "too many follow the log", "hint": "close another page" });
        return Err(HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, 10)).json(error));
    };
    let mut past = match asked.since {
        Some(since) => past(state, query, since).await?,
        None => Vec::new(),
    };
    // A page that was away for long begins anew with the newest lines.
    let has_gap = past.len() > PAST_MAX;
    past.truncate(PAST_MAX);
    past.reverse();
    following.after(past);
    let begin = Some(event("begin", &json!({ "gap": has_gap }).to_string()));
    Ok(Tail { following, begin })
}

/// The labels that every stream of our own has; whether others are, a tail need not know.
fn is_known_label(name: &str) -> bool {
    matches!(name, "job" | "service_name")
}

fn live(query: &str, now: UnixNanos) -> Result<Live, AskError> {
    match logql::parse(query).map_err(logql::Error::from)? {
        Expr::Log(log) => Ok(Live::new(log, now)?),
        Expr::Metric(_) => Err(AskError::Kind { got: "numbers", wanted: "lines" }),
    }
}

/// Reads what came in since a moment, the newest line first.
async fn past(state: &Arc<AdminState>, query: String, since: i64) -> Result<Vec<Line>, HttpResponse> {
    let (from, to) = (UnixNanos(since.saturating_add(1)), UnixNanos(i64::MAX));
    let read = off_thread(state, move |state| {
        let answer = state.ask().lines(&query, from, to, Direction::Backward, PAST_MAX + 1)?;
        Ok::<_, AskError>(answer.lines)
    });
    let unanswered = |fault: &dyn std::fmt::Display| {
        let error = json!({ "error": fault.to_string() });
        HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, 2)).json(error)
    };
    match read.await {
        Ok(Ok(lines)) => Ok(lines),
        Ok(Err(fault)) => Err(unanswered(&fault)),
        Err(fault) => Err(unanswered(&fault)),
    }
}

impl Tail {
    /// Waits for lines, and takes all that are there; nothing is lost when the wait is given up.
    pub(in crate::http::admin) async fn next(&mut self) -> Bytes {
        if let Some(begin) = self.begin.take() {
            return begin;
        }
        let Some(frame) = self.following.next().await else {
            // The thread of the followers is gone; the page still hears that the server lives.
            return std::future::pending().await;
        };
        let mut res = BytesMut::from(&event("lines", &frame.text)[..]);
        drop(frame);
        while res.len() < CHUNK_BYTES
            && let Some(Some(frame)) = self.following.next().now_or_never()
        {
            res.extend_from_slice(&event("lines", &frame.text));
        }
        res.freeze()
    }
}
