use serde_json::{Value, json};

use crate::cluster::ground::{CUSTOM, Ground};
use crate::cluster::look::{annotation, name, text};
use crate::cluster::marks::{APP, DISPLACED, MADE_BY, MAKER, MONITORING};
use crate::cluster::{Bench, Failure};

/// Writes down in the cluster itself what was made, and what will have to be restored.
pub(super) async fn mark(bench: &Bench, ground: &Ground) -> Result<(), Failure> {
    let made = format!("{MADE_BY}={MAKER}");
    // One that was there belongs to whoever made it, and `down` takes no more out of it than the stack's.
    for namespace in [APP, MONITORING].into_iter().filter(|own| !ground.there.contains(own)) {
        bench.kubectl.run(&["annotate", "namespace", namespace, &made, "--overwrite"]).await?;
    }
    let displaced: Vec<Value> =
        ground.metrics.iter().filter(|object| text(object, "/spec/group") == CUSTOM).map(bare).collect();
    if displaced.is_empty() {
        return Ok(());
    }
    // What was displaced before, and is ours by now, is not forgotten.
    let namespace = bench.kubectl.object("namespace", "default", APP).await?.unwrap_or_default();
    let mut all: Vec<Value> = serde_json::from_str(annotation(&namespace, DISPLACED)).unwrap_or_default();
    all.retain(|old| displaced.iter().all(|new| name(new) != name(old)));
    all.extend(displaced);
    let value = format!("{DISPLACED}={}", json!(all));
    bench.kubectl.run(&["annotate", "namespace", APP, &value, "--overwrite"]).await?;
    Ok(())
}

/// Without what the server or an earlier apply wrote.
fn bare(object: &Value) -> Value {
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    let labels = &object["metadata"]["labels"];
    let metadata = json!({"name": name(object), "labels": labels, "annotations": annotations});
    let (version, kind) = ("apiregistration.k8s.io/v1", "APIService");
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": object["spec"]})
}
