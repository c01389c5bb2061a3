use std::fmt;
use std::ops::{Deref, DerefMut};

use futures_util::TryStreamExt as _;
use metrics::{describe_histogram, histogram};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor as _, Postgres, Row as _, Sqlite};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::connect::{PgOpener, SqliteOpener};
use super::error::DbError;
use super::pool::Lease;
use super::statement::Statement;
use crate::config::args::Dialect;
use crate::health::{Health, Reason};

pub(super) fn describe() {
    describe_histogram!("db_query_duration_seconds", "Time that a statement took, in seconds, by its name.");
}

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// A number.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Text or null.
    OptText(Option<&'a str>),
}

/// The columns of a row, by position, whichever database it came from. Text is borrowed from the row.
pub trait Columns {
    /// A number that is not null.
    fn int(&self, column: usize) -> Result<i64, sqlx::Error>;
    /// Text that is not null.
    fn text(&self, column: usize) -> Result<&str, sqlx::Error>;
    /// Text or null.
    fn opt_text(&self, column: usize) -> Result<Option<&str>, sqlx::Error>;
    /// Yes or no.
    fn flag(&self, column: usize) -> Result<bool, sqlx::Error>;
}

// The statements are constants, and tests read every column of each: types are not checked once more
// for every value.
impl Columns for PgRow {
    fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.try_get_unchecked(column)
    }
    fn text(&self, column: usize) -> Result<&str, sqlx::Error> {
        self.try_get_unchecked(column)
    }
    fn opt_text(&self, column: usize) -> Result<Option<&str>, sqlx::Error> {
        self.try_get_unchecked(column)
    }
    fn flag(&self, column: usize) -> Result<bool, sqlx::Error> {
        self.try_get_unchecked(column)
    }
}

impl Columns for SqliteRow {
    fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.try_get_unchecked(column)
    }
    fn text(&self, column: usize) -> Result<&str, sqlx::Error> {
        self.try_get_unchecked(column)
    }
    fn opt_text(&self, column: usize) -> Result<Option<&str>, sqlx::Error> {
        self.try_get_unchecked(column)
    }
    fn flag(&self, column: usize) -> Result<bool, sqlx::Error> {
        self.try_get_unchecked::<i64, _>(column).map(|flag| flag != 0)
    }
}

/// What a row says.
pub trait Record: Sized + Send {
    /// Reads the columns in the order in which the statement names them.
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error>;
}

impl Record for i64 {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        row.int(0)
    }
}

impl Record for String {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        row.text(0).map(str::to_owned)
    }
}

/// Runs the same work on whichever connection a session has, within its deadline.
macro_rules! run {
    ($session:ident, $statement:expr, |$sql:ident, $bind:ident, $connection:ident| $work:expr) => {{
        let started = Instant::now();
        let deadline = $session.deadline;
        let outcome = match &mut $session.link {
            Link::Postgres(lease) => {
                let ($sql, $bind) = ($statement.sql(Dialect::Postgres), bind_postgres);
                let $connection = lease.start()?;
                timeout_at(deadline, async { $work }).await
            }
            Link::Sqlite(lease) => {
                let ($sql, $bind) = ($statement.sql(Dialect::Sqlite), bind_sqlite);
                let $connection = lease.start()?;
                timeout_at(deadline, async { $work }).await
            }
        };
        $session.conclude($statement, started, outcome)
    }};
}

enum Link {
    Postgres(Lease<PgOpener>),
    Sqlite(Lease<SqliteOpener>),
}

/// A connection in use, with the moment at which its user gives up.
pub struct Session {
    link: Link,
    deadline: Instant,
    health: Health,
    in_transaction: bool,
    /// A statement has left the connection in the middle of something.
    broken: bool,
}

impl Session {
    pub(super) fn postgres(lease: Lease<PgOpener>, deadline: Instant, health: &Health) -> Self {
        Self { link: Link::Postgres(lease), deadline, health: health.clone(), in_transaction: false, broken: false }
    }

    pub(super) fn sqlite(lease: Lease<SqliteOpener>, deadline: Instant, health: &Health) -> Self {
        Self { link: Link::Sqlite(lease), deadline, health: health.clone(), in_transaction: false, broken: false }
    }

    /// Which SQL it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.link {
            Link::Postgres(_) => Dialect::Postgres,
            Link::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Shows each row of a statement to `see`, as it arrives.
    pub async fn each(
        &mut self,
        statement: &'static Statement,
        args: &[Arg<'_>],
        mut see: impl FnMut(&dyn Columns) -> Result<(), sqlx::Error> + Send,
    ) -> Result<(), DbError> {
        run!(self, statement, |sql, bind, connection| {
            let mut rows = bind(sqlx::query(sql), args).fetch(connection);
            while let Some(row) = rows.try_next().await? {
                see(&row)?;
            }
            Ok::<_, sqlx::Error>(())
        })
    }

    /// All rows of a statement.
    pub async fn all<T: Record>(&mut self, statement: &'static Statement, args: &[Arg<'_>]) -> Result<Vec<T>, DbError> {
        let mut records = Vec::new();
        self.each(statement, args, |row| {
            records.push(T::read(row)?);
            Ok(())
        })
        .await?;
        Ok(records)
    }

