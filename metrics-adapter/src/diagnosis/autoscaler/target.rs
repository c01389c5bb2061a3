use std::time::Duration;

use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::autoscaling::v2::{CrossVersionObjectReference, HorizontalPodAutoscaler, MetricSpec};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Api;

use super::super::ask::Unanswered;
use super::super::link::Fault;
use super::super::{Examination, pods};
use super::named;
use crate::model::{DiscoveredResource, Wall};

/// Until then a pod may have no value: it is found, read twice, and asked for.
const YOUNG: Duration = Duration::from_mins(2);

/// What is wrong, and what mends it.
type Wrong = (String, String);

/// What an autoscaler scales.
#[derive(Debug)]
pub(super) struct Scaled {
    pub(super) namespace: String,
    /// As `Deployment web`.
    what: String,
    /// Of its pods, as it says itself.
    pub(super) selector: String,
    /// None if they cannot be seen.
    pods: Option<Vec<Pod>>,
}

impl Examination<'_> {
    /// What it scales must be there and have pods. None if that cannot be seen, or if it is scaled to nothing.
    pub(super) async fn target(
        &mut self,
        autoscaler: &HorizontalPodAutoscaler,
        kinds: Option<&[DiscoveredResource]>,
    ) -> Result<Option<Scaled>, Fault> {
        let subject = named(autoscaler);
        let namespace = autoscaler.metadata.namespace.clone().unwrap_or_default();
        let target = &autoscaler.spec.scale_target_ref;
        let what = format!("{} {}", target.kind, target.name);
        let kind = kind_of(target, kinds).map_err(|(wrong, cure)| Fault::new(&subject, wrong, cure))?;
        let Some(kind) = kind else { return Ok(None) };
        let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
        let path = format!("{root}/{}/namespaces/{namespace}/{}/{}/scale", kind.version, kind.plural, target.name);
        let scale = match self.asker.json(&path).await {
            Ok(scale) => serde_json::from_value::<Scale>(scale).unwrap_or_default(),
            Err(Unanswered::Missing(said)) if said.contains("not found") && said.contains(&target.name) => {
                return Err(Fault::new(
                    subject,
                    format!("scales {what}, which does not exist in namespace {namespace}"),
                    "create it, or correct spec.scaleTargetRef",
                ));
            }
            Err(Unanswered::Missing(_)) => {
                return Err(Fault::new(
                    subject,
                    format!("scales {what}, and objects of that kind cannot be scaled"),
                    "name a Deployment or StatefulSet in spec.scaleTargetRef; a custom resource needs the scale subresource",
                ));
            }
            Err(why) => return self.trail.without(&format!("{what} in namespace {namespace}"), why),
        };
        let selector = scale.status.as_ref().and_then(|status| status.selector.clone()).unwrap_or_default();
        if selector.is_empty() {
            let wrong = format!("scales {what}, whose scale names no selector of pods");
            return Err(Fault::new(
                subject,
                wrong,
                "give it a selector; a custom resource names it in labelSelectorPath",
            ));
        }
        if scale.spec.and_then(|spec| spec.replicas) == Some(0) {
            self.trail.remark(&subject, format!("{what} has 0 replicas, and is not scaled until it has some"));
            return Ok(None);
        }
        let api: Api<Pod> = Api::namespaced(self.asker.client.clone(), &namespace);
        let pods = match self.asker.list(&api, &selector).await {
            Ok(pods) if pods.is_empty() => {
                return Err(Fault::new(
                    subject,
                    format!("scales {what}, which has no pod with {selector}"),
                    format!("kubectl -n {namespace} describe {} {} says why none is made", kind.singular, target.name),
                ));
            }
            Ok(pods) => Some(pods),
            Err(why) => self.trail.without(&format!("pods of {what} in namespace {namespace}"), why)?,
        };
        let count = pods.as_ref().map_or_else(String::new, |pods| format!(", {} pods", pods.len()));
        self.trail.good(&subject, format!("scales {what}{count}"));
        Ok(Some(Scaled { namespace, what, selector, pods }))
    }
}

impl Scaled {
    /// The pods that must have a value by now.
    pub(super) fn due(&self, now: Wall) -> Vec<&str> {
        let young = i64::try_from(YOUNG.as_secs()).unwrap_or(i64::MAX);
        let old = |pod: &Pod| {
            let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
            started.is_some_and(|at| now.seconds().saturating_sub(at.0.as_second()) > young)
        };
        let all = self.pods.iter().flatten();
        let due = all.filter(|pod| pods::is_running(pod) && pods::is_ready(pod) && !pods::is_leaving(pod) && old(pod));
        due.map(pods::name).collect()
    }

    /// A threshold in percent is one of what the pods request.
    pub(super) fn requests(&self, metric: &MetricSpec) -> Result<(), Wrong> {
        let resource = metric.resource.as_ref().map(|own| (&own.name, None, &own.target));
        let container = metric.container_resource.as_ref();
        let container = container.map(|own| (&own.name, Some(&own.container), &own.target));
        let Some((resource, container, target)) = resource.or(container) else { return Ok(()) };
        for pod in self.pods.iter().flatten().filter(|pod| !pods::is_leaving(pod)) {
            let Some(spec) = &pod.spec else { continue };
            let sidecars = spec.init_containers.iter().flatten();
            let sidecars = sidecars.filter(|own| own.restart_policy.as_deref() == Some("Always"));
            let mut all = spec.containers.iter().chain(sidecars);
            if let Some(container) = container
                && !all.clone().any(|own| own.name == *container)
            {
                return Err((
                    format!(
                        "wants {resource} of container {container}, and pod {} has none of that name",
                        pods::name(pod)
                    ),
                    format!("name a container of {} in spec.metrics", self.what),
                ));
            }
            let requests = |own: &Container| {
                let requests = own.resources.as_ref().and_then(|own| own.requests.as_ref());
                requests.is_some_and(|requests| requests.contains_key(resource))
            };
            let whole = spec.resources.as_ref().and_then(|own| own.requests.as_ref());
            let as_pod = container.is_none() && whole.is_some_and(|requests| requests.contains_key(resource));
            if target.type_ != "Utilization" || as_pod {
                continue;
            }
            let wanted = |own: &&Container| container.is_none_or(|name| own.name == *name) && !requests(own);
            if let Some(without) = all.find(wanted) {
                return Err((
                    format!(
                        "wants {resource} in percent of what is requested, and container {} of pod {} requests none",
                        without.name,
                        pods::name(pod)
                    ),
                    format!("set resources.requests.{resource} of that container in {}", self.what),
                ));
            }
        }
        Ok(())
    }
}

/// The kind that a reference means. None if what kinds there are could not be seen.
pub(super) fn kind_of<'a>(
    reference: &CrossVersionObjectReference,
    kinds: Option<&'a [DiscoveredResource]>,
) -> Result<Option<&'a DiscoveredResource>, Wrong> {
    let Some(kinds) = kinds else { return Ok(None) };
    let version = reference.api_version.as_deref().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let found = kinds.iter().find(|own| own.kind == reference.kind && own.group == group);
    if found.is_some() {
        return Ok(found);
    }
    let wrong = format!("names {} {} of {version}, and the cluster has no such kind", reference.kind, reference.name);
    let cure = match kinds.iter().find(|own| own.kind == reference.kind) {
        Some(other) if other.group.is_empty() => format!("write apiVersion: {}", other.version),
        Some(other) => format!("write apiVersion: {}/{}", other.group, other.version),
        None => "correct its kind, or install what defines it".to_owned(),
    };
    Err((wrong, cure))
}
