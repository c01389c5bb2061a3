use super::Resource;

macro_rules! resources {
    ($($plural:literal $singular:literal [$($short:literal)*] $group:literal $api_version:literal $kind:literal $namespaced:literal)+) => {
        &[$(Resource {
            plural: $plural,
            singular: $singular,
            short_names: &[$($short),*],
            group: $group,
            api_version: $api_version,
            kind: $kind,
            namespaced: $namespaced,
        }),+]
    };
}

/// Every resource that scraped metrics can be asked for: pods themselves, and what groups them. Sorted by the
/// name under which discovery lists them.
pub const RESOURCES: &[Resource] = resources! {
    "daemonsets" "daemonset" ["ds"] "apps" "apps/v1" "DaemonSet" true
    "deployments" "deployment" ["deploy"] "apps" "apps/v1" "Deployment" true
    "ingresses" "ingress" ["ing"] "networking.k8s.io" "networking.k8s.io/v1" "Ingress" true
    "jobs" "job" [] "batch" "batch/v1" "Job" true
    "namespaces" "namespace" ["ns"] "" "v1" "Namespace" false
    "nodes" "node" ["no"] "" "v1" "Node" false
    "pods" "pod" ["po"] "" "v1" "Pod" true
    "replicasets" "replicaset" ["rs"] "apps" "apps/v1" "ReplicaSet" true
    "services" "service" ["svc"] "" "v1" "Service" true
    "statefulsets" "statefulset" ["sts"] "apps" "apps/v1" "StatefulSet" true
};

