//! By what is known again what belongs to the stack.

/// The API, its database, its way in.
pub(super) const APP: &str = "real-world";
/// What measures.
pub(super) const MONITORING: &str = "monitoring";
/// The label on each object of the manifests.
pub(super) const PART_OF: &str = "app.kubernetes.io/part-of";
pub(super) const STACK: &str = "conduit";
/// All that carries it.
pub(super) const OURS: &str = "app.kubernetes.io/part-of=conduit";
/// On what the adapter makes by itself.
pub(super) const KEPT_BY: &str = "app.kubernetes.io/managed-by";
/// The annotation on namespaces that were not there before.
pub(super) const MADE_BY: &str = "conduit/made-by";
pub(super) const MAKER: &str = "rehearse-cluster";
/// The annotation that keeps others' `APIServices` until they are restored.
pub(super) const DISPLACED: &str = "conduit/displaced";
pub(super) const HPA: &str = "real-world-hpa";
pub(super) const ADAPTER: &str = "metrics-adapter";
/// The label that names a program.
pub(super) const PROGRAM: &str = "app.kubernetes.io/name";
