//! The API server: its door, and what the tests may do behind it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::backends::Backends;
use super::call::Form;
use super::faults::Faults;
use super::listener::Listener;
use super::pki::{Leaf, Pki};
use super::rbac::{Rbac, User};
use super::resources::{self, named};
use super::reviews::AUDIENCE;
use super::store::{Key, Store, uid};
use super::tally::Tally;
use super::watches::Ends;
use super::{base64, lists, objects};

pub use super::listener::Connection;

/// How the server is to be.
#[derive(Clone)]
pub struct Options {
    /// Whether it knows the streaming list, as servers since 1.32 do.
    pub watch_list: bool,
    pub bookmark_every: Duration,
    /// Whether it knows aggregated discovery, as servers since 1.26 do.
    pub aggregated_discovery: bool,
    /// A new one, if there is none.
    pub pki: Option<Arc<Pki>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { watch_list: true, bookmark_every: Duration::from_secs(1), aggregated_discovery: true, pki: None }
    }
}

pub struct Token {
    pub user: User,
    pub audiences: Vec<String>,
}

type Rule = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// What its parts work on.
pub struct Shared {
    pub options: Options,
    pub store: Mutex<Store>,
    pub news: watch::Sender<u64>,
    pub ends: watch::Sender<Ends>,
    pub faults: Faults,
    pub tally: Tally,
    pub tokens: Mutex<HashMap<String, Token>>,
    pub rbac: Mutex<Rbac>,
    pub allow: Mutex<Option<Rule>>,
    /// Whether callers need what RBAC grants.
    pub enforced: AtomicBool,
    /// Whether namespaces end as controllers let them, instead of at once.
    pub finalizing: AtomicBool,
    pub backends: Backends,
    pub tls: Mutex<Arc<ServerConfig>>,
    pub handshakes: AtomicUsize,
    watches: Mutex<HashMap<&'static str, Arc<AtomicUsize>>>,
}

impl Shared {
    /// Tells the watches that something was written.
    pub fn tell(&self, store: &Store) {
        self.news.send_replace(store.version);
    }

    pub fn open_watches(&self, resource: &'static str) -> Arc<AtomicUsize> {
        Arc::clone(self.watches.lock().unwrap().entry(resource).or_default())
    }
}

pub struct FakeKube {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: Listener<Shared>,
    pki: Arc<Pki>,
}

impl FakeKube {
    pub fn start(options: Options) -> Self {
        let pki = options.pki.clone().unwrap_or_else(|| Arc::new(Pki::new()));
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"];
        let identity = pki.cluster.issue(&Leaf::server("kube-apiserver", &names));
        let shared = Arc::new(Shared {
            options,
            store: Mutex::new(Store::new()),
            news: watch::Sender::default(),
            ends: watch::Sender::default(),
            faults: Faults::new(),
            tally: Tally::default(),
            tokens: Mutex::default(),
            rbac: Mutex::new(Rbac::new()),
            allow: Mutex::default(),
            enforced: AtomicBool::new(false),
            finalizing: AtomicBool::new(false),
            backends: Backends::default(),
            tls: Mutex::new(identity.server_config(PROTOCOLS)),
            handshakes: AtomicUsize::new(0),
            watches: Mutex::default(),
        });
        let address = (IpAddr::V4(Ipv4Addr::LOCALHOST), 0).into();
        let listener = Listener::start(address, Arc::clone(&shared));
        *shared.backends.identity.lock().unwrap() = Some(Arc::new(pki.front_proxy_client()));
        let kube = Self { shared, listener, pki };
        for namespace in ["default", "kube-system", "kube-public"] {
            kube.namespace(namespace);
        }
        let (client, front_proxy) = (&kube.pki.cluster.cert_pem, &kube.pki.front_proxy.cert_pem);
        let config = objects::extension_apiserver_authentication(client, front_proxy, &["front-proxy-client"]);
        kube.put("configmaps", config);
        kube
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.listener.address)
    }

    pub fn pki(&self) -> &Arc<Pki> {
        &self.pki
    }

    pub fn ca_pem(&self) -> &str {
        &self.pki.cluster.cert_pem
    }

    /// The file that `--kubeconfig` names, for who has this token.
    pub fn kubeconfig(&self, token: &str) -> String {
        let (server, ca) = (self.url(), base64::encode(self.ca_pem().as_bytes()));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
             clusters:\n- name: fake\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
             users:\n- name: adapter\n  user:\n    token: {token}\n\
             contexts:\n- name: fake\n  context:\n    cluster: fake\n    user: adapter\n"
        )
    }

    /// Shows another certificate from the next connection on.
    pub fn identity(&self, pair: &super::pki::Pair) {
        *self.shared.tls.lock().unwrap() = pair.server_config(PROTOCOLS);
    }
}

const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Objects.
impl FakeKube {
    /// Creates or replaces, as nobody in particular; returns what is kept.
    pub fn put(&self, resource: &str, object: Value) -> Value {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let namespace = if namespace.is_empty() { "default" } else { &namespace };
        self.put_all(resource, [object]);
        self.get(resource, namespace, &name).expect("it was put")
    }

