use std::convert::Infallible;
use std::time::SystemTime;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::App;
use super::error::{Error, Problems};
use super::form::Fields;
use crate::auth::{TokenProblem, UserId};
use crate::model::{Complaint, Page, PageSize};

/// Whoever asks, with the token that says so.
pub(super) struct Viewer {
    pub(super) id: UserId,
    pub(super) token: String,
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let token = token(&parts.headers).map_err(Error::Token)?;
        let id = app.parts.tokens.read(token, SystemTime::now()).map_err(Error::Token)?;
        Ok(Self { id, token: token.to_owned() })
    }
}

/// Whoever asks, if they say who; a token that is present and bad is refused.
pub(super) struct MaybeViewer(pub(super) Option<UserId>);

impl FromRequestParts<App> for MaybeViewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match token(&parts.headers).and_then(|token| app.parts.tokens.read(token, SystemTime::now())) {
            Ok(id) => Ok(Self(Some(id))),
            Err(TokenProblem::Missing) => Ok(Self(None)),
            Err(problem) => Err(Error::Token(problem)),
        }
    }
}

/// `Token <jwt>` or `Bearer <jwt>`, in any case.
fn token(headers: &HeaderMap) -> Result<&str, TokenProblem> {
    let header = headers.get(AUTHORIZATION).ok_or(TokenProblem::Missing)?;
    let text = header.to_str().map_err(|_| TokenProblem::Invalid)?.trim();
    let (scheme, token) = text.split_once(' ').ok_or(TokenProblem::Invalid)?;
    let known = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    if known { Ok(token.trim_start()) } else { Err(TokenProblem::Invalid) }
}

/// The part of the path that a route's template calls `name`, decoded. What cannot be one (not UTF-8,
/// or with a NUL) is empty, which names nothing: the answer is then 404 in its turn, after the checks
/// that come before it.
fn path_param(parts: &Parts, name: &str) -> String {
    let template = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    // From the end: the template has a prefix that the path has lost where routes are nested.
    let segments = template.rsplit('/').zip(parts.uri.path().rsplit('/'));
    let found =
        segments.into_iter().find(|(key, _)| key.strip_prefix('{').and_then(|key| key.strip_suffix('}')) == Some(name));
    let encoded = found.map_or("", |(_, segment)| segment);
    match percent_decode_str(encoded).decode_utf8() {
        Ok(text) if !text.contains('\0') => text.into_owned(),
        _ => String::new(),
    }
}

macro_rules! path_param {
    ($(#[$doc:meta])* $type:ident, $name:literal) => {
        $(#[$doc])*
        pub(super) struct $type(pub(super) String);

        impl FromRequestParts<App> for $type {
            type Rejection = Infallible;

            async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
                Ok(Self(path_param(parts, $name)))
            }
        }
    };
}

path_param!(
    /// The slug of an article.
    ArticleSlug, "slug"
);
path_param!(
    /// The name of a user.
    ProfileName, "username"
);
path_param!(
    /// The number of a comment, unread.
    CommentId, "id"
);

impl CommentId {
    /// The number, if it is one.
    pub(super) fn number(&self) -> Option<i64> {
        self.0.parse().ok().filter(|_| self.0.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// The parameters of a query, by name; of those given twice the last counts.
pub(super) struct Query(Vec<(String, String)>);

impl FromRequestParts<App> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Query {
    fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Text, which anything is that Postgres can compare with.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Complaint> {
        match self.raw(name) {
            Some(value) if value.contains('\0') => Err(Complaint::Invalid),
            value => Ok(value),
        }
    }

    /// `limit` and `offset`.
    pub(super) fn page(&self, most: PageSize, problems: &mut Problems) -> Option<Page> {
        let limit = problems.check("limit", Page::limit(self.raw("limit"), most));
        let offset = problems.check("offset", Page::offset(self.raw("offset")));
        Some(Page { limit: limit?, offset: offset? })
    }
}

/// The body, read as a JSON object whatever its declared type.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        // It was received whole, and is no larger than it may be.
        let received = to_bytes(request.into_body(), app.parts.limits.body).await;
        let bytes = received.map_err(|error| Error::Malformed(error.to_string()))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| Error::Malformed(error.to_string()))?;
        let fields = serde_json::from_value::<Fields<T>>(value);
        fields.map(|Fields(fields)| Self(fields)).map_err(|_| Problems::one("body", Complaint::Invalid).into())
    }
}
