//! The doctor looks at clusters in which one thing is wrong, and names it.

mod autoscalers;
mod links;
mod pods;
mod servers;
mod world;

use serde_json::json;

use crate::support::kube::Options;
use crate::support::kube::objects::{self, Adorn as _};
use crate::support::{Counter, FAST, adapter, eventually};
use world::{CUSTOM, RESOURCE, World, custom, resource};

#[test]
fn a_healthy_chain_passes_in_silence() {
    let world = World::new();
    assert_eq!(world.doctor(&[]), (String::new(), String::new(), Some(0)));
    let (said, aside, code) = world.doctor(&["--verbose"]);
    assert_eq!((code, &*aside), (Some(0), ""), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.last(), Some(&"no fault found"));
    for line in [
        "[ok] APIService v1beta2.custom.metrics.k8s.io: served by monitoring/metrics-adapter",
        "[ok] Service monitoring/metrics-adapter: 1 ready at port 6443",
        "[ok] Secret monitoring/metrics-adapter-tls: its certificate is signed by the caBundle's authority",
        "[ok] ServiceAccount kube-system/horizontal-pod-autoscaler: may get pods/http_requests_per_second.custom.metrics.k8s.io in namespace shop",
        "[ok] ServiceAccount monitoring/metrics-adapter: may watch configmaps in namespace kube-system",
        "[ok] pod monitoring/metrics-adapter-0: reads 1 targets",
        "[i] APIService v1beta1.metrics.k8s.io: the server's certificate is not verified",
        "[ok] HPA shop/web: scales Deployment web, 2 pods",
        "[ok] HPA shop/web: metric http_requests_per_second of pods app=web has 2 values",
        "[ok] HPA shop/web: cpu of pods app=web has 2 values",
    ] {
        assert!(lines.iter().any(|own| own.starts_with(line)), "no {line} in\n{said}");
    }
    assert!(!said.contains("[?]") && !said.contains("[x]"), "{said}");
}

#[test]
fn it_writes_nothing_and_asks_as_the_autoscalers_controller_does() {
    let world = World::new();
    world.stage.kube.reset_tally();
    assert_eq!(world.doctor(&[]).2, Some(0));
    let asked = world.stage.kube.tally();
    let reads = |verb: &str, resource: &str| {
        ["get", "list"].contains(&verb) || (verb == "create" && resource == "subjectaccessreviews")
    };
    let writes: Vec<_> = asked.iter().filter(|own| !reads(&own.verb, &own.resource)).collect();
    assert!(writes.is_empty(), "{writes:?}");
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/http_requests_per_second";
    assert!(asked.iter().any(|own| own.path == path && own.query == "labelSelector=app%3Dweb"), "{asked:?}");
}

