use metrics::{describe_gauge, gauge};
use tokio::runtime::{Handle, RuntimeMetrics};

/// The figures of tokio's runtime that stable Rust gives.
#[derive(Clone, Debug)]
pub(super) struct Runtime(RuntimeMetrics);

impl Runtime {
    pub(super) fn current() -> Self {
        Self(Handle::current().metrics())
    }

    pub(super) fn describe() {
        describe_gauge!("tokio_workers", "Threads that run tasks.");
        describe_gauge!("tokio_alive_tasks", "Tasks that have not ended.");
        describe_gauge!("tokio_global_queue_depth", "Tasks that wait for any worker.");
        describe_gauge!("tokio_worker_busy_seconds_total", "Time that workers spent running tasks, in seconds.");
    }

    pub(super) fn collect(&self) {
        let workers = self.0.num_workers();
        let busy: f64 = (0..workers).map(|worker| self.0.worker_total_busy_duration(worker).as_secs_f64()).sum();
        gauge!("tokio_workers").set(count(workers));
        gauge!("tokio_alive_tasks").set(count(self.0.num_alive_tasks()));
        gauge!("tokio_global_queue_depth").set(count(self.0.global_queue_depth()));
        gauge!("tokio_worker_busy_seconds_total").set(busy);
    }
}

/// Counts of things in one process, which a float holds exactly.
fn count(things: usize) -> f64 {
    u32::try_from(things).map_or(f64::INFINITY, f64::from)
}
