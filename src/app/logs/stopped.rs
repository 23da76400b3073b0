//! The store of a vitrine that is stopped, opened to be read.
//!
//! Nothing that was recorded goes and nothing is added. Opening is a start all the same: the store
//! is locked, a generation is claimed, sled keeps its books, and after a crash the write-ahead log
//! is replayed into new partitions. So only the store's owner may do it: files of anybody else,
//! root too, would keep the owner's next start out.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::app::{STORE_DIR, data};
use crate::clock::Clock;
use crate::config;
use crate::http::api::LogQueries;
use crate::store::{self, Retention, Store};

/// Longer than anything is kept: reading a stopped store removes nothing.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Opens the store, so that nothing is added and nothing goes.
pub(super) fn open(config: &config::Config) -> anyhow::Result<(LogQueries, Store)> {
    let dir = config.data.join(STORE_DIR);
    let owner = owner(&config.data, &dir)?;
    if owner != rustix::process::geteuid().as_raw() {
        return Err(anyhow!("{}", refusal(&dir, &account(owner))));
    }
    data::keep_private();
    let keep = || Retention { max_age: FOREVER, max_bytes: u64::MAX };
    let bounds = store::Config {
        metrics: keep(),
        minutes_max_age: FOREVER,
        hours_max_age: FOREVER,
        logs: keep(),
        spans: keep(),
        reserve_bytes: 0,
        ..config.store.clone()
    };
    let meter = opentelemetry::global::meter("logs");
    let store = Store::open(&dir, bounds, Clock::system(), &meter)?;
    Ok((LogQueries::new(Arc::new(store.clone()), None), store))
}

/// Returns the user who owns the store; its data directory's where that lets nobody else look.
fn owner(data: &Path, dir: &Path) -> anyhow::Result<u32> {
    let found = match fs::metadata(dir) {
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => fs::metadata(data),
        found => found,
    };
    match found {
        Ok(metadata) if metadata.is_dir() => Ok(metadata.uid()),
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
            Err(fault).with_context(|| format!("look for the store {}", dir.display()))
        }
        _ => Err(anyhow!("there is no store in {}: name another data directory with --data", data.display())),
    }
}

fn refusal(dir: &Path, owner: &str) -> String {
    let quoted = if owner.starts_with('#') { format!("'{owner}'") } else { owner.to_string() };
    format!(
        "the store {} belongs to {owner}, and nobody else may open it: run it as `sudo -u {quoted} vitrine logs …`",
        dir.display()
    )
}

/// Returns the name of a user; `#` and the number, as sudo(8) takes it, of one without a name.
fn account(user: u32) -> String {
    // Not read from `/etc/passwd`: accounts may come from elsewhere. Where there is no getent(1),
    // as in a container, the number does.
    let entry = Command::new("getent").args(["passwd", &user.to_string()]).output();
    let text = entry.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match text.split(':').next() {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("#{user}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_named_with_what_to_do() {
        let check = |owner: &str, ending: &str| {
            let text = refusal(Path::new("/data/store"), owner);
            assert!(text.starts_with(&format!("the store /data/store belongs to {owner}, ")), "{text}");
            assert!(text.ends_with(ending), "{text}");
        };
        check("vitrine", "run it as `sudo -u vitrine vitrine logs …`");
        // A shell would take a bare `#` for the begin of a comment.
        check("#65532", "run it as `sudo -u '#65532' vitrine logs …`");
        assert_eq!(account(u32::MAX - 1), "#4294967294");
    }
}
