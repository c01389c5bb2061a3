use super::stub::{Reply, Stub, close, status, vector};
use super::*;

fn seven(_: &stub::Request) -> Reply {
    vector(&[("", "7")])
}

/// It was tried so often at least.
async fn tried(asked: &Asked, times: u64) {
    eventually("tries", || (asked.state().attempts >= times).then_some(())).await;
}

fn fails(asked: &Asked) -> Option<QueryFailure> {
    asked.state().failure
}

#[tokio::test]
async fn a_new_question_is_asked_at_once_and_then_again_and_again() {
    let stub = Stub::new(seven).await;
    let running = Running::of(config(&stub, ""));
    let began = running.clock.moment();
    let asked = running.ask("m");
    let first = asked.tried(PATIENCE).await;
    let answer = first.answer.unwrap();
    assert_eq!((answer.samples[0].value, first.failure), (7.0, None));
    assert!(answer.at >= began && answer.at.after(answer.took) <= running.clock.moment());
    tried(&asked, 4).await;
    let later = asked.state().answer.unwrap();
    assert!(later.generation > answer.generation);
    // Three intervals of 100 ms lie between these, of which the first may be half as long.
    assert!(later.at.since(answer.at) >= Duration::from_millis(240), "{:?}", later.at.since(answer.at));
    assert_eq!(running.state.borrow().up, Some(true));
}

#[tokio::test]
async fn a_question_that_nobody_asks_any_more_is_forgotten() {
    let stub = Stub::new(seven).await;
    let running = Running::of(config(&stub, ""));
    let long_ago = running.clock.moment().before(Duration::from_millis(5 * 60_000 - 1500));
    let what = || "pods/old".to_owned();
    running.demand.ask(&question("old"), "", what, long_ago).unwrap().tried(PATIENCE).await;
    eventually("forgotten", || running.demand.is_empty().then_some(())).await;
    let before = stub.times("old");
    tried(&running.ask("new"), 5).await;
    assert_eq!(stub.times("old"), before);
    // Whoever asks again begins anew.
    running.ask("old").tried(PATIENCE).await;
    assert!(stub.times("old") > before);
}

#[tokio::test]
async fn while_prometheus_is_down_it_is_left_alone_and_everybody_is_told_at_once() {
    let stub = Stub::new(|_| close()).await;
    let running = Running::of(config(&stub, ""));
    let first = running.ask("first");
    tried(&first, 1).await;
    assert_eq!(fails(&first).unwrap().reason, QueryFailureReason::Connection);
    let all: Vec<_> = (0..200).map(|at| running.ask(&format!("m{at}"))).collect();
    for asked in &all {
        tried(asked, 1).await;
        assert_eq!(fails(asked).unwrap().reason, QueryFailureReason::Connection);
    }
    assert!(stub.heard().len() < 100, "{} requests for 201 questions", stub.heard().len());
    let state = running.state.borrow().clone();
    assert_eq!((state.up, state.last_success), (Some(false), None));
    assert_eq!(state.failure.unwrap().reason, QueryFailureReason::Connection);
    stub.becomes(seven);
    for asked in &all {
        eventually("an answer", || asked.state().answer).await;
    }
    assert_eq!(running.state.borrow().up, Some(true));
}

#[tokio::test]
async fn one_question_that_takes_too_long_is_no_matter_of_the_others() {
    let stub = Stub::new(|request| if request.query() == "slow" { Reply::Hang } else { vector(&[]) }).await;
    let mut config = config(&stub, "");
    config.prometheus.as_mut().unwrap().timeout = Duration::from_millis(50);
    let running = Running::of(config);
    let (slow, fast) = (running.ask("slow"), running.ask("fast"));
    tried(&fast, 2).await;
    tried(&slow, 4).await;
    assert_eq!(fails(&slow).unwrap().reason, QueryFailureReason::Timeout);
    assert!(slow.state().answer.is_none());
    let count = fast.state().attempts;
    tried(&fast, count + 3).await;
    assert_eq!((fails(&fast), running.state.borrow().up), (None, Some(true)));
}

