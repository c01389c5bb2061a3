//! A cluster that others use as well, and a person with habits of their own.

use fake_kube::Fate;
use serde_json::{Value, json};

use crate::world::{APP, MONITORING, World, until};

#[test]
fn objects_of_others_by_the_names_of_the_stacks_are_named_and_nothing_is_done() {
    let world = World::new();
    world.kube.namespace(MONITORING);
    let metadata = json!({"namespace": MONITORING, "name": "grafana", "labels": {"app.kubernetes.io/name": "grafana"}});
    world.kube.put("services", json!({"metadata": metadata, "spec": {"ports": [{"port": 80}]}}));
    world.kube.put("clusterroles", json!({"metadata": {"name": "traefik-ingress-controller"}, "rules": []}));
    world.kube.reset_tally();
    world.up("5s").failed(&[
        "objects of somebody else's by the names of the stack's",
        "Service monitoring/grafana",
        "ClusterRole /traefik-ingress-controller",
        "Nothing was done",
    ]);
    let calls = world.kube.tally();
    let wrote = calls.iter().filter(|call| !["get", "list", "watch"].contains(&call.verb.as_str()));
    assert_eq!(wrote.count(), 0);
    world.down().succeeded();
    assert!(
        world.has("services", MONITORING, "grafana") && world.has("clusterroles", "", "traefik-ingress-controller")
    );
}

#[test]
fn from_a_namespace_that_is_shared_all_of_the_stacks_goes_volumes_too() {
    let world = World::new();
    world.kube.namespace(MONITORING);
    let metadata = json!({"namespace": MONITORING, "name": "theirs"});
    world.kube.put("persistentvolumeclaims", json!({"metadata": metadata, "spec": {}}));
    world.up("60s").succeeded();
    let ours = [
        ("statefulsets", "prometheus"),
        ("persistentvolumeclaims", "data-prometheus-0"),
        ("deployments", "grafana"),
        ("secrets", "metrics-adapter-tls"),
    ];
    // As the adapter makes it.
    let labels = json!({"app.kubernetes.io/managed-by": "metrics-adapter"});
    let metadata = json!({"namespace": MONITORING, "name": "metrics-adapter-tls", "labels": labels});
    world.kube.put("secrets", json!({"metadata": metadata, "data": {}}));
    for (resource, name) in &ours {
        assert!(world.has(resource, MONITORING, name), "{resource} {name} was never there");
    }
    let ended = world.down().succeeded();
    let plan = "in the namespace monitoring, which is somebody else's and stays, and secret/metrics-adapter-tls, \
                persistentvolumeclaim/data-prometheus-0";
    assert!(ended.out.contains(plan), "{}", ended.out);
    for (resource, name) in ours {
        assert!(!world.has(resource, MONITORING, name), "{resource} {name} was left behind");
    }
    assert!(world.has("persistentvolumeclaims", MONITORING, "theirs"));
}

#[test]
fn what_only_has_the_name_of_something_of_the_stacks_stays() {
    let world = World::new();
    for namespace in [APP, MONITORING] {
        world.kube.namespace(namespace);
    }
    let labels = json!({"app.kubernetes.io/part-of": "conduit"});
    let ours = json!({"namespace": MONITORING, "name": "left", "labels": labels});
    world.kube.put("configmaps", json!({"metadata": ours, "data": {}}));
    let theirs = [
        ("horizontalpodautoscalers", APP, "real-world-hpa"),
        ("secrets", MONITORING, "metrics-adapter-tls"),
        ("persistentvolumeclaims", MONITORING, "data-prometheus-0"),
    ];
    for (resource, namespace, name) in theirs {
        world.kube.put(resource, json!({"metadata": {"namespace": namespace, "name": name}, "spec": {}}));
    }
    world.run(&["down", "--yes", "--context", "fake", "--patience", "20s"]).succeeded();
    assert!(!world.has("configmaps", MONITORING, "left"), "the stack's own was left behind");
    for (resource, namespace, name) in theirs {
        assert!(world.has(resource, namespace, name), "{resource} {namespace}/{name} is gone");
    }
}

