use serde_json::Value;

use super::ground::is_ours;
use super::home::{self, CLUSTER, CONTEXT};
use super::look::{annotation, label, list, name};
use super::marks::{APP, DISPLACED, HPA, MONITORING, OURS, PART_OF, STACK};
use super::record::Record;
use super::waiting::{self, EMPTY};
use super::{Bench, Failure, Kubectl, Provider};

/// What the stack puts into a namespace that was there before, but for the accounts.
const KINDS: &str =
    "deployments,statefulsets,services,configmaps,networkpolicies,poddisruptionbudgets,resourcequotas,secrets";
/// These go last: as long as one is there, what nobody has labelled may be, too.
const ACCOUNTS: &str = "serviceaccounts";
/// What they may do goes first: nothing that is deleted is made again.
const ROLES: &str = "roles,rolebindings";
/// Where the adapter's role to read who may ask is.
const SYSTEM: &str = "kube-system";
/// What belongs to no namespace; the `APIServices` are apart.
const WIDE: &str = "clusterroles,clusterrolebindings,ingressclasses";

/// The way back, from wherever `up` came to. What is not there need not be taken away.
pub async fn down(bench: &mut Bench, provider: Option<Provider>) -> Result<(), Failure> {
    let record = Record::read(&bench.data)?;
    let by_context = provider == Some(Provider::Context) || bench.kubectl.context().is_some();
    let last_is_kind = record.context.as_deref().is_none_or(|context| context == CONTEXT);
    if record.made.is_some() && !by_context && (provider == Some(Provider::Kind) || last_is_kind) {
        return cluster(bench, record).await;
    }
    if provider == Some(Provider::Kind) {
        bench.kubectl = bench.kubectl.in_context(CONTEXT);
    } else if bench.kubectl.context().is_none()
        // Where `up` was, not where kubectl has gone since.
        && let Some(context) = &record.context
    {
        bench.kubectl = bench.kubectl.in_context(context);
    }
    let here = match bench.kubectl.context() {
        Some(context) => Some(context.to_owned()),
        None => bench.kubectl.current().await,
    };
    objects(bench).await?;
    // What is known of another place stays known.
    if record.context.is_some() && record.context != here {
        return Ok(());
    }
    if record.made.is_none() {
        Record::forget(&bench.data);
        return Ok(());
    }
    bench
        .progress
        .say(&format!("kind's cluster {CLUSTER}, which `make up` made, is still there; `make down` deletes it"));
    Record { context: Some(CONTEXT.to_owned()), wishes: None, ..record }.write(&bench.data)
}

/// One that was made for this goes as a whole.
async fn cluster(bench: &Bench, record: Record) -> Result<(), Failure> {
    bench.progress.begins(&format!("deleting kind's cluster {CLUSTER}"));
    bench.progress.stands(&format!("deleting kind's cluster {CLUSTER}, which `make up` made, with all that is in it"));
    home::delete(bench, &record).await?;
    match record.context.filter(|context| context != CONTEXT) {
        // Elsewhere it is still up.
        Some(context) => {
            Record { context: Some(context), wishes: record.wishes, ..Record::default() }.write(&bench.data)?;
        }
        None => Record::forget(&bench.data),
    }
    bench.progress.note(&format!("kind's cluster {CLUSTER} is gone, and all that was in it"));
    Ok(())
}

/// What is there of the stack.
#[derive(Default)]
struct Found {
    /// Namespaces that go with all that is in them.
    namespaces: Vec<&'static str>,
    /// Whether the namespace of what measures is somebody else's, and has something of the stack in it.
    lodging: bool,
    /// Others' `APIServices`, as they were.
    displaced: Vec<Value>,
    /// The stack's own.
    registered: Vec<String>,
    /// What belongs to no namespace.
    wide: Vec<String>,
    /// What is in the system's.
    reader: Vec<String>,
}

impl Found {
    async fn look(kubectl: &Kubectl) -> Result<Self, Failure> {
        let mut found = Self::default();
        for namespace in [APP, MONITORING] {
            let Some(object) = kubectl.object("namespace", "default", namespace).await? else { continue };
            if label(&object, PART_OF) == STACK {
                found.namespaces.push(namespace);
                let displaced = serde_json::from_str::<Vec<Value>>(annotation(&object, DISPLACED));
                found.displaced.extend(displaced.unwrap_or_default());
            } else if namespace == MONITORING {
                let all = format!("{KINDS},{ACCOUNTS},{ROLES}");
                found.lodging = !names(kubectl, &all, MONITORING).await?.is_empty();
            }
        }
        let all = kubectl.json(&["get", "apiservices.apiregistration.k8s.io"]).await?;
        found.registered =
            list(&all, "/items").iter().filter(|own| is_ours(own)).map(|own| name(own).to_owned()).collect();
        found.wide = names(kubectl, WIDE, "default").await?;
        found.reader = names(kubectl, "rolebindings", SYSTEM).await?;
        Ok(found)
    }

    fn is_nothing(&self) -> bool {
        let rest = [&self.registered, &self.wide, &self.reader];
        self.namespaces.is_empty() && !self.lodging && rest.iter().all(|own| own.is_empty())
    }

