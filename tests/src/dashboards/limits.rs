//! Where a line or a colour of a panel begins: what the autoscaler and the alerts go by is read where they say it.

use std::collections::BTreeMap;

use metrics_adapter::model::quantity::Quantity;
use promql_parser::parser::Expr;
use serde_json::Value;

use super::source::{Limit, Said};
use crate::manifests::file;
use crate::promql::{compared, parse, selectors};
use crate::rules;

const A_DAY: f64 = 86400.0;

/// In the unit that a panel shows.
pub(super) fn value(limit: &Limit) -> f64 {
    match limit {
        Limit::Number(value) => *value,
        Limit::Said(Said::Hpa(metric)) => {
            let all = autoscaler_thresholds();
            *all.get(metric).unwrap_or_else(|| panic!("k8s/real-world-hpa.yaml has no metric {metric}"))
        }
        Limit::Said(Said::Alert(name)) => least(name),
        Limit::Said(Said::Days(name)) => least(name) * A_DAY,
        Limit::Said(Said::Bucket(name)) => bucket(name),
    }
}

fn expression(field: &str, name: &str) -> Vec<Expr> {
    let of_name = |rule: &Value| rule[field] == name;
    rules::all()
        .iter()
        .filter(|rule| of_name(rule))
        .map(|rule| parse(rule["expr"].as_str().unwrap()).unwrap())
        .collect()
}

fn least(alert: &str) -> f64 {
    let all = expression("alert", alert).iter().flat_map(compared).reduce(f64::min);
    all.unwrap_or_else(|| panic!("prometheus/rules has no alert {alert} that compares with a number"))
}

fn bucket(record: &str) -> f64 {
    let found = expression("record", record).iter().flat_map(selectors).find_map(|selector| {
        let le = selector.matchers.matchers.iter().find(|matcher| matcher.name == "le")?;
        le.value.parse().ok()
    });
    found.unwrap_or_else(|| panic!("prometheus/rules has no rule {record} with one bucket"))
}

/// The thresholds of the autoscaler by its metrics, in the unit that a panel shows: requests a second, percent, bytes.
fn autoscaler_thresholds() -> BTreeMap<String, f64> {
    let hpa = &file("k8s/real-world-hpa.yaml")[0];
    let metrics = hpa["spec"]["metrics"].as_array().unwrap().iter();
    metrics.map(|metric| threshold_of(metric).unwrap_or_else(|| panic!("no threshold is read of {metric}"))).collect()
}

fn threshold_of(metric: &Value) -> Option<(String, f64)> {
    let (name, target) = match metric["type"].as_str()? {
        "Pods" => (&metric["pods"]["metric"]["name"], &metric["pods"]["target"]),
        "Resource" => (&metric["resource"]["name"], &metric["resource"]["target"]),
        _ => return None,
    };
    let value = match target["type"].as_str()? {
        "Utilization" => target["averageUtilization"].as_f64()?,
        #[expect(clippy::cast_precision_loss, reason = "thresholds are far below 2^53 thousandths")]
        "AverageValue" => Quantity::parse(target["averageValue"].as_str()?).ok()?.milli() as f64 / 1000.0,
        _ => return None,
    };
    Some((name.as_str()?.to_owned(), value))
}
