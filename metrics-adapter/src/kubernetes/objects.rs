//! Objects, trimmed to what is used: what is not named here is skipped while it is read, and so costs no memory. A
//! pod's `managedFields` alone are often half of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use serde::{Deserialize, Deserializer, Serialize};

/// An object that is watched.
pub trait Object: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static {}

/// What is kept of an object's metadata.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    deletion_timestamp: Option<Time>,
}

fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let Meta { name, namespace, uid, resource_version, labels, annotations, owner_references, deletion_timestamp } =
        Meta::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        labels,
        annotations,
        owner_references,
        deletion_timestamp,
        ..ObjectMeta::default()
    })
}

macro_rules! objects {
    ($(
        $(#[$doc:meta])+
        $name:ident $kind:literal $group:literal $version:literal $plural:literal $scope:ident $metadata_only:literal
        { $($(#[$field_doc:meta])+ $field:ident: $type:ty,)* }
    )+) => {$(
        $(#[$doc])+
        #[derive(Clone, Debug, Deserialize, Serialize, Default)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Its metadata.
            #[serde(deserialize_with = "trimmed")]
            pub metadata: ObjectMeta,
            $($(#[$field_doc])+ #[serde(default)] pub $field: $type,)*
        }

        impl kube::Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> { $kind.into() }
            fn group((): &()) -> Cow<'_, str> { $group.into() }
            fn version((): &()) -> Cow<'_, str> { $version.into() }
            fn plural((): &()) -> Cow<'_, str> { $plural.into() }
            fn metadata_api() -> bool { $metadata_only }
            fn meta(&self) -> &ObjectMeta { &self.metadata }
            fn meta_mut(&mut self) -> &mut ObjectMeta { &mut self.metadata }
        }

        impl Object for $name {}
    )+};
}

objects! {
    /// A pod.
    Pod "Pod" "" "v1" "pods" NamespaceResourceScope false {
        /// What was asked for.
        spec: pod::Spec,
        /// What became of it.
        status: pod::Status,
    }
    /// A machine.
    Node "Node" "" "v1" "nodes" ClusterResourceScope false {
        /// How it can be reached.
        status: NodeStatus,
    }
    /// A Service; its pods are in its endpoint slices.
    Service "Service" "" "v1" "services" NamespaceResourceScope true {}
    /// A part of a Service's endpoints.
    EndpointSlice "EndpointSlice" "discovery.k8s.io" "v1" "endpointslices" NamespaceResourceScope false {
        /// What answers.
        endpoints: Option<Vec<Endpoint>>,
    }
    /// Pods of one template.
    ReplicaSet "ReplicaSet" "apps" "v1" "replicasets" NamespaceResourceScope true {}
    /// What makes replica sets.
    Deployment "Deployment" "apps" "v1" "deployments" NamespaceResourceScope true {}
    /// Pods with names that stay.
    StatefulSet "StatefulSet" "apps" "v1" "statefulsets" NamespaceResourceScope true {}
    /// What scales by metrics.
    HorizontalPodAutoscaler "HorizontalPodAutoscaler" "autoscaling" "v2" "horizontalpodautoscalers" NamespaceResourceScope false {
        /// What was asked for.
        spec: hpa::Spec,
        /// What the controller did last.
        status: hpa::Status,
    }
    /// Settings.
    ConfigMap "ConfigMap" "" "v1" "configmaps" NamespaceResourceScope false {
        /// By name.
        data: Option<BTreeMap<String, String>>,
    }
    /// Keys and certificates.
    Secret "Secret" "" "v1" "secrets" NamespaceResourceScope false {
        /// What it is of.
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        type_: Option<String>,
        /// By name.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<BTreeMap<String, ByteString>>,
    }
    /// Who serves a version of an API.
    ApiService "APIService" "apiregistration.k8s.io" "v1" "apiservices" ClusterResourceScope false {
        /// Who, and how it is known.
        spec: ApiServiceSpec,
        /// What the aggregator finds.
        status: ApiServiceStatus,
    }
}

/// What is read of pods.
pub mod pod {
    use serde::{Deserialize, Serialize};

    /// What was asked for.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Spec {
        /// Where it runs.
        pub node_name: Option<String>,
        /// Its containers.
        pub containers: Vec<Container>,
        /// Its init containers; those that are restarted always are sidecars.
        pub init_containers: Option<Vec<Container>>,
        /// `Always`, unless something else is said.
        pub restart_policy: Option<String>,
    }

    /// A container.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Container {
        /// Its name.
        pub name: String,
        /// What it says that it listens on.
        pub ports: Option<Vec<Port>>,
        /// `Always` makes an init container a sidecar.
        pub restart_policy: Option<String>,
    }

    /// A port.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Port {
        /// Its name.
        pub name: Option<String>,
        /// Its number.
        pub container_port: i32,
        /// TCP, unless something else is said.
        pub protocol: Option<String>,
    }

    /// What became of it.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Status {
        /// Pending, Running, Succeeded, Failed or Unknown.
        pub phase: Option<String>,
        /// Its address.
        #[serde(rename = "podIP")]
        pub pod_ip: Option<String>,
        /// How far it is.
        pub conditions: Option<Vec<Condition>>,
    }

    /// One of the things that are so, or are not.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(default)]
    pub struct Condition {
        /// `Ready`, for one.
        #[serde(rename = "type")]
        pub type_: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
    }
}

/// What is read of a node.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// Its addresses, by type.
    pub addresses: Option<Vec<NodeAddress>>,
    /// Where its daemons listen.
    pub daemon_endpoints: Option<DaemonEndpoints>,
}

