use super::json::Json;
use crate::lookup::Missing;
use crate::model::SelectorError;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What is answered instead of what was asked for: a `metav1.Status`.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Details>,
    /// Whether what was asked for is known and only has no value.
    absent: bool,
}

#[derive(Debug)]
struct Details {
    name: String,
    kind: &'static str,
}

/// Marks an answer that says why something known has no value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absent;

impl Failure {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), details: None, absent: false }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// It is known, and there is no value: the message says why.
    pub(super) fn absent(message: impl Into<String>) -> Self {
        Self { absent: true, ..Self::not_found(message) }
    }

    /// `pods "web-1" not found`, and why if it exists and has no value.
    pub(super) fn no_such_object(kind: &'static str, name: &str, cause: Option<&str>) -> Self {
        let cause_text = cause.map_or(String::new(), |cause| format!(": {cause}"));
        let message = format!("{kind} \"{name}\" not found{cause_text}");
        let details = Some(Details { name: name.to_owned(), kind });
        Self { details, absent: cause.is_some(), ..Self::not_found(message) }
    }

    pub(super) fn no_such_path() -> Self {
        Self::not_found("the server could not find the requested resource")
    }

    pub(super) fn method_not_allowed(method: &Method) -> Self {
        let message = format!("the server does not allow {method} on the requested resource; it can be read only");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(super) fn no_watch(resource: &str) -> Self {
        let message = format!("watch is not supported on resources of kind \"{resource}\"; list them again");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// Without a time to come again at: an HPA's worker would sleep that long, and all other HPAs with it.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json, \
                       application/vnd.kubernetes.protobuf";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }
}

impl From<SelectorError> for Failure {
    fn from(error: SelectorError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Unknown(message) => Self::not_found(message),
            Missing::Absent(message) => Self::absent(message),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = self.status.as_u16();
        let mut json = Json::default();
        json.type_meta("Status", "v1").raw("\"metadata\":{},\"status\":\"Failure\",\"message\":").string(&self.message);
        json.raw(",\"reason\":\"").raw(self.reason).raw("\"");
        if let Some(Details { name, kind }) = self.details {
            json.raw(",\"details\":{\"name\":").string(&name).raw(",\"kind\":").string(kind).raw("}");
        }
        json.raw(",\"code\":").plain(code).raw("}");
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache, private")];
        let mut response = (self.status, headers, json.0).into_response();
        if self.absent {
            response.extensions_mut().insert(Absent);
        }
        response
    }
}
