use super::*;
use crate::model::{FailureReason, ScrapeFailure};

const SECOND: u64 = 1_000_000_000;
/// What the kubelet's clock shows when ours shows zero.
const WALL: Wall = Wall::from_millis(1_795_000_000_000);
const WALL_SECONDS: f64 = 1_795_000_000.0;

/// Both clocks, so many seconds on.
fn now(seconds: f64) -> Now {
    let moment = Moment::default().after(Duration::from_secs_f64(1_000.0 + seconds));
    Now { moment, wall: wall(seconds) }
}

fn wall(seconds: f64) -> Wall {
    let zero = Now { moment: Moment::default().after(Duration::from_hours(10)), wall: WALL };
    let distance = Duration::from_secs_f64(seconds.abs());
    zero.wall_of(if seconds < 0.0 { zero.moment.before(distance) } else { zero.moment.after(distance) })
}

/// CPU seconds used, measured then.
fn used(cpu_seconds: f64, stamp: f64) -> RawUsage {
    let (cpu_seconds, stamp) = (Some(cpu_seconds), Some(wall(stamp)));
    RawUsage { cpu_seconds, stamp, memory_bytes: Some(1024.0), ..RawUsage::default() }
}

fn started(seconds: f64, usage: RawUsage) -> RawUsage {
    RawUsage { started: Some(WALL_SECONDS + seconds), ..usage }
}

/// A node whose kubelet is read.
#[derive(Default)]
struct Node {
    history: NodeHistory,
    names: Names,
}

