//! One panel, as Grafana wants it.

use serde_json::{Value, json};

use super::source::{Panel, Query, Settings};
use super::{SCOPE, limits};

/// Whichever the variable names.
pub(super) fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

pub(super) fn render(panel: &Panel, id: usize, place: &Value, settings: &Settings) -> Value {
    let targets: Vec<Value> = panel.queries.iter().enumerate().map(|(at, query)| target(query, at)).collect();
    let overrides = panel.queries.iter().enumerate().filter_map(|(at, query)| {
        let colour = colour(settings, query.colour.as_ref()?);
        // Several series of one query are shades of its colour.
        let mode = if query.legend.contains("{{") { "shades" } else { "fixed" };
        Some(json!({
            "matcher": {"id": "byFrameRefID", "options": letter(at)},
            "properties": [{"id": "color", "value": {"mode": mode, "fixedColor": colour}}],
        }))
    });
    json!({
        "id": id,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description.trim(),
        "gridPos": place,
        "datasource": data_source(),
        "targets": targets,
        "fieldConfig": {"defaults": defaults(panel, settings), "overrides": overrides.collect::<Vec<_>>()},
        "options": options(&panel.kind),
        "transparent": false,
    })
}

/// `A`, `B`, …
fn letter(at: usize) -> char {
    char::from(b'A' + u8::try_from(at).expect("a panel has few queries"))
}

fn target(query: &Query, at: usize) -> Value {
    let mut target = json!({
        "refId": letter(at),
        "datasource": data_source(),
        "editorMode": "code",
        "expr": query.expr.replace("{scope", SCOPE),
        "legendFormat": query.legend,
        "range": true,
        "instant": false,
    });
    if let Some(step) = &query.step {
        target["interval"] = step.as_str().into();
    }
    target
}

fn colour<'a>(settings: &'a Settings, meaning: &str) -> &'a str {
    let found = settings.palette.get(meaning);
    found.unwrap_or_else(|| panic!("grafana/source/settings.yaml has no colour that means {meaning}"))
}

fn defaults(panel: &Panel, settings: &Settings) -> Value {
    let stat = panel.kind == "stat";
    // Steps colour a stat's value; a graph has them as lines.
    let by = if stat && !panel.steps.is_empty() { "thresholds" } else { "palette-classic" };
    let mut defaults = json!({
        "unit": panel.unit,
        "color": {"mode": by},
        "mappings": [],
        "thresholds": {"mode": "absolute", "steps": steps(panel, settings)},
    });
    if let Some(decimals) = panel.decimals {
        defaults["decimals"] = decimals.into();
    }
    if !stat {
        defaults["min"] = 0.into();
        defaults["custom"] = lines(panel);
    }
    defaults
}

fn steps(panel: &Panel, settings: &Settings) -> Vec<Value> {
    let mut steps = vec![json!({"color": colour(settings, &panel.base), "value": null})];
    if let Some(threshold) = &panel.threshold {
        steps.push(json!({"color": colour(settings, "threshold"), "value": limits::value(threshold)}));
    }
    let more = panel.steps.iter().flatten();
    steps.extend(more.map(|(meaning, own)| json!({"color": colour(settings, meaning), "value": limits::value(own)})));
    steps
}

fn lines(panel: &Panel) -> Value {
    let drawn = panel.threshold.is_some() || !panel.steps.is_empty();
    json!({
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": if panel.stack { 30 } else { 0 },
        "showPoints": "never",
        "spanNulls": false,
        "stacking": {"group": "A", "mode": if panel.stack { "normal" } else { "none" }},
        "thresholdsStyle": {"mode": if drawn { "dashed" } else { "off" }},
    })
}

fn options(kind: &str) -> Value {
    match kind {
        "timeseries" => json!({
            "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        "stat" => json!({
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "textMode": "auto",
            "wideLayout": true,
        }),
        other => panic!("a panel is a timeseries or a stat, and not {other}"),
    }
}
