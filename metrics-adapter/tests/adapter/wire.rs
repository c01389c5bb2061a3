use std::process::Command;

use serde_json::Value;

use crate::support::{Adapter, Counter, FAST, Target, eventually, pod};

const STAR: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second";

/// An adapter with so many pods that answers are worth compressing.
fn shop(pods: usize, arguments: &[&str]) -> (Adapter, Target) {
    let target = Counter::target(10.0);
    let pods: String = (0..pods).map(|at| pod(&format!("web-{at:02}"), &target.url, "")).collect();
    let adapter = Adapter::start_with(Some(FAST), &format!("pods:\n{pods}"), arguments);
    (adapter, target)
}

fn items(json: &Value) -> usize {
    json["items"].as_array().map_or(0, Vec::len)
}

/// A real HTTP client, for what the tests' own does not speak.
fn curl(arguments: &[&str], url: &str) -> (String, Vec<u8>) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "10", "--user-agent", "test"]);
    let out = command
        .args(["--write-out", "%{stderr}%{http_version} %{http_code} %{content_type}"])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "curl: {said}");
    (said, out.stdout)
}

#[test]
fn answers_are_compressed_for_those_who_ask_and_are_the_same() {
    let (adapter, _target) = shop(10, &[]);
    eventually("all measured", || items(&adapter.get(STAR).json()) == 10);
    let url = format!("{}{STAR}", adapter.api);
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    let headers_file = headers.to_str().unwrap();
    let (_, plain) = curl(&["--compressed", "--dump-header", headers_file], &url);
    let said = std::fs::read_to_string(&headers).unwrap().to_ascii_lowercase();
    assert!(said.contains("content-encoding: gzip"), "{said}");
    assert_eq!(items(&serde_json::from_slice(&plain).unwrap()), 10);
    for refused in ["identity", "gzip;q=0", "br"] {
        let reply = adapter.send("GET", STAR, &[("accept-encoding", refused)]);
        assert_eq!(reply.header("content-encoding"), "", "{refused}");
        assert_eq!(items(&reply.json()), 10);
    }
    let (_, protobuf) = curl(&["--compressed", "-H", "accept: application/vnd.kubernetes.protobuf"], &url);
    assert!(protobuf.starts_with(b"k8s\0"));
}

#[test]
fn http_2_and_1_1_are_spoken_with_and_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let (secure, _target) = shop(1, &["--tls-cert-file", certificate, "--tls-private-key-file", key]);
    let url = format!("{}/apis", secure.api.replace("127.0.0.1", "localhost"));
    let trusting = ["--cacert", certificate];
    assert_eq!(curl(&[&trusting[..], &["--http2"]].concat(), &url).0, "2 200 application/json");
    assert_eq!(curl(&[&trusting[..], &["--http1.1"]].concat(), &url).0, "1.1 200 application/json");
    let (plain, _target) = shop(1, &[]);
    let url = format!("{}/apis", plain.api);
    assert_eq!(curl(&["--http2-prior-knowledge"], &url).0, "2 200 application/json");
    assert_eq!(curl(&["--http1.1"], &url).0, "1.1 200 application/json");
}

#[test]
fn documents_have_an_etag_and_are_not_sent_twice() {
    let (adapter, _target) = shop(1, &[]);
    let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let v2beta1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    for (path, accept) in [
        ("/apis", v2),
        ("/apis", v2beta1),
        ("/apis", "application/json"),
        ("/openapi/v2", "*/*"),
        ("/openapi/v3", "*/*"),
    ] {
        let first = adapter.send("GET", path, &[("accept", accept)]).expect(200);
        let tag = first.header("etag").to_owned();
        assert!(tag.len() > 10 && tag.starts_with('"'), "{path}: {tag}");
        assert!(first.header("vary").contains("Accept"));
        let again = adapter.send("GET", path, &[("accept", accept), ("if-none-match", &tag)]).expect(304);
        assert!(again.body.is_empty() && again.header("etag") == tag);
        adapter.send("GET", path, &[("accept", accept), ("if-none-match", "\"other\"")]).expect(200);
    }
    let reply = adapter.send("GET", "/apis", &[("accept", v2beta1)]);
    assert_eq!(reply.json()["apiVersion"], "apidiscovery.k8s.io/v2beta1");
    assert_eq!(reply.header("content-type"), v2beta1);
    // Whoever takes both gets the one it named first.
    let reply = adapter.send("GET", "/apis", &[("accept", &format!("{v2},{v2beta1},*/*"))]);
    assert_eq!(reply.header("content-type"), v2);
}