/// The other resources of Kubernetes 1.36.
pub(super) const OTHERS: &[Resource] = resources! {
    "bindings" "binding" [] "" "v1" "Binding" true
    "componentstatuses" "componentstatus" ["cs"] "" "v1" "ComponentStatus" false
    "configmaps" "configmap" ["cm"] "" "v1" "ConfigMap" true
    "endpoints" "endpoints" ["ep"] "" "v1" "Endpoints" true
    "events" "event" ["ev"] "" "v1" "Event" true
    "limitranges" "limitrange" ["limits"] "" "v1" "LimitRange" true
    "persistentvolumes" "persistentvolume" ["pv"] "" "v1" "PersistentVolume" false
    "persistentvolumeclaims" "persistentvolumeclaim" ["pvc"] "" "v1" "PersistentVolumeClaim" true
    "podtemplates" "podtemplate" [] "" "v1" "PodTemplate" true
    "replicationcontrollers" "replicationcontroller" ["rc"] "" "v1" "ReplicationController" true
    "resourcequotas" "resourcequota" ["quota"] "" "v1" "ResourceQuota" true
    "secrets" "secret" [] "" "v1" "Secret" true
    "serviceaccounts" "serviceaccount" ["sa"] "" "v1" "ServiceAccount" true
    "controllerrevisions" "controllerrevision" [] "apps" "apps/v1" "ControllerRevision" true
    "cronjobs" "cronjob" ["cj"] "batch" "batch/v1" "CronJob" true
    "horizontalpodautoscalers" "horizontalpodautoscaler" ["hpa"] "autoscaling" "autoscaling/v2" "HorizontalPodAutoscaler" true
    "ingressclasses" "ingressclass" [] "networking.k8s.io" "networking.k8s.io/v1" "IngressClass" false
    "ipaddresses" "ipaddress" ["ip"] "networking.k8s.io" "networking.k8s.io/v1" "IPAddress" false
    "networkpolicies" "networkpolicy" ["netpol"] "networking.k8s.io" "networking.k8s.io/v1" "NetworkPolicy" true
    "servicecidrs" "servicecidr" [] "networking.k8s.io" "networking.k8s.io/v1" "ServiceCIDR" false
    "poddisruptionbudgets" "poddisruptionbudget" ["pdb"] "policy" "policy/v1" "PodDisruptionBudget" true
    "mutatingadmissionpolicies" "mutatingadmissionpolicy" [] "admissionregistration.k8s.io" "admissionregistration.k8s.io/v1" "MutatingAdmissionPolicy" false
    "mutatingadmissionpolicybindings" "mutatingadmissionpolicybinding" [] "admissionregistration.k8s.io" "admissionregistration.k8s.io/v1" "MutatingAdmissionPolicyBinding" false
    "mutatingwebhookconfigurations" "mutatingwebhookconfiguration" [] "admissionregistration.k8s.io" "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" false
    "validatingadmissionpolicies" "validatingadmissionpolicy" [] "admissionregistration.k8s.io" "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicy" false
    "validatingadmissionpolicybindings" "validatingadmissionpolicybinding" [] "admissionregistration.k8s.io" "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicyBinding" false
    "validatingwebhookconfigurations" "validatingwebhookconfiguration" [] "admissionregistration.k8s.io" "admissionregistration.k8s.io/v1" "ValidatingWebhookConfiguration" false
    "customresourcedefinitions" "customresourcedefinition" ["crd" "crds"] "apiextensions.k8s.io" "apiextensions.k8s.io/v1" "CustomResourceDefinition" false
    "apiservices" "apiservice" [] "apiregistration.k8s.io" "apiregistration.k8s.io/v1" "APIService" false
    "selfsubjectreviews" "selfsubjectreview" [] "authentication.k8s.io" "authentication.k8s.io/v1" "SelfSubjectReview" false
    "tokenreviews" "tokenreview" [] "authentication.k8s.io" "authentication.k8s.io/v1" "TokenReview" false
    "localsubjectaccessreviews" "localsubjectaccessreview" [] "authorization.k8s.io" "authorization.k8s.io/v1" "LocalSubjectAccessReview" true
    "selfsubjectaccessreviews" "selfsubjectaccessreview" [] "authorization.k8s.io" "authorization.k8s.io/v1" "SelfSubjectAccessReview" false
    "selfsubjectrulesreviews" "selfsubjectrulesreview" [] "authorization.k8s.io" "authorization.k8s.io/v1" "SelfSubjectRulesReview" false
    "subjectaccessreviews" "subjectaccessreview" [] "authorization.k8s.io" "authorization.k8s.io/v1" "SubjectAccessReview" false
    "certificatesigningrequests" "certificatesigningrequest" ["csr"] "certificates.k8s.io" "certificates.k8s.io/v1" "CertificateSigningRequest" false
    "leases" "lease" [] "coordination.k8s.io" "coordination.k8s.io/v1" "Lease" true
    "endpointslices" "endpointslice" [] "discovery.k8s.io" "discovery.k8s.io/v1" "EndpointSlice" true
    "events" "event" ["ev"] "events.k8s.io" "events.k8s.io/v1" "Event" true
    "flowschemas" "flowschema" [] "flowcontrol.apiserver.k8s.io" "flowcontrol.apiserver.k8s.io/v1" "FlowSchema" false
    "prioritylevelconfigurations" "prioritylevelconfiguration" [] "flowcontrol.apiserver.k8s.io" "flowcontrol.apiserver.k8s.io/v1" "PriorityLevelConfiguration" false
    "runtimeclasses" "runtimeclass" [] "node.k8s.io" "node.k8s.io/v1" "RuntimeClass" false
    "clusterroles" "clusterrole" [] "rbac.authorization.k8s.io" "rbac.authorization.k8s.io/v1" "ClusterRole" false
    "clusterrolebindings" "clusterrolebinding" [] "rbac.authorization.k8s.io" "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" false
    "roles" "role" [] "rbac.authorization.k8s.io" "rbac.authorization.k8s.io/v1" "Role" true
    "rolebindings" "rolebinding" [] "rbac.authorization.k8s.io" "rbac.authorization.k8s.io/v1" "RoleBinding" true
    "deviceclasses" "deviceclass" [] "resource.k8s.io" "resource.k8s.io/v1" "DeviceClass" false
    "resourceclaims" "resourceclaim" [] "resource.k8s.io" "resource.k8s.io/v1" "ResourceClaim" true
    "resourceclaimtemplates" "resourceclaimtemplate" [] "resource.k8s.io" "resource.k8s.io/v1" "ResourceClaimTemplate" true
    "resourceslices" "resourceslice" [] "resource.k8s.io" "resource.k8s.io/v1" "ResourceSlice" false
    "priorityclasses" "priorityclass" ["pc"] "scheduling.k8s.io" "scheduling.k8s.io/v1" "PriorityClass" false
    "csidrivers" "csidriver" [] "storage.k8s.io" "storage.k8s.io/v1" "CSIDriver" false
    "csinodes" "csinode" [] "storage.k8s.io" "storage.k8s.io/v1" "CSINode" false
    "csistoragecapacities" "csistoragecapacity" [] "storage.k8s.io" "storage.k8s.io/v1" "CSIStorageCapacity" true
    "storageclasses" "storageclass" ["sc"] "storage.k8s.io" "storage.k8s.io/v1" "StorageClass" false
    "volumeattachments" "volumeattachment" [] "storage.k8s.io" "storage.k8s.io/v1" "VolumeAttachment" false
    "volumeattributesclasses" "volumeattributesclass" ["vac"] "storage.k8s.io" "storage.k8s.io/v1" "VolumeAttributesClass" false
};
