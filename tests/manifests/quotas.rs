//! What the pods ask for, added up, against the quotas of namespace real-world and against a small machine.

use serde_json::Value;
use stack::manifests::file;
use stack::quota::{Namespace, Usage};
use stack::workloads::{Workload, kind, name, namespace, workloads};

use crate::bundles::bundle;

const BLOCKS: &str = "k8s/real-world-rquota-1-blocks.yaml";
const THREE: &str = "k8s/real-world-rquota-2-three.yaml";
const STAYS: &str = "k8s/real-world-rquota.yaml";

/// How many pods of each there are: of the API, of Traefik, of Jobs. Postgres has one.
struct Pods {
    api: i64,
    traefik: i64,
    jobs: i64,
}

/// The namespace and everything in it that makes pods.
fn objects() -> Vec<Value> {
    let all = &bundle("k8s + k8s/real-world-seed.yaml").objects;
    all.iter().filter(|object| namespace(object) == "real-world").cloned().collect()
}

fn spec(of: &str) -> Value {
    let objects = objects();
    let found = workloads(&objects).find(|workload| workload.name() == of);
    found.unwrap_or_else(|| panic!("nothing in real-world is named {of}")).spec().clone()
}

fn sum(pods: &Pods) -> Usage {
    let of = |name: &str, count: i64| &Usage::of_pod(&spec(name)) * count;
    of("real-world", pods.api)
        + &of("db", 1)
        + &of("traefik-ingress-controller", pods.traefik)
        + &of("real-world-seed", pods.jobs)
}

/// Pods, requests of cpu and memory, limits of cpu and memory, as `5 650m 640Mi 3 1280Mi`.
fn row(usage: &Usage) -> String {
    ["pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"].map(|one| usage.text(one)).join(" ")
}

/// Two replicas of the API, Postgres, two of Traefik, as the walkthrough has them before its first quota.
fn two_replicas() -> Namespace {
    let mut place = Namespace::default();
    let services: Vec<Value> = objects().into_iter().filter(|object| kind(object) == "Service").collect();
    place.apply(&services);
    for pod in ["real-world-1", "real-world-2", "db-0", "traefik-ingress-controller-1", "traefik-ingress-controller-2"]
    {
        let (of, _) = pod.rsplit_once('-').unwrap();
        place.create(pod, &spec(of)).unwrap();
    }
    place
}

/// One more replica of the API.
fn scale_to(place: &mut Namespace, replica: usize) -> Result<(), String> {
    place.create(&format!("real-world-{replica}"), &spec("real-world"))
}

/// What is said of the refusal, with the pod's name taken off.
fn refused(result: Result<(), String>) -> String {
    let problem = result.expect_err("it was admitted");
    let (_, said) = problem.split_once(" is forbidden: ").unwrap();
    said.to_owned()
}

/// The resources that a refusal names, each once.
fn exceeded(result: Result<(), String>) -> Vec<String> {
    let problem = refused(result);
    let (_, rest) = problem.split_once("requested: ").unwrap();
    let (requested, _) = rest.split_once(", used: ").unwrap();
    requested.split(',').map(|one| one.split_once('=').unwrap().0.to_owned()).collect()
}

#[test]
fn what_the_pods_ask_for_adds_up() {
    let table = [
        (2, 2, 0, "5 650m 640Mi 3 1280Mi"),
        (3, 2, 0, "6 750m 768Mi 3500m 1536Mi"),
        (4, 2, 0, "7 850m 896Mi 4 1792Mi"),
        (10, 2, 0, "13 1450m 1664Mi 7 3328Mi"),
    ];
    for (api, traefik, jobs, expected) in table {
        assert_eq!(row(&sum(&Pods { api, traefik, jobs })), expected, "{api} replicas of the API");
    }
}

#[test]
fn eighteen_pods_are_ten_a_surge_and_two_that_terminate_with_a_third_traefik_and_a_job() {
    // Ten, one of a rollout, two that terminate, Postgres, three of Traefik, a job.
    assert_eq!(row(&sum(&Pods { api: 13, traefik: 3, jobs: 1 })), "18 1950m 2240Mi 9500m 4480Mi");
}

