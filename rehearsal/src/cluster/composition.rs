use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ground::{CUSTOM, EXTERNAL, Ground, RESOURCE, Traefik};
use super::images::{Built, OWN, pushed};
use super::look::{label, list, name, text};
use super::marks::{ADAPTER, APP, MONITORING, PART_OF, STACK};
use super::{Bench, Failure, Kubectl, Wishes};

/// What the manifests become in this cluster.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own, and a line of the kustomization")]
pub(super) struct Composition {
    /// Nodes' port 30080 instead of a load balancer.
    pub(super) node_port: bool,
    /// CPU and memory from the adapter.
    pub(super) resource_metrics: bool,
    /// Kubelets that sign their own certificates are believed, by whoever asks them.
    pub(super) kubelet_insecure_tls: bool,
    pub(super) tiny: bool,
    pub(super) registry: Option<String>,
    /// What was built for it.
    pub(super) built: Built,
    pub(super) traefik: Option<Traefik>,
    /// Namespaces that stay as somebody else made them.
    pub(super) kept: Vec<String>,
    /// `APIServices` of somebody else that stay.
    pub(super) left: Vec<String>,
    /// Those that the adapter takes the place of.
    pub(super) displaced: Vec<String>,
}

impl Composition {
    pub(super) fn fitting(ground: &Ground, mapped: bool, wishes: &Wishes) -> Self {
        let stays = |group: &str| group != CUSTOM;
        let (foreign, displaced): (Vec<&Value>, Vec<&Value>) =
            ground.metrics.iter().partition(|object| stays(text(object, "/spec/group")));
        let names = |objects: Vec<&Value>| objects.into_iter().map(|object| name(object).to_owned()).collect();
        Self {
            node_port: mapped,
            resource_metrics: !ground.serves(RESOURCE),
            kubelet_insecure_tls: wishes.kubelet_insecure_tls.unwrap_or(mapped || ground.self_signed),
            tiny: wishes.tiny.unwrap_or_else(|| ground.is_small()),
            registry: wishes.registry.clone(),
            built: Vec::new(),
            traefik: ground.traefik.clone(),
            kept: [MONITORING].into_iter().filter(|own| ground.is_foreign(own)).map(str::to_owned).collect(),
            left: names(foreign),
            displaced: names(displaced),
        }
    }

    /// The kustomization, from a folder from which `root` leads to the repository.
    fn text(&self, root: &str) -> String {
        let mut text = format!(
            "# Written by `make up`, for what it found in the cluster; the next one writes it anew. {}\n\
             apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- {root}/overlays/cloud\n",
            self.by_hand()
        );
        if self.traefik.is_some() {
            text.push_str("- ingress-policy.yaml\n");
        }
        let metrics = "k8s/metrics-adapter/components";
        let components = [
            (self.resource_metrics, format!("{metrics}/resource-metrics")),
            (self.resource_metrics && self.kubelet_insecure_tls, format!("{metrics}/kubelet-insecure-tls")),
            (self.kubelet_insecure_tls, "prometheus/components/kubelet-insecure-tls".to_owned()),
            (self.tiny, "k8s/components/tiny".to_owned()),
        ];
        let chosen: Vec<&String> = components.iter().filter(|(on, _)| *on).map(|(_, path)| path).collect();
        if !chosen.is_empty() {
            text.push_str("components:\n");
        }
        for path in chosen {
            writeln!(text, "- {root}/{path}").ok();
        }
        if let Some(registry) = &self.registry {
            text.push_str("images:\n");
            for (image, _) in OWN {
                let id = self.built.iter().find(|(own, _)| *own == image).map_or("", |(_, id)| id);
                let pushed = pushed(image, id);
                let (name, tag) = pushed.split_once(':').unwrap_or((&pushed, ""));
                writeln!(text, "- {{name: {name}, newName: {}/{name}, newTag: {tag}}}", registry.trim_end_matches('/'))
                    .ok();
            }
        }
        text + &self.patches()
    }