impl Node {
    fn read(&mut self, at: f64, containers: &[(ContainerName<'_>, RawUsage)]) -> Arc<NodeRecord> {
        let scrape = KubeletScrape::of(used(at, at), containers.iter().copied());
        self.take(at, Ok(scrape))
    }

    fn take(&mut self, at: f64, outcome: Result<KubeletScrape, ScrapeFailure>) -> Arc<NodeRecord> {
        let resolution = Duration::from_secs(15);
        let batch = KubeletBatch { node: "n".into(), at: now(at).moment, took: Duration::ZERO, resolution, outcome };
        self.history.absorb(batch, &mut self.names, &now(at))
    }
}

const WEB: ContainerName<'_> = ("shop", "web", "app");

/// What becomes of one container that a kubelet gives these of, a time each: millicores and the window in seconds.
fn outcomes(readings: &[(f64, RawUsage)]) -> Vec<Result<(u64, f64), Absence>> {
    let mut node = Node::default();
    let mut outcome = |(at, usage): &(f64, RawUsage)| {
        let record = node.read(*at, &[(WEB, *usage)]);
        let usage = record.pod("shop", "web").unwrap().containers[0].usage;
        usage.map(|usage| (usage.cpu_nanocores / 1_000_000, usage.window.as_secs_f64()))
    };
    readings.iter().map(&mut outcome).collect()
}

/// A case, what is read, and what comes of each.
type Row<'a> = (&'a str, &'a [(f64, RawUsage)], &'a [Result<(u64, f64), Absence>]);

#[test]
fn cpu_is_taken_between_two_points_by_the_kubelets_own_clock() {
    let once = Err(Absence::ScrapedOnce);
    let table: &[Row<'_>] = &[
        (
            "two points, 10 seconds apart for the kubelet and 15 for us",
            &[(5.0, used(100.0, 0.0)), (20.0, used(105.0, 10.0)), (35.0, used(105.0, 30.0))],
            &[once, Ok((500, 10.0)), Ok((0, 20.0))],
        ),
        (
            "the same point again keeps what was known",
            &[(0.0, used(1.0, 0.0)), (15.0, used(4.0, 12.0)), (30.0, used(4.0, 12.0)), (45.0, used(7.0, 42.0))],
            &[once, Ok((250, 12.0)), Ok((250, 12.0)), Ok((100, 30.0))],
        ),
        (
            "a point that is hardly later is the same",
            &[(0.0, used(1.0, 0.0)), (15.0, used(4.0, 12.0)), (16.0, used(9.0, 12.9)), (30.0, used(16.0, 27.0))],
            &[once, Ok((250, 12.0)), Ok((250, 12.0)), Ok((800, 15.0))],
        ),
        (
            "the kubelet's clock is an hour slow",
            &[(0.0, used(1.0, -3_600.0)), (15.0, used(4.0, -3_585.0))],
            &[once, Ok((200, 15.0))],
        ),
        (
            "the kubelet's clock is set: what was known stays for one round",
            &[
                (0.0, used(1.0, 0.0)),
                (15.0, used(4.0, 15.0)),
                (30.0, used(7.0, -3_570.0)),
                (45.0, used(8.5, -3_555.0)),
                (60.0, used(9.0, 60.0)),
                (75.0, used(15.0, 75.0)),
            ],
            &[once, Ok((200, 15.0)), Ok((200, 15.0)), Ok((100, 15.0)), Ok((100, 15.0)), Ok((400, 15.0))],
        ),
        (
            "a counter that fell is another container's",
            &[(0.0, used(50.0, 0.0)), (15.0, used(1.0, 15.0)), (30.0, used(4.0, 30.0))],
            &[once, once, Ok((200, 15.0))],
        ),
        (
            "a container that says it started later is another, even if it has used more",
            &[
                (0.0, started(-100.0, used(50.0, 0.0))),
                (15.0, started(12.0, used(60.0, 15.0))),
                (30.0, started(12.0, used(63.0, 30.0))),
            ],
            &[once, once, Ok((200, 15.0))],
        ),
        (
            "a start that moves by less than a second, or back, is the same",
            &[
                (0.0, started(-100.0, used(50.0, 0.0))),
                (15.0, started(-99.1, used(53.0, 15.0))),
                (30.0, started(-500.0, used(56.0, 30.0))),
            ],
            &[once, Ok((200, 15.0)), Ok((200, 15.0))],
        ),
        (
            "a new container's start is a point, from 10 seconds on and up to the resolution",
            &[(0.0, started(-9.9, used(3.0, 0.0))), (15.0, started(-9.9, used(6.0, 15.0)))],
            &[once, Ok((200, 15.0))],
        ),
        ("… ten", &[(0.0, started(-10.0, used(3.0, 0.0)))], &[Ok((300, 10.0))]),
        ("… fifteen", &[(0.0, started(-15.0, used(3.0, 0.0)))], &[once]),
        (
            "… and so is that of one that was started again",
            &[(0.0, started(-99.0, used(50.0, 0.0))), (15.0, started(3.0, used(6.0, 15.0)))],
            &[once, Ok((500, 12.0))],
        ),
        ("a start after the measurement is none", &[(0.0, started(20.0, used(3.0, 0.0)))], &[once]),
    ];
    for (case, readings, expected) in table {
        assert_eq!(outcomes(readings), *expected, "{case}");
    }
}

#[test]
fn without_timestamps_our_own_clock_is_taken() {
    let bare = |cpu_seconds| RawUsage { stamp: None, ..used(cpu_seconds, 0.0) };
    let outcomes = outcomes(&[(0.0, bare(1.0)), (15.0, bare(4.0)), (30.0, bare(4.0))]);
    assert_eq!(outcomes, [Err(Absence::ScrapedOnce), Ok((200, 15.0)), Ok((0, 15.0))]);
}

#[test]
fn what_no_usage_can_be_is_lacking_and_begins_anew() {
    let good = |at: f64| (at, used(at, at));
    let cpu = |cpu_seconds| (30.0, RawUsage { cpu_seconds, ..used(0.0, 30.0) });
    let memory = |memory_bytes| (30.0, RawUsage { memory_bytes, ..used(30.0, 30.0) });
    let odd = [
        cpu(None),
        cpu(Some(f64::NAN)),
        cpu(Some(-1.0)),
        cpu(Some(f64::INFINITY)),
        memory(None),
        memory(Some(0.0)),
        memory(Some(-5.0)),
        memory(Some(f64::NAN)),
        memory(Some(1e300)),
    ];
    for odd in odd {
        let outcomes = outcomes(&[good(0.0), good(15.0), odd, good(45.0), good(60.0)]);
        let expected = [
            Err(Absence::ScrapedOnce),
            Ok((1000, 15.0)),
            Err(Absence::NoSeries),
            Err(Absence::ScrapedOnce),
            Ok((1000, 15.0)),
        ];
        assert_eq!(outcomes, expected, "{odd:?}");
    }
    let huge = outcomes(&[(0.0, used(0.0, 0.0)), (15.0, used(1e300, 15.0))]);
    assert_eq!(huge[1], Err(Absence::NotFinite));
    let swap = |swap_bytes| {
        let mut node = Node::default();
        let with = |at| (WEB, RawUsage { swap_bytes, ..used(at, at) });
        node.read(0.0, &[with(0.0)]);
        node.read(15.0, &[with(15.0)]).pods[0].containers[0].usage.unwrap().swap_bytes
    };
    assert_eq!([swap(None), swap(Some(0.0)), swap(Some(7.0)), swap(Some(-1.0))], [None, Some(0), Some(7), None]);
}

#[test]
fn stamps_that_nobody_can_have_measured_at_break_nothing() {
    for stamp in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
        let insane = RawUsage { stamp: Some(Wall::from_millis(stamp)), ..started(0.0, used(5.0, 0.0)) };
        let outcomes = outcomes(&[(0.0, insane), (15.0, used(6.0, 15.0)), (30.0, insane), (45.0, insane)]);
        assert_eq!(outcomes[0], Err(Absence::ScrapedOnce), "{stamp}");
    }
}

#[test]
fn a_sample_is_as_old_as_its_stamp_says_unless_the_stamp_is_of_a_wrong_clock() {
    let table = [(15.0, 15.0), (3.0, 3.0), (-45.0, -45.0), (-46.0, 15.0), (25.0, 25.0), (26.0, 15.0), (3_600.0, 15.0)];
    for (stamp, at) in table {
        let mut node = Node::default();
        node.read(0.0, &[(WEB, used(1.0, stamp - 15.0))]);
        let record = node.read(15.0, &[(WEB, used(2.0, stamp))]);
        let usage = record.pods[0].containers[0].usage.unwrap();
        assert_eq!(usage.at, now(at).moment, "stamped {stamp}");
        assert_eq!(usage.window, Duration::from_secs(15));
    }
}

