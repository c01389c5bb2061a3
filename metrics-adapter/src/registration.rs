//! The `APIService`s that point the API server here: its own get the authority's certificate as `caBundle`; those of
//! somebody else are left alone.

mod owner;
mod patch;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::certificates::{self, Certificates};
use crate::kubernetes::{ApiService, Backoff, Connection, Seen, Watch, Watches, explain};

pub use owner::{LABEL, Own, Owner};

/// Looks after the `APIService`s of the APIs that are served.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The API server.
    pub connection: Connection,
    /// Where watches say how they do.
    pub watches: Watches,
    /// What makes an `APIService` its own.
    pub own: Own,
    /// Whether those of somebody else are taken.
    pub take_over: bool,
    /// Whether metrics.k8s.io is served.
    pub resource_metrics: bool,
    /// What is served with. If it is of given files, whose authority is not known, no `caBundle` is written.
    pub certificates: Certificates,
}

/// How an `APIService` does.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Whose it is.
    pub owner: Owner,
    /// Whether the API server finds it available, and what it says of that.
    pub available: Option<(bool, String)>,
    /// What keeps it from being as it should, if something does.
    pub problem: Option<String>,
}

/// How all of them do, by name.
pub type Registrations = watch::Receiver<BTreeMap<&'static str, Registered>>;

const CUSTOM: [&str; 3] =
    ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"];
const RESOURCE: &str = "v1beta1.metrics.k8s.io";

/// An `APIService` that stays as it was left for so long is fought over by nobody.
const CALM: Duration = Duration::from_mins(1);
/// A replica that hears of the Secret later must not undo what one did that heard sooner. By now it has heard: a dead
/// watch is noticed sooner. An authority that is newer even so is in no Secret: it was deleted, or put back as it was.
const PATIENCE: Duration = Duration::from_mins(3);
/// A change that is not answered by then never will be.
const ANSWER: Duration = Duration::from_secs(10);

/// Names the families of this room.
pub fn describe_metrics() {
    describe_gauge!(
        "metrics_adapter_apiservice_registered",
        "Whether an APIService points here (1), or is missing or somebody else's (0)."
    );
    describe_counter!("metrics_adapter_apiservice_patches_total", "APIServices that this replica changed.");
}

impl Registration {
    /// Follows them for as long as the process lives.
    #[must_use]
    pub fn start(self) -> Registrations {
        let (state, registrations) = watch::channel(BTreeMap::new());
        let names = CUSTOM.into_iter().chain(self.resource_metrics.then_some(RESOURCE));
        for name in names {
            let watch = Watch {
                api: Api::<ApiService>::all(self.connection.client()),
                labels: None,
                fields: Some(format!("metadata.name={name}")),
                name: format!("apiservice {name}"),
                watches: self.watches.clone(),
            };
            tokio::spawn(Keeper { own: self.clone(), name, state: state.clone() }.run(watch.one()));
        }
        registrations
    }
}

/// Since when an `APIService` has known a newer authority than the Secret that was heard of.
#[derive(Default)]
struct Deference(Option<Instant>);

impl Deference {
    /// How long it is still left as it is, if it is. Whoever is late now begins to wait when that is over.
    fn left(&mut self, newer: bool, late: bool, now: Instant) -> Option<Duration> {
        if !newer {
            self.0 = None;
            return None;
        }
        if late {
            self.0 = None;
        }
        let left = (*self.0.get_or_insert(now) + PATIENCE).saturating_duration_since(now);
        (left > Duration::ZERO).then_some(left)
    }
}

/// Looks after one of them.
struct Keeper {
    own: Registration,
    name: &'static str,
    state: watch::Sender<BTreeMap<&'static str, Registered>>,
}

