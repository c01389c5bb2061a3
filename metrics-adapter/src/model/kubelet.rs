use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Moment, ScrapeFailure, Wall};

/// The label by which a node is left out: with the value `false`, its kubelet is not read.
pub const LEFT_OUT: (&str, &str) = ("metrics-adapter/scrape", "false");

/// What one attempt to read a node's kubelet gave.
#[derive(Debug)]
pub struct KubeletBatch {
    /// The node's name.
    pub node: Arc<str>,
    /// When the answer began to arrive, or when it was given up.
    pub at: Moment,
    /// How long the attempt took, all in all.
    pub took: Duration,
    /// How often the node is read.
    pub resolution: Duration,
    /// What came of it.
    pub outcome: Result<KubeletScrape, ScrapeFailure>,
}

/// What a kubelet says that its node and the containers on it have used.
#[derive(Debug, Default)]
pub struct KubeletScrape {
    /// The node itself.
    pub node: RawUsage,
    /// How large the exposition was.
    pub bytes: usize,
    /// How many of its series are about usage.
    pub series: usize,
    /// What is odd about the exposition without making it useless.
    pub warning: Option<String>,
    /// The names of all containers, one after the other.
    text: String,
    /// Sorted by namespace, pod and container.
    containers: Vec<RawContainer>,
}

/// Which container: namespace, pod and name. They are sorted in this order.
pub type ContainerName<'a> = (&'a str, &'a str, &'a str);

#[derive(Debug)]
struct RawContainer {
    /// Where the three names stand in the text.
    names: [Range<u32>; 3],
    usage: RawUsage,
}

/// What a container or a node has used, as it stood in the exposition: any float can stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawUsage {
    /// CPU time since it was started.
    pub cpu_seconds: Option<f64>,
    /// When that was measured, by the kubelet's clock.
    pub stamp: Option<Wall>,
    /// The memory that cannot be taken back.
    pub memory_bytes: Option<f64>,
    /// Swapped out.
    pub swap_bytes: Option<f64>,
    /// When it was started, in seconds since 1970 by the kubelet's clock.
    pub started: Option<f64>,
}

impl KubeletScrape {
    /// Of a node and of the containers on it, in any order, each once.
    #[must_use]
    pub fn of<'a>(node: RawUsage, containers: impl IntoIterator<Item = (ContainerName<'a>, RawUsage)>) -> Self {
        let mut scrape = Self { node, ..Self::default() };
        for ((namespace, pod, name), usage) in containers {
            let names = [namespace, pod, name].map(|name| {
                let start = scrape.end();
                scrape.text.push_str(name);
                start..scrape.end()
            });
            scrape.containers.push(RawContainer { names, usage });
        }
        let text = &scrape.text;
        scrape.containers.sort_unstable_by(|one, other| one.name(text).cmp(&other.name(text)));
        scrape
    }

    /// All containers, sorted by their names.
    #[must_use]
    pub fn containers(&self) -> impl ExactSizeIterator<Item = (ContainerName<'_>, &RawUsage)> {
        self.containers.iter().map(|container| (container.name(&self.text), &container.usage))
    }

    /// An exposition has a limit far below four gibibytes; what would lie behind that has an empty name.
    fn end(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

impl RawContainer {
    fn name<'a>(&self, text: &'a str) -> ContainerName<'a> {
        let [namespace, pod, name] =
            self.names.each_ref().map(|range| text.get(range.start as usize..range.end as usize).unwrap_or_default());
        (namespace, pod, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_sorted_by_namespace_pod_and_name() {
        let names = [("b", "x", "c"), ("a", "y", "é"), ("a", "y", "c"), ("", "x", "")];
        let scrape = KubeletScrape::of(RawUsage::default(), names.map(|name| (name, RawUsage::default())));
        let sorted: Vec<ContainerName<'_>> = scrape.containers().map(|(name, _)| name).collect();
        assert_eq!(sorted, [("", "x", ""), ("a", "y", "c"), ("a", "y", "é"), ("b", "x", "c")]);
    }
}
