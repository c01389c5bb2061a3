use serde_json::Value;

use super::look::{annotation, condition, list, name, number, text};
use super::trouble::Trouble;
use super::{Failure, Kubectl};

/// A part of the stack that has pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    pub(super) title: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
}

/// How its pods stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) ready: u64,
    pub(super) wanted: u64,
    /// Whether its controller has seen how they were last described.
    pub(super) observed: bool,
    /// Whether all of them are so.
    pub(super) settled: bool,
    /// Those that are not ready.
    pub(super) lagging: Vec<Value>,
    /// The first of what keeps them.
    pub(super) trouble: Option<(Option<Value>, Trouble)>,
}

impl Standing {
    pub(super) fn is_ready(&self) -> bool {
        self.settled && self.ready >= self.wanted && self.wanted > 0
    }

    /// Somebody wants none, and so none will come.
    pub(super) fn is_off(&self) -> bool {
        self.settled && self.wanted == 0
    }

    /// `1 of 2 ready (real-world-6b7f9d5c4-xk2lp: ContainerCreating)`.
    pub(super) fn words(&self) -> String {
        if self.wanted == 0 {
            return "it is scaled to 0 replicas".to_owned();
        }
        let counted = format!("{} of {} ready", self.ready, self.wanted);
        let why = match (&self.trouble, self.lagging.first()) {
            (Some((None, trouble)), _) => format!("{}: {}", trouble.reason, trouble.message),
            (_, Some(pod)) => format!("{}: {}", name(pod), state(pod)),
            _ if self.ready >= self.wanted => "those of before are being replaced".to_owned(),
            _ => return counted,
        };
        format!("{counted} ({why})")
    }
}

impl Workload {
    /// How to start it, if it is scaled to nothing.
    pub(super) fn start(&self) -> String {
        let Self { kind, namespace, name, .. } = self;
        format!("`kubectl scale --replicas=1 --namespace={namespace} {kind}/{name}` starts it")
    }

    pub(super) async fn standing(&self, kubectl: &Kubectl) -> Result<Standing, Failure> {
        let Some(object) = kubectl.object(self.kind, self.namespace, self.name).await? else {
            return Err(Failure::new(format!("there is no {} {}/{}", self.kind, self.namespace, self.name)));
        };
        let status = |field: &str| number(&object, &format!("/status/{field}"));
        let wanted = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        let observed = status("observedGeneration") >= number(&object, "/metadata/generation");
        let mut standing = Standing {
            ready: status("readyReplicas"),
            wanted,
            observed,
            settled: observed && self.is_new(&object, wanted),
            ..Standing::default()
        };
        if !standing.is_ready() {
            self.look_closer(kubectl, &object, &mut standing).await?;
        }
        Ok(standing)
    }

    /// Whether all of its pods, and no others, are as it describes them: the one before counts as ready as well.
    fn is_new(&self, object: &Value, wanted: u64) -> bool {
        let status = |field: &str| number(object, &format!("/status/{field}"));
        let all = status("updatedReplicas") >= wanted;
        match self.kind {
            "deployment" => {
                all && status("replicas") == status("updatedReplicas") && status("availableReplicas") >= wanted
            }
            // It has an update to count for as long as one is going on.
            _ => all || text(object, "/status/updateRevision") == text(object, "/status/currentRevision"),
        }
    }

    async fn look_closer(&self, kubectl: &Kubectl, object: &Value, standing: &mut Standing) -> Result<(), Failure> {
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let pairs = labels
            .into_iter()
            .flatten()
            .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()));
        let selector = pairs.collect::<Vec<_>>().join(",");
        // Those of a version before stay until the new ones are available, however badly they stand.
        let kinds = if self.kind == "deployment" { "pods,replicasets" } else { "pods" };
        let found = kubectl.json(&["get", kinds, "--namespace", self.namespace, "--selector", &selector]).await?;
        let (sets, pods): (Vec<&Value>, Vec<&Value>) =
            list(&found, "/items").iter().partition(|item| item["kind"] == "ReplicaSet");
        let newest = sets.into_iter().filter(|set| is_owned(set, name(object))).max_by_key(|set| revision(set));
        let counts = |pod: &&&Value| !is_leaving(pod) && newest.is_none_or(|set| is_owned(pod, name(set)));
        let pods: Vec<&Value> = pods.iter().filter(counts).copied().collect();
        standing.lagging = pods.iter().filter(|pod| !is_ready(pod)).copied().cloned().collect();
        let stuck =
            standing.lagging.iter().find_map(|pod| Trouble::of(pod).map(|trouble| (Some(pod.clone()), trouble)));
        standing.trouble = match stuck {
            None if self.kind == "deployment" || (pods.len() as u64) < standing.wanted => {
                self.refused(kubectl, object).await?.map(|trouble| (None, trouble))
            }
            stuck => stuck,
        };
        Ok(())
    }

    /// Why pods of it could not even be made. A Deployment says so itself; of events there are few, and old ones.
    async fn refused(&self, kubectl: &Kubectl, object: &Value) -> Result<Option<Trouble>, Failure> {
        if self.kind == "deployment" {
            let failure = condition(object, "ReplicaFailure").filter(|own| own["status"] == "True");
            return Ok(failure.map(|own| Trouble::refused(text(own, "/message"))));
        }
        let chosen = ["get", "events", "--namespace", self.namespace, "--field-selector", "reason=FailedCreate"];
        let events = kubectl.json(&chosen).await?;
        let of_this = |event: &&Value| text(event, "/involvedObject/name").starts_with(self.name);
        let newest = list(&events, "/items").iter().filter(of_this).max_by_key(|event| text(event, "/lastTimestamp"));
        Ok(newest.map(|event| Trouble::refused(text(event, "/message"))))
    }
}

/// By a controller of that name.
fn is_owned(object: &Value, owner: &str) -> bool {
    list(object, "/metadata/ownerReferences").iter().any(|own| own["name"] == owner)
}

/// As the Deployment's controller counts them.
fn revision(set: &Value) -> u64 {
    annotation(set, "deployment.kubernetes.io/revision").parse().unwrap_or_default()
}

fn is_leaving(pod: &Value) -> bool {
    !text(pod, "/metadata/deletionTimestamp").is_empty()
}

pub(super) fn is_ready(pod: &Value) -> bool {
    super::look::is_true(pod, "Ready")
}

/// As `kubectl get pods` says it.
pub(super) fn state(pod: &Value) -> String {
    if is_leaving(pod) {
        return "Terminating".to_owned();
    }
    let statuses = list(pod, "/status/containerStatuses").iter();
    let mut waiting = statuses.map(|status| text(status, "/state/waiting/reason")).filter(|reason| !reason.is_empty());
    waiting.next().unwrap_or_else(|| text(pod, "/status/phase")).to_owned()
}
