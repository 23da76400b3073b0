//! What a dashboard file must be for Grafana to take it as it is, on any pair of data sources.
//!
//! Grafana's own schema is not at hand; these are the fields that its provisioning and the
//! panels below need, and our own rules on top.

use std::collections::BTreeSet;

use serde_json::Value;

use super::expression;

/// The last version of this format; Grafana 13 migrates nothing that says so.
const SCHEMA_VERSION: u64 = 42;

/// Grafana's grid.
const COLUMNS: u64 = 24;

/// Panels that come with Grafana.
pub const PANELS: &[&str] = &["stat", "timeseries", "bargauge", "table", "heatmap", "logs", "row"];

/// Those of Grafana's unit names that we use; a misspelt one is shown behind the number.
const UNITS: &[&str] = &[
    "none",
    "short",
    "percentunit",
    "s",
    "ms",
    "bytes",
    "binBps",
    "reqps",
    "ops",
    "pps",
    "cps",
    "dtdurations",
];

/// The variables that choose the data sources, with the types of these.
const SOURCES: &[(&str, &str)] = &[("metrics", "prometheus"), ("logs", "loki")];

/// Variables that Grafana sets itself.
const BUILT_IN: &[&str] = &["__rate_interval", "__interval", "__range", "__auto", "__all"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Yields the panels, those in rows that are folded too.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let top = items(dashboard, "panels").iter();
    top.flat_map(|panel| std::iter::once(panel).chain(items(panel, "panels"))).collect()
}

/// Returns `metrics` or `logs` for a reference to one of the two variables.
pub fn source(reference: &Value) -> Option<&'static str> {
    let is_meant = |(variable, kind): &&(&str, &str)| {
        text(reference, "type") == *kind && text(reference, "uid") == format!("${{{variable}}}")
    };
    SOURCES.iter().find(is_meant).map(|(variable, _)| *variable)
}

