use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::adapter::Adapter;
use crate::fleet::Fleet;

/// The quickest that is recommended.
pub(crate) const SECOND: &str = "scrape: {interval: 1s}\nmetrics:\n\
    - {name: http_requests_per_second, series: http_requests_total, type: counter, window: 5s}\n";
const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/bench/pods/*/http_requests_per_second";
const STEPS: usize = 20;
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// How long it took from a step in each of some targets' loads, at phases spread over an interval, until an answer
/// said nine tenths of it, in seconds.
pub(crate) fn response(fleet: &Fleet, config: Option<&str>) -> Vec<f64> {
    // Each configuration has targets of its own, which had no step yet.
    let first = if config.is_some() { STEPS } else { 0 };
    let adapter = Adapter::start(first + STEPS, config, false);
    let interval = if config.is_some() { 1.0 } else { 5.0 };
    // Windows are to hold nothing but the load before the step.
    sleep(Duration::from_secs(20));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let status: Value = serde_json::from_str(&adapter.get(&adapter.ops, "/status.json")).unwrap();
    let now = Instant::now();
    let steps: Vec<Instant> = (0..STEPS)
        .map(|step| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // At random between two scrapes of the target, once in each twentieth of the time between them.
            let phase = (step as f64 + (random >> 11) as f64 / (1_u64 << 53) as f64) / STEPS as f64 * interval;
            let scraped = status["targets"][first + step]["lastScrapeSecondsAgo"].as_f64().unwrap();
            now + Duration::from_secs_f64(0.5 + (phase - scraped - 0.5).rem_euclid(interval))
        })
        .collect();
    let (before, after) = Fleet::rates();
    let wanted = before + (after - before) * 0.9;
    let mut seen: HashMap<usize, f64> = HashMap::new();
    let mut begun = [false; STEPS];
    while seen.len() < STEPS {
        assert!(now.elapsed() < Duration::from_mins(1), "only {} of {STEPS} steps were seen", seen.len());
        for (step, at) in steps.iter().enumerate() {
            if !begun[step] && *at <= Instant::now() {
                begun[step] = true;
                fleet.step(first + step, *at);
            }
        }
        let list: Value = serde_json::from_str(&adapter.get(&adapter.api, PODS)).unwrap();
        for (step, at) in steps.iter().enumerate() {
            let value = list["items"][first + step]["value"].as_str().map_or(0.0, quantity);
            if begun[step] && value >= wanted {
                seen.entry(step).or_insert_with(|| at.elapsed().as_secs_f64());
            }
        }
        sleep(LOOK);
    }
    seen.into_values().collect()
}

fn quantity(text: &str) -> f64 {
    match (text.strip_suffix('m'), text.strip_suffix('k')) {
        (Some(milli), _) => milli.parse::<f64>().unwrap() / 1000.0,
        (_, Some(kilo)) => kilo.parse::<f64>().unwrap() * 1000.0,
        _ => text.parse().unwrap(),
    }
}
