use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;

use super::Examination;
use super::ask::Unanswered;
use super::link::Fault;
use super::registered::{Registered, Registration};

/// What stands behind an API.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// The pods that the Service selects.
    pub(super) pods: Vec<Pod>,
    /// The port of the pods that is called.
    pub(super) port: Option<i32>,
}

impl Examination<'_> {
    /// The Service that is named must be there, and have pods that are ready.
    pub(super) async fn service(&mut self, registered: &Registered, by: &Registration) -> Result<Behind, Fault> {
        let client = self.asker.client.clone();
        let services: Api<Service> = Api::namespaced(client, &by.namespace);
        let service = match self.asker.get(&services, &by.service).await {
            Ok(service) => service,
            Err(Unanswered::Missing(_)) => return Err(self.no_service(registered, by).await),
            Err(why) => return self.trail.without(&by.subject(), why).map(Option::unwrap_or_default),
        };
        let spec = service.spec.unwrap_or_default();
        if spec.type_.as_deref() == Some("ExternalName") {
            self.trail.good(&by.subject(), "is somewhere else, by ExternalName");
            return Ok(Behind::default());
        }
        let ports = spec.ports.unwrap_or_default();
        let Some(port) = ports.iter().find(|own| own.port == by.port) else {
            return Err(no_port(registered, by, &ports));
        };
        let selector = spec.selector.unwrap_or_default();
        let slices: Api<EndpointSlice> = Api::namespaced(self.asker.client.clone(), &by.namespace);
        let labels = format!("kubernetes.io/service-name={}", by.service);
        let slices = match self.asker.list(&slices, &labels).await {
            Ok(slices) => slices,
            Err(why) => {
                let _: Option<()> = self.trail.without(&format!("endpoints of {}", by.subject()), why)?;
                return Ok(Behind { pods: self.selected(by, &selector).await?.unwrap_or_default(), port: None });
            }
        };
        let pods = self.selected(by, &selector).await?;
        let ready: Vec<&EndpointSlice> = slices.iter().filter(|slice| ready(slice) > 0).collect();
        if ready.is_empty() {
            return Err(self.no_endpoints(registered, by, &selector, pods.as_deref()).await);
        }
        let Some(number) = ready.iter().find_map(|slice| number(slice, port)) else {
            let target = target(port);
            return Err(Fault::new(
                by.subject(),
                format!("its port {} goes to {target}, and none of its pods has a port of that name", by.port),
                "name a port in the pods' containers so, or set targetPort of the Service to the number that they listen on",
            ));
        };
        let count: usize = ready.iter().map(|slice| self::ready(slice)).sum();
        self.trail.good(&by.subject(), format!("{count} ready at port {number}"));
        Ok(Behind { pods: pods.unwrap_or_default(), port: Some(number) })
    }

    /// The pods with these labels; none if they cannot be seen, or nothing is selected.
    async fn selected(
        &mut self,
        by: &Registration,
        selector: &BTreeMap<String, String>,
    ) -> Result<Option<Vec<Pod>>, Fault> {
        if selector.is_empty() {
            return Ok(None);
        }
        let pods: Api<Pod> = Api::namespaced(self.asker.client.clone(), &by.namespace);
        match self.asker.list(&pods, &labels(selector)).await {
            Ok(pods) => Ok(Some(pods)),
            Err(why) => self.trail.without(&format!("pods of {}", by.subject()), why),
        }
    }

    async fn no_service(&mut self, registered: &Registered, by: &Registration) -> Fault {
        let namespaces: Api<Namespace> = Api::all(self.asker.client.clone());
        let gone = matches!(self.asker.get(&namespaces, &by.namespace).await, Err(Unanswered::Missing(_)));
        let what = if gone { format!(", not even the namespace {}", by.namespace) } else { String::new() };
        Fault::new(
            registered.subject(),
            format!("points at {}, which does not exist{what}", by.subject()),
            format!(
                "{}; if it is not wanted any more, kubectl delete apiservice {}: until then no namespace can be deleted",
                by.program.install(registered.api),
                registered.name()
            ),
        )
    }

    async fn no_endpoints(
        &mut self,
        registered: &Registered,
        by: &Registration,
        selector: &BTreeMap<String, String>,
        pods: Option<&[Pod]>,
    ) -> Fault {
        if selector.is_empty() {
            return Fault::new(
                by.subject(),
                "selects no pods and has no endpoints",
                format!(
                    "give it the labels of the server's pods in spec.selector; {}",
                    by.program.install(registered.api)
                ),
            );
        }
        match pods {
            Some([]) => self.no_pods(registered, by, selector).await,
            Some(pods) => self.not_ready(by, pods).await,
            None => Fault::new(
                by.subject(),
                "has no ready pod",
                format!("kubectl -n {} describe pods -l {} says why", by.namespace, labels(selector)),
            ),
        }
    }

    async fn no_pods(
        &mut self,
        registered: &Registered,
        by: &Registration,
        selector: &BTreeMap<String, String>,
    ) -> Fault {
        let (namespace, labels) = (&by.namespace, labels(selector));
        let wrong = format!("selects pods with {labels}, and there is none");
        let deployments: Api<Deployment> = Api::namespaced(self.asker.client.clone(), namespace);
        let deployments = self.asker.list(&deployments, "").await.unwrap_or_default();
        let makes = |own: &&Deployment| {
            let template = own.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
            let has = template.and_then(|metadata| metadata.labels.as_ref());
            has.is_some_and(|has| selector.iter().all(|(name, value)| has.get(name) == Some(value)))
        };
        let Some(deployment) = deployments.iter().find(makes) else {
            return Fault::new(by.subject(), wrong, by.program.install(registered.api));
        };
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        if deployment.spec.as_ref().and_then(|spec| spec.replicas) == Some(0) {
            let wrong = format!("{wrong}: Deployment {name} has 0 replicas");
            return Fault::new(
                by.subject(),
                wrong,
                format!("kubectl -n {namespace} scale deployment {name} --replicas=2"),
            );
        }
        let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_ref());
        let failure =
            conditions.into_iter().flatten().find(|own| own.type_ == "ReplicaFailure" && own.status == "True");
        let said = failure.and_then(|own| own.message.as_deref()).map(|text| format!(": {text}")).unwrap_or_default();
        Fault::new(
            by.subject(),
            format!("{wrong}, though Deployment {name} wants some{said}"),
            format!("kubectl -n {namespace} describe replicasets says what keeps them from being made, as a quota"),
        )
    }
}

