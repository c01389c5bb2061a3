use std::error::Error;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tracing::{info, warn};

use crate::config::PrometheusSettings;
use crate::model::Moment;
use crate::sources::trust::{self, Whom};

/// How often files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Connections that nothing is asked over are kept so long: less than the minute after which proxies close theirs.
const IDLE: Duration = Duration::from_secs(50);

/// Sends requests over connections that are kept.
pub(super) type Http = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The connections to Prometheus, made anew when a file of the certificates changes.
pub(super) struct Connections(Mutex<Made>);

struct Made {
    /// Files that cannot be used leave what was made from those before.
    from_files: Result<Http, String>,
    /// What tells these files from others.
    files: u64,
    /// When they were looked at last.
    looked: Moment,
}

impl Connections {
    /// Files that cannot be used are said when something is asked.
    pub(super) fn new(settings: &PrometheusSettings, now: Moment) -> Self {
        let files = fingerprint(settings);
        Self(Mutex::new(Made { from_files: http(settings), files, looked: now }))
    }

    /// What to send a request with; an error names the file that is wrong.
    pub(super) fn http(&self, settings: &PrometheusSettings, now: Moment) -> Result<Http, String> {
        let mut made = self.made();
        if now.since(made.looked) >= LOOK {
            made.looked = now;
            let files = fingerprint(settings);
            if std::mem::replace(&mut made.files, files) != files {
                made.replace(http(settings), settings);
            }
        }
        made.from_files.clone()
    }

    /// The files are looked at before the next request: they may have been changed for just what happened.
    pub(super) fn look_again(&self) {
        self.made().looked = Moment::default();
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn replace(&mut self, with: Result<Http, String>, settings: &PrometheusSettings) {
        match (&with, &self.from_files) {
            (Err(problem), Ok(_)) => {
                warn!(prometheus = %settings.url, "{problem}; certificates stay as they were before");
                return;
            }
            (Ok(_), _) => info!(prometheus = %settings.url, "certificates were read again"),
            (Err(_), Err(_)) => {}
        }
        self.from_files = with;
    }
}

fn http(settings: &PrometheusSettings) -> Result<Http, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Who lists series waits longer for an answer, and no longer for a connection.
    tcp.set_connect_timeout(Some(settings.timeout));
    let tls = tls(settings)?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    Ok(builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector))
}

fn tls(settings: &PrometheusSettings) -> Result<ClientConfig, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let identity = match &settings.client_certificate {
        Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
        None => None,
    };
    let whom = match &settings.ca_file {
        _ if settings.insecure_skip_verify => Whom::Anybody,
        Some(path) => Whom::Authorities(read(path)?),
        // Nobody is to be believed where nobody shows a certificate.
        None if settings.url.scheme_str() == Some("http") => Whom::Nobody,
        None => Whom::System,
    };
    let named = |problem: String| match (&settings.ca_file, &settings.client_certificate) {
        (Some(ca), None) => format!("{}: {problem}", ca.display()),
        (_, Some((certificate, _))) => format!("{problem} ({})", certificate.display()),
        (None, None) => problem,
    };
    trust::client(&whom, identity.as_ref().map(|(certificate, key)| (&**certificate, &**key))).map_err(named)
}

/// What tells what the files hold now from what they held before.
fn fingerprint(settings: &PrometheusSettings) -> u64 {
    let mut hasher = DefaultHasher::new();
    let own = settings.client_certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
    let files: Vec<&PathBuf> = settings.ca_file.iter().chain(own).collect();
    for path in files {
        std::fs::read(path).map_err(|error| error.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether a connection was closed before anything was answered over it. The other side may have closed one that was
/// kept, at just the moment at which it was used again.
pub(super) fn is_closed_unanswered(error: &legacy::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    if error.is_connect() {
        return false;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return true;
        }
        let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(io, Some(BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)) {
            return true;
        }
        cause = error.source();
    }
    false
}
