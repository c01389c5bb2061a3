use std::borrow::Cow;
use std::io;

use sqlx::error::ErrorKind;

use crate::health::Reason;

/// What a row points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referenced {
    /// Somebody who is not there.
    User,
    /// Something that is not there.
    Article,
}

/// A statement did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database cannot be used for now; the same may succeed later.
    #[error("database unavailable ({}): {cause}", reason.label())]
    Unavailable {
        /// Of what kind the trouble is.
        reason: Reason,
        /// In the words of whoever noticed.
        cause: String,
        /// The database's own code, if it was the database that noticed.
        code: Option<String>,
    },
    /// A row points to one that is not there.
    #[error("a row points to nothing: {0:?}")]
    Dangling(Referenced),
    /// A value that must be unique is there already.
    #[error("not unique: {0}")]
    Duplicate(String),
    /// Anything else: a defect.
    #[error("database: {0}")]
    Defect(#[source] sqlx::Error),
}

impl DbError {
    pub(super) fn unavailable(reason: Reason, cause: impl Into<String>) -> Self {
        Self::Unavailable { reason, cause: cause.into(), code: None }
    }

    /// For a request that did not even try.
    pub(super) fn away(reason: Reason) -> Self {
        Self::unavailable(reason, "away when last asked")
    }

    /// The same for somebody else who asked the same.
    #[must_use]
    pub fn copy(&self) -> Self {
        match self {
            Self::Unavailable { reason, cause, code } => {
                Self::Unavailable { reason: *reason, cause: cause.clone(), code: code.clone() }
            }
            Self::Dangling(referenced) => Self::Dangling(*referenced),
            Self::Duplicate(constraint) => Self::Duplicate(constraint.clone()),
            Self::Defect(error) => Self::Defect(sqlx::Error::Protocol(error.to_string())),
        }
    }

    /// The database's own code for it.
    #[must_use]
    pub fn code(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Unavailable { code, .. } => code.as_deref().map(Cow::Borrowed),
            Self::Defect(error) => error.as_database_error()?.code(),
            Self::Dangling(_) | Self::Duplicate(_) => None,
        }
    }

    /// Whether waiting cannot help: what was given is wrong.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Unavailable { reason, .. } => matches!(reason, Reason::Authentication),
            _ => true,
        }
    }

    /// Whether the database or a table in it is gone.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unavailable { reason: Reason::Missing, .. })
    }

    /// Whether somebody else holds what was needed, and will let go of it.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Unavailable { reason: Reason::Busy | Reason::Timeout, .. })
    }

    /// Whether the connection can go on after it.
    pub(super) fn leaves_connection_whole(&self) -> bool {
        match self {
            Self::Unavailable { reason, .. } => matches!(reason, Reason::Busy),
            Self::Dangling(_) | Self::Duplicate(_) => true,
            Self::Defect(error) => error.as_database_error().is_some(),
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let (reason, code) = match &error {
            sqlx::Error::Io(io) => (Some(of_io(io)), None),
            // The server ended the connection in the middle of a message, or it is of no use to us.
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Tls(_) => {
                (Some(Reason::Connection), None)
            }
            sqlx::Error::Database(database) => {
                match database.kind() {
                    ErrorKind::UniqueViolation => {
                        let constraint = database.constraint().unwrap_or_else(|| database.message());
                        return Self::Duplicate(constraint.to_owned());
                    }
                    ErrorKind::ForeignKeyViolation => {
                        // SQLite names no constraint. There, one writer at a time has looked the article up in
                        // the same transaction, so that only the user can be missing.
                        let article = database.constraint().is_some_and(|name| name.contains("article_id"));
                        return Self::Dangling(if article { Referenced::Article } else { Referenced::User });
                    }
                    _ => {}
                }
                let code = database.code().map(Cow::into_owned).unwrap_or_default();
                let of_sqlite = database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
                (if of_sqlite { of_sqlite_code(&code) } else { of_postgres_code(&code) }, Some(code))
            }
            _ => (None, None),
        };
        match reason {
            Some(reason) => Self::Unavailable { reason, cause: error.to_string(), code },
            None => Self::Defect(error),
        }
    }
}

fn of_io(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::TimedOut => Reason::Timeout,
        io::ErrorKind::NotFound => Reason::NoSuchHost,
        // What the resolver says has no kind of its own.
        _ if error.to_string().contains("lookup address") => Reason::NoSuchHost,
        _ => Reason::Connection,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn of_postgres_code(code: &str) -> Option<Reason> {
    Some(match code {
        "28000" | "28P01" => Reason::Authentication,
        "53300" => Reason::TooManyConnections,
        "53100" | "53200" | "58030" | "25006" => Reason::Storage,
        "57014" => Reason::Timeout,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Reason::ShuttingDown,
        "3D000" | "42P01" => Reason::Missing,
        // Serialization failure, deadlock, lock not available; and what CREATE DATABASE says while another
        // one copies the same template.
        "40001" | "40P01" | "55P03" | "55006" => Reason::Busy,
        _ if code.starts_with("08") => Reason::Connection,
        _ => return None,
    })
}

/// <https://www.sqlite.org/rescode.html>; the primary code is the low byte.
fn of_sqlite_code(code: &str) -> Option<Reason> {
    Some(match code.parse::<i32>().ok()? & 0xff {
        5 | 6 => Reason::Busy,
        8 | 10 | 11 | 13 | 14 | 26 => Reason::Storage,
        _ => return None,
    })
}
