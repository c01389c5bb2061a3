//! The reader's cluster: what controllers would make of the commands, for as much as the document shows.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, SystemTime};

use fake_kube::{FakeKube, Options, rfc3339};
use serde_json::{Value, json};
use stack::manifests::{root, tool};
use stack::quota::Namespace;
use tempfile::TempDir;

pub(crate) const NAMESPACE: &str = "real-world";
/// The names of the document's pods.
pub(crate) const REPLICA_SET: &str = "real-world-746bdc6575";
const TRAEFIK: &str = "traefik-ingress-controller";
const TRAEFIKS: &str = "traefik-ingress-controller-5d9c8b7f6";
const SUFFIXES: [&str; 10] = ["4qqsc", "kf85d", "7qr2k", "pcl7d", "4t9mz", "bz46b", "m5x2c", "q9wzt", "t7h4n", "zx8lv"];

pub(crate) struct Cluster {
    pub(crate) kube: FakeKube,
    folder: TempDir,
    pub(crate) running: usize,
    /// Who is admitted to the namespace.
    admission: Namespace,
    others: BTreeSet<String>,
    /// Why the `ReplicaSet` has fewer pods than it wants.
    refused: Option<String>,
    /// The newest event of the `ReplicaSet`.
    happened: usize,
}

impl Cluster {
    pub(crate) fn empty() -> Self {
        let kube = FakeKube::start(Options::default());
        for namespace in ["default", "kube-system"] {
            kube.namespace(namespace);
        }
        kube.token("reader", "reader", &["system:masters"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), kube.kubeconfig("reader")).unwrap();
        // The fake has no OpenAPI document to validate with; the manifests' own test has schemas.
        let wrapper = format!(
            "#!/bin/sh\ncase $1 in apply) shift; set -- apply --validate=false \"$@\" ;; esac\nexec '{}' \"$@\"\n",
            tool("kubectl").display()
        );
        let path = folder.path().join("kubectl");
        std::fs::write(&path, wrapper).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self {
            kube,
            folder,
            running: 0,
            admission: Namespace::default(),
            others: BTreeSet::new(),
            refused: None,
            happened: 0,
        }
    }

