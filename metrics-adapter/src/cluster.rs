//! What exists: pods, what groups them, where their metrics are. One writer replaces the whole view;
//! readers take the current one and keep it for as long as they need it.

mod targets;
mod view;

use std::sync::Arc;

use tokio::sync::watch;

pub use targets::Targets;
pub use view::{Builder, Groups, Node, Object, Pod, View};

use crate::reload;

/// Reads what exists. In standalone mode it is what the targets file says.
#[derive(Clone, Debug)]
pub struct Inventory {
    targets: watch::Receiver<reload::State<View>>,
}

impl Inventory {
    /// What a followed targets file says.
    #[must_use]
    pub fn of_targets(targets: watch::Receiver<reload::State<View>>) -> Self {
        Self { targets }
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

    /// What is wrong with where this comes from, if something is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.targets.borrow().problem.clone()
    }
}
