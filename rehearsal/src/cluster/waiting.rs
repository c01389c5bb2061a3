mod ending;

use std::time::{Duration, Instant};

use super::ground::is_ours;
use super::look::{condition, is_true, list, name, text};
use super::marks::{APP, HPA};
use super::stuck::Stuck;
use super::trouble;
use super::workload::{Standing, Workload};
use super::{Bench, Failure};
pub(super) use ending::{emptied, gone};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What a look at what is awaited finds.
enum Look {
    Done,
    /// How it stands.
    NotYet(String),
}

/// How long something may take, and why so long.
pub(super) struct Limit {
    pub(super) time: Duration,
    pub(super) reason: &'static str,
}

/// Of the end of namespaces and of what is in them.
pub(super) const EMPTY: Limit = Limit {
    time: Duration::from_mins(5),
    reason: "pods may finish what they do, Prometheus for two minutes, and volumes are let go",
};

struct Wait<'a> {
    bench: &'a Bench,
    title: String,
    limit: Duration,
    reason: &'static str,
    began: Instant,
    stood: String,
}

impl<'a> Wait<'a> {
    fn begin(bench: &'a Bench, title: &str, limit: &Limit) -> Self {
        bench.progress.begins(&format!("waiting for {title}"));
        let time = bench.patience.unwrap_or(limit.time);
        Self {
            bench,
            title: title.to_owned(),
            limit: time,
            reason: limit.reason,
            began: Instant::now(),
            stood: String::new(),
        }
    }

    /// A look that failed, and may not the next time: how it stands.
    fn excuse<T>(looked: Result<T, Failure>) -> Result<Result<T, Look>, Failure> {
        match looked {
            Ok(found) => Ok(Ok(found)),
            Err(failure) => match failure.passing() {
                Some(words) => Ok(Err(Look::NotYet(words.lines().last().unwrap_or_default().to_owned()))),
                None => Err(failure),
            },
        }
    }

    /// Whether it is over; else after a pause.
    async fn goes_on(&mut self, look: Look) -> bool {
        match look {
            Look::Done => {
                let took = self.began.elapsed().as_secs_f64();
                self.bench.progress.note(&format!("{}: {}, after {took:.1} s", self.title, self.word()));
                false
            }
            Look::NotYet(words) => {
                self.bench.progress.stands(&format!("waiting for {}: {words}", self.title));
                self.stood = words;
                tokio::time::sleep(PAUSE).await;
                true
            }
        }
    }

    /// After a look that failed.
    async fn look_again(&mut self, look: Look) -> Result<(), Failure> {
        self.goes_on(look).await;
        if self.is_over() {
            Err(self.late().cure("see that `kubectl get nodes` answers, then `make up` again"))
        } else {
            Ok(())
        }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.limit
    }

    /// What comes is ready, what goes is gone.
    fn word(&self) -> &'static str {
        if self.title.starts_with("the end of") { "come" } else { "ready" }
    }

    fn late(&self) -> Failure {
        let Self { title, reason, stood, .. } = self;
        let limit = humantime::format_duration(self.limit);
        Failure::new(format!("{title}: not {} after {limit} ({reason}): {stood}", self.word()))
    }
}

