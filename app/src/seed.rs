//! Realistic data in bulk: users, articles with tags and bodies of about 2 kB, and favourites, of
//! which some are far more popular than others.
//!
//! Each thing is made from its number alone, so that a second run makes the same ones and adds only
//! what is missing.

mod bulk;
mod text;

use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tracing::info;

use crate::auth::{HashError, Passwords};
use crate::config::args::SeedArgs;
use crate::db::{Database, DbError};

/// Rows that are sent in one statement.
const CHUNK: u32 = 500;
/// Chunks of which all rows are there already, one after the other, before it is clear that no more can
/// be added.
const MOST_IN_VAIN: u32 = 200;
/// A statement here may take its time.
pub const PATIENCE: Duration = Duration::from_hours(1);

/// The data could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A known password in a production database is an open door.
    #[error("APP_ENV is prod: seeding adds users whose password is known; say --in-production if that is meant")]
    InProduction,
    /// There are not so many pairs of a user and an article.
    #[error("--favorites {asked}: {users} users and {articles} articles allow for {most} (half of all pairs) at most")]
    TooManyFavorites {
        /// What was asked for.
        asked: u32,
        /// Users there will be.
        users: u32,
        /// Articles there will be.
        articles: u32,
        /// The most that can be asked for.
        most: u64,
    },
    /// Rows that were made could not be added.
    #[error(
        "{what}: {missing} could not be added: those who write or are favourited are missing, or all pairs are taken"
    )]
    Stuck {
        /// Rows of what kind.
        what: &'static str,
        /// How many are missing.
        missing: u32,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The password.
    #[error(transparent)]
    Password(#[from] HashError),
    /// A row cannot be written down: a defect.
    #[error("rows: {0}")]
    Rows(#[from] serde_json::Error),
}

/// Makes what is missing to the numbers asked for.
pub async fn run(args: &SeedArgs, database: &Database) -> Result<(), SeedError> {
    let most = u64::from(args.users) * u64::from(args.articles) / 2;
    if u64::from(args.favorites) > most {
        let (asked, users, articles) = (args.favorites, args.users, args.articles);
        return Err(SeedError::TooManyFavorites { asked, users, articles, most });
    }
    users(args, database).await?;
    articles(args, database).await?;
    favorites(args, database).await?;
    bulk::refresh_statistics(database).await?;
    Ok(())
}

/// Adds chunks until there are as many as asked for; `send` says how many of a chunk were new.
async fn fill<R: Serialize>(
    what: &'static str,
    asked: u32,
    there: u32,
    row: impl Fn(u32) -> R,
    send: impl AsyncFn(&str) -> Result<u64, DbError>,
) -> Result<(), SeedError> {
    let missing = asked.saturating_sub(there);
    if missing == 0 {
        info!("{what}: {there} are there, {asked} were asked for, none added");
        return Ok(());
    }
    let bar = progress(what, missing);
    let (started, mut added, mut number, mut in_vain) = (Instant::now(), 0, there, 0);
    while added < missing {
        let size = CHUNK.min(missing - added);
        let rows: Vec<R> = (number + 1..=number + size).map(&row).collect();
        number += size;
        let new = send(&serde_json::to_string(&rows)?).await?;
        added += u32::try_from(new).unwrap_or(size);
        in_vain = if new == 0 { in_vain + 1 } else { 0 };
        if in_vain == MOST_IN_VAIN || number >= u32::MAX - CHUNK {
            return Err(SeedError::Stuck { what, missing: missing - added });
        }
        bar.set_position(added.into());
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    info!("{what}: {added} added in {seconds:.1} s, {:.0} a second; {asked} in all", f64::from(added) / seconds);
    Ok(())
}

fn progress(what: &'static str, missing: u32) -> ProgressBar {
    // Drawn on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(missing.into()).with_message(what);
    match ProgressStyle::with_template("{msg:>10} {wide_bar} {pos}/{len} {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn users(args: &SeedArgs, database: &Database) -> Result<(), SeedError> {
    let there = bulk::count_users(database).await?;
    let (password, made) = match &args.password {
        Some(password) => (password.clone(), false),
        None => (format!("{:032x}", rand::random::<u128>()), true),
    };
    // One hash for all: a thousand of them would take a thousand times as long and tell nobody more.
    let hash = Passwords::new(1, PATIENCE)?.hash(password.clone()).await?;
    let now = millis(SystemTime::now());
    let row = |number| text::user(number, &hash, now);
    fill("users", args.users, there, row, async |rows| bulk::add_users(database, rows).await).await?;
    if made && there < args.users {
        info!("the users that were added have the password {password} (--password chooses another)");
    }
    Ok(())
}

async fn articles(args: &SeedArgs, database: &Database) -> Result<(), SeedError> {
    let there = bulk::count_articles(database).await?;
    let (users, now) = (args.users, millis(SystemTime::now()));
    let row = |number| text::article(number, users, now);
    fill("articles", args.articles, there, row, async |rows| bulk::add_articles(database, rows).await).await
}

async fn favorites(args: &SeedArgs, database: &Database) -> Result<(), SeedError> {
    let there = bulk::count_favorites(database).await?;
    let (users, articles) = (args.users, args.articles);
    let row = |number| text::favorite(number, users, articles);
    fill("favorites", args.favorites, there, row, async |rows| bulk::add_favorites(database, rows).await).await
}

fn millis(time: SystemTime) -> i64 {
    crate::model::Timestamp::from(time).millis()
}
