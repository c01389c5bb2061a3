use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResourceList, APIVersions};
use kube::Client;
use kube::core::discovery::v2::{APIGroupDiscovery, APIGroupDiscoveryList};

use super::Connection;
use crate::model::DiscoveredResource;

/// The groups in which metrics are served about resources of other groups.
const METRICS: [&str; 3] = ["custom.metrics.k8s.io", "external.metrics.k8s.io", "metrics.k8s.io"];

/// The kinds of objects that a cluster has, its own and added ones, in the API server's order. Subresources are left
/// out, and the metrics APIs. The error is the API server's; a group whose own server is away is only left out.
pub async fn resources(connection: &Connection) -> Result<Vec<DiscoveredResource>, kube::Error> {
    let client = connection.client();
    let (core, groups) =
        tokio::try_join!(client.list_core_api_versions_aggregated(), client.list_api_groups_aggregated())?;
    // Servers that do not know the aggregated form answer with the plain one, which has no items.
    if core.items.is_empty() || groups.items.is_empty() { plain(&client).await } else { Ok(of_both(&core, &groups)) }
}

fn of_both(core: &APIGroupDiscoveryList, groups: &APIGroupDiscoveryList) -> Vec<DiscoveredResource> {
    let mut found = Found::default();
    for group in core.items.iter().chain(&groups.items) {
        aggregated(group, &mut found);
    }
    found.kinds
}

/// Collects kinds; the first version that has one is the preferred one.
#[derive(Default)]
struct Found {
    kinds: Vec<DiscoveredResource>,
    known: HashSet<(String, String)>,
}

impl Found {
    fn add(&mut self, described: DiscoveredResource) {
        let nameless = described.plural.is_empty() || described.kind.is_empty();
        if nameless || METRICS.contains(&&*described.group) {
            return;
        }
        if self.known.insert((described.group.clone(), described.plural.clone())) {
            self.kinds.push(described);
        }
    }
}

fn singular(given: Option<&str>, kind: &str) -> String {
    given.filter(|name| !name.is_empty()).map_or_else(|| kind.to_lowercase(), str::to_owned)
}

fn aggregated(group: &APIGroupDiscovery, found: &mut Found) {
    let name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default();
    for version in &group.versions {
        for resource in &version.resources {
            let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.clone()).unwrap_or_default();
            found.add(DiscoveredResource {
                plural: resource.resource.clone().unwrap_or_default(),
                singular: singular(resource.singular_resource.as_deref(), &kind),
                short_names: resource.short_names.clone(),
                group: name.clone(),
                version: version.version.clone().unwrap_or_default(),
                kind,
                namespaced: resource.scope.as_deref() == Some("Namespaced"),
            });
        }
    }
}

/// One request a version of a group.
async fn plain(client: &Client) -> Result<Vec<DiscoveredResource>, kube::Error> {
    let mut found = Found::default();
    let APIVersions { versions, .. } = client.list_core_api_versions().await?;
    for version in versions {
        listed("", &version, client.list_core_api_resources(&version).await?, &mut found);
    }
    let APIGroupList { groups } = client.list_api_groups().await?;
    for group in groups.into_iter().filter(|group| !METRICS.contains(&&*group.name)) {
        let preferred = group.preferred_version.into_iter();
        for version in preferred.chain(group.versions) {
            match client.list_api_group_resources(&version.group_version).await {
                Ok(list) => listed(&group.name, &version.version, list, &mut found),
                Err(kube::Error::Api(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found.kinds)
}

fn listed(group: &str, version: &str, list: APIResourceList, found: &mut Found) {
    for resource in list.resources.into_iter().filter(|resource| !resource.name.contains('/')) {
        found.add(DiscoveredResource {
            singular: singular(Some(&resource.singular_name), &resource.kind),
            plural: resource.name,
            short_names: resource.short_names.unwrap_or_default(),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: resource.kind,
            namespaced: resource.namespaced,
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RECORDED: &str =
        include_str!("../../tests/fixtures/recordings/discovery/kube-apiserver-merged-aggregated.http");
    const METRICS_SERVER: &str =
        include_str!("../../tests/fixtures/recordings/discovery/metrics-server-apis-aggregated.http");

    fn document(recording: &str) -> APIGroupDiscoveryList {
        let body = recording.find("\n{").unwrap();
        serde_json::from_str(&recording[body..]).unwrap()
    }

    #[test]
    fn a_real_clusters_kinds_are_known_by_all_their_names_and_in_their_preferred_version() {
        let core = serde_json::from_value(json!({"items": [{"versions": [{"version": "v1", "resources": [
            {"resource": "pods", "responseKind": {"group": "", "version": "", "kind": "Pod"}, "scope": "Namespaced",
             "singularResource": "", "shortNames": ["po"], "verbs": ["get"]},
        ]}]}]}));
        let mut groups = document(RECORDED);
        groups.items.extend(document(METRICS_SERVER).items);
        let kinds = of_both(&core.unwrap(), &groups);
        let named = |plural: &str| kinds.iter().filter(|own| own.plural == plural).collect::<Vec<_>>();
        let [pods] = named("pods")[..] else { panic!("those of metrics.k8s.io are none: {:?}", named("pods")) };
        assert_eq!((&*pods.group, &*pods.singular, pods.namespaced), ("", "pod", true));
        let [hpas] = named("horizontalpodautoscalers")[..] else { panic!() };
        assert_eq!(
            (&*hpas.group, &*hpas.version, &hpas.short_names[..]),
            ("autoscaling", "v2", &["hpa".to_owned()][..])
        );
        let [services] = named("apiservices")[..] else { panic!() };
        assert!(!services.namespaced && services.kind == "APIService" && services.singular == "apiservice");
        assert!(kinds.iter().all(|own| !own.plural.contains('/') && !own.version.is_empty()));
    }

    #[test]
    fn in_plain_documents_subresources_are_no_kinds() {
        let list = json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
            {"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment",
             "verbs": ["get"], "shortNames": ["deploy"]},
            {"name": "deployments/scale", "singularName": "", "namespaced": true, "kind": "Scale", "verbs": ["get"]},
        ]});
        let mut found = Found::default();
        for version in ["v1", "v1beta1"] {
            listed("apps", version, serde_json::from_value(list.clone()).unwrap(), &mut found);
        }
        let expected = DiscoveredResource {
            plural: "deployments".to_owned(),
            singular: "deployment".to_owned(),
            short_names: vec!["deploy".to_owned()],
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespaced: true,
        };
        assert_eq!(found.kinds, [expected]);
    }
}
