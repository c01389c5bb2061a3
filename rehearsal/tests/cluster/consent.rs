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
