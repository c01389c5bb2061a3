use std::collections::BTreeSet;

use metrics_adapter::model::quantity::Quantity;
use serde_json::Value;

use super::images::{LIBRARY, OWN};
use super::look::{annotation, label, list, name, text};
use super::marks::{ADAPTER, APP, MADE_BY, MAKER, MONITORING, PART_OF, PROGRAM, STACK};
use super::{Failure, Kubectl, KubectlError, sharing};

/// What a cluster has already.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Ground {
    pub(super) nodes: usize,
    /// What pods may use of all nodes, in thousandths of a core.
    pub(super) cpu: i128,
    /// Whether its nodes are containers of kind's.
    pub(super) kind: bool,
    /// Whether it is known that its kubelets sign their own certificates, as kind's and minikube's do.
    pub(super) self_signed: bool,
    /// Of the nodes that take pods.
    pub(super) architectures: Vec<String>,
    /// Which cluster it is, if that may be known.
    pub(super) identity: Option<String>,
    /// What this person may not list.
    pub(super) hidden: Vec<&'static str>,
    /// Whether it was made by this command.
    pub(super) ours: bool,
    /// The namespaces of the stack's names that are there.
    pub(super) there: Vec<&'static str>,
    /// Those of them that belong to somebody else.
    pub(super) foreign: Vec<String>,
    /// Namespaces of the stack's that are ending.
    pub(super) ending: Vec<&'static str>,
    /// Whether something of the stack is there.
    pub(super) begun: bool,
    /// Somebody else's Traefik.
    pub(super) traefik: Option<Traefik>,
    /// Somebody else's `APIServices` of metrics.
    pub(super) metrics: Vec<Value>,
    /// Those of the stack's images that some node does not tell of.
    pub(super) unseen: Vec<&'static str>,
    /// Whether the database has a volume.
    pub(super) volume: bool,
}

/// What serves Ingresses already.
#[derive(Clone, Debug)]
pub(super) struct Traefik {
    /// Its `IngressClass`.
    pub(super) class: String,
    /// Where its pods are, if they can be found.
    pub(super) namespace: Option<String>,
}

/// On minikube's nodes.
const MINIKUBE: &str = "minikube.k8s.io/name";
const CONTROLLER: &str = "traefik.io/ingress-controller";
/// What the HPA asks for CPU and memory.
pub(super) const RESOURCE: &str = "metrics.k8s.io";
pub(super) const CUSTOM: &str = "custom.metrics.k8s.io";
pub(super) const EXTERNAL: &str = "external.metrics.k8s.io";

impl Ground {
    /// For who brings the stack up, and has to see all of it.
    pub(super) async fn seen(kubectl: &Kubectl) -> Result<Self, Failure> {
        let ground = Self::look(kubectl).await?;
        if ground.hidden.is_empty() {
            return Ok(ground);
        }
        let hidden = ground.hidden.join(", ");
        Err(Failure::new(format!("you may not list {hidden} in this cluster, and what is there decides what is applied"))
            .cure("ask whoever runs the cluster for the rights of cluster-admin: the stack has cluster roles and APIServices of its own"))
    }

    /// What this person may not see is taken for absent, and told of as hidden.
    pub(super) async fn look(kubectl: &Kubectl) -> Result<Self, Failure> {
        let nodes = kubectl.if_allowed(&["get", "nodes"]).await.map_err(|error| {
            Failure::from(error).cure(
                "see that `kubectl get nodes` answers: log in, or choose a cluster with CONTEXT=… of `kubectl config get-contexts`",
            )
        })?;
        let mut ground = Self { identity: kubectl.identity().await, ..Self::default() };
        match nodes {
            Some(nodes) => ground.count(list(&nodes, "/items")),
            None => ground.hidden.push("nodes"),
        }
        for namespace in [APP, MONITORING] {
            if let Some(object) = kubectl.object("namespace", "default", namespace).await? {
                ground.there.push(namespace);
                // A manifest that a person has applied over a namespace of somebody else's made it no less theirs.
                let stack = match sharing::is_whole(kubectl, &object).await {
                    Err(error) if error.is_forbidden() => label(&object, PART_OF) == STACK,
                    whole => whole? || namespace == APP && label(&object, PART_OF) == STACK,
                };
                ground.ours |= annotation(&object, MADE_BY) == MAKER;
                ground.begun |= stack;
                if !stack {
                    ground.foreign.push(namespace.to_owned());
                } else if !text(&object, "/metadata/deletionTimestamp").is_empty() {
                    ground.ending.push(namespace);
                }
            }
        }
        match traefik(kubectl).await {
            Err(error) if error.is_forbidden() => ground.hidden.push("ingressclasses"),
            found => ground.traefik = found?,
        }
        let groups = [RESOURCE, CUSTOM, EXTERNAL];
        let foreign = |object: &&Value| groups.contains(&text(object, "/spec/group")) && !is_ours(object);
        match kubectl.if_allowed(&["get", "apiservices.apiregistration.k8s.io"]).await? {
            Some(services) => ground.metrics = list(&services, "/items").iter().filter(foreign).cloned().collect(),
            None => ground.hidden.push("apiservices"),
        }
        ground.volume = kubectl.object("persistentvolumeclaims", APP, "data-db-0").await?.is_some();
        Ok(ground)
    }

