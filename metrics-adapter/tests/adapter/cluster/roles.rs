use std::sync::Mutex;

use serde_json::{Value, json};

use crate::support::kube::{Client, FakeKubelets, NodeModel, Options, objects};
use crate::support::stage::{Stage, manifests, roles};
use crate::support::{Adapter, FAST, eventually};

const API_SERVICES: [&str; 4] = [
    "v1beta1.custom.metrics.k8s.io",
    "v1beta2.custom.metrics.k8s.io",
    "v1beta1.external.metrics.k8s.io",
    "v1beta1.metrics.k8s.io",
];
/// Adapters at once.
const AT_ONCE: usize = 4;

/// The shipped roles without one permission, or without one binding.
struct Taken {
    /// The kind, the namespace and the name of what it is taken from.
    from: [String; 3],
    /// What it is about, as `nodes/metrics`; empty for a binding.
    resource: String,
    verb: String,
    left: Vec<Value>,
}

/// A cluster, and an adapter in it.
struct Place {
    stage: Stage,
    _kubelets: FakeKubelets,
    adapter: Adapter,
    /// Of the namespace that is watched, if it is one: how its watches are called.
    within: &'static str,
}

/// Checks that something fails that a person sees.
type Breaks = fn(&Place, &Taken);

/// Everything that can be taken away, once each.
fn each(all: &[Value]) -> Vec<Taken> {
    let mut taken = Vec::new();
    for (place, manifest) in all.iter().enumerate() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&manifest["kind"]);
        let from = [kind.clone(), text(&manifest["metadata"]["namespace"]), text(&manifest["metadata"]["name"])];
        if kind.ends_with("Binding") {
            let mut left = all.to_vec();
            left.remove(place);
            taken.push(Taken { from, resource: String::new(), verb: String::new(), left });
            continue;
        }
        for (number, rule) in manifest["rules"].as_array().into_iter().flatten().enumerate() {
            let texts = |field: &str| -> Vec<String> { rule[field].as_array().unwrap().iter().map(text).collect() };
            for resource in texts("resources") {
                for verb in texts("verbs") {
                    let mut left = all.to_vec();
                    left[place]["rules"][number] = without(rule, &resource, &verb, &mut left[place]["rules"]);
                    taken.push(Taken { from: from.clone(), resource: resource.clone(), verb, left });
                }
            }
        }
    }
    taken
}

/// A rule without this verb, which the rule's other resources keep by a rule of their own.
fn without(rule: &Value, resource: &str, verb: &str, rules: &mut Value) -> Value {
    let other = |field: &str, taken: &str| -> Value {
        rule[field].as_array().unwrap().iter().filter(|one| *one != taken).cloned().collect()
    };
    let (mut others, mut own) = (rule.clone(), rule.clone());
    others["resources"] = other("resources", resource);
    own["resources"] = json!([resource]);
    own["verbs"] = other("verbs", verb);
    rules.as_array_mut().unwrap().push(others);
    own
}

impl Taken {
    /// Whether it is needed by an adapter alone that makes its own certificates.
    fn is_about_certificates(&self) -> bool {
        let [_, namespace, name] = self.from.each_ref().map(String::as_str);
        matches!(&*self.resource, "secrets" | "apiservices")
            || (namespace, name) == ("monitoring", "metrics-adapter")
            || name == "metrics-adapter-apiservices"
    }
}

impl Place {
    fn open(taken: &Taken, arguments: &[&str], within: &'static str) -> Self {
        // Streaming lists need no `list`; where there are none, it takes one.
        let options = Options { watch_list: taken.verb != "list", ..Options::default() };
        let stage = Stage::with(options, &taken.left);
        stage.kube.namespace("real-world");
        let kubelets = FakeKubelets::start(stage.kube.pki());
        kubelets.token(&stage.token, may_read_kubelets(&stage));
        if taken.from[2] == "metrics-adapter-resource-metrics" {
            // Elsewhere nobody waits for one.
            kubelets.set("node1", &NodeModel::new(1.0, 1 << 30, Vec::new()));
            let address = kubelets.address("node1").to_string();
            stage.kube.put("nodes", objects::node("node1", &[("InternalIP", &address)]));
        }
        for name in API_SERVICES {
            let (version, group) = name.split_once('.').unwrap();
            let mut object = objects::api_service(version, group, "monitoring", "metrics-adapter");
            object["metadata"]["labels"] = json!({"app.kubernetes.io/name": "metrics-adapter"});
            stage.kube.put("apiservices", object);
        }
        let port = kubelets.port().to_string();
        // Certificates that have to be renewed at once.
        let short_lived = ["--kubelet-port", &port, "--metric-resolution", "5s", "--certificate-lifetime", "10s"];
        let arguments = [&short_lived, arguments].concat();
        let adapter = if taken.is_about_certificates() {
            stage.bare_adapter(Some(FAST), &arguments)
        } else {
            stage.adapter(Some(FAST), &arguments)
        };
        Self { stage, _kubelets: kubelets, adapter, within }
    }

