use super::found::names;
use crate::cluster::look::{label, name};
use crate::cluster::marks::{ADAPTER, KEPT_BY, OURS, PART_OF, STACK};
use crate::cluster::waiting::{self, EMPTY};
use crate::cluster::{Bench, Failure, Kubectl};

/// What the stack puts into a namespace that was there before, but for the accounts.
const KINDS: &str = "deployments,statefulsets,services,configmaps,networkpolicies,poddisruptionbudgets,resourcequotas,\
                     limitranges,ingresses,secrets";
/// These go last: as long as one is there, what nobody has labelled may be, too.
const ACCOUNTS: &str = "serviceaccounts";
/// What they may do goes first: nothing that is deleted is made again.
const ROLES: &str = "roles,rolebindings";
/// Where the adapter keeps its certificate.
const CERTIFICATE: &str = "metrics-adapter-tls";
/// Their volumes are described by no manifest.
const KEEPERS: [&str; 2] = ["db", "prometheus"];

/// A namespace of somebody else's, with something of the stack in it.
pub(super) struct Lodging {
    namespace: &'static str,
    /// What controllers and the adapter have made there for the stack, as `kind/name`.
    made: Vec<String>,
}

impl Lodging {
    /// If anything is there.
    pub(super) async fn look(kubectl: &Kubectl, namespace: &'static str) -> Result<Option<Self>, Failure> {
        let mut made = Vec::new();
        if let Some(secret) = kubectl.object("secret", namespace, CERTIFICATE).await?
            && label(&secret, KEPT_BY) == ADAPTER
        {
            made.push(format!("secret/{CERTIFICATE}"));
        }
        for keeper in KEEPERS {
            let owner = kubectl.object("statefulset", namespace, keeper).await?;
            let is_ours = owner.is_some_and(|own| label(&own, PART_OF) == STACK);
            let claim = kubectl.object("persistentvolumeclaim", namespace, &format!("data-{keeper}-0")).await?;
            // Once the StatefulSet is gone, a claim is the stack's only if it says so.
            let claim = claim.filter(|own| is_ours || label(own, PART_OF) == STACK);
            made.extend(claim.map(|own| format!("persistentvolumeclaim/{}", name(&own))));
        }
        let labelled = names(kubectl, &format!("{KINDS},{ACCOUNTS},{ROLES}"), namespace).await?;
        Ok((!labelled.is_empty() || !made.is_empty()).then_some(Self { namespace, made }))
    }

    pub(super) fn plan(&self) -> String {
        let namespace = self.namespace;
        let made = if self.made.is_empty() { String::new() } else { format!(", and {}", self.made.join(", ")) };
        format!(
            "delete what carries the label {OURS} in the namespace {namespace}, which is somebody else's and stays{made}"
        )
    }

    /// What is the stack's goes, and the namespace stays.
    pub(super) async fn clear(&self, bench: &Bench) -> Result<(), Failure> {
        let (kubectl, namespace) = (&bench.kubectl, self.namespace);
        let delete = async |kinds: &str| {
            let arguments =
                ["delete", kinds, "--namespace", namespace, "--selector", OURS, "--ignore-not-found", "--wait=false"];
            kubectl.run(&arguments).await.map(drop)
        };
        delete(ROLES).await?;
        // A volume stays until its pod is gone; asked for now, it is known whose it is, whatever happens in between.
        self.unmake(kubectl).await?;
        delete(KINDS).await?;
        waiting::emptied(bench, namespace, &format!("{KINDS},pods"), OURS, &EMPTY).await?;
        // The adapter may have made its own anew while it was there.
        self.unmake(kubectl).await?;
        delete(ACCOUNTS).await?;
        bench.progress.note(&format!("what was in {namespace} is gone; the namespace is somebody else's, and stays"));
        Ok(())
    }

    async fn unmake(&self, kubectl: &Kubectl) -> Result<(), Failure> {
        for own in &self.made {
            kubectl.run(&["delete", own, "--namespace", self.namespace, "--ignore-not-found", "--wait=false"]).await?;
        }
        Ok(())
    }
}
