//! The resources that the fake serves.

/// One of them, as discovery would tell.
#[derive(Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) namespaced: bool,
    /// Whether its status is written through a subresource of its own.
    pub(crate) status: bool,
    /// Fields beside `metadata.name` and `metadata.namespace` that a selector may name.
    pub(crate) fields: &'static [&'static str],
    /// What the Go type of an empty object is written as, beside its metadata: bookmarks carry it.
    pub(crate) zero: &'static str,
}

const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];
const TEMPLATE: &str =
    r#""spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}"#;
const SET: &str =
    r#""spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{"replicas":0}"#;
const NODE: &str = r#""spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}"#;
const DAEMON: &str = r#""spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"updateStrategy":{}},"status":{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#;
const HPA: &str = r#""spec":{"scaleTargetRef":{"kind":"","name":""},"maxReplicas":0},"status":{"desiredReplicas":0,"currentMetrics":null}"#;
const API_SERVICE: &str = r#""spec":{"service":null,"groupPriorityMinimum":0,"versionPriority":0},"status":{}"#;
const JOB: &str = r#""spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}"#;

pub(crate) static RESOURCES: &[Resource] = &[
    of("pods", "Pod", "", true, POD_FIELDS, r#""spec":{"containers":null},"status":{}"#),
    of("nodes", "Node", "", false, &["spec.unschedulable"], NODE),
    of("services", "Service", "", true, &["spec.clusterIP", "spec.type"], r#""spec":{},"status":{"loadBalancer":{}}"#),
    of("namespaces", "Namespace", "", false, &["status.phase"], r#""spec":{},"status":{}"#),
    Resource { status: false, ..of("configmaps", "ConfigMap", "", true, &[], "") },
    Resource { status: false, ..of("secrets", "Secret", "", true, &["type"], "") },
    Resource { status: false, ..of("serviceaccounts", "ServiceAccount", "", true, &[], "") },
    Resource {
        status: false,
        ..of(
            "endpointslices",
            "EndpointSlice",
            "discovery.k8s.io",
            true,
            &[],
            r#""addressType":"","endpoints":null,"ports":null"#,
        )
    },
    of("replicasets", "ReplicaSet", "apps", true, &["status.replicas"], SET),
    of("deployments", "Deployment", "apps", true, &[], TEMPLATE),
    of("statefulsets", "StatefulSet", "apps", true, &[], SET),
    of("daemonsets", "DaemonSet", "apps", true, &[], DAEMON),
    Resource {
        version: "v2",
        ..of("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling", true, &[], HPA)
    },
    of("apiservices", "APIService", "apiregistration.k8s.io", false, &[], API_SERVICE),
    of("jobs", "Job", "batch", true, &["status.successful"], JOB),
    of("ingresses", "Ingress", "networking.k8s.io", true, &[], r#""spec":{},"status":{"loadBalancer":{}}"#),
    Resource { status: false, ..of("leases", "Lease", "coordination.k8s.io", true, &[], r#""spec":{}"#) },
];

const fn of(
    name: &'static str,
    kind: &'static str,
    group: &'static str,
    namespaced: bool,
    fields: &'static [&'static str],
    zero: &'static str,
) -> Resource {
    Resource { name, kind, group, version: "v1", namespaced, status: true, fields, zero }
}

/// By its plural, which is unambiguous here. A test that names another is wrong.
pub(crate) fn named(name: &str) -> &'static Resource {
    RESOURCES.iter().find(|resource| resource.name == name).unwrap_or_else(|| panic!("the fake has no {name}"))
}

pub(crate) fn served(group: &str, version: &str, name: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| (resource.group, resource.version, resource.name) == (group, version, name))
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods`, `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        qualified(self.name, self.group)
    }

    /// `Secret`, `APIService.apiregistration.k8s.io`.
    pub(crate) fn qualified_kind(&self) -> String {
        qualified(self.kind, self.group)
    }
}

pub(crate) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
