use fake_kube::Fate;
use serde_json::json;

use crate::world::{APP, MONITORING, World};

/// What `up` leaves in a cluster beside its namespaces.
fn left(world: &World) -> Vec<String> {
    let mut left = Vec::new();
    for (resource, namespace, name) in [
        ("namespaces", "", APP),
        ("namespaces", "", MONITORING),
        ("apiservices", "", "v1beta1.custom.metrics.k8s.io"),
        ("apiservices", "", "v1beta2.custom.metrics.k8s.io"),
        ("apiservices", "", "v1beta1.external.metrics.k8s.io"),
        ("apiservices", "", "v1beta1.metrics.k8s.io"),
        ("clusterroles", "", "metrics-adapter"),
        ("clusterroles", "", "metrics-adapter-resource-metrics-reader"),
        ("clusterroles", "", "traefik-ingress-controller"),
        ("clusterrolebindings", "", "metrics-adapter"),
        ("clusterrolebindings", "", "metrics-adapter:system:auth-delegator"),
        ("clusterrolebindings", "", "traefik-ingress-controller"),
        ("rolebindings", "kube-system", "metrics-adapter-auth-reader"),
        ("ingressclasses", "", "traefik"),
    ] {
        if world.has(resource, namespace, name) {
            left.push(format!("{resource} {namespace}/{name}"));
        }
    }
    left
}

#[test]
fn nothing_is_left_behind() {
    let world = World::new();
    world.up("60s").succeeded();
    assert_eq!(left(&world).len(), 14, "not all that is looked for was there before: {:#?}", left(&world));
    world.kube.reset_tally();
    let ended = world.down().succeeded();
    assert!(ended.out.contains("nothing of the stack is left"), "{}", ended.out);
    assert_eq!(left(&world), Vec::<String>::new());
    let calls = world.kube.tally();
    let at = |resource: &str| calls.iter().position(|call| call.verb == "delete" && call.resource == resource).unwrap();
    assert!(at("apiservices") < at("horizontalpodautoscalers"), "the APIServices do not go first");
    assert!(at("horizontalpodautoscalers") < at("namespaces"), "the HPA does not go before the namespaces");
}

#[test]
fn twice_is_as_good_as_once_and_so_is_for_nothing() {
    let world = World::new();
    world.down().succeeded();
    world.up("60s").succeeded();
    world.down().succeeded();
    world.down().succeeded();
    assert_eq!(left(&world), Vec::<String>::new());
}

#[test]
fn what_is_half_built_goes_too() {
    let world = World::new();
    world.controllers.fate("real-world", Fate::NotLoaded);
    world.up("6s").failed(&["ErrImageNeverPull"]);
    assert!(!left(&world).is_empty());
    world.down().succeeded();
    assert_eq!(left(&world), Vec::<String>::new());
}

#[test]
fn what_was_made_by_hand_goes_after_a_yes_alone() {
    let world = World::new();
    let labels = json!({"app.kubernetes.io/part-of": "conduit"});
    world.kube.put("namespaces", json!({"metadata": {"name": APP, "labels": labels}, "status": {"phase": "Active"}}));
    world.run(&["down"]).failed(&["nothing was done"]);
    assert!(world.has("namespaces", "", APP));
    world.run(&["down", "--yes", "--context", "fake", "--patience", "20s"]).succeeded();
    assert!(!world.has("namespaces", "", APP));
}

#[test]
fn a_namespace_that_hangs_is_told_of_with_what_holds_it() {
    let world = World::new();
    world.up("60s").succeeded();
    world.foreign_api("v1", "broken.example.com", "elsewhere", "broken");
    world.kube.available(
        "v1.broken.example.com",
        "False",
        "MissingEndpoints",
        "endpoints for service/broken have no addresses",
    );
    let hung = world.run(&["down", "--yes", "--patience", "3s"]);
    hung.failed(&[
        "the end of real-world and monitoring: not come after 3s",
        "Discovery failed for some groups",
        "APIService v1.broken.example.com is not available: endpoints for service/broken have no addresses",
    ]);
    world.kube.remove("apiservices", "", "v1.broken.example.com");
    world.down().succeeded();
    assert_eq!(left(&world), Vec::<String>::new());
}
