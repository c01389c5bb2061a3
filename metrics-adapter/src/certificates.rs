//! What the APIs are served with over TLS: certificates of given files, or of an authority of its own that all replicas
//! share in a Secret.

mod files;
mod made;
mod material;
mod verdict;

use std::sync::Arc;

use metrics::{describe_counter, describe_gauge};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::model::Wall;
use crate::reload::State;

pub use files::{CertificateError, follow};
pub use made::SelfMade;
pub use material::made_at;

/// What the watch of the Secret is called, before its namespace and name.
pub(crate) const WATCH: &str = "secret ";

/// Certificates that are served with now: a connection gets those that are in force when it begins.
#[derive(Clone, Debug)]
pub enum Certificates {
    /// Of files that are followed.
    Given(watch::Receiver<State<CertifiedKey>>),
    /// Of its own authority.
    Made(watch::Receiver<Made>),
}

/// What there is of certificates of its own.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// What is served with, once there is something.
    pub certified: Option<Arc<CertifiedKey>>,
    /// The authorities that it is known by, PEM.
    pub bundle: Option<Arc<str>>,
    /// When the certificate expires.
    pub expires: Option<Wall>,
    /// When the authority does.
    pub authority_expires: Option<Wall>,
    /// What is wrong with the Secret, if something is.
    pub problem: Option<String>,
}

/// Names the families of this room.
pub fn describe_metrics() {
    describe_gauge!(
        "metrics_adapter_tls_certificate_expiry_timestamp_seconds",
        "When the certificate that is served expires, in seconds since 1970."
    );
    describe_gauge!(
        "metrics_adapter_tls_authority_expiry_timestamp_seconds",
        "When the authority of a certificate that was made here expires, in seconds since 1970."
    );
    describe_counter!(
        "metrics_adapter_certificate_renewals_total",
        "Times that this replica wrote the Secret, by what was new: the authority, the certificate, both, or nothing, \
         if what was lost was written again."
    );
    describe_counter!(
        "metrics_adapter_secret_conflicts_total",
        "Times that another replica had written the Secret first."
    );
}

impl Certificates {
    /// What there is not to serve with yet; nothing, once there is a certificate.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        match self {
            Self::Given(_) => None,
            Self::Made(made) => {
                let made = made.borrow();
                let problem = || made.problem.clone().unwrap_or_else(|| "the Secret of the certificate".to_owned());
                made.certified.is_none().then(problem)
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self {
            Self::Given(files) => Some(Arc::clone(&files.borrow().value)),
            Self::Made(made) => made.borrow().certified.clone(),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
