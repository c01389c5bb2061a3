use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::support::kube::{Client, base64, objects};
use crate::support::stage::{AS_HPA, Stage};
use crate::support::{Adapter, FAST, eventually};

const NODES: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
const SECRET: &str = "metrics-adapter-tls";
const CUSTOM: &str = "v1beta2.custom.metrics.k8s.io";
const ALL: [(&str, &str); 4] = [
    ("v1beta1", "custom.metrics.k8s.io"),
    ("v1beta2", "custom.metrics.k8s.io"),
    ("v1beta1", "external.metrics.k8s.io"),
    ("v1beta1", "metrics.k8s.io"),
];

fn api_service(version: &str, group: &str, service: &str) -> Value {
    let mut object = objects::api_service(version, group, "monitoring", service);
    object["metadata"]["labels"] = json!({"app.kubernetes.io/name": "metrics-adapter"});
    object
}

fn stage() -> Stage {
    let stage = Stage::new();
    for (version, group) in ALL {
        stage.kube.put("apiservices", api_service(version, group, "metrics-adapter"));
    }
    stage
}

fn secret(stage: &Stage) -> Option<Value> {
    stage.kube.get("secrets", "monitoring", SECRET)
}

fn entry(secret: &Value, name: &str) -> String {
    String::from_utf8(base64::decode(secret["data"][name].as_str().unwrap()).unwrap()).unwrap()
}

/// The authorities that the API server knows an `APIService` by, PEM.
fn bundle(stage: &Stage, name: &str) -> Option<String> {
    let object = stage.kube.get("apiservices", "", name)?;
    let text = object["spec"]["caBundle"].as_str()?.to_owned();
    Some(String::from_utf8(base64::decode(&text).unwrap()).unwrap())
}

/// The aggregator: it believes what `caBundle` certifies, under the Service's name.
fn aggregator(stage: &Stage, adapter: &Adapter) -> Vec<Client> {
    let pair = stage.kube.pki().front_proxy_client();
    let authorities = bundle(stage, CUSTOM).unwrap_or_default();
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(authorities.as_bytes()).map(Result::unwrap).collect();
    let client = |authority| {
        Client::with_identity(&adapter.api, authority, None, Some(&pair)).named("metrics-adapter.monitoring.svc")
    };
    authorities.iter().map(client).collect()
}

/// Whether the aggregator is answered by a new connection.
fn answers(stage: &Stage, adapter: &Adapter) -> bool {
    aggregator(stage, adapter).into_iter().any(|client| {
        let reply = client.connect().and_then(|mut wire| wire.request("GET", NODES, AS_HPA, b""));
        reply.is_ok_and(|reply| reply.status == 200)
    })
}

#[test]
fn a_certificate_is_made_and_the_api_server_is_told_by_whom_it_is_known() {
    let stage = stage();
    stage.kube.change("apiservices", "", "v1beta1.metrics.k8s.io", |object| {
        object["spec"]["insecureSkipTLSVerify"] = json!(true);
    });
    let adapter = stage.bare_adapter(Some(FAST), &[]);
    adapter.wait_ready();
    eventually("answered", || answers(&stage, &adapter));
    let made = secret(&stage).unwrap();
    for (version, group) in ALL {
        let name = format!("{version}.{group}");
        eventually(&name, || bundle(&stage, &name).as_deref() == Some(&entry(&made, "ca.crt")));
        let spec = stage.kube.get("apiservices", "", &name).unwrap()["spec"].take();
        assert!(!spec["insecureSkipTLSVerify"].as_bool().unwrap_or(false), "{spec}");
    }
    assert_eq!(made["metadata"]["labels"]["app.kubernetes.io/managed-by"], "metrics-adapter");
    assert!(entry(&made, "ca.key").contains("PRIVATE KEY") && entry(&made, "tls.key").contains("PRIVATE KEY"));
    let status = adapter.ops("/status.json").json()["cluster"].take();
    assert!(status["certificate"]["expires"].as_str().is_some_and(|expires| expires > "2026"), "{status}");
    assert!(status["apiServices"].as_array().unwrap().iter().all(|own| own["owner"] == "ours"), "{status}");
    assert!(adapter.metric("metrics_adapter_tls_certificate_expiry_timestamp_seconds").unwrap() > 1.7e9);
    assert!(adapter.metric("metrics_adapter_tls_authority_expiry_timestamp_seconds").unwrap() > 1.7e9);
    let page = adapter.ops("/").text();
    assert!(page.contains(CUSTOM) && !page.contains("PRIVATE KEY"));
    // Nothing is done again.
    stage.kube.reset_tally();
    std::thread::sleep(Duration::from_secs(3));
    let writes = stage.kube.tally().into_iter().filter(|own| ["create", "update", "patch"].contains(&&*own.verb));
    assert_eq!(writes.filter(|own| own.resource != "subjectaccessreviews").count(), 0);
}

