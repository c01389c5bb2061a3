use std::io::Write as _;

use super::{CommandError, print, runtime};
use crate::clock::Clock;
use crate::config::args::DoctorArgs;
use crate::diagnosis::{Link, MetricsApi, Scope, State, examine};
use crate::kubernetes::Connection;

/// Names the first broken link between pods' metrics and HPAs. Where nothing is broken nothing is printed.
pub(super) fn run(args: &DoctorArgs) -> Result<(), CommandError> {
    let links = runtime()?.block_on(async {
        let opened = Connection::open_as_person(args.kubeconfig.as_deref(), args.context.clone()).await;
        let connection = opened.map_err(|error| CommandError::Failed(error.to_string()))?;
        Ok(examine(&connection, &scope(args), Clock::start().now().wall).await)
    })?;
    let broken = |link: &&Link| matches!(link.state, State::Broken(_));
    if args.verbose {
        for link in &links {
            print(&link.to_string());
        }
    } else {
        for link in links.iter().filter(broken) {
            if let State::Broken(fault) = &link.state {
                print(&fault.to_string());
            }
        }
    }
    if links.iter().any(|link| broken(&link)) {
        return Err(CommandError::Said);
    }
    if args.verbose {
        print("no fault found");
    } else {
        mention_unseen(&links);
    }
    Ok(())
}

/// Silence would say that all was looked at.
fn mention_unseen(links: &[Link]) {
    let mut unseen = links.iter().filter(|link| matches!(link.state, State::Unseen(_)));
    if let Some(first) = unseen.next() {
        let others = match unseen.count() {
            0 => String::new(),
            count => format!(", nor at {count} more"),
        };
        let _ = writeln!(
            std::io::stderr(),
            "metrics-adapter: no fault found, but {} was not looked at{others}; --verbose says why",
            first.subject
        );
    }
}

fn scope(args: &DoctorArgs) -> Scope {
    let api = args.api.as_deref().map(|name| match name {
        "custom" => MetricsApi::Custom,
        "external" => MetricsApi::External,
        _ => MetricsApi::Resource,
    });
    Scope { namespace: args.namespace.clone(), api, all: args.all, adapter: args.adapter.clone() }
}
