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

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwap;

use self::asked::Asked;
use self::json::{Answered, Refused};
use super::reply::{self, Parameters};
use crate::clock::UnixMillis;
use crate::http::Shared;
use crate::http::admin::{self, AdminState};
use crate::query::journal::{Door, Journal};
use crate::query::promql::{Engine, Limits};
use crate::record::read::MetricRead;

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
    journal: Arc<Journal>,
    started: UnixMillis,
}

impl Queries {
    /// Answers from a store, by the default limits until [`Queries::apply`]; the journal notes
    /// what each query took.
    pub fn new(metrics: Arc<dyn MetricRead>, journal: Arc<Journal>, started: UnixMillis) -> Self {
        Queries { metrics, limits: ArcSwap::default(), journal, started }
    }

    /// Takes over what a reload may change.
    pub fn apply(&self, config: &Config) {
        let samples_max = usize::try_from(config.max_samples).unwrap_or(usize::MAX);
        self.limits.store(Arc::new(Limits { timeout: config.timeout, samples_max, ..Limits::default() }));
    }

    /// Returns what evaluates the queries that come through a door.
    pub fn engine(&self, door: Door) -> Engine {
        Engine { limits: (**self.limits.load()).clone(), recorder: Some(self.journal.recorder(door)) }
    }

    /// Answers a query of a command, or one over a range, from a form as the API takes it, with
    /// the API's JSON; blocks for as long as it takes.
    pub fn answer(&self, now: UnixMillis, form: &str) -> Vec<u8> {
        let parameters = Parameters::of_form(form.as_bytes());
        let is_range = !parameters.all("step").is_empty();
        let asked = Asked { parameters, label: String::new(), now, door: Door::Command };
        let answered =
            if is_range { evaluate::query_range(&asked, self) } else { evaluate::query(&asked, self) };
        json::reply(answered).body
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
    let parameters = match reply::parameters(request, payload).await {
        Ok(parameters) => parameters,
        Err(fault) => return reply::send(json::reply(Err(Refused::bad_data(fault)))),
    };
    let label = request.match_info().query("label").to_string();
    let asked = Asked { parameters, label, now: shared.clock.now().to_millis(), door: Door::Api };
    if work.is_quick {
        return reply::send(json::reply((work.run)(&asked, &shared.queries)));
    }
    let lane = shared.lanes.heavy.clone();
    let refused = |status, text| {
        json::reply(Err(match status {
            StatusCode::SERVICE_UNAVAILABLE => Refused::unavailable(text),
            _ => Refused::internal(text),
        }))
    };
    let run = move || json::reply((work.run)(&asked, &shared.queries));
    reply::on_lane(request, &lane, run, refused).await
}
