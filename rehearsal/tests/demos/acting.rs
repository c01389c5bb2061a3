//! What the controllers and kubelets of a real cluster do with workloads, pods and quotas.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use fake_kube::{FakeKube, rfc3339};
use serde_json::{Value, json};
use stack::quota::{Usage, refusal};

use crate::scaler::Scaler;

pub(crate) const NAMESPACE: &str = "real-world";
const QUOTA: &str = "real-world-rquota";
const TICK: Duration = Duration::from_millis(30);
/// From a pod's making until it is ready, and from its deletion until it is gone.
const START: Duration = Duration::from_millis(150);
const GRACE: Duration = Duration::from_millis(150);
/// What the `ReplicaSet`'s controller waits before it tries again.
const AGAIN: Duration = Duration::from_millis(400);

/// What does not go as it should.
#[derive(Default)]
pub(crate) struct Faults {
    /// Pods that are terminating stay.
    pub(crate) lingering: AtomicBool,
    /// Quotas refuse nothing.
    pub(crate) admitting: AtomicBool,
    /// Of events none are kept any more.
    pub(crate) mute: AtomicBool,
    /// Nobody counts for the quotas.
    pub(crate) uncounted: AtomicBool,
}

pub(crate) struct Acting {
    pub(crate) faults: Arc<Faults>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Acting {
    pub(crate) fn start(kube: &Arc<FakeKube>, scaler: Arc<Mutex<Option<Scaler>>>) -> Self {
        let (faults, over) = (Arc::<Faults>::default(), Arc::<AtomicBool>::default());
        let mut cluster = Cluster {
            kube: Arc::clone(kube),
            faults: Arc::clone(&faults),
            since: HashMap::new(),
            retry: HashMap::new(),
            refused: HashMap::new(),
            told: false,
            count: 0,
        };
        let shared = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !shared.load(Ordering::SeqCst) {
                cluster.step();
                if let Some(scaler) = &mut *scaler.lock().unwrap() {
                    scaler.step(&cluster.kube);
                }
                std::thread::sleep(TICK);
            }
        });
        Self { faults, over, thread: Some(thread) }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Cluster {
    kube: Arc<FakeKube>,
    faults: Arc<Faults>,
    /// Of each pod, and of its deletion.
    since: HashMap<String, Instant>,
    /// When a workload that was refused may try again, and for how many it tried.
    retry: HashMap<String, (u64, Instant)>,
    /// What the Deployment's condition says of it.
    refused: HashMap<String, String>,
    /// Whether a refusal was told of in an event.
    told: bool,
    /// So many names were given.
    count: usize,
}

impl Cluster {
    fn step(&mut self) {
        for (resource, name) in
            [("statefulsets", "db"), ("deployments", "traefik-ingress-controller"), ("deployments", "real-world")]
        {
            if let Some(workload) = self.kube.get(resource, NAMESPACE, name) {
                self.populate(resource, &workload);
            }
        }
        self.tally();
    }

    fn pods(&self) -> Vec<Value> {
        let names: Vec<String> = self.since.keys().filter(|key| !key.ends_with('!')).cloned().collect();
        names.iter().filter_map(|name| self.kube.get("pods", NAMESPACE, name)).collect()
    }

    fn populate(&mut self, resource: &str, workload: &Value) {
        let name = workload["metadata"]["name"].as_str().unwrap().to_owned();
        let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
        let set = format!("{name}-746bdc6575");
        if self.kube.get("replicasets", NAMESPACE, &set).is_none() {
            let metadata = json!({"namespace": NAMESPACE, "name": set});
            self.kube.put("replicasets", json!({"metadata": metadata, "spec": {"replicas": wanted}}));
        }
        let own: Vec<Value> = self.pods().into_iter().filter(|pod| pod["metadata"]["labels"]["own"] == *name).collect();
        let (mut staying, leaving): (Vec<Value>, Vec<Value>) =
            own.into_iter().partition(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        staying.sort_by_key(|pod| pod["metadata"]["name"].as_str().map(str::to_owned));
        for pod in staying.iter().skip(usize::try_from(wanted).unwrap()) {
            self.delete(pod);
        }
        for pod in &leaving {
            self.end(pod);
        }
        if staying.len() as u64 >= wanted {
            self.refused.remove(&name);
        }
        for _ in staying.len() as u64..wanted {
            if !self.make(workload, &name, &set, wanted) {
                break;
            }
        }
        let ready = staying.iter().filter(|pod| self.start(pod)).count().min(usize::try_from(wanted).unwrap());
        let mut status = json!({
            "replicas": staying.len().min(usize::try_from(wanted).unwrap()), "readyReplicas": ready,
            "observedGeneration": workload["metadata"]["generation"],
        });
        if let Some(message) = self.refused.get(&name) {
            status["conditions"] = json!([
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message},
            ]);
        }
        if let Some(now) = self.kube.get(resource, NAMESPACE, &name)
            && now["status"] != status
        {
            // What somebody else writes meanwhile is not undone.
            self.kube.change(resource, NAMESPACE, &name, |object| object["status"] = status);
        }
    }

