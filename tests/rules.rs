//! Alert and recording rules, as the real program evaluates them.

use std::fs;

use crate::harness::Folders;

/// Each second, so that a test sees several evaluations.
const CONFIGURATION: &str = "
rule_files = [\"rules.yml\"]
evaluation_interval = \"1s\"

[[rules]]
alert = \"AlwaysThere\"
expr = \"vector(1)\"
labels = {severity = \"page\"}
annotations = {summary = \"it is {{ $value }}\"}
";

fn configure(dir: &Folders, configuration: &str, rules: &str) {
    let root = dir.site().parent().unwrap().to_path_buf();
    fs::write(root.join("vitrine.toml"), configuration).unwrap();
    fs::write(root.join("rules.yml"), rules).unwrap();
}

#[test]
fn wrong_rules_are_named_by_check() {
    let dir = Folders::new();
    configure(&dir, CONFIGURATION, "groups: [{name: g, rules: [{alert: A, expr: up, for: soon}]}]");
    let ended = dir.run(&["check"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    let expect = "rules.yml:1:54: group \"g\", rule 1, \"A\": `for`: not a valid duration string: \"soon\"";
    assert!(ended.err.contains(expect), "{}", ended.err);
    configure(&dir, "rule_files = [\"gone.yml\"]", "");
    let ended = dir.run(&["check"]);
    assert!(ended.code == 78 && ended.err.contains("gone.yml: read the file: No such file"), "{ended:?}");
}
