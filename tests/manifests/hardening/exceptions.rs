//! What is excepted from which rule, and why. One that is needed no more fails the test.

use super::{ADAPTER, API, DB, SEED, TRAEFIK};

pub(super) struct Exception {
    pub(super) rule: &'static str,
    pub(super) object: &'static str,
    /// Bundles with this in their names alone; all, if it is empty.
    pub(super) within: &'static str,
    pub(super) reason: &'static str,
}

const fn except(rule: &'static str, object: &'static str, reason: &'static str) -> Exception {
    Exception { rule, object, within: "", reason }
}

const fn within(within: &'static str, rule: &'static str, object: &'static str, reason: &'static str) -> Exception {
    Exception { rule, object, within, reason }
}

const PROMETHEUS: &str = "StatefulSet monitoring/prometheus";
const GRAFANA: &str = "Deployment monitoring/grafana";
const ALONE: &str = "k8s/metrics-adapter";
const TINY: &str = "k8s/components/tiny";

pub(super) const EXCEPTIONS: &[Exception] = &[
    except("two-replicas", DB, "two Postgres on one volume lose it, and a standby is more than this shows"),
    except("has-a-budget", DB, "there is one: a budget would keep its node from being drained or mean nothing"),
    except("spread-over-nodes", DB, "there is one, and its volume says where"),
    except("serves-while-it-leaves", DB, "there is one: nobody else could be asked meanwhile"),
    except("alive-is-not-ready", DB, "Postgres answers one question; it is killed after a minute, not after 15 s"),
    except("alive-is-not-ready", TRAEFIK, "it answers /ping alone; it is killed after a minute, not after 4 s"),
    except("serves-while-it-leaves", TRAEFIK, "requestAcceptGraceTimeout of its own configuration does it"),
    except("two-replicas", PROMETHEUS, "two would each hold half of the history of what they saw"),
    except("has-a-budget", PROMETHEUS, "there is one: a budget would keep its node from being drained or mean nothing"),
    except("spread-over-nodes", PROMETHEUS, "there is one, and its volume says where"),
    except("serves-while-it-leaves", PROMETHEUS, "there is one: nobody else could be asked meanwhile"),
    except("two-replicas", GRAFANA, "it keeps nothing, and a new one is there in seconds"),
    except("has-a-budget", GRAFANA, "there is one: a budget would keep its node from being drained or mean nothing"),
    except("spread-over-nodes", GRAFANA, "there is one, wherever it is"),
    except("alive-is-not-ready", GRAFANA, "it answers one question; it is killed after a minute, not after 10 s"),
    except("no-token", PROMETHEUS, "it watches pods and nodes, and reads the kubelets' metrics"),
    except("reached-from-inside", "Service real-world/traefik-ingress-service", "requests come in here, from anywhere"),
    except("no-token", TRAEFIK, "it watches Ingresses, Services and where their pods are"),
    except("no-token", ADAPTER, "it watches pods and asks the API server who asks it"),
    except(
        "no-reading-of-all-secrets",
        "Role real-world/traefik-ingress-controller",
        "an Ingress may name a certificate, and Traefik does not start without",
    ),
    except("policy-on-the-way-out", ADAPTER, "it scrapes any pod that wants it, and kubelets, wherever they are"),
    except("links-only-where-read", API, "it reads DB_SERVICE_PORT, which the walkthrough shows"),
    except("links-only-where-read", SEED, "it finds Postgres as the API does"),
    except("says-what-it-is", "NetworkPolicy real-world/default-deny", "it is for all pods of the namespace"),
    within(
        ALONE,
        "namespace-enforces-restricted",
        ADAPTER,
        "alone it may come into a namespace of others, whose pods it must not forbid; the whole sets the labels",
    ),
    within(ALONE, "says-what-it-is", "Namespace monitoring", "alone it may come into a namespace of others"),
    within(TINY, "two-replicas", TRAEFIK, "a machine of two cores is one node: two would go together"),
    within(TINY, "two-replicas", ADAPTER, "a machine of two cores is one node: two would go together"),
    within(
        "overlays/cloud",
        "says-what-it-is",
        "Secret real-world/real-world-secret",
        "`kubectl create secret` gives no labels",
    ),
    within(
        "overlays/cloud",
        "says-what-it-is",
        "Secret real-world/db-secret",
        "`kubectl create secret` gives no labels",
    ),
];
