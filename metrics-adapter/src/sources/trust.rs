//! Whom a client of TLS believes.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};

/// Whom a client believes.
pub(super) enum Whom {
    /// Nobody.
    Nobody,
    /// Any certificate.
    Anybody,
    /// Whom one of these certificates of authorities, as PEM, vouches for.
    Authorities(Vec<u8>),
    /// Whom the system's authorities vouch for.
    System,
}

/// Believes whom one of these certificates of authorities, as PEM, vouches for.
pub(super) fn authorities(pem: &[u8]) -> Result<ClientConfig, String> {
    client(&Whom::Authorities(pem.to_owned()), None)
}

/// Believes nobody.
pub(super) fn nobody() -> Result<ClientConfig, String> {
    client(&Whom::Nobody, None)
}

/// Believes any certificate.
pub(super) fn anybody() -> Result<ClientConfig, String> {
    client(&Whom::Anybody, None)
}

/// Believes them, and shows a certificate with its key, as PEM.
pub(super) fn client(whom: &Whom, identity: Option<(&[u8], &[u8])>) -> Result<ClientConfig, String> {
    let builder = builder()?;
    let builder = match whom {
        Whom::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider()))),
        Whom::Nobody => builder.with_root_certificates(RootCertStore::empty()),
        Whom::Authorities(pem) => builder.with_root_certificates(roots(pem)?),
        Whom::System => builder.with_root_certificates(system()?),
    };
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("the client's certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the client's key: {error}"))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| format!("the client's certificate: {error}"))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(roots) }
}

fn system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system trusts no authority; prometheus.tls.caFile names one".to_owned());
    }
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
