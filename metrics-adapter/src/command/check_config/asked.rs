use std::collections::HashMap;

use hyper::Uri;

use crate::clock::Clock;
use crate::config::{Config, PrometheusSettings};
use crate::model::{Kinds, QueryFailure, Question};
use crate::rules::{ExternalOffer, ListedSeries, Offer, Offers, SeriesRule};
use crate::sources;

/// How many rules come to nothing.
#[derive(Debug, Default)]
pub(super) struct Finds {
    pub(super) nothing: usize,
}

/// What a Prometheus has for a configuration.
pub(super) struct Sight {
    /// By series query.
    listed: HashMap<String, Result<Vec<ListedSeries>, QueryFailure>>,
    /// How many values a question has.
    answered: HashMap<Question, Result<usize, QueryFailure>>,
    pub(super) offers: Offers,
}

impl Sight {
    /// Lists the series of each rule, and asks each question that is about all.
    pub(super) async fn of(config: &Config, url: Uri) -> Self {
        let settings = match config.prometheus.clone() {
            None => PrometheusSettings::at(url),
            Some(settings) => PrometheusSettings { url, ..settings },
        };
        let clock = Clock::start();
        let mut listed = HashMap::new();
        for rule in config.series_rules.iter().chain(&config.external_rules) {
            if !listed.contains_key(&rule.series_query) {
                let found = sources::list_once(&settings, &rule.series_query, clock).await;
                listed.insert(rule.series_query.clone(), found);
            }
        }
        let offers = offers(config, |rule| match listed.get(&rule.series_query) {
            Some(Ok(series)) => series.clone(),
            _ => Vec::new(),
        });
        let mut sight = Self { listed, answered: HashMap::new(), offers };
        for question in sight.questions(config) {
            let answer = sources::ask_once(&settings, &question, clock).await;
            sight.answered.insert(question, answer.map(|answer| answer.samples.len()));
        }
        sight
    }

    fn questions(&self, config: &Config) -> Vec<Question> {
        let mut questions: Vec<Question> = config.queries.iter().map(|own| own.question.clone()).collect();
        questions.extend(config.external_queries.iter().map(|own| own.question.clone()));
        questions.extend(self.offers.all_custom().filter_map(|offer| of_all(offer)));
        questions.extend(self.offers.all_external().filter_map(|offer| of_namespace(offer)));
        if let Some(rules) = &config.resource_rules {
            for rule in [&rules.cpu, &rules.memory] {
                questions.extend(super::rules::of_containers(rule));
                questions.extend(super::rules::of_nodes(rule));
            }
        }
        questions
    }

    pub(super) fn series(&self, rule: &SeriesRule) -> &Result<Vec<ListedSeries>, QueryFailure> {
        const NONE: &Result<Vec<ListedSeries>, QueryFailure> = &Ok(Vec::new());
        self.listed.get(&rule.series_query).unwrap_or(NONE)
    }

    pub(super) fn answer(&self, question: &Question) -> Option<&Result<usize, QueryFailure>> {
        self.answered.get(question)
    }
}

/// What the rules make of these series.
pub(super) fn offers(config: &Config, series: impl Fn(&SeriesRule) -> Vec<ListedSeries>) -> Offers {
    let of = |rules: &[SeriesRule]| -> Vec<Vec<ListedSeries>> { rules.iter().map(&series).collect() };
    let (custom, external) = (of(&config.series_rules), of(&config.external_rules));
    let custom: Vec<&[ListedSeries]> = custom.iter().map(Vec::as_slice).collect();
    let external: Vec<&[ListedSeries]> = external.iter().map(Vec::as_slice).collect();
    Offers::of(&config.series_rules, &custom, &config.external_rules, &external, &Kinds::default())
}

/// What is asked once for all objects, if that can be.
pub(super) fn of_all(offer: &Offer) -> Option<Question> {
    offer.of_all(&crate::model::Selector::default())?.ok().map(|query| query.question)
}

/// What is asked for an external metric, of namespace `default` as an example.
pub(super) fn of_namespace(offer: &ExternalOffer) -> Option<Question> {
    offer.ask("default", &crate::model::Selector::default()).ok()
}
