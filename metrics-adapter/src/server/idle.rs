use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A connection on which nothing was asked for this long is closed, though it lives: its place is wanted by others. HPAs,
/// the aggregator and probes ask more often.
pub(super) const IDLE: Duration = Duration::from_mins(5);

/// The requests on a connection. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Requests(Arc<Mutex<Count>>);

#[derive(Debug)]
struct Count {
    in_flight: usize,
    /// When the last began or was answered.
    last: Instant,
}

/// A request that is being answered.
pub(super) struct Request(Requests);

impl Default for Requests {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Count { in_flight: 0, last: Instant::now() })))
    }
}

impl Requests {
    /// One begins, and is being answered until what this gives is dropped.
    pub(super) fn begin(&self) -> Request {
        self.change(|count| count.in_flight += 1);
        Request(self.clone())
    }

    /// Waits until there was none for long.
    pub(super) async fn cease(&self) {
        loop {
            let last = self.last();
            if last.elapsed() >= IDLE {
                return;
            }
            sleep_until(last + IDLE).await;
        }
    }

    fn last(&self) -> Instant {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count.in_flight > 0 { Instant::now() } else { count.last }
    }

    fn change(&self, change: impl FnOnce(&mut Count)) {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut count);
        count.last = Instant::now();
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.change(|count| count.in_flight -= 1);
    }
}
