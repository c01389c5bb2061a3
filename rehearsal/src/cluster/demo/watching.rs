use metrics_adapter::model::quantity::Quantity;
use serde_json::Value;

use super::DemoError;
use super::place::Place;
use crate::aims;
use crate::autoscaler::{Current, Hpa, Metric};

/// The HPA and what it scales, as the API server tells them at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// What the HPA wants; none before its first sync.
    pub(super) desired: u32,
    pub(super) ready: u32,
    /// Pods that are there, ready or not.
    pub(super) made: u32,
    pub(super) per_pod: Option<f64>,
    pub(super) pressures: Vec<Option<f64>>,
    /// Why it does not see, in the words of its condition.
    pub(super) blind: Option<String>,
    /// What it says of its last scaling.
    pub(super) able: String,
}

/// Both in one request.
pub(super) async fn look(place: &Place, hpa: &Hpa) -> Result<Seen, DemoError> {
    let (own, target) = (format!("hpa/{}", hpa.name), format!("deployment/{}", place.deployment));
    let both = place.kubectl.json(&["get", &own, &target, &place.flag()]).await?;
    let of = |kind: &str| both["items"].as_array().into_iter().flatten().find(|item| item["kind"] == kind);
    let (Some(object), Some(deployment)) = (of("HorizontalPodAutoscaler"), of("Deployment")) else {
        return Err(DemoError::missing(format!("{own} and {target} were there, and one is gone"), "make up"));
    };
    Ok(seen(hpa, &object["status"], deployment))
}

fn seen(hpa: &Hpa, status: &Value, deployment: &Value) -> Seen {
    let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
    let written = status["currentMetrics"].as_array().map_or(&[][..], Vec::as_slice);
    let currents: Vec<Option<Current>> = hpa.metrics.iter().map(|metric| current(metric, written)).collect();
    let per_pod = hpa.metrics.iter().zip(&currents).find_map(|(metric, current)| match (metric, current) {
        (Metric::Pods { .. }, Some(Current::AverageValue(milli))) => Some(aims::units(*milli)),
        _ => None,
    });
    let asked = count(&deployment["spec"]["replicas"]).unwrap_or_default();
    Seen {
        desired: count(&status["desiredReplicas"]).filter(|desired| *desired > 0).unwrap_or(asked),
        ready: count(&deployment["status"]["readyReplicas"]).unwrap_or_default(),
        made: count(&deployment["status"]["replicas"]).unwrap_or_default(),
        per_pod,
        pressures: aims::pressures(&hpa.metrics, &currents),
        blind: blindness(status),
        able: condition(status, "AbleToScale")
            .map(|able| able["message"].as_str().unwrap_or_default())
            .unwrap_or_default()
            .to_owned(),
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Why the HPA does not see; none if it does.
pub(super) fn blindness(status: &Value) -> Option<String> {
    match condition(status, "ScalingActive") {
        None => Some("it has not looked yet: it has no condition ScalingActive".to_owned()),
        Some(active) if active["status"] == "True" => None,
        Some(active) => {
            let text = |field: &str| active[field].as_str().unwrap_or_default();
            Some(format!("ScalingActive {}, {}: {}", text("status"), text("reason"), text("message")))
        }
    }
}

/// A metric's value. One that failed leaves an empty entry, so that each is looked for by its name.
fn current(metric: &Metric, written: &[Value]) -> Option<Current> {
    let milli = |value: &Value| value.as_str().and_then(|text| Quantity::parse(text).ok()).map(Quantity::milli);
    let of = |kind: &str, field: &str, name: &dyn Fn(&Value) -> &Value, wanted: &str| {
        let found = written.iter().find(|entry| entry["type"] == kind && *name(&entry[field]) == wanted)?;
        let current = &found[field]["current"];
        let average = milli(&current["averageValue"]);
        if let Some(percent) = current["averageUtilization"].as_i64() {
            return Some(Current::Utilization(i32::try_from(percent).ok()?, average.unwrap_or_default()));
        }
        average.map(Current::AverageValue).or_else(|| milli(&current["value"]).map(Current::Value))
    };
    match metric {
        Metric::Resource { name, container: None, .. } => of("Resource", "resource", &|own| &own["name"], name),
        Metric::Resource { name, .. } => of("ContainerResource", "containerResource", &|own| &own["name"], name),
        Metric::Pods { metric, .. } => of("Pods", "pods", &|own| &own["metric"]["name"], &metric.name),
        Metric::Object { metric, .. } => of("Object", "object", &|own| &own["metric"]["name"], &metric.name),
        Metric::External { metric, .. } => of("External", "external", &|own| &own["metric"]["name"], &metric.name),
    }
}
