//! The CV: its files, the editor, previews, and the way back.
//!
//! The editor is a form that works without a script; what is sent comes back with it, whatever
//! became of it, and nothing that somebody typed is lost on the way. A text is in the form once,
//! in the address never.

mod diff;
mod previews;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::api::to_the_end;
use super::audit::{Deed, Event};
use super::browser::{back, bad, frame, good, html, see_other, unanswered};
use super::door::{not_meant, to_login};
use super::editor::{Draft, EditError, Opened, Published, TEXT_MAX_BYTES};
use super::form::Timely;
use super::gather::off_thread;
use super::guard::{self, CsrfForm, Session};
use super::{AdminState, Parts, language};
use crate::cv::Problem;
use crate::pages::admin::cv as pages;
use crate::pages::admin::cv::{Bar, CvView, EditorView, Outcome, VersionPage};
use crate::pages::admin::{Lang, Tab, address, lost_draft};

pub(super) use previews::Previews;

/// Where the page is.
const PLACE: &str = "/admin/cv";

/// Where all versions are.
const VERSIONS: &str = "/admin/cv/versions";

/// Where previews are.
const PREVIEW: &str = "/admin/cv/preview/";

/// What a form of the editor may have: the largest text, each of its bytes as `%XX`, and the
/// other fields.
pub(super) const FORM_MAX_BYTES: usize = 3 * TEXT_MAX_BYTES + 4_096;

/// What the editor sends.
#[derive(Deserialize)]
pub(super) struct DraftForm {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    file: String,
    #[serde(default)]
    seen: String,
    #[serde(default)]
    text: String,
}

impl DraftForm {
    fn into_draft(self) -> Draft {
        Draft { name: self.file, text: self.text, seen: self.seen }
    }
}

/// `GET /admin/cv`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let look = |state: &AdminState| {
        let Parts { editor, links, clock, .. } = &state.parts;
        (editor.look(), editor.versions(), links.list(clock.now_ms()).len())
    };
    let (site, versions, n_links) = match off_thread(&state, look).await {
        Ok(looked) => looked,
        Err(err) => return unanswered(&state, &req, err),
    };
    let mut frame = frame(&state, &req, &session, Tab::Cv);
    let versions = versions.unwrap_or_else(|fault| {
        frame.notice.get_or_insert(bad(fault.to_string()));
        Vec::new()
    });
    let view = CvView { site, versions, n_links, base_url: (state.parts.base_url)() };
    html(StatusCode::OK, pages::cv(&frame, &view).into_string())
}

/// `POST /admin/cv/reload`
pub(super) async fn reload(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let (reloading, witness) = ((state.parts.reload)(), state.witness(&req, session.actor()));
    let reloaded = to_the_end(async move {
        let outcome = reloading.await;
        witness.note(Deed::of(Event::Reload, "reload", &outcome.as_ref().map(|_| ())));
        outcome
    });
    let notice = match reloaded.await {
        Ok(applied) => good(applied),
        Err(reasons) => {
            let text = language::of(&req).tr("The reload was refused, and all stays as it was:");
            bad(format!("{text}\n{reasons}"))
        }
    };
    back(&state, &session, PLACE, notice)
}

/// What the address of the editor says.
#[derive(Default)]
struct Asked {
    file: String,
    line: Option<usize>,
    version: Option<String>,
}

impl Asked {
    fn parse(query: &str) -> Asked {
        let mut res = Asked::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "file" => res.file = value.into_owned(),
                // Of a language only its tag is asked for; the folder knows whether it can be.
                "language" => res.file = format!("cv.{}.yaml", value.trim()),
                "line" => res.line = value.parse().ok(),
                "version" => res.version = Some(value.into_owned()),
                _ => {}
            }
        }
        res
    }
}

/// `GET /admin/cv/edit`
pub(super) async fn edit(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let (asked, lang) = (Asked::parse(req.query_string()), language::of(&req));
    let open = move |state: &AdminState| {
        let editor = &state.parts.editor;
        let opened = editor.open(&asked.file)?;
        let Some(id) = &asked.version else {
            let draft = Draft { name: opened.name.clone(), text: opened.text.clone(), seen: String::new() };
            // A file that is to begin with something has nothing to be mended yet.
            let problems = if opened.mark.is_empty() { None } else { Some(editor.check(&draft)?) };
            return Ok((opened, None, problems, asked.line));
        };
        let (version, text) = editor.version(id)?;
        Ok((Opened { text, ..opened }, Some(version), None, asked.line))
    };
    match off_thread(&state, open).await {
        Ok(Ok((opened, version, problems, line))) => {
            let Opened { name, text, mark, bar } = opened;
            let is_changed = version.is_some();
            let view = EditorView {
                name,
                text,
                seen: mark,
                is_changed,
                bar,
                problems,
                line,
                version,
                ..EditorView::default()
            };
            show(&state, &req, &session, StatusCode::OK, view)
        }
        Ok(Err(fault)) => back(&state, &session, PLACE, bad(in_words(lang, &fault))),
        Err(err) => unanswered(&state, &req, err),
    }
}

