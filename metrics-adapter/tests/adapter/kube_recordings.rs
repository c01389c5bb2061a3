//! The fake API server answers as the real one did.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::kube::{Client, ContainerModel, FakeKube, NodeModel, Options, PodModel, objects};

/// A request and its answer, as they were recorded.
struct Recording {
    method: String,
    path: String,
    content_type: Option<String>,
    body: String,
    status: u16,
    answer: String,
}

impl Recording {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kube-api").join(format!("{name}.http"));
        let text = std::fs::read_to_string(path).unwrap();
        let (request, answer) = text.split_once("\nHTTP/2 ").unwrap();
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let (method, path) = head.lines().next().unwrap().split_once(' ').unwrap();
        let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
        let (status, answer) = answer.split_once("\n\n").unwrap();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            content_type: content_type.map(str::to_owned),
            body: body.trim().to_owned(),
            status: status.split_whitespace().next().unwrap().parse().unwrap(),
            answer: answer.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.answer).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        self.answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks the fake the same, and compares.
    fn replay(&self, fake: &Fake) {
        let mut headers = vec![("User-Agent", "curl/8.14.1"), ("Accept", "*/*")];
        headers.extend(self.content_type.as_deref().map(|media| ("Content-Type", media)));
        let reply = fake.client.request(&self.method, &self.path, &headers, self.body.as_bytes());
        assert_eq!(reply.status, self.status, "{}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("cache-control"), Some("no-cache, private"));
        assert_eq!(constant(reply.json()), constant(self.json()), "{} {}", self.method, self.path);
    }
}

struct Fake {
    kube: FakeKube,
    client: Client,
}

impl Fake {
    fn start() -> Self {
        let kube = FakeKube::start(Options::default());
        kube.token("curl", "admin", &["system:masters"]);
        let client = Client::new(&kube.url(), &kube.pki().cluster.cert_der, Some("curl"));
        Self { kube, client }
    }
}

/// Replaces what is different in each cluster.
fn constant(mut json: Value) -> Value {
    match &mut json {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = constant(item.take())),
        Value::Object(fields) => {
            for (name, value) in fields {
                *value = match name.as_str() {
                    "resourceVersion" => json!(value.as_str().unwrap().parse::<u64>().is_ok()),
                    "uid" | "time" | "creationTimestamp" => json!(value.as_str().unwrap().len()),
                    "authentication.kubernetes.io/credential-id" => json!(value[0].as_str().unwrap().len()),
                    _ => constant(value.take()),
                };
            }
        }
        _ => {}
    }
    json
}

#[test]
fn lists_are_as_recorded() {
    for (name, resource) in [
        ("pods-list", "pods"),
        ("nodes-list", "nodes"),
        ("endpointslices-list", "endpointslices"),
        ("replicasets-list", "replicasets"),
    ] {
        let (fake, recording) = (Fake::start(), Recording::read(name));
        fake.kube.put_all(resource, recording.json()["items"].as_array().unwrap().clone());
        recording.replay(&fake);
    }
}

#[test]
fn single_objects_are_as_recorded() {
    let fake = Fake::start();
    for (name, resource) in
        [("configmap-extension-apiserver-authentication", "configmaps"), ("apiservice-get", "apiservices")]
    {
        let recording = Recording::read(name);
        fake.kube.put(resource, recording.json());
        recording.replay(&fake);
    }
}

/// Its name says otherwise, but the real server takes any bytes for a caBundle.
#[test]
fn a_patch_of_an_api_service_is_as_recorded() {
    let fake = Fake::start();
    let before = fake.kube.put("apiservices", Recording::read("apiservice-get").json());
    Recording::read("apiservice-patch-cabundle-invalid").replay(&fake);
    let after = fake.kube.get("apiservices", "", "v1beta1.metrics.k8s.io").unwrap();
    assert_eq!(after, before, "it was a dry run");
}

#[test]
fn secrets_are_created_and_refused_as_recorded() {
    let fake = Fake::start();
    fake.kube.namespace("monitoring");
    for name in ["secret-create", "secret-create-again-409", "secret-update-stale-409"] {
        Recording::read(name).replay(&fake);
    }
}

#[test]
fn reviews_are_as_recorded() {
    let fake = Fake::start();
    let reader = ["system:serviceaccounts", "system:serviceaccounts:real-world"];
    fake.kube.token("(a service account token)", "system:serviceaccount:real-world:reader", &reader);
    let name = "system:controller:horizontal-pod-autoscaler";
    fake.kube.grant(&[
        json!({
            "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["get"]}],
        }),
        json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "horizontal-pod-autoscaler"}],
        }),
    ]);
    for name in ["token-review-ok", "token-review-bad", "subject-access-review-allowed", "subject-access-review-denied"]
    {
        Recording::read(name).replay(&fake);
    }
}

#[test]
fn the_initial_events_of_a_watch_are_as_recorded() {
    let (fake, recording) = (Fake::start(), Recording::read("pods-watch-initial-events"));
    let events = recording.events();
    fake.kube
        .put_all("pods", events.iter().filter(|event| event["type"] == "ADDED").map(|event| event["object"].clone()));
    let answered: Vec<Value> = fake.client.watch(&recording.path, &[]).take(events.len()).map(constant).collect();
    assert_eq!(answered, events.into_iter().map(constant).collect::<Vec<_>>());
}

