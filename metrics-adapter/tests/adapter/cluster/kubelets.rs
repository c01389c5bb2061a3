use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::kube::objects::{self, Adorn as _};
use crate::support::kube::{Authority, ContainerModel, FakeKubelets, KubeletFault, Leaf, NodeModel, PodModel};
use crate::support::stage::Stage;
use crate::support::{Adapter, FAST, eventually, quantity};

const NODES: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
const PODS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";
const MI: u64 = 1 << 20;

fn now_millis() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What a kubelet answers, by the seconds since it was started.
type Says = Box<dyn Fn(f64) -> String + Send>;

/// Nodes, and kubelets that measure ten times a second.
struct Machines {
    stage: Stage,
    kubelets: Arc<FakeKubelets>,
    said: Arc<Mutex<BTreeMap<String, Says>>>,
    stopped: Arc<AtomicBool>,
    measuring: Option<JoinHandle<()>>,
}

impl Machines {
    fn new() -> Self {
        let stage = Stage::new();
        let kubelets = Arc::new(FakeKubelets::start(stage.kube.pki()));
        kubelets.token(&stage.token, true);
        let said: Arc<Mutex<BTreeMap<String, Says>>> = Arc::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let measuring = {
            let (kubelets, said, stopped) = (Arc::clone(&kubelets), Arc::clone(&said), Arc::clone(&stopped));
            std::thread::spawn(move || {
                let began = Instant::now();
                while !stopped.load(Ordering::Relaxed) {
                    for (node, says) in said.lock().unwrap().iter() {
                        kubelets.raw(node, says(began.elapsed().as_secs_f64()));
                    }
                    sleep(Duration::from_millis(100));
                }
            })
        };
        Self { stage, kubelets, said, stopped, measuring: Some(measuring) }
    }

    /// A node of the cluster, and what its kubelet says.
    fn node(&self, name: &str, says: impl Fn(f64) -> String + Send + 'static) {
        self.kubelets.raw(name, says(0.0));
        self.said.lock().unwrap().insert(name.to_owned(), Box::new(says));
        let address = self.kubelets.address(name).to_string();
        self.stage.kube.put("nodes", objects::node(name, &[("InternalIP", &address)]));
    }

    fn pod(&self, name: &str, node: &str) {
        self.stage.kube.put("pods", objects::pod("shop", name, "192.0.2.1", node).label("app", "web"));
    }

    fn adapter(&self, arguments: &[&str]) -> Adapter {
        let port = self.kubelets.port().to_string();
        let own = ["--kubelet-port", &port, "--metric-resolution", "5s"];
        let given = |flag: &str| arguments.contains(&flag);
        let own: Vec<&str> = own.chunks(2).filter(|pair| !given(pair[0])).flatten().copied().collect();
        let adapter = self.stage.adapter(Some(FAST), &[&own, arguments].concat());
        eventually("open", || self.stage.ask(&adapter, NODES).status != 401);
        adapter
    }

    /// An object, or why there is none.
    fn ask(&self, adapter: &Adapter, path: &str) -> Result<Value, String> {
        let reply = self.stage.ask(adapter, path);
        let json = reply.json();
        if reply.status == 200 { Ok(json) } else { Err(json["message"].as_str().unwrap().to_owned()) }
    }

    /// What a node uses, in cores, or why that is not known.
    fn cores_of(&self, adapter: &Adapter, node: &str) -> Result<f64, String> {
        self.ask(adapter, &format!("{NODES}/{node}")).map(|json| cores(&json["usage"]["cpu"]))
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(measuring) = self.measuring.take() {
            measuring.join().unwrap();
        }
    }
}

/// A container that was started long ago.
fn old(name: &str, cpu_seconds: f64, memory: u64) -> ContainerModel {
    ContainerModel { started: 1_700_000_000.0, ..ContainerModel::new(name, cpu_seconds, memory) }
}

/// Half a core, a gibibyte.
fn plain(seconds: f64) -> String {
    NodeModel::new(100.0 + 0.5 * seconds, 1 << 30, Vec::new()).text()
}

fn cores(quantity_text: &Value) -> f64 {
    let text = quantity_text.as_str().unwrap();
    match (text.strip_suffix('n'), text.strip_suffix('u')) {
        (Some(nano), _) => nano.parse::<f64>().unwrap() / 1e9,
        (_, Some(micro)) => micro.parse::<f64>().unwrap() / 1e6,
        _ => quantity(text),
    }
}

