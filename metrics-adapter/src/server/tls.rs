use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The certificates cannot be served with.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct TlsError {
    setting: &'static str,
    problem: String,
}

/// TLS 1.2 and 1.3 with a certificate and its key, both PEM; HTTP/2 and HTTP/1.1 by ALPN.
pub fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let of =
        |setting, path: &Path, problem: String| TlsError { setting, problem: format!("{}: {problem}", path.display()) };
    let bad_certificate = |problem: String| of("--tls-cert-file", certificates, problem);
    let bad_key = |problem: String| of("--tls-private-key-file", key, problem);
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificates).map_err(|error| bad_certificate(error.to_string()))?.collect();
    let chain = chain.map_err(|error| bad_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_certificate("holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad_certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| bad_certificate(format!("does not go with its key: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
