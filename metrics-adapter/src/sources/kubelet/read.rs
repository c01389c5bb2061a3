//! A kubelet's `/metrics/resource`: one family a kind of use, one series a container in each, joined by the
//! containers' names. Sources: Kubernetes' `pkg/kubelet/metrics/collectors/resource_metrics.go`, and a recording.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::exposition::{Dialect, Entry, LabelText, Parser, Sample};
use crate::model::{FailureReason, KubeletScrape, RawUsage, ScrapeFailure, Wall};

/// The most series about usage; a kubelet of 500 pods of three containers has 6,000.
const SERIES_LIMIT: usize = 100_000;

/// What a family says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    ContainerCpu,
    ContainerMemory,
    ContainerSwap,
    ContainerStart,
    NodeCpu,
    NodeMemory,
    NodeSwap,
    Error,
}

impl Family {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "container_cpu_usage_seconds_total" => Self::ContainerCpu,
            "container_memory_working_set_bytes" => Self::ContainerMemory,
            "container_swap_usage_bytes" => Self::ContainerSwap,
            "container_start_time_seconds" => Self::ContainerStart,
            "node_cpu_usage_seconds_total" => Self::NodeCpu,
            "node_memory_working_set_bytes" => Self::NodeMemory,
            "node_swap_usage_bytes" => Self::NodeSwap,
            // The name until Kubernetes 1.29, and since.
            "scrape_error" | "resource_scrape_error" => Self::Error,
            _ => return None,
        })
    }

    fn is_of_node(self) -> bool {
        matches!(self, Self::NodeCpu | Self::NodeMemory | Self::NodeSwap)
    }

    /// Takes in a sample. Whether there was one already.
    fn put(self, usage: &mut RawUsage, sample: &Sample<'_>) -> bool {
        let value = match self {
            Self::ContainerCpu | Self::NodeCpu => {
                usage.stamp = sample.timestamp.map(Wall::from_millis);
                &mut usage.cpu_seconds
            }
            Self::ContainerMemory | Self::NodeMemory => &mut usage.memory_bytes,
            Self::ContainerSwap | Self::NodeSwap => &mut usage.swap_bytes,
            Self::ContainerStart => &mut usage.started,
            Self::Error => return false,
        };
        value.replace(sample.value).is_some()
    }
}

/// Reads an exposition; an error says in which line.
pub(super) fn read(body: &[u8], dialect: Dialect) -> Result<KubeletScrape, ScrapeFailure> {
    let mut reading = Reading::default();
    for entry in Parser::new(body, dialect, |name| Family::of(name).is_some()) {
        let entry =
            entry.map_err(|error| ScrapeFailure { reason: FailureReason::Malformed, problem: error.to_string() })?;
        let Entry::Sample(sample) = entry else { continue };
        let Some(family) = Family::of(sample.name) else { continue };
        reading.sample(family, &sample);
        if reading.series > SERIES_LIMIT {
            let problem = format!("more than {SERIES_LIMIT} series about usage; no kubelet has so many");
            return Err(ScrapeFailure { reason: FailureReason::TooManySeries, problem });
        }
    }
    Ok(reading.scrape(body.len()))
}

/// An exposition that is being read. It borrows all names from the body.
#[derive(Default)]
struct Reading<'a> {
    node: RawUsage,
    containers: Vec<Container<'a>>,
    places: HashMap<Name<'a>, usize>,
    /// The container that the next sample is most likely of: each family has them in the same order.
    next: usize,
    series: usize,
    duplicates: usize,
    nameless: usize,
    error: Option<f64>,
}

struct Container<'a> {
    /// As the labels were written.
    labels: LabelText<'a>,
    usage: RawUsage,
}

/// Namespace, pod and container.
type Name<'a> = [Cow<'a, str>; 3];

