use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::db::article::{self, Filter, NewArticle};
use crate::db::user::{self, NewUser};
use crate::db::{Database, DbError, Tx, comment, favorite, profile, tag};
use crate::model::{Complaint, Email, Page, Slug, Timestamp, Username};

/// How long the whole may take; a database that is slower cannot serve.
const PATIENCE: Duration = Duration::from_secs(30);

/// The database cannot do what the API needs.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A statement failed.
    #[error("{step}: {source}")]
    Statement {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        source: DbError,
    },
    /// A statement gave something else than what had been written.
    #[error("{0}: what was read is not what was written")]
    Differs(&'static str),
    /// Our own values are not valid: a defect.
    #[error("its own values: {0}")]
    Values(Complaint),
}

impl CheckError {
    /// The database's trouble, if the same check may succeed later. A table that is missing after the migrations is
    /// none of these.
    pub(super) fn passes(&self) -> Option<&DbError> {
        match self {
            Self::Statement { source, .. } if !source.is_final() && !source.is_missing() => Some(source),
            _ => None,
        }
    }
}

impl From<Complaint> for CheckError {
    fn from(complaint: Complaint) -> Self {
        Self::Values(complaint)
    }
}

trait Step<T> {
    fn at(self, step: &'static str) -> Result<T, CheckError>;
}

impl<T> Step<T> for Result<T, DbError> {
    fn at(self, step: &'static str) -> Result<T, CheckError> {
        self.map_err(|source| CheckError::Statement { step, source })
    }
}

fn ensure(holds: bool, step: &'static str) -> Result<(), CheckError> {
    if holds { Ok(()) } else { Err(CheckError::Differs(step)) }
}

pub(super) async fn run(database: &Database) -> Result<(), CheckError> {
    let mut tx = database.begin_until(Instant::now() + PATIENCE).await.at("begin")?;
    let checked = steps(&mut tx).await;
    // A connection that a step has lost cannot be rolled back either; the step is what there is to tell.
    let undone = tx.undo().await;
    checked?;
    undone.at("roll back")
}

async fn steps(tx: &mut Tx) -> Result<(), CheckError> {
    // Replicas check at the same time; what one writes must not stand in another's way.
    let name = format!("self-check-{:032x}", rand::random::<u128>());
    let now = Timestamp::from(SystemTime::now());
    let (username, email) = (Username::parse(&name)?, Email::parse(&format!("{name}@localhost"))?);
    let new = NewUser { username: &username, email: &email, password_hash: "none", bio: None, image: None };
    let user = user::insert(tx, &new, now).await.at("register")?.ok_or(CheckError::Differs("register"))?;
    ensure(user::find(tx, user).await.at("read user")?.is_some_and(|found| found.username == name), "read user")?;
    let found = profile::find(tx, &name, Some(user)).await.at("read profile")?;
    ensure(found.is_some_and(|(id, _)| id == user), "read profile")?;

    let (slug, tags) = (Slug::of(&name, ""), [name.clone()]);
    let new = NewArticle { title: &name, description: "check", body: "check", tags: &tags, author: user };
    let id = article::insert(tx, &slug, &new, now).await.at("write")?.ok_or(CheckError::Differs("write"))?;
    ensure(favorite::add(tx, user, id).await.at("favourite")?, "favourite")?;
    let article = article::find(tx, slug.as_str(), Some(user)).await.at("read")?.ok_or(CheckError::Differs("read"))?;
    ensure(article.summary.favorited && article.summary.favorites_count == 1, "favourite")?;
    ensure(article.summary.created_at == now && article.body == "check", "read")?;

    let filter = Filter { tag: Some(&name), author: Some(&name), favorited: Some(&name) };
    let mut listed = 0;
    let page = Page { limit: 20, offset: 0 };
    let total = article::page(tx, filter, page, Some(user), |_| listed += 1).await.at("list")?;
    ensure(total == 1 && listed == 1, "list")?;
    ensure(tag::list(tx).await.at("tags")?.contains(&name), "tags")?;
    let comment = comment::insert(tx, id, user, "check", now).await.at("comment")?;
    let comments = comment::list(tx, id, Some(user)).await.at("read comments")?;
    ensure(comments.iter().any(|found| found.id == comment.id && found.author.username == name), "read comments")?;
    // The counter last: everybody who writes an article waits for it, on all replicas.
    article::count_one_more(tx).await.at("count")?;
    ensure(article::delete(tx, id).await.at("remove")?, "remove")
}
