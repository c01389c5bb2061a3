use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::reasons::reasons;
use super::{Labels, Moment, Wall};

/// What Prometheus is asked: an instant query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The query, in PromQL.
    pub query: Arc<str>,
    /// The longest range that it looks at; none if it looks at the last samples alone.
    pub window: Duration,
}

/// What Prometheus answered.
#[derive(Debug)]
pub struct Answer {
    /// Each answer has its own number.
    pub generation: u64,
    /// The samples, in Prometheus's order; a scalar is one sample without labels.
    pub samples: Vec<QuerySample>,
    /// When the question was sent: no sample in it was evaluated earlier.
    pub at: Moment,
    /// How long it took to be answered.
    pub took: Duration,
    /// What Prometheus says is odd about it, which makes it no less complete.
    pub warnings: Vec<String>,
}

/// A sample of an answer.
#[derive(Debug)]
pub struct QuerySample {
    /// Its labels, `__name__` among them where the query keeps it.
    pub labels: Labels,
    /// Its value, any float.
    pub value: f64,
    /// The time that Prometheus evaluated it at, by Prometheus's clock.
    pub time: Wall,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryFailure {
    /// The reason, as a label.
    pub reason: QueryFailureReason,
    /// What happened, for a person, in one line.
    pub problem: String,
}

reasons! {
    /// Why Prometheus gave nothing, from a closed list.
    QueryFailureReason:
    /// No connection, or it broke.
    Connection "connection"
    /// The certificate, or the handshake.
    Tls "tls"
    /// The credentials cannot be read, or are not accepted (401, 403).
    Credentials "credentials"
    /// It took longer than the time-out.
    Timeout "timeout"
    /// A status that is no answer of Prometheus's API: a redirect, 404, 502.
    Status "status"
    /// Something else than JSON of Prometheus's API: HTML, half an answer.
    Malformed "malformed"
    /// A body over the limit.
    TooLarge "too_large"
    /// Prometheus refused the query: it is wrong, or asks for too much.
    Refused "refused"
    /// The answer is of a part of the data only.
    Partial "partial"
    /// So many other questions are being asked that this one is not.
    TooMany "too_many"
}

impl fmt::Display for QueryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.label(), self.problem)
    }
}
