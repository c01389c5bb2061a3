use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::acting::NAMESPACE;
use crate::scene::{Scene, until};

/// In thousandths of a core, what the quota of that stage allows.
fn hard(scene: &Scene) -> String {
    scene.quota()["spec"]["hard"]["requests.cpu"].as_str().unwrap_or_default().to_owned()
}

/// The third quota, two replicas, the HPA as it was, and no note.
#[track_caller]
fn all_is_back(scene: &Scene, hpa: Option<&Value>) {
    assert_eq!(hard(scene), "3", "the third quota: {}", scene.quota());
    let deployment = scene.deployment();
    assert_eq!(deployment["spec"]["replicas"], 2, "replicas");
    let annotations = deployment["metadata"]["annotations"].to_string();
    assert!(!annotations.contains("before-demo-quota"), "the note is still there: {annotations}");
    if let Some(hpa) = hpa {
        assert_eq!(scene.hpa()["spec"], *hpa, "the HPA's specification");
    }
}

#[test]
fn three_quotas_are_shown_and_each_refusal_is_explained_from_what_is_there() {
    let scene = Scene::begin();
    let ended = scene.play("demo-quota", "30s", &[]).end();
    let ended = ended.with(
        0,
        &[
            "Before: 2 replicas, and no HPA.",
            "1. The first quota",
            "is forbidden: exceeded quota: real-world-rquota, requested: requests.cpu=100m,requests.memory=128Mi",
            "limits.cpu       3 used + 500m asked for = 3500m, fits in 3500m",
            "requests.cpu     650m used + 100m asked for = 750m, is more than 500m",
            "requests.memory  640Mi used + 128Mi asked for = 768Mi, is more than 512Mi",
            "2. The second",
            "All 3 are there and serve.",
            "requests.cpu     650m used + 100m asked for = 750m, fits in 750m",
            "requested: limits.cpu=500m,limits.memory=256Mi,pods=1,requests.cpu=100m",
            "pods             6 used + 1 asked for = 7, is more than 6",
            "3. The third",
            "All 4 are there and serve.",
            "pods             5 used + 2 x 1 asked for = 7, fits in 24",
            "Putting back what stood before",
            "Each of the three quotas did what it should.",
        ],
    );
    for line in ended.said.lines().filter(|line| line.contains("is forbidden")) {
        assert!(line.starts_with("  The ReplicaSet says: pods \"real-world-"), "{line}");
    }
    all_is_back(&scene, None);
}

#[test]
fn a_cluster_that_keeps_no_more_events_says_it_by_the_deployments_condition() {
    let scene = Scene::begin();
    scene.acting.faults.mute.store(true, Ordering::SeqCst);
    let ended = scene.play("demo-quota", "30s", &[]).end();
    ended.with(0, &["is forbidden: exceeded quota: real-world-rquota", "Each of the three quotas did what it should."]);
    all_is_back(&scene, None);
}

#[test]
fn where_other_pods_are_than_the_walkthroughs_the_lesson_has_numbers_of_its_own() {
    // Beside a Traefik that was there before, on a database of one's own.
    let scene = Scene::begin();
    for (resource, name) in [("deployments", "traefik-ingress-controller"), ("statefulsets", "db")] {
        scene.kube.change(resource, NAMESPACE, name, |object| object["spec"]["replicas"] = json!(0));
        let left = || scene.kube.get(resource, NAMESPACE, name).unwrap()["status"]["replicas"].clone();
        until("no pods of others", || left() == 0);
    }
    // They are counted until they are gone.
    std::thread::sleep(Duration::from_secs(1));
    let ended = scene.play("demo-quota", "30s", &[]).end();
    ended.with(
        0,
        &[
            "1. The first quota",
            "The pods here are not the walkthrough's",
            "$ kubectl patch resourcequota real-world-rquota --namespace=real-world --type=merge --patch=",
            "requests.cpu     200m used + 100m asked for = 300m, is more than 100m",
            "2. The second",
            "All 3 are there and serve.",
            "limits.cpu=500m",
            "Each of the three quotas did what it should.",
        ],
    );
    all_is_back(&scene, None);
    assert_eq!(hard(&scene), "3");
}

