//! The data: statements, what they give back, and the connections that they run on.
//!
//! One text of SQL serves Postgres and `SQLite` wherever their dialects agree; where they do not, a
//! [`Statement`] has two. Statements are constants: none is put together at run time, and each shape
//! of a question has its own, so that each keeps its index under a generic plan.

pub mod article;
pub mod comment;
mod connect;
mod error;
pub mod favorite;
mod lock;
pub mod migrate;
mod pool;
pub mod profile;
mod session;
mod statement;
pub mod tag;
pub mod user;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::time::Instant;

use crate::config::{DatabaseSettings, Where};
use crate::health::{Health, Reason};

pub use connect::create_if_missing;
pub use error::{DbError, Referenced};
pub use lock::FileLock;
pub use session::{Arg, Columns, Record, Session, Tx};
pub use statement::Statement;
pub use watch::watch;

use pool::Pool;

/// Every statement that a running server sends, by room.
#[must_use]
pub fn statements() -> Vec<&'static Statement> {
    [
        &article::statements(),
        comment::STATEMENTS,
        favorite::STATEMENTS,
        profile::STATEMENTS,
        tag::STATEMENTS,
        user::STATEMENTS,
    ]
    .concat()
}

/// Names the families of this room, and makes the series exist that alerts look at.
pub fn describe_metrics() {
    pool::describe();
    session::describe();
}

/// The database and this process's connections to it.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    timeout: Duration,
    health: Health,
}

enum Backend {
    Postgres(Pool<connect::PgOpener>),
    /// `SQLite` has one writer at a time: writers of this process queue here, where waiting costs
    /// nothing, rather than in `SQLite`, which polls.
    Sqlite {
        readers: Pool<connect::SqliteOpener>,
        writer: Pool<connect::SqliteOpener>,
    },
}

impl Database {
    /// Connections are opened when they are needed, at most as many as the settings say.
    #[must_use]
    pub fn new(settings: &DatabaseSettings, health: Health) -> Self {
        let size = settings.pool as usize;
        let backend = match &settings.place {
            Where::Postgres(options) => {
                Backend::Postgres(Pool::new(connect::postgres(options, Some(settings.timeout)), size))
            }
            Where::Sqlite(file) => Backend::Sqlite {
                readers: Pool::new(connect::sqlite(file, settings.timeout).read_only(true), size),
                writer: Pool::new(connect::sqlite(file, settings.timeout), 1),
            },
        };
        Self { inner: Arc::new(Inner { backend, timeout: settings.timeout, health }) }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.inner.timeout
    }

    /// While the watcher says that the database is away, nobody waits to find out the same.
    fn refuse_if_away(&self) -> Result<(), DbError> {
        match self.inner.health.outage() {
            Some(reason) => Err(self.note(DbError::away(reason))),
            None => Ok(()),
        }
    }

    fn note(&self, error: DbError) -> DbError {
        if let DbError::Unavailable { reason, .. } = &error {
            self.inner.health.database_failed(*reason);
        }
        error
    }

    /// A connection for reading, with the time that a request may take.
    pub async fn read(&self) -> Result<Session, DbError> {
        self.refuse_if_away()?;
        let deadline = self.deadline();
        match &self.inner.backend {
            Backend::Postgres(_) => self.writer(deadline).await,
            Backend::Sqlite { readers, .. } => {
                let lease = readers.acquire(deadline).await.map_err(|error| self.note(error))?;
                Ok(Session::sqlite(lease, deadline, &self.inner.health))
            }
        }
    }

    /// A transaction, with the time that a request may take. It must be [finished](Tx::finish);
    /// dropped, it is rolled back by closing its connection.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        self.refuse_if_away()?;
        self.begin_until(self.deadline()).await
    }

    /// Runs a statement without parameters that no transaction may hold.
    pub async fn outside_transaction(&self, statement: &'static Statement) -> Result<(), DbError> {
        self.writer(self.deadline()).await?.control(statement).await
    }

    /// A transaction that may take until `deadline`.
    pub async fn begin_until(&self, deadline: Instant) -> Result<Tx, DbError> {
        Tx::begin(self.writer(deadline).await?).await
    }

    async fn writer(&self, deadline: Instant) -> Result<Session, DbError> {
        let health = &self.inner.health;
        let session = match &self.inner.backend {
            Backend::Postgres(pool) => {
                pool.acquire(deadline).await.map(|lease| Session::postgres(lease, deadline, health))
            }
            Backend::Sqlite { writer, .. } => {
                writer.acquire(deadline).await.map(|lease| Session::sqlite(lease, deadline, health))
            }
        };
        session.map_err(|error| self.note(error))
    }

    /// Closes the connections that nobody uses, in good order.
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Postgres(pool) => pool.close().await,
            Backend::Sqlite { readers, writer } => {
                readers.close().await;
                // Last, so that it folds the write-ahead log into the data file.
                writer.close().await;
            }
        }
    }

    /// A way to ask whether the database is there that no request can delay.
    fn probe(&self) -> Probe {
        match &self.inner.backend {
            Backend::Postgres(pool) => Probe::Postgres { opener: pool.opener().clone(), connection: None },
            Backend::Sqlite { readers, .. } => Probe::Sqlite { opener: readers.opener().clone(), connection: None },
        }
    }
}

/// A connection of its own, kept between questions.
enum Probe {
    Postgres { opener: connect::PgOpener, connection: Option<PgConnection> },
    Sqlite { opener: connect::SqliteOpener, connection: Option<SqliteConnection> },
}

impl Probe {
    async fn ask(&mut self, patience: Duration) -> Result<(), DbError> {
        let answer = match self {
            Self::Postgres { opener, connection } => tokio::time::timeout(patience, ping(opener, connection)).await,
            Self::Sqlite { opener, connection } => tokio::time::timeout(patience, ping(opener, connection)).await,
        };
        answer.unwrap_or_else(|_| Err(DbError::unavailable(Reason::Timeout, format!("no answer within {patience:?}"))))
    }
}

async fn ping<O: connect::Open>(opener: &O, kept: &mut Option<O::Connection>) -> Result<(), DbError> {
    // Taken out and put back when it has answered: a time-out drops it.
    if let Some(mut connection) = kept.take()
        && connection.ping().await.is_ok()
    {
        *kept = Some(connection);
        return Ok(());
    }
    // The connection may have ended while the database has not: only a new one can tell.
    let mut connection = opener.open().await?;
    connection.ping().await?;
    *kept = Some(connection);
    Ok(())
}