    /// What it is without this command.
    fn by_hand(&self) -> String {
        if self.displaced.is_empty() {
            return "It can be applied by hand.".to_owned();
        }
        let displaced = self.displaced.join(", ");
        format!(
            "By hand, first save and delete APIService {displaced}: applied over it, what is not said here would stay."
        )
    }

    fn patches(&self) -> String {
        let mut patches = String::new();
        for own in &self.kept {
            write!(
                patches,
                "- patch: |\n    $patch: delete\n    apiVersion: v1\n    kind: Namespace\n    metadata: {{name: {own}}}\n"
            )
            .ok();
        }
        if self.traefik.is_some() {
            patches.push_str(NO_TRAEFIK);
        }
        if self.node_port {
            patches.push_str(NODE_PORT);
        }
        // The name stays the same, and what it names does not: pods of the one before go.
        for (image, id) in self.built.iter().filter(|(_, id)| self.registry.is_none() && !id.is_empty()) {
            let workload = if image.starts_with("conduit:") { "real-world" } else { ADAPTER };
            write!(
                patches,
                "- target: {{kind: Deployment, name: {workload}}}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    \
                 metadata: {{name: {workload}}}\n    spec: {{template: {{metadata: {{annotations: {{conduit/image: '{id}'}}}}}}}}\n"
            )
            .ok();
        }
        if let Some(traefik) = self.traefik.as_ref().filter(|traefik| traefik.class != "traefik") {
            let class = &traefik.class;
            write!(
                patches,
                "- target: {{kind: Ingress, namespace: {APP}}}\n  patch: |\n    - {{op: replace, path: /spec/ingressClassName, value: {class}}}\n"
            )
            .ok();
        }
        for own in self.left.iter().filter(|own| own.ends_with(EXTERNAL)) {
            write!(
                patches,
                "- patch: |\n    $patch: delete\n    apiVersion: apiregistration.k8s.io/v1\n    kind: APIService\n    metadata: {{name: {own}}}\n"
            )
            .ok();
        }
        if patches.is_empty() { patches } else { format!("patches:\n{patches}") }
    }

    /// Writes it among the data.
    pub(super) fn write(&self, data: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", data.display()));
        std::fs::create_dir_all(data).map_err(failed)?;
        let here = std::fs::canonicalize(data).map_err(failed)?;
        let root = std::env::current_dir().and_then(std::fs::canonicalize).map_err(failed)?;
        let way = relative(&here, &root);
        if let Some(traefik) = &self.traefik {
            std::fs::write(data.join("ingress-policy.yaml"), policy(traefik)).map_err(failed)?;
        }
        std::fs::write(data.join("kustomization.yaml"), self.text(&way.to_string_lossy())).map_err(failed)
    }

    /// What kustomize makes of it, an object each.
    pub(super) async fn objects(&self, bench: &Bench) -> Result<Objects, Failure> {
        self.write(&bench.data)?;
        let text = bench.kubectl.run(&["kustomize", &bench.data.to_string_lossy()]).await?;
        let documents = text.split("\n---\n").map(|document| document.trim_end().to_owned()).collect();
        Ok(Objects { documents, by_hand: self.displaced.is_empty() })
    }
}

const NODE_PORT: &str = "\
- target: {kind: Service, name: traefik-ingress-service, namespace: real-world}
  patch: |
    - {op: replace, path: /spec/type, value: NodePort}
    - {op: add, path: /spec/ports/0/nodePort, value: 30080}
";

/// All that is Traefik's, whatever it is called.
const NO_TRAEFIK: &str = "\
- target: {labelSelector: app.kubernetes.io/name=traefik}
  patch: |
    $patch: delete
    apiVersion: v1
    kind: Any
    metadata: {name: any}
";

