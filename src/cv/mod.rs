//! The CV: a document in, problems and a model out.
//!
//! [`parse`] reads YAML or JSON Resume, old names and slips of the pen included, and says
//! where each problem is and what would be right. The rule for what may be shown: a fault of
//! syntax or shape is an error, and a file with an error yields no CV; a fault of content (a
//! date that is none, a link that is unsafe, a key nobody knows) is a warning, and the CV is
//! shown without it. Text never gets lost by being typed: `NO`, `4.0` and `0123` stay so.
//!
//! Private things do not leave by oversight: pages and exports take a [`Disclosed`], which
//! only [`Cv::disclose`] makes. This part knows no pages, no HTTP and reads no file; it may
//! look for one ([`find`]).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub mod color;
mod date;
mod decode;
mod disclose;
mod export;
mod html;
mod json;
pub mod lang;
mod link;
mod model;
pub mod node;
mod problem;
mod read;
mod rewrite;
#[cfg(test)]
mod tests;
mod translate;
mod yaml;
mod yaml_out;

pub use date::{End, PartialDate, Period, When};
pub use disclose::{Audience, Disclosed};
pub use export::public_json;
pub use lang::LangTag;
pub use link::Link;
pub use model::{
    Award, Basics, Certificate, CustomItem, CustomSection, Cv, Education, Entry, Image, Interest, Language,
    Location, Meta, Profile, Project, Publication, Reference, SectionId, Skill, Theme, Volunteer, Work,
};
pub use problem::{Fault, Place, Problem, Severity};
pub use translate::Borrowed;
pub use yaml::read as read_yaml;

use decode::Report;
use node::Node;

/// The sample that is served when there is no CV, and that `vitrine init` writes out.
pub const SAMPLE: &str = include_str!("../../assets/sample/cv.yaml");

/// Largest file that is read, in bytes. A CV of twenty pages is 60 kB; past this the file is
/// something else, and is refused before it is held in memory twice.
pub const SIZE_BYTES_MAX: usize = 10_000_000;

/// Names under which a CV is looked for; the first that exists is used.
pub const FILE_NAMES: [&str; 6] =
    ["cv.yaml", "cv.yml", "cv.json", "resume.yaml", "resume.yml", "resume.json"];

/// What the owner decides about showing the CV.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Private things that the public page may show.
    pub show: Vec<Private>,
    /// Address under which the site is known, for canonical links.
    pub base_url: Option<BaseUrl>,
    /// Language of a CV that does not name its own (`x-lang`), as a BCP 47 tag.
    pub lang: String,
    /// Asks search engines to leave the page out.
    pub noindex: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { show: Vec::new(), base_url: None, lang: "en".to_string(), noindex: false }
    }
}

/// A thing that is private unless the owner allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Private {
    /// The telephone number.
    Phone,
    /// Street and postal code.
    Address,
    /// The date of birth.
    BirthDate,
}

impl Private {
    /// Every private thing.
    pub const ALL: [Private; 3] = [Private::Phone, Private::Address, Private::BirthDate];

    /// Returns the word for it in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Private::Phone => "phone",
            Private::Address => "address",
            Private::BirthDate => "birth_date",
        }
    }
}

/// A word that names no private thing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of phone, address, birth_date")]
pub struct UnknownPrivate(pub String);

impl FromStr for Private {
    type Err = UnknownPrivate;

    fn from_str(text: &str) -> Result<Self, UnknownPrivate> {
        let found = Private::ALL.into_iter().find(|private| private.name() == text);
        found.ok_or_else(|| UnknownPrivate(text.to_string()))
    }
}

/// The address of the site: http or https, no query, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// A text that is no address of a site.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the address of a site: write it as https://cv.example.com")]
pub struct NoBaseUrl(pub String);

impl FromStr for BaseUrl {
    type Err = NoBaseUrl;

    fn from_str(text: &str) -> Result<Self, NoBaseUrl> {
        let fault = || NoBaseUrl(text.to_string());
        let url = url::Url::parse(text.trim()).map_err(|_| fault())?;
        let is_site = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_site { Ok(BaseUrl(url.as_str().trim_end_matches('/').to_string())) } else { Err(fault()) }
    }
}

impl BaseUrl {
    /// Returns the name of the host, in lower case.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        match authority.strip_prefix('[') {
            Some(_) => authority.split_inclusive(']').next().unwrap_or(authority),
            None => authority.split(':').next().unwrap_or(authority),
        }
    }

    /// Whether it is https.
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Returns the absolute address of a path that begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Name for messages; its ending tells JSON from YAML.
    pub name: &'a str,
    /// Content, not yet known to be text.
    pub bytes: &'a [u8],
}

/// What a file turned out to be.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The CV, unless a problem is an error.
    pub cv: Option<Cv>,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads a CV.
pub fn parse(source: &Source<'_>, config: &Config) -> Parsed {
    parse_with(source, |report, root| {
        let mut cv = read::cv(report, root);
        cv.lang.get_or_insert_with(|| config.lang.clone());
        cv
    })
}

