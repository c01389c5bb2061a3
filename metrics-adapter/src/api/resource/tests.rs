use super::*;
use crate::cluster::{Builder, View};
use crate::config::Config;
use crate::model::{
    ContainerName, FailureReason, KubeletBatch, KubeletScrape, LEFT_OUT, Moment, Now, RawUsage, ScrapeFailure,
};
use crate::store::{Catalog, Report, Snapshot, Writer};
use std::time::Duration;

/// When the node of the recordings was measured.
const NODE: &str = "2026-11-22T11:47:28Z";
/// When its containers were.
const CONTAINERS: &str = "2026-11-22T11:47:33Z";

fn at(time: &str) -> Now {
    let wall = Wall::parse(time).unwrap();
    Now { moment: Moment::from_nanos(u64::try_from(wall.millis()).unwrap() * 1_000_000), wall }
}

fn usage(cpu_seconds: f64, stamp: Wall, kibibytes: u32) -> RawUsage {
    let memory_bytes = Some(f64::from(kibibytes) * 1024.0);
    RawUsage { cpu_seconds: Some(cpu_seconds), stamp: Some(stamp), memory_bytes, ..RawUsage::default() }
}

/// The two readings of the kubelet that the recordings were made of, so far as they can be known.
fn readings() -> [KubeletScrape; 2] {
    let pod = |name: &'static str, container: &'static str| ("real-world", name, container);
    let (one, other) = ("real-world-55b95c7b65-8cv5g", "real-world-55b95c7b65-smv9n");
    let used = [
        (pod(other, "sidecar"), 0.0, 496),
        (pod(one, "real-world"), 0.147_109_488, 1936),
        (pod(one, "sidecar"), 0.0, 540),
        (pod(other, "real-world"), 0.148_649_843, 844),
    ];
    [(0, 0.0), (1, 1.0)].map(|(reading, readings)| {
        let stamp = |time: &str, window: i64| {
            Wall::from_millis(Wall::parse(time).unwrap().millis() - window + reading * window)
        };
        let node = usage(readings * 10.025 * 0.488_951_484, stamp(NODE, 10_025), 587_936);
        let containers = used.map(|(name, cores, kibibytes)| {
            (name, usage(20.0 + readings * 15.0 * cores, stamp(CONTAINERS, 15_000), kibibytes))
        });
        KubeletScrape::of(node, containers)
    })
}

fn read(writer: &mut Writer, now: &Now, outcome: Result<KubeletScrape, ScrapeFailure>) {
    let (resolution, took) = (Duration::from_secs(15), Duration::ZERO);
    let batch = KubeletBatch { node: "node1".into(), at: now.moment, took, resolution, outcome };
    writer.take(Report::Kubelet(batch), now);
}

fn of(view: Arc<View>, reader: &crate::store::Reader, time: &str) -> Instant {
    let snapshot = reader.current();
    let catalog = Arc::new(Catalog::empty(Arc::clone(&snapshot.config)));
    Instant { view, snapshot, catalog, usage: None, now: at(time) }
}

/// What is answered from at that time, once both readings were taken in.
fn instant(view: View, time: &str) -> Instant {
    let (mut writer, reader) = Writer::new(Arc::new(Config::default()));
    for (scrape, time) in readings().into_iter().zip(["2026-11-22T11:47:20Z", "2026-11-22T11:47:35Z"]) {
        read(&mut writer, &at(time), Ok(scrape));
    }
    writer.publish();
    of(Arc::new(view), &reader, time)
}

fn pod(name: &str, node: Option<&str>) -> Arc<Pod> {
    pod_of(name, node, &[])
}

fn pod_of(name: &str, node: Option<&str>, containers: &[&str]) -> Arc<Pod> {
    Arc::new(Pod {
        key: 0,
        namespace: "real-world".into(),
        name: name.into(),
        labels: Labels::from_iter([("k8s-app", "real-world"), ("pod-template-hash", "55b95c7b65")]),
        container: None,
        containers: containers.iter().map(|own| (*own).into()).collect(),
        ready: true,
        node: node.map(Into::into),
        target: None,
        problem: None,
    })
}

fn node(name: &str, labels: Labels) -> Node {
    Node { name: name.into(), labels, addresses: Vec::new(), kubelet_port: None }
}

fn recorded_view() -> View {
    let mut builder = Builder::default();
    for name in ["real-world-55b95c7b65-smv9n", "real-world-55b95c7b65-8cv5g"] {
        builder.pod(pod(name, Some("node1")), Vec::new());
    }
    let labels = [
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", "node1"),
        ("kubernetes.io/os", "linux"),
    ];
    builder.node(node("node1", Labels::from_iter(labels)));
    builder.build()
}

