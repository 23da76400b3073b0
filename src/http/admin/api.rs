//! The control API: for scripts, and for the page's own forms.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, AUTHORIZATION, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{Deed, Event};
use super::browser::{back, bad, good};
use super::door::{not_meant, to_login, wants_html};
use super::form::Timely;
use super::guard::{self, Caller, CsrfForm};
use super::tokens::Scope;
use super::{AdminState, LogLevel, WorkerCommand, gather, language, workers};
use crate::balancer::{ControlError, WorkerId};
use crate::clock::UnixNanos;
use crate::pages::admin::{Notice, WorkerView};

/// One worker on the wire.
#[derive(Serialize)]
struct Worker {
    id: u32,
    incarnation: u64,
    state: &'static str,
    in_flight: u64,
    in_flight_max: u64,
    done: u64,
    panics: u64,
    last_panic: Option<Panic>,
}

#[derive(Serialize)]
struct Panic {
    at: String,
    message: String,
}

/// `GET /admin/api/v1/workers`
pub(super) async fn workers(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if let Err(refusal) = guard::caller(&state, &req, Scope::Read).await {
        return refusal;
    }
    match gather::status(&state).await {
        Ok(status) => {
            let workers: Vec<Worker> = status.workers.into_iter().map(on_the_wire).collect();
            HttpResponse::Ok().json(json!({ "workers": workers }))
        }
        Err(err) => HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, 1))
            .json(json!({ "error": err.to_string() })),
    }
}

/// `POST /admin/api/v1/reload`
///
/// A page's button lands on the page again, which shows how the reload ended; a script
/// gets 200 with what was applied or 422 with why nothing was.
pub(super) async fn reload(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let caller = match meant(&state, &req, form.as_ref()).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let (reloading, witness) = ((state.parts.reload)(), state.witness(&req, caller.actor()));
    let reloaded = to_the_end(async move {
        let outcome = reloading.await;
        witness.note(match &outcome {
            Ok(applied) => Deed::done(Event::Reload, applied),
            Err(cause) => Deed::refused(Event::Reload, format!("reload refused: {cause}")),
        });
        outcome
    });
    let lang = language::of(&req);
    match reloaded.await {
        Ok(applied) => {
            let notice =
                good(format!("{}\n{applied}", lang.tr("The configuration and the CV on disk are in force.")));
            let json = || HttpResponse::Ok().json(json!({ "status": "applied", "message": applied }));
            told(&state, &req, &caller, form.as_ref(), notice, json)
        }
        Err(cause) => {
            let notice =
                bad(format!("{}\n{cause}", lang.tr("The reload was refused, everything stays as it was:")));
            let json =
                || HttpResponse::UnprocessableEntity().json(json!({ "status": "refused", "error": cause }));
            told(&state, &req, &caller, form.as_ref(), notice, json)
        }
    }
}

/// Answers an action: a browser lands on the page that it came from, which says how the action
/// ended; a script hears it at once.
fn told(
    state: &AdminState,
    req: &HttpRequest,
    caller: &Caller,
    form: Option<&CsrfForm>,
    notice: Notice,
    json: impl FnOnce() -> HttpResponse,
) -> HttpResponse {
    match caller {
        Caller::Session(session) if wants_html(req) => {
            back(state, session, form.map_or("/admin", |form| form.place_or("/admin")), notice)
        }
        Caller::Session(_) | Caller::Machine(_) => json(),
    }
}

/// `GET /admin/api/v1/log-level`
pub(super) async fn log_level(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    match guard::caller(&state, &req, Scope::Read).await {
        Ok(_) => HttpResponse::Ok().json(log_level_json((state.parts.log.get)())),
        Err(refusal) => refusal,
    }
}

fn log_level_json(LogLevel { now, configured }: LogLevel) -> serde_json::Value {
    json!({ "level": now, "configured": configured })
}

/// What is to be logged.
#[derive(Deserialize)]
pub(super) struct LogLevelForm {
    #[serde(flatten)]
    csrf: CsrfForm,
    level: Option<String>,
}

/// `POST /admin/api/v1/log-level` with the form `level=…`: that is logged until the next
/// reload or restart.
pub(super) async fn set_log_level(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<LogLevelForm>,
) -> HttpResponse {
    let caller = match meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let Some(LogLevelForm { csrf, level: Some(level) }) = form else {
        return HttpResponse::BadRequest()
            .json(json!({ "error": "no log level", "hint": "send the form level=debug" }));
    };
    let outcome = (state.parts.log.set)(&level);
    let deed = Deed::of(Event::LogLevel, &format!("set the log level to {level}"), &outcome);
    state.witness(&req, caller.actor()).note(deed);
    let lang = language::of(&req);
    match outcome {
        Ok(()) => {
            let notice = good(lang.trf(
                "What is logged is now by {level}, until the next reload or restart.",
                &[("level", &level)],
            ));
            let json = || HttpResponse::Ok().json(log_level_json((state.parts.log.get)()));
            told(&state, &req, &caller, Some(&csrf), notice, json)
        }
        Err(fault) => {
            let notice = bad(lang.trf("The log level was not changed: {fault}", &[("fault", &fault)]));
            let json = || HttpResponse::UnprocessableEntity().json(json!({ "error": fault }));
            told(&state, &req, &caller, Some(&csrf), notice, json)
        }
    }
}

/// The number of workers that a form asks for.
#[derive(Deserialize)]
pub(super) struct ScaleForm {
    #[serde(flatten)]
    csrf: CsrfForm,
    count: Option<String>,
}

