//! What the server makes of objects before it keeps them: defaults, and refusals.

use serde_json::{Value, json};

use super::base64;
use super::resources::Resource;
use super::status::{Cause, Refusal};

/// Fills in defaults, as decoding does, and drops what Go would not write.
pub fn default(resource: &Resource, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    match resource.name {
        "secrets" => {
            fields.entry("type").or_insert_with(|| json!("Opaque"));
            if let Some(Value::Object(texts)) = fields.remove("stringData") {
                let data = fields.entry("data").or_insert_with(|| json!({}));
                for (name, text) in texts {
                    data[name] = json!(base64::encode(text.as_str().unwrap_or_default().as_bytes()));
                }
            }
        }
        "namespaces" => {
            let name = fields["metadata"]["name"].clone();
            fields["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        "apiservices" => {
            let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
            spec.retain(|name, value| match name.as_str() {
                "insecureSkipTLSVerify" => *value != json!(false),
                "caBundle" => *value != json!("") && !value.is_null(),
                _ => true,
            });
            if let Some(Value::Object(service)) = spec.get_mut("service") {
                service.entry("port").or_insert_with(|| json!(443));
            }
        }
        _ => {}
    }
}

/// What does not even decode into the Go type.
pub fn decodes(resource: &Resource, object: &Value) -> Result<(), String> {
    let bytes: Vec<&Value> = match resource.name {
        "secrets" => object["data"].as_object().into_iter().flat_map(|data| data.values()).collect(),
        "apiservices" => vec![&object["spec"]["caBundle"]],
        _ => Vec::new(),
    };
    for value in bytes.into_iter().filter(|value| !value.is_null()) {
        let text = value.as_str().ok_or("json: cannot unmarshal into Go value of type []uint8")?;
        base64::decode(text).map_err(|at| format!("illegal base64 data at input byte {at}"))?;
    }
    let strings = match resource.name {
        "configmaps" => object["data"].as_object(),
        _ => None,
    };
    for parts in [strings, object["metadata"]["labels"].as_object(), object["metadata"]["annotations"].as_object()] {
        if parts.into_iter().flat_map(|parts| parts.values()).any(|value| !value.is_string()) {
            return Err("json: cannot unmarshal into Go value of type string".to_owned());
        }
    }
    Ok(())
}

/// What decodes but is not valid. `old` is what it replaces.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut causes = Vec::new();
    // An APIService is named by a path segment; everything else here by a DNS name.
    // Names of roles are segments of a path, and no more.
    let free = resource.group == "rbac.authorization.k8s.io" || resource.name == "apiservices";
    if !free && !is_subdomain(name) {
        let message = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                       start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                       '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        causes.push(Cause::invalid("metadata.name", &json!(name), message));
    }
    match resource.name {
        "secrets" => validate_secret(object, old, &mut causes),
        "configmaps" => validate_config_map(object, old, &mut causes),
        "apiservices" => validate_api_service(object, &mut causes),
        _ => {}
    }
    if let Some(old) = old {
        let (before, after) = (&old["metadata"]["uid"], &object["metadata"]["uid"]);
        if before != after {
            causes.push(Cause::invalid("metadata.uid", after, "field is immutable"));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(resource.kind, resource.group, name, &causes)) }
}

fn validate_secret(secret: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let data = &secret["data"];
    for name in data.as_object().into_iter().flat_map(|data| data.keys()) {
        if name.is_empty() || name.chars().any(|letter| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter)) {
            let message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                           'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
            causes.push(Cause::invalid(&format!("data[{name}]"), &json!(name), message));
        }
    }
    if secret["type"] == "kubernetes.io/tls" {
        for name in ["tls.crt", "tls.key"] {
            if data[name].is_null() {
                causes.push(Cause::required(&format!("data[{name}]"), ""));
            }
        }
    }
    let Some(old) = old else { return };
    if old["type"] != secret["type"] {
        causes.push(Cause::invalid("type", &secret["type"], "field is immutable"));
    }
    if old["immutable"] == json!(true) && (old["data"] != *data || secret["immutable"] != json!(true)) {
        causes.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
    }
}

fn validate_config_map(map: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let immutable = old.is_some_and(|old| old["immutable"] == json!(true) && old["data"] != map["data"]);
    if immutable {
        causes.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
    }
}

/// It takes any bytes for a caBundle, certificates or not (recorded).
fn validate_api_service(service: &Value, causes: &mut Vec<Cause>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &service["spec"];
    let (group, version) = (text(&spec["group"]), text(&spec["version"]));
    let (name, wanted) = (&service["metadata"]["name"], format!("{version}.{group}"));
    if *name != wanted {
        let message = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        causes.push(Cause::invalid("metadata.name", name, &message));
    }
    if group.is_empty() && version != "v1" {
        let message = "only v1 may have an empty group and it better be legacy kube";
        causes.push(Cause::required("spec.group", message));
    }
    for (field, most, message) in [
        ("groupPriorityMinimum", 20_000, "must be positive and less than 20000"),
        ("versionPriority", 1000, "must be positive and less than 1000"),
    ] {
        let value = spec[field].as_i64().unwrap_or(0);
        if value <= 0 || value > most {
            causes.push(Cause::invalid(&format!("spec.{field}"), &json!(value), message));
        }
    }
    let bundle = base64::decode(spec["caBundle"].as_str().unwrap_or_default()).unwrap_or_default();
    let insecure = spec["insecureSkipTLSVerify"] == json!(true);
    if spec["service"].is_null() {
        if !bundle.is_empty() {
            let value = json!(format!("{} bytes", bundle.len()));
            causes.push(Cause::invalid("spec.caBundle", &value, "local APIServices may not have a caBundle"));
        }
        if insecure {
            let message = "local APIServices may not have insecureSkipTLSVerify";
            causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &json!(true), message));
        }
        return;
    }
    for field in ["namespace", "name"] {
        if text(&spec["service"][field]).is_empty() {
            causes.push(Cause::required(&format!("spec.service.{field}"), ""));
        }
    }
    let port = &spec["service"]["port"];
    if !port.as_u64().is_some_and(|port| (1..=65535).contains(&port)) {
        let message = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid("spec.service.port", port, message));
    }
    if insecure && !bundle.is_empty() {
        let message = "may not be true if caBundle is present";
        causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &json!(true), message));
    }
}

fn is_subdomain(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.first().is_some_and(|byte| letter(*byte))
                && bytes.last().is_some_and(|byte| letter(*byte))
                && bytes.iter().all(|byte| letter(*byte) || *byte == b'-')
        })
}
