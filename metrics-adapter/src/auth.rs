//! Who asks, and whether they may: as every aggregated API server finds out.
//!
//! The API server's front proxy is believed what it says of who asks, once its certificate is proven; everybody else
//! is known by a certificate of the cluster or a token. Whether they may is the API server's decision, which is asked
//! for and remembered.

mod attributes;
mod cache;
mod identity;
mod peer;
mod review;
mod trust;

use std::sync::Arc;

use hyper::header::HeaderMap;
use hyper::{Method, Uri};
use metrics::{counter, describe_counter, describe_histogram};

use crate::clock::Clock;
use crate::kubernetes::{Connection, Watches};
use crate::model::GroupResource;

pub use attributes::{Attributes, Malformed};
pub use identity::User;
pub use peer::{AnyClient, Peer};
pub use trust::{Trust, TrustState};

use cache::Answer;
use identity::Claim;
use review::Reviews;

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its path can be read in more than one way.
    Malformed(String),
    /// Nobody knows who asks.
    Unauthenticated(String),
    /// They may not.
    Forbidden {
        /// The resource of the answer's message, as `pods.metrics.k8s.io "web"`; empty for a path.
        subject: String,
        /// What is forbidden, and why.
        message: String,
    },
    /// The API server is not there to say.
    Unavailable(String),
}

/// Decides who is answered.
#[derive(Debug)]
pub struct Gate {
    trust: TrustState,
    reviews: Reviews,
    clock: Clock,
}

/// Names the families of this room.
pub fn describe_metrics() {
    describe_counter!("metrics_adapter_authentications_total", "Requests by how it was found who asks.");
    describe_counter!(
        "metrics_adapter_reviews_total",
        "Questions to the API server of who asks (tokenreviews) and whether they may (subjectaccessreviews), by outcome."
    );
    describe_histogram!("metrics_adapter_review_duration_seconds", "How long the API server took to answer a review.");
    describe_counter!(
        "metrics_adapter_review_cache_total",
        "Requests by what was remembered: hit, refreshed behind, stale (the API server is away), miss."
    );
}

impl Gate {
    /// Follows whom the cluster trusts, and asks its API server.
    #[must_use]
    pub fn new(connection: &Connection, watches: &Watches, clock: Clock) -> Arc<Self> {
        let trust = TrustState::follow(connection, watches, clock);
        Arc::new(Self { trust, reviews: Reviews::new(connection, clock), clock })
    }

    /// Whom the cluster trusts, as far as it is known.
    #[must_use]
    pub fn trust(&self) -> &TrustState {
        &self.trust
    }

    /// Whether a request is answered. `named` knows the resource that a path names.
    pub async fn admit(
        &self,
        peer: Option<&Peer>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        named: impl Fn(&str) -> Option<GroupResource>,
    ) -> Result<(), Refusal> {
        let attributes = Attributes::of(method, uri).map_err(|Malformed(problem)| Refusal::Malformed(problem))?;
        let attributes = attributes.in_scope(named);
        let user = self.user(peer, headers).await?;
        if attributes.is_probe() || user.groups.iter().any(|group| group == "system:masters") {
            return Ok(());
        }
        match self.reviews.access(&user, &attributes).await {
            Ok(Answer::Granted(())) => Ok(()),
            Ok(Answer::Refused(reason)) => Err(attributes.forbidden(&user.name, &reason)),
            Err(problem) => Err(Refusal::Unavailable(problem)),
        }
    }

    /// Who asks. What fails is remembered while the next way is tried: a certificate that proves nothing must not be
    /// taken for no certificate.
    async fn user(&self, peer: Option<&Peer>, headers: &HeaderMap) -> Result<User, Refusal> {
        let mut problems = Vec::new();
        if let Some(peer) = peer {
            if self.trust.since().is_none() {
                return Err(Refusal::Unavailable("whom the cluster trusts is not known yet".to_owned()));
            }
            let trust = self.trust.current();
            match identity::by_certificate(peer, &trust, headers, self.clock.now()) {
                Claim::Is(how, user) => {
                    counter!("metrics_adapter_authentications_total", "by" => how).increment(1);
                    return Ok(user.authenticated());
                }
                Claim::Nobody => {}
                Claim::Wrong(problem) => problems.push(problem),
            }
        }
        if let Some(token) = identity::bearer(headers) {
            match self.reviews.token(token).await {
                Ok(Answer::Granted(user)) => {
                    counter!("metrics_adapter_authentications_total", "by" => "token").increment(1);
                    return Ok(user.authenticated());
                }
                Ok(Answer::Refused(reason)) => problems.push(reason.to_string()),
                Err(problem) => return Err(Refusal::Unavailable(problem)),
            }
        }
        if problems.is_empty() {
            counter!("metrics_adapter_authentications_total", "by" => "nothing").increment(1);
            return Ok(User::anonymous());
        }
        counter!("metrics_adapter_authentications_total", "by" => "refused").increment(1);
        Err(Refusal::Unauthenticated(problems.join("; ")))
    }
}
