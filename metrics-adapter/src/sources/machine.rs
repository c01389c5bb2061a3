use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::warn;

use crate::clock::Clock;
use crate::config::Config;
use crate::model::{Moment, Usage};
use crate::reload;
use crate::store::Report;

/// `USER_HZ`: the unit of `/proc/stat`, the same on every Linux that there is.
const TICKS_A_SECOND: f64 = 100.0;

/// Collects what this machine uses, for ever, once an interval.
pub async fn run(
    name: Arc<str>,
    config: watch::Receiver<reload::State<Config>>,
    reports: mpsc::Sender<Report>,
    clock: Clock,
) {
    let mut before: Option<Counted> = None;
    let mut failing = false;
    loop {
        let started = clock.moment();
        let counted = Counted::now(started);
        let took = clock.moment().since(started);
        histogram!("metrics_adapter_collect_duration_seconds", "source" => "machine").record(took);
        match &counted {
            Ok(now) => {
                failing = false;
                let usage = before.and_then(|before| now.usage_since(&before));
                if let Some(usage) = usage
                    && reports.send(Report::Machine(Arc::clone(&name), usage)).await.is_err()
                {
                    return;
                }
            }
            Err(problem) => {
                counter!("metrics_adapter_collect_failures_total", "source" => "machine", "reason" => "malformed")
                    .increment(1);
                if !std::mem::replace(&mut failing, true) {
                    warn!("what this machine uses cannot be read: {problem}");
                }
            }
        }
        before = counted.ok().or(before);
        let interval = config.borrow().value.scrape.interval.max(Duration::from_millis(500));
        sleep(interval).await;
    }
}

/// What Linux has counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Moment,
    busy_seconds: f64,
    memory_bytes: u64,
    swap_bytes: u64,
}

impl Counted {
    fn now(at: Moment) -> Result<Self, String> {
        let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        Self::of(at, &read("/proc/stat")?, &read("/proc/meminfo")?)
    }

    fn of(at: Moment, stat: &str, meminfo: &str) -> Result<Self, String> {
        let cpu =
            stat.lines().next().filter(|line| line.starts_with("cpu ")).ok_or("/proc/stat: no line of all cores")?;
        let ticks: Vec<f64> = cpu.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; what guests use is in user already.
        let [user, nice, system, _idle, _iowait, irq, softirq, ..] = ticks[..] else {
            return Err(format!("/proc/stat: {cpu}"));
        };
        let kibibytes = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
                .ok_or_else(|| format!("/proc/meminfo: no {name}"))
        };
        Ok(Self {
            at,
            busy_seconds: (user + nice + system + irq + softirq) / TICKS_A_SECOND,
            memory_bytes: kibibytes("MemTotal")?.saturating_sub(kibibytes("MemAvailable")?) << 10,
            swap_bytes: kibibytes("SwapTotal")?.saturating_sub(kibibytes("SwapFree")?) << 10,
        })
    }

    fn usage_since(&self, before: &Self) -> Option<Usage> {
        let window = self.at.since(before.at);
        let used = self.busy_seconds - before.busy_seconds;
        if window.is_zero() || used < 0.0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cores are few, and not negative")]
        let cpu_nanocores = (used / window.as_secs_f64() * 1e9).round() as u64;
        let (memory_bytes, swap_bytes) = (self.memory_bytes, Some(self.swap_bytes));
        Some(Usage { cpu_nanocores, memory_bytes, swap_bytes, at: self.at, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_counts_is_read() {
        let meminfo = "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n";
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let before = Counted::of(at(0), "cpu  100 0 50 900 5 0 0 0 0 0\ncpu0 1\n", meminfo).unwrap();
        let after = Counted::of(at(10), "cpu  500 0 150 1500 9 0 0 0 0 0\ncpu0 1\n", meminfo).unwrap();
        let usage = after.usage_since(&before).unwrap();
        assert_eq!(usage.cpu_nanocores, 500_000_000, "five busy seconds of ten");
        assert_eq!((usage.memory_bytes, usage.swap_bytes), (600 << 10, Some(30 << 10)));
        assert_eq!(usage.window, Duration::from_secs(10));
        assert!(Counted::of(at(0), "", meminfo).is_err() && Counted::of(at(0), "cpu  1 2 3\n", meminfo).is_err());
        assert!(Counted::now(at(0)).is_ok(), "this machine is a Linux");
    }
}
