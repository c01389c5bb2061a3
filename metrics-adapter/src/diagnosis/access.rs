use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReviewSpec};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec};
use k8s_openapi::api::core::v1::Pod;

use super::link::Fault;
use super::registered::{Program, Registered, Registration};
use super::service::Behind;
use super::{Examination, MetricsApi, ask};

/// Whom the autoscalers' controller asks as.
const CONTROLLER: (&str, &str) = ("kube-system", "horizontal-pod-autoscaler");
/// Where the API server says by whom it is known.
const AUTHENTICATION: (&str, &str) = ("kube-system", "extension-apiserver-authentication");

/// What somebody must be able to do.
#[derive(Clone, Debug, Default)]
struct Deed {
    verb: &'static str,
    group: &'static str,
    resource: String,
    subresource: String,
    namespace: String,
    name: &'static str,
}

impl Deed {
    fn of(verb: &'static str, group: &'static str, resource: &str) -> Self {
        Self { verb, group, resource: resource.to_owned(), ..Self::default() }
    }

    /// As in `get pods/http_requests_per_second.custom.metrics.k8s.io in namespace shop`.
    fn words(&self) -> String {
        let Self { verb, group, resource, subresource, namespace, .. } = self;
        let below = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
        format!("{verb} {resource}{below}{group}{place}")
    }

    fn spec(&self, namespace: &str, account: &str) -> SubjectAccessReviewSpec {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
            groups: Some(groups.into_iter().chain(["system:authenticated".to_owned()]).collect()),
            resource_attributes: Some(ResourceAttributes {
                verb: some(self.verb),
                group: some(self.group),
                version: Some("*".to_owned()),
                resource: some(&self.resource),
                subresource: some(&self.subresource),
                namespace: some(&self.namespace),
                name: some(self.name),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        }
    }
}

impl Examination<'_> {
    /// The autoscalers' controller must be let to read the API.
    pub(super) async fn autoscalers_access(
        &mut self,
        registered: &Registered,
        autoscalers: &[HorizontalPodAutoscaler],
    ) -> Result<(), Fault> {
        let api = registered.api;
        let metrics = autoscalers.iter().flat_map(|own| {
            let namespace = own.metadata.namespace.as_deref().unwrap_or_default();
            own.spec.metrics.iter().flatten().map(move |metric| (namespace, metric))
        });
        let first = metrics.into_iter().find_map(|(namespace, metric)| needed(api, namespace, metric));
        let deed = first.unwrap_or_else(|| anything(api));
        let subject = format!("ServiceAccount {}/{}", CONTROLLER.0, CONTROLLER.1);
        let (verb, group) = (deed.verb, api.group());
        let cure = format!(
            "kubectl create clusterrole hpa-reads-{verb} --verb={verb} --resource='*.{group}' and kubectl create \
             clusterrolebinding hpa-reads-{verb} --clusterrole=hpa-reads-{verb} --serviceaccount={}:{}",
            CONTROLLER.0, CONTROLLER.1
        );
        let who = (CONTROLLER.0, CONTROLLER.1);
        let allowed = self.may(&subject, who, &deed).await?;
        if allowed == Some(false) {
            return Err(Fault::new(subject, format!("the HPA controller may not {}", deed.words()), cure));
        }
        Ok(())
    }