#[test]
fn an_hpa_that_owns_the_replicas_holds_still_meanwhile_and_is_itself_again_afterwards() {
    // Its window of five minutes takes a third of a second: without a hold it would take the third replica away.
    let scene = Scene::with_hpa(900.0, None);
    let before = scene.hpa()["spec"].clone();
    let mut playing = scene.play("demo-quota", "30s", &[]);
    playing.wait_for("2. The second");
    let held = scene.hpa()["spec"]["behavior"].clone();
    assert_eq!(held["scaleUp"]["selectPolicy"], "Disabled", "{held}");
    assert_eq!(held["scaleDown"]["selectPolicy"], "Disabled", "{held}");
    playing.end().with(0, &["it stays, and is told to hold still", "did what it should"]);
    all_is_back(&scene, Some(&before));
}

#[test]
fn an_hpa_without_a_behavior_of_its_own_has_none_afterwards() {
    let scene = Scene::with_hpa(30.0, None);
    scene.stop_scaling();
    scene.kube.change("horizontalpodautoscalers", NAMESPACE, "real-world-hpa", |hpa| {
        hpa["spec"].as_object_mut().unwrap().remove("behavior");
        hpa["spec"]["maxReplicas"] = json!(3);
    });
    let before = scene.hpa()["spec"].clone();
    let mut playing = scene.play("demo-quota", "30s", &[]);
    playing.wait_for("2. The second");
    assert_eq!(scene.hpa()["spec"]["maxReplicas"], 4, "four replicas are part of the lesson");
    playing.end().with(0, &[]);
    all_is_back(&scene, Some(&before));
}

#[test]
fn a_quota_of_ones_own_is_there_again_afterwards() {
    let scene = Scene::begin();
    let change = |scene: &Scene, cpu: &str| {
        scene.kube.change("resourcequotas", NAMESPACE, "real-world-rquota", |quota| {
            quota["spec"]["hard"]["requests.cpu"] = json!(cpu);
            quota["spec"]["hard"].as_object_mut().unwrap().remove("services");
        });
    };
    change(&scene, "5");
    let before = scene.quota()["spec"].clone();
    scene.play("demo-quota", "30s", &[]).end().with(0, &["did what it should"]);
    assert_eq!(scene.quota()["spec"], before);
}

#[test]
fn where_there_was_no_quota_there_is_none_afterwards() {
    let scene = Scene::begin();
    let there = |resource: &str, name: &str| scene.kube.get(resource, NAMESPACE, name).is_some();
    // What is counted is not taken away under who counts it.
    scene.acting.faults.uncounted.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(300));
    scene.kube.remove("resourcequotas", NAMESPACE, "real-world-rquota");
    scene.kube.remove("limitranges", NAMESPACE, "limits");
    scene.acting.faults.uncounted.store(false, Ordering::SeqCst);
    scene.play("demo-quota", "30s", &[]).end().with(0, &["did what it should"]);
    assert!(!there("resourcequotas", "real-world-rquota") && !there("limitranges", "limits"));
}

#[test]
fn a_namespace_that_up_did_not_make_is_changed_after_a_yes_alone() {
    let scene = Scene::begin();
    scene.kube.change("namespaces", "", NAMESPACE, |namespace| namespace["metadata"]["annotations"] = json!({}));
    let before = scene.deployment();
    let said = "nothing was done: `make up` did not make the namespace, and nobody said yes";
    scene.play("demo-quota", "30s", &[]).end().with(1, &[said, "YES=1"]);
    assert_eq!(scene.deployment()["metadata"], before["metadata"]);
    scene.play("demo-quota", "30s", &["--yes"]).wait_for("1. The first quota");
}

#[test]
fn what_could_not_be_put_back_after_ctrl_c_is_not_said_to_be_as_before() {
    let scene = Scene::begin();
    let mut playing = scene.play("demo-quota", "1s", &[]);
    playing.wait_for("1. The first quota");
    scene.kube.away();
    playing.interrupt();
    let ended = playing.end().with(1, &["It could not be put back", "rehearse: kubectl apply"]);
    assert!(!ended.said.contains("all is as it was before"), "{}", ended.said);
}

#[test]
fn ctrl_c_puts_back_what_stood_before() {
    let scene = Scene::with_hpa(30.0, None);
    let before = scene.hpa()["spec"].clone();
    let mut playing = scene.play("demo-quota", "30s", &[]);
    playing.wait_for("2. The second");
    playing.interrupt();
    playing.end().with(130, &["Putting back what stood before", "Stopped; all is as it was before."]);
    all_is_back(&scene, Some(&before));
}

#[test]
fn after_one_that_was_killed_the_next_knows_what_stood_before() {
    let scene = Scene::with_hpa(30.0, None);
    let before = scene.hpa()["spec"].clone();
    let mut playing = scene.play("demo-quota", "30s", &[]);
    playing.wait_for("2. The second");
    playing.kill();
    assert_ne!(scene.hpa()["spec"], before, "it was killed too late");
    scene.play("demo-quota", "30s", &[]).end().with(0, &["An earlier demonstration was cut off", "did what it should"]);
    all_is_back(&scene, Some(&before));
}

