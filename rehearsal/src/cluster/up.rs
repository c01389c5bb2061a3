mod marking;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::composition::{Composition, Wave};
use super::ground::{CUSTOM, Ground};
use super::home::{self, CONTEXT, Provider};
use super::images::Images;
use super::look::{name, text};
use super::marks::{APP, MONITORING};
use super::record::Record;
use super::stuck::Stuck;
use super::urls::Way;
use super::waiting::{self, EMPTY, Limit};
use super::workload::Workload;
use super::{Bench, Failure, plan, secrets};

/// What a person wants.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Wishes {
    /// Whose cluster; none is whatever is installed.
    pub provider: Option<Provider>,
    /// What kind's node is made of, and so which Kubernetes it is, instead of kind's own choice.
    pub node_image: Option<String>,
    /// Where images are pushed to; an empty one is nowhere, whatever was said before.
    pub registry: Option<String>,
    /// For two cores.
    pub tiny: Option<bool>,
    /// Kubelets that sign their own certificates are believed.
    pub kubelet_insecure_tls: Option<bool>,
}

impl Wishes {
    /// Said again, or said before in the same place.
    fn going_on(&self, provider: Provider, before: Option<&Self>) -> Self {
        let before = before.cloned().unwrap_or_default();
        Self {
            provider: Some(provider),
            node_image: self.node_image.clone().or(before.node_image),
            registry: self.registry.clone().or(before.registry).filter(|registry| !registry.is_empty()),
            tiny: self.tiny.or(before.tiny),
            kubelet_insecure_tls: self.kubelet_insecure_tls.or(before.kubelet_insecure_tls),
        }
    }
}

pub(super) const PARTS: [Workload; 6] = [
    Workload { title: "the database", kind: "statefulset", namespace: APP, name: "db" },
    Workload { title: "the API", kind: "deployment", namespace: APP, name: "real-world" },
    Workload { title: "Traefik", kind: "deployment", namespace: APP, name: "traefik-ingress-controller" },
    Workload { title: "the metrics-adapter", kind: "deployment", namespace: MONITORING, name: "metrics-adapter" },
    Workload { title: "Prometheus", kind: "statefulset", namespace: MONITORING, name: "prometheus" },
    Workload { title: "Grafana", kind: "deployment", namespace: MONITORING, name: "grafana" },
];
const LIMITS: [Limit; 6] = [
    Limit { time: Duration::from_mins(6), reason: "its image is fetched, its volume made and prepared" },
    Limit { time: Duration::from_mins(3), reason: "it waits for the database, creates its tables, then serves" },
    Limit { time: Duration::from_mins(5), reason: "its image is fetched" },
    Limit { time: Duration::from_mins(3), reason: "it makes a certificate and scrapes each target twice" },
    Limit { time: Duration::from_mins(6), reason: "its image is fetched, its volume made" },
    Limit { time: Duration::from_mins(6), reason: "its image is fetched, and it makes its database" },
];
const APIS: Limit = Limit { time: Duration::from_mins(2), reason: "the API server tries each half a minute" };
const ACTIVE: Limit = Limit {
    time: Duration::from_mins(3),
    reason: "a rate takes two scrapes, CPU a minute of use, and the HPA's controller looks each 15 s",
};

