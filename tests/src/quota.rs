//! `LimitRange` and `ResourceQuota`, as the API server admits pods by them, word by word.
//!
//! A namespace is given manifests and pods; it says what is used, and why a pod is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, AddAssign, Mul};

use metrics_adapter::model::quantity::{Bytes, Milli, Quantity};
use serde_json::{Value, json};

use crate::workloads::{each, entries, kind, name};

/// Amounts by the names that quotas have for them: cpu in thousandths, memory in bytes, all else in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(BTreeMap<String, i64>);

impl Usage {
    /// What a quota counts of one pod: the sum of its containers, or the largest that runs before them.
    pub fn of_pod(spec: &Value) -> Self {
        let stays = |container: &&Value| container["restartPolicy"] == "Always";
        let init = || each(&spec["initContainers"]);
        let running = each(&spec["containers"]).chain(init().filter(stays)).map(Self::of_container);
        let mut all = running.fold(Self::default(), |sum, one| sum + &one);
        for before in init().filter(|container| !stays(container)).map(Self::of_container) {
            for (resource, amount) in before.0 {
                let most = all.0.entry(resource).or_default();
                *most = amount.max(*most);
            }
        }
        all.0.insert("pods".to_owned(), 1);
        all
    }

    fn of_container(container: &Value) -> Self {
        let both = ["requests", "limits"].into_iter().flat_map(|side| {
            entries(&container["resources"][side]).map(move |(resource, amount)| (format!("{side}.{resource}"), amount))
        });
        Self::read(both)
    }

    /// What a quota allows.
    pub fn of_quota(quota: &Value) -> Self {
        Self::read(entries(&quota["spec"]["hard"]).map(|(resource, amount)| (resource.to_owned(), amount)))
    }

    fn read<'a>(amounts: impl Iterator<Item = (String, &'a Value)>) -> Self {
        Self(amounts.map(|(resource, amount)| (resource.clone(), number(&resource, amount))).collect())
    }

    pub fn get(&self, resource: &str) -> i64 {
        self.0.get(resource).copied().unwrap_or_default()
    }

    /// As the API server writes it: `3500m`, `1536Mi`, `6`.
    pub fn text(&self, resource: &str) -> String {
        text(resource, self.get(resource))
    }

    /// These resources alone, zero where there is nothing of one.
    fn only<'a>(&self, resources: impl IntoIterator<Item = &'a String>) -> Self {
        Self(resources.into_iter().map(|resource| (resource.clone(), self.get(resource))).collect())
    }
}

impl Add<&Usage> for Usage {
    type Output = Self;

    fn add(mut self, other: &Usage) -> Self {
        self += other;
        self
    }
}

impl AddAssign<&Usage> for Usage {
    fn add_assign(&mut self, other: &Usage) {
        for (resource, amount) in &other.0 {
            *self.0.entry(resource.clone()).or_default() += amount;
        }
    }
}

impl Mul<i64> for &Usage {
    type Output = Usage;

    fn mul(self, times: i64) -> Usage {
        Usage(self.0.iter().map(|(resource, amount)| (resource.clone(), amount * times)).collect())
    }
}

/// `limits.cpu=500m,pods=1`, sorted by name.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().map(|(resource, amount)| format!("{resource}={}", text(resource, *amount))).collect();
        f.write_str(&parts.join(","))
    }
}

/// A quantity, which YAML gives as a string or as a number.
fn quantity(value: &Value) -> Quantity {
    let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Quantity::parse(&written).unwrap_or_else(|error| panic!("{error}"))
}

fn number(resource: &str, value: &Value) -> i64 {
    let milli = quantity(value).milli();
    if resource.ends_with("cpu") { milli } else { milli / 1000 }
}

fn text(resource: &str, amount: i64) -> String {
    match resource.rsplit('.').next() {
        Some("cpu") => Milli(amount).to_string(),
        Some("memory") => Bytes(amount.try_into().unwrap()).to_string(),
        _ => amount.to_string(),
    }
}

/// A namespace with at most one quota and one `LimitRange`.
#[derive(Clone, Default)]
pub struct Namespace {
    quota: Option<Value>,
    limits: Option<Value>,
    services: BTreeSet<String>,
    pods: BTreeMap<String, Usage>,
}

impl Namespace {
    /// Takes what is applied of these manifests: the quota, the limits and the Services; nothing else is counted.
    pub fn apply(&mut self, manifests: &[Value]) {
        for manifest in manifests {
            match kind(manifest) {
                "ResourceQuota" => self.quota = Some(manifest.clone()),
                "LimitRange" => self.limits = Some(manifest.clone()),
                "Service" => {
                    self.services.insert(name(manifest).to_owned());
                }
                _ => {}
            }
        }
    }

    /// As `kubectl delete quota` does.
    pub fn delete_quota(&mut self) {
        self.quota = None;
    }

