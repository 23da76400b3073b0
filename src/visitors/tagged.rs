//! Tagged links: an address of the CV with a tag that says to whom it was given.
//!
//! A link is a label in the owner's words and the tag that is made of it. They are kept in a small
//! file of the data directory, so that the page that counts visits by them knows their names; what
//! a link shows is what everybody sees, and a tag that is not on the list is counted all the same.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::via;
use crate::clock::UnixMillis;
use crate::files::{PRIVATE, read_document, write_durably};

/// The file's name inside the data directory.
const FILE_NAME: &str = "tagged-links.json";

/// The layout of the file that this version writes and reads.
const FILE_VERSION: u32 = 1;

/// Links at one time: each may be a series of a metric.
pub const LINKS_MAX: usize = 100;

/// A longer label is refused.
pub const LABEL_MAX_CHARS: usize = 100;

/// A link that was made and not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaggedLink {
    /// What stands behind `?via=`.
    pub tag: String,
    /// To whom it was given, in the owner's words.
    pub label: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// Why a link could not be made or deleted.
#[derive(Debug, thiserror::Error)]
pub enum TaggedError {
    /// There are enough.
    #[error("there are {LINKS_MAX} tagged links: delete those that nobody follows any more")]
    TooMany,
    /// The label is empty or too long.
    #[error("a label has from 1 to {LABEL_MAX_CHARS} characters")]
    Label,
    /// No tag can be made of the label.
    #[error("no tag can be made of this label: use some letters or digits")]
    NoTag,
    /// The tag is on the list.
    #[error("there is a link with the tag {0} already: choose another label")]
    Taken(String),
    /// There is none of this tag.
    #[error("there is no link with this tag")]
    Unknown,
    /// The file could not be read or written.
    #[error("{attempt} {}: {cause}", path.display())]
    File {
        /// What was tried.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said; part of the message, so not a source of its own.
        cause: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    links: Vec<TaggedLink>,
}

/// The tagged links of a data directory.
pub struct Tagged {
    path: PathBuf,
    links: ArcSwap<Vec<TaggedLink>>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

impl Tagged {
    /// Reads the links; a file that cannot be read leaves none, and is not written over.
    pub fn open(data: &Path) -> Self {
        let path = data.join(FILE_NAME);
        let links = read(&path).unwrap_or_else(|fault| {
            tracing::error!("no tagged link has its name: {}: {fault}", path.display());
            Some(Vec::new())
        });
        Tagged { path, links: ArcSwap::from_pointee(links.unwrap_or_default()), writing: Mutex::new(()) }
    }

    /// Reads the links again: a predecessor may have made or deleted some meanwhile. What cannot
    /// be read leaves those that are known.
    pub fn reread(&self) {
        match read(&self.path) {
            Ok(Some(links)) => self.links.store(Arc::new(links)),
            Ok(None) => {}
            Err(fault) => tracing::warn!("read {} again: {fault}", self.path.display()),
        }
    }

    /// Makes a link; its tag is made of the label.
    pub fn create(&self, label: &str, now: UnixMillis) -> Result<TaggedLink, TaggedError> {
        let label = label.trim();
        if label.is_empty() || label.chars().count() > LABEL_MAX_CHARS {
            return Err(TaggedError::Label);
        }
        let tag = tag_of(label).ok_or(TaggedError::NoTag)?;
        let created = u64::try_from(now.0 / 1_000).unwrap_or(0);
        let link = TaggedLink { tag, label: label.into(), created };
        self.change(|links| {
            if links.iter().any(|known| known.tag == link.tag) {
                return Err(TaggedError::Taken(link.tag.clone()));
            }
            if links.len() >= LINKS_MAX {
                return Err(TaggedError::TooMany);
            }
            links.push(link.clone());
            Ok(())
        })?;
        Ok(link)
    }

    /// Takes a link off the list; who follows it sees the CV as before.
    pub fn delete(&self, tag: &str) -> Result<(), TaggedError> {
        self.change(|links| {
            let before = links.len();
            links.retain(|link| link.tag != tag);
            if links.len() < before { Ok(()) } else { Err(TaggedError::Unknown) }
        })
    }

    /// Returns the links, the newest first.
    pub fn list(&self) -> Vec<TaggedLink> {
        self.links.load().iter().rev().cloned().collect()
    }