    /// The row of a statement that finds one at most.
    pub async fn optional<T: Record>(
        &mut self,
        statement: &'static Statement,
        args: &[Arg<'_>],
    ) -> Result<Option<T>, DbError> {
        Ok(self.all(statement, args).await?.pop())
    }

    /// The row of a statement that always finds one.
    pub async fn one<T: Record>(&mut self, statement: &'static Statement, args: &[Arg<'_>]) -> Result<T, DbError> {
        self.optional(statement, args).await?.ok_or(DbError::Defect(sqlx::Error::RowNotFound))
    }

    /// Runs a statement and says how many rows it touched.
    pub async fn execute(&mut self, statement: &'static Statement, args: &[Arg<'_>]) -> Result<u64, DbError> {
        run!(self, statement, |sql, bind, connection| {
            let done = bind(sqlx::query(sql), args).execute(connection).await?;
            Ok::<_, sqlx::Error>(done.rows_affected())
        })
    }

    /// Begins or ends a transaction.
    pub(super) async fn control(&mut self, statement: &'static Statement) -> Result<(), DbError> {
        run!(self, statement, |sql, _bind, connection| connection.execute(sql).await.map(|_| ()))
    }

    fn settle(&mut self) {
        match &mut self.link {
            Link::Postgres(lease) => lease.settle(),
            Link::Sqlite(lease) => lease.settle(),
        }
    }

    /// Keeps the connection if the statement left it whole, and tells what is to be told.
    fn conclude<T>(
        &mut self,
        statement: &'static Statement,
        started: Instant,
        outcome: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, DbError> {
        let took = started.elapsed();
        histogram!("db_query_duration_seconds", "statement" => statement.name).record(took.as_secs_f64());
        let outcome = match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(DbError::from(error)),
            Err(_) => {
                Err(DbError::unavailable(Reason::Timeout, format!("{} took longer than {took:.1?}", statement.name)))
            }
        };
        let whole = outcome.as_ref().err().is_none_or(DbError::leaves_connection_whole);
        self.broken |= !whole;
        if whole && !self.in_transaction {
            self.settle();
        }
        if let Err(DbError::Unavailable { reason, .. }) = &outcome {
            self.health.database_failed(*reason);
        }
        outcome
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}

type PgQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;
type SqliteQuery<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind_postgres<'q>(query: PgQuery<'q>, args: &[Arg<'q>]) -> PgQuery<'q> {
    args.iter().fold(query, |query, arg| match *arg {
        Arg::Int(value) => query.bind(value),
        Arg::Text(value) => query.bind(value),
        Arg::OptText(value) => query.bind(value),
    })
}

fn bind_sqlite<'q>(query: SqliteQuery<'q>, args: &[Arg<'q>]) -> SqliteQuery<'q> {
    args.iter().fold(query, |query, arg| match *arg {
        Arg::Int(value) => query.bind(value),
        Arg::Text(value) => query.bind(value),
        Arg::OptText(value) => query.bind(value),
    })
}

static BEGIN: Statement = Statement::by_dialect(
    "transaction.begin",
    "begin",
    // Takes the writer's lock at once: a transaction that reads first and then writes could not be let
    // on once another has written.
    "begin immediate",
);
static COMMIT: Statement = Statement::new("transaction.commit", "commit");
static ROLLBACK: Statement = Statement::new("transaction.rollback", "rollback");

/// A transaction.
#[derive(Debug)]
pub struct Tx {
    session: Session,
}

impl Tx {
    pub(super) async fn begin(mut session: Session) -> Result<Self, DbError> {
        // From before the statement on: dropped at any moment, the connection is closed and not given to
        // the next one with a transaction open.
        session.in_transaction = true;
        session.control(&BEGIN).await?;
        Ok(Self { session })
    }

    /// Commits if the work succeeded, rolls back if it did not, and gives back how it went.
    pub async fn finish<T, E: From<DbError>>(mut self, outcome: Result<T, E>) -> Result<T, E> {
        match outcome {
            Ok(value) => {
                self.end(&COMMIT).await?;
                Ok(value)
            }
            Err(error) => {
                // The work's own error is the one to tell. Without this, or if it fails, the connection is
                // closed, and that rolls back too.
                if !self.session.broken {
                    let _ = self.end(&ROLLBACK).await;
                }
                Err(error)
            }
        }
    }

    /// Rolls back work that succeeded.
    pub async fn undo(mut self) -> Result<(), DbError> {
        self.end(&ROLLBACK).await
    }

    async fn end(&mut self, statement: &'static Statement) -> Result<(), DbError> {
        self.session.control(statement).await?;
        self.session.in_transaction = false;
        self.session.settle();
        Ok(())
    }
}

impl Deref for Tx {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
