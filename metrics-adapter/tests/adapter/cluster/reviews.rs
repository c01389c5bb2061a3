use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::eventually;
use crate::support::kube::{FakeKube, Reply};
use crate::support::stage::{AS_HPA, Door, HPA};

const PODS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";
const OTHERS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods";
/// An answer out of memory, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_millis(1_500);

impl Door {
    fn ask_as(&self, user: &str, path: &str) -> Reply {
        self.stage.front_proxy(&self.adapter).request("GET", path, &[("X-Remote-User", user)], b"")
    }

    fn bearer(&self, token: &str) -> Reply {
        let value = format!("Bearer {token}");
        self.stage.client(&self.adapter, None).request("GET", PODS, &[("Authorization", &value)], b"")
    }

    fn reviews(&self) -> (usize, usize) {
        let count = |resource| self.stage.kube.count("create", resource);
        (count("tokenreviews"), count("subjectaccessreviews"))
    }

    fn counted(&self, outcome: &str) -> f64 {
        let labels = format!("kind=\"subjectaccessreview\",outcome=\"{outcome}\"");
        self.adapter.metric(&format!("metrics_adapter_reviews_total{{{labels}}}")).unwrap_or_default()
    }

    fn remembered(&self, kind: &str, outcome: &str) -> f64 {
        let labels = format!("kind=\"{kind}\",result=\"{outcome}\"");
        self.adapter.metric(&format!("metrics_adapter_review_cache_total{{{labels}}}")).unwrap_or_default()
    }
}

/// The message of a refusal that an HPA's worker does not wait for.
#[track_caller]
fn unavailable(reply: &Reply) -> String {
    let json = reply.json();
    assert_eq!((reply.status, &json["kind"], &json["reason"]), (503, &"Status".into(), &"ServiceUnavailable".into()));
    assert!(reply.header("retry-after").is_none(), "client-go sleeps, and with it all other HPAs");
    json["message"].as_str().unwrap().to_owned()
}

fn timed<T>(ask: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let reply = ask();
    (reply, began.elapsed())
}

type Breaks = fn(&FakeKube);

#[test]
fn while_the_api_server_does_not_decide_who_was_allowed_is_answered_at_once_and_strangers_are_told() {
    let table: [(&str, Breaks, &str); 4] = [
        ("away", FakeKube::away, "Connection refused"),
        ("failing", |kube| kube.failing(500, |request| request.verb == "create"), "the API server answered 500"),
        ("hanging", FakeKube::hang, "the API server did not answer within 3s"),
        ("too slow", |kube| kube.slow(Duration::from_secs(8)), "the API server did not answer within 3s"),
    ];
    let door = Door::open(&[]);
    let kube = &door.stage.kube;
    kube.token("good", HPA, &["system:serviceaccounts"]);
    kube.allow(|spec| spec["user"] == HPA || spec["user"].as_str().is_some_and(|user| user.starts_with("ann ")));
    assert_eq!(door.stage.ask(&door.adapter, PODS).status, 200);
    assert_eq!(door.bearer("good").status, 200);
    assert_eq!(door.ask_as("eve", PODS).status, 403);
    for (number, (how, breaks, why)) in table.into_iter().enumerate() {
        // Nobody has heard of them.
        let (stranger, token) = (format!("ann {number}"), format!("token-{number}"));
        kube.token(&token, HPA, &["system:serviceaccounts"]);
        kube.reset_tally();
        breaks(kube);
        let known: [&dyn Fn() -> Reply; 2] = [&|| door.stage.ask(&door.adapter, PODS), &|| door.bearer("good")];
        for ask in known {
            let (reply, took) = timed(ask);
            assert_eq!(reply.status, 200, "{how}: {}", reply.text());
            assert!(took < AT_ONCE, "{how}: {took:?}");
        }
        // The API server's aggregator asks whether the API is there; nobody is asked whether it may.
        let masters = [("X-Remote-User", "system:kube-aggregator"), ("X-Remote-Group", "system:masters")];
        let client = door.stage.front_proxy(&door.adapter);
        let (reply, took) = timed(|| client.request("GET", "/apis/metrics.k8s.io/v1beta1", &masters, b""));
        assert!(reply.status == 200 && took < AT_ONCE, "{how}: {} after {took:?}", reply.status);
        let (reply, took) = timed(|| door.ask_as(&stranger, PODS));
        let message = unavailable(&reply);
        assert!(message.starts_with("a subjectaccessreview could not be made: "), "{how}: {message}");
        assert!(message.contains(why), "{how}: {message}");
        assert!(took < Duration::from_secs(5), "the aggregator waits no longer: {how}: {took:?}");
        let message = unavailable(&door.bearer(&token));
        assert!(message.starts_with("a tokenreview could not be made: "), "{how}: {message}");
        assert!(
            door.reviews().0 <= 1 && door.reviews().1 <= 1,
            "{how}: an asker does not ask for another: {:?}",
            door.reviews()
        );
        kube.heal();
        kube.back();
        // Who was told so is not told so again.
        let (reply, took) = timed(|| door.ask_as(&stranger, PODS));
        assert_eq!(reply.status, 200, "{how}: {}", reply.text());
        assert!(took < AT_ONCE, "{how}: {took:?}");
        assert_eq!(door.bearer(&token).status, 200, "{how}");
        assert_eq!(door.adapter.ops("/readyz").status, 200, "{how}");
        eventually("watched", || {
            let watches = door.adapter.ops("/status.json").json()["cluster"]["watches"].take();
            watches.as_array().unwrap().iter().all(|watch| watch["problem"].is_null())
        });
    }
    assert!(door.counted("failed") >= 4.0);
}

