//! What the editor of the CV asks for: a folder of which this module knows no more than the
//! names of files, their texts, and what became of them.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::cv::Problem;
use crate::http::site::Preview;
use crate::pages::admin::cv::{Bar, SiteView, VersionView};

/// Longest text that is edited in a browser. A CV of twenty pages has 60 kB; a form of this size
/// is still sent in seconds.
pub const TEXT_MAX_BYTES: usize = 1_000_000;

/// A text of one of the CV's files, as somebody wants it.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// The file's name, as a browser sent it.
    pub name: String,
    /// The text, with line ends of any kind.
    pub text: String,
    /// The mark of the text that it was made from; empty for a file that was not there.
    pub seen: String,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may hold what is private.
        write!(f, "Draft({}, {} bytes)", self.name, self.text.len())
    }
}

/// One of the CV's files, opened to be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its name.
    pub name: String,
    /// What it holds; for one that is not there yet, what it could begin with.
    pub text: String,
    /// What tells this text from any other; empty for a file that is not there yet.
    pub mark: String,
    /// Why it cannot be written, if so.
    pub bar: Option<Bar>,
}

/// What a draft would look like.
#[derive(Debug)]
pub struct Previewed {
    /// The pages.
    pub pages: Preview,
    /// The place among them of the one that the draft is about.
    pub start: String,
}

/// What became of a draft that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Visitors see it: what is shown now.
    Shown(String),
    /// It is on disk. It is not shown for what is wrong elsewhere, as it was before.
    Written(Vec<String>),
}

/// Why a file was not opened or not written. Nothing is changed unless it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The CV has no such file, and could not have.
    #[error("{0:?} is no file of this CV")]
    Unknown(String),
    /// There is no version of that id.
    #[error("there is no such version: it was one of the oldest, and has gone")]
    NoVersion,
    /// It may not be written.
    #[error("it cannot be written here")]
    Barred(Bar),
    /// The text has errors.
    #[error("the text has errors")]
    Problems(Vec<Problem>),
    /// The file was changed since it was opened.
    #[error("the file was changed by somebody else since it was opened")]
    Conflict(Box<Opened>),
    /// The reload was refused, and the file is as it was.
    #[error("the reload was refused, and the file is as it was: {}", .0.join("\n"))]
    Refused(Vec<String>),
    /// The reload was refused, and the file could not be put back.
    #[error("the reload was refused ({}), and the text before could not be put back: {why}", reasons.join("\n"))]
    Stuck {
        /// Why it was refused.
        reasons: Vec<String>,
        /// Why the text before is not back.
        why: String,
    },
    /// The process ends, or hands over.
    #[error("the process is stopping or hands over: try again in a moment")]
    Stopping,
    /// The disk said no.
    #[error("{0}")]
    Disk(String),
}

/// The files of the CV. What is not a future may wait for the disk, and is called off the async
/// threads.
pub trait Editor: Send + Sync {
    /// Says what lies in the site's folder.
    fn look(&self) -> SiteView;
    /// Opens one of the CV's files, or one that it could have.
    fn open(&self, name: &str) -> Result<Opened, EditError>;
    /// Says what would be wrong or odd with a draft in its place.
    fn check(&self, draft: &Draft) -> Result<Vec<Problem>, EditError>;
    /// Renders what visitors would see.
    fn preview(&self, draft: &Draft) -> Result<Previewed, EditError>;
    /// Writes a draft and shows it.
    fn publish(&self, draft: Draft) -> BoxFuture<'static, Result<Published, EditError>>;
    /// Returns what is kept of earlier texts, the newest first.
    fn versions(&self) -> Result<Vec<VersionView>, EditError>;
    /// Returns an earlier text.
    fn version(&self, id: &str) -> Result<(VersionView, String), EditError>;
}