#[test]
fn a_quota_that_somebody_deletes_is_missed_by_its_name() {
    let scene = Scene::begin();
    scene.acting.faults.uncounted.store(true, Ordering::SeqCst);
    let mut playing = scene.play("demo-quota", "30s", &[]);
    playing.wait_for("waiting for the count of ResourceQuota real-world-rquota");
    scene.kube.remove("resourcequotas", NAMESPACE, "real-world-rquota");
    let missing = "the ResourceQuota real-world-rquota is missing in namespace real-world";
    playing.end().with(1, &["Putting back", missing, "What to do: try again"]);
    all_is_back(&scene, None);
}

#[test]
fn a_quota_that_nobody_counts_is_waited_for_no_longer_than_its_limit() {
    let scene = Scene::begin();
    scene.acting.faults.uncounted.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(300));
    scene.kube.change("resourcequotas", NAMESPACE, "real-world-rquota", |quota| quota["status"] = json!({}));
    let late = "the count of ResourceQuota real-world-rquota: not within 2s; it has counted 0 of 5 pods";
    scene.play("demo-quota", "2s", &[]).end().with(1, &["Putting back", late]);
    all_is_back(&scene, None);
}

#[test]
fn pods_that_do_not_terminate_are_named() {
    let scene = Scene::begin();
    scene.acting.faults.lingering.store(true, Ordering::SeqCst);
    scene.kube.change("deployments", NAMESPACE, "real-world", |object| object["spec"]["replicas"] = json!(3));
    until("the third replica", || scene.deployment()["status"]["readyReplicas"] == 3);
    let ended = scene.play("demo-quota", "3s", &[]).end();
    let late = "2 replicas of real-world: not within 3s; 2 ready of 2, 1 still terminating: real-world-746bdc6575-0";
    ended.with(1, &["Putting back", late]);
    assert_eq!(scene.deployment()["spec"]["replicas"], 3, "as many as before");
    assert_eq!(hard(&scene), "3");
}

#[test]
fn a_quota_that_refuses_nothing_is_said_to_be_wrong() {
    let scene = Scene::begin();
    scene.acting.faults.admitting.store(true, Ordering::SeqCst);
    let wrong = "WRONG: replica 3 was let in and should have been refused, though a number does not fit";
    scene.play("demo-quota", "30s", &[]).end().with(2, &[wrong, "Not as it should be:", "replica 3", "replica 4"]);
    all_is_back(&scene, None);
}

#[test]
fn a_cluster_that_goes_away_in_the_middle_is_waited_for_and_put_back() {
    let scene = Scene::with_hpa(30.0, None);
    let before = scene.hpa()["spec"].clone();
    let mut playing = scene.play("demo-quota", "30s", &[]);
    playing.wait_for("2. The second");
    scene.kube.away();
    playing.wait_for("Putting back");
    scene.kube.back();
    playing.end().with(1, &["rehearse: kubectl"]);
    all_is_back(&scene, Some(&before));
}

#[test]
fn a_cluster_that_stays_away_is_put_back_by_the_next_demonstration() {
    let scene = Scene::begin();
    let mut playing = scene.play("demo-quota", "1s", &[]);
    playing.wait_for("kubectl apply");
    scene.kube.away();
    playing.end().with(1, &["It could not be put back", "`make demo-quota` puts it back"]);
    scene.kube.back();
    scene.play("demo-quota", "30s", &[]).end().with(0, &["An earlier demonstration was cut off"]);
    all_is_back(&scene, None);
}

#[test]
fn a_quota_that_may_not_be_applied_is_told_in_the_servers_words() {
    let scene = Scene::begin();
    scene.kube.failing(403, |request| request.resource == "resourcequotas" && request.verb != "get");
    let ended = scene.play("demo-quota", "1s", &[]).end();
    ended.with(1, &["Putting back what stood before", "rehearse: kubectl apply", "orbidden"]);
    all_is_back(&scene, None);
}

#[test]
fn without_its_files_nothing_is_touched() {
    let scene = Scene::begin();
    let ended = scene.play("demo-quota", "5s", &["--manifests", "nowhere"]).end();
    let missing = "there is no nowhere/real-world-rquota-1-blocks.yaml";
    ended.with(1, &[missing, "What to do: run it in the repository's root"]);
    assert!(!scene.deployment().to_string().contains("before-demo-quota"));
}
