//! `tail`: lines as they come in, over a WebSocket.
//!
//! First the last lines of the past that the query selects, then each new one, as messages of
//! `{"streams":[…],"dropped_entries":[…]}`. A client that reads too slowly loses lines and is told
//! which; it never holds up anyone. `delay_for` is taken and not needed: nothing is waited for.

use std::io::Write as _;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason, Session};
use futures_util::StreamExt;

use super::asked::Asked;
use super::entries::object;
use super::json::{self, Refused, put_streams};
use crate::http::Shared;
use crate::http::admin::{self, AdminState};
use crate::http::api::reply::{self, Parameters};
use crate::http::follow::{FOLLOWERS_MAX, Following, LeftOut};
use crate::query::budget::Cancel;
use crate::query::logql::ast::{Expr, LogExpr};
use crate::query::logql::{Line, Live, LogRange, parse};
use crate::record::read::Direction;

/// As often a client is asked whether it is still there, as Loki does.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A client that has not answered for so many pings has gone.
const PINGS_MAX: u32 = 30;

/// Bytes that a client is sent before it answers a ping behind them. What was handed to the
/// connection waits in memory until the client reads, so it is bounded as the lines before it are.
const UNANSWERED_MAX_BYTES: usize = 256 << 10;

/// What such a ping says, and its answer.
const CAUGHT_UP: &[u8] = b"caught up";

/// Longest message of a client, which has nothing to say.
const MESSAGE_MAX_BYTES: usize = 4 << 10;

pub(super) async fn tail(
    request: HttpRequest,
    payload: web::Payload,
    admin: web::Data<AdminState>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    if let Err(refusal) = admin::authorize(&admin, &request).await {
        return refusal;
    }
    let asked = Asked {
        parameters: Parameters::of_form(request.query_string().as_bytes()),
        name: String::new(),
        now: shared.clock.now(),
        categorizes: false,
    };
    let (log, range, live) = match prepared(&asked) {
        Ok(prepared) => prepared,
        Err(refused) => return reply::send(json::refusal(refused)),
    };
    // Before the past is read, so that nothing falls between the two.
    let Some(following) = shared.log_queries.followers.follow(live, frame) else {
        let text = format!(
            "max concurrent tail requests limit exceeded, count > limit ({} > {FOLLOWERS_MAX})",
            FOLLOWERS_MAX + 1
        );
        return reply::send(json::refusal(Refused::new(StatusCode::TOO_MANY_REQUESTS, text)));
    };
    let (response, session, messages) = match actix_ws::handle(&request, payload) {
        Ok(opened) => opened,
        Err(fault) => {
            let text = format!("tail is answered over a WebSocket: {fault}");
            return reply::send(json::refusal(Refused::bad_request(text)));
        }
    };
    let messages = messages.max_frame_size(MESSAGE_MAX_BYTES).aggregate_continuations();
    // Ends when the client leaves or the server drains; nobody waits for it.
    actix_web::rt::spawn(async move {
        let past = past(&shared, log, range, asked.now).await;
        if let End::Said(reason) = talk(session.clone(), messages, following, past, &shared).await {
            // The client may have gone without a word.
            _ = session.close(Some(reason)).await;
        }
    });
    response
}

fn prepared(asked: &Asked) -> Result<(LogExpr, LogRange, Live), Refused> {
    let (from, to) = asked.range()?;
    let limit = asked.line_limit()?;
    asked.duration("delay_for")?;
    let Expr::Log(log) = parse(asked.text("query"))? else {
        return Err(Refused::bad_request("only log selector is supported"));
    };
    let live = Live::new(log.clone(), asked.now)?;
    Ok((log, LogRange { from, to, direction: Direction::Backward, limit, interval_ns: 0 }, live))
}