#[test]
fn the_first_quota_is_less_than_what_is_used_and_refuses_the_third_pod_on_both_requests() {
    let mut place = two_replicas();
    place.apply(&file(BLOCKS));
    let rows = [
        ["limits.cpu", "3", "3500m"],
        ["limits.memory", "1280Mi", "1536Mi"],
        ["pods", "5", "6"],
        ["requests.cpu", "650m", "500m"],
        ["requests.memory", "640Mi", "512Mi"],
        ["services", "4", "5"],
    ];
    assert_eq!(place.describe(), rows.map(|row| row.map(str::to_owned)), "what runs stays");
    assert_eq!(
        refused(scale_to(&mut place, 3)),
        "exceeded quota: real-world-rquota, requested: requests.cpu=100m,requests.memory=128Mi, used: \
         requests.cpu=650m,requests.memory=640Mi, limited: requests.cpu=500m,requests.memory=512Mi"
    );
}

#[test]
fn the_second_quota_holds_three_replicas_exactly_and_refuses_the_fourth() {
    let mut place = two_replicas();
    place.apply(&file(THREE));
    scale_to(&mut place, 3).unwrap();
    for resource in ["limits.cpu", "limits.memory", "pods", "requests.cpu"] {
        let rows = place.describe();
        let row = rows.iter().find(|row| row[0] == resource).unwrap();
        assert_eq!(row[1], row[2], "{resource} is used up");
    }
    assert_eq!(
        refused(scale_to(&mut place, 4)),
        "exceeded quota: real-world-rquota, requested: limits.cpu=500m,limits.memory=256Mi,pods=1,requests.cpu=100m, \
         used: limits.cpu=3500m,limits.memory=1536Mi,pods=6,requests.cpu=750m, \
         limited: limits.cpu=3500m,limits.memory=1536Mi,pods=6,requests.cpu=750m"
    );
}

#[test]
fn the_second_quota_refuses_the_surge_of_a_rollout_of_three() {
    let mut place = two_replicas();
    place.apply(&file(THREE));
    scale_to(&mut place, 3).unwrap();
    let surge = place.create("real-world-of-the-new-set", &spec("real-world"));
    assert_eq!(exceeded(surge), ["limits.cpu", "limits.memory", "pods", "requests.cpu"]);
}

#[test]
fn a_pod_that_terminates_counts_until_it_is_gone() {
    let mut place = two_replicas();
    place.apply(&file(THREE));
    scale_to(&mut place, 3).unwrap();
    scale_to(&mut place, 4).unwrap_err();
    place.remove("real-world-1");
    scale_to(&mut place, 4).unwrap();
}

#[test]
fn between_two_quotas_the_pod_that_was_refused_slips_in() {
    let mut place = two_replicas();
    place.apply(&file(BLOCKS));
    scale_to(&mut place, 3).unwrap_err();
    place.delete_quota();
    scale_to(&mut place, 3).unwrap();
    place.apply(&file(BLOCKS));
    assert_eq!(place.used().text("pods"), "6");
}

#[test]
fn the_third_quota_holds_ten_replicas_a_surge_six_that_terminate_and_a_job() {
    let mut place = two_replicas();
    place.apply(&file(STAYS));
    for replica in 3..=10 + 1 + 6 {
        scale_to(&mut place, replica).unwrap_or_else(|problem| panic!("replica {replica}: {problem}"));
    }
    place.create("real-world-seed-1", &spec("real-world-seed")).unwrap();
    assert_eq!(row(&place.used()), "21 2250m 2688Mi 11 5376Mi");
    place.create("traefik-ingress-controller-3", &spec("traefik-ingress-controller")).unwrap();
    assert_eq!(row(&place.used()), "22 2350m 2752Mi 11500m 5504Mi");
    // And two more that terminate; then it is full.
    scale_to(&mut place, 18).unwrap();
    scale_to(&mut place, 19).unwrap();
    assert_eq!(row(&place.used()), "24 2550m 3008Mi 12500m 6016Mi");
    assert_eq!(exceeded(scale_to(&mut place, 20)), ["limits.memory", "pods", "requests.memory"]);
}

