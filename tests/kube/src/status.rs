//! Refusals, in the words of the real API server.

use serde_json::{Map, Value, json};

use super::resources::{Resource, qualified};

/// Why a request is not served.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    /// A token to list the rest with all the same.
    pub proceed: Option<String>,
    /// In seconds.
    pub retry_after: Option<u64>,
}

/// What is wrong with one field.
pub struct Cause {
    pub reason: &'static str,
    pub field: String,
    pub message: String,
}

impl Cause {
    pub fn invalid(field: &str, value: &Value, message: &str) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {value}: {message}"))
    }

    pub fn forbidden(field: &str, message: &str) -> Self {
        Self::new("FieldValueForbidden", field, format!("Forbidden: {message}"))
    }

    pub fn required(field: &str, message: &str) -> Self {
        let message = if message.is_empty() { "Required value".into() } else { format!("Required value: {message}") };
        Self::new("FieldValueRequired", field, message)
    }

    pub fn unsupported(field: &str, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", supported.join(", "));
        Self::new("FieldValueNotSupported", field, message)
    }

    fn new(reason: &'static str, field: &str, message: String) -> Self {
        Self { reason, field: field.to_owned(), message }
    }
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, proceed: None, retry_after: None }
    }

    fn details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// About a resource, or about a path if there is none.
    pub fn forbidden(group: &str, resource: &str, name: &str, message: &str) -> Self {
        let message = match (resource, name) {
            ("", _) => format!("forbidden: {message}"),
            (_, "") => format!("{} is forbidden: {message}", qualified(resource, group)),
            _ => format!("{} {name:?} is forbidden: {message}", qualified(resource, group)),
        };
        Self::new(403, "Forbidden", message).details(details(group, resource, name))
    }

    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", resource.qualified())).details(of(resource, name))
    }

    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").details(json!({}))
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).details(json!({}))
    }

    pub fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json, application/yaml, \
                       application/vnd.kubernetes.protobuf, application/cbor";
        Self::new(406, "NotAcceptable", message)
    }

    pub fn unsupported_media_type(accepted: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).details(of(resource, name))
    }

    pub fn conflict(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict_because(resource, name, why)
    }

    pub fn conflict_because(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message).details(of(resource, name))
    }

    pub fn invalid(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let why = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        let mut fields = details(group, kind, name);
        let causes =
            causes.iter().map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}));
        fields["causes"] = causes.collect();
        Self::new(422, "Invalid", format!("{} {name:?} is invalid: {why}", qualified(kind, group))).details(fields)
    }

    pub fn too_old(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    pub fn continue_expired(proceed: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
            list without the continue parameter, or use the continue token in this response to retrieve the remainder of \
            the results. Continuing with the provided token results in an inconsistent list - objects that were created, \
            modified, or deleted between the time the first chunk was returned and now may show up in the list.";
        Self { proceed: Some(proceed), ..Self::new(410, "Expired", message) }
    }

    pub fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        let refusal = Self::new(504, "Timeout", format!("Timeout: {message}"));
        refusal.details(json!({"causes": [cause], "retryAfterSeconds": 1}))
    }

    pub fn too_many(retry_after: Option<u64>) -> Self {
        let refusal = Self::new(429, "TooManyRequests", "Too many requests, please try again later.");
        Self { retry_after, ..refusal }
            .details(retry_after.map_or(json!({}), |after| json!({"retryAfterSeconds": after})))
    }

    /// An answer that a test ordered.
    pub fn ordered(code: u16) -> Self {
        let (reason, message) = match code {
            401 => return Self::unauthorized(),
            429 => return Self::too_many(None),
            403 => ("Forbidden", "forbidden: the test says so"),
            404 => return Self::no_such_path(),
            410 => ("Expired", "the test says that this is gone"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "Timeout: request did not complete within the allotted timeout"),
            _ => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
        };
        Self::new(code, reason, message)
    }

    pub fn json(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(token) = &self.proceed {
            metadata.insert("continue".into(), json!(token));
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

fn of(resource: &Resource, name: &str) -> Value {
    details(resource.group, resource.name, name)
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let fields = [("name", name), ("group", group), ("kind", kind)];
    let present = fields.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(present.map(|(field, value)| (field.to_owned(), json!(value))).collect())
}