#[tokio::test]
async fn what_answers_nobody_is_down_whatever_it_says() {
    let stub = Stub::new(|_| status("502 Bad Gateway", "<html>")).await;
    let running = Running::of(config(&stub, ""));
    let all: Vec<_> = (0..5).map(|at| running.ask(&format!("m{at}"))).collect();
    eventually("down", || (running.state.borrow().up == Some(false)).then_some(())).await;
    for asked in &all {
        tried(asked, 1).await;
    }
    eventually("the cause", || running.state.borrow().failure.clone()).await;
    stub.becomes(|_| status("422 Unprocessable Entity", r#"{"status":"error","errorType":"execution","error":"no"}"#));
    eventually("it answers, if not with values", || (running.state.borrow().up == Some(true)).then_some(())).await;
}

#[tokio::test]
async fn new_questions_do_not_wait_for_old_ones() {
    let stub = Stub::new(seven).await;
    let mut config = config(&stub, "");
    config.prometheus.as_mut().unwrap().timeout = Duration::from_mins(10);
    let running = Running::of(config);
    let all: Vec<_> = (0..40).map(|at| running.ask(&format!("old{at}"))).collect();
    for asked in &all {
        tried(asked, 1).await;
    }
    stub.becomes(|request| if request.query().starts_with("old") { Reply::Hang } else { seven(request) });
    let hanging = |stub: &Stub| stub.heard().iter().rev().take_while(|own| own.query().starts_with("old")).count();
    eventually("many that hang", || (hanging(&stub) >= 12).then_some(())).await;
    // Spread over ten intervals, in which each of the old ones takes a place as soon as it finds one.
    for new in 0..50 {
        let answer = running.ask(&format!("new{new}")).tried(PATIENCE).await.answer;
        assert_eq!(answer.expect("an answer while all others hang").samples.len(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn answers_of_another_prometheus_are_forgotten() {
    let (one, other) = (Stub::new(seven).await, Stub::new(|_| Reply::Hang).await);
    let running = Running::of(config(&one, ""));
    let asked = running.ask("m");
    eventually("an answer", || asked.state().answer).await;
    running.becomes(config(&other, ""));
    eventually("none", || asked.state().answer.is_none().then_some(())).await;
    assert_eq!(asked.state().attempts, 0, "whoever asks now waits for the first answer");
    eventually("the other is asked", || (other.times("m") > 0).then_some(())).await;
    let before = one.times("m");
    other.becomes(|_| vector(&[("", "8")]));
    running.becomes(config(&other, "scrape: {interval: 1s}"));
    running.becomes(config_of(&other.url(), ""));
    assert_eq!(one.times("m"), before);
    running.becomes(Config::default());
    let failure = eventually("a failure", || fails(&asked)).await;
    assert!(failure.problem.starts_with("no Prometheus is configured"), "{failure}");
}

#[tokio::test]
async fn another_pace_makes_no_other_prometheus() {
    let stub = Stub::new(seven).await;
    let client = |settings: PrometheusSettings| client::Client::new(settings, Clock::start());
    let own = settings(&stub);
    let slower = PrometheusSettings {
        interval: Duration::from_secs(9),
        stale_after: Duration::from_secs(90),
        timeout: Duration::from_secs(3),
        body_limit: 1,
        ..own.clone()
    };
    let partial = PrometheusSettings { accept_partial: true, ..own.clone() };
    let tenant = vec![("x-scope-orgid".parse().unwrap(), "b".parse().unwrap())];
    let tenant = PrometheusSettings { headers: tenant, ..own.clone() };
    let own = client(own);
    assert!(own.asks_the_same(&client(slower)));
    assert!(!own.asks_the_same(&client(partial)) && !own.asks_the_same(&client(tenant)));
}

#[test]
fn the_families_of_this_room_are_there_from_the_beginning_and_move() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let page = metrics::with_local_recorder(&recorder, || {
        describe_metrics();
        let page = recorder.handle().render();
        for endpoint in ENDPOINTS {
            let outcomes = QueryFailureReason::ALL.iter().map(|reason| reason.label()).chain(["ok"]);
            for outcome in outcomes {
                let series = format!(
                    "metrics_adapter_prometheus_requests_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}} 0\n"
                );
                assert!(page.contains(&series), "{series}{page}");
            }
        }
        runtime.block_on(async {
            let stub = Stub::new(|request| match &*request.path {
                "/api/v1/series" => stub::series(&[r#""__name__":"other","namespace":"shop","pod":"a""#]),
                _ => status("404 Not Found", ""),
            })
            .await;
            let rule = "rules:\n- {seriesQuery: other, resources: {template: '<<.Resource>>'}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}\n";
            let running = Running::of(config(&stub, rule));
            eventually("listed", || running.listing().listed).await;
            tried(&running.ask("m"), 1).await;
            recorder.handle().render()
        })
    });
    for line in [
        "# TYPE metrics_adapter_prometheus_request_duration_seconds summary\n",
        "metrics_adapter_prometheus_requests_total{endpoint=\"query\",outcome=\"status\"} 1\n",
        "metrics_adapter_prometheus_requests_total{endpoint=\"series\",outcome=\"ok\"} 1\n",
        "metrics_adapter_prometheus_request_duration_seconds_count{endpoint=\"query\"} 1\n",
        "metrics_adapter_prometheus_up 1\n",
        "metrics_adapter_queries 1\n",
        "metrics_adapter_series_listed 1\n",
        "\nmetrics_adapter_series_last_listing_timestamp_seconds ",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
}
