use std::time::Duration;

use serde_json::Value;

use super::look::{condition, list, name, number, text};
use super::tool::last_lines;
use super::{Failure, Kubectl, KubectlError};

/// What keeps a pod from getting ready, and does not pass by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    /// `ImagePullBackOff` and the like.
    pub(super) reason: String,
    /// As the cluster says it.
    pub(super) message: String,
    /// How long it may last before it is believed.
    pub(super) grace: Duration,
    /// What helps.
    pub(super) cure: String,
}

const SHORT: Duration = Duration::from_secs(20);
/// A claim may wait for whoever makes volumes.
const LONG: Duration = Duration::from_mins(1);
/// A cluster that grows by itself may bring a node; a registry may have had enough of who asks, for a while.
const LONGEST: Duration = Duration::from_mins(3);
/// What no second try changes of an image.
const NEVER: [&str; 5] =
    ["not found", "pull access denied", "no match for platform", "InvalidImageName", "manifest unknown"];

impl Trouble {
    /// Of a pod, as its status says it.
    pub(super) fn of(pod: &Value) -> Option<Self> {
        let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let statuses = containers.iter().flat_map(|pointer| list(pod, pointer));
        let waiting = statuses.filter_map(|status| status.pointer("/state/waiting"));
        let mut stuck =
            waiting.filter_map(|waiting| Self::waiting(text(waiting, "/reason"), text(waiting, "/message")));
        stuck.next().or_else(|| Self::unscheduled(pod))
    }

    fn waiting(reason: &str, message: &str) -> Option<Self> {
        let (grace, cure) = match reason {
            "ErrImageNeverPull" => (Duration::ZERO, LOAD),
            "InvalidImageName" => (SHORT, LOAD),
            "ErrImagePull" | "ImagePullBackOff" => {
                (if NEVER.iter().any(|never| message.contains(never)) { SHORT } else { LONGEST }, LOAD)
            }
            "CrashLoopBackOff" => (SHORT, "read its last words above; when the cause is gone, `make up` goes on"),
            "CreateContainerConfigError" => {
                (SHORT, "something that it names is missing; `make up` again makes missing secrets")
            }
            "CreateContainerError" | "RunContainerError" => (SHORT, "read what the node says of it above"),
            _ => return None,
        };
        Some(Self { reason: reason.to_owned(), message: message.to_owned(), grace, cure: cure.to_owned() })
    }

    fn unscheduled(pod: &Value) -> Option<Self> {
        let scheduled = condition(pod, "PodScheduled").filter(|own| own["status"] == "False")?;
        let message = text(scheduled, "/message");
        let (grace, cure) = if message.contains("PersistentVolumeClaim") {
            let cure = "the cluster makes no volumes by itself: `kubectl get storageclass` should name a default one; kind, k3d, \
                        minikube and most clouds have one, EKS once its EBS CSI driver is installed and a class marked as default";
            (LONG, cure)
        } else if message.contains("Insufficient") {
            (LONGEST, "TINY=1 asks for half; else end what else runs there, or give the cluster a larger node")
        } else {
            (LONG, "no node may take it; the message says what of the node is in the way")
        };
        let reason = "Unschedulable".to_owned();
        Some(Self { reason, message: message.to_owned(), grace, cure: cure.to_owned() })
    }

    /// Of pods that were not even made. Whoever makes them tries again, ever more rarely, and says so until then.
    pub(super) fn refused(message: &str) -> Self {
        let cure = if message.contains("exceeded quota") {
            "the namespace's quota has no room: `kubectl apply -f k8s/real-world-rquota.yaml` is the one that has"
        } else if message.contains("violates PodSecurity") {
            "the namespace's Pod Security refuses the pod: an admission webhook may have changed it"
        } else {
            "the message says who refuses it"
        };
        Self { reason: "FailedCreate".to_owned(), message: message.to_owned(), grace: LONGEST, cure: cure.to_owned() }
    }
}

const LOAD: &str = "give the nodes the images: with kind `make up` loads them; `k3d image import`, `minikube image load`, on a node \
                    `ctr --namespace k8s.io images import`, each by the name of docker.io/library/…, or REGISTRY=… pushes them to \
                    where the nodes fetch them. Those of Postgres, Traefik, Prometheus and Grafana come from Docker Hub";

/// What was said of a pod, and what it said itself.
pub(super) async fn last_words(kubectl: &Kubectl, namespace: &str, pod: &Value) -> Vec<String> {
    let mut words = events(kubectl, namespace, name(pod)).await;
    let restarted = list(pod, "/status/containerStatuses").iter().any(|status| number(status, "/restartCount") > 0);
    let mut arguments = vec!["logs", name(pod), "--namespace", namespace, "--tail=15"];
    arguments.extend(restarted.then_some("--previous"));
    match kubectl.run(&arguments).await {
        Ok(said) if !said.trim().is_empty() => {
            words.push(format!("last words of {}:", name(pod)));
            words.extend(last_lines(&said, 15).into_iter().map(|line| format!("  {line}")));
        }
        // One that never began has said nothing.
        Ok(_) | Err(KubectlError::Refused { .. }) => {}
        Err(error) => words.push(error.to_string()),
    }
    words
}

/// The last three warnings about something.
pub(super) async fn events(kubectl: &Kubectl, namespace: &str, involved: &str) -> Vec<String> {
    let selector = format!("involvedObject.name={involved},type=Warning");
    let Ok(found) = kubectl.json(&["get", "events", "--namespace", namespace, "--field-selector", &selector]).await
    else {
        return Vec::new();
    };
    let mut events: Vec<&Value> = list(&found, "/items").iter().collect();
    events.sort_by_key(|event| text(event, "/lastTimestamp"));
    let last = events.into_iter().rev().take(3).rev();
    last.map(|event| format!("{}: {}", text(event, "/reason"), text(event, "/message"))).collect()
}

/// The failure that a trouble is, with all that was said.
pub(super) async fn failure(
    kubectl: &Kubectl,
    namespace: &str,
    title: &str,
    pod: Option<&Value>,
    trouble: &Trouble,
) -> Failure {
    let of = pod.map_or_else(|| "its pods".to_owned(), |pod| format!("pod {namespace}/{}", name(pod)));
    let words = match pod {
        Some(pod) => last_words(kubectl, namespace, pod).await,
        None => Vec::new(),
    };
    let Trouble { reason, message, cure, .. } = trouble;
    Failure::new(format!("{title} does not get ready: {of}: {reason}: {message}")).words(words).cure(cure)
}
