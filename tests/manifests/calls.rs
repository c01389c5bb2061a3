//! Who may call whom, computed from the `NetworkPolicies` as a cluster's network does.

mod network;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stack::workloads::id;

use crate::bundles::{Bundle, all, bundle};
use crate::references::World;
use network::Network;

const WHOLE: &str = "k8s + k8s/real-world-seed.yaml";

/// Each call that is let through, and why; what is not here is refused. `outside` is the world, the API server and the
/// cluster's DNS: no selector names them. `default` and `monitoring` are pods of those namespaces that we do not know.
const ALLOWED: [(&str, &str); 32] = [
    ("outside -> traefik-ingress-controller:8000", "requests"),
    ("default -> traefik-ingress-controller:8000", "requests, as the world may send them"),
    ("monitoring -> traefik-ingress-controller:8000", "requests, as the world may send them"),
    ("metrics-adapter -> traefik-ingress-controller:8000", "requests, as the world may send them"),
    ("traefik-ingress-controller -> real-world:4000", "requests, on their way"),
    ("real-world -> db:5432", "statements"),
    ("real-world-seed -> db:5432", "articles to read"),
    ("traefik-ingress-controller -> traefik-ingress-controller:8080", "the dashboard, through the ingress"),
    ("metrics-adapter -> real-world:9000", "metrics"),
    ("metrics-adapter -> traefik-ingress-controller:9000", "metrics"),
    ("monitoring -> real-world:9000", "metrics"),
    ("monitoring -> traefik-ingress-controller:9000", "metrics"),
    ("monitoring -> metrics-adapter:9000", "metrics"),
    ("metrics-adapter -> metrics-adapter:9000", "metrics"),
    ("outside -> metrics-adapter:6443", "the API server; whoever comes is asked who they are"),
    ("default -> metrics-adapter:6443", "as from outside"),
    ("monitoring -> metrics-adapter:6443", "as from outside"),
    ("metrics-adapter -> metrics-adapter:6443", "as from outside"),
    ("traefik-ingress-controller -> metrics-adapter:6443", "the API server's port, whoever listens there"),
    ("traefik-ingress-controller -> outside:443", "the API server"),
    ("traefik-ingress-controller -> outside:6443", "the API server"),
    ("traefik-ingress-controller -> outside:53", "names"),
    ("traefik-ingress-controller -> outside:53/UDP", "names"),
    ("real-world -> outside:53", "names"),
    ("real-world -> outside:53/UDP", "names"),
    ("real-world-seed -> outside:53", "names"),
    ("real-world-seed -> outside:53/UDP", "names"),
    ("metrics-adapter -> outside:80", "what it may call is left open: it scrapes whoever wants to be scraped"),
    ("metrics-adapter -> outside:443", "the API server"),
    ("metrics-adapter -> outside:6443", "the API server"),
    ("metrics-adapter -> outside:53", "names"),
    ("metrics-adapter -> outside:53/UDP", "names"),
];

/// Every call that this bundle's policies let through.
fn calls(bundle: &Bundle) -> BTreeSet<String> {
    let world = World::of(bundle);
    Network::of(&world, &["default", "monitoring"]).calls()
}

fn allowed() -> BTreeSet<String> {
    ALLOWED.iter().map(|(call, _)| (*call).to_owned()).collect()
}

/// The calls that a change of the whole lets through and that were refused, and those that it refuses.
fn after(change: impl FnOnce(&mut Vec<Value>)) -> [Vec<String>; 2] {
    let mut changed = bundle(WHOLE).clone();
    change(&mut changed.objects);
    let calls = calls(&changed);
    [calls.difference(&allowed()).cloned().collect(), allowed().difference(&calls).cloned().collect()]
}

fn policy<'a>(objects: &'a mut [Value], name: &str) -> &'a mut Value {
    let policy = objects.iter_mut().find(|object| id(object) == format!("NetworkPolicy real-world/{name}"));
    policy.unwrap_or_else(|| panic!("there is no policy {name}"))
}

