//! What makes an `APIService` as it should be: pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::owner::{LABEL, Own, Owner};
use crate::certificates::made_at;
use crate::kubernetes::ApiService;

impl Own {
    /// With the authority in force, and verified; nothing, if it is so, or not to be touched. The patch bears the
    /// version that was seen, so that what was changed since is not undone.
    pub(super) fn patch(
        &self,
        object: Option<&ApiService>,
        owner: &Owner,
        bundle: Option<&str>,
        take_over: bool,
    ) -> Option<Value> {
        let object = object?;
        let version = object.metadata.resource_version.as_deref();
        match owner {
            Owner::Missing => None,
            Owner::Foreign(_) if !take_over => None,
            // There is nothing to serve it with yet.
            Owner::Foreign(_) if bundle.is_none() && self.makes_its_own => None,
            Owner::Foreign(_) => {
                let mut spec = json!({
                    "service": {"namespace": self.namespace, "name": self.service, "port": 443},
                    "insecureSkipTLSVerify": false,
                });
                // Without an authority of its own, somebody must put theirs.
                spec["caBundle"] = bundle.map_or(json!(null), |bundle| json!(STANDARD.encode(bundle)));
                let labels = json!({LABEL.0: LABEL.1});
                Some(json!({"metadata": {"resourceVersion": version, "labels": labels}, "spec": spec}))
            }
            Owner::Ours => {
                let bundle = bundle?;
                let known = object.spec.ca_bundle.as_ref().is_some_and(|own| own.0 == bundle.as_bytes());
                let verified = object.spec.insecure_skip_tls_verify != Some(true);
                let spec = json!({"caBundle": STANDARD.encode(bundle), "insecureSkipTLSVerify": false});
                (!(known && verified)).then(|| json!({"metadata": {"resourceVersion": version}, "spec": spec}))
            }
        }
    }
}

/// Whether it knows an authority that was made here later than any of the bundle.
pub(super) fn knows_newer(object: Option<&ApiService>, bundle: Option<&str>) -> bool {
    let theirs = object.and_then(|object| object.spec.ca_bundle.as_ref()).and_then(|own| made_at(&own.0));
    theirs.zip(bundle.and_then(|own| made_at(own.as_bytes()))).is_some_and(|(theirs, own)| theirs > own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        Own { namespace: "monitoring".to_owned(), service: "metrics-adapter".to_owned(), makes_its_own: true }
    }

    fn object(spec: &Value) -> ApiService {
        serde_json::from_value(json!({"metadata": {"resourceVersion": "7"}, "spec": spec})).unwrap()
    }

    #[test]
    fn an_apiservice_is_changed_when_it_is_not_as_it_should_be_and_is_not_anothers() {
        let (stale, current) =
            (json!({"caBundle": STANDARD.encode("old")}), json!({"caBundle": STANDARD.encode("new")}));
        let unverified = json!({"caBundle": STANDARD.encode("new"), "insecureSkipTLSVerify": true});
        let foreign = || Owner::Foreign("served by kube-system/metrics-server".to_owned());
        let table = [
            ("bare", json!({}), Owner::Ours, Some("new"), false, true),
            ("stale", stale.clone(), Owner::Ours, Some("new"), false, true),
            ("stale, nothing made yet", stale.clone(), Owner::Ours, None, false, false),
            ("current", current, Owner::Ours, Some("new"), true, false),
            ("current and unverified", unverified, Owner::Ours, Some("new"), false, true),
            ("foreign", stale.clone(), foreign(), Some("new"), false, false),
            ("to be taken", stale.clone(), foreign(), Some("new"), true, true),
            ("to be taken, nothing made yet", stale, foreign(), None, true, false),
        ];
        for (what, spec, owner, bundle, take_over, changed) in table {
            let patch = own().patch(Some(&object(&spec)), &owner, bundle, take_over);
            assert_eq!(patch.is_some(), changed, "{what}");
            if let Some(patch) = patch {
                assert_eq!(patch["metadata"]["resourceVersion"], "7", "{what}");
                assert_eq!(patch["spec"]["caBundle"], STANDARD.encode("new"), "{what}");
                assert_eq!(patch["spec"]["insecureSkipTLSVerify"], false, "{what}");
                assert_eq!(patch["metadata"]["labels"].is_object(), owner != Owner::Ours, "{what}");
                assert_eq!(patch["spec"]["service"].is_object(), owner != Owner::Ours, "{what}");
            }
        }
        assert!(own().patch(None, &Owner::Missing, Some("new"), true).is_none());
    }

    #[test]
    fn with_given_certificates_what_is_taken_over_is_verified_by_whoever_vouches_for_them() {
        let given = Own { makes_its_own: false, ..own() };
        let theirs = object(&json!({"caBundle": STANDARD.encode("old"), "insecureSkipTLSVerify": true}));
        let patch = given.patch(Some(&theirs), &Owner::Foreign(String::new()), None, true).unwrap();
        assert_eq!(patch["spec"]["caBundle"], Value::Null);
        assert!(given.patch(Some(&theirs), &Owner::Ours, None, true).is_none());
    }
}