#[test]
fn a_namespace_of_others_that_got_the_stacks_label_is_theirs_all_the_same() {
    let world = World::new();
    let labels = json!({"app.kubernetes.io/part-of": "conduit"});
    let metadata = json!({"name": MONITORING, "labels": labels});
    world.kube.put("namespaces", json!({"metadata": metadata, "status": {"phase": "Active"}}));
    world.kube.put("secrets", json!({"metadata": {"namespace": MONITORING, "name": "theirs"}, "data": {}}));
    let ended = world.up("60s").succeeded();
    assert!(ended.out.contains("a namespace monitoring of somebody else's"), "{}", ended.out);
    let namespace = world.kube.get("namespaces", "", MONITORING).unwrap()["metadata"].clone();
    assert!(namespace["annotations"]["conduit/made-by"].is_null(), "{namespace}");
    world.down().succeeded();
    assert!(world.has("secrets", MONITORING, "theirs"), "what was theirs is gone");
    assert!(!world.has("deployments", MONITORING, "grafana") && !world.has("namespaces", "", APP));
}

#[test]
fn what_a_person_has_told_kubectl_once_and_for_all_changes_nothing() {
    let world = World::new();
    let habits = json!({
        "apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference",
        "defaults": [
            {"command": "delete", "options": [{"name": "interactive", "default": "true"}]},
            {"command": "apply", "options": [{"name": "server-side", "default": "true"}]},
        ],
    });
    std::fs::create_dir_all(world.path(".kube")).unwrap();
    std::fs::write(world.path(".kube/kuberc"), habits.to_string()).unwrap();
    world.up("60s").succeeded();
    let applied = world.kube.get("deployments", APP, "real-world").unwrap()["metadata"]["annotations"].clone();
    assert!(applied["kubectl.kubernetes.io/last-applied-configuration"].is_string(), "{applied}");
    world.down().succeeded();
    assert!(!world.has("namespaces", "", APP) && !world.has("ingressclasses", "", "traefik"));
}

#[test]
fn yes_answers_for_a_cluster_that_was_named_alone() {
    let world = World::new();
    let said = "nothing was done: nobody named context";
    world.run(&["up", "--yes", "--patience", "5s"]).failed(&[said, "PROVIDER=context"]);
    assert!(!world.has("namespaces", "", APP));
}

#[test]
fn kind_without_what_runs_it_is_not_taken_for_a_wish_to_use_another_cluster() {
    let world = World::new();
    world.program("kind", "exit 0\n");
    world.program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1\n");
    let ended = world.run(&["up", "--yes", "--patience", "5s"]);
    ended.failed(&["kind is installed, and nothing that runs its nodes", "Cannot connect", "PROVIDER=context"]);
    assert!(!world.has("namespaces", "", APP));
}

#[test]
fn what_was_said_once_need_not_be_said_again() {
    let world = World::new();
    world.program("kind", "exit 0\n");
    world.program("docker", "exit 0\n");
    world.controllers.fate("grafana", Fate::NotLoaded);
    let arguments = ["up", "--provider", "context", "--yes", "--tiny", "--kubelet-insecure-tls", "--patience", "8s"];
    world.run(&arguments).failed(&["ErrImageNeverPull"]);
    world.controllers.fate("grafana", Fate::Ready(std::time::Duration::ZERO));
    let before = world.kustomization();
    let ended = world.run(&["up", "--patience", "60s"]).succeeded();
    assert!(ended.out.contains("(as before)"), "{}", ended.out);
    assert_eq!(world.kustomization(), before, "tiny, and kubelets that are believed");
    assert!(!world.calls_of("kind").iter().any(|call| call.starts_with("create")), "another cluster was made");
    // It can be taken back; the fake merges no lists within lists, so this one ends early.
    world.run(&["up", "--tiny=false", "--patience", "60s"]);
    assert!(!world.kustomization().contains("components/tiny"), "{}", world.kustomization());
    // And what is known of this place is not forgotten in another one.
    world.run(&["down", "--context", "kind-conduit", "--yes", "--patience", "20s"]).succeeded();
    assert!(world.path("data/state.json").exists(), "it has forgotten where it was");
    world.down().succeeded();
    assert!(!world.path("data/state.json").exists() && !world.path("data/kustomization.yaml").exists());
}

