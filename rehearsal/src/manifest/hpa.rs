mod behavior;
mod metric;
mod name;
mod refusal;

use metrics_adapter::yaml::{Fields, Mark, Node, Problem, load_all};

use behavior::behavior;
use metric::metric;
use name::{label, segment, subdomain};
use refusal::{at_least, invalid};

use crate::autoscaler::{Hpa, Metric, ResourceTarget, TargetReference};

const KIND: &str = "HorizontalPodAutoscaler";
/// Kinds with a scale subresource, and their API versions.
const SCALABLE: [(&str, &str); 4] =
    [("Deployment", "apps/v1"), ("StatefulSet", "apps/v1"), ("ReplicaSet", "apps/v1"), ("ReplicationController", "v1")];

/// Kinds without one, which are taken for one of those now and then.
const UNSCALABLE: [&str; 9] =
    ["Service", "Pod", "DaemonSet", "Job", "CronJob", "Ingress", "Namespace", "Node", "HorizontalPodAutoscaler"];

/// Reads the one `HorizontalPodAutoscaler` of a manifest; other objects may stand beside it. What the API server
/// refuses is refused, in its words, and unknown keys are.
pub fn hpa(text: &str) -> Result<Hpa, Problem> {
    let documents = load_all(text)?;
    // As `kubectl get` writes several objects, or one of a list.
    let documents: Vec<&Node> = documents
        .iter()
        .flat_map(|document| match document.get("items") {
            Some(items) => items.items().iter().collect(),
            None => vec![document],
        })
        .collect();
    let is_hpa = |node: &&&Node| node.get("kind").and_then(|kind| kind.text("").ok()).is_some_and(|kind| kind == KIND);
    let mut found = documents.iter().filter(is_hpa);
    let Some(node) = found.next() else {
        let Some(first) = documents.first() else { return Err(Problem::new(start(), "", "the document is empty")) };
        let at = first.get("kind").unwrap_or(first).at();
        return Err(Problem::new(at, "kind", format!("no object here is a {KIND}")));
    };
    if let Some(second) = found.next() {
        return Err(Problem::new(second.at(), "", format!("a second {KIND}; one is followed")));
    }
    object(node)
}

fn start() -> Mark {
    Mark { line: 1, column: 1 }
}

fn object(node: &Node) -> Result<Hpa, Problem> {
    let mut fields = Fields::of(node, "")?;
    fields.required("apiVersion", |node, path| {
        node.parsed(path, |version| match version {
            "autoscaling/v2" => Ok(()),
            _ => Err(format!("no matches for kind \"{KIND}\" in version \"{version}\"; write autoscaling/v2")),
        })
    })?;
    fields.required("kind", |_, _| Ok(()))?;
    let (namespace, name) = fields.required("metadata", metadata)?;
    let hpa = fields.required("spec", |node, path| spec(node, path, namespace, name))?;
    // As `kubectl get -o yaml` writes it.
    fields.optional("status", |_, _| Ok(()))?;
    fields.end()?;
    Ok(hpa)
}

fn metadata(node: &Node, path: &str) -> Result<(String, String), Problem> {
    let mut fields = Fields::of(node, path)?;
    let name = fields.required("name", subdomain)?;
    let namespace = fields.optional("namespace", label)?.unwrap_or_else(|| "default".to_owned());
    for others in [
        "labels",
        "annotations",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "finalizers",
        "generateName",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        fields.optional(others, |_, _| Ok(()))?;
    }
    fields.end()?;
    Ok((namespace, name))
}

fn spec(node: &Node, path: &str, namespace: String, name: String) -> Result<Hpa, Problem> {
    let mut fields = Fields::of(node, path)?;
    let target = fields.required("scaleTargetRef", scale_target)?;
    let min =
        fields.optional("minReplicas", |node, path| at_least(node, path, 1, "must be greater than or equal to 1"))?;
    let max = fields.required("maxReplicas", |node, path| {
        let max = at_least(node, path, 1, "must be greater than 0")?;
        if max < min.unwrap_or(1) {
            return Err(invalid(node, path, max, "must be greater than or equal to `minReplicas`"));
        }
        Ok(max)
    })?;
    let metrics = fields.optional("metrics", |node, path| node.list(path, metric))?.unwrap_or_default();
    let behavior = fields.optional("behavior", behavior)?;
    fields.end()?;
    // What the API server fills in.
    let metrics = if metrics.is_empty() {
        let target = ResourceTarget::Utilization(80);
        vec![Metric::Resource { name: "cpu".to_owned(), container: None, target }]
    } else {
        metrics
    };
    Ok(Hpa { namespace, name, target, min_replicas: min.unwrap_or(1), max_replicas: max, metrics, behavior })
}

fn reference(node: &Node, path: &str) -> Result<TargetReference, Problem> {
    let mut fields = Fields::of(node, path)?;
    let api_version = fields.optional("apiVersion", Node::text)?.unwrap_or_default();
    let kind = fields.required("kind", segment)?;
    let name = fields.required("name", segment)?;
    fields.end()?;
    Ok(TargetReference { api_version, kind, name })
}

fn scale_target(node: &Node, path: &str) -> Result<TargetReference, Problem> {
    let target = reference(node, path)?;
    let TargetReference { kind, api_version, .. } = &target;
    if UNSCALABLE.contains(&kind.as_str()) {
        let problem = format!("a {kind} has no scale that could be changed; a Deployment or a StatefulSet has");
        return Err(Problem::new(node.at(), format!("{path}.kind"), problem));
    }
    match SCALABLE.iter().find(|(own, _)| own == kind) {
        Some((_, version)) if api_version != version => {
            let problem = format!("no matches for kind \"{kind}\" in version \"{api_version}\"; write {version}");
            Err(Problem::new(node.at(), format!("{path}.apiVersion"), problem))
        }
        // What else there is, custom resources among them, the API server knows.
        _ => Ok(target),
    }
}
