use std::sync::Arc;

use crate::kubernetes::{HorizontalPodAutoscaler, hpa};

/// What a `HorizontalPodAutoscaler` is asked for, and what its controller did last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it scales, as `Deployment/web`.
    pub scales: String,
    /// At least so many replicas.
    pub minimum: i32,
    /// At most so many.
    pub maximum: i32,
    /// How many there are.
    pub current: i32,
    /// How many are wanted.
    pub desired: i32,
    /// By what it scales.
    pub metrics: Vec<Aim>,
    /// How it does.
    pub conditions: Vec<Condition>,
}

/// A metric, its threshold, and what the controller saw last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
    pub source: String,
    /// The metric's name.
    pub metric: String,
    /// Whose it is, where that is not all pods: a container, an object, a selector.
    pub of: String,
    /// `Utilization`, `AverageValue` or `Value`.
    pub kind: String,
    /// The threshold: percent, or a quantity.
    pub threshold: String,
    /// What was seen, in the threshold's unit.
    pub seen: Option<String>,
}

/// A condition of an autoscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for a person.
    pub message: String,
}

impl Autoscaler {
    pub(super) fn of((namespace, name): &super::shelf::Key, object: HorizontalPodAutoscaler) -> Self {
        let HorizontalPodAutoscaler { spec, status, .. } = object;
        let seen = status.current_metrics.unwrap_or_default();
        let aims = spec.metrics.unwrap_or_default().into_iter().map(|metric| Aim::of(metric, &seen)).collect();
        let conditions = status.conditions.unwrap_or_default().into_iter().map(|condition| Condition {
            kind: condition.type_,
            status: condition.status,
            reason: condition.reason.unwrap_or_default(),
            message: condition.message.unwrap_or_default(),
        });
        Self {
            namespace: Arc::clone(namespace),
            name: Arc::clone(name),
            scales: format!("{}/{}", spec.scale_target_ref.kind, spec.scale_target_ref.name),
            minimum: spec.min_replicas.unwrap_or(1),
            maximum: spec.max_replicas,
            current: status.current_replicas.unwrap_or(0),
            desired: status.desired_replicas,
            metrics: aims,
            conditions: conditions.collect(),
        }
    }
}

impl Aim {
    fn of(metric: hpa::Metric, seen: &[hpa::Metric]) -> Self {
        let kind = metric.type_.clone();
        let (source, metric_name, of) = identity(metric);
        let seen = seen.iter().find(|other| {
            other.type_ == kind && {
                let (_, name, place) = identity((*other).clone());
                name == metric_name && place == of
            }
        });
        let target = source.as_ref().and_then(|source| source.target.clone()).unwrap_or_default();
        let seen = seen.and_then(|metric| identity(metric.clone()).0?.current).and_then(|value| text(&value));
        let threshold = text(&target).unwrap_or_default();
        Self { source: kind, metric: metric_name, of, kind: target.type_.unwrap_or_default(), threshold, seen }
    }
}

/// The metric's source, its name, and whose it is.
fn identity(metric: hpa::Metric) -> (Option<hpa::Source>, String, String) {
    let hpa::Metric { resource, container_resource, pods, object, external, .. } = metric;
    let Some(source) = resource.or(container_resource).or(pods).or(object).or(external) else {
        return (None, String::new(), String::new());
    };
    let name = match (&source.name, &source.metric) {
        (Some(name), _) => name.clone(),
        (None, Some(metric)) => metric.name.clone(),
        (None, None) => String::new(),
    };
    let selector = source.metric.as_ref().and_then(|metric| metric.selector.as_ref()?.match_labels.as_ref());
    let mut of: Vec<String> = Vec::new();
    of.extend(source.container.as_ref().map(|container| format!("container {container}")));
    of.extend(source.described_object.as_ref().map(|object| format!("{}/{}", object.kind, object.name)));
    of.extend(selector.into_iter().flatten().map(|(name, value)| format!("{name}={value}")));
    (Some(source), name, of.join(","))
}

fn text(value: &hpa::Value) -> Option<String> {
    let utilization = value.average_utilization.map(|percent| percent.to_string());
    utilization.or_else(|| value.average_value.clone()).or_else(|| value.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_stand_beside_what_the_controller_saw() {
        let object: HorizontalPodAutoscaler = serde_json::from_str(
            r#"{"metadata":{"namespace":"shop","name":"web"},
            "spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"minReplicas":2,"maxReplicas":9,"metrics":[
              {"type":"Pods","pods":{"metric":{"name":"rps"},"target":{"type":"AverageValue","averageValue":"60"}}},
              {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}},
              {"type":"External","external":{"metric":{"name":"q","selector":{"matchLabels":{"a":"b"}}},"target":{"type":"Value","value":"5"}}}]},
            "status":{"currentReplicas":3,"desiredReplicas":4,
              "currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":41,"averageValue":"41m"}}},
                {"type":"Pods","pods":{"metric":{"name":"rps"},"current":{"averageValue":"72500m"}}}],
              "conditions":[{"type":"ScalingActive","status":"True","reason":"ValidMetricFound","message":"m"}]}}"#,
        )
        .unwrap();
        let of = Autoscaler::of(&("shop".into(), "web".into()), object);
        assert_eq!((of.minimum, of.maximum, of.current, of.desired, &*of.scales), (2, 9, 3, 4, "Deployment/web"));
        let aims: Vec<String> = of
            .metrics
            .iter()
            .map(|aim| {
                format!("{} {} {} {} {} {:?}", aim.source, aim.metric, aim.of, aim.kind, aim.threshold, aim.seen)
            })
            .collect();
        assert_eq!(
            aims,
            [
                "Pods rps  AverageValue 60 Some(\"72500m\")",
                "Resource cpu  Utilization 80 Some(\"41\")",
                "External q a=b Value 5 None"
            ]
        );
        assert_eq!(of.conditions[0].reason, "ValidMetricFound");
    }
}
