//! What real clients sent is answered, and answered as metrics-server and prometheus-adapter did, field by field;
//! where it is meant to be otherwise, just that is asserted.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::recording::{Recording, decode, file, without_values};
use crate::support::{Adapter, Counter, FAST, Target, eventually};

/// The pods of the recordings: three in `bench`, two in `real-world`, on node `node1`.
struct Cluster {
    adapter: Adapter,
    _targets: [Target; 2],
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let counter = Counter::growing(10.0);
    let bench = Target::saying(move || format!("http_requests_total{{method=\"GET\"}} {}\n", counter.value()));
    let (counter, cpu) = (Counter::growing(10.0), Counter::growing(0.15));
    let real_world = Target::saying(move || {
        let (requests, cpu) = (counter.value(), cpu.value());
        format!(
            "http_requests_total{{route=\"articles\"}} {requests}\nhttp_requests_total{{route=\"tags\"}} {requests}\n\
             process_cpu_seconds_total {cpu}\nprocess_resident_memory_bytes 1982464\n"
        )
    });
    let mut targets = "pods:\n".to_owned();
    for (name, tier) in [("p-00000", "stable"), ("p-00001", "stable"), ("p-00002", "canary")] {
        let url = &bench.url;
        targets.push_str(&format!("- {{name: {name}, namespace: bench, url: '{url}', labels: {{tier: {tier}}}}}\n"));
    }
    for name in ["real-world-55b95c7b65-8cv5g", "real-world-55b95c7b65-smv9n"] {
        let url = &real_world.url;
        targets.push_str(&format!(
            "- {{name: {name}, namespace: real-world, url: '{url}', container: real-world, \
             services: [real-world-service], \
             labels: {{k8s-app: real-world, pod-template-hash: 55b95c7b65}}}}\n"
        ));
    }
    let adapter = Adapter::start_with(Some(FAST), &targets, &["--node-name", "node1"]).until_exit();
    adapter.wait_ready();
    let pods = |path: &str| adapter.get(path).json()["items"].as_array().map_or(0, Vec::len);
    eventually("measured", || {
        pods("/apis/metrics.k8s.io/v1beta1/pods") == 2
            && pods("/apis/metrics.k8s.io/v1beta1/nodes") == 1
            && pods("/apis/custom.metrics.k8s.io/v1beta2/pods/*/http_requests_per_second") == 5
    });
    Cluster { adapter, _targets: [bench, real_world] }
});

/// What was recorded, and what is answered to the same now.
#[track_caller]
fn both(name: &str) -> (Recording, crate::support::Reply) {
    let recording = Recording::read(name);
    let reply = CLUSTER.adapter.send("GET", &recording.path, &[("accept", &recording.accept)]);
    assert_eq!(reply.status, recording.status, "{name}: {}", reply.text());
    assert_eq!(reply.header("content-type"), recording.content_type, "{name}");
    (recording, reply)
}

#[test]
fn every_request_that_was_recorded_is_answered_in_the_form_that_it_asked_for() {
    let requests = std::fs::read_to_string(file("requests/aggregator-hpa-kubectl.jsonl")).unwrap();
    for line in requests.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let path = request["path"].as_str().unwrap();
        let headers = request["headers"].as_object().unwrap();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| !["Host", "Accept-Encoding"].contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let reply = CLUSTER.adapter.send("GET", path, &headers);
        let external = path.contains("/queue_depth");
        assert_eq!(reply.status, if external { 404 } else { 200 }, "{path}: {}", reply.text());
        let accept = headers.iter().find(|(name, _)| *name == "Accept").map_or("", |(_, accept)| accept);
        let content_type = match accept {
            _ if external => "application/json",
            accept if accept.contains("protobuf") => "application/vnd.kubernetes.protobuf",
            accept if accept.contains("apidiscovery") => {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            }
            _ => "application/json",
        };
        assert_eq!(reply.header("content-type"), content_type, "{path}");
        assert!(reply.headers.get("retry-after").is_none(), "client-go would sleep in the HPA's worker");
        if content_type.ends_with("protobuf") {
            assert!(reply.body.starts_with(b"k8s\0"), "{path}");
        } else {
            reply.json();
        }
    }
}

