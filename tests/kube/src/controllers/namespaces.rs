use serde_json::{Value, json};

use super::{Acting, clock, named, text};
use crate::resources::RESOURCES;

impl Acting {
    /// A namespace that is being deleted loses what is in it and then goes, unless somebody's API cannot be asked.
    pub(super) fn end_namespaces(&self) {
        let mute: Vec<String> = self.all("apiservices").iter().filter(|object| silent(object)).map(group).collect();
        for namespace in self.all("namespaces") {
            if namespace["status"]["phase"] != "Terminating" {
                continue;
            }
            let name = text(&namespace["metadata"]["name"]);
            self.empty(name);
            if let Some(first) = mute.first() {
                let message = format!(
                    "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {first}: \
                     stale GroupVersion discovery: {first}",
                    mute.len()
                );
                self.condition(&namespace, "NamespaceDeletionDiscoveryFailure", "DiscoveryFailed", &message);
            } else if namespace["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty()) {
                let message =
                    "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances";
                self.condition(&namespace, "NamespaceFinalizersRemaining", "SomeFinalizersRemain", message);
            } else {
                self.kube.remove("namespaces", "", name);
            }
        }
    }

    fn empty(&self, namespace: &str) {
        let mut store = self.kube.shared.store.lock().unwrap();
        for resource in RESOURCES.iter().filter(|resource| resource.namespaced) {
            let keys: Vec<_> = store.list(named(resource.name), namespace).into_iter().map(|(key, _)| key).collect();
            for key in keys {
                store.remove(resource, &key);
            }
        }
        self.kube.shared.tell(&store);
    }

    fn condition(&self, namespace: &Value, kind: &str, reason: &str, message: &str) {
        if namespace["status"]["conditions"][0]["message"] == message {
            return;
        }
        let condition = json!({
            "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": clock::now(),
        });
        self.change("namespaces", namespace, |object| object["status"]["conditions"] = json!([condition]));
    }
}

/// One that is handed on to a Service, and is not available.
fn silent(object: &Value) -> bool {
    !object["spec"]["service"].is_null() && object["status"]["conditions"][0]["status"] == "False"
}

fn group(object: &Value) -> String {
    format!("{}/{}", text(&object["spec"]["group"]), text(&object["spec"]["version"]))
}
