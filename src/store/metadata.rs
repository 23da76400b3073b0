//! What is known about the metrics, in one small file that is replaced whole.

use std::io;
use std::path::{Path, PathBuf};

use super::config::METADATA_MAX;
use super::disk::files::read_versioned;
use super::error::OpenError;
use super::wire::{Damaged, Reader, put_bytes, put_varint};
use crate::files::{PRIVATE, write_durably};
use crate::record::{Metadata, MetricKind};

const VERSION: u8 = 1;

fn path(dir: &Path) -> PathBuf {
    dir.join("metadata")
}

/// Reads the file; one that is absent or damaged gives an empty list, since every part
/// tells its metadata again at start. One of a later version refuses the store, as every
/// file of it does.
pub fn load(dir: &Path) -> Result<Vec<Metadata>, OpenError> {
    let Some(bytes) = read_versioned(&path(dir), VERSION, "metric descriptions start empty")? else {
        return Ok(Vec::new());
    };
    Ok(decode(&bytes).unwrap_or_else(|damage| {
        tracing::warn!("read {}: {damage}; metric descriptions start empty", path(dir).display());
        Vec::new()
    }))
}

/// Replaces the file.
pub fn store(dir: &Path, all: &[Metadata]) -> io::Result<()> {
    write_durably(&path(dir), &encode(all), PRIVATE)
}

/// Adds what is new and replaces what changed; returns true when anything did.
pub fn merge(known: &mut Vec<Metadata>, news: Vec<Metadata>) -> bool {
    let mut is_changed = false;
    for new in news {
        match known.binary_search_by(|old| old.name.cmp(&new.name)) {
            Ok(place) if known[place] == new => continue,
            Ok(place) => known[place] = new,
            Err(_) if known.len() >= METADATA_MAX => continue,
            Err(place) => known.insert(place, new),
        }
        is_changed = true;
    }
    is_changed
}

fn encode(all: &[Metadata]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(&mut out, all.len() as u64);
    for metadata in all {
        put_bytes(&mut out, metadata.name.as_bytes());
        out.push(match metadata.kind {
            MetricKind::Counter => 1,
            MetricKind::Gauge => 2,
            MetricKind::Histogram => 3,
        });
        put_bytes(&mut out, metadata.unit.as_bytes());
        put_bytes(&mut out, metadata.help.as_bytes());
    }
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Metadata>, Damaged> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != VERSION {
        return Err(Damaged("metadata of another version"));
    }
    let n = reader.count()?;
    let mut res = Vec::with_capacity(n);
    for _ in 0..n {
        let name = reader.text()?.to_string();
        let kind = match reader.u8()? {
            1 => MetricKind::Counter,
            2 => MetricKind::Gauge,
            3 => MetricKind::Histogram,
            _ => return Err(Damaged("kind of a metric")),
        };
        let (unit, help) = (reader.text()?.to_string(), reader.text()?.to_string());
        res.push(Metadata { name, kind, unit, help });
    }
    reader.end()?;
    Ok(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(name: &str, help: &str) -> Metadata {
        Metadata { name: name.into(), kind: MetricKind::Gauge, unit: "bytes".into(), help: help.into() }
    }

    #[test]
    fn later_version_is_refused_by_number_and_damage_is_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(path(dir.path()), [VERSION + 1, 0]).unwrap();
        let err = load(dir.path()).unwrap_err();
        assert!(matches!(err, OpenError::NewerFormat { found: 2, known: 1, .. }), "{err}");
        std::fs::write(path(dir.path()), [VERSION, 9]).unwrap();
        assert_eq!(load(dir.path()).unwrap(), []);
    }

    #[test]
    fn metadata_merges_and_round_trips() {
        let mut known = Vec::new();
        assert!(merge(&mut known, vec![about("b", "B"), about("a", "A")]));
        assert!(!merge(&mut known, vec![about("a", "A")]));
        assert!(merge(&mut known, vec![about("a", "new")]));
        assert_eq!(known, [about("a", "new"), about("b", "B")]);
        assert_eq!(decode(&encode(&known)), Ok(known));
    }
}