impl Keeper {
    async fn run(self, mut seen: watch::Receiver<Seen<ApiService>>) {
        let mut made = match &self.own.certificates {
            Certificates::Made(made) => Some(made.clone()),
            Certificates::Given(_) => None,
        };
        let (mut backoff, mut fight, mut resting) = (Backoff::default(), Backoff::default(), None::<Instant>);
        let (mut before, mut said): (Option<Owner>, Option<String>) = (None, None);
        let mut deference = Deference::default();
        loop {
            let bundle = made.as_mut().and_then(|made| made.borrow_and_update().bundle.clone());
            let object = seen.borrow_and_update().clone();
            let mut pause = Duration::from_mins(10);
            if let Some(object) = object {
                let owner = self.own.own.of(object.as_ref());
                self.say(&owner, before.as_ref());
                let mut problem = None;
                let patch = self.own.own.patch(object.as_ref(), &owner, bundle.as_deref(), self.own.take_over);
                let newer = owner == Owner::Ours && patch::knows_newer(object.as_ref(), bundle.as_deref());
                if let Some(left) = deference.left(newer, newer && self.may_be_late(), Instant::now()) {
                    pause = left;
                } else if let Some(patch) = patch {
                    // Whoever else keeps it as they want it must not be fought at full speed.
                    if let Some(rest) = resting.filter(|rest| *rest > Instant::now()) {
                        sleep_until(rest).await;
                        continue;
                    }
                    let gap = fight.failed();
                    resting = Some(Instant::now() + gap);
                    match self.apply(&patch).await {
                        Ok(()) => pause = gap.max(Duration::from_secs(5)),
                        Err(text) => {
                            if said.as_ref() != Some(&text) {
                                error!(apiservice = self.name, "{text}");
                                said = Some(text.clone());
                            }
                            pause = backoff.failed();
                            problem = Some(text);
                        }
                    }
                } else {
                    backoff.succeeded();
                    said = None;
                    if resting.is_none_or(|rest| rest + CALM < Instant::now()) {
                        fight.succeeded();
                    }
                }
                let available = object.as_ref().and_then(owner::available);
                let registered = Registered { owner: owner.clone(), available, problem };
                self.state.send_modify(|all| {
                    all.insert(self.name, registered);
                });
                before = Some(owner);
            }
            let renewed = async {
                let over = match &mut made {
                    Some(made) => made.changed().await.is_err(),
                    None => true,
                };
                if over {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                () = renewed => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Whether the Secret may hold something else than what was heard of it.
    fn may_be_late(&self) -> bool {
        let states = self.own.watches.states();
        states.iter().any(|(name, state)| name.starts_with(certificates::WATCH) && state.problem.is_some())
    }

    /// What changed is said once.
    fn say(&self, owner: &Owner, before: Option<&Owner>) {
        gauge!("metrics_adapter_apiservice_registered", "apiservice" => self.name)
            .set(f64::from(u8::from(*owner == Owner::Ours)));
        if before == Some(owner) {
            return;
        }
        match owner {
            Owner::Ours => info!(apiservice = self.name, "the APIService points here"),
            Owner::Missing => warn!(
                apiservice = self.name,
                "there is no APIService of that name, so nobody asks for it here; k8s/metrics-adapter has one"
            ),
            Owner::Foreign(who) if self.own.take_over => {
                warn!(apiservice = self.name, "the APIService is {who}, and is taken over");
            }
            Owner::Foreign(who) => {
                warn!(apiservice = self.name, "the APIService is {who}, and is left alone; --take-over takes it");
            }
        }
    }

    async fn apply(&self, patch: &serde_json::Value) -> Result<(), String> {
        let api: Api<ApiService> = Api::all(self.own.connection.client());
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let Ok(patched) = timeout(ANSWER, api.patch(self.name, &params, &patch)).await else {
            return Err(format!("APIService {} could not be changed: no answer within {ANSWER:?}", self.name));
        };
        match patched {
            Ok(_) => {
                counter!("metrics_adapter_apiservice_patches_total", "apiservice" => self.name).increment(1);
                info!(apiservice = self.name, "the APIService was changed to point here, with the authority in force");
                Ok(())
            }
            // It is another by now; the watch tells which.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(format!("APIService {} could not be changed: {}", self.name, explain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_authority_is_deferred_to_until_nobody_can_be_late() {
        let (mut deference, now) = (Deference::default(), Instant::now());
        assert_eq!(deference.left(false, false, now), None);
        assert_eq!(deference.left(true, false, now), Some(PATIENCE));
        let later = now + PATIENCE / 3;
        assert_eq!(deference.left(true, false, later), Some(PATIENCE / 3 * 2));
        // The watch broke: what it hears when it is mended is new.
        assert_eq!(deference.left(true, true, later), Some(PATIENCE));
        let over = later + PATIENCE;
        assert_eq!(deference.left(true, false, over), None, "it is in no Secret");
        assert_eq!(deference.left(false, false, over), None);
        assert_eq!(deference.left(true, false, over), Some(PATIENCE), "another");
    }
}
