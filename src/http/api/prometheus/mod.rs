//! The API of Prometheus, so that Grafana and whatever else asks one can ask vitrine.
//!
//! Each endpoint is a function from what was asked to the JSON of its `data`; it runs on the heavy
//! lane, and ends when the client goes away. This file has the routes and the way there and back:
//! credential, parameters from the query string and the form, time, compression. An endpoint
//! that is not built is an honest 404: an empty success would show a healthy store with
//! nothing in it.
//!
//! Source: Prometheus 3, "HTTP API".

mod asked;
mod evaluate;
mod json;
mod names;
mod rules;
mod status;
mod tree;

use std::io::Write as _;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwap;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;

use self::asked::Asked;
use self::json::{Answered, Refused};
use crate::balancer::LaneError;
use crate::clock::UnixMillis;
use crate::http::Shared;
use crate::http::admin::{self, AdminState};
use crate::http::negotiate::{self, Encoding};
use crate::query::promql::{Engine, Limits};
use crate::record::read::MetricRead;

/// Longest form: a query of 1 MiB, each byte of it escaped, is refused by the parser and not here.
const FORM_MAX_BYTES: usize = 4 << 20;

/// Shorter answers are sent as they are.
const COMPRESSED_MIN_BYTES: usize = 1 << 10;

/// What queries may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Longest evaluation.
    pub timeout: std::time::Duration,
    /// Most values that one evaluation holds in memory at once.
    pub max_samples: u64,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Config { timeout: limits.timeout, max_samples: limits.samples_max as u64 }
    }
}

/// Answers queries over the store.
pub struct Queries {
    metrics: Arc<dyn MetricRead>,
    limits: ArcSwap<Limits>,
    started: UnixMillis,
}

impl Queries {
    /// Answers from a store, by the default limits until [`Queries::apply`].
    pub fn new(metrics: Arc<dyn MetricRead>, started: UnixMillis) -> Self {
        Queries { metrics, limits: ArcSwap::default(), started }
    }

    /// Takes over what a reload may change.
    pub fn apply(&self, config: &Config) {
        let samples_max = usize::try_from(config.max_samples).unwrap_or(usize::MAX);
        self.limits.store(Arc::new(Limits { timeout: config.timeout, samples_max, ..Limits::default() }));
    }

    fn engine(&self) -> Engine {
        Engine { limits: (**self.limits.load()).clone() }
    }

    /// Answers a query, or one over a range, from parameters as the API takes them, with the
    /// API's JSON; blocks for as long as it takes.
    pub fn answer(&self, now: UnixMillis, parameters: Vec<(String, String)>) -> Vec<u8> {
        let is_range = parameters.iter().any(|(name, _)| name == "step");
        let asked = Asked { parameters, label: String::new(), now };
        let answered =
            if is_range { evaluate::query_range(&asked, self) } else { evaluate::query(&asked, self) };
        json::body(answered).1
    }
}

/// An endpoint: from what was asked to its `data`.
type Endpoint = fn(&Asked, &Queries) -> Result<Answered, Refused>;

/// How an endpoint may be asked.
#[derive(Clone, Copy, PartialEq)]
enum Methods {
    Get,
    GetAndPost,
}

/// Adds the routes.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    use Methods::{Get, GetAndPost};
    let endpoints: [(&'static str, Methods, Endpoint); 10] = [
        ("/api/v1/query", GetAndPost, evaluate::query),
        ("/api/v1/query_range", GetAndPost, evaluate::query_range),
        ("/api/v1/query_exemplars", GetAndPost, evaluate::exemplars),
        ("/api/v1/format_query", GetAndPost, evaluate::format_query),
        ("/api/v1/parse_query", GetAndPost, evaluate::parse_query),
        ("/api/v1/labels", GetAndPost, names::labels),
        ("/api/v1/label/{label}/values", Get, names::label_values),
        ("/api/v1/series", GetAndPost, names::series),
        ("/api/v1/metadata", Get, names::metadata),
        ("/api/v1/status/tsdb", Get, status::tsdb),
    ];
    for (path, methods, endpoint) in endpoints {
        cfg.service(resource(path, methods, move |_: &Shared| Work::heavy(endpoint)));
    }
    cfg.service(resource("/api/v1/status/buildinfo", Get, |_| Work::quick(status::build_info)));
    cfg.service(resource("/api/v1/status/runtimeinfo", Get, |_| Work::quick(status::runtime_info)));
    cfg.service(resource("/api/v1/rules", Get, |shared| {
        let view = (shared.rules)();
        Work::quick(move |asked, _| rules::rules(asked, &view))
    }));
    cfg.service(resource("/api/v1/alerts", Get, |shared| {
        let view = (shared.rules)();
        Work::quick(move |_, _| rules::alerts(&view))
    }));
    cfg.service(resource("/api/v1/{path:.*}", GetAndPost, |_| Work::quick(not_built)));
}

