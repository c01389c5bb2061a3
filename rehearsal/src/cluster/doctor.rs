use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use metrics_adapter::model::quantity::Quantity;
use serde_json::Value;
use tokio::process::Command;

use super::ground::Ground;
use super::look::{list, name, number, text};
use super::marks::{APP, HPA};
use super::record::Record;
use super::up::PARTS;
use super::waiting::Limit;
use super::{Bench, Failure, secrets, trouble};

const DIAGNOSIS: Limit = Limit {
    time: Duration::from_mins(2),
    reason: "it asks the API server, the adapter and each pod that is scraped; one of them does not answer",
};

/// What is wrong, and what helps; whether nothing is. First the way of the metrics, as the adapter's own doctor follows
/// it, then what the stack needs besides.
pub async fn doctor(bench: &mut Bench, adapter: &Path) -> Result<bool, Failure> {
    bench.progress.begins("looking for what is wrong");
    let record = Record::read(&bench.data)?;
    bench.kubectl = record.lead(&bench.kubectl).await?;
    let ground = Ground::look(&bench.kubectl).await?;
    if !ground.begun {
        bench.progress.say("Nothing of the stack is here; `make up` brings it.");
        return Ok(false);
    }
    let mut well = metrics(bench, adapter).await?;
    for (what, looked) in [
        ("pods", pods(bench).await),
        ("the database's volume", volume(bench).await),
        ("secrets", secret(bench).await),
        ("the quota", quota(bench).await),
        ("the way in", way_in(bench, &ground).await),
    ] {
        let faults = match looked {
            Err(failure) if failure.is_forbidden() => {
                bench.progress.say(&format!("unseen {what}: {failure}"));
                continue;
            }
            looked => looked?,
        };
        if faults.is_empty() {
            bench.progress.say(&format!("well   {what}"));
        }
        for fault in faults {
            well = false;
            bench.progress.say(&format!("wrong  {what}: {fault}"));
        }
    }
    for what in &ground.hidden {
        bench.progress.say(&format!("unseen {what}: you may not list them"));
    }
    bench.progress.say(
        "unseen network policies: the cluster does not tell whether its network knows them; a request from a pod in namespace \
         default to db.real-world:5432 must time out",
    );
    Ok(well)
}

/// The adapter's own doctor, in the same context.
async fn metrics(bench: &Bench, adapter: &Path) -> Result<bool, Failure> {
    let mut command = Command::new(adapter);
    command.args(["doctor", "--verbose", "--namespace", APP]);
    if let Some(context) = bench.kubectl.context() {
        command.args(["--context", context]);
    }
    let limit = bench.patience.unwrap_or(DIAGNOSIS.time);
    let Ok(out) = tokio::time::timeout(limit, command.stdin(Stdio::null()).kill_on_drop(true).output()).await else {
        let limit = humantime::format_duration(limit);
        bench
            .progress
            .say(&format!("wrong  metrics: the adapter's doctor is not done after {limit} ({})", DIAGNOSIS.reason));
        return Ok(false);
    };
    let out = out.map_err(|error| {
        Failure::new(format!("{}: {error}", adapter.display()))
            .cure("`make build` builds it; `make doctor` does so by itself")
    })?;
    for line in String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).lines() {
        bench.progress.say(&format!("       {line}"));
    }
    bench.progress.say(if out.status.success() { "well   metrics" } else { "wrong  metrics: the last lines above" });
    Ok(out.status.success())
}

async fn pods(bench: &Bench) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    for workload in &PARTS {
        let found = bench.kubectl.object(workload.kind, workload.namespace, workload.name).await?;
        if found.is_none() {
            if workload.title != "Traefik" {
                faults.push(format!("{} is not there; `make up` goes on", workload.title));
            }
            continue;
        }
        let standing = workload.standing(&bench.kubectl).await?;
        if let Some((pod, trouble)) = &standing.trouble {
            faults.push(
                trouble::failure(&bench.kubectl, workload.namespace, workload.title, pod.as_ref(), trouble)
                    .await
                    .to_string(),
            );
        } else if standing.is_off() {
            faults.push(format!("{}: {}; {}", workload.title, standing.words(), workload.start()));
        } else if !standing.is_ready() {
            faults.push(format!("{}: {}", workload.title, standing.words()));
        }
    }
    Ok(faults)
}

