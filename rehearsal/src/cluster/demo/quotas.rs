use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::arithmetic::{self, Count, Lesson as Teaches};
use super::before::Before;
use super::place::{Place, leaves, name};
use super::{DemoError, Patience, Show, pause};
use crate::cluster::Kubectl;

/// Of all three of them, in the walkthrough's manifests.
const QUOTA: &str = "real-world-rquota";
const BLOCKS: &str = "real-world-rquota-1-blocks.yaml";
const THREE: &str = "real-world-rquota-2-three.yaml";
const ALL: &str = "real-world-rquota.yaml";
/// The lesson is about the third and the fourth replica.
const BEGIN: u64 = 2;
const MOST: u64 = 4;

/// What is shown where.
#[derive(Clone, Debug)]
pub struct Quotas {
    /// The person's own.
    pub kubectl: Kubectl,
    /// Where the Deployment is.
    pub namespace: String,
    /// What is scaled.
    pub deployment: String,
    /// The folder with the quotas.
    pub manifests: PathBuf,
    /// How long each wait may take.
    pub patience: Patience,
}

/// The walkthrough's three quotas. The stages that went otherwise than they should are given back in words; whatever
/// happens, the quota, the replicas and the HPA are as they were afterwards, or it says what is not.
pub async fn quotas(
    quotas: &Quotas,
    show: &mut dyn Show,
    mut stop: watch::Receiver<bool>,
) -> Result<Vec<String>, DemoError> {
    let Quotas { kubectl, namespace, deployment, .. } = quotas.clone();
    let place = Place { kubectl, namespace, deployment };
    for file in [BLOCKS, THREE, ALL] {
        let path = quotas.manifests.join(file);
        if !path.is_file() {
            let cure = "run it in the repository's root, or name the folder with --manifests";
            return Err(DemoError::missing(format!("there is no {}", path.display()), cure));
        }
    }
    let before = Before::noted(&place, BEGIN, MOST, show).await?;
    show.line(&before.told());
    let mut lesson = Lesson { quotas, place: &place, show, stop: &mut stop, wrong: Vec::new() };
    let given = match before.hold(&place, BEGIN, MOST).await {
        Ok(()) => lesson.give().await,
        Err(error) => Err(error),
    };
    let wrong = lesson.wrong;
    // Ctrl-C reaches kubectl as well: what it says then is not the reason.
    let given = if *stop.borrow() { Err(DemoError::Stopped) } else { given };
    show.line("\nPutting back what stood before: the quota, the replicas, the HPA.");
    let third = quotas.manifests.join(ALL);
    let back = before.put_back(&place, &third.to_string_lossy(), quotas.patience).await;
    if let Err(error) = &back {
        show.line(&format!(
            "It could not be put back: {error}\nWhat stood before is noted at Deployment {} of namespace {}; \
             `make demo-quota` puts it back as soon as the cluster answers.",
            place.deployment, place.namespace
        ));
    }
    // Whatever else is to be said: not all is as it was.
    back?;
    given.map(|()| wrong)
}

struct Lesson<'a> {
    quotas: &'a Quotas,
    place: &'a Place,
    show: &'a mut dyn Show,
    stop: &'a mut watch::Receiver<bool>,
    wrong: Vec<String>,
}

/// What became of a pod that was asked for.
enum Fate {
    Admitted,
    Refused(String),
}

