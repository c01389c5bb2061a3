//! The `scale` subresource.

use serde_json::{Value, json};

use super::call::Call;
use super::resources::Resource;
use super::server::Shared;
use super::status::Refusal;

/// What of the resources that are served here can be scaled.
pub fn has(resource: &Resource) -> bool {
    ["deployments", "replicasets", "statefulsets"].contains(&resource.name)
}

pub fn get(shared: &Shared, resource: &Resource, call: &Call) -> Result<String, Refusal> {
    let item = shared.store.lock().unwrap().get(resource, &call.asked.namespace, &call.name);
    let item = item.ok_or_else(|| Refusal::not_found(resource, &call.name))?;
    let (own, metadata) = (&item.value, &item.value["metadata"]);
    let fields = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata: Value = fields.iter().map(|field| ((*field).to_owned(), metadata[field].clone())).collect();
    let labels = own["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    let scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": own["spec"]["replicas"]},
        "status": {"replicas": own["status"]["replicas"], "selector": selector.join(",")},
    });
    Ok(scale.to_string())
}

/// As `kubectl scale` does: a merge patch of the number alone.
pub fn patch(shared: &Shared, resource: &'static Resource, call: &Call, body: &[u8]) -> Result<String, Refusal> {
    let patch: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    let Some(replicas) = patch["spec"]["replicas"].as_u64() else {
        return Err(Refusal::new(501, "NotImplemented", "the fake patches the number of replicas of a scale alone"));
    };
    {
        let mut store = shared.store.lock().unwrap();
        let key = (call.asked.namespace.clone(), call.name.clone());
        let item = store.get(resource, &key.0, &key.1).ok_or_else(|| Refusal::not_found(resource, &call.name))?;
        let mut object = item.value.clone();
        object["spec"]["replicas"] = json!(replicas);
        store.write(resource, key, object);
        shared.tell(&store);
    }
    get(shared, resource, call)
}
