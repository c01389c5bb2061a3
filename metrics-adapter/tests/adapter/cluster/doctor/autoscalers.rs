//! The links from what an autoscaler scales to what its controller says, each broken by itself.

use serde_json::{Value, json};

use super::world::{World, ago, custom, resource, usage, usages, value, values};
use crate::support::kube::objects::{self, Adorn as _};

/// What is broken, how, what is wrong, and its cure.
type Case = (&'static str, fn(&World), &'static str, &'static str);

#[track_caller]
fn each_is_named(cases: &[Case]) {
    for (what, spoil, wrong, cure) in cases {
        let world = World::new();
        spoil(&world);
        world.names(what, "HPA shop/web", wrong, cure);
    }
}

#[test]
fn what_cannot_be_scaled_is_named() {
    each_is_named(&[
        (
            "it does not exist",
            |world| world.hpa(|hpa| hpa["spec"]["scaleTargetRef"]["name"] = json!("gone")),
            "scales Deployment gone, which does not exist in namespace shop",
            "spec.scaleTargetRef",
        ),
        (
            "no such kind",
            |world| world.hpa(|hpa| hpa["spec"]["scaleTargetRef"]["apiVersion"] = json!("extensions/v1beta1")),
            "names Deployment web of extensions/v1beta1, and the cluster has no such kind",
            "write apiVersion: apps/v1",
        ),
        (
            "it cannot be scaled",
            |world| {
                world.hpa(|hpa| {
                    hpa["spec"]["scaleTargetRef"] =
                        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web"});
                });
            },
            "scales DaemonSet web, and objects of that kind cannot be scaled",
            "name a Deployment or StatefulSet",
        ),
        (
            "it has no pods",
            |world| {
                for name in ["web-1", "web-2"] {
                    world.stage.kube.remove("pods", "shop", name);
                }
            },
            "scales Deployment web, which has no pod with app=web",
            "kubectl -n shop describe deployment web",
        ),
    ]);
    let world = World::new();
    world.stage.kube.change("deployments", "shop", "web", |own| own["spec"]["replicas"] = json!(0));
    world.condition(
        "ScalingActive",
        "False",
        "ScalingDisabled",
        "scaling is disabled since the replica count of the target is zero",
    );
    let (said, _, code) = world.doctor(&["--verbose"]);
    assert!(code == Some(0) && said.contains("[i] HPA shop/web: Deployment web has 0 replicas"), "{said}");
}

/// What the adapter answers for the pods' metric.
fn answer(world: &World, answer: impl Fn() -> (u16, Value) + Send + Sync + 'static) {
    world.stage.kube.service_answers("monitoring", "metrics-adapter", move |path| {
        if path.contains("/pods/%2A/") { answer() } else { custom(path) }
    });
}

/// What metrics-server answers for the pods.
fn used(world: &World, items: &[Value]) {
    let items = items.to_vec();
    world.stage.kube.service_answers("kube-system", "metrics-server", move |path| {
        if path.contains("/pods?") { usages(&items) } else { resource(path) }
    });
}

#[test]
fn a_metric_without_a_value_is_named() {
    each_is_named(&[
        (
            "a name that is not served",
            |world| {
                world.hpa(|hpa| hpa["spec"]["metrics"][0]["pods"]["metric"]["name"] = json!("http_request_per_second"));
            },
            "(discovery does not list pods/http_request_per_second)",
            "name one in the HPA that is listed, as pods/http_requests_per_second",
        ),
        ("no values", |world| answer(world, || values(&[])), "is answered with no value at all", "annotated"),
        (
            "a value that is none",
            |world| answer(world, || values(&[value("web-1", "NaN", &ago(0)), value("web-2", "1", &ago(0))])),
            "the value of web-1 for metric http_requests_per_second of pods app=web is no quantity: NaN",
            "mend what serves it",
        ),
        (
            "a value of long ago",
            |world| answer(world, || values(&[value("web-1", "1", &ago(12)), value("web-2", "1", &ago(0))])),
            "the value of web-1 for metric http_requests_per_second of pods app=web is 12 minutes old",
            "still reads its source",
        ),
        (
            "one pod is left out",
            |world| answer(world, || values(&[value("web-2", "1", &ago(0))])),
            "has no value for 1 of 2 pods, as web-1: the server could not find what is asked",
            "annotated",
        ),
        (
            "no usage",
            |world| used(world, &[usage("web-1", &[("app", "1m")])]),
            "cpu of pods app=web has no value for 1 of 2 pods, as web-2",
            "see that the kubelets can be read",
        ),
        (
            "no request",
            |world| {
                world.stage.kube.change("pods", "shop", "web-2", |pod| {
                    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"memory": "1Mi"}});
                });
            },
            "wants cpu in percent of what is requested, and container app of pod web-2 requests none",
            "set resources.requests.cpu of that container in Deployment web",
        ),
        (
            "no such container",
            |world| {
                let target = json!({"type": "AverageValue", "averageValue": "100m"});
                let source = json!({"name": "cpu", "container": "server", "target": target});
                world.hpa(|hpa| {
                    hpa["spec"]["metrics"][1] = json!({"type": "ContainerResource", "containerResource": source});
                });
                let both = [("app", "1m"), ("server", "1m")];
                used(world, &[usage("web-1", &both), usage("web-2", &both)]);
            },
            "wants cpu of container server, and pod web-1 has none of that name",
            "name a container of Deployment web",
        ),
    ]);
    // A pod that has only begun may have none yet.
    let world = World::new();
    answer(&world, || values(&[value("web-2", "1", &ago(0))]));
    world.stage.kube.change("pods", "shop", "web-1", |pod| pod["status"]["startTime"] = ago(0));
    assert_eq!(world.doctor(&[]).2, Some(0));
}

