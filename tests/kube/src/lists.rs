//! GET of one object and of lists.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::base64;
use super::call::{Call, Form};
use super::resources::Resource;
use super::server::Shared;
use super::status::{Cause, Refusal};
use super::store::{Item, Key};

/// One object as it is sent by itself, with its kind.
pub fn write(resource: &Resource, item: &Item, form: Form) -> String {
    match form {
        Form::Whole => {
            let rest = item.json().strip_prefix('{').expect("an object");
            format!(r#"{{"kind":"{}","apiVersion":"{}",{rest}"#, resource.kind, resource.api_version())
        }
        Form::Metadata => {
            let metadata = &item.value["metadata"];
            format!(r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{metadata}}}"#)
        }
    }
}

pub fn get(shared: &Shared, resource: &Resource, call: &Call, form: Form) -> Result<String, Refusal> {
    let store = shared.store.lock().unwrap();
    if let Some(version) = call.number("resourceVersion")?.filter(|version| *version > store.version) {
        return Err(Refusal::too_new(version, store.version));
    }
    let namespace = if resource.namespaced { call.asked.namespace.as_str() } else { "" };
    let item = store.get(resource, namespace, &call.name).ok_or_else(|| Refusal::not_found(resource, &call.name))?;
    drop(store);
    Ok(write(resource, &item, form))
}

pub fn list(shared: &Shared, resource: &'static Resource, call: &Call, form: Form) -> Result<String, Refusal> {
    validate(call)?;
    let selector = call.selector(resource)?;
    let namespace = if resource.namespaced { call.asked.namespace.as_str() } else { "" };
    let version = call.number("resourceVersion")?;
    // What may be of any age comes from the watch cache, which knows no pages.
    let limit = call.number("limit")?.filter(|limit| *limit > 0 && version != Some(0));
    let proceed = call.parameter("continue");
    let mut store = shared.store.lock().unwrap();
    // A page belongs to one list: everything but the place in it must be the same.
    let whose = format!("{} {namespace}", resource.name);
    let (at, start, all) = if proceed.is_empty() {
        if let Some(asked) = version.filter(|asked| *asked > store.version) {
            return Err(Refusal::too_new(asked, store.version));
        }
        if call.parameter("resourceVersionMatch") == "Exact" && version < Some(store.version) {
            return Err(Refusal::too_old(version.unwrap_or_default(), store.version));
        }
        (store.version, None, Arc::new(store.list(resource, namespace)))
    } else {
        let (token, start) = read_token(&proceed)?;
        // A token that was offered when its list had expired goes on with what is there now.
        if token == 0 {
            (store.version, Some(start), Arc::new(store.list(resource, namespace)))
        } else {
            let Some(rest) = store.snapshot(token, &whose) else {
                return Err(Refusal::continue_expired(write_token(0, &start)));
            };
            (token, Some(start), rest)
        }
    };
    let after = start.map_or(0, |start| all.partition_point(|(key, _)| *key <= start));
    let mut chosen = all[after..].iter().filter(|(_, item)| selector.matches(&item.value));
    let page: Vec<&(Key, Arc<Item>)> = match limit {
        Some(limit) => chosen.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(),
        None => chosen.by_ref().collect(),
    };
    let mut metadata = json!({"resourceVersion": at.to_string()});
    let remaining = chosen.count();
    if let (true, Some((key, _))) = (remaining > 0, page.last()) {
        metadata["continue"] = json!(write_token(at, key));
        // With a selector the real server does not know how many remain.
        if selector.is_empty() {
            metadata["remainingItemCount"] = json!(remaining);
        }
        store.keep_snapshot(at, &whose, Arc::clone(&all));
    }
    drop(store);
    Ok(write_list(resource, &metadata, page.iter().map(|(_, item)| &**item), form))
}

fn write_list<'a>(resource: &Resource, metadata: &Value, items: impl Iterator<Item = &'a Item>, form: Form) -> String {
    let (kind, version) = match form {
        Form::Whole => (format!("{}List", resource.kind), resource.api_version()),
        Form::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
    };
    let mut text = format!(r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{metadata},"items":["#);
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        match form {
            Form::Whole => text.push_str(item.json()),
            Form::Metadata => _ = write!(text, "{}", write(resource, item, form)),
        }
    }
    text.push_str("]}\n");
    text
}

fn validate(call: &Call) -> Result<(), Refusal> {
    let field = "resourceVersionMatch";
    let (matching, version, proceed) =
        (call.parameter(field), call.parameter("resourceVersion"), call.parameter("continue"));
    let mut causes = Vec::new();
    if !matching.is_empty() {
        if version.is_empty() {
            causes
                .push(Cause::forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !proceed.is_empty() {
            causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if matching != "Exact" && matching != "NotOlderThan" {
            causes.push(Cause::unsupported(field, &matching, &["Exact", "NotOlderThan", ""]));
        }
        if matching == "Exact" && version == "0" {
            let message = r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#;
            causes.push(Cause::forbidden(field, message));
        }
    }
    if call.flag("sendInitialEvents").is_some() {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid("ListOptions", "meta.k8s.io", "", &causes));
    }
    if !proceed.is_empty() && !matches!(version.as_str(), "" | "0") {
        return Err(Refusal::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(())
}

fn write_token(version: u64, key: &Key) -> String {
    let version = i128::from(version) - i128::from(version == 0);
    base64::encode(json!({"v": "meta.k8s.io/v1", "rv": version.to_string(), "start": key}).to_string().as_bytes())
        .replace('=', "")
}

fn read_token(text: &str) -> Result<(u64, Key), Refusal> {
    let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let read = || {
        let token: Value = serde_json::from_slice(&base64::decode(&padded).ok()?).ok()?;
        let version: i64 = token["rv"].as_str()?.parse().ok()?;
        let key = (token["start"][0].as_str()?.to_owned(), token["start"][1].as_str()?.to_owned());
        Some((u64::try_from(version).unwrap_or(0), key))
    };
    read().ok_or_else(|| Refusal::bad_request("continue key is not valid: illegal base64 data at input byte 0"))
}
