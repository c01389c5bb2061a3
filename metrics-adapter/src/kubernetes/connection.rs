use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const AGENT: &str = concat!("metrics-adapter/", env!("CARGO_PKG_VERSION"));

/// Where the API server is found.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// A kubeconfig; without one, the service account of the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
}

/// A client of the API server.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    server: String,
    namespace: String,
}

/// The API server cannot be reached, for want of an address or credentials.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The given kubeconfig is of no use.
    #[error("--kubeconfig: {0}")]
    Kubeconfig(String),
    /// This is no pod.
    #[error(
        "no cluster: {0}; in a pod the service account's token must be mounted; elsewhere --kubeconfig FILE names a \
         cluster, and --standalone --targets FILE does without one"
    )]
    NoCluster(String),
    /// The client cannot be made.
    #[error("a client of the API server: {0}")]
    Client(String),
}

impl Connection {
    /// Makes a client; nothing is asked yet.
    pub async fn open(place: &Place) -> Result<Self, ConnectionError> {
        let config = match &place.kubeconfig {
            Some(path) => {
                let failed = |error: KubeconfigError| ConnectionError::Kubeconfig(error.to_string());
                let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
                Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(failed)?
            }
            None => Config::incluster_env().map_err(|error| ConnectionError::NoCluster(error.to_string()))?,
        };
        let namespace = match &place.kubeconfig {
            None => std::fs::read_to_string(NAMESPACE_FILE).unwrap_or_default().trim().to_owned(),
            Some(_) => config.default_namespace.clone(),
        };
        Self::of(config, namespace)
    }

    /// Makes a client for a person, who is known by a kubeconfig: the given one, that of `$KUBECONFIG`, or
    /// `~/.kube/config`. Where there is none, this may be a pod. Nothing is asked yet.
    pub async fn open_as_person(kubeconfig: Option<&Path>, context: Option<String>) -> Result<Self, ConnectionError> {
        let failed = |error: KubeconfigError| ConnectionError::Kubeconfig(error.to_string());
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let found = match kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let config = match found {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(failed)?,
            Err(error) if kubeconfig.is_some() || options.context.is_some() => return Err(failed(error)),
            Err(error) => Config::incluster_env().map_err(|_| failed(error))?,
        };
        let namespace = config.default_namespace.clone();
        Self::of(config, namespace)
    }

    fn of(mut config: Config, namespace: String) -> Result<Self, ConnectionError> {
        // Whoever asks here has a pause of its own between tries, and a deadline.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(5));
        config.headers.push((hyper::header::USER_AGENT, hyper::header::HeaderValue::from_static(AGENT)));
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| ConnectionError::Client(error.to_string()))?;
        Ok(Self { client, server, namespace })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace that this runs in, as the credentials say.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}
