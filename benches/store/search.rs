//! Where other programs are installed.

use std::path::PathBuf;

/// Returns the program that a variable names, or the one in `PATH`.
pub fn find(variable: &str, name: &str) -> Option<String> {
    let named = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file());
    named.or_else(in_path).and_then(|path| path.into_os_string().into_string().ok())
}
