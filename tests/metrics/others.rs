//! Names of other programs' that are asked for here. What Traefik and the process have is asked of them in the test `live`;
//! of the kubelets there are recorded pages.

const KUBELET: &str = "metrics-adapter/tests/fixtures/kubelet/metrics-resource.prom";
const CONDUIT: &str = "metrics-adapter/tests/fixtures/conduit/metrics.prom";

/// What names of theirs begin with, in a document, where other words have underscores too.
pub(crate) const PREFIXES: [&str; 8] =
    ["container_", "go_", "kube_", "machine_", "node_", "process_", "prometheus_", "traefik_"];

/// A name, who has it, and a page of theirs that was recorded.
pub(crate) type Other = (&'static str, &'static str, Option<&'static str>);

pub(crate) const OTHERS: [Other; 20] = [
    ("up", "Prometheus, of each target", None),
    ("prometheus_config_last_reload_successful", "Prometheus", None),
    ("process_cpu_seconds_total", "metrics-process, Traefik", Some(CONDUIT)),
    ("process_max_fds", "metrics-process", Some(CONDUIT)),
    ("process_open_fds", "metrics-process", Some(CONDUIT)),
    ("process_resident_memory_bytes", "metrics-process, Traefik", Some(CONDUIT)),
    ("container_cpu_usage_seconds_total", "kubelet", Some(KUBELET)),
    ("container_memory_working_set_bytes", "kubelet", Some(KUBELET)),
    ("container_cpu_cfs_periods_total", "kubelet's cAdvisor, of which only an excerpt was recorded", None),
    ("container_cpu_cfs_throttled_periods_total", "kubelet's cAdvisor, of which only an excerpt was recorded", None),
    ("traefik_config_last_reload_success", "Traefik", None),
    ("traefik_config_reloads_total", "Traefik", None),
    ("traefik_entrypoint_request_duration_seconds_bucket", "Traefik", None),
    ("traefik_entrypoint_requests_bytes_total", "Traefik", None),
    ("traefik_entrypoint_requests_total", "Traefik", None),
    ("traefik_entrypoint_responses_bytes_total", "Traefik", None),
    ("traefik_open_connections", "Traefik", None),
    ("traefik_router_requests_total", "Traefik", None),
    ("traefik_service_request_duration_seconds_bucket", "Traefik", None),
    ("traefik_service_requests_total", "Traefik", None),
];
