//! Loads the site: from a folder to an edition, or to everything that is wrong with it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::data::CvFile;
use crate::cv::{self, Cv, Problem};
use crate::http::assets::Assets;
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
    /// What was read, to be kept as the last good one.
    pub source: CvFile,
    /// Where it was read.
    pub origin: Origin,
    /// What is odd about it but stops nothing.
    pub warnings: Vec<String>,
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
    #[error("{}: read the CV: {fault}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
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
    /// Returns one line per problem.
    pub fn lines(&self) -> Vec<String> {
        match self {
            SiteError::Broken(problems) => problems.iter().map(Problem::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads, builds and proves the folder's CV. Takes milliseconds for an ordinary CV and a
/// second for the largest; not for an async thread.
pub fn load(folder: &Path, config: &cv::Config, assets: &Arc<Assets>) -> Result<Site, SiteError> {
    let found = find(folder)?;
    let source = read(&found.path)?;
    let (edition, problems) = build(&source, config, assets)?;
    let warnings = with_ignored(problems, &found);
    Ok(Site { edition, source, origin: Origin::Folder(found.path), warnings })
}

/// Returns the folder's CV as a model with everything that is odd about it.
pub fn check(folder: &Path, config: &cv::Config) -> Result<(PathBuf, Vec<String>), SiteError> {
    let found = find(folder)?;
    let (_, problems) = parse(&read(&found.path)?, config)?;
    let warnings = with_ignored(problems, &found);
    Ok((found.path, warnings))
}

/// Builds the embedded sample.
pub fn sample(config: &cv::Config, assets: &Arc<Assets>) -> Result<Site, SiteError> {
    let source = CvFile { name: "cv.yaml".into(), bytes: cv::SAMPLE.into() };
    // The sample is not the owner's: search engines must not list it under their name.
    let config = cv::Config { noindex: true, ..config.clone() };
    let (edition, problems) = build(&source, &config, assets)?;
    Ok(Site { edition, source, origin: Origin::Sample, warnings: texts(&problems) })
}

/// Builds a CV that was kept as the last good one.
pub fn from_kept(source: CvFile, config: &cv::Config, assets: &Arc<Assets>) -> Result<Site, SiteError> {
    let (edition, problems) = build(&source, config, assets)?;
    Ok(Site { edition, source, origin: Origin::LastGood, warnings: texts(&problems) })
}

fn find(folder: &Path) -> Result<cv::Found, SiteError> {
    if !folder.is_dir() {
        return Err(SiteError::NoFolder(folder.to_path_buf()));
    }
    cv::find(folder).ok_or_else(|| SiteError::Missing(folder.to_path_buf()))
}

/// An edit of a file that another one hides would show nothing, which is worth a warning.
fn with_ignored(problems: Vec<Problem>, found: &cv::Found) -> Vec<String> {
    let mut res = texts(&problems);
    res.extend(found.ignored.iter().map(|ignored| {
        format!(
            "{}: not read, because {} comes first: remove one of them",
            ignored.display(),
            found.path.display()
        )
    }));
    res
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

fn read(path: &Path) -> Result<CvFile, SiteError> {
    let bytes = read_bounded(path)
        .map_err(|fault| SiteError::Unreadable { path: path.to_path_buf(), fault: fault.to_string() })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(CvFile { name, bytes })
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe without a writer would block the open for ever; a file does not mind the flag.
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let size_max = cv::SIZE_BYTES_MAX as u64;
    let (is_file, size) = (file.metadata()?.is_file(), file.metadata()?.len());
    if !is_file {
        return Err(io::Error::other("it is not a file"));
    }
    if size > size_max {
        let (size_mb, max_mb) = (size as f64 / 1e6, size_max / 1_000_000);
        return Err(io::Error::other(format!(
            "the file has {size_mb:.1} MB, and {max_mb} MB is the most that is read"
        )));
    }
    let mut bytes = Vec::new();
    // Bounded again: the file may grow while it is read.
    file.take(size_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(source: &CvFile, config: &cv::Config) -> Result<(Cv, Vec<Problem>), SiteError> {
    let parsed = cv::parse(&cv::Source { name: &source.name, bytes: &source.bytes }, config);
    match parsed.cv {
        Some(cv) => Ok((cv, parsed.problems)),
        None => Err(SiteError::Broken(parsed.problems)),
    }
}

fn build(
    source: &CvFile,
    config: &cv::Config,
    assets: &Arc<Assets>,
) -> Result<(Arc<Edition>, Vec<Problem>), SiteError> {
    let (cv, problems) = parse(source, config)?;
    let edition = Arc::new(http::site::edition(&cv, config, assets));
    prove(&edition)?;
    Ok((edition, problems))
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
