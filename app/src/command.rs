//! What a person types: each command is put together here from the other rooms.

mod serve;
mod signals;
mod sql;

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::args::{Cli, Command, SeedArgs, ServeArgs, StoreArgs};
use crate::config::{ConfigError, DatabaseSettings, Mode};
use crate::db::Database;
use crate::health::Health;
use crate::{seed, start, telemetry};

/// A command did not succeed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Log(String),
    #[error(transparent)]
    Start(#[from] start::StartError),
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    #[error(transparent)]
    Seed(#[from] seed::SeedError),
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    #[error("output: {0}")]
    Output(std::io::Error),
}

impl CommandError {
    /// 2, as for a wrong flag, when what was given must be changed; 1 otherwise.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Log(_) | Self::Seed(seed::SeedError::InProduction) => 2,
            _ => 1,
        }
    }
}

/// Runs the command to its end.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Serve(args)) => serve(&args),
        Some(Command::Migrate(args)) => migrate(&args),
        Some(Command::Check(args)) => check(&args),
        Some(Command::Seed(args)) => fill(&args),
        Some(Command::Sql(args)) => sql::print(&args).map_err(CommandError::Output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // To standard error besides the log: whoever typed the command reads it there.
            let _ = writeln!(std::io::stderr(), "conduit: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Runtime)
}

fn serve(args: &ServeArgs) -> Result<(), CommandError> {
    let _log = telemetry::init_log(args.store().mode, &args.store().log).map_err(CommandError::Log)?;
    let settings = args.settings()?;
    let runtime = runtime()?;
    let done = runtime.block_on(serve::run(settings));
    // A password that is still being hashed for a client that was cut off keeps nobody waiting.
    runtime.shutdown_background();
    Ok(done?)
}

/// What `migrate`, `check` and `seed` have in common.
fn with_database<T, E: Into<CommandError>>(
    args: &StoreArgs,
    work: impl AsyncFnOnce(&DatabaseSettings, &Database, &Health) -> Result<T, E>,
) -> Result<T, CommandError> {
    let _log = telemetry::init_log(args.mode, &args.log).map_err(CommandError::Log)?;
    // Nobody waits for an answer here, as clients do.
    let settings = DatabaseSettings { timeout: seed::PATIENCE, ..args.database()? };
    runtime()?.block_on(async {
        let health = Health::default();
        start::prepare(&settings, &health).await?;
        let database = Database::new(&settings, health.clone());
        let done = work(&settings, &database, &health).await;
        database.close().await;
        done.map_err(Into::into)
    })
}

fn migrate(args: &StoreArgs) -> Result<(), CommandError> {
    with_database(args, async |settings, _, _| {
        tracing::info!("the schema of {} is up to date", settings.place);
        Ok::<_, CommandError>(())
    })
}

fn check(args: &StoreArgs) -> Result<(), CommandError> {
    with_database(args, async |settings, database, health| {
        start::check(database, &settings.place, health).await?;
        tracing::info!("{} can do all that the API needs", settings.place);
        Ok::<_, CommandError>(())
    })
}

fn fill(args: &SeedArgs) -> Result<(), CommandError> {
    if args.store.mode == Mode::Prod && !args.in_production {
        return Err(seed::SeedError::InProduction.into());
    }
    with_database(&args.store, async |_, database, _| seed::run(args, database).await)
}
