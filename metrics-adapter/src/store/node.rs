use std::sync::Arc;
use std::time::Duration;

use super::record::TargetState;
use crate::model::{Absence, Moment, ScrapeFailure, Usage};

/// What is known of a node. It never changes; the next reading makes another.
#[derive(Debug)]
pub struct NodeRecord {
    /// What the node itself uses.
    pub usage: Result<Usage, Absence>,
    /// The pods on it, sorted by namespace and name; none where no kubelet is read.
    pub pods: Arc<[PodUsage]>,
    /// How reading it does.
    pub target: TargetState,
    /// The age from which a value in it is none any more.
    pub stale_after: Duration,
}

/// What a pod's containers use.
#[derive(Debug)]
pub struct PodUsage {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub name: Arc<str>,
    /// Its containers, sorted by name; at least one.
    pub containers: Box<[ContainerUsage]>,
}

/// What a container uses.
#[derive(Debug)]
pub struct ContainerUsage {
    /// Its name.
    pub name: Arc<str>,
    /// What it uses.
    pub usage: Result<Usage, Absence>,
}

impl NodeRecord {
    /// What a pod on this node uses.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&PodUsage> {
        let place = self.pods.binary_search_by(|pod| (&*pod.namespace, &*pod.name).cmp(&(namespace, name)));
        place.ok().map(|place| &self.pods[place])
    }

    /// A node that is this machine, which is not asked over a network.
    pub(super) fn of_machine(before: Option<&Self>, usage: Usage, stale_after: Duration) -> Self {
        let target =
            TargetState::after(before.map(|record| &record.target), usage.at, Duration::ZERO, Ok((0, 0, None)));
        Self { usage: Ok(usage), pods: Arc::default(), target, stale_after }
    }
}

impl PodUsage {
    /// The first container that nothing is known of, and why.
    #[must_use]
    pub fn lacking(&self) -> Option<(&str, Absence)> {
        self.containers.iter().find_map(|container| Some((&*container.name, container.usage.err()?)))
    }

    /// The container that was measured the longest ago.
    #[must_use]
    pub fn oldest(&self) -> Option<&Usage> {
        self.containers.iter().filter_map(|container| container.usage.as_ref().ok()).min_by_key(|usage| usage.at)
    }
}

/// The size of an exposition, how many of its series are of use, and what is odd about it.
pub(super) type Size = (usize, usize, Option<String>);

impl TargetState {
    /// After one more attempt.
    pub(super) fn after(
        before: Option<&Self>,
        at: Moment,
        took: Duration,
        outcome: Result<Size, ScrapeFailure>,
    ) -> Self {
        let (attempts, successes) = before.map_or((0, 0), |before| (before.attempts, before.successes));
        let last_success = before.and_then(|before| before.last_success);
        let state = Self {
            attempts: attempts + 1,
            successes,
            last_attempt: at,
            last_success,
            took,
            bytes: before.map_or(0, |before| before.bytes),
            series: before.map_or(0, |before| before.series),
            failure: None,
            warning: None,
        };
        match outcome {
            Ok((bytes, series, warning)) => {
                Self { successes: successes + 1, last_success: Some(at), bytes, series, warning, ..state }
            }
            Err(failure) => Self { failure: Some(failure), ..state },
        }
    }
}
