//! How fast, and within which limits.

use rehearsal::autoscaler::ConditionType::{AbleToScale, ScalingActive, ScalingLimited};
use rehearsal::autoscaler::{Autoscaler, Options, Scale};

use crate::world::*;

fn behavior(text: &str) -> String {
    format!("{REQUESTS}  behavior: {text}\n")
}

#[test]
fn without_behavior_it_grows_to_twice_the_size_or_four() {
    let decision = first(hpa(REQUESTS), 1, &pods(1), &[each(1, 500)]);
    assert_eq!(decision.desired, 4);
    assert_eq!(reason(&decision, ScalingLimited), ("ScaleUpLimit", true));
    let decision = first(hpa(REQUESTS), 3, &pods(3), &[each(3, 500)]);
    assert_eq!(decision.desired, 6);
    let decision = first(hpa(REQUESTS), 6, &pods(6), &[each(6, 500)]);
    assert_eq!(decision.desired, 10);
    assert_eq!(reason(&decision, ScalingLimited), ("TooManyReplicas", true));
    assert_eq!(reason(&decision, AbleToScale), ("SucceededRescale", true));
}

#[test]
fn without_behavior_it_shrinks_after_five_minutes_all_at_once() {
    let mut following = Following::new(hpa(REQUESTS), 8);
    assert_eq!(following.sizes(0, &[40; 20]), [8; 20], "0 s to 285 s");
    assert_eq!(following.sync(300, 40).desired, 8, "the first recommendation is exactly five minutes old, and counts");
    let decision = following.sync(315, 40);
    assert_eq!(decision.desired, 1);
    assert_eq!(decision.events, ["New size: 1; reason: All metrics below target"]);
}

#[test]
fn a_lull_that_is_shorter_than_the_window_is_none() {
    let mut following = Following::new(hpa(REQUESTS), 8);
    following.sizes(0, &[40; 15]);
    assert_eq!(following.sync(225, 400).desired, 8, "the load is back");
    let sizes = following.sizes(240, &[40; 20]);
    assert_eq!(sizes, [8; 20], "the window begins anew");
}

#[test]
fn outside_of_its_limits_it_is_moved_into_them_without_a_look_at_metrics() {
    let decision = first(hpa(&format!("  minReplicas: 3\n{REQUESTS}")), 1, &pods(1), &[missing()]);
    assert_eq!(
        (decision.desired, decision.events.as_slice()),
        (3, ["New size: 3; reason: Current number of replicas below Spec.MinReplicas".to_owned()].as_slice())
    );
    let decision = first(hpa(REQUESTS), 12, &pods(12), &[missing()]);
    assert_eq!(
        (decision.desired, decision.events.as_slice()),
        (10, ["New size: 10; reason: Current number of replicas above Spec.MaxReplicas".to_owned()].as_slice())
    );
    assert!(decision.proposals.is_empty());
}

#[test]
fn at_zero_it_is_switched_off_unless_zero_is_its_minimum() {
    let decision = first(hpa(REQUESTS), 0, &[], &[missing()]);
    assert_eq!(decision.desired, 0);
    assert_eq!(reason(&decision, ScalingActive), ("ScalingDisabled", false));
    // The feature gate HPAScaleToZero lets the API server take such an object.
    let spec = "  metrics: [{type: External, external: {metric: {name: jobs}, target: {type: Value, value: 100}}}]\n";
    let to_zero = || rehearsal::autoscaler::Hpa { min_replicas: 0, ..hpa(spec) };
    assert_eq!(first(to_zero(), 0, &[], &[total(250)]).desired, 3);
    assert_eq!(first(to_zero(), 0, &[], &[total(0)]).desired, 0);
}

#[test]
fn fewer_than_the_minimum_are_never_left() {
    let mut following = Following::new(hpa(&format!("  minReplicas: 2\n{REQUESTS}")), 3);
    following.sizes(0, &[3; 21]);
    let decision = following.sync(315, 3);
    assert_eq!(decision.desired, 2);
    assert_eq!(reason(&decision, ScalingLimited), ("TooFewReplicas", true));
}

