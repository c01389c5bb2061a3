//! The rules of a prometheus-adapter configuration: which series become which metrics of which resources, and what
//! Prometheus is asked for them. Pure: nothing here knows Prometheus, a cluster, or a clock.
//!
//! `naming` makes metrics' names of series' names and `labels` finds the resources among their labels; `offers` joins
//! both to what is served. `template` and `query` make the question, for some objects as prometheus-adapter does or, where
//! `separable` shows that it is the same, once for all.

mod labels;
mod naming;
mod offers;
mod outcome;
mod promql;
mod query;
mod resource_rules;
mod separable;
mod syntax;
mod template;

use std::sync::Arc;

use crate::model::{GroupResource, Question};

pub use labels::{LabelOverride, ResourceLabels};
pub use naming::{Naming, Pattern, SeriesFilter};
pub use offers::{ExternalOffer, Offer, Offers};
pub use outcome::{Overridden, Refusal, RuleOutcome};
pub use promql::{duration, window};
pub use resource_rules::{ContainersQuery, ResourceRule, ResourceRules};
pub use syntax::complaint;
pub use template::{Schema, Template, TemplateProblem};

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
    /// Which of the series that are found count: those that pass all of these.
    pub filters: Vec<SeriesFilter>,
    /// Which labels name objects.
    pub resources: ResourceLabels,
    /// What metrics are called.
    pub naming: Naming,
    /// What Prometheus is asked.
    pub metrics_query: Template,
    /// Of `externalRules`: whether a namespace sees only its own.
    pub namespaced: bool,
    /// Whether values below zero are values.
    pub allow_negative: bool,
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

#[cfg(test)]
mod tests;
