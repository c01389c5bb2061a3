use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::kubernetes::{self, Backoff, Connection};
use crate::model::Kinds;
use crate::reload;

/// How often a cluster is asked which kinds of objects it has: definitions of new ones are rare.
const EVERY: Duration = Duration::from_mins(10);

/// The kinds of objects that a cluster has, as long as the process lives. It is asked for them only if rules of the
/// configuration find objects by labels; those of Kubernetes itself are known anyway.
#[must_use]
pub fn watch_kinds(connection: Connection, config: watch::Receiver<reload::State<Config>>) -> watch::Receiver<Kinds> {
    let (kinds, receiver) = watch::channel(Kinds::default());
    tokio::spawn(follow(connection, config, kinds));
    receiver
}

async fn follow(
    connection: Connection,
    mut config: watch::Receiver<reload::State<Config>>,
    kinds: watch::Sender<Kinds>,
) {
    let mut backoff = Backoff::default();
    let mut failing = false;
    loop {
        let wanted = wants(&config.borrow_and_update().value);
        if !wanted {
            if config.changed().await.is_err() {
                return;
            }
            continue;
        }
        let pause = match kubernetes::resources(&connection).await {
            Ok(found) => {
                backoff.succeeded();
                if std::mem::take(&mut failing) {
                    info!("the cluster says again which kinds of objects it has");
                }
                let all = Kinds::with(found);
                let same = kinds.borrow().iter().eq(all.iter());
                if !same {
                    kinds.send_replace(all);
                }
                EVERY
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let problem = kubernetes::explain(&error);
                    warn!(
                        "the cluster does not say which kinds of objects it has, so rules find those of Kubernetes itself alone: {problem}"
                    );
                }
                backoff.failed()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn wants(config: &Config) -> bool {
    !(config.series_rules.is_empty() && config.external_rules.is_empty()) || config.resource_rules.is_some()
}
