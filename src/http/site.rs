//! The public site of one CV: which documents an edition holds.
//!
//! | path | document |
//! | --- | --- |
//! | `/` | the page |
//! | `/resume.json`, `/cv.txt`, `/cv.md`, `/cv.vcf` | the same as JSON Resume, text, Markdown, vCard |
//! | `/<lang>/…` | these in another language |
//! | `/favicon.svg` | the initials |
//! | `/photo.…` | the picture that the CV names, when it lies beside it |
//! | `/sitemap.xml` | every page with its translations, when the site's address is known |
//! | `/robots.txt` | what crawlers may do |

use std::sync::Arc;

use super::assets::Assets;
use super::edition::{Edition, PHOTO_ROUTE};
use super::files::PDF_ROUTE;
use crate::cv::{self, Audience, BaseUrl, Cv, Disclosed, Theme};
use crate::pages::cv::{CvView, Translation};
use crate::pages::{self, sitemap};
use crate::record::view::{CvDocument, Shown};

/// What the stylesheets of all themes begin with.
const BASE: &str = "cv/base.css";

fn stylesheet(theme: Theme) -> &'static str {
    match theme {
        Theme::Classic => "cv/classic.css",
        Theme::Modern => "cv/modern.css",
    }
}

/// The script of the button that prints.
const PRINT_SCRIPT: &str = "print.js";

/// A form that the CV has beside the page.
struct Form {
    name: &'static str,
    /// The route's template in the original, and in other languages.
    routes: [&'static str; 2],
    document: CvDocument,
    content_type: &'static str,
    write: fn(&Disclosed) -> String,
}

const FORMS: [Form; 4] = [
    Form {
        name: "resume.json",
        routes: ["/resume.json", "/{lang}/resume.json"],
        document: CvDocument::Json,
        content_type: "application/json; charset=utf-8",
        write: cv::public_json,
    },
    Form {
        name: "cv.txt",
        routes: ["/cv.txt", "/{lang}/cv.txt"],
        document: CvDocument::Text,
        content_type: "text/plain; charset=utf-8",
        write: pages::cv::text,
    },
    Form {
        name: "cv.md",
        routes: ["/cv.md", "/{lang}/cv.md"],
        document: CvDocument::Markdown,
        content_type: "text/markdown; charset=utf-8",
        write: pages::cv::commonmark,
    },
    Form {
        name: "cv.vcf",
        routes: ["/cv.vcf", "/{lang}/cv.vcf"],
        document: CvDocument::VCard,
        content_type: "text/vcard; charset=utf-8",
        write: pages::cv::vcard,
    },
];

/// The picture of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// How a browser shall read it.
    pub content_type: &'static str,
    /// Where it is served: `/photo.` and the file's ending.
    pub path: String,
}

/// What an owner lays beside the CV.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// The picture that the CV names.
    pub photo: Option<Photo>,
    /// Rules that come after those of the theme (`style.css`).
    pub style: Option<String>,
    /// Rules that come in place of those of the theme (`theme/style.css`).
    pub theme: Option<String>,
    /// The page for what is not there (`404.html`).
    pub not_found: Option<Vec<u8>>,
    /// Whether there is a PDF (`cv.pdf`).
    pub has_pdf: bool,
}