    /// What a shell prints in the repository's root.
    pub(crate) fn run(&self, command: &str) -> String {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).current_dir(root()).env("PATH", path);
        let out = shell.env("KUBECONFIG", self.folder.path().join("kubeconfig")).output().unwrap();
        String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
    }

    /// What the controllers do after a command.
    pub(crate) fn settle(&mut self) {
        self.admit();
        self.scale();
        self.count();
    }

    /// Whatever is there beside the API, which is never refused: it comes before any quota.
    fn admit(&mut self) {
        let services = ["db", "real-world-service", "traefik-ingress-service", "traefik-web-ui"];
        let limits =
            [("services", &services[..]), ("limitranges", &["limits"]), ("resourcequotas", &["real-world-rquota"])];
        for (resource, names) in limits {
            self.admission
                .apply(&names.iter().filter_map(|name| self.kube.get(resource, NAMESPACE, name)).collect::<Vec<_>>());
        }
        for (resource, name) in [("statefulsets", "db"), ("deployments", TRAEFIK)] {
            let Some(workload) = self.kube.get(resource, NAMESPACE, name) else { continue };
            for number in 0..workload["spec"]["replicas"].as_u64().unwrap() {
                let pod = format!("{name}-{number}");
                if self.others.insert(pod.clone()) {
                    self.admission.create(&pod, &workload["spec"]["template"]["spec"]).unwrap();
                }
            }
        }
    }

    /// As many pods as the Deployment wants and the quota admits.
    fn scale(&mut self) {
        let Some(deployment) = self.kube.get("deployments", NAMESPACE, "real-world") else { return };
        let wanted = usize::try_from(deployment["spec"]["replicas"].as_u64().unwrap()).unwrap();
        // Traefik's comes after it in every list of the namespace's.
        for (name, set) in [("real-world", REPLICA_SET), (TRAEFIK, TRAEFIKS)] {
            let Some(deployment) = self.kube.get("deployments", NAMESPACE, name) else { continue };
            if self.kube.get("replicasets", NAMESPACE, set).is_none() {
                self.kube.put("replicasets", replica_set(set, &deployment));
            }
        }
        let pod = |number: usize| format!("{REPLICA_SET}-{}", SUFFIXES[number]);
        while self.running > wanted {
            self.running -= 1;
            self.admission.remove(&pod(self.running));
        }
        if self.running == wanted {
            self.refused = None;
        }
        while self.running < wanted {
            let pod = pod(self.running);
            match self.admission.create(&pod, &deployment["spec"]["template"]["spec"]) {
                Ok(()) => self.tell(false, &format!("Created pod: {pod}")),
                Err(why) => {
                    self.tell(true, &format!("Error creating: {why}"));
                    // The condition tells of the first until there is none any more.
                    self.refused.get_or_insert(why);
                    break;
                }
            }
            self.running += 1;
        }
        let running = self.running;
        self.kube.change("deployments", NAMESPACE, "real-world", |deployment| {
            deployment["status"] = json!({"replicas": running, "readyReplicas": running});
        });
        self.kube.change("replicasets", NAMESPACE, REPLICA_SET, |set| {
            set["spec"]["replicas"] = json!(wanted);
            set["status"] = json!({"replicas": running, "readyReplicas": running});
            if let Some(why) = &self.refused {
                set["status"]["conditions"] = json!([
                    {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why},
                ]);
            }
        });
    }

    /// An event of the `ReplicaSet`, each a second after the one before.
    fn tell(&mut self, failed: bool, message: &str) {
        self.happened += 1;
        let (kind, reason) = if failed { ("Warning", "FailedCreate") } else { ("Normal", "SuccessfulCreate") };
        let set = self.kube.get("replicasets", NAMESPACE, REPLICA_SET).unwrap();
        let involved = json!({
            "kind": "ReplicaSet", "namespace": NAMESPACE, "name": REPLICA_SET, "uid": set["metadata"]["uid"],
            "apiVersion": "apps/v1",
        });
        let old = Duration::from_secs(40 - (self.happened as u64).min(39));
        self.kube.put("events", event(self.happened, old, &involved, [kind, reason, "replicaset-controller"], message));
    }

    /// What the quota's controller writes into its status.
    fn count(&self) {
        let rows = self.admission.describe();
        let column = |at: usize| -> Value { rows.iter().map(|row| (row[0].clone(), json!(row[at]))).collect() };
        if !rows.is_empty() {
            self.kube.change("resourcequotas", NAMESPACE, "real-world-rquota", |object| {
                object["status"] = json!({"used": column(1), "hard": column(2)});
            });
        }
    }
}

fn replica_set(name: &str, deployment: &Value) -> Value {
    let spec = &deployment["spec"];
    json!({
        "metadata": {"namespace": NAMESPACE, "name": name, "labels": spec["template"]["metadata"]["labels"]},
        "spec": {"replicas": 0, "selector": spec["selector"], "template": spec["template"]},
        "status": {"replicas": 0},
    })
}

/// So old; `what` is its type, its reason and who says it.
pub(crate) fn event(number: usize, old: Duration, involved: &Value, what: [&str; 3], message: &str) -> Value {
    let name = format!("{}.{number:04}", involved["name"].as_str().unwrap());
    let at = rfc3339(SystemTime::now() - old);
    let [kind, reason, source] = what;
    json!({
        "metadata": {"namespace": involved["namespace"], "name": name},
        "involvedObject": involved, "type": kind, "reason": reason, "message": message, "count": 1,
        "source": {"component": source}, "firstTimestamp": at, "lastTimestamp": at,
    })
}
