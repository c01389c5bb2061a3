//! What the document says beside its commands: links, tables, names, the API's own words.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stack::manifests::{self, find, kustomized, root};
use stack::quota::{Usage, refusal};

use crate::document::{Document, PATH};

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|one| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let document = Document::read();
    let links = document.links();
    assert!(links.len() > 30, "only {} links were found", links.len());
    for link in links {
        let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
        let path = if file.is_empty() { PATH.to_owned() } else { format!("k8s/{file}") };
        assert!(root().join(&path).exists(), "{PATH} links to {link}: there is no {path}");
        if !fragment.is_empty() {
            let text = manifests::text(&path);
            let mut headings = text.lines().filter(|line| line.starts_with('#'));
            assert!(headings.any(|heading| anchor(heading) == fragment), "{path} has no heading for #{fragment}");
        }
    }
}

/// Requests and limits as the document writes them: in thousandths and in Mi, whatever they are.
fn shown(usage: &Usage) -> [String; 4] {
    let cpu = |resource: &str| format!("{}m", usage.get(resource));
    let memory = |resource: &str| format!("{}Mi", usage.get(resource) >> 20);
    [cpu("requests.cpu"), memory("requests.memory"), cpu("limits.cpu"), memory("limits.memory")]
}

fn pod(file: &str, kind: &str, name: &str) -> Value {
    find(&manifests::file(file), kind, name)["spec"]["template"]["spec"].clone()
}

fn app() -> Usage {
    Usage::of_pod(&pod("k8s/real-world-deployment.yaml", "Deployment", "real-world"))
}

fn db() -> Usage {
    Usage::of_pod(&pod("k8s/real-world-deployment.yaml", "StatefulSet", "db"))
}

fn traefik() -> Usage {
    Usage::of_pod(&pod("k8s/traefik/traefik-deployment.yaml", "Deployment", "traefik-ingress-controller"))
}

fn job() -> Usage {
    Usage::of_pod(&pod("k8s/real-world-seed.yaml", "Job", "real-world-seed"))
}

#[test]
fn the_table_of_pods_is_what_the_manifests_ask_for() {
    let document = Document::read();
    let rows = document.table("pod", "requests cpu / memory");
    let expected = [app(), db(), traefik(), job()];
    assert_eq!(rows.len(), expected.len());
    for (row, usage) in rows.iter().zip(expected) {
        let [cpu, memory, limit, most] = shown(&usage);
        assert_eq!(row[1..], [format!("{cpu} / {memory}"), format!("{limit} / {most}")], "{}", row[0]);
    }
}

#[test]
fn the_table_of_replicas_is_their_sum() {
    let document = Document::read();
    let rows = document.table("replicas of the API", "pods");
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["2", "3", "4", "10"]);
    for row in rows {
        let sum = &app() * row[0].parse().unwrap() + &db() + &(&traefik() * 2);
        assert_eq!(row[1], sum.text("pods"));
        assert_eq!(row[2..], shown(&sum), "{} replicas", row[0]);
    }
}

#[test]
fn the_third_quota_holds_the_worst_moment_and_not_one_pod_more() {
    let document = Document::read();
    let worst = &app() * (10 + 1 + 8) + &job() + &(&traefik() * 3) + &db();
    let pods = worst.text("pods");
    assert!(
        document.text.contains(&format!("That is {pods} pods of 24")),
        "the document counts other pods than {pods}"
    );
    let rows = document.table("moment", "requests cpu | requests memory");
    assert_eq!(rows[0][1..], shown(&worst), "the sum");
    let objects = manifests::file("k8s/real-world-rquota.yaml");
    let quota = find(&objects, "ResourceQuota", "real-world-rquota");
    let names = ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
    assert_eq!(rows[1][1..], names.map(|name| quota["spec"]["hard"][name].as_str().unwrap()), "the quota");
    for name in names {
        assert!(worst.get(name) <= Usage::of_quota(quota).get(name), "{name}");
    }
    let more = pod("k8s/real-world-deployment.yaml", "Deployment", "real-world");
    assert!(refusal(quota, &worst, &more).is_some(), "one more fits");
}

#[test]
fn the_stages_differ_in_their_quota_alone() {
    let stages =
        ["k8s/real-world-rquota-1-blocks.yaml", "k8s/real-world-rquota-2-three.yaml", "k8s/real-world-rquota.yaml"];
    let all = stages.map(manifests::file);
    for (stage, objects) in stages.iter().zip(&all) {
        assert_eq!(find(objects, "LimitRange", "limits"), find(&all[0], "LimitRange", "limits"), "{stage}");
        assert_eq!(
            find(objects, "ResourceQuota", "real-world-rquota")["metadata"],
            find(&all[0], "ResourceQuota", "real-world-rquota")["metadata"]
        );
    }
}

/// Each word of an output that is shaped like a pod belongs to a workload.
#[test]
fn pods_in_outputs_belong_to_workloads() {
    let document = Document::read();
    let all = kustomized("overlays/kind");
    let workloads: BTreeSet<&str> = all
        .iter()
        .filter(|object| ["Deployment", "StatefulSet"].contains(&object["kind"].as_str().unwrap()))
        .map(|object| object["metadata"]["name"].as_str().unwrap())
        .collect();
    let pod = regex::Regex::new(r"\b([a-z][a-z-]*?)(?:-0|-[0-9a-f]{8,10}-[a-z0-9]{5})\b").unwrap();
    let mut seen = 0;
    for (line, text) in document.lines_within("console") {
        for found in pod.captures_iter(text) {
            seen += 1;
            assert!(workloads.contains(&found[1]), "{PATH}:{line}: {} is no pod of {workloads:?}", &found[0]);
        }
    }
    assert!(seen > 20, "only {seen} pods were found");
}