/// An address of a node.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct NodeAddress {
    /// `InternalIP`, `ExternalIP`, `Hostname`, `InternalDNS` or `ExternalDNS`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The address.
    pub address: String,
}

/// Where a node's daemons listen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonEndpoints {
    /// The kubelet.
    pub kubelet_endpoint: Option<DaemonEndpoint>,
}

/// Where a daemon listens.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DaemonEndpoint {
    /// Its port.
    pub port: i32,
}

/// What answers for a Service.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Which object it is.
    pub target_ref: Option<TargetRef>,
}

/// An object that something refers to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct TargetRef {
    /// Its kind.
    pub kind: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// What an `APIService` asks for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiServiceSpec {
    /// Who serves it; nobody, for what the API server serves itself.
    pub service: Option<ServiceReference>,
    /// By whose certificate it is known.
    pub ca_bundle: Option<ByteString>,
    /// Whether its certificate is not looked at.
    #[serde(rename = "insecureSkipTLSVerify")]
    pub insecure_skip_tls_verify: Option<bool>,
}

/// A Service by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ServiceReference {
    /// Where it is.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// 443, unless something else is said.
    pub port: Option<i32>,
}

/// What the aggregator finds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ApiServiceStatus {
    /// `Available`.
    pub conditions: Option<Vec<hpa::Condition>>,
}

/// What is read of a `HorizontalPodAutoscaler`.
pub mod hpa {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    /// What was asked for.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Spec {
        /// What it scales.
        pub scale_target_ref: Reference,
        /// At least; 1 unless something else is said.
        pub min_replicas: Option<i32>,
        /// At most.
        pub max_replicas: i32,
        /// By what.
        pub metrics: Option<Vec<Metric>>,
    }

    /// An object.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Reference {
        /// Of which version.
        pub api_version: Option<String>,
        /// Of which kind.
        pub kind: String,
        /// Its name.
        pub name: String,
    }

    /// A metric and its threshold, or its value: one of the five is there.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Metric {
        /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
        #[serde(rename = "type")]
        pub type_: String,
        /// CPU or memory of pods.
        pub resource: Option<Source>,
        /// CPU or memory of one container of pods.
        pub container_resource: Option<Source>,
        /// A metric of pods.
        pub pods: Option<Source>,
        /// A metric of one object.
        pub object: Option<Source>,
        /// A metric of nothing in the cluster.
        pub external: Option<Source>,
    }

    /// Where a metric comes from, and how much of it is wanted or there.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Source {
        /// Of a resource metric.
        pub name: Option<String>,
        /// Of one container.
        pub container: Option<String>,
        /// Of any other metric.
        pub metric: Option<Identifier>,
        /// Of an object metric.
        pub described_object: Option<Reference>,
        /// In a spec.
        pub target: Option<Value>,
        /// In a status.
        pub current: Option<Value>,
    }

    /// A metric's name and selector.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(default)]
    pub struct Identifier {
        /// Its name.
        pub name: String,
        /// Which of its series.
        pub selector: Option<LabelSelector>,
    }

    /// Which series.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct LabelSelector {
        /// By exact values.
        pub match_labels: Option<BTreeMap<String, String>>,
    }

    /// How much.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Value {
        /// In a spec: `Utilization`, `Value` or `AverageValue`.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// All in all, a quantity.
        pub value: Option<String>,
        /// A pod, a quantity.
        pub average_value: Option<String>,
        /// Percent of what pods request.
        pub average_utilization: Option<i32>,
    }

    /// What the controller did last.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Status {
        /// How many pods there are.
        pub current_replicas: Option<i32>,
        /// How many are wanted.
        pub desired_replicas: i32,
        /// What it saw.
        pub current_metrics: Option<Vec<Metric>>,
        /// How it does.
        pub conditions: Option<Vec<Condition>>,
    }

    /// A condition.
    #[derive(Clone, Debug, Default, Deserialize, Serialize)]
    #[serde(default)]
    pub struct Condition {
        /// Which, as `AbleToScale`.
        #[serde(rename = "type")]
        pub type_: String,
        /// True, False or Unknown.
        pub status: String,
        /// Why, in one word.
        pub reason: Option<String>,
        /// Why, for a person.
        pub message: Option<String>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_is_skipped() {
        let text = r#"{"kind":"Pod","metadata":{"name":"a","managedFields":[{"manager":"kubectl"}],"labels":{"x":"y"}},
            "spec":{"nodeName":"n","containers":[{"name":"c","image":"i","ports":[{"containerPort":80}]}]},
            "status":{"podIP":"10.0.0.1","phase":"Running","conditions":[]}}"#;
        let pod: Pod = serde_json::from_str(text).unwrap();
        assert_eq!((pod.metadata.name.as_deref(), pod.metadata.managed_fields.is_none()), (Some("a"), true));
        assert_eq!((pod.status.pod_ip.as_deref(), pod.spec.node_name.as_deref()), (Some("10.0.0.1"), Some("n")));
    }
}
