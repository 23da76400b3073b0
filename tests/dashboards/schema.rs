//! The dashboards against Grafana's own types, where these and a TypeScript compiler are installed.
//!
//!     npm install @grafana/schema@13.2 typescript
//!
//! `GRAFANA_SCHEMA_DIR` names the folder of the first, `TSC_BIN` or the path has the second. Where
//! they are missing the test says that it skips, unless `VITRINE_REQUIRE` names `grafana-schema`.
//! What a data source plugin adds to queries and annotations has no type there; the compiler sees
//! the dashboard, and of each panel its options and the settings of its fields.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{dashboards, shape};
use crate::browser::program;
use crate::harness::run;

/// Of an annotation, what belongs to the Prometheus plugin.
const PLUGIN_FIELDS: &[&str] = &["expr", "step", "useValueForTime", "titleFormat", "textFormat", "tagKeys"];

/// Types for the `custom` settings of a field; the other panels have none.
const FIELD_TYPES: &[(&str, &str)] = &[
    ("timeseries", "timeseries_panel.FieldConfig"),
    ("table", "common.TableFieldOptions"),
    ("heatmap", "common.HideableFieldConfig & common.AxisConfig"),
];

fn tools() -> Option<(PathBuf, PathBuf)> {
    let schema = std::env::var_os("GRAFANA_SCHEMA_DIR").map(PathBuf::from);
    let compiler = std::env::var_os("TSC_BIN").map(PathBuf::from).or_else(|| program("tsc"));
    let found = schema.zip(compiler);
    if found.is_none() {
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name.trim() == "grafana-schema");
        assert!(
            !is_required,
            "VITRINE_REQUIRE names grafana-schema, but there is no GRAFANA_SCHEMA_DIR or no tsc"
        );
        println!("skipped: the test with Grafana's types needs GRAFANA_SCHEMA_DIR and tsc");
    }
    found
}

/// Makes unions of literals of the enums, since JSON has the values and not the names, and lets
/// the file find its neighbours.
fn for_json(types: &str) -> String {
    let (mut res, mut values): (Vec<String>, Option<Vec<&str>>) = (Vec::new(), None);
    for line in types.lines() {
        if let Some(name) = line.strip_prefix("export declare enum ") {
            res.push(format!("export declare type {} =", name.trim_end_matches(" {")));
            values = Some(Vec::new());
        } else if let Some(found) = &mut values {
            found.extend(line.split_once(" = ").map(|(_, value)| value.trim_end_matches(',')));
            if line == "}" {
                res.push(format!("{};", found.join(" | ")));
                values = None;
            }
        } else if let Some((import, _)) =
            line.split_once(" from '").filter(|(head, _)| head.starts_with("import"))
        {
            res.push(format!("{import} from './common';"));
        } else {
            res.push(line.to_string());
        }
    }
    res.join("\n")
}

/// Returns a program that compiles when the dashboards have the right types.
fn program_of(dashboards: impl Iterator<Item = Value>) -> String {
    let kinds: Vec<&str> = shape::PANELS.iter().filter(|kind| **kind != "row").copied().collect();
    let imports = ["dashboard", "common"].map(|name| format!("import type * as {name} from './{name}';"));
    let mut res: Vec<String> = imports.into();
    res.extend(kinds.iter().map(|kind| format!("import type * as {kind}_panel from './{kind}';")));
    for (idx, mut dashboard) in dashboards.enumerate() {
        for panel in shape::panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
            let (name, kind) = (format!("of_{idx}_{}", panel["id"]), panel["type"].as_str().unwrap());
            res.push(format!("const {name}: Partial<{kind}_panel.Options> = {};", panel["options"]));
            let custom = &panel["fieldConfig"]["defaults"]["custom"];
            if let Some((_, of_kind)) = FIELD_TYPES.iter().find(|(of, _)| *of == kind && !custom.is_null()) {
                res.push(format!("const {name}_fields: Partial<{of_kind}> = {custom};"));
            }
        }
        for annotation in dashboard["annotations"]["list"].as_array_mut().into_iter().flatten() {
            let fields = annotation.as_object_mut().unwrap();
            fields.retain(|name, _| !PLUGIN_FIELDS.contains(&name.as_str()));
        }
        res.push(format!("const whole_{idx}: dashboard.Dashboard = {dashboard};"));
    }
    res.push("export {};".into());
    res.join("\n")
}

/// Returns what the compiler says of a program beside these types.
fn compile(compiler: &Path, types: &Path, text: &str) -> String {
    let file = types.join("check.ts");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(compiler);
    command.args(["--noEmit", "--strict", "--skipLibCheck"]).arg(file);
    let ended = run(command);
    assert_eq!(ended.code == 0, ended.out.is_empty(), "{}{}", ended.out, ended.err);
    ended.out
}

#[test]
fn grafana_has_types_for_every_dashboard() {
    let Some((schema, compiler)) = tools() else { return };
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &str, name: &str| {
        let types = std::fs::read_to_string(schema.join("dist/types").join(from)).unwrap();
        std::fs::write(dir.path().join(format!("{name}.d.ts")), for_json(&types)).unwrap();
    };
    copy("common/common.gen.d.ts", "common");
    copy("raw/dashboard/x/types.gen.d.ts", "dashboard");
    for kind in shape::PANELS.iter().filter(|kind| **kind != "row") {
        copy(&format!("raw/composable/{kind}/panelcfg/x/types.gen.d.ts"), kind);
    }
    let text = program_of(dashboards().into_values());
    assert_eq!(compile(&compiler, dir.path(), &text), "");
    let check = |right: &str, wrong: &str| {
        assert!(text.contains(right), "no dashboard says {right}");
        let found = compile(&compiler, dir.path(), &text.replacen(right, wrong, 1));
        assert!(found.contains("error TS"), "{wrong} was accepted");
    };
    check(r#""graphMode":"area""#, r#""graphMode":"aera""#);
    check(r#""drawStyle":"line""#, r#""drawStyle":"lines""#);
    check(r#""schemaVersion":42"#, r#""schemaVersion":"42""#);
    check(r#""gridPos""#, r#""gridPosition""#);
}

#[test]
fn enums_become_what_json_has() {
    let types = "import * as ui from '@grafana/schema';\nexport declare enum A {\n    X = \"x\",\n    Y = 2\n}\nlet b: A;";
    let expect = "import * as ui from './common';\nexport declare type A =\n\"x\" | 2;\nlet b: A;";
    assert_eq!(for_json(types), expect);
}
