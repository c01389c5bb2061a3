use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, Executor as _, PgConnection, SqliteConnection};
use tokio::time::timeout;
use tracing::info;

use super::error::DbError;
use crate::health::Reason;

/// How long a server may take to accept a connection.
const OPENING: Duration = Duration::from_secs(5);

/// Opens connections of one kind, ready for use.
pub(super) trait Open: Clone + Send + Sync + 'static {
    /// What it opens.
    type Connection: Connection + Send + 'static;
    /// Opens one.
    fn open(&self) -> impl Future<Output = Result<Self::Connection, DbError>> + Send;
}

/// Opens connections to Postgres.
#[derive(Clone, Debug)]
pub(super) struct PgOpener {
    options: PgConnectOptions,
    settings: String,
}

/// Opens connections to a `SQLite` file.
#[derive(Clone, Debug)]
pub(super) struct SqliteOpener(SqliteConnectOptions);

/// A statement whose process has hung up is given up within a second, so that it does not hold locks and a core for as
/// long as it may take. Postgres before 14, and Postgres elsewhere than on Linux, cannot look.
const NOTICE_HANGING_UP: &str = "do $$ begin set client_connection_check_interval = '1s'; \
     exception when undefined_object or invalid_parameter_value then null; end $$";

/// With a `patience`, Postgres gives up a statement by itself after so long: whoever asked has.
pub(super) fn postgres(options: &PgConnectOptions, patience: Option<Duration>) -> PgOpener {
    // Statements are written for their generic plan; to plan them again for each parameter costs more
    // than to run them. They are far too short for compilation to pay.
    // Nor does a transaction keep its locks whose process has stopped in the middle of it.
    let statement = patience.map_or(0, |patience| patience.as_millis());
    let idle = statement * 2;
    let settings = format!(
        "set plan_cache_mode = force_generic_plan; set jit = off; set statement_timeout = {statement}; \
         set idle_in_transaction_session_timeout = {idle}; {NOTICE_HANGING_UP}"
    );
    let options = options.clone().application_name("conduit").disable_statement_logging();
    PgOpener { options, settings }
}

pub(super) fn sqlite(file: &Path, patience: Duration) -> SqliteOpener {
    SqliteOpener(
        SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            // Readers and the writer do not wait for each other, across processes too.
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged is on the disk.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(patience)
            .disable_statement_logging(),
    )
}

impl SqliteOpener {
    pub(super) fn read_only(self, read_only: bool) -> Self {
        // Not SQLite's read-only mode, which could not create the write-ahead log's shared memory.
        Self(self.0.pragma("query_only", if read_only { "on" } else { "off" }))
    }
}

impl Open for PgOpener {
    type Connection = PgConnection;

    async fn open(&self) -> Result<PgConnection, DbError> {
        let open = async {
            let mut connection = self.options.connect().await?;
            connection.execute(AssertSqlSafe(self.settings.as_str())).await?;
            Ok(connection)
        };
        let silent = |_| Err(DbError::unavailable(Reason::Timeout, format!("no answer within {OPENING:?}")));
        timeout(OPENING, open).await.unwrap_or_else(silent)
    }
}

impl Open for SqliteOpener {
    type Connection = SqliteConnection;

    async fn open(&self) -> Result<SqliteConnection, DbError> {
        Ok(self.0.connect().await?)
    }
}

/// Creates the database that `options` name, if it is missing. Replicas that start together may race:
/// whoever comes second finds it there. Returns whether this process created it.
pub async fn create_if_missing(options: &PgConnectOptions) -> Result<bool, DbError> {
    let Some(name) = options.get_database() else { return Ok(false) };
    match postgres(options, None).open().await {
        Ok(connection) => {
            // It is there; how the connection ends is nobody's concern.
            let _ = connection.close().await;
            return Ok(false);
        }
        Err(error) if error.code().as_deref() == Some(code::NO_SUCH_DATABASE) => {}
        Err(error) => return Err(error),
    }
    info!("Database {name} does not exist. Creating...");
    let mut connection = postgres(&options.clone().database("postgres"), None).open().await?;
    // An identifier cannot be a parameter; quoted, it can hold anything.
    let statement = format!("create database \"{}\"", name.replace('"', "\"\""));
    let created = connection.execute(AssertSqlSafe(statement)).await.map_err(DbError::from);
    let _ = connection.close().await;
    match created {
        Ok(_) => Ok(true),
        // Of the catalogue's own index, when two create one database at the same moment.
        Err(DbError::Duplicate(_)) => Ok(false),
        Err(error) if error.code().as_deref() == Some(code::DUPLICATE_DATABASE) => Ok(false),
        Err(error) => Err(error),
    }
}

mod code {
    pub(super) const NO_SUCH_DATABASE: &str = "3D000";
    pub(super) const DUPLICATE_DATABASE: &str = "42P04";
}