/// In a value, `apiVersion` of core objects was `/v1`, which no object has, and there was no window.
fn as_it_should_be(mut recorded: Value, window: &str) -> Value {
    for item in recorded["items"].as_array_mut().unwrap() {
        assert_eq!(item["describedObject"]["apiVersion"], "/v1");
        item["describedObject"]["apiVersion"] = json!("v1");
        assert!(item.get(window).is_none());
        item[window] = json!(1);
    }
    recorded
}

#[test]
fn values_of_pods_and_namespaces_are_answered_as_prometheus_adapter_does_but_for_its_faults() {
    for name in [
        "v1beta2-pod-json",
        "v1beta2-pods-star-json",
        "v1beta2-selector",
        "v1beta2-metric-selector",
        "v1beta2-namespace-object",
    ] {
        let (recorded, reply) = both(&format!("custom/{name}"));
        let meant = as_it_should_be(without_values(recorded.json()), "windowSeconds");
        assert_eq!(without_values(reply.json()), meant, "{name}");
    }
    for name in ["v1beta1-pod-json", "v1beta1-pods-star-json"] {
        let (recorded, reply) = both(&format!("custom/{name}"));
        assert_eq!(without_values(reply.json()), as_it_should_be(without_values(recorded.json()), "window"), "{name}");
    }
}

#[test]
fn what_cannot_be_answered_is_refused_in_the_same_words_and_then_says_why() {
    let (recorded, reply) = both("custom/v1beta2-bad-selector");
    assert_eq!(reply.json(), recorded.json());
    let table = [
        ("custom/v1beta2-selector-none", ": no pods match tier=none in namespace bench"),
        ("custom/v1beta2-unknown-metric", ": no rule serves it; these are served: http_requests_per_second"),
        ("custom/v1beta2-unknown-pod", ": there is no such pod in namespace bench"),
        ("custom/v1beta2-unknown-resource", ": metrics are served for daemonsets.apps, deployments.apps, "),
        ("custom/v1beta2-short-path", ""),
        ("external/unknown", "external metrics: none is configured"),
    ];
    for (name, cause) in table {
        let (recorded, reply) = both(name);
        let (mut recorded, mut json) = (recorded.json(), reply.json());
        let (words, said) = (recorded["message"].take(), json["message"].take());
        let (words, said) = (words.as_str().unwrap(), said.as_str().unwrap());
        assert!(said.starts_with(&format!("{words}{cause}")), "{name}: {said}");
        // An empty `details` says nothing.
        recorded.as_object_mut().unwrap().retain(|name, value| name != "details" || *value != json!({}));
        assert_eq!(json, recorded, "{name}");
    }
}

#[test]
fn usage_is_answered_as_metrics_server_does_of_the_one_container_that_is_known() {
    for name in ["pods-list-json", "pods-field-selector"] {
        let (recorded, reply) = both(&format!("resource/{name}"));
        let mut meant = without_values(recorded.json());
        for item in meant["items"].as_array_mut().unwrap() {
            item["containers"].as_array_mut().unwrap().pop();
        }
        assert_eq!(without_values(reply.json()), meant, "{name}");
    }
    let (recorded, reply) = both("resource/pod-get-json");
    let mut meant = without_values(recorded.json());
    meant["containers"].as_array_mut().unwrap().pop();
    assert_eq!(without_values(reply.json()), meant);
    for name in ["pods-list-empty", "pod-get-unknown", "node-get-unknown", "pods-bad-selector"] {
        let (recorded, reply) = both(&format!("resource/{name}"));
        assert_eq!(reply.json(), recorded.json(), "{name}");
    }
}