/// `POST /admin/api/v1/workers` with the form `count=N`: so many workers until the next
/// reload. Answers when they are there and those that went have finished.
pub(super) async fn scale(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<ScaleForm>,
) -> HttpResponse {
    let caller = match meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let count = form.as_ref().and_then(|form| form.count.as_deref()?.trim().parse().ok());
    match count {
        Some(count) => {
            let form = form.as_ref().map(|form| &form.csrf);
            carry_out(&state, &req, &caller, form, WorkerCommand::Scale(count)).await
        }
        None => HttpResponse::BadRequest()
            .json(json!({ "error": "no number of workers", "hint": "send the form count=4" })),
    }
}

/// `POST /admin/api/v1/workers/{id}/drain`, `…/enable`, `…/restart`: answers when the worker
/// has reached that state, or says why it has not.
pub(super) async fn command(
    state: web::Data<AdminState>,
    req: HttpRequest,
    path: web::Path<(String, String)>,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let caller = match meant(&state, &req, form.as_ref()).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let (id, command) = path.into_inner();
    let id = id.parse().map(WorkerId).ok();
    let command = match (id, command.as_str()) {
        (Some(id), "drain") => WorkerCommand::Drain(id),
        (Some(id), "enable") => WorkerCommand::Enable(id),
        (Some(id), "restart") => WorkerCommand::Restart(id),
        _ => {
            let hint = "commands are /admin/api/v1/workers/{number}/drain, enable and restart";
            return HttpResponse::NotFound().json(json!({ "error": "no such command", "hint": hint }));
        }
    };
    carry_out(&state, &req, &caller, form.as_ref(), command).await
}

async fn meant(
    state: &AdminState,
    req: &HttpRequest,
    form: Option<&CsrfForm>,
) -> Result<Caller, HttpResponse> {
    let is_browser = wants_html(req) && !req.headers().contains_key(AUTHORIZATION);
    let caller = match guard::caller(state, req, Scope::Admin).await {
        // Who pressed a button of a page is no program, and is not asked like one.
        Err(refusal) if is_browser && refusal.status() == StatusCode::UNAUTHORIZED => {
            return Err(to_login(state, req));
        }
        asked => asked?,
    };
    if guard::is_meant(&caller, req, form) { Ok(caller) } else { Err(not_meant(state, req)) }
}

async fn carry_out(
    state: &AdminState,
    req: &HttpRequest,
    caller: &Caller,
    form: Option<&CsrfForm>,
    command: WorkerCommand,
) -> HttpResponse {
    let (commanded, witness) = ((state.parts.control)(command), state.witness(req, caller.actor()));
    let outcome = to_the_end(async move {
        let outcome = commanded.await;
        witness.note(Deed::of(Event::Workers, &command.to_string(), &outcome));
        outcome
    });
    let lang = language::of(req);
    match outcome.await {
        Ok(()) => {
            let json = || HttpResponse::Ok().json(json!({ "status": "done" }));
            told(state, req, caller, form, good(workers::done(lang, command)), json)
        }
        Err(fault) => {
            let json = || HttpResponse::build(status_of(&fault)).json(json!({ "error": fault.to_string() }));
            told(state, req, caller, form, bad(workers::not_done(lang, &fault)), json)
        }
    }
}

fn status_of(fault: &ControlError) -> StatusCode {
    match fault {
        ControlError::NoSuchWorker(_) => StatusCode::NOT_FOUND,
        ControlError::Count(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ControlError::LastWorker(_)
        | ControlError::Drained(_)
        | ControlError::StillBusy { .. }
        | ControlError::Superseded { .. }
        | ControlError::NotStarted { .. }
        | ControlError::HttpThreads { .. } => StatusCode::CONFLICT,
    }
}

/// Runs to the end also when the caller leaves: what was asked for is done by others, and how
/// it ended is to be written down.
pub(super) async fn to_the_end<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    // A task of its own ends by itself; it is lost only with the whole thread, or by a panic
    // of its own, which goes on here.
    match actix_web::rt::spawn(work).await {
        Ok(res) => res,
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}

/// A method that an address of the API does not take; a stranger learns only that.
pub(super) async fn wrong_method(
    state: web::Data<AdminState>,
    req: HttpRequest,
    allowed: &'static str,
) -> HttpResponse {
    if let Err(refusal) = guard::caller(&state, &req, Scope::Read).await {
        return refusal;
    }
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, allowed))
        .json(json!({ "error": format!("{} is not for this address", req.method()), "hint": format!("use {allowed}") }))
}

/// Any other address below `/admin/api`.
pub(super) async fn not_found(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if let Err(refusal) = guard::caller(&state, &req, Scope::Read).await {
        return refusal;
    }
    HttpResponse::NotFound().json(json!({ "error": format!("nothing lies at {}", req.path()) }))
}

fn on_the_wire(view: WorkerView) -> Worker {
    let panic = |(at, message): (UnixNanos, String)| {
        let at =
            Timestamp::from_nanosecond(i128::from(at.0)).expect("nanoseconds in an i64 are a valid time");
        Panic { at: at.to_string(), message }
    };
    Worker {
        id: view.id,
        incarnation: view.incarnation,
        state: view.state.as_str(),
        in_flight: view.in_flight,
        in_flight_max: view.in_flight_max,
        done: view.done,
        panics: view.panics,
        last_panic: view.last_panic.map(panic),
    }
}
