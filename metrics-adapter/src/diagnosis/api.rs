use std::fmt;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec};

/// One of the metrics APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricsApi {
    /// Metrics of objects: `Pods` and `Object` of an autoscaler.
    Custom,
    /// Metrics of nothing in the cluster: `External`.
    External,
    /// CPU and memory: `Resource`, `ContainerResource` and `kubectl top`.
    Resource,
}

impl MetricsApi {
    /// In the order in which they are looked at.
    pub const ALL: [Self; 3] = [Self::Custom, Self::External, Self::Resource];

    /// Under which an `APIService` registers it.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Custom => "custom.metrics.k8s.io",
            Self::External => "external.metrics.k8s.io",
            Self::Resource => "metrics.k8s.io",
        }
    }

    /// Those that the autoscalers' controller can ask, the one that it prefers first.
    pub(super) fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Custom => &["v1beta2", "v1beta1"],
            Self::External | Self::Resource => &["v1beta1"],
        }
    }

    /// Of a metric of an autoscaler; none for a type that nobody knows.
    pub(super) fn of(metric: &MetricSpec) -> Option<Self> {
        match metric.type_.as_str() {
            "Pods" | "Object" => Some(Self::Custom),
            "External" => Some(Self::External),
            "Resource" | "ContainerResource" => Some(Self::Resource),
            _ => None,
        }
    }

    pub(super) fn is_needed_by(self, autoscaler: &HorizontalPodAutoscaler) -> bool {
        let metrics = autoscaler.spec.metrics.as_ref();
        metrics.into_iter().flatten().any(|metric| Self::of(metric) == Some(self))
    }
}

impl fmt::Display for MetricsApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group())
    }
}
