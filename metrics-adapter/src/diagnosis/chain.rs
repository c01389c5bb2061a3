use std::rc::Rc;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::link::Fault;
use super::registered::{Registered, Registration};
use super::service::Behind;
use super::{Examination, Known, MetricsApi, autoscaler};

impl Examination<'_> {
    /// From who is registered for an API to where its values come from. None if nobody needs it and there is none.
    pub(super) async fn api(
        &mut self,
        api: MetricsApi,
        autoscalers: &[HorizontalPodAutoscaler],
    ) -> Result<Option<Known>, Fault> {
        let needs = autoscalers.iter().find(|own| api.is_needed_by(own)).map(autoscaler::named);
        let mut known: Option<Known> = None;
        for registered in self.registered(api, needs.as_deref()).await? {
            let listed = match &registered.by {
                Some(by) => {
                    let Some(behind) = self.behind(&registered, by).await? else { return Ok(None) };
                    self.certificate(&registered, by).await?;
                    self.condition(&registered, &behind)?;
                    let listed = self.discovery(&registered, needs.as_deref(), &behind).await?;
                    self.autoscalers_access(&registered, autoscalers).await?;
                    if api == MetricsApi::Resource {
                        self.kubelets_access(by, &behind).await?;
                    }
                    if self.asked.insert(by.key()) {
                        self.server_access(registered.api, by, &behind).await?;
                        self.source(by, &behind).await?;
                    }
                    listed
                }
                None => self.discovery(&registered, needs.as_deref(), &Behind::default()).await?,
            };
            let (version, by) = (registered.version, registered.by.clone());
            known.get_or_insert(Known { version, by, listed });
        }
        Ok(known)
    }

    /// What stands behind a Service, looked at once. None if that was found broken before.
    async fn behind(&mut self, registered: &Registered, by: &Registration) -> Result<Option<Rc<Behind>>, Fault> {
        let key = by.key();
        if let Some(behind) = self.walked.get(&key) {
            return Ok(behind.clone());
        }
        self.walked.insert(key.clone(), None);
        let behind = Rc::new(self.service(registered, by).await?);
        self.odd_pods(by, &behind.pods);
        self.walked.insert(key, Some(Rc::clone(&behind)));
        Ok(Some(behind))
    }
}
