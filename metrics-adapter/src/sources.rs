//! Where values come from. Each source collects on a clock of its own and reports to the store; none of
//! them is ever waited for by a request.

mod buffers;
mod fetch;
mod machine;
mod read;
mod schedule;
mod trust;

pub use fetch::{Fetcher, FetcherError, Page};
pub use machine::run as run_machine;
pub use read::{Reading, Wanted};
pub use schedule::{Scraper, describe_metrics};
