//! Articles and pages of them.
//!
//! A page finds the numbers of its articles first, through the index of its filter, and reads only
//! those rows; its statement also says how many there are in all. There is one statement for each
//! shape of filter, for the anonymous and for users.

mod page;
mod write;

pub use page::{Filter, feed, page};
pub use write::{Changes, NewArticle, count_one_more, delete, insert, is_free, update};

use std::borrow::Cow;

use super::profile::Profile;
use super::{Arg, Columns, DbError, Record, Session, Statement, Tx};
use crate::auth::UserId;
use crate::model::Timestamp;

/// What every list shows of an article, as whoever asks sees it. The text is the row's own, or a copy
/// that outlives it.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    /// Its address.
    pub slug: Cow<'a, str>,
    /// Its title.
    pub title: Cow<'a, str>,
    /// What it is about.
    pub description: Cow<'a, str>,
    /// Its tags, as a sorted JSON array.
    pub tag_list: Cow<'a, str>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether whoever asks favourites it.
    pub favorited: bool,
    /// How many do.
    pub favorites_count: i64,
    /// Who wrote it.
    pub author: Profile<'a>,
}

impl<'a> Summary<'a> {
    /// Reads the columns that `summary!` names, from `first` on: the last two are there for users only.
    fn read_from(row: &'a dyn Columns, first: usize, for_user: bool) -> Result<Self, sqlx::Error> {
        let flag = |column| if for_user { row.flag(column) } else { Ok(false) };
        Ok(Self {
            slug: row.text(first)?.into(),
            title: row.text(first + 1)?.into(),
            description: row.text(first + 2)?.into(),
            tag_list: row.text(first + 3)?.into(),
            created_at: Timestamp::from_millis(row.int(first + 4)?),
            updated_at: Timestamp::from_millis(row.int(first + 5)?),
            favorites_count: row.int(first + 6)?,
            author: Profile {
                username: row.text(first + 7)?.into(),
                bio: row.opt_text(first + 8)?.map(Cow::Borrowed),
                image: row.opt_text(first + 9)?.map(Cow::Borrowed),
                following: flag(first + 11)?,
            },
            favorited: flag(first + 10)?,
        })
    }

    fn into_owned(self) -> Summary<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Summary {
            slug: own(self.slug),
            title: own(self.title),
            description: own(self.description),
            tag_list: own(self.tag_list),
            created_at: self.created_at,
            updated_at: self.updated_at,
            favorited: self.favorited,
            favorites_count: self.favorites_count,
            author: self.author.into_owned(),
        }
    }
}

/// An article, whole.
#[derive(Debug)]
pub struct Article {
    /// Its number.
    pub id: i64,
    /// The number of who wrote it.
    pub author_id: UserId,
    /// What lists show of it.
    pub summary: Summary<'static>,
    /// What it says.
    pub body: String,
}

impl Article {
    fn read(row: &dyn Columns, for_user: bool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.int(0)?,
            author_id: row.int(1)?,
            body: row.text(2)?.to_owned(),
            summary: Summary::read_from(row, 3, for_user)?.into_owned(),
        })
    }
}

/// Where an article is and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// Its number.
    pub id: i64,
    /// The number of who wrote it.
    pub author_id: UserId,
}

impl Record for Located {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        Ok(Self { id: row.int(0)?, author_id: row.int(1)? })
    }
}

/// The columns of a [`Summary`]: for the anonymous, or for the user whose number is the parameter.
macro_rules! summary {
    (anonymous) => {
        "a.slug, a.title, a.description, a.tag_list, a.created_at, a.updated_at, a.favorites_count, \
         u.username, u.bio, u.image"
    };
    ($viewer:literal) => {
        concat!(
            $crate::db::article::summary!(anonymous),
            ", exists (select 1 from favorites f where f.user_id = ",
            $viewer,
            " and f.article_id = a.id)",
            ", exists (select 1 from follows w where w.follower_id = ",
            $viewer,
            " and w.followee_id = a.author_id)"
        )
    };
}
use summary;

/// One article with these columns of its summary.
macro_rules! whole {
    ($summary:expr) => {
        concat!(
            "select a.id, a.author_id, a.body, ",
            $summary,
            " from articles a join users u on u.id = a.author_id where a.slug = $1"
        )
    };
}

static FIND: Statement = Statement::new("articles.find", whole!(summary!(anonymous)));

static FIND_FOR_USER: Statement = Statement::new("articles.find.user", whole!(summary!("$2")));

/// Whoever changes what hangs on an article locks the article first, so that none of them waits for
/// another who waits for them. (On `SQLite` a transaction has locked everything.)
static LOCK: Statement = Statement::by_dialect(
    "articles.lock",
    "select id, author_id from articles where slug = $1 for no key update",
    "select id, author_id from articles where slug = $1",
);

static LOCATE: Statement = Statement::new("articles.locate", "select id, author_id from articles where slug = $1");

pub(super) fn statements() -> Vec<&'static Statement> {
    [[&FIND, &FIND_FOR_USER, &LOCATE, &LOCK].as_slice(), &page::statements(), write::STATEMENTS].concat()
}

/// The article of that slug, as whoever asks sees it.
pub async fn find(session: &mut Session, slug: &str, viewer: Option<UserId>) -> Result<Option<Article>, DbError> {
    let (statement, args): (_, &[Arg<'_>]) = match viewer {
        None => (&FIND, &[Arg::Text(slug)]),
        Some(viewer) => (&FIND_FOR_USER, &[Arg::Text(slug), Arg::Int(viewer)]),
    };
    let mut found = None;
    let read = |row: &dyn Columns| {
        found = Some(Article::read(row, viewer.is_some())?);
        Ok(())
    };
    session.each(statement, args, read).await?;
    Ok(found)
}

/// Where the article of that slug is, and whose.
pub async fn locate(session: &mut Session, slug: &str) -> Result<Option<Located>, DbError> {
    session.optional(&LOCATE, &[Arg::Text(slug)]).await
}

/// As [`locate`], and nobody else changes the article or what hangs on it until the transaction ends.
pub async fn lock(tx: &mut Tx, slug: &str) -> Result<Option<Located>, DbError> {
    tx.optional(&LOCK, &[Arg::Text(slug)]).await
}