fn not_built(_: &Asked, _: &Queries) -> Result<Answered, Refused> {
    Err(Refused::not_found("vitrine has no such endpoint"))
}

type Run = dyn FnOnce(&Asked, &Queries) -> Result<Answered, Refused> + Send;

/// What is to be done for a request.
struct Work {
    run: Box<Run>,
    /// Nothing is read from the store: it need not wait for those that read much.
    is_quick: bool,
}

impl Work {
    fn heavy(endpoint: Endpoint) -> Self {
        Work { run: Box::new(endpoint), is_quick: false }
    }

    fn quick(run: impl FnOnce(&Asked, &Queries) -> Result<Answered, Refused> + Send + 'static) -> Self {
        Work { run: Box::new(run), is_quick: true }
    }
}

fn resource(
    path: &'static str,
    methods: Methods,
    work: impl Fn(&Shared) -> Work + Copy + 'static,
) -> actix_web::Resource {
    let handle = move |request: HttpRequest,
                       payload: web::Payload,
                       admin: web::Data<AdminState>,
                       shared: web::Data<Shared>| async move {
        if let Err(refusal) = admin::authorize(&admin, &request).await {
            return refusal;
        }
        let work = work(&shared);
        answer(&request, payload, work, shared).await
    };
    let resource = web::resource(path).get(handle).head(handle);
    if methods == Methods::GetAndPost { resource.post(handle) } else { resource }
}

async fn answer(
    request: &HttpRequest,
    payload: web::Payload,
    work: Work,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let form = match form(request, payload).await {
        Ok(form) => form,
        Err(refused) => return respond(json::body(Err(refused)), false),
    };
    // Of a name that stands in both, that of the form comes first, as in Go.
    let parsed = form_pairs(&form).chain(form_pairs(request.query_string().as_bytes()));
    let label = request.match_info().query("label").to_string();
    let now = shared.clock.now().to_millis();
    let asked = Asked { parameters: parsed.collect(), label, now };
    let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    // What is written for one answer alone takes longer in Brotli than it saves.
    let wanted = negotiate::encodings(accepted).into_iter().find(|encoding| *encoding != Encoding::Brotli);
    let is_compressed = wanted == Some(Encoding::Gzip);
    if work.is_quick {
        return respond(json::body((work.run)(&asked, &shared.queries)), false);
    }
    let lane = shared.lanes.heavy.clone();
    let done = lane.run(move || {
        let (status, body) = json::body((work.run)(&asked, &shared.queries));
        if is_compressed && body.len() >= COMPRESSED_MIN_BYTES {
            match gzipped(&body) {
                Ok(compressed) => return ((status, compressed), true),
                Err(fault) => tracing::error!("an answer of the API could not be compressed: {fault}"),
            }
        }
        ((status, body), false)
    });
    match done.await {
        Ok((answer, is_compressed)) => respond(answer, is_compressed),
        Err(fault) => {
            let refused = match &fault {
                LaneError::Full { .. } => Refused::unavailable("too many queries at once, try again"),
                _ => {
                    tracing::error!("a query of the API broke off: {fault}");
                    Refused::internal("the query broke off, the log has more")
                }
            };
            respond(json::body(Err(refused)), false)
        }
    }
}

fn form_pairs(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(text).into_owned()
}

/// Reads the body of a form; a body of another kind is not looked at.
async fn form(request: &HttpRequest, mut payload: web::Payload) -> Result<Vec<u8>, Refused> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let mut res = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|fault| Refused::bad_data(format!("the form broke off: {fault}")))?;
        if res.len() + chunk.len() > FORM_MAX_BYTES {
            return Err(Refused::bad_data(format!("form of more than {FORM_MAX_BYTES} bytes")));
        }
        if is_form {
            res.extend_from_slice(&chunk);
        }
    }
    Ok(res)
}

fn gzipped(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn respond((status, body): (StatusCode, Vec<u8>), is_compressed: bool) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.content_type("application/json").insert_header((VARY, "Accept-Encoding"));
    if is_compressed {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    response.body(body)
}