/// The stack, in a cluster that is made for it or that is there. Repeated, it finishes what is not finished.
pub async fn up(bench: &mut Bench, wishes: &Wishes) -> Result<(), Failure> {
    bench.progress.begins("looking at what is needed");
    bench.kubectl.run(&["version", "--client"]).await?;
    let record = Record::read(&bench.data)?;
    let named = wishes.provider.is_some() || bench.kubectl.context().is_some();
    let Place { provider, chosen, again } = place(bench, wishes, &record).await?;
    let wishes = &wishes.going_on(provider, record.wishes.as_ref().filter(|_| again));
    // What runs the cluster that was made goes on running it.
    let podman = (record.made.is_some() && record.complete && provider == Provider::Kind).then_some(record.podman);
    let images = Images::of(bench, wishes, provider, podman).await?;
    let podman = podman.unwrap_or_else(|| images.engine().is_some_and(|engine| engine.podman));
    let missing = provider == Provider::Kind && (!home::exists(bench, podman).await? || half_made(&record));
    let mut ground = if missing { Ground::default() } else { Ground::seen(&bench.kubectl).await? };
    // k8s/kind.yaml leads to it, whoever made a cluster of that file.
    let mapped = provider == Provider::Kind || ground.kind && bench.kubectl.context() == Some(CONTEXT);
    let composed = |ground: &Ground| Composition::fitting(ground, mapped, wishes);
    possible(bench, &ground).await?;
    if !missing {
        composed(&ground).objects(bench).await?.refuse_those_of_others(&bench.kubectl).await?;
    }
    plan::tell(bench, &chosen, missing, wishes, &ground, &composed(&ground), &images);
    // Another one may have its name by now.
    let same = record.is(ground.identity.as_ref());
    let is_made = record.made_as.is_none() || record.made_as == ground.identity;
    let made = record.made.is_some() && provider == Provider::Kind && is_made;
    let agreed = again && same && record.cluster.is_some();
    if !missing && !ground.ours && !made && !agreed {
        let context = bench.kubectl.context().unwrap_or_default();
        if bench.yes && !named && !(again && same) {
            return Err(Failure::new(format!("nothing was done: nobody named context {context}"))
                .cure("YES=1 answers for a cluster that is named: PROVIDER=context, or CONTEXT=…"));
        }
        bench.consent(&format!("Do this in {context}?")).await?;
    }
    if missing {
        create(bench, record, wishes, &images).await?;
        ground = Ground::seen(&bench.kubectl).await?;
    } else {
        let context = bench.kubectl.context().map(str::to_owned);
        let kept = record.made.clone().filter(|_| made || provider != Provider::Kind);
        let cluster = ground.identity.clone();
        Record { context, cluster, made: kept, wishes: Some(wishes.clone()), ..record }.write(&bench.data)?;
    }
    if !ground.ending.is_empty() {
        waiting::gone(bench, &ground.ending, &EMPTY).await?;
        ground = Ground::seen(&bench.kubectl).await?;
        possible(bench, &ground).await?;
    }
    let built = images.provide(bench, &ground.architectures).await?;
    let composition = Composition { built, ..composed(&ground) };
    if composition.tiny && wishes.tiny.is_none() {
        bench.progress.note(&format!(
            "the nodes give {:.1} cores to pods: k8s/components/tiny asks for half",
            super::status::cores(ground.cpu)
        ));
    }
    install(bench, &ground, &composition).await?;
    finish(bench, &ground).await
}

/// A cluster whose making was interrupted.
fn half_made(record: &Record) -> bool {
    record.made.is_some() && !record.complete
}

/// Whose cluster it is, and why it is that one.
struct Place {
    provider: Provider,
    chosen: String,
    /// Whether it is the one that was worked in last.
    again: bool,
}

/// The one that was chosen, that was worked in last, or that what is installed allows; kubectl is led there.
async fn place(bench: &mut Bench, wishes: &Wishes, record: &Record) -> Result<Place, Failure> {
    let last = record.context.as_deref();
    let (provider, chosen) = match (wishes.provider, bench.kubectl.context(), last) {
        (Some(provider), ..) => (provider, "as you said"),
        (None, Some(_), _) => (Provider::Context, "as you named a context"),
        (None, None, Some(CONTEXT)) if record.made.is_some() => (Provider::Kind, "as before"),
        (None, None, Some(_)) => {
            bench.kubectl = record.lead(&bench.kubectl).await?;
            let before = record.wishes.as_ref().and_then(|own| own.provider);
            (before.unwrap_or(Provider::Context), "as before")
        }
        (None, None, None) => found(bench).await?,
    };
    if provider == Provider::Kind {
        if !bench.tools.has_kind().await {
            return Err(Failure::new(format!("{}: there is no kind", bench.tools.kind.display())).cure(
                "install it (https://kind.sigs.k8s.io/docs/user/quick-start/#installation), or PROVIDER=context for the cluster \
                 that kubectl is logged in to",
            ));
        }
        bench.kubectl = bench.kubectl.in_context(CONTEXT);
    } else if bench.kubectl.context().is_none() {
        let current = bench.kubectl.run(&["config", "current-context"]).await.map_err(|error| {
            Failure::from(error)
                .cure("log in to a cluster, or install kind (https://kind.sigs.k8s.io/) and let it make one")
        })?;
        bench.kubectl = bench.kubectl.in_context(current.trim());
    }
    let again = last.is_some() && bench.kubectl.context() == last;
    Ok(Place { provider, chosen: chosen.to_owned(), again })
}