/// Returns what is wrong with a dashboard, in words.
pub fn faults(dashboard: &Value) -> Vec<String> {
    let mut res = Vec::new();
    head(dashboard, &mut res);
    variables(dashboard, &mut res);
    foreign_sources(dashboard, &mut res);
    for panel in panels(dashboard) {
        let mut of_panel = Vec::new();
        self::panel(panel, &mut of_panel);
        let name = format!("panel {} ({})", panel["id"], text(panel, "title"));
        res.extend(of_panel.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    grid(dashboard, &mut res);
    res
}

fn head(dashboard: &Value, res: &mut Vec<String>) {
    let mut expect = |what: &str, is_so: bool| {
        if !is_so {
            res.push(format!("the dashboard has no {what}"));
        }
    };
    let uid = text(dashboard, "uid");
    expect("uid of at most 40 letters", !uid.is_empty() && uid.len() <= 40);
    expect("title", !text(dashboard, "title").is_empty());
    expect("description", !text(dashboard, "description").is_empty());
    expect("current schemaVersion", dashboard["schemaVersion"] == SCHEMA_VERSION);
    // Grafana gives its own; one in the file would overwrite another dashboard.
    expect("absence of an id", dashboard["id"].is_null());
    expect("refresh of 10s", text(dashboard, "refresh") == "10s");
    expect(
        "range of 6 h",
        text(&dashboard["time"], "from") == "now-6h" && text(&dashboard["time"], "to") == "now",
    );
    expect("tag that the links look for", items(dashboard, "tags").contains(&"vitrine".into()));
    let is_link = |link: &Value| {
        text(link, "type") == "dashboards"
            && items(link, "tags").contains(&"vitrine".into())
            && link["keepTime"] == true
            && link["includeVars"] == true
    };
    expect("link to the others", items(dashboard, "links").iter().any(is_link));
}

fn variables(dashboard: &Value, res: &mut Vec<String>) {
    let declared = items(&dashboard["templating"], "list");
    let names: BTreeSet<&str> = declared.iter().map(|variable| text(variable, "name")).collect();
    for (name, kind) in SOURCES {
        for variable in declared.iter().filter(|variable| text(variable, "name") == *name) {
            if text(variable, "type") != "datasource" || text(variable, "query") != *kind {
                res.push(format!("${name} chooses no data source of type {kind}"));
            }
            // Grafana takes the first there is.
            if !variable["current"].is_null() {
                res.push(format!("${name} names a data source that another Grafana may not have"));
            }
        }
    }
    // All texts, since references to data sources and links use variables too.
    let mut used = BTreeSet::new();
    texts(dashboard, &mut |value| used.extend(expression::variables_in(value)));
    for name in &used {
        if !names.contains(name.as_str()) && !BUILT_IN.contains(&name.as_str()) {
            res.push(format!("${name} is declared nowhere"));
        }
    }
    res.extend(
        names.iter().filter(|name| !used.contains(**name)).map(|name| format!("${name} is used nowhere")),
    );
}

fn texts(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, see)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Every data source, wherever it stands, is one of the two variables.
fn foreign_sources(value: &Value, res: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| foreign_sources(value, res)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "datasource" && source(value).is_none() {
                    res.push(format!("{value} is a fixed data source"));
                }
                foreign_sources(value, res);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn panel(panel: &Value, res: &mut Vec<String>) {
    let kind = text(panel, "type");
    if !PANELS.contains(&kind) {
        res.push(format!("{kind} is no panel that this test knows"));
    }
    if text(panel, "title").is_empty() {
        res.push("no title".into());
    }
    if kind == "row" {
        return;
    }
    if !text(panel, "description").ends_with('.') {
        res.push("no description in sentences".into());
    }
    if source(&panel["datasource"]).is_none() {
        res.push("no data source".into());
    }
    let defaults = &panel["fieldConfig"]["defaults"];
    if !defaults.is_object() || !panel["fieldConfig"]["overrides"].is_array() || !panel["options"].is_object()
    {
        res.push("no fieldConfig or options".into());
    }
    let unit = match kind {
        "heatmap" => text(&panel["options"]["yAxis"], "unit"),
        "logs" => "none",
        _ => text(defaults, "unit"),
    };
    if !UNITS.contains(&unit) {
        res.push(format!("the unit {unit:?} is not among those that this test knows"));
    }
    let mut ref_ids = BTreeSet::new();
    for target in items(panel, "targets") {
        let ref_id = text(target, "refId");
        if ref_id.is_empty() || !ref_ids.insert(ref_id) {
            res.push(format!("the refId {ref_id:?} is empty or there twice"));
        }
        if target["datasource"] != panel["datasource"] {
            res.push(format!("target {ref_id} has another data source than its panel"));
        }
        if text(target, "expr").is_empty() {
            res.push(format!("target {ref_id} asks nothing"));
        }
    }
    if ref_ids.is_empty() {
        res.push("no targets".into());
    }
}

/// Left, top, right and bottom; the last two are outside.
fn place(panel: &Value) -> Option<[u64; 4]> {
    let grid = &panel["gridPos"];
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| grid[key].as_u64());
    let (x, y, w, h) = (x?, y?, w?, h?);
    (w > 0 && h > 0 && x + w <= COLUMNS).then_some([x, y, x + w, y + h])
}

fn grid(dashboard: &Value, res: &mut Vec<String>) {
    let mut placed: Vec<(&Value, [u64; 4])> = Vec::new();
    let mut ids = BTreeSet::new();
    for panel in panels(dashboard) {
        let id = panel["id"].as_u64().filter(|id| *id > 0);
        if id.is_none_or(|id| !ids.insert(id)) {
            res.push(format!("panel id {} is there twice or is none", panel["id"]));
        }
        let Some(place) = place(panel) else {
            res.push(format!("panel {} is not on the grid", panel["id"]));
            continue;
        };
        for (other, [left, top, right, bottom]) in &placed {
            if place[0] < *right && *left < place[2] && place[1] < *bottom && *top < place[3] {
                res.push(format!("panels {} and {} overlap", other["id"], panel["id"]));
            }
        }
        placed.push((panel, place));
    }
}
