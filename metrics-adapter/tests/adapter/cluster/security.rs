use serde_json::json;

use crate::support::kube::{Authority, Client, Leaf, Pair, Reply, Usage};
use crate::support::stage::{AS_HPA, Door, HPA, Stage};
use crate::support::{FAST, eventually};

const NODES: &str = "/apis/metrics.k8s.io/v1beta1/nodes";

/// What is other than it should be, the certificate and the headers that are shown, and the answer's status.
type Case<'a> = (&'a str, Option<Pair>, &'a [(&'a str, &'a str)], u16);

impl Door {
    fn issue(&self, leaf: &Leaf) -> Pair {
        self.stage.kube.pki().front_proxy.issue(leaf)
    }

    fn ask(&self, pair: Option<&Pair>, headers: &[(&str, &str)]) -> Reply {
        self.stage.client(&self.adapter, pair).request("GET", NODES, headers, b"")
    }

    /// The request that succeeds still does.
    #[track_caller]
    fn still_answers(&self) {
        let reply = self.stage.ask(&self.adapter, NODES);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[track_caller]
fn failure(reply: &Reply, code: u16) -> String {
    let json = reply.json();
    assert_eq!((reply.status, json["code"].as_u64(), json["kind"].as_str()), (code, Some(code.into()), Some("Status")));
    assert!(reply.header("retry-after").is_none(), "an HPA would sleep");
    json["message"].as_str().unwrap().to_owned()
}

#[test]
fn the_front_proxy_is_believed_and_nobody_else_who_says_what_it_says() {
    let door = Door::open(&[]);
    let front = || Leaf::client("front-proxy-client", &[]);
    let stranger = Authority::new("front-proxy-ca");
    let cluster = &door.stage.kube.pki().cluster;
    let twice = &[&[("X-Remote-User", "system:admin")], AS_HPA].concat()[..];
    let table: Vec<Case> = vec![
        ("as it should be", Some(door.issue(&front())), AS_HPA, 200),
        ("no certificate", None, AS_HPA, 403),
        ("of another authority of the same name", Some(stranger.issue(&front())), AS_HPA, 401),
        ("signed by itself", Some(front().self_signed()), AS_HPA, 401),
        ("another name", Some(door.issue(&Leaf::client("kubelet", &[]))), AS_HPA, 401),
        ("no name", Some(door.issue(&Leaf::client("", &[]))), AS_HPA, 401),
        ("expired", Some(door.issue(&front().expired())), AS_HPA, 401),
        ("not valid yet", Some(door.issue(&front().not_yet_valid())), AS_HPA, 401),
        ("a server's certificate", Some(door.issue(&front().usage(Usage::Server))), AS_HPA, 401),
        ("of users' authority", Some(cluster.issue(&front())), AS_HPA, 403),
        ("two users", Some(door.issue(&front())), twice, 401),
        ("no user", Some(door.issue(&front())), &[("X-Remote-Group", "system:masters")], 401),
        ("an empty user", Some(door.issue(&front())), &[("X-Remote-User", "")], 401),
    ];
    for (what, pair, headers, status) in table {
        let reply = door.ask(pair.as_ref(), headers);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        if status != 200 {
            failure(&reply, status);
        }
        door.still_answers();
    }
}

#[test]
fn a_user_is_known_by_a_certificate_of_the_cluster_and_what_they_say_of_themselves_is_ignored() {
    let door = Door::open(&[]);
    let cluster = &door.stage.kube.pki().cluster;
    let admin = cluster.issue(&Leaf::client("kubernetes-admin", &["system:masters"]));
    assert_eq!(door.ask(Some(&admin), &[]).status, 200);
    let nobody = cluster.issue(&Leaf::client("eve", &["people"]));
    for headers in [&[][..], AS_HPA, &[("X-Remote-User", "kubernetes-admin"), ("X-Remote-Group", "system:masters")]] {
        let message = failure(&door.ask(Some(&nobody), headers), 403);
        assert_eq!(
            message,
            "nodes.metrics.k8s.io is forbidden: User \"eve\" cannot list resource \"nodes\" in API group \
             \"metrics.k8s.io\" at the cluster scope"
        );
    }
    for leaf in [
        Leaf::client("kubernetes-admin", &["system:masters"]).expired(),
        Leaf::client("kubernetes-admin", &["system:masters"]).not_yet_valid(),
        Leaf::client("kubernetes-admin", &["system:masters"]).usage(Usage::Server),
    ] {
        assert_eq!(failure(&door.ask(Some(&cluster.issue(&leaf)), &[]), 401), "Unauthorized");
    }
    door.still_answers();
}

#[test]
fn tokens_are_asked_about_and_nobody_is_anonymous_unless_they_say_nothing() {
    let door = Door::open(&[]);
    let kube = &door.stage.kube;
    kube.token("good", HPA, &["system:serviceaccounts"]);
    kube.token("weak", "eve", &[]);
    let bearer = |token: &str| {
        let value = format!("Bearer {token}");
        door.ask(None, &[("Authorization", &value)])
    };
    assert_eq!(bearer("good").status, 200);
    assert!(failure(&bearer("weak"), 403).contains("User \"eve\" cannot list resource \"nodes\""));
    assert_eq!(failure(&bearer("bad"), 401), "Unauthorized");
    assert_eq!(failure(&bearer(&"x".repeat(40_000)), 401), "Unauthorized");
    assert!(failure(&door.ask(None, &[]), 403).contains("User \"system:anonymous\" cannot list"));
    assert!(failure(&door.ask(None, &[("Authorization", "Basic Z29vZDo=")]), 403).contains("system:anonymous"));
    // What is remembered is not asked again.
    kube.reset_tally();
    for _ in 0..20 {
        assert_eq!(bearer("good").status, 200);
        assert_eq!(bearer("bad").status, 401);
    }
    assert_eq!(kube.count("create", "tokenreviews"), 0);
    assert_eq!(kube.count("create", "subjectaccessreviews"), 0);
}

#[test]
fn the_api_server_is_asked_exactly_what_is_wanted_and_once() {
    let door = Door::open(&[]);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let says = std::sync::Arc::clone(&seen);
    door.stage.kube.allow(move |spec| {
        says.lock().unwrap().push(spec.clone());
        true
    });
    let client = door.stage.front_proxy(&door.adapter);
    let headers = [
        ("X-Remote-User", "eve"),
        ("X-Remote-Uid", "u-1"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id", "JTI=1"),
    ];
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/http_requests_per_second";
    for _ in 0..5 {
        assert_eq!(client.request("GET", path, &headers, b"").status, 404, "there are no pods");
    }
    let specs = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(specs.len(), 1, "{specs:#?}");
    let attributes = json!({
        "verb": "get", "group": "custom.metrics.k8s.io", "version": "v1beta2", "namespace": "shop",
        "resource": "pods", "subresource": "http_requests_per_second", "name": "*",
    });
    assert_eq!(specs[0]["resourceAttributes"], attributes);
    assert_eq!((&specs[0]["user"], &specs[0]["uid"]), (&json!("eve"), &json!("u-1")));
    assert_eq!(specs[0]["groups"], json!(["a", "b", "system:authenticated"]));
    assert_eq!(specs[0]["extra"], json!({"authentication.kubernetes.io/credential-id": ["JTI=1"]}));
    // Another user, another question.
    assert_eq!(client.request("GET", path, &[("X-Remote-User", "eve")], b"").status, 404);
    assert_eq!(client.request("GET", "/debug", &[("X-Remote-User", "eve")], b"").status, 404);
    let specs = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(specs[1]["nonResourceAttributes"], json!({"path": "/debug", "verb": "get"}));
    // Those whom everything is allowed, and probes, are not asked about.
    assert_eq!(
        client.request("GET", NODES, &[("X-Remote-User", "a"), ("X-Remote-Group", "system:masters")], b"").status,
        200
    );
    for probe in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(door.stage.client(&door.adapter, None).get(probe).status, 200, "{probe}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[test]
fn paths_that_can_be_read_in_two_ways_are_refused() {
    let door = Door::open(&[]);
    for path in [
        "/apis/metrics.k8s.io/v1beta1/namespaces/shop%2Fpods/web-1",
        "/apis/metrics.k8s.io/v1beta1/%6eodes",
        "/apis/metrics.k8s.io/v1beta1/namespaces/%2e%2e/nodes",
        "/apis/metrics.k8s.io/v1beta1//nodes",
        "/apis/metrics.k8s.io/v1beta1/./nodes",
    ] {
        let message = failure(&door.stage.ask(&door.adapter, path), 400);
        assert!(message.starts_with("the path"), "{path}: {message}");
    }
    door.still_answers();
}

#[test]
fn a_rotated_front_proxy_authority_counts_at_once_and_on_open_connections() {
    let door = Door::open(&[]);
    let old = door.stage.front_proxy(&door.adapter);
    let mut wire = old.connect().unwrap();
    assert_eq!(wire.request("GET", NODES, AS_HPA, b"").unwrap().status, 200);
    let new = Authority::new("front-proxy-ca");
    door.stage.kube.change("configmaps", "kube-system", "extension-apiserver-authentication", |map| {
        map["data"]["requestheader-client-ca-file"] = json!(new.cert_pem);
    });
    let pair = new.issue(&Leaf::client("front-proxy-client", &[]));
    eventually("the new one is believed", || door.ask(Some(&pair), AS_HPA).status == 200);
    assert_eq!(wire.request("GET", NODES, AS_HPA, b"").unwrap().status, 401, "the old one no longer");
    assert_eq!(old.request("GET", NODES, AS_HPA, b"").status, 401);
    // What is wrong is said, and what was right before stays in force.
    door.stage.kube.change("configmaps", "kube-system", "extension-apiserver-authentication", |map| {
        map["data"]["requestheader-client-ca-file"] = json!("nonsense");
    });
    let problem = || door.adapter.ops("/status.json").json()["cluster"]["trustProblem"].clone();
    eventually("said", || problem().as_str().is_some_and(|problem| problem.contains("requestheader-client-ca-file")));
    assert_eq!(door.ask(Some(&pair), AS_HPA).status, 200);
    door.stage.kube.remove("configmaps", "kube-system", "extension-apiserver-authentication");
    eventually("said", || problem().as_str().is_some_and(|problem| problem.contains("does not exist")));
    assert_eq!(door.ask(Some(&pair), AS_HPA).status, 200);
    assert_eq!(door.adapter.ops("/readyz").status, 200);
}

#[test]
fn any_name_is_a_front_proxys_if_none_is_named() {
    let door = Door::open(&[]);
    let pair = door.issue(&Leaf::client("aggregator", &[]));
    assert_eq!(door.ask(Some(&pair), AS_HPA).status, 401);
    door.stage.trust(&[]);
    eventually("believed", || door.ask(Some(&pair), AS_HPA).status == 200);
}

#[test]
fn oversized_headers_are_refused_and_the_next_request_is_answered() {
    let door = Door::open(&[]);
    let large = "x".repeat(100 << 10);
    let client: Client = door.stage.front_proxy(&door.adapter);
    let headers = [AS_HPA, &[("X-Large", large.as_str())]].concat();
    let refused = client.connect().unwrap().request("GET", NODES, &headers, b"");
    assert!(refused.as_ref().map_or(true, |reply| reply.status == 431), "{refused:?}");
    door.still_answers();
}

#[test]
fn what_the_aggregator_the_controller_and_kubectl_sent_is_let_in_by_the_roles_that_every_cluster_has() {
    let stage = Stage::new();
    stage.kube.allow(|_| false);
    // As `kubectl get clusterrole system:controller:horizontal-pod-autoscaler` has it.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "system:controller:horizontal-pod-autoscaler"},
        "rules": [
            {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
            {"apiGroups": ["external.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:controller:horizontal-pod-autoscaler"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:controller:horizontal-pod-autoscaler"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "horizontal-pod-autoscaler"}],
    });
    stage.kube.grant(&[role, binding]);
    let adapter = stage.adapter(Some(FAST), &[]);
    adapter.wait_ready();
    let client = stage.front_proxy(&adapter);
    let requests = std::fs::read_to_string(crate::support::recording::file("requests/aggregator-hpa-kubectl.jsonl"));
    let (mut answered, mut whom) = (0, std::collections::BTreeSet::new());
    for line in requests.unwrap().lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = request["path"].as_str().unwrap();
        let headers = request["headers"].as_object().unwrap();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| !["Host", "Accept-Encoding"].contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let reply = client.request("GET", path, &headers, b"");
        // There are no pods, so that some values are not found; whoever asks is let in.
        assert!([200, 404].contains(&reply.status), "{path}: {}", reply.text());
        answered += 1;
        whom.extend(headers.iter().find(|(name, _)| *name == "X-Remote-User").map(|(_, user)| (*user).to_owned()));
    }
    assert!(answered > 10 && whom.contains(HPA) && whom.contains("system:kube-aggregator"), "{answered}: {whom:?}");
    // The controller may not do what it does not need.
    assert_eq!(stage.ask(&adapter, NODES).status, 403);
}

#[test]
fn one_address_has_a_share_of_the_connections_and_no_more() {
    let stage = Stage::new();
    let adapter = stage.adapter(Some(FAST), &["--max-connections", "100"]);
    adapter.wait_ready();
    let client = stage.front_proxy(&adapter);
    let answers = |wire: &mut crate::support::kube::Wire| {
        wire.request("GET", NODES, AS_HPA, b"").is_ok_and(|reply| reply.status == 200)
    };
    let mut wires: Vec<_> = (0..20).map(|_| client.connect().unwrap()).collect();
    assert!(wires.iter_mut().all(answers), "a fifth of them");
    assert!(!client.connect().is_ok_and(|mut wire| answers(&mut wire)), "and no more");
    assert!(wires.iter_mut().all(answers), "who is there stays");
    let turned_away = "metrics_adapter_connection_errors_total{stage=\"too_many\"}";
    assert_eq!(adapter.metric(turned_away), Some(1.0));
    drop(wires.pop());
    eventually("a place is free", || client.connect().is_ok_and(|mut wire| answers(&mut wire)));
}

#[test]
fn who_may_read_one_namespace_is_told_of_nothing_that_is_counted_beyond_it() {
    let door = Door::open(&[]);
    door.stage.kube.allow(|spec| {
        let wanted = &spec["resourceAttributes"];
        spec["user"] == HPA || spec["user"] == "ann" && wanted["namespace"] == "shop"
    });
    let table = [
        ("namespaces/shop/pods/%2A", true),
        ("namespaces/shop/services/web", true),
        ("namespaces/shop/metrics", true),
        ("namespaces/shop/namespaces/shop", true),
        ("namespaces/shop/namespaces/default", false),
        ("namespaces/shop/namespaces/%2A", false),
        // What another tenant's pods do on it as well.
        ("namespaces/shop/nodes/node1", false),
        ("namespaces/shop/nodes/shop", false),
        ("namespaces/shop/nodes/%2A", false),
        ("namespaces/default/namespaces/shop", false),
        ("nodes/node1", false),
    ];
    for (path, may) in table {
        let path = format!("/apis/custom.metrics.k8s.io/v1beta2/{path}/http_requests_per_second");
        // There is nothing yet, and to say so is an answer.
        let client = door.stage.front_proxy(&door.adapter);
        let reply = client.request("GET", &path, &[("X-Remote-User", "ann")], b"");
        assert_eq!(reply.status, if may { 404 } else { 403 }, "{path}: {}", reply.text());
        assert_eq!(door.stage.ask(&door.adapter, &path).status, 404, "the controller is answered: {path}");
    }
}
