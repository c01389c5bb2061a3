use std::sync::Arc;
use std::time::Duration;

use super::QueryProblem;
use super::labels::ResourceLabels;
use super::query::ObjectLabels;
use super::separable::Separable;
use super::template::Template;
use crate::model::{GroupResource, Kinds, Question, Selector};

/// `resourceRules`: CPU and memory of pods and nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRules {
    /// In cores.
    pub cpu: ResourceRule,
    /// In bytes.
    pub memory: ResourceRule,
    /// What the file says that the queries look at; without that, the longest range in them.
    pub window: Duration,
}

/// What Prometheus is asked for CPU or memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceRule {
    /// The label that names the container.
    pub container_label: Arc<str>,
    /// The query for containers.
    pub container_query: Template,
    /// The query for nodes.
    pub node_query: Template,
    /// Which labels name namespaces, pods and nodes.
    pub resources: ResourceLabels,
}

/// What is asked for containers, and how the answer is read.
#[derive(Clone, Debug)]
pub struct ContainersQuery {
    /// The question.
    pub question: Question,
    /// The label of the namespace. A question about one namespace need not have it in its answer.
    pub namespace_label: Arc<str>,
    /// The label of the pod.
    pub pod_label: Arc<str>,
}

impl ResourceRule {
    /// What is asked once for the containers of all pods of all namespaces; none if the query does not allow that.
    pub fn containers(&self, kinds: &Kinds) -> Result<Option<ContainersQuery>, QueryProblem> {
        let labels = self.container_labels(kinds)?;
        if !Separable::default().is(&self.container_query, &labels) {
            return Ok(None);
        }
        let question = labels.of_all(&self.container_query, "", &Selector::default())?;
        Ok(Some(containers(question, labels)))
    }

    /// What prometheus-adapter would ask for the containers of these pods.
    pub fn containers_of(
        &self,
        kinds: &Kinds,
        namespace: &str,
        pods: &[&str],
    ) -> Result<ContainersQuery, QueryProblem> {
        let labels = self.container_labels(kinds)?;
        let question = labels.of_some(&self.container_query, "", Some(namespace), pods, &Selector::default())?;
        Ok(containers(question, labels))
    }

    /// What is asked once for all nodes, and the label that names them; none if the query does not allow that.
    pub fn nodes(&self, kinds: &Kinds) -> Result<Option<(Question, Arc<str>)>, QueryProblem> {
        let labels = self.node_labels(kinds)?;
        if !Separable::default().is(&self.node_query, &labels) {
            return Ok(None);
        }
        let question = labels.of_all(&self.node_query, "", &Selector::default())?;
        Ok(Some((question, labels.name)))
    }

    /// What prometheus-adapter would ask for these nodes, and the label that names them.
    pub fn nodes_named(&self, kinds: &Kinds, names: &[&str]) -> Result<(Question, Arc<str>), QueryProblem> {
        let labels = self.node_labels(kinds)?;
        let question = labels.of_some(&self.node_query, "", None, names, &Selector::default())?;
        Ok((question, labels.name))
    }

    fn container_labels(&self, kinds: &Kinds) -> Result<ObjectLabels, QueryProblem> {
        let (name, namespace) = (self.label(kinds, "pods")?, self.label(kinds, "namespaces")?);
        Ok(ObjectLabels { name, namespace: Some(namespace), part: Some(Arc::clone(&self.container_label)) })
    }

    fn node_labels(&self, kinds: &Kinds) -> Result<ObjectLabels, QueryProblem> {
        Ok(ObjectLabels { name: self.label(kinds, "nodes")?, namespace: None, part: None })
    }

    fn label(&self, kinds: &Kinds, plural: &str) -> Result<Arc<str>, QueryProblem> {
        let resolved = self.resources.resolve(kinds);
        let resource: Option<GroupResource> = kinds.named(plural);
        let label = resource.and_then(|resource| resolved.label(resource));
        label.ok_or_else(|| {
            let also = resolved.problems().first().map_or_else(String::new, |problem| format!(" ({problem})"));
            QueryProblem(format!(
                "resourceRules do not say which label names {plural}: write `resources: {{overrides: {{LABEL: {{resource: \
                 {plural}}}}}}}`{also}"
            ))
        })
    }
}

fn containers(question: Question, labels: ObjectLabels) -> ContainersQuery {
    let pod_label = labels.name;
    let namespace_label = labels.namespace.unwrap_or_else(|| Arc::clone(&pod_label));
    ContainersQuery { question, namespace_label, pod_label }
}
