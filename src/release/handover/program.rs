//! The program as it was run, so that it can be run again.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What this process executes, whatever has become of the path since.
const OWN_IMAGE: &str = "/proc/self/exe";

/// A path and arguments. The path is the one that was run: a link in it, such as `current`,
/// is followed anew at each start.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

/// Why it is not known what was run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There was no name, or no file of it.
    #[error("it is not known which file was run as {0:?}: start vitrine by its path")]
    Unknown(OsString),
}

impl Program {
    /// Takes the command line of this process; to be called before the folder changes.
    pub fn as_run(mut command_line: impl Iterator<Item = OsString>) -> Result<Program, ProgramError> {
        let name = command_line.next().unwrap_or_default();
        let path = absolute(&name, std::env::var_os("PATH").as_deref());
        let path = path.ok_or(ProgramError::Unknown(name))?;
        Ok(Program { path, args: command_line.collect() })
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the arguments.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// Returns true when the path leads to another file than the one that this process runs.
    pub fn is_replaced(&self) -> io::Result<bool> {
        let (own, there) = (fs::metadata(OWN_IMAGE)?, fs::metadata(&self.path)?);
        Ok((own.dev(), own.ino()) != (there.dev(), there.ino()))
    }
}

// By the rules of execvp(3): a name without a slash is looked for in PATH.
fn absolute(name: &OsStr, search: Option<&OsStr>) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if Path::new(name).components().count() > 1 || name.as_encoded_bytes().contains(&b'/') {
        return std::path::absolute(name).ok();
    }
    let folders = search.into_iter().flat_map(std::env::split_paths);
    let found = folders.map(|folder| folder.join(name)).find(is_program)?;
    std::path::absolute(found).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_path_that_was_run_stay() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::copy("/bin/true", dir.path().join("a/vitrine")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("current")).unwrap();
        let path = dir.path().join("current/vitrine");
        let program = Program::as_run([path.clone().into(), "serve".into()].into_iter()).unwrap();
        assert_eq!(program.path(), path);
        assert_eq!(program.args(), ["serve"]);
        assert!(program.is_replaced().unwrap());
    }

    #[test]
    fn a_bare_name_is_looked_for_where_the_shell_did() {
        let dir = tempfile::tempdir().unwrap();
        fs::copy("/bin/true", dir.path().join("vitrine")).unwrap();
        let search = std::env::join_paths([Path::new("/nowhere"), dir.path()]).unwrap();
        assert_eq!(absolute("vitrine".as_ref(), Some(&search)), Some(dir.path().join("vitrine")));
        assert_eq!(absolute("other".as_ref(), Some(&search)), None);
        assert_eq!(absolute("vitrine".as_ref(), None), None);
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute("./vitrine".as_ref(), None), Some(here.join("vitrine")));
    }
}