/// kind's, if it can be made; a person's own only if it cannot have been meant to be.
async fn found(bench: &Bench) -> Result<(Provider, &'static str), Failure> {
    if !bench.tools.has_kind().await {
        return Ok((Provider::Context, "there is no kind"));
    }
    match bench.tools.engine(None).await {
        Ok(_) => Ok((Provider::Kind, "kind and what it needs are installed")),
        Err(failure) => Err(Failure::new("kind is installed, and nothing that runs its nodes")
            .words(failure.to_string().lines().map(str::to_owned))
            .cure("start docker or podman; or PROVIDER=context for the cluster that kubectl is logged in to")),
    }
}

/// What would fail later, said before anything is done.
async fn possible(bench: &Bench, ground: &Ground) -> Result<(), Failure> {
    if ground.is_foreign(APP) {
        return Err(Failure::new(format!("there is a namespace {APP} that does not belong to this"))
            .cure("use another cluster; nothing of a namespace of somebody else's is touched"));
    }
    // What is ending is waited for, and then looked at again.
    if !ground.begun || ground.ending.contains(&APP) {
        return Ok(());
    }
    if secrets::lesson(&bench.kubectl).await? {
        return Err(Failure::new("Secret real-world/real-world-secret is the walkthrough's, which production refuses")
            .cure(
                "`make down` takes away what was made by hand; then `make up` makes it anew, with secrets of its own",
            ));
    }
    let there = secrets::names(&bench.kubectl).await?;
    if ground.volume && !["real-world-secret", "db-secret"].iter().all(|own| there.iter().any(|name| name == own)) {
        return Err(Failure::new("the database's volume is there, and its passwords are gone")
            .cure("`make down` deletes the volume with its namespace; save its data before, if you need it"));
    }
    Ok(())
}

async fn create(bench: &Bench, record: Record, wishes: &Wishes, images: &Images) -> Result<(), Failure> {
    if half_made(&record) {
        bench.progress.note("an earlier `make up` was interrupted while kind made the cluster: it is made anew");
        home::delete(bench, &record).await?;
    }
    match images.engine() {
        Some(engine) => home::make(bench, engine, record, wishes).await,
        None => home::make(bench, &bench.tools.engine(None).await?, record, wishes).await,
    }
}

async fn install(bench: &Bench, ground: &Ground, composition: &Composition) -> Result<(), Failure> {
    let Bench { kubectl, progress, .. } = bench;
    progress.begins("applying the manifests");
    let objects = composition.objects(bench).await?;
    let mut stuck = Stuck::look(kubectl).await?;
    objects.apply(kubectl, Wave::Namespaces).await?;
    marking::mark(bench, ground).await?;
    secrets::make(bench, composition.traefik.is_none()).await?;
    let count = objects.apply(kubectl, Wave::Workloads).await?;
    progress.note(&format!("{count} objects are applied"));
    for (workload, limit) in PARTS.iter().zip(&LIMITS) {
        if workload.title != "Traefik" || composition.traefik.is_none() {
            waiting::pods(bench, workload, limit, &mut stuck).await?;
        }
    }
    progress.begins("registering the metrics APIs");
    // Applied over somebody else's, they would keep what is not said here, as that no certificate is verified.
    for object in ground.metrics.iter().filter(|object| text(object, "/spec/group") == CUSTOM) {
        kubectl.run(&["delete", "apiservices.apiregistration.k8s.io", name(object), "--ignore-not-found"]).await?;
        progress.note(&format!("APIService {} is set aside, until `make down`", name(object)));
    }
    objects.apply(kubectl, Wave::Registrations).await?;
    waiting::registrations(bench, &APIS).await?;
    progress.begins("applying the HPA");
    objects.apply(kubectl, Wave::Autoscaler).await?;
    waiting::autoscaler(bench, &ACTIVE).await?;
    waiting::pods(bench, &PARTS[1], &LIMITS[1], &mut stuck).await
}

async fn finish(bench: &Bench, ground: &Ground) -> Result<(), Failure> {
    let way = Way::find(&bench.kubectl, ground.traefik.as_ref()).await?;
    let kubectl = bench.kubectl.spelled().await;
    let say = |line: &str| bench.progress.say(line);
    bench.progress.note("everything is up");
    say("");
    for line in way.lines(&kubectl) {
        say(&line);
    }
    say("\nThree things to try:");
    say(&format!("  {}", way.curl()));
    say("  make demo-hpa      watch replicas come and go under load");
    say(&format!("                     or under one of your own: {}", way.load()));
    say(
        "  make status        everything on one screen; `make doctor` if something is wrong, `make down` to take it away",
    );
    Ok(())
}
