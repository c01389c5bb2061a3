use super::stub::{Reply, Stub, close, ok, status, vector};
use super::*;

async fn ask(settings: &PrometheusSettings) -> Result<Answer, QueryFailure> {
    ask_once(settings, &question("sum(m)"), Clock::start()).await
}

/// What is said of one who answers so.
async fn failure_of(reply: impl Fn() -> Reply + Send + Sync + 'static) -> QueryFailure {
    let stub = Stub::new(move |_| reply()).await;
    ask(&settings(&stub)).await.unwrap_err()
}

#[tokio::test]
async fn a_question_is_a_form_that_is_posted() {
    let stub = Stub::new(|_| vector(&[])).await;
    let mut settings = settings(&stub);
    settings.url = format!("{}/prefix/", stub.url()).parse().unwrap();
    settings.headers = vec![("x-scope-orgid".parse().unwrap(), "team-a".parse().unwrap())];
    settings.timeout = Duration::from_millis(7500);
    ask(&settings).await.unwrap();
    settings.method = hyper::Method::GET;
    settings.accept_partial = true;
    ask(&settings).await.unwrap();
    let [post, get] = &stub.heard()[..] else { panic!("asked twice") };
    assert_eq!((&*post.method, &*post.path), ("POST", "/prefix/api/v1/query"));
    assert_eq!((&*get.method, &*get.path), ("GET", "/prefix/api/v1/query"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let asked = [pair("query", "sum(m)"), pair("timeout", "7500ms")];
    assert_eq!(get.form, asked, "partial answers are taken, and no time is given: it is Prometheus's own now");
    let whole = [pair("partial_response", "false"), pair("deny_partial_response", "1")];
    assert_eq!(post.form, [&asked[..], &whole[..]].concat());
    for request in [post, get] {
        assert_eq!(request.headers["x-scope-orgid"], "team-a");
        assert_eq!(request.headers["accept"], "application/json");
        assert_eq!(request.headers["user-agent"], concat!("metrics-adapter/", env!("CARGO_PKG_VERSION")));
        assert!(!request.headers.contains_key("accept-encoding"), "it is not read compressed");
    }
}

#[tokio::test]
async fn every_float_is_read_with_its_labels_and_its_time() {
    let written = [r#""pod":"a\"b\u00e4""#, r#""pod":"b","__name__":"m""#, "", "", "", ""];
    let values = ["1.5", "1e3", "NaN", "+Inf", "-Inf", "-0.25"];
    let samples: Vec<_> = written.into_iter().zip(values).collect();
    let stub = Stub::new(move |_| vector(&samples)).await;
    let answer = ask(&settings(&stub)).await.unwrap();
    let values: Vec<f64> = answer.samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values[..2], [1.5, 1000.0]);
    assert!(values[2].is_nan());
    assert_eq!(values[3..], [f64::INFINITY, f64::NEG_INFINITY, -0.25]);
    assert_eq!(answer.samples[0].labels.get("pod"), Some("a\"bä"));
    assert_eq!(answer.samples[1].labels.to_string(), "__name__=m,pod=b");
    assert!(answer.samples.iter().all(|sample| sample.time.millis() == 1_767_225_600_500));
}

#[tokio::test]
async fn a_scalar_is_one_sample_and_a_histogram_is_none() {
    let data = r#"{"resultType":"scalar","result":[1767225600,"0x"]}"#.replace("0x", "42");
    let stub = Stub::new(move |_| ok(format!(r#"{{"status":"success","data":{data}}}"#))).await;
    let answer = ask(&settings(&stub)).await.unwrap();
    assert_eq!((answer.samples.len(), answer.samples[0].value), (1, 42.0));
    assert!(answer.samples[0].labels.is_empty() && answer.warnings.is_empty());
    stub.becomes(|_| {
        ok(r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"pod":"a"},"histogram":[1767225600,{"count":"1","sum":"2","buckets":[[0,"1","2","1"]]}]},
            {"metric":{"pod":"b"},"value":[1767225600,"3"]}]}}"#)
    });
    let answer = ask(&settings(&stub)).await.unwrap();
    assert_eq!((answer.samples.len(), answer.samples[0].labels.get("pod")), (1, Some("b")));
    assert_eq!(answer.warnings, ["1 native histograms are passed over; histogram_quantile() makes values of them"]);
}

#[tokio::test]
async fn whoever_cannot_see_everything_says_so_in_one_way_or_another() {
    let stub = Stub::new(|_| vector(&[])).await;
    let data = r#""data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}"#;
    let settings = settings(&stub);
    let accepting = PrometheusSettings { accept_partial: true, ..settings.clone() };
    for (said, told) in [
        (r#""warnings":["No StoreAPIs matched for this query"]"#, "No StoreAPIs matched for this query"),
        (r#""warnings":["PromQL info: a","receive: connection refused"]"#, "receive: connection refused"),
        (r#""isPartial":true"#, "it says of itself that it is partial"),
    ] {
        stub.becomes(move |_| ok(format!(r#"{{"status":"success",{said},{data}}}"#)));
        let failure = ask(&settings).await.unwrap_err();
        assert_eq!(failure.reason, QueryFailureReason::Partial, "{said}");
        let problem = format!(
            "the answer is of a part of the data: {told}; prometheus.partialResponses: accept takes it all the same"
        );
        assert_eq!(failure.problem, problem);
        let answer = ask(&accepting).await.unwrap();
        assert_eq!((answer.samples.len(), &*answer.warnings[0]), (1, told));
    }
    for harmless in [
        r#""warnings":["PromQL warning: bucket label \"le\" is missing"]"#,
        r#""infos":["PromQL info: metric might not be a counter"]"#,
        r#""warnings":null,"infos":null,"isPartial":false,"stats":{"seriesFetched":"1"}"#,
        r#""trace":{}"#,
    ] {
        stub.becomes(move |_| ok(format!(r#"{{"status":"success",{harmless},{data}}}"#)));
        let answer = ask(&settings).await.unwrap();
        assert_eq!(answer.samples.len(), 1);
        assert_eq!(answer.warnings.len(), usize::from(harmless.contains("PromQL")), "{harmless}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_prometheus_s_own_words() {
    use QueryFailureReason::{Credentials, Refused, Status, Timeout};
    for (code, kind, reason) in [
        ("400 Bad Request", "bad_data", Refused),
        ("200 OK", "bad_data", Refused),
        ("422 Unprocessable Entity", "execution", Refused),
        ("422 Unprocessable Entity", "422", Refused),
        ("503 Service Unavailable", "timeout", Timeout),
        ("503 Service Unavailable", "canceled", Status),
        ("503 Service Unavailable", "unavailable", Status),
        ("500 Internal Server Error", "internal", Status),
        ("502 Bad Gateway", "502", Status),
        ("429 Too Many Requests", "429", Status),
        ("401 Unauthorized", "unauthorized", Credentials),
        ("403 Forbidden", "no_tenant", Credentials),
    ] {
        let failure = failure_of(move || {
            status(code, format!(r#"{{"status":"error","errorType":"{kind}","error":"1:5:\nso it is","data":null}}"#))
        })
        .await;
        assert_eq!(failure, QueryFailure { reason, problem: format!("{kind}: 1:5: so it is") }, "{code}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_with_what_to_do() {
    use QueryFailureReason::{Connection, Credentials, Malformed, Refused, Status};
    let elsewhere = "is this Prometheus, and is the path of prometheus.url its prefix?";
    let html = "<!doctype html>\n<title>Sign in</title>";
    let of_type = |kind: &str, result: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
    };
    let matrix = of_type("matrix", r#"[{"metric":{},"values":[[1,"1"]]}]"#);
    let table: [(&str, &str, QueryFailureReason, String); 13] = [
        (
            "200 OK",
            html,
            Malformed,
            format!("no JSON of Prometheus's API, but \"<!doctype html> <title>Sign in</title>\"; {elsewhere}"),
        ),
        ("200 OK", "", Malformed, format!("nothing at all; {elsewhere}")),
        (
            "200 OK",
            "{\"status\":\"success\",\"data\":{\"resultType\":\"vec",
            Malformed,
            "JSON that cannot be read, or not to its end: EOF while parsing a string at line 1 column 45".to_owned(),
        ),
        ("200 OK", "{\"status\":\"success\"}", Malformed, "an answer without data".to_owned()),
        (
            "200 OK",
            "{\"status\":\"fine\"}",
            Malformed,
            "JSON, but not of Prometheus's API: its status is neither success nor error".to_owned(),
        ),
        (
            "200 OK",
            &matrix,
            Refused,
            "the query gives a matrix, not a vector; rate() or max_over_time() makes a value of a range".to_owned(),
        ),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"string","result":[1,"a"]}}"#,
            Refused,
            "the query gives a string, not a vector; a metric is a number".to_owned(),
        ),
        ("404 Not Found", "404 page not found", Status, format!("answered 404 Not Found; {elsewhere}")),
        (
            "405 Method Not Allowed",
            "",
            Status,
            "answered 405 Method Not Allowed; prometheus.method: GET asks in the other way".to_owned(),
        ),
        (
            "501 Not Implemented",
            "",
            Status,
            "answered 501 Not Implemented; prometheus.method: GET asks in the other way".to_owned(),
        ),
        (
            "401 Unauthorized",
            "no",
            Credentials,
            "answered 401 Unauthorized; prometheus.bearerTokenFile or prometheus.basicAuth gives it credentials"
                .to_owned(),
        ),
        ("502 Bad Gateway", html, Status, "answered 502 Bad Gateway".to_owned()),
        (
            "302 Found\r\nlocation: /graph",
            html,
            Status,
            "answered 302 Found to \"/graph\"; redirects are not followed, prometheus.url must be the place itself"
                .to_owned(),
        ),
    ];
    for (code, body, reason, problem) in table {
        let (answer_code, answer_body) = (code.to_owned(), body.to_owned());
        let failure = failure_of(move || status(&answer_code, answer_body.clone())).await;
        assert_eq!(failure, QueryFailure { reason, problem }, "{code}: {body}");
    }
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":";
    let failure = failure_of(|| Reply::Raw(half.to_owned())).await;
    assert_eq!(failure.reason, Malformed);
    assert!(failure.problem.starts_with("the answer broke off: "), "{failure}");
    assert_eq!(failure_of(close).await.reason, Connection);
    assert_eq!(failure_of(|| Reply::Raw("SSH-2.0-OpenSSH_9.2\r\n".to_owned())).await.reason, Connection);
}

#[tokio::test]
async fn nobody_there_and_nobody_who_answers_are_told_apart() {
    let stub = Stub::new(|_| Reply::Hang).await;
    let impatient = PrometheusSettings { timeout: Duration::from_millis(200), ..settings(&stub) };
    let failure = ask(&impatient).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "timeout: not answered, or not to the end, within 200ms; prometheus.timeout allows no more"
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = ask(&PrometheusSettings::at(nobody.parse().unwrap())).await.unwrap_err();
    assert_eq!(failure.reason, QueryFailureReason::Connection);
    assert!(failure.problem.contains("refused"), "{failure}");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_no_failure() {
    let stub = Stub::new(|_| vector(&[])).await;
    let client = client::Client::new(settings(&stub), Clock::start());
    client.query(&question("first")).await.unwrap();
    let heard = stub.clone();
    stub.becomes(move |_| if heard.heard().len() == 2 { close() } else { vector(&[]) });
    client.query(&question("second")).await.unwrap();
    assert_eq!(stub.times("second"), 2, "the first of these was not answered");
}

#[tokio::test]
async fn an_answer_may_be_as_large_as_the_settings_say() {
    let begin = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}"#;
    let piece = |at: usize| format!(r#",{{"metric":{{"pod":"web-{at}"}},"value":[1,"1"]}}"#);
    let stub = Stub::new(move |_| Reply::Stream(begin, piece, 20_000, "]}}")).await;
    let answer = ask(&settings(&stub)).await.unwrap();
    assert_eq!(answer.samples.len(), 20_001, "more than is read at once");
    let failure = ask(&PrometheusSettings { body_limit: 500_000, ..settings(&stub) }).await.unwrap_err();
    assert_eq!(failure.to_string(), "too_large: more than 500000 bytes; prometheus.bodyLimit allows no more");
}