/// Reads the last lines of the past, oldest first; the fault is a sentence for the client.
async fn past(
    shared: &web::Data<Shared>,
    log: LogExpr,
    range: LogRange,
    now: crate::clock::UnixNanos,
) -> Result<Vec<Line>, String> {
    let queries = shared.clone();
    let read = shared.lanes.heavy.run(move || {
        let queries = &queries.log_queries;
        let answer = queries.engine().lines(&*queries.logs, &log, &range, now, &Cancel::default());
        answer.map(|answer| answer.lines.into_iter().rev().collect::<Vec<_>>())
    });
    match read.await {
        Ok(Ok(lines)) => Ok(lines),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// How a conversation ends.
enum End {
    /// With a reason.
    Said(CloseReason),
    /// Without one: Grafana comes again only then, and finds the successor of a process that stops.
    Unsaid,
}

/// Tells the client the past and then what comes in, until one side ends it.
async fn talk(
    mut session: Session,
    mut messages: actix_ws::AggregatedMessageStream,
    mut following: Following,
    past: Result<Vec<Line>, String>,
    shared: &Shared,
) -> End {
    let closed = |code, text: &str| End::Said(CloseReason { code, description: Some(text.to_string()) });
    let past = match past {
        Ok(past) => past,
        Err(fault) => return closed(CloseCode::Error, &fault),
    };
    following.after(past);
    let mut ticks = tokio::time::interval(PING_EVERY);
    let mut n_pings = 0;
    let mut unanswered_bytes = 0;
    loop {
        let sent = tokio::select! {
            frame = following.next(), if unanswered_bytes < UNANSWERED_MAX_BYTES => {
                let Some(frame) = frame else { return End::Unsaid };
                unanswered_bytes += frame.text.len();
                match session.text(frame.text.as_str()).await {
                    Ok(()) if unanswered_bytes >= UNANSWERED_MAX_BYTES => session.ping(CAUGHT_UP).await,
                    sent => sent,
                }
            }
            message = messages.next() => match message {
                Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await,
                Some(Ok(AggregatedMessage::Close(_))) | None => return End::Said(CloseCode::Normal.into()),
                Some(Ok(message)) => {
                    n_pings = 0;
                    if matches!(message, AggregatedMessage::Pong(mark) if mark == CAUGHT_UP) {
                        unanswered_bytes = 0;
                    }
                    Ok(())
                }
                Some(Err(_)) => return closed(CloseCode::Protocol, "no WebSocket message"),
            },
            _ = ticks.tick() => {
                if shared.switches.is_closing() {
                    return End::Unsaid;
                }
                n_pings += 1;
                if n_pings > PINGS_MAX {
                    return closed(CloseCode::Away, "no answer to pings");
                }
                session.ping(b"").await
            }
        };
        if sent.is_err() {
            return End::Unsaid;
        }
    }
}

/// Returns a message as Loki sends it.
fn frame(lines: Vec<Line>, left_out: &LeftOut) -> String {
    let mut res = b"{".to_vec();
    put_streams(&mut res, lines, false, r#""streams":"#);
    if !left_out.names.is_empty() {
        res.extend_from_slice(br#","dropped_entries":["#);
        for (idx, (labels, at)) in left_out.names.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            let labels = object(labels);
            write!(res, r#"{comma}{{"labels":{labels},"timestamp":"{}"}}"#, at.0)
                .expect("writing to memory does not fail");
        }
        res.push(b']');
    }
    res.push(b'}');
    String::from_utf8_lossy(&res).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::Labels;

    #[test]
    fn a_message_has_lines_by_stream_and_names_what_was_left_out() {
        let line = Line {
            at: UnixNanos(2),
            text: "x".into(),
            stream: Labels::new([("job", "a")]),
            metadata: Vec::new(),
            parsed: Vec::new(),
        };
        let names = vec![(vec![("job".to_string(), "b".to_string())], UnixNanos(1))];
        assert_eq!(
            frame(vec![line], &LeftOut { names, count: 1 }),
            concat!(
                r#"{"streams":[{"stream":{"job":"a"},"values":[["2","x"]]}],"#,
                r#""dropped_entries":[{"labels":{"job":"b"},"timestamp":"1"}]}"#
            )
        );
    }
}
