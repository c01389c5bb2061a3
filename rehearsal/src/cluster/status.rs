use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use x509_parser::pem::Pem;

use super::forward::Forward;
use super::ground::{Ground, is_ours};
use super::look::{condition, is_true, list, name, number, text};
use super::marks::{APP, HPA, MONITORING, OURS};
use super::record::Record;
use super::up::PARTS;
use super::urls::Way;
use super::workload::{is_ready, state};
use super::{Bench, Failure};

/// A certificate that ends sooner should have been replaced.
const SOON: i64 = 7;

/// One screen, and what is not well on it.
struct Screen<'a> {
    bench: &'a Bench,
    unwell: Vec<String>,
}

/// Everything on one screen; whether all of it is well.
pub async fn status(bench: &mut Bench) -> Result<bool, Failure> {
    bench.progress.begins("looking at the cluster");
    let record = Record::read(&bench.data)?;
    bench.kubectl = record.lead(&bench.kubectl).await?;
    let ground = Ground::look(&bench.kubectl).await?;
    let place = bench.kubectl.context().unwrap_or("the current one");
    let room = match ground.cpu {
        0 => String::new(),
        cpu => format!(", {:.1} cores for pods", cores(cpu)),
    };
    bench.progress.say(&format!("Context {place}: {}{room}", ground.nodes()));
    if !ground.begun {
        bench.progress.say("Nothing of the stack is here; `make up` brings it.");
        return Ok(false);
    }
    let mut screen = Screen { bench, unwell: Vec::new() };
    screen.pods().await?;
    screen.autoscaler().await?;
    screen.registrations().await?;
    screen.targets().await?;
    screen.certificate().await?;
    let way = Way::find(&bench.kubectl, ground.traefik.as_ref()).await?;
    screen.title("URLs");
    for line in way.lines(&bench.kubectl.spelled().await) {
        screen.line(&line);
    }
    if screen.unwell.is_empty() {
        bench.progress.say("\nAll is well.");
        return Ok(true);
    }
    bench.progress.say("\nNot well, and `make doctor` says why:");
    for line in &screen.unwell {
        screen.line(line);
    }
    Ok(false)
}

/// Thousandths as a number to read.
pub(super) fn cores(milli: i128) -> f64 {
    f64::from(i32::try_from(milli).unwrap_or(i32::MAX)) / 1_000.0
}

