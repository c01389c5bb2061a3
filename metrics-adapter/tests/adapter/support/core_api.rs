use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

/// What kubectl asks of the API server, beside the adapter: the core API with one node, `machine`, of 2 cores and
/// 4 GiB, and namespaces `shop`, with pods `web-1` and `web-2`, and `empty`. Every other path that is an aggregated server's goes on to the adapter, unchanged.
pub(crate) struct CoreApi {
    pub(crate) url: String,
}

impl CoreApi {
    pub(crate) fn before(adapter: &str) -> Self {
        let adapter = adapter.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let adapter = adapter.clone();
                std::thread::spawn(move || converse(stream, &adapter));
            }
        });
        Self { url }
    }
}

/// One request a connection.
fn converse(mut stream: TcpStream, adapter: &str) -> Option<()> {
    let mut head = Vec::new();
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?;
    if ["/apis", "/openapi", "/version"].iter().any(|own| path.starts_with(own)) {
        let mut upstream = TcpStream::connect(adapter).ok()?;
        upstream.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).ok()?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).ok()?;
        return stream.write_all(&answer).ok();
    }
    let (status, body) = match core(path) {
        Some(body) => ("200 OK", body),
        None => (
            "404 Not Found",
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404,
                "reason": "NotFound", "message": "the server could not find the requested resource",
            }),
        ),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).ok()
}

fn core(path: &str) -> Option<Value> {
    let sizes = json!({"cpu": "2", "memory": "4Gi"});
    let node = json!({
        "metadata": {"name": "machine"}, "spec": {},
        "status": {"allocatable": sizes, "capacity": sizes, "nodeInfo": {"swap": {"capacity": 1_073_741_824}}},
    });
    Some(match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        "/api/v1" => json!({
            "kind": "APIResourceList", "groupVersion": "v1",
            "resources": [{
                "name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": ["get", "list"],
            }],
        }),
        "/api/v1/nodes" => json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": [node]}),
        path if path.starts_with("/api/v1/namespaces/") => return namespaced(&path["/api/v1/namespaces/".len()..]),
        "/api/v1/nodes/machine" => {
            let mut node = node;
            node["kind"] = json!("Node");
            node["apiVersion"] = json!("v1");
            node
        }
        _ => return None,
    })
}

/// A namespace, or its pods: all, or one by its name.
fn namespaced(path: &str) -> Option<Value> {
    let (namespace, rest) = path.split_once('/').unwrap_or((path, ""));
    let pods: &[&str] = match namespace {
        "shop" => &["web-1", "web-2"],
        "empty" => &[],
        _ => return None,
    };
    if rest.is_empty() {
        return Some(json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}}));
    }
    let query = rest.strip_prefix("pods")?;
    let wanted = query.split_once("metadata.name%3D").map(|(_, name)| name);
    let pods = pods.iter().filter(|pod| wanted.is_none_or(|wanted| wanted == **pod));
    let items: Vec<Value> = pods
        .map(|pod| json!({"metadata": {"name": pod, "namespace": namespace}, "spec": {"containers": []}}))
        .collect();
    Some(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
}
