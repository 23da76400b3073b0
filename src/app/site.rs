//! Loads the site: from a folder to an edition, or to everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::beside;
use super::data::{CvFile, read_bounded};
use crate::cv::{self, Cv, Image, Problem, Severity};
use crate::http::assets::Assets;
use crate::http::site::{Beside, Preview};
use crate::http::{self, Edition};

/// Where the CV shown comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The site's folder.
    Folder(PathBuf),
    /// The embedded sample, because the folder has no CV.
    Sample,
    /// The copy kept in the data directory, because the one in the folder is broken.
    LastGood,
}

/// A CV, ready to be shown.
pub struct Site {
    /// What is served.
    pub edition: Arc<Edition>,
    /// What was read, the original first, to be kept as the last good one.
    pub sources: Vec<CvFile>,
    /// Where it was read.
    pub origin: Origin,
    /// Its pages, the original first.
    pub languages: Vec<Language>,
    /// The picture beside it that it names.
    pub image: Option<String>,
    /// What is odd about it but stops nothing.
    pub warnings: Vec<Problem>,
}

/// A page of the CV, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    /// The language as a BCP 47 tag.
    pub lang: String,
    /// Where visitors find it.
    pub path: String,
    /// The file.
    pub file: String,
}

/// Why a folder's CV cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// There is no such folder.
    #[error("`site`: {} is not a folder", .0.display())]
    NoFolder(PathBuf),
    /// The folder has none.
    #[error(
        "{}: no CV: write cv.yaml or resume.json there, or `vitrine init {}` for a commented sample",
        .0.display(), .0.display()
    )]
    Missing(PathBuf),
    /// It could not be read.
    #[error("{name}: {fault}")]
    Unreadable {
        /// The file.
        name: String,
        /// The cause.
        fault: String,
    },
    /// It has errors.
    #[error("{}", lines(.0))]
    Broken(Vec<Problem>),
    /// It was built, and a page of it failed its proof.
    #[error("the page {0} could not be answered from the new edition")]
    Unproved(String),
}

impl SiteError {
    /// Returns everything that is wrong.
    pub fn into_problems(self) -> Vec<Problem> {
        match self {
            SiteError::Broken(problems) => problems,
            SiteError::Unreadable { name, fault } => vec![Problem::of_file(Severity::Error, name, fault)],
            other => vec![Problem::of_file(Severity::Error, "", other.to_string())],
        }
    }
}

/// Returns problems as a line each.
pub fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads, builds and proves the folder's CV. Takes milliseconds for an ordinary CV and a
/// second for the largest; not for an async thread.
pub fn load(folder: &Path, config: &cv::Config, assets: &Arc<Assets>) -> Result<Site, SiteError> {
    let Read { sources, cvs, mut warnings } = read(folder, config, None)?;
    let (beside, more) = beside::read(folder, &sources[0].name, &cvs[0]);
    warnings.extend(more);
    let edition = build(&cvs, beside, config, assets)?;
    let (origin, languages) = (Origin::Folder(folder.join(&sources[0].name)), languages(&cvs, &sources));
    let image = match &cvs[0].basics.image {
        Some(Image::File(name)) => Some(name.clone()),
        _ => None,
    };
    Ok(Site { edition, sources, origin, languages, image, warnings })
}

/// Returns where the folder's CV is, with everything that is odd about it.
pub fn check(folder: &Path, config: &cv::Config) -> Result<(PathBuf, Vec<Problem>), SiteError> {
    let Read { sources, cvs, mut warnings } = read(folder, config, None)?;
    let (_, more) = beside::read(folder, &sources[0].name, &cvs[0]);
    warnings.extend(more);
    Ok((folder.join(&sources[0].name), warnings))
}

