//! The `scale` subresource, read only.

use serde_json::{Value, json};

use super::call::Call;
use super::resources::Resource;
use super::server::Shared;
use super::status::Refusal;

/// What of the resources that are served here can be scaled.
pub(crate) fn has(resource: &Resource) -> bool {
    ["deployments", "replicasets", "statefulsets"].contains(&resource.name)
}

pub(crate) fn get(shared: &Shared, resource: &Resource, call: &Call) -> Result<String, Refusal> {
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
