//! Rules and alerts as the API shows them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::json::{Answered, Refused};
use super::names::object;
use crate::clock::UnixMillis;
use crate::query::number::exponential;
use crate::query::rules::{Alert, GroupView, RuleView, RulesView};
use crate::record::read::accepted;

/// `rules`: every group, or those that are asked for.
pub(super) fn rules(asked: &Asked, view: &RulesView) -> Result<Answered, Refused> {
    let kind = asked.text("type").to_ascii_lowercase();
    if !["", "alert", "record"].contains(&kind.as_str()) {
        return Err(Refused::invalid("type", format!("not supported value {kind:?}")));
    }
    let wanted = |name: &str| asked.all(name).into_iter().collect::<BTreeSet<&str>>();
    let (names, groups, files) = (wanted("rule_name[]"), wanted("rule_group[]"), wanted("file[]"));
    let selectors = asked.selectors()?;
    let is_in = |wanted: &BTreeSet<&str>, name: &str| wanted.is_empty() || wanted.contains(name);
    let without_alerts = asked.text("exclude_alerts") == "true";
    let is_wanted = |rule: &&RuleView| {
        is_in(&names, &rule.name)
            && (kind.is_empty() || (kind == "alert") == rule.alerting.is_some())
            && (selectors.is_empty() || selectors.iter().any(|matchers| accepted(matchers, &rule.labels)))
    };
    let mut shown = Vec::new();
    for group in view.iter().filter(|group| is_in(&groups, &group.name) && is_in(&files, &group.file)) {
        let rules: Vec<Value> =
            group.rules.iter().filter(is_wanted).map(|rule| rule_object(rule, without_alerts)).collect();
        if !rules.is_empty() {
            shown.push(group_object(group, rules));
        }
    }
    Ok(Answered::of(&json!({ "groups": shown })))
}

/// `alerts`: those that are pending or firing.
pub(super) fn alerts(view: &RulesView) -> Result<Answered, Refused> {
    let rules = view.iter().flat_map(|group| &group.rules);
    let alerts = rules.filter_map(|rule| rule.alerting.as_ref()).flat_map(|alerting| &alerting.alerts);
    let alerts: Vec<Value> = alerts.map(alert_object).collect();
    Ok(Answered::of(&json!({ "alerts": alerts })))
}

fn group_object(group: &GroupView, rules: Vec<Value>) -> Value {
    json!({
        "name": group.name,
        "file": group.file,
        "rules": rules,
        "interval": group.interval.as_secs_f64(),
        "limit": group.limit,
        "evaluationTime": group.outcome.evaluation_time.as_secs_f64(),
        "lastEvaluation": moment(group.outcome.last_evaluation),
    })
}

fn rule_object(rule: &RuleView, without_alerts: bool) -> Value {
    let mut res = Map::new();
    let mut put = |name: &str, value: Value| _ = res.insert(name.into(), value);
    put("name", json!(rule.name));
    put("query", json!(rule.query));
    put("labels", object(&rule.labels));
    put("health", json!(rule.health.as_str()));
    if let Some(error) = &rule.last_error {
        put("lastError", json!(error));
    }
    put("evaluationTime", json!(rule.evaluation_time.as_secs_f64()));
    put("lastEvaluation", moment(rule.last_evaluation));
    match &rule.alerting {
        None => put("type", json!("recording")),
        Some(alerting) => {
            put("state", json!(rule.state()));
            put("duration", json!(alerting.hold.as_secs_f64()));
            put("keepFiringFor", json!(alerting.keep_firing_for.as_secs_f64()));
            put("annotations", object(&alerting.annotations));
            if !without_alerts {
                put("alerts", alerting.alerts.iter().map(alert_object).collect());
            }
            put("type", json!("alerting"));
        }
    }
    Value::Object(res)
}

fn alert_object(alert: &Alert) -> Value {
    let mut res = json!({
        "labels": object(&alert.labels),
        "annotations": object(&alert.annotations),
        "state": alert.state.as_str(),
        "activeAt": moment(Some(alert.active_at)),
        // Here with an exponent always.
        "value": exponential(alert.value),
    });
    if let Some(since) = alert.keep_firing_since {
        res["keepFiringSince"] = moment(Some(since));
    }
    res
}

/// A moment by RFC 3339; Go's zero time for none.
fn moment(at: Option<UnixMillis>) -> Value {
    let shown = at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
    shown.map_or_else(|| json!("0001-01-01T00:00:00Z"), |at| json!(at.to_string()))
}