impl<'a> Reading<'a> {
    fn sample(&mut self, family: Family, sample: &Sample<'a>) {
        if family == Family::Error {
            self.error = Some(sample.value).filter(|value| *value != 0.0).or(self.error);
            return;
        }
        self.series += 1;
        let usage = if family.is_of_node() {
            &mut self.node
        } else {
            let Some(place) = self.place_of(sample.labels) else {
                self.nameless += 1;
                return;
            };
            self.next = if place + 1 < self.containers.len() { place + 1 } else { 0 };
            &mut self.containers[place].usage
        };
        self.duplicates += usize::from(family.put(usage, sample));
    }

    fn place_of(&mut self, labels: LabelText<'a>) -> Option<usize> {
        if self.containers.get(self.next).is_some_and(|container| container.labels == labels) {
            return Some(self.next);
        }
        let mut name = Name::default();
        for (label, value) in labels {
            match label {
                "namespace" => name[0] = value,
                "pod" => name[1] = value,
                "container" => name[2] = value,
                _ => {}
            }
        }
        if name.iter().any(|part| part.is_empty()) {
            return None;
        }
        let containers = &mut self.containers;
        Some(*self.places.entry(name).or_insert_with(|| {
            containers.push(Container { labels, usage: RawUsage::default() });
            containers.len() - 1
        }))
    }

    fn scrape(&self, bytes: usize) -> KubeletScrape {
        let named = self
            .places
            .iter()
            .map(|([namespace, pod, name], place)| ((&**namespace, &**pod, &**name), self.containers[*place].usage));
        let mut scrape = KubeletScrape::of(self.node, named);
        (scrape.bytes, scrape.series, scrape.warning) = (bytes, self.series, self.warning());
        scrape
    }

