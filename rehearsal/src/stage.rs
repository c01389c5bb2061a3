//! The loop on one machine: replicas behind the front door, the adapter, the autoscaler, and a load.
//!
//! ```text
//! load ──> door ──> replicas <── scale ── autoscaler
//!                      │                      ▲
//!                      └──> adapter ── HTTP ──┘
//! ```

mod acts;
mod ending;
mod looking;
mod play;
mod prepare;
mod scaler;
mod timeline;
mod traffic;
mod words;

use std::path::PathBuf;

use crate::autoscaler::Hpa;
use crate::manifest::Workload;
use crate::process::ProcessError;
use crate::profile::Profile;
use crate::report::Run;

pub use looking::{Look, Moment};
pub use play::{Keep, play};

/// How a rehearsal is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the run is called.
    pub name: String,
    /// The autoscaler's object, on its own clock.
    pub hpa: Hpa,
    /// What is scaled.
    pub workload: Workload,
    /// The load on the autoscaler's clock; none leaves it to others.
    pub profile: Option<Profile>,
    /// The autoscaler's clock is so many times as fast as the wall's.
    pub pace: f64,
    /// Where everything of this run goes.
    pub folder: PathBuf,
    /// Of the front door; 0 takes a free one.
    pub port: u16,
    /// Of the adapter's APIs and its status page.
    pub adapter_ports: (u16, u16),
    /// Goes on without load until it is told to stop.
    pub keep: bool,
    /// How many articles there are to read.
    pub articles: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// For the report.
    pub run: Run,
    /// Requests that failed.
    pub failed: u64,
    /// Writes that were acknowledged and are not there.
    pub lost_writes: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What is printed at the end.
    pub summary: Vec<String>,
}

/// A rehearsal that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Somebody else listens there.
    #[error(
        "port {port} of 127.0.0.1 ({what}) is taken{}: stop who listens there, or choose another with {flag}",
        because(source)
    )]
    Port {
        /// Which.
        port: u16,
        /// What it is for.
        what: &'static str,
        /// What chooses another.
        flag: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Another rehearsal has its data there.
    #[error("{}: another rehearsal has its data there; end it, or choose another folder with --data", _0.display())]
    InUse(PathBuf),
    /// A program is missing or failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The API does not do what the load needs.
    #[error("the API at {door} is not ready for the load: {problem}")]
    Api {
        /// Where.
        door: String,
        /// What happened.
        problem: String,
    },
    /// The operating system refuses something.
    #[error("{what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It was told to stop before it began.
    #[error("stopped before the load began")]
    Stopped,
}

fn because(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => String::new(),
        _ => format!(" ({source})"),
    }
}