#[test]
fn nodes_are_answered_as_metrics_server_does_and_with_swap() {
    let (recorded, reply) = both("resource/nodes-list-json");
    let (mut meant, mut json) = (without_values(recorded.json()), without_values(reply.json()));
    let swap = json["items"][0]["usage"].as_object_mut().unwrap().remove("swap").unwrap();
    assert!(swap.as_str().unwrap().starts_with(|c: char| c.is_ascii_digit()), "{swap}");
    // The labels of a node come from the cluster; of this machine little is known.
    let labels = json["items"][0]["metadata"]["labels"].take();
    assert_eq!(labels["kubernetes.io/hostname"], "node1");
    meant["items"][0]["metadata"]["labels"].take();
    assert_eq!(json, meant);
}

#[test]
fn tables_have_metrics_servers_columns_and_nodes_one_more_for_swap() {
    let (recorded, reply) = both("resource/pods-list-table");
    let (recorded, json) = (recorded.json(), reply.json());
    assert_eq!(json["columnDefinitions"], recorded["columnDefinitions"]);
    assert_eq!((&json["kind"], &json["apiVersion"]), (&recorded["kind"], &recorded["apiVersion"]));
    let object = |json: &Value| without_values(json["rows"][0]["object"].clone());
    assert_eq!(object(&json), object(&recorded));
    assert_eq!(json["rows"][0]["cells"].as_array().unwrap().len(), 4);
    let (recorded, reply) = both("resource/nodes-list-table");
    let names = |json: Value| {
        let columns = json["columnDefinitions"].as_array().unwrap().clone();
        columns.into_iter().map(|column| column["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(recorded.json()), ["Name", "cpu", "memory", "Window"]);
    assert_eq!(names(reply.json()), ["Name", "cpu", "memory", "swap", "Window"]);
}

/// Where messages are, in a list of values: the envelope and the list.
fn values_are_nested(path: &str) -> bool {
    ["1", "2", "2.1", "2.2", "2.2.1", "2.2.3", "2.2.5"].contains(&path)
}

#[test]
fn protobuf_has_the_fields_that_prometheus_adapter_writes_in_the_same_order() {
    for (name, metric_is_nested) in [
        ("v1beta2-pod-protobuf", true),
        ("v1beta2-pods-star-protobuf", true),
        ("v1beta1-pod-protobuf", false),
        ("v1beta1-pods-star-protobuf", false),
    ] {
        let (recorded, reply) = both(&format!("custom/{name}"));
        let nested = |path: &str| values_are_nested(path) || (metric_is_nested && path == "2.2.2");
        let read = |body: &[u8]| decode(body.strip_prefix(b"k8s\0").unwrap(), "", &nested);
        let (mut recorded, mut json) = (read(&recorded.body), read(&reply.body));
        visit(&mut recorded, &mut |path, value| match path {
            "2.2.1.5" => {
                assert_eq!(*value, json!("/v1"));
                *value = json!("v1");
            }
            "2.2.3.1" | "2.2.5.1" => *value = Value::Null,
            _ => {}
        });
        visit(&mut json, &mut |path, value| {
            if matches!(path, "2.2.3.1" | "2.2.5.1") {
                *value = Value::Null;
            }
        });
        // Ours has a window, field 4, which is not in the recording.
        let windows = remove(&mut json, "2.2.4");
        assert!(!windows.is_empty() && windows.iter().all(|window| *window == json!(1)), "{name}: {windows:?}");
        assert_eq!(json, recorded, "{name}");
    }
}

#[test]
fn protobuf_of_usage_is_metrics_servers() {
    let nested =
        |path: &str| ["1", "2", "2.1", "2.1.8", "2.1.11", "2.2", "2.3", "2.4", "2.4.2", "2.4.2.2"].contains(&path);
    let (recorded, reply) = both("resource/pod-get-protobuf");
    let read = |body: &[u8]| decode(body.strip_prefix(b"k8s\0").unwrap(), "", &nested);
    let (mut recorded, mut json) = (read(&recorded.body), read(&reply.body));
    for side in [&mut recorded, &mut json] {
        visit(side, &mut |path, value| {
            if matches!(path, "2.1.8.1" | "2.2.1" | "2.3.1" | "2.4.2.2.1") {
                *value = Value::Null;
            }
        });
    }
    // The second container is not known.
    let message = recorded[1][1].as_array_mut().unwrap();
    assert_eq!(message.pop().unwrap()[0], "2.4");
    assert_eq!(json, recorded);
}

fn visit(fields: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
    for field in fields.as_array_mut().unwrap() {
        let path = field[0].as_str().unwrap().to_owned();
        if field[1].is_array() { visit(&mut field[1], change) } else { change(&path, &mut field[1]) }
    }
}

fn remove(fields: &mut Value, path: &str) -> Vec<Value> {
    let own = fields.as_array_mut().unwrap();
    let mut removed: Vec<Value> = own.extract_if(.., |field| field[0] == path).map(|field| field[1].clone()).collect();
    for field in own.iter_mut().filter(|field| field[1].is_array()) {
        removed.extend(remove(&mut field[1], path));
    }
    removed
}

#[test]
fn discovery_is_metrics_servers_with_more_groups() {
    for name in ["metrics-server-group-version", "metrics-server-group"] {
        let (recorded, reply) = both(&format!("discovery/{name}"));
        assert_eq!(reply.json(), recorded.json(), "{name}");
    }
    let (recorded, reply) = both("discovery/metrics-server-apis-aggregated");
    let (recorded, json) = (recorded.json(), reply.json());
    assert_eq!(json["items"][0], recorded["items"][0]);
    assert_eq!((&json["kind"], &json["apiVersion"]), (&recorded["kind"], &recorded["apiVersion"]));
    let (recorded, reply) = both("discovery/metrics-server-apis-plain");
    let (recorded, json) = (recorded.json(), reply.json());
    let mut group = recorded["groups"][0].clone();
    group.as_object_mut().unwrap().remove("serverAddressByClientCIDRs");
    assert_eq!(json["groups"][0], group);
}

#[test]
fn discovery_of_custom_metrics_lists_what_prometheus_adapter_lists_and_the_aggregated_one_is_not_empty() {
    let (recorded, reply) = both("discovery/prometheus-adapter-custom-v1beta2");
    let json = reply.json();
    for resource in recorded.json()["resources"].as_array().unwrap() {
        assert!(json["resources"].as_array().unwrap().contains(resource), "{resource}");
    }
    let (recorded, reply) = both("discovery/prometheus-adapter-apis-aggregated");
    assert_eq!(recorded.json()["items"], json!([]), "the fault that is not repeated");
    let json = reply.json();
    let custom =
        json["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "custom.metrics.k8s.io");
    let custom = custom.unwrap();
    let versions: Vec<&Value> = custom["versions"].as_array().unwrap().iter().map(|own| &own["version"]).collect();
    assert_eq!(versions, ["v1beta2", "v1beta1"]);
    let pods =
        custom["versions"][0]["resources"].as_array().unwrap().iter().find(|own| own["resource"] == "pods").unwrap();
    assert_eq!(pods["scope"], "Namespaced");
    assert_eq!(
        pods["subresources"],
        json!([{
            "subresource": "http_requests_per_second", "verbs": ["get"],
            "responseKind": {"group": "", "version": "", "kind": "MetricValueList"},
        }])
    );
}

#[test]
fn the_external_group_is_never_empty() {
    let recorded = Recording::read("discovery/prometheus-adapter-external").json();
    let reply = CLUSTER.adapter.get("/apis/external.metrics.k8s.io/v1beta1").expect(200).json();
    assert_eq!(reply["resources"].as_array().unwrap().len(), 1);
    let shape = |json: &Value| json["resources"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(shape(&reply), shape(&recorded));
    assert_eq!(reply["groupVersion"], recorded["groupVersion"]);
}
