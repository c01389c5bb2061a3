use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use kube::Api;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::Examination;
use super::link::Fault;
use super::registered::{Program, Registered, Registration};
use crate::kubernetes::Secret;
use crate::model::Wall;

/// What this adapter labels the Secret that it keeps its certificate in.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by=metrics-adapter";
/// What it is kept as. The keys beside them are not looked at.
const CERTIFICATE: &str = "tls.crt";

impl Examination<'_> {
    /// What the API server verifies the server by must be able to verify what it is served with.
    pub(super) async fn certificate(&mut self, registered: &Registered, by: &Registration) -> Result<(), Fault> {
        let subject = registered.subject();
        let Some(spec) = registered.object.as_ref().and_then(|object| object.spec.as_ref()) else { return Ok(()) };
        if spec.insecure_skip_tls_verify == Some(true) {
            self.trail.remark(&subject, "the server's certificate is not verified (insecureSkipTLSVerify)");
            return Ok(());
        }
        let bundle = spec.ca_bundle.as_ref().map(|bundle| bundle.0.as_slice()).unwrap_or_default();
        if bundle.is_empty() {
            // Somebody's certificate may be of an authority that the API server's machine knows.
            if by.program == Program::Ours && registered.available().is_none_or(|(available, ..)| !available) {
                return Err(Fault::new(
                    subject,
                    "has no caBundle, so the API server does not believe the adapter's certificate",
                    "let the adapter write it, which kubectl apply -k k8s/metrics-adapter allows it to; with --tls-cert-file it is yours to set",
                ));
            }
            return Ok(());
        }
        let authorities = self.authorities(registered, by, bundle)?;
        self.trail.good(&subject, format!("its caBundle holds {} valid authorities", authorities.len()));
        if by.program == Program::Ours { self.served_with(registered, by, &authorities).await } else { Ok(()) }
    }

    /// Those of a caBundle that are valid now.
    fn authorities(
        &self,
        registered: &Registered,
        by: &Registration,
        bundle: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, Fault> {
        let renewed = match by.program {
            Program::Ours => "remove it, and the adapter writes it anew",
            _ => "put the authority's certificate there that signs the server's, PEM in base64",
        };
        let name = registered.name();
        let cure = match by.program {
            Program::Ours => format!(
                "{renewed}: kubectl patch apiservice {name} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/spec/caBundle\"}}]'"
            ),
            _ => renewed.to_owned(),
        };
        let broken = |wrong: String| Fault::new(registered.subject(), wrong, cure.clone());
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
        let all = all.map_err(|error| broken(format!("its caBundle is no PEM: {error}")))?;
        if all.is_empty() {
            return Err(broken("its caBundle holds no certificate".to_owned()));
        }
        let (mut valid, mut ends) = (Vec::new(), i64::MIN);
        for authority in all {
            let Ok((_, parsed)) = parse_x509_certificate(&authority) else {
                return Err(broken("its caBundle holds something that is no certificate".to_owned()));
            };
            let (from, to) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
            if (from..=to).contains(&self.now.seconds()) {
                valid.push(authority);
            } else {
                ends = ends.max(to);
            }
        }
        if valid.is_empty() {
            let at = Wall::from_millis(ends.saturating_mul(1000));
            return Err(broken(format!("the authority in its caBundle is not valid now; it ends at {at}")));
        }
        Ok(valid)
    }

    /// The certificate that this adapter's replicas share.
    async fn served_with(
        &mut self,
        registered: &Registered,
        by: &Registration,
        authorities: &[CertificateDer<'static>],
    ) -> Result<(), Fault> {
        let namespace = &by.namespace;
        let secrets: Api<Secret> = Api::namespaced(self.asker.client.clone(), namespace);
        let secrets = match self.asker.list(&secrets, MANAGED_BY).await {
            Ok(secrets) => secrets,
            Err(why) => {
                let subject = format!("Secrets of namespace {namespace}");
                return self.trail.without(&subject, why).map(|_: Option<()>| ());
            }
        };
        // Without one it serves with certificates of files.
        let Some(secret) = secrets.first() else { return Ok(()) };
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let subject = format!("Secret {namespace}/{name}");
        let delete = format!("kubectl -n {namespace} delete secret {name}: the adapter makes it anew");
        let empty = BTreeMap::new();
        let data: &BTreeMap<String, ByteString> = secret.data.as_ref().unwrap_or(&empty);
        let leaf = data.get(CERTIFICATE).and_then(|pem| CertificateDer::from_pem_slice(&pem.0).ok());
        let Some(leaf) = leaf else {
            return Err(Fault::new(subject, format!("holds no certificate under {CERTIFICATE}"), delete));
        };
        match judge(&leaf, &by.host(), authorities, self.now) {
            Leaf::Good(ends) => {
                self.trail.good(
                    &subject,
                    format!("its certificate is signed by the caBundle's authority and valid until {ends}"),
                );
                Ok(())
            }
            Leaf::Bad(wrong) => Err(Fault::new(subject, wrong, delete)),
            Leaf::Unknown => Err(Fault::new(
                registered.subject(),
                format!("its caBundle is not of the authority that signed the certificate in {subject}"),
                "let the adapter write it, which kubectl apply -k k8s/metrics-adapter allows it to; it does within three minutes",
            )),
        }
    }
}

/// How the certificate is that is served.
#[derive(Debug, PartialEq, Eq)]
enum Leaf {
    /// Until then.
    Good(Wall),
    /// What is wrong with it.
    Bad(String),
    /// None of the authorities signed it.
    Unknown,
}

fn judge(leaf: &[u8], host: &str, authorities: &[CertificateDer<'_>], now: Wall) -> Leaf {
    let Ok((_, parsed)) = parse_x509_certificate(leaf) else {
        return Leaf::Bad("holds something that is no certificate".to_owned());
    };
    let validity = parsed.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let (begins, ends) = (Wall::from_millis(from.saturating_mul(1000)), Wall::from_millis(to.saturating_mul(1000)));
    if now.seconds() > to {
        return Leaf::Bad(format!("its certificate expired at {ends}"));
    }
    if now.seconds() < from {
        return Leaf::Bad(format!("its certificate is valid only from {begins}, so a clock is wrong"));
    }
    let names = parsed.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
    let named = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(own) if *own == host);
    if !names.is_some_and(|names| names.iter().any(named)) {
        return Leaf::Bad(format!("its certificate is not made out to {host}, as the API server calls it"));
    }
    let signs = |authority: &CertificateDer<'_>| {
        parse_x509_certificate(authority)
            .is_ok_and(|(_, authority)| parsed.verify_signature(Some(authority.public_key())).is_ok())
    };
    if authorities.iter().any(signs) { Leaf::Good(ends) } else { Leaf::Unknown }
}
