//! The command line and the environment, as clap reads them: strings and numbers that are well
//! formed, not yet known to make sense together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{ConfigError, DatabaseSettings, DrainSettings, Limits, Mode, SecretSource, ServeSettings};
use crate::model::PageSize;

/// Conduit, the RealWorld blogging API.
///
/// Without a database setting it keeps its data in a SQLite file; with DATABASE_URL or DB_HOST it uses
/// Postgres. Every option can be given as the environment variable named beside it; a flag wins.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
#[command(name = "conduit", version, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a command: serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The commands beside the default.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API (the default).
    Serve(Box<ServeArgs>),
    /// Wait for the database, create it if it is missing, bring its schema up to date, and exit.
    Migrate(StoreArgs),
    /// Check that the database can do what the API needs: register, write, read, favourite, comment,
    /// in a transaction that is rolled back.
    Check(StoreArgs),
    /// Fill the database with users, articles and favourites of skewed popularity. Safe to repeat: it
    /// adds what is missing to the numbers asked for.
    Seed(SeedArgs),
    /// Print the SQL statements that the server sends.
    Sql(SqlArgs),
}

/// Options of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    listeners: ListenerArgs,
    #[command(flatten)]
    auth: AuthArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    drain: DrainArgs,
}

/// Options of every command that opens the database.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// What the process is run for.
    #[arg(long = "env", env = "APP_ENV", value_enum, default_value_t, help_heading = "General")]
    pub mode: Mode,
    #[command(flatten)]
    database: DatabaseArgs,
    /// How logs look.
    #[command(flatten)]
    pub log: LogArgs,
}

/// How logs look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Lines for people or JSON for machines; `auto` is JSON in prod and text otherwise.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module as in `info,conduit::db=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info,sqlx=warn")]
    pub log_level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// JSON in prod, text otherwise.
    #[default]
    Auto,
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Listeners")]
struct ListenerArgs {
    /// Address that both listeners bind.
    #[arg(long, env = "BIND_ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    bind_address: IpAddr,
    /// Port of the API; 0 takes a free one and prints it.
    #[arg(long, env = "PORT", default_value_t = 4000)]
    port: u16,
    /// Port of metrics and probes; 0 takes a free one and prints it.
    #[arg(long, env = "OPS_PORT", default_value_t = 9000)]
    ops_port: u16,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct DatabaseArgs {
    /// `postgres://user:password@host:port/name?sslmode=…`, or `sqlite:FILE`. Wins over the settings
    /// below.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,
    /// Postgres' host; with it the four below apply.
    #[arg(long, env = "DB_HOST")]
    pub(super) db_host: Option<String>,
    /// Postgres' port; empty means 5432. (Kubernetes' service links set it; `DB_PORT`, which they set
    /// too, is not a number and is not read.)
    #[arg(long, env = "DB_SERVICE_PORT")]
    pub(super) db_service_port: Option<String>,
    /// Postgres' user.
    #[arg(long, env = "DB_USER")]
    pub(super) db_user: Option<String>,
    /// The user's password.
    #[arg(long, env = "DB_PASSWORD", hide_env_values = true)]
    pub(super) db_password: Option<String>,
    /// Name of the database; created if it is missing.
    #[arg(long, env = "DB_NAME")]
    pub(super) db_name: Option<String>,
    /// SQLite's file, when none of the above is given.
    #[arg(long, env = "DATA_FILE", default_value = "data/conduit.sqlite3")]
    pub(super) data_file: PathBuf,
    /// Connections to the database. With Postgres one more watches whether it is there.
    #[arg(long, env = "DB_POOL", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) db_pool: u32,
    /// How long one reading or transaction may wait for the database, connection and statements
    /// together, before the answer is 503.
    #[arg(long, env = "DB_TIMEOUT", default_value = "2500ms", value_parser = duration)]
    pub(super) db_timeout: Duration,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Tokens and passwords")]
struct AuthArgs {
    /// Signs the tokens; at least 32 bytes. Required on Postgres, whose replicas share it; on SQLite one
    /// is made and kept beside the data file.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// How long a token is good for.
    #[arg(long, env = "JWT_TTL", default_value = "7days", value_parser = duration)]
    jwt_ttl: Duration,
    /// Password hashes computed at once; each takes a core and 19 MiB. By default one a core.
    #[arg(long, env = "HASH_CONCURRENCY")]
    hash_concurrency: Option<usize>,
    /// How long a password waits for its turn to be hashed before the answer is 503.
    #[arg(long, env = "HASH_WAIT", default_value = "2500ms", value_parser = duration)]
    hash_wait: Duration,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Largest request body, in bytes.
    #[arg(long, env = "BODY_LIMIT", default_value_t = 1 << 20)]
    body_limit: usize,
    /// Time for a request's headers to arrive.
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "10s", value_parser = duration)]
    header_timeout: Duration,
    /// Time for a request's body to arrive.
    #[arg(long, env = "BODY_TIMEOUT", default_value = "20s", value_parser = duration)]
    body_timeout: Duration,
    /// Time that a connection may be idle, and that a client may take nothing of its response. Longer
    /// than a proxy in front keeps idle connections, so that the proxy is the one that closes them.
    #[arg(long, env = "IDLE_TIMEOUT", default_value = "120s", value_parser = duration)]
    idle_timeout: Duration,
    /// Connections at once; further ones wait in the kernel's queue.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000)]
    max_connections: usize,
    /// Largest page of articles, 1 to 100; a larger `limit` is served as this.
    #[arg(long, env = "MAX_PAGE_SIZE", default_value_t = 100)]
    max_page_size: u32,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Stopping")]
struct DrainArgs {
    /// How long new and idle connections are still served after SIGTERM.
    #[arg(long, env = "DRAIN_LINGER", default_value = "500ms", value_parser = duration)]
    drain_linger: Duration,
    /// How long requests in flight may take after SIGTERM before they are cut off.
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "25s", value_parser = duration)]
    drain_timeout: Duration,
}

