use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::adapter::Adapter;
use crate::guarded::{Cluster, USER};

/// Autoscalers, each of a namespace of its own.
pub(crate) const HPAS: u32 = 100;
/// How often their controller asks for each.
const PERIOD: Duration = Duration::from_secs(15);

/// What the API server was asked meanwhile.
pub(crate) struct Asked {
    pub(crate) answers: u32,
    pub(crate) lists: usize,
    pub(crate) reviews: usize,
    /// The most reviews of one autoscaler's question.
    pub(crate) most: usize,
}

/// Lets as many autoscalers ask as their controller does, for so long.
pub(crate) fn ask(span: Duration) -> Asked {
    let cluster = Cluster::of(HPAS as usize);
    let adapter = Adapter::guarded(&cluster);
    let mut wire = cluster.front_proxy(&adapter.api).connect().unwrap();
    let (began, mut next, mut answers) = (Instant::now(), Instant::now(), 0);
    while began.elapsed() < span {
        sleep(next.saturating_duration_since(Instant::now()));
        next += PERIOD / HPAS;
        let path = format!(
            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/bench-{}/pods/%2A/http_requests_per_second",
            answers % HPAS
        );
        let headers = [("X-Remote-User", USER), ("X-Remote-Group", "system:serviceaccounts")];
        // There are no pods in these namespaces; whether that may be known is asked all the same.
        assert_eq!(wire.request("GET", &path, &headers, b"").unwrap().status, 404);
        answers += 1;
    }
    let tally = cluster.kube.tally();
    let reviews = tally.iter().filter(|request| request.resource == "subjectaccessreviews").count();
    Asked {
        answers,
        lists: tally.iter().filter(|request| request.verb == "list").count(),
        reviews,
        most: reviews.div_ceil(HPAS as usize),
    }
}