fn pods(instant: &Instant) -> Answer<'_> {
    let items = instant.view.pods(None).iter().map(|pod| Item::of_pod(pod, instant).map_err(|why| why.to_string()));
    Answer::List("PodMetricsList", items.collect::<Result<_, _>>().unwrap())
}

fn nodes(instant: &Instant) -> Answer<'_> {
    let items = instant.view.nodes().iter().map(|node| Item::of_node(node, instant).map_err(|why| why.to_string()));
    Answer::List("NodeMetricsList", items.collect::<Result<_, _>>().unwrap())
}

#[test]
fn what_kubelets_say_is_answered_to_the_byte_as_metrics_server_does() {
    let instant = |second: u32| instant(recorded_view(), &format!("2026-11-22T11:47:{second}Z"));
    let body = |recording: &'static str| {
        let json = recording.rsplit_once("\n\n").unwrap().1;
        serde_json::from_str::<serde_json::Value>(json).unwrap()
    };
    macro_rules! recording {
        ($name:literal, $include:ident) => {
            $include!(concat!("../../../tests/fixtures/recordings/resource/", $name))
        };
    }
    let json = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
    assert_eq!(json(pods(&instant(36)).json()), body(recording!("pods-list-json.http", include_str)));
    assert_eq!(pods(&instant(36)).protobuf(), recording!("pods-list-protobuf.pb", include_bytes));
    let table = table::render(pods(&instant(37)).items(), "v1");
    assert_eq!(json(table), body(recording!("pods-list-table.http", include_str)));
    assert_eq!(json(nodes(&instant(37)).json()), body(recording!("nodes-list-json.http", include_str)));
    assert_eq!(nodes(&instant(37)).protobuf(), recording!("nodes-list-protobuf.pb", include_bytes));
    let table = table::render(nodes(&instant(37)).items(), "v1");
    assert_eq!(json(table), body(recording!("nodes-list-table.http", include_str)));
    let one = instant(37);
    let item = Item::of_pod(&one.view.pods(None)[0], &one).map_err(|why| why.to_string()).unwrap();
    let one = Answer::One(item);
    assert_eq!(json(one.json()), body(recording!("pod-get-json.http", include_str)));
}

#[test]
fn what_is_not_known_of_a_pod_or_a_node_is_said() {
    let why_pod = |instant: &Instant, node: Option<&str>| {
        let name = "real-world-55b95c7b65-8cv5g";
        Item::of_pod(&pod(name, node), instant).map(|_| ()).map_err(|why| why.to_string())
    };
    let why_node = |instant: &Instant, name: &str, labels: Labels| {
        Item::of_node(&node(name, labels), instant).map(|_| ()).map_err(|why| why.to_string())
    };
    let failed = || ScrapeFailure { reason: FailureReason::Tls, problem: "unknown".to_owned() };
    let now = instant(recorded_view(), "2026-11-22T11:47:36Z");
    let said = |text: &str| Err(text.to_owned());
    assert_eq!(why_pod(&now, None), said("but runs on no node yet"));
    assert_eq!(why_pod(&now, Some("node2")), said("but the kubelet of node node2 is not read, or not yet"));
    let left_out = || Labels::from_iter([LEFT_OUT]);
    assert_eq!(
        why_node(&now, "node1", left_out()),
        said("but node node1 is left out by its label metrics-adapter/scrape=false")
    );
    let unknown = Item::of_pod(&pod("other", Some("node1")), &now).map(|_| ()).map_err(|why| why.to_string());
    assert_eq!(unknown, said("but the kubelet of node node1 does not know it, or not yet"));
    let late = instant(recorded_view(), "2026-11-22T11:48:34Z");
    assert_eq!(why_pod(&late, Some("node1")), said("but what the kubelet of node node1 said last is too old"));
    assert_eq!(why_node(&late, "node1", Labels::default()), why_pod(&late, Some("node1")));
    let still = instant(recorded_view(), "2026-11-22T11:48:33Z");
    assert_eq!(why_pod(&still, Some("node1")), Ok(()), "a minute old");

    let (mut writer, reader) = Writer::new(Arc::new(Config::default()));
    let mut now = |time: &str, outcome| {
        read(&mut writer, &at(time), outcome);
        writer.publish();
        of(Arc::new(recorded_view()), &reader, time)
    };
    let never = now("2026-11-22T11:47:05Z", Err(failed()));
    let cause = "the last reading failed: tls: unknown";
    assert_eq!(
        why_pod(&never, Some("node1")),
        said(&format!("but the kubelet of node node1 was never read successfully; {cause}"))
    );
    let [first, second] = readings();
    let once = now("2026-11-22T11:47:20Z", Ok(first));
    assert_eq!(why_pod(&once, Some("node1")), said("but its container real-world was not measured twice yet"));
    assert_eq!(why_node(&once, "node1", Labels::default()), said("but was not measured twice yet"));
    let twice = now("2026-11-22T11:47:35Z", Ok(second));
    assert_eq!(why_pod(&twice, Some("node1")), Ok(()));
    let failing = now("2026-11-22T11:47:50Z", Err(failed()));
    assert_eq!(why_pod(&failing, Some("node1")), Ok(()), "what was known stays");
    let lost = now("2026-11-22T11:49:50Z", Err(failed()));
    assert_eq!(
        why_pod(&lost, Some("node1")),
        said(&format!("but what the kubelet of node node1 said last is too old; {cause}"))
    );
    let name: ContainerName<'_> = ("real-world", "real-world-55b95c7b65-8cv5g", "real-world");
    let ended = KubeletScrape::of(RawUsage::default(), [(name, RawUsage::default())]);
    let ended = now("2026-11-22T11:50:05Z", Ok(ended));
    assert_eq!(
        why_pod(&ended, Some("node1")),
        said("but its container real-world has no CPU time or no memory: it has not begun, or has ended")
    );
}

