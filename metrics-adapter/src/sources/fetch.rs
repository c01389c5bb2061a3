use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    USER_AGENT,
};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::memory::{Memory, Room};
use super::trust;
use crate::config::{ScrapeSettings, ScrapeTls};
use crate::exposition::Dialect;
use crate::model::{FailureReason, ScrapeFailure};

/// What is asked for. Compression would cost the pods more than loopback or a cluster's network gains.
const ACCEPTED: &str = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5";
const AGENT: &str = concat!("metrics-adapter/", env!("CARGO_PKG_VERSION"));
/// What is read at once, and what an idle connection of TLS holds.
const READ_BUFFER: usize = 16 << 10;

/// A body up to this size is read without a place: what it needs is no more than an idle connection does, and
/// so any number of targets that hang keep nobody from being read.
const SMALL: usize = 256 << 10;

/// Reads targets and kubelets over HTTP. A connection of TLS is kept for the next time; a plain one costs less to make anew, every
/// five seconds, than to hold on to: with its buffers it would be the largest part of what the adapter remembers
/// of a target.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// For large bodies.
    places: Arc<Semaphore>,
    memory: Memory,
    limits: Limits,
    verifies: bool,
}

/// What a fetcher spends on whom it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The largest body, in bytes.
    pub(super) body: usize,
    /// What sets that, for a person whose body is larger.
    pub(super) body_setting: &'static str,
    /// Large bodies that are read at once.
    pub(super) concurrency: usize,
    /// How long a connection is kept that nothing is asked over.
    pub(super) idle: Duration,
}

/// A target's answer, whole.
#[derive(Debug)]
pub struct Page {
    /// The format that it says it is in.
    pub dialect: Dialect,
    /// What a large body takes up for as long as the page is kept.
    _held: Held,
}

/// What a large body takes up.
#[derive(Debug, Default)]
struct Held {
    place: Option<OwnedSemaphorePermit>,
    room: Room,
    /// As many bytes as it may have without more.
    bytes: usize,
}

/// Targets cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    /// The certificates of authorities cannot be used.
    #[error("scrape.tls.caFile: {0}")]
    Authorities(String),
}

impl Fetcher {
    /// A client as the settings want it.
    pub fn new(settings: &ScrapeSettings) -> Result<Self, FetcherError> {
        let limits = Limits {
            body: settings.body_limit,
            body_setting: "scrape.bodyLimit allows no more",
            concurrency: settings.concurrency,
            idle: settings.interval * 3,
        };
        let verifies = settings.tls.ca_file.is_some() || settings.tls.insecure_skip_verify;
        Ok(Self { verifies, ..Self::with(tls(&settings.tls)?, limits) })
    }