/// Lets somebody else's Traefik in, which the API's own policy does not know.
fn policy(traefik: &Traefik) -> String {
    let from = traefik.namespace.as_ref().map_or_else(
        || "    - namespaceSelector: {}\n".to_owned(),
        |namespace| {
            format!("    - namespaceSelector:\n        matchLabels: {{kubernetes.io/metadata.name: {namespace}}}\n")
        },
    );
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: real-world-ingress\n  namespace: {APP}\n  \
         labels:\n    app.kubernetes.io/part-of: conduit\nspec:\n  podSelector:\n    matchLabels: {{k8s-app: real-world}}\n  \
         policyTypes: [Ingress]\n  ingress:\n  - from:\n{from}    ports:\n    - port: 4000\n"
    )
}

/// Objects as kustomize prints them: one key a line, kinds and names unquoted.
pub(super) struct Objects {
    documents: Vec<String>,
    /// Whether applying them at once is the same.
    by_hand: bool,
}

/// The order in which they come to the cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wave {
    Namespaces,
    /// All that the others are not.
    Workloads,
    /// Once somebody is there to answer.
    Registrations,
    /// Once it has something to ask.
    Autoscaler,
}

impl Objects {
    /// Nothing of somebody else's is written over, nor deleted later as if it were the stack's.
    pub(super) async fn refuse_those_of_others(&self, kubectl: &Kubectl) -> Result<(), Failure> {
        // A namespace may be shared, and who answers for an API before is set aside.
        let checked = |document: &&String| !["Namespace", "APIService"].contains(&kind(document));
        let documents: Vec<&str> = self.documents.iter().filter(checked).map(String::as_str).collect();
        let arguments = ["get", "--filename=-", "--ignore-not-found", "--output=json"];
        let found = kubectl.fed(&arguments, &documents.join("\n---\n")).await?;
        let found: Value = serde_json::from_str(if found.trim().is_empty() { "{}" } else { &found })
            .map_err(|error| Failure::new(format!("kubectl {}: {error}", arguments.join(" "))))?;
        let all = if found["kind"] == "List" { list(&found, "/items") } else { std::slice::from_ref(&found) };
        let foreign = all
            .iter()
            .filter(|object| object.is_object() && !name(object).is_empty() && label(object, PART_OF) != STACK);
        let foreign: Vec<String> = foreign
            .map(|object| format!("{} {}/{}", text(object, "/kind"), text(object, "/metadata/namespace"), name(object)))
            .collect();
        if foreign.is_empty() {
            return Ok(());
        }
        Err(Failure::new("the cluster has objects of somebody else's by the names of the stack's").words(foreign).cure(
            "use another cluster: these would be written over. Nothing was done. If they are yours, and meant to be the stack's, \
             give them the label app.kubernetes.io/part-of=conduit",
        ))
    }

    pub(super) async fn apply(&self, kubectl: &Kubectl, wave: Wave) -> Result<usize, Failure> {
        let of_wave = |document: &&String| match kind(document) {
            "Namespace" => wave == Wave::Namespaces,
            "APIService" => wave == Wave::Registrations,
            "HorizontalPodAutoscaler" => wave == Wave::Autoscaler,
            _ => wave == Wave::Workloads,
        };
        let chosen: Vec<&str> = self.documents.iter().filter(of_wave).map(String::as_str).collect();
        if chosen.is_empty() {
            return Ok(0);
        }
        kubectl.fed(&["apply", "--filename=-"], &chosen.join("\n---\n")).await.map_err(|error| {
            let by_hand = if self.by_hand { ", and `kubectl apply -k data/cluster` is the same by hand" } else { "" };
            Failure::from(error).cure(format!("read what the API server says; `make up` again goes on{by_hand}"))
        })?;
        Ok(chosen.len())
    }
}

fn kind(document: &str) -> &str {
    document.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default()
}

/// kustomize takes no absolute paths.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(own, other)| own == other).count();
    let up = from.components().skip(shared).map(|_| Path::new("..").as_os_str());
    let way: PathBuf = up.chain(to.components().skip(shared).map(std::path::Component::as_os_str)).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_between_folders_goes_up_and_down_again() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).to_string_lossy().into_owned();
        assert_eq!([way("/a/data/cluster", "/a"), way("/tmp/x", "/a/b"), way("/a", "/a")], ["../..", "../../a/b", "."]);
    }
}
