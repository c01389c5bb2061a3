use std::io;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::signals::Signals;
use crate::api::{self, App};
use crate::auth::{self, HashError, Passwords, SecretFileError, Tokens};
use crate::config::{Secret, SecretSource, ServeSettings, Where};
use crate::db::{self, Database};
use crate::health::Health;
use crate::server::{self, Bound, reachable};
use crate::start::{self, StartError};
use crate::telemetry::{MetricsError, Registry};

/// The API cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error(
        "the {what} cannot listen on {address}: {source}; is another process there? {setting} chooses another port"
    )]
    Listen { what: &'static str, setting: &'static str, address: std::net::SocketAddr, source: io::Error },
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("signals: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    #[error(transparent)]
    Passwords(#[from] HashError),
}

/// Starts, serves and stops.
pub(super) async fn run(settings: ServeSettings) -> Result<(), ServeError> {
    let stop = stop_on_signal().map_err(ServeError::Signals)?;
    let registry = Registry::install()?;
    let health = Health::default();
    Health::describe();
    db::describe_metrics();
    api::describe_metrics();
    server::describe_metrics();

    let api = bind("API", "PORT", settings.api)?;
    let ops = bind("operators' listener", "OPS_PORT", settings.ops)?;
    info!("You selected {} as environment", settings.mode);
    info!("You selected {} as environment port", api.address().port());
    let ops_address = ops.address();
    info!(ops = %ops_address, "metrics and probes: http://{}/", reachable(ops_address));
    let listen =
        |source| ServeError::Listen { what: "operators' listener", setting: "OPS_PORT", address: ops_address, source };
    let ops = ops.into_listener().map_err(listen)?;
    tokio::spawn(axum::serve(ops, server::ops_router(registry, health.clone())).into_future());

    let started = tokio::select! {
        started = start(&settings, &health) => started?,
        () = stop.notified() => {
            info!("stopped before serving");
            return Ok(());
        }
    };
    serve(settings, api, started, health, &stop).await
}

/// What there is once the start has succeeded.
struct Started {
    database: Database,
    tokens: Tokens,
    passwords: Passwords,
    watcher: JoinHandle<()>,
}

async fn start(settings: &ServeSettings, health: &Health) -> Result<Started, ServeError> {
    start::prepare(&settings.database, health).await?;
    let database = Database::new(&settings.database, health.clone());
    info!("Running checks over {} ...", settings.database.place);
    start::check(&database, &settings.database.place, health).await?;
    let tokens = Tokens::new(&secret(&settings.secret)?, settings.token_ttl);
    let passwords = Passwords::new(settings.limits.hashes, settings.limits.hash_wait)?;
    let watcher = tokio::spawn(db::watch(database.clone()));
    Ok(Started { database, tokens, passwords, watcher })
}

async fn serve(
    settings: ServeSettings,
    api: Bound,
    started: Started,
    health: Health,
    stop: &Notify,
) -> Result<(), ServeError> {
    let Started { database, tokens, passwords, watcher } = started;
    let router = api::router(App::new(database.clone(), passwords, tokens, settings.limits));
    let address = api.address();
    info!("Running application server ...");
    if let Where::Sqlite(file) = &settings.database.place {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        info!("data file: {}", file.display());
    }
    info!(api = %address, "API: http://{0}/api, documentation: http://{0}/docs/", reachable(address));
    let listen = |source| ServeError::Listen { what: "API", setting: "PORT", address, source };
    let cut =
        server::serve(api, router, settings.limits, settings.drain, health, stop.notified()).await.map_err(listen)?;
    if cut > 0 {
        warn!("{cut} connections were cut off after {:?}; DRAIN_TIMEOUT gives them longer", settings.drain.timeout);
    }
    // Its connection would keep SQLite from folding the write-ahead log into the data file.
    watcher.abort();
    let _ = watcher.await;
    database.close().await;
    info!("stopped");
    Ok(())
}

fn bind(what: &'static str, setting: &'static str, address: std::net::SocketAddr) -> Result<Bound, ServeError> {
    Bound::new(address).map_err(|source| ServeError::Listen { what, setting, address, source })
}

fn secret(source: &SecretSource) -> Result<Secret, ServeError> {
    Ok(match source {
        SecretSource::Given { secret, warning } => {
            if let Some(warning) = warning {
                warn!("JWT_SECRET {warning}; it would be refused in prod");
            }
            secret.clone()
        }
        SecretSource::File(path) => auth::load_or_make(path)?,
    })
}

/// Notifies at the first signal; ends the process at the second.
fn stop_on_signal() -> io::Result<Arc<Notify>> {
    let mut signals = Signals::watch()?;
    let stop = Arc::new(Notify::new());
    let notify = Arc::clone(&stop);
    tokio::spawn(async move {
        let (name, _) = signals.next().await;
        info!("{name}: stopping; a second signal ends the process at once");
        notify.notify_one();
        let (name, status) = signals.next().await;
        warn!("{name} again: ending at once");
        // The log is written by a thread of its own; that line is its last.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        std::process::exit(status);
    });
    Ok(stop)
}
