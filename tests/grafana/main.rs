//! Grafana: its dashboards, held to the rules of Grafana's dashboard-linter and to some of our own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod panels;

use std::collections::BTreeSet;

use promql_parser::parser::Expr;
use serde_json::Value;
use stack::dashboards::{NAMES, files, path, runbook, settings, text};
use stack::manifests::{self, find};
use stack::promql::{at_once, compared, metrics, parse, selectors};
use stack::rules;

use panels::{Panel, RULES};

/// What is excepted from a rule: the rule, the dashboard, the panel, and why.
const EXCEPTIONS: &[(&str, &str, &str, &str)] = &[];

fn board(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

#[test]
fn what_is_provisioned_is_what_the_sources_make() {
    for (name, made) in files() {
        let kept = std::fs::read_to_string(path(name)).unwrap_or_default();
        assert!(kept == made, "{}: `make dashboards` writes it anew", path(name).display());
    }
}

#[test]
fn every_panel_holds_to_every_rule() {
    let (mut broken, mut used, mut seen) = (Vec::new(), BTreeSet::new(), 0);
    for name in NAMES {
        let board = board(name);
        for panel in Panel::all(&board) {
            seen += 1;
            for (rule, check) in RULES {
                let Some(problem) = check(&panel) else { continue };
                let at = EXCEPTIONS.iter().position(|own| (own.0, own.1, own.2) == (*rule, name, panel.title()));
                match at {
                    Some(at) => drop(used.insert(at)),
                    None => broken.push(format!("{name}: {}: {rule}: {problem}", panel.title())),
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} panels were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(used.len(), EXCEPTIONS.len(), "an exception is needed no more");
}

/// A rule that nothing can break is none.
#[test]
fn a_panel_that_breaks_a_rule_is_found() {
    let board = board("conduit");
    let good =
        Panel::all(&board).find(|panel| panel.targets().count() > 0 && panel.type_name() == "timeseries").unwrap();
    let set = |field: &str, value: Value| {
        let mut own = good.0.clone();
        *own.pointer_mut(field).unwrap_or_else(|| panic!("no {field}")) = value;
        own
    };
    let query = |text: &str| set("/targets/0/expr", text.into());
    let scope = "job=~\"$job\", instance=~\"$instance\"";
    for (rule, panel) in [
        ("title", set("/title", "".into())),
        ("description", set("/description", "".into())),
        ("unit", set("/fieldConfig/defaults/unit", "".into())),
        ("targets", set("/targets", Value::Array(Vec::new()))),
        ("datasource", set("/datasource/uid", "prometheus".into())),
        ("legend", set("/targets/0/legendFormat", "".into())),
        ("promql", query("rate(")),
        ("selectors", query("db_up")),
        ("rate interval", query(&format!("rate(http_requests_total{{{scope}}}[5m])"))),
        ("counters", query(&format!("http_requests_total{{{scope}}}"))),
    ] {
        let (_, check) = RULES.iter().find(|(name, _)| *name == rule).unwrap_or_else(|| panic!("no rule {rule}"));
        assert!(check(&Panel(&panel)).is_some(), "{rule} does not see what breaks it");
        assert!(check(&good).is_none(), "{rule} is broken already");
    }
    assert_eq!(RULES.len(), 10, "each rule is broken above");
}

#[test]
fn dashboards_are_found_and_lead_to_each_other() {
    let mut uids = BTreeSet::new();
    for name in NAMES {
        let board = board(name);
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{name}: its uid is another's, too");
        assert_eq!(board["editable"], false, "{name}");
        for field in ["title", "description"] {
            assert!(board[field].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {field}");
        }
        assert!(
            board["tags"].as_array().unwrap().contains(&"conduit".into()),
            "{name} has not the tag that links look for"
        );
        let links = board["links"].as_array().unwrap();
        for other in NAMES.iter().filter(|other| **other != name) {
            // What is chosen of jobs and instances here is not there; the data source is.
            let url = format!("/d/{other}?${{datasource:queryparam}}");
            let leads = |link: &&Value| link["url"] == *url && link["keepTime"] == true && link["includeVars"] == false;
            assert!(links.iter().any(|link| leads(&link)), "{name} does not lead to {other}");
        }
        // The one setting that alerts have, too; a path of this repository's is a dashboard here.
        let runbook = &manifests::file("prometheus/prometheus.yml")[0]["global"]["external_labels"]["runbooks"];
        assert_eq!(*runbook, settings().runbook);
        let place = if *runbook == "prometheus/runbook.md" { "/d/runbook" } else { runbook.as_str().unwrap() };
        assert!(links.iter().any(|link| link["url"] == *place), "{name} does not lead to {place}");
        assert!(
            board["time"]["from"].as_str().is_some_and(|from| from.starts_with("now-")),
            "{name}: an absolute time"
        );
    }
}

#[test]
fn every_dashboard_lets_one_choose_data_source_job_and_instance() {
    for name in NAMES {
        let board = board(name);
        let variables = board["templating"]["list"].as_array().unwrap();
        let named = |wanted: &str| {
            variables.iter().find(|own| own["name"] == wanted).unwrap_or_else(|| panic!("{name}: no {wanted}"))
        };
        assert_eq!(
            (&named("datasource")["type"], &named("datasource")["query"]),
            (&"datasource".into(), &"prometheus".into()),
            "{name}"
        );
        for wanted in ["job", "instance"] {
            let own = named(wanted);
            assert_eq!(own["datasource"]["uid"], "${datasource}", "{name}: {wanted}");
            for (field, value) in
                [("multi", true.into()), ("includeAll", true.into()), ("allValue", ".+".into()), ("refresh", 2.into())]
            {
                assert_eq!(own[field], Value::clone(&value), "{name}: {wanted}: {field}");
            }
        }
    }
}

#[test]
fn no_panel_lies_on_another() {
    for name in NAMES {
        let board = board(name);
        let places: Vec<(String, [i64; 4])> = board["panels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|panel| {
                let side = |side: &str| panel["gridPos"][side].as_i64().unwrap();
                (panel["title"].as_str().unwrap().to_owned(), [side("x"), side("y"), side("w"), side("h")])
            })
            .collect();
        for (at, (title, [x, y, w, h])) in places.iter().enumerate() {
            assert!(x + w <= 24 && *w > 0 && *h > 0, "{name}: {title} is not on the page");
            for (other, [left, top, wide, high]) in &places[at + 1..] {
                let apart = x + w <= *left || left + wide <= *x || y + h <= *top || top + high <= *y;
                assert!(apart, "{name}: {title} lies on {other}");
            }
        }
    }
}

/// Two namespaces may each have one of that name.
#[test]
fn an_hpa_is_asked_for_by_its_namespace_too() {
    let board = board("autoscaling");
    let mut seen = 0;
    for target in Panel::all(&board).flat_map(Panel::targets) {
        let query = parse(&at_once(target["expr"].as_str().unwrap())).unwrap();
        for selector in selectors(&query) {
            let value = |label: &str| {
                let own = selector.matchers.matchers.iter().find(|own| own.name == label);
                own.map(|own| own.value.as_str())
            };
            if value("horizontalpodautoscaler").is_some() {
                seen += 1;
                assert_eq!(value("namespace"), Some("$namespace"), "{selector}");
            }
        }
    }
    assert!(seen > 10, "only {seen} were found");
}

#[test]
fn the_thresholds_of_autoscaling_are_the_hpas() {
    let objects = manifests::file("k8s/real-world-hpa.yaml");
    let metrics =
        find(&objects, "HorizontalPodAutoscaler", "real-world-hpa")["spec"]["metrics"].as_array().unwrap().clone();
    let requests: f64 = metrics[0]["pods"]["target"]["averageValue"].as_str().unwrap().parse().unwrap();
    let share =
        f64::from(u8::try_from(metrics[1]["resource"]["target"]["averageUtilization"].as_u64().unwrap()).unwrap());
    let memory = metrics[2]["resource"]["target"]["averageValue"]
        .as_str()
        .unwrap()
        .trim_end_matches("Mi")
        .parse::<f64>()
        .unwrap();
    let board = board("autoscaling");
    let drawn: Vec<f64> = Panel::all(&board)
        .filter(|panel| {
            panel.0["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"]
                .as_str()
                .is_some_and(|mode| mode != "off")
        })
        .flat_map(|panel| panel.0["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap().clone())
        .filter_map(|step| step["value"].as_f64())
        .collect();
    let has = |wanted: f64| drawn.iter().any(|own| (own - wanted).abs() < 1e-9 * wanted.max(1.0));
    assert!(has(requests), "no line at {requests} requests a second: {drawn:?}");
    assert!(has(share) || has(share / 100.0), "no line at {share} %: {drawn:?}");
    assert!(has(memory * 1_048_576.0), "no line at {memory} MiB: {drawn:?}");
}

/// Alerts whose number is on no panel, and why.
const NOT_DRAWN: &[(&str, &str)] = &[(
    "ApiLatencyBudgetBurn",
    "more than a hundredth above 250 ms is a 99th percentile above 250 ms, and that is drawn",
)];

#[test]
fn what_an_alert_compares_with_is_drawn_where_what_it_looks_at_is_shown() {
    let shown: Vec<(BTreeSet<String>, Vec<f64>)> = NAMES.iter().flat_map(|name| limits(&board(name))).collect();
    let rules = rules::all();
    let (mut missing, mut excepted, mut seen) = (Vec::new(), BTreeSet::new(), 0);
    for rule in rules.iter().filter(|rule| rule["alert"].is_string()) {
        let (name, expr) = (rule["alert"].as_str().unwrap(), parse(rule["expr"].as_str().unwrap()).unwrap());
        // 0 and 1 are no amounts: something is, or is not.
        let Some(number) =
            compared(&expr).into_iter().find(|number| !["0", "1"].contains(&number.to_string().as_str()))
        else {
            continue;
        };
        seen += 1;
        let metrics = counted(&rules, &expr);
        // Whoever burns the budget just in time is at the objective itself.
        let least = rules.iter().filter(|own| own["alert"] == *name);
        let least =
            least.flat_map(|own| compared(&parse(own["expr"].as_str().unwrap()).unwrap())).fold(number, f64::min);
        let drawn = shown.iter().any(|(of, at)| {
            let near = |own: &f64| [least, least * 86400.0].iter().any(|wanted| (own - wanted).abs() < 1e-9 * wanted);
            !of.is_disjoint(&metrics) && at.iter().any(near)
        });
        match NOT_DRAWN.iter().find(|(own, _)| *own == name) {
            Some(_) => drop(excepted.insert(name)),
            None if !drawn => missing.push(format!("{name}: no panel of {metrics:?} has {least}")),
            None => {}
        }
    }
    assert!(seen >= 10, "only {seen} alerts compare with a number");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert_eq!(excepted.len(), NOT_DRAWN.len(), "an exception is needed no more");
}

/// The metrics of each panel, and where its lines or colours begin.
fn limits(board: &Value) -> Vec<(BTreeSet<String>, Vec<f64>)> {
    let of = |panel: Panel<'_>| {
        let queries = panel.targets().map(|target| parse(&at_once(target["expr"].as_str().unwrap())).unwrap());
        let steps = panel.0["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
        (
            queries.flat_map(|query| metrics(&query)).collect(),
            steps.iter().filter_map(|own| own["value"].as_f64()).collect(),
        )
    };
    Panel::all(board).map(of).collect()
}

/// What an expression counts in the end: what is recorded is followed to what it is recorded of.
fn counted(rules: &[Value], expr: &Expr) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in metrics(expr) {
        match rules.iter().find(|rule| rule["record"] == *name) {
            Some(rule) => found.extend(counted(rules, &parse(rule["expr"].as_str().unwrap()).unwrap())),
            None => drop(found.insert(name)),
        }
    }
    found
}

#[test]
fn every_alert_has_its_section_of_the_runbook_in_grafana() {
    let board: Value = serde_json::from_str(&runbook()).unwrap();
    assert_eq!((&board["uid"], &board["editable"]), (&"runbook".into(), &false.into()));
    let panels = board["panels"].as_array().unwrap();
    let content = |panel: &Value| panel["options"]["content"].as_str().unwrap().to_owned();
    for rule in rules::all().iter().filter(|rule| rule["alert"].is_string()) {
        let section = panels.iter().find(|panel| panel["title"] == rule["alert"]);
        assert!(section.is_some_and(|panel| content(panel).len() > 100), "{} has none", rule["alert"]);
    }
    // What leads to another section leads to its panel, and nothing to a file that Grafana does not have.
    let led = content(panels.iter().find(|panel| panel["title"] == "ApiErrorBudgetBurn").unwrap());
    let place = panels.iter().find(|panel| panel["title"] == "DatabaseAway").unwrap()["id"].clone();
    assert!(led.contains(&format!("[DatabaseAway](/d/runbook?viewPanel={place})")), "{led}");
    for panel in panels {
        let targets = content(panel);
        let mut targets = targets.split("](").skip(1);
        assert!(targets.all(|own| own.starts_with("/d/runbook") || own.starts_with("http")), "{}", panel["title"]);
    }
}
