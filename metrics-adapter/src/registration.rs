//! The `APIService`s that point the API server here: its own get the authority's certificate as `caBundle`; those of
//! somebody else are left alone.

mod owner;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Api;
use kube::api::{Patch, PatchParams};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::certificates::{Certificates, made_at};
use crate::kubernetes::{ApiService, Backoff, Connection, Seen, Watch, Watches, explain};

pub use owner::{Own, Owner};

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
        let mut before: Option<Owner> = None;
        loop {
            let bundle = made.as_mut().and_then(|made| made.borrow_and_update().bundle.clone());
            let object = seen.borrow_and_update().clone();
            let mut pause = Duration::from_mins(10);
            if let Some(object) = object {
                let owner = self.own.own.of(object.as_ref());
                self.say(&owner, before.as_ref());
                let mut problem = None;
                if let Some(patch) = self.own.own.patch(object.as_ref(), &owner, bundle.as_deref(), self.own.take_over)
                {
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
                            error!(apiservice = self.name, "{text}");
                            pause = backoff.failed();
                            problem = Some(text);
                        }
                    }
                } else {
                    backoff.succeeded();
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
        match api.patch(self.name, &PatchParams::default(), &Patch::Merge(patch)).await {
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

impl Own {
    /// What makes an `APIService` as it should be: with the authority, and verified. With its version, so that what
    /// was changed since is not undone.
    fn patch(
        &self,
        object: Option<&ApiService>,
        owner: &Owner,
        bundle: Option<&str>,
        take_over: bool,
    ) -> Option<serde_json::Value> {
        let object = object?;
        let version = object.metadata.resource_version.as_deref();
        match owner {
            Owner::Missing => None,
            Owner::Foreign(_) if !take_over => None,
            // There is nothing to serve it with yet.
            Owner::Foreign(_) if bundle.is_none() && self.makes_its_own => None,
            Owner::Foreign(_) => {
                let mut spec = json!({
                    "service": {"namespace": self.namespace, "name": self.service, "port": 443},
                    "insecureSkipTLSVerify": false,
                });
                // Without an authority of its own, somebody must put theirs.
                spec["caBundle"] = bundle.map_or(json!(null), |bundle| json!(STANDARD.encode(bundle)));
                let labels = json!({owner::LABEL.0: owner::LABEL.1});
                Some(json!({"metadata": {"resourceVersion": version, "labels": labels}, "spec": spec}))
            }
            Owner::Ours => {
                let bundle = bundle?;
                let known = object.spec.ca_bundle.as_ref().is_some_and(|own| own.0 == bundle.as_bytes());
                // A replica that hears of the Secret later must not undo what one did that heard sooner.
                let theirs = object.spec.ca_bundle.as_ref().and_then(|own| made_at(&own.0));
                if theirs.is_some_and(|theirs| made_at(bundle.as_bytes()).is_some_and(|own| theirs > own)) {
                    return None;
                }
                let verified = object.spec.insecure_skip_tls_verify != Some(true);
                let spec = json!({"caBundle": STANDARD.encode(bundle), "insecureSkipTLSVerify": false});
                (!(known && verified)).then(|| json!({"metadata": {"resourceVersion": version}, "spec": spec}))
            }
        }
    }
}
