use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Size;
use crate::kubelets;
use crate::pki::Pki;

/// Objects are written so many at a time.
const CHUNK: usize = 50;
/// About what the API server sends of who changed which fields of a pod when; nobody needs it.
const MANAGED_FIELDS: usize = 2_000;
const VERSION: &str = "1000000";

/// An API server that tells of a cluster in which nothing happens, on a thread of this process.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    cluster: Arc<Cluster>,
    _runtime: tokio::runtime::Runtime,
}

struct Cluster {
    size: Size,
    authority: String,
    managed_fields: Value,
    lists: AtomicUsize,
    watches: AtomicUsize,
    reviews: AtomicUsize,
}

impl Api {
    pub(crate) fn start(size: Size, pki: &Pki) -> Self {
        let field = json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:containers": {}}});
        let fields = MANAGED_FIELDS / field.to_string().len();
        let cluster = Arc::new(Cluster {
            size,
            authority: pki.authority.clone(),
            managed_fields: vec![field; fields].into(),
            lists: AtomicUsize::new(0),
            watches: AtomicUsize::new(0),
            reviews: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ip: IpAddr = Ipv4Addr::LOCALHOST.into();
        let listener = runtime.block_on(TcpListener::bind((ip, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, TlsAcceptor::from(pki.server(ip)), Arc::clone(&cluster)));
        Self { address, cluster, _runtime: runtime }
    }

    /// How often everything of a resource was asked for at once.
    pub(crate) fn lists(&self) -> usize {
        self.cluster.lists.load(Ordering::Relaxed)
    }

    pub(crate) fn watches(&self) -> usize {
        self.cluster.watches.load(Ordering::Relaxed)
    }

    pub(crate) fn reviews(&self) -> usize {
        self.cluster.reviews.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, cluster: Arc<Cluster>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, cluster) = (acceptor.clone(), Arc::clone(&cluster));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = service_fn(|request| {
                let answer = cluster.answer(&request);
                async { Ok::<_, Infallible>(answer) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// What the API server is asked for.
#[derive(Clone, Copy)]
enum Resource {
    Pods,
    Nodes,
    Services,
    EndpointSlices,
    ReplicaSets,
    Deployments,
    Autoscalers,
    /// The one that says who may ask for whom.
    ConfigMaps,
    /// Of which there is nothing.
    Other,
}

impl Resource {
    fn of(path: &str) -> Self {
        match path.rsplit('/').next().unwrap() {
            "pods" => Self::Pods,
            "nodes" => Self::Nodes,
            "services" => Self::Services,
            "endpointslices" => Self::EndpointSlices,
            "replicasets" => Self::ReplicaSets,
            "deployments" => Self::Deployments,
            "horizontalpodautoscalers" => Self::Autoscalers,
            "configmaps" => Self::ConfigMaps,
            _ => Self::Other,
        }
    }
}

impl Cluster {
    fn answer(self: &Arc<Self>, request: &Request<Incoming>) -> Response<Stream> {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        if request.method() == Method::POST {
            self.reviews.fetch_add(1, Ordering::Relaxed);
            return whole(&json!({"status": {"allowed": true, "authenticated": true, "user": {"username": "bench"}}}));
        }
        let asked = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
        };
        let resource = Resource::of(path);
        if asked("watch").as_deref() == Some("true") {
            self.watches.fetch_add(1, Ordering::Relaxed);
            let all = asked("sendInitialEvents").as_deref() == Some("true");
            return Response::new(self.watch(resource, all));
        }
        self.lists.fetch_add(1, Ordering::Relaxed);
        let from = asked("continue").map_or(0, |from| from.parse().unwrap());
        let to =
            asked("limit").map_or(usize::MAX, |limit| from + limit.parse::<usize>().unwrap()).min(self.count(resource));
        let items: Vec<Value> = (from..to).map(|place| self.object(resource, place)).collect();
        let more = if to < self.count(resource) { to.to_string() } else { String::new() };
        whole(&json!({
            "kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": VERSION, "continue": more}, "items": items
        }))
    }

    /// All objects, the mark that these are all, and then nothing for ever.
    fn watch(self: &Arc<Self>, resource: Resource, all: bool) -> Stream {
        let (cluster, count) = (Arc::clone(self), if all { self.count(resource) } else { 0 });
        let mut next = 0;
        let mut marked = !all;
        Stream {
            more: Box::new(move || {
                if next == count {
                    return (!std::mem::replace(&mut marked, true)).then(|| line("BOOKMARK", &mark()));
                }
                let last = count.min(next + CHUNK);
                let lines = (next..last).map(|place| line("ADDED", &cluster.object(resource, place)));
                let lines = lines.collect::<Vec<Bytes>>().concat();
                next = last;
                Some(lines.into())
            }),
            ends: false,
        }
    }

    fn count(&self, resource: Resource) -> usize {
        match resource {
            Resource::Pods => self.size.pods(),
            Resource::Nodes => self.size.nodes,
            Resource::ConfigMaps => 1,
            Resource::Other => 0,
            _ => self.size.namespaces,
        }
    }

    fn object(&self, resource: Resource, place: usize) -> Value {
        match resource {
            Resource::Pods => self.pod(place),
            Resource::Nodes => node(place),
            Resource::ConfigMaps => self.authentication(),
            Resource::Services | Resource::Deployments => {
                json!({"metadata": meta("web", place, &json!({"app": "web"}))})
            }
            Resource::ReplicaSets => {
                let mut metadata = meta("web-6d4cf56db6", place, &json!({"app": "web"}));
                metadata["ownerReferences"] = owner("Deployment", "web");
                json!({"metadata": metadata})
            }
            Resource::EndpointSlices => {
                let pods = (place..self.size.pods()).step_by(self.size.namespaces);
                let endpoint = |pod: usize| {
                    json!({
                        "addresses": [ip(pod)], "conditions": {"ready": true},
                        "targetRef": {"kind": "Pod", "namespace": namespace(place), "name": pod_name(pod)}
                    })
                };
                json!({
                    "metadata": meta("web-x2x4z", place, &json!({"kubernetes.io/service-name": "web"})),
                    "addressType": "IPv4", "endpoints": pods.map(endpoint).collect::<Vec<_>>()
                })
            }
            Resource::Autoscalers => json!({
                "metadata": meta("web", place, &json!({})),
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                    "minReplicas": 1, "maxReplicas": 100,
                    "metrics": [{"type": "Resource", "resource": {
                        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}
                    }}]
                },
                "status": {"currentReplicas": 60, "desiredReplicas": 60}
            }),
            Resource::Other => Value::Null,
        }
    }

    fn pod(&self, place: usize) -> Value {
        let in_namespace = self.size.namespace_of(place);
        let labels = json!({"app": "web", "pod-template-hash": "6d4cf56db6"});
        let mut metadata = meta(&pod_name(place), in_namespace, &labels);
        metadata["ownerReferences"] = owner("ReplicaSet", "web-6d4cf56db6");
        metadata["managedFields"] = self.managed_fields.clone();
        json!({
            "kind": "Pod", "apiVersion": "v1", "metadata": metadata,
            "spec": {
                "nodeName": node_name(place / self.size.pods_a_node), "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "default", "schedulerName": "default-scheduler",
                "containers": [{
                    "name": "app", "image": "registry.example/web:1.0.0", "imagePullPolicy": "IfNotPresent",
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}}
                }]
            },
            "status": {
                "phase": "Running", "hostIP": "10.0.0.1", "podIP": ip(place), "podIPs": [{"ip": ip(place)}],
                "startTime": "2026-01-01T00:00:00Z", "qosClass": "Burstable",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "containerStatuses": [{
                    "name": "app", "ready": true, "restartCount": 0, "image": "registry.example/web:1.0.0",
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
                }]
            }
        })
    }

    /// There is one authority in this cluster.
    fn authentication(&self) -> Value {
        json!({
            "metadata": {
                "name": "extension-apiserver-authentication", "namespace": "kube-system", "uid": "1",
                "resourceVersion": VERSION
            },
            "data": {
                "client-ca-file": self.authority, "requestheader-client-ca-file": self.authority,
                "requestheader-allowed-names": "[\"front-proxy-client\"]",
                "requestheader-username-headers": "[\"X-Remote-User\"]",
                "requestheader-group-headers": "[\"X-Remote-Group\"]",
                "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]"
            }
        })
    }
}

fn node(place: usize) -> Value {
    let name = node_name(place);
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {
            "name": &name, "uid": format!("node-{place}"), "resourceVersion": VERSION,
            "labels": {"kubernetes.io/hostname": &name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        },
        "status": {"addresses": [
            {"type": "InternalIP", "address": kubelets::address(place).to_string()}, {"type": "Hostname", "address": &name}
        ]}
    })
}