    /// `1 node`, `3 nodes`
    pub(super) fn nodes(&self) -> String {
        if self.hidden.contains(&"nodes") {
            return "nodes that you may not list".to_owned();
        }
        format!("{} {}", self.nodes, if self.nodes == 1 { "node" } else { "nodes" })
    }

    fn count(&mut self, nodes: &[Value]) {
        self.nodes = nodes.len();
        self.kind = nodes.iter().any(|node| text(node, "/spec/providerID").starts_with("kind://"));
        self.self_signed = self.kind || nodes.iter().any(|node| !label(node, MINIKUBE).is_empty());
        let nodes: Vec<&Value> = nodes.iter().filter(|node| takes_pods(node)).collect();
        let cpu = |node: &Value| Quantity::parse(text(node, "/status/allocatable/cpu")).map_or(0, Quantity::milli);
        self.cpu = nodes.iter().map(|node| i128::from(cpu(node))).sum();
        let architectures = nodes.iter().map(|node| text(node, "/status/nodeInfo/architecture").to_owned());
        self.architectures = architectures.filter(|own| !own.is_empty()).collect::<BTreeSet<_>>().into_iter().collect();
        // By the name that a pod's image has in full; of another one, the kubelet knows nothing.
        let has = |node: &Value, image: &str| {
            let names = list(node, "/status/images").iter().flat_map(|image| list(image, "/names"));
            names.filter_map(Value::as_str).any(|own| own.strip_prefix(LIBRARY).unwrap_or(own) == image)
        };
        let everywhere = |image: &str| nodes.iter().all(|node| has(node, image));
        self.unseen = OWN.iter().map(|(image, _)| *image).filter(|image| !everywhere(image)).collect();
    }

    /// Too little for all of it at its usual size. What is not known is taken for enough.
    pub(super) fn is_small(&self) -> bool {
        (1..3_000).contains(&self.cpu)
    }

    /// Whether somebody else answers for a group of APIs.
    pub(super) fn serves(&self, group: &str) -> bool {
        self.metrics.iter().any(|object| text(object, "/spec/group") == group)
    }

    pub(super) fn is_foreign(&self, namespace: &str) -> bool {
        self.foreign.iter().any(|own| own == namespace)
    }
}

/// Whether pods that tolerate nothing may come to it.
fn takes_pods(node: &Value) -> bool {
    let keeps_away = |taint: &Value| ["NoSchedule", "NoExecute"].contains(&text(taint, "/effect"));
    node["spec"]["unschedulable"] != true && !list(node, "/spec/taints").iter().any(keeps_away)
}

/// Whether an `APIService` leads to the adapter.
pub(super) fn is_ours(object: &Value) -> bool {
    let service = |field: &str| text(object, &format!("/spec/service/{field}"));
    label(object, PROGRAM) == ADAPTER && (service("namespace"), service("name")) == (MONITORING, ADAPTER)
}

/// Somebody else's, if there is one.
pub(super) async fn traefik(kubectl: &Kubectl) -> Result<Option<Traefik>, KubectlError> {
    let classes = kubectl.json(&["get", "ingressclasses.networking.k8s.io"]).await?;
    let foreign = |class: &&Value| text(class, "/spec/controller") == CONTROLLER && label(class, PART_OF) != STACK;
    let Some(class) = list(&classes, "/items").iter().find(foreign) else { return Ok(None) };
    let selector = format!("{PROGRAM}=traefik,{PART_OF}!={STACK}");
    let pods = kubectl.json(&["get", "pods", "--all-namespaces", "--selector", &selector]).await?;
    let namespace = list(&pods, "/items").first().map(|pod| text(pod, "/metadata/namespace").to_owned());
    Ok(Some(Traefik { class: name(class).to_owned(), namespace }))
}