#[test]
fn the_third_quota_holds_what_the_hpa_may_ask_for_while_traefik_is_rolled_out() {
    let hpa = file("k8s/real-world-hpa.yaml").remove(0);
    let most = hpa["spec"]["maxReplicas"].as_u64().unwrap();
    let mut place = two_replicas();
    place.apply(&file(STAYS));
    for replica in 3..=usize::try_from(most).unwrap() {
        scale_to(&mut place, replica).unwrap();
    }
    place.create("traefik-ingress-controller-3", &spec("traefik-ingress-controller")).unwrap();
}

#[test]
fn a_container_that_says_nothing_gets_the_limit_ranges_defaults() {
    let mut place = two_replicas();
    place.apply(&file(STAYS));
    let mut silent = spec("real-world");
    silent["containers"][0].as_object_mut().unwrap().remove("resources");
    let before = place.used();
    place.create("silent", &silent).unwrap();
    assert_eq!(row(&place.used()), row(&(before + &Usage::of_pod(&spec("real-world")))), "as much as one of the API");
}

#[test]
fn a_container_that_says_nothing_is_refused_where_no_limit_range_says_it() {
    let mut place = two_replicas();
    let quota: Vec<Value> = file(STAYS).into_iter().filter(|object| kind(object) == "ResourceQuota").collect();
    place.apply(&quota);
    let mut silent = spec("real-world");
    silent["containers"][0].as_object_mut().unwrap().remove("resources");
    assert_eq!(
        refused(place.create("silent", &silent)),
        "failed quota: real-world-rquota: must specify limits.cpu for: real-world; limits.memory for: real-world; \
         requests.cpu for: real-world; requests.memory for: real-world"
    );
}

#[test]
fn a_container_that_asks_for_more_than_the_limit_range_allows_is_refused_before_the_quota_is_asked() {
    let mut place = two_replicas();
    place.apply(&file(BLOCKS));
    let mut greedy = spec("real-world");
    greedy["containers"][0]["resources"]["limits"]["cpu"] = "2".into();
    greedy["containers"][0]["resources"]["limits"]["memory"] = "1Gi".into();
    assert_eq!(
        refused(place.create("greedy", &greedy)),
        "[maximum cpu usage per Container is 1, but limit is 2, \
         maximum memory usage per Container is 512Mi, but limit is 1Gi]"
    );
}

#[test]
fn every_stage_has_the_same_limit_range() {
    let limits = |path: &str| file(path).into_iter().find(|object| kind(object) == "LimitRange").unwrap();
    for path in [BLOCKS, THREE] {
        assert_eq!(limits(path), limits(STAYS), "{path} and {STAYS}");
    }
}

#[test]
fn everything_tiny_fits_beside_a_cluster_on_two_cores() {
    /// What kind leaves of two cores for pods: its own ask for 950m.
    const LEFT: i64 = 2000 - 950;
    let tiny = &bundle("overlays/kind + k8s/components/tiny").objects;
    let replicas = |workload: Workload<'_>| match workload.name() {
        "real-world" => 10 + 1,
        _ => workload.0["spec"]["replicas"].as_i64().unwrap_or_else(|| panic!("{} says no number", workload.id())),
    };
    let sums = workloads(tiny).map(|workload| &Usage::of_pod(workload.spec()) * replicas(workload));
    let all = sums.fold(Usage::default(), |sum, one| sum + &one);
    assert!(all.get("requests.cpu") <= LEFT, "its pods ask for {} of {LEFT}m", all.text("requests.cpu"));
    assert_eq!(all.text("requests.cpu"), "850m");
}

#[test]
fn the_critical_pods_of_the_adapter_fit_its_own_quota() {
    for bundle in crate::bundles::all() {
        let Some(adapter) = workloads(&bundle.objects).find(|workload| workload.name() == "metrics-adapter") else {
            continue;
        };
        let quota = bundle.objects.iter().find(|object| name(object) == "metrics-adapter-critical-pods").unwrap();
        let replicas = adapter.0["spec"]["replicas"].as_i64().unwrap();
        // All of them at once replaced by new ones.
        assert!(Usage::of_quota(quota).get("pods") > 2 * replicas, "{}: {replicas} and a rollout", bundle.name);
    }
}
