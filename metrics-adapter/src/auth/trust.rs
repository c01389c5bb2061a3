use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kube::Api;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;
use tracing::{error, info};

use crate::clock::Clock;
use crate::kubernetes::{ConfigMap, Connection, Watch, Watches};
use crate::model::Wall;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Whom a cluster trusts to say who asks, as its `ConfigMap` `kube-system/extension-apiserver-authentication` has it.
#[derive(Debug)]
pub struct Trust {
    /// Each has its own number.
    pub(super) generation: u64,
    /// The API server's front proxy.
    pub(super) front_proxy: Option<FrontProxy>,
    /// Who issues certificates of the cluster's users.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// By what the front proxy is known, and where it says who asks.
#[derive(Debug)]
pub(super) struct FrontProxy {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// The names that its certificate may have; any, if there is none.
    pub(super) allowed_names: Vec<String>,
    pub(super) username_headers: Vec<String>,
    pub(super) uid_headers: Vec<String>,
    pub(super) group_headers: Vec<String>,
    /// In lower case, as HTTP/2 has headers.
    pub(super) extra_prefixes: Vec<String>,
}

/// Whom a cluster trusts, as far as it is known.
#[derive(Clone, Debug)]
pub struct TrustState {
    known: watch::Receiver<Known>,
    watches: Watches,
}

fn watch_name() -> String {
    format!("configmap {NAMESPACE}/{NAME}")
}

#[derive(Clone, Debug)]
struct Known {
    trust: Arc<Trust>,
    since: Option<Wall>,
    problem: Option<String>,
}

impl TrustState {
    pub(super) fn follow(connection: &Connection, watches: &Watches, clock: Clock) -> Self {
        let (state, known) = watch::channel(Known { trust: Arc::new(Trust::nobody()), since: None, problem: None });
        let watch = Watch {
            api: Api::<ConfigMap>::namespaced(connection.client(), NAMESPACE),
            labels: None,
            fields: Some(format!("metadata.name={NAME}")),
            name: watch_name(),
            watches: watches.clone(),
        };
        let mut seen = watch.one();
        tokio::spawn(async move {
            let mut before = None;
            while seen.changed().await.is_ok() {
                let map = seen.borrow_and_update().clone().map(|map| map.map(|map| map.data));
                // A watch that begins anew says the same again.
                if map == before {
                    continue;
                }
                before.clone_from(&map);
                match map {
                    None => {}
                    Some(None) => learn(&state, Err("it does not exist".to_owned()), clock),
                    Some(Some(map)) => learn(&state, Trust::read(&map.unwrap_or_default()), clock),
                }
            }
        });
        Self { known, watches: watches.clone() }
    }

    /// What it is now.
    pub(super) fn current(&self) -> Arc<Trust> {
        Arc::clone(&self.known.borrow().trust)
    }

    /// What it is not known for want of; nothing, once it was known.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        let known = self.known.borrow();
        let name = watch_name();
        let broken = || self.watches.states().into_iter().find(|(own, _)| *own == name)?.1.problem;
        let unknown = || broken().map_or_else(|| name.clone(), |problem| format!("{name} ({problem})"));
        known.since.is_none().then(|| known.problem.clone().unwrap_or_else(unknown))
    }

    /// When it was read; never, as long as it is not known.
    #[must_use]
    pub fn since(&self) -> Option<Wall> {
        self.known.borrow().since
    }

    /// What is wrong with the `ConfigMap`, if something is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.known.borrow().problem.clone()
    }
}

/// What was known before stays in force when something is wrong with what is said now.
fn learn(state: &watch::Sender<Known>, read: Result<Trust, String>, clock: Clock) {
    match read {
        Ok(trust) => {
            let since = Some(clock.now().wall);
            info!(configmap = NAME, "{}", trust.describe());
            state.send_replace(Known { trust: Arc::new(trust), since, problem: None });
        }
        Err(problem) => {
            let problem = format!("ConfigMap {NAMESPACE}/{NAME}: {problem}");
            error!(configmap = NAME, "{problem}; whoever was trusted before still is");
            state.send_modify(|known| known.problem = Some(problem));
        }
    }
}

impl Trust {
    fn nobody() -> Self {
        Self { generation: 0, front_proxy: None, clients: None }
    }

    /// Reads the `ConfigMap`'s data; the error says which entry is wrong.
    pub(super) fn read(data: &BTreeMap<String, String>) -> Result<Self, String> {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let clients = authorities(data, "client-ca-file")?;
        let front_proxy = match authorities(data, "requestheader-client-ca-file")? {
            None => None,
            Some(verifier) => Some(FrontProxy {
                verifier,
                allowed_names: names(data, "requestheader-allowed-names")?,
                username_headers: names(data, "requestheader-username-headers")?,
                uid_headers: names(data, "requestheader-uid-headers")?,
                group_headers: names(data, "requestheader-group-headers")?,
                extra_prefixes: names(data, "requestheader-extra-headers-prefix")?
                    .into_iter()
                    .map(|prefix| prefix.to_lowercase())
                    .collect(),
            }),
        };
        Ok(Self { generation: GENERATION.fetch_add(1, Ordering::Relaxed), front_proxy, clients })
    }

    fn describe(&self) -> String {
        let front = match &self.front_proxy {
            None => "no front proxy".to_owned(),
            Some(own) if own.allowed_names.is_empty() => "a front proxy of any name".to_owned(),
            Some(own) => format!("the front proxy {}", own.allowed_names.join(", ")),
        };
        let clients = if self.clients.is_some() { "certificates of the cluster" } else { "no certificates of users" };
        format!("who asks is known by {front}, by {clients}, and by tokens")
    }
}

fn authorities(data: &BTreeMap<String, String>, key: &str) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let Some(pem) = data.get(key).filter(|pem| !pem.trim().is_empty()) else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("{key}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{key}: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{key}: holds no certificate"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map(Some).map_err(|error| format!("{key}: {error}"))
}

/// A JSON array in a string.
fn names(data: &BTreeMap<String, String>, key: &str) -> Result<Vec<String>, String> {
    let text = data.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|_| format!("{key}: {text:?} is not a list of texts in JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_wrong_is_named() {
        let table = [
            ("client-ca-file", "-----BEGIN CERTIFICATE-----\nxx", "client-ca-file: "),
            ("client-ca-file", "hello", "client-ca-file: holds no certificate"),
            ("requestheader-client-ca-file", "hello", "requestheader-client-ca-file: holds no certificate"),
        ];
        for (key, value, message) in table {
            let problem = Trust::read(&BTreeMap::from([(key.to_owned(), value.to_owned())])).unwrap_err();
            assert!(problem.starts_with(message), "{problem}");
        }
        let data = BTreeMap::from([("requestheader-allowed-names".to_owned(), "a,b".to_owned())]);
        assert!(names(&data, "requestheader-allowed-names").unwrap_err().contains("is not a list of texts in JSON"));
        let nobody = Trust::read(&BTreeMap::new()).unwrap();
        assert!(nobody.clients.is_none() && nobody.front_proxy.is_none());
    }
}