#[test]
fn openapi_documents_are_where_the_index_says_and_describe_every_group_version() {
    let (adapter, _target) = shop(1, &[]);
    let index = adapter.get("/openapi/v3").expect(200).json();
    let paths = index["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 4);
    for (path, place) in paths {
        let document = adapter.get(place["serverRelativeURL"].as_str().unwrap()).expect(200).json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.0"), "{path}");
        let root = format!("/{path}/");
        assert!(document["paths"].as_object().unwrap().keys().all(|own| own.starts_with(&root)), "{path}");
    }
    let v2 = adapter.get("/openapi/v2").expect(200).json();
    assert_eq!(v2["swagger"], "2.0");
    let text = adapter.get("/openapi/v3/apis/nope/v1").failure(404);
    assert_eq!(text, "the server could not find the requested resource");
}

#[test]
fn people_get_indented_json_and_machines_do_not() {
    let (adapter, _target) = shop(1, &[]);
    let path = "/apis/metrics.k8s.io/v1beta1/pods";
    let text = |path: &str, agent: &str| adapter.send("GET", path, &[("user-agent", agent)]).expect(200).text();
    assert!(text(path, "curl/8.0").contains("\n  \"kind\": \"PodMetricsList\""));
    assert!(!text(path, "kube-controller-manager/v1.36").contains('\n'));
    assert!(text(&format!("{path}?pretty=true"), "x").contains('\n'));
    assert!(!text(&format!("{path}?pretty=false"), "curl/8.0").contains('\n'));
}

#[test]
fn what_is_no_question_is_refused_with_a_status() {
    let (adapter, _target) = shop(1, &[]);
    adapter.wait_ready();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let message = adapter.send(method, STAR, &[]).failure(405);
        assert!(message.contains(&format!("the server does not allow {method}")), "{message}");
    }
    let message = adapter.get("/apis/metrics.k8s.io/v1beta1/pods?watch=true").failure(405);
    assert!(message.contains("watch is not supported"), "{message}");
    let message = adapter.send("GET", STAR, &[("accept", "text/html")]).failure(406);
    assert!(message.contains("only the following media types are accepted"), "{message}");
    for path in [
        "/nope",
        "/api",
        "/apis/nope",
        "/apis/nope/v1",
        "/apis/metrics.k8s.io/v1",
        "/apis/custom.metrics.k8s.io/v1beta3",
        "/apis/custom.metrics.k8s.io/v1beta3/namespaces/shop/pods/*/m",
        "/apis/custom.metrics.k8s.io/v1beta2/x/y",
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-00/m/extra",
    ] {
        assert_eq!(adapter.get(path).failure(404), "the server could not find the requested resource", "{path}");
    }
    for query in ["labelSelector=a%3D%3D%3Db", "metricLabelSelector=a%20b", "fieldSelector=spec.x%3Dy"] {
        adapter.get(&format!("{STAR}?{query}")).failure(400);
    }
    adapter.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%FF/http_requests_per_second").failure(400);
}

#[test]
fn selectors_of_every_kind_select_pods_objects_and_series() {
    let counter = Counter::growing(10.0);
    let target = Target::saying(move || {
        let value = counter.value();
        format!(
            "http_requests_total{{method=\"GET\",status=\"200\"}} {value}\n\
             http_requests_total{{method=\"GET\",status=\"500\"}} {}\n\
             http_requests_total{{method=\"POST\",status=\"200\"}} {}\n",
            value * 2.0,
            value * 4.0
        )
    });
    let url = &target.url;
    let targets = format!(
        "pods:\n- {{name: a, namespace: shop, url: '{url}', labels: {{app: web, tier: stable}}, services: [web]}}\n\
         - {{name: b, namespace: shop, url: '{url}', labels: {{app: web, tier: canary}}, services: [web, canary]}}\n\
         - {{name: c, namespace: shop, url: '{url}', labels: {{app: api}}}}\n\
         objects:\n- {{resource: services, namespace: shop, name: web, labels: {{team: red}}}}\n"
    );
    let adapter = Adapter::start(Some(FAST), &targets);
    eventually("all measured", || items(&adapter.get(STAR).json()) == 3);
    let names = |path: &str| {
        let json = adapter.get(&format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{path}")).json();
        let items = json["items"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> =
            items.iter().map(|item| item["describedObject"]["name"].as_str().unwrap().to_owned()).collect();
        names.join(",")
    };
    let table = [
        ("app%3Dweb", "a,b"),
        ("app%21%3Dweb", "c"),
        ("app+in+%28web%2Capi%29", "a,b,c"),
        ("tier+notin+%28canary%29", "a,c"),
        ("tier", "a,b"),
        ("%21tier", "c"),
        ("app%3Dweb%2Ctier%3Dcanary", "b"),
        ("app%3D%3Dapi", "c"),
        ("", "a,b,c"),
    ];
    for (selector, selected) in table {
        assert_eq!(names(&format!("pods/*/http_requests_per_second?labelSelector={selector}")), selected, "{selector}");
    }
    assert_eq!(names("services/*/http_requests_per_second"), "canary,web");
    assert_eq!(names("services/*/http_requests_per_second?labelSelector=team%3Dred"), "web");
    let rate =
        |selector: &str| adapter.value("pods/a", &format!("http_requests_per_second?metricLabelSelector={selector}"));
    let near = |value: Option<f64>, wanted: f64| value.is_some_and(|value| (value / wanted - 1.0).abs() < 0.1);
    for (selector, wanted) in [
        ("method%3DGET", 30.0),
        ("method%3DGET%2Cstatus%3D500", 20.0),
        ("status+in+%28200%29", 50.0),
        ("status%3E400", 20.0),
        ("method%21%3DGET", 40.0),
        ("method", 70.0),
    ] {
        eventually(&format!("{wanted} of {selector}, but {:?}", rate(selector)), || near(rate(selector), wanted));
    }
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/a/http_requests_per_second?metricLabelSelector=method%3DGET%2Cstatus+notin+%28500%29";
    let selector = &adapter.get(path).expect(200).json()["items"][0]["metric"]["selector"];
    let meant = serde_json::json!({
        "matchLabels": {"method": "GET"},
        "matchExpressions": [{"key": "status", "operator": "NotIn", "values": ["500"]}],
    });
    assert_eq!(*selector, meant);
}
