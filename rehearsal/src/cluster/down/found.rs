use serde_json::Value;

use super::lodging::Lodging;
use crate::cluster::ground::is_ours;
use crate::cluster::look::{annotation, label, list, name};
use crate::cluster::marks::{APP, DISPLACED, MONITORING, OURS, PART_OF, STACK};
use crate::cluster::{Failure, Kubectl, sharing};

/// Where the adapter's role to read who may ask is.
pub(super) const SYSTEM: &str = "kube-system";
/// What belongs to no namespace; the `APIServices` are apart.
pub(super) const WIDE: &str = "clusterroles,clusterrolebindings,ingressclasses";

/// What is there of the stack.
#[derive(Default)]
pub(super) struct Found {
    /// Namespaces that go with all that is in them.
    pub(super) namespaces: Vec<&'static str>,
    /// Namespaces of somebody else's that have something of the stack in them.
    pub(super) lodgings: Vec<Lodging>,
    /// Others' `APIServices`, as they were.
    pub(super) displaced: Vec<Value>,
    /// The stack's own.
    pub(super) registered: Vec<String>,
    /// The HPA: it goes before what it scales.
    pub(super) scalers: Vec<String>,
    /// What belongs to no namespace.
    wide: Vec<String>,
    /// What is in the system's.
    reader: Vec<String>,
}

impl Found {
    pub(super) async fn look(kubectl: &Kubectl) -> Result<Self, Failure> {
        let mut found = Self::default();
        for namespace in [APP, MONITORING] {
            let Some(object) = kubectl.object("namespace", "default", namespace).await? else { continue };
            if label(&object, PART_OF) == STACK {
                let displaced = serde_json::from_str::<Vec<Value>>(annotation(&object, DISPLACED));
                found.displaced.extend(displaced.unwrap_or_default());
            }
            if sharing::is_whole(kubectl, &object).await? {
                found.namespaces.push(namespace);
            } else {
                found.lodgings.extend(Lodging::look(kubectl, namespace).await?);
            }
        }
        let all = kubectl.json(&["get", "apiservices.apiregistration.k8s.io"]).await?;
        found.registered =
            list(&all, "/items").iter().filter(|own| is_ours(own)).map(|own| name(own).to_owned()).collect();
        found.scalers = names(kubectl, "horizontalpodautoscalers.autoscaling", APP).await?;
        found.wide = names(kubectl, WIDE, "default").await?;
        found.reader = names(kubectl, "rolebindings", SYSTEM).await?;
        Ok(found)
    }

    pub(super) fn is_nothing(&self) -> bool {
        let rest = [&self.registered, &self.scalers, &self.wide, &self.reader];
        self.namespaces.is_empty() && self.lodgings.is_empty() && rest.iter().all(|own| own.is_empty())
    }

    pub(super) fn plan(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if !self.registered.is_empty() {
            steps.push(format!("delete the APIServices {}", self.registered.join(", ")));
        }
        for object in &self.displaced {
            steps.push(format!("restore the APIService {} as it was, if nobody has yet", name(object)));
        }
        if !self.scalers.is_empty() {
            steps.push(format!("delete {} in {APP}", self.scalers.join(", ")));
        }
        steps.extend(self.lodgings.iter().map(Lodging::plan));
        for namespace in &self.namespaces {
            let data = if *namespace == APP { ", the database and its volume among it" } else { "" };
            steps.push(format!("delete the namespace {namespace} with all that is in it{data}"));
        }
        if !self.wide.is_empty() {
            steps.push(format!("delete {}", self.wide.join(", ")));
        }
        if !self.reader.is_empty() {
            steps.push(format!("delete {} in {SYSTEM}", self.reader.join(", ")));
        }
        steps
    }
}

/// What carries the stack's label there, as `kind/name`.
pub(super) async fn names(kubectl: &Kubectl, kinds: &str, namespace: &str) -> Result<Vec<String>, Failure> {
    let listed = kubectl.run(&["get", kinds, "--namespace", namespace, "--selector", OURS, "--output=name"]).await?;
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}