async fn volume(bench: &Bench) -> Result<Vec<String>, Failure> {
    let claim = bench.kubectl.object("persistentvolumeclaims", APP, "data-db-0").await?;
    Ok(match claim {
        None => vec!["there is none; the database's pod was never made".to_owned()],
        Some(claim) if text(&claim, "/status/phase") != "Bound" => {
            vec!["it is not bound: `kubectl get storageclass` should name a default one".to_owned()]
        }
        Some(_) => Vec::new(),
    })
}

async fn secret(bench: &Bench) -> Result<Vec<String>, Failure> {
    let there = secrets::names(&bench.kubectl).await?;
    let missing = ["real-world-secret", "db-secret"].into_iter().filter(|own| !there.iter().any(|name| name == own));
    let mut faults: Vec<String> = missing.map(|own| format!("{own} is missing; `make up` makes it")).collect();
    if secrets::lesson(&bench.kubectl).await? {
        faults.push("real-world-secret is the walkthrough's, which anybody can read; production refuses it".to_owned());
    }
    Ok(faults)
}

/// Whether the namespace holds as many replicas as the HPA may want.
async fn quota(bench: &Bench) -> Result<Vec<String>, Failure> {
    let Some(hpa) = bench.kubectl.object("horizontalpodautoscalers.autoscaling", APP, HPA).await? else {
        return Ok(vec!["there is no HPA to make room for; `make up` goes on".to_owned()]);
    };
    let Some(api) = bench.kubectl.object("deployment", APP, "real-world").await? else { return Ok(Vec::new()) };
    let more = number(&hpa, "/spec/maxReplicas").saturating_sub(number(&api, "/status/replicas"));
    let quotas = bench.kubectl.json(&["get", "resourcequotas", "--namespace", APP]).await?;
    let mut faults = Vec::new();
    for quota in list(&quotas, "/items") {
        for (resource, hard) in quota.pointer("/status/hard").and_then(Value::as_object).into_iter().flatten() {
            let used = quota.pointer("/status/used").and_then(|used| used.get(resource)).unwrap_or(&Value::Null);
            let (Some(hard), Some(used)) = (milli(hard), milli(used)) else { continue };
            let each = cost(&api, resource);
            if used + each * i128::from(more) > hard {
                faults.push(format!("{} has no room for {more} more replicas: {resource} ends first", name(quota)));
            }
        }
    }
    Ok(faults)
}

/// What a replica takes of a quota's resource, in thousandths.
fn cost(api: &Value, resource: &str) -> i128 {
    if resource == "pods" {
        return 1_000;
    }
    let Some((kind, resource)) = resource.split_once('.') else { return 0 };
    let containers = list(api, "/spec/template/spec/containers").iter();
    containers.filter_map(|own| milli(&own["resources"][kind][resource])).sum()
}

fn milli(value: &Value) -> Option<i128> {
    value.as_str().and_then(|text| Quantity::parse(text).ok()).map(|quantity| i128::from(quantity.milli()))
}

/// What leads from outside to the API.
async fn way_in(bench: &Bench, ground: &Ground) -> Result<Vec<String>, Failure> {
    let Some(ingress) = bench.kubectl.object("ingress", APP, "real-world-service").await? else {
        return Ok(vec!["there is no Ingress real-world-service; `make up` goes on".to_owned()]);
    };
    let class = text(&ingress, "/spec/ingressClassName");
    let known = bench.kubectl.object("ingressclass", "default", class).await?.is_some();
    let mut faults = Vec::new();
    if !known {
        faults.push(format!("there is no IngressClass {class}, so nobody serves the Ingress"));
    }
    if let Some(traefik) = ground.traefik.as_ref().filter(|traefik| traefik.class != class) {
        faults.push(format!("another Traefik, of IngressClass {}, may serve the same Ingresses", traefik.class));
    }
    Ok(faults)
}
