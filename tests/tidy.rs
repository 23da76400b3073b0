//! What the compiler cannot check about the shape of the source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The picture of DESIGN.md, top row first. Imports go down; parts on one row do not
/// know each other. A new part gets its place here before it gets code.
const ROWS: &[&[&str]] = &[
    &["app"],
    &["config"],
    &["http", "telemetry", "release"],
    &["query", "ingest"],
    &["pages", "balancer", "store", "visitors"],
    &["cv", "record", "clock", "pace", "files", "heap"],
];

/// `record` and `cv` may use `clock`, which imports nothing; the lowest row has no other exception.
const LOWEST_ROW_EXCEPTIONS: &[(&str, &str)] = &[("record", "clock"), ("cv", "clock")];

fn sources(dir: &Path, res: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, res);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            res.push(path);
        }
    }
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn part_of(path: &Path) -> String {
    let relative = path.strip_prefix(source_root()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

/// Yields the names that follow `crate::` in a text, also inside `use crate::{a, b::c}`.
fn crate_paths(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let name_at = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut res = Vec::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            res.push(name_at(rest));
            continue;
        };
        let mut depth = 0;
        let mut item_start = true;
        for (idx, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => item_start = true,
                _ if item_start && !character.is_whitespace() => {
                    res.push(name_at(&group[idx..]));
                    item_start = false;
                }
                _ => {}
            }
        }
    }
    res
}

#[test]
fn imports_go_down() {
    let row_of: BTreeMap<&str, usize> =
        ROWS.iter().enumerate().flat_map(|(row, parts)| parts.iter().map(move |part| (*part, row))).collect();
    let mut files = Vec::new();
    sources(&source_root(), &mut files);
    let mut faults = Vec::new();
    for file in &files {
        let part = part_of(file);
        if part == "lib" || part == "main" {
            continue;
        }
        let Some(own_row) = row_of.get(part.as_str()) else {
            faults.push(format!("{} belongs to no part of the picture", file.display()));
            continue;
        };
        for used in crate_paths(&std::fs::read_to_string(file).unwrap()) {
            let allowed = used == part
                || row_of.get(used.as_str()).is_some_and(|row| row > own_row)
                || LOWEST_ROW_EXCEPTIONS.contains(&(part.as_str(), used.as_str()));
            if !allowed {
                faults.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "imports must go down:\n{}", faults.join("\n"));
}

#[test]
fn the_import_reader_sees_groups_and_paths() {
    let text =
        "use crate::{clock::Clock, record::{self, Labels}};\n// crate::app\nlet a = crate::cv::parse();";
    assert_eq!(crate_paths(text), ["clock", "record", "cv"]);
}

/// Each outside crate that a part keeps to itself, with the folders that may name it.
const OWNED: &[(&str, &[&str])] = &[
    ("actix_web", &["http"]),
    ("actix_tls", &["http"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("rustls", &["http", "telemetry"]),
    ("maud", &["pages", "http"]),
    ("similar", &["http"]),
    ("cosmic_text", &["pages"]),
    ("png", &["pages"]),
    ("qrcode", &["pages"]),
    ("sled", &["store"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("toml_edit", &["config"]),
    ("rmp", &["ingest"]),
    ("zstd", &["store", "ingest"]),
    ("glob", &["ingest", "config"]),
    ("listenfd", &["app"]),
    ("minisign_verify", &["release"]),
    ("maxminddb", &["visitors"]),
    ("xxhash_rust", &["query"]),
];

#[test]
fn each_outside_crate_stays_with_its_owner() {
    let mut files = Vec::new();
    sources(&source_root(), &mut files);
    let mut faults = Vec::new();
    for file in &files {
        let (part, text) = (part_of(file), std::fs::read_to_string(file).unwrap());
        for (outside, owners) in OWNED {
            let named = text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
                // A text may name what others say in the log.
                let line = line.replace(&format!("\"{outside}::"), "");
                line.contains(&format!("{outside}::")) || line.contains(&format!("use {outside};"))
            });
            if named && !owners.contains(&part.as_str()) {
                faults.push(format!("{} names {outside}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "an outside crate has one owner:\n{}", faults.join("\n"));
}

#[test]
fn release_profile_unwinds() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let release = manifest.split("[profile.release]").nth(1).expect("Cargo.toml has a release profile");
    let release = release.split("\n[").next().unwrap();
    assert!(
        release.contains("panic = \"unwind\""),
        "a caught panic costs one 500; abort would cost the process"
    );
    assert!(release.contains("strip = true") && release.contains("lto ="));
}
