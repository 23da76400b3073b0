//! `GET /status`: whether the site is up and when it was not, for everyone; off unless
//! `http.status_page` switches it on.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, ContentType, VARY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::admin::AdminState;
use super::error::Error;
use super::public::{admit, elsewhere, public};
use super::server::Thread;
use crate::balancer::DispatchError;
use crate::pages::admin::Lang;

/// The route's template.
pub(super) const ROUTE: &str = "/status";

/// A page that cannot be read is tried again after as long.
const RETRY: Duration = Duration::from_secs(10);

/// Adds the route.
pub(super) fn routes(cfg: &mut web::ServiceConfig, admin: Arc<AdminState>) {
    let handle = move |request: HttpRequest| {
        let admin = admin.clone();
        async move { status(request, admin).await }
    };
    cfg.service(web::resource(ROUTE).get(handle.clone()).head(handle).default_service(web::to(public)));
}

async fn status(request: HttpRequest, admin: Arc<AdminState>) -> HttpResponse {
    let thread = Thread::of(&request).clone();
    if !thread.shared.switches.has_status_page() {
        return public(request).await;
    }
    let edition = thread.shared.edition.load_full();
    if let Some(elsewhere) = elsewhere(&request, &thread, &edition) {
        return elsewhere;
    }
    if let Err(fault) = admit(&request, &thread) {
        return fault.response(&edition);
    }
    let accepted = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    match admin.status_page(Lang::accepted(accepted.unwrap_or_default())).await {
        Some(page) => HttpResponse::Ok()
            .insert_header(ContentType::html())
            .insert_header((CACHE_CONTROL, "max-age=60"))
            .insert_header((VARY, "Accept-Language"))
            .body(page.to_string()),
        None => Error::from(DispatchError::Overloaded { retry_after: RETRY }).response(&edition),
    }
}
