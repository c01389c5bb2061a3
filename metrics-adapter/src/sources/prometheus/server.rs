use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use tokio::sync::{Notify, Semaphore, watch};
use tracing::{info, warn};

use super::client::{Client, failure};
use crate::clock::Clock;
use crate::config::PrometheusSettings;
use crate::kubernetes::Backoff;
use crate::model::{Answer, Moment, QueryFailure, QueryFailureReason, Question};
use crate::store::PrometheusState;

/// Questions that are on the way at once.
const AT_ONCE: usize = 16;

/// The Prometheus of the settings, and how it does. While it cannot be reached, one request at a time tries whether it
/// can, after pauses that grow; the others are told at once.
#[derive(Debug)]
pub(super) struct Server {
    client: watch::Sender<Option<Arc<Client>>>,
    circuit: Mutex<Circuit>,
    state: watch::Sender<PrometheusState>,
    places: Semaphore,
    /// It can be reached again, or is another.
    changed: Notify,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Circuit {
    down: Option<QueryFailure>,
    /// Until then nobody tries.
    until: Moment,
    backoff: Backoff,
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
            changed: Notify::new(),
            clock,
        }
    }

    /// From now on another is asked, or the same in another way.
    pub(super) fn become_as(&self, settings: Option<PrometheusSettings>) {
        let same = self.client.borrow().as_ref().map(|client| client.settings()) == settings.as_ref();
        if same {
            return;
        }
        *self.circuit() = Circuit::default();
        self.state.send_replace(PrometheusState::default());
        self.client.send_replace(settings.map(|settings| Arc::new(Client::new(settings, self.clock))));
        self.changed.notify_waiters();
    }

    pub(super) fn client(&self) -> Option<Arc<Client>> {
        self.client.borrow().clone()
    }

    /// Tells of each client that takes the place of another.
    pub(super) fn clients(&self) -> watch::Receiver<Option<Arc<Client>>> {
        self.client.subscribe()
    }

    /// Waits until it can be reached again, or is another; or for so long.
    pub(super) async fn rest(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.changed.notified()).await;
    }

    /// How long nobody tries to reach it.
    pub(super) fn pause(&self) -> Duration {
        let circuit = self.circuit();
        if circuit.down.is_some() { circuit.until.since(self.clock.moment()) } else { Duration::ZERO }
    }

    /// Asks a question, once.
    pub(super) async fn query(&self, question: &Question) -> Result<Answer, QueryFailure> {
        let ask = async |client: Arc<Client>| {
            // Prometheus has limits of its own on what it evaluates at once.
            let _place = self.places.acquire().await;
            client.query(question).await
        };
        self.request("query", ask).await
    }

    /// Does something with its client, if it can be reached.
    pub(super) async fn request<T>(
        &self,
        endpoint: &'static str,
        ask: impl AsyncFnOnce(Arc<Client>) -> Result<T, QueryFailure>,
    ) -> Result<T, QueryFailure> {
        let Some(client) = self.client() else {
            let problem = "no Prometheus is configured; prometheus.url or --prometheus-url says where it is";
            return Err(failure(QueryFailureReason::Connection, problem));
        };
        self.may_try(client.settings().timeout)?;
        let began = Instant::now();
        let outcome = ask(Arc::clone(&client)).await;
        let label = outcome.as_ref().map_or_else(|failure| failure.reason.label(), |_| "ok");
        counter!("metrics_adapter_prometheus_requests_total", "endpoint" => endpoint, "outcome" => label).increment(1);
        histogram!("metrics_adapter_prometheus_request_duration_seconds", "endpoint" => endpoint)
            .record(began.elapsed());
        let still_the_same = self.client().is_some_and(|now| Arc::ptr_eq(&now, &client));
        if still_the_same {
            self.learn(client.settings(), outcome.as_ref().err());
        }
        outcome
    }

    /// Whether this request may try to reach it. Who may, is the only one for a while.
    fn may_try(&self, timeout: Duration) -> Result<(), QueryFailure> {
        let (mut circuit, now) = (self.circuit(), self.clock.moment());
        let Some(down) = circuit.down.clone() else { return Ok(()) };
        if now < circuit.until {
            return Err(down);
        }
        circuit.until = now.after(timeout);
        Ok(())
    }

    fn learn(&self, settings: &PrometheusSettings, failure: Option<&QueryFailure>) {
        use QueryFailureReason::{Connection, Credentials, Tls};
        let unreachable = failure.filter(|own| matches!(own.reason, Connection | Tls | Credentials));
        let (mut circuit, now) = (self.circuit(), self.clock.moment());
        let was_down = circuit.down.is_some();
        match unreachable {
            Some(failure) => {
                circuit.until = now.after(circuit.backoff.failed());
                circuit.down = Some(failure.clone());
                if !was_down {
                    warn!(prometheus = %settings.url, "Prometheus cannot be reached: {failure}");
                }
                self.state.send_modify(|state| (state.up, state.failure) = (Some(false), Some(failure.clone())));
            }
            None => {
                (circuit.down, circuit.backoff) = (None, Backoff::default());
                self.state.send_modify(|state| {
                    *state = PrometheusState { up: Some(true), failure: None, last_success: Some(now) };
                });
                if was_down {
                    info!(prometheus = %settings.url, "Prometheus can be reached again");
                    self.changed.notify_waiters();
                }
            }
        }
        gauge!("metrics_adapter_prometheus_up").set(if unreachable.is_some() { 0.0 } else { 1.0 });
    }

    fn circuit(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
