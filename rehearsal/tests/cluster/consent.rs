use serde_json::json;

use crate::world::{APP, World};

#[test]
fn a_cluster_that_it_did_not_make_is_not_touched_without_a_yes() {
    let world = World::new();
    world.run(&["up", "--provider", "context"]).failed(&["nothing was done", "YES=1"]);
    assert!(!world.has("namespaces", "", APP));
    let writes = world.kube.tally().into_iter().filter(|call| !["get", "list", "watch"].contains(&call.verb.as_str()));
    assert_eq!(writes.count(), 0, "something was written before anybody agreed");
}

#[test]
fn yes_takes_nothing_away_from_a_cluster_that_nobody_named() {
    let world = World::new();
    let labels = json!({"app.kubernetes.io/part-of": "conduit"});
    world.kube.put("namespaces", json!({"metadata": {"name": APP, "labels": labels}, "status": {"phase": "Active"}}));
    let unnamed = ["down", "--yes", "--patience", "20s"];
    world
        .run(&unnamed)
        .failed(&["nothing was done: nobody named context fake, and no `make up` of it is known", "CONTEXT=…"]);
    assert!(world.has("namespaces", "", APP));
    world.run(&[unnamed.as_slice(), &["--context", "fake"]].concat()).succeeded();
    assert!(!world.has("namespaces", "", APP));
    // There is nothing to agree to.
    world.run(&unnamed).succeeded();
}

#[test]
fn a_context_that_is_gone_is_named_and_forgotten_by_down() {
    let world = World::new();
    world.up("60s").succeeded();
    let state = world.path("data/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, text.replace("\"context\": \"fake\"", "\"context\": \"gone\"")).unwrap();
    let said = "context gone, in which `make up` was last, is not in the kubeconfig any more";
    for command in ["status", "doctor", "up", "demo-quota", "demo-hpa"] {
        world.run(&[command]).failed(&[said, "`make down` forgets it, or CONTEXT=…"]);
    }
    let ended = world.run(&["down"]).succeeded();
    assert!(ended.out.contains("it is forgotten"), "{}", ended.out);
    assert!(!state.exists() && world.has("namespaces", "", APP), "another cluster was touched");
}

#[test]
fn without_kubectl_it_says_where_to_get_it() {
    let world = World::new();
    std::fs::remove_file(world.path("kubectl")).unwrap();
    world.up("5s").failed(&["install kubectl (https://kubernetes.io/docs/tasks/tools/)", "KUBECTL="]);
}

#[test]
fn a_cluster_that_does_not_answer_is_named_before_anything_is_done() {
    let world = World::new();
    world.kube.away();
    world.up("5s").failed(&["kubectl get nodes", "kubectl config get-contexts"]);
}

#[test]
fn without_a_context_it_says_so() {
    let world = World::new();
    std::fs::write(world.path("kubeconfig"), "apiVersion: v1\nkind: Config\n").unwrap();
    world.up("5s").failed(&["current-context is not set", "kind.sigs.k8s.io"]);
}

#[test]
fn a_namespace_of_somebody_else_is_left_alone() {
    let world = World::new();
    world.kube.namespace(APP);
    world.up("5s").failed(&["there is a namespace real-world that does not belong to this"]);
    world.down().succeeded();
    assert!(world.has("namespaces", "", APP), "it was deleted");
}
