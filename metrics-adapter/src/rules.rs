//! The rules of a prometheus-adapter configuration: which series become which metrics of which resources, and what
//! Prometheus is asked for them. Pure: nothing here knows Prometheus, a cluster, or a clock.

use std::sync::Arc;

use crate::model::Kinds;
use crate::model::{GroupResource, Question, Selector};

/// Series that Prometheus has, all of one name and with labels of the same names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListedSeries {
    /// Their name.
    pub name: Arc<str>,
    /// The names of their labels, sorted, without `__name__`.
    pub labels: Arc<[Arc<str>]>,
    /// How many there are.
    pub count: usize,
}

/// A rule of `rules` or of `externalRules`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRule {
    /// The line of the file that it begins in.
    pub line: usize,
    /// Which series it is about: a PromQL selector.
    pub series_query: String,
    /// Of `externalRules`: whether a namespace sees only its own.
    pub namespaced: bool,
    /// Whether values below zero are values.
    pub allow_negative: bool,
}

/// The metrics that rules make of series.
#[derive(Debug, Default)]
pub struct Offers {}

/// A metric of a resource.
#[derive(Debug)]
pub struct Offer {
    /// The metric's name.
    pub metric: Arc<str>,
    /// What it is of.
    pub resource: GroupResource,
    /// Whether it is asked for in a namespace.
    pub namespaced: bool,
    /// The rule, by its place.
    pub rule: usize,
    /// The series that it is made of.
    pub series: Arc<str>,
}

/// An external metric.
#[derive(Debug)]
pub struct ExternalOffer {
    /// The metric's name.
    pub metric: Arc<str>,
    /// The rule, by its place.
    pub rule: usize,
    /// The series that it is made of.
    pub series: Arc<str>,
}

/// What Prometheus is asked, and how its answer is read.
#[derive(Clone, Debug)]
pub struct Query {
    /// The question.
    pub question: Question,
    /// The label that names the object.
    pub name_label: Arc<str>,
    /// The label that names its namespace, if the question is about several.
    pub namespace_label: Option<Arc<str>>,
}

/// Why a rule cannot be asked that, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryProblem(pub String);

impl Offers {
    /// What the rules make of what was listed for each of them, in their order. Where several rules offer the same, the
    /// last counts, as for prometheus-adapter.
    #[must_use]
    pub fn of(
        _rules: &[SeriesRule],
        _listed: &[&[ListedSeries]],
        _external: &[SeriesRule],
        _external_listed: &[&[ListedSeries]],
        _kinds: &Kinds,
    ) -> Self {
        Self::default()
    }

    /// The metric of a resource.
    #[must_use]
    pub fn custom(&self, _metric: &str, _resource: GroupResource, _namespaced: bool) -> Option<&Arc<Offer>> {
        None
    }

    /// The external metric.
    #[must_use]
    pub fn external(&self, _metric: &str) -> Option<&Arc<ExternalOffer>> {
        None
    }

    /// All metrics of resources, sorted by resource and name.
    pub fn all_custom(&self) -> impl Iterator<Item = &Arc<Offer>> {
        std::iter::empty()
    }

    /// All external metrics, sorted by name.
    pub fn all_external(&self) -> impl Iterator<Item = &Arc<ExternalOffer>> {
        std::iter::empty()
    }
}

impl Offer {
    /// What is asked once for all objects in all namespaces. None if the query does not allow that: its value for one
    /// object would be another.
    #[must_use]
    pub fn of_all(&self, _selector: &Selector) -> Option<Result<Query, QueryProblem>> {
        None
    }

    /// What prometheus-adapter would ask for these objects.
    pub fn of_some(
        &self,
        _namespace: Option<&str>,
        _names: &[&str],
        _selector: &Selector,
    ) -> Result<Query, QueryProblem> {
        Err(QueryProblem("not yet".to_owned()))
    }
}

impl ExternalOffer {
    /// What is asked for a namespace.
    pub fn ask(&self, _namespace: &str, _selector: &Selector) -> Result<Question, QueryProblem> {
        Err(QueryProblem("not yet".to_owned()))
    }
}

/// `resourceRules`: CPU and memory of pods and nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRules {
    /// In cores.
    pub cpu: ResourceRule,
    /// In bytes.
    pub memory: ResourceRule,
    /// What the file says that the queries look at.
    pub window: std::time::Duration,
}

/// What Prometheus is asked for CPU or memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRule {
    /// The label that names the container.
    pub container_label: Arc<str>,
}

/// What is asked for all containers, and how the answer is read.
#[derive(Clone, Debug)]
pub struct ContainersQuery {
    /// The question.
    pub question: Question,
    /// The label of the namespace.
    pub namespace_label: Arc<str>,
    /// The label of the pod.
    pub pod_label: Arc<str>,
}

impl ResourceRule {
    /// What is asked once for the containers of all pods of all namespaces.
    pub fn containers(&self, _kinds: &Kinds) -> Result<ContainersQuery, QueryProblem> {
        Err(QueryProblem("not yet".to_owned()))
    }

    /// What is asked once for all nodes, and the label that names them.
    pub fn nodes(&self, _kinds: &Kinds) -> Result<(Question, Arc<str>), QueryProblem> {
        Err(QueryProblem("not yet".to_owned()))
    }
}

/// An entry of `metrics` that is plain PromQL.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryRule {
    /// The metric's name.
    pub name: String,
    /// What Prometheus is asked.
    pub question: Question,
    /// The label that names the namespace; none for what is in none.
    pub namespace_label: Option<Arc<str>>,
    /// The labels that name objects, with their resources.
    pub labels: Vec<(Arc<str>, GroupResource)>,
    /// Whether values below zero are values.
    pub allow_negative: bool,
    /// What it is, for the status page.
    pub description: Option<String>,
}

/// An entry of `externalMetrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalQueryRule {
    /// The metric's name.
    pub name: String,
    /// What Prometheus is asked.
    pub question: Question,
    /// The label by which a namespace sees only its own; without one, every namespace sees all.
    pub namespace_label: Option<Arc<str>>,
    /// Whether values below zero are values.
    pub allow_negative: bool,
    /// What it is, for the status page.
    pub description: Option<String>,
}