#[track_caller]
fn assert_near(actual: f64, wanted: f64, what: &str) {
    assert!((actual - wanted).abs() < wanted / 4.0, "{what}: {actual} is not about {wanted}");
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[test]
fn two_readings_of_a_kubelet_are_what_pods_and_nodes_use() {
    let machines = Machines::new();
    machines.node("node1", |seconds| {
        let container = |name: &str, cores: f64, memory: u64, swap| ContainerModel {
            swap,
            ..old(name, 7.0 + cores * seconds, memory)
        };
        let web = vec![container("app", 0.25, 100 * MI, Some(4 * MI)), container("proxy", 0.05, 20 * MI, None)];
        let ended = vec![container("app", 0.1, MI, None), container("init", 0.0, 0, None)];
        let unknown = vec![container("app", 0.1, MI, None)];
        let pods = vec![
            PodModel::new("shop", "web-1", web),
            PodModel::new("shop", "half-1", ended),
            PodModel::new("shop", "unknown-1", unknown),
        ];
        NodeModel { swap: Some(8 * MI), ..NodeModel::new(50.0 + 1.5 * seconds, 2048 * MI, pods) }.text()
    });
    for pod in ["web-1", "half-1", "other-1"] {
        machines.pod(pod, "node1");
    }
    machines.stage.kube.put("pods", objects::pod("shop", "waiting-1", "", "").phase("Pending"));
    let adapter = machines.adapter(&[]);
    adapter.wait_ready();
    let node = machines.ask(&adapter, &format!("{NODES}/node1")).unwrap();
    assert_near(cores(&node["usage"]["cpu"]), 1.5, "the node");
    assert_eq!((&node["usage"]["memory"], &node["usage"]["swap"]), (&json!("2Gi"), &json!("8Mi")));
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "node1");
    let window: f64 = node["window"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
    assert!((4.0..12.0).contains(&window), "{window}");
    // What kubectl top and the HPA ask for.
    let list = machines.ask(&adapter, &format!("{PODS}?labelSelector=app%3Dweb")).unwrap();
    assert_eq!(names(&list), ["web-1"], "whose containers are not all measured are left out");
    assert_eq!(names(&machines.ask(&adapter, "/apis/metrics.k8s.io/v1beta1/pods").unwrap()), ["web-1"]);
    assert_eq!(names(&machines.ask(&adapter, NODES).unwrap()), ["node1"]);
    let pod = machines.ask(&adapter, &format!("{PODS}/web-1")).unwrap();
    let containers = pod["containers"].as_array().unwrap();
    let [app, proxy] = &containers[..] else { panic!("{pod}") };
    assert_eq!((&app["name"], &proxy["name"]), (&json!("app"), &json!("proxy")));
    assert_near(cores(&app["usage"]["cpu"]), 0.25, "app");
    assert_near(cores(&proxy["usage"]["cpu"]), 0.05, "proxy");
    assert_eq!((&app["usage"]["memory"], &app["usage"]["swap"]), (&json!("100Mi"), &json!("4Mi")));
    assert_eq!((&proxy["usage"]["memory"], proxy["usage"].get("swap")), (&json!("20Mi"), None));
    let stamp = pod["timestamp"].as_str().unwrap().to_owned();
    let table = [
        ("half-1", "its container init has no CPU time or no memory: it has not begun, or has ended"),
        ("other-1", "the kubelet of node node1 does not know it, or not yet"),
        ("waiting-1", "runs on no node yet"),
        ("unknown-1", "pods \"unknown-1\" not found"),
    ];
    for (name, why) in table {
        let message = machines.ask(&adapter, &format!("{PODS}/{name}")).unwrap_err();
        assert!(message.contains(why), "{message}");
    }
    // It goes on over the connection that it has.
    eventually("newer", || machines.ask(&adapter, &format!("{PODS}/web-1")).unwrap()["timestamp"] != *stamp);
    assert!(machines.kubelets.requests("node1") >= 3);
    assert_eq!(machines.kubelets.handshakes("node1"), 1);
    assert!(machines.kubelets.user_agent("node1").starts_with("metrics-adapter/"));
}

#[test]
fn containers_that_start_again_and_machines_that_come_and_go_are_never_counted_wrong() {
    let machines = Machines::new();
    let restarted: Arc<Mutex<Option<Instant>>> = Arc::default();
    let told = Arc::clone(&restarted);
    machines.node("node1", move |seconds| {
        let mut app = old("app", 1000.0 + 0.2 * seconds, MI);
        if let Some(start) = *told.lock().unwrap() {
            app.cpu_seconds = 0.2 * start.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
            let now = now_millis() as f64 / 1000.0;
            app.started = now - start.elapsed().as_secs_f64();
        }
        NodeModel::new(1.0 + seconds, MI, vec![PodModel::new("shop", "web-1", vec![app])]).text()
    });
    machines.pod("web-1", "node1");
    let adapter = machines.adapter(&[]);
    eventually("read once", || machines.kubelets.requests("node1") == 1);
    *restarted.lock().unwrap() = Some(Instant::now());
    // Another machine, with a pod that was here before under the same name.
    machines.node("node2", |seconds| {
        let app = old("app", 5.0 + 0.4 * seconds, MI);
        NodeModel::new(1.0 + seconds, MI, vec![PodModel::new("shop", "web-2", vec![app])]).text()
    });
    machines.pod("web-2", "node2");
    let pod = |name: &str| {
        let json = machines.ask(&adapter, &format!("{PODS}/{name}"))?;
        Ok::<f64, String>(cores(&json["containers"][0]["usage"]["cpu"]))
    };
    eventually("measured", || {
        pod("web-1").as_ref().is_ok_and(|cores| {
            assert_near(*cores, 0.2, "web-1");
            true
        })
    });
    assert!(machines.kubelets.requests("node1") >= 3, "two readings of one process are not enough for another");
    eventually("measured", || pod("web-2").is_ok());
    assert_near(pod("web-2").unwrap(), 0.4, "web-2");
    assert_eq!(names(&machines.ask(&adapter, NODES).unwrap()), ["node1", "node2"]);
    // A pod that goes elsewhere under the same name is not what it was.
    machines.pod("web-2", "node1");
    eventually("moved", || pod("web-2").is_err_and(|why| why.contains("the kubelet of node node1 does not know it")));
    machines.stage.kube.remove("nodes", "", "node2");
    eventually("gone", || names(&machines.ask(&adapter, NODES).unwrap()) == ["node1"]);
    machines.stage.kube.remove("pods", "shop", "web-1");
    eventually("gone", || machines.ask(&adapter, PODS).unwrap()["items"] == json!([]));
    // Its kubelet is left alone, too: once a second it is looked who is there.
    sleep(Duration::from_millis(1500));
    let asked = machines.kubelets.requests("node2");
    let other = machines.kubelets.requests("node1");
    eventually("read again", || machines.kubelets.requests("node1") > other);
    assert_eq!(machines.kubelets.requests("node2"), asked);
}

#[test]
fn a_young_container_is_known_after_one_reading() {
    let machines = Machines::new();
    let began = now_millis();
    machines.node("node1", move |_| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        let started = began as f64 / 1000.0 - 12.0;
        let app = ContainerModel { started, at: began, ..ContainerModel::new("app", 6.0, MI) };
        NodeModel::new(1.0, MI, vec![PodModel::new("shop", "web-1", vec![app])]).text()
    });
    machines.pod("web-1", "node1");
    let adapter = machines.adapter(&["--metric-resolution", "15s"]);
    let pod = || machines.ask(&adapter, &format!("{PODS}/web-1"));
    eventually("known", || pod().is_ok());
    assert_near(cores(&pod().unwrap()["containers"][0]["usage"]["cpu"]), 0.5, "web-1");
    assert_eq!(machines.kubelets.requests("node1"), 1);
}

