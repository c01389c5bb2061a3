//! POST, PUT, PATCH and DELETE of one object.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::call::{Call, Form};
use super::lists;
use super::managed;
use super::protobuf;
use super::resources::Resource;
use super::server::Shared;
use super::status::{Cause, Refusal};
use super::store::{self, Item, Key, Store};
use super::validation;

/// A request that changes something.
pub struct Writing<'a> {
    pub shared: &'a Shared,
    pub resource: &'static Resource,
    pub call: &'a Call,
    pub form: Form,
    pub content_type: &'a str,
    pub user_agent: &'a str,
    pub body: &'a [u8],
}

/// Status and body.
pub type Answer = Result<(u16, String), Refusal>;

impl Writing<'_> {
    pub fn create(&self) -> Answer {
        let mut object = self.object()?;
        let namespace = self.namespace();
        let metadata = &mut object["metadata"];
        check_namespace(metadata, namespace)?;
        if self.resource.namespaced && namespace.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        if !metadata["resourceVersion"].as_str().unwrap_or_default().is_empty() {
            return Err(Refusal::new(
                500,
                "InternalError",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if metadata["name"].as_str().unwrap_or_default().is_empty() {
            let Some(prefix) = metadata["generateName"].as_str() else {
                let cause = Cause::required("metadata.name", "name or generateName is required");
                return Err(Refusal::invalid(self.resource.kind, self.resource.group, "", &[cause]));
            };
            metadata["name"] = json!(format!("{prefix}{}", &store::uid()[..5]));
        }
        let fields = metadata.as_object_mut().ok_or_else(|| Refusal::bad_request("metadata is no object"))?;
        fields.retain(|name, _| {
            !matches!(name.as_str(), "uid" | "creationTimestamp" | "managedFields" | "resourceVersion")
        });
        if self.resource.status {
            let active = self.resource.name == "namespaces";
            object["status"] = if active { json!({"phase": "Active"}) } else { json!({}) };
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (namespace.to_owned(), name);
        let mut store = self.shared.store.lock().unwrap();
        if self.resource.namespaced && store.get(super::resources::named("namespaces"), "", namespace).is_none() {
            return Err(Refusal::not_found(super::resources::named("namespaces"), namespace));
        }
        // The server looks into an object before it looks whether there is one.
        validation::validate(self.resource, &object, None)?;
        if store.get(self.resource, &key.0, &key.1).is_some() {
            return Err(Refusal::already_exists(self.resource, &key.1));
        }
        managed::note(None, &mut object, &self.manager(), &self.resource.api_version(), "");
        let item = self.keep(&mut store, key, object, None);
        Ok((201, lists::write(self.resource, &item, self.form)))
    }

    pub fn update(&self) -> Answer {
        let object = self.object()?;
        let (metadata, name) = (&object["metadata"], &self.call.name);
        let given = metadata["name"].as_str().unwrap_or_default();
        if given != name {
            let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
            return Err(Refusal::bad_request(message));
        }
        check_namespace(&mut metadata.clone(), self.namespace())?;
        let mut store = self.shared.store.lock().unwrap();
        let key = (self.namespace().to_owned(), name.clone());
        let Some(old) = store.get(self.resource, &key.0, name) else {
            return Err(Refusal::not_found(self.resource, name));
        };
        self.replace(&mut store, key, &old, object)
    }

    pub fn patch(&self) -> Answer {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        let applied = matches!(media, "application/apply-patch+yaml" | "application/apply-patch+cbor");
        match media {
            "application/merge-patch+json" => {}
            // The two differ in lists alone, which the fake does not merge.
            // Nor need it those of an HPA, which are replaced whole.
            "application/strategic-merge-patch+json"
                if self.resource.name == "horizontalpodautoscalers" || !holds_lists(self.body) => {}
            "application/json-patch+json" => return self.patch_steps(),
            "application/strategic-merge-patch+json" => {
                return Err(Refusal::new(501, "NotImplemented", format!("the fake does not know {media}")));
            }
            _ if applied => {
                if self.call.parameter("fieldManager").is_empty() {
                    let cause = Cause::required("fieldManager", "is required for apply patch");
                    return Err(Refusal::invalid("PatchOptions", "meta.k8s.io", "", &[cause]));
                }
                return Err(Refusal::new(501, "NotImplemented", "the fake does not know server-side apply"));
            }
            _ => {
                let known = "application/json-patch+json, application/merge-patch+json, \
                             application/strategic-merge-patch+json, application/apply-patch+yaml";
                return Err(Refusal::unsupported_media_type(known));
            }
        }
        let patch: Value = serde_json::from_slice(self.body)
            .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
        if !patch.is_object() {
            return Err(Refusal::bad_request("error decoding patch: json: cannot unmarshal into Go value of type map"));
        }
        let mut store = self.shared.store.lock().unwrap();
        let (namespace, name) = (self.namespace(), &self.call.name);
        let key = (namespace.to_owned(), name.clone());
        let old = store.get(self.resource, namespace, name).ok_or_else(|| Refusal::not_found(self.resource, name))?;
        let mut object = old.value.clone();
        merge(&mut object, &patch);
        self.check_kind(&object)?;
        if let Err(error) = validation::decodes(self.resource, &object) {
            let cause = Cause::invalid("patch", &json!(object.to_string()), &error);
            return Err(Refusal::invalid("", "", "", &[cause]));
        }
        if object["metadata"]["name"] != json!(name) {
            let message = format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                object["metadata"]["name"]
            );
            return Err(Refusal::bad_request(message));
        }
        self.replace(&mut store, key, &old, object)
    }

    /// RFC 6902, for as much as `add` and `remove` of fields.
    fn patch_steps(&self) -> Answer {
        let steps: Vec<Value> = serde_json::from_slice(self.body)
            .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
        let mut store = self.shared.store.lock().unwrap();
        let (namespace, name) = (self.namespace(), &self.call.name);
        let old = store.get(self.resource, namespace, name).ok_or_else(|| Refusal::not_found(self.resource, name))?;
        let mut object = old.value.clone();
        for step in &steps {
            let path = step["path"].as_str().unwrap_or_default();
            let (parent, field) = path.rsplit_once('/').unwrap_or_default();
            let missing = || {
                let why = format!("the server rejected our request due to an error in our request: {path} is missing");
                Refusal::new(422, "Invalid", why)
            };
            let parent = object.pointer_mut(parent).and_then(Value::as_object_mut).ok_or_else(missing)?;
            match step["op"].as_str() {
                Some("add") => drop(parent.insert(field.to_owned(), step["value"].clone())),
                Some("remove") => drop(parent.remove(field).ok_or_else(missing)?),
                _ => return Err(Refusal::new(501, "NotImplemented", "the fake adds and removes fields alone")),
            }
        }
        self.replace(&mut store, (namespace.to_owned(), name.clone()), &old, object)
    }

    pub fn delete(&self) -> Answer {
        let options: Value = match self.body {
            [] => json!({}),
            body => serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?,
        };
        let mut store = self.shared.store.lock().unwrap();
        let (namespace, name) = (self.namespace(), &self.call.name);
        let old = store.get(self.resource, namespace, name).ok_or_else(|| Refusal::not_found(self.resource, name))?;
        for (field, title) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let (wanted, is) = (&options["preconditions"][field], &old.value["metadata"][field]);
            if !wanted.is_null() && wanted != is {
                let (wanted, is) = (wanted.as_str().unwrap_or_default(), is.as_str().unwrap_or_default());
                let why =
                    format!("Precondition failed: {title} in precondition: {wanted}, {title} in object meta: {is}");
                return Err(Refusal::conflict_because(self.resource, name, &why));
            }
        }
        if !self.dry() {
            let key = (namespace.to_owned(), name.clone());
            if self.resource.name == "namespaces" && self.shared.finalizing.load(Ordering::SeqCst) {
                let mut object = old.value.clone();
                if object["metadata"]["deletionTimestamp"].is_null() {
                    object["metadata"]["deletionTimestamp"] = json!(super::clock::now());
                    object["status"]["phase"] = json!("Terminating");
                    store.write(self.resource, key, object);
                }
            } else {
                store.remove(self.resource, &key);
            }
            self.shared.tell(&store);
        }
        let mut details = json!({"name": name, "kind": self.resource.name, "uid": old.value["metadata"]["uid"]});
        if !self.resource.group.is_empty() {
            details["group"] = json!(self.resource.group);
        }
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok((200, status.to_string()))
    }

    /// Keeps `object` in place of `old`, if that is what its sender has seen.
    fn replace(&self, store: &mut Store, key: Key, old: &Arc<Item>, mut object: Value) -> Answer {
        let name = &self.call.name;
        let seen = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if !seen.is_empty() && seen != old.version.to_string() {
            return Err(Refusal::conflict(self.resource, name));
        }
        let before = &old.value;
        for field in ["kind", "apiVersion"] {
            object.as_object_mut().expect("an object").remove(field);
        }
        for field in ["uid", "creationTimestamp", "managedFields", "namespace", "generation", "resourceVersion"] {
            let (kept, given) = (&before["metadata"][field], &object["metadata"][field]);
            if !kept.is_null() && (given.is_null() || field != "uid") {
                object["metadata"][field] = kept.clone();
            }
        }
        if self.call.asked.subresource == "status" {
            let status = object["status"].take();
            object = before.clone();
            object["status"] = status;
        } else if self.resource.status && !before["status"].is_null() {
            object["status"] = before["status"].clone();
        }
        validation::default(self.resource, &mut object);
        validation::validate(self.resource, &object, Some(before))?;
        if object != *before {
            let (version, subresource) = (self.resource.api_version(), &self.call.asked.subresource);
            managed::note(Some(before), &mut object, &self.manager(), &version, subresource);
            let item = self.keep(store, key, object, Some(old));
            return Ok((200, lists::write(self.resource, &item, self.form)));
        }
        // What changes nothing is not written, and no watch hears of it.
        Ok((200, lists::write(self.resource, old, self.form)))
    }

    fn keep(&self, store: &mut Store, key: Key, object: Value, old: Option<&Arc<Item>>) -> Arc<Item> {
        if self.dry() {
            return Store::imagine(self.resource, &key, object, old.map(|old| &**old));
        }
        let item = store.write(self.resource, key, object);
        self.shared.tell(store);
        item
    }

    fn object(&self) -> Result<Value, Refusal> {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        if media == "application/vnd.kubernetes.protobuf" && self.call.asked.subresource == "status" {
            let unknown = || Refusal::new(501, "NotImplemented", "the fake reads the status of an Ingress alone");
            return protobuf::ingress(self.body).filter(|_| self.resource.name == "ingresses").ok_or_else(unknown);
        }
        if !matches!(media, "application/json" | "") {
            let known = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor";
            return Err(Refusal::unsupported_media_type(known));
        }
        let mut object = parse(self.body, self.resource.kind)?;
        self.check_kind(&object)?;
        if let Err(error) = validation::decodes(self.resource, &object) {
            let (kind, version) = (self.resource.kind, self.resource.version);
            let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {error}");
            return Err(Refusal::bad_request(message));
        }
        if !object["metadata"].is_object() {
            object["metadata"] = Value::Object(Map::new());
        }
        validation::default(self.resource, &mut object);
        Ok(object)
    }

    fn check_kind(&self, object: &Value) -> Result<(), Refusal> {
        check_kind(object, self.resource.kind, &self.resource.api_version())
    }

    fn namespace(&self) -> &str {
        if self.resource.namespaced { &self.call.asked.namespace } else { "" }
    }

    fn dry(&self) -> bool {
        self.call.parameter("dryRun") == "All"
    }

    fn manager(&self) -> String {
        let agent = self.user_agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        let named = self.call.parameter("fieldManager");
        if named.is_empty() { agent.to_owned() } else { named }
    }
}

pub fn parse(body: &[u8], kind: &str) -> Result<Value, Refusal> {
    let error = |error: &dyn std::fmt::Display| {
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
        ))
    };
    let object: Value = serde_json::from_slice(body).map_err(|parse| error(&parse))?;
    if object.is_object() { Ok(object) } else { Err(error(&"json: cannot unmarshal into Go value of type struct")) }
}

