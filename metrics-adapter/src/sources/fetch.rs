use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// Reads targets over HTTP. A connection of TLS is kept for the next time; a plain one costs less to make anew, every
/// five seconds, than to hold on to: with its buffers it would be the largest part of what the adapter remembers
/// of a target.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// For large bodies.
    places: Arc<Semaphore>,
    body_limit: usize,
    verifies: bool,
}

/// A target's answer, whole.
#[derive(Debug)]
pub struct Page {
    /// The format that it says it is in.
    pub dialect: Dialect,
    /// The place that a large body takes up for as long as the page is kept.
    _place: Option<OwnedSemaphorePermit>,
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
        let tls = tls(&settings.tls)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.interval * 3)
            .pool_max_idle_per_host(1)
            .http1_read_buf_exact_size(READ_BUFFER)
            .build(connector);
        let verifies = settings.tls.ca_file.is_some() || settings.tls.insecure_skip_verify;
        let places = Arc::new(Semaphore::new(settings.concurrency));
        Ok(Self { client, places, body_limit: settings.body_limit, verifies })
    }

    /// Reads a page into `body`. `answered` is called when the answer begins to arrive.
    pub async fn fetch(&self, uri: &Uri, body: &mut Vec<u8>, answered: impl FnOnce()) -> Result<Page, ScrapeFailure> {
        if uri.scheme_str() == Some("https") && !self.verifies {
            return fail(
                FailureReason::Tls,
                "https:// needs scrape.tls in the configuration: caFile, or insecureSkipVerify",
            );
        }
        let mut request = Request::get(uri.clone());
        if uri.scheme_str() == Some("http") {
            request = request.header(CONNECTION, HeaderValue::from_static("close"));
        }
        let request = request
            .header(ACCEPT, HeaderValue::from_static(ACCEPTED))
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .body(Empty::new())
            .map_err(|error| failure(FailureReason::Connection, error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| broken(&error))?;
        answered();
        let dialect = self.check(&response)?;
        let place = self.read(response.into_body(), body).await?;
        Ok(Page { dialect, _place: place })
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
        if length.is_some_and(|length| length > self.body_limit as u64) {
            return Err(self.too_large());
        }
        // Small exporters name no type; what they send is read as the plain format, and says itself if it is not.
        let Some(kind) = text(headers, &CONTENT_TYPE) else { return Ok(Dialect::Prometheus) };
        Dialect::from_content_type(kind).ok_or_else(|| {
            let kind = kind.chars().take(100).collect::<String>();
            failure(FailureReason::ContentType, format!("the content type {kind:?} is no exposition of metrics"))
        })
    }

    async fn read(
        &self,
        mut incoming: Incoming,
        body: &mut Vec<u8>,
    ) -> Result<Option<OwnedSemaphorePermit>, ScrapeFailure> {
        let mut place = None;
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| failure(FailureReason::Connection, causes(&error)))?;
            let Ok(mut data) = frame.into_data() else { continue };
            if body.len() + data.len() > self.body_limit {
                return Err(self.too_large());
            }
            if place.is_none() && body.len() + data.len() > SMALL {
                place = Arc::clone(&self.places).acquire_owned().await.ok();
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                body.extend_from_slice(chunk);
                data.advance(chunk.len());
            }
        }
        Ok(place)
    }

    fn too_large(&self) -> ScrapeFailure {
        let limit = self.body_limit;
        failure(FailureReason::TooLarge, format!("more than {limit} bytes; scrape.bodyLimit allows no more"))
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

fn text<'a>(headers: &'a HeaderMap, name: &hyper::header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn broken(error: &hyper_util::client::legacy::Error) -> ScrapeFailure {
    // While connecting, a bare error of I/O is the handshake's; that of TCP is wrapped in a type of its own.
    let handshake = error.is_connect() && error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
    let reason = if handshake { FailureReason::Tls } else { FailureReason::Connection };
    failure(reason, causes(error))
}

/// The innermost causes say what happened; the outer ones only that something did.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetcherError::Authorities(error.to_string()))?;
    if settings.insecure_skip_verify {
        let anybody = Arc::new(Anybody(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth());
    }
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        let problem = |problem: String| FetcherError::Authorities(format!("{}: {problem}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(error.to_string()))? {
            let certificate = certificate.map_err(|error| problem(error.to_string()))?;
            roots.add(certificate).map_err(|error| problem(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(problem("holds no certificate".to_owned()));
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Believes any certificate, as `scrape.tls.insecureSkipVerify` asks.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
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
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
