//! What happens before the API serves, in the order and the words of the walkthrough: wait for the
//! database, create it, migrate it, check it.

mod check;

use std::fmt::Display;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::{DatabaseSettings, Where};
use crate::db::migrate::{self, SchemaError};
use crate::db::{self, Database, DbError, FileLock};
use crate::health::{Health, Phase};

pub use check::CheckError;

/// How often a database that is not there yet is asked again.
const WAIT: Duration = Duration::from_secs(3);

/// The API cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database refuses what waiting cannot mend.
    #[error("{place}: {source}")]
    Refused {
        /// Which database.
        place: String,
        /// Why.
        source: DbError,
    },
    /// Its schema cannot be brought up to date.
    #[error("{place}: {source}")]
    Schema {
        /// Which database.
        place: String,
        /// Why.
        source: SchemaError,
    },
    /// The folder of `SQLite`'s file cannot be used.
    #[error("data file {file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot do what the API needs.
    #[error("self-check of {place}: {source}")]
    Check {
        /// Which database.
        place: String,
        /// Why.
        source: CheckError,
    },
}

/// Waits for the database, for as long as it takes, creates it and migrates it.
pub async fn prepare(settings: &DatabaseSettings, health: &Health) -> Result<(), StartError> {
    let place = || settings.place.to_string();
    loop {
        let trouble = match prepare_once(settings).await {
            Ok(()) => return Ok(()),
            Err(PrepareError::File(file, source)) => return Err(StartError::File { file, source }),
            Err(PrepareError::Schema(SchemaError::Database(trouble))) => trouble,
            Err(PrepareError::Schema(source)) => return Err(StartError::Schema { place: place(), source }),
        };
        if !passes(&trouble, &settings.place) {
            return Err(StartError::Refused { place: place(), source: trouble });
        }
        wait(health, &settings.place, &trouble).await;
    }
}

/// Whether waiting may help: a file that is out of order stays so.
fn passes(trouble: &DbError, place: &Where) -> bool {
    !trouble.is_final() && (matches!(place, Where::Postgres(_)) || trouble.is_busy())
}

async fn wait(health: &Health, place: &Where, trouble: &dyn Display) {
    health.enter(Phase::Starting(format!("waiting for database to start: {trouble}")));
    warn!("waiting for database to start: {place}: {trouble}");
    tokio::time::sleep(WAIT).await;
}

enum PrepareError {
    Schema(SchemaError),
    File(String, std::io::Error),
}

impl<E: Into<SchemaError>> From<E> for PrepareError {
    fn from(error: E) -> Self {
        Self::Schema(error.into())
    }
}

async fn prepare_once(settings: &DatabaseSettings) -> Result<(), PrepareError> {
    match &settings.place {
        Where::Postgres(options) => {
            let name = options.get_database().unwrap_or_default();
            if db::create_if_missing(options).await? {
                info!("Database {name} has been created.");
            }
            migrate::run(settings).await?;
            info!("Database {name} has been migrated.");
        }
        Where::Sqlite(file) => {
            let lock = {
                let file = file.clone();
                tokio::task::spawn_blocking(move || FileLock::beside(&file)).await
            };
            let lock = lock.unwrap_or_else(|gone| Err(std::io::Error::other(gone)));
            let _lock = lock.map_err(|error| PrepareError::File(file.display().to_string(), error))?;
            migrate::run(settings).await?;
        }
    }
    Ok(())
}

/// Registers, writes, reads, favourites and comments in a transaction that is rolled back; again and again while the
/// database cannot be used for now.
pub async fn check(database: &Database, place: &Where, health: &Health) -> Result<(), StartError> {
    loop {
        let Err(source) = check::run(database).await else { return Ok(()) };
        if !source.passes().is_some_and(|trouble| passes(trouble, place)) {
            return Err(StartError::Check { place: place.to_string(), source });
        }
        wait(health, place, &source).await;
    }
}
