//! What one metric proposes, and what several do.

use std::sync::Arc;
use std::time::Duration;

use rehearsal::autoscaler::{
    Api, Autoscaler, ConditionType, Current, Options, Phase, Pod, PodReadings, Readiness, Reading, Sample, Scale,
    Unmeasured,
};

use crate::world::*;

#[test]
fn the_mean_over_pods_is_compared_with_the_threshold() {
    for (load, expected) in [(50, 4), (54, 4), (55, 4), (56, 5), (45, 4), (44, 4), (100, 8), (400, 8)] {
        let decision = first(hpa(REQUESTS), 4, &pods(4), &[each(4, load)]);
        assert_eq!(decision.desired, expected, "{load} requests a second each");
    }
    // Downwards the history of a fresh object holds it at its size.
    let decision = first(hpa(REQUESTS), 4, &pods(4), &[each(4, 10)]);
    assert_eq!(decision.desired, 4);
    assert_eq!(reason(&decision, ConditionType::AbleToScale), ("ScaleDownStabilized", true));
    assert_eq!(decision.proposals[0].as_ref().unwrap().replicas, 1);
}

#[test]
fn utilization_is_a_whole_percentage_of_what_pods_request() {
    // 109 of 200 millicores are 54.5 %, which is taken for 54: within the tolerance of 50.
    let decision = first(hpa(CPU), 2, &pods(2), &[values(&[Some(55), Some(54)])]);
    let proposal = decision.proposals[0].as_ref().unwrap();
    assert_eq!((proposal.replicas, proposal.current), (2, Current::Utilization(54, 54)));
    let decision = first(hpa(CPU), 2, &pods(2), &[values(&[Some(60), Some(52)])]);
    assert_eq!(decision.desired, 3, "56 % of 50 % and two pods are 2.24");
}

#[test]
fn one_container_alone_can_be_looked_at() {
    let spec = "  metrics: [{type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 50}}}]\n";
    let decision = first(hpa(spec), 2, &pods(2), &[each(2, 0)].map(|_| values(&[Some(80), Some(80)])));
    assert_eq!(decision.desired, 4, "80 of the 80 millicores that `app` requests");
    assert_eq!(
        decision.events,
        ["New size: 4; reason: cpu container resource utilization (percentage of request) above target"]
    );
    let spec = spec.replace("container: app", "container: nobody");
    let decision = first(hpa(&spec), 2, &pods(2), &[values(&[Some(80), Some(80)])]);
    assert_eq!(decision.events[0], "failed to get cpu utilization: container nobody not found in Pod web-0");
    assert_eq!(reason(&decision, ConditionType::ScalingActive), ("FailedGetContainerResourceMetric", false));
}

#[test]
fn a_containers_mean_is_named_as_a_pods() {
    let spec = "  metrics: [{type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: AverageValue, averageValue: 50m}}}]\n";
    let decision = first(hpa(spec), 2, &pods(2), &[values(&[Some(80), Some(80)])]);
    assert_eq!(decision.events, ["New size: 4; reason: cpu resource above target"], "the controller's own slip");
    let decision = first(hpa(spec), 2, &pods(2), &[missing()]);
    let error = "invalid metrics (1 invalid out of 1), first error is: failed to get app container metric value: failed to get cpu usage";
    assert!(decision.events[1].starts_with(error), "{:?}", decision.events);
}

#[test]
fn a_pod_without_the_request_fails_the_metric() {
    let mut bare = pods(2);
    bare[1].containers = Arc::new([rehearsal::autoscaler::Container { name: "app".into(), requests: Vec::new() }]);
    let decision = first(hpa(CPU), 2, &bare, &[values(&[Some(80), Some(80)])]);
    assert_eq!(
        decision.events[0],
        "failed to get cpu utilization: missing request for cpu in container app of Pod web-1"
    );
    assert_eq!(decision.desired, 2);
}

