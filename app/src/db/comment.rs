//! Comments.

use super::profile::Profile;
use super::{Arg, Columns, DbError, Record, Session, Statement};
use crate::auth::UserId;
use crate::model::Timestamp;

/// A comment, as whoever asks sees it.
#[derive(Debug)]
pub struct Comment {
    /// Its number.
    pub id: i64,
    /// What it says.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who wrote it.
    pub author: Profile<'static>,
}

impl Record for Comment {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.int(0)?,
            body: row.text(1)?.to_owned(),
            created_at: Timestamp::from_millis(row.int(2)?),
            updated_at: Timestamp::from_millis(row.int(3)?),
            author: Profile::read_from(row, 4)?.into_owned(),
        })
    }
}

/// The columns of a [`Comment`], seen by the user whose number is the parameter.
macro_rules! comments {
    ($viewer:literal) => {
        concat!(
            "select c.id, c.body, c.created_at, c.updated_at, u.username, u.bio, u.image, ",
            "exists (select 1 from follows w where w.follower_id = ",
            $viewer,
            " and w.followee_id = u.id) ",
            "from comments c join users u on u.id = c.author_id "
        )
    };
}

static LIST: Statement =
    Statement::new("comments.list", concat!(comments!("$2"), "where c.article_id = $1 order by c.id"));

static FIND: Statement = Statement::new("comments.find", concat!(comments!("$2"), "where c.id = $1"));

static INSERT: Statement = Statement::new(
    "comments.insert",
    "insert into comments (article_id, author_id, body, created_at, updated_at) values ($1, $2, $3, $4, $4) returning id",
);

static AUTHOR: Statement =
    Statement::new("comments.author", "select author_id from comments where id = $1 and article_id = $2");

static DELETE: Statement = Statement::new("comments.delete", "delete from comments where id = $1");

pub(super) const STATEMENTS: &[&Statement] = &[&LIST, &FIND, &INSERT, &AUTHOR, &DELETE];

/// An article's comments, oldest first.
pub async fn list(session: &mut Session, article: i64, viewer: Option<UserId>) -> Result<Vec<Comment>, DbError> {
    session.all(&LIST, &[Arg::Int(article), Arg::Int(viewer.unwrap_or_default())]).await
}

/// Adds a comment and gives it back as its author sees it.
pub async fn insert(
    session: &mut Session,
    article: i64,
    author: UserId,
    body: &str,
    now: Timestamp,
) -> Result<Comment, DbError> {
    let args = [Arg::Int(article), Arg::Int(author), Arg::Text(body), Arg::Int(now.millis())];
    let id: i64 = session.one(&INSERT, &args).await?;
    session.one(&FIND, &[Arg::Int(id), Arg::Int(author)]).await
}

/// Who wrote that comment on that article.
pub async fn author(session: &mut Session, article: i64, id: i64) -> Result<Option<UserId>, DbError> {
    session.optional(&AUTHOR, &[Arg::Int(id), Arg::Int(article)]).await
}

/// Removes a comment.
pub async fn delete(session: &mut Session, id: i64) -> Result<(), DbError> {
    session.execute(&DELETE, &[Arg::Int(id)]).await.map(|_| ())
}
