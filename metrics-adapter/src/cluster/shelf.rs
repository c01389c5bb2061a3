use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kubernetes::{Event, Object};

/// Where an object is: its namespace, which is empty for what is in none, and its name.
pub(super) type Key = (Arc<str>, Arc<str>);

/// What is kept of the objects of a resource that one watch, or one for each namespace, tells of.
///
/// Invariant: while a watch says everything again, what was known stays known; what it did not say again is
/// forgotten when it is complete, all at once.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    things: BTreeMap<Key, Kept<T>>,
    /// By watch: how often it began, and whether it was complete once.
    watches: Vec<(u32, bool)>,
}

#[derive(Debug)]
struct Kept<T> {
    watch: usize,
    round: u32,
    thing: T,
}

impl<T: PartialEq> Shelf<T> {
    pub(super) fn new(watches: usize) -> Self {
        Self { things: BTreeMap::new(), watches: vec![(0, false); watches] }
    }

    /// Takes in what a watch says; `keep` says what is kept of an object, if anything. Whether anything is
    /// different now.
    pub(super) fn take<K: Object>(
        &mut self,
        watch: usize,
        event: Event<K>,
        keep: impl FnOnce(&Key, K) -> Option<T>,
    ) -> bool {
        let (round, complete) = &mut self.watches[watch];
        match event {
            Event::Begin => {
                *round += 1;
                false
            }
            Event::Exists(object) => {
                let (key, round) = (key_of(&object), *round);
                match keep(&key, object) {
                    None => self.things.remove(&key).is_some(),
                    Some(thing) => match self.things.get_mut(&key) {
                        Some(kept) if kept.thing == thing => {
                            kept.round = round;
                            false
                        }
                        _ => {
                            self.things.insert(key, Kept { watch, round, thing });
                            true
                        }
                    },
                }
            }
            Event::Gone(object) => self.things.remove(&key_of(&object)).is_some(),
            Event::Complete => {
                let first = !std::mem::replace(complete, true);
                let (round, before) = (*round, self.things.len());
                self.things.retain(|_, kept| kept.watch != watch || kept.round == round);
                first || self.things.len() != before
            }
        }
    }

    /// Whether every watch has said everything once.
    pub(super) fn is_complete(&self) -> bool {
        self.watches.iter().all(|(_, complete)| *complete)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&T> {
        self.things.get(key).map(|kept| &kept.thing)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.things.iter().map(|(key, kept)| (key, &kept.thing))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut T)> {
        self.things.iter_mut().map(|(key, kept)| (key, &mut kept.thing))
    }
}

fn key_of<K: Object>(object: &K) -> Key {
    let meta = object.meta();
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    (text(&meta.namespace), text(&meta.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Service;

    fn service(name: &str) -> Service {
        let mut service = Service::default();
        (service.metadata.namespace, service.metadata.name) = (Some("shop".to_owned()), Some(name.to_owned()));
        service
    }

    fn names(shelf: &Shelf<u8>) -> Vec<&str> {
        shelf.iter().map(|((_, name), _)| &**name).collect()
    }

    #[test]
    fn what_is_not_said_again_is_forgotten_when_all_was_said_and_not_before() {
        let mut shelf = Shelf::new(1);
        let mut take = |event, thing: u8| shelf.take(0, event, |_, _: Service| Some(thing));
        assert!(!take(Event::Begin, 0));
        assert!(take(Event::Exists(service("a")), 1) && take(Event::Exists(service("b")), 1));
        assert!(take(Event::Complete, 0), "complete for the first time");
        assert!(!take(Event::Exists(service("a")), 1), "the same as before");
        assert!(take(Event::Exists(service("a")), 2));
        take(Event::Begin, 0);
        assert!(!take(Event::Exists(service("b")), 1));
        assert_eq!(names(&shelf), ["a", "b"]);
        assert!(shelf.is_complete());
        assert!(shelf.take(0, Event::Complete, |_, _: Service| None));
        assert_eq!(names(&shelf), ["b"]);
        assert!(shelf.take(0, Event::Gone(service("b")), |_, _| None) && names(&shelf).is_empty());
    }

    #[test]
    fn each_watch_forgets_only_its_own() {
        let mut shelf = Shelf::new(2);
        for watch in [0, 1] {
            shelf.take(watch, Event::<Service>::Begin, |_, _| None);
            shelf.take(watch, Event::Exists(service(["a", "b"][watch])), |_, _| Some(0));
            assert!(!shelf.is_complete());
            shelf.take(watch, Event::<Service>::Complete, |_, _| None);
        }
        assert!(shelf.is_complete());
        shelf.take(1, Event::<Service>::Begin, |_, _| None);
        shelf.take(1, Event::<Service>::Complete, |_, _| None);
        assert_eq!(names(&shelf), ["a"]);
    }
}