#[test]
fn metrics_of_objects_and_of_nothing_are_asked_for_as_the_controller_does() {
    let world = World::new();
    let target = json!({"type": "Value", "value": "100"});
    let object = |api_version: &str, kind: &str| {
        let object = json!({"apiVersion": api_version, "kind": kind, "name": "web"});
        let metric = json!({"name": "rps", "selector": {"matchLabels": {"verb": "GET"}}});
        json!({"type": "Object", "object": {"describedObject": object, "metric": metric, "target": target}})
    };
    let expressions = json!({"matchExpressions": [{"key": "env", "operator": "In", "values": ["dev", "prod"]}]});
    let external = json!({"metric": {"name": "jobs", "selector": expressions}, "target": target});
    world.hpa(|hpa| {
        hpa["spec"]["metrics"] = json!([
            object("v1", "Service"), object("networking.k8s.io/v1", "Ingress"), object("v1", "Namespace"),
            {"type": "External", "external": external},
        ]);
    });
    let (custom_api, external_api) =
        ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop", "/apis/external.metrics.k8s.io/v1beta1");
    let expected = [
        format!("{custom_api}/services/web/rps?metricLabelSelector=verb%3DGET"),
        format!("{custom_api}/ingresses.networking.k8s.io/web/rps?metricLabelSelector=verb%3DGET"),
        format!("{custom_api}/metrics/rps?metricLabelSelector=verb%3DGET"),
        format!("{external_api}/namespaces/shop/jobs?labelSelector=env+in+%28dev%2Cprod%29"),
    ];
    let answered = |known: &[String], values_of_each: &'static [&'static str]| {
        let known = known.to_vec();
        world.stage.kube.service_answers("monitoring", "metrics-adapter", move |path| {
            if known.iter().any(|own| own == path) {
                let items: Vec<Value> = values_of_each.iter().map(|own| value("web", own, &ago(0))).collect();
                values(&items)
            } else {
                custom(path)
            }
        });
    };
    answered(&expected, &["7"]);
    assert_eq!(world.doctor(&[]), (String::new(), String::new(), Some(0)));
    answered(&expected, &["7", "8"]);
    world.names("two values of one object", "HPA shop/web", "is answered with 2 values, and must be one", "selector");
    answered(&expected[..3], &["7"]);
    world.names("no external metric", "HPA shop/web", "external metric jobs is not there", "result in Prometheus");
}

#[test]
fn what_the_controller_says_is_told_with_its_cure() {
    each_is_named(&[
        (
            "it cannot scale",
            |world| world.condition("AbleToScale", "False", "FailedUpdateScale", "exceeded quota: pods=9"),
            "cannot scale (FailedUpdateScale): exceeded quota: pods=9",
            "a quota or an admission webhook",
        ),
        (
            "two scale the same",
            |world| {
                world.condition(
                    "ScalingActive",
                    "False",
                    "AmbiguousSelector",
                    "pods by selector app=web are controlled by multiple HPAs",
                );
            },
            "does not scale (AmbiguousSelector): pods by selector app=web are controlled by multiple HPAs",
            "let one HPA alone scale those pods",
        ),
        (
            "it complains of what is there by now",
            |world| {
                world.condition(
                    "ScalingActive",
                    "False",
                    "FailedGetPodsMetric",
                    "no metrics returned from custom metrics API",
                );
            },
            "does not scale (FailedGetPodsMetric): no metrics returned",
            "the metric can be had now: the controller asks every 15 s",
        ),
        (
            "it was never looked at",
            |world| world.hpa(|hpa| hpa["status"]["conditions"] = json!(null)),
            "its controller has never looked at it",
            "kube-controller-manager",
        ),
    ]);
    let world = World::new();
    world.condition(
        "ScalingLimited",
        "True",
        "TooManyReplicas",
        "the desired replica count is more than the maximum replica count",
    );
    assert_eq!(world.doctor(&[]), (String::new(), String::new(), Some(0)));
    let (said, _, _) = world.doctor(&["-v"]);
    assert!(said.contains("[i] HPA shop/web: wants more than maxReplicas (TooManyReplicas)"), "{said}");
    // One that was made just now has not been looked at yet.
    world.hpa(|hpa| {
        hpa["status"]["conditions"] = json!(null);
        hpa["metadata"]["creationTimestamp"] = ago(0);
    });
    assert_eq!(world.doctor(&[]).2, Some(0));
}

#[test]
fn each_autoscaler_is_looked_at() {
    let world = World::new();
    let labels = json!({"app": "api"});
    world.stage.kube.put("deployments", objects::deployment("mall", "api", 1, &labels));
    let metrics = world.stage.kube.get("horizontalpodautoscalers", "shop", "web").unwrap()["spec"]["metrics"].clone();
    world.stage.kube.put("horizontalpodautoscalers", objects::hpa("mall", "api", 1, 3, &metrics));
    world.hpa(|hpa| hpa["spec"]["scaleTargetRef"]["name"] = json!("gone"));
    let (said, _, _) = world.doctor(&["--all"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("HPA mall/api: scales Deployment api, which has no pod"),
        "{said}"
    );
    assert!(lines[1].starts_with("HPA shop/web: scales Deployment gone"), "{said}");
    let pod = objects::pod("mall", "api-1", "10.244.0.22", "node1").phase("Pending").with("/metadata/labels", labels);
    world.stage.kube.put("pods", pod);
    world.stage.kube.remove("horizontalpodautoscalers", "mall", "api");
    assert_eq!(world.doctor(&["-n", "mall"]).2, Some(0));
}
