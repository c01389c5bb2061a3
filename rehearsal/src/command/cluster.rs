use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use super::args::{ClusterArgs, ClusterCommand, Place};
use super::{Result, demo, say, stop};
use crate::cluster::{self, Bench, Failure, Kubectl, Progress, Tools, Wishes};

pub(super) fn run(args: ClusterArgs) -> Result<ExitCode> {
    // The demonstrations put back what stood before when they are stopped: they listen themselves.
    let args = match args.command {
        ClusterCommand::DemoQuota(args) => return demo::quota(args),
        ClusterCommand::DemoHpa(args) => return demo::hpa(args),
        command => ClusterArgs { command },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stopped = stop::on_signal()?;
        let progress = Progress::begin();
        let seen = progress.clone();
        tokio::select! {
            done = act(args.command, progress) => {
                seen.over();
                Ok(done?)
            }
            _ = stopped.wait_for(|stopped| *stopped) => {
                seen.over();
                say(&format!("\nStopped while {}.", seen.doing()));
                say("`make up` goes on from here, `make down` takes away what is there.");
                Ok(ExitCode::from(130))
            }
        }
    })
}

async fn act(command: ClusterCommand, progress: Progress) -> std::result::Result<ExitCode, Failure> {
    let well = match command {
        ClusterCommand::Up(args) => {
            let mut bench = bench(args.place, progress);
            let wishes = Wishes {
                provider: args.provider,
                node_image: args.node_image.filter(|image| !image.is_empty()),
                registry: args.registry,
                tiny: args.tiny,
                kubelet_insecure_tls: args.kubelet_insecure_tls,
            };
            cluster::up(&mut bench, &wishes).await?;
            true
        }
        ClusterCommand::Down(args) => {
            cluster::down(&mut bench(args.place, progress), args.provider).await?;
            true
        }
        ClusterCommand::Status(place) => cluster::status(&mut bench(place, progress)).await?,
        ClusterCommand::Doctor(args) => {
            let beside = || std::env::current_exe().unwrap_or_default().with_file_name("metrics-adapter");
            let adapter = args.adapter.unwrap_or_else(beside);
            cluster::doctor(&mut bench(args.place, progress), &adapter).await?
        }
        ClusterCommand::DemoQuota(_) | ClusterCommand::DemoHpa(_) => true,
    };
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn bench(place: Place, progress: Progress) -> Bench {
    let named = |program: PathBuf| Some(program).filter(|program| !program.as_os_str().is_empty());
    Bench {
        kubectl: Kubectl::new(place.kubectl, place.context.filter(|context| !context.is_empty())),
        tools: Tools { kind: place.kind, container: place.container_tool.and_then(named) },
        data: place.data,
        progress,
        patience: place.patience,
        yes: place.yes,
        ask,
    }
}

/// A yes has to be typed; where nobody can type, it is a no. It is waited for beside all else, so that whoever would
/// rather stop can.
pub(super) fn ask(question: String) -> Pin<Box<dyn Future<Output = bool>>> {
    Box::pin(async move {
        if !std::io::stdin().is_terminal() {
            return false;
        }
        let mut out = std::io::stdout();
        write!(out, "{question} [y/N] ").and_then(|()| out.flush()).ok();
        let (answered, answer) = tokio::sync::oneshot::channel();
        // The runtime would wait for one of its own threads before it ends.
        std::thread::spawn(move || {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).ok();
            answered.send(line).ok();
        });
        let answer = answer.await.unwrap_or_default();
        ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
    })
}