/// `POST /admin/cv/draft/check`: the editor again, with what is wrong or odd; for the script as JSON.
pub(super) async fn check(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<DraftForm>,
) -> HttpResponse {
    let is_script = req.headers().get(ACCEPT).is_some_and(|accept| accept.as_bytes() == b"application/json");
    if is_script && guard::session(&state, &req).await.is_none() {
        let text = language::of(&req).tr("You are logged out: copy the text before you log in again.");
        return HttpResponse::Unauthorized().json(json!({ "error": text }));
    }
    let (session, draft) = match drafted(&state, &req, form).await {
        Ok(drafted) => drafted,
        Err(refusal) => return refusal,
    };
    let work = move |state: &AdminState| {
        let editor = &state.parts.editor;
        let problems = editor.check(&draft);
        let opened = if is_script { None } else { editor.open(&draft.name).ok() };
        (draft, problems, opened)
    };
    let lang = language::of(&req);
    match off_thread(&state, work).await {
        Ok((draft, Ok(problems), _)) if is_script => {
            HttpResponse::Ok().json(on_the_wire(lang, &draft.name, &problems))
        }
        Ok((_, Err(fault), _)) if is_script => {
            HttpResponse::UnprocessableEntity().json(json!({ "error": in_words(lang, &fault) }))
        }
        Ok((draft, Ok(problems), opened)) => {
            let view = EditorView {
                problems: Some(problems),
                outcome: Some(Outcome::Checked),
                ..sent(draft, opened.as_ref())
            };
            show(&state, &req, &session, StatusCode::OK, view)
        }
        Ok((_, Err(fault), _)) => back(&state, &session, PLACE, bad(in_words(lang, &fault))),
        Err(_) if is_script => HttpResponse::ServiceUnavailable().json(json!({ "error": "try again" })),
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Returns problems as the script reads them.
fn on_the_wire(lang: Lang, name: &str, problems: &[Problem]) -> serde_json::Value {
    let problem = |problem: &Problem| {
        json!({
            "error": problem.is_error(),
            "file": problem.file,
            "line": problem.place.map(|place| place.line),
            "column": problem.place.map(|place| place.column),
            "message": problem.what(),
            "hint": problem.hint,
        })
    };
    json!({
        "found": pages::count_in_words(lang, name, problems),
        "problems": problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// `POST /admin/cv/draft/preview`: leads to what visitors would see.
pub(super) async fn preview(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<DraftForm>,
) -> HttpResponse {
    let (session, draft) = match drafted(&state, &req, form).await {
        Ok(drafted) => drafted,
        Err(refusal) => return refusal,
    };
    let render = move |state: &AdminState| {
        let editor = &state.parts.editor;
        let previewed = editor.preview(&draft);
        let opened = editor.open(&draft.name).ok();
        (draft, previewed, opened)
    };
    match off_thread(&state, render).await {
        Ok((_, Ok(previewed), _)) => {
            let place = format!("{PREVIEW}{}", previewed.start);
            state.previews.put(&session.token, previewed, state.parts.clock.elapsed());
            see_other(&place)
        }
        Ok((draft, Err(fault), opened)) => refused(&state, &req, &session, (draft, opened), fault),
        Err(err) => unanswered(&state, &req, err),
    }
}

/// `GET /admin/cv/preview/{rest}`: a document of the session's own preview.
pub(super) async fn previewed(
    state: web::Data<AdminState>,
    req: HttpRequest,
    rest: web::Path<String>,
) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let Some(preview) = state.previews.get(&session.token, state.parts.clock.elapsed()) else {
        let text = language::of(&req)
            .tr("The preview is gone: they are kept for half an hour. Make it again from the editor.");
        return back(&state, &session, PLACE, bad(text));
    };
    match preview.pages.get(&rest) {
        Some((content_type, body)) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, content_type))
            .insert_header(("X-Robots-Tag", "noindex, nofollow"))
            .body(body.clone()),
        None => super::browser::not_found(state, req).await,
    }
}

/// `POST /admin/cv/draft/publish`
pub(super) async fn publish(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<DraftForm>,
) -> HttpResponse {
    match drafted(&state, &req, form).await {
        Ok((session, draft)) => write(&state, &req, &session, draft, Event::CvPublished).await,
        Err(refusal) => refusal,
    }
}

/// Returns the session and what it sent; without a text the page, which says that none arrived. A
/// text that nobody may publish any more comes back to whoever sent it.
async fn drafted(
    state: &AdminState,
    req: &HttpRequest,
    form: Option<DraftForm>,
) -> Result<(Session, Draft), HttpResponse> {
    let (session, lang) = (guard::session(state, req).await, language::of(req));
    let Some(form) = form else {
        let session = session.ok_or_else(|| to_login(state, req))?;
        return Err(too_large(state, &session, req));
    };
    if !guard::is_own_site(req) {
        return Err(not_meant(state, req));
    }
    let Some(session) = session else {
        if form.text.is_empty() {
            return Err(to_login(state, req));
        }
        let page = lost_draft(&state.parts.assets, lang, &form.file, &form.text);
        return Err(html(StatusCode::UNAUTHORIZED, page.into_string()));
    };
    let (status, text) = if !guard::has_token(&session, req, Some(&form.csrf)) {
        (StatusCode::FORBIDDEN, lang.tr("This was sent from a page of an earlier login, so nothing was published. Look at it and publish again."))
    } else if form.text.len() > TEXT_MAX_BYTES {
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            lang.tr("The text is larger than 1 MB, the most that is edited here. Nothing was written."),
        )
    } else {
        return Ok((session, form.into_draft()));
    };
    let outcome = Some(Outcome::Failed(text.to_string()));
    let view = EditorView { outcome, ..sent(form.into_draft(), None) };
    Err(show(state, req, &session, status, view))
}

/// Writes a draft and says what became of it.
async fn write(
    state: &Arc<AdminState>,
    req: &HttpRequest,
    session: &Session,
    draft: Draft,
    event: Event,
) -> HttpResponse {
    let (publishing, witness) =
        (state.parts.editor.publish(draft.clone()), state.witness(req, session.actor()));
    let asked = format!("publish {}, {} bytes", draft.name, draft.text.len());
    let published = to_the_end(async move {
        let outcome = publishing.await;
        witness.note(Deed::of(event, &asked, &outcome.as_ref().map(|_| ())));
        outcome
    });
    let (outcome, lang) = (published.await, language::of(req));
    let place = address("/admin/cv/edit", &[("file", &draft.name)]);
    match outcome {
        Ok(Published::Shown(_)) => {
            let text = lang.trf("Published: visitors see {file} as it is now.", &[("file", &draft.name)]);
            back(state, session, &place, good(text))
        }
        Ok(Published::Written(reasons)) => {
            let text = lang.tr("The file is written. It is not shown yet, for what is wrong elsewhere:");
            back(state, session, &place, bad(format!("{text}\n{}", reasons.join("\n"))))
        }
        Err(fault) => {
            let name = draft.name.clone();
            let opened = off_thread(state, move |state| state.parts.editor.open(&name).ok()).await;
            refused(state, req, session, (draft, opened.ok().flatten()), fault)
        }
    }
}

/// Shows the editor with what was sent, and why nothing became of it.
fn refused(
    state: &AdminState,
    req: &HttpRequest,
    session: &Session,
    (draft, opened): (Draft, Option<Opened>),
    fault: EditError,
) -> HttpResponse {
    let lang = language::of(req);
    let mut view = sent(draft, opened.as_ref());
    let (status, outcome) = match fault {
        EditError::Problems(problems) => {
            view.problems = Some(problems);
            (StatusCode::UNPROCESSABLE_ENTITY, Outcome::HasErrors)
        }
        EditError::Conflict(now) => {
            // Who publishes again has seen what that replaces.
            let Opened { text: now, mark, .. } = *now;
            view.seen = mark;
            let diff = diff::between(&now, &view.text.replace("\r\n", "\n"));
            (StatusCode::CONFLICT, Outcome::Conflict { now, diff })
        }
        EditError::Refused(reasons) => (StatusCode::CONFLICT, Outcome::Refused(reasons)),
        EditError::Stuck { reasons, why } => {
            (StatusCode::INTERNAL_SERVER_ERROR, Outcome::Stuck { reasons, why })
        }
        EditError::Unknown(_) | EditError::NoVersion => {
            return back(state, session, PLACE, bad(in_words(lang, &fault)));
        }
        EditError::Barred(bar) => {
            view.bar = Some(bar);
            let text = lang.tr("It cannot be written here. What is above says why.");
            (StatusCode::FORBIDDEN, Outcome::Failed(text.to_string()))
        }
        EditError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, Outcome::Failed(in_words(lang, &fault))),
        EditError::Disk(_) => (StatusCode::INTERNAL_SERVER_ERROR, Outcome::Failed(in_words(lang, &fault))),
    };
    view.outcome = Some(outcome);
    show(state, req, session, status, view)
}