/// Reads a CV in another language, whose file need say only what differs from `original`.
pub fn parse_translation(source: &Source<'_>, lang: &LangTag, original: &Cv) -> Parsed {
    parse_with(source, |report, root| {
        let mut cv = read::translation(report, root, lang);
        cv.complete_from(original);
        cv
    })
}

/// A form that a CV's file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// For people.
    Yaml,
    /// For programs: JSON Resume.
    Json,
}

impl FileForm {
    /// Returns the form of a file by its name.
    pub fn of(name: &str) -> FileForm {
        if name.ends_with(".json") { FileForm::Json } else { FileForm::Yaml }
    }
}

/// Writes a CV's file anew in a form, with everything that is odd about it; an error in it
/// stops that.
pub fn rewrite(source: &Source<'_>, form: FileForm) -> (Option<String>, Vec<Problem>) {
    let root = match tree(source) {
        Ok(root) => root,
        Err(fault) => return (None, vec![fault.into_problem(source.name)]),
    };
    let mut report = Report::new(source.name);
    read::cv(&mut report, &root);
    let write = match form {
        FileForm::Yaml => rewrite::yaml,
        FileForm::Json => rewrite::json,
    };
    let written = (!report.has_errors()).then(|| write(&root, report.renames()));
    (written, report.finish())
}

fn parse_with(source: &Source<'_>, read: impl FnOnce(&mut Report, &Node) -> Cv) -> Parsed {
    let root = match tree(source) {
        Ok(root) => root,
        Err(fault) => return Parsed { cv: None, problems: vec![fault.into_problem(source.name)] },
    };
    let mut report = Report::new(source.name);
    let cv = read(&mut report, &root);
    Parsed { cv: (!report.has_errors()).then_some(cv), problems: report.finish() }
}

fn tree(source: &Source<'_>) -> Result<Node, Fault> {
    if source.bytes.len() > SIZE_BYTES_MAX {
        return Err(too_large(source.bytes.len()));
    }
    let text = std::str::from_utf8(source.bytes).map_err(|err| not_utf8(source.bytes, err.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        let hint = "begin with `basics:` and a `name:` in it";
        return Err(Fault::new(Place::START, "the file is empty", hint));
    }
    if source.name.ends_with(".json") {
        return json::read(text);
    }
    // JSON in a file named .yaml is nearly YAML; the JSON reader knows its escapes better.
    if text.trim_start().starts_with('{')
        && let Ok(root) = json::read(text)
    {
        return Ok(root);
    }
    yaml::read(text)
}

fn too_large(size_bytes: usize) -> Fault {
    let message = format!(
        "the file has {:.1} MB, and {} MB is the most that is read",
        size_bytes as f64 / 1e6,
        SIZE_BYTES_MAX / 1_000_000
    );
    Fault::new(Place::START, message, "pictures and documents belong into files of their own under static/")
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> Fault {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Fault::new(Place::START, "the file is UTF-16", "save it as UTF-8");
    }
    let before = String::from_utf8_lossy(&bytes[..valid_up_to]);
    let line_start = before.rfind('\n').map_or(0, |idx| idx + 1);
    let place =
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 };
    Fault::new(place, format!("the byte 0x{:02x} is not UTF-8", bytes[valid_up_to]), "save the file as UTF-8")
}

/// The file to read in a directory, and those that it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The CV.
    pub path: PathBuf,
    /// The same in other languages, by tag.
    pub translations: Vec<(LangTag, PathBuf)>,
    /// Other files that could have been one of these; worth a warning, as an edit there shows
    /// nothing.
    pub ignored: Vec<PathBuf>,
}

/// Looks for a CV in a directory, by the names of [`FILE_NAMES`].
///
/// Whatever has the name counts, a folder and a link into nothing too: reading it then
/// says what is wrong, where passing over it would show another CV without a word.
pub fn find(dir: &Path) -> Option<Found> {
    let mut found =
        FILE_NAMES.iter().map(|name| dir.join(name)).filter(|path| path.symlink_metadata().is_ok());
    let (path, mut ignored) = (found.next()?, found.collect());
    let translations = translations(dir, &mut ignored);
    Some(Found { path, translations, ignored })
}

/// More languages than anybody writes; each is rendered for visitors and for private links.
pub const TRANSLATIONS_MAX: usize = 32;

/// Looks for translations: `cv.ru.yaml`. Of several in one language the first by
/// [`FILE_NAMES`] counts.
fn translations(dir: &Path, ignored: &mut Vec<PathBuf>) -> Vec<(LangTag, PathBuf)> {
    // A folder that cannot be listed has the CV all the same, which is what matters.
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut all: Vec<(LangTag, usize, PathBuf)> = names
        .filter_map(|name| {
            let (lang, rank) = lang::translation(&name)?;
            Some((lang, rank, dir.join(name)))
        })
        .collect();
    all.sort();
    let mut res: Vec<(LangTag, PathBuf)> = Vec::new();
    for (lang, _, path) in all {
        match res.last() {
            Some((last, _)) if *last == lang => ignored.push(path),
            _ if res.len() >= TRANSLATIONS_MAX => ignored.push(path),
            _ => res.push((lang, path)),
        }
    }
    res
}
