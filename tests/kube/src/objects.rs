//! Objects as clusters have them, to be adorned as a test needs.

use serde_json::{Value, json};

use super::clock;

/// Small changes of an object, one after the other.
pub trait Adorn: Sized {
    fn label(self, name: &str, value: &str) -> Self;
    fn annotation(self, name: &str, value: &str) -> Self;
    /// The controller of this object.
    fn owner(self, api_version: &str, kind: &str, name: &str, uid: &str) -> Self;
    /// Adds a named port to a pod's container, and the container if there is none of that name.
    fn port(self, container: &str, name: &str, port: u16) -> Self;
    /// Adds a container with these requests to a pod.
    fn container(self, name: &str, requests: &Value) -> Self;
    /// Running, and ready or not.
    fn ready(self, ready: bool) -> Self;
    fn phase(self, phase: &str) -> Self;
    /// Being deleted since now.
    fn terminating(self) -> Self;
    /// Sets what a pointer (`/spec/replicas`) names.
    fn with(self, pointer: &str, value: Value) -> Self;
}

impl Adorn for Value {
    fn label(mut self, name: &str, value: &str) -> Self {
        self["metadata"]["labels"][name] = json!(value);
        self
    }

    fn annotation(mut self, name: &str, value: &str) -> Self {
        self["metadata"]["annotations"][name] = json!(value);
        self
    }

    fn owner(mut self, api_version: &str, kind: &str, name: &str, uid: &str) -> Self {
        self["metadata"]["ownerReferences"] = json!([{
            "apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true,
        }]);
        self
    }

    fn port(mut self, container: &str, name: &str, port: u16) -> Self {
        let port = json!({"name": name, "containerPort": port, "protocol": "TCP"});
        let container = self.container_named(container);
        match &mut container["ports"] {
            Value::Array(ports) => ports.push(port),
            none => *none = json!([port]),
        }
        self
    }

    fn container(mut self, name: &str, requests: &Value) -> Self {
        self.container_named(name)["resources"] = json!({"requests": requests});
        self
    }

    fn ready(mut self, ready: bool) -> Self {
        let status = if ready { "True" } else { "False" };
        self["status"]["conditions"] = json!([{"type": "Ready", "status": status, "lastTransitionTime": clock::now()}]);
        let containers = self["spec"]["containers"].as_array().cloned().unwrap_or_default();
        let statuses = containers.iter().map(|container| {
            json!({"name": container["name"], "ready": ready, "started": true, "restartCount": 0, "state": {"running": {"startedAt": clock::now()}}})
        });
        self["status"]["containerStatuses"] = statuses.collect();
        self
    }

    fn phase(mut self, phase: &str) -> Self {
        self["status"]["phase"] = json!(phase);
        self
    }

    fn terminating(mut self) -> Self {
        self["metadata"]["deletionTimestamp"] = json!(clock::now());
        self["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        self
    }

    fn with(mut self, pointer: &str, value: Value) -> Self {
        let mut place = &mut self;
        for step in pointer.split('/').skip(1) {
            place = match step.parse::<usize>() {
                Ok(index) if place.is_array() => &mut place[index],
                _ => &mut place[step.replace("~1", "/").replace("~0", "~")],
            };
        }
        *place = value;
        self
    }
}

trait Containers {
    fn container_named(&mut self, name: &str) -> &mut Value;
}

impl Containers for Value {
    /// Made, if there is none.
    fn container_named(&mut self, name: &str) -> &mut Value {
        let containers = self["spec"]["containers"].as_array_mut().expect("a pod");
        let known = containers.iter().position(|container| container["name"] == name);
        let index = known.unwrap_or_else(|| {
            containers.push(json!({"name": name, "image": "localhost/app:1", "resources": {}}));
            containers.len() - 1
        });
        &mut containers[index]
    }
}

/// A running, ready pod without containers, which `port` and `container` add.
pub fn pod(namespace: &str, name: &str, ip: &str, node: &str) -> Value {
    let now = clock::now();
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"nodeName": node, "containers": [], "restartPolicy": "Always", "serviceAccountName": "default"},
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.2", "startTime": now, "qosClass": "Burstable",
            "conditions": conditions,
        },
    })
}

