//! An authority, a certificate of it, and when either is made anew: pure, but for the random numbers of keys.
//!
//! Invariant: whoever knows any bundle that was in force within the last [`Lifetimes::spread`] can verify the
//! certificate that is served. A new authority is added to the bundle first, and certifies only after that time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::provider;

const AUTHORITIES: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Clocks differ; what is made now must be valid for whoever is behind.
const BACKDATED: Duration = Duration::from_hours(1);
/// An authority's name, before the second that it was made in.
const NAME: &str = "metrics-adapter-ca@";
const MOST_AUTHORITIES: usize = 4;

/// How long things are valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) certificate: Duration,
}

impl Lifetimes {
    fn authority(self) -> Duration {
        self.certificate * 4
    }

    /// The time that a new authority has to become known.
    pub(super) fn spread(self) -> Duration {
        (self.certificate / 10).min(Duration::from_mins(5))
    }

    fn backdated(self) -> Duration {
        BACKDATED.min(self.certificate / 10)
    }
}

/// An authority, the certificate that is served, and their keys, as they stand in the Secret.
#[derive(Clone, Debug)]
pub(super) struct Material {
    /// The newest first: it is the one whose key there is.
    authorities: Vec<Authority>,
    authority_key: String,
    certificate: String,
    key: String,
    /// In seconds since 1970.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) certified: Arc<CertifiedKey>,
}

#[derive(Clone, Debug)]
struct Authority {
    pem: String,
    made: i64,
    not_after: i64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Keep,
    /// An authority is put before those that there are.
    Authority,
    /// The newest authority certifies another key.
    Certificate,
}

impl Action {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Keep => "nothing",
            Self::Authority => "authority",
            Self::Certificate => "certificate",
        }
    }
}

impl Material {
    /// Everything anew. The first of `names` is the common name.
    pub(super) fn new(names: &[String], lifetimes: Lifetimes, now: i64) -> Result<Self, String> {
        let (authority, key) = authority(lifetimes, now)?;
        certify(vec![authority], key, names, lifetimes, now)
    }

    /// What is due: an authority long before its certificates would outlive it, a certificate when two thirds of its
    /// time are over.
    pub(super) fn due(&self, lifetimes: Lifetimes, now: i64) -> Action {
        let newest = &self.authorities[0];
        if now + 2 * seconds(lifetimes.certificate) >= newest.not_after {
            return Action::Authority;
        }
        let lasts = self.not_after - self.not_before;
        let due = now >= self.not_before + lasts * 2 / 3 || now < self.not_before;
        let known = now > newest.made + seconds(lifetimes.spread()) || now >= self.not_after;
        if due && known { Action::Certificate } else { Action::Keep }
    }

    /// After an action.
    pub(super) fn after(
        &self,
        action: Action,
        names: &[String],
        lifetimes: Lifetimes,
        now: i64,
    ) -> Result<Self, String> {
        match action {
            Action::Keep => Ok(self.clone()),
            // Nobody knows an authority any more: there is nothing to go on from.
            Action::Authority if self.not_after <= now || self.authorities.iter().all(|own| own.not_after <= now) => {
                Self::new(names, lifetimes, now)
            }
            Action::Authority => {
                let (newest, authority_key) = authority(lifetimes, now)?;
                let mut authorities = vec![newest];
                authorities.extend(self.authorities.iter().filter(|own| own.not_after > now).cloned());
                authorities.truncate(MOST_AUTHORITIES);
                Ok(Self { authorities, authority_key, ..self.clone() })
            }
            Action::Certificate => {
                let authorities = self.authorities.iter().filter(|own| own.not_after > now).cloned().collect();
                certify(authorities, self.authority_key.clone(), names, lifetimes, now)
            }
        }
    }

    /// All authorities, PEM.
    pub(super) fn bundle(&self) -> String {
        self.authorities.iter().map(|authority| authority.pem.as_str()).collect()
    }

    /// When the newest authority expires, in seconds since 1970.
    pub(super) fn authority_not_after(&self) -> i64 {
        self.authorities[0].not_after
    }

