//! The way of a commit to a host: the scripts in `.ci` and the workflows that call them.
//!
//! No engine, no registry and no GitHub is asked: `docker` is a stub that keeps its images and its
//! one container in files, and the host is this machine behind an sshd of the test's own.

mod host;
mod images;
mod remote;
mod workflows;

use std::path::{Path, PathBuf};

use crate::browser::program;

/// A file of the repository.
fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Finds a program; without it the test says that it skips, unless `VITRINE_REQUIRE` names it.
fn needed(name: &str) -> Option<PathBuf> {
    // Debian keeps what administrators run out of other people's path.
    let found =
        program(name).or_else(|| Some(Path::new("/usr/sbin").join(name)).filter(|path| path.is_file()));
    let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|required| required.trim() == name);
    assert!(found.is_some() || !is_required, "VITRINE_REQUIRE names {name}, but it is not in the path");
    if found.is_none() {
        println!("skipped: the test needs {name}");
    }
    found
}
