//! A Deployment of processes: as many replicas as are asked for, each started, watched, replaced when it dies, and
//! drained as Kubernetes does it.

mod name;
mod replica;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics_adapter::clock::Clock;
use metrics_adapter::model::Wall;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::autoscaler::{Phase, Pod, Readiness};
use crate::manifest::Workload;
use crate::process::Guard;

pub use name::is_name;

/// How replicas are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What they are.
    pub workload: Workload,
    /// The API's program.
    pub program: PathBuf,
    /// SQLite's file, which all of them share.
    pub data_file: PathBuf,
    /// Where logs go.
    pub logs: PathBuf,
    /// The clock is so many times as fast: waits are as much shorter.
    pub pace: f64,
}

/// What happens to replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It serves: its name, and where.
    Ready(Arc<str>, SocketAddr, SocketAddr),
    /// It died, with its end; it is started again.
    Died(Arc<str>, String),
    /// It could not be started; it is tried again.
    Failed(Arc<str>, String),
    /// It is taken out and drained.
    Draining(Arc<str>),
    /// It is gone: whether by itself, within its grace.
    Gone(Arc<str>, bool),
}

/// A replica, as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// As the autoscaler sees it.
    pub pod: Pod,
    /// Where its metrics are, once it has said so.
    pub ops: Option<SocketAddr>,
    /// Where it serves.
    pub api: Option<SocketAddr>,
    /// How often it was started again.
    pub restarts: u32,
}

/// What all parts know of the replicas.
#[derive(Debug)]
struct Board {
    seen: Mutex<Vec<Seen>>,
    ready: watch::Sender<Arc<[SocketAddr]>>,
    changed: watch::Sender<u64>,
    events: mpsc::UnboundedSender<Event>,
    clock: Clock,
}

impl Board {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one replica, and tells who follows.
    fn update(&self, name: &str, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen();
        if let Some(own) = seen.iter_mut().find(|own| *own.pod.name == *name) {
            change(own);
        }
        self.publish(&seen);
    }

    fn publish(&self, seen: &[Seen]) {
        let serving = seen.iter().filter(|own| own.pod.is_ready() && !own.pod.deleted);
        let ready: Arc<[SocketAddr]> = serving.filter_map(|own| own.api).collect();
        self.ready.send_if_modified(|before| {
            let changed = *before != ready;
            *before = ready;
            changed
        });
        self.changed.send_modify(|version| *version += 1);
    }

    /// In whole seconds, as the API server keeps such times, and the metrics APIs theirs.
    fn now(&self) -> Wall {
        Wall::from_millis(self.clock.now().wall.seconds().saturating_mul(1000))
    }
}

/// The Deployment.
#[derive(Debug)]
pub struct Replicas {
    settings: Arc<Settings>,
    guard: Arc<Guard>,
    board: Arc<Board>,
    running: JoinSet<()>,
    /// In the order of their creation, with what tells them to drain.
    drains: Vec<(Arc<str>, watch::Sender<bool>)>,
    names: name::Names,
}

impl Replicas {
    /// None yet.
    #[must_use]
    pub fn new(settings: Settings, guard: Arc<Guard>, clock: Clock) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let board = Board {
            seen: Mutex::default(),
            ready: watch::Sender::new(Arc::new([])),
            changed: watch::Sender::new(0),
            events,
            clock,
        };
        let names = name::Names::new(&settings.workload.name);
        let replicas = Self {
            settings: Arc::new(settings),
            guard,
            board: Arc::new(board),
            running: JoinSet::new(),
            drains: Vec::new(),
            names,
        };
        (replicas, receiver)
    }

    /// The addresses of those that serve, as they change.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<Arc<[SocketAddr]>> {
        self.board.ready.subscribe()
    }

    /// Changes of anything.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.board.changed.subscribe()
    }

    /// All that exist, those that go away among them.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.board.seen().clone()
    }

    /// A reader for those who look without owning.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.board))
    }

    /// Starts or drains replicas until there are so many.
    pub fn scale(&mut self, replicas: usize) {
        // What ended is forgotten.
        while self.running.try_join_next().is_some() {}
        while self.drains.len() < replicas {
            self.add();
        }
        while self.drains.len() > replicas {
            self.remove();
        }
    }

    fn add(&mut self) {
        let name = self.names.next();
        let (drain, draining) = watch::channel(false);
        let pod = Pod {
            name: Arc::clone(&name),
            phase: Phase::Pending,
            deleted: false,
            started: Some(self.board.now()),
            readiness: Some(Readiness { ready: Some(false), since: self.board.now() }),
            containers: Arc::clone(&self.settings.workload.containers),
        };
        {
            let mut seen = self.board.seen();
            seen.push(Seen { pod, ops: None, api: None, restarts: 0 });
            self.board.publish(&seen);
        }
        self.drains.push((Arc::clone(&name), drain));
        let life = replica::Life {
            name,
            settings: Arc::clone(&self.settings),
            guard: Arc::clone(&self.guard),
            board: Arc::clone(&self.board),
            draining,
        };
        self.running.spawn(life.run());
    }

    /// One that does not serve yet, if there is one, else the youngest, as a `ReplicaSet` does.
    fn remove(&mut self) {
        let ready: Vec<Arc<str>> = {
            let seen = self.board.seen();
            seen.iter().filter(|own| own.pod.is_ready()).map(|own| Arc::clone(&own.pod.name)).collect()
        };
        let unready = self.drains.iter().rposition(|(name, _)| !ready.contains(name));
        let Some(place) = unready.or(self.drains.len().checked_sub(1)) else { return };
        let (name, drain) = self.drains.remove(place);
        // From now on it goes away, also if it was still starting.
        self.board.update(&name, |own| own.pod.deleted = true);
        drain.send_replace(true);
    }

    /// Drains all at once, without waiting for those who might still send, and waits for their end.
    pub async fn stop(mut self) {
        for (_, drain) in self.drains.drain(..) {
            drain.send_replace(true);
        }
        while self.running.join_next().await.is_some() {}
    }
}

/// Looks at the replicas.
#[derive(Clone, Debug)]
pub struct Reader(Arc<Board>);

impl Reader {
    /// All that exist, those that go away among them.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen().clone()
    }

    /// How many serve.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.0.ready.borrow().len()
    }
}

/// A wait on the real clock, given one on the autoscaler's.
fn paced(wait: Duration, pace: f64) -> Duration {
    wait.div_f64(pace)
}
