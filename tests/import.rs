//! `vitrine import`: nothing is lost between JSON Resume and YAML.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{command, run};

fn import(args: &[&str], file: &Path) -> (i32, String, String) {
    let mut command = command(&["import"]);
    command.args(args).arg(file);
    let ended = run(command);
    (ended.code, ended.out, ended.err)
}

/// Returns what is left of a document when empty values are gone and texts are compared.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone().into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(plain).collect();
            (!items.is_empty()).then(|| items.into())
        }
        Value::Object(map) => {
            let map: serde_json::Map<_, _> =
                map.iter().filter_map(|(key, value)| Some((key.clone(), plain(value)?))).collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
    }
}

fn files() -> Vec<PathBuf> {
    let mut res = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-field.json")];
    if let Ok(dir) = std::env::var("VITRINE_RESUMES") {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        res.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")));
    }
    res
}

#[test]
fn json_comes_back_from_yaml() {
    let dir = tempfile::tempdir().unwrap();
    for file in files() {
        let yaml = dir.path().join("cv.yaml");
        let (code, out, err) = import(&[], &file);
        assert_eq!(code, 0, "{}: {err}", file.display());
        std::fs::write(&yaml, out).unwrap();
        let (code, json, err) = import(&[], &yaml);
        assert_eq!(code, 0, "{}: {err}", file.display());
        let before = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let after = serde_json::from_str(&json).unwrap();
        assert_eq!(plain(&after), plain(&before), "{}", file.display());
        // What was tidied once stays as it is.
        let (_, again, _) = import(&["--to", "yaml"], &yaml);
        assert_eq!(again, std::fs::read_to_string(&yaml).unwrap(), "{}", file.display());
    }
}

#[test]
fn older_names_and_empty_values_become_tidy() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old.json");
    let text = r#"{"work": [{"company": "X", "website": "https://x.example", "endDate": "", "highlights": []}],
        "basics": {"bio": "Hi", "name": "A", "unknown": {"a": 1}, "phone": null}}"#;
    std::fs::write(&old, text).unwrap();
    let (code, out, err) = import(&[], &old);
    let expect = "basics:\n  name: A\n  summary: Hi\n  unknown:\n    a: 1\n\n\
        work:\n  - name: X\n    url: https://x.example\n    endDate: present\n";
    assert_eq!((code, &*out), (0, expect));
    assert!(err.contains("warning: old.json:1:12: work[0].company: \"company\" is an older name"), "{err}");
}

#[test]
fn nothing_is_overwritten_and_what_is_wrong_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (file, there) = (dir.path().join("cv.yaml"), dir.path().join("there.json"));
    std::fs::write(&file, "basics: {name: A}").unwrap();
    std::fs::write(&there, "mine").unwrap();
    let (code, _, err) = import(&["--output", there.to_str().unwrap()], &file);
    assert!(code == 1 && err.contains("a file that is there is left as it is"), "{err}");
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
    std::fs::write(&file, "basics: [").unwrap();
    let (code, out, err) = import(&[], &file);
    assert!(code == 78 && out.is_empty() && err.contains("vitrine: cv.yaml:2:1: "), "{code} {err}");
    assert_eq!(import(&[], &dir.path().join("none.json")).0, 1);
}
