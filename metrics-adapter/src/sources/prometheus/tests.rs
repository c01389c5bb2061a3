mod asking;
mod credentials;
mod listing;
mod polling;
mod stub;
mod using;

use std::time::Duration;

use super::*;
use crate::cluster::View;
use crate::reload::State;
use crate::store::{CatalogReader, RuleListing};

use stub::Stub;

/// What is waited for comes long before this.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a stub is asked, and whatever else these fields say.
fn settings(stub: &Stub) -> PrometheusSettings {
    let interval = Duration::from_millis(100);
    PrometheusSettings { interval, timeout: PATIENCE, ..PrometheusSettings::at(stub.url().parse().unwrap()) }
}

fn question(query: &str) -> Question {
    Question { query: query.into(), window: Duration::ZERO }
}

/// All of it, as it runs.
struct Running {
    config: watch::Sender<State<Config>>,
    demand: Demand,
    catalog: CatalogReader,
    usage: watch::Receiver<Arc<ResourceUsage>>,
    state: watch::Receiver<PrometheusState>,
    clock: Clock,
}

impl Running {
    fn of(config: Config) -> Self {
        Self::among(config, View::default())
    }

    fn among(config: Config, view: View) -> Self {
        let clock = Clock::start();
        let config = Arc::new(config);
        let (catalog, reader) = Catalog::empty(Arc::clone(&config)).publish();
        let (config, configs) = watch::channel(loaded(config, clock));
        let (demand, news) = Demand::new();
        let (usage, usages) = watch::channel(Arc::default());
        let (state, states) = watch::channel(PrometheusState::default());
        let view = State { value: Arc::new(view), loaded: clock.now().wall, problem: None };
        let run = Prometheus {
            config: configs,
            kinds: watch::channel(Kinds::default()).1,
            inventory: Inventory::of_targets(watch::channel(view).1),
            demand: demand.clone(),
            news,
            catalog,
            usage,
            state,
            clock,
        };
        tokio::spawn(run.run());
        Self { config, demand, catalog: reader, usage: usages, state: states, clock }
    }

    /// From now on this is the configuration.
    fn becomes(&self, config: Config) {
        self.config.send_replace(loaded(Arc::new(config), self.clock));
    }

    fn ask(&self, query: &str) -> Arc<Asked> {
        self.demand.ask(&question(query), "", || format!("pods/{query}"), self.clock.moment()).unwrap()
    }

    /// The one listing of the only rule.
    fn listing(&self) -> RuleListing {
        self.catalog.current().custom[0].clone()
    }
}

fn loaded(value: Arc<Config>, clock: Clock) -> State<Config> {
    State { value, loaded: clock.now().wall, problem: None }
}

/// A configuration of a stub that is asked every 100 ms, with more sections.
fn config(stub: &Stub, more: &str) -> Config {
    config_of(&stub.url(), more)
}

fn config_of(url: &str, more: &str) -> Config {
    let prometheus = format!("prometheus: {{url: '{url}', interval: 100ms, staleAfter: 60s, relistInterval: 1s}}\n");
    Config::parse(&format!("{prometheus}{more}")).unwrap()
}

/// Waits until something is so.
#[track_caller]
fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let began = std::time::Instant::now();
        loop {
            if let Some(found) = probe() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{place}: {what}: not within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
