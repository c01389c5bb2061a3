use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use super::circuit::{Circuit, Pass, Turn, is_answer};
use super::client::{Client, failure};
use crate::clock::Clock;
use crate::config::PrometheusSettings;
use crate::model::{Answer, QueryFailure, QueryFailureReason, Question};
use crate::store::PrometheusState;

/// Questions that are on the way at once: Prometheus itself evaluates 20.
const AT_ONCE: usize = 16;
/// Those among them that were asked before. Somebody waits for an answer to the others.
const REPEATED_AT_ONCE: usize = 12;

/// The Prometheus of the settings, and how it does.
#[derive(Debug)]
pub(super) struct Server {
    client: watch::Sender<Option<Arc<Client>>>,
    circuit: Mutex<Circuit>,
    state: watch::Sender<PrometheusState>,
    places: Semaphore,
    repeated: Semaphore,
    /// It can be asked again, or is another.
    changed: watch::Sender<()>,
    clock: Clock,
}

impl Server {
    pub(super) fn new(
        settings: Option<PrometheusSettings>,
        state: watch::Sender<PrometheusState>,
        clock: Clock,
    ) -> Self {
        let client = settings.map(|settings| Arc::new(Client::new(settings, clock)));
        Self {
            client: watch::Sender::new(client),
            circuit: Mutex::default(),
            state,
            places: Semaphore::new(AT_ONCE),
            repeated: Semaphore::new(REPEATED_AT_ONCE),
            changed: watch::Sender::new(()),
            clock,
        }
    }

    /// From now on another is asked, or the same in another way.
    pub(super) fn become_as(&self, settings: Option<PrometheusSettings>) {
        let same = self.client.borrow().as_ref().map(|client| client.settings()) == settings.as_ref();
        if same {
            return;
        }
        self.client.send_replace(settings.map(|settings| Arc::new(Client::new(settings, self.clock))));
        *self.circuit() = Circuit::default();
        self.state.send_replace(PrometheusState::default());
        self.changed.send_replace(());
    }

    /// Tells of each client that takes the place of another.
    pub(super) fn clients(&self) -> watch::Receiver<Option<Arc<Client>>> {
        self.client.subscribe()
    }

    /// Tells when it can be asked again, or is another.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// How long nobody tries to ask it; none while everybody does.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.circuit().pause(self.clock.moment())
    }

    /// Asks a question that nobody waits for.
    pub(super) async fn query_again(&self, question: &Question) -> Result<Answer, QueryFailure> {
        let _place = self.repeated.acquire().await;
        self.query(question).await
    }

    /// Asks a question.
    pub(super) async fn query(&self, question: &Question) -> Result<Answer, QueryFailure> {
        if let Some(down) = self.circuit().refusal(self.clock.moment()) {
            return Err(down.clone());
        }
        let _place = self.places.acquire().await;
        self.request("query", async |client: Arc<Client>| client.query(question).await).await
    }

    /// Does something with its client, if it can be asked.
    pub(super) async fn request<T>(
        &self,
        endpoint: &'static str,
        ask: impl AsyncFnOnce(Arc<Client>) -> Result<T, QueryFailure>,
    ) -> Result<T, QueryFailure> {
        let Some(client) = self.client.borrow().clone() else {
            let problem = "no Prometheus is configured; prometheus.url or --prometheus-url says where it is";
            return Err(failure(QueryFailureReason::Connection, problem));
        };
        let pass = self.circuit().pass(self.clock.moment(), client.settings().timeout)?;
        let mut trying = Trying { server: self, pass, done: false };
        let began = Instant::now();
        let outcome = ask(Arc::clone(&client)).await;
        trying.done = true;
        let label = outcome.as_ref().map_or_else(|failure| failure.reason.label(), |_| "ok");
        counter!("metrics_adapter_prometheus_requests_total", "endpoint" => endpoint, "outcome" => label).increment(1);
        histogram!("metrics_adapter_prometheus_request_duration_seconds", "endpoint" => endpoint)
            .record(began.elapsed());
        let still_the_same = self.client.borrow().as_ref().is_some_and(|now| Arc::ptr_eq(now, &client));
        if still_the_same {
            let failure = outcome.as_ref().err();
            let turn = self.circuit().learn(pass, failure, self.clock.moment());
            self.tell(client.settings(), turn, failure);
        }
        outcome
    }

    fn tell(&self, settings: &PrometheusSettings, turn: Option<Turn>, failure: Option<&QueryFailure>) {
        let now = self.clock.moment();
        if let (Some(Turn::Down), Some(failure)) = (turn, failure) {
            warn!(prometheus = %settings.url, "Prometheus cannot be asked: {failure}");
        }
        if turn == Some(Turn::Up) {
            info!(prometheus = %settings.url, "Prometheus can be asked again");
            self.changed.send_replace(());
        }
        let down = self.circuit().pause(now).is_some();
        let answered = failure.is_none_or(|own| is_answer(own.reason));
        self.state.send_modify(|state| {
            // What may be one query's own failure says nothing, unless nothing else is known.
            let up = answered || (!down && state.up == Some(true));
            if state.up.replace(up) != Some(up) {
                state.since = Some(now);
            }
            state.failure = failure.filter(|_| !up).cloned();
            if answered {
                state.last_success = Some(now);
            }
            gauge!("metrics_adapter_prometheus_up").set(if up { 1.0 } else { 0.0 });
        });
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is on its way.
struct Trying<'s> {
    server: &'s Server,
    pass: Pass,
    done: bool,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.server.circuit().abandon(self.pass, self.server.clock.moment());
        }
    }
}

/// Waits until Prometheus can be asked again, or is another; or for so long.
pub(super) async fn rest(changes: &mut watch::Receiver<()>, pause: Duration) {
    let _ = tokio::time::timeout(pause, changes.changed()).await;
}