impl Lesson<'_> {
    async fn give(&mut self) -> Result<(), DemoError> {
        self.show
            .line("\n1. The first quota allows less than two replicas use: what runs stays, nothing new is let in.");
        self.scale(BEGIN).await?;
        self.settled(BEGIN).await?;
        let counts = self.fitting(BLOCKS, Teaches::Blocks).await?;
        self.refused(BEGIN + 1, &counts).await?;

        self.show.line("\n2. The second fits three replicas to the last milli-core, and not four.");
        self.scale(BEGIN).await?;
        self.settled(BEGIN).await?;
        let counts = self.fitting(THREE, Teaches::OneMore).await?;
        self.admitted(BEGIN + 1, &counts, 1).await?;
        let counts = self.counted(THREE).await?;
        self.refused(MOST, &counts).await?;

        self.show.line("\n3. The third holds what autoscaling needs.");
        self.scale(BEGIN).await?;
        self.settled(BEGIN).await?;
        let counts = self.apply(ALL).await?;
        self.admitted(MOST, &counts, MOST - BEGIN).await
    }

    async fn scale(&mut self, replicas: u64) -> Result<(), DemoError> {
        let (deployment, flag) = (&self.place.deployment, self.place.flag());
        self.show.line(&format!("$ kubectl scale --replicas={replicas} {flag} deployment/{deployment}"));
        self.place.scale(replicas).await
    }

    async fn settled(&mut self, replicas: u64) -> Result<(), DemoError> {
        self.place.settled(replicas, self.quotas.patience, self.show, self.stop).await
    }

    /// Applies a quota, and reads what it says of one more pod.
    async fn apply(&mut self, file: &str) -> Result<Vec<Count>, DemoError> {
        let path = self.quotas.manifests.join(file);
        self.show.line(&format!("$ kubectl apply -f {}", path.display()));
        let flag = self.place.flag();
        self.place.kubectl.run(&["apply", "--filename", &path.to_string_lossy(), &flag]).await?;
        self.counted(file).await
    }

    /// Applies a quota. Where the namespace holds other pods than the walkthrough's, as in a small cluster or beside a Traefik
    /// that was there, its numbers would show nothing: then the same is shown with numbers of its own.
    async fn fitting(&mut self, file: &str, lesson: Teaches) -> Result<Vec<Count>, DemoError> {
        let counts = self.apply(file).await?;
        if lesson.is_taught_by(&counts) {
            return Ok(counts);
        }
        let patch = json!({"spec": {"hard": lesson.fitted(&counts)}}).to_string();
        let flag = self.place.flag();
        self.show.line(
            "  The pods here are not the walkthrough's, whose numbers these are. With numbers for those that are here:",
        );
        self.show.line(&format!("$ kubectl patch resourcequota {QUOTA} {flag} --type=merge --patch='{patch}'"));
        let patch = format!("--patch={patch}");
        self.place.kubectl.run(&["patch", "resourcequota", QUOTA, &flag, "--type=merge", &patch]).await?;
        self.counted(file).await
    }

    /// Waits until the quota's controller has counted the pods that are there.
    async fn counted(&mut self, file: &str) -> Result<Vec<Count>, DemoError> {
        let (place, patience) = (self.place, self.quotas.patience);
        let began = Instant::now();
        loop {
            let quota = place.kubectl.object("resourcequota", &place.namespace, QUOTA).await?.ok_or_else(|| {
                let what = format!("the ResourceQuota {QUOTA} is missing in namespace {}", place.namespace);
                DemoError::missing(format!("{what}, though {file} was applied: somebody has deleted it"), "try again")
            })?;
            let pods = place.pods(&place.deployment().await?).await?;
            let all = place.kubectl.json(&["get", "pods", &place.flag()]).await?;
            let all = all["items"].as_array().into_iter().flatten().filter(|pod| is_counted(pod)).count() as u64;
            let used = quota["status"]["used"]["pods"].as_str().and_then(|used| used.parse::<u64>().ok());
            if quota["status"]["hard"] == quota["spec"]["hard"] && used == Some(all) {
                let pod = pods.iter().find(|pod| !leaves(pod)).cloned().unwrap_or_default();
                return Ok(arithmetic::counts(&quota, &pod));
            }
            let stands = format!("it has counted {} of {all} pods", used.unwrap_or_default());
            let awaited = format!("the count of ResourceQuota {QUOTA}");
            if began.elapsed() > patience.cluster {
                return Err(DemoError::Late { awaited, limit: patience.cluster, stands });
            }
            self.show.waits(&format!("waiting for {awaited}: {stands}"));
            pause(patience.look, self.stop).await?;
        }
    }

    /// One more than there are, which should be refused.
    async fn refused(&mut self, replicas: u64, counts: &[Count]) -> Result<(), DemoError> {
        let expected = !arithmetic::all_fit(counts, 1);
        match self.one_more(replicas).await? {
            Fate::Refused(message) => {
                self.show.line(&format!("  The ReplicaSet says: {message}"));
                self.explain(counts, 1);
                if !expected {
                    self.is_wrong(&format!("replica {replicas} was refused, though each number fits"));
                }
            }
            Fate::Admitted => {
                self.explain(counts, 1);
                let why = if expected {
                    "though a number does not fit: is the ResourceQuota's admission switched off?"
                } else {
                    "as the numbers allow: something else ended meanwhile"
                };
                self.is_wrong(&format!("replica {replicas} was let in and should have been refused, {why}"));
            }
        }
        Ok(())
    }

    /// That many, of which so many are new, and should all be let in.
    async fn admitted(&mut self, replicas: u64, counts: &[Count], more: u64) -> Result<(), DemoError> {
        match self.one_more(replicas).await? {
            Fate::Admitted => {
                self.settled(replicas).await?;
                self.show.line(&format!("  All {replicas} are there and serve."));
                self.explain(counts, more);
            }
            Fate::Refused(message) => {
                self.show.line(&format!("  The ReplicaSet says: {message}"));
                self.explain(counts, more);
                self.is_wrong(&format!("{replicas} replicas should have been let in, and one was refused"));
            }
        }
        Ok(())
    }

    /// Scales, and waits until the pods are made or refused.
    async fn one_more(&mut self, replicas: u64) -> Result<Fate, DemoError> {
        let known = self.place.refusals().await?;
        self.scale(replicas).await?;
        let patience = self.quotas.patience;
        let began = Instant::now();
        loop {
            let refusals = self.place.refusals().await?;
            if let Some((_, message)) = refusals.into_iter().rfind(|refusal| !known.contains(refusal)) {
                return Ok(Fate::Refused(message));
            }
            let pods = self.place.pods(&self.place.deployment().await?).await?;
            let there = pods.iter().filter(|pod| !leaves(pod)).filter_map(name).count() as u64;
            if there >= replicas {
                return Ok(Fate::Admitted);
            }
            let stands = format!("{there} pods are there, and no event says why there are not more");
            let awaited = format!("replica {replicas}, or its refusal");
            if began.elapsed() > patience.cluster {
                return Err(DemoError::Late { awaited, limit: patience.cluster, stands });
            }
            self.show.waits(&format!("waiting for {awaited}: {stands}"));
            pause(patience.look, self.stop).await?;
        }
    }

    fn explain(&mut self, counts: &[Count], pods: u64) {
        for line in arithmetic::explained(counts, pods) {
            self.show.line(&line);
        }
    }

    fn is_wrong(&mut self, what: &str) {
        self.show.line(&format!("  WRONG: {what}."));
        self.wrong.push(what.to_owned());
    }
}

/// A pod that has ended is counted by no quota.
fn is_counted(pod: &Value) -> bool {
    !matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"))
}
