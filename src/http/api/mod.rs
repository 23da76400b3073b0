//! What other programs read: `/metrics`, behind the admin credential.

pub mod metrics;

use std::sync::Arc;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};

use super::admin::{self, AdminState};
use crate::record::{Metadata, Scrape};

/// Reads all instruments; blocks for a millisecond.
pub type Collect = Arc<dyn Fn() -> (Scrape, Vec<Metadata>) + Send + Sync>;

/// Adds the routes: `GET /metrics`, and `HEAD`.
pub(super) fn routes(cfg: &mut web::ServiceConfig, admin: Arc<AdminState>, collect: Collect) {
    cfg.service(
        web::resource("/metrics")
            .app_data(web::Data::from(admin))
            .app_data(web::Data::new(collect))
            .get(metrics)
            .head(metrics),
    );
}

async fn metrics(
    request: HttpRequest,
    admin: web::Data<AdminState>,
    collect: web::Data<Collect>,
) -> HttpResponse {
    if let Err(refusal) = admin::authorize(&admin, &request).await {
        return refusal;
    }
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = metrics::Format::from_accept(accept);
    let collect = collect.get_ref().clone();
    let rendered = web::block(move || {
        let (scrape, metadata) = collect();
        metrics::render(&scrape, &metadata, format)
    });
    match rendered.await {
        Ok(text) => HttpResponse::Ok().content_type(format.content_type()).body(text),
        Err(fault) => {
            tracing::error!("/metrics could not be rendered: {fault}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
