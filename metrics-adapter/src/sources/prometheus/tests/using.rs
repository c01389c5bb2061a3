use super::stub::{Reply, Request, Stub, status, vector};
use super::*;
use crate::cluster::{Builder, Containers, Node, Pod};
use crate::model::{Absence, Labels, Usage};
use crate::store::PodUsage;

const RESOURCES: &str = "resources: {overrides: {instance: {resource: node}, namespace: {resource: namespace}, pod: {resource: pod}}}, containerLabel: container";

fn rules() -> String {
    let rule = |name: &str| {
        let query = |of: &str| format!("'sum by (<<.GroupBy>>) ({name}_{of}{{<<.LabelMatchers>>}})'");
        format!("{{containerQuery: {}, nodeQuery: {}, {RESOURCES}}}", query("container"), query("node"))
    };
    format!("resourceRules:\n  cpu: {}\n  memory: {}\n  window: 3m\n", rule("cpu"), rule("memory"))
}

/// What must be named where one question cannot be about all.
fn view() -> View {
    let mut builder = Builder::default();
    for (key, name) in (1..).zip(["web-1", "web-2", "web-3"]) {
        let pod = Pod {
            key,
            namespace: "shop".into(),
            name: name.into(),
            labels: Labels::default(),
            container: None,
            containers: Containers::default(),
            ready: true,
            node: None,
            target: None,
            problem: None,
        };
        builder.pod(Arc::new(pod), Vec::new());
    }
    for name in ["node-1", "node-2"] {
        let (labels, addresses) = (Labels::default(), Vec::new());
        builder.node(Node { name: name.into(), labels, addresses, kubelet_port: None });
    }
    builder.build()
}

fn container(pod: &str, name: &str) -> String {
    format!(r#""namespace":"shop","pod":"{pod}","container":"{name}""#)
}

/// Answers by the beginning of the series' name.
fn used(request: &Request) -> Reply {
    let (good, odd) = (container("web-1", "web"), container("web-1", "agent"));
    let (half, negative) = (container("web-2", "web"), container("web-3", "web"));
    let of_pod = container("web-1", "");
    let about = |what: &str| request.query().contains(what);
    if about("cpu_container") {
        vector(&[(&good, "0.25"), (&odd, "NaN"), (&half, "1"), (&negative, "-1"), (&of_pod, "9")])
    } else if about("memory_container") {
        vector(&[(&good, "1048576.4"), (&odd, "1"), (&negative, "1"), (&of_pod, "9")])
    } else if about("cpu_node") {
        vector(&[(r#""instance":"node-1""#, "1.5"), (r#""instance":"node-1","x":"y""#, "8"), ("", "1")])
    } else {
        vector(&[(r#""instance":"node-1""#, "4096"), (r#""instance":"node-2""#, "1")])
    }
}

/// Nanocores and bytes.
type Numbers = Result<(u64, u64), Absence>;

fn of_pod(usage: &PodUsage) -> Vec<(&str, Numbers)> {
    let numbers = |usage: Usage| (usage.cpu_nanocores, usage.memory_bytes);
    usage.containers.iter().map(|own| (&*own.name, own.usage.map(numbers))).collect()
}

#[tokio::test]
async fn what_pods_and_nodes_use_is_asked_whether_somebody_wants_to_know_or_not() {
    let stub = Stub::new(used).await;
    let running = Running::among(config(&stub, &rules()), view());
    let began = running.clock.moment();
    eventually("both", || {
        let usage = running.usage.borrow();
        (usage.pods.at.is_some() && usage.nodes.at.is_some()).then_some(())
    })
    .await;
    let usage = Arc::clone(&running.usage.borrow());
    let pod = |name: &str| usage.pod("shop", name).unwrap();
    assert_eq!(
        of_pod(pod("web-1")),
        [("agent", Err(Absence::NotFinite)), ("web", Ok((250_000_000, 1_048_576)))],
        "sorted, and what is of the pod itself is no container"
    );
    assert_eq!(of_pod(pod("web-2")), [("web", Err(Absence::NoSeries))], "CPU alone is not enough");
    assert_eq!(of_pod(pod("web-3")), [("web", Err(Absence::Negative))]);
    let node = usage.nodes.value["node-1"].unwrap();
    assert_eq!((node.cpu_nanocores, node.memory_bytes), (1_500_000_000, 4096), "the first of several");
    assert_eq!(node.window, Duration::from_mins(3));
    assert_eq!(usage.nodes.value["node-2"].unwrap_err(), Absence::NoSeries);
    assert_eq!(usage.nodes.value.len(), 2);
    assert!(node.at >= began && Some(node.at) == usage.nodes.at);
    assert!(usage.pods.is_fresh(running.clock.moment()));
    assert!(!usage.pods.is_fresh(running.clock.moment().after(usage.pods.stale_after)));
    assert!(usage.pods.stale_after >= Duration::from_secs(30), "three times 10 s at least");
}

#[tokio::test]
async fn what_is_wrong_with_the_queries_of_nodes_is_no_matter_of_pods() {
    let stub = Stub::new(|request| {
        if request.query().contains("_node") {
            status("400 Bad Request", r#"{"status":"error","errorType":"bad_data","error":"no"}"#)
        } else {
            used(request)
        }
    })
    .await;
    let running = Running::among(config(&stub, &rules()), view());
    let failure = eventually("a failure", || running.usage.borrow().nodes.failure.clone()).await;
    assert_eq!(failure.to_string(), "refused: bad_data: no");
    eventually("pods", || running.usage.borrow().pods.at).await;
    assert!(running.usage.borrow().nodes.at.is_none() && running.usage.borrow().pods.failure.is_none());
    stub.becomes(used);
    eventually("well again", || running.usage.borrow().nodes.at).await;
    assert_eq!(running.usage.borrow().nodes.failure, None);
}

#[tokio::test]
async fn without_the_rules_or_with_another_prometheus_nothing_is_known() {
    let stub = Stub::new(used).await;
    let running = Running::among(config(&stub, &rules()), view());
    let known = || running.usage.borrow().pods.at.zip(running.usage.borrow().nodes.at);
    eventually("both", known).await;
    let other = Stub::new(|_| Reply::Hang).await;
    running.becomes(config(&other, &rules()));
    eventually("neither", || known().is_none().then_some(())).await;
    running.becomes(config(&stub, &rules()));
    eventually("both", known).await;
    running.becomes(config(&stub, ""));
    eventually("neither", || {
        let usage = running.usage.borrow();
        (usage.pods.value.is_empty() && usage.nodes.value.is_empty()).then_some(())
    })
    .await;
}
