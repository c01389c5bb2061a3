use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{CommandError, runtime};
use crate::api::{self, Api};
use crate::clock::Clock;
use crate::cluster::{Inventory, Targets, View};
use crate::config::Config;
use crate::config::args::ServeArgs;
use crate::health::Health;
use crate::reload::{self, Followed};
use crate::server::{self, Certificates, Operators, Serving};
use crate::sources::{self, Fetcher, Scraper};
use crate::status::Sight;
use crate::store::{self, Writer};
use crate::telemetry::{self, LogFormat, Registry};

/// Reports that wait for the store; whoever collects faster than it takes in waits.
const REPORTS: usize = 1024;
/// Each target is a connection; the usual limit of 1,024 is for programs that use `select`.
const DESCRIPTORS: u64 = 1 << 20;

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
    let Some(targets) = args.standalone.targets.as_deref().filter(|_| args.standalone.standalone) else {
        return Err(CommandError::Given(
            "no pods are named; without a cluster, --standalone --targets FILE names them (--help says more)"
                .to_owned(),
        ));
    };
    let (api_address, ops_address) = args.listeners.addresses().map_err(CommandError::Given)?;
    let clock = Clock::start();
    let mut signals = Signals::watch()?;
    let registry = Registry::install().map_err(|error| CommandError::Failed(error.to_string()))?;
    describe_metrics();
    if let Err(error) = rlimit::increase_nofile_limit(DESCRIPTORS) {
        warn!("the limit on open files could not be raised: {error}");
    }
    let tls = match (&args.listeners.tls_cert_file, &args.listeners.tls_private_key_file) {
        (Some(certificate), Some(key)) => {
            let given = |error: server::TlsError| CommandError::Given(error.to_string());
            let certificates = Certificates::follow(certificate, key, clock).map_err(given)?;
            let followed = (certificate.clone(), certificates.state());
            Some((certificates.acceptor().map_err(given)?, followed))
        }
        _ => None,
    };
    let config = follow_config(args, clock)?;
    let view = follow_targets(args, targets, clock)?;
    let listen = async |what: &str, setting: &str, address: std::net::SocketAddr| {
        server::bind(address).await.map_err(|error| {
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

    let (tls, certificates) = tls.unzip();
    let parts = Parts::start(args, clock, config, (targets.to_owned(), view), certificates);
    let operators = Operators { registry, sight: parts.sight.clone() };
    let scheme = if tls.is_some() { "https" } else { "http" };
    info!(api = %api_address, "metrics APIs: {scheme}://{api_address}/apis");
    info!(ops = %ops_address, "status page: http://{ops_address}/, metrics: http://{ops_address}/metrics");
    let ops = Serving { tls: None, connections: 100, drain: args.drain.drain_timeout };
    let ops_router = server::ops_router(operators);
    tokio::spawn(async move { server::serve(ops_listener, ops_router, ops, std::future::pending()).await });
    let serving =
        Serving { tls, connections: args.listeners.max_connections as usize, drain: args.drain.drain_timeout };
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
    if !server::serve(api_listener, api::router(parts.api), serving, stop).await {
        warn!("requests were cut off after {:?}; --drain-timeout gives them longer", args.drain.drain_timeout);
    }
    info!("stopped");
    Ok(())
}

fn describe_metrics() {
    reload::describe_metrics();
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
    let loaded = followed.load(&clock, parse_config).map_err(CommandError::Given)?;
    let receiver = loaded.subscribe();
    tokio::spawn(loaded.follow(clock, parse_config));
    Ok(receiver)
}

/// A configuration is right if what it refers to can be used as well.
fn parse_config(text: &str) -> Result<Config, String> {
    let config = Config::parse(text)?;
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
        (targets_path, targets): (PathBuf, watch::Receiver<reload::State<View>>),
        certificates: Option<(PathBuf, watch::Receiver<reload::State<CertifiedKey>>)>,
    ) -> Self {
        let inventory = Inventory::of_targets(targets.clone());
        let (writer, store) = Writer::new(Arc::clone(&config.borrow().value));
        let (reports, reported) = mpsc::channel(REPORTS);
        tokio::spawn(writer.run(reported, config.clone(), clock));
        let scraper = Scraper { inventory: inventory.clone(), config: config.clone(), reports: reports.clone(), clock };
        tokio::spawn(scraper.run());
        tokio::spawn(sources::run_machine(machine(args).into(), config.clone(), reports, clock));
        let health = Health::new(clock.now());
        tokio::spawn(health.clone().wait_for_collections(inventory.clone(), store.clone(), clock));
        let api = Api::new(inventory.clone(), store.clone(), clock, health.clone());
        let config_path = args.config.clone();
        let sight = Sight { inventory, store, health, clock, config, config_path, certificates, targets_path, targets };
        Self { api, sight }
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
