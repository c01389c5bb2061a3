use std::time::Duration;

use crate::load::Quantiles;

/// What a person is shown while it runs. Lines stay; the moment is overwritten by the next.
pub trait Look: Send {
    /// Something happened.
    fn line(&mut self, text: &str);

    /// A sync. What tells most stands first; the end may be cut where there is no room.
    fn sync(&mut self, text: &str) {
        self.line(text);
    }

    /// How it stands now.
    fn moment(&mut self, moment: &Moment);

    /// Nothing more comes.
    fn over(&mut self);
}

/// How it stands.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// Since the load began.
    pub elapsed: Duration,
    /// How long the load is; none if it has no end.
    pub length: Option<Duration>,
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
}
