//! The workers.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::AdminState;
use super::browser::{LOGIN, frame, html, see_other, unanswered};
use super::{gather, guard};
use crate::pages::admin::{self, Tab};

/// `GET /admin/workers`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return see_other(LOGIN) };
    match gather::status(&state).await {
        Ok(status) => {
            let frame = frame(&state, &req, &session, Tab::Workers);
            html(StatusCode::OK, admin::workers(&frame, &status).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}
