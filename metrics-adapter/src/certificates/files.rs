use std::path::{Path, PathBuf};

use metrics::gauge;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use x509_parser::parse_x509_certificate;

use super::provider;
use crate::clock::Clock;
use crate::reload::{Followed, State};

/// What the file is called in metrics, in the log and on the status page.
const WHAT: &str = "tls";

/// The certificates cannot be served with.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct CertificateError {
    setting: &'static str,
    problem: String,
}

/// Reads a certificate and its key, both PEM, and follows them for as long as the process lives.
pub fn follow(
    certificates: &Path,
    key: &Path,
    clock: Clock,
) -> Result<watch::Receiver<State<CertifiedKey>>, CertificateError> {
    // The first time each problem is that of a setting.
    let first = certified(certificates, key)?;
    gauge!("metrics_adapter_tls_certificate_expiry_timestamp_seconds").set(first.expiry);
    let files = (certificates.to_owned(), key.to_owned());
    let followed = Followed { what: WHAT, path: files.0.clone(), beside: vec![files.1.clone()] };
    let read = move |_: &str| read_again(&files);
    let of_file = |problem| CertificateError { setting: "--tls-cert-file", problem };
    let loaded = followed.load(&clock, &read).map_err(of_file)?;
    let state = loaded.subscribe();
    tokio::spawn(loaded.follow(clock, read));
    Ok(state)
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

fn certified(certificates: &Path, key: &Path) -> Result<Read, CertificateError> {
    let of = |setting, path: &Path, problem: String| CertificateError {
        setting,
        problem: format!("{}: {problem}", path.display()),
    };
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
