use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition};

use super::super::link::Fault;
use super::named;
use crate::model::Wall;

/// By then the controller has looked at it: it does so every 15 s.
const SEEN_BY: Duration = Duration::from_mins(1);

/// What its controller says of it: what is worth knowing, or the fault. `answered`: all of its metrics can be had now.
pub(super) fn judge(autoscaler: &HorizontalPodAutoscaler, answered: bool, now: Wall) -> Result<Vec<String>, Fault> {
    let subject = named(autoscaler);
    let conditions = autoscaler.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    if conditions.is_empty() {
        let made = autoscaler.metadata.creation_timestamp.as_ref().map_or(now.seconds(), |at| at.0.as_second());
        let age = Duration::from_secs(u64::try_from(now.seconds().saturating_sub(made)).unwrap_or(0));
        if age < SEEN_BY {
            return Ok(vec!["its controller has not looked at it yet".to_owned()]);
        }
        return Err(Fault::new(
            subject,
            "its controller has never looked at it",
            "see that kube-controller-manager runs: kubectl -n kube-system get pods -l component=kube-controller-manager",
        ));
    }
    let find = |kind: &str, status: &str| conditions.iter().find(|own| own.type_ == kind && own.status == status);
    let mut remarks = Vec::new();
    if let Some(condition) = find("AbleToScale", "False") {
        let cure = match condition.reason.as_deref().unwrap_or_default() {
            "FailedGetScale" => {
                "see that spec.scaleTargetRef names what exists, and that the controller may read its scale"
            }
            _ => "mend what that message names; a quota or an admission webhook may forbid the new size",
        };
        return Err(Fault::new(subject, says("cannot scale", condition), cure));
    }
    if let Some(condition) = find("ScalingActive", "False") {
        let cure = match condition.reason.as_deref().unwrap_or_default() {
            "ScalingDisabled" => {
                remarks.push(says("is switched off", condition));
                None
            }
            "AmbiguousSelector" => {
                Some("let one HPA alone scale those pods: delete the others, or tell the selectors apart")
            }
            "InvalidSelector" => Some("give what it scales a selector that is valid"),
            "InvalidMetricSourceType" => Some("correct the type in spec.metrics"),
            reason if reason.starts_with("FailedGet") && answered => Some(
                "the metric can be had now: the controller asks every 15 s, so look again then; if this stays, its log says more",
            ),
            _ => Some("mend what that message names"),
        };
        if let Some(cure) = cure {
            return Err(Fault::new(subject, says("does not scale", condition), cure));
        }
    }
    if let Some(condition) = find("ScalingLimited", "True")
        && condition.reason.as_deref() == Some("TooManyReplicas")
    {
        remarks.push(says("wants more than maxReplicas", condition));
    }
    Ok(remarks)
}

fn says(what: &str, condition: &HorizontalPodAutoscalerCondition) -> String {
    let (reason, message) = (condition.reason.as_deref(), condition.message.as_deref());
    format!("{what} ({}): {}", reason.unwrap_or_default(), message.unwrap_or_default())
}
