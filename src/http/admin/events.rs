//! The stream of a page: what changed, every two seconds, as rendered fragments, and the
//! numbers of its charts.
//!
//! A page of the log is sent lines besides, as they come in. A fragment is sent when it differs from the one sent before, so a quiet server costs
//! a few bytes a tick. The stream ends with the session, at the start of a drain, and
//! when the page goes away. It reads the session without prolonging it: an open page is
//! no activity.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior};

use super::AdminState;
use super::gather::GatherError;
use super::guard::{self, Session};
use super::{language, logs, overview, workers};
use crate::clock::UnixNanos;
use crate::pages::admin::{self, Fragment, Lang, Window};

/// Workers and numbers feel live at this pace, and it costs a fraction of a percent of a core.
const TICK: Duration = Duration::from_secs(2);

/// Charts are sent every so many ticks: samples come every 10 s.
const CHARTS_EVERY: u32 = 5;

/// `GET /admin/events`
pub(super) async fn events(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else {
        return HttpResponse::Unauthorized().json(json!({ "error": "log in again" }));
    };
    let mut res = HttpResponse::Ok();
    // nginx would hold events back otherwise.
    res.insert_header((CONTENT_TYPE, "text/event-stream")).insert_header(("X-Accel-Buffering", "no"));
    if req.method() == Method::HEAD {
        return res.finish();
    }
    let Ok(place) = state.streams.clone().try_acquire_owned() else {
        // An EventSource gives up on this status; the page stays as it is, and complete.
        return HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, 10))
            .json(json!({ "error": "too many open pages" }));
    };
    let state = state.into_inner();
    let live = Live::read(req.query_string());
    let tail = match live {
        Live::Logs => match logs::follow(&state, req.query_string()).await {
            Ok(tail) => Some(tail),
            Err(refusal) => return refusal,
        },
        Live::Overview(_) | Live::Workers(_) => None,
    };
    let stream = Stream { tail, ..Stream::new(state, session, live, language::of(&req), place) };
    let body = futures_util::stream::unfold(Some(stream), |stream| async {
        let mut stream = stream?;
        match stream.next().await {
            Next::Tick(event) => Some((Ok::<_, actix_web::Error>(event), Some(stream))),
            Next::End(event) => Some((Ok(event), None)),
        }
    });
    res.streaming(body)
}

/// The pages that change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Live {
    Overview(Window),
    Workers(Window),
    /// Lines as they come in.
    Logs,
}

/// What a page shows now.
struct Shown {
    fragments: Vec<Fragment>,
    charts: Vec<(String, serde_json::Value)>,
}

impl Live {
    fn read(query: &str) -> Live {
        let page = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page");
        match page {
            Some((_, page)) if page == "workers" => Live::Workers(overview::window_of(query)),
            Some((_, page)) if page == "logs" => Live::Logs,
            _ => Live::Overview(overview::window_of(query)),
        }
    }

    async fn show(
        self,
        state: &Arc<AdminState>,
        lang: Lang,
        csrf: &str,
        with_charts: bool,
    ) -> Result<Shown, GatherError> {
        match self {
            Live::Overview(window) => {
                let view = overview::view(state, window).await?;
                Ok(Shown { fragments: admin::fragments(lang, &view), charts: admin::chart_data(lang, &view) })
            }
            Live::Workers(window) => {
                // A fixed window does not change any more.
                let window = Some(window).filter(|window| with_charts && window.is_moving());
                let view = workers::view(state, window).await?;
                let fragments = admin::workers_fragments(lang, csrf, &view);
                Ok(Shown { fragments, charts: admin::workers_chart_data(lang, &view) })
            }
            // A tick says that the server lives.
            Live::Logs => Ok(Shown { fragments: Vec::new(), charts: Vec::new() }),
        }
    }
}

enum Next {
    Tick(Bytes),
    End(Bytes),
}

struct Stream {
    state: Arc<AdminState>,
    session: Session,
    live: Live,
    lang: Lang,
    ticks: Interval,
    /// What comes in, for a page that shows it.
    tail: Option<logs::Tail>,
    shutdown: watch::Receiver<bool>,
    /// Ticks since the charts were sent; none before the first.
    charts_age: Option<u32>,
    /// What each fragment looked like when it was sent.
    sent: HashMap<&'static str, u64>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    fn new(
        state: Arc<AdminState>,
        session: Session,
        live: Live,
        lang: Lang,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut ticks = tokio::time::interval(TICK);
        // A viewer that reads slowly misses ticks; they need not be made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = state.parts.shutdown.clone();
        let (charts_age, sent) = (None, HashMap::new());
        Stream { state, session, live, lang, ticks, tail: None, shutdown, charts_age, sent, _place: place }
    }

    async fn next(&mut self) -> Next {
        let lines = async {
            match &mut self.tail {
                Some(tail) => tail.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // In this order: neither the end nor a session that ended waits behind lines.
            biased;
            // A lost sender means that the server is gone, too.
            _ = self.shutdown.wait_for(|is_over| *is_over) => return Next::End(event("end", "shutdown")),
            _ = self.ticks.tick() => {}
            lines = lines => return Next::Tick(lines),
        }
        if !self.state.parts.auth.is_alive(&self.session.token).await {
            return Next::End(event("end", "login"));
        }
        let with_charts = self.charts_age.is_none_or(|age| age + 1 >= CHARTS_EVERY);
        match self.live.show(&self.state, self.lang, &self.session.csrf, with_charts).await {
            Ok(shown) => Next::Tick(self.changes(self.state.parts.clock.now(), shown, with_charts)),
            // A comment keeps the connection; the next tick tries again.
            Err(_) => Next::Tick(Bytes::from_static(b": busy\n\n")),
        }
    }

    fn changes(&mut self, now: UnixNanos, shown: Shown, with_charts: bool) -> Bytes {
        self.charts_age = Some(if with_charts { 0 } else { self.charts_age.map_or(0, |age| age + 1) });
        let mut changed = serde_json::Map::new();
        for fragment in shown.fragments {
            let markup = fragment.markup.into_string();
            let mut hasher = DefaultHasher::new();
            markup.hash(&mut hasher);
            let hash = hasher.finish();
            if self.sent.insert(fragment.id, hash) != Some(hash) {
                changed.insert(fragment.id.to_string(), markup.into());
            }
        }
        let mut data = json!({ "at_ms": now.to_millis().0, "fragments": changed });
        if with_charts && !shown.charts.is_empty() {
            let charts: serde_json::Map<String, serde_json::Value> = shown.charts.into_iter().collect();
            data["charts"] = charts.into();
        }
        event("tick", &data.to_string())
    }
}

/// Writes one event; JSON has no line ends, so one `data` line holds it.
pub(super) fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