    fn delete(&mut self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        self.kube.change("pods", NAMESPACE, name, |pod| {
            pod["metadata"]["deletionTimestamp"] = json!(rfc3339(SystemTime::now()));
        });
        self.since.insert(format!("{name}!"), Instant::now());
    }

    fn end(&mut self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let over = self.since.get(&format!("{name}!")).is_some_and(|since| since.elapsed() > GRACE);
        if over && !self.faults.lingering.load(Ordering::SeqCst) {
            self.kube.remove("pods", NAMESPACE, name);
            self.since.remove(name);
            self.since.remove(&format!("{name}!"));
        }
    }

    /// Whether it is ready.
    fn start(&self, pod: &Value) -> bool {
        let name = pod["metadata"]["name"].as_str().unwrap();
        self.since.get(name).is_some_and(|since| since.elapsed() > START)
    }

    /// Whether it was let in.
    fn make(&mut self, workload: &Value, name: &str, set: &str, wanted: u64) -> bool {
        if self.retry.get(name).is_some_and(|(tried, since)| *tried == wanted && since.elapsed() < AGAIN) {
            return false;
        }
        self.count += 1;
        let pod = format!("{set}-{:05}", self.count);
        let template = &workload["spec"]["template"];
        if let Some(refusal) = self.refusal(&pod, &template["spec"]) {
            self.retry.insert(name.to_owned(), (wanted, Instant::now()));
            // It tells of the first until there is none any more; an event tells of each.
            self.refused.entry(name.to_owned()).or_insert_with(|| refusal.clone());
            if !self.faults.mute.load(Ordering::SeqCst) {
                // Of many that differ in little, a cluster combines the later ones.
                let combined = if self.told { "(combined from similar events): " } else { "" };
                self.tell("ReplicaSet", set, "FailedCreate", &format!("{combined}Error creating: {refusal}"));
                self.told = true;
            }
            return false;
        }
        let mut labels = template["metadata"]["labels"].clone();
        labels["own"] = json!(name);
        let metadata = json!({"namespace": NAMESPACE, "name": pod, "labels": labels});
        let status = json!({"phase": "Running"});
        self.kube.put("pods", json!({"metadata": metadata, "spec": template["spec"], "status": status}));
        self.since.insert(pod, Instant::now());
        true
    }

    fn refusal(&self, pod: &str, spec: &Value) -> Option<String> {
        if self.faults.admitting.load(Ordering::SeqCst) {
            return None;
        }
        let quota = self.kube.get("resourcequotas", NAMESPACE, QUOTA)?;
        refusal(&quota, &self.used(), spec).map(|why| format!("pods {pod:?} is forbidden: {why}"))
    }

    fn used(&self) -> Usage {
        self.pods().iter().fold(Usage::default(), |used, pod| used + &Usage::of_pod(&pod["spec"]))
    }

    /// What the quota's controller writes into its status.
    fn tally(&self) {
        let Some(object) = self.kube.get("resourcequotas", NAMESPACE, QUOTA) else { return };
        let hard = &object["spec"]["hard"];
        let (names, used) = (hard.as_object().expect("spec.hard").keys(), self.used());
        let used: Value = names.map(|name| (name.clone(), json!(used.text(name)))).collect();
        let status = json!({"hard": hard, "used": used});
        if object["status"] != status && !self.faults.uncounted.load(Ordering::SeqCst) {
            self.kube.change("resourcequotas", NAMESPACE, QUOTA, |object| object["status"] = status);
        }
    }

    fn tell(&mut self, kind: &str, name: &str, reason: &str, message: &str) {
        tell(&self.kube, &format!("{name}.{:05}", self.count), (kind, name), reason, message);
    }
}

/// An event of that name, about an object of that kind and name.
pub(crate) fn tell(kube: &FakeKube, event: &str, of: (&str, &str), reason: &str, message: &str) {
    let now = rfc3339(SystemTime::now());
    kube.put(
        "events",
        json!({
            "metadata": {"namespace": NAMESPACE, "name": event},
            "involvedObject": {"kind": of.0, "namespace": NAMESPACE, "name": of.1},
            "type": "Warning", "reason": reason, "message": message, "count": 1,
            "source": {"component": "controller"}, "firstTimestamp": now, "lastTimestamp": now,
        }),
    );
}
