//! A real kubectl asks the real adapter; beside it stands a small core API, for what kubectl asks of the API server.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::support::{Adapter, CoreApi, Counter, FAST, Target, eventually};

struct Cluster {
    adapter: Adapter,
    core: CoreApi,
    cache: tempfile::TempDir,
    _target: Target,
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let (requests, cpu) = (Counter::growing(50.0), Counter::growing(0.25));
    let target = Target::saying(move || {
        format!(
            "http_requests_total{{method=\"GET\"}} {}\nprocess_cpu_seconds_total {}\n\
             process_resident_memory_bytes 52428800\nprocess_start_time_seconds 1700000000\n",
            requests.value(),
            cpu.value()
        )
    });
    let mut targets = "pods:\n".to_owned();
    for (name, namespace, app) in [("web-1", "shop", "web"), ("web-2", "shop", "api"), ("other", "mall", "web")] {
        let url = &target.url;
        targets.push_str(&format!(
            "- {{name: {name}, namespace: {namespace}, url: '{url}', labels: {{app: {app}}}, services: [web], container: server}}\n"
        ));
    }
    let adapter = Adapter::start(Some(FAST), &targets).until_exit();
    let measured = |path: &str| adapter.get(path).json()["items"].as_array().map_or(0, Vec::len);
    eventually("measured", || {
        measured("/apis/metrics.k8s.io/v1beta1/pods") == 3
            && measured("/apis/metrics.k8s.io/v1beta1/nodes") == 1
            && measured("/apis/custom.metrics.k8s.io/v1beta2/pods/*/http_requests_per_second") == 3
    });
    let core = CoreApi::before(&adapter.api);
    Cluster { adapter, core, cache: tempfile::tempdir().unwrap(), _target: target }
});

fn kubectl(server: &str, arguments: &[&str]) -> Output {
    let binary = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/venv/bin/kubectl");
    assert!(binary.exists(), "there is no {}: `make tools` installs it", binary.display());
    Command::new(binary)
        .env_clear()
        .env("HOME", CLUSTER.cache.path())
        .env("KUBECONFIG", "/dev/null")
        .args(["--server", server, "--request-timeout", "20s"])
        .args(arguments)
        .output()
        .unwrap()
}

/// What kubectl prints, asking the adapter alone: each line's words joined by one space.
#[track_caller]
fn prints(arguments: &str) -> Vec<String> {
    printed(&CLUSTER.adapter.api, arguments)
}

#[track_caller]
fn printed(server: &str, arguments: &str) -> Vec<String> {
    let out = kubectl(server, &arguments.split(' ').collect::<Vec<_>>());
    let (text, complaint) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && complaint.is_empty(), "kubectl {arguments}: {text}{complaint}");
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[track_caller]
fn complains(arguments: &str) -> String {
    let out = kubectl(&CLUSTER.core.url, &arguments.split(' ').collect::<Vec<_>>());
    assert!(!out.status.success(), "kubectl {arguments}: {}", String::from_utf8_lossy(&out.stdout));
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[track_caller]
fn complains_of(arguments: &str, words: &str) {
    let said = complains(arguments);
    assert!(said.contains(words), "kubectl {arguments}: {said}");
}

/// The first word of each line but the head.
fn names(lines: &[String]) -> Vec<&str> {
    lines[1..].iter().map(|line| line.split(' ').next().unwrap()).collect()
}

/// Whether `250m` is about that.
fn near(millicores: &str, wanted: f64) -> bool {
    let value: f64 = millicores.strip_suffix('m').unwrap_or_else(|| panic!("{millicores}")).parse().unwrap();
    (value / wanted - 1.0).abs() < 0.2
}

#[test]
fn top_pods_shows_what_pods_use() {
    let lines = prints("top pods -n shop");
    assert_eq!(lines[0], "NAME CPU(cores) MEMORY(bytes)");
    assert_eq!(names(&lines), ["web-1", "web-2"]);
    for line in &lines[1..] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(near(words[1], 250.0) && words[2] == "50Mi", "{line}");
    }
    assert_eq!(names(&prints("top pods -n shop -l app=web")), ["web-1"]);
    assert_eq!(names(&prints("top pod web-2 -n shop")), ["web-2"]);
    assert_eq!(names(&printed(&CLUSTER.core.url, "top pods -n shop --field-selector metadata.name=web-2")), ["web-2"]);
    let all = prints("top pods -A");
    assert_eq!(
        (all[0].as_str(), names(&all)),
        ("NAMESPACE NAME CPU(cores) MEMORY(bytes)", vec!["mall", "shop", "shop"])
    );
    let containers = prints("top pods -n shop --containers");
    assert_eq!(containers[0], "POD NAME CPU(cores) MEMORY(bytes)");
    assert!(containers[1].starts_with("web-1 server "), "{containers:?}");
    assert!(prints("top pods -n shop --sum").last().unwrap().ends_with("100Mi"));
}

