//! Where values come from. Each source collects on a clock of its own and reports to the store; none of
//! them is ever waited for by a request.

mod buffers;
mod fetch;
mod kubelet;
mod machine;
mod memory;
mod prometheus;
mod read;
mod schedule;
mod trust;

pub use fetch::{Fetcher, FetcherError, Page};
pub use kubelet::{FINEST_RESOLUTION, KubeletSettings, Kubelets, SERVICE_ACCOUNT_CA};
pub use machine::run as run_machine;
pub use prometheus::{Prometheus, ask_once, list_once};
pub use read::{Reading, Wanted};
pub use schedule::Scraper;

/// Names the families of this room, and makes their series exist.
pub fn describe_metrics() {
    schedule::describe_metrics();
    prometheus::describe_metrics();
}
