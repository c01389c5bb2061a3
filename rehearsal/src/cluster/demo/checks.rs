use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::place::Place;
use super::watching::{self, blindness};
use super::{DemoError, Patience, Show, pause};
use crate::autoscaler::Hpa;
use crate::cluster::Kubectl;
use crate::manifest;

/// The HPA as the cluster has it.
pub(super) async fn hpa(kubectl: &Kubectl, namespace: &str, name: &str) -> Result<(Hpa, Value), DemoError> {
    let object = kubectl.object("hpa", namespace, name).await?;
    let object = object.ok_or_else(|| {
        let what = format!("there is no HorizontalPodAutoscaler {name} in namespace {namespace}");
        DemoError::missing(what, "make up, or kubectl apply -f k8s/real-world-hpa.yaml")
    })?;
    let hpa = manifest::hpa(&object.to_string()).map_err(|problem| {
        let what = format!("the HorizontalPodAutoscaler {name} is not understood: {problem}");
        DemoError::missing(what, "compare it with k8s/real-world-hpa.yaml")
    })?;
    if hpa.target.kind != "Deployment" {
        let what = format!("the HorizontalPodAutoscaler {name} scales a {}", hpa.target.kind);
        return Err(DemoError::missing(what, "show one that scales a Deployment"));
    }
    Ok((hpa, object))
}

/// Waits until the HPA sees its metrics: after a start, the adapter needs two scrapes and the HPA a sync.
pub(super) async fn sees(
    place: &Place,
    hpa: &Hpa,
    patience: Patience,
    show: &mut dyn Show,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), DemoError> {
    let began = Instant::now();
    loop {
        let (_, object) = self::hpa(&place.kubectl, &place.namespace, &hpa.name).await?;
        let Some(why) = blindness(&object["status"]) else { return Ok(()) };
        if began.elapsed() > patience.cluster {
            let cure = "make doctor says which link is broken, from the APIService to the pod";
            return Err(DemoError::missing(format!("the HPA {} sees nothing: {why}", hpa.name), cure));
        }
        show.waits(&format!("waiting for the HPA to see its metrics: {why}"));
        pause(patience.look, stop).await?;
    }
}

/// Waits until there are as few replicas as allowed, from which the steps are counted: a load of before holds them for its
/// window.
pub(super) async fn rests(
    place: &Place,
    hpa: &Hpa,
    patience: Patience,
    show: &mut dyn Show,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), DemoError> {
    let began = Instant::now();
    let fewest = u32::try_from(hpa.min_replicas).unwrap_or_default();
    loop {
        let seen = watching::look(place, hpa).await?;
        if (seen.ready, seen.desired) == (fewest, fewest) {
            return Ok(());
        }
        let stands = format!("{} ready of {}", seen.ready, seen.desired);
        let awaited = format!("{fewest} replicas, from which it begins");
        if began.elapsed() > patience.scale_down {
            return Err(DemoError::Late { awaited, limit: patience.scale_down, stands });
        }
        show.waits(&format!(
            "waiting for {awaited}: {stands}; the HPA lets go of what a load has brought after its window"
        ));
        pause(patience.look, stop).await?;
    }
}
