//! A cluster in which the stack is up, and the command between it and a person.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_kube::{FakeKube, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::acting::{Acting, NAMESPACE};
use crate::scaler::{HPA, Scaler};
use crate::visited::Visited;

/// How long anything here may take at the very most.
const FOREVER: Duration = Duration::from_mins(2);

pub(crate) struct Scene {
    // In this order: who acts first, then what they act on.
    pub(crate) acting: Acting,
    scaler: Arc<Mutex<Option<Scaler>>>,
    pub(crate) kube: Arc<FakeKube>,
    folder: TempDir,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

impl Scene {
    /// Two replicas, two Traefik, the database and the third quota, as `up` leaves them, and nobody who scales.
    pub(crate) fn begin() -> Self {
        let kube = Arc::new(FakeKube::start(Options::default()));
        kube.token("person", "person", &["system:masters"]);
        let scaler = Arc::<Mutex<Option<Scaler>>>::default();
        let acting = Acting::start(&kube, Arc::clone(&scaler));
        let scene = Self { acting, scaler, kube, folder: tempfile::tempdir().unwrap() };
        fs::write(scene.path("kubeconfig"), scene.kube.kubeconfig("person")).unwrap();
        let kubectl = root().join("target/tools/venv/bin/kubectl");
        assert!(kubectl.is_file(), "{} is missing: `make tools`", kubectl.display());
        // The fake has no OpenAPI document to validate with, and no pods that a port could lead to.
        let wrapper = format!(
            "#!/bin/sh\ncase $1 in apply) shift; set -- apply --validate=false \"$@\" ;; \
             port-forward) cd \"$(dirname \"$0\")\"; echo \"$*\" >> forwarded; cat forwarding && exec sleep 300; exit 1 ;; esac\n\
             exec '{}' \"$@\"\n",
            kubectl.display()
        );
        fs::write(scene.path("kubectl"), wrapper).unwrap();
        fs::set_permissions(scene.path("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
        for file in ["real-world-namespace.yaml", "real-world-deployment.yaml", "traefik/traefik-deployment.yaml"] {
            scene.apply(file);
        }
        scene.apply("real-world-rquota.yaml");
        scene.kube.change("namespaces", "", NAMESPACE, |namespace| {
            namespace["metadata"]["annotations"]["conduit/made-by"] = json!("rehearse-cluster");
        });
        until("the stack is up", || scene.ready() == 2);
        scene
    }

    /// With the repository's HPA, on a clock that runs so many times as fast, fed by who is visited.
    pub(crate) fn with_hpa(pace: f64, visited: Option<&Arc<Visited>>) -> Self {
        let scene = Self::begin();
        scene.apply("real-world-hpa.yaml");
        *scene.scaler.lock().unwrap() = Some(Scaler::new(&scene.kube, pace, visited.cloned()));
        until("the HPA sees", || {
            let hpa = scene.hpa();
            hpa["status"]["conditions"]
                .as_array()
                .is_some_and(|all| all.iter().any(|own| own["type"] == "ScalingActive"))
        });
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn apply(&self, file: &str) {
        let mut kubectl = Command::new(self.path("kubectl"));
        let out = kubectl.args(["apply", "-f"]).arg(root().join("k8s").join(file));
        let out = out.env("KUBECONFIG", self.path("kubeconfig")).output().unwrap();
        assert!(out.status.success(), "{file}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Nobody scales any more; the object stays as it is.
    pub(crate) fn stop_scaling(&self) {
        *self.scaler.lock().unwrap() = None;
    }

    pub(crate) fn deployment(&self) -> Value {
        self.kube.get("deployments", NAMESPACE, "real-world").unwrap()
    }

    pub(crate) fn hpa(&self) -> Value {
        self.kube.get("horizontalpodautoscalers", NAMESPACE, HPA).unwrap()
    }

    pub(crate) fn quota(&self) -> Value {
        self.kube.get("resourcequotas", NAMESPACE, "real-world-rquota").unwrap_or_default()
    }

    fn ready(&self) -> u64 {
        self.kube
            .get("deployments", NAMESPACE, "real-world")
            .and_then(|object| object["status"]["readyReplicas"].as_u64())
            .unwrap_or_default()
    }

    /// The command, which looks often and waits for so long at most.
    pub(crate) fn play(&self, demo: &str, patience: &str, arguments: &[&str]) -> Playing {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
        command.args(["cluster", demo, "--look", "100ms", "--patience", patience]).args(arguments);
        command.arg("--data").arg(self.path("data")).current_dir(root());
        command.env("KUBECTL", self.path("kubectl")).env("KUBECONFIG", self.path("kubeconfig"));
        command.env("HOME", self.folder.path()).env_remove("CONTEXT");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let (out, shared) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                shared.lock().unwrap().push(line);
            }
        });
        Playing { child, lines, reader: Some(reader) }
    }
}

/// One that goes on; it ends with the test.
pub(crate) struct Playing {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// How it ended, and all that it said.
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) said: String,
}

impl Playing {
    #[track_caller]
    pub(crate) fn wait_for(&mut self, wanted: &str) {
        let deadline = Instant::now() + FOREVER;
        loop {
            let over = self.child.try_wait().unwrap().is_some();
            let lines = self.lines.lock().unwrap().clone();
            if lines.iter().any(|line| line.contains(wanted)) {
                return;
            }
            let said = lines.join("\n");
            assert!(!over && Instant::now() < deadline, "it has not said {wanted:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// As nobody can prepare for.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + FOREVER;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            let said = self.lines.lock().unwrap().join("\n");
            assert!(Instant::now() < deadline, "it goes on and on:\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        };
        self.reader.take().unwrap().join().unwrap();
        let mut said = self.lines.lock().unwrap().join("\n") + "\n";
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        Ended { code, said }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// It exited so, and said all of this in this order.
    #[track_caller]
    pub(crate) fn with(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "exit status:\n{}", self.said);
        let mut rest = self.said.as_str();
        for word in words {
            let Some(place) = rest.find(word) else { panic!("{word:?} is not there in its place:\n{}", self.said) };
            rest = &rest[place + word.len()..];
        }
        self
    }
}

/// Until something is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + FOREVER;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {FOREVER:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
