//! What a pod or a node uses, joined from what exists and what was measured; and why nothing is known of it.

use std::fmt;
use std::time::Duration;

use crate::cluster::{Node, Pod};
use crate::lookup::Instant;
use crate::model::{Absence, LEFT_OUT, Moment, QueryFailure, Usage};
use crate::store::{ContainerUsage, NodeRecord, PodUsage, ResourceUsage, TargetState};

/// Who uses it.
#[derive(Clone, Copy)]
pub(super) enum Uses<'a> {
    /// A node, as a whole.
    Node(Usage),
    /// A pod, as its one container's process says.
    Process(&'a str, Usage),
    /// A pod, as the kubelet says of each of its containers; of all of them it is known.
    Containers(&'a [ContainerUsage]),
}

/// What is used, and when that was.
pub(super) struct Measured<'a> {
    pub(super) uses: Uses<'a>,
    /// That of the oldest sample in it.
    pub(super) at: Moment,
    /// The oldest sample's.
    pub(super) window: Duration,
}

/// Why it is not known what something uses.
pub(super) enum Missing<'a> {
    /// Its own target does not say, or not any more.
    Process(Absence),
    /// The pod runs nowhere yet.
    NoNode,
    /// The kubelet has not been read, or never with success.
    Unread(&'a str, Option<&'a TargetState>),
    /// A label of the node says that its kubelet is not to be read.
    LeftOut(&'a str),
    /// The kubelet says nothing of the node, or of the pod.
    Unknown(&'a str, &'a NodeRecord),
    /// The kubelet does not say enough of a container, or of the node.
    Lacking(Option<&'a str>, Absence),
    /// The last that the kubelet said is too old.
    Stale(&'a str, &'a NodeRecord),
    /// Prometheus has said nothing of anything, or not any more.
    NoAnswer(Option<&'a QueryFailure>),
    /// Prometheus says nothing of it.
    NotAnswered,
}

impl<'a> Measured<'a> {
    pub(super) fn of_pod(pod: &'a Pod, instant: &'a Instant) -> Result<Self, Missing<'a>> {
        if let Some(usage) = &instant.usage {
            return Self::of_answered_pod(pod, usage, instant);
        }
        match &pod.container {
            Some(container) => Self::of_process(pod, container, instant),
            None => Self::of_containers(pod, instant),
        }
    }

    fn of_process(pod: &Pod, container: &'a str, instant: &Instant) -> Result<Self, Missing<'a>> {
        let record = instant.snapshot.record(pod.key);
        let usage = record.map_or(Err(Absence::NeverScraped), |record| record.usage).map_err(Missing::Process)?;
        if instant.now.moment.since(usage.at) > instant.snapshot.config.scrape.stale_after {
            return Err(Missing::Process(Absence::Stale));
        }
        Ok(Self { uses: Uses::Process(container, usage), at: usage.at, window: usage.window })
    }

    fn of_containers(pod: &'a Pod, instant: &'a Instant) -> Result<Self, Missing<'a>> {
        let node = pod.node.as_deref().ok_or(Missing::NoNode)?;
        let record = record(node, instant)?;
        let Some(usage) = record.pod(&pod.namespace, &pod.name) else { return Err(Missing::Unknown(node, record)) };
        if let Some((container, absence)) = usage.lacking() {
            return Err(Missing::Lacking(Some(container), absence));
        }
        let PodUsage { containers, .. } = usage;
        // One that is not there, as it has crashed and waits to be started again, would make a part pass for the whole.
        let unknown =
            pod.containers.iter().find(|name| containers.binary_search_by(|own| (*own.name).cmp(name)).is_err());
        if let Some(name) = unknown {
            return Err(Missing::Lacking(Some(name), Absence::NoSeries));
        }
        let Some(oldest) = usage.oldest() else { return Err(Missing::Unknown(node, record)) };
        if instant.now.moment.since(oldest.at) > record.stale_after {
            return Err(Missing::Stale(node, record));
        }
        Ok(Self { uses: Uses::Containers(containers), at: oldest.at, window: oldest.window })
    }

    fn of_answered_pod(pod: &Pod, usage: &'a ResourceUsage, instant: &Instant) -> Result<Self, Missing<'a>> {
        if !usage.pods.is_fresh(instant.now.moment) {
            return Err(Missing::NoAnswer(usage.pods.failure.as_ref()));
        }
        let of_pod = usage.pod(&pod.namespace, &pod.name).ok_or(Missing::NotAnswered)?;
        if let Some((container, absence)) = of_pod.lacking() {
            return Err(Missing::Lacking(Some(container), absence));
        }
        let oldest = of_pod.oldest().ok_or(Missing::NotAnswered)?;
        Ok(Self { uses: Uses::Containers(&of_pod.containers), at: oldest.at, window: oldest.window })
    }

    fn of_answered_node(name: &str, usage: &'a ResourceUsage, instant: &Instant) -> Result<Self, Missing<'a>> {
        if !usage.nodes.is_fresh(instant.now.moment) {
            return Err(Missing::NoAnswer(usage.nodes.failure.as_ref()));
        }
        let of_node = usage.nodes.value.get(name).copied().ok_or(Missing::NotAnswered)?;
        let of_node = of_node.map_err(|absence| Missing::Lacking(None, absence))?;
        Ok(Self { uses: Uses::Node(of_node), at: of_node.at, window: of_node.window })
    }

    pub(super) fn of_node(node: &'a Node, instant: &'a Instant) -> Result<Self, Missing<'a>> {
        let name = &*node.name;
        if let Some(usage) = &instant.usage {
            return Self::of_answered_node(name, usage, instant);
        }
        let (label, value) = LEFT_OUT;
        if node.labels.get(label) == Some(value) {
            return Err(Missing::LeftOut(name));
        }
        let record = record(name, instant)?;
        let usage = record.usage.map_err(|absence| Missing::Lacking(None, absence))?;
        if instant.now.moment.since(usage.at) > record.stale_after {
            return Err(Missing::Stale(name, record));
        }
        Ok(Self { uses: Uses::Node(usage), at: usage.at, window: usage.window })
    }
}

/// What a node's kubelet said, if it has said anything.
fn record<'a>(node: &'a str, instant: &'a Instant) -> Result<&'a NodeRecord, Missing<'a>> {
    match instant.snapshot.node(node) {
        Some(record) if record.target.successes > 0 => Ok(record),
        record => Err(Missing::Unread(node, record.map(|record| &record.target))),
    }
}

impl<'a> Uses<'a> {
    /// Each container and what it uses, sorted by name; of a node, none.
    pub(super) fn containers(self) -> impl Iterator<Item = (&'a str, Usage)> {
        let (one, all) = match self {
            Self::Node(_) => (None, &[][..]),
            Self::Process(name, usage) => (Some((name, usage)), &[][..]),
            Self::Containers(containers) => (None, containers),
        };
        one.into_iter().chain(all.iter().filter_map(|own| Some((&*own.name, own.usage.ok()?))))
    }

    /// All of it together.
    pub(super) fn total(self) -> Option<Usage> {
        match self {
            Self::Node(usage) => Some(usage),
            pod => pod.containers().map(|(_, usage)| usage).reduce(|one, other| Usage {
                cpu_nanocores: one.cpu_nanocores.saturating_add(other.cpu_nanocores),
                memory_bytes: one.memory_bytes.saturating_add(other.memory_bytes),
                swap_bytes: match (one.swap_bytes, other.swap_bytes) {
                    (Some(one), Some(other)) => Some(one.saturating_add(other)),
                    (one, other) => one.or(other),
                },
                ..one
            }),
        }
    }
}

/// After "it is there, ".
impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(absence) => f.write_str(absence.explain()),
            Self::NoNode => f.write_str("but runs on no node yet"),
            Self::Unread(node, None) => {
                write!(f, "but the kubelet of node {node} is not read, or not yet")
            }
            Self::Unread(node, Some(target)) => {
                write!(f, "but the kubelet of node {node} was never read successfully")?;
                last_failure(f, target)
            }
            Self::LeftOut(node) => {
                write!(f, "but node {node} is left out by its label {}={}", LEFT_OUT.0, LEFT_OUT.1)
            }
            Self::Unknown(node, record) => {
                write!(f, "but the kubelet of node {node} does not know it, or not yet")?;
                last_failure(f, &record.target)
            }
            Self::Lacking(container, absence) => {
                f.write_str("but ")?;
                if let Some(container) = container {
                    write!(f, "its container {container} ")?;
                }
                f.write_str(match absence {
                    Absence::ScrapedOnce => "was not measured twice yet",
                    Absence::NotFinite => "uses more CPU than there can be",
                    _ => "has no CPU time or no memory: it has not begun, or has ended",
                })
            }
            Self::NotAnswered => f.write_str("but is not in what Prometheus answers to the queries of resourceRules"),
            Self::NoAnswer(failure) => match failure {
                Some(failure) => write!(f, "but Prometheus does not answer the queries of resourceRules: {failure}"),
                None => f.write_str("but Prometheus has not answered the queries of resourceRules yet"),
            },
            Self::Stale(node, record) => {
                write!(f, "but what the kubelet of node {node} said last is too old")?;
                last_failure(f, &record.target)
            }
        }
    }
}

fn last_failure(f: &mut fmt::Formatter<'_>, target: &TargetState) -> fmt::Result {
    match &target.failure {
        Some(failure) => write!(f, "; the last reading failed: {}: {}", failure.reason, failure.problem),
        None => Ok(()),
    }
}
