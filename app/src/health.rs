//! What this process can say of itself: whether it has started, is draining, and sees its database.
//!
//! Whoever learns something tells [`Health`]; the operators' listener reads it. Nothing here asks.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::Notify;

/// Why the database cannot be used; the closed set of values of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody listens at its address, or it hung up.
    Connection,
    /// Its name does not resolve.
    NoSuchHost,
    /// It did not answer in time.
    Timeout,
    /// It is starting, stopping, in recovery, or was told to end the connection.
    ShuttingDown,
    /// It takes no more connections.
    TooManyConnections,
    /// It does not accept user or password.
    Authentication,
    /// The database or a table in it is gone.
    Missing,
    /// Another writer holds what was needed.
    Busy,
    /// Its disk is full, read-only or broken.
    Storage,
    /// All connections of this process were in use for as long as the request could wait.
    PoolExhausted,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 10] = [
        Self::Connection,
        Self::NoSuchHost,
        Self::Timeout,
        Self::ShuttingDown,
        Self::TooManyConnections,
        Self::Authentication,
        Self::Missing,
        Self::Busy,
        Self::Storage,
        Self::PoolExhausted,
    ];

    /// The value of the label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::NoSuchHost => "no_such_host",
            Self::Timeout => "timeout",
            Self::ShuttingDown => "shutting_down",
            Self::TooManyConnections => "too_many_connections",
            Self::Authentication => "authentication",
            Self::Missing => "missing",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::PoolExhausted => "pool_exhausted",
        }
    }
}

/// Where the process is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not serving yet; the text says what it waits for.
    Starting(String),
    /// Serving.
    Serving,
    /// Told to stop; finishing what it has accepted.
    Draining,
}

#[derive(Debug)]
struct Outage {
    reason: Reason,
    cause: String,
    since: Instant,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    outage: Option<Outage>,
}

/// The process's view of itself, shared by all rooms.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<Mutex<State>>,
    suspicion: Arc<Notify>,
}

impl Default for Health {
    fn default() -> Self {
        let state = State { phase: Phase::Starting("starting".to_owned()), outage: None };
        Self { state: Arc::new(Mutex::new(state)), suspicion: Arc::default() }
    }
}

impl Health {
    /// Names the families of this room, and makes their series exist.
    pub fn describe() {
        describe_gauge!("db_up", "Whether the database answered when it was last asked (1) or not (0).");
        describe_counter!(
            "db_errors_total",
            "Requests to the database that failed because it could not be used, by reason."
        );
        gauge!("db_up").set(0.0);
        for reason in Reason::ALL {
            counter!("db_errors_total", "reason" => reason.label()).absolute(0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds this lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the process is in its life.
    pub fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    /// Where the process is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.lock().phase.clone()
    }

    /// A request found the database unusable; whoever watches it should look now.
    pub fn database_failed(&self, reason: Reason) {
        counter!("db_errors_total", "reason" => reason.label()).increment(1);
        if reason != Reason::PoolExhausted {
            self.suspicion.notify_one();
        }
    }

    /// Waits until a request has found the database unusable.
    pub async fn suspicion(&self) {
        self.suspicion.notified().await;
    }

    /// The watcher found the database away. Returns whether that is news.
    pub fn database_is_away(&self, reason: Reason, cause: String) -> bool {
        gauge!("db_up").set(0.0);
        let mut state = self.lock();
        let news = state.outage.is_none();
        let since = state.outage.take().map_or_else(Instant::now, |outage| outage.since);
        state.outage = Some(Outage { reason, cause, since });
        news
    }

    /// The watcher reached the database. Returns for how long it was away, if it was.
    #[must_use]
    pub fn database_is_back(&self) -> Option<std::time::Duration> {
        gauge!("db_up").set(1.0);
        self.lock().outage.take().map(|outage| outage.since.elapsed())
    }

    /// Why the database is away, while it is.
    #[must_use]
    pub fn outage(&self) -> Option<Reason> {
        self.lock().outage.as_ref().map(|outage| outage.reason)
    }

    /// Whether requests should be sent here, and the reasons in the form of Kubernetes' own probes.
    #[must_use]
    pub fn readiness(&self) -> (bool, String) {
        let state = self.lock();
        let mut text = String::new();
        let ready = match &state.phase {
            Phase::Serving => {
                text.push_str("[+]serving ok\n");
                true
            }
            Phase::Starting(waiting) => {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "[-]serving failed: {waiting}");
                false
            }
            Phase::Draining => {
                text.push_str("[-]serving failed: draining, the process was told to stop\n");
                false
            }
        };
        match &state.outage {
            None if ready => text.push_str("[+]database ok\n"),
            None => {}
            Some(Outage { reason, cause, since }) => {
                let (reason, seconds) = (reason.label(), since.elapsed().as_secs());
                let _ = writeln!(
                    text,
                    "[-]database away for {seconds} s, not counted, because all replicas share it: {reason}: {cause}"
                );
            }
        }
        (ready, text)
    }
}