#[test]
fn a_real_adapter_behind_the_aggregator_is_found_healthy_and_its_own_words_are_told() {
    let world = World::new();
    let kube = &world.stage.kube;
    let target = Counter::target(50.0);
    for name in ["web-1", "web-2"] {
        world.stage.scraped_pod(name, &target.url);
        let pod = kube.get("pods", "shop", name).unwrap().container("app", &json!({"cpu": "100m"})).ready(true);
        kube.put("pods", pod.with("/status/startTime", world::ago(60)));
    }
    kube.remove("secrets", "monitoring", "metrics-adapter-tls");
    world.bundle("");
    let adapter = world.stage.bare_adapter(Some(FAST), &["--resource-metrics=false"]);
    adapter.wait_ready();
    kube.service_at("monitoring", "metrics-adapter", &adapter.api);
    kube.pod_at("monitoring", "metrics-adapter-0", &adapter.ops);
    eventually("a caBundle", || {
        let object = kube.get("apiservices", "", "v1beta1.external.metrics.k8s.io").unwrap();
        object["spec"]["caBundle"].as_str().is_some_and(|text| !text.is_empty())
    });
    eventually("healthy", || world.doctor(&[]) == (String::new(), String::new(), Some(0)));
    // Its page can be looked at without the API server.
    kube.pod_answers("monitoring", "metrics-adapter-0", |_| (503, json!("")));
    let (said, _, code) = world.doctor(&["--verbose", "--adapter", &adapter.ops]);
    assert!(
        code == Some(0) && said.contains(&format!("[ok] the adapter at {}/: reads 2 targets", adapter.ops)),
        "{said}"
    );
    let (said, _, code) = world.doctor(&["--adapter", "http://127.0.0.1:1"]);
    assert!(
        code == Some(1) && said.contains("its status page cannot be read") && said.contains("port-forward"),
        "{said}"
    );
    kube.pod_at("monitoring", "metrics-adapter-0", &adapter.ops);
    world.hpa(|hpa| hpa["spec"]["metrics"][0]["pods"]["metric"]["name"] = json!("http_requests"));
    world.names(
        "an unknown metric",
        "HPA shop/web",
        "no rule serves it; these are served: http_requests_per_second (discovery does not list pods/http_requests)",
        "add it to the adapter's configuration, kubectl -n monitoring edit configmap metrics-adapter, or name one in the HPA that is listed, as pods/http_requests_per_second",
    );
    world.hpa(|hpa| hpa["spec"]["metrics"][0]["pods"]["metric"]["name"] = json!("http_requests_per_second"));
    // A third pod serves nothing: the adapter says why.
    let pod = objects::pod("shop", "web-3", "10.244.0.21", "node1").container("app", &json!({"cpu": "100m"}));
    let pod = pod.ready(true).label("app", "web").with("/status/startTime", world::ago(60));
    kube.put("pods", pod);
    eventually("seen", || world.doctor(&[]).2 == Some(1));
    world.names(
        "a pod without a target",
        "HPA shop/web",
        "has no value for 1 of 3 pods, as web-3: the server could not find the metric http_requests_per_second for pods web-3",
        "annotated prometheus.io/scrape",
    );
    kube.remove("pods", "shop", "web-3");
    adapter.replace("config.yaml", "metrics: 7\n");
    eventually("read", || adapter.ops("/status.json").text().contains("config.yaml: "));
    world.names(
        "a bad file",
        "pod monitoring/metrics-adapter-0",
        "config.yaml is wrong",
        "edit configmap metrics-adapter",
    );
}

#[test]
fn of_two_faults_the_first_is_named_and_with_all_the_first_of_each_chain() {
    let world = World::new();
    world.stage.kube.remove("services", "monitoring", "metrics-adapter");
    world.stage.kube.remove("services", "kube-system", "metrics-server");
    world.hpa(|hpa| hpa["spec"]["scaleTargetRef"]["name"] = json!("gone"));
    let first = format!("APIService {CUSTOM}: points at Service monitoring/metrics-adapter, which does not exist");
    let (said, _, code) = world.doctor(&[]);
    assert!(code == Some(1) && said.starts_with(&first) && said.lines().count() == 1, "{said}");
    let (said, _, code) = world.doctor(&["--all"]);
    let lines: Vec<&str> = said.lines().collect();
    let [custom, resource, hpa] = lines[..] else { panic!("{said}") };
    assert!(code == Some(1) && custom.starts_with(&first), "{said}");
    assert!(
        resource.starts_with(&format!("APIService {RESOURCE}: points at Service kube-system/metrics-server")),
        "{said}"
    );
    assert!(hpa.starts_with("HPA shop/web: scales Deployment gone, which does not exist"), "{said}");
    let (said, _, code) = world.doctor(&["--api", "resource"]);
    assert!(code == Some(1) && said.starts_with(&format!("APIService {RESOURCE}: ")), "{said}");
    let (said, _, code) = world.doctor(&["--verbose"]);
    let last = said.lines().last().unwrap();
    assert!(
        code == Some(1) && last.starts_with(&format!("[x] {first}")) && said.starts_with("[ok] API server"),
        "{said}"
    );
}

