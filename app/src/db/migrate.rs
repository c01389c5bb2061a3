//! The schema, brought up to date.

use sqlx::migrate::{MigrateError, Migrator};

use super::connect::{self, Open as _};
use super::error::DbError;
use crate::config::{DatabaseSettings, Where};

/// The migrations of the Postgres schema.
pub static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
/// The migrations of the `SQLite` schema.
pub static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The database has migrations that this version does not know, or one has failed.
    #[error("schema: {0}")]
    Migrate(#[from] MigrateError),
}

/// Runs the migrations that are missing. On Postgres an advisory lock lets one process in at a time;
/// on `SQLite` the caller holds a [`FileLock`](super::FileLock).
pub async fn run(settings: &DatabaseSettings) -> Result<(), SchemaError> {
    match &settings.place {
        Where::Postgres(options) => {
            let mut connection = connect::postgres(options, None).open().await?;
            POSTGRES.run(&mut connection).await.map_err(schema)
        }
        Where::Sqlite(file) => {
            let mut connection = connect::sqlite(file, settings.timeout).open().await?;
            SQLITE.run(&mut connection).await.map_err(schema)
        }
    }
}

/// An outage in the middle of a migration is an outage.
fn schema(error: MigrateError) -> SchemaError {
    match error {
        MigrateError::Execute(error) => match DbError::from(error) {
            away @ DbError::Unavailable { .. } => SchemaError::Database(away),
            other => SchemaError::Database(other),
        },
        other => SchemaError::Migrate(other),
    }
}
