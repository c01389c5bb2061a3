use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as WholeSecret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::material::{Action, Lifetimes, Material};
use super::{Certificates, Made};
use crate::clock::Clock;
use crate::kubernetes::{Backoff, Connection, Secret, Seen, Watch, Watches, explain};
use crate::model::Wall;

const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "metrics-adapter");
const TYPE: &str = "Opaque";
const PART: (&str, &str) = ("app.kubernetes.io/name", "metrics-adapter");
/// It is looked at whether something is due at least this often; clocks may be set.
const LOOK: Duration = Duration::from_mins(1);

/// A Secret that stays as it was written for so long is fought over by nobody.
const CALM: Duration = Duration::from_secs(5);

/// Certificates of an authority of its own, which all replicas share in a Secret.
///
/// Invariant: nothing is served that does not stand, or stood, in the Secret, so that all replicas serve what one
/// bundle verifies. Whoever writes first wins; the others take what was written.
#[derive(Clone, Debug)]
pub struct SelfMade {
    /// The API server.
    pub connection: Connection,
    /// Where watches say how they do.
    pub watches: Watches,
    /// Where the Secret and the Service are.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The Service's name, which the certificate is made out to.
    pub service: String,
    /// How long a certificate is valid.
    pub lifetime: Duration,
    /// The clocks.
    pub clock: Clock,
}

impl SelfMade {
    /// Makes what is missing and renews what is due, for as long as the process lives.
    #[must_use]
    pub fn start(self) -> Certificates {
        let (state, made) = watch::channel(Made::default());
        let watch = Watch {
            api: self.api(),
            labels: None,
            fields: Some(format!("metadata.name={}", self.secret)),
            name: format!("secret {}/{}", self.namespace, self.secret),
            watches: self.watches.clone(),
        };
        let names = ["svc", "svc.cluster.local", ""].map(|end| {
            let name = format!("{}.{}.{end}", self.service, self.namespace);
            name.trim_end_matches('.').to_owned()
        });
        let keeper =
            Keeper { names: names.to_vec(), lifetimes: Lifetimes { certificate: self.lifetime }, own: self, state };
        tokio::spawn(keeper.run(watch.one()));
        Certificates::Made(made)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.connection.client(), &self.namespace)
    }
}

struct Keeper {
    own: SelfMade,
    names: Vec<String>,
    lifetimes: Lifetimes,
    state: watch::Sender<Made>,
}

/// What is to be written.
enum Write {
    Create(Material),
    /// What was seen, what replaces it, and what of that is new.
    Update(Box<Secret>, Material, &'static str),
}

impl Keeper {
    async fn run(self, mut seen: watch::Receiver<Seen<Secret>>) {
        let mut held: Option<Material> = None;
        let (mut backoff, mut rest) = (Backoff::default(), Instant::now());
        let look = LOOK.min(self.own.lifetime / 30);
        loop {
            let secret = seen.borrow_and_update().clone();
            let mut pause = look;
            if let Some(secret) = secret {
                match self.judge(secret, &mut held) {
                    Ok(None) => {
                        self.state.send_if_modified(|made| made.problem.take().is_some());
                        // Whoever else writes it must not be fought at full speed.
                        if rest + CALM < Instant::now() {
                            backoff.succeeded();
                        }
                    }
                    Ok(Some(_)) if Instant::now() < rest => pause = rest - Instant::now(),
                    Ok(Some(write)) => {
                        // The watch tells what was written, by whomever.
                        pause = backoff.failed();
                        rest = Instant::now() + pause;
                        if let Err(problem) = self.write(write).await {
                            self.trouble(&problem);
                        }
                    }
                    Err(problem) => self.trouble(&problem),
                }
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                () = sleep(pause) => {}
            }
        }
    }