#[test]
fn what_behavior_leaves_out_is_filled_in() {
    // Up without a window: 100 % or four pods in 15 s. Down: 100 % in 15 s after the controller's window.
    let mut following = Following::new(hpa(&behavior("{scaleDown: {tolerance: 0.2}}")), 1);
    assert_eq!(following.sizes(0, &[900, 900]), [5, 10]);
    let mut following = Following::new(hpa(&behavior("{scaleUp: {selectPolicy: Min}}")), 1);
    assert_eq!(following.sizes(0, &[900, 900, 900]), [2, 4, 8], "the smaller of one and four more");
    following.sizes(45, &[10; 21]);
    assert_eq!(following.replicas, 1, "300 s after the last recommendation of ten");
}

#[test]
fn policies_count_what_was_changed_within_their_period() {
    let spec = behavior("{scaleUp: {policies: [{type: Pods, value: 2, periodSeconds: 60}]}}");
    let mut following = Following::new(hpa(&spec), 2);
    assert_eq!(following.sizes(0, &[900; 4]), [4, 4, 4, 4], "two in a minute");
    assert_eq!(reason(&following.sync(59, 900), ScalingLimited), ("ScaleUpLimit", true));
    assert_eq!(following.sync(60, 900).desired, 6, "a minute later two more");
}

#[test]
fn percentages_round_up_on_the_way_up_and_are_cut_on_the_way_down() {
    let spec = behavior("{scaleUp: {policies: [{type: Percent, value: 10, periodSeconds: 15}]}}");
    assert_eq!(Following::new(hpa(&spec), 1).sizes(0, &[900, 900, 900]), [2, 3, 4], "10 % of one is one");
    let spec = behavior(
        "{scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 50, periodSeconds: 15}]}}",
    );
    assert_eq!(
        Following::new(hpa(&spec), 9).sizes(0, &[0, 0, 0, 0, 0]),
        [4, 2, 1, 1, 1],
        "half of nine is four and a half"
    );
}

#[test]
fn the_policy_that_is_selected_wins() {
    let policies =
        "policies: [{type: Pods, value: 1, periodSeconds: 15}, {type: Percent, value: 100, periodSeconds: 15}]";
    let up = |select: &str| {
        let spec = behavior(&format!("{{scaleUp: {{selectPolicy: {select}, {policies}}}}}"));
        Following::new(hpa(&spec), 4).sync(0, 900)
    };
    assert_eq!([up("Max").desired, up("Min").desired, up("Disabled").desired], [8, 5, 4]);
    assert_eq!(reason(&up("Disabled"), ScalingLimited), ("ScaleUpLimit", true));
    let down = |select: &str| {
        let spec =
            behavior(&format!("{{scaleDown: {{stabilizationWindowSeconds: 0, selectPolicy: {select}, {policies}}}}}"));
        Following::new(hpa(&spec), 4).sync(0, 0)
    };
    // All pods may go at once; one replica is the least.
    assert_eq!([down("Max").desired, down("Min").desired, down("Disabled").desired], [1, 3, 4]);
    assert_eq!(reason(&down("Min"), ScalingLimited), ("ScaleDownLimit", true));
}

#[test]
fn what_went_down_may_come_up_again() {
    let spec = behavior(
        "{scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}, scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 3, periodSeconds: 60}]}}",
    );
    let mut following = Following::new(hpa(&spec), 6);
    assert_eq!(following.sync(0, 0).desired, 3);
    assert_eq!(following.sync(15, 900).desired, 7, "the period began with six");
}

