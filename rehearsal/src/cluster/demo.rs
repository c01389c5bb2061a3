//! The stack shown at work in a real cluster: what quotas refuse, and how the replicas follow the load.
//!
//! ```text
//! quotas        three quotas, one after the other; each refusal explained from what is there
//!   before        what stood before, noted in the cluster and put back     arithmetic   used and asked for, against hard
//! autoscaling   a load in steps, and the replicas that follow it
//!   checks        what is needed beforehand        course   the steps, and what becomes of each
//!   watching      the HPA as its status tells it   record   what happened when, for the report
//!   place       the Deployment, and what belongs to it        target   where the load goes
//! ```

mod arithmetic;
mod autoscaling;
mod before;
mod checks;
mod course;
mod place;
mod quotas;
mod record;
mod target;
mod watching;

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::look::annotation;
use super::marks::{MADE_BY, MAKER};
use super::record::Record;
use super::{Failure, Kubectl, KubectlError};
use crate::load::Quantiles;

pub use autoscaling::{Autoscaling, Played, autoscaling};
pub use quotas::{Quotas, quotas};

/// The same, in the context that the stack was brought up in, if it was given none.
pub async fn kubectl(kubectl: Kubectl, data: &Path) -> Result<Kubectl, Failure> {
    Record::read(data)?.lead(&kubectl).await
}

/// Whether a person has agreed before that something is done there: `up` made the namespace, or was let into the cluster.
pub async fn is_agreed(kubectl: &Kubectl, namespace: &str, data: &Path) -> Result<bool, Failure> {
    let record = Record::read(data)?;
    if record.cluster.is_some() && record.context.as_deref() == kubectl.context() && record.is_of(kubectl).await {
        return Ok(true);
    }
    let object = kubectl.object("namespace", "default", namespace).await?.unwrap_or_default();
    Ok(annotation(&object, MADE_BY) == MAKER)
}

/// A demonstration that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The cluster does not do as it is told.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// What was found in the cluster is of no use.
    #[error(transparent)]
    Cluster(#[from] Failure),
    /// Something that is needed is not there, or is not as it must be.
    #[error("{what}\nWhat to do: {cure}")]
    Missing {
        /// What.
        what: String,
        /// What helps.
        cure: String,
    },
    /// What was waited for did not come.
    #[error("{awaited}: not within {}; {stands}", humantime::format_duration(*limit))]
    Late {
        /// What.
        awaited: String,
        /// How long it might have taken.
        limit: Duration,
        /// How it stands instead.
        stands: String,
    },
    /// The operating system refuses something.
    #[error("the load cannot be started: {0}")]
    Load(#[from] std::io::Error),
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
}

impl DemoError {
    fn missing(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Missing { what: what.into(), cure: cure.into() }
    }
}

/// What a person is shown meanwhile. Lines stay; how it stands is overwritten by the next.
pub trait Show: Send {
    /// Something happened.
    fn line(&mut self, text: &str);

    /// What is being waited for.
    fn waits(&mut self, text: &str);

    /// How the load and the replicas stand.
    fn stands(&mut self, standing: &Standing);
}

/// How the load and the replicas stand.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Since the load began.
    pub elapsed: Duration,
    /// Requests a second that are due.
    pub load: f64,
    /// Requests a second that were answered.
    pub served: f64,
    /// Of the last second.
    pub latency: Option<Quantiles>,
    /// Requests that failed so far.
    pub failed: u64,
    /// Replicas that serve, and those asked for.
    pub replicas: (u32, u32),
    /// Requests a second per pod, as the HPA sees them.
    pub per_pod: Option<f64>,
}

/// How often the cluster is asked, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Between two looks.
    pub look: Duration,
    /// For pods to become ready or to be gone: an image's pull and a start, or a grace period of 45 s.
    pub pods: Duration,
    /// For a controller to act, or a cluster that is away to come back.
    pub cluster: Duration,
    /// For the replicas to be as few as possible again: a window of 5 min, two policies of 1 min each, and room.
    pub scale_down: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(2),
            pods: Duration::from_mins(3),
            cluster: Duration::from_mins(1),
            scale_down: Duration::from_mins(12),
        }
    }
}

/// Sleeps, unless it is told to stop.
async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) -> Result<(), DemoError> {
    tokio::select! {
        biased;
        () = told(stop) => Err(DemoError::Stopped),
        () = tokio::time::sleep(time) => Ok(()),
    }
}

/// Returns when it is told to stop; nobody is there to tell it any more once the sender is gone.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
