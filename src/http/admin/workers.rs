//! The workers: the page, and words for how a command ended.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::browser::{LOGIN, frame, html, see_other, unanswered};
use super::{AdminState, WorkerCommand, gather, guard};
use crate::balancer::{ControlError, WORKERS_MAX};
use crate::pages::admin::{self, Lang, Tab};

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

/// Says that a command was carried out.
pub(super) fn done(lang: Lang, command: WorkerCommand) -> String {
    match command {
        WorkerCommand::Drain(id) => lang.trf(
            "Worker {id} is drained: it has finished what it held and takes no more requests.",
            &[("id", &id)],
        ),
        WorkerCommand::Enable(id) => lang.trf("Worker {id} takes requests again.", &[("id", &id)]),
        WorkerCommand::Restart(id) => {
            lang.trf("Worker {id} was restarted; what the old one held is finished.", &[("id", &id)])
        }
        WorkerCommand::Scale(n_workers) => lang.trn(
            n_workers as u64,
            "There is {n} worker now, until the next reload.",
            "There are {n} workers now, until the next reload.",
        ),
    }
}

/// Says why a command was not carried out, or not to its end.
pub(super) fn not_done(lang: Lang, fault: &ControlError) -> String {
    match fault {
        ControlError::NoSuchWorker(id) => lang.trf("There is no worker {id}.", &[("id", id)]),
        ControlError::LastWorker(id) => lang.trf(
            "Worker {id} was not drained: it is the last one that takes requests.",
            &[("id", id)],
        ),
        ControlError::Drained(id) => lang.trf(
            "Worker {id} was not restarted, because it is drained: enable it, which starts it.",
            &[("id", id)],
        ),
        ControlError::Count(n) => lang.trf(
            "{n} workers were asked for, 1 to {max} are possible.",
            &[("n", n), ("max", &WORKERS_MAX)],
        ),
        ControlError::Superseded { n_wanted } => lang.trf(
            "Meanwhile {n} workers were asked for, by a reload or another command.",
            &[("n", n_wanted)],
        ),
        ControlError::NotStarted { worker, grace } => lang.trf(
            "Worker {id} had not begun after {seconds} s, because its http thread does not answer. It begins as soon as that goes on.",
            &[("id", worker), ("seconds", &grace.as_secs())],
        ),
        ControlError::StillBusy { worker, n_jobs, grace } => lang.trnf(
            *n_jobs as u64,
            "After {seconds} s worker {id} still holds {n} request. It takes no more, and ends with that one.",
            "After {seconds} s worker {id} still holds {n} requests. It takes no more, and ends with those.",
            &[("id", worker), ("seconds", &grace.as_secs())],
        ),
        // A command never asks for other threads.
        ControlError::HttpThreads { .. } => fault.to_string(),
    }
}
