use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Uri};

use super::file::{bytes, duration};
use super::metrics::filled;
use crate::yaml::{Fields, Node, Problem};

/// How Prometheus is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusSettings {
    /// Where it is; its path is the prefix of the API's: `http://host:9090/prometheus`.
    pub url: Uri,
    /// POST, unless GET is asked for.
    pub method: Method,
    /// The time from one answer to a question to the next.
    pub interval: Duration,
    /// The time that a question may take.
    pub timeout: Duration,
    /// The age from which an answer is none any more.
    pub stale_after: Duration,
    /// The time from one listing of series to the next.
    pub relist_interval: Duration,
    /// Series that have had no sample for so long are not listed.
    pub max_age: Duration,
    /// The largest answer to a question, in bytes.
    pub body_limit: usize,
    /// The file of a bearer token, read anew for each question.
    pub bearer_token_file: Option<PathBuf>,
    /// A user and the file of the password, read anew for each question.
    pub basic_auth: Option<(String, PathBuf)>,
    /// Certificates (PEM) of those who vouch for Prometheus, followed; the system's without it.
    pub ca_file: Option<PathBuf>,
    /// A certificate and its key (PEM) to be shown, followed.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Believe any certificate.
    pub insecure_skip_verify: bool,
    /// Headers of every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether an answer of a part of the data is taken for one of all.
    pub accept_partial: bool,
}

impl PrometheusSettings {
    /// Everything by default.
    #[must_use]
    pub fn at(url: Uri) -> Self {
        let interval = Duration::from_secs(5);
        Self {
            url,
            method: Method::POST,
            interval,
            timeout: Duration::from_secs(10),
            stale_after: interval * 3,
            relist_interval: Duration::from_mins(1),
            max_age: Duration::from_mins(10),
            body_limit: 64 << 20,
            bearer_token_file: None,
            basic_auth: None,
            ca_file: None,
            client_certificate: None,
            insecure_skip_verify: false,
            headers: Vec::new(),
            accept_partial: false,
        }
    }

    /// Whether some of it contradicts the rest: the field, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.stale_after <= self.interval {
            let problem = format!(
                "{:?} is no longer than the interval of {:?}: every value would be stale before the next",
                self.stale_after, self.interval
            );
            return Err(("staleAfter", problem));
        }
        if self.max_age < self.relist_interval {
            let problem = format!(
                "{:?} is shorter than relistInterval, {:?}: series that came and went between two listings would never be seen",
                self.max_age, self.relist_interval
            );
            return Err(("maxAge", problem));
        }
        if self.bearer_token_file.is_some() && self.basic_auth.is_some() {
            return Err(("basicAuth", "basicAuth and bearerTokenFile contradict each other".to_owned()));
        }
        if self.ca_file.is_some() && self.insecure_skip_verify {
            return Err(("tls", "caFile and insecureSkipVerify contradict each other".to_owned()));
        }
        Ok(())
    }

    /// What is dangerous about it.
    pub(super) fn warning(&self) -> Option<String> {
        let shows = self.bearer_token_file.is_some() || self.basic_auth.is_some();
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        (shows && !here && self.url.scheme() == Some(&Scheme::HTTP)).then(|| {
            format!(
                "prometheus.url: the credentials are sent over http, where everybody on the way to {host} can read them"
            )
        })
    }
}