    fn readiness(&self) -> String {
        let reply = self.adapter.ops("/readyz");
        if reply.status == 503 { reply.text() } else { String::new() }
    }
}

/// As a kubelet finds out.
fn may_read_kubelets(stage: &Stage) -> bool {
    stage.kube.token("of-a-kubelet", "system:node:node1", &["system:masters"]);
    let client = Client::new(&stage.kube.url(), &stage.kube.pki().cluster.cert_der, Some("of-a-kubelet"));
    let attributes = json!({"verb": "get", "resource": "nodes", "subresource": "metrics", "name": "node1"});
    let user = "system:serviceaccount:monitoring:metrics-adapter";
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    client.send("POST", path, "application/json", &review).json()["status"]["allowed"] == true
}

fn keeps_it_from_being_ready(place: &Place, taken: &Taken) {
    let Taken { resource, verb, .. } = taken;
    let watch = format!("{resource}{}", place.within);
    let group = "the API server answered 403: ";
    eventually(&watch, || place.readiness().contains(&format!("{watch} ({group}")));
    let text = place.readiness();
    assert!(text.contains(&format!("cannot {verb} resource \"{resource}\"")), "{text}");
    assert!(text.contains("the roles in k8s/metrics-adapter allow it"), "{text}");
    assert_eq!(text.matches("403").count(), 1, "one thing is wrong: {text}");
}

fn keeps_everything_from_being_known(place: &Place, _: &Taken) {
    let watch = format!("pods{} (the API server answered 403", place.within);
    eventually("said", || place.readiness().contains(&watch));
}

fn keeps_the_trusted_from_being_known(place: &Place, _: &Taken) {
    let problem = || place.adapter.ops("/").expect(200).text();
    eventually("said", || problem().contains("configmap kube-system/extension-apiserver-authentication: the API"));
    let text = place.readiness();
    let waits = "[-]authentication failed: waiting for configmap kube-system/extension-apiserver-authentication (the API \
                 server answered 403";
    assert!(text.contains(waits), "{text}");
    eventually("the rest is known", || place.readiness().contains("[+]inventory ok"));
}

/// An adapter can answer without it; it is on the status page.
fn is_said(place: &Place, taken: &Taken) {
    place.adapter.wait_ready();
    let watch = format!("{}{}: the API server answered 403", taken.resource, place.within);
    eventually("said", || place.adapter.ops("/").expect(200).text().contains(&watch));
    let up = format!("metrics_adapter_watch_up{{resource=\"{}{}\"}}", taken.resource, place.within);
    assert_eq!(place.adapter.metric(&up), Some(0.0));
}

