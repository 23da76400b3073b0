//! The data directory's own small files: who we are, and the last good CV.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Mode, OFlags};

use crate::files::{PRIVATE, write_durably};

/// Holds the `service.instance.id`: stable over restarts, so that Prometheus and Loki see
/// one instance and not a new one after each start.
const INSTANCE_FILE: &str = "instance-id";

/// Holds the sources of the last edition that was shown.
const LAST_GOOD_DIR: &str = "last-good";

/// A CV's file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CvFile {
    /// Its name without the folder; the ending tells JSON from YAML.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Everything that this process makes from here on is for its owner only: lines may hold addresses.
pub fn keep_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Makes sure that the data directory exists and can be written.
pub fn prepare(data: &Path) -> anyhow::Result<()> {
    let advice = || {
        format!(
            "use {} as the data directory: name a folder that this user can write with --data or VITRINE_DATA",
            data.display()
        )
    };
    keep_private();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(advice)?;
    // A directory that somebody made for us may have been open to all. One that belongs to
    // somebody else keeps its mode: it is theirs, and what matters is what lies in it.
    let mode = fs::metadata(data).with_context(advice)?.permissions().mode();
    if mode & 0o077 != 0 {
        _ = fs::set_permissions(data, fs::Permissions::from_mode(0o700));
    }
    let probe = data.join(".write-probe");
    fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).with_context(advice)
}

/// Returns this installation's id, drawn at the first start.
pub fn instance_id(data: &Path) -> anyhow::Result<String> {
    let path = data.join(INSTANCE_FILE);
    let attempt = || format!("keep the instance id in {}", path.display());
    match fs::read_to_string(&path) {
        Ok(text) if is_instance_id(text.trim()) => return Ok(text.trim().to_string()),
        Ok(_) => tracing::warn!("{} was not an instance id and is replaced", path.display()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
        Err(fault) => return Err(fault).with_context(attempt),
    }
    let id = hex::encode(rand::random::<[u8; 8]>());
    write_durably(&path, format!("{id}\n").as_bytes(), PRIVATE).with_context(attempt)?;
    Ok(id)
}

fn is_instance_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Keeps the sources of a CV that is now shown, one for each language, so that a later start
/// has them when those on disk are broken. Only one CV is kept.
pub fn keep_last_good(data: &Path, sources: &[CvFile]) -> anyhow::Result<()> {
    let dir = data.join(LAST_GOOD_DIR);
    let attempt = || format!("keep the shown CV in {}", dir.display());
    let mut sorted: Vec<&CvFile> = sources.iter().collect();
    sorted.sort_by_key(|file| &file.name);
    if last_good(data)?.iter().eq(sorted) {
        return Ok(());
    }
    fs::create_dir_all(&dir).with_context(attempt)?;
    for CvFile { name, bytes } in sources {
        write_durably(&dir.join(name), bytes, PRIVATE).with_context(attempt)?;
    }
    for other in files(&dir).with_context(attempt)? {
        let is_one = |file: &CvFile| other.file_name().is_some_and(|name| name == file.name.as_str());
        if !sources.iter().any(is_one) {
            fs::remove_file(&other).with_context(attempt)?;
        }
    }
    Ok(())
}

/// Returns the files of the CV that was last shown, by their names; none when none was kept.
pub fn last_good(data: &Path) -> anyhow::Result<Vec<CvFile>> {
    let dir = data.join(LAST_GOOD_DIR);
    let attempt = || format!("read the last good CV in {}", dir.display());
    let paths = match files(&dir) {
        Ok(files) => files,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(fault) => return Err(fault).with_context(attempt),
    };
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::read(&path).map(|bytes| CvFile { name, bytes }).with_context(attempt)
    };
    paths.into_iter().map(read).collect()
}

/// Returns the files of a directory, half-written ones aside.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut res = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "new") {
            res.push(path);
        }
    }
    res.sort();
    Ok(res)
}

/// Reads a file of at most `max_bytes`; a folder, a pipe or a device is refused.
pub fn read_bounded(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    // A pipe without a writer would block the open for ever; a file does not mind the flag.
    let file =
        fs::File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file: remove it or rename it"));
    }
    let (size, max) = (metadata.len(), max_bytes as u64);
    if size > max {
        let (size_mb, max_mb) = (size as f64 / 1e6, max / 1_000_000);
        return Err(io::Error::other(format!(
            "the file has {size_mb:.1} MB, and {max_mb} MB is the most that is read"
        )));
    }
    let mut bytes = Vec::new();
    // Bounded again: the file may grow while it is read.
    file.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_id_is_stable() {
        let dir = tempfile::tempdir().unwrap();
        let first = instance_id(dir.path()).unwrap();
        assert_eq!(instance_id(dir.path()).unwrap(), first);
    }

    #[test]
    fn only_the_newest_good_cv_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(last_good(dir.path()).unwrap(), []);
        let file = |name: &str, text: &str| CvFile { name: name.into(), bytes: text.into() };
        keep_last_good(dir.path(), &[file("cv.yaml", "a"), file("cv.ru.yaml", "а")]).unwrap();
        assert_eq!(last_good(dir.path()).unwrap(), [file("cv.ru.yaml", "а"), file("cv.yaml", "a")]);
        keep_last_good(dir.path(), &[file("resume.json", "b")]).unwrap();
        assert_eq!(last_good(dir.path()).unwrap(), [file("resume.json", "b")]);
    }

    #[test]
    fn a_data_directory_that_cannot_be_made_is_named_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let fault = format!("{:#}", prepare(&file.join("data")).unwrap_err());
        assert!(fault.contains("--data or VITRINE_DATA"), "{fault}");
    }
}
