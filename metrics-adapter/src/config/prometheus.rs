use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};

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
