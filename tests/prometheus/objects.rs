//! Prometheus' objects: what is mounted is what is there, and what is said twice is the same.

use serde_json::Value;
use stack::manifests::{file, kustomized, root};
use stack::rules;

fn the<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

#[test]
fn every_file_of_rules_is_in_the_config_map_and_mounted_where_prometheus_looks() {
    let objects = kustomized("prometheus");
    let keys: Vec<_> = the(&objects, "ConfigMap", "prometheus")["data"].as_object().unwrap().keys().cloned().collect();
    let volumes = &the(&objects, "StatefulSet", "prometheus")["spec"]["template"]["spec"]["volumes"];
    for name in rules::names("rules") {
        let key = format!("{name}.yaml");
        assert!(keys.contains(&key), "prometheus/kustomization.yaml: rules/{key} is not in the ConfigMap");
        let items = volumes[0]["configMap"]["items"].as_array().unwrap();
        let path = items.iter().find(|item| item["key"] == key.as_str()).map(|item| &item["path"]);
        assert_eq!(path, Some(&Value::from(format!("rules/{key}"))), "statefulset.yaml: where {key} is mounted");
    }
    assert_eq!(file("prometheus/prometheus.yml")[0]["rule_files"][0], "rules/*.yaml");
}

#[test]
fn a_role_lets_prometheus_see_the_pods_of_each_namespace_that_it_looks_into() {
    let objects = kustomized("prometheus");
    let config = file("prometheus/prometheus.yml").remove(0);
    let jobs = config["scrape_configs"].as_array().unwrap();
    let pods = jobs.iter().find(|job| job["job_name"] == "pods").unwrap();
    for namespace in pods["kubernetes_sd_configs"][0]["namespaces"]["names"].as_array().unwrap() {
        for kind in ["Role", "RoleBinding"] {
            let there = |own: &&Value| own["kind"] == kind && &own["metadata"]["namespace"] == namespace;
            assert!(objects.iter().any(|own| there(&own)), "rbac.yaml: there is no {kind} in {namespace}");
        }
    }
}

#[test]
fn prometheus_may_list_and_watch_and_read_metrics_and_nothing_else() {
    let objects = kustomized("prometheus");
    let rules = objects.iter().filter_map(|object| object["rules"].as_array()).flatten();
    for rule in rules {
        let allowed = match rule["resources"][0].as_str() {
            Some("pods" | "nodes") => serde_json::json!(["list", "watch"]),
            Some("nodes/metrics") => serde_json::json!(["get"]),
            other => panic!("rbac.yaml: {other:?} is nothing that Prometheus needs"),
        };
        assert_eq!(rule["verbs"], allowed, "rbac.yaml: {rule}");
    }
}

#[test]
fn less_is_kept_than_the_volume_holds() {
    let objects = kustomized("prometheus");
    let set = the(&objects, "StatefulSet", "prometheus");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "8Gi");
    let args = set["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    let size = args.iter().find_map(|arg| arg.as_str()?.strip_prefix("--storage.tsdb.retention.size=")).unwrap();
    let gigabytes: u64 = size.strip_suffix("GB").unwrap().parse().unwrap();
    assert!(
        gigabytes * 4 <= 8 * 3,
        "statefulset.yaml: {size} leaves less than a quarter of 8Gi for what is being written"
    );
}

#[test]
fn the_kubelets_component_believes_any_certificate_and_changes_nothing_else() {
    let config = std::fs::read_to_string(root().join("prometheus/prometheus.yml")).unwrap();
    let before = "insecure_skip_verify: false   # components/kubelet-insecure-tls";
    assert_eq!(config.matches(before).count(), 2);
    let path = "prometheus/components/kubelet-insecure-tls/prometheus.yml";
    let own = std::fs::read_to_string(root().join(path)).unwrap();
    let (_, own) = own.split_once('\n').unwrap();
    assert!(own == config.replace(before, "insecure_skip_verify: true"), "{path} is not what prometheus.yml makes it");
}

#[test]
fn on_kind_one_command_believes_its_kubelets() {
    let objects = kustomized("overlays/kind/prometheus");
    let config = the(&objects, "ConfigMap", "prometheus")["data"]["prometheus.yml"].as_str().unwrap();
    assert_eq!(config.matches("\n    insecure_skip_verify: true").count(), 2);
    assert_eq!(config.matches("insecure_skip_verify: false").count(), 0);
}

/// `app.kubernetes.io/name: prometheus` is what a chart's pods in the same namespace are named, too.
#[test]
fn policies_and_services_select_no_pods_of_somebody_elses_prometheus_or_grafana() {
    for part in ["prometheus", "grafana"] {
        let objects = kustomized(part);
        let policy = &the(&objects, "NetworkPolicy", part)["spec"];
        let mut selectors = vec![
            policy["podSelector"]["matchLabels"].clone(),
            the(&objects, "Service", part)["spec"]["selector"].clone(),
        ];
        // Whom Grafana asks.
        let peers = policy["egress"].as_array().unwrap().iter().filter_map(|rule| rule["to"].as_array()).flatten();
        let peers = peers.map(|peer| peer["podSelector"]["matchLabels"].clone());
        selectors.extend(peers.filter(|labels| labels["app.kubernetes.io/name"] == "prometheus"));
        for labels in selectors {
            assert_eq!(labels["app.kubernetes.io/part-of"], "conduit", "{part}: {labels}");
        }
    }
}

#[test]
fn prometheus_may_call_an_alertmanager_that_it_is_told_of() {
    let objects = kustomized("prometheus");
    let egress = the(&objects, "NetworkPolicy", "prometheus")["spec"]["egress"].as_array().unwrap().clone();
    let open = |rule: &Value| rule["to"].is_null() && rule["ports"].to_string().contains("9093");
    assert!(egress.iter().any(open), "networkpolicy.yaml: {egress:?}");
}

#[test]
fn the_operators_rules_are_the_rules() {
    let objects = file("prometheus/components/operator/rules.yaml");
    let own: Vec<_> = objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(own.len(), rules::names("rules").len());
    for name in rules::names("rules") {
        let object = the(&objects, "PrometheusRule", &format!("conduit-{name}"));
        let rules = file(&format!("prometheus/rules/{name}.yaml")).remove(0);
        assert!(object["spec"] == rules, "components/operator/rules.yaml: conduit-{name} is not rules/{name}.yaml");
    }
}