#[test]
fn top_nodes_shows_what_the_machine_uses_of_what_the_core_api_says_it_has() {
    let lines = printed(&CLUSTER.core.url, "top nodes");
    assert_eq!(lines[0], "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)");
    let words: Vec<&str> = lines[1].split(' ').collect();
    assert!(
        words[0] == "machine" && words[1].ends_with('m') && words[2].ends_with('%') && words[4].ends_with('%'),
        "{words:?}"
    );
    let swap = printed(&CLUSTER.core.url, "top nodes --show-swap");
    assert!(swap[0].ends_with("SWAP(bytes) SWAP(%)"), "{swap:?}");
}

#[test]
fn get_raw_gives_what_the_autoscaler_reads() {
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second";
    let text = prints(&format!("get --raw {path}")).concat();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((list["kind"].as_str(), list["items"].as_array().unwrap().len()), (Some("MetricValueList"), 2));
    for path in ["pods/web-1", "services/web", "metrics"] {
        let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{path}/http_requests_per_second");
        assert!(prints(&format!("get --raw {path}")).concat().contains("\"value\""));
    }
    let missing = complains(&format!("get --raw {}", path.replace("http_requests", "nope")));
    assert!(missing.contains("could not find the metric nope_per_second for pods: no rule serves it"), "{missing}");
}

#[test]
fn get_podmetrics_and_nodemetrics_print_tables() {
    let lines = prints("get podmetrics -n shop");
    assert_eq!((lines[0].as_str(), names(&lines)), ("NAME CPU MEMORY WINDOW", vec!["web-1", "web-2"]));
    let all = prints("get podmetrics -A");
    assert_eq!((all[0].as_str(), names(&all)), ("NAMESPACE NAME CPU MEMORY WINDOW", vec!["mall", "shop", "shop"]));
    assert_eq!(names(&prints("get podmetrics -n shop -l app=api")), ["web-2"]);
    assert_eq!(names(&prints("get podmetrics -n shop --field-selector metadata.name=web-1")), ["web-1"]);
    let yaml = prints("get podmetrics web-1 -n shop -o yaml");
    assert!(yaml.contains(&"kind: PodMetrics".to_owned()) && yaml.contains(&"memory: 50Mi".to_owned()), "{yaml:?}");
    let lines = prints("get nodemetrics");
    assert_eq!((lines[0].as_str(), names(&lines)), ("NAME CPU MEMORY SWAP WINDOW", vec!["machine"]));
}

#[test]
fn explain_api_resources_and_api_versions_know_every_group() {
    let text = prints("explain podmetrics").join("\n");
    assert!(text.contains("KIND: PodMetrics") && text.contains("containers <[]ContainerMetrics> -required-"), "{text}");
    assert!(prints("explain podmetrics.containers.usage").join("\n").contains("FIELD: usage <map[string]Quantity>"));
    assert!(prints("explain nodemetrics --recursive").join("\n").contains("window <string>"));
    let versions = prints("api-versions");
    for version in ["metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2", "external.metrics.k8s.io/v1beta1"] {
        assert!(versions.contains(&version.to_owned()), "{versions:?}");
    }
    let resources = prints("api-resources");
    for line in [
        "nodes metrics.k8s.io/v1beta1 false NodeMetrics",
        "pods metrics.k8s.io/v1beta1 true PodMetrics",
        "externalmetrics external.metrics.k8s.io/v1beta1 true ExternalMetricValueList",
    ] {
        assert!(resources.contains(&line.to_owned()), "{resources:?}");
    }
}

#[test]
fn what_is_not_there_or_wrong_is_said_clearly() {
    complains_of("top pod nope -n shop", "pods \"nope\" not found");
    complains_of("get podmetrics nope -n shop", "Error from server (NotFound)");
    complains_of("get podmetrics -n shop -l a===b", "expected: identifier");
    complains_of("get podmetrics -n shop -w", "watch is not supported");
    complains_of("delete podmetrics web-1 -n shop", "does not allow");
    let nothing = kubectl(&CLUSTER.core.url, &["top", "pods", "-n", "empty"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("No resources found in empty namespace"));
}
