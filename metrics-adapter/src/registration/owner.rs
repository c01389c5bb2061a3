use crate::kubernetes::{ApiService, ServiceReference};

/// What an `APIService` of its own is labelled: the label's name and its value.
pub const LABEL: (&str, &str) = ("app.kubernetes.io/name", "metrics-adapter");

/// What makes an `APIService` its own, beside the label.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its Service's namespace.
    pub namespace: String,
    /// Its Service's name.
    pub service: String,
    /// Whether the certificate is made here.
    pub makes_its_own: bool,
}

/// Whose an `APIService` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It points here, and is labelled so.
    Ours,
    /// Somebody else's: whose, as a part of a sentence.
    Foreign(String),
    /// There is none.
    Missing,
}

impl Own {
    pub(super) fn of(&self, object: Option<&ApiService>) -> Owner {
        let Some(object) = object else { return Owner::Missing };
        let Some(ServiceReference { namespace, name, .. }) = &object.spec.service else {
            return Owner::Foreign("served by the API server itself".to_owned());
        };
        let (namespace, name) = (namespace.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default());
        if (namespace, name) != (&*self.namespace, &*self.service) {
            return Owner::Foreign(format!("served by {namespace}/{name}"));
        }
        let label = object.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL.0));
        match label {
            Some(value) if value == LABEL.1 => Owner::Ours,
            _ => Owner::Foreign(format!("pointing here without the label {}={}", LABEL.0, LABEL.1)),
        }
    }
}

/// Whether the API server finds it available, and what it says of that.
pub(super) fn available(object: &ApiService) -> Option<(bool, String)> {
    let conditions = object.status.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == "Available")?;
    let text = [&condition.reason, &condition.message].map(|text| text.clone().unwrap_or_default());
    Some((condition.status == "True", text.join(": ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_apiservice_is_its_own_by_the_label_and_by_pointing_at_its_service() {
        let own =
            Own { namespace: "monitoring".to_owned(), service: "metrics-adapter".to_owned(), makes_its_own: true };
        let object = |label: &str, namespace: &str, name: &str| {
            serde_json::from_value::<ApiService>(json!({
                "metadata": {"labels": {"app.kubernetes.io/name": label}},
                "spec": {"service": {"namespace": namespace, "name": name}},
            }))
            .unwrap()
        };
        let foreign = |text: &str| Owner::Foreign(text.to_owned());
        let table = [
            (object("metrics-adapter", "monitoring", "metrics-adapter"), Owner::Ours),
            (object("metrics-adapter", "monitoring", "other"), foreign("served by monitoring/other")),
            (
                object("metrics-adapter", "kube-system", "metrics-adapter"),
                foreign("served by kube-system/metrics-adapter"),
            ),
            (
                object("other", "monitoring", "metrics-adapter"),
                foreign("pointing here without the label app.kubernetes.io/name=metrics-adapter"),
            ),
        ];
        for (object, owner) in table {
            assert_eq!(own.of(Some(&object)), owner);
        }
        let local = serde_json::from_value(json!({"metadata": {}, "spec": {"service": null}})).unwrap();
        assert_eq!(own.of(Some(&local)), foreign("served by the API server itself"));
        assert_eq!(own.of(None), Owner::Missing);
    }
}
