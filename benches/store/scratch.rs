//! The folder that a benchmark works in.

use std::path::PathBuf;

use tempfile::TempDir;

/// Makes a folder below TMPDIR that goes when it is dropped, and when the run is broken off.
pub fn folder() -> TempDir {
    let res = tempfile::Builder::new().prefix("vitrine-bench-").tempdir().unwrap();
    remove_when_interrupted(res.path().to_path_buf());
    res
}

/// Removes the folder when the run is broken off; children end with this process.
fn remove_when_interrupted(dir: PathBuf) {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    // Nobody waits for it: it ends with the process.
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut terminated = signal(SignalKind::terminate()).unwrap();
            let mut interrupted = signal(SignalKind::interrupt()).unwrap();
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
        });
        // A child may still be writing; once it cannot make files any more, everything goes.
        for _ in 0..100 {
            if std::fs::remove_dir_all(&dir).is_ok() || !dir.exists() {
                break;
            }
        }
        std::process::exit(130);
    });
}
