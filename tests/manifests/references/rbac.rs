//! Who is bound to what.

use serde_json::Value;
use stack::workloads::{each, entries, id, kind, namespace};

use super::World;

/// Roles that each cluster has: their kind, namespace and name.
const BUILT_IN: [(&str, &str, &str); 2] = [
    ("ClusterRole", "", "system:auth-delegator"),
    ("Role", "kube-system", "extension-apiserver-authentication-reader"),
];

pub(super) fn binds_what_there_is(world: &World<'_>) -> Vec<String> {
    let bindings: Vec<&Value> = world.each("RoleBinding").chain(world.each("ClusterRoleBinding")).collect();
    let unknown = bindings.iter().flat_map(|binding| [role(world, binding), subjects(world, binding)].concat());
    let roles = world.each("Role").chain(world.each("ClusterRole"));
    let unbound = roles.filter(|role| {
        let bound = |binding: &&Value| {
            let space = if kind(role) == "Role" { namespace(binding) } else { "" };
            (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]) == (&role["kind"], &role["metadata"]["name"])
                && space == namespace(role)
        };
        // What is aggregated to the cluster's own roles is for people.
        let mut labels = entries(&role["metadata"]["labels"]);
        !bindings.iter().any(bound) && !labels.any(|(label, _)| label.contains("/aggregate-to-"))
    });
    unknown.chain(unbound.map(|role| format!("{}: nobody is bound to it", id(role)))).collect()
}

fn role(world: &World<'_>, binding: &Value) -> Vec<String> {
    let wanted = &binding["roleRef"];
    let of = wanted["kind"].as_str().unwrap();
    let space = if of == "Role" { namespace(binding) } else { "" };
    let called = wanted["name"].as_str().unwrap();
    let known = BUILT_IN.contains(&(of, space, called)) || world.find(of, space, &wanted["name"]).is_some();
    if known { Vec::new() } else { vec![format!("{}: there is no {of} {called}", id(binding))] }
}

fn subjects(world: &World<'_>, binding: &Value) -> Vec<String> {
    let missing = each(&binding["subjects"]).filter_map(|subject| {
        let space = subject["namespace"].as_str().unwrap_or_default();
        let found = world.find("ServiceAccount", space, &subject["name"]);
        let account = subject["kind"] == "ServiceAccount" && found.is_some();
        let called = subject["name"].as_str().unwrap_or_default();
        (!account).then(|| format!("{}: there is no ServiceAccount {space}/{called}", id(binding)))
    });
    missing.collect()
}
