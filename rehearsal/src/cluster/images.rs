use std::path::Path;
use std::time::{Duration, Instant};

use super::home::CLUSTER;
use super::tool::{ANSWER, Call, Engine};
use super::waiting::Limit;
use super::{Bench, Failure, Provider, Wishes};

/// An image of the stack's own, and where it is built from.
pub(super) const OWN: [(&str, &str); 2] =
    [("conduit:1.0.0", "app/Dockerfile"), ("metrics-adapter:1.0.0", "metrics-adapter/Dockerfile")];
/// What an image without a registry is called in full; podman has another name for it.
pub(super) const LIBRARY: &str = "docker.io/library/";
const BUILDING: Limit = Limit { time: Duration::from_hours(1), reason: "all of it is compiled, the first time" };
const LOADING: Limit = Limit { time: Duration::from_mins(10), reason: "it is copied into the node" };
const PUSHING: Limit = Limit { time: Duration::from_mins(30), reason: "it is sent to the registry" };

/// What is done with images.
pub(super) enum Images {
    /// Built, and loaded into kind's cluster.
    Loaded(Engine),
    /// Built, and pushed to the registry.
    Pushed(Engine, String),
    /// The nodes have them.
    There,
}

/// What the nodes are to run: each image's name in the manifests, and what it is now.
pub(super) type Built = Vec<(&'static str, String)>;

impl Images {
    /// By whichever engine there is, or by podman or not.
    pub(super) async fn of(
        bench: &Bench,
        wishes: &Wishes,
        provider: Provider,
        podman: Option<bool>,
    ) -> Result<Self, Failure> {
        Ok(match (provider, &wishes.registry) {
            (_, Some(registry)) => Self::Pushed(bench.tools.engine(podman).await?, registry.clone()),
            (Provider::Kind, None) => Self::Loaded(bench.tools.engine(podman).await?),
            (Provider::Context, None) => Self::There,
        })
    }

    /// What runs kind's nodes as well, if it is asked for anything.
    pub(super) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Loaded(engine) | Self::Pushed(engine, _) => Some(engine),
            Self::There => None,
        }
    }

    /// So that the nodes, which are of these architectures, have them or can have them.
    pub(super) async fn provide(&self, bench: &Bench, architectures: &[String]) -> Result<Built, Failure> {
        match self {
            Self::There => Ok(Vec::new()),
            Self::Loaded(engine) => {
                let built = build(bench, engine, None).await?;
                load(bench, engine).await?;
                Ok(built)
            }
            Self::Pushed(engine, registry) => {
                let platform = platform(engine, architectures).await?;
                let built = build(bench, engine, platform.as_deref()).await?;
                push(bench, engine, registry, &built).await?;
                Ok(built)
            }
        }
    }
}

/// What has to be built for, where it is not what the engine builds for by itself.
async fn platform(engine: &Engine, nodes: &[String]) -> Result<Option<String>, Failure> {
    let asks = if engine.podman { ["info", "{{.Host.Arch}}"] } else { ["version", "{{.Server.Arch}}"] };
    let own = Call::of(&engine.program, &[asks[0], "--format", asks[1]], &ANSWER).output().await?;
    match nodes {
        [one] if one != own.trim() && !own.trim().is_empty() => Ok(Some(format!("linux/{one}"))),
        [] | [_] => Ok(None),
        several => Err(Failure::new(format!("the nodes are {}, and one image is for one of them", several.join(" and "))).cure(
            "cordon the nodes of one kind; or build for both (`docker buildx build --platform`), give them to the nodes by the \
             names conduit:1.0.0 and metrics-adapter:1.0.0, and leave REGISTRY out",
        )),
    }
}

/// By the name that the nodes know it by.
fn tag(engine: &Engine, image: &str) -> String {
    format!("{}{image}", if engine.podman { LIBRARY } else { "" })
}

/// From the repository's root.
async fn build(bench: &Bench, engine: &Engine, platform: Option<&str>) -> Result<Built, Failure> {
    let mut built = Vec::new();
    for (image, file) in OWN {
        let began = Instant::now();
        let title = format!("building {image}");
        bench.progress.begins(&title);
        bench.progress.stands(&format!("{title}; the first time takes some minutes"));
        let tag = tag(engine, image);
        let mut arguments = vec!["build", "--file", file, "--tag", &tag];
        arguments.extend(platform.iter().flat_map(|platform| ["--platform", platform]));
        arguments.push(".");
        let done = Call::of(&engine.program, &arguments, &BUILDING).shown(bench, &title).output().await;
        done.map_err(|failure| {
            failure.cure(format!("`{} build --file {file} .` shows all of it", engine.program.display()))
        })?;
        let asked = ["image", "inspect", "--format", "{{.Id}}", &tag];
        let id = Call::of(&engine.program, &asked, &ANSWER).output().await?;
        let id = id.trim().trim_start_matches("sha256:");
        built.push((image, id.get(..12).unwrap_or(id).to_owned()));
        bench.progress.note(&format!("{image} is built, after {:.1} s", began.elapsed().as_secs_f64()));
    }
    Ok(built)
}

/// Onto the node of kind's cluster.
async fn load(bench: &Bench, engine: &Engine) -> Result<(), Failure> {
    let title = "loading the images into the cluster";
    bench.progress.begins(title);
    if engine.podman {
        // kind finds no image of podman's by its name: it is handed a file.
        let archive = Archive::in_folder(&bench.data)?;
        let tags = OWN.map(|(image, _)| tag(engine, image));
        let save = ["save", "--multi-image-archive", "--output", &archive.0, &tags[0], &tags[1]];
        Call::of(&engine.program, &save, &LOADING).shown(bench, title).output().await?;
        let arguments = ["load", "image-archive", &archive.0, "--name", CLUSTER];
        bench.tools.kind(&arguments, true, &LOADING).shown(bench, title).output().await?;
    } else {
        let arguments = ["load", "docker-image", OWN[0].0, OWN[1].0, "--name", CLUSTER];
        bench.tools.kind(&arguments, false, &LOADING).shown(bench, title).output().await?;
    }
    bench.progress.note("the images are in the cluster");
    Ok(())
}

/// A file that goes whatever happens.
struct Archive(String);

impl Archive {
    fn in_folder(folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
        let path = folder.join("images.tar");
        std::fs::remove_file(&path).ok();
        Ok(Self(path.to_string_lossy().into_owned()))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// To where the cluster's nodes fetch them, by a name that no other build has: they keep what they have fetched.
async fn push(bench: &Bench, engine: &Engine, registry: &str, built: &Built) -> Result<(), Failure> {
    for (image, id) in built {
        let there = format!("{}/{}", registry.trim_end_matches('/'), pushed(image, id));
        let title = format!("pushing {there}");
        bench.progress.begins(&title);
        Call::of(&engine.program, &["tag", &tag(engine, image), &there], &ANSWER).output().await?;
        let done = Call::of(&engine.program, &["push", &there], &PUSHING).shown(bench, &title).output().await;
        done.map_err(|failure| {
            failure.cure(format!("`{} login` to the registry, if it asks who you are", engine.program.display()))
        })?;
        bench.progress.note(&format!("{there} is pushed"));
    }
    Ok(())
}

/// `conduit:1.0.0-4f0c2a9d1b7e`
pub(super) fn pushed(image: &str, id: &str) -> String {
    if id.is_empty() { image.to_owned() } else { format!("{image}-{id}") }
}
