//! The owner's own files, as they lie in the site's folder: `/static/…`, `/cv.pdf`, and what
//! others look for under `/.well-known/…`.
//!
//! They may be large and are not part of the edition: read when asked for, in pieces, with
//! ranges, types and validators. Nothing outside these folders is served, whatever a path or a
//! link says, and nothing whose name begins with a dot.

use std::io;
use std::path::{Path, PathBuf};

use actix_files::NamedFile;
use actix_web::http::header;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};

use super::error::Error;
use super::observe::Answered;
use super::public;
use super::server::Thread;
use crate::record::view::{CvDocument, Shown};

/// A served folder: its route's template and its path within the site's folder.
#[derive(Clone, Copy)]
pub(super) struct Served {
    pub(super) route: &'static str,
    folder: &'static str,
}

pub(super) const STATIC: Served = Served { route: "/static/{file}", folder: "static" };
pub(super) const WELL_KNOWN: Served = Served { route: "/.well-known/{file}", folder: ".well-known" };

/// The folders that are served as they are, in the site's folder.
pub const FOLDERS: [&str; 2] = [STATIC.folder, WELL_KNOWN.folder];

/// The owner's PDF of the CV, in the site's folder.
pub const PDF: &str = "cv.pdf";

/// Where it is served.
pub(super) const PDF_ROUTE: &str = "/cv.pdf";

/// Adds the routes.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    let folder = |served: Served| {
        let get = move |request: HttpRequest, path: web::Path<String>| async move {
            let names = names(&path).map(|names| Path::new(served.folder).join(names));
            answer(&request, served.route, names).await
        };
        // A scope is found by its beginning; a pattern would be tried on each request.
        web::scope(&format!("/{}", served.folder)).service(web::resource("/{path:.*}").get(get).head(get))
    };
    let pdf = |request: HttpRequest| async move { answer(&request, PDF_ROUTE, Some(PDF.into())).await };
    cfg.service(folder(STATIC))
        .service(folder(WELL_KNOWN))
        .service(web::resource(PDF_ROUTE).get(pdf).head(pdf));
}

async fn answer(request: &HttpRequest, route: &'static str, file: Option<PathBuf>) -> HttpResponse {
    let thread = Thread::of(request);
    let edition = thread.shared.edition.load_full();
    let shown = || Shown { document: CvDocument::Pdf, lang: edition.lang.clone() };
    let shown = (route == PDF_ROUTE).then(shown);
    request.extensions_mut().insert(Answered { shown, ..Answered::at(route) });
    if let Err(fault) = public::admit(request, thread) {
        return fault.response(&edition);
    }
    // What lies in the other folder is asked for by machines, some of which follow no redirect.
    if route != WELL_KNOWN.route
        && let Some(elsewhere) = public::elsewhere(request, thread, &edition)
    {
        return elsewhere;
    }
    let missing = || Error::NoFile.response(&edition);
    let Some(file) = file else { return missing() };
    let site = thread.shared.switches.site.load_full();
    match thread.shared.lanes.blocking.run(move || open(&site, &file)).await {
        Ok(Ok(file)) => {
            let mut response = file.into_response(request);
            let headers = response.headers_mut();
            headers.insert(
                header::CACHE_CONTROL,
                header::HeaderValue::from_static("public, max-age=0, must-revalidate"),
            );
            response
        }
        Ok(Err(fault)) => {
            if !matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                tracing::warn!("{} cannot be served: {fault}", request.path());
            }
            missing()
        }
        Err(_) => HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, 1)).finish(),
    }
}

/// Returns the names that a path consists of; none when one of them could mean something else.
fn names(path: &str) -> Option<PathBuf> {
    let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['\\', '\0']);
    path.split('/').all(is_plain).then(|| path.into())
}

fn open(site: &Path, file: &Path) -> io::Result<NamedFile> {
    let path = site.join(file).canonicalize()?;
    // A link may lead anywhere; what it leads to must be the owner's to show.
    let folder = file.parent().and_then(|folder| folder.iter().next());
    let root = folder.map_or(site.to_path_buf(), |folder| site.join(folder)).canonicalize()?;
    if !path.starts_with(root) || !path.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(NamedFile::open(path)?.disable_content_disposition().prefer_utf8(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_a_path() {
        assert_eq!(names("a/b c.pdf"), Some("a/b c.pdf".into()));
        for path in ["", "/", "a/", "a//b", "../cv.yaml", "a/../b", ".git/config", "a\\b", "a\0"] {
            assert_eq!(names(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_link_out_of_the_folder_leads_nowhere() {
        let site = tempfile::tempdir().unwrap();
        std::fs::create_dir(site.path().join("static")).unwrap();
        std::fs::write(site.path().join("cv.yaml"), "private").unwrap();
        std::fs::write(site.path().join("static/a.txt"), "a").unwrap();
        std::os::unix::fs::symlink("../cv.yaml", site.path().join("static/b.txt")).unwrap();
        std::os::unix::fs::symlink("a.txt", site.path().join("static/c.txt")).unwrap();
        for (name, is_served) in [("a.txt", true), ("b.txt", false), ("c.txt", true), ("none", false)] {
            let opened = open(site.path(), &Path::new("static").join(name));
            assert_eq!(opened.is_ok(), is_served, "{name}");
        }
        assert!(open(site.path(), Path::new("static")).is_err(), "a folder is not listed");
    }
}