/// Returns the editor as it was when its form was sent.
fn sent(draft: Draft, opened: Option<&Opened>) -> EditorView {
    let Draft { name, text, seen } = draft;
    let is_same = |opened: &Opened| {
        opened.mark == seen && opened.text.replace("\r\n", "\n") == text.replace("\r\n", "\n")
    };
    EditorView {
        is_changed: !opened.is_some_and(is_same),
        bar: opened.and_then(|opened| opened.bar.clone()),
        name,
        text,
        seen,
        ..EditorView::default()
    }
}

fn show(
    state: &AdminState,
    req: &HttpRequest,
    session: &Session,
    status: StatusCode,
    view: EditorView,
) -> HttpResponse {
    let mut frame = frame(state, req, session, Tab::Cv);
    // Who chooses another language comes back to the file: the form's own address takes no GET.
    frame.place = address("/admin/cv/edit", &[("file", &view.name)]);
    let view = EditorView { script: state.parts.assets.editor.clone(), ..view };
    html(status, pages::editor(&frame, &view).into_string())
}

/// `GET /admin/cv/versions`
pub(super) async fn versions(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let look = |state: &AdminState| (state.parts.editor.versions(), state.parts.editor.look().bar);
    match off_thread(&state, look).await {
        Ok((Ok(versions), bar)) => {
            let frame = frame(&state, &req, &session, Tab::Cv);
            html(StatusCode::OK, pages::versions(&frame, &versions, bar.as_ref()).into_string())
        }
        Ok((Err(fault), _)) => back(&state, &session, PLACE, bad(fault.to_string())),
        Err(err) => unanswered(&state, &req, err),
    }
}

