use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::node::PodUsage;
use crate::model::{Absence, Moment, QueryFailure, Usage};

/// What pods and nodes use, as Prometheus says. It never changes; the next answers make another.
#[derive(Debug, Default)]
pub struct ResourceUsage {
    /// The pods, sorted by namespace and name.
    pub pods: Arc<[PodUsage]>,
    /// The nodes, by name.
    pub nodes: HashMap<Arc<str>, Result<Usage, Absence>>,
    /// When the questions were sent that this is made from; none before the first success.
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
        let place = self.pods.binary_search_by(|pod| (&*pod.namespace, &*pod.name).cmp(&(namespace, name)));
        place.ok().map(|place| &self.pods[place])
    }

    /// Whether it is good at that moment.
    #[must_use]
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.at.is_some_and(|at| now.since(at) <= self.stale_after)
    }
}
