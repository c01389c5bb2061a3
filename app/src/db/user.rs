//! Users, as they know themselves.

use super::{Arg, Columns, DbError, Record, Session, Statement};
use crate::auth::UserId;
use crate::model::{Email, Timestamp, Username};

/// A user.
#[derive(Debug)]
pub struct User {
    /// The user's number.
    pub id: UserId,
    /// The name.
    pub username: String,
    /// The e-mail address, as it was given.
    pub email: String,
    /// What they say of themselves.
    pub bio: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
}

impl Record for User {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.int(0)?,
            username: row.text(1)?.to_owned(),
            email: row.text(2)?.to_owned(),
            bio: row.opt_text(3)?.map(str::to_owned),
            image: row.opt_text(4)?.map(str::to_owned),
        })
    }
}

struct Login(User, String);

impl Record for Login {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        Ok(Self(User::read(row)?, row.text(5)?.to_owned()))
    }
}

/// Which of a user's unique values somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The name.
    pub username: bool,
    /// The e-mail address.
    pub email: bool,
}

impl Taken {
    /// Whether either is.
    #[must_use]
    pub fn any(self) -> bool {
        self.username || self.email
    }
}

impl Record for Taken {
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        Ok(Self { username: row.flag(0)?, email: row.flag(1)? })
    }
}

static FIND: Statement =
    Statement::new("users.find", "select id, username, email, bio, image from users where id = $1");

static FIND_LOGIN: Statement = Statement::new(
    "users.find_login",
    "select id, username, email, bio, image, password_hash from users where email_key = $1",
);

static TAKEN: Statement = Statement::new(
    "users.taken",
    "select exists (select 1 from users where username = $1 and id <> $3), \
     exists (select 1 from users where email_key = $2 and id <> $3)",
);

static INSERT: Statement = Statement::new(
    "users.insert",
    "insert into users (username, email, email_key, password_hash, bio, image, created_at, updated_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing returning id",
);

static UPDATE: Statement = Statement::new(
    "users.update",
    "update users set username = coalesce($2, username), email = coalesce($3, email), \
     email_key = coalesce($4, email_key), password_hash = coalesce($5, password_hash), \
     bio = case when $6 = 1 then $7 else bio end, image = case when $8 = 1 then $9 else image end, \
     updated_at = case when $10 > updated_at then $10 else updated_at + 1 end \
     where id = $1 returning id, username, email, bio, image",
);

pub(super) const STATEMENTS: &[&Statement] = &[&FIND, &FIND_LOGIN, &TAKEN, &INSERT, &UPDATE];

/// A user who registers.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The name.
    pub username: &'a Username,
    /// The e-mail address.
    pub email: &'a Email,
    /// In PHC's string form.
    pub password_hash: &'a str,
    /// What they say of themselves.
    pub bio: Option<&'a str>,
    /// The address of a picture.
    pub image: Option<&'a str>,
}

/// What is to change; `None` keeps what is there, and `Some(None)` makes it null.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// The name.
    pub username: Option<&'a Username>,
    /// The e-mail address.
    pub email: Option<&'a Email>,
    /// In PHC's string form.
    pub password_hash: Option<&'a str>,
    /// What they say of themselves.
    pub bio: Option<Option<&'a str>>,
    /// The address of a picture.
    pub image: Option<Option<&'a str>>,
}

/// The user of that number.
pub async fn find(session: &mut Session, id: UserId) -> Result<Option<User>, DbError> {
    session.optional(&FIND, &[Arg::Int(id)]).await
}

/// The user of that e-mail address, in whatever case, and the hash of their password.
pub async fn find_login(session: &mut Session, email: &str) -> Result<Option<(User, String)>, DbError> {
    let key = Email::key_of(email);
    let login = session.optional::<Login>(&FIND_LOGIN, &[Arg::Text(&key)]).await?;
    Ok(login.map(|Login(user, hash)| (user, hash)))
}

/// Which of these values somebody other than `but` has.
pub async fn taken(
    session: &mut Session,
    username: Option<&Username>,
    email: Option<&Email>,
    but: Option<UserId>,
) -> Result<Taken, DbError> {
    let (username, email) = (username.map(Username::as_str), email.map(Email::key));
    // No user has the number 0.
    session.one(&TAKEN, &[Arg::OptText(username), Arg::OptText(email), Arg::Int(but.unwrap_or_default())]).await
}

/// Adds a user, unless somebody has the name or the address.
pub async fn insert(session: &mut Session, user: &NewUser<'_>, now: Timestamp) -> Result<Option<UserId>, DbError> {
    let args = [
        Arg::Text(user.username.as_str()),
        Arg::Text(user.email.as_str()),
        Arg::Text(user.email.key()),
        Arg::Text(user.password_hash),
        Arg::OptText(user.bio),
        Arg::OptText(user.image),
        Arg::Int(now.millis()),
    ];
    session.optional(&INSERT, &args).await
}

/// Changes a user; [`DbError::Duplicate`] if somebody has the name or the address.
pub async fn update(
    session: &mut Session,
    id: UserId,
    changes: &Changes<'_>,
    now: Timestamp,
) -> Result<Option<User>, DbError> {
    let args = [
        Arg::Int(id),
        Arg::OptText(changes.username.map(Username::as_str)),
        Arg::OptText(changes.email.map(Email::as_str)),
        Arg::OptText(changes.email.map(Email::key)),
        Arg::OptText(changes.password_hash),
        Arg::Int(changes.bio.is_some().into()),
        Arg::OptText(changes.bio.flatten()),
        Arg::Int(changes.image.is_some().into()),
        Arg::OptText(changes.image.flatten()),
        Arg::Int(now.millis()),
    ];
    session.optional(&UPDATE, &args).await
}
