//! What is wrong is refused with its place and what to do.

use std::net::TcpListener;

use crate::support::*;

#[track_caller]
fn refused(arguments: &[&str], expected: &str) {
    let output = run(arguments);
    let errors = text(&output.stderr);
    assert!(!output.status.success(), "{arguments:?} was taken");
    assert!(errors.contains(expected), "{arguments:?} said\n{errors}\ninstead of\n{expected}");
}

#[track_caller]
fn hpa_refused(hpa: &str, expected: &str) {
    let folder = folder(&[("hpa.yaml", hpa)]);
    let file = folder.path().join("hpa.yaml");
    let file = file.to_str().unwrap();
    for arguments in
        [vec!["run", "--hpa", file], vec!["plan", "--hpa", file, "--load", "steps:1@1m", "--pod-capacity", "10"]]
    {
        refused(&arguments, &format!("rehearse: {file}: {expected}"));
    }
}

/// What is changed in the repository's HPA, to what, and what is said of it.
const SLIPS: [(&str, &str, &str); 24] = [
    (
        "autoscaling/v2",
        "autoscaling/v2beta2",
        "line 2, column 13: apiVersion: no matches for kind \"HorizontalPodAutoscaler\" in version \"autoscaling/v2beta2\"; write autoscaling/v2",
    ),
    (
        "kind: HorizontalPodAutoscaler",
        "kind: Deployment",
        "line 3, column 7: kind: no object here is a HorizontalPodAutoscaler",
    ),
    (
        "maxReplicas: 10",
        "maxReplicas: 1",
        "line 18, column 16: spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
    ),
    (
        "maxReplicas: 10",
        "maxReplicas: ten",
        "line 18, column 16: spec.maxReplicas: expected a whole number, found `ten`",
    ),
    (
        "maxReplicas: 10",
        "maxReplicas: \"10\"",
        "line 18, column 16: spec.maxReplicas: expected a whole number without quotes, found `10`",
    ),
    (
        "minReplicas: 2",
        "minReplicas: 0",
        "line 17, column 16: spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
    ),
    ("minReplicas: 2", "minReplica: 2", "line 17, column 3: spec.minReplica: unknown key; did you mean `minReplicas`?"),
    (
        "type: Pods\n",
        "type: Pod\n",
        "spec.metrics[0].type: Unsupported value: \"Pod\": supported values: \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"",
    ),
    (
        "averageValue: \"50\"",
        "averageValue: fifty",
        "spec.metrics[0].pods.target.averageValue: `fifty` is not a quantity",
    ),
    (
        "averageValue: \"50\"",
        "averageValue: \"-50\"",
        "spec.metrics[0].pods.target.averageValue: Invalid value: -50: must be positive",
    ),
    (
        "averageValue: \"50\"",
        "value: \"50\"",
        "spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue",
    ),
    (
        "type: AverageValue\n",
        "type: Average\n",
        "target.type: Invalid value: \"Average\": must be either Utilization, Value, or AverageValue",
    ),
    (
        "  - type: Pods\n    pods:",
        "  - type: Resource\n    pods:",
        "spec.metrics[0].pods: Forbidden: must populate the given metric source only",
    ),
    ("averageUtilization: 75", "averageUtilization: 0", "averageUtilization: Invalid value: 0: must be greater than 0"),
    ("kind: Deployment", "kind: Service", "spec.scaleTargetRef.kind: a Service has no scale that could be changed"),
    (
        "apiVersion: apps/v1",
        "apiVersion: extensions/v1beta1",
        "no matches for kind \"Deployment\" in version \"extensions/v1beta1\"; write apps/v1",
    ),
    (
        "selectPolicy: Max",
        "selectPolicy: Most",
        "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Most\": supported values: \"Disabled\", \"Max\", \"Min\"",
    ),
    (
        "stabilizationWindowSeconds: 300",
        "stabilizationWindowSeconds: 3601",
        "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
    ),
    (
        "value: 100, periodSeconds: 15",
        "value: 0, periodSeconds: 15",
        "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
    ),
    (
        "value: 100, periodSeconds: 15",
        "value: 100, periodSeconds: 1801",
        "policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
    ),
    (
        "name: real-world-hpa",
        "name: Real_World",
        "metadata.name: Invalid value: \"Real_World\": must consist of lower case alphanumeric characters",
    ),
    ("name: cpu", "name: \"\"", "spec.metrics[1].resource.name: Required value"),
    (
        "namespace: real-world\n",
        "namespace: real.world\n",
        "metadata.namespace: Invalid value: \"real.world\": must consist of lower case alphanumeric characters or '-'",
    ),
    ("metrics:\n", "metrics: {}\n", "line 1"),
];