#[test]
fn changes_of_a_disabled_direction_count_for_the_other_one() {
    // Its size is changed by hand twice, beyond the maximum: down to it by force, though down is disabled.
    let spec = behavior(
        "{scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}, \
          scaleDown: {selectPolicy: Disabled, policies: [{type: Pods, value: 1, periodSeconds: 60}]}}",
    );
    let mut following = Following::new(hpa(&spec), 12);
    assert_eq!(following.sync(0, 900).desired, 10);
    following.replicas = 13;
    assert_eq!(following.sync(15, 900).desired, 10);
    following.replicas = 6;
    assert_eq!(
        following.sync(30, 900).desired,
        10,
        "the period began with 6 + 2 + 3 replicas, and one more is allowed"
    );
}

#[test]
fn a_window_upwards_takes_the_lowest_recommendation() {
    let spec = behavior("{scaleUp: {stabilizationWindowSeconds: 60}}");
    let mut following = Following::new(hpa(&spec), 2);
    assert_eq!(following.sizes(0, &[300, 400, 200, 900]), [2, 2, 2, 2]);
    assert_eq!(reason(&following.sync(59, 900), AbleToScale), ("ScaleUpStabilized", true));
    assert_eq!(following.sync(61, 900).desired, 4, "the lowest within a minute, 200 requests, asks for four");
}

#[test]
fn a_window_downwards_takes_the_highest_recommendation() {
    let spec = behavior(
        "{scaleDown: {stabilizationWindowSeconds: 60, policies: [{type: Percent, value: 100, periodSeconds: 15}]}}",
    );
    let mut following = Following::new(hpa(&spec), 8);
    assert_eq!(following.sizes(0, &[300, 200, 100]), [8, 8, 8]);
    assert_eq!(
        following.sync(61, 50).desired,
        4,
        "the object's first size is out, and 300 requests, at the same moment; 200 ask for four"
    );
}

#[test]
fn tolerance_can_be_set_for_each_direction() {
    let load = |spec: &str, each_pod: i64| {
        first(hpa(spec), 4, &pods(4), &[each(4, each_pod)]).proposals[0].as_ref().unwrap().replicas
    };
    let up = behavior("{scaleUp: {tolerance: 0.3}}");
    assert_eq!([load(&up, 64), load(&up, 66), load(&up, 44)], [4, 6, 4]);
    let down = behavior("{scaleDown: {tolerance: 0}}");
    assert_eq!([load(&down, 37), load(&down, 54)], [3, 4]);
    let strict = behavior("{scaleUp: {tolerance: 0}}");
    assert_eq!(load(&strict, 51), 5);
}

#[test]
fn a_faster_clock_has_shorter_windows_and_policies() {
    let spec = behavior(
        "{scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Percent, value: 50, periodSeconds: 60}]}}",
    );
    let mut autoscaler = Autoscaler::new(hpa(&spec).paced(5.0), Options::default().paced(5.0));
    let mut replicas = 8;
    let mut sizes = Vec::new();
    for number in 0..40 {
        let scale = Scale { spec_replicas: replicas, status_replicas: replicas };
        let count = usize::try_from(replicas).unwrap();
        replicas = autoscaler.sync(scale, &pods(count), &[each(count, 1)], at(3 * number)).desired;
        sizes.push(replicas);
    }
    assert_eq!(sizes[..20], [8; 20], "less than a minute");
    assert_eq!(sizes[20..28], [4, 4, 4, 4, 2, 2, 2, 2], "then half every twelve seconds");
    assert_eq!(sizes[28], 1);
}

#[test]
fn the_history_stays_as_small_as_its_windows() {
    let mut following = Following::new(hpa(&behavior("{scaleDown: {stabilizationWindowSeconds: 60}}")), 4);
    let before = format!("{:?}", {
        following.sizes(0, &[200; 10]);
        &following.autoscaler
    })
    .len();
    following.sizes(150, &[200; 2000]);
    let after = format!("{:?}", following.autoscaler).len();
    assert!(after < before + 200, "{before} to {after} characters");
}
