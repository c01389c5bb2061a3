//! Who favourites what, and how many do.

use super::{Arg, DbError, Session, Statement, Tx};
use crate::auth::UserId;

static INSERT: Statement = Statement::new(
    "favorites.insert",
    "insert into favorites (user_id, article_id) values ($1, $2) on conflict do nothing",
);

static DELETE: Statement =
    Statement::new("favorites.delete", "delete from favorites where user_id = $1 and article_id = $2");

static COUNT: Statement =
    Statement::new("favorites.count", "update articles set favorites_count = favorites_count + $2 where id = $1");

pub(super) const STATEMENTS: &[&Statement] = &[&INSERT, &DELETE, &COUNT];

/// Favourites an article, if the user does not yet. Says whether it is news.
pub async fn add(tx: &mut Tx, user: UserId, article: i64) -> Result<bool, DbError> {
    change(tx, &INSERT, user, article, 1).await
}

/// Favourites an article no longer. Says whether it is news.
pub async fn remove(tx: &mut Tx, user: UserId, article: i64) -> Result<bool, DbError> {
    change(tx, &DELETE, user, article, -1).await
}

async fn change(
    session: &mut Session,
    statement: &'static Statement,
    user: UserId,
    article: i64,
    by: i64,
) -> Result<bool, DbError> {
    let news = session.execute(statement, &[Arg::Int(user), Arg::Int(article)]).await? == 1;
    if news {
        session.execute(&COUNT, &[Arg::Int(article), Arg::Int(by)]).await?;
    }
    Ok(news)
}
