use std::time::Duration;

use stack::blog::{HOST, Outcome, during};
use stack::replicas::{Replicas, pause};
use stack::traefik::{Setting, Traefik, cluster};

use crate::postgres::Cluster;

const RATE: u32 = 250;
const SERVICE: &str = "service=\"real-world-real-world-service-http@kubernetes\"";

/// Two replicas, four, two, and each of them replaced, all under load.
fn scale_and_roll(pause: Duration, least: Duration) -> (Outcome, Traefik, Replicas) {
    let kube = cluster();
    let mut replicas = Replicas::of(&kube, &[]);
    replicas.start();
    replicas.start();
    let traefik = Traefik::start(&kube, Setting::default());
    traefik.wait();
    let outcome = during(traefik.web, RATE, least, || {
        replicas.start();
        replicas.start();
        // Traefik applies changes every two seconds; then all four have requests.
        std::thread::sleep(Duration::from_secs(3));
        replicas.stop(pause);
        replicas.stop(pause);
        replicas.restart(pause);
    });
    (outcome, traefik, replicas)
}

#[test]
fn no_request_fails_while_replicas_come_go_and_are_replaced() {
    let (outcome, traefik, replicas) = scale_and_roll(pause(), Duration::from_secs(21));
    assert_eq!(outcome.failed, 0, "of {}: {}", outcome.sent, outcome.failures);
    assert!(outcome.sent >= 5_000, "only {} requests were sent", outcome.sent);
    assert!(outcome.written.len() > 600, "only {} articles were written", outcome.written.len());
    for slug in &outcome.written {
        assert_eq!(traefik.ask(HOST, &format!("/api/articles/{slug}")).status, 200, "{slug} is lost");
    }
    assert_eq!(replicas.running.len(), 2);
    // As Traefik itself counts.
    let counted = |having: &[&str]| traefik.metric("traefik_service_requests_total", having);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    // The load, each article asked for above, the writer's registration, and the first answer that was waited for.
    let sent = (outcome.sent + outcome.written.len() as u64 + 2) as f64;
    assert!((counted(&[SERVICE]) - sent).abs() < 0.5, "Traefik counts {} of {sent}", counted(&[SERVICE]));
    for class in ["code=\"4", "code=\"5", "code=\"0"] {
        assert!(counted(&[SERVICE, class]) < 0.5, "{class}…: {}", counted(&[SERVICE, class]));
    }
}

#[test]
fn without_the_pause_before_a_replica_goes_the_same_load_fails() {
    let (outcome, ..) = scale_and_roll(Duration::ZERO, Duration::from_secs(12));
    assert!(outcome.failed > 0, "none of {} requests failed: does the load still see failures?", outcome.sent);
    println!("{} of {} failed without the pause", outcome.failed, outcome.sent);
}

#[test]
fn traefik_measures_what_the_dashboards_show() {
    let kube = cluster();
    let mut replicas = Replicas::of(&kube, &[]);
    replicas.start();
    let traefik = Traefik::start(&kube, Setting::default());
    traefik.wait();
    let text = traefik.ask_ops("/metrics").body;
    for (family, labels) in [
        ("traefik_service_requests_total", &["code", "method", "protocol", "service"][..]),
        ("traefik_service_request_duration_seconds_bucket", &["code", "method", "protocol", "service", "le"]),
        ("traefik_router_requests_total", &["code", "method", "protocol", "router", "service"]),
        ("traefik_entrypoint_requests_total", &["code", "method", "protocol", "entrypoint"]),
        ("traefik_entrypoint_request_duration_seconds_bucket", &["code", "method", "protocol", "entrypoint", "le"]),
        ("traefik_open_connections", &["entrypoint", "protocol"]),
        ("traefik_config_last_reload_success", &[]),
        ("traefik_config_reloads_total", &[]),
    ] {
        let sample = text.lines().find(|line| line.starts_with(family) && line[family.len()..].starts_with(['{', ' ']));
        let sample = sample.unwrap_or_else(|| panic!("Traefik has no {family}:\n{text}"));
        for label in labels {
            assert!(sample.contains(&format!("{label}=\"")), "{family} has no label {label}: {sample}");
        }
    }
    let buckets = format!(
        "traefik_service_request_duration_seconds_bucket{{code=\"200\",method=\"GET\",protocol=\"http\",{SERVICE},le=\"0.0005\"}}"
    );
    assert!(text.contains(&buckets), "no step below a millisecond: {buckets}");
}

#[test]
fn replicas_on_one_postgres_are_replaced_and_nothing_is_lost() {
    let postgres = Cluster::start("-c fsync=off");
    let url = postgres.url("conduit");
    let kube = cluster();
    let mut replicas =
        Replicas::of(&kube, &[("DATABASE_URL", &url), ("JWT_SECRET", "a secret of the tests, which is long enough")]);
    replicas.start();
    replicas.start();
    let traefik = Traefik::start(&kube, Setting::default());
    traefik.wait();
    let outcome = during(traefik.web, RATE, Duration::ZERO, || replicas.restart(pause()));
    assert_eq!(outcome.failed, 0, "of {}: {}", outcome.sent, outcome.failures);
    let written = postgres.psql("conduit", "select count(*) from articles");
    assert_eq!(written, outcome.written.len().to_string(), "articles in Postgres, of those that were acknowledged");
}