#[test]
fn the_events_of_a_watch_are_as_recorded() {
    let (fake, recording) = (Fake::start(), Recording::read("pods-watch"));
    let path = recording.path.replace("resourceVersion=437", &format!("resourceVersion={}", fake.kube.version()));
    let events = recording.events();
    for event in events.iter().filter(|event| event["type"] != "BOOKMARK") {
        fake.kube.put("pods", event["object"].clone());
    }
    let answered: Vec<Value> = fake.client.watch(&path, &[]).take(events.len()).map(constant).collect();
    assert_eq!(answered, events.into_iter().map(constant).collect::<Vec<_>>());
}

#[test]
fn what_the_fake_starts_with_is_what_the_real_server_publishes() {
    let recorded = Recording::read("configmap-extension-apiserver-authentication").json();
    let own = objects::extension_apiserver_authentication("client", "proxy", &["front-proxy-client"]);
    for name in recorded["data"].as_object().unwrap().keys().filter(|name| !name.ends_with("-ca-file")) {
        assert_eq!(own["data"][name], recorded["data"][name], "{name}");
    }
}

/// Every line, but for the times and for the pods' sums, which the real kubelet measures by themselves.
#[test]
fn a_kubelet_writes_as_the_real_one_does() {
    let recorded = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kubelet/metrics-resource.prom"),
    );
    let recorded = recorded.unwrap();
    let value = |series: &str| {
        let line = recorded.lines().find(|line| line.starts_with(series)).unwrap();
        line[series.len()..].split_whitespace().next().unwrap().parse::<f64>().unwrap()
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole bytes are recorded")]
    let bytes = |series: &str| value(series) as u64;
    let container = |pod: &str, name: &str| {
        let labels = format!("{{container=\"{name}\",namespace=\"real-world\",pod=\"{pod}\"}}");
        let cpu = value(&format!("container_cpu_usage_seconds_total{labels}"));
        let memory = bytes(&format!("container_memory_working_set_bytes{labels}"));
        let started = value(&format!("container_start_time_seconds{labels}"));
        ContainerModel { started, ..ContainerModel::new(name, cpu, memory) }
    };
    let pods = ["7qt4j", "8cv5g", "smv9n"].map(|suffix| {
        let name = format!("real-world-55b95c7b65-{suffix}");
        PodModel::new("real-world", &name, ["real-world", "sidecar"].map(|one| container(&name, one)).into())
    });
    let (cpu, memory) = (value("node_cpu_usage_seconds_total "), bytes("node_memory_working_set_bytes "));
    let own = NodeModel::new(cpu, memory, pods.into()).text();
    let constant = |text: &str| -> Vec<String> {
        let without_time = |line: &str| {
            let series = line.rfind('}').map_or(0, |end| end + 1);
            let mut words = line[series..].trim().split(' ');
            let kept = if line.starts_with('#') {
                99
            } else if series > 0 {
                1
            } else {
                2
            };
            let words: Vec<&str> = words.by_ref().take(kept).collect();
            let sum = line.starts_with("pod_");
            format!("{} {}", &line[..series], if sum { "SUM".to_owned() } else { words.join(" ") })
        };
        text.lines().map(without_time).collect()
    };
    assert_eq!(constant(&own), constant(&recorded));
}

#[test]
fn aggregated_discovery_describes_resources_as_recorded() {
    let fake = Fake::start();
    let path = "tests/fixtures/recordings/discovery/kube-apiserver-merged-aggregated.http";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let accept = text.lines().find_map(|line| line.strip_prefix("Accept: ")).unwrap();
    let recorded: Value = serde_json::from_str(&text[text.find("\n{").unwrap()..]).unwrap();
    let entries = |list: &Value| -> Vec<(String, Value)> {
        let versions = list["items"].as_array().unwrap().iter().flat_map(|group| {
            let versions = group["versions"].as_array().unwrap();
            versions
                .iter()
                .map(move |version| (format!("{}/{}", group["metadata"]["name"], version["version"]), version))
        });
        let resources = versions.flat_map(|(name, version)| {
            let resources = version["resources"].as_array().into_iter().flatten();
            resources.map(move |resource| (format!("{name}/{}", resource["resource"]), resource.clone()))
        });
        resources.collect()
    };
    let recorded = entries(&recorded);
    let reply = fake.client.request("GET", "/apis", &[("Accept", accept)], b"");
    assert_eq!(
        reply.header("content-type"),
        Some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    );
    let own = entries(&reply.json());
    for (name, own) in &own {
        let (_, recorded) = recorded.iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}"));
        let mut recorded = recorded.clone();
        recorded.as_object_mut().unwrap().remove("categories");
        assert_eq!(*own, recorded, "{name}");
    }
    assert!(own.len() > 8, "{own:?}");
    let core = fake.client.request("GET", "/api", &[("Accept", accept)], b"").json();
    assert_eq!(core["items"][0]["versions"][0]["resources"][0]["shortNames"], json!(["po"]));
}
