use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::parse_x509_certificate;

use super::trust::Trust;
use crate::model::Now;

/// What was found of a certificate is looked at again after this long: it may have expired since.
const AGAIN: Duration = Duration::from_secs(10);

/// The client at the other end of a connection, by the certificates that it showed and whose key it has proven to
/// have.
#[derive(Debug)]
pub struct Peer {
    chain: Vec<CertificateDer<'static>>,
    found: Mutex<Option<(u64, crate::model::Moment, Arc<Found>)>>,
}

/// What a client's certificate is worth.
#[derive(Debug)]
pub(super) struct Found {
    /// The name of a front proxy, or why it is none.
    pub(super) front_proxy: Result<String, String>,
    /// A user's name and groups, or why it is none.
    pub(super) client: Result<(String, Vec<String>), String>,
}

impl Peer {
    /// Who showed these; nobody, if there is none.
    #[must_use]
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Arc<Self>> {
        let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        (!chain.is_empty()).then(|| Arc::new(Self { chain, found: Mutex::new(None) }))
    }

    pub(super) fn find(&self, trust: &Trust, now: Now) -> Arc<Found> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((generation, at, found)) = &*found
            && *generation == trust.generation
            && now.moment.since(*at) < AGAIN
        {
            return Arc::clone(found);
        }
        let new = Arc::new(self.look(trust, now));
        *found = Some((trust.generation, now.moment, Arc::clone(&new)));
        new
    }

    fn look(&self, trust: &Trust, now: Now) -> Found {
        let Some((leaf, between)) = self.chain.split_first() else {
            let nothing = || "no certificate".to_owned();
            return Found { front_proxy: Err(nothing()), client: Err(nothing()) };
        };
        let seconds = u64::try_from(now.wall.millis() / 1000).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verify = |verifier: &Arc<dyn ClientCertVerifier>| {
            verifier.verify_client_cert(leaf, between, time).map_err(|error| error.to_string())
        };
        let subject = || subject(leaf);
        let front_proxy = match &trust.front_proxy {
            None => Err("no front proxy is trusted".to_owned()),
            Some(own) => verify(&own.verifier).and_then(|_| subject()).and_then(|(name, _)| {
                let allowed = own.allowed_names.is_empty() || own.allowed_names.contains(&name);
                if allowed { Ok(name) } else { Err(format!("{name:?} is not the name of a front proxy")) }
            }),
        };
        let client = match &trust.clients {
            None => Err("no certificates of users are trusted".to_owned()),
            Some(verifier) => verify(verifier).and_then(|_| subject()),
        };
        Found { front_proxy, client }
    }
}

/// A certificate's common name and organizations.
fn subject(certificate: &CertificateDer<'_>) -> Result<(String, Vec<String>), String> {
    let (_, parsed) = parse_x509_certificate(certificate).map_err(|error| format!("certificate: {error}"))?;
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        attribute.as_str().map(str::to_owned).map_err(|error| format!("the certificate's subject: {error}"))
    };
    // As Go has it: of several common names the last counts.
    let name = parsed.subject().iter_common_name().last().map(text).transpose()?.unwrap_or_default();
    let groups = parsed.subject().iter_organization().map(text).collect::<Result<_, _>>()?;
    Ok((name, groups))
}

/// Asks every client for a certificate and takes any, or none: what it is worth is found for each request, so that a
/// bad one is told so in an answer and not by a handshake that breaks. That the client has the key is always proven.
#[derive(Debug)]
pub struct AnyClient(pub Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
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
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
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
