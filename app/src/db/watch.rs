use std::time::Duration;

use tracing::{error, info};

use super::{Database, DbError};
use crate::health::Reason;

/// How often a database that is there is asked, so that a process without requests notices too.
const WHILE_UP: Duration = Duration::from_secs(5);
/// How often a database that is away is asked: its return is noticed within this.
const WHILE_AWAY: Duration = Duration::from_millis(500);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches for ever whether the database is there, at intervals and whenever a request had trouble,
/// and tells the process's health. It logs an outage once, when it begins and when it ends.
pub async fn watch(database: Database) {
    let health = database.inner.health.clone();
    let mut probe = database.probe();
    loop {
        let pause = match probe.ask(PATIENCE).await {
            // It has no room for the watcher: it is there, and the pool's connections are.
            Ok(()) | Err(DbError::Unavailable { reason: Reason::TooManyConnections, .. }) => {
                if let Some(away) = health.database_is_back() {
                    info!("the database is back after {:.1} s", away.as_secs_f64());
                }
                WHILE_UP
            }
            Err(trouble) => {
                let reason = match &trouble {
                    DbError::Unavailable { reason, .. } => *reason,
                    _ => Reason::Connection,
                };
                if health.database_is_away(reason, trouble.to_string()) {
                    error!(reason = reason.label(), "the database is away: {trouble}");
                }
                WHILE_AWAY
            }
        };
        if pause == WHILE_AWAY {
            tokio::time::sleep(pause).await;
        } else {
            // An answer to a suspicion, but not in a busy loop.
            let _ = tokio::time::timeout(pause, health.suspicion()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
