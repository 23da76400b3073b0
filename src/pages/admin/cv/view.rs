//! What `/admin/cv` shows: the files of the site's folder, and what may be done with them.

use crate::clock::{UnixMillis, UnixNanos};
use crate::cv::Problem;

/// The site's folder, and what is shown of it.
#[derive(Clone, Debug, Default)]
pub struct SiteView {
    /// Where it is.
    pub folder: String,
    /// Whose CV visitors see.
    pub shown: Shown,
    /// What lies in it and counts.
    pub files: Vec<FileView>,
    /// The pages that visitors can see, the original first.
    pub languages: Vec<LanguageView>,
    /// What is wrong or odd; what stops the files from being shown comes first.
    pub problems: Vec<Problem>,
    /// True when the CV in the folder is broken and an older one is shown.
    pub is_stale: bool,
    /// Whether a change in the folder is shown by itself.
    pub is_watched: bool,
    /// Why nothing can be edited, if so.
    pub bar: Option<Bar>,
}

/// Whose CV visitors see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// The folder's.
    #[default]
    Folder,
    /// The sample, because the folder has none.
    Sample,
    /// The one that was shown before, because the folder's is broken.
    LastGood,
}

/// A file that counts, or a folder of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Its name in the site's folder.
    pub name: String,
    /// What it is for.
    pub role: FileRole,
    /// Its size; that of all files in a folder.
    pub size_bytes: u64,
    /// When it was changed last; none for a folder.
    pub changed: Option<UnixNanos>,
    /// Whether visitors see it.
    pub state: FileState,
}

/// What a file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// The CV.
    Original,
    /// The CV in another language.
    Translation(String),
    /// The picture of the person.
    Photo,
    /// Rules after those of the theme.
    Style,
    /// Rules in place of the theme's.
    Theme,
    /// The page for what is not there.
    NotFound,
    /// The CV as the owner's PDF.
    Pdf,
    /// A folder whose files are served as they are; how many there are, and whether there are
    /// more than were counted.
    Folder {
        /// Files in it.
        n_files: u64,
        /// Whether counting was given up.
        has_more: bool,
    },
}

/// Whether visitors see a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// As it is.
    Shown,
    /// As it was before it was changed: a reload shows it.
    Changed,
    /// Another file of the same CV comes first: the name of that.
    Hidden(String),
    /// There are too many languages.
    TooMany,
    /// It cannot be used: why.
    LeftOut(String),
}

/// A page of the CV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageView {
    /// The language as a BCP 47 tag.
    pub lang: String,
    /// Where visitors find it.
    pub path: String,
    /// The file that it is made of.
    pub file: String,
}

/// Why a file cannot be edited, and how it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Why.
    pub reason: BarReason,
    /// Lines for a terminal or a file that change it; empty where there are none.
    pub remedy: Vec<String>,
}

impl Bar {
    /// Whether no text at all may be written; else it is the present one that cannot be edited, and
    /// another one may take its place.
    pub fn is_for_any_text(&self) -> bool {
        !matches!(self.reason, BarReason::TooLarge { .. } | BarReason::NotText)
    }
}

/// Why a file cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BarReason {
    /// `admin.edit` is off.
    Off,
    /// The folder is read-only to the whole process.
    ReadOnly,
    /// The process may not write to the folder.
    NoPermission {
        /// The user that it runs as.
        user: String,
    },
    /// The process could not give the new file to whom the old one belongs.
    Owner {
        /// The user that it runs as.
        user: String,
    },
    /// It is a link to a file elsewhere.
    Elsewhere {
        /// Where.
        path: String,
    },
    /// It is not UTF-8.
    NotText,
    /// It is too large for a form.
    TooLarge {
        /// The largest that is edited.
        max_bytes: usize,
    },
    /// It could not be read.
    Unreadable {
        /// Why.
        cause: String,
    },
}

/// An earlier text of one of the CV's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionView {
    /// Names it to the server.
    pub id: String,
    /// When it was shown last, or replaced.
    pub at: UnixMillis,
    /// The CV's file.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Whether it is what the file holds now.
    pub is_present: bool,
}

/// The page of the CV.
#[derive(Clone, Debug, Default)]
pub struct CvView {
    /// The folder.
    pub site: SiteView,
    /// Earlier texts, the newest first.
    pub versions: Vec<VersionView>,
    /// Private links that work.
    pub n_links: usize,
    /// Where the site is, when the owner named it.
    pub base_url: Option<String>,
}

/// The editor of one file.
#[derive(Clone, Debug, Default)]
pub struct EditorView {
    /// The file.
    pub name: String,
    /// The text to begin with.
    pub text: String,
    /// The mark of the text that is to be replaced; empty where there is none.
    pub seen: String,
    /// Whether the text is another one than the file holds.
    pub is_changed: bool,
    /// Why it cannot be written, if so.
    pub bar: Option<Bar>,
    /// What is wrong or odd with the text; none while it was not looked at.
    pub problems: Option<Vec<Problem>>,
    /// What became of what was asked.
    pub outcome: Option<Outcome>,
    /// The line to go to.
    pub line: Option<usize>,
    /// The version that the text is of.
    pub version: Option<VersionView>,
    /// The script of the editor.
    pub script: String,
}

/// What became of a text that was sent.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was looked at.
    Checked,
    /// It has errors, and nothing was written.
    HasErrors,
    /// Somebody else changed the file meanwhile: what it holds now, and how the text differs.
    Conflict {
        /// What the file holds.
        now: String,
        /// From that to the text.
        diff: DiffView,
    },
    /// The reload was refused, and the file is as it was.
    Refused(Vec<String>),
    /// The reload was refused, and the file could not be put back.
    Stuck {
        /// Why it was refused.
        reasons: Vec<String>,
        /// Why the text before is not back.
        why: String,
    },
    /// Nothing was done: why.
    Failed(String),
}

/// How one text differs from another, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiffView {
    /// Lines that stand together, with some around them.
    pub hunks: Vec<Vec<DiffLine>>,
    /// Lines of hunks that are not listed.
    pub n_left_out: usize,
}

/// A line of either text, or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// In which of the two it is.
    pub side: Side,
    /// Its number in the text that it is of, the newer one for both.
    pub number: usize,
    /// The line, without its end.
    pub text: String,
}

/// In which of two texts a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In both.
    Both,
    /// Only in the first.
    Removed,
    /// Only in the second.
    Added,
}

/// One version, beside what the file holds.
#[derive(Clone, Debug)]
pub struct VersionPage {
    /// The version.
    pub version: VersionView,
    /// Its text.
    pub text: String,
    /// From what the file holds to the version; none when there is no such file any more.
    pub diff: Option<DiffView>,
    /// The mark of what the file holds.
    pub seen: String,
    /// Why the file cannot be written, if so.
    pub bar: Option<Bar>,
}