#[test]
fn replicas_that_start_together_serve_with_the_same_certificate() {
    let stage = stage();
    let adapters: Vec<Adapter> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| stage.bare_adapter(Some(FAST), &[]))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for adapter in &adapters {
        adapter.wait_ready();
    }
    let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
    let made = secret(&stage).unwrap();
    for adapter in &adapters {
        eventually("answered", || answers(&stage, adapter));
    }
    assert_eq!(version(&made), version(&secret(&stage).unwrap()), "written once");
    assert_eq!(bundle(&stage, CUSTOM).unwrap(), entry(&made, "ca.crt"));
}

#[test]
fn certificates_are_renewed_before_they_expire_without_a_connection_being_dropped() {
    let stage = stage();
    let lifetime = ["--certificate-lifetime", "10s"];
    let (one, other) = (stage.bare_adapter(Some(FAST), &lifetime), stage.bare_adapter(Some(FAST), &lifetime));
    one.wait_ready();
    other.wait_ready();
    eventually("answered", || answers(&stage, &one) && answers(&stage, &other));
    let first = secret(&stage).unwrap();
    let mut old = aggregator(&stage, &one).remove(0).connect().unwrap();
    let began = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    // An authority lasts 40 s, and is followed by another after 20.
    while began.elapsed() < Duration::from_secs(27) {
        assert!(answers(&stage, &one) && answers(&stage, &other), "{:?}", began.elapsed());
        assert_eq!(old.request("GET", NODES, AS_HPA, b"").unwrap().status, 200, "the first connection goes on");
        seen.insert(entry(&secret(&stage).unwrap(), "tls.crt"));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(seen.len() >= 4, "{} certificates", seen.len());
    let authorities = |secret: &Value| entry(secret, "ca.crt").matches("BEGIN").count();
    let last = secret(&stage).unwrap();
    assert_eq!((authorities(&first), authorities(&last)), (1, 2));
    assert!(entry(&last, "ca.crt").ends_with(&entry(&first, "ca.crt")), "the old authority is still known");
}

#[test]
fn what_becomes_of_the_secret_is_put_right_and_what_is_served_goes_on() {
    let stage = stage();
    let adapter = stage.bare_adapter(Some(FAST), &[]);
    adapter.wait_ready();
    eventually("answered", || answers(&stage, &adapter));
    let made = secret(&stage).unwrap();
    stage.kube.remove("secrets", "monitoring", SECRET);
    eventually("written again", || secret(&stage).is_some_and(|again| again["data"] == made["data"]));
    assert!(answers(&stage, &adapter));
    stage.kube.change("secrets", "monitoring", SECRET, |own| own["data"]["tls.crt"] = json!(base64::encode(b"x")));
    eventually("mended", || secret(&stage).is_some_and(|again| again["data"] == made["data"]));
    assert!(answers(&stage, &adapter));
    // An APIService that is deleted and made again.
    stage.kube.remove("apiservices", "", CUSTOM);
    let owner = || {
        let all = adapter.ops("/status.json").json()["cluster"]["apiServices"].take();
        all.as_array().unwrap().iter().find(|own| own["name"] == CUSTOM).unwrap()["owner"].clone()
    };
    eventually("missed", || owner() == "missing");
    stage.kube.put("apiservices", api_service("v1beta2", "custom.metrics.k8s.io", "metrics-adapter"));
    eventually("told again", || bundle(&stage, CUSTOM).is_some());
    assert!(answers(&stage, &adapter) && owner() == "ours");
    assert_eq!(adapter.ops("/readyz").status, 200);
}

#[test]
fn a_write_that_is_never_answered_is_tried_again() {
    let stage = stage();
    let adapter = stage.bare_adapter(Some(FAST), &[]);
    adapter.wait_ready();
    eventually("answered", || answers(&stage, &adapter));
    // Watches go on; what is asked from now on is not answered within an hour.
    stage.kube.slow(Duration::from_hours(1));
    stage.kube.remove("secrets", "monitoring", SECRET);
    stage.kube.change("apiservices", "", CUSTOM, |object| object["spec"]["caBundle"] = Value::Null);
    let problems = || {
        let own = adapter.ops("/status.json").json()["cluster"].take();
        let services = own["apiServices"].as_array().unwrap();
        let service = services.iter().find(|own| own["name"] == CUSTOM).unwrap();
        [own["certificate"]["problem"].clone(), service["problem"].clone()]
    };
    let began = Instant::now();
    let said = |problem: &Value| problem.as_str().is_some_and(|text| text.ends_with("no answer within 10s"));
    while !problems().iter().all(said) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", problems());
        std::thread::sleep(Duration::from_millis(200));
    }
    stage.kube.slow(Duration::ZERO);
    // Another try may be under way by now, and is given up as well.
    while secret(&stage).is_none() || bundle(&stage, CUSTOM).is_none() || problems() != [Value::Null, Value::Null] {
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", problems());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(answers(&stage, &adapter));
}

#[test]
fn a_secret_that_lost_its_label_is_known_by_what_it_holds() {
    let stage = stage();
    let first = stage.bare_adapter(Some(FAST), &[]);
    first.wait_ready();
    drop(first);
    stage.kube.change("secrets", "monitoring", SECRET, |own| own["metadata"]["labels"] = json!({}));
    let adapter = stage.bare_adapter(Some(FAST), &[]);
    adapter.wait_ready();
    eventually("answered", || answers(&stage, &adapter));
}

#[test]
fn a_secret_of_somebody_else_is_left_alone_and_said_to_be_in_the_way() {
    let stage = stage();
    let own = json!({"metadata": {"namespace": "monitoring", "name": SECRET}, "type": "Opaque", "data": {"a": "eA=="}});
    stage.kube.put("secrets", own);
    let adapter = stage.bare_adapter(Some(FAST), &[]);
    eventually("said", || adapter.ops("/readyz").text().contains("somebody else's"));
    let text = adapter.ops("/readyz").text();
    assert!(text.contains("[-]certificate failed") && text.contains("--secret-name"), "{text}");
    assert_eq!(secret(&stage).unwrap()["data"], json!({"a": "eA=="}));
    // Nobody is answered without TLS.
    let port = adapter.api.rsplit_once(':').unwrap().1.to_owned();
    let plain = ureq::get(format!("http://127.0.0.1:{port}/healthz")).call();
    assert!(plain.is_err());
    // Out of the way.
    stage.kube.remove("secrets", "monitoring", SECRET);
    adapter.wait_ready();
    eventually("answered", || answers(&stage, &adapter));
}

#[test]
fn an_apiservice_of_somebody_else_is_left_alone_unless_it_is_to_be_taken_over() {
    let stage = stage();
    let name = "v1beta1.metrics.k8s.io";
    stage.kube.remove("apiservices", "", name);
    let theirs = objects::api_service("v1beta1", "metrics.k8s.io", "kube-system", "metrics-server");
    let theirs = stage.kube.put("apiservices", theirs);
    let adapter = stage.bare_adapter(Some(FAST), &[]);
    adapter.wait_ready();
    eventually("answered", || answers(&stage, &adapter));
    eventually("said", || !adapter.log_lines("served by kube-system/metrics-server, and is left alone").is_empty());
    assert!(adapter.ops("/").text().contains("served by kube-system/metrics-server; left alone"));
    assert_eq!(stage.kube.get("apiservices", "", name).unwrap(), theirs);
    assert_eq!(adapter.metric(&format!("metrics_adapter_apiservice_registered{{apiservice=\"{name}\"}}")), Some(0.0));
    drop(adapter);
    let adapter = stage.bare_adapter(Some(FAST), &["--take-over"]);
    eventually("taken over", || bundle(&stage, name).is_some());
    let spec = stage.kube.get("apiservices", "", name).unwrap();
    assert_eq!(spec["spec"]["service"], json!({"namespace": "monitoring", "name": "metrics-adapter", "port": 443}));
    eventually("said", || {
        adapter.metric(&format!("metrics_adapter_apiservice_registered{{apiservice=\"{name}\"}}")) == Some(1.0)
    });
}

#[test]
fn with_given_certificates_no_apiservice_is_touched() {
    let stage = stage();
    let adapter = stage.adapter(Some(FAST), &[]);
    adapter.wait_ready();
    std::thread::sleep(Duration::from_secs(1));
    assert!(secret(&stage).is_none() && bundle(&stage, CUSTOM).is_none());
    assert_eq!(stage.kube.count("patch", "apiservices"), 0);
    assert_eq!(stage.ask(&adapter, NODES).status, 200);
}
