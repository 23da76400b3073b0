//! What visitors ask for: jobs out, replies in, responses made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;

use super::edition::Edition;
use super::error::Error;
use super::limits::Admitted;
use super::negotiate::{self, Encoding};
use super::observe::Answered;
use super::range::{Part, content_range};
use super::representation::Representation;
use super::server::Thread;
use super::watchdog;
use crate::balancer::WorkerId;
use crate::record::trace::TraceContext;
use crate::record::view::Shown;

/// What a worker is asked for.
pub struct Job {
    edition: Arc<Edition>,
    ask: Ask,
    trace: TraceContext,
}

impl Job {
    /// Returns a job that asks for a path of an edition, so that a worker can prove it.
    pub fn probe(edition: Arc<Edition>, path: &str) -> Job {
        let uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
        let ask = Ask::Document { uri, encodings: negotiate::encodings(Some("br")), if_none_match: None };
        Job { edition, ask, trace: TraceContext::current().unwrap_or_else(TraceContext::root) }
    }
}

enum Ask {
    Document { uri: Uri, encodings: [Encoding; 3], if_none_match: Option<HeaderValue> },
    Drill(Drill),
}

/// A fault made on purpose, when `http.drills` is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drill {
    /// A handler that panics: 500 for this request alone.
    Panic,
    /// A handler that never answers: 504 at the deadline.
    Hang,
    /// A handler that stops its http thread: the watchdog names it.
    Block,
}

/// What a worker answers; everything in it was made at load.
#[derive(Debug)]
pub enum Reply {
    /// The document in the best encoding.
    Document {
        /// The route's template.
        route: &'static str,
        /// What to send.
        representation: Arc<Representation>,
        /// In which encoding.
        encoding: Encoding,
    },
    /// The client has the document already.
    NotModified {
        /// The route's template.
        route: &'static str,
        /// The document it has.
        representation: Arc<Representation>,
        /// The encoding whose tag is sent.
        encoding: Encoding,
    },
    /// It lies at another path of this site.
    Moved(String),
    /// Nothing lies at this path.
    NotFound,
}

/// A reply, and when the worker began and ended with it.
#[derive(Debug)]
pub struct Done {
    /// What the visitor gets.
    pub reply: Reply,
    /// When the worker began.
    pub begun: Instant,
    /// When it had the reply.
    pub ended: Instant,
}

/// How long `/drill/hang` would take if no deadline ended it.
const DRILL_HANG: Duration = Duration::from_secs(3600);

/// How long `/drill/block` stops an http thread.
const DRILL_BLOCK: Duration = Duration::from_secs(2);

/// Answers a job: the function that the balancer's workers run.
pub fn answer(job: Job) -> LocalBoxFuture<'static, Done> {
    let Job { edition, ask, trace } = job;
    Box::pin(trace.scope(async move {
        let begun = Instant::now();
        let reply = match ask {
            Ask::Document { uri, encodings, if_none_match } => {
                let _driving = watchdog::drive(uri.path());
                find(&edition, uri.path(), encodings, if_none_match.as_ref())
            }
            Ask::Drill(Drill::Panic) => panic!("a drill: somebody asked for /drill/panic"),
            Ask::Drill(Drill::Block) => {
                let _driving = watchdog::drive("/drill/block");
                std::thread::sleep(DRILL_BLOCK);
                Reply::NotFound
            }
            Ask::Drill(Drill::Hang) => {
                tokio::time::sleep(DRILL_HANG).await;
                Reply::NotFound
            }
        };
        Done { reply, begun, ended: Instant::now() }
    }))
}

/// Answers a path from an edition without a worker, so that a new edition can be proved.
pub fn probe(edition: &Edition, path: &str) -> Reply {
    find(edition, path, negotiate::encodings(Some("br")), None)
}

fn find(
    edition: &Edition,
    path: &str,
    encodings: [Encoding; 3],
    if_none_match: Option<&HeaderValue>,
) -> Reply {
    let Some((route, representation)) = edition.find(path) else {
        return edition.moved(path).map_or(Reply::NotFound, |place| Reply::Moved(place.to_string()));
    };
    let (encoding, _) = representation.variant(encodings);
    let representation = representation.clone();
    let known = if_none_match.and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| representation.is_known_as(tags, encoding)) {
        Reply::NotModified { route, representation, encoding }
    } else {
        Reply::Document { route, representation, encoding }
    }
}

/// The handler for every path that no other route took.
pub(super) async fn public(request: HttpRequest) -> HttpResponse {
    let thread = Thread::of(&request).clone();
    let edition = thread.shared.edition.load_full();
    if let Some(elsewhere) = elsewhere(&request, &thread, &edition) {
        return elsewhere;
    }
    let (answered, response) = match serve(&request, &thread, edition.clone()).await {
        Ok(served) => served,
        Err(fault) => {
            fault.log(request.path());
            // A failure is counted for the route and the worker that it happened on.
            let route = edition.find(request.path()).map_or("", |(route, _)| route);
            let worker_id = fault.worker().map(|worker| worker.0);
            (Answered { worker_id, ..Answered::at(route) }, fault.response(&edition))
        }
    };
    request.extensions_mut().insert(answered);
    response
}

