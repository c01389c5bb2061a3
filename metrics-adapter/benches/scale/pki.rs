use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// One authority for everybody, and one key, which makes 5,000 certificates in a moment.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    /// The authority's certificate, PEM.
    pub(crate) authority: String,
    authority_der: CertificateDer<'static>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (authority, authority_der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), key: KeyPair::generate().unwrap(), authority, authority_der }
    }

    fn certificate(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        params.signed_by(&self.key, &self.issuer).unwrap()
    }

    /// A server's certificate and its key, PEM.
    pub(crate) fn pem(&self, name: &str) -> (String, String) {
        let certificate = self.certificate(name, ExtendedKeyUsagePurpose::ServerAuth);
        (certificate.pem(), self.key.serialize_pem())
    }

    pub(crate) fn server(&self, address: IpAddr) -> Arc<ServerConfig> {
        let certificate = self.certificate(&address.to_string(), ExtendedKeyUsagePurpose::ServerAuth);
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let chain = vec![certificate.der().clone()];
        let mut config = builder.with_no_client_auth().with_single_cert(chain, self.private_key()).unwrap();
        // Connections are kept: nobody comes back with a ticket.
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }

    /// Who asks on behalf of others, as the API server's front proxy does.
    pub(crate) fn front_proxy(&self) -> Arc<ClientConfig> {
        let certificate = self.certificate("front-proxy-client", ExtendedKeyUsagePurpose::ClientAuth);
        let mut roots = RootCertStore::empty();
        roots.add(self.authority_der.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let chain = vec![certificate.der().clone()];
        let config = builder.with_root_certificates(roots).with_client_auth_cert(chain, self.private_key());
        Arc::new(config.unwrap())
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