fn keeps_everybody_from_being_answered(place: &Place, _: &Taken) {
    place.adapter.wait_ready();
    let reply = place.stage.ask(&place.adapter, "/apis/custom.metrics.k8s.io/v1beta2");
    let message = reply.json()["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reply.status, 503, "{message}");
    let said = "a subjectaccessreview could not be made: the API server answered 403";
    assert!(message.starts_with(said) && message.contains("the roles in k8s/metrics-adapter"), "{message}");
    let failed = "metrics_adapter_reviews_total{kind=\"subjectaccessreview\",outcome=\"failed\"}";
    assert_eq!(place.adapter.metric(failed), Some(1.0));
}

fn keeps_kubelets_from_answering(place: &Place, _: &Taken) {
    let asked = || place.stage.ask(&place.adapter, "/apis/metrics.k8s.io/v1beta1/nodes/node1");
    let wanted = "a ClusterRole of the adapter's service account must allow to get nodes/metrics";
    eventually("said", || asked().text().contains(wanted));
    assert_eq!(asked().status, 404);
    let failures = "metrics_adapter_collect_failures_total{source=\"kubelet\",reason=\"status\"}";
    assert!(place.adapter.metric(failures).is_some_and(|failures| failures >= 1.0));
}

/// What is wrong with the Secret, as it is said on the status page and keeps the adapter from being ready or not.
fn keeps_certificates_from_being_made(place: &Place, taken: &Taken) {
    let said = match &*taken.verb {
        "create" | "update" => "could not be written: the API server answered 403",
        _ => "secret monitoring/metrics-adapter-tls: the API server answered 403",
    };
    eventually(said, || place.adapter.ops("/").text().contains(said));
    if taken.verb != "update" {
        assert!(place.readiness().contains("[-]certificate failed: waiting for "), "{}", place.readiness());
    }
}

fn keeps_the_api_server_from_being_told(place: &Place, taken: &Taken) {
    let status = || place.adapter.ops("/status.json").text();
    let problem = "could not be changed: the API server answered 403";
    let watch = "cannot watch resource \\\"apiservices\\\"";
    let list = "cannot list resource \\\"apiservices\\\"";
    let said = match &*taken.verb {
        "patch" => problem,
        "list" => list,
        _ => watch,
    };
    eventually(said, || status().contains(said));
    let all = API_SERVICES.iter().map(|name| place.stage.kube.get("apiservices", "", name).unwrap());
    assert!(all.filter(|object| object["spec"]["caBundle"].is_null()).count() > 0, "somebody told it all");
}

fn breaks_nothing(place: &Place, _: &Taken) {
    place.adapter.wait_ready();
    let reply = place.stage.ask(&place.adapter, "/apis/custom.metrics.k8s.io/v1beta2");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let page = place.adapter.ops("/").expect(200).text();
    assert!(!page.contains("The API server.") && !page.contains("answered 403"), "{page}");
    for (family, rest) in [
        ("metrics_adapter_collect_failures_total", "{source=\"kubelet\",reason=\"status\"}"),
        ("metrics_adapter_watch_restarts_total", "{resource=\"pods\"}"),
    ] {
        assert!(place.adapter.metric(&format!("{family}{rest}")).is_none_or(|count| count < 1.0), "{family}");
    }
}

/// What depends on each permission; none where the adapter needs it for nothing. What is allowed and nobody knows what for is a mistake.
fn breaks(taken: &Taken) -> Option<Breaks> {
    let Taken { from, resource, .. } = taken;
    let [kind, namespace, name] = from.each_ref().map(String::as_str);
    // For people.
    if name == "metrics-adapter-resource-metrics-reader" {
        return None;
    }
    Some(match (kind, namespace, name, &**resource) {
        ("Role" | "RoleBinding", "monitoring", "metrics-adapter", "secrets" | "") => keeps_certificates_from_being_made,
        (_, "", "metrics-adapter-apiservices", _) | (_, "", _, "apiservices") => keeps_the_api_server_from_being_told,
        (_, "" | "real-world", "metrics-adapter", "horizontalpodautoscalers") => is_said,
        (_, "" | "real-world", "metrics-adapter", "") => keeps_everything_from_being_known,
        (_, "" | "real-world", "metrics-adapter", _) => keeps_it_from_being_ready,
        ("ClusterRoleBinding", "", "metrics-adapter:system:auth-delegator", _) => keeps_everybody_from_being_answered,
        ("RoleBinding", "kube-system", "metrics-adapter-auth-reader", _) => keeps_the_trusted_from_being_known,
        (_, "", "metrics-adapter-resource-metrics", "nodes/metrics" | "") => keeps_kubelets_from_answering,
        _ => panic!("nobody knows what {kind} {namespace}/{name} allows {resource} for"),
    })
}

/// Takes away each of them from an adapter of its own, and nothing from one more; returns how many were taken.
fn try_each(variant: &str, arguments: &[&str], within: &'static str) -> usize {
    let all = roles(&manifests(variant));
    let from = ["", "", "metrics-adapter-resource-metrics"].map(str::to_owned);
    let nothing = Taken { from, resource: String::new(), verb: String::new(), left: all.clone() };
    let mut wanted: Vec<(Taken, Breaks)> = vec![(nothing, breaks_nothing)];
    wanted.extend(each(&all).into_iter().filter_map(|taken| breaks(&taken).map(|breaks| (taken, breaks))));
    let count = wanted.len() - 1;
    // What takes longest begins first.
    wanted.reverse();
    wanted.sort_by_key(|(taken, _)| taken.from[2].contains("resource-metrics"));
    let queue = Mutex::new(wanted);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((taken, breaks)) = queue.lock().unwrap().pop() else { return };
                    println!("{variant} without {:?} {} {}", taken.from, taken.verb, taken.resource);
                    breaks(&Place::open(&taken, arguments, within), &taken);
                }
            });
        }
    });
    count
}

#[test]
fn without_any_one_permission_of_the_shipped_roles_something_fails_and_says_what() {
    let count = try_each("complete", &[], "");
    assert_eq!(count, 16 + 1 + 4 + 6 + 6, "what exists, kubelets, the Secret, APIServices, bindings");
}

#[test]
fn without_any_one_permission_in_the_namespace_that_is_watched_something_fails_and_says_what() {
    let count =
        try_each("namespaced", &["--namespaces", "real-world", "--resource-metrics", "false"], " in real-world");
    assert_eq!(count, 14 + 4 + 3 + 5, "what exists, the Secret, APIServices, bindings");
}
