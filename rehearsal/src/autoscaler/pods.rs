use std::sync::Arc;

use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::Quantity;

/// A pod that the target's selector selects.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: Arc<str>,
    /// `status.phase`
    pub phase: Phase,
    /// Whether it has a deletion timestamp.
    pub deleted: bool,
    /// `status.startTime`
    pub started: Option<Wall>,
    /// Its `Ready` condition.
    pub readiness: Option<Readiness>,
    /// Its containers, restartable init containers among them.
    pub containers: Arc<[Container]>,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers were started yet.
    Pending,
    /// Containers run.
    Running,
    /// All ended well.
    Succeeded,
    /// All ended, one of them badly.
    Failed,
}

/// The `Ready` condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Its status; none is `Unknown`, as of a pod whose node is silent.
    pub ready: Option<bool>,
    /// Since when that is so.
    pub since: Wall,
}

/// A container and what it requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: Arc<str>,
    /// Requests by the resource's name.
    pub requests: Vec<(Arc<str>, Quantity)>,
}

impl Pod {
    /// Whether requests are sent to it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Running && self.readiness.is_some_and(|readiness| readiness.ready == Some(true))
    }

    /// What it requests of a resource in thousandths, or what one of its containers does.
    pub(super) fn request(&self, resource: &str, container: Option<&str>) -> Result<i64, String> {
        let mut sum = 0_i64;
        let mut found = container.is_none();
        for own in self.containers.iter().filter(|own| container.is_none_or(|name| name == &*own.name)) {
            found = true;
            let Some((_, request)) = own.requests.iter().find(|(name, _)| &**name == resource) else {
                return Err(format!("missing request for {resource} in container {} of Pod {}", own.name, self.name));
            };
            sum = sum.saturating_add(request.milli());
        }
        match container {
            Some(name) if !found => Err(format!("container {name} not found in Pod {}", self.name)),
            _ => Ok(sum),
        }
    }
}
