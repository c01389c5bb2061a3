use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Failure, Kubectl, Wishes};

const STATE: &str = "state.json";

/// What was made outside of any cluster, and where: written down before it is made, so that it can be taken away
/// whatever happens in between.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Record {
    /// The context that was last worked in.
    pub(super) context: Option<String>,
    /// Which cluster that was: a context's name may come to mean another one.
    #[serde(default)]
    pub(super) cluster: Option<String>,
    /// The cluster of kind that was made here.
    pub(super) made: Option<String>,
    /// Which one it was: somebody may have made another of the same name since.
    #[serde(default)]
    pub(super) made_as: Option<String>,
    /// Whether its making came to its end.
    pub(super) complete: bool,
    /// Whether podman runs it.
    #[serde(default)]
    pub(super) podman: bool,
    /// The context that was the current one before kind's was.
    #[serde(default)]
    pub(super) left: Option<String>,
    /// What was wished for, so that who repeats it need not say it again.
    #[serde(default)]
    pub(super) wishes: Option<Wishes>,
}

impl Record {
    pub(super) fn read(data: &Path) -> Result<Self, Failure> {
        let path = path(data);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
        };
        let unreadable = |error| {
            Failure::new(format!("{}: {error}", path.display()))
                .cure("delete the file; then what it says of a cluster is forgotten, and `kind delete cluster` is yours to call")
        };
        serde_json::from_str(&text).map_err(unreadable)
    }

    /// Whether that is the cluster that was last worked in, as far as is known.
    pub(super) async fn is_of(&self, kubectl: &Kubectl) -> bool {
        self.is(kubectl.identity().await.as_ref())
    }

    /// The same, of one whose identity was asked for.
    pub(super) fn is(&self, identity: Option<&String>) -> bool {
        self.cluster.is_none() || identity.is_none() || self.cluster.as_ref() == identity
    }

    /// kubectl in the context that was worked in last, unless another one was named.
    pub(super) async fn lead(&self, kubectl: &Kubectl) -> Result<Kubectl, Failure> {
        let Some(context) = self.context.as_ref().filter(|_| kubectl.context().is_none()) else {
            return Ok(kubectl.clone());
        };
        if kubectl.knows(context).await? {
            return Ok(kubectl.in_context(context));
        }
        Err(Failure::new(format!("context {context}, in which `make up` was last, is not in the kubeconfig any more"))
            .cure("`make down` forgets it, or CONTEXT=… names another one"))
    }

    /// Whole or not at all.
    pub(super) fn write(&self, data: &Path) -> Result<(), Failure> {
        let path = path(data);
        let new = path.with_extension("new");
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        let written = std::fs::create_dir_all(data)
            .and_then(|()| std::fs::write(&new, text?))
            .and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    /// With what was written for the cluster.
    pub(super) fn forget(data: &Path) {
        for name in [STATE, "kustomization.yaml", "ingress-policy.yaml"] {
            std::fs::remove_file(data.join(name)).ok();
        }
    }
}

fn path(data: &Path) -> PathBuf {
    data.join(STATE)
}
