//! Dashboards as Grafana is given them, out of sources that a person can review.
//!
//! `grafana/source/*.yaml` says what a panel is about: its queries, its unit, how to read it. What Grafana wants beside
//! that, and what all panels have in common, is written here, once.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::manifests::root;

mod limits;
mod panel;
mod runbook;
mod source;

pub use runbook::{RUNBOOK, runbook};
pub use source::{Dashboard, Limit, Panel, Query, Row, Said, Settings, Step, Variable};

/// What each selector of each query has, so that the variables choose what is shown. Sources write `{scope`.
const SCOPE: &str = r#"{job=~"$job", instance=~"$instance""#;
/// Grafana's grid is so many columns wide.
const COLUMNS: u64 = 24;
/// How high a row's heading is in the grid.
const HEADING: u64 = 1;

/// The names of the dashboards: of their sources, of their files, and their uids.
pub const NAMES: [&str; 4] = ["autoscaling", "conduit", "metrics-adapter", "traefik"];

/// Where a dashboard is committed.
pub fn path(name: &str) -> PathBuf {
    root().join("grafana/dashboards").join(name).with_extension("json")
}

/// The source of a dashboard.
pub fn source(name: &str) -> Dashboard {
    read(&format!("grafana/source/{name}.yaml"))
}

/// What all dashboards share.
pub fn settings() -> Settings {
    read("grafana/source/settings.yaml")
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> T {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A dashboard's file.
pub fn text(name: &str) -> String {
    pretty(&render(&source(name), &settings()))
}

/// All files, by their names.
pub fn files() -> Vec<(&'static str, String)> {
    NAMES.map(|name| (name, text(name))).into_iter().chain([(RUNBOOK, runbook())]).collect()
}

fn pretty(board: &Value) -> String {
    serde_json::to_string_pretty(board).unwrap() + "\n"
}

/// The JSON of a dashboard, as Grafana's schema 39 has it.
fn render(dashboard: &Dashboard, settings: &Settings) -> Value {
    let tags = ["conduit", "generated"];
    json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": tags,
        "schemaVersion": 39,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "refresh": "15s",
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "annotations": {"list": []},
        "links": links(dashboard, settings),
        "templating": {"list": variables(dashboard)},
        "panels": panels(dashboard, settings),
    })
}

/// To the other dashboards, with the time and the data source: their jobs and instances are others. Then to the runbook.
fn links(dashboard: &Dashboard, settings: &Settings) -> Vec<Value> {
    let place = if settings.is_elsewhere() { settings.runbook.clone() } else { format!("/d/{RUNBOOK}") };
    let others = NAMES.map(source).into_iter().filter(|own| own.uid != dashboard.uid);
    let link = |title: &str, url: &str, tooltip: &str, own: bool| {
        json!({
            "type": "link",
            "title": title,
            "url": url,
            "tags": [],
            "icon": if own { "dashboard" } else { "doc" },
            "tooltip": tooltip,
            "asDropdown": false,
            "includeVars": false,
            "keepTime": own,
            "targetBlank": !own,
        })
    };
    others
        .map(|own| link(&own.title, &format!("/d/{}?${{datasource:queryparam}}", own.uid), &own.description, true))
        .chain([link("Runbook", &place, "What each alert means, and what to do", !settings.is_elsewhere())])
        .collect()
}

fn variables(dashboard: &Dashboard) -> Vec<Value> {
    let listed = &dashboard.listed;
    let mut all = vec![
        json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {"selected": false, "text": "Prometheus", "value": "prometheus"},
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": [],
            "refresh": 1,
            "regex": "",
            "skipUrlSync": false,
        }),
        variable("job", "Job", &format!("label_values({listed}, job)"), true),
        variable("instance", "Instance", &format!("label_values({listed}{{job=~\"$job\"}}, instance)"), true),
    ];
    all.extend(dashboard.variables.iter().map(|own| variable(&own.name, &own.label, &own.query, false)));
    all
}

/// What is asked of Prometheus anew whenever the time range changes. Of several, all are shown at first.
fn variable(name: &str, label: &str, query: &str, several: bool) -> Value {
    let current = if several { json!({"selected": true, "text": ["All"], "value": ["$__all"]}) } else { json!({}) };
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": panel::data_source(),
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "current": current,
        "hide": 0,
        "includeAll": several,
        "multi": several,
        "allValue": several.then_some(".+"),
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": false,
        "sort": 1,
    })
}

/// Rows from top to bottom, each with its panels from left to right, in lines that are as high as their first panel.
fn panels(dashboard: &Dashboard, settings: &Settings) -> Vec<Value> {
    let mut all = Vec::new();
    let mut top = 0;
    for row in &dashboard.rows {
        all.push(json!({
            "id": all.len() + 1,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "panels": [],
            "gridPos": {"h": HEADING, "w": COLUMNS, "x": 0, "y": top},
        }));
        top += HEADING;
        let (mut left, mut height) = (0, 0);
        for own in &row.panels {
            if left + own.width > COLUMNS {
                (left, top) = (0, top + height);
            }
            height = own.height;
            let place = json!({"h": own.height, "w": own.width, "x": left, "y": top});
            all.push(panel::render(own, all.len() + 1, &place, settings));
            left += own.width;
        }
        top += height;
    }
    all
}
