use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::answer;
use crate::clock::Clock;
use crate::config::PrometheusSettings;
use crate::model::{Answer, Moment, QueryFailure, QueryFailureReason, Question};
use crate::sources::trust::Whom;
use crate::sources::{fetch, trust};

const AGENT: &str = concat!("metrics-adapter/", env!("CARGO_PKG_VERSION"));
/// How often files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Connections that nothing is asked over are kept so long.
const IDLE: Duration = Duration::from_secs(90);
/// So much of what is no answer is read, to say what it is.
const EXCERPT: usize = 4 << 10;
/// Reading an answer of this size takes so long that other work should not wait for it.
const LARGE: usize = 256 << 10;

type Http = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Asks Prometheus, as its settings say.
pub(super) struct Client {
    settings: PrometheusSettings,
    http: Mutex<Connected>,
    clock: Clock,
}

/// A client, and what its certificates were made from.
struct Connected {
    http: Option<Http>,
    files: u64,
    looked: Moment,
    /// Why the files cannot be used now; nothing is asked until they can.
    problem: Option<String>,
}

impl Client {
    /// A client; files that cannot be used are said when something is asked.
    pub(super) fn new(settings: PrometheusSettings, clock: Clock) -> Self {
        let files = fingerprint(&settings);
        let (http, problem) = match tls(&settings) {
            Ok(tls) => (Some(connect(tls)), None),
            Err(problem) => (None, Some(problem)),
        };
        let http = Mutex::new(Connected { http, files, looked: clock.moment(), problem });
        Self { settings, http, clock }
    }

    pub(super) fn settings(&self) -> &PrometheusSettings {
        &self.settings
    }

    /// Asks a question, once.
    pub(super) async fn query(&self, question: &Question) -> Result<Answer, QueryFailure> {
        let at = self.clock.moment();
        let seconds = format!("{}ms", self.settings.timeout.as_millis());
        let mut form = vec![("query", &*question.query), ("timeout", &seconds)];
        if !self.settings.accept_partial {
            // Thanos's and VictoriaMetrics's words for "all or nothing"; others pass over them.
            form.extend([("partial_response", "false"), ("deny_partial_response", "1")]);
        }
        let asked = self.read("/api/v1/query", &form);
        let body = tokio::time::timeout(self.settings.timeout, asked).await.map_err(|_| self.timed_out())??;
        let accept_partial = self.settings.accept_partial;
        let read = || answer::read(&body, accept_partial);
        let (samples, warnings) = if body.len() > LARGE { tokio::task::block_in_place(read)? } else { read()? };
        let took = self.clock.moment().since(at);
        Ok(Answer { generation: answer::generation(), samples, at, took, warnings })
    }

    /// A whole answer that has status 200, or says in Prometheus's way what went wrong.
    async fn read(&self, path: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, QueryFailure> {
        let response = self.send(path, form).await?;
        let (status, limit) = (response.status(), self.settings.body_limit);
        let body = collect(response.into_body(), limit).await?;
        if status == StatusCode::OK { Ok(body) } else { Err(refusal(status, &body)) }
    }

    /// An answer's beginning: of status 200, or one that says in Prometheus's way what went wrong.
    pub(super) async fn open(&self, path: &str, form: &[(&str, &str)]) -> Result<Incoming, QueryFailure> {
        let response = self.send(path, form).await?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        let status = response.status();
        let body = collect(response.into_body(), EXCERPT * 16).await?;
        Err(refusal(status, &body))
    }

    async fn send(&self, path: &str, form: &[(&str, &str)]) -> Result<Response<Incoming>, QueryFailure> {
        let request = self.request(path, form)?;
        let http = self.http()?;
        let response = http.request(request).await.map_err(|error| self.broken(&error))?;
        if response.status().is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            let to: String = to.chars().take(200).collect();
            let problem = format!("answered {} to {to:?}; redirects are not followed", response.status());
            return Err(failure(QueryFailureReason::Status, problem));
        }
        Ok(response)
    }

    fn request(&self, path: &str, form: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, QueryFailure> {
        let settings = &self.settings;
        let wrong = |error: &dyn std::fmt::Display| failure(QueryFailureReason::Connection, error.to_string());
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(form);
        let encoded = encoded.finish();
        let prefix = settings.url.path().trim_end_matches('/');
        let post = settings.method == Method::POST;
        let target = if post { format!("{prefix}{path}") } else { format!("{prefix}{path}?{encoded}") };
        let mut parts = settings.url.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(|error| wrong(&error))?);
        let uri = Uri::from_parts(parts).map_err(|error| wrong(&error))?;
        let mut request = Request::builder().method(settings.method.clone()).uri(uri);
        if let Some(headers) = request.headers_mut() {
            self.headers(headers, post)?;
        }
        let body = if post { Full::from(encoded) } else { Full::default() };
        request.body(body).map_err(|error| wrong(&error))
    }

    fn headers(&self, headers: &mut HeaderMap, post: bool) -> Result<(), QueryFailure> {
        headers.extend(self.settings.headers.iter().cloned());
        let own = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
        headers.extend([own(ACCEPT, "application/json"), own(USER_AGENT, AGENT)]);
        if post {
            headers.extend([own(CONTENT_TYPE, "application/x-www-form-urlencoded")]);
        }
        if let Some(authorization) = self.authorization()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(())
    }