fn meta(name: &str, in_namespace: usize, labels: &Value) -> Value {
    json!({
        "name": name, "namespace": namespace(in_namespace), "uid": format!("{in_namespace:08}-b1cd-4d8e-9be0-{name}"),
        "resourceVersion": VERSION, "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels
    })
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true}])
}

fn namespace(place: usize) -> String {
    format!("ns-{place:04}")
}

fn node_name(place: usize) -> String {
    format!("node-{place:04}")
}

fn pod_name(place: usize) -> String {
    format!("web-6d4cf56db6-{place:06}")
}

fn ip(pod: usize) -> String {
    format!("10.{}.{}.{}", pod >> 16 & 255, pod >> 8 & 255, pod & 255)
}

fn mark() -> Value {
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    json!({"kind": "X", "apiVersion": "v1", "metadata": {"resourceVersion": VERSION, "annotations": annotations}})
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": kind, "object": object})).into()
}

fn whole(document: &Value) -> Response<Stream> {
    let mut text = Some(Bytes::from(document.to_string()));
    let body = Stream { more: Box::new(move || text.take()), ends: true };
    Response::builder().header("content-type", "application/json").body(body).unwrap()
}

/// A body that is made while it is read; it may never end.
struct Stream {
    more: Box<dyn FnMut() -> Option<Bytes> + Send>,
    ends: bool,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.more)() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
