//! The rules of a network that knows `NetworkPolicies`: a pod that no policy selects for a direction is open in it; one that
//! some select is closed but for what any of them lists. A call is let through if it may leave and may arrive.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stack::workloads::{each, namespace, selects};

use crate::references::World;

/// Where the API server, names and the web are, outside of all pods.
const OUTSIDE: [(&str, u64, &str); 5] =
    [("", 53, "TCP"), ("", 53, "UDP"), ("", 80, "TCP"), ("", 443, "TCP"), ("", 6443, "TCP")];

/// Who calls or is called.
struct Party {
    name: String,
    /// None: outside of all pods.
    namespace: Option<String>,
    labels: Value,
    /// Name, number, protocol.
    ports: Vec<(String, u64, String)>,
    /// Of whose own policies we know nothing: a pod that is not ours.
    stranger: bool,
}

pub(super) struct Network<'a> {
    policies: Vec<&'a Value>,
    namespaces: Vec<(&'a str, Value)>,
    parties: Vec<Party>,
}

impl<'a> Network<'a> {
    /// The pods of a bundle, one unknown pod in each of these namespaces, and what is outside.
    pub(super) fn of(world: &World<'a>, strangers: &[&str]) -> Self {
        let owned = |ports: &mut dyn Iterator<Item = (&str, u64, &str)>| {
            ports.map(|(name, number, protocol)| (name.to_owned(), number, protocol.to_owned())).collect()
        };
        let mut parties: Vec<Party> = world
            .workloads()
            .map(|workload| Party {
                name: workload.name().to_owned(),
                namespace: Some(workload.namespace().to_owned()),
                labels: workload.labels().clone(),
                ports: owned(&mut workload.ports()),
                stranger: false,
            })
            .collect();
        parties.extend(strangers.iter().map(|space| Party {
            name: (*space).to_owned(),
            namespace: Some((*space).to_owned()),
            labels: json!({}),
            ports: Vec::new(),
            stranger: true,
        }));
        let ports = owned(&mut OUTSIDE.into_iter());
        parties.push(Party { name: "outside".to_owned(), namespace: None, labels: json!({}), ports, stranger: true });
        Self { policies: world.each("NetworkPolicy").collect(), namespaces: world.namespaces(), parties }
    }

    /// What is let through, as `real-world -> db:5432`. What strangers do among themselves is theirs.
    pub(super) fn calls(&self) -> BTreeSet<String> {
        let mut calls = BTreeSet::new();
        for from in &self.parties {
            for to in self.parties.iter().filter(|to| !(from.stranger && to.stranger)) {
                for (_, port, protocol) in &to.ports {
                    if self.allows(from, to, *port, protocol) {
                        let suffix = if protocol == "TCP" { String::new() } else { format!("/{protocol}") };
                        calls.insert(format!("{} -> {}:{port}{suffix}", from.name, to.name));
                    }
                }
            }
        }
        calls
    }

    fn allows(&self, from: &Party, to: &Party, port: u64, protocol: &str) -> bool {
        let open = |whose: &Party, direction: &str, rules: &str, peers: &str, other: &Party| {
            let mut own = self.policies.iter().filter(|policy| covers(policy, whose, direction)).peekable();
            own.peek().is_none()
                || own.any(|policy| {
                    each(&policy["spec"][rules]).any(|rule| {
                        self.is_meant(policy, &rule[peers], other) && is_listed(&rule["ports"], to, port, protocol)
                    })
                })
        };
        open(from, "Egress", "egress", "to", to) && open(to, "Ingress", "ingress", "from", from)
    }

    /// Whether one of a rule's peers is this one; a rule that names none means all.
    fn is_meant(&self, policy: &Value, peers: &Value, other: &Party) -> bool {
        if each(peers).next().is_none() {
            return true;
        }
        each(peers).any(|peer| {
            assert!(peer.get("ipBlock").is_none(), "addresses are not known here: {peer}");
            let Some(space) = &other.namespace else { return false };
            let its_space = match peer.get("namespaceSelector") {
                None => space == namespace(policy),
                Some(selector) => {
                    self.namespaces.iter().any(|(name, labels)| name == space && selects(selector, labels))
                }
            };
            its_space && peer.get("podSelector").is_none_or(|selector| selects(selector, &other.labels))
        })
    }
}

/// Whether a policy has a say on this direction of this pod.
fn covers(policy: &Value, whose: &Party, direction: &str) -> bool {
    let spec = &policy["spec"];
    let directions = spec["policyTypes"].as_array().unwrap_or_else(|| panic!("no policyTypes: {policy}"));
    whose.namespace.as_deref() == Some(namespace(policy))
        && directions.iter().any(|one| one == direction)
        && selects(&spec["podSelector"], &whose.labels)
}

/// Whether a rule's ports hold this one of who is called; a rule that names none means all.
fn is_listed(ports: &Value, called: &Party, number: u64, protocol: &str) -> bool {
    if each(ports).next().is_none() {
        return true;
    }
    each(ports).any(|port| {
        let same = match &port["port"] {
            Value::Null => true,
            Value::String(name) => called.ports.iter().any(|(own, at, _)| own == name && *at == number),
            first => {
                let first = first.as_u64().unwrap();
                (first..=port["endPort"].as_u64().unwrap_or(first)).contains(&number)
            }
        };
        same && port["protocol"].as_str().unwrap_or("TCP") == protocol
    })
}
