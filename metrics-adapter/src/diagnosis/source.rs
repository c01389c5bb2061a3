use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::Examination;
use super::link::Fault;
use super::pods;
use super::registered::{Program, Registration};
use super::service::Behind;

/// Replicas that are asked; they read the same.
const MOST_REPLICAS: usize = 3;
/// A status page of a cluster of 150,000 pods is smaller.
const MOST_BYTES: usize = 256 << 20;
/// A status page is made in memory.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

impl Examination<'_> {
    /// What this adapter says of itself: its readiness, its configuration, and where its values come from.
    pub(super) async fn source(&mut self, by: &Registration, behind: &Behind) -> Result<(), Fault> {
        if by.program != Program::Ours {
            return Ok(());
        }
        if let Some(adapter) = self.scope.adapter.clone() {
            let subject = format!("the adapter at {adapter}");
            return match page(&adapter).await {
                Ok(status) => self.judge(&subject, by, &status),
                Err(why) => Err(Fault::new(
                    subject,
                    format!("its status page cannot be read: {why}"),
                    format!(
                        "forward it, kubectl -n {} port-forward deploy/metrics-adapter 9000, and name it with --adapter http://127.0.0.1:9000",
                        by.namespace
                    ),
                )),
            };
        }
        let ready: Vec<&Pod> = behind.pods.iter().filter(|pod| pods::is_ready(pod)).take(MOST_REPLICAS).collect();
        for pod in ready {
            let (namespace, name) = (&by.namespace, pods::name(pod));
            let subject = format!("pod {namespace}/{name}");
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:{}/proxy/status.json", pods::ops_port(pod));
            match self.asker.json(&path).await {
                Ok(status) => self.judge(&subject, by, &status)?,
                // A NetworkPolicy may keep the API server from the page, which breaks nothing else.
                Err(why) => self.trail.unseen(
                    &format!("status page of {subject}"),
                    &format!("{why}; --adapter http://127.0.0.1:9000 looks through kubectl -n {namespace} port-forward {name} 9000"),
                ),
            }
        }
        Ok(())
    }

    fn judge(&mut self, subject: &str, by: &Registration, status: &Value) -> Result<(), Fault> {
        let log = format!("the adapter's log says more: {}", by.logs());
        let texts = |values: &Value| -> Vec<String> {
            values.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        if status["ready"] == false {
            let lines = texts(&status["readiness"]);
            let failed: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("[-]")).collect();
            let why = if failed.is_empty() { String::new() } else { format!(": {}", failed.join(", ")) };
            return Err(Fault::new(subject, format!("is not ready{why}"), log));
        }
        let each = |values: &Value| values.as_array().cloned().unwrap_or_default();
        for file in each(&status["files"]) {
            if let Some(problem) = file["problem"].as_str() {
                let place = file["path"].as_str().unwrap_or("configuration");
                return Err(Fault::new(
                    subject,
                    format!("{place} is wrong, and what it said before is in force: {problem}"),
                    format!("mend it: {}", by.configure()),
                ));
            }
        }
        let cluster = &status["cluster"];
        let named = |entry: &Value, name: &str| {
            Some(format!("{}: {}", entry[name].as_str().unwrap_or_default(), entry["problem"].as_str()?))
        };
        let problems = [
            cluster["trustProblem"].as_str().map(str::to_owned),
            cluster["certificate"]["problem"].as_str().map(str::to_owned),
            each(&cluster["apiServices"]).iter().find_map(|own| named(own, "name")),
            each(&cluster["watches"]).iter().find_map(|own| named(own, "resource")),
        ];
        if let Some(problem) = problems.into_iter().flatten().next() {
            return Err(Fault::new(subject, problem, log));
        }
        self.prometheus(subject, &status["prometheus"], by)?;
        self.read(subject, "targets", "pod", &each(&status["targets"]))?;
        self.read(subject, "kubelets", "name", &each(&status["nodes"]))
    }

    fn prometheus(&mut self, subject: &str, prometheus: &Value, by: &Registration) -> Result<(), Fault> {
        let url = prometheus["url"].as_str().unwrap_or_default();
        let problem = |of: &Value| of["error"]["problem"].as_str().map(str::to_owned);
        if prometheus["up"] == false {
            let failure = problem(prometheus).unwrap_or_else(|| "it does not answer".to_owned());
            return Err(Fault::new(
                subject,
                format!("Prometheus at {url} gives it nothing: {failure}"),
                "see that Prometheus runs there, and that the adapter's pods can reach it",
            ));
        }
        let each = |what: &str| prometheus[what].as_array().cloned().unwrap_or_default();
        for rule in each("rules") {
            let place = format!("{}, line {}", rule["kind"].as_str().unwrap_or("rules"), rule["line"]);
            if let Some(failure) = problem(&rule) {
                return Err(Fault::new(
                    subject,
                    format!("{place}: the series of {} cannot be listed: {failure}", rule["seriesQuery"]),
                    format!("mend its seriesQuery, as check-config FILE --prometheus URL tries it: {}", by.configure()),
                ));
            }
            if rule["series"] == 0 {
                self.trail.remark(subject, format!("{place}: Prometheus has no series of {}", rule["seriesQuery"]));
            }
        }
        for query in each("queries") {
            if let Some(failure) = problem(&query) {
                return Err(Fault::new(
                    subject,
                    format!("the query for {} fails: {failure}", query["metric"].as_str().unwrap_or_default()),
                    format!("mend its query, {}: {}", query["query"], by.configure()),
                ));
            }
        }
        if prometheus["up"] == true {
            self.trail.good(subject, format!("Prometheus at {url} answers"));
        }
        Ok(())
    }

    /// That some are down is their own affair; that all are is the adapter's.
    fn read(&mut self, subject: &str, what: &str, name: &str, all: &[Value]) -> Result<(), Fault> {
        let with: Vec<&Value> = all.iter().filter(|own| own["state"] != "waiting").collect();
        let down: Vec<&&Value> = with.iter().filter(|own| own["state"] == "down").collect();
        let said = |own: &Value| {
            format!(
                "{}: {}",
                own[name].as_str().unwrap_or_default(),
                own["error"]["problem"].as_str().unwrap_or("down")
            )
        };
        match down.first() {
            Some(first) if down.len() == with.len() => Err(Fault::new(
                subject,
                format!("none of its {} {what} can be read, as {}", down.len(), said(first)),
                if what == "targets" {
                    "see that the pods serve metrics where prometheus.io/port and prometheus.io/path say, and that no NetworkPolicy keeps the adapter from them"
                } else {
                    "see that the adapter's pods reach the nodes' port 10250; where kubelets sign their own certificates, set KUBELET_INSECURE_TLS=true on a toy cluster, or serverTLSBootstrap"
                },
            )),
            Some(first) => {
                self.trail.remark(
                    subject,
                    format!("{} of {} {what} cannot be read, as {}", down.len(), with.len(), said(first)),
                );
                Ok(())
            }
            None => {
                self.trail.good(subject, format!("reads {} {what}", with.len()));
                Ok(())
            }
        }
    }
}

/// The adapter's status page, by itself.
async fn page(adapter: &Uri) -> Result<Value, String> {
    let url = format!("{}/status.json", adapter.to_string().trim_end_matches('/'));
    let url: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let asked = async {
        let answer = client.get(url).await.map_err(|error| super::ask::causes(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(status.to_string());
        }
        serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())
    };
    tokio::time::timeout(ANSWER, asked).await.map_err(|_| format!("no answer within {ANSWER:?}"))?
}