#[test]
fn a_slow_api_server_is_waited_for_by_those_alone_of_whom_nothing_is_known() {
    let door = Door::open(&[]);
    door.stage.kube.allow(|spec| spec["user"] == HPA || spec["user"] == "ann");
    assert_eq!(door.stage.ask(&door.adapter, PODS).status, 200);
    door.stage.kube.slow(Duration::from_secs(2));
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| timed(|| door.ask_as("ann", PODS)));
        for _ in 0..10 {
            let (reply, took) = timed(|| door.stage.ask(&door.adapter, PODS));
            assert!(reply.status == 200 && took < AT_ONCE, "{} after {took:?}", reply.status);
            sleep(Duration::from_millis(50));
        }
        let (reply, took) = stranger.join().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(took >= Duration::from_secs(2), "{took:?}");
    });
}

#[test]
fn a_permission_that_is_granted_counts_within_ten_seconds_and_until_then_one_question_is_enough() {
    let door = Door::open(&[]);
    assert_eq!(door.ask_as("eve", PODS).status, 403);
    let granted = Instant::now();
    door.stage.kube.allow(|_| true);
    door.stage.kube.reset_tally();
    eventually("allowed", || door.ask_as("eve", PODS).status == 200);
    let took = granted.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(15)).contains(&took), "{took:?}");
    assert_eq!(door.reviews(), (0, 1));
    assert!(door.remembered("subjectaccessreview", "hit") >= 10.0);
    assert_eq!((door.counted("denied"), door.counted("allowed")), (1.0, 1.0));
}

#[test]
fn those_who_ask_the_same_at_once_are_one_question_and_one_answer() {
    const MANY: usize = 50;
    let door = Door::open(&[]);
    door.stage.kube.allow(|spec| spec["user"] == "ann");
    for (user, path, status, failing) in
        [("ann", PODS, 200, false), ("eve", PODS, 403, false), ("ann", OTHERS, 503, true)]
    {
        let client = door.stage.front_proxy(&door.adapter);
        let mut wires: Vec<_> = (0..MANY).map(|_| client.connect().unwrap()).collect();
        for wire in &mut wires {
            assert_eq!(wire.request("GET", "/healthz", AS_HPA, b"").unwrap().status, 200);
        }
        door.stage.kube.slow(Duration::from_secs(1));
        if failing {
            door.stage.kube.failing(400, |request| request.verb == "create");
        }
        door.stage.kube.reset_tally();
        let together = Barrier::new(MANY);
        std::thread::scope(|scope| {
            for wire in &mut wires {
                scope.spawn(|| {
                    together.wait();
                    let reply = wire.request("GET", path, &[("X-Remote-User", user)], b"").unwrap();
                    assert_eq!(reply.status, status, "{}", reply.text());
                });
            }
        });
        assert_eq!(door.reviews(), (0, 1), "{user} {path}");
        door.stage.kube.heal();
    }
}

#[test]
fn a_hundred_autoscalers_ask_the_api_server_one_question_each_in_two_minutes_and_list_nothing() {
    const NAMESPACES: usize = 100;
    const ROUNDS: usize = 20;
    let door = Door::open(&[]);
    let kube = &door.stage.kube;
    for number in 0..NAMESPACES {
        kube.namespace(&format!("team-{number}"));
    }
    kube.reset_tally();
    // As the controller does it: five workers, each namespace in each round.
    let failed = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        for worker in 0..5 {
            let (door, failed) = (&door, Arc::clone(&failed));
            scope.spawn(move || {
                let mut wire = door.stage.front_proxy(&door.adapter).connect().unwrap();
                for _ in 0..ROUNDS {
                    for number in (worker..NAMESPACES).step_by(5) {
                        let team = format!("team-{number}");
                        let usage = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{team}/pods");
                        let custom = format!(
                            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{team}/pods/%2A/http_requests_per_second"
                        );
                        let statuses = [usage, custom].map(|path| {
                            let reply = wire.request("GET", &path, AS_HPA, b"").unwrap();
                            reply.status
                        });
                        // There are no pods.
                        failed.fetch_or(statuses != [200, 404], Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(!failed.load(Ordering::Relaxed));
    // An answer is asked for again, behind it, once it is two minutes old: eight rounds of the controller, which has
    // a round in 15 s.
    assert_eq!(door.reviews(), (0, 2 * NAMESPACES));
    assert_eq!(kube.tally().len(), 2 * NAMESPACES, "and for nothing else");
    let (miss, hit) = (door.remembered("subjectaccessreview", "miss"), door.remembered("subjectaccessreview", "hit"));
    #[expect(clippy::cast_precision_loss, reason = "so few")]
    let (few, many) = ((2 * NAMESPACES) as f64, (2 * NAMESPACES * (ROUNDS - 1)) as f64);
    assert!((miss - few).abs() < 0.5 && (hit - many).abs() < 0.5, "{miss} {hit}");
    assert!((door.counted("allowed") - few).abs() < 0.5);
}
