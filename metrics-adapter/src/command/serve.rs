use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{CommandError, runtime};
use crate::api::{self, Api};
use crate::auth::{self, Gate};
use crate::certificates::{self, Certificates, SelfMade};
use crate::clock::Clock;
use crate::cluster::{self, Inventory, Scope, Targets, View};
use crate::config::Config;
use crate::config::args::{KubeletArgs, PrometheusArgs, ServeArgs};
use crate::health::{Collected, Health, Need};
use crate::kubernetes::{self, Connection, Place, Watches};
use crate::lookup::Facts;
use crate::model::Kinds;
use crate::registration::{self, Own, Registration};
use crate::reload::{self, Followed};
use crate::server::{self, Operators, Serving};
use crate::sources::{self, Fetcher, KubeletSettings, Kubelets, Prometheus, Scraper};
use crate::status::{ClusterSight, Sight};
use crate::store::{self, Catalog, CatalogReader, Demand, PrometheusState, ResourceUsage, Writer};
use crate::telemetry::{self, LogFormat, Registry};

/// Reports that wait for the store; whoever collects faster than it takes in waits.
const REPORTS: usize = 1024;
/// Each target is a connection; the usual limit of 1,024 is for programs that use `select`.
const DESCRIPTORS: u64 = 1 << 20;

/// What kubelets are shown, in a pod.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Starts, serves and stops.
pub(super) fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let format = match args.log.log_format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => LogFormat::Auto,
    };
    telemetry::init_log(format, &args.log.log_level).map_err(CommandError::Given)?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(args));
    runtime.shutdown_background();
    served
}

async fn serve(args: &ServeArgs) -> Result<(), CommandError> {
    let given = CommandError::Given;
    let (api_address, ops_address) = args.listeners.addresses(args.standalone.standalone).map_err(given)?;
    let clock = Clock::start();
    let mut signals = Signals::watch()?;
    let registry = Registry::install().map_err(|error| CommandError::Failed(error.to_string()))?;
    describe_metrics();
    if let Err(error) = rlimit::increase_nofile_limit(DESCRIPTORS) {
        warn!("the limit on open files could not be raised: {error}");
    }
    let config = follow_config(args, clock)?;
    let origin = Origin::find(args, clock, &config).await?;
    let certificates = origin.certificates(args, clock)?;
    let listen = async |what: &str, setting: &str, address: SocketAddr| {
        let mut bound = server::bind(address).await;
        if bound.is_err() && args.listeners.bind_address.is_none() && address.is_ipv6() {
            // A machine without IPv6.
            bound = server::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port())).await;
        }
        bound.map_err(|error| {
            CommandError::Failed(format!(
                "{what} cannot listen on {address}: {error}; is another process there? {setting} chooses another port"
            ))
        })
    };
    let api_listener = listen("the APIs", "--port", api_address).await?;
    let ops_listener = listen("the operators' pages", "--ops-port", ops_address).await?;
    let bound = |listener: &tokio::net::TcpListener| {
        listener.local_addr().map_err(|error| CommandError::Failed(format!("listener: {error}")))
    };
    let (api_address, ops_address) = (bound(&api_listener)?, bound(&ops_listener)?);

    let gate = origin.gate();
    let tls = certificates.clone().map(|own| server::acceptor(own, gate.is_some())).transpose();
    let tls = tls.map_err(|error| CommandError::Failed(format!("TLS: {error}")))?;
    let gate_is_shut = gate.is_some();
    let parts = Parts::start(args, clock, config, origin, certificates)?;
    let operators = Operators { registry, sight: parts.sight.clone() };
    let scheme = if tls.is_some() { "https" } else { "http" };
    info!(api = %api_address, "metrics APIs: {scheme}://{api_address}/apis");
    info!(ops = %ops_address, "status page: http://{ops_address}/, metrics: http://{ops_address}/metrics");
    let drain = args.drain.drain_timeout;
    let ops = Serving { tls: None, connections: 100, per_address: 25, drain, counted: false };
    let ops_router = server::ops_router(operators);
    tokio::spawn(async move { server::serve(ops_listener, ops_router, ops, std::future::pending()).await });
    let connections = args.listeners.max_connections as usize;
    // Without a cluster there is but one address.
    let per_address = if gate_is_shut { (connections / 5).max(20) } else { connections };
    let serving = Serving { tls, connections, per_address, drain, counted: true };
    let health = parts.sight.health.clone();
    let stop = async move {
        let name = signals.next().await;
        info!("{name}: stopping; a second signal ends the process at once");
        health.drain();
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(1);
        });
    };
    if !server::serve(api_listener, api::router(parts.api, gate), serving, stop).await {
        warn!("requests were cut off after {:?}; --drain-timeout gives them longer", args.drain.drain_timeout);
    }
    info!("stopped");
    Ok(())
}