#[test]
fn an_hpa_that_the_api_server_would_refuse_is_refused_with_its_line() {
    for (from, to, expected) in SLIPS {
        let hpa = changed(from, to);
        // The last one is no YAML any more; only its place matters.
        let expected = if expected == "line 1" { "line " } else { expected };
        let folder = folder(&[("hpa.yaml", &hpa)]);
        let file = folder.path().join("hpa.yaml");
        let arguments = ["run", "--hpa", file.to_str().unwrap()];
        let errors = text(&run(&arguments).stderr);
        assert!(errors.contains(expected), "{from} -> {to}:\n{errors}");
        assert!(errors.contains("line "), "{errors}");
    }
    hpa_refused("", "line 1, column 1: the document is empty");
    let two = format!("{0}---\n{0}", changed("10", "10"));
    let errors = {
        let folder = folder(&[("hpa.yaml", &two)]);
        let file = folder.path().join("hpa.yaml");
        text(&run(&["run", "--hpa", file.to_str().unwrap()]).stderr)
    };
    assert!(errors.contains("a second HorizontalPodAutoscaler; one is followed"), "{errors}");
}

#[test]
fn what_kubectl_writes_is_taken() {
    let hpa = changed(
        "  name: real-world-hpa\n",
        "  name: real-world-hpa\n  uid: 1\n  resourceVersion: \"5\"\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n  annotations: {a: b}\n",
    ) + "status: {currentReplicas: 2}\n";
    let folder = folder(&[("hpa.yaml", &hpa)]);
    let file = folder.path().join("hpa.yaml");
    let output = run(&["plan", "--hpa", file.to_str().unwrap(), "--load", "steps:1@1m", "--pod-capacity", "10"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_list_of_one_is_taken() {
    let one = changed("apiVersion: autoscaling/v2", "- apiVersion: autoscaling/v2");
    let items: String =
        one.lines()
            .map(|line| {
                if line.starts_with('-') || line.starts_with('#') { format!("{line}\n") } else { format!("  {line}\n") }
            })
            .collect();
    let folder = folder(&[(
        "list.yaml",
        &format!("apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: \"\"}}\nitems:\n{items}"),
    )]);
    let file = folder.path().join("list.yaml");
    let output = run(&["plan", "--hpa", file.to_str().unwrap(), "--load", "steps:1@1m", "--pod-capacity", "10"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn what_would_take_all_memory_is_refused() {
    let many = changed("maxReplicas: 10", "maxReplicas: 2000000000");
    let folder = folder(&[("hpa.yaml", &many)]);
    let file = folder.path().join("hpa.yaml");
    let file = file.to_str().unwrap();
    let plan = ["plan", "--hpa", file, "--load", "steps:1@1m", "--pod-capacity", "10"];
    refused(&plan, "spec.maxReplicas: 2000000000 pods cannot be planned, 100000 can");
    refused(
        &["run", "--hpa", file],
        "spec.maxReplicas: 2000000000 processes are too many for a machine; 200 are played at most",
    );
    let hpa = real_world_hpa();
    let plan =
        ["plan", "--hpa", hpa.to_str().unwrap(), "--load", "steps:1@1ms", "--for", "366d", "--pod-capacity", "10"];
    refused(&plan, "--for: so many repetitions of so short a load have too many parts");
    refused(&["plan", "--load", "steps:1@1m", "--for", "0s", "--pod-capacity", "10"], "expected more than no time");
}

#[test]
fn hpas_of_different_objects_are_not_compared() {
    let other = changed("    name: real-world\n", "    name: other\n");
    let folder = folder(&[("other.yaml", &other)]);
    let other = folder.path().join("other.yaml");
    let (hpa, other) = (real_world_hpa(), other.to_str().unwrap().to_owned());
    for command in [vec!["run"], vec!["plan", "--load", "steps:1@1m", "--pod-capacity", "10"]] {
        let mut arguments = command.clone();
        arguments.extend(["--hpa", hpa.to_str().unwrap(), "--compare", &other]);
        refused(&arguments, &format!("{other}: it scales another object than"));
    }
}

#[test]
fn another_kind_than_a_deployment_is_planned_and_not_played() {
    let hpa = changed("kind: Deployment", "kind: StatefulSet");
    let folder = folder(&[("hpa.yaml", &hpa)]);
    let file = folder.path().join("hpa.yaml");
    refused(
        &["run", "--hpa", file.to_str().unwrap()],
        "a StatefulSet is not played here, only a Deployment; `plan` takes any",
    );
    let output = run(&["plan", "--hpa", file.to_str().unwrap(), "--load", "steps:1@1m", "--pod-capacity", "10"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn loads_and_numbers_that_make_no_sense_are_refused() {
    refused(&["run", "--profile", "steps:20"], "load `steps:20`: `20` is not of the form 140@30s");
    refused(&["run", "--pace", "0"], "expected a number from 1 to 50");
    refused(
        &["run", "--no-load", "--compare", "cpu", "--hpa", real_world_hpa().to_str().unwrap()],
        "--compare plays the load twice",
    );
    refused(&["plan", "--load", "steps:20@1m", "--pod-capacity", "0"], "expected a number above 0");
    refused(&["plan", "--load", "missing.csv", "--pod-capacity", "1"], "missing.csv: No such file or directory");
    refused(
        &["plan", "--load", "steps:20@1m", "--pod-capacity", "1"],
        "k8s/real-world-hpa.yaml: No such file or directory",
    );
    refused(
        &["load", "https://localhost/", "--rate", "1"],
        "https://localhost/: TLS is not spoken here; write http://",
    );
    refused(&["load", "localhost", "--rate", "1"], "is not of the form http://host/path");
    refused(&["load", "http://localhost/"], "--rate");
}

#[test]
fn a_csv_with_a_slip_is_refused_with_its_line() {
    let folder = folder(&[("week.csv", "time,rate\n0,10\n60,twenty\n")]);
    let file = folder.path().join("week.csv");
    let file = file.to_str().unwrap();
    refused(
        &["plan", "--load", file, "--pod-capacity", "1"],
        &format!("{file}: line 3: `twenty` is not a number of requests a second"),
    );
}

#[test]
fn a_deployment_that_the_hpa_does_not_scale_is_refused() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\nspec: {}\n";
    let folder = folder(&[("d.yaml", deployment)]);
    let file = folder.path().join("d.yaml");
    let file = file.to_str().unwrap();
    refused(
        &["run", "--hpa", real_world_hpa().to_str().unwrap(), "--deployment", file],
        &format!("{file}: there is no Deployment real-world, which the HPA scales"),
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let hpa = real_world_hpa();
    let hpa = hpa.to_str().unwrap();
    for (flag, what) in [
        ("--port", "the front door"),
        ("--adapter-port", "the metrics-adapter"),
        ("--adapter-ops-port", "the metrics-adapter's status page"),
    ] {
        let mut arguments = vec!["run", "--hpa", hpa];
        for other in ["--port", "--adapter-port", "--adapter-ops-port"] {
            arguments.extend([other, if other == flag { &port } else { "0" }]);
        }
        refused(
            &arguments,
            &format!(
                "rehearse: port {port} of 127.0.0.1 ({what}) is taken: stop who listens there, or choose another with {flag}"
            ),
        );
    }
}

#[test]
fn missing_programs_are_named_with_how_to_build_them() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("rehearse");
    std::fs::copy(env!("CARGO_BIN_EXE_rehearse"), &alone).unwrap();
    let output = std::process::Command::new(&alone)
        .args([
            "run",
            "--port",
            "0",
            "--adapter-port",
            "0",
            "--adapter-ops-port",
            "0",
            "--hpa",
            real_world_hpa().to_str().unwrap(),
        ])
        .current_dir(&folder)
        .output()
        .unwrap();
    let errors = text(&output.stderr);
    assert!(
        errors.contains(
            "conduit is missing: build it with `cargo build --release --bins`, or start the rehearsal with `make run`"
        ),
        "{errors}"
    );
}

#[test]
fn a_full_disk_is_told_with_the_file() {
    let hpa = real_world_hpa();
    let arguments = [
        "plan",
        "--hpa",
        hpa.to_str().unwrap(),
        "--load",
        "steps:1@1m",
        "--pod-capacity",
        "10",
        "--report",
        "/dev/full",
    ];
    refused(&arguments, "the report /dev/full: No space left on device");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_anything_starts() {
    let folder = folder(&[("data", "a file, where a folder is to be")]);
    let data = folder.path().join("data");
    let arguments = [
        "run",
        "--hpa",
        real_world_hpa().to_str().unwrap(),
        "--port",
        "0",
        "--adapter-port",
        "0",
        "--adapter-ops-port",
        "0",
        "--data",
        data.to_str().unwrap(),
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    refused(&arguments, "Not a directory");
}
