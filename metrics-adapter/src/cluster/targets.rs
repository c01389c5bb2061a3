use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::view::{Builder, Containers, Groups, Node as Machine, Pod, View};
use crate::model::{Labels, Resource, Selector, Wall};
use crate::yaml::{self, Fields, Node, Problem};

/// How a targets file is read: what exists where there is no cluster.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The name of this machine, which pods run on unless the file says otherwise.
    pub machine: Arc<str>,
}

/// The owners that a pod can name.
const OWNERS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"];

impl Targets {
    /// Reads a targets file; the error is one line that says where and what.
    pub fn parse(&self, text: &str) -> Result<View, String> {
        // A list that is cut off between two entries is a well-formed list, of fewer pods.
        if !text.ends_with('\n') {
            return Err("does not end with a line's end: is it still being written?".to_owned());
        }
        self.view(text).map_err(|problem| problem.to_string())
    }

    fn view(&self, text: &str) -> Result<View, Problem> {
        let root = yaml::load(text)?;
        let mut fields = Fields::of(&root, "")?;
        let mut builder = Builder::default();
        let mut seen: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
        fields.required("pods", |node, path| {
            node.list(path, |node, path| {
                let (pod, groups) = self.pod(node, path)?;
                let place = (Arc::clone(&pod.namespace), Arc::clone(&pod.name));
                if let Some(line) = seen.insert(place, node.at().line) {
                    let problem = format!("pod {}/{} is in line {line} already", pod.namespace, pod.name);
                    return Err(Problem::new(node.at(), path, problem));
                }
                builder.pod(Arc::new(pod), groups);
                Ok(())
            })
        })?;
        fields.optional("objects", |node, path| node.list(path, |node, path| object(node, path, &mut builder)))?;
        fields.end()?;
        let hostname = Labels::from_iter([("kubernetes.io/hostname", &*self.machine), ("kubernetes.io/os", "linux")]);
        builder.node(Machine {
            name: Arc::clone(&self.machine),
            labels: hostname,
            addresses: Vec::new(),
            kubelet_port: None,
        });
        Ok(builder.build())
    }

    fn pod(&self, node: &Node, path: &str) -> Result<(Pod, Groups), Problem> {
        let mut fields = Fields::of(node, path)?;
        let name = fields.required("name", object_name)?;
        let namespace = fields.required("namespace", namespace)?;
        let url = fields.required("url", url)?;
        let labels = fields.optional("labels", labels)?.unwrap_or_default();
        let container = fields.optional("container", object_name)?.unwrap_or_else(|| "main".into());
        let started = fields.optional("started", |node, path| node.parsed(path, Wall::parse))?;
        let mut groups = Vec::new();
        if let Some(owner) = fields.optional("owner", owner)? {
            groups.push(owner);
        }
        for (field, kind) in [("services", "Service"), ("ingresses", "Ingress")] {
            let names = fields.optional(field, |node, path| node.list(path, object_name))?.unwrap_or_default();
            groups.extend(
                Resource::of_kind(kind).into_iter().flat_map(|resource| {
                    names.iter().map(move |name| (resource, Arc::clone(name))).collect::<Vec<_>>()
                }),
            );
        }
        fields.end()?;
        groups.extend(Resource::of_kind("Node").map(|resource| (resource, Arc::clone(&self.machine))));
        // What is started again under the same name is another pod: its counters begin at zero.
        let mut hasher = DefaultHasher::new();
        (&namespace, &name, url.to_string(), started.map(Wall::millis)).hash(&mut hasher);
        let pod = Pod {
            key: hasher.finish(),
            namespace,
            name,
            labels,
            container: Some(container),
            containers: Containers::default(),
            ready: true,
            node: Some(Arc::clone(&self.machine)),
            target: Some(url),
            problem: None,
        };
        Ok((pod, groups))
    }
}