#[test]
fn what_keeps_a_kubelet_from_being_read_is_said_with_what_to_do_and_keeps_no_other() {
    let machines = Machines::new();
    let other = Authority::new("kube-ca");
    let table = [
        ("self-signed", "--kubelet-insecure-tls believes any"),
        ("wrong-name", "must name the address that it is reached at: --kubelet-preferred-address-types"),
        ("expired", "expired"),
        ("of-others", "--kubelet-certificate-authority names who vouches for them"),
        ("failing", "answered 500 Internal Server Error; is this a kubelet's secure port?"),
        ("hanging", "timeout: not answered, or not to the end, within 5s"),
        ("garbage", "malformed: line 1"),
        ("cut", "connection: "),
        ("gone", "failed: "),
    ];
    for (node, _) in table {
        machines.node(node, plain);
    }
    machines.node("well", plain);
    let kubelets = &machines.kubelets;
    kubelets.self_signed("self-signed");
    kubelets.wrong_name("wrong-name");
    kubelets.expired("expired");
    let address = kubelets.address("of-others").to_string();
    kubelets.certificate("of-others", &other.issue(&Leaf::server("system:node:of-others", &[&address])));
    kubelets.fault("failing", KubeletFault::Status(500));
    kubelets.fault("hanging", KubeletFault::Hang);
    kubelets.fault("garbage", KubeletFault::Garbage);
    kubelets.fault("cut", KubeletFault::Cut);
    kubelets.fault("gone", KubeletFault::Gone);
    let adapter = machines.adapter(&[]);
    for (node, why) in table {
        let said = || machines.cores_of(&adapter, node).unwrap_err();
        eventually(node, || said().contains("was never read successfully; the last reading failed: "));
        assert!(said().contains(why), "{node}: {}", said());
    }
    eventually("read", || machines.cores_of(&adapter, "well").is_ok());
    assert_near(machines.cores_of(&adapter, "well").unwrap(), 0.5, "well");
    let of = |reason: &str| format!("metrics_adapter_collect_failures_total{{source=\"kubelet\",reason=\"{reason}\"}}");
    for (reason, at_least) in [("tls", 4.0), ("status", 1.0), ("timeout", 1.0), ("malformed", 1.0), ("connection", 1.0)]
    {
        let count = adapter.metric(&of(reason));
        assert!(count.is_some_and(|count| count >= at_least), "{reason}: {count:?}");
    }
    // What fails is logged once.
    adapter.wait_ready();
    for (node, _) in table {
        let lines = adapter.log_lines("kubelet cannot be read").into_iter().filter(|line| line["node"] == node);
        assert_eq!(lines.count(), 1, "{node}");
    }
    // They are mended, and one is spoilt.
    for (node, _) in table {
        kubelets.usual_certificate(node);
        kubelets.fault(node, KubeletFault::None);
    }
    kubelets.self_signed("well");
    kubelets.fault("well", KubeletFault::Gone);
    eventually("read", || adapter.log_lines("kubelet can be read again").len() == table.len());
    kubelets.fault("well", KubeletFault::None);
    let spoilt = || machines.stage.ask(&adapter, NODES).json();
    assert!(names(&spoilt()).contains(&"well"), "for a while it is known what it said");
    let lines = || adapter.log_lines("kubelet cannot be read");
    eventually("said", || lines().iter().any(|line| line["node"] == "well"));
    assert_eq!(machines.kubelets.handshakes("well"), 1, "a certificate that nobody vouches for is not shown a token");
}

