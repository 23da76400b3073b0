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
