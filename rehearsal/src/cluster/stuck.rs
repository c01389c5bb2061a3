use std::collections::HashSet;

use serde_json::Value;

use super::look::{list, name, text};
use super::marks::{APP, MONITORING, OURS};
use super::trouble::Trouble;
use super::workload::{Standing, Workload};
use super::{Bench, Failure, Kubectl};

/// Pods that could not go on before anything was applied. Kubelets try such a one again after five minutes at worst, and
/// until then it tells of a cause that may be gone; a `StatefulSet` waits for it before it makes one of a new version.
#[derive(Default)]
pub(super) struct Stuck {
    /// Their UIDs.
    pods: HashSet<String>,
}

impl Stuck {
    pub(super) async fn look(kubectl: &Kubectl) -> Result<Self, Failure> {
        let mut stuck = Self::default();
        for namespace in [APP, MONITORING] {
            let pods = kubectl.json(&["get", "pods", "--namespace", namespace, "--selector", OURS]).await?;
            let troubled = list(&pods, "/items").iter().filter(|pod| Trouble::of(pod).is_some());
            stuck.pods.extend(troubled.map(|pod| uid(pod).to_owned()));
        }
        Ok(stuck)
    }

    /// Those of a workload that still stand so are deleted, once each: the ones that come in their place try at once.
    pub(super) async fn begin_anew(&mut self, bench: &Bench, workload: &Workload, standing: &Standing) -> bool {
        let mut any = false;
        for pod in standing.lagging.iter().filter(|pod| Trouble::of(pod).is_some()) {
            if !self.pods.remove(uid(pod)) {
                continue;
            }
            let delete =
                ["delete", "pod", name(pod), "--namespace", workload.namespace, "--ignore-not-found", "--wait=false"];
            // Who may not, waits.
            if bench.kubectl.run(&delete).await.is_ok() {
                let what = format!("{}: pod {} was stuck before, and is made anew", workload.title, name(pod));
                bench.progress.note(&what);
                any = true;
            }
        }
        any
    }
}

fn uid(pod: &Value) -> &str {
    text(pod, "/metadata/uid")
}
