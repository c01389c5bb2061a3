use std::collections::HashSet;
use std::sync::Arc;

use super::view::Containers;
use crate::kubernetes::pod::{Container, Spec};

/// Below so many it is not worth looking for those that nobody has.
const WORTH_A_LOOK: usize = 4096;

/// The names of containers that pods have, each list kept once: most pods share theirs with others.
#[derive(Debug, Default)]
pub(super) struct Templates {
    lists: HashSet<Containers>,
    /// How many there were after the last cleaning.
    kept: usize,
}

impl Templates {
    /// The containers that run for as long as the pod does. Where none is started again, any may have ended.
    pub(super) fn of(&mut self, spec: &Spec) -> Containers {
        if spec.restart_policy.as_deref().is_some_and(|policy| policy != "Always") {
            return Containers::default();
        }
        let sidecars = spec.init_containers.iter().flatten().filter(|own| is_sidecar(own));
        let mut names: Vec<Box<str>> = spec.containers.iter().chain(sidecars).map(|own| (&*own.name).into()).collect();
        names.sort_unstable();
        if let Some(known) = self.lists.get(&*names) {
            return Arc::clone(known);
        }
        self.forget_unused();
        let list: Containers = names.into();
        self.lists.insert(Arc::clone(&list));
        list
    }

    /// Drops lists that no pod has, now and then.
    fn forget_unused(&mut self) {
        if self.lists.len() > WORTH_A_LOOK.max(2 * self.kept) {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
            self.kept = self.lists.len();
        }
    }
}

/// Whether an init container goes on beside the others.
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}