#[test]
fn a_pod_of_which_the_kubelet_knows_a_part_is_left_out() {
    let now = instant(recorded_view(), "2026-11-22T11:47:36Z");
    let why = |containers: &[&str]| {
        let pod = pod_of("real-world-55b95c7b65-8cv5g", Some("node1"), containers);
        Item::of_pod(&pod, &now).map(|_| ()).map_err(|why| why.to_string())
    };
    assert_eq!(why(&["real-world", "sidecar"]), Ok(()));
    assert_eq!(why(&["real-world"]), Ok(()), "one that is attached to it for a while counts");
    let crashed = "but its container migrations has no CPU time or no memory: it has not begun, or has ended";
    assert_eq!(why(&["migrations", "real-world", "sidecar"]), Err(crashed.to_owned()));
}

#[test]
fn a_node_that_is_forgotten_is_not_known() {
    let (mut writer, reader) = Writer::new(Arc::new(Config::default()));
    let now = at("2026-11-22T11:47:20Z");
    let [first, _] = readings();
    read(&mut writer, &now, Ok(first));
    writer.publish();
    assert!(reader.current().node("node1").is_some());
    writer.take(Report::ForgetNode("node1".into()), &now);
    writer.publish();
    let snapshot: Arc<Snapshot> = reader.current();
    assert!(snapshot.node("node1").is_none());
}

#[test]
fn swap_is_answered_where_a_kubelet_measures_it_and_summed_in_tables() {
    let (mut writer, reader) = Writer::new(Arc::new(Config::default()));
    for (time, cpu_seconds) in [("2026-11-22T11:47:20Z", 0.0), ("2026-11-22T11:47:35Z", 3.0)] {
        let of = |name: &'static str, swap_bytes| {
            (("real-world", "p", name), RawUsage { swap_bytes, ..usage(cpu_seconds, at(time).wall, 4) })
        };
        let containers = [of("a", Some(2048.0)), of("b", Some(1024.0)), of("c", None)];
        read(&mut writer, &at(time), Ok(KubeletScrape::of(RawUsage::default(), containers)));
    }
    writer.publish();
    let mut builder = Builder::default();
    builder.pod(pod("p", Some("node1")), Vec::new());
    let view = Arc::new(builder.build());
    let instant = of(view, &reader, "2026-11-22T11:47:35Z");
    let json: serde_json::Value = serde_json::from_slice(&pods(&instant).json()).unwrap();
    let swap = |place: usize| json["items"][0]["containers"][place]["usage"]["swap"].as_str();
    assert_eq!([swap(0), swap(1), swap(2)], [Some("2Ki"), Some("1Ki"), None]);
    let table: serde_json::Value = serde_json::from_slice(&table::render(pods(&instant).items(), "v1")).unwrap();
    assert_eq!(table["rows"][0]["cells"], serde_json::json!(["p", "600m", "12Ki", "3Ki", "15s"]));
}