/// Sends a visitor on who came without TLS, or to another name of the site; none when they are
/// right here. Whatever is the site's own asks this first.
pub(super) fn elsewhere(request: &HttpRequest, thread: &Thread, edition: &Edition) -> Option<HttpResponse> {
    let switches = &thread.shared.switches;
    let own_place = || switches.own_place(request, edition.base_url.as_ref()?);
    let place = switches.secure_place(request).or_else(own_place)?;
    // A browser must not remember what the owner may have to mend.
    let mut response = HttpResponse::PermanentRedirect();
    Some(
        response
            .insert_header((header::LOCATION, place))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
    )
}

/// Refuses the request of an address that has enough connections, or has sent enough.
pub(super) fn admit(request: &HttpRequest, thread: &Thread) -> Result<(), Error> {
    if let Some(Admitted::TooMany) = request.conn_data::<Admitted>() {
        return Err(Error::TooManyConnections);
    }
    let allowed = thread.shared.switches.allow(&thread.requests, request);
    allowed.map_err(|wait| Error::TooManyRequests { wait })
}

async fn serve(
    request: &HttpRequest,
    thread: &Thread,
    edition: Arc<Edition>,
) -> Result<(Answered, HttpResponse), Error> {
    admit(request, thread)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::MethodNotAllowed);
    }
    let job = Job {
        edition,
        ask: ask(request, thread),
        trace: TraceContext::current().unwrap_or_else(TraceContext::root),
    };
    let (worker, Done { reply, begun, ended }) = thread.local.dispatch(job).await?;
    let (route, shown, response) = respond(request, reply, worker)?;
    Ok((Answered { route, worker_id: Some(worker.0), worked: Some((begun, ended)), shown }, response))
}

fn ask(request: &HttpRequest, thread: &Thread) -> Ask {
    let drill = match request.path() {
        "/drill/panic" => Some(Drill::Panic),
        "/drill/hang" => Some(Drill::Hang),
        "/drill/block" => Some(Drill::Block),
        _ => None,
    };
    match drill.filter(|_| thread.shared.switches.has_drills()) {
        Some(drill) => Ask::Drill(drill),
        None => Ask::Document {
            uri: request.uri().clone(),
            encodings: negotiate::encodings(text_of(request, header::ACCEPT_ENCODING)),
            if_none_match: request.headers().get(header::IF_NONE_MATCH).cloned(),
        },
    }
}

fn text_of(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Makes the response, and says of which route it is and what it shows.
fn respond(
    request: &HttpRequest,
    reply: Reply,
    worker: WorkerId,
) -> Result<(&'static str, Option<Shown>, HttpResponse), Error> {
    let (status, route, representation, encoding) = match reply {
        Reply::Document { route, representation, encoding } => {
            (StatusCode::OK, route, representation, encoding)
        }
        Reply::NotModified { route, representation, encoding } => {
            (StatusCode::NOT_MODIFIED, route, representation, encoding)
        }
        Reply::Moved(place) => {
            let moved = HttpResponse::PermanentRedirect()
                .insert_header((header::LOCATION, with_query(place, request)))
                .finish();
            return Ok(("", None, moved));
        }
        Reply::NotFound => return Err(Error::NotFound { worker }),
    };
    let (_, variant) = representation.variant([encoding; 3]);
    let n_bytes = variant.body.len();
    let part = if status == StatusCode::OK { Part::of(request, &variant.etag, n_bytes) } else { Part::Whole };
    let range = content_range(&part, n_bytes);
    let (status, body) = match part {
        Part::Whole => (status, variant.body.clone()),
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, variant.body.slice(range)),
        Part::Beyond => {
            // Nothing of the document: no cache may take it for that.
            let mut response = HttpResponse::RangeNotSatisfiable();
            response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
            response.insert_header((header::CONTENT_RANGE, range.unwrap_or_default()));
            return Ok((route, None, response.finish()));
        }
    };
    let shown = representation.shown.clone();
    let mut response = HttpResponse::build(status);
    // A 304 carries the headers that a 200 would have had to update a cache with
    // (RFC 9110 section 15.4.5), the security headers included.
    response
        .insert_header((header::ETAG, variant.etag.clone()))
        .insert_header((header::CACHE_CONTROL, representation.cache_control.clone()));
    if representation.varies {
        response.insert_header((header::VARY, HeaderValue::from_static("Accept-Encoding")));
    }
    if status == StatusCode::NOT_MODIFIED {
        return Ok((route, shown, response.finish()));
    }
    response.insert_header((header::ACCEPT_RANGES, HeaderValue::from_static("bytes")));
    if let Some(range) = range {
        response.insert_header((header::CONTENT_RANGE, range));
    }
    response.insert_header((header::CONTENT_TYPE, representation.content_type.clone()));
    if let Some(token) = encoding.token() {
        response.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static(token)));
    }
    Ok((route, shown, response.body(body)))
}

/// Returns a place with the query of the request, which says where a visitor came from.
pub(super) fn with_query(place: String, request: &HttpRequest) -> String {
    match request.query_string() {
        "" => place,
        query => format!("{place}?{query}"),
    }
}
