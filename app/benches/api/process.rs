//! What Linux says of processes.

use std::fs;
use std::sync::OnceLock;

/// The fields of `/proc/<pid>/stat` that are of use here; times are in ticks.
struct Stat {
    parent: String,
    own: f64,
    /// Of children that have ended and were waited for.
    children: f64,
}

impl Stat {
    fn read(pid: &str) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
        Some(Self { parent: fields[1].to_owned(), own: ticks(11) + ticks(12), children: ticks(13) + ticks(14) })
    }
}

fn ticks_per_second() -> f64 {
    static TICKS: OnceLock<f64> = OnceLock::new();
    *TICKS.get_or_init(|| crate::said_by("getconf", &["CLK_TCK"]).parse().unwrap())
}

/// The CPU time that a process has used, in seconds.
pub(crate) fn cpu_seconds(pid: &str) -> f64 {
    Stat::read(pid).map_or(0.0, |stat| stat.own) / ticks_per_second()
}

/// The CPU time that a process and its children have used, also those that have ended, in seconds.
pub(crate) fn family_cpu_seconds(pid: &str) -> f64 {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let children = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let living: f64 =
        children.filter_map(|child| Stat::read(&child)).filter(|stat| stat.parent == pid).map(|stat| stat.own).sum();
    let family = Stat::read(pid).map_or(0.0, |stat| stat.own + stat.children) + living;
    family / ticks_per_second()
}

/// What a process has in memory, and the most it ever had, in MiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

impl Memory {
    pub(crate) fn of(pid: &str) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
        };
        Self { now: mebibytes("VmRSS:"), peak: mebibytes("VmHWM:") }
    }
}