#[test]
fn pods_without_a_value_hold_every_change_back() {
    // Up: the missing pod counts as 0. 2 x 100 over three pods are 67 each, 1.33 of 50: 4.
    let decision = first(hpa(REQUESTS), 3, &pods(3), &[values(&[Some(100_000), None, Some(100_000)])]);
    assert_eq!(decision.desired, 4);
    // It would turn the direction round: nothing.
    let decision = first(hpa(REQUESTS), 4, &pods(4), &[values(&[Some(80_000), None, None, Some(60_000)])]);
    assert_eq!(decision.desired, 4);
    // Down: as the threshold. (10 + 10 + 50) / 3 are 23 each: 0.47 x 3 are 2.
    let decision = first(hpa(REQUESTS), 3, &pods(3), &[values(&[Some(10_000), None, Some(10_000)])]);
    assert_eq!(decision.proposals[0].as_ref().unwrap().replicas, 2);
    // Utilization, down: as all that is requested. (10 + 10 + 100) of 300 are 40 %, 0.8 x 3 are 3.
    let decision = first(hpa(CPU), 3, &pods(3), &[values(&[Some(10), None, Some(10)])]);
    assert_eq!(decision.proposals[0].as_ref().unwrap().replicas, 3);
    // Where more than all is aimed at, as that: (10 + 10 + 200) of 300 are 73 %, of 200 %: 0.365 x 3 are 2.
    let spec = CPU.replace("averageUtilization: 50", "averageUtilization: 200");
    let decision = first(hpa(&spec), 3, &pods(3), &[values(&[Some(10), None, Some(10)])]);
    assert_eq!(decision.proposals[0].as_ref().unwrap().replicas, 2);
    // At exactly the threshold they do not count at all.
    let decision = first(hpa(REQUESTS), 3, &pods(3), &[values(&[Some(50_000), None, Some(50_000)])]);
    assert_eq!(decision.proposals[0].as_ref().unwrap().replicas, 3);
}

#[test]
fn pods_that_wait_for_a_node_count_as_zero_on_the_way_up_and_not_at_all_on_the_way_down() {
    let mut three = pods(2);
    three.push(pending("web-2"));
    let up = first(hpa(REQUESTS), 3, &three, &[values(&[Some(200_000), Some(200_000), None])]);
    assert_eq!(up.desired, 6, "400 over three pods are 133 each, 2.67 x 3 are 8, at most twice three");
    assert_eq!(up.proposals[0].as_ref().unwrap().replicas, 8);
    let down = first(hpa(REQUESTS), 3, &three, &[values(&[Some(10_000), Some(10_000), None])]);
    assert_eq!(down.proposals[0].as_ref().unwrap().replicas, 1, "0.2 x 2 pods");
}

#[test]
fn pods_that_go_away_or_failed_do_not_count_even_with_a_value() {
    let mut four = pods(4);
    four[2].deleted = true;
    four[3].phase = Phase::Failed;
    let decision =
        first(hpa(REQUESTS), 2, &four, &[values(&[Some(100_000), Some(100_000), Some(900_000), Some(900_000)])]);
    assert_eq!(decision.desired, 4, "100 each of two pods");
}

#[test]
fn values_of_strangers_count_which_is_why_adapters_must_not_send_them() {
    let reading = PodReadings { of: vec![None, None], strangers: vec![400_000] };
    let decision = first(hpa(REQUESTS), 2, &pods(2), &[Ok(Reading::Pods(reading))]);
    assert_eq!(decision.desired, 4, "400 over three entries are 133: 2.67 x 3 are 8, at most four");
}

/// A pod that became ready some seconds ago, and what its CPU was measured to be, some seconds ago.
fn young(ready: impl Into<Option<bool>>, started: i64, since: i64, measured: i64) -> (Pod, Option<Sample>) {
    let pod = Pod {
        started: Some(at(started)),
        readiness: Some(Readiness { ready: ready.into(), since: at(since) }),
        ..pod("web-1")
    };
    (pod, Some(Sample { milli: 100, at: at(measured), window: Duration::from_secs(15) }))
}

