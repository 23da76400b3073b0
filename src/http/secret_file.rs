//! Files with secrets: whole or not at all, and for their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Writes a file aside and moves it into place, so a reader sees all or nothing.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension(format!("json.{:08x}", rand::random::<u32>()));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(text.as_bytes())?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = File::open(dir.unwrap_or(Path::new(".")))?;
        give_to_owner(&file, &dir)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        dir.sync_all()
    };
    write().inspect_err(|_| {
        // Best effort: the write's own error is the one to report.
        let _ = fs::remove_file(&aside);
    })
}

/// Gives a file to the owner of its directory: the server that will read it runs as that
/// user, while `vitrine password` may be run by root.
fn give_to_owner(file: &File, dir: &File) -> io::Result<()> {
    let (own, theirs) = (file.metadata()?, dir.metadata()?);
    if (own.uid(), own.gid()) == (theirs.uid(), theirs.gid()) {
        return Ok(());
    }
    match fchown(file, Some(theirs.uid()), Some(theirs.gid())) {
        // Only root may give files away; anyone else who can write here keeps their own.
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}
