use std::time::Instant;

use serde_json::{Value, json};

use super::place::Place;
use super::{DemoError, Patience, Show};

/// The Deployment's annotation that holds what stood before, so that a demonstration that was killed can be undone by the
/// next one.
pub(super) const NOTE: &str = "conduit/before-demo-quota";

/// What stood before. The HPA stays where it is, with its history: it is only told to change nothing, in neither
/// direction, and to take the two to four replicas of the lesson for allowed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Before {
    replicas: u64,
    hpa: Option<Held>,
    /// What the lesson's manifests change beside it, each as it was, or null; none where a note does not tell.
    limits: Option<Vec<Value>>,
}

/// What the manifests of the quotas hold.
const LIMITS: [(&str, &str); 2] = [("resourcequota", "real-world-rquota"), ("limitrange", "limits")];

#[derive(Clone, Debug, PartialEq)]
struct Held {
    name: String,
    min: Value,
    max: u64,
    behavior: Value,
}

impl Before {
    /// Reads and notes it; a note of one that was cut off is believed.
    pub(super) async fn noted(place: &Place, fewest: u64, most: u64, show: &mut dyn Show) -> Result<Self, DemoError> {
        let deployment = place.deployment().await?;
        if let Some(note) = deployment["metadata"]["annotations"][NOTE].as_str() {
            let note = serde_json::from_str(note).ok().and_then(|note: Value| Self::read(&note));
            let before = note.ok_or_else(|| {
                let deployment = &place.deployment;
                let cure = format!("kubectl annotate deployment {deployment} {} {NOTE}-", place.flag());
                DemoError::missing(format!("the annotation {NOTE} of Deployment {deployment} is no note"), cure)
            })?;
            show.line("An earlier demonstration was cut off; what stood before it is known, and will be put back.");
            before.hold(place, fewest, most).await?;
            return Ok(before);
        }
        let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let mut limits = Vec::new();
        for (kind, name) in LIMITS {
            let object = place.kubectl.object(kind, &place.namespace, name).await?;
            limits.push(object.map_or(Value::Null, |object| bare(&object)));
        }
        let before = Self { replicas, hpa: held(place).await?, limits: Some(limits) };
        let note = format!("{NOTE}={}", before.written());
        place.kubectl.run(&["annotate", "deployment", &place.deployment, &place.flag(), &note]).await?;
        Ok(before)
    }

    fn read(note: &Value) -> Option<Self> {
        let hpa = match &note["hpa"] {
            Value::Null => None,
            hpa => Some(Held {
                name: hpa["name"].as_str()?.to_owned(),
                min: hpa["minReplicas"].clone(),
                max: hpa["maxReplicas"].as_u64()?,
                behavior: hpa["behavior"].clone(),
            }),
        };
        Some(Self { replicas: note["replicas"].as_u64()?, hpa, limits: note["limits"].as_array().cloned() })
    }

    fn written(&self) -> Value {
        let hpa = self.hpa.as_ref().map(
            |hpa| json!({"name": hpa.name, "minReplicas": hpa.min, "maxReplicas": hpa.max, "behavior": hpa.behavior}),
        );
        json!({"replicas": self.replicas, "hpa": hpa, "limits": self.limits})
    }

    /// In words, of what will be done with the HPA.
    pub(super) fn told(&self) -> String {
        match &self.hpa {
            None => format!("Before: {} replicas, and no HPA.", self.replicas),
            Some(hpa) => format!(
                "Before: {} replicas, and HPA {}, which would change them: it stays, and is told to hold still meanwhile \
                 (spec.behavior: selectPolicy Disabled).",
                self.replicas, hpa.name
            ),
        }
    }

    /// The HPA holds still from here on.
    pub(super) async fn hold(&self, place: &Place, fewest: u64, most: u64) -> Result<(), DemoError> {
        let Some(hpa) = &self.hpa else { return Ok(()) };
        let still = json!({"scaleUp": {"selectPolicy": "Disabled"}, "scaleDown": {"selectPolicy": "Disabled"}});
        let min = hpa.min.as_u64().unwrap_or(1).min(fewest);
        patch(place, &hpa.name, &json!(min), hpa.max.max(most), Some(&still)).await
    }

    /// All as it stood, and the note gone. A cluster that is away is given time to come back.
    pub(super) async fn put_back(&self, place: &Place, quota: &str, patience: Patience) -> Result<(), DemoError> {
        let began = Instant::now();
        loop {
            match self.once(place, quota).await {
                Err(_) if began.elapsed() < patience.cluster => tokio::time::sleep(patience.look).await,
                done => return done,
            }
        }
    }

    async fn once(&self, place: &Place, quota: &str) -> Result<(), DemoError> {
        match &self.limits {
            Some(limits) => {
                for ((kind, name), object) in LIMITS.iter().zip(limits) {
                    if object.is_null() {
                        place.kubectl.run(&["delete", kind, name, &place.flag(), "--ignore-not-found"]).await?;
                    } else {
                        place.kubectl.fed(&["apply", "--filename=-", &place.flag()], &object.to_string()).await?;
                    }
                }
            }
            None => drop(place.kubectl.run(&["apply", "--filename", quota, &place.flag()]).await?),
        }
        place.scale(self.replicas).await?;
        if let Some(hpa) = &self.hpa
            && place.kubectl.object("hpa", &place.namespace, &hpa.name).await?.is_some()
        {
            let behavior = (!hpa.behavior.is_null()).then_some(&hpa.behavior);
            patch(place, &hpa.name, &hpa.min, hpa.max, behavior).await?;
        }
        let note = format!("{NOTE}-");
        place.kubectl.run(&["annotate", "deployment", &place.deployment, &place.flag(), &note]).await?;
        Ok(())
    }
}

/// Without what the server wrote, and what an earlier apply did.
fn bare(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "spec": object["spec"],
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "labels": metadata["labels"],
            "annotations": annotations,
        },
    })
}

/// The HPA that scales the Deployment.
async fn held(place: &Place) -> Result<Option<Held>, DemoError> {
    let list = place.kubectl.json(&["get", "hpa", &place.flag()]).await?;
    let scales = |hpa: &&Value| {
        let target = &hpa["spec"]["scaleTargetRef"];
        target["kind"] == "Deployment" && target["name"] == place.deployment.as_str()
    };
    let found = list["items"].as_array().into_iter().flatten().find(scales);
    Ok(found.map(|hpa| Held {
        name: hpa["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        min: hpa["spec"]["minReplicas"].clone(),
        max: hpa["spec"]["maxReplicas"].as_u64().unwrap_or(1),
        behavior: hpa["spec"]["behavior"].clone(),
    }))
}

async fn patch(place: &Place, hpa: &str, min: &Value, max: u64, behavior: Option<&Value>) -> Result<(), DemoError> {
    let mut steps = vec![json!({"op": "add", "path": "/spec/maxReplicas", "value": max})];
    if !min.is_null() {
        steps.push(json!({"op": "add", "path": "/spec/minReplicas", "value": min}));
    }
    // Adding replaces what is there; removing refuses where there is nothing.
    steps.push(json!({"op": "add", "path": "/spec/behavior", "value": behavior}));
    if behavior.is_none() {
        steps.push(json!({"op": "remove", "path": "/spec/behavior"}));
    }
    let patch = format!("--patch={}", Value::Array(steps));
    place.kubectl.run(&["patch", "hpa", hpa, &place.flag(), "--type=json", &patch]).await?;
    Ok(())
}
