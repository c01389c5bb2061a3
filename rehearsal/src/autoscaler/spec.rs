use std::fmt;
use std::time::Duration;

use metrics_adapter::model::quantity::Quantity;

/// An `autoscaling/v2` `HorizontalPodAutoscaler`, checked and with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Hpa {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// What is scaled.
    pub target: TargetReference,
    /// At least so many.
    pub min_replicas: i32,
    /// At most so many.
    pub max_replicas: i32,
    /// In the object's order; at least one.
    pub metrics: Vec<Metric>,
    /// None leaves the controller's own rules.
    pub behavior: Option<Behavior>,
}

/// A reference to an object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetReference {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// One thing to scale on.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// CPU, memory or another resource of the pods.
    Resource {
        /// Its name.
        name: String,
        /// Only of the container of this name.
        container: Option<String>,
        /// What is aimed at.
        target: ResourceTarget,
    },
    /// A custom metric of each pod.
    Pods {
        /// Which one.
        metric: MetricName,
        /// The mean that is aimed at.
        average: Quantity,
    },
    /// A custom metric of one object.
    Object {
        /// The object.
        described: TargetReference,
        /// Which metric.
        metric: MetricName,
        /// What is aimed at.
        target: TotalTarget,
    },
    /// A metric of something outside the cluster.
    External {
        /// Which one.
        metric: MetricName,
        /// What is aimed at.
        target: TotalTarget,
    },
}

/// A metric's name and the selector on its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricName {
    /// The name.
    pub name: String,
    /// None selects everything.
    pub selector: Option<LabelSelector>,
}

/// What is aimed at for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceTarget {
    /// A percentage of what is requested.
    Utilization(i32),
    /// A mean over pods.
    AverageValue(Quantity),
}

/// What is aimed at for a value that belongs to no pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalTarget {
    /// The value itself.
    Value(Quantity),
    /// The value divided by the replicas.
    AverageValue(Quantity),
}

/// A `metav1.LabelSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// `matchLabels`, sorted by key.
    pub labels: Vec<(String, String)>,
    /// `matchExpressions`
    pub expressions: Vec<Requirement>,
}

/// One of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's name.
    pub key: String,
    /// How it compares.
    pub operator: Operator,
    /// With what.
    pub values: Vec<String>,
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// One of the values.
    In,
    /// None of the values.
    NotIn,
    /// There is such a label.
    Exists,
    /// There is no such label.
    DoesNotExist,
}

impl LabelSelector {
    /// As it goes into a query: `env in (dev,prod),queue=jobs`, sorted by key; empty selects everything.
    #[must_use]
    pub fn query(&self) -> String {
        let labels = self.labels.iter().map(|(key, value)| (key, format!("{key}={value}")));
        let expressions = self.expressions.iter().map(|requirement| {
            let key = &requirement.key;
            let mut values = requirement.values.clone();
            values.sort();
            let values = values.join(",");
            let text = match requirement.operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            };
            (key, text)
        });
        let mut all: Vec<_> = labels.chain(expressions).collect();
        all.sort_by_key(|(key, _)| *key);
        all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
    }
}

/// As Go prints one: it is part of events.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("&LabelSelector{MatchLabels:map[string]string{")?;
        for (key, value) in &self.labels {
            write!(f, "{key}: {value},")?;
        }
        f.write_str("},MatchExpressions:[]LabelSelectorRequirement{")?;
        for Requirement { key, operator, values } in &self.expressions {
            write!(f, "LabelSelectorRequirement{{Key:{key},Operator:{operator:?},Values:[{}],}},", values.join(" "))?;
        }
        f.write_str("},}")
    }
}

impl MetricName {
    /// As Go prints the selector.
    pub(super) fn selector_text(&self) -> String {
        self.selector.as_ref().map_or_else(|| "nil".to_owned(), ToString::to_string)
    }
}

impl Metric {
    /// The metric as the controller names it in events.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Resource { name, container, target } => {
                // The controller names the container's kind only for what is a part of requests.
                match (target, container) {
                    (ResourceTarget::AverageValue(_), _) => format!("{name} resource"),
                    (ResourceTarget::Utilization(_), None) => {
                        format!("{name} resource utilization (percentage of request)")
                    }
                    (ResourceTarget::Utilization(_), Some(_)) => {
                        format!("{name} container resource utilization (percentage of request)")
                    }
                }
            }
            Self::Pods { metric, .. } => format!("pods metric {}", metric.name),
            Self::Object { described, metric, target: TotalTarget::Value(_) } => {
                format!("{} metric {}", described.kind, metric.name)
            }
            Self::Object { metric, .. } | Self::External { metric, .. } => {
                format!("external metric {}({})", metric.name, metric.selector_text())
            }
        }
    }
}

/// `behavior`, with what it leaves out filled in as the API server does.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// Upwards.
    pub up: ScalingRules,
    /// Downwards.
    pub down: ScalingRules,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// Recommendations of so long ago still count; none is the controller's own.
    pub stabilization: Option<Duration>,
    /// Which of the policies wins.
    pub select: Select,
    /// How fast; at least one.
    pub policies: Vec<Policy>,
    /// How far a ratio may be from 1; none is the controller's own.
    pub tolerance: Option<f64>,
}

/// Which of several policies wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// How much may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The unit of `value`.
    pub kind: PolicyKind,
    /// So many.
    pub value: i32,
    /// Within this time.
    pub period: Duration,
}

/// What a policy's value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Pods.
    Pods,
    /// Percent of the replicas at the period's begin.
    Percent,
}

impl ScalingRules {
    /// Changes are remembered for so long, also where no change is allowed: they count for the other direction.
    pub(super) fn longest_period(&self) -> Duration {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or_default()
    }

    fn paced(self, pace: f64) -> Self {
        let faster = |policy: Policy| Policy { period: policy.period.div_f64(pace), ..policy };
        Self {
            stabilization: self.stabilization.map(|window| window.div_f64(pace)),
            policies: self.policies.into_iter().map(faster).collect(),
            ..self
        }
    }
}

impl Hpa {
    /// The same object on a clock that runs so many times as fast: windows and periods are as much shorter.
    #[must_use]
    pub fn paced(self, pace: f64) -> Self {
        let behavior =
            self.behavior.map(|Behavior { up, down }| Behavior { up: up.paced(pace), down: down.paced(pace) });
        Self { behavior, ..self }
    }
}
