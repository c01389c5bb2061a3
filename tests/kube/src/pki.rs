//! Authorities and certificates, valid and otherwise.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SigningKey,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::base64;

const DAY: Duration = Duration::from_hours(24);

/// The two authorities of a cluster.
pub struct Pki {
    /// Issues the API server's, the kubelets' and the users' certificates.
    pub cluster: Authority,
    /// Issues the aggregator's client certificate.
    pub front_proxy: Authority,
}

impl Pki {
    pub fn new() -> Self {
        Self { cluster: Authority::new("kube-ca"), front_proxy: Authority::new("front-proxy-ca") }
    }

    /// The aggregator's client certificate, as the real one is named.
    pub fn front_proxy_client(&self) -> Pair {
        self.front_proxy.issue(&Leaf::client("front-proxy-client", &[]))
    }
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub cert_pem: String,
    pub cert_der: CertificateDer<'static>,
    /// The authorities between this one and its root, this one first. Empty for a root.
    chain: Vec<CertificateDer<'static>>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let (not_before, not_after) = usual_validity();
        Self::valid(name, not_before, not_after)
    }

    /// A root that is valid when it is said to be.
    pub fn valid(name: &str, not_before: SystemTime, not_after: SystemTime) -> Self {
        let params = authority(name, not_before, not_after);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        let (cert_pem, cert_der) = (cert.pem(), cert.der().clone());
        Self { issuer: Issuer::new(params, key), cert_pem, cert_der, chain: Vec::new() }
    }

    /// An authority below this one; what it issues comes with its chain.
    pub fn intermediate(&self, name: &str) -> Self {
        let (not_before, not_after) = usual_validity();
        let params = authority(name, not_before, not_after);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let (cert_pem, cert_der) = (cert.pem(), cert.der().clone());
        let chain = std::iter::once(cert_der.clone()).chain(self.chain.iter().cloned()).collect();
        Self { issuer: Issuer::new(params, key), cert_pem, cert_der, chain }
    }

    pub fn issue(&self, leaf: &Leaf) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = leaf.params().signed_by(&key, &self.issuer).unwrap();
        let cert = with_organizations(cert.der(), leaf, self.issuer.key());
        Pair::new(cert, self.chain.clone(), &key)
    }
}

fn authority(name: &str, not_before: SystemTime, not_after: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params
}

/// From yesterday, so that clocks need not agree, for a year.
fn usual_validity() -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now - DAY, now + 365 * DAY)
}

#[derive(Clone, Copy, PartialEq)]
pub enum Usage {
    Client,
    Server,
    Both,
    /// No extended key usage at all.
    None,
}

/// What is to be certified.
#[derive(Clone)]
pub struct Leaf {
    /// None at all, if empty.
    pub common_name: String,
    pub organizations: Vec<String>,
    pub usage: Usage,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// DNS names.
    pub names: Vec<String>,
    pub addresses: Vec<IpAddr>,
}

impl Leaf {
    fn new(common_name: &str, usage: Usage) -> Self {
        let (not_before, not_after) = usual_validity();
        let common_name = common_name.to_owned();
        let (organizations, names, addresses) = (Vec::new(), Vec::new(), Vec::new());
        Self { common_name, organizations, usage, not_before, not_after, names, addresses }
    }

    pub fn client(common_name: &str, organizations: &[&str]) -> Self {
        let organizations = organizations.iter().map(|&organization| organization.to_owned()).collect();
        Self { organizations, ..Self::new(common_name, Usage::Client) }
    }

    /// For DNS names and IP addresses, which are told apart.
    pub fn server(common_name: &str, names: &[&str]) -> Self {
        let mut leaf = Self::new(common_name, Usage::Server);
        for &name in names {
            match name.parse() {
                Ok(address) => leaf.addresses.push(address),
                Err(_) => leaf.names.push(name.to_owned()),
            }
        }
        leaf
    }

    pub fn usage(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }

    /// Was valid until an hour ago.
    pub fn expired(self) -> Self {
        let not_after = SystemTime::now() - Duration::from_hours(1);
        Self { not_before: not_after - DAY, not_after, ..self }
    }

