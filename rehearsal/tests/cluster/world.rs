//! A cluster, the programs of a person's machine, and the command between them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake_kube::objects::{self, Adorn as _};
use fake_kube::{Controllers, FakeKube, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const APP: &str = "real-world";
pub(crate) const MONITORING: &str = "monitoring";
/// The context of the fake's kubeconfig.
const FAKE: &str = "fake";

pub(crate) struct World {
    // In this order: controllers first, then what they act on.
    pub(crate) controllers: Controllers,
    pub(crate) kube: Arc<FakeKube>,
    folder: TempDir,
}

/// What a command printed, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// In both of its outputs.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "it failed:\n{}", self.said());
        self
    }

    /// It failed, and said all of this.
    #[track_caller]
    pub(crate) fn failed(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "exit status:\n{}", self.said());
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in:\n{}\nafter:\n{}", self.err, self.out);
        }
        self
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

impl World {
    /// A cluster of one node, of eight cores, without anything in it.
    pub(crate) fn new() -> Self {
        let kube = Arc::new(FakeKube::start(Options::default()));
        kube.token("person", "person", &["system:masters"]);
        kube.put("nodes", node("8"));
        let controllers = Controllers::start(&kube);
        let folder = tempfile::tempdir().unwrap();
        let world = Self { controllers, kube, folder };
        let config = world.kube.kubeconfig("person");
        // The same cluster is kind's, too, for tests in which kind makes it.
        let own = format!("{config}- name: kind-conduit\n  context:\n    cluster: fake\n    user: adapter\n");
        fs::write(world.path("kubeconfig"), own).unwrap();
        // The fake has no OpenAPI document to validate with.
        let kubectl = root().join("target/tools/venv/bin/kubectl");
        assert!(kubectl.is_file(), "{} is missing: `make tools`", kubectl.display());
        world.program(
            "kubectl",
            &format!(
                "for word in \"$@\"; do case $word in apply) exec '{0}' \"$@\" --validate=false ;; create) exec '{0}' \"$@\" --validate=false ;; esac; done\nexec '{0}' \"$@\"\n",
                kubectl.display()
            ),
        );
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell script that stands for a program, and writes down what it is called with.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let calls = self.path("calls");
        let note = format!("#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> '{}'\n", calls.display());
        fs::write(self.path(name), note + script).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What programs were called with, a line each.
    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Those of one program, without its name.
    pub(crate) fn calls_of(&self, program: &str) -> Vec<String> {
        let prefix = format!("{program} ");
        self.calls().lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
        command.arg("cluster").args(arguments).current_dir(root());
        for name in ["CONTEXT", "REGISTRY", "NODE_IMAGE"] {
            command.env_remove(name);
        }
        let tools = [("KUBECTL", "kubectl"), ("KIND", "kind"), ("CONTAINER_TOOL", "docker")];
        command.envs(tools.map(|(variable, name)| (variable, self.path(name))));
        command.env("KUBECONFIG", self.path("kubeconfig")).env("HOME", self.folder.path());
        command.arg("--data").arg(self.path("data"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let out = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: out.status.code(), out: text(&out.stdout), err: text(&out.stderr) }
    }

    /// On a terminal, where a person types this once they read that; all that they see.
    pub(crate) fn typed(&self, arguments: &[&str], read: &str, keys: &str) -> Ended {
        let own = self.command(arguments);
        let words = std::iter::once(own.get_program()).chain(own.get_args());
        let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", &words.join(" "), "/dev/null"]);
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(root());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut seen, mut out, mut bytes) = (String::new(), child.stdout.take().unwrap(), [0; 4096]);
        // At its end the terminal would close.
        let (mut stdin, mut typed) = (child.stdin.take().unwrap(), false);
        while let Ok(read_now @ 1..) = out.read(&mut bytes) {
            seen.push_str(&String::from_utf8_lossy(&bytes[..read_now]));
            if !typed && seen.contains(read) {
                stdin.write_all(keys.as_bytes()).unwrap();
                typed = true;
            }
        }
        Ended { code: child.wait().unwrap().code(), out: seen, err: String::new() }
    }

    /// In the cluster that kubectl is logged in to, agreed to; each wait may take so long.
    pub(crate) fn up(&self, patience: &str) -> Ended {
        self.run(&["up", "--provider", "context", "--yes", "--patience", patience])
    }

    pub(crate) fn down(&self) -> Ended {
        self.run(&["down", "--yes", "--patience", "20s"])
    }

    /// One that goes on; it ends with the test.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Begun {
        Begun(Some(self.command(arguments).spawn().unwrap()))
    }

    pub(crate) fn has(&self, resource: &str, namespace: &str, name: &str) -> bool {
        self.kube.get(resource, namespace, name).is_some()
    }

    /// Values of all secrets that were made, as they are in clear.
    pub(crate) fn secret(&self, name: &str, key: &str) -> Option<String> {
        let object = self.kube.get("secrets", APP, name)?;
        let bytes = fake_kube::base64::decode(object["data"][key].as_str()?).unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }

    /// An `APIService` that somebody else answers for.
    pub(crate) fn foreign_api(&self, version: &str, group: &str, namespace: &str, service: &str) {
        let name = format!("{version}.{group}");
        self.kube.put("apiservices", objects::api_service(version, group, namespace, service));
        self.kube.available(&name, "True", "Passed", "all checks passed");
    }

    /// A Traefik that came with the cluster.
    pub(crate) fn foreign_traefik(&self, class: &str) {
        let spec = json!({"controller": "traefik.io/ingress-controller"});
        self.kube.put("ingressclasses", json!({"metadata": {"name": class}, "spec": spec}));
        let pod = objects::pod("kube-system", "traefik-5d45fc8cc9-h7j2q", "10.42.0.8", "node1");
        self.kube.put("pods", pod.label("app.kubernetes.io/name", "traefik").container("traefik", &json!({})));
        let service = objects::service("kube-system", "traefik", &json!({}), ("web", 80));
        let address = json!({"ingress": [{"ip": "203.0.113.7"}]});
        let service = service.label("app.kubernetes.io/name", "traefik").with("/status/loadBalancer", address);
        self.kube.put("services", service);
    }

    /// What was last applied, of that kind and name.
    pub(crate) fn kustomization(&self) -> String {
        fs::read_to_string(self.path("data/kustomization.yaml")).unwrap()
    }
}

/// A node that leaves so many cores to pods.
pub(crate) fn node(cores: &str) -> Value {
    objects::node("node1", &[("InternalIP", "192.0.2.2")]).with("/status/allocatable/cpu", json!(cores))
}

pub(crate) struct Begun(Option<Child>);

impl Begun {
    /// As Ctrl-C does.
    pub(crate) fn interrupt(self) -> Ended {
        let child = self.0.as_ref().unwrap();
        let ended = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(ended.success());
        self.end()
    }

    /// When it is done.
    pub(crate) fn end(mut self) -> Ended {
        let child = self.0.take().unwrap();
        let out = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: out.status.code(), out: text(&out.stdout), err: text(&out.stderr) }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Until something is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The kubeconfig's own context, which is the current one.
pub(crate) fn context() -> &'static str {
    FAKE
}
