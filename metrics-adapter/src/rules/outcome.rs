use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::model::GroupResource;

/// What became of a rule: which metrics it offers, and which of its series became none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleOutcome {
    /// The names of the metrics that it makes, sorted, whether or not they are overridden.
    pub metrics: Vec<Arc<str>>,
    /// What it makes that something later makes as well, which counts instead.
    pub overridden: Vec<Overridden>,
    /// The names of series that it found and makes nothing of, sorted, and why.
    pub refused: Vec<(Arc<str>, Refusal)>,
    /// What is wrong with it though the rest of it is served: an override that names no resource. One line each.
    pub problems: Vec<String>,
}

/// A metric that is made by something later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// The metric's name.
    pub metric: Arc<str>,
    /// What it is of; none for an external metric.
    pub resource: Option<GroupResource>,
    /// The series that it would be made of.
    pub series: Arc<str>,
    /// The rule that makes it, by its place: a later one, or the same one of another series.
    pub by: usize,
    /// The series that it is made of instead.
    pub by_series: Arc<str>,
}

/// Why a series becomes no metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// `seriesFilters` keep it out.
    Filter,
    /// `name.matches` does not match its name.
    Name,
    /// `name.as` makes an empty name of it.
    EmptyName,
    /// No label of it names objects of a resource.
    NoResource,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "seriesFilters keep it out",
            Self::Name => "name.matches does not match its name",
            Self::EmptyName => "name.as makes an empty name of it",
            Self::NoResource => "no label of it is a resource's by `resources`",
        })
    }
}

/// The outcomes of rules, as they come out one after the other.
#[derive(Default)]
pub(super) struct Outcomes(Vec<Open>);

#[derive(Default)]
struct Open {
    metrics: BTreeSet<Arc<str>>,
    refused: BTreeSet<(Arc<str>, Refusal)>,
    overridden: Vec<Overridden>,
    problems: Vec<String>,
}

impl Outcomes {
    pub(super) fn begin(&mut self, problems: &[String]) {
        self.0.push(Open { problems: problems.to_vec(), ..Open::default() });
    }

    pub(super) fn offer(&mut self, metric: &Arc<str>) {
        if let Some(open) = self.0.last_mut() {
            open.metrics.insert(Arc::clone(metric));
        }
    }

    pub(super) fn refuse(&mut self, series: &Arc<str>, why: Refusal) {
        if let Some(open) = self.0.last_mut() {
            open.refused.insert((Arc::clone(series), why));
        }
    }

    /// What a rule makes of a series is made by another, or of another. The same series with other labels is nothing else.
    pub(super) fn override_by(
        &mut self,
        (rule, series): (usize, &Arc<str>),
        (by, by_series): (usize, &Arc<str>),
        metric: &Arc<str>,
        resource: Option<GroupResource>,
    ) {
        if rule == by && series == by_series {
            return;
        }
        if let Some(open) = self.0.get_mut(rule) {
            let (metric, series, by_series) = (Arc::clone(metric), Arc::clone(series), Arc::clone(by_series));
            open.overridden.push(Overridden { metric, resource, series, by, by_series });
        }
    }

    pub(super) fn finish(self) -> Vec<RuleOutcome> {
        let finish = |open: Open| RuleOutcome {
            metrics: open.metrics.into_iter().collect(),
            overridden: open.overridden,
            refused: open.refused.into_iter().collect(),
            problems: open.problems,
        };
        self.0.into_iter().map(finish).collect()
    }
}
