//! Users, as others see them, and who follows whom.

use std::borrow::Cow;

use super::{Arg, Columns, DbError, Record, Session, Statement};
use crate::auth::UserId;

/// A user as another sees them. The text is the row's own, or a copy that outlives it.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// The name.
    pub username: Cow<'a, str>,
    /// What they say of themselves.
    pub bio: Option<Cow<'a, str>>,
    /// The address of a picture.
    pub image: Option<Cow<'a, str>>,
    /// Whether whoever asks follows them.
    pub following: bool,
}

impl<'a> Profile<'a> {
    /// Reads four columns from `first` on.
    pub(super) fn read_from(row: &'a dyn Columns, first: usize) -> Result<Self, sqlx::Error> {
        Ok(Self {
            username: row.text(first)?.into(),
            bio: row.opt_text(first + 1)?.map(Cow::Borrowed),
            image: row.opt_text(first + 2)?.map(Cow::Borrowed),
            following: row.flag(first + 3)?,
        })
    }

    /// A copy that outlives the row.
    #[must_use]
    pub fn into_owned(self) -> Profile<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Profile {
            username: own(self.username),
            bio: self.bio.map(own),
            image: self.image.map(own),
            following: self.following,
        }
    }
}

struct Found(UserId, Profile<'static>);

impl Record for Found {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        Ok(Self(row.int(0)?, Profile::read_from(row, 1)?.into_owned()))
    }
}

/// For nobody's eyes, the viewer is the number that no user has.
static FIND: Statement = Statement::new(
    "profiles.find",
    "select u.id, u.username, u.bio, u.image, \
     exists (select 1 from follows w where w.follower_id = $2 and w.followee_id = u.id) \
     from users u where u.username = $1",
);

static FOLLOW: Statement = Statement::new(
    "profiles.follow",
    "insert into follows (follower_id, followee_id) values ($1, $2) on conflict do nothing",
);

static UNFOLLOW: Statement =
    Statement::new("profiles.unfollow", "delete from follows where follower_id = $1 and followee_id = $2");

pub(super) const STATEMENTS: &[&Statement] = &[&FIND, &FOLLOW, &UNFOLLOW];

/// The user of that name, with their number.
pub async fn find(
    session: &mut Session,
    username: &str,
    viewer: Option<UserId>,
) -> Result<Option<(UserId, Profile<'static>)>, DbError> {
    let found = session.optional::<Found>(&FIND, &[Arg::Text(username), Arg::Int(viewer.unwrap_or_default())]).await?;
    Ok(found.map(|Found(id, profile)| (id, profile)))
}

/// Lets one follow another, if they do not yet.
pub async fn follow(session: &mut Session, follower: UserId, followee: UserId) -> Result<(), DbError> {
    session.execute(&FOLLOW, &[Arg::Int(follower), Arg::Int(followee)]).await.map(|_| ())
}

/// Lets one no longer follow another.
pub async fn unfollow(session: &mut Session, follower: UserId, followee: UserId) -> Result<(), DbError> {
    session.execute(&UNFOLLOW, &[Arg::Int(follower), Arg::Int(followee)]).await.map(|_| ())
}