    fn plan(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if !self.registered.is_empty() {
            steps.push(format!("delete the APIServices {}", self.registered.join(", ")));
        }
        for object in &self.displaced {
            steps.push(format!("restore the APIService {} as it was, if nobody has yet", name(object)));
        }
        for namespace in &self.namespaces {
            let data = if *namespace == APP { ", the database and its volume among it" } else { "" };
            steps.push(format!("delete the namespace {namespace} with all that is in it{data}"));
        }
        if self.lodging {
            steps.push(format!(
                "delete what the stack put into the namespace {MONITORING}, which is somebody else's and stays"
            ));
        }
        if !self.wide.is_empty() {
            steps.push(format!("delete {}", self.wide.join(", ")));
        }
        if !self.reader.is_empty() {
            steps.push(format!("delete {} in {SYSTEM}", self.reader.join(", ")));
        }
        steps
    }
}

/// What carries the stack's label there, as `kind/name`.
async fn names(kubectl: &Kubectl, kinds: &str, namespace: &str) -> Result<Vec<String>, Failure> {
    let listed = kubectl.run(&["get", kinds, "--namespace", namespace, "--selector", OURS, "--output=name"]).await?;
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}

async fn objects(bench: &Bench) -> Result<(), Failure> {
    let Bench { kubectl, progress, .. } = bench;
    progress.begins("looking at what is there");
    let found = Found::look(kubectl).await?;
    let place = match kubectl.context() {
        Some(context) => format!("context {context}"),
        None => format!("context {}, the current one", kubectl.current().await.unwrap_or_default()),
    };
    if found.is_nothing() {
        progress.say(&format!("Nothing of the stack is in {place}."));
        return Ok(());
    }
    progress.say(&format!("The plan, in {place}:"));
    for (number, step) in (1..).zip(found.plan()) {
        progress.say(&format!("  {number}. {step}"));
    }
    bench.consent("Do this?").await?;
    progress.begins("taking away the APIServices");
    registrations(bench, &found).await?;
    progress.begins("taking away the HPA");
    kubectl
        .run(&["delete", "horizontalpodautoscalers.autoscaling", HPA, "--namespace", APP, "--ignore-not-found"])
        .await?;
    progress.note("the HPA is gone");
    if found.lodging {
        lodgers(bench).await?;
    }
    if !found.namespaces.is_empty() {
        let delete = ["delete", "namespace", "--ignore-not-found", "--wait=false"];
        kubectl.run(&[delete.as_slice(), &found.namespaces].concat()).await?;
        waiting::gone(bench, &found.namespaces, &EMPTY).await?;
    }
    progress.begins("taking away what belongs to no namespace");
    kubectl.run(&["delete", WIDE, "--selector", OURS, "--ignore-not-found"]).await?;
    let reader = ["delete", "rolebindings", "--namespace", SYSTEM, "--selector", OURS, "--ignore-not-found"];
    kubectl.run(&reader).await?;
    progress.note("nothing of the stack is left");
    Ok(())
}

/// First of all: while one of them has nobody behind it, no namespace of the cluster can go.
async fn registrations(bench: &Bench, found: &Found) -> Result<(), Failure> {
    let kubectl = &bench.kubectl;
    if !found.registered.is_empty() {
        let ours: Vec<&str> = found.registered.iter().map(String::as_str).collect();
        let delete = ["delete", "apiservices.apiregistration.k8s.io", "--ignore-not-found", "--wait=false"];
        kubectl.run(&[delete.as_slice(), &ours].concat()).await?;
    }
    bench.progress.note(&format!("{} APIServices are gone", found.registered.len()));
    let all = kubectl.json(&["get", "apiservices.apiregistration.k8s.io"]).await?;
    let there: Vec<&str> = list(&all, "/items").iter().filter(|object| !is_ours(object)).map(name).collect();
    for object in found.displaced.iter().filter(|object| !there.contains(&name(object))) {
        kubectl.fed(&["create", "--filename=-"], &object.to_string()).await?;
        bench.progress.note(&format!("APIService {} is again as it was", name(object)));
    }
    Ok(())
}

/// What lives in a namespace of somebody else's.
async fn lodgers(bench: &Bench) -> Result<(), Failure> {
    let kubectl = &bench.kubectl;
    let delete = async |kinds: &str| {
        let arguments =
            ["delete", kinds, "--namespace", MONITORING, "--selector", OURS, "--ignore-not-found", "--wait=false"];
        kubectl.run(&arguments).await.map(drop)
    };
    delete(ROLES).await?;
    delete(KINDS).await?;
    waiting::emptied(bench, MONITORING, &format!("{KINDS},pods"), OURS, &EMPTY).await?;
    // What the adapter and the StatefulSet's controller have made, which no manifest describes.
    for own in ["secret/metrics-adapter-tls", "persistentvolumeclaim/data-prometheus-0"] {
        kubectl.run(&["delete", own, "--namespace", MONITORING, "--ignore-not-found"]).await?;
    }
    delete(ACCOUNTS).await?;
    bench.progress.note(&format!("what was in {MONITORING} is gone; the namespace is somebody else's, and stays"));
    Ok(())
}
