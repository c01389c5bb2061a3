use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::model::quantity::Quantity;
use metrics_adapter::yaml::{Node, Problem, load_all};

use crate::autoscaler::Container;

/// What is scaled, as far as a rehearsal needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The Deployment's name.
    pub name: String,
    /// The pods' labels.
    pub labels: Vec<(String, String)>,
    /// Its containers and what they request.
    pub containers: Arc<[Container]>,
    /// How long a pod goes on serving before it is told to stop.
    pub pre_stop: Duration,
    /// How long it may take to stop, the time before included.
    pub grace: Duration,
}

impl Workload {
    /// The API as it is deployed, for as long as no manifest says otherwise.
    #[must_use]
    pub fn conduit(name: &str) -> Self {
        let request = |name: &str, value: &str| Quantity::parse(value).ok().map(|value| (name.into(), value));
        let requests = [request("cpu", "100m"), request("memory", "128Mi")].into_iter().flatten().collect();
        Self {
            name: name.to_owned(),
            labels: vec![("k8s-app".to_owned(), name.to_owned())],
            containers: [Container { name: name.into(), requests }].into(),
            pre_stop: Duration::from_secs(5),
            grace: Duration::from_secs(45),
        }
    }

    /// What a pod requests of a resource; none if a container names none.
    #[must_use]
    pub fn request(&self, resource: &str) -> Option<Quantity> {
        let mut nanos = 0_i128;
        for container in self.containers.iter() {
            nanos += container.requests.iter().find(|(name, _)| &**name == resource)?.1.nanos();
        }
        Quantity::parse(&format!("{nanos}n")).ok()
    }
}

/// Reads the Deployment of that name out of a manifest; none if there is none. What a rehearsal does not need is not
/// looked at.
pub fn workload(text: &str, name: &str) -> Result<Option<Workload>, Problem> {
    for document in load_all(text)? {
        let is = |path: &[&str], value: &str| {
            descend(&document, path).and_then(|node| node.text("").ok()).is_some_and(|found| found == value)
        };
        if is(&["kind"], "Deployment") && is(&["metadata", "name"], name) {
            return read(&document, name).map(Some);
        }
    }
    Ok(None)
}

fn descend<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, name| node.get(name))
}

fn read(document: &Node, name: &str) -> Result<Workload, Problem> {
    let template = ["spec", "template"];
    let Some(pod) = descend(document, &template).and_then(|template| template.get("spec")) else {
        return Err(Problem::new(document.at(), "spec.template.spec", "is missing"));
    };
    let defaults = Workload::conduit(name);
    let labels = match descend(document, &["spec", "template", "metadata", "labels"]) {
        Some(labels) => labels.pairs("spec.template.metadata.labels")?,
        None => defaults.labels,
    };
    let containers = pod.get("containers").map(Node::items).unwrap_or_default();
    // A restartable init container runs beside the others and counts as they do.
    let sidecars = pod.get("initContainers").map(Node::items).unwrap_or_default().iter().filter(|container| {
        container.get("restartPolicy").and_then(|policy| policy.text("").ok()).is_some_and(|policy| policy == "Always")
    });
    let containers = containers.iter().chain(sidecars).map(container).collect::<Result<Arc<[_]>, _>>()?;
    if containers.is_empty() {
        return Err(Problem::new(pod.at(), "spec.template.spec.containers", "is missing"));
    }
    let seconds = |node: Option<&Node>, path: &str| -> Result<Option<Duration>, Problem> {
        let Some(node) = node else { return Ok(None) };
        let seconds = node.integer(path)?;
        let seconds = u64::try_from(seconds).map_err(|_| Problem::new(node.at(), path, "must not be negative"))?;
        Ok(Some(Duration::from_secs(seconds)))
    };
    let sleep = pod
        .get("containers")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .find_map(|container| descend(container, &["lifecycle", "preStop", "sleep", "seconds"]));
    Ok(Workload {
        name: name.to_owned(),
        labels,
        containers,
        pre_stop: seconds(sleep, "lifecycle.preStop.sleep.seconds")?.unwrap_or_default(),
        // The API server's default.
        grace: seconds(pod.get("terminationGracePeriodSeconds"), "spec.template.spec.terminationGracePeriodSeconds")?
            .unwrap_or(Duration::from_secs(30)),
    })
}

fn container(node: &Node) -> Result<Container, Problem> {
    let path = "spec.template.spec.containers";
    let name = node.get("name").map(|name| name.text(path)).transpose()?.unwrap_or_default();
    let mut requests = Vec::new();
    let read = |key: &str| descend(node, &["resources", key]);
    // A limit without a request is its request.
    for (key, path) in [("requests", "resources.requests"), ("limits", "resources.limits")] {
        let Some(resources) = read(key) else { continue };
        for (name, value) in resources.pairs(path)? {
            let value = Quantity::parse(&value)
                .map_err(|error| Problem::new(resources.at(), format!("{path}.{name}"), error.to_string()))?;
            if !requests.iter().any(|(own, _): &(Arc<str>, Quantity)| **own == *name) {
                requests.push((name.into(), value));
            }
        }
    }
    Ok(Container { name: name.into(), requests })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENT: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\n\
        apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    \
        metadata: {labels: {app: web, tier: front}}\n    spec:\n      terminationGracePeriodSeconds: 20\n      \
        initContainers:\n      - {name: migrate, resources: {requests: {cpu: 2}}}\n      \
        - {name: mesh, restartPolicy: Always, resources: {limits: {cpu: 50m}, requests: {memory: 10Mi}}}\n      \
        containers:\n      - name: web\n        lifecycle: {preStop: {sleep: {seconds: 3}}}\n        \
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 1}}\n";

    #[test]
    fn what_pods_request_and_how_they_stop_is_read() {
        let read = workload(DEPLOYMENT, "web").unwrap().unwrap();
        let request = |resource: &str| read.request(resource).map(Quantity::milli);
        assert_eq!(request("cpu"), Some(150), "what an init container requests is given back; a limit is a request");
        assert_eq!(request("memory"), Some(138 * 1024 * 1024 * 1000));
        assert_eq!(request("nvidia.com/gpu"), None);
        assert_eq!((read.pre_stop, read.grace), (Duration::from_secs(3), Duration::from_secs(20)));
        assert_eq!(read.labels, [("app".to_owned(), "web".to_owned()), ("tier".to_owned(), "front".to_owned())]);
        assert_eq!(workload(DEPLOYMENT, "other").unwrap(), None);
    }

    #[test]
    fn a_request_that_is_no_quantity_is_refused_with_its_line() {
        let wrong = DEPLOYMENT.replace("cpu: 100m", "cpu: much");
        let problem = workload(&wrong, "web").unwrap_err().to_string();
        assert!(problem.starts_with("line 19, column"), "{problem}");
        assert!(problem.contains("resources.requests.cpu: "), "{problem}");
    }
}