impl Screen<'_> {
    fn title(&self, title: &str) {
        self.bench.progress.say(&format!("\n{title}"));
    }

    fn line(&self, line: &str) {
        self.bench.progress.say(&format!("  {line}"));
    }

    fn complain(&mut self, what: String) {
        self.unwell.push(what);
    }

    async fn pods(&mut self) -> Result<(), Failure> {
        self.title("Pods");
        for namespace in [APP, MONITORING] {
            let pods = self.bench.kubectl.json(&["get", "pods", "--namespace", namespace, "--selector", OURS]).await?;
            let pods = list(&pods, "/items");
            for pod in pods {
                let restarts: u64 =
                    list(pod, "/status/containerStatuses").iter().map(|own| number(own, "/restartCount")).sum();
                let (ready, state) = (is_ready(pod), state(pod));
                let how = if ready { "ready" } else { "not ready" };
                self.line(&format!("{namespace:<10}  {:<48}  {how:<9}  {state}, {restarts} restarts", name(pod)));
                // One that is done, or going, is not expected to be ready.
                if !ready && !["Succeeded", "Terminating"].contains(&state.as_str()) {
                    self.complain(format!("pod {namespace}/{}: {state}", name(pod)));
                }
            }
            if pods.is_empty() {
                self.complain(format!("no pods in {namespace}"));
            }
        }
        for workload in &PARTS {
            if self.bench.kubectl.object(workload.kind, workload.namespace, workload.name).await?.is_none() {
                if workload.title != "Traefik" {
                    self.complain(format!("{} is not there", workload.title));
                }
                continue;
            }
            // Pods that are there have been complained of.
            let standing = workload.standing(&self.bench.kubectl).await?;
            if !standing.is_ready() && standing.lagging.is_empty() {
                self.complain(format!("{}: {}", workload.title, standing.words()));
            }
        }
        Ok(())
    }

    async fn autoscaler(&mut self) -> Result<(), Failure> {
        self.title("HPA");
        let Some(hpa) = self.bench.kubectl.object("horizontalpodautoscalers.autoscaling", APP, HPA).await? else {
            self.line("there is none");
            self.complain(format!("no HPA {APP}/{HPA}"));
            return Ok(());
        };
        let current = list(&hpa, "/status/currentMetrics");
        for metric in list(&hpa, "/spec/metrics") {
            let (what, target) = aim(metric);
            let now =
                current.iter().map(reading).find(|(own, _)| *own == what).map_or("unknown".to_owned(), |(_, now)| now);
            if now == "unknown" {
                self.complain(format!("the HPA does not know {what}"));
            }
            self.line(&format!("{what:<26}  {now} of {target}"));
        }
        let count = |pointer: &str| number(&hpa, pointer);
        let (now, wanted) = (count("/status/currentReplicas"), count("/status/desiredReplicas"));
        let (least, most) = (count("/spec/minReplicas"), count("/spec/maxReplicas"));
        self.line(&format!("{now} replicas, {wanted} wanted, from {least} to {most}"));
        if !is_true(&hpa, "ScalingActive") {
            let said = condition(&hpa, "ScalingActive")
                .map_or("its controller has not looked yet", |own| text(own, "/message"));
            self.complain(format!("the HPA is not active: {said}"));
        }
        Ok(())
    }

    async fn registrations(&mut self) -> Result<(), Failure> {
        self.title("APIServices");
        let all = self.bench.kubectl.if_allowed(&["get", "apiservices.apiregistration.k8s.io"]).await?;
        let Some(all) = all else {
            self.line("unknown: you may not list them");
            return Ok(());
        };
        let metrics = |object: &&Value| text(object, "/spec/group").ends_with("metrics.k8s.io");
        let mut ours = 0;
        for object in list(&all, "/items").iter().filter(metrics) {
            ours += usize::from(is_ours(object));
            let whose = format!("{}/{}", text(object, "/spec/service/namespace"), text(object, "/spec/service/name"));
            let said = condition(object, "Available").map_or("nobody has looked yet", |own| text(own, "/message"));
            let how =
                if is_true(object, "Available") { "available".to_owned() } else { format!("not available: {said}") };
            self.line(&format!("{:<36}  {whose}  {how}", name(object)));
            if !is_true(object, "Available") {
                self.complain(format!("APIService {}: {said}", name(object)));
            }
        }
        if ours == 0 {
            self.complain("no APIService leads to the adapter".to_owned());
        }
        Ok(())
    }

    /// As the adapter sees them; who may not ask its pods is told so.
    async fn targets(&mut self) -> Result<(), Failure> {
        self.title("Targets");
        let selector =
            ["get", "pods", "--namespace", MONITORING, "--selector", "app.kubernetes.io/name=metrics-adapter"];
        let pods = self.bench.kubectl.json(&selector).await?;
        let Some(pod) = list(&pods, "/items").iter().find(|pod| is_ready(pod)) else {
            self.line("no pod of the adapter is ready to tell of them");
            return Ok(());
        };
        let path = format!("/api/v1/namespaces/{MONITORING}/pods/{}:9000/proxy/status.json", name(pod));
        // Where a network policy keeps the API server from it, the kubelet gets through.
        let direct = self.bench.kubectl.run(&["get", "--raw", &path, "--request-timeout=5s"]).await;
        let page = match direct {
            Ok(page) => page,
            Err(error) => match self.through_kubelet(name(pod)).await {
                Ok(page) => page,
                Err(_) => {
                    self.line(&format!("the adapter's status page cannot be asked: {error}"));
                    return Ok(());
                }
            },
        };
        let report: Value = match serde_json::from_str(&page) {
            Ok(report) => report,
            Err(error) => {
                self.line(&format!("the adapter's status page cannot be read: {error}"));
                return Ok(());
            }
        };
        let targets = list(&report, "/targets");
        let up = targets.iter().filter(|target| target["state"] == "up").count();
        self.line(&format!("{up} of {} pods are scraped", targets.len()));
        for target in targets.iter().filter(|target| target["state"] == "down") {
            let pod = format!("{}/{}", text(target, "/namespace"), text(target, "/pod"));
            self.complain(format!("{pod} is not scraped: {}", target["error"]));
        }
        Ok(())
    }

    async fn through_kubelet(&self, pod: &str) -> Result<String, Failure> {
        let forward = Forward::open(&self.bench.kubectl, MONITORING, &format!("pod/{pod}"), 9000).await?;
        forward.get("/status.json").await
    }

    async fn certificate(&mut self) -> Result<(), Failure> {
        self.title("Certificates");
        let (namespace, secret) = (format!("--namespace={MONITORING}"), "metrics-adapter-tls");
        let key = ["get", "secret", secret, &namespace, "--ignore-not-found", "--output=jsonpath={.data.tls\\.crt}"];
        let encoded = match self.bench.kubectl.run(&key).await {
            Ok(encoded) => encoded,
            Err(error) => {
                self.line(&format!("{MONITORING}/{secret} cannot be read: {error}"));
                return Ok(());
            }
        };
        match days(&encoded) {
            Some(days) => {
                self.line(&format!("{MONITORING}/{secret}: valid for {days} days; the adapter renews it by itself"));
                if days < SOON {
                    self.complain(format!("the adapter's certificate ends in {days} days"));
                }
            }
            None => self.line(&format!("{MONITORING}/{secret}: none yet")),
        }
        Ok(())
    }
}

/// How long the first certificate of a Secret's value is valid.
fn days(encoded: &str) -> Option<i64> {
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let pem = Pem::iter_from_buffer(&bytes).next()?.ok()?;
    let end = pem.parse_x509().ok()?.validity().not_after.timestamp();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    Some((end - now) / 86_400)
}

/// What a metric of an HPA's spec is called, and its threshold.
fn aim(metric: &Value) -> (String, String) {
    let (what, place) = called(metric);
    let target = |field: &str| metric.pointer(&format!("{place}/target/{field}")).map(plain);
    let share = target("averageUtilization").map(|percent| format!("{percent}%"));
    (what, share.or_else(|| target("averageValue")).unwrap_or_default())
}

/// The same of its status.
fn reading(metric: &Value) -> (String, String) {
    let (what, place) = called(metric);
    let current = |field: &str| metric.pointer(&format!("{place}/current/{field}")).map(plain);
    let share = current("averageUtilization").map(|percent| format!("{percent}%"));
    (what, share.or_else(|| current("averageValue")).unwrap_or_else(|| "unknown".to_owned()))
}

fn called(metric: &Value) -> (String, &'static str) {
    if metric["type"] == "Pods" {
        return (text(metric, "/pods/metric/name").to_owned(), "/pods");
    }
    (text(metric, "/resource/name").to_owned(), "/resource")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
