use std::sync::Arc;

use super::asked::{Finds, Sight, of_all, of_namespace, offers};
use crate::command::print as say;
use crate::config::Config;
use crate::model::{Kinds, QueryFailure, Question, Selector};
use crate::rules::{ListedSeries, Offer, ResourceRule, RuleOutcome, SeriesRule};

/// The objects of examples.
const NAMESPACE: &str = "default";
const OBJECTS: [&str; 2] = ["example-1", "example-2"];
/// So many names are listed, and no more.
const NAMES: usize = 10;

/// Says what is asked of Prometheus.
pub(super) fn print(config: &Config, sight: Option<&Sight>, finds: &mut Finds) {
    for own in &config.queries {
        let labels: Vec<String> =
            own.labels.iter().map(|(label, resource)| format!("{label} names {resource}")).collect();
        say(&format!("{}: asks Prometheus; {}", own.name, labels.join(", ")));
        query(&own.question, sight, finds);
    }
    for own in &config.external_queries {
        let seen = own.namespace_label.as_ref();
        let seen =
            seen.map_or("every namespace sees all".to_owned(), |label| format!("{label} says which namespace sees it"));
        say(&format!("{} (external): asks Prometheus; {seen}", own.name));
        query(&own.question, sight, finds);
    }
    let examples = offers(config, |rule| vec![example(rule)]);
    let made = sight.map_or(&examples, |sight| &sight.offers);
    for (place, rule) in config.series_rules.iter().enumerate() {
        say(&format!("rules, line {}: {}", rule.line, rule.series_query));
        let found = found(rule, sight, finds);
        let own: Vec<&Arc<Offer>> = made.all_custom().filter(|offer| offer.rule == place).collect();
        // Without series of its own, an example says what it would ask.
        let own =
            if own.is_empty() { examples.all_custom().filter(|offer| offer.rule == place).collect() } else { own };
        if let Some(offer) = own.iter().find(|offer| offer.resource.is_pods()).or_else(|| own.first()) {
            example_query(offer, sight.filter(|_| found), finds);
        } else {
            say(&format!("  asks {}", one_line(rule.metrics_query.text())));
        }
        outcome(
            made.outcomes().get(place),
            (sight.is_some(), found),
            |by| config.series_rules.get(by).map_or(0, |rule| rule.line),
            finds,
        );
        metrics(
            sight,
            made.all_custom().filter(|offer| offer.rule == place).map(|own| format!("{}/{}", own.resource, own.metric)),
        );
    }
    for (place, rule) in config.external_rules.iter().enumerate() {
        say(&format!("externalRules, line {}: {}", rule.line, rule.series_query));
        let found = found(rule, sight, finds);
        let own = made.all_external().find(|offer| offer.rule == place);
        if let Some(offer) = own.or_else(|| examples.all_external().find(|offer| offer.rule == place)) {
            say(&format!("  for {} of namespace {NAMESPACE}:", offer.metric));
            match (offer.ask(NAMESPACE, &Selector::default()), of_namespace(offer)) {
                (Err(problem), _) => {
                    finds.nothing += 1;
                    say(&format!("    problem: {problem}"));
                }
                (Ok(question), _) => say(&format!("    {}", one_line(&question.query))),
            }
        }
        outcome(
            made.external_outcomes().get(place),
            (sight.is_some(), found),
            |by| config.external_rules.get(by).map_or(0, |rule| rule.line),
            finds,
        );
        metrics(sight, made.all_external().filter(|offer| offer.rule == place).map(|own| own.metric.to_string()));
    }
    if let Some(rules) = &config.resource_rules {
        for (name, rule) in [("cpu", &rules.cpu), ("memory", &rules.memory)] {
            say(&format!("resourceRules.{name}, over {:?}:", rules.window));
            resource(rule, sight, finds);
        }
    }
}

