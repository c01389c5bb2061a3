use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;
use crate::model::{Moment, QueryFailure, Wall};
use crate::rules::{ListedSeries, Offers};

/// What Prometheus has for the rules, as it was listed last. It never changes; the next listing makes another.
#[derive(Debug)]
pub struct Catalog {
    /// Each catalog has its own number.
    pub generation: u64,
    /// The configuration that it was made by.
    pub config: Arc<Config>,
    /// Of each rule of the configuration's `series_rules`, in its order.
    pub custom: Vec<RuleListing>,
    /// Of each of its `external_rules`.
    pub external: Vec<RuleListing>,
    /// The metrics that the rules make of these series.
    pub offers: Arc<Offers>,
}

/// What a rule's `seriesQuery` found.
#[derive(Clone, Debug, Default)]
pub struct RuleListing {
    /// The series, each name with each set of label names once; those of the last listing that succeeded.
    pub series: Arc<[ListedSeries]>,
    /// When that was.
    pub listed: Option<(Moment, Wall)>,
    /// Why the last listing failed, if it did.
    pub failure: Option<QueryFailure>,
}

/// How Prometheus does.
#[derive(Clone, Debug, Default)]
pub struct PrometheusState {
    /// Whether it can be asked; none, as long as nobody tried.
    pub up: Option<bool>,
    /// Since when that is so.
    pub since: Option<Moment>,
    /// Why not.
    pub failure: Option<QueryFailure>,
    /// When it answered last.
    pub last_success: Option<Moment>,
}

/// Reads what Prometheus has.
#[derive(Clone, Debug)]
pub struct CatalogReader(watch::Receiver<Arc<Catalog>>);

impl Catalog {
    /// Nothing was listed yet.
    #[must_use]
    pub fn empty(config: Arc<Config>) -> Self {
        let none = |rules: usize| vec![RuleListing::default(); rules];
        let (custom, external) = (none(config.series_rules.len()), none(config.external_rules.len()));
        Self { generation: 0, custom, external, offers: Arc::default(), config }
    }

    /// Whether the series of each rule were listed, or could not be.
    #[must_use]
    pub fn is_tried(&self) -> bool {
        self.custom.iter().chain(&self.external).all(|own| own.listed.is_some() || own.failure.is_some())
    }

    /// A place to publish catalogs at, and its reader.
    #[must_use]
    pub fn publish(self) -> (watch::Sender<Arc<Self>>, CatalogReader) {
        let (sender, receiver) = watch::channel(Arc::new(self));
        (sender, CatalogReader(receiver))
    }
}

impl CatalogReader {
    /// The newest.
    #[must_use]
    pub fn current(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.borrow())
    }
}