/// Returns what would be odd about the folder's CV with a draft in the place of one of its files.
pub fn check_draft(folder: &Path, config: &cv::Config, draft: &CvFile) -> Result<Vec<Problem>, SiteError> {
    let Read { sources, cvs, mut warnings } = read(folder, config, Some(draft))?;
    let (_, more) = beside::read(folder, &sources[0].name, &cvs[0]);
    warnings.extend(more);
    Ok(warnings)
}

/// Renders what visitors would see with a draft in the place of one of the CV's files; returns
/// the place of the page that is made of it too.
pub fn preview(
    folder: &Path,
    config: &cv::Config,
    draft: &CvFile,
    assets: &Assets,
) -> Result<(Preview, String), SiteError> {
    let Read { sources, cvs, .. } = read(folder, config, Some(draft))?;
    let (beside, _) = beside::read(folder, &sources[0].name, &cvs[0]);
    let pages = http::site::preview(&cvs, &beside, config, assets);
    let languages = languages(&cvs, &sources);
    let page = languages.into_iter().find(|language| language.file == draft.name);
    let start = page.map_or(String::new(), |page| page.path.trim_start_matches('/').to_string());
    Ok((pages, start))
}

fn languages(cvs: &[Cv], sources: &[CvFile]) -> Vec<Language> {
    let language = |(idx, (cv, source)): (usize, (&Cv, &CvFile))| Language {
        lang: cv.lang.clone().unwrap_or_default(),
        path: http::site::place(idx, cv),
        file: source.name.clone(),
    };
    cvs.iter().zip(sources).enumerate().map(language).collect()
}

/// Builds and proves what a start would show, for nobody to see.
pub fn prove_all(folder: &Path, config: &cv::Config) -> Result<(), SiteError> {
    let assets = Arc::new(Assets::load());
    match load(folder, config, &assets) {
        Err(SiteError::Missing(_)) => sample(config, &assets).map(drop),
        outcome => outcome.map(drop),
    }
}

/// Builds the embedded sample.
pub fn sample(config: &cv::Config, assets: &Arc<Assets>) -> Result<Site, SiteError> {
    let source = CvFile { name: "cv.yaml".into(), bytes: cv::SAMPLE.into() };
    // The sample is not the owner's: search engines must not list it under their name.
    let config = cv::Config { noindex: true, ..config.clone() };
    let sources = vec![source];
    let (cvs, problems) = parse(&sources, &config)?;
    let edition = build(&cvs, Beside::default(), &config, assets)?;
    let languages = languages(&cvs, &sources);
    Ok(Site { edition, sources, origin: Origin::Sample, languages, image: None, warnings: problems })
}

/// Builds a CV that was kept as the last good one.
pub fn from_kept(
    mut sources: Vec<CvFile>,
    config: &cv::Config,
    assets: &Arc<Assets>,
) -> Result<Site, SiteError> {
    sources.sort_by_key(|source| cv::lang::of_file(&source.name));
    let (cvs, problems) = parse(&sources, config)?;
    // The picture and the owner's style are not kept: the page without them is better than none.
    let edition = build(&cvs, Beside::default(), config, assets)?;
    let languages = languages(&cvs, &sources);
    Ok(Site { edition, sources, origin: Origin::LastGood, languages, image: None, warnings: problems })
}

/// A folder's CV in all its languages, the original first.
struct Read {
    sources: Vec<CvFile>,
    cvs: Vec<Cv>,
    warnings: Vec<Problem>,
}

