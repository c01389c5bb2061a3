use std::time::Duration;

use metrics_adapter::model::Wall;

use super::spec::Behavior;

/// What the controller remembers of an object between syncs. A slot is used again once nothing can ask for it, as the
/// controller does, so that the history stays as small as its windows are.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) recommendations: Vec<(Wall, i32)>,
    pub(super) ups: Vec<(Wall, i32)>,
    pub(super) downs: Vec<(Wall, i32)>,
}

impl History {
    /// A fresh object begins at its size.
    pub(super) fn begin(&mut self, current: i32, now: Wall) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
    }

    /// Remembers what was wanted; `stale` says which slots nobody asks for any more.
    pub(super) fn recommend(&mut self, wanted: i32, now: Wall, stale: impl Fn(Wall) -> bool) {
        store(&mut self.recommendations, (now, wanted), stale);
    }

    /// Remembers a change; without `behavior` nothing would ask for it.
    pub(super) fn scaled(&mut self, behavior: Option<&Behavior>, before: i32, after: i32, now: Wall) {
        let Some(behavior) = behavior else { return };
        let (events, rules, change) = if after > before {
            (&mut self.ups, &behavior.up, after - before)
        } else {
            (&mut self.downs, &behavior.down, before - after)
        };
        let cutoff = ago(now, rules.longest_period());
        store(events, (now, change), |at| at < cutoff);
    }
}

fn store(slots: &mut Vec<(Wall, i32)>, entry: (Wall, i32), stale: impl Fn(Wall) -> bool) {
    match slots.iter_mut().rev().find(|(at, _)| stale(*at)) {
        Some(slot) => *slot = entry,
        None => slots.push(entry),
    }
}

/// That long before `now`.
pub(super) fn ago(now: Wall, span: Duration) -> Wall {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Wall::from_millis(now.millis().saturating_sub(millis))
}

/// How much was changed within the period that ends now.
pub(super) fn changed(events: &[(Wall, i32)], period: Duration, now: Wall) -> i32 {
    let cutoff = ago(now, period);
    events.iter().filter(|(at, _)| *at > cutoff).map(|(_, change)| *change).sum()
}