    /// The server must be let to ask who asks it, and whether they may; this one must see the pods, too.
    pub(super) async fn server_access(
        &mut self,
        api: MetricsApi,
        by: &Registration,
        behind: &Behind,
    ) -> Result<(), Fault> {
        let Some(pod) = behind.pods.first() else { return Ok(()) };
        let (namespace, account) = (by.namespace.as_str(), account(pod));
        let binding = format!(
            "kubectl create clusterrolebinding {account}:system:auth-delegator --clusterrole=system:auth-delegator \
             --serviceaccount={namespace}:{account}"
        );
        let reader = format!(
            "kubectl -n {} create rolebinding {account}-auth-reader --role=extension-apiserver-authentication-reader \
             --serviceaccount={namespace}:{account}",
            AUTHENTICATION.0
        );
        let mut deeds = vec![(Deed::of("create", "authorization.k8s.io", "subjectaccessreviews"), binding.clone())];
        if by.program == Program::Ours {
            let known = Deed {
                namespace: AUTHENTICATION.0.to_owned(),
                name: AUTHENTICATION.1,
                ..Deed::of("watch", "", "configmaps")
            };
            let roles = by.program.install(api).to_owned();
            deeds.push((Deed::of("create", "authentication.k8s.io", "tokenreviews"), binding));
            deeds.push((known, reader));
            for place in namespaces(pod) {
                deeds.push((Deed { namespace: place, ..Deed::of("list", "", "pods") }, roles.clone()));
            }
        }
        for (deed, cure) in deeds {
            self.must(by, account, &deed, &cure).await?;
        }
        Ok(())
    }

    /// This adapter must be let to read what kubelets measure, where it serves that.
    pub(super) async fn kubelets_access(&mut self, by: &Registration, behind: &Behind) -> Result<(), Fault> {
        let Some(pod) = behind.pods.first().filter(|_| by.program == Program::Ours) else { return Ok(()) };
        let kubelets = Deed { subresource: "metrics".to_owned(), ..Deed::of("get", "", "nodes") };
        self.must(by, account(pod), &kubelets, by.program.install(MetricsApi::Resource)).await
    }

    async fn must(&mut self, by: &Registration, account: &str, deed: &Deed, cure: &str) -> Result<(), Fault> {
        let subject = format!("ServiceAccount {}/{account}", by.namespace);
        if self.may(&subject, (&by.namespace, account), deed).await? == Some(false) {
            return Err(Fault::new(subject, format!("may not {}, as {} must", deed.words(), by.subject()), cure));
        }
        Ok(())
    }

    /// Whether a service account may do that; none if that may not be asked.
    async fn may(&mut self, subject: &str, who: (&str, &str), deed: &Deed) -> Result<Option<bool>, Fault> {
        let review = self.asker.may(deed.spec(who.0, who.1)).await;
        match review {
            Ok(allowed) => {
                if allowed {
                    self.trail.good(subject, format!("may {}", deed.words()));
                }
                Ok(Some(allowed))
            }
            Err(why @ ask::Unanswered::Refused(_)) => {
                self.trail.unseen(&format!("whether {subject} may {}", deed.words()), &why.to_string());
                Ok(None)
            }
            Err(why) => self.trail.without(subject, why),
        }
    }
}

/// Whom a pod asks as.
fn account(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default")
}

/// What the controller does for a metric of an API.
fn needed(api: MetricsApi, namespace: &str, metric: &MetricSpec) -> Option<Deed> {
    if MetricsApi::of(metric) != Some(api) {
        return None;
    }
    let mut deed = Deed { namespace: namespace.to_owned(), ..anything(api) };
    if let Some(pods) = &metric.pods {
        (deed.resource, deed.subresource) = ("pods".to_owned(), pods.metric.name.clone());
    } else if let Some(external) = &metric.external {
        deed.resource.clone_from(&external.metric.name);
    }
    Some(deed)
}

fn anything(api: MetricsApi) -> Deed {
    let (verb, resource) = api.asked();
    Deed::of(verb, api.group(), resource)
}

/// The namespaces that this adapter was told to look at; one without a name is all of them.
fn namespaces(pod: &Pod) -> Vec<String> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let told = containers.flat_map(|container| {
        let arguments = container.args.iter().flatten().filter_map(|own| own.strip_prefix("--namespaces="));
        let variables = container.env.iter().flatten().filter(|own| own.name == "NAMESPACES");
        arguments.chain(variables.filter_map(|own| own.value.as_deref()))
    });
    let told: Vec<String> = told.flat_map(|own| own.split(',')).map(str::to_owned).collect();
    if told.is_empty() { vec![String::new()] } else { told }
}
