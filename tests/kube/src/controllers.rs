//! What controllers do, for tests of commands that wait for it: Deployments and `StatefulSets` get pods, which become
//! ready or fail as a test says; `APIServices` become available, HPAs active, namespaces end.

mod autoscaling;
mod namespaces;
mod pods;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::clock;
use super::resources::named;
use super::server::FakeKube;

/// What becomes of a workload's pods.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Ready after so long.
    Ready(Duration),
    /// The registry has no such image.
    NoImage,
    /// The node has no such image, and may not ask for it.
    NotLoaded,
    /// The container ends again and again, and has said this.
    Crashes(String),
    /// No node takes it, for this reason.
    Pending(String),
    /// Not even made: admission refuses it in these words.
    Refused(String),
    /// Its volume is bound to nothing.
    Unbound,
    /// Runs, and never gets ready.
    NeverReady,
}

/// Acts until it is dropped.
pub struct Controllers {
    fates: Arc<Mutex<HashMap<String, Fate>>>,
    rolling: Arc<Mutex<HashMap<String, Option<String>>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often each of them looks.
const TICK: Duration = Duration::from_millis(50);
/// Until a pod is ready, if nobody says otherwise.
const USUAL: Duration = Duration::from_millis(200);

impl Controllers {
    pub fn start(kube: &Arc<FakeKube>) -> Self {
        kube.shared.finalizing.store(true, Ordering::SeqCst);
        let (fates, ended) = (Arc::<Mutex<HashMap<String, Fate>>>::default(), Arc::<AtomicBool>::default());
        let rolling = Arc::<Mutex<HashMap<String, Option<String>>>>::default();
        let mut acting =
            Acting { kube: Arc::clone(kube), fates: Arc::clone(&fates), rolling: Arc::clone(&rolling), events: 0 };
        let over = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                acting.step();
                std::thread::sleep(TICK);
            }
        });
        Self { fates, rolling, ended, thread: Some(thread) }
    }

    /// Of the pods of this Deployment or `StatefulSet`; those that are there meet it, too.
    pub fn fate(&self, workload: &str, fate: Fate) {
        self.fates.lock().unwrap().insert(workload.to_owned(), fate);
    }

    /// The Deployment's rollout stands still: its pods are those of before, and a new one does not get ready, or is refused
    /// in these words.
    pub fn stuck(&self, deployment: &str, refused: Option<&str>) {
        self.rolling.lock().unwrap().insert(deployment.to_owned(), refused.map(str::to_owned));
    }

    /// It goes on.
    pub fn unstuck(&self, deployment: &str) {
        self.rolling.lock().unwrap().remove(deployment);
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Acting {
    kube: Arc<FakeKube>,
    fates: Arc<Mutex<HashMap<String, Fate>>>,
    rolling: Arc<Mutex<HashMap<String, Option<String>>>>,
    /// So many were told.
    events: usize,
}

impl Acting {
    fn step(&mut self) {
        for kind in ["deployments", "statefulsets"] {
            for workload in self.all(kind) {
                self.populate(kind, &workload);
            }
        }
        self.collect();
        self.register();
        self.scale();
        self.count();
        self.end_namespaces();
    }

    fn fate(&self, workload: &str) -> Fate {
        self.fates.lock().unwrap().get(workload).cloned().unwrap_or(Fate::Ready(USUAL))
    }

    /// Of all namespaces.
    fn all(&self, resource: &str) -> Vec<Value> {
        let items = self.kube.shared.store.lock().unwrap().list(named(resource), "");
        items.into_iter().map(|(_, item)| item.value.clone()).collect()
    }

    /// Writes what is new, as the controllers do: whatever else was written meanwhile stays.
    fn change(&self, resource: &str, object: &Value, change: impl FnOnce(&mut Value)) {
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let resource = named(resource);
        let mut store = self.kube.shared.store.lock().unwrap();
        let Some(item) = store.get(resource, namespace, name) else { return };
        let mut value = item.value.clone();
        change(&mut value);
        if value != item.value {
            store.write(resource, (namespace.to_owned(), name.to_owned()), value);
            self.kube.shared.tell(&store);
        }
    }

    /// Nothing new comes into a namespace that is gone or going.
    fn open(&self, namespace: &str) -> bool {
        self.kube.get("namespaces", "", namespace).is_some_and(|object| object["status"]["phase"] == "Active")
    }

    fn tell(&mut self, kind: &str, object: &Value, reason: &str, message: &str) {
        let (namespace, name) = (&object["metadata"]["namespace"], text(&object["metadata"]["name"]));
        let known = self.all("events").into_iter().any(|event| {
            event["involvedObject"]["name"] == name && event["reason"] == reason && event["message"] == message
        });
        if known {
            return;
        }
        self.events += 1;
        let now = clock::now();
        let involved = json!({"kind": kind, "namespace": namespace, "name": name, "uid": object["metadata"]["uid"]});
        self.kube.put(
            "events",
            json!({
                "metadata": {"namespace": namespace, "name": format!("{name}.{:04}", self.events)},
                "involvedObject": involved, "type": "Warning", "reason": reason, "message": message, "count": 1,
                "source": {"component": "controller"}, "firstTimestamp": now, "lastTimestamp": now,
            }),
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