/// Where it is known from what exists.
enum Origin {
    /// A file, and what it says.
    Targets(PathBuf, watch::Receiver<reload::State<View>>),
    /// A cluster.
    Cluster(Cluster),
}

/// A cluster that is watched.
struct Cluster {
    connection: Connection,
    watches: Watches,
    /// Where this runs.
    namespace: String,
    inventory: Inventory,
    gate: Arc<Gate>,
}

impl Origin {
    async fn find(
        args: &ServeArgs,
        clock: Clock,
        config: &watch::Receiver<reload::State<Config>>,
    ) -> Result<Self, CommandError> {
        if let Some(path) = &args.standalone.targets {
            return Ok(Self::Targets(path.clone(), follow_targets(args, path, clock)?));
        }
        let place = Place { kubeconfig: args.cluster.kubeconfig.clone() };
        let connection = Connection::open(&place).await.map_err(|error| CommandError::Given(error.to_string()))?;
        let namespace = args.cluster.namespace.clone().unwrap_or_else(|| connection.namespace().to_owned());
        if namespace.is_empty() {
            return Err(CommandError::Given(
                "--namespace: it is not known in which namespace this runs; POD_NAMESPACE says it".to_owned(),
            ));
        }
        let watches = Watches::default();
        let namespaces = args.cluster.namespaces.clone();
        let scope = Scope { nodes: namespaces.is_empty() || args.cluster.resource_metrics, namespaces };
        let inventory = cluster::watch_cluster(&connection, &scope, &watches, config.clone(), clock);
        let gate = Gate::new(&connection, &watches, clock);
        info!("the cluster's API server: {}", connection.server());
        Ok(Self::Cluster(Cluster { connection, watches, namespace, inventory, gate }))
    }

    /// What the APIs are served with: given files, or in a cluster what is made here.
    fn certificates(&self, args: &ServeArgs, clock: Clock) -> Result<Option<Certificates>, CommandError> {
        let listeners = &args.listeners;
        if let Some((certificate, key)) = listeners.tls_cert_file.as_ref().zip(listeners.tls_private_key_file.as_ref())
        {
            let followed = certificates::follow(certificate, key, clock);
            return followed
                .map(|state| Some(Certificates::Given(state)))
                .map_err(|error| CommandError::Given(error.to_string()));
        }
        let Self::Cluster(cluster) = self else { return Ok(None) };
        let made = SelfMade {
            connection: cluster.connection.clone(),
            watches: cluster.watches.clone(),
            namespace: cluster.namespace.clone(),
            secret: args.cluster.secret_name.clone(),
            service: args.cluster.service_name.clone(),
            lifetime: args.cluster.certificate_lifetime,
            clock,
        };
        Ok(Some(made.start()))
    }

    fn gate(&self) -> Option<Arc<Gate>> {
        match self {
            Self::Targets(..) => None,
            Self::Cluster(cluster) => Some(Arc::clone(&cluster.gate)),
        }
    }
}

fn describe_metrics() {
    reload::describe_metrics();
    kubernetes::describe_metrics();
    auth::describe_metrics();
    certificates::describe_metrics();
    registration::describe_metrics();
    store::describe_metrics();
    sources::describe_metrics();
    api::describe_metrics();
    server::describe_metrics();
}

fn follow_config(args: &ServeArgs, clock: Clock) -> Result<watch::Receiver<reload::State<Config>>, CommandError> {
    let Some(path) = &args.config else {
        let state = reload::State { value: Arc::new(Config::default()), loaded: clock.now().wall, problem: None };
        let (sender, receiver) = watch::channel(state);
        reload::count_as_read("config", clock.now().wall);
        // Nobody changes the built-in configuration; whoever waits for that waits as long as the process lives.
        tokio::spawn(async move {
            sender.closed().await;
        });
        return Ok(receiver);
    };
    let followed = Followed { what: "config", path: path.clone(), beside: Vec::new() };
    let given = args.prometheus.clone();
    let parse = move |text: &str| parse_config(text, &given);
    let loaded = followed.load(&clock, &parse).map_err(CommandError::Given)?;
    let receiver = loaded.subscribe();
    tokio::spawn(loaded.follow(clock, parse));
    Ok(receiver)
}