#[test]
fn those_may_call_who_are_listed_and_nobody_else() {
    let [let_through, refused] = after(|_| {});
    assert!(let_through.is_empty(), "these may call, and are not listed: {let_through:#?}");
    assert!(refused.is_empty(), "these are listed, and may not call: {refused:#?}");
}

#[test]
fn no_variant_lets_through_what_the_whole_refuses() {
    for bundle in all().iter().filter(|bundle| World::of(bundle).each("StatefulSet").next().is_some()) {
        let known = ["outside", "default", "monitoring", "metrics-adapter", "real-world", "real-world-seed", "db"];
        let of_ours = |call: &&String| {
            let (from, to) = call.split_once(" -> ").unwrap();
            let to = to.split(':').next().unwrap();
            [from, to].iter().all(|party| known.contains(party) || *party == "traefik-ingress-controller")
        };
        let calls = calls(bundle);
        let more: Vec<&String> =
            calls.difference(&allowed()).filter(of_ours).map(|call| calls.get(call).unwrap()).collect();
        assert!(more.is_empty(), "{}: {more:#?}", bundle.name);
    }
}

#[test]
fn without_the_policy_that_denies_postgres_may_call_the_world() {
    let [let_through, refused] =
        after(|objects| objects.retain(|object| id(object) != "NetworkPolicy real-world/default-deny"));
    for call in ["db -> outside:443", "db -> traefik-ingress-controller:8000", "db -> metrics-adapter:6443"] {
        assert!(let_through.iter().any(|one| one == call), "{call}: {let_through:#?}");
    }
    assert_eq!(refused, [""; 0]);
}

#[test]
fn a_rule_that_names_nobody_lets_everybody_in() {
    let [let_through, refused] = after(|objects| {
        policy(objects, "db")["spec"]["ingress"][0].as_object_mut().unwrap().remove("from").unwrap();
    });
    // Those alone whose own way out is open.
    let wanted = ["default", "metrics-adapter", "monitoring", "outside"].map(|from| format!("{from} -> db:5432"));
    assert_eq!(let_through, wanted);
    assert_eq!(refused, [""; 0]);
}

#[test]
fn a_port_by_another_name_lets_nobody_in() {
    let [let_through, refused] =
        after(|objects| policy(objects, "real-world")["spec"]["ingress"][0]["ports"][0]["port"] = json!("web"));
    assert_eq!(let_through, [""; 0]);
    assert_eq!(refused, ["traefik-ingress-controller -> real-world:4000"]);
}

#[test]
fn who_may_not_leave_arrives_nowhere_and_who_is_not_let_in_neither() {
    let [let_through, refused] = after(|objects| policy(objects, "to-db")["spec"]["egress"] = json!([]));
    assert_eq!(let_through, [""; 0]);
    assert!(refused.contains(&"real-world -> db:5432".to_owned()), "{refused:#?}");
    let [let_through, refused] = after(|objects| policy(objects, "db")["spec"]["ingress"] = json!([]));
    assert_eq!(let_through, [""; 0]);
    assert_eq!(refused, ["real-world -> db:5432", "real-world-seed -> db:5432"]);
}

#[test]
fn a_selector_of_pods_beside_one_of_namespaces_means_both_and_in_an_entry_of_its_own_either() {
    let both = json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "nobody"}}});
    let [let_through, refused] =
        after(|objects| policy(objects, "real-world")["spec"]["ingress"][1]["from"] = json!([both]));
    assert_eq!(let_through, [""; 0]);
    assert_eq!(refused, ["metrics-adapter -> real-world:9000", "monitoring -> real-world:9000"]);
    let either = json!([{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"k8s-app": "nobody"}}}]);
    let [let_through, refused] = after(|objects| policy(objects, "real-world")["spec"]["ingress"][1]["from"] = either);
    assert_eq!(let_through, ["default -> real-world:9000"]);
    assert_eq!(refused, [""; 0]);
}
