use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory that large bodies share, in KiB.
const SHARED: u32 = 48 << 10;

/// The memory of bodies that are being read. Most of it is shared. Besides there is one place for one body that finds too
/// little left: whoever has it may grow as large as a body may be, so that bodies which wait for each other's memory go
/// on one after the other, and none waits for ever.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    shared: Arc<Semaphore>,
    last: Arc<Semaphore>,
}

/// What a body has of it, for as long as this is kept.
#[derive(Debug, Default)]
pub(super) struct Room {
    shared: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { shared: Arc::new(Semaphore::new(SHARED as usize)), last: Arc::new(Semaphore::new(1)) }
    }
}

impl Memory {
    /// Makes room for so many bytes in all, as soon as there is some.
    pub(super) async fn widen(&self, room: &mut Room, bytes: usize) {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let held = room.shared.as_ref().map_or(0, |own| u32::try_from(own.num_permits()).unwrap_or(u32::MAX));
        if room.last.is_some() || wanted <= held {
            return;
        }
        tokio::select! {
            biased;
            // Who wants more than there is would keep others waiting behind it in vain.
            Ok(more) = Arc::clone(&self.shared).acquire_many_owned(wanted - held), if wanted <= SHARED => {
                match &mut room.shared {
                    Some(own) => own.merge(more),
                    none => *none = Some(more),
                }
            }
            Ok(last) = Arc::clone(&self.last).acquire_owned() => room.last = Some(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: usize = 16 << 20;

    #[tokio::test(start_paused = true)]
    async fn bodies_that_wait_for_each_other_go_on_one_after_the_other() {
        let memory = Memory::default();
        let mut rooms: Vec<Room> = (0..8).map(|_| Room::default()).collect();
        for room in &mut rooms {
            memory.widen(room, 6 << 20).await;
        }
        assert_eq!(memory.shared.available_permits(), 0);
        let mut all = Vec::new();
        for mut room in rooms {
            let memory = memory.clone();
            all.push(tokio::spawn(async move {
                memory.widen(&mut room, LIMIT).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }));
        }
        let began = tokio::time::Instant::now();
        for own in all {
            own.await.unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(8), "what is given back is shared: {:?}", began.elapsed());
        assert_eq!((memory.shared.available_permits(), memory.last.available_permits()), (SHARED as usize, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_larger_than_what_is_shared_has_the_last_place_and_keeps_nobody_from_sharing() {
        let memory = Memory::default();
        let (mut large, mut other, mut small) = (Room::default(), Room::default(), Room::default());
        memory.widen(&mut large, 100 << 20).await;
        let waits = memory.widen(&mut other, 100 << 20);
        assert!(tokio::time::timeout(Duration::from_secs(1), waits).await.is_err(), "there is one");
        memory.widen(&mut small, LIMIT).await;
        assert!(small.last.is_none());
        drop(large);
        memory.widen(&mut other, 100 << 20).await;
        assert!(other.last.is_some());
    }
}
