use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{CommandError, print, runtime};
use crate::config::args::{AdapterArgs, ExplainArgs};
use crate::kubernetes::{self, Connection, Place};

/// Where an adapter without a cluster has its operators' pages.
const STANDALONE: &str = "http://127.0.0.1:8101";
/// The pods of an adapter, as the manifests label them.
const PODS: &str = "/api/v1/pods?labelSelector=app.kubernetes.io%2Fname%3Dmetrics-adapter";

/// Asks a running adapter where a metric's value comes from.
pub(super) fn run(args: &ExplainArgs) -> Result<(), CommandError> {
    let text = runtime()?.block_on(ask(args))?;
    print(text.trim_end());
    Ok(())
}

async fn ask(args: &ExplainArgs) -> Result<String, CommandError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("metric", &args.metric).append_pair("namespace", &args.namespace).append_pair("for", &args.of);
    for (name, value) in [("selector", &args.selector), ("metricSelector", &args.metric_selector)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    let page = if args.json { "explain.json" } else { "explain" };
    fetch(&args.place, &format!("{page}?{}", query.finish())).await
}

/// A page of the operators' of a running adapter.
pub(super) async fn fetch(place: &AdapterArgs, page: &str) -> Result<String, CommandError> {
    match &place.kubeconfig {
        Some(_) => through_the_cluster(place, page).await,
        None => {
            let base = place.adapter.as_ref().map_or(STANDALONE.to_owned(), Uri::to_string);
            directly(base.trim_end_matches('/'), page).await
        }
    }
}

async fn directly(base: &str, page: &str) -> Result<String, CommandError> {
    let url: Uri = format!("{base}/{page}").parse().map_err(|error| CommandError::Given(format!("{base}: {error}")))?;
    if url.scheme_str() != Some("http") {
        return Err(CommandError::Given(format!(
            "--adapter: {base} is no http:// URL; the operators' pages have no TLS"
        )));
    }
    let failed = |error: String| {
        CommandError::Failed(format!(
            "{base}: {error}; is an adapter there? --adapter URL says where its operators' pages are, and --kubeconfig \
             FILE finds it in a cluster"
        ))
    };
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(url).body(Empty::new()).map_err(|error| failed(error.to_string()))?;
    let response = client.request(request).await.map_err(|error| failed(causes(&error)))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    match status {
        StatusCode::OK => Ok(text),
        StatusCode::BAD_REQUEST => Err(CommandError::Given(text.trim_end().to_owned())),
        status => Err(failed(format!("answered {status}"))),
    }
}

async fn through_the_cluster(place: &AdapterArgs, page: &str) -> Result<String, CommandError> {
    let place = Place { kubeconfig: place.kubeconfig.clone() };
    let connection = Connection::open(&place).await.map_err(|error| CommandError::Given(error.to_string()))?;
    let client = connection.client();
    let failed =
        |error: kube::Error| CommandError::Failed(format!("{}: {}", connection.server(), kubernetes::explain(&error)));
    let get = |path: &str| Request::get(path).body(Vec::new());
    let request = get(PODS).map_err(|error| CommandError::Failed(error.to_string()))?;
    let pods: serde_json::Value = client.request(request).await.map_err(failed)?;
    let running = pods["items"].as_array().into_iter().flatten().find(|pod| pod["status"]["phase"] == "Running");
    let name =
        running.and_then(|pod| Some((pod["metadata"]["namespace"].as_str()?, pod["metadata"]["name"].as_str()?)));
    let Some((namespace, name)) = name else {
        return Err(CommandError::Failed(
            "no pod with the label app.kubernetes.io/name=metrics-adapter runs in this cluster".to_owned(),
        ));
    };
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:9000/proxy/{page}");
    let request = get(&path).map_err(|error| CommandError::Failed(error.to_string()))?;
    client.request_text(request).await.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 400 => CommandError::Given(status.message.trim_end().to_owned()),
        _ => failed(error),
    })
}

/// The innermost cause says what happened.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
