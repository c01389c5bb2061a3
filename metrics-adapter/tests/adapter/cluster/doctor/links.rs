//! An `APIService`, what it leads to, and by which certificate that is known, each broken by itself.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::world::{CUSTOM, RESOURCE, World, each_is_named};
use crate::support::kube::objects;
use crate::support::kube::{Authority, Leaf};

const APISERVICE: &str = "APIService v1beta2.custom.metrics.k8s.io";
const SERVICE: &str = "Service monitoring/metrics-adapter";

#[test]
fn a_registration_that_leads_nowhere_is_named() {
    each_is_named(&[
        (
            "no APIService",
            |world| {
                world.stage.kube.remove("apiservices", "", CUSTOM);
                world.stage.kube.remove("apiservices", "", "v1beta1.custom.metrics.k8s.io");
            },
            APISERVICE,
            "there is none, and HPA shop/web needs it",
            "kubectl apply -k k8s/metrics-adapter",
        ),
        (
            "no APIService of usage",
            |world| _ = world.stage.kube.remove("apiservices", "", RESOURCE),
            "APIService v1beta1.metrics.k8s.io",
            "there is none, and HPA shop/web needs it",
            "kubectl apply -k k8s/metrics-adapter/complete, or metrics-server",
        ),
        (
            "no Service is named",
            |world| {
                world.api_service(CUSTOM, |own| {
                    own["spec"] = json!({"group": "custom.metrics.k8s.io", "version": "v1beta2"});
                });
            },
            APISERVICE,
            "names no Service",
            "kubectl delete apiservice v1beta2.custom.metrics.k8s.io",
        ),
        (
            "no Service",
            |world| _ = world.stage.kube.remove("services", "monitoring", "metrics-adapter"),
            APISERVICE,
            "points at Service monitoring/metrics-adapter, which does not exist",
            "kubectl apply -k k8s/metrics-adapter puts it back",
        ),
        (
            "no namespace",
            |world| world.api_service(CUSTOM, |own| own["spec"]["service"]["namespace"] = json!("gone")),
            APISERVICE,
            "not even the namespace gone",
            "kubectl delete apiservice v1beta2.custom.metrics.k8s.io",
        ),
        (
            "no port",
            |world| world.api_service(CUSTOM, |own| own["spec"]["service"]["port"] = json!(8443)),
            APISERVICE,
            "calls port 8443 of Service monitoring/metrics-adapter, which has only 443",
            "{\"spec\":{\"service\":{\"port\":443}}}",
        ),
        (
            "metrics-server is gone",
            |world| _ = world.stage.kube.remove("services", "kube-system", "metrics-server"),
            "APIService v1beta1.metrics.k8s.io",
            "points at Service kube-system/metrics-server, which does not exist",
            "install metrics-server again",
        ),
    ]);
}

fn no_endpoints(world: &World) {
    world.stage.kube.remove("endpointslices", "monitoring", "metrics-adapter-2vmmq");
}

fn no_pods(world: &World) {
    no_endpoints(world);
    world.stage.kube.remove("pods", "monitoring", "metrics-adapter-0");
}

#[test]
fn a_service_without_pods_is_named() {
    each_is_named(&[
        (
            "nothing is selected",
            |world| {
                no_endpoints(world);
                world
                    .stage
                    .kube
                    .change("services", "monitoring", "metrics-adapter", |own| own["spec"]["selector"] = json!(null));
            },
            SERVICE,
            "selects no pods and has no endpoints",
            "spec.selector",
        ),
        (
            "scaled to nothing",
            |world| {
                no_pods(world);
                world
                    .stage
                    .kube
                    .change("deployments", "monitoring", "metrics-adapter", |own| own["spec"]["replicas"] = json!(0));
            },
            SERVICE,
            "and there is none: Deployment metrics-adapter has 0 replicas",
            "kubectl -n monitoring scale deployment metrics-adapter --replicas=2",
        ),
        (
            "forbidden pods",
            |world| {
                no_pods(world);
                let condition = json!([{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]);
                world.stage.kube.change("deployments", "monitoring", "metrics-adapter", |own| {
                    own["status"]["conditions"] = condition;
                });
            },
            SERVICE,
            "though Deployment metrics-adapter wants some: exceeded quota",
            "kubectl -n monitoring describe replicasets",
        ),
        (
            "no Deployment",
            |world| {
                no_pods(world);
                world.stage.kube.remove("deployments", "monitoring", "metrics-adapter");
            },
            SERVICE,
            "selects pods with app.kubernetes.io/name=metrics-adapter, and there is none",
            "kubectl apply -k k8s/metrics-adapter puts it back",
        ),
        (
            "a port that no pod has",
            |world| {
                let slice = objects::endpoint_slice(
                    "monitoring",
                    "metrics-adapter",
                    ("other", 1),
                    &[("metrics-adapter-0", "10.0.0.1", true)],
                );
                world.stage.kube.put("endpointslices", slice);
            },
            SERVICE,
            "its port 443 goes to https, and none of its pods has a port of that name",
            "targetPort",
        ),
    ]);
}

fn leaf() -> Leaf {
    Leaf::server("metrics-adapter", &["metrics-adapter.monitoring.svc"])
}

#[test]
fn a_certificate_that_the_api_server_cannot_verify_is_named() {
    each_is_named(&[
        (
            "no caBundle",
            |world| {
                world.bundle("");
                world.stage.kube.available(
                    CUSTOM,
                    "False",
                    "FailedDiscoveryCheck",
                    "x509: certificate signed by unknown authority",
                );
            },
            APISERVICE,
            "has no caBundle",
            "let the adapter write it, which kubectl apply -k k8s/metrics-adapter allows",
        ),
        (
            "garbage",
            |world| world.bundle("nothing"),
            APISERVICE,
            "its caBundle holds no certificate",
            "\"path\":\"/spec/caBundle\"",
        ),
        (
            "an authority of the past",
            |world| {
                let now = SystemTime::now();
                let old = Authority::valid("old", now - Duration::from_hours(48), now - Duration::from_hours(24));
                world.bundle(&old.cert_pem);
            },
            APISERVICE,
            "the authority in its caBundle is not valid now",
            "remove it, and the adapter writes it anew",
        ),
        (
            "another authority",
            |world| world.bundle(&Authority::new("other").cert_pem),
            APISERVICE,
            "its caBundle is not of the authority that signed the certificate in Secret monitoring/metrics-adapter-tls",
            "it does within three minutes",
        ),
        (
            "an expired certificate",
            |world| world.serve(&leaf().expired()),
            "Secret monitoring/metrics-adapter-tls",
            "its certificate expired at 20",
            "kubectl -n monitoring delete secret metrics-adapter-tls",
        ),
        (
            "a certificate of the future",
            |world| world.serve(&leaf().not_yet_valid()),
            "Secret monitoring/metrics-adapter-tls",
            "so a clock is wrong",
            "delete secret",
        ),
        (
            "another's certificate",
            |world| world.serve(&Leaf::server("other", &["other.monitoring.svc"])),
            "Secret monitoring/metrics-adapter-tls",
            "its certificate is not made out to metrics-adapter.monitoring.svc",
            "delete secret",
        ),
    ]);
    // Nobody can verify what another holds; an old authority beside one that is valid does no harm.
    let world = World::new();
    let now = SystemTime::now();
    let old = Authority::valid("old", now - Duration::from_hours(48), now - Duration::from_hours(24));
    world.bundle(&format!("{}{}", old.cert_pem, world.authority.cert_pem));
    assert_eq!(world.doctor(&[]).2, Some(0));
}