/// `prometheus`, and whether it says where that is; a flag may.
pub(super) fn read(node: &Node, path: &str) -> Result<(PrometheusSettings, bool), Problem> {
    let mut fields = Fields::of(node, path)?;
    let url = fields.optional("url", |node, path| node.parsed(path, url))?;
    let has_url = url.is_some();
    let mut settings = PrometheusSettings::at(url.unwrap_or_default());
    if let Some(method) = fields.optional("method", |node, path| node.parsed(path, method))? {
        settings.method = method;
    }
    if let Some(interval) = fields.optional("interval", duration)? {
        settings.interval = interval;
        settings.stale_after = interval * 3;
    }
    settings.timeout = fields.optional("timeout", duration)?.unwrap_or(settings.timeout);
    settings.stale_after = fields.optional("staleAfter", duration)?.unwrap_or(settings.stale_after);
    settings.set_relist_interval(fields.optional("relistInterval", duration)?);
    settings.max_age = fields.optional("maxAge", duration)?.unwrap_or(settings.max_age);
    settings.body_limit = fields.optional("bodyLimit", bytes)?.unwrap_or(settings.body_limit);
    settings.bearer_token_file = fields.optional("bearerTokenFile", filled)?.map(Into::into);
    settings.basic_auth = fields.optional("basicAuth", basic_auth)?;
    fields.optional("tls", |node, path| tls(node, path, &mut settings))?;
    settings.headers = fields
        .optional("headers", |node, path| {
            node.entries(path, |name, at, node, path| {
                let value = node.text(path)?;
                header(name, &value).map_err(|problem| Problem::new(at, path, problem))
            })
        })?
        .unwrap_or_default();
    settings.accept_partial = fields
        .optional("partialResponses", |node, path| {
            node.parsed(path, |text| match text {
                "refuse" => Ok(false),
                "accept" => Ok(true),
                other => Err(format!("`{other}` is neither refuse nor accept")),
            })
        })?
        .unwrap_or(false);
    settings.check().map_err(|(field, problem)| Problem::new(fields.at(), fields.path_of(field), problem))?;
    fields.end()?;
    Ok((settings, has_url))
}

impl PrometheusSettings {
    /// Series are looked for as far back as they are listed seldom, if nothing else is said.
    pub(super) fn set_relist_interval(&mut self, given: Option<Duration>) {
        if let Some(given) = given {
            self.relist_interval = given;
            self.max_age = self.max_age.max(given);
        }
    }
}

fn basic_auth(node: &Node, path: &str) -> Result<(String, PathBuf), Problem> {
    let mut fields = Fields::of(node, path)?;
    let username = fields.required("username", filled)?;
    let password_file = fields.required("passwordFile", filled)?;
    fields.end()?;
    Ok((username, password_file.into()))
}

fn tls(node: &Node, path: &str, settings: &mut PrometheusSettings) -> Result<(), Problem> {
    let mut fields = Fields::of(node, path)?;
    settings.ca_file = fields.optional("caFile", filled)?.map(Into::into);
    let certificate = fields.optional("certFile", filled)?;
    let key = fields.optional("keyFile", filled)?;
    settings.insecure_skip_verify = fields.optional("insecureSkipVerify", Node::boolean)?.unwrap_or(false);
    settings.client_certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        (Some(_), None) => return Err(Problem::new(fields.at(), path, "certFile without keyFile")),
        (None, Some(_)) => return Err(Problem::new(fields.at(), path, "keyFile without certFile")),
    };
    fields.end()
}

/// Where Prometheus is: `http` or `https`, a host, and a prefix of paths if there is one.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let example = "write it as http://prometheus.monitoring:9090";
    let uri: Uri =
        text.trim_end_matches('/').parse().map_err(|error| format!("`{text}` is no URL: {error}; {example}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("`{text}` begins with neither http:// nor https://; {example}"));
    }
    let authority = uri.authority().map_or("", Authority::as_str);
    if authority.contains('@') {
        return Err(
            "a name and a password in the URL end up in logs; write them as `basicAuth: {username, passwordFile}`"
                .to_owned(),
        );
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("`{text}` names no host; {example}"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(format!("`{text}`: only a path can follow the host; {example}"));
    }
    Ok(uri)
}

/// POST or GET.
pub(super) fn method(text: &str) -> Result<Method, String> {
    match text {
        "POST" => Ok(Method::POST),
        "GET" => Ok(Method::GET),
        other => Err(format!("`{other}` is neither POST nor GET")),
    }
}

/// A header that every request has; those that the adapter or the connection must set itself are refused.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let own = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header's name"))?;
    let lower = own.as_str();
    if lower == "authorization" {
        return Err(
            "credentials are read from files, `bearerTokenFile` or `basicAuth`, and stay out of this one".to_owned()
        );
    }
    let of_the_connection =
        ["connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"];
    if of_the_connection.contains(&lower)
        || ["proxy-", "content-", "accept"].iter().any(|begin| lower.starts_with(begin))
    {
        return Err(format!("`{name}` is set by the adapter itself, or by the connection"));
    }
    let mut value =
        HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` has characters that no header has"))?;
    // It may be a key; it is in no log.
    value.set_sensitive(true);
    Ok((own, value))
}

#[cfg(test)]
mod tests;
