//! The real Traefik, with the configuration and the roles that are shipped.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fake_kube::{FakeKube, Options, objects};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifests::{self, find, kustomized, tool};
use crate::processes::{Answer, Process, eventually, free_port, get};
use crate::replicas::slice;

pub const NAMESPACE: &str = "real-world";
pub const ACCOUNT: &str = "traefik-ingress-controller";

/// A cluster with what `kubectl apply -k k8s` applies, for as much as Traefik looks at, and its roles.
pub fn cluster() -> Arc<FakeKube> {
    cluster_of(Options::default(), &manifests::file("k8s/traefik/rbac.yaml"))
}

/// As that, with an API server that is so, and these roles.
pub fn cluster_of(options: Options, roles: &[Value]) -> Arc<FakeKube> {
    let kube = FakeKube::start(options);
    kube.rbac(roles);
    let wanted =
        [("Ingress", "ingresses"), ("Service", "services"), ("IngressClass", "ingressclasses"), ("Secret", "secrets")];
    kube.namespace(NAMESPACE);
    for object in kustomized("k8s") {
        if let Some((_, resource)) = wanted.iter().find(|(kind, _)| object["kind"] == *kind) {
            kube.put(resource, object);
        }
    }
    kube.put("nodes", objects::node("node1", &[("InternalIP", "127.0.0.1")]));
    kube.change("services", NAMESPACE, "traefik-ingress-service", |service| {
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}});
    });
    Arc::new(kube)
}

/// A running one.
pub struct Traefik {
    pub process: Process,
    pub web: SocketAddr,
    pub admin: SocketAddr,
    pub ops: SocketAddr,
    routers: String,
    folder: TempDir,
}

/// How it is to be.
#[derive(Clone, Copy, Default)]
pub struct Setting<'a> {
    /// `user:hash`, as the Secret has it.
    pub users: Option<&'a str>,
    /// Without the middleware that asks another replica where one cannot be reached.
    pub without_retry: bool,
    /// Told to go, it goes at once.
    pub without_grace: bool,
}

impl Traefik {
    pub fn start(kube: &FakeKube, setting: Setting<'_>) -> Self {
        // A port that was free a moment ago may be somebody else's by now.
        (0..5).find_map(|_| Self::try_start(kube, setting)).expect("Traefik finds no port that stays free")
    }

    fn try_start(kube: &FakeKube, setting: Setting<'_>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let local = Ipv4Addr::LOCALHOST;
        let [web, admin, ops] = [(); 3].map(|()| SocketAddr::from((local, free_port(local.into()))));
        let objects = manifests::file("k8s/traefik/traefik-config.yaml");
        let files = &find(&objects, "ConfigMap", "traefik")["data"];
        let [token, ca] = ["token", "ca.crt"].map(|name| folder.path().join(name));
        std::fs::write(&token, kube.service_account(NAMESPACE, ACCOUNT)).unwrap();
        std::fs::write(&ca, kube.ca_pem()).unwrap();
        let here = folder.path().display();
        let (endpoint, token, ca) = (kube.url(), token.display(), ca.display());
        let cluster =
            format!("kubernetesIngress:\n    endpoint: {endpoint}\n    token: {token}\n    certAuthFilePath: {ca}");
        let mut static_text = replaced(
            &files["traefik.yaml"],
            &[
                ("address: :8000", &format!("address: {web}")),
                ("address: :8080", &format!("address: {admin}")),
                ("address: :9000", &format!("address: {ops}")),
                ("directory: /etc/traefik-dynamic", &format!("directory: {here}/dynamic")),
                ("kubernetesIngress:", &cluster),
            ],
        );
        if setting.without_retry {
            static_text = replaced(&json!(static_text), &[("middlewares: [retry@file]", "middlewares: []")]);
        }
        if setting.without_grace {
            let at_once = [("requestAcceptGraceTimeout: 5s", "requestAcceptGraceTimeout: 0s")];
            static_text = replaced(&json!(static_text), &at_once);
        }
        let users = format!("{here}/users");
        let routers = replaced(&files["routers.yaml"], &[("/etc/traefik-login/users", &users)]);
        std::fs::create_dir(folder.path().join("dynamic")).unwrap();
        mount(&folder.path().join("dynamic"), "routers.yaml", &routers);
        std::fs::write(folder.path().join("traefik.yaml"), static_text).unwrap();
        if let Some(entry) = setting.users {
            std::fs::write(users, entry).unwrap();
        }
        let mut command = Command::new(tool("traefik"));
        command.env_clear().current_dir(folder.path()).arg(format!("--configFile={here}/traefik.yaml"));
        let process = Process::start(command, &folder.path().join("log"));
        let mut traefik = Self { process, web, admin, ops, routers, folder };
        let answers = eventually("Traefik answers /ping", || {
            let ended = traefik.process.has_ended();
            (ended || traefik.ask_ops("/ping").status == 200).then_some(!ended)
        });
        if !answers {
            let log = traefik.process.log();
            assert!(log.contains("address already in use"), "Traefik ended:\n{log}");
            return None;
        }
        // The dashboard's own way through it.
        let own =
            json!([{"addresses": ["127.0.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false}}]);
        let own = own.as_array().cloned().unwrap_or_default();
        kube.put("endpointslices", slice("traefik-web-ui", "traefik-web-ui-8d2fq", ("admin", admin.port()), &own));
        Some(traefik)
    }

    pub fn ask(&self, host: &str, path: &str) -> Answer {
        get(self.web, host, path, &[])
    }

    pub fn ask_ops(&self, path: &str) -> Answer {
        get(self.ops, "ops", path, &[])
    }

    /// Its `ConfigMap` is changed: in its routers, this is that.
    pub fn change(&mut self, from: &str, to: &str) {
        self.routers = replaced(&json!(self.routers), &[(from, to)]);
        mount(&self.folder.path().join("dynamic"), "routers.yaml", &self.routers);
    }

    /// The API is reached.
    pub fn wait(&self) {
        eventually("the API through Traefik", || {
            (self.ask("real-world.localhost", "/api/tags").status == 200).then_some(())
        });
    }

    /// The sum of a metric's samples that have all of these texts in their labels.
    pub fn metric(&self, name: &str, having: &[&str]) -> f64 {
        let text = self.ask_ops("/metrics").body;
        let lines = text.lines().filter(|line| line.starts_with(name) && having.iter().all(|own| line.contains(own)));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

/// A file of a `ConfigMap`'s volume, as a kubelet writes it: in a folder of its own each time, to which a link leads.
fn mount(volume: &Path, name: &str, text: &str) {
    let data = volume.join("..data");
    let before = std::fs::read_link(&data).ok();
    let number = before.as_ref().map_or(0, |own| own.to_string_lossy().trim_start_matches("..").parse().unwrap_or(0));
    let new = format!("..{}", number + 1);
    std::fs::create_dir(volume.join(&new)).unwrap();
    std::fs::write(volume.join(&new).join(name), text).unwrap();
    symlink(&new, volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), &data).unwrap();
    match before {
        Some(before) => std::fs::remove_dir_all(volume.join(before)).unwrap(),
        None => symlink(format!("..data/{name}"), volume.join(name)).unwrap(),
    }
}

/// The text with each of these replaced, which must be there.
fn replaced(text: &Value, replacements: &[(&str, &str)]) -> String {
    let mut text = text.as_str().expect("a text").to_owned();
    for (from, to) in replacements {
        assert!(text.contains(from), "the configuration has no `{from}`:\n{text}");
        text = text.replace(from, to);
    }
    text
}
