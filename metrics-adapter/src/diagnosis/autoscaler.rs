mod conditions;
mod items;
mod question;
mod target;

use std::collections::HashMap;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec};

use super::ask::Unanswered;
use super::link::Fault;
use super::registered::{Program, Registration};
use super::{Examination, Known, MetricsApi};
use crate::model::DiscoveredResource;

use items::Items;
use question::{Of, Question};
use target::Scaled;

/// As it is called in messages.
pub(super) fn named(autoscaler: &HorizontalPodAutoscaler) -> String {
    let metadata = &autoscaler.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    format!("HPA {}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

impl Examination<'_> {
    /// From what it scales to what its controller says.
    pub(super) async fn autoscaler(
        &mut self,
        autoscaler: &HorizontalPodAutoscaler,
        known: &HashMap<MetricsApi, Known>,
        kinds: Option<&[DiscoveredResource]>,
    ) -> Result<(), Fault> {
        let subject = named(autoscaler);
        let scaled = self.target(autoscaler, kinds).await?;
        let mut answered = true;
        if let Some(scaled) = &scaled {
            for metric in autoscaler.spec.metrics.iter().flatten() {
                answered &= self.metric(&subject, scaled, metric, known, kinds).await?;
            }
        }
        let metrics = autoscaler.spec.metrics.iter().flatten();
        let foreign = metrics.map(MetricsApi::of).any(|api| self.scope.api.is_some() && api != self.scope.api);
        // Of the APIs that are not looked at it may say what it likes.
        if !foreign {
            for remark in conditions::judge(autoscaler, answered && scaled.is_some(), self.now)? {
                self.trail.remark(&subject, remark);
            }
            self.trail.good(&subject, "its controller has no complaint");
        }
        Ok(())
    }

    /// One of its metrics, asked for as its controller asks. Whether it was answered.
    async fn metric(
        &mut self,
        subject: &str,
        scaled: &Scaled,
        metric: &MetricSpec,
        known: &HashMap<MetricsApi, Known>,
        kinds: Option<&[DiscoveredResource]>,
    ) -> Result<bool, Fault> {
        let Some(api) = MetricsApi::of(metric) else { return Ok(false) };
        if self.scope.api.is_some_and(|only| only != api) {
            return Ok(true);
        }
        let Some(known) = known.get(&api) else {
            self.trail.unseen(&format!("metrics of {subject}"), &format!("{api} cannot be asked"));
            return Ok(false);
        };
        let question = match Question::of(metric, api, known.version, scaled, kinds) {
            Ok(question) => question,
            Err((wrong, cure)) => return Err(Fault::new(subject, wrong, cure)),
        };
        let answer = match self.asker.json(&question.path).await {
            Ok(answer) => answer,
            Err(Unanswered::Missing(said)) => return Err(no_metric(subject, &question, known, &said)),
            Err(Unanswered::Failed { code: Some(code), text }) => {
                let wrong = format!("{} is answered with {code}: {text}", question.what);
                let cure = match &known.by {
                    Some(by) => format!("the log of the server says why: {}", by.logs()),
                    None => format!("see what the server of {api} logs"),
                };
                return Err(Fault::new(subject, wrong, cure));
            }
            Err(why) => {
                let what = format!("{} of {subject}", question.what);
                return self.trail.without(&what, why).map(|_: Option<()>| false);
            }
        };
        let items = Items::read(&answer, &question);
        items.judge(subject, &question, self.now).map_err(|(wrong, cure)| {
            let cure = cure.unwrap_or_else(|| no_values(&question, known.by.as_ref()));
            Fault::new(subject, wrong, cure)
        })?;
        if let Of::Pods { .. } = question.of {
            self.all_pods(subject, scaled, &question, &items, known).await?;
            scaled.requests(metric).map_err(|(wrong, cure)| Fault::new(subject, wrong, cure))?;
        }
        self.trail.good(subject, format!("{} has {}", question.what, items.summary()));
        Ok(true)
    }

    /// Each pod that has run for a while must have a value.
    async fn all_pods(
        &mut self,
        subject: &str,
        scaled: &Scaled,
        question: &Question,
        items: &Items,
        known: &Known,
    ) -> Result<(), Fault> {
        let due = scaled.due(self.now);
        let missing: Vec<&str> = due.iter().copied().filter(|name| !items.has(name)).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        // Asked for by its name, a server can say why.
        let said = match self.asker.json(&question.of_one(first)).await {
            Err(Unanswered::Missing(said)) => format!(": {said}"),
            _ => String::new(),
        };
        let wrong =
            format!("{} has no value for {} of {} pods, as {first}{said}", question.what, missing.len(), due.len());
        Err(Fault::new(subject, wrong, no_values(question, known.by.as_ref())))
    }
}

fn no_metric(subject: &str, question: &Question, known: &Known, said: &str) -> Fault {
    let wrong = format!("{} is not there: {said}", question.what);
    let (Some(wanted), Some(listed)) = (&question.listed, &known.listed) else {
        return Fault::new(subject, wrong, no_values(question, known.by.as_ref()));
    };
    if listed.contains(wanted) {
        return Fault::new(subject, wrong, no_values(question, known.by.as_ref()));
    }
    let near = |own: &&String| strsim::normalized_damerau_levenshtein(own, wanted);
    let nearest = listed.iter().max_by(|one, other| near(one).total_cmp(&near(other)));
    let instead = match nearest {
        Some(name) => format!("name one in the HPA that is listed, as {name}"),
        None => "name one in the HPA that is listed".to_owned(),
    };
    let rule = match &known.by {
        Some(by) if by.program == Program::Ours => format!("add it to the adapter's configuration, {}", by.configure()),
        Some(by) if by.program == Program::PrometheusAdapter => {
            "add a rule to prometheus-adapter's configuration whose seriesQuery finds its series".to_owned()
        }
        _ => "configure it where the server's metrics are".to_owned(),
    };
    Fault::new(subject, format!("{wrong} (discovery does not list {wanted})"), format!("{rule}, or {instead}"))
}

/// What mends that something known has no value.
fn no_values(question: &Question, by: Option<&Registration>) -> String {
    let program = by.map_or(Program::Unknown, |by| by.program);
    match (question.api, program) {
        (MetricsApi::Custom, Program::Ours) => {
            "see that the pods are annotated prometheus.io/scrape: \"true\" and that their metrics hold the series; the adapter's status page says it of each"
        }
        (MetricsApi::Custom | MetricsApi::External, Program::PrometheusAdapter) => {
            "see in Prometheus that the series is there now and carries the labels that the rule names, as namespace and pod"
        }
        (MetricsApi::External, Program::Keda) => "kubectl describe scaledobject says what its trigger answers",
        (MetricsApi::External, Program::Ours) => "see that its query has a result in Prometheus",
        (MetricsApi::Resource, Program::Ours) => {
            "see on the adapter's status page whether the kubelet of the pod's node can be read"
        }
        (MetricsApi::Resource, _) => {
            "see that the kubelets can be read: the log of the metrics server names each that cannot; fresh pods need a minute"
        }
        (_, _) => "see what the server of these metrics logs",
    }
    .to_owned()
}
