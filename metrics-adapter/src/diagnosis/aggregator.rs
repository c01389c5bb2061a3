use serde_json::Value;

use super::ask::Unanswered;
use super::link::Fault;
use super::registered::{Program, Registered};
use super::service::Behind;
use super::{Examination, MetricsApi};

/// What discovery of this adapter lists when there is nothing to list.
const NOTHING: &str = "no_metric_is_configured";

impl Examination<'_> {
    /// What the API server says of the server behind it.
    pub(super) fn condition(&mut self, registered: &Registered, behind: &Behind) -> Result<(), Fault> {
        let subject = registered.subject();
        match registered.available() {
            None => self.trail.remark(&subject, "the API server has not looked yet whether it is available"),
            Some((true, ..)) => self.trail.good(&subject, "the API server finds it available"),
            Some((false, reason, message)) => {
                let wrong = format!("is not available ({reason}): {message}");
                return Err(Fault::new(subject, wrong, cure(registered, behind, reason, message)));
            }
        }
        Ok(())
    }

    /// What it lists, through the API server. None if that may not be asked.
    pub(super) async fn discovery(
        &mut self,
        registered: &Registered,
        needs: Option<&str>,
        behind: &Behind,
    ) -> Result<Option<Vec<String>>, Fault> {
        let (api, path) = (registered.api, registered.path());
        let answer = match self.asker.json(&path).await {
            Ok(answer) => answer,
            Err(Unanswered::Failed { code: Some(code), text }) => {
                let wrong = format!("{path} is answered with {code}: {text}");
                return Err(Fault::new(
                    registered.subject(),
                    wrong,
                    cure(registered, behind, &format!(": {code}"), &text),
                ));
            }
            Err(Unanswered::Missing(text)) => {
                let wrong = format!("{path} is not served: {text}");
                let cure = match &registered.by {
                    Some(by) => {
                        format!("{} serves something else: point the APIService at a server of {api}", by.subject())
                    }
                    None => format!("install a server of {api}: kubectl apply -k k8s/metrics-adapter"),
                };
                return Err(Fault::new(registered.subject(), wrong, cure));
            }
            Err(why) => return self.trail.without(&path, why),
        };
        let Some(resources) = answer["resources"].as_array() else {
            let wrong = format!("{path} is answered with something that is no list of resources");
            return Err(Fault::new(registered.subject(), wrong, "point the APIService at a metrics server"));
        };
        let names = resources.iter().filter_map(|resource| Value::as_str(&resource["name"]));
        let names: Vec<String> = names.map(str::to_owned).collect();
        let nothing = names.iter().all(|name| name.ends_with(NOTHING));
        if nothing && needs.is_some() {
            return Err(Fault::new(registered.subject(), format!("{path} lists no metric"), no_metrics(registered)));
        }
        if nothing {
            self.trail.remark(&path, "lists no metric");
        } else {
            self.trail.good(&path, format!("lists {}", names.len()));
        }
        Ok(Some(names))
    }
}

fn no_metrics(registered: &Registered) -> String {
    let Some(by) = &registered.by else { return "configure the server's metrics".to_owned() };
    match by.program {
        Program::Ours => format!("name metrics in the adapter's configuration: {}", by.configure()),
        Program::PrometheusAdapter => {
            "see that its --prometheus-url answers, and that the seriesQuery of some rule finds \
                                       series with a namespace and a pod"
                .to_owned()
        }
        Program::Keda => "make a ScaledObject".to_owned(),
        Program::MetricsServer | Program::Unknown => "configure the server's metrics".to_owned(),
    }
}

/// What mends what the API server says in a condition or an answer. The first of these words that it says counts.
fn cure(registered: &Registered, behind: &Behind, reason: &str, message: &str) -> String {
    let Some(by) = &registered.by else {
        return "see what the server of this API logs".to_owned();
    };
    let install = by.program.install(registered.api);
    let port = behind.port.map_or_else(|| "that it listens on".to_owned(), |port| port.to_string());
    let logs = format!("the log of the server says why: {}", by.logs());
    let certificate = match by.program {
        Program::Ours => "let the adapter write its authority into the caBundle, which kubectl apply -k k8s/metrics-adapter allows it to".to_owned(),
        _ => "put the authority that signed the server's certificate into the caBundle; on a toy cluster insecureSkipTLSVerify: true does without".to_owned(),
    };
    let table: [(&[&str], String); 9] = [
        (&["ServiceNotFound", "ServicePortError"], install.to_owned()),
        (
            &["MissingEndpoints", "EndpointsNotFound"],
            format!("kubectl -n {} get pods says which are not ready, and describe why", by.namespace),
        ),
        (&["certificate has expired", "not yet valid"], match by.program {
            Program::Ours => format!("kubectl -n {} delete secret metrics-adapter-tls: the adapter makes a new one", by.namespace),
            _ => "give the server a new certificate; most make one when they are restarted".to_owned(),
        }),
        (
            &["certificate is valid for", "not valid for any names", "doesn't contain any IP SANs"],
            format!("give the server a certificate that is made out to {}", by.host()),
        ),
        (&["x509", "unknown authority", "certificate"], certificate),
        (
            &["Timeout", "timeout", "deadline exceeded", "request canceled", "No agent available"],
            format!("let the control plane reach the pods at TCP {port}: a firewall rule, as private clusters need one, or a NetworkPolicy forbids it"),
        ),
        (
            &["connection refused", "no route to host", "no such host", "EOF", "first record does not look like"],
            format!("see that the pods listen with TLS on port {port}, which the Service's targetPort must name"),
        ),
        (
            &[": 401", "Unauthorized"],
            "let the server know the API server's front proxy: a RoleBinding of its service account to extension-apiserver-authentication-reader in kube-system".to_owned(),
        ),
        (
            &[": 403", "forbidden"],
            "let the server ask who may: a ClusterRoleBinding of its service account to system:auth-delegator".to_owned(),
        ),
    ];
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word) || message.contains(word));
    table.into_iter().find(|(words, _)| says(words)).map_or(logs, |(_, cure)| cure)
}

impl MetricsApi {
    /// Which resource the autoscalers' controller asks for, and how, if no metric says more.
    pub(super) fn asked(self) -> (&'static str, &'static str) {
        match self {
            Self::Custom => ("get", "*"),
            Self::External => ("list", "*"),
            Self::Resource => ("list", "pods"),
        }
    }
}