fn no_port(registered: &Registered, by: &Registration, ports: &[ServicePort]) -> Fault {
    let known: Vec<String> = ports.iter().map(|port| port.port.to_string()).collect();
    let cure = match known.first() {
        Some(first) => format!(
            "name it in the APIService: kubectl patch apiservice {} --type=merge -p '{{\"spec\":{{\"service\":{{\"port\":{first}}}}}}}'",
            registered.name()
        ),
        None => by.program.install(registered.api).to_owned(),
    };
    let known = if known.is_empty() { "no port at all".to_owned() } else { format!("only {}", known.join(", ")) };
    Fault::new(registered.subject(), format!("calls port {} of {}, which has {known}", by.port, by.subject()), cure)
}

/// How many of its endpoints are ready; what does not say so is.
fn ready(slice: &EndpointSlice) -> usize {
    let ready = |conditions: &k8s_openapi::api::discovery::v1::EndpointConditions| conditions.ready != Some(false);
    let endpoints = slice.endpoints.iter().flatten();
    endpoints.filter(|own| own.conditions.as_ref().is_none_or(ready) && !own.addresses.is_empty()).count()
}

/// At which port of the pods a port of the Service ends.
fn number(slice: &EndpointSlice, port: &ServicePort) -> Option<i32> {
    let named = |own: &Option<String>| own.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default();
    slice.ports.iter().flatten().find(|own| named(&own.name)).and_then(|own| own.port)
}

fn target(port: &ServicePort) -> String {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::{Int, String};
    match &port.target_port {
        Some(Int(number)) => number.to_string(),
        Some(String(name)) => name.clone(),
        None => port.port.to_string(),
    }
}

pub(super) fn labels(selector: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = selector.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.join(",")
}
