//! The reading half of Loki's API, so that Grafana's log views and `logcli` ask vitrine.
//!
//! Each endpoint is a function from what was asked to what is sent; it runs on the heavy lane, and
//! ends when the client goes away. A refusal is plain text, as Loki's are. What is pushed comes in
//! elsewhere: `push`.
//!
//! Source: Loki 3, "HTTP API", and how it answers where that is silent.

mod asked;
mod detected;
mod entries;
mod json;
mod names;
mod patterns;
mod query;
mod tail;
mod volume;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwap;

use self::asked::Asked;
use self::json::{Answered, Refused};
use super::prometheus;
use super::reply::{self, Parameters};
use crate::clock::UnixNanos;
use crate::http::Shared;
use crate::http::admin::{self, AdminState};
use crate::http::follow::Followers;
use crate::query::logql::{Engine, Limits};
use crate::record::read::LogRead;

/// The header by which a client asks for labels by where they come from.
const ENCODING_FLAGS: &str = "X-Loki-Response-Encoding-Flags";

/// What it asks for.
const CATEGORIZE_LABELS: &str = "categorize-labels";

/// Answers questions about logs.
pub struct LogQueries {
    logs: Arc<dyn LogRead>,
    limits: ArcSwap<Limits>,
    /// Who follows what comes in.
    pub followers: Arc<Followers>,
}

impl LogQueries {
    /// Answers from a store, by the default limits until [`LogQueries::apply`].
    pub fn new(logs: Arc<dyn LogRead>) -> Self {
        LogQueries { logs, limits: ArcSwap::default(), followers: Arc::default() }
    }

    /// Takes over what a reload may change.
    pub fn apply(&self, config: &prometheus::Config) {
        let held_max = usize::try_from(config.max_samples).unwrap_or(usize::MAX);
        self.limits.store(Arc::new(Limits { held_max, timeout: config.timeout }));
    }

    fn engine(&self) -> Engine {
        Engine { limits: (**self.limits.load()).clone() }
    }

    /// Answers `query_range` or, of a form with `instant`, `query`, from a form as the API takes it;
    /// blocks for as long as it takes. The fault is a sentence.
    pub fn answer(&self, now: UnixNanos, form: &str) -> Result<Vec<u8>, String> {
        let parameters = Parameters::of_form(form.as_bytes());
        let is_instant = !parameters.all("instant").is_empty();
        let asked = Asked { parameters, name: String::new(), now, categorizes: true };
        let answered = if is_instant { query::query(&asked, self) } else { query::query_range(&asked, self) };
        answered.map(|answered| answered.body).map_err(|refused| refused.message)
    }
}

/// An endpoint: from what was asked to what is sent.
type Endpoint = fn(&Asked, &LogQueries) -> Result<Answered, Refused>;

/// Adds the routes.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    let endpoints: [(&'static str, Endpoint); 17] = [
        ("/query", query::query),
        ("/query_range", query::query_range),
        ("/format_query", query::format_query),
        ("/labels", names::labels),
        ("/label", names::labels),
        ("/label/{name}/values", names::label_values),
        ("/series", names::series),
        ("/index/stats", volume::stats),
        ("/index/volume", volume::volume),
        ("/index/volume_range", volume::volume_range),
        ("/detected_labels", detected::labels),
        ("/detected_fields", detected::fields),
        ("/detected_field/{name}/values", detected::field_values),
        ("/patterns", patterns::patterns),
        ("/drilldown-limits", names::drilldown_limits),
        ("/rules", names::rules),
        ("/status/buildinfo", names::build_info),
    ];
    // Grafana 12.3's log views ask under the prefix twice.
    for prefix in ["/loki/api/v1", "/loki/api/v1/loki/api/v1"] {
        for (path, endpoint) in endpoints {
            cfg.service(resource(&format!("{prefix}{path}"), endpoint));
        }
    }
    cfg.service(web::resource("/loki/api/v1/tail").get(tail::tail));
    cfg.service(resource("/loki/api/v1/{path:.*}", not_built));
}

fn not_built(_: &Asked, _: &LogQueries) -> Result<Answered, Refused> {
    Err(Refused::new(StatusCode::NOT_FOUND, "vitrine has no such endpoint"))
}

fn resource(path: &str, endpoint: Endpoint) -> actix_web::Resource {
    let handle = move |request: HttpRequest,
                       payload: web::Payload,
                       admin: web::Data<AdminState>,
                       shared: web::Data<Shared>| async move {
        if let Err(refusal) = admin::authorize(&admin, &request).await {
            return refusal;
        }
        answer(&request, payload, endpoint, shared).await
    };
    web::resource(path).get(handle).head(handle).post(handle)
}

async fn answer(
    request: &HttpRequest,
    payload: web::Payload,
    endpoint: Endpoint,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let parameters = match reply::parameters(request, payload).await {
        Ok(parameters) => parameters,
        Err(fault) => return reply::send(json::refusal(Refused::bad_request(fault))),
    };
    let flags = request.headers().get(ENCODING_FLAGS).and_then(|value| value.to_str().ok());
    let asked = Asked {
        parameters,
        name: request.match_info().query("name").to_string(),
        now: shared.clock.now(),
        categorizes: flags.unwrap_or_default().split(',').any(|flag| flag.trim() == CATEGORIZE_LABELS),
    };
    let lane = shared.lanes.heavy.clone();
    let run = move || json::reply(endpoint(&asked, &shared.log_queries));
    reply::on_lane(request, &lane, run, |status, text| json::refusal(Refused::new(status, text))).await
}