fn object(node: &Node, path: &str, builder: &mut Builder) -> Result<(), Problem> {
    let mut fields = Fields::of(node, path)?;
    let resource = fields.required("resource", |node, path| {
        node.parsed(path, |text| {
            Resource::named(text)
                .filter(|resource| !resource.is_pods())
                .ok_or_else(|| format!("`{text}` is no resource that groups pods, as services or deployments.apps"))
        })
    })?;
    let name = fields.required("name", object_name)?;
    let place = fields.optional("namespace", namespace)?;
    let labels = fields.optional("labels", labels)?.unwrap_or_default();
    let at = fields.at();
    fields.end()?;
    match (resource.namespaced, place) {
        (true, None) => Err(Problem::new(at, path, "`namespace` is missing")),
        (false, Some(_)) => Err(Problem::new(at, path, format!("{resource} are in no namespace"))),
        (_, place) => {
            builder.object(resource, &place.unwrap_or_else(|| "".into()), &name, labels);
            Ok(())
        }
    }
}

/// `Kind/name`.
fn owner(node: &Node, path: &str) -> Result<(&'static Resource, Arc<str>), Problem> {
    node.parsed(path, |text| {
        let (kind, name) = text.split_once('/').ok_or_else(|| format!("`{text}` is not of the form Deployment/web"))?;
        let resource = Resource::of_kind(kind)
            .filter(|_| OWNERS.contains(&kind))
            .ok_or_else(|| format!("`{kind}` is none of {}", OWNERS.join(", ")))?;
        check_name(name).map(|name| (resource, name))
    })
}

fn object_name(node: &Node, path: &str) -> Result<Arc<str>, Problem> {
    node.parsed(path, check_name)
}

fn namespace(node: &Node, path: &str) -> Result<Arc<str>, Problem> {
    node.parsed(path, |text| match check_name(text) {
        Ok(name) if !name.contains('.') && name.len() <= 63 => Ok(name),
        _ => Err(format!("`{text}` is not a namespace's name: at most 63 lower-case letters, digits and `-`")),
    })
}

fn check_name(text: &str) -> Result<Arc<str>, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()].iter().all(|end| end.is_some_and(inner));
    if ends && text.len() <= 253 && text.bytes().all(|byte| inner(byte) || matches!(byte, b'-' | b'.')) {
        Ok(text.into())
    } else {
        Err(format!("`{text}` is not an object's name: lower-case letters, digits, `-` and `.`"))
    }
}

fn url(node: &Node, path: &str) -> Result<hyper::Uri, Problem> {
    node.parsed(path, |text| {
        let uri: hyper::Uri = text.parse().map_err(|error| format!("`{text}` is not a URL: {error}"))?;
        let scheme = uri.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                Err("a URL with a password is refused: it would be shown".to_owned())
            }
            Some(_) if scheme => Ok(uri),
            _ => Err(format!("`{text}` is not of the form http://127.0.0.1:9000/metrics")),
        }
    })
}

