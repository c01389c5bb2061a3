use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::node::PodUsage;
use crate::model::{Absence, Moment, QueryFailure, Usage};

/// What pods and nodes use, as Prometheus says. It never changes; the next answers make another.
#[derive(Clone, Debug, Default)]
pub struct ResourceUsage {
    /// The pods, sorted by namespace and name.
    pub pods: Answered<Arc<[PodUsage]>>,
    /// The nodes, by name.
    pub nodes: Answered<Arc<NodeUsages>>,
}

/// What nodes use, or why that is not known, by name.
pub type NodeUsages = HashMap<Arc<str>, Result<Usage, Absence>>;

/// What was made from answers, and how asking for it does.
#[derive(Clone, Debug, Default)]
pub struct Answered<T> {
    /// What the last answers said, however old they are.
    pub value: T,
    /// When the questions were sent that it is made from; none before the first success.
    pub at: Option<Moment>,
    /// The age from which it is none any more.
    pub stale_after: Duration,
    /// Why the last attempt gave nothing, if it gave nothing.
    pub failure: Option<QueryFailure>,
}

impl ResourceUsage {
    /// What a pod uses.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&PodUsage> {
        let pods = &self.pods.value;
        let place = pods.binary_search_by(|pod| (&*pod.namespace, &*pod.name).cmp(&(namespace, name)));
        place.ok().map(|place| &pods[place])
    }
}

impl<T> Answered<T> {
    /// Whether it was asked for, with or without success.
    #[must_use]
    pub fn is_tried(&self) -> bool {
        self.at.is_some() || self.failure.is_some()
    }

    /// Whether it is good at that moment.
    #[must_use]
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.at.is_some_and(|at| now.since(at) <= self.stale_after)
    }
}
