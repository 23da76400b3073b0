//! What other programs read and send: `/metrics`, Prometheus's API and pushes, behind the admin
//! credential.

mod loki;
pub mod metrics;
pub mod prometheus;
mod push;
mod receive;
mod reply;
mod values;

use std::sync::Arc;

use actix_web::http::header::{ACCEPT, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};

pub use self::loki::LogQueries;
pub use self::prometheus::Queries;
pub use self::receive::Push;
use super::Shared;
use super::admin::{self, AdminState};
use crate::balancer::LaneError;
use crate::query::rules::RulesView;
use crate::record::{Metadata, Scrape};

/// Reads all instruments; blocks for a millisecond.
pub type Collect = Arc<dyn Fn() -> (Scrape, Vec<Metadata>) + Send + Sync>;

/// Returns what is known of rules and alerts; does not wait.
pub type Rules = Arc<dyn Fn() -> RulesView + Send + Sync>;

/// Adds the routes: `GET /metrics`, and `HEAD`; those of `push`, of `prometheus` and of `loki`.
pub(super) fn routes(cfg: &mut web::ServiceConfig, admin: Arc<AdminState>, shared: Arc<Shared>) {
    cfg.app_data(web::Data::from(admin))
        .app_data(web::Data::from(shared))
        .service(web::resource("/metrics").get(metrics).head(metrics))
        .configure(push::routes)
        .configure(prometheus::routes)
        .configure(loki::routes);
}

async fn metrics(
    request: HttpRequest,
    admin: web::Data<AdminState>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    if let Err(refusal) = admin::authorize(&admin, &request).await {
        return refusal;
    }
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = metrics::Format::from_accept(accept);
    let collect = shared.collect.clone();
    let rendered = shared.lanes.blocking.run(move || {
        let (scrape, metadata) = collect();
        metrics::render(&scrape, &metadata, format)
    });
    match rendered.await {
        Ok(text) => HttpResponse::Ok().content_type(format.content_type()).body(text),
        Err(fault) => {
            tracing::error!("/metrics could not be rendered: {fault}");
            lane_refused(&fault)
        }
    }
}

fn lane_refused(fault: &LaneError) -> HttpResponse {
    match fault {
        LaneError::Full { retry_after, .. } => HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, retry_after.as_secs().max(1)))
            .body(format!("{fault}\n")),
        LaneError::Panicked { .. } | LaneError::Ended { .. } => HttpResponse::InternalServerError().finish(),
    }
}
