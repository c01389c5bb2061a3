//! What can go wrong with a server, and is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::status::Refusal;
use super::tally::Request;

type Chosen = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

#[derive(Default)]
struct Wrong {
    slow: Option<Duration>,
    failing: Vec<(Chosen, Refusal)>,
}

pub struct Faults {
    wrong: Mutex<Wrong>,
    hanging: watch::Sender<bool>,
}

impl Faults {
    pub fn new() -> Self {
        Self { wrong: Mutex::default(), hanging: watch::Sender::new(false) }
    }

    pub fn slow(&self, delay: Duration) {
        self.wrong.lock().unwrap().slow = (!delay.is_zero()).then_some(delay);
    }

    pub fn fail(&self, refusal: Refusal, chosen: impl Fn(&Request) -> bool + Send + Sync + 'static) {
        self.wrong.lock().unwrap().failing.push((Arc::new(chosen), refusal));
    }

    pub fn hang(&self, hanging: bool) {
        self.hanging.send_replace(hanging);
    }

    pub fn heal(&self) {
        *self.wrong.lock().unwrap() = Wrong::default();
        self.hang(false);
    }

    /// Returns when nothing hangs.
    pub async fn pass(&self) {
        _ = self.hanging.subscribe().wait_for(|hanging| !hanging).await;
    }

    /// What befalls a request.
    pub async fn befall(&self, request: &Request) -> Result<(), Refusal> {
        self.pass().await;
        let (slow, failing) = {
            let wrong = self.wrong.lock().unwrap();
            (wrong.slow, wrong.failing.clone())
        };
        if let Some(delay) = slow {
            tokio::time::sleep(delay).await;
        }
        match failing.into_iter().find(|(chosen, _)| chosen(request)) {
            Some((_, refusal)) => Err(refusal),
            None => Ok(()),
        }
    }
}
