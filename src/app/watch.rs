//! Notices that the files of the site changed, when `watch` is on.
//!
//! It looks three times a second rather than being told by the kernel: an editor may write beside
//! and rename, a folder may be mounted from elsewhere, and twenty names are quickly read.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::beside;
use super::reload::Reloader;
use crate::cv;

/// Between two looks. A change is taken up when two looks find the same: what is being
/// written is not finished.
const PAUSE: Duration = Duration::from_millis(300);

/// More files of a folder are not looked at.
const FILES_MAX: usize = 1_000;

/// What the files looked like: name, time of the last change, size.
type Looks = Vec<(PathBuf, SystemTime, u64)>;

/// What was seen of a folder so far.
#[derive(Debug, Default)]
pub struct Watch {
    taken_up: Option<Looks>,
    last: Option<Looks>,
}

impl Watch {
    /// Begins with what the files look like now.
    pub fn begin(site: &Path) -> Self {
        Watch { taken_up: Some(look(site)), last: None }
    }

    /// Returns when something changed that was not seen before. May be dropped at any time
    /// and called again.
    pub async fn changed(&mut self, reloader: &Reloader) {
        loop {
            tokio::time::sleep(PAUSE).await;
            let Some(site) = reloader.watched() else {
                // What changes meanwhile is the owner's to reload.
                *self = Watch::default();
                continue;
            };
            let looks = tokio::task::spawn_blocking(move || look(&site)).await;
            if looks.is_ok_and(|looks| self.take(looks)) {
                return;
            }
        }
    }

    /// Takes a look in; returns whether there is a change to take up.
    fn take(&mut self, looks: Looks) -> bool {
        let is_first = self.taken_up.is_none();
        let has_settled = self.last.as_ref() == Some(&looks);
        let is_new = self.taken_up.as_ref() != Some(&looks);
        if is_first || (has_settled && is_new) {
            self.taken_up = Some(looks.clone());
        }
        self.last = Some(looks);
        !is_first && has_settled && is_new
    }
}

fn look(site: &Path) -> Looks {
    let names = std::fs::read_dir(site).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names = names.filter(|name| is_part(&name.to_string_lossy())).take(FILES_MAX);
    let paths = names.map(PathBuf::from).chain(beside::NAMES.map(PathBuf::from));
    let mut res: Looks = paths
        .filter_map(|name| {
            let metadata = site.join(&name).metadata().ok()?;
            Some((name, metadata.modified().ok()?, metadata.len()))
        })
        .collect();
    res.sort();
    res
}

fn is_part(name: &str) -> bool {
    cv::FILE_NAMES.contains(&name) || cv::lang::of_file(name).is_some() || beside::is_picture(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_up_once_and_when_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("cv.yaml", "a");
        let mut watch = Watch::begin(dir.path());
        let mut looked = || watch.take(look(dir.path()));
        assert!(!looked() && !looked());
        write("cv.yaml", "ab");
        assert!(!looked(), "it may be half of it");
        assert!(looked());
        assert!(!looked() && !looked());
        write("notes.txt", "");
        assert!(!looked() && !looked(), "that is no part of the page");
        write("cv.ru.yaml", "a");
        assert!(!looked() && looked());
        std::fs::remove_file(dir.path().join("cv.ru.yaml")).unwrap();
        assert!(!looked() && looked());
    }
}
