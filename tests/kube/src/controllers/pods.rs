use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Acting, Fate, text};

/// When a pod was made, to the millisecond: its creationTimestamp has seconds alone.
const MADE: &str = "fake/made";

impl Acting {
    /// As many pods as the workload wants, each a step further to what becomes of it.
    pub(super) fn populate(&mut self, kind: &str, workload: &Value) {
        let (namespace, name) = (text(&workload["metadata"]["namespace"]), text(&workload["metadata"]["name"]));
        if !self.open(namespace) {
            return;
        }
        let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
        let stem = if kind == "deployments" { format!("{name}-6b7f9d5c4") } else { name.to_owned() };
        let fate = self.fate(name);
        if kind == "deployments" {
            self.replica_set(workload, &stem, wanted);
        }
        let (mut ready, mut refused) = (0, None);
        for number in 0..wanted {
            let pod_name =
                if kind == "deployments" { format!("{stem}-{number:05}") } else { format!("{stem}-{number}") };
            if let Fate::Refused(words) = &fate {
                let set = self.kube.get("replicasets", namespace, &stem).unwrap_or_else(|| workload.clone());
                let message = format!("pods \"{pod_name}\" is forbidden: {words}");
                self.tell("ReplicaSet", &set, "FailedCreate", &format!("Error creating: {message}"));
                self.kube.remove("pods", namespace, &pod_name);
                refused = refused.or(Some(message));
                continue;
            }
            let pod = self.kube.get("pods", namespace, &pod_name);
            let pod = pod.unwrap_or_else(|| self.make(workload, kind, &stem, &pod_name, &fate));
            ready += u64::from(self.befall(&pod, &fate));
        }
        let extra = |pod: &Value| {
            let own =
                text(&pod["metadata"]["name"]).strip_prefix(&format!("{stem}-")).and_then(|rest| rest.parse().ok());
            text(&pod["metadata"]["namespace"]) == namespace && own.is_some_and(|number: u64| number >= wanted)
        };
        for pod in self.all("pods").into_iter().filter(extra) {
            self.kube.remove("pods", namespace, text(&pod["metadata"]["name"]));
        }
        let generation = workload["metadata"]["generation"].clone();
        let mut status = json!({
            "observedGeneration": generation, "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": ready,
            "availableReplicas": ready,
        });
        if let Some(words) = self.rolling.lock().unwrap().get(name).cloned() {
            status["replicas"] = json!(if words.is_some() { wanted } else { wanted + 1 });
            status["updatedReplicas"] = json!(if words.is_some() { 0 } else { wanted });
            refused = refused.or(words);
        }
        // A Deployment tells of the first refusal until there is none any more.
        if let Some(message) = refused.filter(|_| kind == "deployments") {
            status["conditions"] = json!([
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
            ]);
        }
        self.change(kind, workload, |object| object["status"] = status);
    }

    /// Pods go after what made them.
    pub(super) fn collect(&self) {
        let workloads: Vec<Value> = ["deployments", "statefulsets"].iter().flat_map(|kind| self.all(kind)).collect();
        let of = |workload: &Value, pod: &Value| {
            workload["metadata"]["namespace"] == pod["metadata"]["namespace"]
                && text(&pod["metadata"]["name"]).starts_with(&format!("{}-", text(&workload["metadata"]["name"])))
        };
        for pod in self.all("pods").iter().filter(|pod| pod["metadata"]["annotations"][MADE].is_string()) {
            if !workloads.iter().any(|workload| of(workload, pod)) {
                self.kube.remove("pods", text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
            }
        }
    }

    fn replica_set(&self, deployment: &Value, name: &str, wanted: u64) {
        let namespace = text(&deployment["metadata"]["namespace"]);
        if self.kube.get("replicasets", namespace, name).is_none() {
            let owner = owner("Deployment", &deployment["metadata"]);
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            self.kube.put(
                "replicasets",
                json!({
                    "metadata": {"namespace": namespace, "name": name, "labels": labels, "ownerReferences": [owner]},
                    "spec": {"replicas": wanted, "selector": deployment["spec"]["selector"], "template": deployment["spec"]["template"]},
                    "status": {"replicas": wanted},
                }),
            );
        }
    }

    fn make(&self, workload: &Value, kind: &str, stem: &str, name: &str, fate: &Fate) -> Value {
        let namespace = text(&workload["metadata"]["namespace"]);
        for claim in workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
            let claim_name = format!("{}-{name}", text(&claim["metadata"]["name"]));
            if self.kube.get("persistentvolumeclaims", namespace, &claim_name).is_none() {
                let phase = if *fate == Fate::Unbound { "Pending" } else { "Bound" };
                self.kube.put(
                    "persistentvolumeclaims",
                    json!({
                        "metadata": {"namespace": namespace, "name": claim_name, "labels": claim["metadata"]["labels"]},
                        "spec": claim["spec"], "status": {"phase": phase},
                    }),
                );
            }
        }
        let template = &workload["spec"]["template"];
        let owner = match kind {
            "deployments" => {
                let set = self.kube.get("replicasets", namespace, stem).unwrap_or_default();
                owner("ReplicaSet", &set["metadata"])
            }
            _ => owner("StatefulSet", &workload["metadata"]),
        };
        let mut metadata = json!({"namespace": namespace, "name": name, "labels": template["metadata"]["labels"]});
        metadata["annotations"] = template["metadata"]["annotations"].clone();
        if !metadata["annotations"].is_object() {
            metadata["annotations"] = json!({});
        }
        metadata["annotations"][MADE] = json!(now().as_millis().to_string());
        metadata["ownerReferences"] = json!([owner]);
        let status = json!({"phase": "Pending"});
        self.kube.put("pods", json!({"metadata": metadata, "spec": template["spec"], "status": status}))
    }

