//! The README says what the program does.

use std::path::Path;

use vitrine::config::settings::SETTINGS;
use vitrine::record::names;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn every_file_it_links_to_is_there_and_nothing_is_left_to_fill_in() {
    let readme = readme();
    for link in readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let is_here = link.starts_with("http") || link.starts_with('#');
        assert!(is_here || Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{link}");
    }
    for word in ["TODO", "FIXME", "NUMBERS"] {
        assert!(!readme.contains(word), "{word}");
    }
}

/// Returns the rows of the table between two marks.
fn table(mark: &str) -> Vec<String> {
    let readme = readme();
    let begin = readme.find(&format!("<!-- {mark}:")).expect("the README has the mark");
    let end = readme.find(&format!("<!-- /{mark} -->")).expect("the README has the end mark");
    readme[begin..end].lines().filter(|line| line.starts_with("| `")).map(str::to_string).collect()
}

#[test]
fn the_settings_table_is_the_programs() {
    let expect: Vec<String> = SETTINGS
        .iter()
        .map(|setting| {
            let default = setting.default_value();
            let default = if default.is_empty() { "–".to_string() } else { format!("`{default}`") };
            let applied = if setting.reload { "reload" } else { "restart" };
            format!("| `{}` | {default} | {} | {applied} |", setting.key, setting.meaning)
        })
        .collect();
    assert_eq!(table("settings").join("\n"), expect.join("\n"));
}

#[test]
fn the_metrics_table_is_the_programs() {
    let expect: Vec<String> = names::ALL
        .iter()
        .map(|instrument| {
            let help = instrument.help.trim_end_matches('.');
            format!("| `{}` | {} | {help} |", instrument.exposed(), instrument.kind.as_str())
        })
        .collect();
    assert_eq!(table("metrics").join("\n"), expect.join("\n"));
}