#[test]
fn pods_and_containers_come_and_go_and_each_keeps_its_own_points() {
    let mut node = Node::default();
    let all = [("a", "x", "1"), ("a", "x", "2"), ("a", "y", "1"), ("b", "x", "1"), ("b", "x", "3"), ("c", "z", "9")];
    // Each container is there in the rounds whose bit is set; each uses as many cores as its place says.
    let rounds = [0b11_1111_u32, 0b11_1111, 0b10_1010, 0b01_0111, 0b11_1111, 0, 0b00_0001];
    let mut before = 0;
    for (round, present) in (0_u32..).zip(rounds) {
        let at = f64::from(round * 15);
        let placed = (0_u32..).zip(all);
        let given = placed.clone().filter(|(place, _)| present & (1 << place) != 0);
        let given: Vec<(ContainerName<'_>, RawUsage)> =
            given.map(|(place, name)| (name, used(f64::from(place) * at, at))).collect();
        let record = node.read(at, &given);
        let found = record.pods.iter().map(|pod| pod.containers.len()).sum::<usize>();
        assert_eq!(found, given.len(), "round {round}");
        for (place, (namespace, pod, container)) in placed {
            let pod = record.pod(namespace, pod);
            let own = pod.and_then(|pod| pod.containers.iter().find(|own| *own.name == *container));
            let expected = match (before & (1 << place) != 0, present & (1 << place) != 0) {
                (_, false) => None,
                (false, true) => Some(Err(Absence::ScrapedOnce)),
                (true, true) => Some(Ok(u64::from(place) * SECOND)),
            };
            assert_eq!(own.map(|own| own.usage.map(|usage| usage.cpu_nanocores)), expected, "round {round}, {place}");
        }
        before = present;
    }
    assert_eq!(node.history.points(), 2, "one container and the node");
}

#[test]
fn a_pod_lacks_what_one_of_its_containers_lacks_and_is_as_old_as_its_oldest() {
    let mut node = Node::default();
    let two = |app: RawUsage, proxy: RawUsage| [(("shop", "web", "app"), app), (("shop", "web", "proxy"), proxy)];
    node.read(0.0, &two(used(0.0, 0.0), used(0.0, -6.0)));
    let record = node.read(15.0, &two(used(3.0, 15.0), used(1.0, 9.0)));
    let pod = record.pod("shop", "web").unwrap();
    assert_eq!(pod.lacking(), None);
    assert_eq!(pod.oldest().unwrap().at, now(9.0).moment);
    let record = node.read(30.0, &two(used(6.0, 30.0), RawUsage { memory_bytes: Some(0.0), ..used(2.0, 24.0) }));
    assert_eq!(record.pod("shop", "web").unwrap().lacking(), Some(("proxy", Absence::NoSeries)));
    assert!(record.pod("shop", "we").is_none() && record.pod("sho", "web").is_none());
}

#[test]
fn a_failure_leaves_what_was_known_and_is_told() {
    let mut node = Node::default();
    let failure = || ScrapeFailure { reason: FailureReason::Timeout, problem: "slow".to_owned() };
    let record = node.take(0.0, Err(failure()));
    assert_eq!((record.usage, record.pods.len(), record.target.successes), (Err(Absence::NeverScraped), 0, 0));
    node.read(15.0, &[(WEB, used(15.0, 15.0))]);
    let before = node.read(30.0, &[(WEB, used(30.0, 30.0))]);
    let record = node.take(45.0, Err(failure()));
    assert!(Arc::ptr_eq(&before.pods, &record.pods), "nothing was copied");
    assert_eq!(record.usage, before.usage);
    assert_eq!((record.target.attempts, record.target.successes), (4, 2));
    assert_eq!(record.target.failure, Some(failure()));
    assert_eq!(record.target.last_success, Some(now(30.0).moment));
    assert_eq!(record.stale_after, Duration::from_mins(1));
    let record = node.read(60.0, &[(WEB, used(36.0, 60.0))]);
    assert_eq!(record.pods[0].containers[0].usage.unwrap().cpu_nanocores, SECOND / 5, "over thirty seconds");
    assert_eq!(record.target.failure, None);
}

#[test]
fn names_are_kept_once_and_not_for_ever() {
    let mut node = Node::default();
    let shared = |pod: &'static str| (("shop", pod, "app"), used(0.0, 0.0));
    let record = node.read(0.0, &[shared("a"), shared("b")]);
    let [one, other] = &record.pods[..] else { panic!("{record:?}") };
    assert!(Arc::ptr_eq(&one.namespace, &other.namespace));
    assert!(Arc::ptr_eq(&one.containers[0].name, &other.containers[0].name));
    for name in 0..=WORTH_A_LOOK {
        node.names.intern(&name.to_string());
    }
    node.names.forget_unused();
    assert_eq!(node.names.names.len(), 2);
}