#[test]
fn any_certificate_is_believed_if_the_flag_says_so_and_that_is_warned_of() {
    let machines = Machines::new();
    for node in ["self-signed", "wrong-name", "expired"] {
        machines.node(node, plain);
    }
    machines.kubelets.self_signed("self-signed");
    machines.kubelets.wrong_name("wrong-name");
    machines.kubelets.expired("expired");
    let adapter = machines.adapter(&["--kubelet-insecure-tls"]);
    for node in ["self-signed", "wrong-name", "expired"] {
        let why = || machines.cores_of(&adapter, node).err().unwrap_or_default();
        eventually(node, || why().is_empty() || why().contains("was not measured twice yet"));
    }
    let lines = adapter.log_lines("--kubelet-insecure-tls: whoever answers for a kubelet is believed");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["level"], "WARN");
}

#[test]
fn a_token_that_is_refused_is_said_and_a_new_one_in_the_file_is_shown() {
    let machines = Machines::new();
    machines.node("node1", plain);
    machines.kubelets.revoke(&machines.stage.token);
    machines.kubelets.token("new", true);
    let adapter = machines.adapter(&[]);
    let why = || machines.cores_of(&adapter, "node1").err().unwrap_or_default();
    eventually("refused", || {
        why().contains(
            "answered 401 Unauthorized; it does not accept the token of --kubelet-token-file: has that expired",
        )
    });
    assert!(!why().contains(&machines.stage.token), "a token is told to nobody");
    std::fs::write(machines.stage.file("new"), "new\n").unwrap();
    std::fs::rename(machines.stage.file("new"), machines.stage.file("token")).unwrap();
    eventually("read", || why().is_empty() || why().contains("was not measured twice yet"));
}