#[test]
fn the_cpu_of_a_start_does_not_count() {
    let counts = |(pod, sample): (Pod, Option<Sample>)| {
        let old = Sample { milli: 100, at: at(0), window: Duration::from_secs(15) };
        let reading = PodReadings { of: vec![Some(old), sample], strangers: Vec::new() };
        let decision = first(hpa(CPU), 2, &[pods(1).remove(0), pod], &[Ok(Reading::Pods(reading))]);
        // Both at 100 % of 50 %: four. One alone, the other as 0: within the tolerance, two.
        match decision.desired {
            4 => true,
            2 => false,
            other => panic!("{other}: {decision:?}"),
        }
    };
    assert!(counts(young(true, -290, -280, 0)), "ready, and measured over a window since");
    assert!(!counts(young(true, -290, -10, 0)), "its window began before it was ready");
    assert!(counts(young(true, -290, -15, 0)), "a window to the second");
    assert!(!counts(young(false, -290, -280, 0)), "unready within five minutes of its start");
    assert!(!counts(young(false, -3600, -3580, 0)), "never ready since its start");
    assert!(counts(young(false, -3600, -100, 0)), "it was ready once");
    assert!(counts(young(None, -290, -280, 0)), "whose node is silent is not unready");
    assert!(counts(young(true, -301, -10, 0)), "after five minutes only its readiness counts");
    let (pod, sample) = young(true, -290, -280, 0);
    assert!(!counts((Pod { readiness: None, ..pod.clone() }, sample)), "without the condition");
    assert!(!counts((Pod { started: None, ..pod }, sample)), "without a start");
}

#[test]
fn memory_and_custom_metrics_of_young_pods_count() {
    let spec =
        "  metrics: [{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100}}}]\n";
    let (pod, sample) = young(false, -20, -20, 0);
    let reading =
        PodReadings { of: vec![sample.map(|sample| Sample { milli: 400_000, ..sample })], strangers: Vec::new() };
    let decision = first(hpa(spec), 1, &[pod], &[Ok(Reading::Pods(reading))]);
    assert_eq!(decision.desired, 4);
    assert_eq!(decision.events, ["New size: 4; reason: memory resource above target"]);
}

const OBJECT: &str = "  metrics: [{type: Object, object: {describedObject: {apiVersion: v1, kind: Service, name: web}, metric: {name: rps}, target: {type: Value, value: 100}}}]\n";

#[test]
fn a_value_is_multiplied_with_the_ready_pods() {
    let mut four = pods(4);
    four[3].readiness = Some(Readiness { ready: Some(false), since: at(-5) });
    let decision = first(hpa(OBJECT), 4, &four, &[total(200)]);
    assert_eq!(decision.desired, 6, "twice the three that are ready");
    assert_eq!(decision.events, ["New size: 6; reason: Service metric rps above target"]);
    assert_eq!(decision.proposals[0].as_ref().unwrap().current, Current::Value(200_000));
    let decision = first(hpa(OBJECT), 4, &[], &[total(200)]);
    assert_eq!(
        decision.events[0],
        "unable to calculate ready pods: no pods returned by selector while calculating replica count"
    );
}

#[test]
fn an_average_value_is_divided_by_the_replicas_there_are() {
    let spec = OBJECT.replace("{type: Value, value: 100}", "{type: AverageValue, averageValue: 100}");
    let decision = first(hpa(&spec), 4, &pods(4), &[total(650)]);
    assert_eq!(decision.desired, 7);
    assert_eq!(decision.proposals[0].as_ref().unwrap().current, Current::AverageValue(162_500));
    assert_eq!(
        decision.events,
        ["New size: 7; reason: external metric rps(nil) above target"],
        "the controller's own slip"
    );
    let decision = first(hpa(&spec), 4, &pods(4), &[total(430)]);
    assert_eq!(decision.desired, 4, "within the tolerance");
}