    /// Takes what the Secret holds, and says what is to be written.
    fn judge(&self, secret: Option<Secret>, held: &mut Option<Material>) -> Result<Option<Write>, String> {
        let now = self.own.clock.now().wall.seconds();
        let anew = || Material::new(&self.names, self.lifetimes, now);
        let Some(secret) = secret else {
            // Somebody deleted it. What is served is what the API server knows to believe.
            if held.is_some() {
                warn!(secret = &*self.own.secret, "the Secret was deleted; what it held is written again");
            }
            return held.clone().map_or_else(anew, Ok).map(|material| Some(Write::Create(material)));
        };
        let labels = secret.metadata.labels.as_ref();
        if labels.and_then(|labels| labels.get(MANAGED_BY.0)).map(String::as_str) != Some(MANAGED_BY.1) {
            return Err(format!(
                "Secret {}/{} is not labelled {}={}, so it is somebody else's and left as it is; delete it, or name \
                 another with --secret-name",
                self.own.namespace, self.own.secret, MANAGED_BY.0, MANAGED_BY.1
            ));
        }
        if secret.type_.as_deref().is_some_and(|own| own != TYPE) {
            return Err(format!(
                "Secret {}/{} is not of type {TYPE}, which cannot be changed; delete it, or name another with \
                 --secret-name",
                self.own.namespace, self.own.secret
            ));
        }
        let empty = BTreeMap::new();
        match Material::read(secret.data.as_ref().unwrap_or(&empty), &self.names) {
            Ok(material) => {
                if !held.as_ref().is_some_and(|own| own.is(&material)) {
                    self.adopt(&material);
                    *held = Some(material.clone());
                }
                let action = material.due(self.lifetimes, now);
                if action == Action::Keep {
                    return Ok(None);
                }
                info!(secret = &*self.own.secret, "a new {} is due", action.label());
                let next = material.after(action, &self.names, self.lifetimes, now)?;
                Ok(Some(Write::Update(Box::new(secret), next, action.label())))
            }
            Err(problem) => {
                warn!(secret = &*self.own.secret, "the Secret is of no use, and is written anew: {problem}");
                let material = held.clone().map_or_else(anew, Ok)?;
                Ok(Some(Write::Update(Box::new(secret), material, "both")))
            }
        }
    }

    /// Serves with it from now on; connections that there are go on as they are.
    fn adopt(&self, material: &Material) {
        let wall = |seconds: i64| Wall::from_millis(seconds.saturating_mul(1000));
        let (expires, authority_expires) = (wall(material.not_after), wall(material.authority_not_after()));
        info!(secret = &*self.own.secret, "serving with the certificate of the Secret, which expires at {expires}");
        #[expect(clippy::cast_precision_loss, reason = "a float holds the seconds of millions of years")]
        let seconds = |wall: Wall| wall.seconds() as f64;
        gauge!("metrics_adapter_tls_certificate_expiry_timestamp_seconds").set(seconds(expires));
        gauge!("metrics_adapter_tls_authority_expiry_timestamp_seconds").set(seconds(authority_expires));
        self.state.send_replace(Made {
            certified: Some(Arc::clone(&material.certified)),
            bundle: Some(material.bundle().into()),
            expires: Some(expires),
            authority_expires: Some(authority_expires),
            problem: None,
        });
    }

    fn trouble(&self, problem: &str) {
        let new =
            self.state.send_if_modified(|made| made.problem.replace(problem.to_owned()).as_deref() != Some(problem));
        if new {
            error!(secret = &*self.own.secret, "{problem}");
        }
    }

    async fn write(&self, write: Write) -> Result<(), String> {
        let api: Api<WholeSecret> = self.own.api();
        let params = PostParams::default();
        let name = &self.own.secret;
        let (written, what, new) = match write {
            Write::Create(material) => {
                let labels = [MANAGED_BY, PART].map(|(name, value)| (name.to_owned(), value.to_owned()));
                let metadata = ObjectMeta {
                    name: Some(name.clone()),
                    namespace: Some(self.own.namespace.clone()),
                    labels: Some(labels.into()),
                    ..ObjectMeta::default()
                };
                (api.create(&params, &whole(metadata, &material)).await, "created", "both")
            }
            // With the version that was seen: whoever wrote since wins.
            Write::Update(secret, material, new) => {
                (api.replace(name, &params, &whole(secret.metadata, &material)).await, "written", new)
            }
        };
        match written {
            Ok(_) => {
                counter!("metrics_adapter_certificate_renewals_total", "what" => new).increment(1);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                counter!("metrics_adapter_secret_conflicts_total").increment(1);
                Ok(())
            }
            Err(error) => Err(format!("Secret {}/{name} could not be {what}: {}", self.own.namespace, explain(&error))),
        }
    }
}

fn whole(metadata: ObjectMeta, material: &Material) -> WholeSecret {
    WholeSecret { metadata, data: Some(material.data()), type_: Some(TYPE.to_owned()), ..WholeSecret::default() }
}