    /// A client that believes whom `tls` does.
    pub(super) fn with(tls: rustls::ClientConfig, limits: Limits) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(1)
            .http1_read_buf_exact_size(READ_BUFFER)
            .build(connector);
        let places = Arc::new(Semaphore::new(limits.concurrency));
        Self { client, places, memory: Memory::default(), limits, verifies: true }
    }

    /// Reads a page into `body`. `answered` is called when the answer begins to arrive.
    pub async fn fetch(&self, uri: &Uri, body: &mut Vec<u8>, answered: impl FnOnce()) -> Result<Page, ScrapeFailure> {
        if uri.scheme_str() == Some("https") && !self.verifies {
            return fail(
                FailureReason::Tls,
                "https:// needs scrape.tls in the configuration: caFile, or insecureSkipVerify",
            );
        }
        self.fetch_as(None, uri, body, |_| answered()).await
    }

    /// The same as somebody: `authorization` is that header's value. `answered` is told the status.
    pub(super) async fn fetch_as(
        &self,
        authorization: Option<&HeaderValue>,
        uri: &Uri,
        body: &mut Vec<u8>,
        answered: impl FnOnce(StatusCode),
    ) -> Result<Page, ScrapeFailure> {
        let mut request = Request::get(uri.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if uri.scheme_str() == Some("http") {
            request = request.header(CONNECTION, HeaderValue::from_static("close"));
        }
        let request = request
            .header(ACCEPT, HeaderValue::from_static(ACCEPTED))
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .body(Empty::new())
            .map_err(|error| failure(FailureReason::Connection, error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| broken(&error))?;
        answered(response.status());
        let dialect = self.check(&response)?;
        let held = self.read(response.into_body(), body).await?;
        Ok(Page { dialect, _held: held })
    }

    fn check(&self, response: &Response<Incoming>) -> Result<Dialect, ScrapeFailure> {
        let headers = response.headers();
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                let place = text(headers, &LOCATION).unwrap_or("nowhere").chars().take(200).collect::<String>();
                return fail(
                    FailureReason::Status,
                    format!("answered {status} to {place:?}; redirects are not followed"),
                );
            }
            status => return fail(FailureReason::Status, format!("answered {status}")),
        }
        let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.limits.body as u64) {
            return Err(self.too_large());
        }
        // Small exporters name no type; what they send is read as the plain format, and says itself if it is not.
        let Some(kind) = text(headers, &CONTENT_TYPE) else { return Ok(Dialect::Prometheus) };
        Dialect::from_content_type(kind).ok_or_else(|| {
            let kind = kind.chars().take(100).collect::<String>();
            failure(FailureReason::ContentType, format!("the content type {kind:?} is no exposition of metrics"))
        })
    }

    async fn read(&self, mut incoming: Incoming, body: &mut Vec<u8>) -> Result<Held, ScrapeFailure> {
        let mut held = Held { bytes: SMALL, ..Held::default() };
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| failure(FailureReason::Connection, causes(&error)))?;
            let Ok(mut data) = frame.into_data() else { continue };
            let length = body.len() + data.len();
            if length > self.limits.body {
                return Err(self.too_large());
            }
            if length > held.bytes {
                self.grow(&mut held, length).await;
                body.reserve_exact(held.bytes - body.len());
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                body.extend_from_slice(chunk);
                data.advance(chunk.len());
            }
        }
        Ok(held)
    }

    /// Makes room for a body that is so large, and for what may still come.
    async fn grow(&self, held: &mut Held, length: usize) {
        if held.place.is_none() {
            held.place = Arc::clone(&self.places).acquire_owned().await.ok();
        }
        held.bytes = (2 * held.bytes).max(length).min(self.limits.body);
        self.memory.widen(&mut held.room, held.bytes).await;
    }

    fn too_large(&self) -> ScrapeFailure {
        let Limits { body, body_setting, .. } = self.limits;
        failure(FailureReason::TooLarge, format!("more than {body} bytes; {body_setting}"))
    }
}

/// It took too long.
pub(super) fn timed_out(timeout: Duration) -> ScrapeFailure {
    failure(FailureReason::Timeout, format!("not answered, or not to the end, within {timeout:?}"))
}

fn failure(reason: FailureReason, problem: impl Into<String>) -> ScrapeFailure {
    ScrapeFailure { reason, problem: problem.into() }
}

fn fail<T>(reason: FailureReason, problem: impl Into<String>) -> Result<T, ScrapeFailure> {
    Err(failure(reason, problem))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn broken(error: &hyper_util::client::legacy::Error) -> ScrapeFailure {
    // While connecting, a bare error of I/O is the handshake's; that of TCP is wrapped in a type of its own.
    let handshake = error.is_connect() && error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
    let reason = if handshake { FailureReason::Tls } else { FailureReason::Connection };
    failure(reason, causes(error))
}

/// The innermost causes say what happened; the outer ones only that something did.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

fn tls(settings: &ScrapeTls) -> Result<rustls::ClientConfig, FetcherError> {
    if settings.insecure_skip_verify {
        return trust::anybody().map_err(FetcherError::Authorities);
    }
    let Some(path) = &settings.ca_file else { return trust::nobody().map_err(FetcherError::Authorities) };
    let authorities = std::fs::read(path).map_err(|error| error.to_string());
    authorities
        .and_then(|authorities| trust::authorities(&authorities))
        .map_err(|problem| FetcherError::Authorities(format!("{}: {problem}", path.display())))
}
