use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use rustls::ClientConfig;
use tokio::sync::watch;

use super::{KubeletSettings, SERVICE_ACCOUNT_CA};
use crate::clock::Clock;
use crate::model::{FailureReason, ScrapeFailure};
use crate::reload::{Followed, State};
use crate::sources::fetch::{Fetcher, Limits};
use crate::sources::trust;

/// A kubelet of 500 pods of three containers writes a megabyte and a half.
const BODY_LIMIT: usize = 16 << 20;
/// Large bodies that are read at once; each may need the limit.
const LARGE_AT_ONCE: usize = 16;

/// How the adapter gets into kubelets: whom it believes, and what it shows them. What it learns from files
/// is followed; what becomes wrong leaves in force what was there before.
#[derive(Debug)]
pub(super) struct Access {
    fetcher: Kept<Fetcher>,
    authorization: Option<Kept<HeaderValue>>,
}

/// What is the same for ever, or what a file says.
#[derive(Debug)]
enum Kept<T> {
    Fixed(Arc<T>),
    Followed(watch::Receiver<State<T>>),
}

impl<T: Send + Sync + 'static> Kept<T> {
    fn follow(
        what: &'static str,
        path: &Path,
        clock: Clock,
        parse: impl Fn(&str) -> Result<T, String> + Send + 'static,
    ) -> Result<Self, String> {
        let followed = Followed { what, path: path.to_owned(), beside: Vec::new() };
        let loaded = followed.load(&clock, &parse)?;
        let state = loaded.subscribe();
        tokio::spawn(async move { loaded.follow(clock, parse).await });
        Ok(Self::Followed(state))
    }

    fn current(&self) -> Arc<T> {
        match self {
            Self::Fixed(value) => Arc::clone(value),
            Self::Followed(state) => Arc::clone(&state.borrow().value),
        }
    }
}

impl Access {
    /// Reads the files for the first time, and follows them on the runtime that this is called on.
    pub(super) fn new(settings: &KubeletSettings, clock: Clock) -> Result<Self, String> {
        let idle = settings.resolution * 3;
        let fetcher = if settings.insecure_tls {
            Kept::Fixed(Arc::new(fetcher(trust::anybody()?, idle)))
        } else {
            let given = settings.certificate_authority.clone();
            let path = given.unwrap_or_else(|| PathBuf::from(SERVICE_ACCOUNT_CA));
            let followed = Kept::follow("kubelet-ca", &path, clock, move |pem: &str| {
                trust::authorities(pem.as_bytes()).map(|tls| fetcher(tls, idle))
            });
            followed.map_err(|problem| {
                format!("--kubelet-certificate-authority: {problem}; --kubelet-insecure-tls believes any kubelet")
            })?
        };
        let token = settings.token_file.as_deref();
        let authorization = token.map(|path| Kept::follow("kubelet-token", path, clock, bearer)).transpose();
        let authorization = authorization.map_err(|problem| format!("--kubelet-token-file: {problem}"))?;
        Ok(Self { fetcher, authorization })
    }

    pub(super) fn fetcher(&self) -> Arc<Fetcher> {
        self.fetcher.current()
    }

    pub(super) fn authorization(&self) -> Option<Arc<HeaderValue>> {
        self.authorization.as_ref().map(Kept::current)
    }

    /// With what can be done about it.
    pub(super) fn advise(&self, mut failure: ScrapeFailure, status: Option<StatusCode>) -> ScrapeFailure {
        let advice = match (failure.reason, status) {
            (FailureReason::Status, Some(StatusCode::UNAUTHORIZED)) if self.authorization.is_none() => {
                "; --kubelet-token-file names a token to show it"
            }
            (FailureReason::Status, Some(StatusCode::UNAUTHORIZED)) => {
                "; it does not accept the token of --kubelet-token-file: has that expired, or is \
                 authentication.webhook off in the kubelet's configuration?"
            }
            (FailureReason::Status, Some(StatusCode::FORBIDDEN)) => {
                "; a ClusterRole of the adapter's service account must allow to get nodes/metrics"
            }
            (FailureReason::Status | FailureReason::ContentType, _) => "; is this a kubelet's secure port?",
            (FailureReason::Tls, _) if failure.problem.contains("not valid for name") => {
                "; the kubelet's certificate must name the address that it is reached at: \
                 --kubelet-preferred-address-types chooses another"
            }
            (FailureReason::Tls, _) => {
                "; kubelets sign their certificates themselves unless serverTLSBootstrap is set; \
                 --kubelet-certificate-authority names who vouches for them, --kubelet-insecure-tls believes any"
            }
            _ => "",
        };
        failure.problem.push_str(advice);
        failure
    }
}

fn fetcher(tls: ClientConfig, idle: Duration) -> Fetcher {
    let body_setting = "no kubelet writes so much";
    Fetcher::with(tls, Limits { body: BODY_LIMIT, body_setting, concurrency: LARGE_AT_ONCE, idle })
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let token = token.trim();
    if token.is_empty() {
        return Err("holds no token".to_owned());
    }
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    // What is wrong with it must not be told in its own words.
    let mut value = value.map_err(|_| "holds something else than a token".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
