use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::respond::Json;
use crate::auth::{HashError, TokenProblem};
use crate::db::user::Taken;
use crate::db::{DbError, Referenced};
use crate::model::Complaint;

/// What goes wrong with a request. Each knows its status; what is our own fault hides its cause from
/// the client and shows it to the log.
#[derive(Debug)]
pub enum Error {
    /// 400: the body is not JSON.
    Malformed(String),
    /// 401: the token.
    Token(TokenProblem),
    /// 401: e-mail and password.
    Credentials,
    /// 403: somebody else's.
    Forbidden(&'static str),
    /// 404: not there.
    NotFound(&'static str),
    /// 405: the route has other methods.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    TooSlow,
    /// 409: somebody else has it.
    Taken(Taken),
    /// 413: the body is larger than this many bytes.
    TooLarge(usize),
    /// 422: what was given makes no sense.
    Invalid(Problems),
    /// 503: the database cannot be used for now.
    Unavailable(DbError),
    /// 503: no core was free to hash a password.
    Busy,
    /// 503: the bodies of other requests held all the memory that bodies may.
    Crowded,
    /// 500: a defect.
    Internal(Box<dyn StdError + Send + Sync>),
}

/// What is wrong with the fields of a request, all of them at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(BTreeMap<&'static str, Vec<String>>);

impl Problems {
    /// One problem.
    #[must_use]
    pub fn one(field: &'static str, complaint: Complaint) -> Self {
        let mut problems = Self::default();
        problems.add(field, complaint);
        problems
    }

    /// Adds a problem.
    pub fn add(&mut self, field: &'static str, complaint: Complaint) {
        self.0.entry(field).or_default().push(complaint.to_string());
    }

    /// The value, or a problem more.
    pub fn check<T>(&mut self, field: &'static str, outcome: Result<T, Complaint>) -> Option<T> {
        outcome.map_err(|complaint| self.add(field, complaint)).ok()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn none(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable { .. } => Self::Unavailable(error),
            // A good token of somebody who is not there: it was signed for another database.
            DbError::Dangling(Referenced::User) => Self::Token(TokenProblem::Invalid),
            DbError::Dangling(Referenced::Article) => Self::NotFound("article"),
            DbError::Duplicate(_) | DbError::Defect(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            other => Self::Internal(Box::new(other)),
        }
    }
}

impl From<jsonwebtoken::errors::Error> for Error {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<serde_json::Error> for Error {
    /// Of what the database holds; what a client sends is [`Error::Malformed`].
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
pub(super) struct Errors {
    /// Messages by the field or resource that they are about.
    errors: BTreeMap<&'static str, Vec<String>>,
}

/// Why an answer failed, for the log: handed from the error to whoever logs the request.
#[derive(Clone)]
pub(super) struct Cause(pub(super) Arc<str>);

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Token(_) | Self::Credentials => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Taken(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable(_) | Self::Busy | Self::Crowded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn cause(&self) -> Option<Cause> {
        let cause = match self {
            Self::Unavailable(error) => error.to_string(),
            Self::Busy => HashError::Busy.to_string(),
            Self::Crowded => "the bodies of other requests hold all the memory that bodies may".to_owned(),
            Self::Internal(error) => {
                let mut text = error.to_string();
                let mut source = error.source();
                while let Some(inner) = source {
                    text.push_str(": ");
                    text.push_str(&inner.to_string());
                    source = inner.source();
                }
                text
            }
            _ => return None,
        };
        Some(Cause(cause.into()))
    }

    fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let scheme = matches!(self, Self::Token(_)).then_some((header::WWW_AUTHENTICATE, "Token"));
        let later = matches!(self, Self::Unavailable(_) | Self::Busy | Self::Crowded);
        let later = later.then_some((header::RETRY_AFTER, "1"));
        // What is left of the request would be read as the next one.
        let unread = matches!(self, Self::TooLarge(_) | Self::TooSlow | Self::Crowded);
        let unread = unread.then_some((header::CONNECTION, "close"));
        [scheme, later, unread].into_iter().flatten().map(|(name, value)| (name, HeaderValue::from_static(value)))
    }

    fn into_errors(self) -> BTreeMap<&'static str, Vec<String>> {
        let one = |field, message: &str| BTreeMap::from([(field, vec![message.to_owned()])]);
        match self {
            Self::Malformed(why) => one("body", &format!("is not valid JSON: {why}")),
            Self::Token(problem) => one("token", problem.words()),
            Self::Credentials => one("credentials", "invalid"),
            Self::Forbidden(what) => one(what, "forbidden"),
            Self::NotFound(what) => one(what, "not found"),
            Self::MethodNotAllowed => one("method", "is not allowed"),
            Self::TooSlow => one("body", "did not arrive in time"),
            Self::Taken(taken) => {
                let fields = [("username", taken.username), ("email", taken.email)];
                let taken = fields.into_iter().filter(|(_, taken)| *taken);
                taken.map(|(field, _)| (field, vec![Complaint::Taken.to_string()])).collect()
            }
            Self::TooLarge(most) => one("body", &format!("is too large (maximum is {most} bytes)")),
            Self::Invalid(problems) => problems.0,
            Self::Unavailable(_) => one("database", "is unavailable, try again"),
            Self::Busy | Self::Crowded => one("server", "is busy, try again"),
            Self::Internal(_) => one("server", "failed; its log says why, under the request id of this answer"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, cause, headers) = (self.status(), self.cause(), self.headers());
        let mut response = (status, Json(Errors { errors: self.into_errors() })).into_response();
        response.headers_mut().extend(headers);
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// For a path that no route has.
pub(super) async fn no_such_route() -> Error {
    Error::NotFound("route")
}

/// For a method that a route does not have.
pub(super) async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

/// For a handler that panicked: its client gets an answer, and the connection lives on.
#[expect(clippy::needless_pass_by_value, reason = "the layer that calls it hands it over")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::Internal(format!("panic: {}", message.unwrap_or_default()).into()).into_response()
}