fn one_line(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The query, and how many values it has.
fn query(question: &Question, sight: Option<&Sight>, finds: &mut Finds) {
    say(&format!("    {}", one_line(&question.query)));
    match sight.and_then(|sight| sight.answer(question)) {
        None => {}
        Some(Ok(0)) => {
            finds.nothing += 1;
            say("    Prometheus answers with no value");
        }
        Some(Ok(values)) => say(&format!("    Prometheus answers with {values} values")),
        Some(Err(failure)) => failed(failure, finds),
    }
}

fn failed(failure: &QueryFailure, finds: &mut Finds) {
    finds.nothing += 1;
    say(&format!("    problem: {failure}"));
}

/// What the series query finds, if there is a Prometheus; whether that is anything.
fn found(rule: &SeriesRule, sight: Option<&Sight>, finds: &mut Finds) -> bool {
    let Some(sight) = sight else { return true };
    match sight.series(rule) {
        Err(failure) => {
            failed(failure, finds);
            false
        }
        Ok(series) if series.is_empty() => {
            finds.nothing += 1;
            say("  finds nothing: Prometheus has no such series with a sample of the last minutes");
            false
        }
        Ok(series) => {
            let count: usize = series.iter().map(|own| own.count).sum();
            let mut names: Vec<&str> = series.iter().map(|own| &*own.name).collect();
            names.dedup();
            let more = names.len().saturating_sub(NAMES);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            say(&format!("  finds {count} series: {}{more}", names[..names.len().min(NAMES)].join(", ")));
            true
        }
    }
}

/// What became of the series.
fn outcome(
    outcome: Option<&RuleOutcome>,
    (asked, found): (bool, bool),
    line: impl Fn(usize) -> usize,
    finds: &mut Finds,
) {
    let Some(outcome) = outcome else { return };
    let asked = asked && found;
    for problem in &outcome.problems {
        say(&format!("  warning: {problem}"));
    }
    if !asked {
        return;
    }
    for (series, why) in outcome.refused.iter().take(NAMES) {
        say(&format!("  {series} makes no metric: {why}"));
    }
    for own in outcome.overridden.iter().take(NAMES) {
        let of = own.resource.map_or(String::new(), |resource| format!("{resource}/"));
        let (metric, by) = (&own.metric, line(own.by));
        say(&format!("  {of}{metric} of {} is made by the rule in line {by}, of {}", own.series, own.by_series));
    }
    if outcome.metrics.is_empty() {
        finds.nothing += 1;
        say("  offers no metric");
    }
}

fn metrics(sight: Option<&Sight>, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    if sight.is_some() && !names.is_empty() {
        let more = names.len().saturating_sub(NAMES * 2);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        say(&format!("  offers {}{more}", names[..names.len().min(NAMES * 2)].join(", ")));
    }
}

/// What is asked for an offer: once for all, or for objects of an example.
fn example_query(offer: &Offer, sight: Option<&Sight>, finds: &mut Finds) {
    let what = format!("{}/{}", offer.resource, offer.metric);
    if let Some(question) = of_all(offer) {
        say(&format!("  for {what} of all objects at once:"));
        query(&question, sight, finds);
        return;
    }
    let namespace = offer.namespaced.then_some(NAMESPACE);
    say(&format!("  for {what} of {} and {}, as each set of objects has a query of its own:", OBJECTS[0], OBJECTS[1]));
    match offer.of_some(namespace, &OBJECTS, &Selector::default()) {
        Ok(query) => say(&format!("    {}", one_line(&query.question.query))),
        Err(problem) => {
            finds.nothing += 1;
            say(&format!("    problem: {problem}"));
        }
    }
}

/// A series that a rule might find.
fn example(rule: &SeriesRule) -> ListedSeries {
    let query = rule.series_query.trim();
    let plain = query.split('{').next().unwrap_or_default().trim();
    let named = query.split("__name__=\"").nth(1).and_then(|rest| rest.split('"').next());
    let name = if plain.is_empty() { named.unwrap_or("SERIES") } else { plain };
    ListedSeries { name: name.into(), labels: rule.resources.example(&Kinds::default()), count: 1 }
}

fn resource(rule: &ResourceRule, sight: Option<&Sight>, finds: &mut Finds) {
    let kinds = Kinds::default();
    let by_name = match of_containers(rule) {
        Some(question) => {
            say("  for the containers of all pods at once:");
            query(&question, sight, finds);
            None
        }
        None => Some(rule.containers_of(&kinds, NAMESPACE, &OBJECTS).map(|query| query.question)),
    };
    let nodes = match of_nodes(rule) {
        Some(question) => {
            say("  for all nodes at once:");
            query(&question, sight, finds);
            None
        }
        None => Some(rule.nodes_named(&kinds, &OBJECTS).map(|(question, _)| question)),
    };
    for (what, asked) in [("pods", by_name), ("nodes", nodes)] {
        match asked {
            None => {}
            Some(Ok(question)) => {
                say(&format!("  for the {what} {} and {}, by their names:", OBJECTS[0], OBJECTS[1]));
                say(&format!("    {}", one_line(&question.query)));
            }
            Some(Err(problem)) => {
                finds.nothing += 1;
                say(&format!("  problem: {problem}"));
            }
        }
    }
}

/// What is asked once for the containers of all pods, if that can be.
pub(super) fn of_containers(rule: &ResourceRule) -> Option<Question> {
    rule.containers(&Kinds::default()).ok().flatten().map(|query| query.question)
}

/// What is asked once for all nodes, if that can be.
pub(super) fn of_nodes(rule: &ResourceRule) -> Option<Question> {
    rule.nodes(&Kinds::default()).ok().flatten().map(|(question, _)| question)
}