/// `GET /admin/cv/versions/{id}`
pub(super) async fn version(
    state: web::Data<AdminState>,
    req: HttpRequest,
    id: web::Path<String>,
) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let id = id.into_inner();
    let look = move |state: &AdminState| {
        let editor = &state.parts.editor;
        let (version, text) = editor.version(&id)?;
        let opened = editor.open(&version.name).ok();
        // One that would be new has no text to be compared with.
        let present = opened.as_ref().filter(|opened| !opened.mark.is_empty());
        let diff = present.map(|opened| diff::between(&opened.text, &text));
        let (seen, bar) = opened.map_or_else(Default::default, |opened| (opened.mark, opened.bar));
        let bar = bar.filter(Bar::is_for_any_text);
        Ok::<_, EditError>(VersionPage { version, text, diff, seen, bar })
    };
    match off_thread(&state, look).await {
        Ok(Ok(view)) => {
            let frame = frame(&state, &req, &session, Tab::Cv);
            html(StatusCode::OK, pages::version(&frame, &view).into_string())
        }
        Ok(Err(fault)) => back(&state, &session, VERSIONS, bad(in_words(language::of(&req), &fault))),
        Err(err) => unanswered(&state, &req, err),
    }
}

/// What the button of a version sends.
#[derive(Deserialize)]
pub(super) struct RestoreForm {
    #[serde(flatten)]
    csrf: CsrfForm,
    /// The mark of the text that the owner saw beside the version; none where there was none to see.
    seen: Option<String>,
}

/// `POST /admin/cv/versions/{id}/restore`
pub(super) async fn restore(
    state: web::Data<AdminState>,
    req: HttpRequest,
    id: web::Path<String>,
    Timely(form): Timely<RestoreForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let (id, seen) = (id.into_inner(), form.and_then(|form| form.seen));
    let read = move |state: &AdminState| {
        let editor = &state.parts.editor;
        let (version, text) = editor.version(&id)?;
        let seen = match seen {
            Some(seen) => seen,
            None => editor.open(&version.name)?.mark,
        };
        Ok::<_, EditError>(Draft { name: version.name, text, seen })
    };
    match off_thread(&state, read).await {
        Ok(Ok(draft)) => write(&state, &req, &session, draft, Event::CvRestored).await,
        Ok(Err(fault)) => back(&state, &session, VERSIONS, bad(in_words(language::of(&req), &fault))),
        Err(err) => unanswered(&state, &req, err),
    }
}

fn in_words(lang: Lang, fault: &EditError) -> String {
    match fault {
        EditError::Unknown(name) => {
            lang.trf("{file} is no file of this CV, and could not become one.", &[("file", name)])
        }
        EditError::NoVersion => lang.tr("That version is gone: it was one of the oldest.").to_string(),
        EditError::Stopping => {
            lang.tr("The server is restarting: nothing was written. Try again in a moment.").to_string()
        }
        other => other.to_string(),
    }
}

/// Answers a form that could not be read, too large or broken off: nobody knows what it carried.
fn too_large(state: &AdminState, session: &Session, req: &HttpRequest) -> HttpResponse {
    let text = language::of(req).tr("The text did not arrive, or is larger than 1 MB. Nothing was written.");
    back(state, session, PLACE, bad(text))
}