/// Reads the folder's CV, with a draft in the place of the file of its name, which need not be
/// there.
fn read(folder: &Path, config: &cv::Config, draft: Option<&CvFile>) -> Result<Read, SiteError> {
    if !folder.is_dir() {
        return Err(SiteError::NoFolder(folder.to_path_buf()));
    }
    let (sources, ignored) = match (cv::find(folder), draft) {
        (None, None) => return Err(SiteError::Missing(folder.to_path_buf())),
        (None, Some(draft)) => (vec![draft.clone()], Vec::new()),
        (Some(found), draft) => (sources(&found, draft)?, found.ignored),
    };
    let (cvs, problems) = parse(&sources, config)?;
    let mut warnings = with_ignored(problems, &ignored);
    let (original, translations) = cvs.split_first().expect("a CV that was found was parsed");
    let again = sources[1..].iter().zip(translations).find(|(_, cv)| cv.lang == original.lang);
    if let Some((CvFile { name, .. }, cv)) = again {
        let lang = cv.lang.as_deref().unwrap_or_default();
        let message = format!("{} is in {lang} too", sources[0].name);
        warnings.push(Problem {
            hint: "write its own language as `x-lang:` there, or remove one of the two".into(),
            ..Problem::of_file(Severity::Warning, name, message)
        });
    }
    Ok(Read { sources, cvs, warnings })
}

fn sources(found: &cv::Found, draft: Option<&CvFile>) -> Result<Vec<CvFile>, SiteError> {
    let paths = std::iter::once(&found.path).chain(found.translations.iter().map(|(_, path)| path));
    let read = |path: &PathBuf| match draft.filter(|draft| draft.name == name_of(path)) {
        Some(draft) => Ok(draft.clone()),
        None => read_file(path),
    };
    let mut res = paths.map(read).collect::<Result<Vec<_>, _>>()?;
    if let Some(draft) = draft.filter(|draft| res.iter().all(|file| file.name != draft.name)) {
        res.push(draft.clone());
        // The original has no language in its name, and stays the first.
        res.sort_by_key(|file| cv::lang::of_file(&file.name));
    }
    Ok(res)
}

/// An edit of a file that another one hides would show nothing, which is worth a warning.
fn with_ignored(mut problems: Vec<Problem>, ignored: &[PathBuf]) -> Vec<Problem> {
    problems.extend(ignored.iter().map(|ignored| {
        let reason = "another file of the same CV comes first, or there are too many languages";
        Problem { hint: reason.into(), ..Problem::of_file(Severity::Warning, name_of(ignored), "not read") }
    }));
    problems
}

/// Returns the name of a file without its folder.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read_file(path: &Path) -> Result<CvFile, SiteError> {
    let name = name_of(path);
    let bytes = read_bounded(path, cv::SIZE_BYTES_MAX)
        .map_err(|fault| SiteError::Unreadable { name: name.clone(), fault: fault.to_string() })?;
    Ok(CvFile { name, bytes })
}

/// Parses the original and its translations; what is wrong with any stops all.
fn parse(sources: &[CvFile], config: &cv::Config) -> Result<(Vec<Cv>, Vec<Problem>), SiteError> {
    let (mut cvs, mut problems, mut is_broken) = (Vec::<Cv>::new(), Vec::new(), false);
    for CvFile { name, bytes } in sources {
        let source = cv::Source { name, bytes };
        let parsed = match (cvs.first(), cv::lang::of_file(name)) {
            (Some(original), Some(lang)) => cv::parse_translation(&source, &lang, original),
            _ => cv::parse(&source, config),
        };
        is_broken |= parsed.cv.is_none();
        problems.extend(parsed.problems);
        // A translation of a broken original is read as if it had to stand alone.
        cvs.extend(parsed.cv);
    }
    if is_broken { Err(SiteError::Broken(problems)) } else { Ok((cvs, problems)) }
}

fn build(
    cvs: &[Cv],
    beside: Beside,
    config: &cv::Config,
    assets: &Arc<Assets>,
) -> Result<Arc<Edition>, SiteError> {
    let edition = Arc::new(http::site::edition(cvs, beside, config, assets));
    prove(&edition)?;
    Ok(edition)
}

/// Answers every page of a new edition once, as a worker would.
fn prove(edition: &Edition) -> Result<(), SiteError> {
    for path in edition.paths() {
        if !matches!(http::probe(edition, path), http::Reply::Document { .. }) {
            return Err(SiteError::Unproved(path.to_string()));
        }
    }
    Ok(())
}
