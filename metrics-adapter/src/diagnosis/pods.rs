use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

use super::Examination;
use super::link::Fault;
use super::registered::{Program, Registration};

/// The port of this adapter's status page, probes and metrics, if no container port is named so.
const OPS: (&str, i32) = ("ops", 9000);
/// Of what a container said last.
const LAST_WORDS: usize = 200;

/// Why a pod does not answer.
struct Trouble {
    wrong: String,
    cure: String,
    /// The container whose last words would tell more.
    crashed: Option<String>,
    /// Whether all of its containers run.
    runs: bool,
}

impl Examination<'_> {
    /// Why none of these pods is ready: that of the first which says.
    pub(super) async fn not_ready(&mut self, by: &Registration, pods: &[Pod]) -> Fault {
        let Some(pod) = pods.iter().find(|pod| !is_leaving(pod)).or(pods.first()) else {
            return Fault::new(by.subject(), "has no pod", "look at its Deployment");
        };
        let (namespace, name) = (&by.namespace, name(pod));
        let subject = format!("pod {namespace}/{name}");
        let mut trouble = trouble(pod, namespace, name);
        if let Some(container) = &trouble.crashed {
            let path = format!(
                "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&previous=true&tailLines=1"
            );
            if let Ok(words) = self.asker.text(&path).await {
                let words: String = words.trim().chars().take(LAST_WORDS).collect();
                if !words.is_empty() {
                    trouble.wrong = format!("{}; its last words: {words}", trouble.wrong);
                }
            }
        } else if trouble.runs {
            self.tell_of_unready(by, pod, &mut trouble).await;
        }
        let all = if pods.len() > 1 { format!(" (none of {} is ready)", pods.len()) } else { String::new() };
        Fault::new(subject, format!("{}{all}", trouble.wrong), trouble.cure)
    }

    /// What a pod that runs says itself of why it is not ready, and where more is said.
    async fn tell_of_unready(&self, by: &Registration, pod: &Pod, trouble: &mut Trouble) {
        let (namespace, name) = (&by.namespace, name(pod));
        trouble.cure = format!("its log says why: kubectl -n {namespace} logs {name}");
        if by.program == Program::MetricsServer {
            trouble.cure.push_str(
                ", most often of kubelets that sign their own certificates, as kind's do: --kubelet-insecure-tls on a toy cluster",
            );
        }
        if by.program != Program::Ours {
            return;
        }
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:{}/proxy/readyz?verbose", ops_port(pod));
        // What is not ready answers 503, with the lines that say why.
        let said = self.asker.text(&path).await.unwrap_or_else(|why| why.to_string());
        let failed: Vec<&str> = said.lines().filter_map(|line| line.trim().strip_prefix("[-]")).collect();
        if !failed.is_empty() {
            trouble.wrong = format!("is not ready: {}", failed.join(", "));
        }
    }

    /// What is odd about pods of a Service that has others which are ready.
    pub(super) fn odd_pods(&mut self, by: &Registration, pods: &[Pod]) {
        for pod in pods.iter().filter(|pod| !is_leaving(pod) && !is_ready(pod)) {
            let (namespace, name) = (&by.namespace, name(pod));
            self.trail.remark(&format!("pod {namespace}/{name}"), trouble(pod, namespace, name).wrong);
        }
    }
}

fn trouble(pod: &Pod, namespace: &str, name: &str) -> Trouble {
    let describe = format!("kubectl -n {namespace} describe pod {name} says more");
    let plain = |wrong: String, cure: String| Trouble { wrong, cure, crashed: None, runs: false };
    if is_leaving(pod) {
        return plain("is being deleted".to_owned(), "wait for the one that follows it".to_owned());
    }
    if let Some(condition) = condition(pod, "PodScheduled").filter(|own| own.status == "False") {
        let said = condition.message.as_deref().unwrap_or("Unschedulable");
        let cure = format!("make room on a node, or lower what the pod requests or demands of nodes; {describe}");
        return plain(format!("is put on no node: {said}"), cure);
    }
    let statuses = pod.status.as_ref();
    let init = statuses.and_then(|status| status.init_container_statuses.as_ref()).into_iter().flatten();
    let own = statuses.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
    if let Some(trouble) = init.chain(own).find_map(|status| of_container(status, namespace, name)) {
        return trouble;
    }
    match statuses.and_then(|status| status.phase.as_deref()) {
        Some("Running") => {
            let said = condition(pod, "Ready").and_then(|own| own.message.as_deref()).unwrap_or_default();
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            Trouble { runs: true, ..plain(format!("runs and is not ready{said}"), describe) }
        }
        Some(phase @ ("Failed" | "Succeeded")) => {
            let said = statuses.and_then(|status| status.message.as_deref().or(status.reason.as_deref()));
            let cure = format!("kubectl -n {namespace} delete pod {name}, and see that the next one stays");
            plain(format!("has ended ({phase}){}", said.map(|text| format!(": {text}")).unwrap_or_default()), cure)
        }
        _ => plain("has not started yet".to_owned(), describe),
    }
}

fn of_container(status: &ContainerStatus, namespace: &str, name: &str) -> Option<Trouble> {
    let (container, image) = (&status.name, &status.image);
    let state = status.state.as_ref()?;
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|own| own.reason.as_deref()).unwrap_or_default();
    let said = waiting.and_then(|own| own.message.as_deref()).map(|text| format!(": {text}")).unwrap_or_default();
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable" => {
            return Some(Trouble {
                wrong: format!("its image {image} cannot be pulled ({reason}){said}"),
                cure: format!(
                    "name an image that the nodes can pull; one of this machine is brought into kind by kind load docker-image {image}"
                ),
                crashed: None,
                runs: false,
            });
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            return Some(Trouble {
                wrong: format!("its container {container} cannot be started ({reason}){said}"),
                cure: format!("create what it names; kubectl -n {namespace} describe pod {name} says more"),
                crashed: None,
                runs: false,
            });
        }
        _ => {}
    }
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let ended = state.terminated.as_ref().filter(|own| own.exit_code != 0).or(last)?;
    if status.ready || (status.restart_count == 0 && state.terminated.is_none()) {
        return None;
    }
    let why = ended.reason.as_deref().unwrap_or("Error");
    let cure = if why == "OOMKilled" {
        format!("raise the memory limit of container {container}")
    } else {
        format!("kubectl -n {namespace} logs {name} -c {container} --previous says why")
    };
    Some(Trouble {
        wrong: format!(
            "its container {container} ends again and again, last with exit code {} ({why}), after {} restarts",
            ended.exit_code, status.restart_count
        ),
        cure,
        crashed: Some(container.clone()),
        runs: false,
    })
}

pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn condition<'a>(pod: &'a Pod, wanted: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|own| own.type_ == wanted)
}

pub(super) fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

pub(super) fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|own| own.status == "True")
}

/// Where this adapter's pod has its status page.
pub(super) fn ops_port(pod: &Pod) -> i32 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.find(|port| port.name.as_deref() == Some(OPS.0)).map_or(OPS.1, |port| port.container_port)
}
