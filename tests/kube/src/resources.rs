//! The resources that the fake serves.

/// One of them, as discovery would tell.
#[derive(Debug, PartialEq)]
pub struct Resource {
    pub name: &'static str,
    pub kind: &'static str,
    pub group: &'static str,
    pub version: &'static str,
    pub namespaced: bool,
    /// Whether its status is written through a subresource of its own.
    pub status: bool,
    /// Fields beside `metadata.name` and `metadata.namespace` that a selector may name.
    pub fields: &'static [&'static str],
    /// What the Go type of an empty object is written as, beside its metadata: bookmarks carry it.
    pub zero: &'static str,
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
const BUDGET: &str =
    r#""spec":{},"status":{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}"#;
const RBAC: &str = "rbac.authorization.k8s.io";
const BINDING: &str = r#""roleRef":{"apiGroup":"","kind":"","name":""}"#;
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "involvedObject.fieldPath",
    "reason",
    "type",
];
const JOB: &str = r#""spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}"#;

pub static RESOURCES: &[Resource] = &[
    of("pods", "Pod", "", true, POD_FIELDS, r#""spec":{"containers":null},"status":{}"#),
    of("nodes", "Node", "", false, &["spec.unschedulable"], NODE),
    of("services", "Service", "", true, &["spec.clusterIP", "spec.type"], r#""spec":{},"status":{"loadBalancer":{}}"#),
    of("namespaces", "Namespace", "", false, &["status.phase"], r#""spec":{},"status":{}"#),
    Resource { status: false, ..of("configmaps", "ConfigMap", "", true, &[], "") },
    Resource { status: false, ..of("secrets", "Secret", "", true, &["type"], "") },
    Resource { status: false, ..of("serviceaccounts", "ServiceAccount", "", true, &[], "") },
    of("persistentvolumeclaims", "PersistentVolumeClaim", "", true, &[], r#""spec":{},"status":{}"#),
    of("resourcequotas", "ResourceQuota", "", true, &[], r#""spec":{},"status":{}"#),
    Resource { status: false, ..of("limitranges", "LimitRange", "", true, &[], r#""spec":{"limits":null}"#) },
    Resource { status: false, ..of("events", "Event", "", true, EVENT_FIELDS, r#""involvedObject":{},"source":{}"#) },
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
    Resource { status: false, ..of("ingressclasses", "IngressClass", "networking.k8s.io", false, &[], r#""spec":{}"#) },
    Resource {
        status: false,
        ..of("networkpolicies", "NetworkPolicy", "networking.k8s.io", true, &[], r#""spec":{}"#)
    },
    of("poddisruptionbudgets", "PodDisruptionBudget", "policy", true, &[], BUDGET),
    Resource { status: false, ..of("roles", "Role", RBAC, true, &[], r#""rules":null"#) },
    Resource { status: false, ..of("rolebindings", "RoleBinding", RBAC, true, &[], BINDING) },
    Resource { status: false, ..of("clusterroles", "ClusterRole", RBAC, false, &[], r#""rules":null"#) },
    Resource { status: false, ..of("clusterrolebindings", "ClusterRoleBinding", RBAC, false, &[], BINDING) },
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
pub fn named(name: &str) -> &'static Resource {
    RESOURCES.iter().find(|resource| resource.name == name).unwrap_or_else(|| panic!("the fake has no {name}"))
}

pub fn served(group: &str, version: &str, name: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| (resource.group, resource.version, resource.name) == (group, version, name))
}

impl Resource {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods`, `deployments.apps`.
    pub fn qualified(&self) -> String {
        qualified(self.name, self.group)
    }

    /// `Secret`, `APIService.apiregistration.k8s.io`.
    pub fn qualified_kind(&self) -> String {
        qualified(self.kind, self.group)
    }
}

pub fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