#[test]
fn an_api_that_is_neither_registered_nor_needed_is_passed_over() {
    let world = World::new();
    world.stage.kube.remove("apiservices", "", "v1beta1.external.metrics.k8s.io");
    assert_eq!(world.doctor(&[]).2, Some(0));
    let (said, _, code) = world.doctor(&["--api", "external"]);
    assert!(
        code == Some(1) && said.starts_with("APIService v1beta1.external.metrics.k8s.io: there is none; install"),
        "{said}"
    );
    // Nobody needs the others in this namespace.
    world.stage.kube.remove("apiservices", "", RESOURCE);
    assert_eq!(world.doctor(&["-n", "default"]).2, Some(0));
    assert_eq!(world.doctor(&["-n", "shop"]).2, Some(1));
}

#[test]
fn what_may_not_be_read_is_said_not_to_have_been_looked_at_and_is_no_fault() {
    let world = World::new();
    let kube = &world.stage.kube;
    let view = json!([
        {"apiGroups": ["", "apps", "autoscaling", "discovery.k8s.io"], "verbs": ["get", "list"],
         "resources": ["pods", "deployments", "deployments/scale", "horizontalpodautoscalers", "services", "endpointslices"]},
        {"apiGroups": ["custom.metrics.k8s.io", "metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
    ]);
    kube.grant(&[
        json!({"kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": view}),
        json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": "reader"}, "roleRef": {"kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "User", "name": "ann"}],
        }),
    ]);
    kube.token("ann", "ann", &[]);
    world.kubeconfig("ann");
    let (said, aside, code) = world.doctor(&[]);
    assert_eq!((code, &*said), (Some(0), ""), "{aside}");
    assert!(aside.contains(&format!("no fault found, but APIService {CUSTOM} was not looked at, nor at ")), "{aside}");
    let (said, _, code) = world.doctor(&["--verbose"]);
    let refused = format!("[?] APIService {CUSTOM}: not looked at: apiservices.apiregistration.k8s.io");
    assert!(code == Some(0) && said.contains(&refused), "{said}");
    assert!(said.contains("[ok] HPA shop/web: cpu of pods app=web has 2 values"), "{said}");
    // Whether an API is registered shows all the same.
    let saved = kube.get("apiservices", "", CUSTOM).unwrap();
    kube.remove("apiservices", "", CUSTOM);
    kube.service_answers("monitoring", "metrics-adapter", |path| custom(&path.replace("v1beta1/n", "v1beta2/n")));
    assert_eq!(world.doctor(&[]).2, Some(0), "the older version does");
    let older = kube.get("apiservices", "", "v1beta1.custom.metrics.k8s.io").unwrap();
    kube.remove("apiservices", "", "v1beta1.custom.metrics.k8s.io");
    world.names("neither", &format!("APIService {CUSTOM}"), "there is none, and HPA shop/web needs it", "install");
    kube.put_all("apiservices", [saved, older]);
    // What can be seen is still judged.
    kube.service_answers("monitoring", "metrics-adapter", |path| {
        if path.contains("/pods/") { (500, json!("boom")) } else { custom(path) }
    });
    world.names("a metric fails", "HPA shop/web", "is answered with 500: boom", "logs");
    // Who may read nothing has seen nothing.
    kube.token("bob", "bob", &[]);
    world.kubeconfig("bob");
    let (said, _, code) = world.doctor(&[]);
    assert!(code == Some(1) && said.starts_with("API server https://") && said.contains("read nothing"), "{said}");
}

