//! What Kubernetes would say of a small cluster, in the words of Prometheus' discovery: pods once for each of their ports,
//! nodes once. All of them listen on loopback.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// A pod, as discovery sees it.
pub(crate) struct Pod {
    name: &'static str,
    labels: Map<String, Value>,
    /// What its containers listen on, as they declare it.
    ports: Vec<u16>,
}

impl Pod {
    /// A pod that runs, of this kind, at this address, which says nothing of being scraped.
    pub(crate) fn new(namespace: &str, name: &'static str, kind: &str, address: &str, ports: &[u16]) -> Self {
        let pod = Self { name, labels: Map::new(), ports: ports.to_vec() };
        let pod = pod.meta("namespace", namespace).meta("pod_name", name).meta("pod_ip", address);
        let pod = pod.meta("pod_phase", "Running").meta("pod_node_name", "node-1");
        pod.meta("pod_label_app_kubernetes_io_name", kind).meta("pod_labelpresent_app_kubernetes_io_name", "true")
    }

    /// The pod with this said of it.
    pub(crate) fn meta(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(format!("__meta_kubernetes_{name}"), json!(value));
        self
    }

    /// The pod with this annotation of Prometheus'.
    pub(crate) fn says(self, annotation: &str, value: &str) -> Self {
        self.meta(&format!("pod_annotation_prometheus_io_{annotation}"), value)
    }

    fn groups(&self) -> Vec<Value> {
        let address = self.labels["__meta_kubernetes_pod_ip"].as_str().unwrap();
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let of_port = |port: &u16| {
            let mut labels = self.labels.clone();
            let number = json!(port.to_string());
            labels.insert("__meta_kubernetes_pod_container_port_number".to_owned(), number);
            labels.insert("__meta_kubernetes_pod_container_name".to_owned(), json!(self.name));
            labels.entry("__meta_kubernetes_pod_container_init").or_insert(json!("false"));
            json!({"targets": [format!("{host}:{port}")], "labels": labels})
        };
        self.ports.iter().map(of_port).collect()
    }
}

/// What role `pod` finds. `port` is where something listens.
pub(crate) fn pods(port: u16) -> Vec<Value> {
    let number = port.to_string();
    let new = |namespace, name, kind, ports: &[u16]| Pod::new(namespace, name, kind, "127.0.0.1", ports);
    let scraped = |pod: Pod| pod.says("scrape", "true").says("port", &number).says("path", "/metrics");
    let pods = [
        scraped(new("real-world", "real-world-a", "real-world", &[4000, port])),
        scraped(new("real-world", "traefik-a", "traefik", &[8000, 8080, port])),
        scraped(new("monitoring", "metrics-adapter-a", "metrics-adapter", &[6443, port])),
        // Its own path, and nothing but the port that the annotation names, which its containers do not declare.
        new("real-world", "other-path", "other", &[4000])
            .says("scrape", "true")
            .says("port", &number)
            .says("path", "/stats"),
        new("real-world", "no-path", "other", &[4000]).says("scrape", "true").says("port", &number),
        // Nothing answers these two: what counts is whom Prometheus asks.
        scraped(new("real-world", "other-scheme", "other", &[port])).says("scheme", "https"),
        scraped(Pod::new("real-world", "of-ipv6", "other", "fd00::7", &[port])),
        // Nobody asks these.
        new("real-world", "db-0", "db", &[5432]),
        scraped(new("real-world", "says-no", "other", &[port])).says("scrape", "false"),
        scraped(new("real-world", "has-succeeded", "other", &[port])).meta("pod_phase", "Succeeded"),
        scraped(new("real-world", "has-failed", "other", &[port])).meta("pod_phase", "Failed"),
        scraped(new("real-world", "initial", "other", &[port])).meta("pod_container_init", "true"),
        scraped(new("real-world", "port-by-name", "other", &[port])).says("port", "ops"),
        new("real-world", "without-port", "other", &[port]).says("scrape", "true"),
    ];
    pods.iter().flat_map(Pod::groups).collect()
}

/// What role `node` finds.
pub(crate) fn nodes(port: u16) -> Vec<Value> {
    let node = json!({
        "__meta_kubernetes_node_name": "node-1",
        "__meta_kubernetes_node_label_kubernetes_io_os": "linux",
        "__meta_kubernetes_node_address_InternalIP": "127.0.0.1",
        "instance": "node-1",
    });
    vec![json!({"targets": [format!("127.0.0.1:{port}")], "labels": node})]
}

/// What each of them answers, by path; without the pod `p`, if it is gone.
pub(crate) fn answer(path: &str, gone: bool) -> Option<String> {
    let page = match path {
        "/metrics" => {
            "up_and_well 1\n\
             kube_horizontalpodautoscaler_info{namespace=\"shop\",horizontalpodautoscaler=\"web\"} 1\n"
        }
        "/stats" => "up_and_well 1\n",
        "/metrics/resource" => {
            "container_cpu_usage_seconds_total{container=\"c\",namespace=\"real-world\",pod=\"p\"} 3\n\
             container_cpu_usage_seconds_total{container=\"c\",namespace=\"shop\",pod=\"q\"} 3\n\
             container_memory_working_set_bytes{container=\"c\",namespace=\"monitoring\",pod=\"r\"} 3\n\
             container_start_time_seconds{container=\"c\",namespace=\"real-world\",pod=\"p\"} 3\n\
             node_cpu_usage_seconds_total 9\n"
        }
        "/metrics/cadvisor" => {
            "container_cpu_usage_seconds_total{container=\"c\",namespace=\"real-world\",pod=\"p\"} 3\n\
             container_cpu_cfs_periods_total{container=\"c\",namespace=\"real-world\",pod=\"p\"} 3\n\
             container_cpu_cfs_periods_total{container=\"c\",namespace=\"shop\",pod=\"q\"} 3\n\
             container_cpu_cfs_throttled_periods_total{container=\"c\",namespace=\"real-world\",pod=\"p\"} 3\n\
             container_oom_events_total{container=\"c\",namespace=\"real-world\",pod=\"p\"} 3\n\
             container_network_receive_bytes_total{namespace=\"monitoring\",pod=\"p\",interface=\"eth0\"} 3\n\
             container_network_receive_bytes_total{id=\"/\"} 3\n\
             machine_cpu_cores 2\n"
        }
        _ => return None,
    };
    let lines = page.lines().filter(|line| !gone || !line.contains("pod=\"p\""));
    // Kubelets write when they measured.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let time = if path.starts_with("/metrics/") { format!(" {now}") } else { String::new() };
    Some(lines.map(|line| [line, &time, "\n"].concat()).collect())
}
