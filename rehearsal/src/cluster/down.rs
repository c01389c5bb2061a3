mod found;
mod lodging;

use super::ground::is_ours;
use super::home::{self, CLUSTER, CONTEXT};
use super::look::{list, name, text};
use super::marks::{APP, OURS};
use super::record::Record;
use super::waiting::{self, EMPTY};
use super::{Bench, Failure, Provider};
use found::{Found, SYSTEM, WIDE};

/// The way back, from wherever `up` came to. What is not there need not be taken away.
pub async fn down(bench: &mut Bench, provider: Option<Provider>) -> Result<(), Failure> {
    let mut record = Record::read(&bench.data)?;
    let by_context = provider == Some(Provider::Context) || bench.kubectl.context().is_some();
    let last_is_kind = record.context.as_deref().is_none_or(|context| context == CONTEXT);
    if record.made.is_some() && !by_context && (provider == Some(Provider::Kind) || last_is_kind) {
        match home::is_still(bench, &record).await? {
            Some(true) => return cluster(bench, record).await,
            Some(false) => {
                bench.progress.say(&format!(
                    "kind's cluster {CLUSTER} is another one than `make up` made: it stays, and what is in it is asked about"
                ));
                record.made = None;
            }
            None => {
                let question = format!(
                    "kind's cluster {CLUSTER} does not answer, and may be another one than `make up` made. Delete it?"
                );
                bench.consent(&question).await?;
                return cluster(bench, record).await;
            }
        }
    }
    let named = provider.is_some() || bench.kubectl.context().is_some();
    if provider == Some(Provider::Kind) {
        bench.kubectl = bench.kubectl.in_context(CONTEXT);
    } else if bench.kubectl.context().is_none()
        // Where `up` was, not where kubectl has gone since.
        && let Some(context) = &record.context
    {
        if !bench.kubectl.knows(context).await? {
            bench.progress.say(&format!(
                "Context {context}, in which `make up` was last, is not in the kubeconfig any more: it is forgotten."
            ));
            return forget(bench, record);
        }
        bench.kubectl = bench.kubectl.in_context(context);
    }
    let here = match bench.kubectl.context() {
        Some(context) => Some(context.to_owned()),
        None => bench.kubectl.current().await,
    };
    let recorded = record.context.is_some() && record.context == here && record.is_of(&bench.kubectl).await;
    objects(bench, named || recorded).await?;
    // What is known of another place stays known.
    if record.context.is_some() && record.context != here {
        return Ok(());
    }
    forget(bench, record)
}

/// Where `up` was last; what it made elsewhere stays known.
fn forget(bench: &Bench, record: Record) -> Result<(), Failure> {
    if record.made.is_none() {
        Record::forget(&bench.data);
        return Ok(());
    }
    bench
        .progress
        .say(&format!("kind's cluster {CLUSTER}, which `make up` made, is still there; `make down` deletes it"));
    let cluster = record.made_as.clone();
    Record { context: Some(CONTEXT.to_owned()), cluster, wishes: None, ..record }.write(&bench.data)
}

/// One that was made for this goes as a whole.
async fn cluster(bench: &Bench, record: Record) -> Result<(), Failure> {
    bench.progress.begins(&format!("deleting kind's cluster {CLUSTER}"));
    bench.progress.stands(&format!("deleting kind's cluster {CLUSTER}, which `make up` made, with all that is in it"));
    home::delete(bench, &record).await?;
    match record.context.filter(|context| context != CONTEXT) {
        // Elsewhere it is still up.
        Some(context) => {
            let Record { cluster, wishes, .. } = record;
            Record { context: Some(context), cluster, wishes, ..Record::default() }.write(&bench.data)?;
        }
        None => Record::forget(&bench.data),
    }
    bench.progress.note(&format!("kind's cluster {CLUSTER} is gone, and all that was in it"));
    Ok(())
}

/// What is there of the stack, in a cluster that somebody has named, or that nobody has.
async fn objects(bench: &Bench, named: bool) -> Result<(), Failure> {
    let Bench { kubectl, progress, .. } = bench;
    progress.begins("looking at what is there");
    let found = Found::look(kubectl).await?;
    let context = match kubectl.context() {
        Some(context) => context.to_owned(),
        None => kubectl.current().await.unwrap_or_default(),
    };
    let place = if kubectl.context().is_some() { "" } else { ", the current one" };
    if found.is_nothing() {
        progress.say(&format!("Nothing of the stack is in context {context}{place}."));
        return Ok(());
    }
    progress.say(&format!("The plan, in context {context}{place}:"));
    for (number, step) in (1..).zip(found.plan()) {
        progress.say(&format!("  {number}. {step}"));
    }
    if bench.yes && !named {
        return Err(Failure::new(format!(
            "nothing was done: nobody named context {context}, and no `make up` of it is known"
        ))
        .cure("YES=1 answers for a cluster that is named: PROVIDER=context, or CONTEXT=…"));
    }
    bench.consent("Do this?").await?;
    progress.begins("taking away the APIServices");
    registrations(bench, &found).await?;
    if !found.scalers.is_empty() {
        progress.begins("taking away the HPA");
        let delete = ["delete", "--namespace", APP, "--ignore-not-found"];
        kubectl
            .run(&[delete.as_slice(), &found.scalers.iter().map(String::as_str).collect::<Vec<_>>()].concat())
            .await?;
        progress.note("the HPA is gone");
    }
    for own in &found.lodgings {
        own.clear(bench).await?;
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
    let Bench { kubectl, progress, .. } = bench;
    if !found.registered.is_empty() {
        let ours: Vec<&str> = found.registered.iter().map(String::as_str).collect();
        let delete = ["delete", "apiservices.apiregistration.k8s.io", "--ignore-not-found", "--wait=false"];
        kubectl.run(&[delete.as_slice(), &ours].concat()).await?;
    }
    progress.note(&format!("{} APIServices are gone", found.registered.len()));
    let all = kubectl.json(&["get", "apiservices.apiregistration.k8s.io"]).await?;
    let there: Vec<&str> = list(&all, "/items").iter().filter(|object| !is_ours(object)).map(name).collect();
    for object in found.displaced.iter().filter(|object| !there.contains(&name(object))) {
        let (namespace, service) = (text(object, "/spec/service/namespace"), text(object, "/spec/service/name"));
        let behind = kubectl.object("service", namespace, service).await;
        // Who may not see it has it restored: it was there.
        if !service.is_empty() && matches!(behind, Ok(None)) {
            let path = bench.data.join(format!("{}.json", name(object)));
            let kept = std::fs::create_dir_all(&bench.data).and_then(|()| std::fs::write(&path, object.to_string()));
            kept.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            progress.note(&format!(
                "APIService {} is not restored: its Service {namespace}/{service} is gone, and without one no namespace of the \
                 cluster could end. It is kept: `kubectl create --filename={}` makes it again",
                name(object),
                path.display()
            ));
            continue;
        }
        kubectl.fed(&["create", "--filename=-"], &object.to_string()).await?;
        progress.note(&format!("APIService {} is again as it was", name(object)));
    }
    Ok(())
}
