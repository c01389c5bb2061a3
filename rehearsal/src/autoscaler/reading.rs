use std::time::Duration;

use metrics_adapter::model::Wall;

/// What a metrics API answered for one metric of the object.
pub type Measured = Result<Reading, Unmeasured>;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A value for each pod: resource and pods metrics.
    Pods(PodReadings),
    /// The value of an object, or the values of an external metric, in thousandths.
    Totals(Vec<i64>),
}

/// A value for each pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodReadings {
    /// At the place of the pod: its value; none if the answer has none.
    pub of: Vec<Option<Sample>>,
    /// Values, in thousandths, of pods that are not among those selected: they count, which is why an adapter must not
    /// send them.
    pub strangers: Vec<i64>,
}

/// A value with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In thousandths of the metric's unit; cores for CPU, bytes for memory.
    pub milli: i64,
    /// When it was measured.
    pub at: Wall,
    /// Over which time.
    pub window: Duration,
}

/// The metrics APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `metrics.k8s.io`
    Resource,
    /// `custom.metrics.k8s.io`
    Custom,
    /// `external.metrics.k8s.io`
    External,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Custom => "custom",
            Self::External => "external",
        }
    }
}

/// Why there is no value, in the words of the controller's client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmeasured {
    /// The API did not answer, or with an error.
    #[error("unable to fetch metrics from {} metrics API: {cause}", api.name())]
    Fetch {
        /// Which one.
        api: Api,
        /// What it said.
        cause: String,
    },
    /// The answer was empty.
    #[error("no metrics returned from {} metrics API", _0.name())]
    Empty(Api),
    /// A pod's metrics are without the container that the object names.
    #[error("failed to get container metrics: container {container} not present in metrics for pod {pod}")]
    Container {
        /// The container.
        container: String,
        /// Namespace and name.
        pod: String,
    },
}
