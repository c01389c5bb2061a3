use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// A request that takes longer is given up; waiting is done by asking again.
const PATIENCE: Duration = Duration::from_mins(1);
/// Many of them, one after the other.
const MANY: Duration = Duration::from_mins(5);
/// What a person may have chosen for themselves (`~/.kube/kuberc`), and would end or change what is done here.
const OWN_WAY: [(&str, &str); 2] = [("delete", "--interactive=false"), ("apply", "--server-side=false")];

/// The person's own kubectl, in one context.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    context: Option<String>,
}

/// What kubectl could not do.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// There is none.
    #[error("{}: {source}; install kubectl (https://kubernetes.io/docs/tasks/tools/), or name it with KUBECTL=…", program.display())]
    Start {
        /// What was called.
        program: PathBuf,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// It said no.
    #[error("kubectl {command}: {said}")]
    Refused {
        /// The arguments.
        command: String,
        /// Its standard error.
        said: String,
    },
    /// It did not come back.
    #[error("kubectl {command}: no answer within {}; is the cluster reachable?", humantime::format_duration(*limit))]
    Silent {
        /// The arguments.
        command: String,
        /// How long it might have taken.
        limit: Duration,
    },
    /// It printed something else than an object.
    #[error("kubectl {command}: what it printed is no JSON: {problem}")]
    Unreadable {
        /// The arguments.
        command: String,
        /// What is wrong.
        problem: serde_json::Error,
    },
}

impl KubectlError {
    /// Whether the next try may well succeed: nothing was said of who asks, or of what is asked for.
    pub(super) fn passes(&self) -> bool {
        const LASTING: [&str; 7] = [
            "orbidden",
            "nauthorized",
            "must be logged in",
            "NotFound",
            "doesn't have a resource type",
            "context was not found",
            "does not exist",
        ];
        match self {
            Self::Silent { .. } => true,
            Self::Refused { said, .. } => !LASTING.iter().any(|lasting| said.contains(lasting)),
            Self::Start { .. } | Self::Unreadable { .. } => false,
        }
    }

    /// Whether the cluster was asked, and does not let this person do it.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { said, .. } if said.contains("(Forbidden)") || said.contains(" is forbidden: "))
    }
}

impl Kubectl {
    /// That program, in that context; none is the current one.
    #[must_use]
    pub fn new(program: PathBuf, context: Option<String>) -> Self {
        Self { program, context }
    }

    /// The context that it was given.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The context that is the current one, if any is.
    pub(super) async fn current(&self) -> Option<String> {
        let named = self.run(&["config", "current-context"]).await.ok()?;
        Some(named.trim().to_owned()).filter(|context| !context.is_empty())
    }

    /// Whether the kubeconfig has that context.
    pub(super) async fn knows(&self, context: &str) -> Result<bool, KubectlError> {
        let listed = Self::new(self.program.clone(), None).run(&["config", "get-contexts", "--output=name"]).await?;
        Ok(listed.lines().any(|own| own.trim() == context))
    }

    /// Which cluster it is, whatever it is called: the UID of a namespace that each has and that nobody deletes.
    pub(super) async fn identity(&self) -> Option<String> {
        let object = self.object("namespace", "default", "kube-system").await.ok()??;
        object["metadata"]["uid"].as_str().map(str::to_owned)
    }

    /// What may be kept from this person is none for them.
    pub(super) async fn if_allowed(&self, arguments: &[&str]) -> Result<Option<Value>, KubectlError> {
        match self.json(arguments).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_forbidden() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How a person has to call it to get there.
    pub(super) async fn spelled(&self) -> String {
        match &self.context {
            Some(context) if self.current().await.as_ref() != Some(context) => format!("kubectl --context={context}"),
            _ => "kubectl".to_owned(),
        }
    }

    /// The same program in that context.
    #[must_use]
    pub fn in_context(&self, context: &str) -> Self {
        Self { program: self.program.clone(), context: Some(context.to_owned()) }
    }

    /// Its standard output.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, KubectlError> {
        self.fed(arguments, "").await
    }

    /// Its standard output, after reading this on its standard input.
    pub async fn fed(&self, arguments: &[&str], input: &str) -> Result<String, KubectlError> {
        let words = || arguments.join(" ");
        let start = |source| KubectlError::Start { program: self.program.clone(), source };
        let mut child = self.begin(arguments)?;
        let mut stdin = child.stdin.take();
        let feed = async {
            if let Some(stdin) = &mut stdin {
                // One that does not read it says why.
                stdin.write_all(input.as_bytes()).await.ok();
            }
            drop(stdin);
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let limit = if arguments.first() == Some(&"apply") { MANY } else { PATIENCE };
        let out = tokio::time::timeout(limit, both).await;
        let out = out.map_err(|_| KubectlError::Silent { command: words(), limit })?.map_err(start)?;
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
            Err(KubectlError::Refused { command: words(), said })
        }
    }

    /// The process, which ends with what is returned.
    pub(super) fn begin(&self, arguments: &[&str]) -> Result<Child, KubectlError> {
        let mut command = Command::new(&self.program);
        command.args(self.context.iter().flat_map(|context| ["--context", context].map(OsStr::new))).args(arguments);
        command.args(OWN_WAY.iter().filter(|(verb, _)| arguments.first() == Some(verb)).map(|(_, flag)| flag));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().map_err(|source| KubectlError::Start { program: self.program.clone(), source })
    }

    /// What it prints as JSON.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value, KubectlError> {
        let text = self.run(&[arguments, &["--output=json"]].concat()).await?;
        serde_json::from_str(&text)
            .map_err(|problem| KubectlError::Unreadable { command: arguments.join(" "), problem })
    }

    /// One object; none if there is none, or no such kind.
    pub async fn object(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, KubectlError> {
        let namespace = format!("--namespace={namespace}");
        let arguments = ["get", kind, name, &namespace, "--ignore-not-found", "--output=json"];
        match self.run(&arguments).await {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|problem| KubectlError::Unreadable { command: arguments.join(" "), problem }),
            Err(KubectlError::Refused { said, .. }) if said.contains("doesn't have a resource type") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