    /// Whether a tag is on the list.
    pub fn has(&self, tag: &str) -> bool {
        self.links.load().iter().any(|link| link.tag == tag)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<TaggedLink>) -> Result<(), TaggedError>,
    ) -> Result<(), TaggedError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be read, of a later version perhaps, is not written over.
        let read = read(&self.path).map_err(|cause| self.error("read", cause))?;
        let mut links = read.unwrap_or_else(|| Vec::clone(&self.links.load()));
        change(&mut links)?;
        let stored = Stored { version: FILE_VERSION, links };
        let text = serde_json::to_string_pretty(&stored).expect("plain fields can be written as JSON");
        write_durably(&self.path, text.as_bytes(), PRIVATE).map_err(|cause| self.error("write", cause))?;
        self.links.store(Arc::new(stored.links));
        Ok(())
    }

    fn error(&self, attempt: &'static str, cause: io::Error) -> TaggedError {
        TaggedError::File { attempt, path: self.path.clone(), cause }
    }
}

/// Makes a tag of words: `Acme Corp., mail` becomes `acme-corp-mail`; Russian letters are written
/// in Latin ones. None when nothing is left.
fn tag_of(label: &str) -> Option<String> {
    let mut tag = String::new();
    for letter in label.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' => tag.push(letter),
            'а'..='я' | 'ё' => tag.push_str(in_latin(letter)),
            _ if tag.is_empty() || tag.ends_with('-') => {}
            _ => tag.push('-'),
        }
    }
    tag.truncate(via::MAX_BYTES);
    let tag = tag.trim_end_matches('-');
    via::is_tag(tag).then(|| tag.to_string())
}

/// As in Russian passports and addresses, in letters that a link can have.
fn in_latin(letter: char) -> &'static str {
    const LATIN: [&str; 32] = [
        "a", "b", "v", "g", "d", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u",
        "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e", "iu", "ia",
    ];
    let place = (letter as usize).checked_sub('а' as usize);
    place.and_then(|place| LATIN.get(place)).copied().unwrap_or("e")
}

fn read(path: &Path) -> io::Result<Option<Vec<TaggedLink>>> {
    Ok(read_document::<Stored>(path, FILE_VERSION)?.map(|stored| stored.links))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn links_are_made_of_labels_and_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let links = Tagged::open(dir.path());
        let first = links.create(" Acme Corp., mail ", NOW).unwrap();
        assert_eq!((&*first.tag, &*first.label), ("acme-corp-mail", "Acme Corp., mail"));
        let second = links.create("Bob", NOW).unwrap();
        assert!(links.has("bob") && !links.has("acme"));
        let again = Tagged::open(dir.path());
        assert_eq!(again.list(), [second, first]);
        assert!(matches!(again.create("acme corp mail", NOW), Err(TaggedError::Taken(_))));
        again.delete("bob").unwrap();
        assert!(matches!(again.delete("bob"), Err(TaggedError::Unknown)));
        // What another process did is seen when it is gone.
        assert!(links.has("bob"));
        links.reread();
        assert!(!links.has("bob") && links.has("acme-corp-mail"));
        let mode = fs::metadata(dir.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_tag_is_what_a_link_can_have() {
        for (label, tag) in [
            ("Яндекс, письмо рекрутёру", Some("iandeks-pismo-rekruteru")),
            ("Щука и Ёж", Some("shchuka-i-ezh")),
            ("LinkedIn", Some("linkedin")),
            ("  --a__b--  ", Some("a-b")),
            ("2026", Some("2026")),
            ("!?", None),
            ("名刺", None),
            ("Ъ", None),
        ] {
            assert_eq!(tag_of(label).as_deref(), tag, "{label}");
        }
        let long = tag_of(&"щ".repeat(100)).unwrap();
        assert!(via::is_tag(&long) && long.len() == via::MAX_BYTES, "{long}");
    }

    #[test]
    fn what_is_asked_for_has_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let links = Tagged::open(dir.path());
        assert!(matches!(links.create(" ", NOW), Err(TaggedError::Label)));
        assert!(matches!(links.create(&"x".repeat(LABEL_MAX_CHARS + 1), NOW), Err(TaggedError::Label)));
        assert!(matches!(links.create("!", NOW), Err(TaggedError::NoTag)));
        let full = (0..LINKS_MAX).map(|n| TaggedLink { tag: format!("t{n}"), label: "x".into(), created: 0 });
        links.links.store(Arc::new(full.collect()));
        assert!(matches!(links.create("one more", NOW), Err(TaggedError::TooMany)));
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_no_links_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for text in ["{", r#"{"version":9,"links":[]}"#] {
            fs::write(&path, text).unwrap();
            let links = Tagged::open(dir.path());
            assert_eq!(links.list(), []);
            assert!(matches!(links.create("Acme", NOW), Err(TaggedError::File { attempt: "read", .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
