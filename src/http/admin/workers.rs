//! The workers: the page, and words for how a command ended.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::ask::{Ask, AskError, Grid};
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::gather::{GatherError, off_thread};
use super::marks::marks;
use super::overview::window_of;
use super::{AdminState, WorkerCommand, guard};
use crate::balancer::{ControlError, WORKERS_MAX};
use crate::clock::UnixMillis;
use crate::pages::admin::{self, Lang, Tab, Window, WorkersHistory, WorkersView};

/// `GET /admin/workers`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    match view(&state, Some(window_of(req.query_string()))).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Workers);
            html(StatusCode::OK, admin::workers(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Fills the view; without a window there is no history in it.
pub(super) async fn view(
    state: &Arc<AdminState>,
    window: Option<Window>,
) -> Result<WorkersView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| WorkersView {
        status: (state.parts.status)(),
        history: window.map(|window| stages.run("query numbers", || history(state, window))),
        workers_max: WORKERS_MAX,
    })
    .await
}

/// Samples come every 10 s, and a step without one would be a gap.
const STEP_MIN: Duration = Duration::from_secs(30);

fn history(state: &AdminState, window: Window) -> WorkersHistory {
    let (from, to) = window.bounds(state.parts.clock.now_ms());
    let step = window.step();
    // Steps end where they ended before, so that a chart does not flicker.
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let to = UnixMillis(to.0 - to.0.rem_euclid(step_ms));
    let from = UnixMillis(from.0 + step_ms - from.0.rem_euclid(step_ms));
    let grid = Grid { from: from.min(to), to, step };
    read(&state.ask(), window, grid).unwrap_or_else(|fault| WorkersHistory {
        window,
        unreadable: Some(fault.to_string()),
        ..WorkersHistory::default()
    })
}

fn read(ask: &Ask<'_>, window: Window, grid: Grid) -> Result<WorkersHistory, AskError> {
    const READY: &str = r#"sum(min_over_time(vitrine_worker_ready{job="vitrine"}[$w]))"#;
    const IN_FLIGHT: &str = r#"sum(avg_over_time(vitrine_worker_in_flight{job="vitrine"}[$w]))"#;
    const IN_ONE: &str = r#"max(max_over_time(vitrine_worker_in_flight{job="vitrine"}[$w]))"#;
    let over = format!("{}s", grid.step.max(STEP_MIN).as_secs());
    let row = |query: &str| ask.row(&query.replace("$w", &over), grid);
    Ok(WorkersHistory {
        window,
        step: grid.step,
        at: grid.moments().map(UnixMillis::to_nanos).collect(),
        ready: row(READY)?,
        in_flight: row(IN_FLIGHT)?,
        in_flight_max: row(IN_ONE)?,
        marks: marks(ask, grid.from.to_nanos(), grid.to.to_nanos()),
        unreadable: None,
    })
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