    /// Will be valid in an hour.
    pub fn not_yet_valid(self) -> Self {
        let not_before = SystemTime::now() + Duration::from_hours(1);
        Self { not_before, not_after: not_before + DAY, ..self }
    }

    pub fn valid(self, not_before: SystemTime, not_after: SystemTime) -> Self {
        Self { not_before, not_after, ..self }
    }

    pub fn self_signed(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = self.params().self_signed(&key).unwrap();
        Pair::new(cert.der().clone(), Vec::new(), &key)
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let [organization] = &self.organizations[..] {
            params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
        }
        if !self.common_name.is_empty() {
            params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        }
        let names = self.names.iter().map(|name| SanType::DnsName(name.as_str().try_into().unwrap()));
        params.subject_alt_names = names.chain(self.addresses.iter().copied().map(SanType::IpAddress)).collect();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match self.usage {
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Usage::None => Vec::new(),
        };
        params.not_before = self.not_before.into();
        params.not_after = self.not_after.into();
        params
    }
}

/// rcgen's names hold one organization; more of them are written into the finished certificate, which is signed again.
fn with_organizations(cert: &CertificateDer<'static>, leaf: &Leaf, key: &KeyPair) -> CertificateDer<'static> {
    const ORGANIZATION: [u8; 5] = [6, 3, 0x55, 4, 10];
    const COMMON_NAME: [u8; 5] = [6, 3, 0x55, 4, 3];
    const ECDSA_WITH_SHA256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    if leaf.organizations.len() < 2 {
        return cert.clone();
    }
    let attribute = |kind: [u8; 5], text: &str| {
        let pair = [kind.to_vec(), der(0x0c, text.as_bytes())].concat();
        der(0x31, &der(0x30, &pair))
    };
    let mut subject: Vec<u8> = leaf.organizations.iter().flat_map(|name| attribute(ORGANIZATION, name)).collect();
    if !leaf.common_name.is_empty() {
        subject.extend(attribute(COMMON_NAME, &leaf.common_name));
    }
    let (_, parsed) = X509Certificate::from_der(cert).unwrap();
    let fields = x509_parser::der_parser::asn1_rs::Sequence::from_der(parsed.tbs_certificate.as_ref()).unwrap().1;
    let (fields, old) = (&fields.content[..], parsed.subject().as_raw());
    // The subject lies within the fields: its distance from their start is where it is cut out.
    let start = old.as_ptr() as usize - fields.as_ptr() as usize;
    let (before, after) = (&fields[..start], &fields[start + old.len()..]);
    let signed = der(0x30, &[before, &der(0x30, &subject), after].concat());
    let signature = [vec![0], key.sign(&signed).unwrap()].concat();
    let certificate = [signed, der(0x30, &ECDSA_WITH_SHA256), der(0x03, &signature)].concat();
    CertificateDer::from(der(0x30, &certificate))
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|byte| *byte != 0).unwrap_or(7)..];
    let mut bytes = vec![tag];
    if content.len() > 127 {
        bytes.push(0x80 | u8::try_from(length.len()).unwrap());
    }
    bytes.extend(length);
    bytes.extend(content);
    bytes
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Pair {
    /// With the intermediate authorities, if there are.
    pub cert_pem: String,
    pub key_pem: String,
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Arc<PrivatePkcs8KeyDer<'static>>,
}

impl Pair {
    fn new(cert: CertificateDer<'static>, intermediates: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let chain: Vec<_> = std::iter::once(cert).chain(intermediates).collect();
        let cert_pem = chain.iter().map(|cert| pem(cert)).collect();
        let key_der = Arc::new(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self { cert_pem, key_pem: key.serialize_pem(), chain, key: key_der }
    }

    /// Asks no client for a certificate.
    pub fn server_config(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = self.key.clone_key().into();
        let mut config = builder.with_no_client_auth().with_single_cert(self.chain.clone(), key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// A client that trusts one authority, and shows a certificate if it has one.
pub fn client_config(ca: &CertificateDer<'static>, identity: Option<&Pair>, protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        Some(pair) => builder.with_client_auth_cert(pair.chain.clone(), pair.key.clone_key().into()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

pub fn pem(cert: &[u8]) -> String {
    let text = base64::encode(cert);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The first certificate of a PEM text.
pub fn certificate(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).unwrap()
}
