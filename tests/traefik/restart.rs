//! Traefik itself is replaced, one after the other, under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fake_kube::FakeKube;
use rehearsal::door::{Counts, Door};
use stack::blog::{HOST, Outcome, during};
use stack::replicas::Replicas;
use stack::traefik::{Setting, Traefik, cluster};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const RATE: u32 = 150;
/// How late whoever is before Traefik hears that one of them goes: less than it serves on.
const LATE: Duration = Duration::from_secs(2);

/// What is before the Traefiks, as a load balancer is. It asks another one where one cannot be reached, and counts that.
struct Front {
    address: SocketAddr,
    ready: watch::Sender<Arc<[SocketAddr]>>,
    counts: Arc<Counts>,
    _runtime: Runtime,
}

impl Front {
    fn before(traefiks: &[Traefik]) -> Self {
        let runtime = Runtime::new().unwrap();
        let (ready, receiver) = watch::channel(addresses(traefiks));
        let door = Arc::new(Door::new(receiver));
        let counts = door.counts();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(door.serve(listener));
        Self { address, ready, counts, _runtime: runtime }
    }
}

fn addresses(traefiks: &[Traefik]) -> Arc<[SocketAddr]> {
    traefiks.iter().map(|traefik| traefik.web).collect()
}

fn start(kube: &FakeKube, setting: Setting<'_>) -> Traefik {
    let traefik = Traefik::start(kube, setting);
    traefik.wait();
    traefik
}

/// Two Traefiks, each replaced by a new one; what the load saw, and how often the front had to ask another one.
fn restart(setting: Setting<'_>) -> (Outcome, u64) {
    let kube = cluster();
    let mut replicas = Replicas::of(&kube, &[]);
    replicas.start();
    replicas.start();
    let mut traefiks = vec![start(&kube, setting), start(&kube, setting)];
    let front = Front::before(&traefiks);
    let outcome = during(front.address, RATE, Duration::ZERO, || {
        for _ in 0..traefiks.len() {
            traefiks.push(start(&kube, setting));
            front.ready.send_replace(addresses(&traefiks));
            let mut old = traefiks.remove(0);
            old.process.terminate();
            std::thread::sleep(LATE);
            if !setting.without_grace {
                assert_eq!(old.ask_ops("/ping").status, 503, "one that goes says so");
                assert_eq!(old.ask(HOST, "/api/tags").status, 200, "one that goes serves on");
            }
            front.ready.send_replace(addresses(&traefiks));
            let status = old.process.ended();
            assert!(status.success(), "Traefik ended with {status}:\n{}", old.process.log());
        }
    });
    (outcome, front.counts.retried.load(Ordering::Relaxed))
}

#[test]
fn no_request_fails_while_traefik_itself_is_replaced() {
    let (outcome, again) = restart(Setting::default());
    assert_eq!(outcome.failed, 0, "of {}: {}", outcome.sent, outcome.failures);
    assert_eq!(again, 0, "so many of {} requests came to a Traefik that did not take them", outcome.sent);
    assert!(outcome.sent > 1_000, "only {} requests were sent", outcome.sent);
}

#[test]
fn a_traefik_that_does_not_serve_on_when_it_goes_is_noticed() {
    let (outcome, again) = restart(Setting { without_grace: true, ..Setting::default() });
    assert!(again + outcome.failed > 0, "all of {} requests were taken: does the front see it?", outcome.sent);
    println!("{again} of {} were given to another Traefik, {} failed", outcome.sent, outcome.failed);
}
