//! The Kubernetes API, as far as it is used: how it is reached, the objects that are read of it, trimmed to what is
//! used, and watches that go on for ever.

mod backoff;
mod connection;
mod objects;
mod resources;
mod watch;

pub use backoff::Backoff;
pub use connection::{Connection, ConnectionError, Place};
pub use objects::{
    ApiService, ConfigMap, Deployment, Endpoint, EndpointSlice, HorizontalPodAutoscaler, Node, Object, Pod, ReplicaSet,
    Secret, Service, ServiceReference, StatefulSet, hpa, pod,
};
pub use resources::resources;
pub use watch::{Event, Gone, Seen, Watch, WatchState, Watches, describe_metrics};

/// Why the API server refused, or did not answer, in one line that says what to do where that is known.
#[must_use]
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            let hint = match status.code {
                401 => "; is the service account's token mounted and valid?",
                403 => "; the roles in k8s/metrics-adapter allow it",
                _ => "",
            };
            format!("the API server answered {}: {}{hint}", status.code, status.message)
        }
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(inner) = cause {
                let inner_text = inner.to_string();
                if !text.contains(&inner_text) {
                    text = format!("{text}: {inner_text}");
                }
                cause = inner.source();
            }
            text
        }
    }
}