#[test]
fn services_ingresses_and_hosts_in_outputs_exist() {
    let document = Document::read();
    let all = kustomized("overlays/kind");
    let ingress = find(&all, "Ingress", "traefik-web-ui");
    let hosts: Vec<&str> =
        ingress["spec"]["rules"].as_array().unwrap().iter().filter_map(|rule| rule["host"].as_str()).collect();
    let row = format!("traefik-web-ui   traefik   {}", hosts.join(","));
    assert!(document.text.contains(&row), "the document does not show {row}");
    for service in ["traefik-ingress-service", "real-world-service", "traefik-web-ui", "db"] {
        find(&all, "Service", service);
    }
    for name in ["real-world.localhost", "real-world.app.local"] {
        let hosts = &find(&all, "Ingress", "real-world-service")["spec"]["rules"];
        assert!(hosts.as_array().unwrap().iter().any(|rule| rule["host"] == name), "{name} is routed nowhere");
        assert!(document.text.contains(name));
    }
    for service in all.iter().filter(|object| object["kind"] == "APIService") {
        let row = format!("{} ", service["metadata"]["name"].as_str().unwrap());
        assert!(document.text.contains(&row), "the document does not show {row}");
    }
    let secret = find(&all, "Deployment", "traefik-ingress-controller")["spec"]["template"]["spec"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|volume| volume["secret"]["secretName"].as_str())
        .unwrap();
    assert!(document.text.contains(&format!("kubectl create secret generic {secret} ")), "nobody makes {secret}");
}

#[test]
fn the_kustomization_of_ones_own_can_be_built() {
    let text = Document::read().block("yaml").replace("../", "../../");
    let folder = root().join("target/walkthrough");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("kustomization.yaml"), text).unwrap();
    let all = kustomized("target/walkthrough");
    let cpu = &find(&all, "Deployment", "real-world")["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
        ["cpu"];
    assert_eq!(cpu, "50m", "as components/tiny says");
}

#[test]
fn what_can_be_typed_beside_the_commands_exists() {
    let document = Document::read();
    for (_, line) in document.lines_within("sh") {
        if line.starts_with("export ") {
            continue;
        }
        let file = line.split(' ').skip_while(|word| *word != "-f").nth(1).unwrap();
        assert!(root().join(file).exists(), "{line}: there is no {file}");
        let image = line.split(' ').skip_while(|word| *word != "-t").nth(1).unwrap();
        let used =
            kustomized("k8s").iter().any(|object| object.to_string().contains(&format!("\"image\":\"{image}\"")));
        assert!(used, "{line}: no manifest uses {image}");
    }
    for folder in [
        "k8s",
        "overlays/kind",
        "overlays/cloud",
        "k8s/metrics-adapter",
        "k8s/metrics-adapter/kind",
        "k8s/metrics-adapter/complete",
    ] {
        assert!(
            document.text.contains(&format!("`kubectl apply -k {folder}`")),
            "the document does not tell of {folder}"
        );
    }
    let makefile = manifests::text("Makefile");
    assert!(makefile.contains("--rate '$(RATE)' --for '$(FOR)'") && makefile.contains("load '$(URL)'"), "make load");
}

/// The environment of the Deployment, its secrets decoded.
fn environment() -> Vec<(String, String)> {
    let secrets = manifests::file("k8s/real-world-secrets.yaml");
    let all = manifests::file("k8s/real-world-deployment.yaml");
    let container = &find(&all, "Deployment", "real-world")["spec"]["template"]["spec"]["containers"][0];
    let decode = |variable: &Value| {
        let from = &variable["valueFrom"]["secretKeyRef"];
        let secret = find(&secrets, "Secret", from["name"].as_str().unwrap());
        let value = secret["data"][from["key"].as_str().unwrap()].as_str().unwrap();
        let bytes = fake_kube::base64::decode(value).unwrap();
        (variable["name"].as_str().unwrap().to_owned(), String::from_utf8(bytes).unwrap())
    };
    container["env"].as_array().unwrap().iter().map(decode).collect()
}

#[test]
fn while_it_waits_the_api_says_what_the_document_shows() {
    let document = Document::read();
    let mut conduit = Command::new(root().join("target/debug/conduit"));
    conduit.env_clear().envs(environment()).env("PORT", "0").env("OPS_PORT", "0").env("BIND_ADDRESS", "127.0.0.1");
    let mut process = conduit.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let log = process.stdout.take().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(std::io::BufReader::new(log)).map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut said = String::new();
    while !said.contains("waiting for database") && Instant::now() < deadline {
        said += &told.recv_timeout(Duration::from_secs(30)).unwrap_or_default();
        said.push('\n');
    }
    process.kill().unwrap();
    process.wait().unwrap();
    // With the reader's ports.
    for (pattern, with) in [(r"selected \d+ as", "selected PORT as"), (r"http://127\.0\.0\.1:\d+", "http://ADDRESS")] {
        said = regex::Regex::new(pattern).unwrap().replace_all(&said, with).into_owned();
    }
    let step = document.steps().into_iter().find(|step| step.command.starts_with("kubectl logs")).unwrap();
    for shown in step.output.iter().skip(1) {
        // Without the time, and without what only a cluster's resolver says.
        let message = &shown[shown.find("  ").unwrap()..];
        let message = message.split(": error communicating").next().unwrap().split(" ops=").next().unwrap();
        let message = message.replace("4000", "PORT").replace("127.0.0.1:9000", "ADDRESS");
        assert!(said.contains(&message), "the API does not say {message:?}:\n{said}");
    }
}
