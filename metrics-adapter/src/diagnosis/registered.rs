use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;

use super::ask::Unanswered;
use super::link::Fault;
use super::{Examination, MetricsApi};
use crate::registration::LABEL;

/// The port of a Service that is called, unless the `APIService` says another.
const PORT: i32 = 443;

/// A version of an API, and who is registered for it.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) api: MetricsApi,
    pub(super) version: &'static str,
    /// None if who asks may not see it.
    pub(super) object: Option<APIService>,
    /// None if it cannot be seen.
    pub(super) by: Option<Registration>,
}

/// Who serves an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) program: Program,
    /// Of the Service.
    pub(super) namespace: String,
    /// Of the Service.
    pub(super) service: String,
    pub(super) port: i32,
}

/// Which program it is, as far as names tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// This one.
    Ours,
    PrometheusAdapter,
    Keda,
    MetricsServer,
    Unknown,
}

impl Program {
    fn of(object: &APIService, service: &str) -> Self {
        let label = |name: &str| object.metadata.labels.as_ref().and_then(|labels| labels.get(name));
        if label(LABEL.0).is_some_and(|value| value == LABEL.1) {
            return Self::Ours;
        }
        let known = [
            ("prometheus-adapter", Self::PrometheusAdapter),
            ("keda", Self::Keda),
            ("metrics-server", Self::MetricsServer),
        ];
        let names = [Some(service), label(LABEL.0).map(String::as_str), label("k8s-app").map(String::as_str)];
        let named = |part: &str| names.iter().flatten().any(|name| name.contains(part));
        known.into_iter().find(|(part, _)| named(part)).map_or(Self::Unknown, |(_, program)| program)
    }

    /// What puts back what is missing of it.
    pub(super) fn install(self, api: MetricsApi) -> &'static str {
        match (self, api) {
            (Self::Ours, MetricsApi::Resource) => "kubectl apply -k k8s/metrics-adapter/complete puts it back",
            (Self::Ours, _) => "kubectl apply -k k8s/metrics-adapter puts it back",
            (Self::PrometheusAdapter, _) => "install prometheus-adapter again, as by its Helm chart",
            (Self::Keda, _) => "install KEDA again, as by its Helm chart",
            (Self::MetricsServer, _) => "install metrics-server again, as by its manifest components.yaml",
            (Self::Unknown, _) => "install what served it again",
        }
    }
}

impl Registration {
    /// By which it is told from others.
    pub(super) fn key(&self) -> (String, String, i32) {
        (self.namespace.clone(), self.service.clone(), self.port)
    }

    /// As it is called in messages.
    pub(super) fn subject(&self) -> String {
        format!("Service {}/{}", self.namespace, self.service)
    }

    /// What shows the log of what serves it.
    pub(super) fn logs(&self) -> String {
        format!("kubectl -n {} logs service/{}", self.namespace, self.service)
    }

    /// What changes this adapter's configuration.
    pub(super) fn configure(&self) -> String {
        format!("kubectl -n {} edit configmap metrics-adapter", self.namespace)
    }

    /// What its certificate is made out to.
    pub(super) fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }
}

impl Registered {
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.version, self.api.group())
    }

    pub(super) fn subject(&self) -> String {
        format!("APIService {}", self.name())
    }

    /// Where it lists what it has.
    pub(super) fn path(&self) -> String {
        format!("/apis/{}/{}", self.api.group(), self.version)
    }

    /// Its condition `Available`: whether it is true, the reason and the message.
    pub(super) fn available(&self) -> Option<(bool, &str, &str)> {
        let conditions = self.object.as_ref()?.status.as_ref()?.conditions.as_ref()?;
        let condition = conditions.iter().find(|condition| condition.type_ == "Available")?;
        let reason = condition.reason.as_deref().unwrap_or_default();
        Some((condition.status == "True", reason, condition.message.as_deref().unwrap_or_default()))
    }
}

impl Examination<'_> {
    /// The versions of an API that are registered, the preferred one first. `needs` is an autoscaler that cannot do
    /// without one.
    pub(super) async fn registered(&mut self, api: MetricsApi, needs: Option<&str>) -> Result<Vec<Registered>, Fault> {
        let services: Api<APIService> = Api::all(self.asker.client.clone());
        let mut all = Vec::new();
        for &version in api.versions() {
            let mut registered = Registered { api, version, object: None, by: None };
            match self.asker.get(&services, &registered.name()).await {
                Ok(object) => {
                    registered.by = Some(self.served(&registered, &object)?);
                    registered.object = Some(object);
                    all.push(registered);
                }
                Err(Unanswered::Missing(_)) => {}
                Err(why) => {
                    let _: Option<()> = self.trail.without(&registered.subject(), why)?;
                    // Whether there is one can be told by what it does.
                    if !matches!(self.asker.json(&registered.path()).await, Err(Unanswered::Missing(_))) {
                        all.push(registered);
                    }
                }
            }
        }
        if all.is_empty() && (needs.is_some() || self.scope.api == Some(api)) {
            return Err(missing(api, needs));
        }
        Ok(all)
    }

    /// Who is registered.
    fn served(&mut self, registered: &Registered, object: &APIService) -> Result<Registration, Fault> {
        let (subject, name) = (registered.subject(), registered.name());
        let Some(reference) = object.spec.as_ref().and_then(|spec| spec.service.as_ref()) else {
            return Err(Fault::new(
                subject,
                "names no Service, so the API server looks for the metrics in itself, where there are none",
                format!(
                    "delete it, kubectl delete apiservice {name}, and register a metrics server's: kubectl apply -k k8s/metrics-adapter"
                ),
            ));
        };
        let namespace = reference.namespace.clone().unwrap_or_default();
        let service = reference.name.clone().unwrap_or_default();
        let program = Program::of(object, &service);
        let by = Registration { program, namespace, service, port: reference.port.unwrap_or(PORT) };
        self.trail.good(&subject, format!("served by {}/{}", by.namespace, by.service));
        Ok(by)
    }
}

fn missing(api: MetricsApi, needs: Option<&str>) -> Fault {
    let version = api.versions()[0];
    let subject = format!("APIService {version}.{api}");
    let wrong = match needs {
        Some(autoscaler) => format!("there is none, and {autoscaler} needs it"),
        None => "there is none".to_owned(),
    };
    let cure = match api {
        MetricsApi::Resource => {
            "install a server of it: kubectl apply -k k8s/metrics-adapter/complete, or metrics-server where that is kept"
        }
        MetricsApi::Custom => "install a server of it: kubectl apply -k k8s/metrics-adapter",
        MetricsApi::External => "install a server of it: kubectl apply -k k8s/metrics-adapter, or KEDA",
    };
    Fault::new(subject, wrong, cure)
}
