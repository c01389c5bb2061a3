use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Absence, Answer, Moment, Usage};
use crate::rules::ContainersQuery;
use crate::store::{ContainerUsage, NodeUsages, PodUsage};

/// More than there can be, of nanocores as of bytes.
const TOO_MUCH: f64 = 9.0e18;

/// What was made of the answers to some questions.
pub(super) struct Read<T> {
    pub(super) value: T,
    /// When the first of them was sent.
    pub(super) at: Moment,
    /// What the slowest took.
    pub(super) took: Duration,
}

/// What was asked about.
#[derive(Clone, Copy)]
pub(super) enum Quantity {
    /// In cores.
    Cpu,
    /// In bytes.
    Memory,
}

/// What a container or a node uses, as far as it is known.
#[derive(Clone, Copy, Default)]
struct Found {
    cpu: Option<f64>,
    memory: Option<f64>,
}

/// A namespace and a name.
type PodName = (Arc<str>, Arc<str>);

/// By pod, and then by name.
#[derive(Default)]
pub(super) struct Containers(BTreeMap<PodName, BTreeMap<Arc<str>, Found>>);

/// By name.
#[derive(Default)]
pub(super) struct Nodes(HashMap<Arc<str>, Found>);

impl<T> Read<T> {
    /// Made of these answers; of none, it is as of now.
    pub(super) fn of<'a>(
        answers: impl Iterator<Item = &'a Answer> + Clone,
        now: Moment,
        make: impl FnOnce(Moment) -> T,
    ) -> Self {
        let at = answers.clone().map(|answer| answer.at).min().unwrap_or(now);
        let took = answers.map(|answer| answer.took).max().unwrap_or_default();
        Self { value: make(at), at, took }
    }
}

impl Containers {
    /// Takes in an answer, which may be of one namespace alone.
    pub(super) fn absorb(
        &mut self,
        quantity: Quantity,
        namespace: Option<&str>,
        query: &ContainersQuery,
        container_label: &str,
        answer: &Answer,
    ) {
        for sample in &answer.samples {
            let label = |name: &str| sample.labels.get(name).filter(|value| !value.is_empty());
            let (Some(namespace), Some(pod)) =
                (namespace.or_else(|| label(&query.namespace_label)), label(&query.pod_label))
            else {
                continue;
            };
            let container = label(container_label).unwrap_or_default();
            let of_pod = self.0.entry((namespace.into(), pod.into())).or_default();
            // Of several, prometheus-adapter takes the last.
            *of_pod.entry(container.into()).or_default().place(quantity) = Some(sample.value);
        }
    }

    pub(super) fn into_pods(self, at: Moment, window: Duration) -> Arc<[PodUsage]> {
        let pods = self.0.into_iter().map(|((namespace, name), mut containers)| {
            // Where series do not tell containers apart, the pod is served as one without a name, as prometheus-adapter
            // does; beside containers it would be counted twice.
            if containers.len() > 1 {
                containers.remove("");
            }
            let containers = containers.into_iter();
            let containers = containers.map(|(name, found)| ContainerUsage { name, usage: found.usage(at, window) });
            PodUsage { namespace, name, containers: containers.collect() }
        });
        pods.collect()
    }
}

impl Nodes {
    /// Takes in an answer, of which that label names the node.
    pub(super) fn absorb(&mut self, quantity: Quantity, label: &str, answer: &Answer) {
        for sample in &answer.samples {
            if let Some(name) = sample.labels.get(label).filter(|name| !name.is_empty()) {
                // Of several, prometheus-adapter takes the first.
                self.0.entry(name.into()).or_default().place(quantity).get_or_insert(sample.value);
            }
        }
    }

    pub(super) fn into_usage(self, at: Moment, window: Duration) -> Arc<NodeUsages> {
        Arc::new(self.0.into_iter().map(|(name, found)| (name, found.usage(at, window))).collect())
    }
}

impl Found {
    fn place(&mut self, quantity: Quantity) -> &mut Option<f64> {
        match quantity {
            Quantity::Cpu => &mut self.cpu,
            Quantity::Memory => &mut self.memory,
        }
    }

    /// One of the two alone is no usage, nor is one of them that is not a number.
    fn usage(self, at: Moment, window: Duration) -> Result<Usage, Absence> {
        let (cores, bytes) = self.cpu.zip(self.memory).ok_or(Absence::NoSeries)?;
        let whole = |value: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just compared")]
            match value {
                value if value < 0.0 => Err(Absence::Negative),
                value if value < TOO_MUCH => Ok(value.round() as u64),
                _ => Err(Absence::NotFinite),
            }
        };
        let (cpu_nanocores, memory_bytes) = (whole(cores * 1e9)?, whole(bytes)?);
        Ok(Usage { cpu_nanocores, memory_bytes, swap_bytes: None, at, window })
    }
}
