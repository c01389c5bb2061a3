//! `/metrics/resource` as kubelets write it.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug)]
pub struct ContainerModel {
    pub name: String,
    pub cpu_seconds: f64,
    pub working_set: u64,
    /// None where the kubelet does not tell.
    pub swap: Option<u64>,
    /// In seconds since 1970.
    pub started: f64,
    /// When it was measured, in milliseconds since 1970.
    pub at: i64,
}

impl ContainerModel {
    /// Started an hour ago, measured now, without swap.
    pub fn new(name: &str, cpu_seconds: f64, working_set: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        let started = now() as f64 / 1000.0 - 3600.0;
        Self { name: name.to_owned(), cpu_seconds, working_set, swap: Some(0), started, at: now() }
    }
}

#[derive(Clone, Debug)]
pub struct PodModel {
    pub namespace: String,
    pub name: String,
    pub containers: Vec<ContainerModel>,
}

impl PodModel {
    pub fn new(namespace: &str, name: &str, containers: Vec<ContainerModel>) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), containers }
    }
}

/// What a node's kubelet knows.
#[derive(Clone, Debug)]
pub struct NodeModel {
    pub cpu_seconds: f64,
    pub working_set: u64,
    pub swap: Option<u64>,
    /// When the node itself was measured, in milliseconds since 1970.
    pub at: i64,
    pub pods: Vec<PodModel>,
    /// Whether something could not be read.
    pub scrape_error: bool,
}

impl NodeModel {
    /// Measured now.
    pub fn new(cpu_seconds: f64, working_set: u64, pods: Vec<PodModel>) -> Self {
        Self { cpu_seconds, working_set, swap: Some(0), at: now(), pods, scrape_error: false }
    }

    pub fn text(&self) -> String {
        let mut page = Page::default();
        let pods = self.pods.iter();
        let each = pods.flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)));
        let mut sorted: Vec<(&PodModel, &ContainerModel)> = each.collect();
        // A family's samples come sorted by their labels.
        sorted.sort_by_key(|(pod, container)| (&container.name, &pod.namespace, &pod.name));
        let containers = || sorted.iter().copied();
        let of = |pod: &PodModel, container: &ContainerModel| {
            format!("{{container={:?},namespace={:?},pod={:?}}}", container.name, pod.namespace, pod.name)
        };
        let pod_labels = |pod: &PodModel| format!("{{namespace={:?},pod={:?}}}", pod.namespace, pod.name);
        let latest = |pod: &PodModel| pod.containers.iter().map(|container| container.at).max();

        let help = "[STABLE] Cumulative cpu time consumed by the container in core-seconds";
        page.family("container_cpu_usage_seconds_total", help, "counter");
        containers().for_each(|(pod, one)| page.sample(&of(pod, one), one.cpu_seconds, Some(one.at)));
        let help = "[STABLE] Current working set of the container in bytes";
        page.family("container_memory_working_set_bytes", help, "gauge");
        containers().for_each(|(pod, one)| page.sample(&of(pod, one), whole(one.working_set), Some(one.at)));
        let help = "[STABLE] Start time of the container since unix epoch in seconds";
        page.family("container_start_time_seconds", help, "gauge");
        containers().for_each(|(pod, one)| page.sample(&of(pod, one), one.started, None));
        let help = "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems";
        page.family("container_swap_limit_bytes", help, "gauge");
        for (pod, one) in containers() {
            one.swap.inspect(|_| page.sample(&of(pod, one), 0.0, Some(one.at)));
        }
        let help = "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems";
        page.family("container_swap_usage_bytes", help, "gauge");
        for (pod, one) in containers() {
            one.swap.inspect(|swap| page.sample(&of(pod, one), whole(*swap), Some(one.at)));
        }
        let help = "[STABLE] Cumulative cpu time consumed by the node in core-seconds";
        page.family("node_cpu_usage_seconds_total", help, "counter");
        page.sample("", self.cpu_seconds, Some(self.at));
        page.family("node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes", "gauge");
        page.sample("", whole(self.working_set), Some(self.at));
        let help = "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems";
        page.family("node_swap_usage_bytes", help, "gauge");
        self.swap.inspect(|swap| page.sample("", whole(*swap), Some(self.at)));
        let help = "[STABLE] Cumulative cpu time consumed by the pod in core-seconds";
        // The pods' own control groups are a little above the sums of their containers'.
        page.family("pod_cpu_usage_seconds_total", help, "counter");
        for pod in &self.pods {
            let sum = pod.containers.iter().map(|container| container.cpu_seconds).sum();
            page.sample(&pod_labels(pod), sum, latest(pod));
        }
        page.family("pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes", "gauge");
        for pod in &self.pods {
            let sum = pod.containers.iter().map(|container| container.working_set).sum();
            page.sample(&pod_labels(pod), whole(sum), latest(pod));
        }
        let help = "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems";
        page.family("pod_swap_usage_bytes", help, "gauge");
        for pod in &self.pods {
            let swaps = pod.containers.iter().map(|container| container.swap);
            let sum: Option<u64> = if pod.containers.is_empty() { None } else { swaps.sum() };
            sum.inspect(|swap| page.sample(&pod_labels(pod), whole(*swap), latest(pod)));
        }
        let help = "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise";
        page.family("resource_scrape_error", help, "gauge");
        page.sample("", f64::from(u8::from(self.scrape_error)), None);
        page.text
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "Go's client keeps gauges as floats, too")]
fn whole(bytes: u64) -> f64 {
    bytes as f64
}

/// Families that turn out empty are left out, as the registry does.
#[derive(Default)]
struct Page {
    text: String,
    name: String,
    head: String,
}

impl Page {
    fn family(&mut self, name: &str, help: &str, kind: &str) {
        name.clone_into(&mut self.name);
        self.head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, labels: &str, value: f64, at: Option<i64>) {
        self.text += &std::mem::take(&mut self.head);
        _ = write!(self.text, "{}{labels} {}", self.name, number(value));
        if let Some(at) = at {
            _ = write!(self.text, " {at}");
        }
        self.text.push('\n');
    }
}

/// As Go's `%g` writes floats in the shortest way.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}