/// A node that lies, in its CPU time, its memory and its stamp, by the seconds since it began; and what is made of it.
type Lie = (&'static str, fn(f64, i64) -> (String, String, String), Result<f64, &'static str>);

#[test]
fn kubelets_that_lie_are_not_believed_and_clocks_that_are_wrong_do_not_matter() {
    const HOUR: i64 = 3_600_000;
    const NOTHING: Result<f64, &str> = Err("has no CPU time or no memory");
    fn half(seconds: f64) -> String {
        format!("{}", 100.0 + 0.5 * seconds)
    }
    fn mem() -> String {
        "1e9".to_owned()
    }
    let machines = Machines::new();
    let table: [Lie; 14] = [
        ("honest", |s, now| (half(s), mem(), format!("{now}")), Ok(0.5)),
        ("nan", |_, now| ("NaN".to_owned(), mem(), format!("{now}")), NOTHING),
        ("infinite", |_, now| ("+Inf".to_owned(), mem(), format!("{now}")), NOTHING),
        ("negative", |s, now| (format!("-{}", half(s)), mem(), format!("{now}")), NOTHING),
        ("no-memory", |s, now| (half(s), "0".to_owned(), format!("{now}")), NOTHING),
        ("negative-memory", |s, now| (half(s), "-5".to_owned(), format!("{now}")), NOTHING),
        ("nan-memory", |s, now| (half(s), "NaN".to_owned(), format!("{now}")), NOTHING),
        ("mad", |s, now| (format!("{}", 1e18 * s), mem(), format!("{now}")), Err("uses more CPU than there can be")),
        ("frozen", |s, _| (half(s), mem(), "1700000000000".to_owned()), Err("was not measured twice yet")),
        ("unstamped", |s, _| (half(s), mem(), String::new()), Ok(0.5)),
        ("future", |s, now| (half(s), mem(), format!("{}", now + HOUR)), Ok(0.5)),
        ("past", |s, now| (half(s), mem(), format!("{}", now - HOUR)), Ok(0.5)),
        ("set-on", |s, now| (half(s), mem(), format!("{}", if s > 9.0 { now + HOUR } else { now })), Ok(0.5)),
        ("set-back", |s, now| (half(s), mem(), format!("{}", if s > 9.0 { now - HOUR } else { now })), Ok(0.5)),
    ];
    for (name, lie, _) in table {
        machines.node(name, move |seconds| {
            let (cpu, memory, stamp) = lie(seconds, now_millis());
            format!("node_cpu_usage_seconds_total {cpu} {stamp}\nnode_memory_working_set_bytes {memory} {stamp}\n")
        });
    }
    let began = Instant::now();
    let adapter = machines.adapter(&[]);
    let truth: BTreeMap<&str, f64> = table.iter().filter_map(|(name, _, made)| Some((*name, made.ok()?))).collect();
    let look = || {
        let list = machines.ask(&adapter, NODES).unwrap();
        for item in list["items"].as_array().unwrap() {
            let name = item["metadata"]["name"].as_str().unwrap();
            let wanted = truth.get(name).unwrap_or_else(|| panic!("{name} is believed: {item}"));
            assert_near(cores(&item["usage"]["cpu"]), *wanted, name);
            let stamp = item["timestamp"].as_str().unwrap();
            let output = std::process::Command::new("date").args(["-d", stamp, "+%s"]).output().unwrap();
            let seconds: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            let age = now_millis() / 1000 - seconds;
            assert!((-15..=65).contains(&age), "{name} was measured {age} s ago");
        }
        list["items"].as_array().unwrap().len()
    };
    eventually("known", || look() == truth.len());
    // The clocks that are set are by now, or soon, and each node is read once more.
    while began.elapsed() < Duration::from_secs(15) {
        look();
        sleep(Duration::from_millis(200));
    }
    assert_eq!(look(), truth.len());
    for (name, _, made) in table {
        let Err(why) = made else { continue };
        let message = machines.cores_of(&adapter, name).unwrap_err();
        assert!(message.contains(why), "{name}: {message}");
    }
}