    /// Admits a pod, or says why not, as the API server does.
    pub fn create(&mut self, pod: &str, spec: &Value) -> Result<(), String> {
        let spec = self.with_defaults(spec);
        let forbidden = |problem: String| Err(format!("pods \"{pod}\" is forbidden: {problem}"));
        if let Some(problem) = self.above_the_maximum(&spec) {
            return forbidden(problem);
        }
        let usage = Usage::of_pod(&spec);
        if let Some(problem) = self.quota.as_ref().and_then(|quota| refusal(quota, &self.used(), &spec)) {
            return forbidden(problem);
        }
        self.pods.insert(pod.to_owned(), usage);
        Ok(())
    }

    /// The pod is gone: one that is still terminating counts.
    pub fn remove(&mut self, pod: &str) {
        assert!(self.pods.remove(pod).is_some(), "there is no pod {pod}");
    }

    /// What exists, whatever the quota says.
    pub fn used(&self) -> Usage {
        let mut used = self.pods.values().fold(Usage::default(), |sum, pod| sum + pod);
        used.0.insert("services".to_owned(), self.services.len().try_into().unwrap());
        used
    }

    /// Resource, used and hard, in the rows of `kubectl describe quota`.
    pub fn describe(&self) -> Vec<[String; 3]> {
        let Some(quota) = &self.quota else { return Vec::new() };
        let (used, hard) = (self.used(), Usage::of_quota(quota));
        hard.0.keys().map(|resource| [resource.clone(), used.text(resource), hard.text(resource)]).collect()
    }

    /// A container that has limits and no requests asks for its limits; what is missing then comes from the `LimitRange`.
    fn with_defaults(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        let limits = self.limits.as_ref().map_or(&Value::Null, |limits| &limits["spec"]["limits"]);
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                let resources = &mut container["resources"];
                let own = resources["limits"].clone();
                fill(resources, "requests", &own);
                for limit in each(limits).filter(|limit| limit["type"] == "Container") {
                    fill(resources, "limits", &limit["default"]);
                    fill(resources, "requests", &limit["defaultRequest"]);
                }
            }
        }
        spec
    }

    fn above_the_maximum(&self, spec: &Value) -> Option<String> {
        let limits = each(&self.limits.as_ref()?["spec"]["limits"]).filter(|limit| limit["type"] == "Container");
        let maxima = limits.flat_map(|limit| entries(&limit["max"]));
        let problems: Vec<String> = maxima
            .flat_map(|(resource, most)| {
                let containers = each(&spec["containers"]).chain(each(&spec["initContainers"]));
                containers.filter_map(move |container| above(container, resource, most))
            })
            .collect();
        match problems.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(format!("[{}]", several.join(", "))),
        }
    }
}

fn above(container: &Value, resource: &str, most: &Value) -> Option<String> {
    let most = number(resource, most);
    let maximum = format!("maximum {resource} usage per Container is {}", text(resource, most));
    let of = |side: &str| container["resources"][side].get(resource).map(|amount| number(resource, amount));
    match (of("limits"), of("requests")) {
        (None, _) => Some(format!("{maximum}.  No limit is specified")),
        (Some(limit), _) if limit > most => Some(format!("{maximum}, but limit is {}", text(resource, limit))),
        (_, Some(request)) if request > most => Some(format!("{maximum}, but request is {}", text(resource, request))),
        _ => None,
    }
}

fn fill(resources: &mut Value, side: &str, defaults: &Value) {
    for (resource, amount) in entries(defaults) {
        if resources[side][resource].is_null() {
            resources[side][resource] = json!(amount);
        }
    }
}

/// Why this quota refuses a pod beside what is used; none if it does not.
pub fn refusal(quota: &Value, used: &Usage, spec: &Value) -> Option<String> {
    let hard = Usage::of_quota(quota);
    if let Some(missing) = unspecified(&hard, spec) {
        return Some(format!("failed quota: {}: must specify {missing}", name(quota)));
    }
    let requested = Usage::of_pod(spec);
    let counted = requested.0.iter().filter(|(resource, amount)| hard.0.contains_key(*resource) && **amount > 0);
    let exceeded: Vec<&String> = counted
        .filter(|(resource, amount)| used.get(resource) + **amount > hard.get(resource))
        .map(|(resource, _)| resource)
        .collect();
    let only = |usage: &Usage| usage.only(exceeded.iter().copied());
    (!exceeded.is_empty()).then(|| {
        let (requested, used, limited) = (only(&requested), only(used), only(&hard));
        format!("exceeded quota: {}, requested: {requested}, used: {used}, limited: {limited}", name(quota))
    })
}

/// A quota of cpu or memory wants each container to say how much it takes.
fn unspecified(hard: &Usage, spec: &Value) -> Option<String> {
    let asked = |resource: &&String| resource.split_once('.').is_some_and(|(_, of)| ["cpu", "memory"].contains(&of));
    let missing: Vec<String> = hard
        .0
        .keys()
        .filter(asked)
        .filter_map(|resource| {
            let containers = each(&spec["containers"]).chain(each(&spec["initContainers"]));
            let silent = containers.filter(|container| !Usage::of_container(container).0.contains_key(resource));
            let names: BTreeSet<&str> = silent.map(|container| container["name"].as_str().unwrap()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            (!names.is_empty()).then(|| format!("{resource} for: {}", names.join(",")))
        })
        .collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}
