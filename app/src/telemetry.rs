//! How the process is seen from outside: its log and its metrics' registry.
//!
//! Each room names and moves its own families; this one installs what records them.

mod log;
mod registry;
mod runtime;

pub use log::{LogGuard, init as init_log};
pub use registry::{MetricsError, Registry};