    /// The watches hear of all of them at once.
    pub fn put_all(&self, resource: &str, objects: impl IntoIterator<Item = Value>) {
        let resource = named(resource);
        let mut store = self.shared.store.lock().unwrap();
        for object in objects {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let (name, namespace) = (text("name"), text("namespace"));
            assert!(!name.is_empty(), "a {} without a name: {object}", resource.kind);
            let key = if resource.namespaced {
                let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
                ensure_namespace(&mut store, &namespace);
                (namespace, name)
            } else {
                (String::new(), name)
            };
            store.write(resource, key, object);
        }
        self.shared.tell(&store);
    }

    /// Changes what is there.
    pub fn change(&self, resource: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut object =
            self.get(resource, namespace, name).unwrap_or_else(|| panic!("no {resource} {namespace}/{name}"));
        change(&mut object);
        self.put(resource, object)
    }

    /// Whether it was there.
    pub fn remove(&self, resource: &str, namespace: &str, name: &str) -> bool {
        let mut store = self.shared.store.lock().unwrap();
        let removed = store.remove(named(resource), &key(resource, namespace, name)).is_some();
        self.shared.tell(&store);
        removed
    }

    /// With its kind.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let (namespace, name) = key(resource, namespace, name);
        let item = self.shared.store.lock().unwrap().get(named(resource), &namespace, &name)?;
        Some(serde_json::from_str(&lists::write(named(resource), &item, Form::Whole)).unwrap())
    }

    pub fn namespace(&self, name: &str) {
        ensure_namespace(&mut self.shared.store.lock().unwrap(), name);
    }

    /// Forgets all history: who begins a watch or goes on with a list from before gets 410. Open watches go on.
    pub fn compact(&self) {
        let mut store = self.shared.store.lock().unwrap();
        // Something else is written all the time: no version that anybody knows is the newest for long.
        store.advance(10);
        store.compact();
    }

    /// As if objects of other kinds had been written.
    pub fn advance(&self, by: u64) {
        let mut store = self.shared.store.lock().unwrap();
        store.advance(by);
        self.shared.tell(&store);
    }

    /// The newest resource version.
    pub fn version(&self) -> u64 {
        self.shared.store.lock().unwrap().version
    }
}

fn key(resource: &str, namespace: &str, name: &str) -> Key {
    let namespace = if named(resource).namespaced { namespace } else { "" };
    (namespace.to_owned(), name.to_owned())
}

fn ensure_namespace(store: &mut Store, name: &str) {
    let resource = resources::named("namespaces");
    if store.get(resource, "", name).is_none() {
        let labels = json!({"kubernetes.io/metadata.name": name});
        let object = json!({"metadata": {"labels": labels}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        store.write(resource, (String::new(), name.to_owned()), object);
    }
}

/// Who may do what.
impl FakeKube {
    /// A bearer token, for callers and for `TokenReviews`.
    pub fn token(&self, token: &str, user: &str, groups: &[&str]) {
        self.token_for(token, user, groups, &[AUDIENCE]);
    }

    /// A token that is meant for certain audiences; it opens the API server only if that is one.
    pub fn token_for(&self, token: &str, user: &str, groups: &[&str], audiences: &[&str]) {
        let mut groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        if !groups.iter().any(|group| group == "system:authenticated") {
            groups.push("system:authenticated".to_owned());
        }
        let uid = if user.starts_with("system:serviceaccount:") { uid() } else { String::new() };
        let user = User { name: user.to_owned(), uid, groups };
        let audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
        self.shared.tokens.lock().unwrap().insert(token.to_owned(), Token { user, audiences });
    }

    /// A token of a service account, as pods have them.
    pub fn service_account(&self, namespace: &str, name: &str) -> String {
        let token = format!("token-of-{namespace}-{name}-{}", uid());
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        let user = format!("system:serviceaccount:{namespace}:{name}");
        self.token(&token, &user, &groups.each_ref().map(String::as_str));
        self.put("serviceaccounts", json!({"metadata": {"namespace": namespace, "name": name}}));
        token
    }

    pub fn revoke(&self, token: &str) {
        self.shared.tokens.lock().unwrap().remove(token);
    }

    /// Answers `SubjectAccessReviews` by their spec, beside what RBAC allows.
    pub fn allow(&self, rule: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        *self.shared.allow.lock().unwrap() = Some(Arc::new(rule));
    }

    /// Adds roles and bindings: for `SubjectAccessReviews`, and for callers if they are bound to RBAC.
    pub fn grant(&self, manifests: &[Value]) {
        let mut rbac = self.shared.rbac.lock().unwrap();
        for manifest in manifests {
            rbac.add(manifest);
        }
    }

    /// From now on callers may do only what roles and bindings say: the built-in ones and these, no older ones.
    pub fn rbac(&self, manifests: &[Value]) {
        *self.shared.rbac.lock().unwrap() = Rbac::new();
        self.grant(manifests);
        self.shared.enforced.store(true, Ordering::SeqCst);
    }
}
