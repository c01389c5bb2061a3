use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::DemoError;
use crate::cluster::Kubectl;
use crate::cluster::forward::Forward;
use crate::cluster::ground;
use crate::cluster::urls::{MAPPED, Way, bracketed};
use crate::load::{Destination, DestinationError, Same};

/// What the load asks for.
const PATH: &str = "/api/articles";
const INGRESS: &str = "real-world-service";
const SERVICE: &str = "traefik-ingress-service";
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the load goes.
pub(super) struct Target {
    pub(super) destination: Destination,
    pub(super) path: String,
    /// What has to be kept for it to be reached.
    forward: Option<Forward>,
}

impl Target {
    /// The URL if one is named, else the Ingress: at the address of its load balancer, where kind maps it, or else,
    /// where this machine reaches neither, through kubectl.
    pub(super) async fn find(url: Option<&str>, kubectl: &Kubectl, namespace: &str) -> Result<Self, DemoError> {
        let named = |problem: String| DemoError::missing(problem, "name one that this machine reaches with --url");
        if let Some(url) = url {
            let found = Destination::of(url).await.map_err(|error| named(error.to_string()))?;
            return Ok(Self { destination: found.0, path: found.1, forward: None });
        }
        let ingress = kubectl.object("ingress", namespace, INGRESS).await?;
        let ingress =
            ingress.ok_or_else(|| named(format!("there is no Ingress {INGRESS} in namespace {namespace}")))?;
        let hosts = ingress["spec"]["rules"].as_array().into_iter().flatten().filter_map(|rule| rule["host"].as_str());
        let hosts: Vec<&str> = hosts.collect();
        let local = hosts.iter().find(|host| host.ends_with(".localhost")).or(hosts.first());
        let host = local.ok_or_else(|| named(format!("the Ingress {INGRESS} names no host")))?;
        // Traefik writes its address to the Ingress only if it is told which Service it is behind.
        let service = kubectl.object("service", namespace, SERVICE).await?.unwrap_or_default();
        let balancer = balancer(&ingress).or_else(|| balancer(&service));
        let way = Way::find(kubectl, ground::traefik(kubectl).await?.as_ref()).await?;
        let known = match balancer {
            Some(at) => Some((bracketed(at), (*host).to_owned())),
            None if way.forward.is_some() => None,
            None if way.named => Some((format!("127.0.0.1:{MAPPED}"), format!("{host}:{MAPPED}"))),
            None => Some((way.base.trim_start_matches("http://").to_owned(), (*host).to_owned())),
        };
        let mut silent = None;
        if let Some((address, authority)) = known {
            // A name that nobody knows yet is as good as silence.
            if let Ok(target) = Self::at(&address, authority).await {
                match target.answers().await {
                    // What it answers is judged by who asked for it.
                    Ok(()) | Err(Unanswered::Wrongly(_)) => return Ok(target),
                    Err(Unanswered::Silent(_)) => {}
                }
            }
            silent = Some(address);
        }
        // An address of a network that this machine is not in, as docker's on macOS.
        let forward = Forward::open(kubectl, &way.service.0, &format!("service/{}", way.service.1), 80).await;
        let forward = forward.map_err(|failure| {
            let silent = silent.map_or_else(String::new, |address| format!("nothing answers at {address}, and "));
            named(format!("{silent}{failure}"))
        })?;
        let authority = format!("{host}:{}", forward.address.port());
        let found = Self::at(&forward.address.to_string(), authority).await;
        Ok(Self { forward: Some(forward), ..found.map_err(|error| named(error.to_string()))? })
    }

    async fn at(address: &str, authority: String) -> Result<Self, DestinationError> {
        let (found, _) = Destination::of(&format!("http://{address}/")).await?;
        Ok(Self { destination: Destination { authority, ..found }, path: PATH.to_owned(), forward: None })
    }

    /// What has to be known to read the figures, if anything has.
    pub(super) fn remark(&self) -> Option<&'static str> {
        self.forward.as_ref().map(|_| {
            "The cluster gives Traefik no address that is reached from here: requests go through `kubectl port-forward`, and \
             its time is in the latencies"
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.destination.authority, self.path)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.destination.address
    }

    pub(super) fn traffic(&self) -> Same {
        Same { path: self.path.clone(), authority: self.destination.authority.clone() }
    }

    /// Asks once; it has to be answered well.
    pub(super) async fn is_served(&self) -> Result<(), DemoError> {
        self.answers().await.map_err(|unanswered| {
            let (Unanswered::Silent(problem) | Unanswered::Wrongly(problem)) = unanswered;
            let cure =
                "look at `kubectl get ingress,pods --all-namespaces`, or name what this machine reaches with --url";
            DemoError::missing(format!("{} at {}: {problem}", self.url(), self.address()), cure)
        })
    }

    async fn answers(&self) -> Result<(), Unanswered> {
        let silent = |problem: String| Unanswered::Silent(problem);
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        let request = Request::get(format!("http://{}{}", self.address(), self.path))
            .header(hyper::header::HOST, &self.destination.authority)
            .body(Full::<bytes::Bytes>::default())
            .map_err(|error| silent(error.to_string()))?;
        let asked = async {
            let response = client.request(request).await.map_err(|error| reason(&error))?;
            let status = response.status();
            // Read to its end: the connection is given back.
            response.into_body().collect().await.map_err(|error| reason(&error))?;
            Ok::<StatusCode, String>(status)
        };
        let status = tokio::time::timeout(PATIENCE, asked).await;
        let status =
            status.unwrap_or_else(|_| Err(format!("no answer within {}", humantime::format_duration(PATIENCE))));
        let status = status.map_err(silent)?;
        if status.is_success() {
            return Ok(());
        }
        Err(Unanswered::Wrongly(format!("it answers {status}, and 200 is needed")))
    }
}

/// Why there is no good answer.
enum Unanswered {
    Silent(String),
    Wrongly(String),
}

/// With its cause, which is what tells something.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", reason(source)))
}

/// The address that a load balancer has given it.
fn balancer(ingress: &Value) -> Option<&str> {
    let first = &ingress["status"]["loadBalancer"]["ingress"][0];
    first["ip"].as_str().or_else(|| first["hostname"].as_str())
}
