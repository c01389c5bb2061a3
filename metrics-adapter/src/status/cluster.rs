use serde::Serialize;
use tokio::sync::watch;

use super::report::Report;
use crate::auth::TrustState;
use crate::certificates::Made;
use crate::cluster::{Autoscaler, Inventory};
use crate::registration::{Owner, Registered, Registrations};

/// What there is in a cluster alone.
#[derive(Clone, Debug)]
pub struct ClusterSight {
    /// The API server's URL.
    pub server: String,
    /// Whom the cluster trusts.
    pub trust: TrustState,
    /// The certificate that was made here; none, if it is of given files.
    pub made: Option<watch::Receiver<Made>>,
    /// The `APIService`s.
    pub registrations: Option<Registrations>,
}

/// What only a cluster has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReport {
    /// The API server's URL.
    pub api_server: String,
    /// When it was read who says who asks, RFC 3339; none, as long as that is not known.
    pub trust_loaded: Option<String>,
    /// What is wrong with what says so.
    pub trust_problem: Option<String>,
    /// The certificate that was made here; none, if it is of given files.
    pub certificate: Option<CertificateReport>,
    /// The `APIService`s of the APIs that are served.
    pub api_services: Vec<ApiServiceReport>,
    /// The watches of the API server.
    pub watches: Vec<WatchReport>,
    /// The autoscalers.
    pub autoscalers: Vec<AutoscalerReport>,
}

/// A certificate that was made here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateReport {
    /// When it expires, RFC 3339; none, as long as there is none.
    pub expires: Option<String>,
    /// When its authority does, RFC 3339.
    pub authority_expires: Option<String>,
    /// What is wrong with its Secret, if something is.
    pub problem: Option<String>,
}

/// An `APIService`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiServiceReport {
    /// Its name.
    pub name: &'static str,
    /// `ours`, `foreign` or `missing`.
    pub owner: &'static str,
    /// Whose it is, if it is somebody else's; it is left alone.
    pub foreign: Option<String>,
    /// Whether the API server finds it available; none, if it has not said so.
    pub available: Option<bool>,
    /// What the API server says of that.
    pub message: Option<String>,
    /// What keeps it from being as it should, if something does.
    pub problem: Option<String>,
}

/// A watch of the API server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchReport {
    /// What it watches.
    pub resource: String,
    /// Whether everything that exists was said once.
    pub complete: bool,
    /// How often it broke.
    pub restarts: u64,
    /// Why it is not connected, if it is not; what it said before stays known.
    pub problem: Option<String>,
}

/// A `HorizontalPodAutoscaler`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerReport {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it scales, as `Deployment/web`.
    pub scales: String,
    /// The fewest replicas.
    pub min_replicas: i32,
    /// The most.
    pub max_replicas: i32,
    /// How many there are.
    pub current_replicas: i32,
    /// How many are wanted.
    pub desired_replicas: i32,
    /// By what it scales.
    pub metrics: Vec<AimReport>,
    /// How it does.
    pub conditions: Vec<ConditionReport>,
}

/// A metric of an autoscaler.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AimReport {
    /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
    #[serde(rename = "type")]
    pub source: String,
    /// Its name.
    pub metric: String,
    /// Whose it is, where that is not all pods.
    pub of: String,
    /// `Utilization`, in percent, `AverageValue` or `Value`.
    pub target_type: String,
    /// The threshold.
    pub target: String,
    /// What the controller saw last.
    pub current: Option<String>,
}

/// A condition of an autoscaler.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionReport {
    /// `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for a person.
    pub message: String,
}

impl ClusterSight {
    pub(super) fn report(&self, inventory: &Inventory) -> ClusterReport {
        let watches = inventory.watches().into_iter().map(|(resource, state)| WatchReport {
            resource,
            complete: state.complete,
            restarts: state.restarts,
            problem: state.problem,
        });
        ClusterReport {
            api_server: self.server.clone(),
            trust_loaded: self.trust.since().map(|since| since.to_string()),
            trust_problem: self.trust.problem(),
            certificate: self.made.as_ref().map(|made| {
                let made = made.borrow();
                let text = |wall: Option<crate::model::Wall>| wall.map(|wall| wall.to_string());
                CertificateReport {
                    expires: text(made.expires),
                    authority_expires: text(made.authority_expires),
                    problem: made.problem.clone(),
                }
            }),
            api_services: self.registrations.as_ref().map_or_else(Vec::new, |all| {
                all.borrow().iter().map(|(name, own)| ApiServiceReport::of(name, own)).collect()
            }),
            watches: watches.collect(),
            autoscalers: inventory.autoscalers().iter().map(AutoscalerReport::of).collect(),
        }
    }
}

impl ApiServiceReport {
    fn of(name: &'static str, own: &Registered) -> Self {
        let (owner, foreign) = match &own.owner {
            Owner::Ours => ("ours", None),
            Owner::Foreign(who) => ("foreign", Some(who.clone())),
            Owner::Missing => ("missing", None),
        };
        let (available, message) = own.available.clone().unzip();
        Self { name, owner, foreign, available, message, problem: own.problem.clone() }
    }
}

impl AutoscalerReport {
    fn of(own: &Autoscaler) -> Self {
        Self {
            namespace: own.namespace.to_string(),
            name: own.name.to_string(),
            scales: own.scales.clone(),
            min_replicas: own.minimum,
            max_replicas: own.maximum,
            current_replicas: own.current,
            desired_replicas: own.desired,
            metrics: own
                .metrics
                .iter()
                .map(|aim| AimReport {
                    source: aim.source.clone(),
                    metric: aim.metric.clone(),
                    of: aim.of.clone(),
                    target_type: aim.kind.clone(),
                    target: aim.threshold.clone(),
                    current: aim.seen.clone(),
                })
                .collect(),
            conditions: own
                .conditions
                .iter()
                .map(|condition| ConditionReport {
                    kind: condition.kind.clone(),
                    status: condition.status.clone(),
                    reason: condition.reason.clone(),
                    message: condition.message.clone(),
                })
                .collect(),
        }
    }
}

impl ConditionReport {
    /// Whether it says that something does not work. Being limited is how an autoscaler works.
    pub(super) fn is_trouble(&self) -> bool {
        self.kind != "ScalingLimited" && self.status != "True"
    }
}

impl Report {
    /// What a person should see first of a cluster's troubles.
    pub(super) fn troubles(&self) -> Vec<String> {
        let Some(cluster) = &self.cluster else { return Vec::new() };
        let mut troubles: Vec<String> = cluster.trust_problem.iter().cloned().collect();
        troubles.extend(cluster.certificate.iter().filter_map(|own| own.problem.clone()));
        troubles.extend(cluster.api_services.iter().filter_map(|own| own.problem.clone()));
        for watch in &cluster.watches {
            troubles.extend(watch.problem.as_ref().map(|problem| format!("{}: {problem}", watch.resource)));
        }
        troubles
    }
}