    /// Read anew each time: tokens are short-lived.
    fn authorization(&self) -> Result<Option<HeaderValue>, QueryFailure> {
        let text = match (&self.settings.bearer_token_file, &self.settings.basic_auth) {
            (Some(path), _) => format!("Bearer {}", secret(path)?),
            (None, Some((user, path))) => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", secret(path)?)))
            }
            (None, None) => return Ok(None),
        };
        // What is wrong with it must not be told in its own words.
        let mut value = HeaderValue::try_from(text).map_err(|_| {
            failure(QueryFailureReason::Credentials, "the file of the token holds something else than a token")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The client, made anew if the files of its certificates changed.
    fn http(&self) -> Result<Http, QueryFailure> {
        let mut connected = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.moment();
        if now.since(connected.looked) >= LOOK {
            connected.looked = now;
            let files = fingerprint(&self.settings);
            if files != connected.files {
                connected.files = files;
                match tls(&self.settings) {
                    Ok(tls) => (connected.http, connected.problem) = (Some(connect(tls)), None),
                    Err(problem) => connected.problem = Some(problem),
                }
            }
        }
        match (&connected.http, &connected.problem) {
            (Some(http), None) => Ok(http.clone()),
            (_, problem) => Err(failure(QueryFailureReason::Tls, problem.clone().unwrap_or_default())),
        }
    }

    fn broken(&self, error: &legacy::Error) -> QueryFailure {
        let broken = fetch::broken(error);
        let reason = if broken.reason == crate::model::FailureReason::Tls {
            // Its files may have been changed for just that.
            self.http.lock().unwrap_or_else(PoisonError::into_inner).looked = Moment::default();
            QueryFailureReason::Tls
        } else {
            QueryFailureReason::Connection
        };
        failure(reason, broken.problem)
    }

    pub(super) fn timed_out(&self) -> QueryFailure {
        let problem = format!("not answered, or not to the end, within {:?}", self.settings.timeout);
        failure(QueryFailureReason::Timeout, problem)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.settings.url).finish_non_exhaustive()
    }
}

pub(super) fn failure(reason: QueryFailureReason, problem: impl Into<String>) -> QueryFailure {
    QueryFailure { reason, problem: problem.into() }
}

/// What a status other than 200 means: Prometheus's own words, if these are some.
fn refusal(status: StatusCode, body: &[u8]) -> QueryFailure {
    if let Some(refused) = answer::refusal(body) {
        return refused;
    }
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let problem = format!("answered {status}; prometheus.bearerTokenFile or basicAuth gives it credentials");
            return failure(QueryFailureReason::Credentials, problem);
        }
        StatusCode::NOT_FOUND => "; is this Prometheus, and is the path of prometheus.url its prefix?",
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            "; prometheus.method: GET asks in the other way"
        }
        _ => "",
    };
    failure(QueryFailureReason::Status, format!("answered {status}{hint}"))
}

async fn collect(mut incoming: Incoming, limit: usize) -> Result<Vec<u8>, QueryFailure> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            failure(QueryFailureReason::Connection, format!("the answer broke off: {}", fetch::causes(&error)))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > limit {
            let problem = format!("more than {limit} bytes; prometheus.bodyLimit allows no more");
            return Err(failure(QueryFailureReason::TooLarge, problem));
        }
        body.extend_from_slice(&data);
    }
    Ok(body)
}

fn secret(path: &Path) -> Result<String, QueryFailure> {
    let read = std::fs::read_to_string(path);
    let text =
        read.map_err(|error| failure(QueryFailureReason::Credentials, format!("{}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(failure(QueryFailureReason::Credentials, format!("{}: is empty", path.display()))),
        text => Ok(text.to_owned()),
    }
}

fn connect(tls: ClientConfig) -> Http {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector)
}

fn tls(settings: &PrometheusSettings) -> Result<ClientConfig, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let identity = match &settings.client_certificate {
        Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
        None => None,
    };
    let whom = match &settings.ca_file {
        _ if settings.insecure_skip_verify => Whom::Anybody,
        Some(path) => Whom::Authorities(read(path)?),
        // Nobody is to be believed where nobody shows a certificate.
        None if settings.url.scheme_str() == Some("http") => Whom::Nobody,
        None => Whom::System,
    };
    let named = |problem: String| match (&settings.ca_file, &settings.client_certificate) {
        (Some(ca), None) => format!("{}: {problem}", ca.display()),
        _ => problem,
    };
    trust::client(&whom, identity.as_ref().map(|(certificate, key)| (&**certificate, &**key))).map_err(named)
}

/// What tells what the files hold now from what they held before.
fn fingerprint(settings: &PrometheusSettings) -> u64 {
    let mut hasher = DefaultHasher::new();
    let own = settings.client_certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
    let files: Vec<&PathBuf> = settings.ca_file.iter().chain(own).collect();
    for path in files {
        std::fs::read(path).map_err(|error| error.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}