#[test]
fn external_values_are_added_up() {
    let spec = "  metrics: [{type: External, external: {metric: {name: jobs, selector: {matchLabels: {queue: mail}, matchExpressions: [{key: env, operator: In, values: [prod, dev]}]}}, target: {type: AverageValue, averageValue: 100}}}]\n";
    let totals = |values: &[i64]| Ok(Reading::Totals(values.to_vec()));
    let decision = first(hpa(spec), 4, &pods(4), &[totals(&[300_000, 400_000])]);
    assert_eq!(decision.desired, 7);
    assert_eq!(
        decision.events,
        ["New size: 7; reason: external metric jobs(&LabelSelector{MatchLabels:map[string]string{queue: mail,},\
          MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:env,Operator:In,Values:[prod dev],},},}) above target"]
    );
    let decision = first(hpa(spec), 4, &pods(4), &[totals(&[-1])]);
    assert_eq!(
        decision.desired, 8,
        "a negative sum is taken for an overflow: to the maximum, at twice the size a time"
    );
    let spec = spec.replace("{type: AverageValue, averageValue: 100}", "{type: Value, value: 100}");
    let decision = first(hpa(&spec), 4, &pods(4), &[totals(&[100_000, 50_000])]);
    assert_eq!(decision.desired, 6, "1.5 x 4");
}

#[test]
fn the_largest_proposal_wins() {
    let both = format!("{}{}", REQUESTS.trim_end().trim_end_matches(']'), CPU.replace("  metrics: [", ", "));
    let decision = first(hpa(&both), 3, &pods(3), &[each(3, 75), values(&[Some(100), Some(100), Some(100)])]);
    assert_eq!(decision.desired, 6, "CPU asks for six, requests for five");
    assert_eq!(decision.events, ["New size: 6; reason: cpu resource utilization (percentage of request) above target"]);
}

#[test]
fn a_failing_metric_lets_it_grow_and_not_shrink() {
    let both = hpa(&format!("{}{}", REQUESTS.trim_end().trim_end_matches(']'), CPU.replace("  metrics: [", ", ")));
    let failed = || Err(Unmeasured::Fetch { api: Api::Resource, cause: "the server is away".to_owned() });
    let up = first(both.clone(), 3, &pods(3), &[each(3, 75), failed()]);
    assert_eq!(up.desired, 5);
    let message = "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server is away";
    assert_eq!(up.events, [message, "New size: 5; reason: pods metric rps above target"]);
    assert_eq!(reason(&up, ConditionType::ScalingActive), ("ValidMetricFound", true));
    let down = first(both.clone(), 3, &pods(3), &[each(3, 5), failed()]);
    assert_eq!(down.desired, 3);
    assert_eq!(reason(&down, ConditionType::ScalingActive), ("FailedGetResourceMetric", false));
    let error = format!(
        "invalid metrics (1 invalid out of 2), first error is: failed to get cpu resource metric value: {message}"
    );
    assert_eq!(down.events, [message.to_owned(), error]);
    let none = first(both, 3, &pods(3), &[missing(), failed()]);
    assert_eq!(none.desired, 3);
    assert_eq!(
        reason(&none, ConditionType::ScalingActive),
        ("FailedGetPodsMetric", false),
        "the first failure is told"
    );
    assert_eq!(none.events[0], "unable to get metric rps: no metrics returned from custom metrics API");
}

#[test]
fn it_recovers_from_a_failure_by_itself() {
    let mut autoscaler = Autoscaler::new(hpa(REQUESTS), Options::default());
    let scale = Scale { spec_replicas: 2, status_replicas: 2 };
    let gone = autoscaler.sync(scale, &pods(2), &[missing()], at(0));
    assert!(
        gone.why().starts_with("FailedGetPodsMetric: the HPA was unable to compute the replica count"),
        "{}",
        gone.why()
    );
    let back = autoscaler.sync(scale, &pods(2), &[each(2, 100)], at(15));
    assert_eq!(back.desired, 4);
    assert_eq!(reason(&back, ConditionType::ScalingActive), ("ValidMetricFound", true));
}

#[test]
fn without_metrics_an_object_is_one_on_cpu_at_eighty_percent() {
    let decision = first(hpa(""), 1, &pods(1), &[values(&[Some(160)])]);
    assert_eq!(decision.desired, 2);
    assert_eq!(decision.events, ["New size: 2; reason: cpu resource utilization (percentage of request) above target"]);
}
