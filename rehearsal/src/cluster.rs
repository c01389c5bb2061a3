//! The stack in a real cluster: up, looked at, shown at work, down. All of it goes through the person's own kubectl, so that
//! whoever can reach their cluster can do this, and what was done can be done by hand.
//!
//! ```text
//! up       what is needed, what is there, the plan; then cluster, images, secrets, objects, in order, each awaited
//!   ground        what is there already                 composition   the kustomization that fits it
//!   home          the cluster of kind, made and deleted images        built, loaded or pushed
//!   secrets       made once, never shown                workload      how its pods stand, and what is wrong with them
//!   sharing       whose a namespace is                  stuck         what could not go on before, begun anew
//! down     the way back      status   one screen      doctor   what is wrong, and the cure
//! demo     the quotas, and the replicas that follow a load
//! ```

mod composition;
pub mod demo;
mod doctor;
mod down;
mod failure;
mod forward;
mod ground;
mod home;
mod images;
mod kubectl;
mod look;
mod marks;
mod plan;
mod probe;
mod progress;
mod record;
mod secrets;
mod sharing;
mod status;
mod stuck;
mod tool;
mod trouble;
mod up;
mod urls;
mod waiting;
mod workload;

pub use doctor::doctor;
pub use down::down;
pub use failure::Failure;
pub use home::Provider;
pub use kubectl::{Kubectl, KubectlError};
pub use progress::Progress;
pub use status::status;
pub use tool::Tools;
pub use up::{Wishes, up};

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// What each of the commands works with.
pub struct Bench {
    /// The person's own, in the context that was named.
    pub kubectl: Kubectl,
    /// kind, and what makes images.
    pub tools: Tools,
    /// Where what was done is written down.
    pub data: PathBuf,
    /// What the person sees.
    pub progress: Progress,
    /// How long each wait may take, instead of its own limit.
    pub patience: Option<Duration>,
    /// Nobody is asked.
    pub yes: bool,
    /// Asks the person a question that yes or no answers.
    pub ask: Ask,
}

/// A person may take their time, and may be interrupted.
pub type Ask = fn(String) -> Pin<Box<dyn Future<Output = bool>>>;

impl Bench {
    /// Goes on if the person agrees.
    async fn consent(&self, question: &str) -> Result<(), Failure> {
        if self.yes || (self.ask)(question.to_owned()).await {
            return Ok(());
        }
        Err(Failure::new("nothing was done: nobody said yes")
            .cure("answer y, or say YES=1 if nobody is there to be asked"))
    }
}