    fn warning(&self) -> Option<String> {
        let mut warnings = Vec::new();
        if let Some(error) = self.error {
            warnings.push(format!("it could not measure everything: resource_scrape_error is {error}"));
        }
        if self.series == 0 {
            warnings.push("it holds no use of CPU and memory: is this a kubelet's /metrics/resource?".to_owned());
        }
        match self.duplicates {
            0 => {}
            1 => warnings.push("1 series stands twice in it; the last counts".to_owned()),
            more => warnings.push(format!("{more} series stand twice in it; the last of each counts")),
        }
        if self.nameless > 0 {
            warnings.push(format!("{} series name no namespace, pod or container", self.nameless));
        }
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContainerName;

    const CPU: &str = "container_cpu_usage_seconds_total";
    const MEMORY: &str = "container_memory_working_set_bytes";
    const WEB: &str = r#"{container="c",namespace="shop",pod="web-1"}"#;

    fn read_text(text: &str) -> Result<KubeletScrape, ScrapeFailure> {
        read(text.as_bytes(), Dialect::Prometheus)
    }

    fn usage_of(scrape: &KubeletScrape, name: ContainerName<'_>) -> RawUsage {
        *scrape.containers().find(|(own, _)| *own == name).unwrap().1
    }

    #[test]
    fn a_real_kubelets_answer_is_read() {
        let body = include_bytes!("../../../tests/fixtures/kubelet/metrics-resource.prom");
        let scrape = read(body, Dialect::Prometheus).unwrap();
        let names: Vec<ContainerName<'_>> = scrape.containers().map(|(name, _)| name).collect();
        let pods = ["real-world-55b95c7b65-7qt4j", "real-world-55b95c7b65-8cv5g", "real-world-55b95c7b65-smv9n"];
        let all = pods.iter().flat_map(|pod| ["real-world", "sidecar"].map(|name| ("real-world", *pod, name)));
        assert_eq!(names, all.collect::<Vec<_>>());
        let expected = RawUsage {
            cpu_seconds: Some(22.636_849_525),
            stamp: Some(Wall::from_millis(1_795_348_114_287)),
            memory_bytes: Some(1_769_472.0),
            swap_bytes: Some(0.0),
            started: Some(1_795_347_957.344_725_8),
        };
        assert_eq!(usage_of(&scrape, ("real-world", pods[1], "real-world")), expected);
        let node = RawUsage {
            cpu_seconds: Some(4_540.528_197_579),
            stamp: Some(Wall::from_millis(1_795_348_108_165)),
            memory_bytes: Some(635_756_544.0),
            swap_bytes: Some(0.0),
            started: None,
        };
        assert_eq!(scrape.node, node);
        assert_eq!((scrape.bytes, scrape.series, scrape.warning), (body.len(), 27, None));
    }

    #[test]
    fn families_are_joined_whatever_the_order_and_the_writing_of_their_labels() {
        let scrape = read_text(
            "container_memory_working_set_bytes{pod=\"b\",namespace=\"n\",container=\"x\\\"y\"} 2\n\
             container_memory_working_set_bytes{pod=\"a\",namespace=\"n\",container=\"x\"} 1\n\
             container_cpu_usage_seconds_total{container=\"x\", namespace=\"n\", pod=\"a\"} 10 1000\n\
             container_cpu_usage_seconds_total{container=\"x\\\"y\",namespace=\"n\",pod=\"b\",more=\"\"} 20 2000\n\
             container_cpu_usage_seconds_total{container=\"only\",namespace=\"n\",pod=\"b\"} 30\n",
        )
        .unwrap();
        let usage = |name| {
            let RawUsage { cpu_seconds, stamp, memory_bytes, .. } = usage_of(&scrape, name);
            (cpu_seconds, stamp.map(Wall::millis), memory_bytes)
        };
        assert_eq!(usage(("n", "a", "x")), (Some(10.0), Some(1000), Some(1.0)));
        assert_eq!(usage(("n", "b", "x\"y")), (Some(20.0), Some(2000), Some(2.0)));
        assert_eq!(usage(("n", "b", "only")), (Some(30.0), None, None));
        assert_eq!(scrape.containers().len(), 3);
        assert_eq!(scrape.warning, None);
    }

    #[test]
    fn what_is_odd_is_told_and_the_rest_is_read() {
        let table = [
            (format!("{CPU}{WEB} 1\n{MEMORY}{WEB} 2\n"), None),
            (format!("{CPU}{WEB} 1\n{CPU}{WEB} 5\n"), Some("1 series stands twice in it; the last counts")),
            (
                format!("{CPU}{WEB} 5\n{MEMORY}{WEB} 2\n{MEMORY}{WEB} 2\n{MEMORY}{WEB} 2\n"),
                Some("2 series stand twice in it; the last of each counts"),
            ),
            (
                format!("{CPU}{WEB} 1\n{CPU} 1\n{CPU}{{container=\"\",namespace=\"a\",pod=\"b\"}} 1\n"),
                Some("2 series name no namespace, pod or container"),
            ),
            (
                format!("scrape_error 0\nresource_scrape_error 1\n{CPU}{WEB} NaN -5\n"),
                Some("it could not measure everything: resource_scrape_error is 1"),
            ),
            ("up 1\n".to_owned(), Some("it holds no use of CPU and memory: is this a kubelet's /metrics/resource?")),
            (
                "scrape_error 1\n".to_owned(),
                Some(
                    "it could not measure everything: resource_scrape_error is 1; \
                     it holds no use of CPU and memory: is this a kubelet's /metrics/resource?",
                ),
            ),
        ];
        for (text, warning) in table {
            assert_eq!(read_text(&text).unwrap().warning.as_deref(), warning, "{text}");
        }
        let last = read_text(&format!("{CPU}{WEB} 1\n{CPU}{WEB} 5 7\n")).unwrap();
        assert_eq!(usage_of(&last, ("shop", "web-1", "c")).cpu_seconds, Some(5.0));
    }

    #[test]
    fn what_is_no_exposition_is_refused_with_its_line() {
        let refused = |text: &str| read_text(text).unwrap_err();
        assert_eq!(refused("<html>\n").reason, FailureReason::Malformed);
        assert_eq!(refused(&format!("{CPU}{WEB} 1\n{CPU}{{ 1\n")).problem.split(':').next(), Some("line 2"));
        let many = format!("{CPU}{WEB} 1\n").repeat(SERIES_LIMIT + 1);
        assert_eq!(refused(&many).reason, FailureReason::TooManySeries);
    }
}
