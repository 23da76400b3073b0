//! The stream of a page: what changed, every two seconds, as rendered fragments, and the
//! numbers of its charts.
//!
//! A page of the log is sent lines besides, as they come in. A fragment is sent when it differs
//! from the one sent before, so a quiet server costs a few bytes a tick; numbers that took long
//! to read are read the less often for it. The stream ends with the session, at the start of a
//! drain, and when the page goes away. It reads the session without prolonging it: an open page
//! is no activity.

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
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::AdminState;
use super::browser::base;
use super::gather::GatherError;
use super::guard::{self, Session};
use super::{explore, language, logs, overview, store, visitors, workers};
use crate::clock::UnixNanos;
use crate::pages::admin::{self, Drawn, Fragment, Lang, Window, shapes};

/// Workers and numbers feel live at this pace, and it costs a fraction of a percent of a core.
const TICK: Duration = Duration::from_secs(2);

/// Charts are sent so often: samples come every 10 s.
const CHARTS_EVERY: Duration = Duration::from_secs(10);

/// Reading the numbers of a chart may take one part in so many of a core, as a query that an
/// owner wrote may be of any size.
const CHARTS_SHARE: u32 = 200;

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
    let live = Live::read(req.query_string(), || base(&state, &req));
    let tail = match live {
        Live::Logs => match logs::follow(&state, req.query_string()).await {
            Ok(tail) => Some(tail),
            Err(refusal) => return refusal,
        },
        Live::Overview(_) | Live::Workers(_) | Live::Metrics(..) | Live::Store(_) | Live::Visitors(..) => {
            None
        }
    };
    let shown = explore::parameter(req.query_string(), "shown");
    let stream = Stream { tail, shown, ..Stream::new(state, session, live, language::of(&req), place) };
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
#[derive(Clone, Debug, PartialEq, Eq)]
enum Live {
    Overview(Window),
    Workers(Window),
    /// The answer to a query.
    Metrics(String, Window),
    Store(Window),
    /// The query of the page, which says what days it is about, and where the CV is.
    Visitors(String, String),
    /// Lines as they come in.
    Logs,
}

/// What a page shows now.
struct Shown {
    fragments: Vec<Fragment>,
    charts: Vec<Drawn>,
}

impl Live {
    fn read(query: &str, address: impl FnOnce() -> String) -> Live {
        let page = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page");
        match page {
            Some((_, page)) if page == "workers" => Live::Workers(overview::window_of(query)),
            Some((_, page)) if page == "logs" => Live::Logs,
            Some((_, page)) if page == "metrics" => {
                Live::Metrics(explore::parameter(query, "q"), overview::window_of(query))
            }
            Some((_, page)) if page == "store" => Live::Store(overview::window_of(query)),
            Some((_, page)) if page == "visitors" => Live::Visitors(query.to_string(), address()),
            _ => Live::Overview(overview::window_of(query)),
        }
    }

    async fn show(
        &self,
        state: &Arc<AdminState>,
        lang: Lang,
        csrf: &str,
        with_charts: bool,
    ) -> Result<Shown, GatherError> {
        match self {
            Live::Overview(window) => {
                let view = overview::view(state, *window).await?;
                Ok(Shown { fragments: admin::fragments(lang, &view), charts: admin::drawn(lang, &view) })
            }
            Live::Workers(window) => {
                // A fixed window does not change any more.
                let window = Some(*window).filter(|window| with_charts && window.is_moving());
                let view = workers::view(state, window).await?;
                let fragments = admin::workers_fragments(lang, csrf, &view);
                Ok(Shown { fragments, charts: admin::workers_drawn(lang, &view) })
            }
            Live::Metrics(query, window) if with_charts => {
                let view = explore::view(state, query.clone(), *window).await?;
                Ok(Shown {
                    fragments: admin::answer_fragments(lang, &view),
                    charts: admin::answer_drawn(lang, &view),
                })
            }
            Live::Store(window) if with_charts => {
                let view = store::view(state, *window).await?;
                Ok(Shown {
                    fragments: admin::store_fragments(lang, &view),
                    charts: admin::store_drawn(lang, &view),
                })
            }
            Live::Visitors(query, address) if with_charts => {
                let view = visitors::people(state, query, address.clone()).await?;
                // What could not be read changes nothing: the numbers on the page were true.
                let fragments = if view.unreadable.is_some() {
                    Vec::new()
                } else {
                    admin::visitors_fragments(lang, &view)
                };
                Ok(Shown { fragments, charts: Vec::new() })
            }
            // A tick says that the server lives.
            Live::Metrics(..) | Live::Store(_) | Live::Visitors(..) | Live::Logs => {
                Ok(Shown { fragments: Vec::new(), charts: Vec::new() })
            }
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
    /// When charts are sent again; none before the first.
    charts_due: Option<Instant>,
    /// What each fragment looked like when it was sent.
    sent: HashMap<&'static str, u64>,
    /// What lines the charts of the page have, as it says itself.
    shown: String,
    /// What lines they had when they were sent.
    shapes: HashMap<String, String>,
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
        let (charts_due, sent, shown, shapes) = (None, HashMap::new(), String::new(), HashMap::new());
        Stream {
            state,
            session,
            live,
            lang,
            ticks,
            tail: None,
            shutdown,
            charts_due,
            sent,
            shown,
            shapes,
            _place: place,
        }
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
        let begun = Instant::now();
        let with_charts = self.charts_due.is_none_or(|due| begun >= due);
        match self.live.show(&self.state, self.lang, &self.session.csrf, with_charts).await {
            Ok(shown) => {
                if with_charts {
                    // A tick may come a little early.
                    let pause = CHARTS_EVERY.max(begun.elapsed() * CHARTS_SHARE) - TICK / 2;
                    self.charts_due = Some(begun + pause);
                }
                Next::Tick(self.changes(self.state.parts.clock.now(), shown, with_charts))
            }
            // The page is told that the server lives; the next tick tries again.
            Err(_) => {
                let at_ms = self.state.parts.clock.now_ms().0;
                Next::Tick(event(
                    "tick",
                    &json!({ "at_ms": at_ms, "fragments": {}, "busy": true }).to_string(),
                ))
            }
        }
    }

    fn changes(&mut self, now: UnixNanos, shown: Shown, with_charts: bool) -> Bytes {
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
            let is_first = self.shapes.is_empty();
            let is_other = is_first && shapes(shown.charts.iter().map(|chart| &*chart.shape)) != self.shown;
            let (mut figures, mut charts) = (Vec::new(), serde_json::Map::new());
            for Drawn { id, shape, data, figure } in shown.charts {
                if is_other || (!is_first && self.shapes.get(&id) != Some(&shape)) {
                    figures.push(figure.into_string());
                } else {
                    charts.insert(id.clone(), data);
                }
                self.shapes.insert(id, shape);
            }
            data["charts"] = charts.into();
            data["figures"] = figures.into();
        }
        event("tick", &data.to_string())
    }
}

/// Writes one event; JSON has no line ends, so one `data` line holds it.
pub(super) fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