fn labels(node: &Node, path: &str) -> Result<Labels, Problem> {
    let pairs = node.pairs(path)?;
    for (name, value) in &pairs {
        // What could not be selected is no label.
        if let Err(error) = Selector::check_label(name, value) {
            return Err(Problem::new(node.at(), format!("{path}.{name}"), error.to_string()));
        }
    }
    Ok(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<View, String> {
        Targets { machine: "laptop".into() }.parse(text)
    }

    const TWO: &str = "pods:\n\
        - {name: web-1, namespace: shop, url: 'http://127.0.0.1:1/metrics', labels: {app: web}, \
           owner: Deployment/web, services: [web], ingresses: [front]}\n\
        - {name: web-0, namespace: shop, url: 'http://127.0.0.1:2/metrics', owner: Deployment/web, container: c}\n\
        objects:\n- {resource: services, namespace: shop, name: web, labels: {tier: front}}\n";

    #[test]
    fn pods_and_what_groups_them_are_found() {
        let view = parse(TWO).unwrap();
        let names: Vec<&str> = view.pods(Some("shop")).iter().map(|pod| &*pod.name).collect();
        assert_eq!(names, ["web-0", "web-1"], "sorted by name");
        assert!(view.pod("shop", "web-1").is_some() && view.pod("shop", "web-2").is_none());
        assert_eq!(view.pods(Some("other")).len(), 0);
        let count = |resource: &str, namespace: &str, name: &str| {
            let object = view.object(Resource::named(resource).unwrap(), namespace, name);
            object.map(|object| view.pods_of(object).count())
        };
        assert_eq!(count("deployments", "shop", "web"), Some(2));
        assert_eq!(count("services", "shop", "web"), Some(1));
        assert_eq!(count("ingresses", "shop", "front"), Some(1));
        assert_eq!(count("namespaces", "", "shop"), Some(2));
        assert_eq!(count("nodes", "", "laptop"), Some(2));
        assert_eq!(count("services", "other", "web"), None);
        let service = view.object(Resource::named("services").unwrap(), "shop", "web").unwrap();
        assert_eq!(service.labels.to_string(), "tier=front");
    }

    #[test]
    fn a_pod_is_the_same_until_its_url_or_its_start_changes() {
        let key = |text: &str| parse(text).unwrap().pods(None)[0].key;
        let pod = |rest: &str| format!("pods:\n- {{name: a, namespace: b, url: 'http://h:1/'{rest}}}\n");
        assert_eq!(key(&pod("")), key(&pod(", labels: {x: y}")));
        assert_ne!(key(&pod("")), key(&pod(", started: 2026-01-01T00:00:00Z")));
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let pod = |rest: &str| format!("pods:\n- name: a\n  namespace: b\n{rest}\n");
        let table = [
            ("pods: []".to_owned(), "does not end with a line's end: is it still being written?"),
            ("pod: []\n".to_owned(), "line 1, column 1: pod: unknown key; did you mean `pods`?"),
            (pod(""), "line 2, column 3: pods[0]: `url` is missing"),
            (
                pod("  url: ftp://h/"),
                "line 4, column 8: pods[0].url: `ftp://h/` is not of the form http://127.0.0.1:9000/metrics",
            ),
            (
                pod("  url: http://u:p@h/"),
                "line 4, column 8: pods[0].url: a URL with a password is refused: it would be shown",
            ),
            (
                pod("  url: http://h/\n  owner: Service/x"),
                "line 5, column 10: pods[0].owner: `Service` is none of Deployment, StatefulSet, DaemonSet, ReplicaSet, Job",
            ),
            (
                pod("  url: http://h/\n  labels: {a: b c}"),
                "line 5, column 11: pods[0].labels.a: values[0][a]: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            ),
            (
                pod("  url: http://h/\n  stared: x"),
                "line 5, column 3: pods[0].stared: unknown key; did you mean `started`?",
            ),
            (
                pod("  url: http://h/\n- {name: a, namespace: b, url: 'http://h/'}"),
                "line 5, column 3: pods[1]: pod b/a is in line 2 already",
            ),
            (
                "pods:\n- {name: A, namespace: b, url: 'http://h/'}\n".to_owned(),
                "line 2, column 10: pods[0].name: `A` is not an object's name: lower-case letters, digits, `-` and `.`",
            ),
            (
                "pods: []\nobjects: [{resource: pods, name: a}]\n".to_owned(),
                "line 2, column 22: objects[0].resource: `pods` is no resource that groups pods, as services or deployments.apps",
            ),
            (
                "pods: []\nobjects: [{resource: services, name: a}]\n".to_owned(),
                "line 2, column 11: objects[0]: `namespace` is missing",
            ),
        ];
        for (text, message) in table {
            assert_eq!(parse(&text).unwrap_err(), message, "{text}");
        }
    }
}