/// Renders everything public of a CV in all its languages, the original first.
pub fn edition(cvs: &[Cv], beside: Beside, config: &cv::Config, assets: &Arc<Assets>) -> Edition {
    let mut edition = Edition::new(assets.clone());
    let Beside { photo, style, theme, not_found, has_pdf } = beside;
    let built_in = || {
        let theme = cvs.first().map(Cv::theme).unwrap_or_default();
        assets.stylesheet(BASE) + &assets.stylesheet(stylesheet(theme))
    };
    let mut css = theme.unwrap_or_else(built_in);
    css.push_str(&cvs.first().map(pages::cv::colors).unwrap_or_default());
    css.push_str(&style.unwrap_or_default());
    edition.stylesheet = edition.add_part("cv", "css", css.into_bytes());
    edition.not_found = not_found.map(Into::into);
    edition.base_url = config.base_url.clone();
    edition.lang = cvs.first().map(lang).unwrap_or_default();
    let stylesheets = [edition.stylesheet.clone()];
    let places: Vec<String> = cvs.iter().enumerate().map(|(idx, cv)| place(idx, cv)).collect();
    let absolute = |path: &str| config.base_url.as_ref().map_or(path.to_string(), |base| base.join(path));
    let translations: Vec<Translation> = cvs
        .iter()
        .zip(&places)
        .map(|(cv, path)| Translation {
            lang: cv.lang.clone().unwrap_or_default(),
            path: path.clone(),
            url: absolute(path),
        })
        .collect();
    let mut shows_photo = false;
    for (idx, (cv, place)) in cvs.iter().zip(&places).enumerate() {
        let disclosed = cv.disclose(Audience::Public, config);
        let photo = photo.as_ref().filter(|_| disclosed.basics.image.is_some());
        shows_photo |= photo.is_some();
        let canonical = config.base_url.as_ref().map(|base| base.join(place));
        let host = config.base_url.as_ref().map(BaseUrl::host);
        let qr = canonical.as_deref().filter(|_| cv.meta.print_qr).and_then(pages::cv::qr);
        let qr_url = qr.map(|qr| edition.add_part("qr", "svg", qr.into_bytes()));
        let card = pages::cv::card(&disclosed, host);
        let card_url = card.map(|card| absolute(&edition.add_part("card", "png", card)));
        let page = pages::cv::page(&CvView {
            cv: &disclosed,
            stylesheets: &stylesheets,
            favicon: Some("/favicon.svg"),
            photo: photo.map(|photo| &*photo.path),
            canonical: canonical.as_deref(),
            translations: if cvs.len() > 1 { &translations } else { &[] },
            forms: place,
            card_url: card_url.as_deref(),
            qr_url: qr_url.as_deref(),
            pdf_url: has_pdf.then_some(PDF_ROUTE),
            print_script: Some(assets.url(PRINT_SCRIPT)),
            noindex: config.noindex,
        });
        let route = if idx == 0 { "/" } else { "/{lang}/" };
        let shown = |document| Shown { document, lang: lang(cv) };
        let body = page.into_string().into_bytes();
        edition.add_shown(place, route, "text/html; charset=utf-8", body, shown(CvDocument::Page));
        for form in FORMS {
            edition.add_shown(
                &format!("{place}{}", form.name),
                form.routes[idx.min(1)],
                form.content_type,
                (form.write)(&disclosed).into_bytes(),
                shown(form.document),
            );
        }
        if idx == 0 {
            let favicon = pages::favicon(&disclosed).into_bytes();
            edition.add("/favicon.svg", "/favicon.svg", "image/svg+xml", favicon);
        } else {
            edition.redirect(place.trim_end_matches('/'), place);
        }
    }
    add_private(&mut edition, cvs, photo.as_ref(), config);
    if let Some(photo) = photo.filter(|_| shows_photo) {
        edition.add(&photo.path, PHOTO_ROUTE, photo.content_type, photo.bytes);
    }
    let mut robots = ROBOTS.to_string();
    if let (Some(base), false) = (&config.base_url, config.noindex) {
        let pages = cvs.iter().zip(&translations);
        let pages = pages.map(|(cv, page)| (page, cv.modified())).collect::<Vec<_>>();
        edition.add("/sitemap.xml", "/sitemap.xml", "application/xml", sitemap::xml(&pages).into_bytes());
        robots.push_str(&format!("Sitemap: {}\n", base.join("/sitemap.xml")));
    }
    edition.add("/robots.txt", "/robots.txt", "text/plain; charset=utf-8", robots.into());
    edition
}