/// What is absent is what the path says.
pub fn check_kind(object: &Value, kind: &str, version: &str) -> Result<(), Refusal> {
    let (given_kind, given) =
        (object["kind"].as_str().unwrap_or(kind), object["apiVersion"].as_str().unwrap_or(version));
    if given != version {
        let message =
            format!("the API version in the data ({given}) does not match the expected API version ({version})");
        return Err(Refusal::bad_request(message));
    }
    if given_kind != kind {
        let message = format!(
            "{given_kind} in version {version:?} cannot be handled as a {kind}: the kind in the data does not match the expected kind"
        );
        return Err(Refusal::bad_request(message));
    }
    Ok(())
}

fn check_namespace(metadata: &mut Value, namespace: &str) -> Result<(), Refusal> {
    match metadata["namespace"].as_str().unwrap_or_default() {
        "" => Ok(()),
        given if given == namespace => Ok(()),
        given => {
            let message = format!(
                "the namespace of the provided object does not match the namespace sent on the request ({given}, {namespace})"
            );
            Err(Refusal::bad_request(message))
        }
    }
}

/// Lists, and the directives that strategic patches have for them.
fn holds_lists(patch: &[u8]) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::Array(_) => true,
            Value::Object(fields) => fields.iter().any(|(name, value)| name.starts_with('$') || any(value)),
            _ => false,
        }
    }
    serde_json::from_slice(patch).is_ok_and(|patch| any(&patch))
}

/// RFC 7396.
fn merge(object: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            object.as_object_mut().expect("an object").remove(name);
        } else {
            merge(&mut object[name], value);
        }
    }
}
