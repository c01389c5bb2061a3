use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::server::Server;
use crate::clock::Clock;
use crate::kubernetes::Backoff;
use crate::store::{Asked, Demand};

/// A question is asked for so long after somebody asked it last: HPAs ask every 15 s, and one that fails more seldom.
const KEEP: Duration = Duration::from_mins(5);
/// A question takes at most this part of the time: what is expensive is asked more seldom.
const SHARE: u32 = 20;

/// Asks each question again and again, for as long as somebody wants to know.
pub(super) struct Poller {
    pub(super) server: Arc<Server>,
    pub(super) demand: Demand,
    pub(super) clock: Clock,
}

impl Poller {
    pub(super) async fn run(self, mut news: mpsc::UnboundedReceiver<Arc<Asked>>) {
        let shared = Arc::new(self);
        while let Some(asked) = news.recv().await {
            shared.count();
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.poll(&asked).await });
        }
    }

    async fn poll(&self, asked: &Asked) {
        let mut clients = self.server.clients();
        let mut backoff = Backoff::default();
        let mut failing = false;
        while !self.demand.forget(asked, self.clock.moment().before(KEEP)) {
            let began = self.clock.moment();
            let outcome = self.server.query(&asked.question).await;
            let settings = self.server.client().map(|client| client.settings().clone());
            let (interval, stale_after) =
                settings.map_or((KEEP, KEEP), |settings| (settings.interval, settings.stale_after));
            let took = self.clock.moment().since(began);
            let pace = interval.max(took * SHARE);
            if clients.has_changed().unwrap_or(false) {
                clients.mark_unchanged();
                asked.forget_answer();
                continue;
            }
            let pause = match &outcome {
                Ok(_) => {
                    backoff.succeeded();
                    pace.saturating_sub(took)
                }
                Err(_) => backoff.failed().max(interval.min(Duration::from_secs(30))).max(self.server.pause()),
            };
            say(asked, &mut failing, outcome.as_ref().err());
            asked.answered(began, outcome.map(Arc::new), stale_after.max(pace * 3));
            tokio::select! {
                () = tokio::time::sleep(pause), if !failing => {}
                () = self.server.rest(pause), if failing => {}
                Ok(()) = clients.changed() => asked.forget_answer(),
            }
        }
        self.count();
    }

    fn count(&self) {
        let queries = u32::try_from(self.demand.len()).unwrap_or(u32::MAX);
        gauge!("metrics_adapter_queries").set(f64::from(queries));
    }
}

/// A failure that lasts is said when it begins and when it ends.
fn say(asked: &Asked, failing: &mut bool, failure: Option<&crate::model::QueryFailure>) {
    match (failure, *failing) {
        (Some(failure), false) => warn!(metric = &*asked.what, "a query failed: {failure}: {}", asked.question.query),
        (None, true) => info!(metric = &*asked.what, "a query is answered again: {}", asked.question.query),
        _ => {}
    }
    *failing = failure.is_some();
}