/// Renders what private links show: the same with every contact, in places beside each other.
fn add_private(edition: &mut Edition, cvs: &[Cv], photo: Option<&Photo>, config: &cv::Config) {
    let stylesheets = [edition.stylesheet.clone()];
    let print_script = edition.assets().url(PRINT_SCRIPT).to_string();
    // Below the token as the public ones are below the root.
    let place = |idx: usize, cv: &Cv| place(idx, cv).trim_start_matches('/').to_string();
    for (idx, cv) in cvs.iter().enumerate() {
        let disclosed = cv.disclose(Audience::LinkHolder, config);
        let up = if idx == 0 { "./" } else { "../" };
        let translations = cvs.iter().enumerate().map(|(other_idx, other)| {
            let path = format!("{up}{}", place(other_idx, other));
            Translation { lang: other.lang.clone().unwrap_or_default(), url: path.clone(), path }
        });
        let translations: Vec<Translation> = translations.collect();
        let photo = photo.map(|photo| format!("{up}{}", photo.path.trim_start_matches('/')));
        let page = pages::cv::page(&CvView {
            cv: &disclosed,
            stylesheets: &stylesheets,
            favicon: Some("/favicon.svg"),
            photo: photo.as_deref(),
            canonical: None,
            translations: if cvs.len() > 1 { &translations } else { &[] },
            forms: "",
            card_url: None,
            qr_url: None,
            pdf_url: None,
            print_script: Some(&print_script),
            noindex: true,
        });
        let place = place(idx, cv);
        let shown = |document| Shown { document, lang: lang(cv) };
        let body = page.into_string().into_bytes();
        edition.add_private_shown(&place, "text/html; charset=utf-8", body, shown(CvDocument::PrivatePage));
        for form in FORMS {
            let (path, body) = (format!("{place}{}", form.name), (form.write)(&disclosed).into_bytes());
            edition.add_private_shown(&path, form.content_type, body, shown(form.document));
        }
    }
    if let Some(Photo { bytes, content_type, path }) = photo {
        edition.add_private(path.trim_start_matches('/'), content_type, bytes.clone());
    }
}

/// Returns the language of a CV, shared by its documents.
fn lang(cv: &Cv) -> Arc<str> {
    cv.lang.as_deref().unwrap_or_default().into()
}

/// Returns the path under which the documents of one language are.
fn place(idx: usize, cv: &Cv) -> String {
    match (idx, cv.lang.as_deref()) {
        (0, _) | (_, None) => "/".to_string(),
        (_, Some(lang)) => format!("/{lang}/"),
    }
}

/// Crawlers may read everything public. A page that asks not to be listed (`noindex`) must
/// stay readable too, or they never see that it asks.
const ROBOTS: &str = "User-agent: *\nDisallow: /admin\nAllow: /\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(edition: &Edition) -> Vec<&str> {
        let mut paths: Vec<&str> = edition.paths().filter(|path| !path.starts_with("/assets/")).collect();
        paths.sort_unstable();
        paths
    }

    fn sample() -> Cv {
        let source = cv::Source { name: "cv.yaml", bytes: cv::SAMPLE.as_bytes() };
        cv::parse(&source, &cv::Config::default()).cv.unwrap()
    }

    #[test]
    fn an_edition_of_the_sample_has_every_document() {
        let edition =
            edition(&[sample()], Beside::default(), &cv::Config::default(), &Arc::new(Assets::load()));
        assert_eq!(
            paths(&edition),
            ["/", "/cv.md", "/cv.txt", "/cv.vcf", "/favicon.svg", "/resume.json", "/robots.txt"]
        );
    }

    #[test]
    fn each_language_has_a_folder_and_the_sitemap_names_all() {
        let original = sample();
        let source = cv::Source { name: "cv.ru.yaml", bytes: "basics: {label: Инженер}".as_bytes() };
        let russian = cv::parse_translation(&source, &"ru".parse().unwrap(), &original).cv.unwrap();
        let base_url = Some("https://cv.example.com".parse().unwrap());
        let config = cv::Config { base_url, ..cv::Config::default() };
        let edition = edition(&[original, russian], Beside::default(), &config, &Arc::new(Assets::load()));
        for path in ["/", "/ru/", "/ru/resume.json", "/ru/cv.txt", "/ru/cv.md", "/ru/cv.vcf", "/sitemap.xml"]
        {
            assert!(paths(&edition).contains(&path), "{path}");
        }
        assert_eq!(edition.moved("/ru"), Some("/ru/"));
        assert_eq!(edition.moved("/de"), None);
    }
}
