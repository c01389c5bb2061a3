use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as WholeSecret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::material::{Lifetimes, Material};
use super::verdict::{Change, MANAGED_BY, TYPE, Terms, Verdict};
use super::{Certificates, Made, WATCH};
use crate::clock::Clock;
use crate::kubernetes::{Backoff, Connection, Secret, Seen, Watch, Watches, explain};
use crate::model::Wall;

const PART: (&str, &str) = ("app.kubernetes.io/name", "metrics-adapter");
/// It is looked at whether something is due at least this often; clocks may be set.
const LOOK: Duration = Duration::from_mins(1);
/// A write that is not answered by then never will be.
const ANSWER: Duration = Duration::from_secs(10);
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
            name: format!("{WATCH}{}/{}", self.namespace, self.secret),
            watches: self.watches.clone(),
        };
        let names = ["svc", "svc.cluster.local", ""].map(|end| {
            let name = format!("{}.{}.{end}", self.service, self.namespace);
            name.trim_end_matches('.').to_owned()
        });
        let terms = Terms {
            place: format!("{}/{}", self.namespace, self.secret),
            names: names.to_vec(),
            lifetimes: Lifetimes { certificate: self.lifetime },
        };
        tokio::spawn(Keeper { terms, own: self, state }.run(watch.one()));
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
    terms: Terms,
    state: watch::Sender<Made>,
}

impl Keeper {
    async fn run(self, mut seen: watch::Receiver<Seen<Secret>>) {
        let mut held: Option<Material> = None;
        let mut said: Option<String> = None;
        let (mut backoff, mut rest) = (Backoff::default(), Instant::now());
        loop {
            let secret = seen.borrow_and_update().clone();
            let mut pause = self.look();
            if let Some(secret) = secret {
                let now = self.own.clock.now().wall.seconds();
                let judged = self.terms.judge(secret.as_ref(), held.as_ref(), now);
                if let Some(found) = judged.found
                    && !held.as_ref().is_some_and(|own| own.is(&found))
                {
                    self.adopt(&found);
                    held = Some(found);
                }
                match judged.verdict {
                    Verdict::Keep => {
                        self.state.send_if_modified(|made| made.problem.take().is_some());
                        said = None;
                        // Whoever else writes it must not be fought at full speed.
                        if rest + CALM < Instant::now() {
                            backoff.succeeded();
                        }
                    }
                    Verdict::Leave(problem) => self.trouble(&problem),
                    Verdict::Write(..) if Instant::now() < rest => pause = rest - Instant::now(),
                    Verdict::Write(change, why) => {
                        // It is tried again until it is done, and said once.
                        if said.as_ref() != Some(&why) {
                            warn_or_inform(&self.own.secret, change, &why);
                            said = Some(why);
                        }
                        if let Err(problem) = self.write(secret, change, held.as_ref(), now).await {
                            self.trouble(&problem);
                        }
                        // The watch tells what was written, by whomever.
                        pause = backoff.failed();
                        rest = Instant::now() + pause;
                    }
                }
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                () = sleep(pause) => {}
            }
        }
    }

    /// Replicas that were all told of the same Secret at once must not all renew it at once.
    fn look(&self) -> Duration {
        LOOK.min(self.own.lifetime / 30).mul_f64(fastrand::f64() / 2.0 + 0.5)
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

    async fn write(
        &self,
        secret: Option<Secret>,
        change: Change,
        held: Option<&Material>,
        now: i64,
    ) -> Result<(), String> {
        let (names, lifetimes) = (&self.terms.names, self.terms.lifetimes);
        let material = match (change, held) {
            (Change::Again, Some(held)) => held.clone(),
            (Change::Next(action), Some(held)) => held.after(action, names, lifetimes, now)?,
            _ => Material::new(names, lifetimes, now)?,
        };
        let api: Api<WholeSecret> = self.own.api();
        let params = PostParams::default();
        let (name, place) = (&self.own.secret, &self.terms.place);
        let written = async {
            match secret {
                None => {
                    let metadata = ObjectMeta {
                        name: Some(name.clone()),
                        namespace: Some(self.own.namespace.clone()),
                        ..ObjectMeta::default()
                    };
                    api.create(&params, &whole(metadata, &material)).await
                }
                // With the version that was seen: whoever wrote since wins.
                Some(secret) => api.replace(name, &params, &whole(secret.metadata, &material)).await,
            }
        };
        match timeout(ANSWER, written).await {
            Ok(Ok(_)) => {
                counter!("metrics_adapter_certificate_renewals_total", "what" => change.label()).increment(1);
                info!(secret = &**name, new = change.label(), "the Secret was written");
                Ok(())
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                counter!("metrics_adapter_secret_conflicts_total").increment(1);
                Ok(())
            }
            Ok(Err(error)) => Err(format!("Secret {place} could not be written: {}", explain(&error))),
            Err(_) => Err(format!("Secret {place} could not be written: no answer within {ANSWER:?}")),
        }
    }
}

fn warn_or_inform(secret: &str, change: Change, why: &str) {
    match change {
        Change::Next(action) => info!(secret, "a new {} is due: {why}", action.label()),
        Change::Anew => info!(secret, "the Secret is made anew: {why}"),
        Change::Again => warn!(secret, "what the Secret held is written again: {why}"),
    }
}

fn whole(mut metadata: ObjectMeta, material: &Material) -> WholeSecret {
    let labels = metadata.labels.get_or_insert_default();
    labels.extend([MANAGED_BY, PART].map(|(name, value)| (name.to_owned(), value.to_owned())));
    WholeSecret { metadata, data: Some(material.data()), type_: Some(TYPE.to_owned()), ..WholeSecret::default() }
}
