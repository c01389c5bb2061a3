use serde_json::json;

use crate::world::{MONITORING, World};

/// kind, as far as it is asked: it remembers whether it has a cluster.
const KIND: &str = "cd \"$(dirname \"$0\")\"\ncase \"$1 $2\" in\n\
    'get clusters') [ -e made ] && echo conduit ;;\n'create cluster') touch made ;;\n'delete cluster') rm -f made ;;\nesac\nexit 0\n";
const UP: [&str; 5] = ["up", "--provider", "kind", "--patience", "60s"];

fn world() -> World {
    let world = World::new();
    world.program("kind", KIND);
    world.program("docker", "exit 0\n");
    world
}

#[test]
fn kind_makes_the_cluster_gets_the_images_and_takes_it_away() {
    let world = world();
    let ended = world.run(&UP).succeeded();
    let load = "make load RATE=140 URL=http://real-world.localhost:8080/api/articles";
    assert!(ended.out.contains(load), "{}", ended.out);
    // Nothing of this machine leads there: kubectl has to.
    assert!(ended.out.contains("port-forward --namespace=real-world service/traefik-ingress-service"), "{}", ended.out);
    let kind = world.calls_of("kind");
    let at =
        |call: &str| kind.iter().position(|own| own.starts_with(call)).unwrap_or_else(|| panic!("{call}: {kind:#?}"));
    assert!(
        at("create cluster --config k8s/kind.yaml")
            < at("load docker-image conduit:1.0.0 metrics-adapter:1.0.0 --name conduit")
    );
    let docker = world.calls_of("docker");
    assert!(docker.iter().any(|call| call == "build --file app/Dockerfile --tag conduit:1.0.0 ."), "{docker:#?}");
    let service = world.kube.get("services", "real-world", "traefik-ingress-service").unwrap();
    assert_eq!(
        (&service["spec"]["type"], &service["spec"]["ports"][0]["nodePort"]),
        (&"NodePort".into(), &30080.into())
    );
    let adapter = world.kube.get("deployments", MONITORING, "metrics-adapter").unwrap();
    let arguments = adapter["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(arguments.contains("--kubelet-insecure-tls"), "kind's kubelets are not believed: {arguments}");
    world.run(&UP).succeeded();
    assert_eq!(world.calls_of("kind").iter().filter(|call| call.starts_with("create")).count(), 1, "made twice");
    world.run(&["down"]).succeeded();
    assert!(world.calls_of("kind").contains(&"delete cluster --name conduit".to_owned()));
    assert!(!world.path("made").exists() && !world.path("data/state.json").exists());
}

#[test]
fn the_nodes_image_and_so_its_kubernetes_can_be_chosen() {
    let world = world();
    let ended = world.run(&[UP.as_slice(), &["--node-image", "kindest/node:v1.33.7"]].concat()).succeeded();
    assert!(ended.out.contains("create kind's cluster conduit out of kindest/node:v1.33.7"), "{}", ended.out);
    let made = "create cluster --config k8s/kind.yaml --wait 120s --image kindest/node:v1.33.7";
    assert!(world.calls_of("kind").iter().any(|call| call == made), "{:#?}", world.calls_of("kind"));
}

#[test]
fn a_cluster_of_kind_that_was_there_before_is_not_deleted() {
    let world = world();
    std::fs::write(world.path("made"), "").unwrap();
    world.run(&UP).failed(&["nothing was done"]);
    world.run(&[UP.as_slice(), &["--yes"]].concat()).succeeded();
    world.down().succeeded();
    assert!(world.path("made").exists(), "somebody's cluster is gone");
    assert!(!world.has("namespaces", "", "real-world"));
}

#[test]
fn another_cluster_that_has_its_name_by_now_is_not_deleted_unasked() {
    let world = world();
    world.run(&UP).succeeded();
    world.kube.change("namespaces", "", "kube-system", |own| own["metadata"]["uid"] = json!("another"));
    world.run(&["down"]).failed(&["nothing was done"]);
    let ended = world.down().failed(&["nothing was done: nobody named context kind-conduit"]);
    assert!(ended.out.contains("kind's cluster conduit is another one than `make up` made: it stays"), "{}", ended.out);
    assert!(world.path("made").exists(), "somebody's cluster is gone");
    assert!(world.has("namespaces", "", "real-world"));
}

#[test]
fn kind_is_told_of_docker_whatever_a_persons_shell_has_told_it() {
    let world = world();
    let docker = format!("[ \"$KIND_EXPERIMENTAL_PROVIDER\" = docker ] || [ \"$1\" = version ] || exit 1\n{KIND}");
    world.program("kind", &docker);
    world.run(&UP).succeeded();
}

#[test]
fn a_cluster_whose_making_fails_is_told_of_and_made_anew() {
    let world = world();
    world.program("kind", "case \"$1\" in create) touch \"$(dirname \"$0\")/made\"; echo 'ERROR: port 8080 is taken' >&2; exit 1 ;; esac\n");
    world.run(&UP).failed(&["kind create cluster", "ERROR: port 8080 is taken", "k8s/kind.yaml names it"]);
    world.program("kind", KIND);
    let ended = world.run(&UP).succeeded();
    assert!(ended.out.contains("it is made anew"), "{}", ended.out);
    let kind = world.calls_of("kind");
    let at = |call: &str| kind.iter().rposition(|own| own.starts_with(call)).unwrap();
    assert!(at("delete cluster") < at("create cluster"), "{kind:#?}");
}

#[test]
fn without_docker_or_podman_it_says_how_to_get_one() {
    let world = world();
    world.program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1\n");
    world.run(&UP).failed(&[
        "nothing here makes images",
        "Cannot connect to the Docker daemon",
        "docs.docker.com",
        "podman.io",
    ]);
    assert!(!world.calls_of("kind").iter().any(|call| call.starts_with("create")));
}

#[test]
fn without_kind_it_says_how_to_get_it() {
    let world = World::new();
    world.run(&UP).failed(&["there is no kind", "kind.sigs.k8s.io", "PROVIDER=context"]);
}

#[test]
fn a_build_that_fails_has_its_last_lines_told() {
    let world = world();
    world.program("docker", "case $1 in build) echo 'error[E0277]: the trait bound'; exit 1 ;; esac\n");
    world.run(&UP).failed(&["build --file app/Dockerfile", "error[E0277]: the trait bound"]);
}

/// podman, by a name of docker's, as some systems install it.
const PODMAN: &str =
    "case \"$1\" in --version) echo 'podman version 5.6.2' ;; image) echo sha256:0123456789abcdef ;; esac\nexit 0\n";

#[test]
fn podman_is_told_from_docker_by_what_it_says_and_kind_is_told_each_time() {
    let world = world();
    world.program("docker", PODMAN);
    // kind sees the clusters of the one that it is told of.
    let kind = format!(
        "[ \"$KIND_EXPERIMENTAL_PROVIDER\" = podman ] || [ \"$1\" = version ] || {{ echo 'no docker' >&2; exit 1; }}\n{KIND}"
    );
    world.program("kind", &kind);
    world.run(&UP).succeeded();
    let docker = world.calls_of("docker");
    let has = |call: &str| assert!(docker.iter().any(|own| own.starts_with(call)), "{call}: {docker:#?}");
    // What a kubelet takes `conduit:1.0.0` for; podman would call it localhost/conduit:1.0.0.
    has("build --file app/Dockerfile --tag docker.io/library/conduit:1.0.0 .");
    has("save --multi-image-archive --output ");
    assert!(world.calls_of("kind").iter().any(|call| call.starts_with("load image-archive ")));
    assert!(!world.path("data/images.tar").exists());
    world.run(&UP).succeeded();
    assert_eq!(world.calls_of("kind").iter().filter(|call| call.starts_with("create")).count(), 1, "made twice");
    // Another engine that has come since does not run it.
    world.program("docker", "exit 0\n");
    world.run(&UP).failed(&["podman runs kind's cluster, and does not answer", "start podman"]);
    world.run(&["down"]).succeeded();
    assert!(!world.path("made").exists(), "the cluster is still there");
}

#[test]
fn a_new_build_replaces_the_pods_of_the_one_before() {
    let world = world();
    let built =
        |id: &str| world.program("docker", &format!("case \"$1\" in image) echo sha256:{id} ;; esac\nexit 0\n"));
    let runs = || {
        let template = &world.kube.get("deployments", "real-world", "real-world").unwrap()["spec"]["template"];
        template["metadata"]["annotations"]["conduit/image"].clone()
    };
    built("aaaaaaaaaaaaaaaa");
    world.run(&UP).succeeded();
    assert_eq!(runs(), "aaaaaaaaaaaa");
    built("bbbbbbbbbbbbbbbb");
    world.run(&["up", "--patience", "60s"]).succeeded();
    assert_eq!(runs(), "bbbbbbbbbbbb");
}

#[test]
fn what_is_pushed_has_a_name_of_its_own_and_is_for_the_nodes_processors() {
    let world = world();
    world.kube.change("nodes", "", "node1", |node| node["status"]["nodeInfo"] = json!({"architecture": "arm64"}));
    world.program(
        "docker",
        "case \"$1\" in image) echo sha256:aaaaaaaaaaaaaaaa ;; version) echo amd64 ;; esac\nexit 0\n",
    );
    let arguments = ["up", "--provider", "context", "--yes", "--registry", "reg.example.com/x/", "--patience", "60s"];
    world.run(&arguments).succeeded();
    let docker = world.calls_of("docker");
    let has = |call: &str| assert!(docker.iter().any(|own| own == call), "{call}: {docker:#?}");
    has("build --file app/Dockerfile --tag conduit:1.0.0 --platform linux/arm64 .");
    has("push reg.example.com/x/conduit:1.0.0-aaaaaaaaaaaa");
    let containers =
        world.kube.get("deployments", "real-world", "real-world").unwrap()["spec"]["template"]["spec"]["containers"]
            .clone();
    assert_eq!(containers[0]["image"], "reg.example.com/x/conduit:1.0.0-aaaaaaaaaaaa");
}

#[test]
fn down_goes_where_up_was_last_and_then_to_the_cluster_that_it_made() {
    let world = world();
    world.run(&UP).succeeded();
    // Behind the other context is the same cluster here; in that one, nothing is yet.
    world.run(&["down", "--context", "fake", "--yes", "--patience", "20s"]).succeeded();
    world.up("60s").succeeded();
    let ended = world.run(&["down", "--yes", "--patience", "20s"]).succeeded();
    assert!(world.path("made").exists(), "kind's cluster went, where up was not");
    assert!(ended.out.contains("kind's cluster conduit, which `make up` made, is still there"), "{}", ended.out);
    world.run(&["down"]).succeeded();
    assert!(!world.path("made").exists() && !world.path("data/state.json").exists());
}

#[test]
fn a_program_that_hangs_is_given_up_with_what_it_said_last() {
    let world = world();
    world.program("docker", "case $1 in build) echo 'RUN cargo build'; exec sleep 100 ;; esac\n");
    let ended = world.run(&["up", "--provider", "kind", "--patience", "3s"]);
    ended.failed(&["build --file app/Dockerfile", "not done after 3s (all of it is compiled", "RUN cargo build"]);
}
