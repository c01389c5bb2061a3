//! What exists: pods, what groups them, where their metrics are. One writer replaces the whole view;
//! readers take the current one and keep it for as long as they need it.

mod autoscaler;
mod kinds;
mod shelf;
mod target;
mod targets;
mod templates;
mod view;
mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

pub use autoscaler::{Aim, Autoscaler, Condition};
pub use kinds::watch_kinds;
pub use targets::Targets;
pub use view::{Builder, Containers, Groups, Node, Object, Pod, View};
pub use watched::{Scope, watch_cluster};

use crate::kubernetes::{WatchState, Watches};
use crate::reload;

/// Reads what exists. In standalone mode it is what the targets file says, in a cluster what watches do.
#[derive(Clone, Debug)]
pub struct Inventory {
    targets: watch::Receiver<reload::State<View>>,
    watched: Option<Watched>,
}

/// What only a cluster has.
#[derive(Clone, Debug)]
struct Watched {
    watches: Watches,
    synced: Arc<AtomicBool>,
    autoscaled: watch::Receiver<Arc<Vec<Autoscaler>>>,
}

impl Inventory {
    /// What a followed targets file says.
    #[must_use]
    pub fn of_targets(targets: watch::Receiver<reload::State<View>>) -> Self {
        Self { targets, watched: None }
    }

    /// What exists now.
    #[must_use]
    pub fn current(&self) -> Arc<View> {
        Arc::clone(&self.targets.borrow().value)
    }

    /// Waits until something else exists; never, when nobody can tell any more.
    pub async fn changed(&mut self) -> Arc<View> {
        if self.targets.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.current()
    }

    /// The autoscalers of a cluster, sorted by namespace and name.
    #[must_use]
    pub fn autoscalers(&self) -> Arc<Vec<Autoscaler>> {
        self.watched.as_ref().map(|watched| Arc::clone(&watched.autoscaled.borrow())).unwrap_or_default()
    }

    /// How the watches of a cluster do.
    #[must_use]
    pub fn watches(&self) -> Vec<(String, WatchState)> {
        self.watched.as_ref().map(|watched| watched.watches.states()).unwrap_or_default()
    }

    /// What everything that exists is not known for want of; nothing, once it was known.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        let watched = self.watched.as_ref()?;
        if watched.synced.load(Ordering::Acquire) {
            return None;
        }
        let missing = watched.watches.states().into_iter();
        let missing = missing.filter(|(name, state)| !state.complete && watched::is_needed(name));
        let missing: Vec<String> = missing
            .map(|(name, state)| match state.problem {
                Some(problem) => format!("{name} ({problem})"),
                None => name,
            })
            .collect();
        Some(if missing.is_empty() { "the first view".to_owned() } else { missing.join(", ") })
    }

    /// What is wrong with where this comes from, if something is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let broken = self.watches().into_iter().filter_map(|(name, state)| Some((name, state.problem?)));
        let broken: Vec<String> = broken.map(|(name, problem)| format!("{name}: {problem}")).collect();
        let file = self.targets.borrow().problem.clone();
        file.or_else(|| (!broken.is_empty()).then(|| broken.join("; ")))
    }
}
