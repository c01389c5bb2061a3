//! Where environment variables come from.

use stack::workloads::each;

use super::World;
use super::pods::absent;

/// What the downward API knows of a pod.
const FIELDS: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn is_read_from_what_there_is(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for workload in world.workloads() {
        for container in workload.containers() {
            let place = format!("{} container {}", workload.id(), container["name"].as_str().unwrap());
            for variable in each(&container["env"]) {
                let place = format!("{place}: {}", variable["name"].as_str().unwrap());
                let from = &variable["valueFrom"];
                for (kind, reference) in [("Secret", &from["secretKeyRef"]), ("ConfigMap", &from["configMapKeyRef"])] {
                    if reference.is_object() {
                        let of = (kind, &reference["name"], reference);
                        problems.extend(absent(world, workload, &place, of, &[&reference["key"]]));
                    }
                }
                let field = from["fieldRef"]["fieldPath"].as_str();
                let unknown = field.filter(|field| !FIELDS.contains(field));
                problems.extend(unknown.map(|field| format!("{place}: a pod has no field {field}")));
            }
            for all in each(&container["envFrom"]) {
                for (kind, reference) in [("Secret", &all["secretRef"]), ("ConfigMap", &all["configMapRef"])] {
                    if reference.is_object() {
                        let of = (kind, &reference["name"], reference);
                        problems.extend(absent(world, workload, &place, of, &[]));
                    }
                }
            }
        }
    }
    problems
}
