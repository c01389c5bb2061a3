use super::composition::Composition;
use super::ground::{CUSTOM, Ground, RESOURCE};
use super::home::CLUSTER;
use super::images::Images;
use super::look::{name, text};
use super::marks::{APP, MONITORING};
use super::{Bench, Wishes};

/// What will happen, before it does.
pub(super) fn tell(
    bench: &Bench,
    chosen: &str,
    missing: bool,
    wishes: &Wishes,
    ground: &Ground,
    composition: &Composition,
    images: &Images,
) {
    let say = |line: &str| bench.progress.say(line);
    let context = bench.kubectl.context().unwrap_or_default();
    say(&format!("The plan, in context {context} ({chosen}):"));
    let cluster = match (missing, ground.ours) {
        (true, _) => {
            let node = wishes.node_image.as_ref().map_or_else(String::new, |image| format!(" out of {image}"));
            format!(
                "create kind's cluster {CLUSTER}{node}; port 8080 of this machine, and no other machine's, leads to it"
            )
        }
        (false, true) => {
            format!("go on in the cluster, which has {} and what an earlier `make up` did", ground.nodes())
        }
        (false, false) => format!("use the cluster as it is, with {}", ground.nodes()),
    };
    let provided = match images {
        Images::Loaded(engine) => format!("build both images with {} and load them", engine.program.display()),
        Images::Pushed(engine, registry) => {
            format!("build both images with {} and push them to {registry}", engine.program.display())
        }
        Images::There => "take the images conduit:1.0.0 and metrics-adapter:1.0.0 that the nodes have".to_owned(),
    };
    let namespaces = format!("create the namespaces {APP} and {MONITORING}, and in them secrets of random numbers");
    let parts =
        "apply, and wait for, the database, the API, Traefik, the metrics-adapter, Prometheus, Grafana".to_owned();
    let last = "register the metrics APIs, then the HPA, and wait until it scales".to_owned();
    for (number, step) in (1..).zip([cluster, provided, namespaces, parts, last]) {
        say(&format!("  {number}. {step}"));
    }
    for line in there(ground, composition, matches!(images, Images::There)) {
        say(&format!("  There already: {line}"));
    }
}

/// What was found, and what that means.
fn there(ground: &Ground, composition: &Composition, by_hand: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for namespace in &ground.ending {
        lines.push(format!("the namespace {namespace}, which is ending; its end is waited for"));
    }
    if let Some(traefik) = &ground.traefik {
        let place =
            traefik.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        lines.push(format!(
            "a Traefik{place}, IngressClass {}; it serves the API, and none is installed",
            traefik.class
        ));
    }
    for object in &ground.metrics {
        let whose = format!("{}/{}", text(object, "/spec/service/namespace"), text(object, "/spec/service/name"));
        let group = text(object, "/spec/group");
        let means = match group {
            RESOURCE => "it goes on giving CPU and memory",
            CUSTOM => "the adapter takes its place; `make down` restores it",
            _ => "it stays",
        };
        lines.push(format!("APIService {} of {whose}; {means}", name(object)));
    }
    for namespace in &composition.kept {
        lines.push(format!("a namespace {namespace} of somebody else's; the adapter goes into it, and it stays"));
    }
    if !ground.unseen.is_empty() && ground.nodes > 0 && by_hand {
        let images = ground.unseen.join(" and ");
        lines.push(format!(
            "not every node tells of {images} (a node tells of 50 at most): load what is missing, or use REGISTRY=…"
        ));
    }
    lines
}