#[test]
fn kubelets_are_believed_by_prometheus_where_a_metrics_server_asks_them_already() {
    let world = World::new();
    world.foreign_api("v1beta1", "metrics.k8s.io", "kube-system", "metrics-server");
    let arguments = ["up", "--provider", "context", "--yes", "--kubelet-insecure-tls", "--patience", "60s"];
    world.run(&arguments).succeeded();
    let text = world.kustomization();
    assert!(text.contains("prometheus/components/kubelet-insecure-tls"), "{text}");
    assert!(!text.contains("k8s/metrics-adapter/components"), "the adapter asks no kubelet: {text}");
}

#[test]
fn minikubes_kubelets_are_believed_without_being_told() {
    let world = World::new();
    world.kube.change("nodes", "", "node1", |node| {
        node["metadata"]["labels"] = json!({"minikube.k8s.io/name": "minikube"});
    });
    world.up("60s").succeeded();
    assert!(world.kustomization().contains("k8s/metrics-adapter/components/kubelet-insecure-tls"));
}

#[test]
fn a_node_that_takes_no_pods_counts_for_nothing() {
    let world = World::new();
    world.kube.change("nodes", "", "node1", |node| node["status"]["allocatable"]["cpu"] = json!("2"));
    let plane = crate::world::node("8");
    let taint = json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    let plane = [("/metadata/name", json!("plane")), ("/spec/taints", taint)].into_iter().fold(plane, set);
    world.kube.put("nodes", plane);
    let ended = world.up("60s").succeeded();
    assert!(ended.out.contains("the nodes give 2.0 cores to pods"), "{}", ended.out);
}

fn set(mut object: Value, (pointer, value): (&str, Value)) -> Value {
    let (place, field) = pointer.rsplit_once('/').unwrap();
    let place = if object.pointer(place).is_some() { object.pointer_mut(place).unwrap() } else { &mut object["spec"] };
    place[field] = value;
    object
}

#[test]
fn a_namespace_that_is_ending_is_waited_for_and_made_anew() {
    let world = World::new();
    world.up("60s").succeeded();
    world.foreign_api("v1", "broken.example.com", "elsewhere", "broken");
    world.kube.available("v1.broken.example.com", "False", "MissingEndpoints", "no addresses");
    world.run(&["down", "--yes", "--patience", "2s"]).failed(&["not come after 2s"]);
    let looks = || world.calls_of("kubectl").iter().filter(|call| call.contains("get namespace real-world")).count();
    let before = looks();
    let begun = world.begin(&["up", "--yes", "--patience", "60s"]);
    until("its end is waited for", || looks() > before + 3);
    world.kube.remove("apiservices", "", "v1.broken.example.com");
    until("it is up again", || {
        world.kube.get("horizontalpodautoscalers", APP, "real-world-hpa").is_some_and(|hpa| hpa["status"].is_object())
    });
    let ended = begun.end().succeeded();
    assert!(ended.out.contains("the namespace real-world, which is ending; its end is waited for"), "{}", ended.out);
}

#[test]
fn a_look_that_fails_once_does_not_end_a_wait() {
    let world = World::new();
    world.controllers.fate("real-world", Fate::Ready(std::time::Duration::from_secs(6)));
    let begun = world.begin(&["up", "--provider", "context", "--yes", "--patience", "60s"]);
    // All is applied by then: what fails there is said at once.
    until("the API is waited for", || {
        world.calls_of("kubectl").iter().any(|call| call.contains("get deployment real-world"))
    });
    world.kube.failing(500, |_| true);
    std::thread::sleep(std::time::Duration::from_secs(2));
    world.kube.heal();
    begun.end().succeeded();
}

#[test]
fn a_pod_of_the_version_before_does_not_count_for_the_new_one() {
    let world = World::new();
    world.up("60s").succeeded();
    world.controllers.stuck("grafana", None);
    let ended = world.run(&["up", "--patience", "3s"]);
    ended.failed(&["Grafana: not ready after 3s", "1 of 1 ready (those of before are being replaced)"]);
    let words =
        "pods \"grafana-7d9\" is forbidden: exceeded quota: theirs, requested: pods=1, used: pods=9, limited: pods=9";
    world.controllers.stuck("grafana", Some(words));
    world.run(&["up", "--patience", "6s"]).failed(&["Grafana does not get ready", "FailedCreate", words]);
    world.controllers.unstuck("grafana");
    world.run(&["up", "--patience", "60s"]).succeeded();
}
