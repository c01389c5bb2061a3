use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::tool::{ANSWER, Engine};
use super::waiting::Limit;
use super::{Bench, Failure, Wishes};

/// Whose cluster it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// One of kind's, made for this.
    Kind,
    /// The one that kubectl is logged in to.
    Context,
}

/// As k8s/kind.yaml calls it.
pub(super) const CLUSTER: &str = "conduit";
pub(super) const CONTEXT: &str = "kind-conduit";
const CONFIG: &str = "k8s/kind.yaml";
const MAKING: Limit = Limit {
    time: Duration::from_mins(15),
    reason: "the node's image of half a gigabyte is fetched, and the node begins",
};
const ENDING: Limit = Limit { time: Duration::from_mins(3), reason: "a container is stopped and deleted" };

/// Whether kind has it already.
pub(super) async fn exists(bench: &Bench, podman: bool) -> Result<bool, Failure> {
    let clusters = bench.tools.kind(&["get", "clusters"], podman, &ANSWER).output().await?;
    Ok(clusters.lines().any(|line| line.trim() == CLUSTER))
}

/// One whose making was interrupted is made anew.
pub(super) async fn make(bench: &Bench, engine: &Engine, before: Record, wishes: &Wishes) -> Result<(), Failure> {
    // kind makes its own the current one.
    let current = bench.kubectl.current().await.filter(|context| context != CONTEXT);
    let mut record = Record {
        context: Some(CONTEXT.to_owned()),
        cluster: None,
        made: Some(CLUSTER.to_owned()),
        made_as: None,
        complete: false,
        podman: engine.podman,
        left: current.or(before.left),
        wishes: Some(wishes.clone()),
    };
    record.write(&bench.data)?;
    let mut arguments = vec!["create", "cluster", "--config", CONFIG, "--wait", "120s"];
    if let Some(image) = &wishes.node_image {
        arguments.extend(["--image", image]);
    }
    let title = format!("creating kind's cluster {CLUSTER}");
    bench.progress.begins(&title);
    bench.progress.stands(&format!("{title}; a minute or two"));
    let made = bench.tools.kind(&arguments, engine.podman, &MAKING).shown(bench, &title).output().await;
    made.map_err(|failure| {
        failure.cure(
            "read what kind says; often it is port 8080 of this machine that is taken (k8s/kind.yaml names it), or too little \
             memory for docker. `make up` begins again, `make down` takes away what is left",
        )
    })?;
    bench.progress.note(&format!("kind's cluster {CLUSTER} is there"));
    record.complete = true;
    record.made_as = bench.kubectl.identity().await;
    record.cluster.clone_from(&record.made_as);
    record.write(&bench.data)
}

/// Whether the cluster of that name is the one that was made, if that can be told. One that is gone is nobody else's.
pub(super) async fn is_still(bench: &Bench, record: &Record) -> Result<Option<bool>, Failure> {
    if record.made_as.is_none() || !exists(bench, record.podman).await? {
        return Ok(Some(true));
    }
    let identity = bench.kubectl.in_context(CONTEXT).identity().await;
    Ok(identity.map(|own| Some(own) == record.made_as))
}

/// Tolerates that there is none. The context that was the current one before is so again.
pub(super) async fn delete(bench: &Bench, record: &Record) -> Result<(), Failure> {
    let title = format!("deleting kind's cluster {CLUSTER}");
    let arguments = ["delete", "cluster", "--name", CLUSTER];
    bench.tools.kind(&arguments, record.podman, &ENDING).shown(bench, &title).output().await?;
    if let Some(context) = &record.left
        && bench.kubectl.current().await.is_none()
    {
        // It may be gone as well.
        bench.kubectl.run(&["config", "use-context", context]).await.ok();
    }
    Ok(())
}
