use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::{DemoError, Patience, Show, pause};
use crate::cluster::Kubectl;

/// The Deployment that is shown, and what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) kubectl: Kubectl,
    pub(super) namespace: String,
    pub(super) deployment: String,
}

impl Place {
    /// The flag that names the namespace.
    pub(super) fn flag(&self) -> String {
        format!("--namespace={}", self.namespace)
    }

    pub(super) async fn deployment(&self) -> Result<Value, DemoError> {
        let found = self.kubectl.object("deployment", &self.namespace, &self.deployment).await?;
        found.ok_or_else(|| {
            let (deployment, namespace) = (&self.deployment, &self.namespace);
            DemoError::missing(format!("there is no Deployment {deployment} in namespace {namespace}"), "make up")
        })
    }

    /// The pods that its selector finds, those that are terminating among them.
    pub(super) async fn pods(&self, deployment: &Value) -> Result<Vec<Value>, DemoError> {
        let labels = deployment["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
        let labels: Vec<String> =
            labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
        let selector = format!("--selector={}", labels.join(","));
        let list = self.kubectl.json(&["get", "pods", &self.flag(), &selector]).await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Events of an object of that kind whose name begins so, with that reason: who they are, and their message.
    pub(super) async fn events(
        &self,
        kind: &str,
        name: &str,
        reason: &str,
    ) -> Result<Vec<(String, String)>, DemoError> {
        let selector = format!("--field-selector=involvedObject.kind={kind}");
        let list = self.kubectl.json(&["get", "events", &self.flag(), &selector]).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let wanted =
            |event: &&Value| event["reason"] == reason && text(&event["involvedObject"]["name"]).starts_with(name);
        // The same event that happens again is counted, not made anew.
        let known =
            |event: &Value| (format!("{}/{}", event["metadata"]["name"], event["count"]), text(&event["message"]));
        Ok(list["items"].as_array().into_iter().flatten().filter(wanted).map(known).collect())
    }

    /// What its `ReplicaSets` could not make, and why, the newest last. Of events about one object a cluster keeps a few, and
    /// then one in five minutes; the Deployment's own condition is there whatever happened before.
    pub(super) async fn refusals(&self) -> Result<Vec<(String, String)>, DemoError> {
        let deployment = self.deployment().await?;
        let conditions = deployment["status"]["conditions"].as_array().into_iter().flatten();
        let failure = conditions.filter(|own| own["type"] == "ReplicaFailure" && own["status"] == "True");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut refusals: Vec<(String, String)> = failure
            .map(|own| {
                (format!("condition of {} {}", own["lastTransitionTime"], own["message"]), text(&own["message"]))
            })
            .collect();
        refusals.extend(self.refusals_told().await?);
        Ok(refusals)
    }

    /// Those that events tell of. They stay for an hour, whatever became of it; a condition is of now.
    pub(super) async fn refusals_told(&self) -> Result<Vec<(String, String)>, DemoError> {
        let events = self.events("ReplicaSet", &format!("{}-", self.deployment), "FailedCreate").await?;
        Ok(events.into_iter().map(|(which, message)| (which, bare(&message).to_owned())).collect())
    }

    pub(super) async fn scale(&self, replicas: u64) -> Result<(), DemoError> {
        let count = format!("--replicas={replicas}");
        let deployment = format!("deployment/{}", self.deployment);
        self.kubectl.run(&["scale", &count, &self.flag(), &deployment]).await?;
        Ok(())
    }

    /// Waits until so many pods are there, all of them ready, none of them terminating.
    pub(super) async fn settled(
        &self,
        replicas: u64,
        patience: Patience,
        show: &mut dyn Show,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), DemoError> {
        let began = Instant::now();
        loop {
            let deployment = self.deployment().await?;
            let pods = self.pods(&deployment).await?;
            let terminating: Vec<&str> = pods.iter().filter(|pod| leaves(pod)).filter_map(name).collect();
            let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or_default();
            let there = pods.len() as u64;
            if ready == replicas && there == replicas {
                return Ok(());
            }
            let rest = match terminating.as_slice() {
                [] if there == replicas => String::new(),
                [] => format!(", {there} pods are there"),
                names => format!(", {} still terminating: {}", names.len(), names.join(", ")),
            };
            let stands = format!("{ready} ready of {replicas}{rest}");
            let awaited = format!("{replicas} replicas of {}", self.deployment);
            if began.elapsed() > patience.pods {
                return Err(DemoError::Late { awaited, limit: patience.pods, stands });
            }
            show.waits(&format!("waiting for {awaited}: {stands}"));
            pause(patience.look, stop).await?;
        }
    }
}

/// What an event says without what the `ReplicaSet`'s controller puts in front, and what is put before that once an
/// object has many events that differ in little.
fn bare(message: &str) -> &str {
    let one = message.strip_prefix("(combined from similar events): ").unwrap_or(message);
    one.strip_prefix("Error creating: ").unwrap_or(one)
}

pub(super) fn leaves(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

pub(super) fn name(object: &Value) -> Option<&str> {
    object["metadata"]["name"].as_str()
}