    /// As a Secret's data.
    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        let entries = [
            (AUTHORITIES, self.bundle()),
            (AUTHORITY_KEY, self.authority_key.clone()),
            (CERTIFICATE, self.certificate.clone()),
            (KEY, self.key.clone()),
        ];
        entries.into_iter().map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).collect()
    }

    /// Reads a Secret's data; the error says what is wrong with it. A certificate that is made out to others is of no
    /// use.
    pub(super) fn read(data: &BTreeMap<String, ByteString>, names: &[String]) -> Result<Self, String> {
        let entry = |name: &str| {
            let bytes = data.get(name).ok_or_else(|| format!("{name} is missing"))?;
            String::from_utf8(bytes.0.clone()).map_err(|_| format!("{name} is not text"))
        };
        let (bundle, authority_key) = (entry(AUTHORITIES)?, entry(AUTHORITY_KEY)?);
        let (certificate, key) = (entry(CERTIFICATE)?, entry(KEY)?);
        let authorities = authorities(&bundle).map_err(|problem| format!("{AUTHORITIES}: {problem}"))?;
        let signer = KeyPair::from_pem(&authority_key).map_err(|error| format!("{AUTHORITY_KEY}: {error}"))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let chain = chain.map_err(|error| format!("{CERTIFICATE}: {error}"))?;
        let leaf = chain.first().ok_or_else(|| format!("{CERTIFICATE} holds no certificate"))?;
        let (_, parsed) = parse_x509_certificate(leaf).map_err(|error| format!("{CERTIFICATE}: {error}"))?;
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let own: Vec<&str> = alternatives
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None })
            .collect();
        if let Some(missing) = names.iter().find(|name| !own.contains(&name.as_str())) {
            return Err(format!("{CERTIFICATE} is not made out to {missing}"));
        }
        let newest = pem_to_der(&authorities[0].pem).map_err(|problem| format!("{AUTHORITIES}: {problem}"))?;
        let (_, newest) = parse_x509_certificate(&newest).map_err(|error| format!("{AUTHORITIES}: {error}"))?;
        if newest.public_key().subject_public_key.data.as_ref() != signer.public_key_raw() {
            return Err(format!("{AUTHORITY_KEY} is not that of the first certificate in {AUTHORITIES}"));
        }
        let signed = authorities.iter().any(|authority| {
            pem_to_der(&authority.pem).is_ok_and(|der| {
                parse_x509_certificate(&der)
                    .is_ok_and(|(_, issuer)| parsed.verify_signature(Some(issuer.public_key())).is_ok())
            })
        });
        if !signed {
            return Err(format!("{CERTIFICATE} is of none of the authorities in {AUTHORITIES}"));
        }
        let (not_before, not_after) =
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| format!("{KEY}: {error}"))?;
        let certified = CertifiedKey::from_der(chain.clone(), private, &provider())
            .map_err(|error| format!("{CERTIFICATE} does not go with {KEY}: {error}"))?;
        let certified = Arc::new(certified);
        Ok(Self { authorities, authority_key, certificate, key, not_before, not_after, certified })
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.certificate == other.certificate && self.bundle() == other.bundle()
    }
}

fn authorities(bundle: &str) -> Result<Vec<Authority>, String> {
    let mut all = Vec::new();
    for der in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        let der = der.map_err(|error| error.to_string())?;
        let (_, parsed) = parse_x509_certificate(&der).map_err(|error| error.to_string())?;
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let made = name.strip_prefix(NAME).and_then(|seconds| seconds.parse().ok());
        let made = made.ok_or_else(|| format!("an authority of the name {name:?} was not made here"))?;
        all.push(Authority { pem: pem(&der), made, not_after: parsed.validity().not_after.timestamp() });
    }
    if all.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(all) }
}

fn authority(lifetimes: Lifetimes, now: i64) -> Result<(Authority, String), String> {
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params = named(now);
    let not_after = now + seconds(lifetimes.authority());
    valid(&mut params, now - seconds(lifetimes.backdated()), not_after);
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    Ok((Authority { pem: pem(certificate.der()), made: now, not_after }, key.serialize_pem()))
}

/// An authority's parameters. Each has a name of its own, so that none is taken for another.
fn named(made: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{NAME}{made}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The newest authority, whose key this is, certifies another key.
fn certify(
    authorities: Vec<Authority>,
    authority_key: String,
    names: &[String],
    lifetimes: Lifetimes,
    now: i64,
) -> Result<Material, String> {
    let text = |error: rcgen::Error| error.to_string();
    let newest = authorities.first().ok_or("every authority has expired")?;
    let issuer = Issuer::new(named(newest.made), KeyPair::from_pem(&authority_key).map_err(text)?);
    let key = KeyPair::generate().map_err(text)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = names.first() {
        // A common name of more than 64 letters is none; the names that count are the others.
        params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    }
    for name in names {
        let name = name.as_str().try_into().map_err(|_| format!("{name} is no DNS name"))?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let not_before = now - seconds(lifetimes.backdated());
    let not_after = now + seconds(lifetimes.certificate);
    valid(&mut params, not_before, not_after);
    let leaf = params.signed_by(&key, &issuer).map_err(text)?;
    let certificate = format!("{}{}", pem(leaf.der()), newest.pem);
    let key_pem = key.serialize_pem();
    let private = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| error.to_string())?;
    let chain = vec![leaf.der().clone(), pem_to_der(&newest.pem)?];
    let certified = CertifiedKey::from_der(chain, private, &provider()).map_err(|error| error.to_string())?;
    let certified = Arc::new(certified);
    Ok(Material { authorities, authority_key, certificate, key: key_pem, not_before, not_after, certified })
}

/// When the newest authority of a bundle was made, in seconds since 1970; nothing, if it was not made here.
#[must_use]
pub fn made_at(bundle: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bundle).ok()?;
    authorities(text).ok()?.first().map(|newest| newest.made)
}

/// Both in seconds since 1970.
fn valid(params: &mut CertificateParams, from: i64, to: i64) {
    let since = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    params.not_before = date_time_ymd(1970, 1, 1) + since(from);
    params.not_after = date_time_ymd(1970, 1, 1) + since(to);
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX / 16)
}

fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn pem_to_der(pem: &str) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