#[test]
fn nodes_are_reached_where_the_flags_say_and_those_left_out_are_left_alone() {
    let machines = Machines::new();
    let (kube, kubelets) = (&machines.stage.kube, &machines.kubelets);
    let port = kubelets.port();
    let at = |node: &str| kubelets.address(node).to_string();
    for node in ["outer", "inner", "decoy", "left-out", "unselected"] {
        kubelets.raw(node, plain(0.0));
    }
    let put = |name: &str, addresses: &[(&str, &str)]| {
        let pointer = "/status/daemonEndpoints/kubeletEndpoint/Port";
        let node = objects::node(name, addresses).with(pointer, json!(port)).label("role", "worker");
        kube.put("nodes", node);
    };
    put("outer", &[("InternalIP", &at("decoy")), ("ExternalIP", &at("outer"))]);
    put("inner", &[("Hostname", "inner.invalid"), ("InternalIP", &at("inner"))]);
    put("nowhere", &[("InternalDNS", "nowhere.invalid")]);
    put("left-out", &[("InternalIP", &at("left-out"))]);
    put("unselected", &[("InternalIP", &at("unselected"))]);
    kube.change("nodes", "", "left-out", |node| *node = node.take().label("metrics-adapter/scrape", "false"));
    kube.change("nodes", "", "unselected", |node| *node = node.take().label("role", "master"));
    let adapter = machines.adapter(&[
        "--kubelet-preferred-address-types",
        "ExternalIP,InternalIP",
        "--kubelet-port",
        "1",
        "--kubelet-use-node-status-port",
        "--node-selector",
        "role=worker",
    ]);
    adapter.wait_ready();
    for (node, asked) in
        [("outer", true), ("inner", true), ("decoy", false), ("left-out", false), ("unselected", false)]
    {
        assert_eq!(kubelets.requests(node) >= 2, asked, "{node}");
        assert_eq!(kubelets.requests(node) > 0, asked, "{node}");
    }
    let why = |node: &str| machines.cores_of(&adapter, node).unwrap_err();
    let nowhere = "the node has no address of the types ExternalIP, InternalIP; --kubelet-preferred-address-types";
    assert!(why("nowhere").contains(nowhere), "{}", why("nowhere"));
    assert!(why("left-out").contains("is left out by its label metrics-adapter/scrape=false"), "{}", why("left-out"));
    // What is no longer left out is read.
    kube.change("nodes", "", "left-out", |node| *node = node.take().label("metrics-adapter/scrape", "true"));
    eventually("read", || kubelets.requests("left-out") > 0);
}

#[test]
fn without_resource_metrics_no_kubelet_is_asked_and_there_is_no_such_api() {
    let machines = Machines::new();
    machines.node("node1", plain);
    let adapter = machines.adapter(&["--resource-metrics", "false"]);
    // The place of a node in the interval is the same for all: this one would be read before that of the other.
    adapter.wait_ready();
    let other = machines.adapter(&[]);
    eventually("read", || machines.kubelets.requests("node1") > 0);
    assert_eq!((machines.kubelets.requests("node1"), machines.kubelets.handshakes("node1")), (1, 1));
    for (adapter, served) in [(&adapter, false), (&other, true)] {
        let groups = machines.ask(adapter, "/apis").unwrap()["groups"].take();
        let found = groups.as_array().unwrap().iter().any(|group| group["name"] == "metrics.k8s.io");
        assert_eq!(found, served, "{groups}");
        assert!(groups.as_array().unwrap().iter().any(|group| group["name"] == "custom.metrics.k8s.io"));
        let documents = machines.ask(adapter, "/openapi/v3").unwrap()["paths"].take();
        assert_eq!(documents.get("apis/metrics.k8s.io/v1beta1").is_some(), served, "{documents}");
        assert_eq!(documents.as_object().unwrap().len(), if served { 4 } else { 3 });
        let paths = machines.ask(adapter, "/openapi/v2").unwrap()["paths"].take();
        assert_eq!(paths.get(NODES).is_some(), served);
        assert!(paths.as_object().unwrap().keys().any(|path| path.starts_with("/apis/custom.metrics.k8s.io/")));
        let document = "/openapi/v3/apis/metrics.k8s.io/v1beta1";
        for path in ["/apis/metrics.k8s.io/v1beta1", NODES, PODS, document] {
            assert_eq!(machines.stage.ask(adapter, path).status, if served { 200 } else { 404 }, "{path}");
        }
    }
}