    /// Whether it is ready.
    fn befall(&mut self, pod: &Value, fate: &Fate) -> bool {
        let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        let image = text(&pod["spec"]["containers"][0]["image"]).to_owned();
        let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
        let mut status = match fate {
            Fate::Ready(after) if age(pod) < *after => of(pod, &waiting("ContainerCreating", ""), 0, false),
            Fate::Ready(_) => of(pod, &json!({"running": {}}), 0, true),
            Fate::NeverReady => {
                self.tell("Pod", pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
                of(pod, &json!({"running": {}}), 0, false)
            }
            Fate::NoImage => {
                let message = format!("failed to pull and unpack image \"{image}\": not found");
                self.tell("Pod", pod, "Failed", &format!("Failed to pull image \"{image}\": {message}"));
                let words = format!("Back-off pulling image \"{image}\": ErrImagePull: {message}");
                of(pod, &waiting("ImagePullBackOff", &words), 0, false)
            }
            Fate::NotLoaded => {
                let message = format!("Container image \"{image}\" is not present with pull policy of Never");
                self.tell("Pod", pod, "ErrImageNeverPull", &message);
                of(pod, &waiting("ErrImageNeverPull", &message), 0, false)
            }
            Fate::Crashes(said) => {
                self.kube.pod_said(namespace, name, said);
                self.tell("Pod", pod, "BackOff", "Back-off restarting failed container");
                of(pod, &waiting("CrashLoopBackOff", "back-off 40s restarting failed container"), 3, false)
            }
            Fate::Pending(message) => unscheduled(message),
            Fate::Unbound => unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
            Fate::Refused(_) => return false,
        };
        if let Fate::Pending(_) | Fate::Unbound = fate {
            let message = text(&status["conditions"][0]["message"]).to_owned();
            self.tell("Pod", pod, "FailedScheduling", &message);
        }
        let ready = status["conditions"][0]["status"] == "True";
        // Times of conditions would be new each time.
        status["startTime"] = pod["metadata"]["creationTimestamp"].clone();
        self.change("pods", pod, |object| object["status"] = status);
        ready
    }
}

fn owner(kind: &str, metadata: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": metadata["name"], "uid": metadata["uid"], "controller": true})
}

/// Of one that a node has taken.
fn of(pod: &Value, state: &Value, restarts: u64, ready: bool) -> Value {
    let running = !state["running"].is_null();
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let statuses = containers.iter().map(|container| {
        let mut status =
            json!({"name": container["name"], "image": container["image"], "ready": ready, "restartCount": restarts, "state": state});
        if restarts > 0 {
            status["lastState"] = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        }
        status
    });
    json!({
        "phase": if running { "Running" } else { "Pending" },
        "conditions": [
            {"type": "Ready", "status": if ready { "True" } else { "False" }}, {"type": "PodScheduled", "status": "True"},
        ],
        "containerStatuses": statuses.collect::<Vec<_>>(),
    })
}

fn unscheduled(message: &str) -> Value {
    json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}],
    })
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

fn age(pod: &Value) -> Duration {
    let made = text(&pod["metadata"]["annotations"][MADE]).parse().map(Duration::from_millis);
    // One that a test put there is as old as the hills.
    made.map_or(Duration::MAX, |made| now().saturating_sub(made))
}