/// Until all pods of a workload are ready. A trouble that lasts ends it before its time; one of before has to come again.
pub(super) async fn pods(bench: &Bench, workload: &Workload, limit: &Limit, stuck: &mut Stuck) -> Result<(), Failure> {
    let mut wait = Wait::begin(bench, workload.title, limit);
    let mut since: Option<(String, Instant)> = None;
    loop {
        let standing = Wait::excuse(workload.standing(&bench.kubectl).await)?;
        let (standing, look) = match standing {
            Ok(standing) if standing.is_ready() => (standing, Look::Done),
            Ok(standing) => {
                let words = standing.words();
                (standing, Look::NotYet(words))
            }
            Err(look) => (Standing::default(), look),
        };
        if !wait.goes_on(look).await {
            return Ok(());
        }
        if standing.observed && stuck.begin_anew(bench, workload, &standing).await {
            since = None;
            continue;
        }
        if standing.is_off() {
            let words = format!("{}: {}", workload.title, standing.words());
            return Err(Failure::new(words).cure(format!("{}; `make up` again goes on", workload.start())));
        }
        let reason = standing.trouble.as_ref().map(|(_, trouble)| trouble.reason.clone());
        since = reason.map(|reason| match since.take() {
            Some((before, at)) if before == reason || both_of_images(&before, &reason) => (reason, at),
            _ => (reason, Instant::now()),
        });
        if let (Some((pod, trouble)), Some((_, at))) = (&standing.trouble, &since)
            && at.elapsed() >= trouble.grace.min(wait.limit / 2)
        {
            return Err(
                trouble::failure(&bench.kubectl, workload.namespace, workload.title, pod.as_ref(), trouble).await
            );
        }
        if wait.is_over() {
            let words = match standing.lagging.first() {
                Some(pod) => trouble::last_words(&bench.kubectl, workload.namespace, pod).await,
                None => Vec::new(),
            };
            return Err(wait.late().words(words).cure("`make doctor` looks further; `make up` again goes on waiting"));
        }
    }
}

/// An image that cannot be had is told of in turns.
fn both_of_images(one: &str, other: &str) -> bool {
    let image = |reason: &str| ["ErrImagePull", "ImagePullBackOff"].contains(&reason);
    image(one) && image(other)
}

/// Until the API server reaches the adapter.
pub(super) async fn registrations(bench: &Bench, limit: &Limit) -> Result<(), Failure> {
    let mut wait = Wait::begin(bench, "the metrics APIs", limit);
    loop {
        let all = bench.kubectl.json(&["get", "apiservices.apiregistration.k8s.io"]).await;
        let all = match Wait::excuse(all.map_err(Failure::from))? {
            Ok(all) => all,
            Err(look) => {
                wait.look_again(look).await?;
                continue;
            }
        };
        let ours: Vec<_> = list(&all, "/items").iter().filter(|object| is_ours(object)).collect();
        let missing: Vec<_> = ours.iter().filter(|object| !is_true(object, "Available")).collect();
        let look = missing.first().map_or(Look::Done, |first| {
            let said = condition(first, "Available").map_or("nobody has looked yet", |own| text(own, "/message"));
            Look::NotYet(format!(
                "{} of {} available ({}: {said})",
                ours.len() - missing.len(),
                ours.len(),
                name(first)
            ))
        });
        if !wait.goes_on(look).await {
            return Ok(());
        }
        if wait.is_over() {
            return Err(wait.late().cure(
                "the API server has to reach port 6443 of the adapter's pods: a firewall between control plane and nodes, or a \
                 network policy, is what is in the way most often; `make doctor` looks further",
            ));
        }
    }
}

/// Until the HPA has what it scales by.
pub(super) async fn autoscaler(bench: &Bench, limit: &Limit) -> Result<(), Failure> {
    let mut wait = Wait::begin(bench, "the HPA", limit);
    loop {
        let hpa = bench.kubectl.object("horizontalpodautoscalers.autoscaling", APP, HPA).await;
        let hpa = match Wait::excuse(hpa.map_err(Failure::from))? {
            Ok(hpa) => hpa.unwrap_or_default(),
            Err(look) => {
                wait.look_again(look).await?;
                continue;
            }
        };
        let look = if is_true(&hpa, "ScalingActive") {
            Look::Done
        } else {
            let said = condition(&hpa, "ScalingActive")
                .map_or("its controller has not looked yet", |own| text(own, "/message"));
            Look::NotYet(said.to_owned())
        };
        if !wait.goes_on(look).await {
            return Ok(());
        }
        if wait.is_over() {
            return Err(wait.late().cure(
                "`make doctor` names the broken link. If it is CPU or memory alone, the kubelets may sign their own certificates: \
                 KUBELET_INSECURE_TLS=1 believes them",
            ));
        }
    }
}
