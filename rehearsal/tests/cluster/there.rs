use serde_json::json;

use crate::world::{APP, MONITORING, World};

#[test]
fn a_metrics_server_that_is_there_goes_on_giving_cpu_and_memory() {
    let world = World::new();
    world.foreign_api("v1beta1", "metrics.k8s.io", "kube-system", "metrics-server");
    let ended = world.up("60s").succeeded();
    assert!(
        ended.out.contains("APIService v1beta1.metrics.k8s.io of kube-system/metrics-server; it goes on"),
        "{}",
        ended.out
    );
    let whose =
        || world.kube.get("apiservices", "", "v1beta1.metrics.k8s.io").unwrap()["spec"]["service"]["name"].clone();
    assert_eq!(whose(), "metrics-server");
    let adapter = world.kube.get("deployments", MONITORING, "metrics-adapter").unwrap();
    let variables = adapter["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
    assert!(variables.contains(r#""name":"RESOURCE_METRICS","value":"false""#), "{variables}");
    world.down().succeeded();
    assert_eq!(whose(), "metrics-server");
}

#[test]
fn a_traefik_that_is_there_serves_the_api_and_no_second_one_comes() {
    let world = World::new();
    world.foreign_traefik("traefik");
    let ended = world.up("60s").succeeded();
    assert!(ended.out.contains("a Traefik in namespace kube-system, IngressClass traefik"), "{}", ended.out);
    let load = "make load RATE=140 URL=http://203.0.113.7/api/articles ARGS='--host real-world.localhost'";
    assert!(ended.out.contains(load), "{}", ended.out);
    assert!(!world.has("deployments", APP, "traefik-ingress-controller"), "a second Traefik came");
    assert!(!world.has("secrets", APP, "traefik-dashboard"), "a login for a dashboard that is not there");
    let policy = world.kube.get("networkpolicies", APP, "real-world-ingress").expect("nothing lets it in");
    assert!(policy["spec"]["ingress"].to_string().contains("kube-system"), "{policy}");
    world.down().succeeded();
    assert!(world.has("ingressclasses", "", "traefik"), "somebody else's IngressClass was deleted");
}

#[test]
fn a_traefik_of_another_class_is_given_the_ingresses() {
    let world = World::new();
    world.foreign_traefik("edge");
    world.up("60s").succeeded();
    let ingress = world.kube.get("ingresses", APP, "real-world-service").unwrap();
    assert_eq!(ingress["spec"]["ingressClassName"], "edge");
}

#[test]
fn what_answered_for_custom_metrics_is_restored() {
    let world = World::new();
    let behind = fake_kube::objects::service("prometheus", "prometheus-adapter", &json!({}), ("https", 443));
    world.kube.put("services", behind);
    world.foreign_api("v1beta1", "custom.metrics.k8s.io", "prometheus", "prometheus-adapter");
    world.kube.change("apiservices", "", "v1beta1.custom.metrics.k8s.io", |object| {
        object["spec"]["insecureSkipTLSVerify"] = json!(true);
    });
    let before = world.kube.get("apiservices", "", "v1beta1.custom.metrics.k8s.io").unwrap()["spec"].clone();
    let ended = world.up("60s").succeeded();
    assert!(ended.out.contains("the adapter takes its place; `make down` restores it"), "{}", ended.out);
    let now = || world.kube.get("apiservices", "", "v1beta1.custom.metrics.k8s.io").unwrap()["spec"].clone();
    assert_eq!(now()["service"]["name"], "metrics-adapter");
    assert!(now()["insecureSkipTLSVerify"].is_null(), "{}", now());
    // The second one finds its own there, and still knows whose it was.
    world.run(&["up", "--patience", "60s"]).succeeded();
    world.down().succeeded();
    assert_eq!(now(), before);
}

#[test]
fn what_has_nobody_behind_it_any_more_is_kept_and_not_restored() {
    let world = World::new();
    let name = "v1beta1.custom.metrics.k8s.io";
    world.foreign_api("v1beta1", "custom.metrics.k8s.io", "prometheus", "prometheus-adapter");
    world.up("60s").succeeded();
    let ended = world.down().succeeded();
    let said = format!("APIService {name} is not restored: its Service prometheus/prometheus-adapter is gone");
    assert!(ended.out.contains(&said), "{}", ended.out);
    assert!(!world.has("apiservices", "", name), "no namespace could end any more");
    let kept = std::fs::read_to_string(world.path("data").join(format!("{name}.json"))).unwrap();
    assert!(kept.contains("prometheus-adapter"), "{kept}");
}

#[test]
fn keda_goes_on_answering_for_external_metrics() {
    let world = World::new();
    world.foreign_api("v1beta1", "external.metrics.k8s.io", "keda", "keda-operator-metrics-apiserver");
    world.up("60s").succeeded();
    let object = world.kube.get("apiservices", "", "v1beta1.external.metrics.k8s.io").unwrap();
    assert_eq!(object["spec"]["service"]["namespace"], "keda");
}

#[test]
fn a_namespace_monitoring_of_somebody_else_is_lodged_in_and_stays() {
    let world = World::new();
    world.kube.namespace(MONITORING);
    world.kube.put("configmaps", json!({"metadata": {"namespace": MONITORING, "name": "theirs"}, "data": {}}));
    let ended = world.up("60s").succeeded();
    assert!(ended.out.contains("a namespace monitoring of somebody else's"), "{}", ended.out);
    let labels = world.kube.get("namespaces", "", MONITORING).unwrap()["metadata"]["labels"].clone();
    assert!(labels["pod-security.kubernetes.io/enforce"].is_null(), "their pods would be refused: {labels}");
    assert!(world.has("deployments", MONITORING, "metrics-adapter"));
    world.down().succeeded();
    assert!(world.has("configmaps", MONITORING, "theirs"), "what was theirs is gone");
    assert!(!world.has("deployments", MONITORING, "metrics-adapter"), "the adapter was left behind");
    assert!(!world.has("namespaces", "", APP));
}