#[cfg(test)]
pub(super) mod memory {
    //! An editor of files that lie in memory.

    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard};

    use futures_util::FutureExt;

    use super::*;
    use crate::clock::UnixMillis;
    use crate::cv::{self, Severity};
    use crate::http::assets::Assets;
    use crate::http::site::{Beside, preview};

    /// Holds texts; each text before is a version. A text that cannot be read as a CV has errors.
    #[derive(Default)]
    pub struct MemoryEditor {
        /// The files.
        pub texts: Mutex<BTreeMap<String, String>>,
        /// What they held before, the newest first.
        pub before: Mutex<Vec<(String, String)>>,
        /// Why nothing may be written, if so.
        pub bar: Mutex<Option<Bar>>,
        /// What the next reload says, if it is refused.
        pub refusal: Mutex<Option<Vec<String>>>,
    }

    fn mark(text: &str) -> String {
        format!("mark of {text:?}")
    }

    impl MemoryEditor {
        /// Holds these files.
        pub fn of(files: &[(&str, &str)]) -> MemoryEditor {
            let texts = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
            MemoryEditor { texts: Mutex::new(texts), ..MemoryEditor::default() }
        }

        fn texts(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
            self.texts.lock().unwrap()
        }

        fn parsed(draft: &Draft) -> cv::Parsed {
            let source = cv::Source { name: &draft.name, bytes: draft.text.as_bytes() };
            cv::parse(&source, &cv::Config::default())
        }

        fn put(&self, draft: Draft) -> Result<Published, EditError> {
            if let Some(bar) = self.bar.lock().unwrap().clone() {
                return Err(EditError::Barred(bar));
            }
            let now = self.open(&draft.name)?;
            if now.mark != draft.seen {
                return Err(EditError::Conflict(now.into()));
            }
            let problems = self.check(&draft)?;
            if problems.iter().any(|problem| problem.severity == Severity::Error) {
                return Err(EditError::Problems(problems));
            }
            if let Some(reasons) = self.refusal.lock().unwrap().take() {
                return Err(EditError::Refused(reasons));
            }
            self.before.lock().unwrap().insert(0, (draft.name.clone(), now.text));
            self.texts().insert(draft.name, draft.text);
            Ok(Published::Shown("reloaded: showing it".into()))
        }
    }

    impl Editor for MemoryEditor {
        fn look(&self) -> SiteView {
            SiteView { folder: "/site".into(), bar: self.bar.lock().unwrap().clone(), ..SiteView::default() }
        }

        fn open(&self, name: &str) -> Result<Opened, EditError> {
            let text = self.texts().get(name).cloned().ok_or_else(|| EditError::Unknown(name.into()))?;
            let bar = self.bar.lock().unwrap().clone();
            Ok(Opened { name: name.into(), mark: mark(&text), text, bar })
        }

        fn check(&self, draft: &Draft) -> Result<Vec<Problem>, EditError> {
            self.open(&draft.name)?;
            Ok(MemoryEditor::parsed(draft).problems)
        }

        fn preview(&self, draft: &Draft) -> Result<Previewed, EditError> {
            self.open(&draft.name)?;
            let parsed = MemoryEditor::parsed(draft);
            let cv = parsed.cv.ok_or(EditError::Problems(parsed.problems))?;
            let pages = preview(&[cv], &Beside::default(), &cv::Config::default(), &Assets::load());
            Ok(Previewed { pages, start: String::new() })
        }

        fn publish(&self, draft: Draft) -> BoxFuture<'static, Result<Published, EditError>> {
            let outcome = self.put(draft);
            async move { outcome }.boxed()
        }

        fn versions(&self) -> Result<Vec<VersionView>, EditError> {
            let before = self.before.lock().unwrap();
            let view = |(idx, (name, text)): (usize, &(String, String))| VersionView {
                id: format!("v{}", before.len() - idx),
                at: UnixMillis(1_795_000_000_000),
                name: name.clone(),
                size_bytes: text.len() as u64,
                is_present: self.texts().get(name) == Some(text),
            };
            Ok(before.iter().enumerate().map(view).collect())
        }

        fn version(&self, id: &str) -> Result<(VersionView, String), EditError> {
            let mut versions = self.versions()?.into_iter().enumerate();
            let (idx, version) =
                versions.find(|(_, version)| version.id == id).ok_or(EditError::NoVersion)?;
            Ok((version, self.before.lock().unwrap()[idx].1.clone()))
        }
    }
}
