//! The real Prometheus on the shipped configuration and rules, which finds its targets in files instead of asking a
//! cluster, and asks ever so often.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stack::manifests;
use stack::processes::{Process, eventually, free_port, get};
use tempfile::TempDir;

/// Namespace, name, address, and `app.kubernetes.io/name` of a pod.
pub(crate) type Pod<'a> = (&'a str, String, SocketAddr, &'a str);

pub(crate) struct Prometheus {
    _process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    pub(crate) fn start(pods: &[Pod<'_>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let kubelet = kubelet(pods.iter().filter(|pod| pod.3 == "real-world").map(|pod| pod.1.clone()).collect());
        let mut config = manifests::file("prometheus/prometheus.yml")[0].clone();
        for interval in ["scrape_interval", "scrape_timeout", "evaluation_interval"] {
            config["global"][interval] = json!("1s");
        }
        let rules = manifests::root().join("prometheus/rules/*.yaml");
        config["rule_files"] = json!([rules]);
        for job in config["scrape_configs"].as_array_mut().unwrap() {
            let name = job["job_name"].as_str().unwrap().to_owned();
            let job = job.as_object_mut().unwrap();
            let Some(discovery) = job.remove("kubernetes_sd_configs") else {
                let text = Value::Object(job.clone()).to_string().replace("localhost:9090", &address.to_string());
                *job = serde_json::from_str(&text).unwrap();
                continue;
            };
            let targets = match discovery[0]["role"].as_str() {
                Some("pod") => pods.iter().map(of_pod).collect(),
                Some("node") => {
                    for field in ["scheme", "authorization", "tls_config"] {
                        job.remove(field);
                    }
                    vec![json!({"targets": [kubelet.to_string()], "labels": {"__meta_kubernetes_node_name": "node1"}})]
                }
                other => panic!("{name} looks for {other:?}"),
            };
            let file = folder.path().join(format!("{name}.json"));
            std::fs::write(&file, json!(targets).to_string()).unwrap();
            job.insert("file_sd_configs".to_owned(), json!([{"files": [file]}]));
        }
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new("prometheus");
        command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.path().join("data"));
        command.arg("--web.listen-address").arg(address.to_string());
        let mut process = Process::start(command, &folder.path().join("log"));
        eventually("Prometheus gets ready", || {
            assert!(!process.has_ended(), "{}", process.log());
            (get(address, "prometheus", "/-/ready", &[]).status == 200).then_some(())
        });
        Self { _process: process, address, _folder: folder }
    }

    /// The label sets of the series that a query gives now, or what is wrong with it.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let url = format!("http://{}/api/v1/query", self.address);
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(&url).query("query", query).call().map_err(|error| error.to_string())?;
        let answer: Value = answer.body_mut().read_json().map_err(|error| error.to_string())?;
        match (answer["status"].as_str(), answer["data"]["resultType"].as_str()) {
            (Some("success"), Some("scalar")) => Ok(vec![json!({})]),
            (Some("success"), _) => {
                Ok(answer["data"]["result"].as_array().unwrap().iter().map(|series| series["metric"].clone()).collect())
            }
            _ => Err(answer["error"].as_str().unwrap_or("no answer").to_owned()),
        }
    }
}

fn of_pod((namespace, name, address, app): &Pod<'_>) -> Value {
    json!({"targets": [address.to_string()], "labels": {
        "__meta_kubernetes_namespace": namespace, "__meta_kubernetes_pod_name": name, "__meta_kubernetes_pod_node_name": "node1",
        "__meta_kubernetes_pod_phase": "Running", "__meta_kubernetes_pod_ip": address.ip().to_string(),
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
        "__meta_kubernetes_pod_annotation_prometheus_io_port": address.port().to_string(),
        "__meta_kubernetes_pod_annotation_prometheus_io_path": "/metrics",
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": app,
    }})
}

/// A kubelet's pages, whose counters grow.
fn kubelet(pods: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let began = Instant::now();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let cadvisor = String::from_utf8_lossy(&request[..length]).contains("cadvisor");
            let body = page(cadvisor, &pods, began.elapsed().as_secs_f64());
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    address
}

fn page(cadvisor: bool, pods: &[String], seconds: f64) -> String {
    // Kubelets write when they measured.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let own = |pod: &String| -> String {
        let labels = format!("container=\"real-world\",namespace=\"real-world\",pod=\"{pod}\"");
        let names: &[(&str, f64)] = if cadvisor {
            &[
                ("container_cpu_cfs_periods_total", 10.0 * seconds),
                ("container_cpu_cfs_throttled_periods_total", 0.1 * seconds),
            ]
        } else {
            &[
                ("container_cpu_usage_seconds_total", 0.05 * seconds),
                ("container_memory_working_set_bytes", 17_825_792.0),
            ]
        };
        let line = |(name, value): &(&str, f64)| format!("{name}{{{labels}}} {value} {now}\n");
        names.iter().map(line).collect::<Vec<_>>().concat()
    };
    let node = if cadvisor {
        String::new()
    } else {
        format!("node_cpu_usage_seconds_total {} {now}\nnode_memory_working_set_bytes 1e9 {now}\n", 0.4 * seconds)
    };
    pods.iter().map(own).collect::<String>() + &node
}
