//! Debian's Prometheus on the real `prometheus.yml`, and what it scrapes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stack::manifests::{file, root};
use stack::processes::free_port;
use tempfile::TempDir;

use crate::cluster;

/// The configuration that a cluster is given, for this Prometheus: what it cannot do here is replaced, and nothing else.
pub(crate) fn rewritten(folder: &TempDir, own: u16, target: u16) -> Value {
    let mut config = file("prometheus/prometheus.yml").remove(0);
    let found = [("pod", cluster::pods(target)), ("node", cluster::nodes(target))];
    for (role, found) in found {
        std::fs::write(folder.path().join(format!("{role}.json")), json!(found).to_string()).unwrap();
    }
    // So that a test need not wait; what 15 s are good for is said in the file.
    for (interval, value) in [("scrape_interval", "1s"), ("scrape_timeout", "1s"), ("evaluation_interval", "1s")] {
        config["global"][interval] = json!(value);
    }
    config["rule_files"][0] = json!(root().join("prometheus/rules/*.yaml"));
    for job in config["scrape_configs"].as_array_mut().unwrap() {
        if let Some(discovery) = job.as_object_mut().unwrap().remove("kubernetes_sd_configs") {
            let role = discovery[0]["role"].as_str().unwrap();
            job["file_sd_configs"] = json!([{"files": [folder.path().join(format!("{role}.json"))]}]);
            // Kubelets are asked without TLS and a token, which are not what is looked at here.
            for field in ["authorization", "tls_config", "scheme"] {
                job.as_object_mut().unwrap().remove(field);
            }
        } else {
            job["static_configs"][0]["targets"][0] = json!(format!("localhost:{own}"));
        }
    }
    config
}

/// A Prometheus, which ends with this.
pub(crate) struct Prometheus {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// One that scrapes the small cluster, whose pods and nodes all listen on the port `target`.
    pub(crate) fn start(target: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port(Ipv4Addr::LOCALHOST.into());
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, rewritten(&folder, port, target).to_string()).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("prometheus: `make tools`");
        Self { process, port, folder }
    }

    /// `data` of an answer of its API, if it answers.
    pub(crate) fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let request = ureq::get(format!("http://127.0.0.1:{}/api/v1/{path}", self.port));
        let request = parameters.iter().fold(request, |request, (name, value)| request.query(*name, *value));
        let mut answer: Value = request.call().ok()?.body_mut().read_json().ok()?;
        Some(answer["data"].take())
    }

    /// The series that a query gives now, each as its labels.
    pub(crate) fn series(&self, query: &str) -> Vec<Value> {
        let data = self.ask("query", &[("query", query)]).unwrap_or_default();
        let result = data["result"].as_array().cloned().unwrap_or_default();
        result.into_iter().map(|mut series| series["metric"].take()).collect()
    }

    /// What `look` finds, as soon as it finds it.
    pub(crate) fn eventually<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(
                Instant::now() < deadline,
                "{what}: not within a minute; {:?}\n{}",
                self.ask("targets", &[]),
                log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Answers as a pod, an adapter and a kubelet would, as long as the test lasts; gives its port.
pub(crate) fn target() -> u16 {
    target_until(&Arc::default())
}

/// The same, until this says that a pod is gone.
pub(crate) fn target_until(gone: &Arc<AtomicBool>) -> u16 {
    let gone = Arc::clone(gone);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            // A TLS client gets no further: it is no request.
            let Some(path) = first.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) else { continue };
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let (status, body) = cluster::answer(path, gone.load(Ordering::Relaxed))
                .map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
            let head = "Content-Type: text/plain; version=0.0.4\r\nConnection: close";
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    port
}