/// With a `port` by name and number.
pub fn service(namespace: &str, name: &str, selector: &Value, port: (&str, u16)) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "type": "ClusterIP", "clusterIP": "10.96.0.10", "selector": selector,
            "ports": [{"name": port.0, "protocol": "TCP", "port": port.1, "targetPort": port.0}],
        },
        "status": {"loadBalancer": {}},
    })
}

/// Of a service; endpoints are a pod's name, its address, and whether it is ready.
pub fn endpoint_slice(namespace: &str, service: &str, port: (&str, u16), endpoints: &[(&str, &str, bool)]) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(pod, address, ready)| {
            json!({
                "addresses": [address], "conditions": {"ready": ready, "serving": ready, "terminating": false},
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod}, "nodeName": "node1",
            })
        })
        .collect();
    let labels = json!({
        "kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    json!({
        "metadata": {
            "namespace": namespace, "name": format!("{service}-2vmmq"), "generateName": format!("{service}-"), "labels": labels,
        },
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": port.0, "protocol": "TCP", "port": port.1}],
    })
}

pub fn deployment(namespace: &str, name: &str, replicas: u32, labels: &Value) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels), "strategy": {"type": "RollingUpdate"}},
        "status": {"replicas": replicas, "readyReplicas": replicas},
    })
}

pub fn replica_set(namespace: &str, name: &str, replicas: u32, labels: &Value) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels)},
        "status": {"replicas": replicas, "readyReplicas": replicas},
    })
}

pub fn stateful_set(namespace: &str, name: &str, replicas: u32, labels: &Value) -> Value {
    replica_set(namespace, name, replicas, labels).with("/spec/serviceName", json!(name))
}

fn template(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "localhost/app:1", "resources": {}}]}})
}

/// Addresses are type and value: `("InternalIP", "127.0.0.2")`. The kubelet's port is the usual one until it is set
/// at `/status/daemonEndpoints/kubeletEndpoint/Port`.
pub fn node(name: &str, addresses: &[(&str, &str)]) -> Value {
    let addresses: Vec<Value> =
        addresses.iter().map(|(kind, address)| json!({"type": kind, "address": address})).collect();
    let sizes = json!({"cpu": "2", "memory": "4Gi", "pods": "110"});
    let ready =
        json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": clock::now()});
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "addresses": addresses, "capacity": sizes, "allocatable": sizes, "conditions": [ready],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"},
        },
    })
}

/// Scales a deployment of the same name by these metrics (`autoscaling/v2`).
pub fn hpa(namespace: &str, name: &str, min: u32, max: u32, metrics: &Value) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": min, "maxReplicas": max, "metrics": metrics,
        },
        "status": {"currentReplicas": min, "desiredReplicas": min, "currentMetrics": null},
    })
}

/// As it is applied before a caBundle is known: without one, and TLS verified.
pub fn api_service(version: &str, group: &str, namespace: &str, service: &str) -> Value {
    json!({
        "metadata": {"name": format!("{version}.{group}")},
        "spec": {
            "service": {"namespace": namespace, "name": service, "port": 443}, "group": group, "version": version,
            "groupPriorityMinimum": 100, "versionPriority": 100,
        },
        "status": {},
    })
}

/// What the API server publishes about itself. Any name is allowed if none is.
pub fn extension_apiserver_authentication(client_ca: &str, requestheader_ca: &str, allowed_names: &[&str]) -> Value {
    json!({
        "metadata": {"namespace": "kube-system", "name": "extension-apiserver-authentication"},
        "data": {
            "client-ca-file": client_ca,
            "requestheader-client-ca-file": requestheader_ca,
            "requestheader-allowed-names": json!(allowed_names).to_string(),
            "requestheader-extra-headers-prefix": r#"["X-Remote-Extra-"]"#,
            "requestheader-group-headers": r#"["X-Remote-Group"]"#,
            "requestheader-uid-headers": r#"["X-Remote-Uid"]"#,
            "requestheader-username-headers": r#"["X-Remote-User"]"#,
        },
    })
}
