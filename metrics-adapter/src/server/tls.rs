use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::auth::AnyClient;
use crate::certificates::Certificates;

/// TLS 1.2 and 1.3; HTTP/2 and HTTP/1.1 by ALPN. Clients are asked for a certificate where it matters who they are.
pub fn acceptor(certificates: Certificates, asks_clients: bool) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
    let versions = versions.with_safe_default_protocol_versions()?;
    let clients = if asks_clients {
        versions.with_client_cert_verifier(Arc::new(AnyClient(provider)))
    } else {
        versions.with_no_client_auth()
    };
    let mut config = clients.with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
