use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::cluster::Builder;
use crate::model::Wall;
use crate::reload::State;

const GOOD: &str = "200 OK\r\ncontent-type: text/plain; version=0.0.4";
const BODY: &str = "node_cpu_usage_seconds_total 1\nnode_memory_working_set_bytes 2\n";

/// A kubelet that keeps what it was asked.
struct Kubelet {
    address: SocketAddr,
    /// Its certificate, PEM.
    certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicU64>,
}

impl Kubelet {
    /// One whose certificate is for `name`, and that answers with this status, and headers.
    async fn start(name: &str, status: &'static str) -> Self {
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, name, status).await
    }

    async fn start_at(ip: IpAddr, port: u16, name: &str, status: &'static str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicU64>::default());
        let (asks, connects) = (Arc::clone(&asked), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                connects.fetch_add(1, Ordering::SeqCst);
                let asks = Arc::clone(&asks);
                tokio::spawn(async move {
                    let (mut request, mut more) = (Vec::new(), [0; 1024]);
                    while let Ok(read @ 1..) = stream.read(&mut more).await {
                        request.extend_from_slice(&more[..read]);
                        if request.ends_with(b"\r\n\r\n") {
                            asks.lock().unwrap().push(String::from_utf8(std::mem::take(&mut request)).unwrap());
                            let length = BODY.len();
                            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{BODY}");
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        Self { address, certificate: made.cert.pem(), asked, connections }
    }

    fn uri(&self) -> Uri {
        format!("https://{}/metrics/resource", self.address).parse().unwrap()
    }

    fn last_asked(&self) -> String {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Settings that believe whom this certificate, PEM, vouches for.
fn believing(certificate: &tempfile::NamedTempFile) -> KubeletSettings {
    KubeletSettings { certificate_authority: Some(certificate.path().to_owned()), ..KubeletSettings::default() }
}

fn shared(settings: &KubeletSettings) -> (Arc<Shared>, mpsc::Receiver<Report>) {
    let (reports, reported) = mpsc::channel(16);
    let clock = Clock::start();
    let shared = Shared {
        access: Access::new(settings, clock).unwrap(),
        resolution: settings.resolution,
        timeout: Duration::from_secs(5),
        buffers: Buffers::default(),
        reports,
        clock,
        log: Log::default(),
    };
    (Arc::new(shared), reported)
}

async fn problem(settings: &KubeletSettings, kubelet: &Kubelet) -> String {
    let (shared, _) = shared(settings);
    let (_, outcome) = shared.read(&kubelet.uri(), shared.clock.moment()).await;
    outcome.map_or_else(|failure| format!("{}: {}", failure.reason, failure.problem), |_| "none".to_owned())
}

/// The built-in configuration, for ever.
fn configured() -> watch::Receiver<crate::reload::State<Config>> {
    let loaded = Clock::start().now().wall;
    let state = crate::reload::State { value: Arc::new(Config::default()), loaded, problem: None };
    let (sender, receiver) = watch::channel(state);
    // Whoever waits for a change waits as long as the sender is there.
    std::mem::forget(sender);
    receiver
}

#[tokio::test]
async fn a_kubelet_is_shown_the_token_and_asked_over_one_connection() {
    let kubelet = Kubelet::start("127.0.0.1", GOOD).await;
    let (authority, token) = (file(&kubelet.certificate), file("secret\n"));
    let settings = KubeletSettings { token_file: Some(token.path().to_owned()), ..believing(&authority) };
    let (shared, _) = shared(&settings);
    for _ in 0..3 {
        let started = shared.clock.moment();
        let (at, outcome) = shared.read(&kubelet.uri(), started).await;
        assert!(at > started);
        assert_eq!(outcome.unwrap().node.cpu_seconds, Some(1.0));
    }
    let asked = kubelet.last_asked();
    assert!(asked.starts_with("GET /metrics/resource HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer secret\r\n"), "{asked}");
    assert_eq!(kubelet.connections.load(Ordering::SeqCst), 1);
    // A token that is changed is shown from then on.
    let changed = file("another");
    std::fs::rename(changed.path(), token.path()).unwrap();
    for _ in 0..50 {
        sleep(Duration::from_millis(100)).await;
        shared.read(&kubelet.uri(), shared.clock.moment()).await.1.unwrap();
        if kubelet.last_asked().contains("authorization: Bearer another\r\n") {
            return;
        }
    }
    panic!("still {}", kubelet.last_asked());
}

#[tokio::test]
async fn an_authority_that_is_changed_is_believed_from_then_on() {
    let (kubelet, other) = (Kubelet::start("127.0.0.1", GOOD).await, Kubelet::start("127.0.0.1", GOOD).await);
    let authority = file(&other.certificate);
    let (shared, _) = shared(&believing(&authority));
    let read = async || shared.read(&kubelet.uri(), shared.clock.moment()).await.1;
    assert_eq!(read().await.unwrap_err().reason, FailureReason::Tls);
    std::fs::rename(file(&kubelet.certificate).path(), authority.path()).unwrap();
    for _ in 0..50 {
        sleep(Duration::from_millis(100)).await;
        if read().await.is_ok() {
            return;
        }
    }
    panic!("{:?}", read().await);
}

#[tokio::test]
async fn a_failure_says_what_can_be_done_about_it() {
    let token = file("secret");
    let with_token = |settings| KubeletSettings { token_file: Some(token.path().to_owned()), ..settings };
    let table = [
        ("401 Unauthorized", false, "status: answered 401 Unauthorized; --kubelet-token-file names a token to show it"),
        (
            "401 Unauthorized",
            true,
            "status: answered 401 Unauthorized; it does not accept the token of --kubelet-token-file: has that \
             expired, or is authentication.webhook off in the kubelet's configuration?",
        ),
        (
            "403 Forbidden",
            true,
            "status: answered 403 Forbidden; a ClusterRole of the adapter's service account must allow to get \
             nodes/metrics",
        ),
        ("404 Not Found", true, "status: answered 404 Not Found; is this a kubelet's secure port?"),
        (
            "302 Found\r\nlocation: /login",
            true,
            "status: answered 302 Found to \"/login\"; redirects are not followed; is this a kubelet's secure port?",
        ),
        (
            "200 OK\r\ncontent-type: text/html",
            true,
            "content_type: the content type \"text/html\" is no exposition of metrics; is this a kubelet's secure port?",
        ),
    ];
    for (status, token, expected) in table {
        let kubelet = Kubelet::start("127.0.0.1", status).await;
        let authority = file(&kubelet.certificate);
        let settings = if token { with_token(believing(&authority)) } else { believing(&authority) };
        assert_eq!(problem(&settings, &kubelet).await, expected);
    }
}

#[tokio::test]
async fn a_kubelet_that_nobody_vouches_for_is_not_read_unless_that_is_wanted() {
    let (kubelet, other) = (Kubelet::start("127.0.0.1", GOOD).await, Kubelet::start("127.0.0.1", GOOD).await);
    let unknown = problem(&believing(&file(&other.certificate)), &kubelet).await;
    assert!(unknown.starts_with("tls: "), "{unknown}");
    assert!(unknown.contains("--kubelet-certificate-authority names who vouches for them"), "{unknown}");
    let misnamed = Kubelet::start("127.0.0.2", GOOD).await;
    let wrong_name = problem(&believing(&file(&misnamed.certificate)), &misnamed).await;
    assert!(wrong_name.contains("--kubelet-preferred-address-types chooses another"), "{wrong_name}");
    let anybody = KubeletSettings { insecure_tls: true, ..KubeletSettings::default() };
    assert_eq!(problem(&anybody, &misnamed).await, "none");
    let gone = Kubelet { address: (Ipv4Addr::LOCALHOST, 1).into(), ..misnamed };
    let refused = problem(&anybody, &gone).await;
    assert!(refused.starts_with("connection: ") && refused.contains("refused"), "{refused}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_their_flag() {
    let (empty, certificate) = (file(""), Kubelet::start("127.0.0.1", GOOD).await.certificate);
    let authority = file(&certificate);
    let good = believing(&authority);
    let at = |file: &tempfile::NamedTempFile| Some(file.path().to_owned());
    let (line_break, missing) = (file("a\nb"), Some(PathBuf::from("/nope")));
    let table = [
        (
            KubeletSettings { resolution: Duration::from_secs(4), ..good.clone() },
            "--metric-resolution: 4s is less than 5s",
        ),
        (
            KubeletSettings { certificate_authority: missing.clone(), ..good.clone() },
            "--kubelet-certificate-authority: /nope: ",
        ),
        (
            KubeletSettings { certificate_authority: at(&empty), ..good.clone() },
            ": holds no certificate; --kubelet-insecure-tls",
        ),
        (KubeletSettings { token_file: missing, ..good.clone() }, "--kubelet-token-file: /nope: "),
        (KubeletSettings { token_file: at(&empty), ..good.clone() }, ": holds no token"),
        (KubeletSettings { token_file: at(&line_break), ..good }, ": holds something else than a token"),
    ];
    for (settings, expected) in table {
        let error =
            Kubelets::new(settings, inventory(&[]).1, configured(), mpsc::channel(1).0, Clock::start()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// A node's name, address and labels.
type Described<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

fn inventory(nodes: &[Described<'_>]) -> (watch::Sender<State<View>>, Inventory) {
    let (sender, receiver) = watch::channel(state(nodes));
    (sender, Inventory::of_targets(receiver))
}

fn state(nodes: &[Described<'_>]) -> State<View> {
    let mut builder = Builder::default();
    for (name, address, labels) in nodes {
        builder.node(Node {
            name: (*name).into(),
            labels: labels.iter().copied().collect(),
            addresses: vec![("InternalIP".to_owned(), (*address).to_owned())],
            kubelet_port: None,
        });
    }
    State { value: Arc::new(builder.build()), loaded: Wall::from_millis(0), problem: None }
}

#[tokio::test]
async fn nodes_are_read_while_they_are_there_unless_they_are_left_out() {
    let kubelet = Kubelet::start("127.0.0.1", GOOD).await;
    let port = kubelet.address.port();
    let moved = Kubelet::start_at([127, 0, 0, 2].into(), port, "127.0.0.2", GOOD).await;
    let authority = file(&(kubelet.certificate.clone() + &moved.certificate));
    let node_selector = Selector::parse("os!=windows").unwrap();
    let settings = KubeletSettings { port, node_selector, ..believing(&authority) };
    let left_out = [LEFT_OUT];
    let windows = [("os", "windows")];
    let there = ("there", "127.0.0.1", &[][..]);
    let (sender, inventory) = inventory(&[
        there,
        ("lost", "", &[]),
        ("left-out", "127.0.0.1", &left_out),
        ("windows", "127.0.0.1", &windows),
    ]);
    let (reports, mut reported) = mpsc::channel(16);
    let kubelets = Kubelets::new(settings, inventory, configured(), reports, Clock::start()).unwrap();
    let running = tokio::spawn(kubelets.run());
    let mut next = async || match timeout(Duration::from_secs(20), reported.recv()).await.unwrap().unwrap() {
        Report::Kubelet(batch) => {
            (batch.node.to_string(), batch.outcome.map(|_| ()).map_err(|failure| failure.problem))
        }
        Report::ForgetNode(node) => (format!("no {node}"), Ok(())),
        other => panic!("{other:?}"),
    };
    let mut first = [next().await, next().await];
    first.sort();
    assert_eq!(first[0].0, "lost");
    assert!(first[0].1.as_ref().unwrap_err().starts_with("the node has no address of the types InternalIP"));
    assert_eq!(first[1], ("there".to_owned(), Ok(())));
    // One is gone, the other has moved.
    sender.send_replace(state(&[("there", "127.0.0.2", &[])]));
    assert_eq!(next().await, ("no lost".to_owned(), Ok(())));
    while moved.asked.lock().unwrap().is_empty() {
        assert_eq!(next().await, ("there".to_owned(), Ok(())));
    }
    running.abort();
}

#[test]
fn what_is_wrong_with_all_kubelets_is_not_logged_for_each() {
    let log = Log::default();
    let minute = |minutes| Moment::default().after(Duration::from_mins(minutes));
    let allowed = |at| (0..5_000).filter(|_| log.allows(at)).count() as u64;
    assert_eq!([allowed(minute(100)), allowed(minute(100)), allowed(minute(101))], [MOST_LOGGED, 0, MOST_LOGGED]);
}
