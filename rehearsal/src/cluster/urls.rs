use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::ground::Traefik;
use super::home::CONTEXT;
use super::look::{list, text};
use super::marks::{APP, PART_OF, PROGRAM, STACK};
use super::secrets::LOGIN;
use super::{Failure, Kubectl, probe};

/// The names that need no line in /etc/hosts.
const HOST: &str = "real-world.localhost";
const DASHBOARD: &str = "traefik.localhost";
/// What is asked for.
const PATH: &str = "/api/articles";
/// Where k8s/kind.yaml maps it, and from which port of the node.
pub(super) const MAPPED: u16 = 8080;
const NODE_PORT: u16 = 30080;

/// Who may see Traefik's dashboard.
enum Dashboard {
    /// Whoever knows the password that was made for it.
    Made,
    /// Whoever has the login that somebody made by hand.
    ByHand,
    /// The one or the other: this person may not see which.
    Hidden,
    /// It is not the stack's.
    Foreign,
}

/// How the API is reached from outside.
pub(super) struct Way {
    /// Where requests go, as `http://203.0.113.7`.
    pub(super) base: String,
    /// Whether the address tells Traefik which host is meant; else a header has to.
    pub(super) named: bool,
    /// What kubectl has to do meanwhile.
    pub(super) forward: Option<String>,
    /// The Service of the front door: its namespace and name.
    pub(super) service: (String, String),
    /// Traefik's dashboard.
    dashboard: Dashboard,
}

impl Way {
    pub(super) async fn find(kubectl: &Kubectl, foreign: Option<&Traefik>) -> Result<Self, Failure> {
        let dashboard = match foreign {
            None => login(kubectl).await?,
            Some(_) => Dashboard::Foreign,
        };
        let (namespace, name, address) = match foreign {
            None => {
                let name = "traefik-ingress-service".to_owned();
                let service = kubectl.object("service", APP, &name).await?.unwrap_or_default();
                let context = match kubectl.context() {
                    Some(context) => Some(context.to_owned()),
                    None => kubectl.current().await,
                };
                // A cluster of that name may have been made without the mapping, or something else have the port.
                let mapped = context.as_deref() == Some(CONTEXT)
                    && service["spec"]["ports"][0]["nodePort"] == NODE_PORT
                    && is_mapped().await;
                if mapped {
                    let (base, service) = (format!("http://{HOST}:{MAPPED}"), (APP.to_owned(), name));
                    return Ok(Self { base, named: true, forward: None, service, dashboard });
                }
                (APP.to_owned(), name, address(&service))
            }
            Some(traefik) => {
                let selector = format!("{PROGRAM}=traefik,{PART_OF}!={STACK}");
                let services = kubectl.json(&["get", "services", "--all-namespaces", "--selector", &selector]).await?;
                let ports = |service: &&Value| list(service, "/spec/ports").iter().any(|own| own["port"] == 80);
                let first = list(&services, "/items").iter().filter(ports).max_by_key(|own| address(own).is_some());
                let first = first.cloned().unwrap_or_default();
                let namespace =
                    traefik.namespace.clone().unwrap_or_else(|| text(&first, "/metadata/namespace").to_owned());
                let name = text(&first, "/metadata/name");
                (namespace, if name.is_empty() { "traefik" } else { name }.to_owned(), address(&first))
            }
        };
        let forward = format!("port-forward --namespace={namespace} service/{name} {MAPPED}:80");
        let service = (namespace, name);
        if let Some(address) = address {
            return Ok(Self { base: format!("http://{address}"), named: false, forward: None, service, dashboard });
        }
        Ok(Self { base: format!("http://{HOST}:{MAPPED}"), named: true, forward: Some(forward), service, dashboard })
    }

    /// A command that asks the API.
    pub(super) fn curl(&self) -> String {
        let header = if self.named { String::new() } else { format!("-H 'Host: {HOST}' ") };
        format!("curl -s {header}'{}{PATH}?limit=1'", self.base)
    }

    /// A command that sends it a load.
    pub(super) fn load(&self) -> String {
        let host = if self.named { String::new() } else { format!(" ARGS='--host {HOST}'") };
        format!("make load RATE=140 URL={}{PATH}{host}", self.base)
    }

    /// With kubectl called so.
    pub(super) fn lines(&self, kubectl: &str) -> Vec<String> {
        let mut lines = vec![format!("API        {}{PATH}, documentation at /docs/", self.base)];
        if !self.named {
            lines
                .push(format!("           with the header `Host: {HOST}`, or a line `<address> {HOST}` in /etc/hosts"));
        }
        if let Some(forward) = &self.forward {
            lines.push(format!("           while this runs in another terminal: {kubectl} {forward}"));
        }
        let base = self.base.replace(HOST, DASHBOARD);
        let how = if self.named { String::new() } else { format!(" with the header `Host: {DASHBOARD}`") };
        match self.dashboard {
            Dashboard::Made => {
                lines.push(format!("dashboard  {base}/{how}, user admin; this prints the password:"));
                lines.push(format!(
                    "           {kubectl} get secret {LOGIN} --namespace={APP} --output=jsonpath='{{.data.password}}' | base64 --decode",
                ));
            }
            Dashboard::ByHand => lines.push(format!("dashboard  {base}/{how}, with the login that you made")),
            Dashboard::Hidden => {
                lines.push(format!(
                    "dashboard  {base}/{how}, with a login that you may not read: it is in Secret {LOGIN}"
                ));
            }
            Dashboard::Foreign => {}
        }
        lines.push(format!("adapter    {kubectl} port-forward --namespace=monitoring deployment/metrics-adapter 9000"));
        lines.push(
            "           then http://127.0.0.1:9000/: each metric, each target, and why a pod has no value".to_owned(),
        );
        lines.push(format!("Grafana    {kubectl} port-forward --namespace=monitoring service/grafana 3000"));
        lines.push("           then http://127.0.0.1:3000/: the Autoscaling dashboard explains a decision".to_owned());
        lines
    }
}

/// Which login there is.
async fn login(kubectl: &Kubectl) -> Result<Dashboard, Failure> {
    match super::secrets::names(kubectl).await {
        Ok(names) if names.iter().any(|own| own == LOGIN) => Ok(Dashboard::Made),
        Ok(_) => Ok(Dashboard::ByHand),
        Err(error) if error.is_forbidden() => Ok(Dashboard::Hidden),
        Err(error) => Err(error.into()),
    }
}

/// Whether the port of this machine leads to the API.
async fn is_mapped() -> bool {
    let address = (Ipv4Addr::LOCALHOST, MAPPED).into();
    probe::answers(address, &format!("{HOST}:{MAPPED}"), PATH).await.is_ok()
}

/// Of a load balancer, once it has one.
fn address(service: &Value) -> Option<String> {
    let first = list(service, "/status/loadBalancer/ingress").first()?;
    let named = ["/ip", "/hostname"].map(|pointer| text(first, pointer)).into_iter().find(|own| !own.is_empty());
    named.map(bracketed)
}

/// As it stands in a URL.
pub(super) fn bracketed(address: &str) -> String {
    if address.parse::<Ipv6Addr>().is_ok() { format!("[{address}]") } else { address.to_owned() }
}
