use std::time::Duration;

use crate::config::Config;
use crate::model::Resource;

#[test]
fn a_metric_that_is_promql_stands_beside_one_that_is_scraped() {
    let config = Config::parse(
        "metrics:\n- {name: a, query: 'sum by (namespace, pod) (rate(a_total[2m]))'}\n- {name: b, series: b, type: gauge}\n\
         - name: c\n  query: max by (ns, ing) (c)\n  resources: {ns: ns, ing: ingress.networking.k8s.io}\n  allowNegative: true\n  \
         description: as it is\n- {name: d, query: d, resources: {node: no}}\n- {name: e, query: e, resources: {team: namespace}}\n",
    )
    .unwrap();
    assert_eq!(config.rules.len(), 1);
    let read: Vec<_> = config
        .queries
        .iter()
        .map(|own| {
            let labels = own.labels.iter().map(|(label, resource)| format!("{label}={resource}"));
            (&*own.name, own.namespace_label.as_deref(), labels.collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(
        read,
        [
            ("a", Some("namespace"), "namespace=namespaces pod=pods".to_owned()),
            ("c", Some("ns"), "ns=namespaces ing=ingresses.networking.k8s.io".to_owned()),
            ("d", None, "node=nodes".to_owned()),
            ("e", Some("team"), "team=namespaces".to_owned()),
        ]
    );
    let [first, second, ..] = config.queries.as_slice() else { panic!("there are four") };
    assert_eq!(&*first.question.query, "sum by (namespace, pod) (rate(a_total[2m]))");
    assert_eq!((first.question.window, first.allow_negative), (Duration::from_mins(2), false));
    assert_eq!((second.allow_negative, second.description.as_deref()), (true, Some("as it is")));
    assert_eq!(first.labels[1].1, Resource::named("pods").unwrap());
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn external_metrics_are_queries_that_every_namespace_sees_unless_a_label_says_whose_they_are() {
    let config = Config::parse(
        "externalMetrics:\n- {name: a, query: 'sum by (queue) (a)'}\n- {name: b, query: 'b[5m]', namespaceLabel: ns, \
         allowNegative: true, description: b}\n",
    )
    .unwrap();
    assert_eq!(config.rules.len(), 1, "the default stays");
    let [first, second] = config.external_queries.as_slice() else { panic!("there are two") };
    assert_eq!((&*first.name, &first.namespace_label, first.allow_negative), ("a", &None, false));
    assert_eq!((second.namespace_label.as_deref(), second.allow_negative), (Some("ns"), true));
    assert_eq!((second.question.window, second.description.as_deref()), (Duration::from_mins(5), Some("b")));
}

#[test]
fn every_mistake_is_named_with_its_line_and_what_to_write_instead() {
    let either =
        "a metric is either scraped, by `series` and `type`, or asked of Prometheus, by `query` and `resources`";
    let table = [
        ("{name: a, query: b, series: c, type: gauge}", format!("line 2, column 3: metrics[0]: `series` and `query`: {either}")),
        ("{name: a, query: b, window: 10s}", format!("line 2, column 3: metrics[0]: `window` and `query`: {either}")),
        ("{name: a, series: b, type: gauge, resources: {pod: pods}}", format!("line 2, column 3: metrics[0]: `series` and `resources`: {either}")),
        ("{name: a}", format!("line 2, column 3: metrics[0]: neither `series` nor `query`: {either}")),
        ("{name: a, qeury: b}", "line 2, column 13: metrics[0].qeury: unknown key; did you mean `query`?".to_owned()),
        ("{name: a, resources: {pod: pods}}", "line 2, column 3: metrics[0]: `query` is missing".to_owned()),
        ("{name: a, query: ' '}", "line 2, column 20: metrics[0].query: is empty".to_owned()),
        ("{name: a-b, query: c}", "line 2, column 10: metrics[0].name: `a-b` is not a metric's name: letters, digits, `_` and `:`, and no digit first".to_owned()),
        ("{name: a, query: b, resources: {}}", "line 2, column 34: metrics[0].resources: names no label; write one, as {namespace: namespaces, pod: pods}".to_owned()),
        ("{name: a, query: b, resources: {x: podd}}", "line 2, column 38: metrics[0].resources.x: `podd` is no resource; did you mean `pod`?".to_owned()),
        (
            "{name: a, query: b, resources: {x: widgets.example.com}}",
            "line 2, column 38: metrics[0].resources.x: `widgets.example.com` is no resource; one of Kubernetes' own is needed here; others can be named in `rules`, by `resources.overrides`".to_owned(),
        ),
        ("{name: a, query: b, resources: {x: pods, x: nodes}}", "line 2, column 44: metrics[0].resources.x: given twice, first in line 2".to_owned()),
        ("{name: a, query: b}\n- {name: a, series: c, type: gauge}", "line 3, column 3: metrics[1]: `a` is served by the rule in line 2 already".to_owned()),
    ];
    let said = table.map(|(text, message)| (Config::parse(&format!("metrics:\n- {text}\n")).unwrap_err(), message));
    let wrong: Vec<_> = said.iter().filter(|(said, message)| said != message).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let table = [
        ("{name: a}", "line 2, column 3: externalMetrics[0]: `query` is missing"),
        (
            "{name: a, query: b, resources: {}}",
            "line 2, column 23: externalMetrics[0].resources: unknown key; known here: name, query, namespaceLabel, allowNegative, description",
        ),
        ("{name: a, query: b, namespaceLabel: ''}", "line 2, column 39: externalMetrics[0].namespaceLabel: is empty"),
        (
            "{name: a, query: b}\n- {name: a, query: c}",
            "line 3, column 3: externalMetrics[1]: `a` is served by the rule in line 2 already",
        ),
    ];
    for (text, message) in table {
        assert_eq!(Config::parse(&format!("externalMetrics:\n- {text}\n")).unwrap_err(), message);
    }
}
