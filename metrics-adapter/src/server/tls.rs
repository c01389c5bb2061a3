use std::path::{Path, PathBuf};
use std::sync::Arc;

use metrics::{describe_gauge, gauge};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use x509_parser::parse_x509_certificate;

use crate::auth::AnyClient;
use crate::clock::Clock;
use crate::reload::{Followed, State};

/// What the file is called in metrics, in the log and on the status page.
const WHAT: &str = "tls";

/// The certificates cannot be served with.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct TlsError {
    setting: &'static str,
    problem: String,
}

/// A certificate and its key, both PEM, followed: a connection gets those that are in force when it begins.
#[derive(Debug)]
pub struct Certificates {
    state: watch::Receiver<State<CertifiedKey>>,
}

pub(super) fn describe_metrics() {
    describe_gauge!(
        "metrics_adapter_tls_certificate_expiry_timestamp_seconds",
        "When the certificate that is served expires, in seconds since 1970."
    );
}

impl Certificates {
    /// Reads them, and follows them for as long as the process lives.
    pub fn follow(certificates: &Path, key: &Path, clock: Clock) -> Result<Self, TlsError> {
        // The first time each problem is that of a setting.
        let first = certified(certificates, key)?;
        gauge!("metrics_adapter_tls_certificate_expiry_timestamp_seconds").set(first.expiry);
        let files = (certificates.to_owned(), key.to_owned());
        let followed = Followed { what: WHAT, path: files.0.clone(), beside: vec![files.1.clone()] };
        let read = move |_: &str| read_again(&files);
        let of_file = |problem| TlsError { setting: "--tls-cert-file", problem };
        let loaded = followed.load(&clock, &read).map_err(of_file)?;
        let state = loaded.subscribe();
        tokio::spawn(loaded.follow(clock, read));
        Ok(Self { state })
    }

    /// What is wrong with the files now, if something is.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State<CertifiedKey>> {
        self.state.clone()
    }

    /// TLS 1.2 and 1.3; HTTP/2 and HTTP/1.1 by ALPN. Clients are asked for a certificate where it matters who they
    /// are.
    pub fn acceptor(self, asks_clients: bool) -> Result<TlsAcceptor, TlsError> {
        let versions = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| TlsError { setting: "TLS", problem: error.to_string() })?;
        let clients = if asks_clients {
            versions.with_client_cert_verifier(Arc::new(AnyClient(provider())))
        } else {
            versions.with_no_client_auth()
        };
        let mut config = clients.with_cert_resolver(Arc::new(self));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.state.borrow().value))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read_again((certificates, key): &(PathBuf, PathBuf)) -> Result<CertifiedKey, String> {
    let read = certified(certificates, key).map_err(|error| error.problem)?;
    gauge!("metrics_adapter_tls_certificate_expiry_timestamp_seconds").set(read.expiry);
    Ok(read.certified)
}

struct Read {
    certified: CertifiedKey,
    /// Seconds since 1970.
    expiry: f64,
}

fn certified(certificates: &Path, key: &Path) -> Result<Read, TlsError> {
    let of =
        |setting, path: &Path, problem: String| TlsError { setting, problem: format!("{}: {problem}", path.display()) };
    let bad_certificate = |problem: String| of("--tls-cert-file", certificates, problem);
    let bad_key = |problem: String| of("--tls-private-key-file", key, problem);
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificates).map_err(|error| bad_certificate(error.to_string()))?.collect();
    let chain = chain.map_err(|error| bad_certificate(error.to_string()))?;
    let Some(leaf) = chain.first() else { return Err(bad_certificate("holds no certificate".to_owned())) };
    let (_, parsed) = parse_x509_certificate(leaf).map_err(|error| bad_certificate(error.to_string()))?;
    #[expect(clippy::cast_precision_loss, reason = "a float holds the seconds of millions of years")]
    let expiry = parsed.validity().not_after.timestamp() as f64;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(error.to_string()))?;
    let certified = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| bad_certificate(format!("does not go with its key: {error}")))?;
    Ok(Read { certified, expiry })
}
