//! Which link is broken between a metric of a pod and the `HorizontalPodAutoscaler` that scales by it: everything that
//! the two need of each other is looked at in that order in which one thing needs the other, so that the first fault is
//! the one to mend.
//!
//! ```text
//! API server -> each metrics API:  APIService -> Service -> ready pods -> certificate -> aggregator -> who may ask -> source
//!            -> each autoscaler:   what it scales -> its pods -> each of its metrics -> what its controller says
//! ```
//!
//! It is done with a person's own credentials, and changes nothing. Whose metrics server it is does not matter: what
//! only this adapter can tell of itself is asked for where it is this one.

mod access;
mod aggregator;
mod api;
mod ask;
mod autoscaler;
mod certificate;
mod chain;
mod link;
mod pods;
mod registered;
mod service;
mod source;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use hyper::Uri;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;

use crate::kubernetes::{Connection, resources};
use crate::model::{DiscoveredResource, Wall};

pub use api::MetricsApi;
pub use link::{Fault, Link, State};

use ask::{Asker, Unanswered};
use link::Trail;
use registered::Registration;
use service::Behind;

/// What is looked at, and how far.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The namespace whose autoscalers are looked at; none for all.
    pub namespace: Option<String>,
    /// The API that is looked at; none for those that are registered or needed.
    pub api: Option<MetricsApi>,
    /// Whether it goes on with the next API or autoscaler when a link of one is broken.
    pub all: bool,
    /// Where the adapter's status page is, if not behind the API server's proxy of its pods.
    pub adapter: Option<Uri>,
}

/// The links, in order, until the first broken one; with [`Scope::all`], until the first of each API and autoscaler.
pub async fn examine(connection: &Connection, scope: &Scope, now: Wall) -> Vec<Link> {
    let asker = Asker { client: connection.client() };
    let (walked, asked) = (HashMap::new(), HashSet::new());
    let mut examination = Examination { connection, scope, now, asker, trail: Trail::default(), walked, asked };
    if let Err(fault) = examination.walk().await {
        examination.trail.broken(fault);
    }
    examination.trail.end()
}

/// What is known of an API once it was looked at.
#[derive(Clone, Debug)]
struct Known {
    /// The version that is asked; the controller asks the preferred one if it is registered.
    version: &'static str,
    /// Who serves it, if that could be seen.
    by: Option<Registration>,
    /// The resources or metrics that it lists; none if that could not be seen.
    listed: Option<Vec<String>>,
}

struct Examination<'a> {
    connection: &'a Connection,
    scope: &'a Scope,
    now: Wall,
    asker: Asker,
    trail: Trail,
    /// What was found behind Services, by namespace, name and port; none behind those that are broken.
    walked: HashMap<(String, String, i32), Option<Rc<Behind>>>,
    /// The Services whose server was asked how it does.
    asked: HashSet<(String, String, i32)>,
}

impl Examination<'_> {
    async fn walk(&mut self) -> Result<(), Fault> {
        self.server().await?;
        let autoscalers = self.autoscalers().await?;
        let mut known = HashMap::new();
        for api in MetricsApi::ALL {
            if self.scope.api.is_some_and(|only| only != api) {
                continue;
            }
            let walked = self.api(api, &autoscalers).await;
            let found = walked.or_else(|fault| self.go_on(fault))?;
            known.extend(found.map(|found| (api, found)));
        }
        let kinds = self.kinds(&autoscalers).await;
        for own in &autoscalers {
            let walked = self.autoscaler(own, &known, kinds.as_deref()).await;
            walked.or_else(|fault| self.go_on(fault).map(|_: Option<()>| ()))?;
        }
        Ok(())
    }

    /// A fault ends the walk, unless all of them are wanted.
    fn go_on<T>(&mut self, fault: Fault) -> Result<Option<T>, Fault> {
        if !self.scope.all {
            return Err(fault);
        }
        self.trail.broken(fault);
        Ok(None)
    }

    async fn server(&mut self) -> Result<(), Fault> {
        let subject = format!("API server {}", self.connection.server());
        match ask::answered(self.asker.client.apiserver_version()).await {
            Ok(version) => {
                self.trail.good(&subject, format!("answers, Kubernetes {}", version.git_version));
                Ok(())
            }
            Err(Unanswered::Refused(_)) => {
                self.trail.good(&subject, "answers".to_owned());
                Ok(())
            }
            Err(Unanswered::Failed { code: Some(401), .. }) => Err(Fault::new(
                subject,
                "does not know who asks: 401 Unauthorized",
                "log in again, or name a kubeconfig whose credentials are valid with --kubeconfig",
            )),
            Err(other) => Err(Fault::new(
                subject,
                format!("cannot be reached: {other}"),
                "check the address in the kubeconfig, and that the cluster runs and can be reached from here",
            )),
        }
    }

    async fn autoscalers(&mut self) -> Result<Vec<HorizontalPodAutoscaler>, Fault> {
        let client = self.asker.client.clone();
        let namespace = self.scope.namespace.as_deref();
        let api: Api<HorizontalPodAutoscaler> = match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let place = namespace.map_or("of all namespaces".to_owned(), |namespace| format!("of namespace {namespace}"));
        let subject = format!("HPAs {place}");
        match self.asker.list(&api, "").await {
            Ok(all) => {
                self.trail.good(&subject, format!("{} found", all.len()));
                Ok(all)
            }
            Err(Unanswered::Refused(_)) if namespace.is_none() => {
                self.trail.unseen(&subject, "they may not be listed; -n NAMESPACE looks at those of one namespace");
                Ok(Vec::new())
            }
            Err(other) => self.trail.without(&subject, other).map(|_: Option<()>| Vec::new()),
        }
    }

    /// What kinds of objects there are, if some autoscaler speaks of one.
    async fn kinds(&mut self, autoscalers: &[HorizontalPodAutoscaler]) -> Option<Vec<DiscoveredResource>> {
        if autoscalers.is_empty() {
            return None;
        }
        match ask::answered(resources(self.connection)).await {
            Ok(kinds) => Some(kinds),
            Err(error) => {
                self.trail.unseen("kinds of objects", &error.to_string());
                None
            }
        }
    }
}
