use std::net::SocketAddr;

use serde_json::Value;

use super::DemoError;
use crate::cluster::forward::Forward;
use crate::cluster::probe::{self, Unanswered};
use crate::cluster::urls::{MAPPED, Way, bracketed};
use crate::cluster::{Failure, Kubectl, ground};
use crate::load::{Destination, DestinationError, Same};

/// What the load asks for.
const PATH: &str = "/api/articles";
const INGRESS: &str = "real-world-service";
const SERVICE: &str = "traefik-ingress-service";

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
        let traefik = match ground::traefik(kubectl).await {
            Err(error) if error.is_forbidden() => None,
            found => found.map_err(Failure::from)?,
        };
        let way = Way::find(kubectl, traefik.as_ref()).await?;
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
                    Ok(()) => return Ok(target),
                    // Somebody else may have that address: kubectl leads to the cluster's own.
                    Err(Unanswered::Wrongly(problem)) => silent = Some(format!("at {address} {problem}")),
                    Err(Unanswered::Silent(_)) => {}
                }
            }
            silent = silent.or(Some(format!("nothing answers at {address}")));
        }
        // An address of a network that this machine is not in, as docker's on macOS.
        let forward = Forward::open(kubectl, &way.service.0, &format!("service/{}", way.service.1), 80).await;
        let forward = forward.map_err(|failure| {
            let silent = silent.map_or_else(String::new, |problem| format!("{problem}, and "));
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
        probe::answers(self.address(), &self.destination.authority, &self.path).await
    }
}

/// The address that a load balancer has given it.
fn balancer(ingress: &Value) -> Option<&str> {
    let first = &ingress["status"]["loadBalancer"]["ingress"][0];
    first["ip"].as_str().or_else(|| first["hostname"].as_str())
}
