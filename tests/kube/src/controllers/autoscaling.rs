use serde_json::{Value, json};

use super::{Acting, clock, text};

const ADAPTER: &str = "metrics-adapter";
const CUSTOM: &str = "v1beta2.custom.metrics.k8s.io";

impl Acting {
    /// The adapter's `APIServices` are available while one of its pods is ready. Others' are as a test has put them.
    pub(super) fn register(&self) {
        for object in self.all("apiservices") {
            if object["metadata"]["labels"]["app.kubernetes.io/name"] != ADAPTER {
                continue;
            }
            let service = &object["spec"]["service"];
            let (namespace, name) = (text(&service["namespace"]), text(&service["name"]));
            let backed = self.kube.get("services", namespace, name).is_some();
            let ready = self
                .kube
                .get("deployments", namespace, name)
                .is_some_and(|deployment| deployment["status"]["readyReplicas"].as_u64().unwrap_or_default() > 0);
            let (status, reason, message) = match (backed, ready) {
                (true, true) => ("True", "Passed", "all checks passed".to_owned()),
                (false, _) => ("False", "ServiceNotFound", format!("service/{name} in \"{namespace}\" is not present")),
                (true, false) => {
                    let message = format!("endpoints for service/{name} in \"{namespace}\" have no addresses");
                    ("False", "MissingEndpoints", message)
                }
            };
            if object["status"]["conditions"][0]["status"] != status {
                let condition = json!({
                    "type": "Available", "status": status, "reason": reason, "message": message,
                    "lastTransitionTime": clock::now(),
                });
                self.change("apiservices", &object, |object| object["status"]["conditions"] = json!([condition]));
            }
        }
    }

    /// HPAs hold their minimum, and are active while somebody answers for the custom metrics.
    pub(super) fn scale(&self) {
        let active = self
            .kube
            .get("apiservices", "", CUSTOM)
            .is_some_and(|object| object["status"]["conditions"][0]["status"] == "True");
        for hpa in self.all("horizontalpodautoscalers") {
            let namespace = text(&hpa["metadata"]["namespace"]);
            let target = text(&hpa["spec"]["scaleTargetRef"]["name"]);
            let Some(deployment) = self.kube.get("deployments", namespace, target) else { continue };
            let minimum = hpa["spec"]["minReplicas"].as_u64().unwrap_or(1);
            let now = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
            // What somebody scaled to nothing stays there.
            let replicas = if now == 0 { 0 } else { now.max(minimum) };
            self.change("deployments", &deployment, |object| {
                if object["spec"]["replicas"].as_u64() != Some(replicas) {
                    object["spec"]["replicas"] = json!(replicas);
                }
            });
            let (status, reason, message) = if now == 0 {
                ("False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
            } else if active {
                ("True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count")
            } else {
                let why = "unable to get metric http_requests_per_second: unable to fetch metrics from custom metrics API: \
                           the server is currently unable to handle the request";
                ("False", "FailedGetPodsMetric", why)
            };
            let metrics = if active { current(&hpa["spec"]["metrics"]) } else { Value::Null };
            let status = json!({
                "currentReplicas": replicas, "desiredReplicas": replicas, "currentMetrics": metrics,
                "conditions": [
                    {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "recommended size matches current size"},
                    {"type": "ScalingActive", "status": status, "reason": reason, "message": message},
                ],
            });
            self.change("horizontalpodautoscalers", &hpa, |object| object["status"] = status);
        }
    }

    /// What the quotas' controller counts: pods alone.
    pub(super) fn count(&self) {
        let pods = self.all("pods");
        for quota in self.all("resourcequotas") {
            let namespace = &quota["metadata"]["namespace"];
            let used = pods.iter().filter(|pod| pod["metadata"]["namespace"] == *namespace).count();
            let status = json!({"hard": quota["spec"]["hard"], "used": {"pods": used.to_string()}});
            self.change("resourcequotas", &quota, |object| object["status"] = status);
        }
    }
}

/// Each metric at a fifth of an idle machine.
fn current(metrics: &Value) -> Value {
    let of = |metric: &Value| match text(&metric["type"]) {
        "Pods" => {
            json!({"type": "Pods", "pods": {"metric": metric["pods"]["metric"], "current": {"averageValue": "10"}}})
        }
        kind => {
            let name = &metric["resource"]["name"];
            let mut current = json!({"averageValue": "20m"});
            if name == "memory" {
                current = json!({"averageValue": "20Mi"});
            } else {
                current["averageUtilization"] = json!(20);
            }
            json!({"type": kind, "resource": {"name": name, "current": current}})
        }
    };
    metrics.as_array().into_iter().flatten().map(of).collect()
}
