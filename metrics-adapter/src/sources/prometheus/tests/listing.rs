use super::stub::{Reply, Stub, ok, series, status, vector};
use super::*;
use crate::rules::ListedSeries;

const RULES: &str = "rules:\n\
    - {seriesQuery: 'a_total{pod!=\"\"}', resources: {overrides: {pod: {resource: pod}, namespace: {resource: namespace}}},\n  \
      name: {matches: '^(.*)_total$', as: '${1}_per_second'},\n  \
      metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}\n\
    - {seriesQuery: 'a_total{pod!=\"\"}', resources: {overrides: {namespace: {resource: namespace}}},\n  \
      name: {matches: '^(.*)_total$', as: '${1}_twice'}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}\n";
const FIRST: &str = "a_total{pod!=\"\"}";
const OTHER: &str = "- {seriesQuery: other, resources: {overrides: {pod: {resource: pod}, namespace: {resource: namespace}}},\n  \
    metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}\n";

async fn list(stub: &Stub) -> Result<Vec<ListedSeries>, QueryFailure> {
    list_once(&settings(stub), FIRST, Clock::start()).await
}

fn two_pods(_: &stub::Request) -> Reply {
    let pod = |name: &str| format!(r#""__name__":"a_total","namespace":"shop","pod":"{name}""#);
    series(&[&pod("a"), &pod("b")])
}

fn metrics(running: &Running) -> Vec<String> {
    let catalog = running.catalog.current();
    catalog.offers.all_custom().map(|own| format!("{}/{}", own.resource, own.metric)).collect()
}

#[tokio::test]
async fn series_are_counted_by_their_name_and_the_names_of_their_labels() {
    let stub = Stub::new(|_| {
        series(&[
            r#""__name__":"b","pod":"x""#,
            r#""pod":"1","__name__":"a","namespace":"shop""#,
            r#""__name__":"a","namespace":"shop","pod":"2""#,
            r#""__name__":"a","namespace":"shop\u0022","pod":"3""#,
            r#""__name__":"a","pod":"4""#,
            "",
        ])
    })
    .await;
    let listed = list(&stub).await.unwrap();
    let shown: Vec<String> =
        listed.iter().map(|own| format!("{} {} {}", own.name, own.labels.join(","), own.count)).collect();
    assert_eq!(shown, ["  1", "a namespace,pod 3", "a pod 1", "b pod 1"]);
}

#[tokio::test]
async fn series_are_asked_for_from_so_long_ago_until_now() {
    let stub = Stub::new(|_| series(&[])).await;
    let before = Clock::start().now().wall.seconds();
    let settings = PrometheusSettings { max_age: Duration::from_mins(7), ..settings(&stub) };
    assert_eq!(list_once(&settings, FIRST, Clock::start()).await, Ok(Vec::new()));
    let [request] = &stub.heard()[..] else { panic!("asked once") };
    assert_eq!((&*request.method, &*request.path), ("POST", "/api/v1/series"));
    let number = |name: &str| request.value(name).unwrap().parse::<i64>().unwrap();
    let (start, end) = (number("start"), number("end"));
    assert_eq!(end - start, 7 * 60);
    assert!(end >= before && end <= Clock::start().now().wall.seconds());
    assert_eq!((request.value("match[]"), request.value("partial_response")), (Some(FIRST), Some("false")));
}

#[tokio::test]
async fn what_is_no_listing_is_told_with_what_to_do() {
    use QueryFailureReason::{Malformed, Partial, Refused, Status};
    let stub = Stub::new(|_| series(&[])).await;
    for (code, body, reason, begin) in [
        ("200 OK", "<html>hello</html>", Malformed, "no JSON of Prometheus's API, but \"<html>hello</html>\""),
        ("200 OK", "", Malformed, "nothing at all; is this Prometheus"),
        (
            "200 OK",
            r#"{"status":"success","data":[{"__name__":"a"},{"__na"#,
            Malformed,
            "JSON that cannot be read, or not to its end: EOF",
        ),
        ("200 OK", r#"{"status":"success","data":"none"}"#, Malformed, "JSON that cannot be read"),
        (
            "200 OK",
            r#"{"status":"error","data":null,"errorType":"bad_data","error":"1:1: parse error"}"#,
            Refused,
            "bad_data: 1:1: parse error",
        ),
        (
            "400 Bad Request",
            r#"{"status":"error","errorType":"bad_data","error":"1:1: parse error"}"#,
            Refused,
            "bad_data: 1:1: parse error",
        ),
        (
            "200 OK",
            r#"{"status":"success","data":[],"warnings":["store away"]}"#,
            Partial,
            "the answer is of a part of the data: store away",
        ),
        ("200 OK", r#"{"status":"success","isPartial":true,"data":[]}"#, Partial, "the answer is of a part"),
        ("404 Not Found", "", Status, "answered 404 Not Found; is this Prometheus"),
    ] {
        stub.becomes(move |_| status(code, body));
        let failure = list(&stub).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{body}: {failure}");
        assert!(failure.problem.starts_with(begin), "{body}: {failure}");
    }
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":\"success\",\"data\":[{\"__name__\":\"a\"}";
    stub.becomes(move |_| Reply::Raw(half.to_owned()));
    let failure = list(&stub).await.unwrap_err();
    assert!(failure.to_string().starts_with("malformed: the answer broke off: "), "{failure}");
    stub.becomes(|_| ok(r#"{"status":"success","data":[],"warnings":["PromQL info: x"],"infos":["y"]}"#));
    assert_eq!(list(&stub).await, Ok(Vec::new()));
}

#[tokio::test]
async fn more_names_than_anybody_needs_are_too_many() {
    let piece = |at: usize| format!(r#"{{"__name__":"m{at}"}},"#);
    let begin = r#"{"status":"success","data":["#;
    let stub = Stub::new(move |_| Reply::Stream(begin, piece, 19_000, "{}]}")).await;
    assert_eq!(list(&stub).await.unwrap().len(), 19_001);
    stub.becomes(move |_| Reply::Stream(begin, piece, 1_000_000, "{}]}"));
    let failure = list(&stub).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "too_large: more than 20000 names with different labels; a narrower seriesQuery finds fewer series"
    );
}

#[tokio::test]
async fn a_million_series_are_counted_and_not_held() {
    /// The memory is that of a process, so this has one of its own.
    const ALONE: &str = "MEASURED_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::a_million_series_are_counted_and_not_held");
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", &name]).env(ALONE, "").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let piece = |at: usize| {
        format!(
            r#"{{"__name__":"a_total","namespace":"shop","pod":"web-{at}","uid":"01234567-89ab-cdef-0123-456789abcdef"}},"#
        )
    };
    let stub = Stub::new(move |_| Reply::Stream(r#"{"status":"success","data":["#, piece, 1_000_000, "{}]}")).await;
    let before = resident();
    let listing = list(&stub);
    let mut most = 0;
    let watched = async {
        loop {
            most = resident().max(most);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let listed = tokio::select! {
        listed = listing => listed.unwrap(),
        () = watched => Vec::new(),
    };
    assert_eq!(listed[1].count, 1_000_000);
    let held = most.saturating_sub(before);
    assert!(held < 64 << 20, "{} MiB of more than 100 were held", held >> 20);
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
async fn rules_that_are_about_the_same_series_list_them_once() {
    let stub = Stub::new(two_pods).await;
    let running = Running::of(config(&stub, RULES));
    eventually("offers", || (metrics(&running).len() == 3).then_some(())).await;
    assert_eq!(metrics(&running), ["namespaces/a_per_second", "namespaces/a_twice", "pods/a_per_second"]);
    assert_eq!(running.listing().series[0].count, 2);
    let (first, _) = running.listing().listed.unwrap();
    let (again, _) = eventually("listed again", || running.listing().listed.filter(|own| own.0 > first)).await;
    assert!(again.since(first) >= Duration::from_secs(1), "the interval of listings");
    assert!(stub.times(FIRST) <= 3, "twice, and perhaps once more: {}", stub.times(FIRST));
}

#[tokio::test]
async fn a_listing_that_fails_leaves_the_others_and_what_was_known() {
    let stub = Stub::new(two_pods).await;
    let running = Running::of(config(&stub, &format!("{RULES}{OTHER}")));
    eventually("listed", || running.catalog.current().custom[2].listed).await;
    stub.becomes(|request| match request.query() {
        FIRST => status("422 Unprocessable Entity", r#"{"status":"error","errorType":"execution","error":"no"}"#),
        _ => series(&[r#""__name__":"new","namespace":"shop","pod":"a""#]),
    });
    eventually("a failure", || running.listing().failure).await;
    eventually("the other", || metrics(&running).contains(&"pods/new".to_owned()).then_some(())).await;
    assert!(metrics(&running).contains(&"pods/a_per_second".to_owned()), "as it was before");
    assert_eq!(running.listing().failure.unwrap().to_string(), "refused: execution: no");
    stub.becomes(two_pods);
    eventually("well again", || running.listing().failure.is_none().then_some(())).await;
}

#[tokio::test]
async fn a_new_configuration_takes_over_what_is_known_of_the_same_series() {
    let stub = Stub::new(two_pods).await;
    let running = Running::of(config(&stub, RULES));
    eventually("offers", || (!metrics(&running).is_empty()).then_some(())).await;
    stub.becomes(|_| Reply::Hang);
    let renamed = config(&stub, &RULES.replace("per_second", "rate"));
    running.becomes(renamed);
    eventually("the new name", || metrics(&running).contains(&"pods/a_rate".to_owned()).then_some(())).await;
    // What another has is not known.
    let other = Stub::new(|_| Reply::Hang).await;
    running.becomes(config(&other, RULES));
    eventually("nothing", || metrics(&running).is_empty().then_some(())).await;
    eventually("asked", || (other.times(FIRST) > 0).then_some(())).await;
    running.becomes(Config::default());
    eventually("no rules", || running.catalog.current().custom.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_prometheus_that_is_down_at_the_start_is_listed_when_it_comes() {
    let stub = Stub::new(|_| stub::close()).await;
    let running = Running::of(config(&stub, RULES));
    let failure = eventually("a failure", || running.listing().failure).await;
    assert_eq!(failure.reason, QueryFailureReason::Connection);
    assert!(running.listing().listed.is_none());
    stub.becomes(|request| if request.path.ends_with("/series") { two_pods(request) } else { vector(&[]) });
    eventually("listed", || running.listing().listed).await;
}
