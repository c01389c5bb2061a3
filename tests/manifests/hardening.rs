//! How pods and what is around them are secured and kept up: one table of rules, one list of exceptions.

mod access;
mod availability;
mod containers;
mod exceptions;
mod images;
mod objects;
mod pod_security;

use std::collections::BTreeSet;

use serde_json::Value;
use stack::workloads::{Workload, id};

use crate::bundles::{Bundle, all, bundle};
use crate::references::World;
use exceptions::EXCEPTIONS;

/// With everything in it that makes pods.
const WHOLE: &str = "k8s + k8s/real-world-seed.yaml";

const API: &str = "Deployment real-world/real-world";
const DB: &str = "StatefulSet real-world/db";
const TRAEFIK: &str = "Deployment real-world/traefik-ingress-controller";
const ADAPTER: &str = "Deployment monitoring/metrics-adapter";
const SEED: &str = "Job real-world/real-world-seed";

/// What every object, pod or container of a kind has to be.
struct Rule {
    name: &'static str,
    why: &'static str,
    check: Check,
    /// Changes that break it, one at a time: the object, the field, and its value as JSON; without one the field goes.
    breaks: &'static [(&'static str, &'static str, &'static str)],
}

/// What is wrong, if anything is.
enum Check {
    Object(fn(&World<'_>, &Value) -> Vec<String>),
    Pods(fn(&World<'_>, Workload<'_>) -> Vec<String>),
    Container(fn(&Value) -> Vec<String>),
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    pod_security::RULES
        .iter()
        .chain(containers::RULES)
        .chain(availability::RULES)
        .chain(access::RULES)
        .chain(objects::RULES)
}

impl Rule {
    /// Objects and what is wrong with them.
    fn problems(&self, world: &World<'_>) -> Vec<(String, String)> {
        let named = |object: String, problems: Vec<String>| problems.into_iter().map(move |one| (object.clone(), one));
        match self.check {
            Check::Object(check) => {
                world.objects.iter().flat_map(|object| named(id(object), check(world, object))).collect()
            }
            Check::Pods(check) => world.workloads().flat_map(|one| named(one.id(), check(world, one))).collect(),
            Check::Container(check) => {
                let of = |one: Workload<'_>| one.containers().flat_map(check).collect();
                world.workloads().flat_map(|one| named(one.id(), of(one))).collect()
            }
        }
    }
}

/// What a rule finds, but for what is excepted; and which exceptions were needed.
fn unexcepted(rule: &Rule, bundle: &Bundle, used: &mut BTreeSet<usize>) -> Vec<String> {
    let mut left = Vec::new();
    for (object, problem) in rule.problems(&World::of(bundle)) {
        let excepted = EXCEPTIONS.iter().position(|exception| {
            (exception.rule, exception.object) == (rule.name, &object) && bundle.name.contains(exception.within)
        });
        match excepted {
            Some(place) => drop(used.insert(place)),
            None => left.push(format!("{}: {object}: {problem}. {}", rule.name, rule.why)),
        }
    }
    left
}

#[test]
fn every_rule_holds_but_for_what_is_excepted_with_a_reason() {
    let mut used = BTreeSet::new();
    for bundle in all() {
        let broken: Vec<String> = rules().flat_map(|rule| unexcepted(rule, bundle, &mut used)).collect();
        assert!(broken.is_empty(), "{}:\n{}", bundle.name, broken.join("\n"));
    }
    for (place, exception) in EXCEPTIONS.iter().enumerate() {
        let (rule, object) = (exception.rule, exception.object);
        assert!(used.contains(&place), "{object} needs no exception from {rule} any more: take it off the list");
        assert!(exception.reason.len() > 20, "{object} is excepted from {rule} for no reason");
    }
}

/// Sets or removes a field. A list's element is named by its number, `-` adds one.
fn change(object: &mut Value, pointer: &str, value: &str) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let field = field.replace("~1", "/");
    let place = object.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
    match (place, serde_json::from_str::<Value>(value)) {
        (Value::Array(list), Ok(value)) if field == "-" => list.push(value),
        (Value::Array(list), Ok(value)) => list[field.parse::<usize>().unwrap()] = value,
        (Value::Object(fields), Ok(value)) => drop(fields.insert(field, value)),
        (Value::Object(fields), Err(_)) if value.is_empty() => {
            fields.remove(&field).unwrap_or_else(|| panic!("there is no {pointer}"));
        }
        (place, value) => panic!("{pointer} of {place} cannot become {value:?}"),
    }
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let whole = bundle(WHOLE);
    for rule in rules() {
        let before: BTreeSet<(String, String)> = rule.problems(&World::of(whole)).into_iter().collect();
        assert!(!rule.breaks.is_empty(), "{}: nobody knows whether it finds anything", rule.name);
        for (object, pointer, value) in rule.breaks {
            let mut broken = whole.clone();
            let found = broken.objects.iter_mut().find(|one| id(one) == *object);
            change(found.unwrap_or_else(|| panic!("there is no {object}")), pointer, value);
            let after = rule.problems(&World::of(&broken));
            let new = after.iter().any(|problem| !before.contains(problem));
            assert!(new, "{} does not mind that {object} has {pointer}: {value}", rule.name);
        }
    }
}

#[test]
fn each_rule_stands_once_and_says_why() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        assert!(rule.why.len() > 20 && rule.why.ends_with('.'), "{} says `{}`", rule.name, rule.why);
        assert!(names.insert(rule.name), "{} stands twice", rule.name);
    }
    for exception in EXCEPTIONS {
        assert!(names.contains(exception.rule), "there is no rule {}", exception.rule);
    }
}
