use super::{Limit, Look, Wait};
use crate::cluster::look::{condition, list, name, text};
use crate::cluster::{Bench, Failure};

/// Until namespaces are gone; what holds them is told.
pub(in crate::cluster) async fn gone(bench: &Bench, namespaces: &[&str], limit: &Limit) -> Result<(), Failure> {
    let mut wait = Wait::begin(bench, &format!("the end of {}", namespaces.join(" and ")), limit);
    loop {
        let look = match Wait::excuse(held(bench, namespaces).await)? {
            Ok(held) if held.is_empty() => Look::Done,
            Ok(held) => Look::NotYet(held.join(", ")),
            Err(look) => look,
        };
        if !wait.goes_on(look).await {
            return Ok(());
        }
        if wait.is_over() {
            return Err(wait.late().words(mute(bench).await?).cure(
                "an APIService that nobody answers for holds every namespace: restore whose it is, or delete it; an object's \
                 finalizer is for its own controller to remove. Then `make down` again",
            ));
        }
    }
}

/// The namespaces that are there, and what holds each.
async fn held(bench: &Bench, namespaces: &[&str]) -> Result<Vec<String>, Failure> {
    let mut held = Vec::new();
    for &namespace in namespaces {
        if let Some(object) = bench.kubectl.object("namespace", "default", namespace).await? {
            let holds = |own: &&serde_json::Value| own["status"] == "True";
            let why: Vec<&str> =
                list(&object, "/status/conditions").iter().filter(holds).map(|own| text(own, "/message")).collect();
            held.push(format!("{namespace}: {}", if why.is_empty() { "emptying".to_owned() } else { why.join("; ") }));
        }
    }
    Ok(held)
}

/// Until nothing of these kinds is left in a namespace that is found by these labels.
pub(in crate::cluster) async fn emptied(
    bench: &Bench,
    namespace: &str,
    kinds: &str,
    selector: &str,
    limit: &Limit,
) -> Result<(), Failure> {
    let mut wait = Wait::begin(bench, &format!("the end of what was in {namespace}"), limit);
    loop {
        let left = ["get", kinds, "--namespace", namespace, "--selector", selector, "--output=name"];
        let left = bench.kubectl.run(&left).await;
        let look = match Wait::excuse(left.map_err(Failure::from))? {
            Ok(left) if left.trim().is_empty() => Look::Done,
            Ok(left) => Look::NotYet(left.split_whitespace().collect::<Vec<_>>().join(", ")),
            Err(look) => look,
        };
        if !wait.goes_on(look).await {
            return Ok(());
        }
        if wait.is_over() {
            return Err(wait
                .late()
                .cure("`kubectl describe` of what is left says what holds it; then `make down` again"));
        }
    }
}

/// `APIServices` that nobody answers for, whoever they belong to.
async fn mute(bench: &Bench) -> Result<Vec<String>, Failure> {
    let all = bench.kubectl.json(&["get", "apiservices.apiregistration.k8s.io"]).await?;
    let silent = list(&all, "/items").iter().filter_map(|object| {
        let own = condition(object, "Available").filter(|own| own["status"] == "False")?;
        Some(format!("APIService {} is not available: {}", name(object), text(own, "/message")))
    });
    Ok(silent.collect())
}
