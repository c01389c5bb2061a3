use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy;

use super::answer;
use super::connection::{Connections, is_closed_unanswered};
use crate::clock::Clock;
use crate::config::PrometheusSettings;
use crate::model::{Answer, FailureReason, QueryFailure, QueryFailureReason, Question};
use crate::sources::fetch;

const AGENT: &str = concat!("metrics-adapter/", env!("CARGO_PKG_VERSION"));
/// So much of what has another status than 200 is read, in bytes, to say what it says.
const REFUSAL: usize = 64 << 10;
/// Reading an answer of so many bytes takes so long that other work should not wait for it.
const LARGE: usize = 256 << 10;

/// Asks Prometheus, as its settings say.
pub(super) struct Client {
    settings: PrometheusSettings,
    connections: Connections,
    clock: Clock,
}

impl Client {
    pub(super) fn new(settings: PrometheusSettings, clock: Clock) -> Self {
        let connections = Connections::new(&settings, clock.moment());
        Self { settings, connections, clock }
    }

    pub(super) fn settings(&self) -> &PrometheusSettings {
        &self.settings
    }

    /// Whether the other gets the same answers: it asks the same Prometheus as the same user, if at another pace.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        let PrometheusSettings { interval, timeout, stale_after, relist_interval, max_age, body_limit, .. } =
            other.settings;
        let own = self.settings.clone();
        let at_its_pace =
            PrometheusSettings { interval, timeout, stale_after, relist_interval, max_age, body_limit, ..own };
        at_its_pace == other.settings
    }

    /// Asks a question, once.
    pub(super) async fn query(&self, question: &Question) -> Result<Answer, QueryFailure> {
        let at = self.clock.moment();
        let patience = format!("{}ms", self.settings.timeout.as_millis());
        let mut form = vec![("query", &*question.query), ("timeout", &patience)];
        form.extend(self.all_or_nothing());
        let asked = self.read("/api/v1/query", &form);
        let body = tokio::time::timeout(self.settings.timeout, asked).await.map_err(|_| self.timed_out())??;
        let accept_partial = self.settings.accept_partial;
        let (samples, warnings) = if body.len() > LARGE {
            let read = tokio::task::spawn_blocking(move || answer::read(&body, accept_partial)).await;
            read.map_err(|error| failure(QueryFailureReason::Malformed, error.to_string()))??
        } else {
            answer::read(&body, accept_partial)?
        };
        let took = self.clock.moment().since(at);
        Ok(Answer { generation: answer::generation(), samples, at, took, warnings })
    }

    /// Thanos's and `VictoriaMetrics`'s words for "all or nothing"; others pass over them.
    pub(super) fn all_or_nothing(&self) -> &'static [(&'static str, &'static str)] {
        if self.settings.accept_partial {
            &[]
        } else {
            &[("partial_response", "false"), ("deny_partial_response", "1")]
        }
    }

    /// A whole answer that has status 200.
    async fn read(&self, path: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, QueryFailure> {
        let mut incoming = self.open(path, form).await?;
        let (body, whole) = collect(&mut incoming, self.settings.body_limit).await?;
        if !whole {
            let problem = format!("more than {} bytes; prometheus.bodyLimit allows no more", self.settings.body_limit);
            return Err(failure(QueryFailureReason::TooLarge, problem));
        }
        Ok(body)
    }

    /// The beginning of an answer that has status 200.
    pub(super) async fn open(&self, path: &str, form: &[(&str, &str)]) -> Result<Incoming, QueryFailure> {
        let response = self.send(path, form).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response.into_body());
        }
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            let to: String = to.chars().take(200).collect();
            let problem = format!(
                "answered {status} to {to:?}; redirects are not followed, prometheus.url must be the place itself"
            );
            return Err(failure(QueryFailureReason::Status, problem));
        }
        let (body, _) = collect(&mut response.into_body(), REFUSAL).await?;
        Err(refusal(status, &body))
    }

    async fn send(&self, path: &str, form: &[(&str, &str)]) -> Result<Response<Incoming>, QueryFailure> {
        let http = self.connections.http(&self.settings, self.clock.moment());
        let http = http.map_err(|problem| failure(QueryFailureReason::Tls, problem))?;
        let mut sent = http.request(self.request(path, form)?).await;
        if sent.as_ref().is_err_and(is_closed_unanswered) {
            sent = http.request(self.request(path, form)?).await;
        }
        sent.map_err(|error| self.broken(&error))
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
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in &self.settings.headers {
            headers.insert(name, value.clone());
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if post {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        if let Some(authorization) = self.authorization()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(())
    }

    /// Read anew each time: tokens are short-lived.
    fn authorization(&self) -> Result<Option<HeaderValue>, QueryFailure> {
        let (path, text) = match (&self.settings.bearer_token_file, &self.settings.basic_auth) {
            (Some(path), _) => (path, format!("Bearer {}", secret(path)?)),
            (None, Some((user, path))) => {
                (path, format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", secret(path)?))))
            }
            (None, None) => return Ok(None),
        };
        // The error's own words could tell the secret.
        let mut value = HeaderValue::try_from(text).map_err(|_| {
            let problem = format!("{}: holds characters that no token has", path.display());
            failure(QueryFailureReason::Credentials, problem)
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn broken(&self, error: &legacy::Error) -> QueryFailure {
        let broken = fetch::broken(error);
        if broken.reason == FailureReason::Tls {
            self.connections.look_again();
            return failure(QueryFailureReason::Tls, broken.problem);
        }
        failure(QueryFailureReason::Connection, broken.problem)
    }

    fn timed_out(&self) -> QueryFailure {
        let problem = format!(
            "not answered, or not to the end, within {:?}; prometheus.timeout allows no more",
            self.settings.timeout
        );
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

/// An answer that broke off before its end.
pub(super) fn broke_off(error: &hyper::Error) -> QueryFailure {
    failure(QueryFailureReason::Malformed, format!("the answer broke off: {}", fetch::causes(error)))
}

/// What a status other than 200 means: Prometheus's own words, if these are some.
fn refusal(status: StatusCode, body: &[u8]) -> QueryFailure {
    if let Some(refused) = answer::refusal(status, body) {
        return refused;
    }
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let problem =
                format!("answered {status}; prometheus.bearerTokenFile or prometheus.basicAuth gives it credentials");
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

/// So much of a body, and whether that is all of it.
async fn collect(incoming: &mut Incoming, limit: usize) -> Result<(Vec<u8>, bool), QueryFailure> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|error| broke_off(&error))?.into_data() else { continue };
        let room = limit - body.len();
        body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

fn secret(path: &Path) -> Result<String, QueryFailure> {
    let wrong = |problem: String| failure(QueryFailureReason::Credentials, format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    match text.trim() {
        "" => Err(wrong("is empty".to_owned())),
        text => Ok(text.to_owned()),
    }
}
