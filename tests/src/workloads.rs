//! Objects by their identity, and what brings pods into being.

use serde_json::Value;

/// `Service real-world/db`, or `ClusterRole metrics-adapter` of what is in no namespace.
pub fn id(object: &Value) -> String {
    match namespace(object) {
        "" => format!("{} {}", kind(object), name(object)),
        namespace => format!("{} {namespace}/{}", kind(object), name(object)),
    }
}

pub fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// The elements of a list, or none.
pub fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The entries of an object, or none.
pub fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// Whether a label selector selects these labels. One that says nothing selects all.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = entries(&selector["matchLabels"]).all(|(key, value)| labels[key] == *value);
    wanted
        && each(&selector["matchExpressions"]).all(|expression| {
            let label = &labels[expression["key"].as_str().unwrap()];
            let listed = each(&expression["values"]).any(|value| value == label);
            match expression["operator"].as_str().unwrap() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => !label.is_null(),
                "DoesNotExist" => label.is_null(),
                other => panic!("there is no operator {other}"),
            }
        })
}

/// What makes pods: a Deployment, for one, or a Job.
#[derive(Clone, Copy)]
pub struct Workload<'a>(pub &'a Value);

/// Those among these objects.
pub fn workloads(objects: &[Value]) -> impl Iterator<Item = Workload<'_>> {
    objects.iter().filter(|object| !template(object)["spec"].is_null()).map(Workload)
}

fn template(object: &Value) -> &Value {
    match kind(object) {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &object["spec"]["template"],
        "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"],
        "Pod" => object,
        _ => &Value::Null,
    }
}

impl<'a> Workload<'a> {
    pub fn id(self) -> String {
        id(self.0)
    }

    pub fn name(self) -> &'a str {
        name(self.0)
    }

    pub fn namespace(self) -> &'a str {
        namespace(self.0)
    }

    /// Whether it ends by itself.
    pub fn is_job(self) -> bool {
        matches!(kind(self.0), "Job" | "CronJob")
    }

    pub fn template(self) -> &'a Value {
        template(self.0)
    }

    /// Of its pods.
    pub fn labels(self) -> &'a Value {
        &self.template()["metadata"]["labels"]
    }

    /// Of its pods.
    pub fn spec(self) -> &'a Value {
        &self.template()["spec"]
    }

    /// All of them, those that only begin included.
    pub fn containers(self) -> impl Iterator<Item = &'a Value> {
        each(&self.spec()["containers"]).chain(each(&self.spec()["initContainers"]))
    }

    /// Name, number and protocol of each port that a container declares.
    pub fn ports(self) -> impl Iterator<Item = (&'a str, u64, &'a str)> {
        each(&self.spec()["containers"]).flat_map(|container| each(&container["ports"])).map(|port| {
            let name = port["name"].as_str().unwrap_or_default();
            (name, port["containerPort"].as_u64().unwrap(), port["protocol"].as_str().unwrap_or("TCP"))
        })
    }

    /// The number of a port that is given by name or number, if a container declares it.
    pub fn port(self, wanted: &Value) -> Option<u64> {
        let found = self.ports().find(|(name, number, _)| match wanted {
            Value::String(wanted) => wanted == name,
            _ => wanted.as_u64() == Some(*number),
        });
        found.map(|(_, number, _)| number)
    }

    /// Whether these labels select its pods.
    pub fn has(self, labels: &Value) -> bool {
        entries(labels).all(|(key, value)| self.labels()[key] == *value)
    }
}