/// Options of `seed`.
#[derive(Clone, Debug, Args)]
pub struct SeedArgs {
    /// The database.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Users there shall be.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub users: u32,
    /// Articles there shall be, with tags and bodies of about 2 kB.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub articles: u32,
    /// Favourites there shall be.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000))]
    pub favorites: u32,
    /// Password of the users that are added; without it one is made and printed.
    #[arg(long, env = "SEED_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Seed although the environment is prod.
    #[arg(long)]
    pub in_production: bool,
}

/// Options of `sql`.
#[derive(Clone, Debug, Args)]
pub struct SqlArgs {
    /// Only statements whose name begins so.
    pub name: Option<String>,
    /// Whose dialect.
    #[arg(long, value_enum, default_value_t)]
    pub dialect: Dialect,
    /// As a script for `pgbench -M prepared`: parameters are the variables `:p1`, `:p2`, …
    #[arg(long, conflicts_with = "dialect")]
    pub pgbench: bool,
}

/// A dialect of SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// Postgres'.
    #[default]
    Postgres,
    /// `SQLite`'s.
    Sqlite,
}

/// Databases and clocks count in milliseconds, Postgres in as many as 32 bits hold.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(24 * 24);

fn duration(text: &str) -> Result<Duration, String> {
    let given = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 500ms, 10s or 2min"))?;
    match given {
        _ if given.is_zero() => Err("must be more than zero".to_owned()),
        _ if given < SHORTEST => Err(format!("is too short; {SHORTEST:?} is the least")),
        _ if given > LONGEST => Err("is too long; 24days is the most".to_owned()),
        _ => Ok(given),
    }
}

impl StoreArgs {
    /// The database that is meant.
    pub fn database(&self) -> Result<DatabaseSettings, ConfigError> {
        DatabaseSettings::from_args(&self.database, self.mode)
    }
}

impl ServeArgs {
    /// The options that other commands share.
    #[must_use]
    pub fn store(&self) -> &StoreArgs {
        &self.store
    }

    /// Checks the options one by one and together.
    pub fn settings(&self) -> Result<ServeSettings, ConfigError> {
        let mode = self.store.mode;
        let database = self.store.database()?;
        let secret = SecretSource::choose(self.auth.jwt_secret.as_deref(), &database, mode)?;
        let listeners = &self.listeners;
        if listeners.port == listeners.ops_port && listeners.port != 0 {
            let port = listeners.port;
            return Err(ConfigError::new(
                "PORT, OPS_PORT",
                format!("both are {port}; the API and the operators' listener need one each"),
            ));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = Limits {
            body: at_least_one("BODY_LIMIT", self.limits.body_limit)?,
            header_timeout: self.limits.header_timeout,
            body_timeout: self.limits.body_timeout,
            idle_timeout: self.limits.idle_timeout,
            connections: at_least_one("MAX_CONNECTIONS", self.limits.max_connections)?,
            hashes: at_least_one("HASH_CONCURRENCY", self.auth.hash_concurrency.unwrap_or(cores))?,
            hash_wait: self.auth.hash_wait,
            page: PageSize::new(self.limits.max_page_size)
                .map_err(|problem| ConfigError::new("MAX_PAGE_SIZE", problem))?,
        };
        Ok(ServeSettings {
            mode,
            api: SocketAddr::new(listeners.bind_address, listeners.port),
            ops: SocketAddr::new(listeners.bind_address, listeners.ops_port),
            database,
            secret,
            token_ttl: self.auth.jwt_ttl,
            limits,
            drain: DrainSettings { linger: self.drain.drain_linger, timeout: self.drain.drain_timeout },
        })
    }
}

fn at_least_one(setting: &'static str, value: usize) -> Result<usize, ConfigError> {
    // Tokio's semaphores hold at most this many permits.
    const MOST: usize = usize::MAX >> 4;
    match value {
        0 => Err(ConfigError::new(setting, "must be at least 1")),
        _ => Ok(value.min(MOST)),
    }
}