#[test]
fn somebody_elses_servers_are_looked_at_as_well() {
    let world = World::new();
    let kube = &world.stage.kube;
    // As prometheus-adapter's chart registers it.
    for name in ["v1beta1.custom.metrics.k8s.io", CUSTOM, "v1beta1.external.metrics.k8s.io"] {
        kube.remove("apiservices", "", name);
    }
    let theirs = objects::api_service("v1beta1", "custom.metrics.k8s.io", "monitoring", "prometheus-adapter");
    kube.put("apiservices", theirs.with("/spec/insecureSkipTLSVerify", json!(true)));
    kube.available("v1beta1.custom.metrics.k8s.io", "True", "Passed", "all checks passed");
    let labels = json!({"app": "prometheus-adapter"});
    kube.put("services", objects::service("monitoring", "prometheus-adapter", &labels, ("https", 443)));
    let endpoint = ("prometheus-adapter-0", "10.244.0.30", true);
    let slice = objects::endpoint_slice("monitoring", "prometheus-adapter", ("https", 6443), &[endpoint]);
    kube.put("endpointslices", slice);
    let version1 = |path: &str| {
        let (status, mut body) = custom(&path.replace("/v1beta1/", "/v1beta2/"));
        if body["items"].is_array() {
            body["apiVersion"] = json!("custom.metrics.k8s.io/v1beta1");
        }
        (status, body)
    };
    kube.service_answers("monitoring", "prometheus-adapter", version1);
    assert_eq!(world.doctor(&[]), (String::new(), String::new(), Some(0)));
    kube.service_answers("monitoring", "prometheus-adapter", move |path| match path {
        "/apis/custom.metrics.k8s.io/v1beta1" => {
            (200, json!({"kind": "APIResourceList", "groupVersion": "custom.metrics.k8s.io/v1beta1", "resources": []}))
        }
        other => version1(other),
    });
    world.names(
        "no series",
        "APIService v1beta1.custom.metrics.k8s.io",
        "lists no metric",
        "see that its --prometheus-url answers",
    );
    kube.service_answers("monitoring", "prometheus-adapter", move |path| match path {
        "/apis/custom.metrics.k8s.io/v1beta1" => custom(path),
        _ => resource(path),
    });
    world.names(
        "no value",
        "HPA shop/web",
        "http_requests_per_second of pods app=web is not there: ",
        "see in Prometheus",
    );
    // metrics-server on a cluster whose kubelets sign their own certificates is never ready.
    kube.service_answers("monitoring", "prometheus-adapter", version1);
    let probe = "Readiness probe failed: HTTP probe failed with statuscode: 500";
    world.unready("kube-system", "metrics-server", |pod| pod.with("/status/conditions/0/message", json!(probe)));
    world.names(
        "metrics-server",
        "pod kube-system/metrics-server-0",
        "runs and is not ready: Readiness probe failed",
        "--kubelet-insecure-tls",
    );
}

#[test]
fn an_api_server_that_is_away_or_does_not_know_who_asks_is_the_first_fault() {
    let world = World::new();
    world.kubeconfig("wrong");
    world.names("a bad token", &format!("API server {}/", world.stage.kube.url()), "401 Unauthorized", "log in again");
    world.stage.kube.away();
    world.names("away", &format!("API server {}/", world.stage.kube.url()), "cannot be reached", "check the address");
}

#[test]
fn the_kinds_of_an_old_api_server_are_known_as_well() {
    let world = World::with(Options { aggregated_discovery: false, ..Options::default() });
    assert_eq!(world.doctor(&[]), (String::new(), String::new(), Some(0)));
    world.hpa(|hpa| hpa["spec"]["scaleTargetRef"]["kind"] = json!("Widget"));
    world.names("no such kind", "HPA shop/web", "the cluster has no such kind", "install what defines it");
}

#[test]
fn the_kubeconfig_is_found_as_kubectl_finds_it() {
    let world = World::new();
    assert_eq!(world.doctor_of_the_environment(), Some(0));
    let (_, aside, code) = world.doctor(&["--context", "other"]);
    assert!(code == Some(1) && aside.contains("other"), "{aside}");
    assert_eq!(world.doctor(&["--context", "fake"]).2, Some(0));
}

#[test]
fn flags_that_are_wrong_are_refused() {
    for arguments in [&["doctor", "--api", "cpu"][..], &["doctor", "-n", "A b"], &["doctor", "--nope"]] {
        let out = adapter(arguments).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
    }
    let out = adapter(&["doctor", "--kubeconfig", "/nope"]).output().unwrap();
    assert!(out.status.code() == Some(1) && String::from_utf8_lossy(&out.stderr).contains("/nope"), "{out:?}");
}
