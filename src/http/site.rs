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

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

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
    let css = css(cvs, &beside, assets);
    let Beside { photo, not_found, has_pdf, .. } = beside;
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

/// Returns the rules of the page: those of the theme, then the colours of the CV, then the owner's.
fn css(cvs: &[Cv], beside: &Beside, assets: &Assets) -> String {
    let built_in = || {
        let theme = cvs.first().map(Cv::theme).unwrap_or_default();
        assets.stylesheet(BASE) + &assets.stylesheet(stylesheet(theme))
    };
    let mut res = beside.theme.clone().unwrap_or_else(built_in);
    res.push_str(&cvs.first().map(pages::cv::colors).unwrap_or_default());
    res.push_str(beside.style.as_deref().unwrap_or_default());
    res
}

/// The stylesheet of a preview, beside its pages.
const PREVIEW_STYLE: &str = "style.css";

/// The public pages of a CV that nobody else sees, below an address of their own.
#[derive(Debug, Default)]
pub struct Preview {
    documents: HashMap<String, (&'static str, Bytes)>,
}

impl Preview {
    /// Returns media type and content of a document, by the rest of its path.
    pub fn get(&self, rest: &str) -> Option<(&'static str, &Bytes)> {
        self.documents.get(rest).map(|(content_type, body)| (*content_type, body))
    }

    /// Returns how much memory its documents take.
    pub fn size_bytes(&self) -> usize {
        self.documents.values().map(|(_, body)| body.len()).sum()
    }
}

/// Renders what visitors would see of a CV, with every address below that of the preview.
pub fn preview(cvs: &[Cv], beside: &Beside, config: &cv::Config, assets: &Assets) -> Preview {
    let mut res = Preview::default();
    let mut add = |place: &str, content_type, body: Vec<u8>, _| {
        res.documents.insert(place.to_string(), (content_type, body.into()));
    };
    add(PREVIEW_STYLE, "text/css; charset=utf-8", css(cvs, beside, assets).into_bytes(), None);
    let relative = Relative {
        audience: Audience::Public,
        stylesheet: &|up| format!("{up}{PREVIEW_STYLE}"),
        pdf_url: beside.has_pdf.then_some(PDF_ROUTE),
        photo: beside.photo.as_ref(),
    };
    relative.add(cvs, config, assets, &mut add);
    res
}

/// Renders what private links show: the same with every contact, in places beside each other.
fn add_private(edition: &mut Edition, cvs: &[Cv], photo: Option<&Photo>, config: &cv::Config) {
    let (stylesheet, assets) = (edition.stylesheet.clone(), edition.assets().clone());
    let relative = Relative {
        audience: Audience::LinkHolder,
        stylesheet: &|_| stylesheet.clone(),
        pdf_url: None,
        photo,
    };
    relative.add(cvs, config, &assets, &mut |place, content_type, body, shown| match shown {
        Some(shown) => edition.add_private_shown(place, content_type, body, shown),
        None => edition.add_private(place, content_type, body),
    });
}

/// Pages that say where others are by the way from one to the other.
struct Relative<'a> {
    audience: Audience,
    /// The address of the stylesheet, from a page that is so far below the first.
    stylesheet: &'a dyn Fn(&str) -> String,
    pdf_url: Option<&'static str>,
    photo: Option<&'a Photo>,
}

/// Takes a document: its place, media type and content, and what it is of the CV, if it is.
type Add<'a> = &'a mut dyn FnMut(&str, &'static str, Vec<u8>, Option<Shown>);

impl Relative<'_> {
    fn add(&self, cvs: &[Cv], config: &cv::Config, assets: &Assets, add: Add<'_>) {
        for (idx, cv) in cvs.iter().enumerate() {
            let disclosed = cv.disclose(self.audience, config);
            let up = if idx == 0 { "./" } else { "../" };
            let translations = cvs.iter().enumerate().map(|(other_idx, other)| {
                let path = format!("{up}{}", place_below(other_idx, other));
                Translation { lang: other.lang.clone().unwrap_or_default(), url: path.clone(), path }
            });
            let translations: Vec<Translation> = translations.collect();
            let photo = self.photo.filter(|_| disclosed.basics.image.is_some());
            let photo = photo.map(|photo| format!("{up}{}", photo.path.trim_start_matches('/')));
            let page = pages::cv::page(&CvView {
                cv: &disclosed,
                stylesheets: &[(self.stylesheet)(up)],
                favicon: Some("/favicon.svg"),
                photo: photo.as_deref(),
                canonical: None,
                translations: if cvs.len() > 1 { &translations } else { &[] },
                forms: "",
                card_url: None,
                qr_url: None,
                pdf_url: self.pdf_url,
                print_script: Some(assets.url(PRINT_SCRIPT)),
                noindex: true,
            });
            let place = place_below(idx, cv);
            let shown = |document| Some(Shown { document, lang: lang(cv) });
            let page = page.into_string().into_bytes();
            add(&place, "text/html; charset=utf-8", page, shown(CvDocument::PrivatePage));
            for form in FORMS {
                let (path, body) = (format!("{place}{}", form.name), (form.write)(&disclosed).into_bytes());
                add(&path, form.content_type, body, shown(form.document));
            }
        }
        if let Some(Photo { bytes, content_type, path }) = self.photo {
            add(path.trim_start_matches('/'), content_type, bytes.clone(), None);
        }
    }
}

/// Returns where the documents of one language are below the first page.
fn place_below(idx: usize, cv: &Cv) -> String {
    place(idx, cv).trim_start_matches('/').to_string()
}

/// Returns the language of a CV, shared by its documents.
fn lang(cv: &Cv) -> Arc<str> {
    cv.lang.as_deref().unwrap_or_default().into()
}

/// Returns the path under which the documents of one language are.
pub fn place(idx: usize, cv: &Cv) -> String {
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
    fn a_preview_stands_below_any_address_and_discloses_what_the_page_does() {
        let source = cv::Source {
            name: "cv.yaml",
            bytes: b"basics: {name: Ada, phone: '+1 555 0100', image: ada.png}\nmeta: {themeOptions: {colors: {accent: '#123456'}}}",
        };
        let original = cv::parse(&source, &cv::Config::default()).cv.unwrap();
        let source = cv::Source { name: "cv.ru.yaml", bytes: "basics: {label: Инженер}".as_bytes() };
        let russian = cv::parse_translation(&source, &"ru".parse().unwrap(), &original).cv.unwrap();
        let photo = Photo { bytes: vec![1], content_type: "image/png", path: "/photo.png".into() };
        let beside = Beside { photo: Some(photo), style: Some(".mine{}".into()), ..Beside::default() };
        let preview = preview(&[original, russian], &beside, &cv::Config::default(), &Assets::load());
        let text = |rest: &str| {
            let (_, body) = preview.get(rest).unwrap_or_else(|| panic!("{rest} is missing"));
            String::from_utf8_lossy(body).into_owned()
        };
        assert!(text("style.css").contains("#123456") && text("style.css").ends_with(".mine{}"));
        let (first, second) = (text(""), text("ru/"));
        for part in [r#"href="./style.css""#, r#"src="./photo.png""#, r#"href="./ru/""#, "noindex"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        for part in [r#"href="../style.css""#, r#"src="../photo.png""#, r#"href="../""#, "Инженер"] {
            assert!(second.contains(part), "{part}: {second}");
        }
        assert!(!first.contains("555") && !text("cv.txt").contains("555"));
        assert!(preview.get("photo.png").is_some() && preview.get("robots.txt").is_none());
        assert!(preview.size_bytes() > first.len() + second.len());
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
