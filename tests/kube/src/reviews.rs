//! `TokenReview` and `SubjectAccessReview`.

use serde_json::{Value, json};

use super::call::Call;
use super::managed;
use super::rbac::{Attributes, User};
use super::server::Shared;
use super::status::{Cause, Refusal};
use super::writes::{Answer, check_kind, parse};

/// What the API server takes a token to be for.
pub const AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";

pub fn review(shared: &Shared, call: &Call, body: &[u8], content_type: &str, user_agent: &str) -> Option<Answer> {
    let (group, kind) = match (call.asked.group.as_str(), call.asked.resource.as_str()) {
        ("authentication.k8s.io", "tokenreviews") => ("authentication.k8s.io", "TokenReview"),
        ("authorization.k8s.io", "subjectaccessreviews") => ("authorization.k8s.io", "SubjectAccessReview"),
        _ => return None,
    };
    if call.version != "v1" {
        return None;
    }
    let answer = || {
        if call.asked.verb != "create" || !call.name.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        if !content_type.starts_with("application/json") && !content_type.is_empty() {
            return Err(Refusal::unsupported_media_type(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
        let mut object = parse(body, kind)?;
        check_kind(&object, kind, &format!("{group}/v1"))?;
        if !object["spec"].is_object() && !object["spec"].is_null() {
            return Err(Refusal::bad_request(format!(
                "{kind} in version \"v1\" cannot be handled as a {kind}: json: cannot unmarshal into Go struct field {kind}.spec"
            )));
        }
        object["kind"] = json!(kind);
        object["apiVersion"] = json!(format!("{group}/v1"));
        object["metadata"] = json!({});
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        let status =
            if kind == "TokenReview" { token(shared, &object["spec"])? } else { access(shared, &object["spec"])? };
        let manager = user_agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        managed::note(None, &mut object, manager, &format!("{group}/v1"), "");
        object["status"] = status;
        Ok((201, object.to_string()))
    };
    Some(answer())
}

fn token(shared: &Shared, spec: &Value) -> Result<Value, Refusal> {
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Refusal::bad_request("token is required for TokenReview in authentication"));
    }
    let tokens = shared.tokens.lock().unwrap();
    let Some(known) = tokens.get(token) else {
        return Ok(json!({"user": {}, "error": "invalid bearer token"}));
    };
    let asked: Vec<&str> = spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let asked = if asked.is_empty() { vec![AUDIENCE] } else { asked };
    let common: Vec<&str> = asked.iter().copied().filter(|one| known.audiences.iter().any(|own| own == one)).collect();
    if common.is_empty() {
        let (own, wanted) = (known.audiences.join(" "), asked.join(" "));
        let error = format!(
            "[invalid bearer token, token audiences [\"{own}\"] is invalid for the target audiences [\"{wanted}\"]]"
        );
        return Ok(json!({"user": {}, "error": error}));
    }
    let user = &known.user;
    let mut told = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        told["uid"] = json!(user.uid);
        told["extra"] = json!({"authentication.kubernetes.io/credential-id": [format!("JTI={}", user.uid)]});
    }
    Ok(json!({"authenticated": true, "user": told, "audiences": common}))
}

fn access(shared: &Shared, spec: &Value) -> Result<Value, Refusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let user = User {
        name: text(&spec["user"]),
        uid: text(&spec["uid"]),
        groups: spec["groups"].as_array().into_iter().flatten().map(text).collect(),
    };
    let mut causes = Vec::new();
    if !resource.is_null() && !path.is_null() {
        let message = "cannot be specified in combination with resourceAttributes";
        causes.push(Cause::invalid("spec.nonResourceAttributes", path, message));
    }
    if resource.is_null() && path.is_null() {
        let message = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &Value::Null, message));
    }
    if user.name.is_empty() && user.groups.is_empty() {
        let message = "at least one of user or group must be specified";
        causes.push(Cause::invalid("spec.user", &json!(""), message));
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid("SubjectAccessReview", "authorization.k8s.io", "", &causes));
    }
    let asked = Attributes {
        verb: text(if path.is_null() { &resource["verb"] } else { &path["verb"] }),
        group: text(&resource["group"]),
        resource: text(&resource["resource"]),
        subresource: text(&resource["subresource"]),
        namespace: text(&resource["namespace"]),
        name: text(&resource["name"]),
        path: text(&path["path"]),
    };
    let reason = shared.rbac.lock().unwrap().allows(&user, &asked);
    if let Some(reason) = reason {
        return Ok(if reason.is_empty() {
            json!({"allowed": true})
        } else {
            json!({"allowed": true, "reason": reason})
        });
    }
    let rule = shared.allow.lock().unwrap().clone();
    Ok(json!({"allowed": rule.is_some_and(|rule| rule(spec))}))
}