/// A configuration is right if what it refers to can be used as well.
fn parse_config(text: &str, given: &PrometheusArgs) -> Result<Config, String> {
    let config = given.apply(Config::parse(text)?)?;
    Fetcher::new(&config.scrape).map_err(|error| error.to_string())?;
    Ok(config)
}

fn follow_targets(
    args: &ServeArgs,
    path: &Path,
    clock: Clock,
) -> Result<watch::Receiver<reload::State<View>>, CommandError> {
    let targets = Targets { machine: machine(args).into() };
    let followed = Followed { what: "targets", path: path.to_owned(), beside: Vec::new() };
    let loaded = followed.load(&clock, |text| targets.parse(text)).map_err(CommandError::Given)?;
    let receiver = loaded.subscribe();
    tokio::spawn(loaded.follow(clock, move |text: &str| targets.parse(text)));
    Ok(receiver)
}

/// The name of this machine.
fn machine(args: &ServeArgs) -> String {
    let own = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = args.standalone.node_name.clone().or_else(own).unwrap_or_default().trim().to_lowercase();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// What runs.
struct Parts {
    api: Arc<Api>,
    sight: Sight,
}

impl Parts {
    fn start(
        args: &ServeArgs,
        clock: Clock,
        config: watch::Receiver<reload::State<Config>>,
        origin: Origin,
        certificates: Option<Certificates>,
    ) -> Result<Self, CommandError> {
        let (writer, store) = Writer::new(Arc::clone(&config.borrow().value));
        let (reports, reported) = mpsc::channel(REPORTS);
        tokio::spawn(writer.run(reported, config.clone(), clock));
        let mut read_twice: Collected = Box::new(|| true);
        let (inventory, targets, cluster, needs, kinds) = match origin {
            Origin::Targets(path, targets) => {
                tokio::spawn(sources::run_machine(machine(args).into(), config.clone(), reports.clone(), clock));
                let kinds = watch::channel(Kinds::default()).1;
                (Inventory::of_targets(targets.clone()), Some((path, targets)), None, Vec::new(), kinds)
            }
            Origin::Cluster(cluster) => {
                let needs = cluster.needs(certificates.clone());
                if args.cluster.resource_metrics {
                    let settings = kubelet_settings(args);
                    read_twice = all_read_twice(settings.clone(), cluster.inventory.clone(), store.clone());
                    let (inventory, reports) = (cluster.inventory.clone(), reports.clone());
                    let kubelets = Kubelets::new(settings, inventory, config.clone(), reports, clock);
                    tokio::spawn(kubelets.map_err(CommandError::Given)?.run());
                }
                let kinds = cluster::watch_kinds(cluster.connection.clone(), config.clone());
                (cluster.inventory.clone(), None, Some(cluster.sight(args, certificates.as_ref())), needs, kinds)
            }
        };
        let scraper = Scraper { inventory: inventory.clone(), config: config.clone(), reports, clock };
        tokio::spawn(scraper.run());
        let health = Health::new(clock.now(), needs);
        let resource_metrics = args.cluster.resource_metrics;
        let (catalog, catalogs) = Catalog::empty(Arc::clone(&config.borrow().value)).publish();
        let (demand, news) = Demand::new();
        let (usage, usages) = watch::channel(Arc::default());
        let (state, prometheus) = watch::channel(PrometheusState::default());
        let asks = Prometheus {
            config: config.clone(),
            kinds: kinds.clone(),
            inventory: inventory.clone(),
            demand: demand.clone(),
            news,
            catalog,
            usage,
            state,
            clock,
        };
        tokio::spawn(asks.run());
        let asked = asked_once(config.clone(), catalogs.clone(), usages.clone());
        let others: Collected = Box::new(move || read_twice() && asked());
        tokio::spawn(health.clone().wait_for_collections(inventory.clone(), store.clone(), others, clock));
        let facts = Facts {
            inventory: inventory.clone(),
            store: store.clone(),
            catalog: catalogs,
            demand,
            usage: usages,
            kinds,
            clock,
        };
        let api = Api::new(facts.clone(), health.clone(), resource_metrics);
        let config_path = args.config.clone();
        let certificate_path = args.listeners.tls_cert_file.clone();
        let certificates = match certificates {
            Some(Certificates::Given(state)) => certificate_path.zip(Some(state)),
            _ => None,
        };
        let sight = Sight { facts, health, prometheus, config, config_path, certificates, targets, cluster };
        Ok(Self { api, sight })
    }
}

fn kubelet_settings(args: &ServeArgs) -> KubeletSettings {
    let KubeletArgs {
        metric_resolution,
        kubelet_insecure_tls,
        kubelet_preferred_address_types,
        kubelet_certificate_authority,
        kubelet_token_file,
        kubelet_port,
        kubelet_use_node_status_port,
        node_selector,
    } = args.kubelet.clone();
    let token = PathBuf::from(SERVICE_ACCOUNT_TOKEN);
    KubeletSettings {
        resolution: metric_resolution,
        insecure_tls: kubelet_insecure_tls,
        address_types: kubelet_preferred_address_types,
        certificate_authority: kubelet_certificate_authority,
        port: kubelet_port,
        use_node_status_port: kubelet_use_node_status_port,
        node_selector,
        token_file: kubelet_token_file.or_else(|| token.exists().then_some(token)),
    }
}

/// Whether every kubelet was read twice, or was tried to be.
fn all_read_twice(settings: KubeletSettings, inventory: Inventory, store: store::Reader) -> Collected {
    Box::new(move || {
        let (view, snapshot) = (inventory.current(), store.current());
        if snapshot.config.resource_rules.is_some() {
            return true;
        }
        let mut nodes = view.nodes().iter().filter(|node| settings.reads(node));
        nodes.all(|node| snapshot.node(&node.name).is_some_and(|record| record.target.attempts >= 2))
    })
}

/// Whether Prometheus was asked once for each rule's series and for what pods and nodes use, or was tried to be.
fn asked_once(
    config: watch::Receiver<reload::State<Config>>,
    catalog: CatalogReader,
    usage: watch::Receiver<Arc<ResourceUsage>>,
) -> Collected {
    Box::new(move || {
        let (config, catalog, usage) = (Arc::clone(&config.borrow().value), catalog.current(), usage.borrow().clone());
        let listed = catalog.config.generation == config.generation && catalog.is_tried();
        let used = config.resource_rules.is_none() || usage.pods.is_tried() && usage.nodes.is_tried();
        // Without a Prometheus there is nobody to be asked.
        config.prometheus.is_none() || listed && used
    })
}

impl Cluster {
    /// What must be known before anybody can be answered.
    fn needs(&self, certificates: Option<Certificates>) -> Vec<Need> {
        let (inventory, trust) = (self.inventory.clone(), self.gate.trust().clone());
        vec![
            Need::new("certificate", move || certificates.as_ref().and_then(Certificates::waits_for)),
            Need::new("inventory", move || inventory.waits_for()),
            Need::new("authentication", move || trust.waits_for()),
        ]
    }

    /// What is shown of it; from here on its `APIService`s are looked after.
    fn sight(&self, args: &ServeArgs, certificates: Option<&Certificates>) -> ClusterSight {
        let registrations = certificates.map(|certificates| {
            let registration = Registration {
                connection: self.connection.clone(),
                watches: self.watches.clone(),
                own: Own {
                    namespace: self.namespace.clone(),
                    service: args.cluster.service_name.clone(),
                    makes_its_own: matches!(certificates, Certificates::Made(_)),
                },
                take_over: args.cluster.take_over,
                resource_metrics: args.cluster.resource_metrics,
                certificates: certificates.clone(),
            };
            registration.start()
        });
        let made = match certificates {
            Some(Certificates::Made(made)) => Some(made.clone()),
            _ => None,
        };
        let (server, trust) = (self.connection.server().to_owned(), self.gate.trust().clone());
        ClusterSight { server, trust, made, registrations }
    }
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> Result<Self, CommandError> {
        let watch = |kind| signal(kind).map_err(|error| CommandError::Failed(format!("signals: {error}")));
        Ok(Self { terminate: watch(SignalKind::terminate())?, interrupt: watch(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
