//! Prometheus: its series are listed in the background, and it is asked what somebody wants to know, for as long as
//! somebody does.
//!
//! Invariant: one answer serves everybody who asks the same; nobody but the first waits for one.

mod answer;
mod circuit;
mod client;
mod connection;
mod listing;
mod pace;
mod poll;
mod series;
mod server;
mod usage;

use std::sync::Arc;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::cluster::Inventory;
use crate::config::{Config, PrometheusSettings};
use crate::model::{Answer, Kinds, QueryFailure, QueryFailureReason, Question};
use crate::reload;
use crate::store::{Asked, Catalog, Demand, PrometheusState, ResourceUsage};

use listing::Lister;
use poll::Poller;
use server::Server;
use usage::Usages;

pub use listing::list_once;

/// Asks a question once, as `check-config` does.
pub async fn ask_once(
    settings: &PrometheusSettings,
    question: &Question,
    clock: Clock,
) -> Result<Answer, QueryFailure> {
    client::Client::new(settings.clone(), clock).query(question).await
}

/// Where Prometheus is asked.
const ENDPOINTS: [&str; 2] = ["query", "series"];

/// Names the families of this room, and makes their series exist.
pub(super) fn describe_metrics() {
    describe_counter!("metrics_adapter_prometheus_requests_total", "Requests to Prometheus, by endpoint and outcome.");
    describe_histogram!(
        "metrics_adapter_prometheus_request_duration_seconds",
        "How long Prometheus took, by endpoint."
    );
    describe_gauge!("metrics_adapter_prometheus_up", "Whether Prometheus can be asked (1) or not (0).");
    describe_gauge!("metrics_adapter_queries", "Different queries that are sent at present.");
    describe_gauge!(
        "metrics_adapter_series_listed",
        "Series of Prometheus that rules found when they were last listed."
    );
    describe_gauge!(
        "metrics_adapter_series_last_listing_timestamp_seconds",
        "When the series of the rule that was not listed for the longest were listed, in seconds since 1970."
    );
    for endpoint in ENDPOINTS {
        let outcomes = QueryFailureReason::ALL.iter().map(|reason| reason.label());
        for outcome in std::iter::once("ok").chain(outcomes) {
            counter!("metrics_adapter_prometheus_requests_total", "endpoint" => endpoint, "outcome" => outcome)
                .absolute(0);
        }
    }
    gauge!("metrics_adapter_queries").set(0.0);
}

/// Asks Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    /// What it is asked, and how.
    pub config: watch::Receiver<reload::State<Config>>,
    /// What resources there are.
    pub kinds: watch::Receiver<Kinds>,
    /// What exists.
    pub inventory: Inventory,
    /// What somebody wants to know.
    pub demand: Demand,
    /// What somebody wants to know that nobody wanted before.
    pub news: mpsc::UnboundedReceiver<Arc<Asked>>,
    /// Where it is told what there is.
    pub catalog: watch::Sender<Arc<Catalog>>,
    /// Where it is told what pods and nodes use.
    pub usage: watch::Sender<Arc<ResourceUsage>>,
    /// Where it is told how Prometheus does.
    pub state: watch::Sender<PrometheusState>,
    /// The clocks.
    pub clock: Clock,
}

impl Prometheus {
    /// Asks for ever.
    pub async fn run(self) {
        let Self { mut config, kinds, inventory, demand, news, catalog, usage, state, clock } = self;
        let settings = config.borrow_and_update().value.prometheus.clone();
        let server = Arc::new(Server::new(settings, state, clock));
        let (configs, own_kinds) = (config.clone(), kinds.clone());
        let lister = Lister { server: Arc::clone(&server), config: configs, kinds: own_kinds, catalog, clock };
        tokio::spawn(lister.run());
        let usages = Usages { server: Arc::clone(&server), config: config.clone(), kinds, inventory, usage, clock };
        tokio::spawn(usages.run());
        let poller = Poller { server: Arc::clone(&server), demand, clock };
        tokio::spawn(poller.run(news));
        while config.changed().await.is_ok() {
            server.become_as(config.borrow_and_update().value.prometheus.clone());
        }
        // The configuration is built in, and nobody changes it.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
