//! Replicas of a Flask application under gunicorn: what vitrine replaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Process;
use super::program;

const APPLICATION: &str = include_str!("flask.py");

const TEMPLATE: &str = "{% for element in elements %}<{{ element|safe }}{% endfor %}";

/// An application that can be started.
pub struct Flask {
    gunicorn: String,
    dir: PathBuf,
}

impl Flask {
    /// Writes the application; returns nothing when its Python cannot load it.
    pub fn prepare(gunicorn: &str, dir: &Path, page: &[u8]) -> Option<Flask> {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("cv.py"), APPLICATION).unwrap();
        fs::write(dir.join("cv.html"), TEMPLATE).unwrap();
        fs::write(dir.join("page.html"), page).unwrap();
        let mut check = Command::new(gunicorn);
        check.arg("--chdir").arg(dir).args(["--check-config", "cv:app"]);
        let checked = check.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        checked.success().then(|| Flask { gunicorn: gunicorn.to_string(), dir: dir.to_path_buf() })
    }

    /// Starts a replica: one process that answers one request at a time, as gunicorn does by
    /// default.
    pub fn start(&self) -> (Process, String) {
        let mut command = program::command(&self.gunicorn);
        command.arg("--chdir").arg(&self.dir).args(["--workers", "1", "--bind", "127.0.0.1:0", "cv:app"]);
        let (process, after) = Process::start(command, "Listening at: http://");
        let address = after.split(' ').next().unwrap().to_string();
        (process, address)
    }
}
