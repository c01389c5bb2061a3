//! Rows by the hundreds: a statement takes them all as one JSON array.

use std::collections::BTreeMap;

use super::text::{DOMAIN, MARK};
use crate::db::{Arg, Database, DbError, Statement};

static COUNT_USERS: Statement =
    Statement::new("seed.count_users", "select count(*) from users where email_key like '%@' || $1");

static COUNT_ARTICLES: Statement =
    Statement::new("seed.count_articles", "select count(*) from articles where slug like '%-' || $1 || '-%'");

static COUNT_FAVORITES: Statement = Statement::new(
    "seed.count_favorites",
    "select count(*) from favorites f join users u on u.id = f.user_id where u.email_key like '%@' || $1",
);

static ADD_USERS: Statement = Statement::by_dialect(
    "seed.add_users",
    "insert into users (username, email, email_key, password_hash, bio, image, created_at, updated_at) \
     select username, email, email_key, password_hash, bio, image, created_at, created_at \
     from json_to_recordset($1::json) as r (username text, email text, email_key text, password_hash text, \
     bio text, image text, created_at bigint) on conflict do nothing",
    "insert into users (username, email, email_key, password_hash, bio, image, created_at, updated_at) \
     select r.value ->> 'username', r.value ->> 'email', r.value ->> 'email_key', r.value ->> 'password_hash', \
     r.value ->> 'bio', r.value ->> 'image', r.value ->> 'created_at', r.value ->> 'created_at' \
     from json_each($1) r where true on conflict do nothing",
);

static ADD_ARTICLES: Statement = Statement::by_dialect(
    "seed.add_articles",
    "insert into articles (slug, title, description, body, tag_list, author_id, created_at, updated_at) \
     select r.slug, r.title, r.description, r.body, r.tag_list, u.id, r.created_at, r.created_at \
     from rows from (json_to_recordset($1::json) as (slug text, title text, description text, body text, \
     tag_list text, author text, created_at bigint)) with ordinality \
     as r (slug, title, description, body, tag_list, author, created_at, n) join users u on u.username = r.author \
     order by r.n on conflict do nothing",
    "insert into articles (slug, title, description, body, tag_list, author_id, created_at, updated_at) \
     select r.value ->> 'slug', r.value ->> 'title', r.value ->> 'description', r.value ->> 'body', \
     r.value ->> 'tag_list', u.id, r.value ->> 'created_at', r.value ->> 'created_at' \
     from json_each($1) r join users u on u.username = r.value ->> 'author' \
     where true order by r.key on conflict do nothing",
);

static ADD_TAGS: Statement = Statement::by_dialect(
    "seed.add_tags",
    "insert into article_tags (tag, article_id) select t.tag, a.id \
     from json_to_recordset($1::json) as r (slug text, tags json) join articles a on a.slug = r.slug \
     cross join json_array_elements_text(r.tags) as t (tag) on conflict do nothing",
    "insert into article_tags (tag, article_id) select t.value, a.id \
     from json_each($1) r join articles a on a.slug = r.value ->> 'slug' join json_each(r.value -> 'tags') t \
     where true on conflict do nothing",
);

static COUNT_UP: Statement =
    Statement::new("seed.count_up", "update counters set value = value + $1 where name = 'articles'");

static ADD_FAVORITES: Statement = Statement::by_dialect(
    "seed.add_favorites",
    "insert into favorites (user_id, article_id) select u.id, a.id \
     from json_to_recordset($1::json) as r (username text, slug text) \
     join users u on u.username = r.username join articles a on a.slug = r.slug \
     on conflict do nothing returning article_id",
    "insert into favorites (user_id, article_id) select u.id, a.id \
     from json_each($1) r join users u on u.username = r.value ->> 'username' \
     join articles a on a.slug = r.value ->> 'slug' where true on conflict do nothing returning article_id",
);

static COUNT_UP_FAVORITES: Statement = Statement::by_dialect(
    "seed.count_up_favorites",
    "update articles a set favorites_count = favorites_count + r.value::bigint \
     from json_each_text($1::json) r where a.id = r.key::bigint",
    "update articles set favorites_count = favorites_count + r.value from json_each($1) r where articles.id = cast(r.key as integer)",
);

/// After so much that is new the planner's figures are old, and index-only scans need to know which
/// pages are all visible.
static STATISTICS: Statement = Statement::by_dialect("seed.statistics", "vacuum (analyze)", "analyze");

async fn count(database: &Database, statement: &'static Statement, mark: &str) -> Result<u32, DbError> {
    let count: i64 = database.read().await?.one(statement, &[Arg::Text(mark)]).await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) async fn count_users(database: &Database) -> Result<u32, DbError> {
    count(database, &COUNT_USERS, DOMAIN).await
}

pub(super) async fn count_articles(database: &Database) -> Result<u32, DbError> {
    count(database, &COUNT_ARTICLES, MARK).await
}

pub(super) async fn count_favorites(database: &Database) -> Result<u32, DbError> {
    count(database, &COUNT_FAVORITES, DOMAIN).await
}

pub(super) async fn add_users(database: &Database, rows: &str) -> Result<u64, DbError> {
    let mut tx = database.begin().await?;
    let added = tx.execute(&ADD_USERS, &[Arg::Text(rows)]).await;
    tx.finish(added).await
}

pub(super) async fn add_articles(database: &Database, rows: &str) -> Result<u64, DbError> {
    let mut tx = database.begin().await?;
    let work = async {
        let added = tx.execute(&ADD_ARTICLES, &[Arg::Text(rows)]).await?;
        tx.execute(&ADD_TAGS, &[Arg::Text(rows)]).await?;
        tx.execute(&COUNT_UP, &[Arg::Int(i64::try_from(added).unwrap_or_default())]).await?;
        Ok(added)
    }
    .await;
    tx.finish(work).await
}

pub(super) async fn add_favorites(database: &Database, rows: &str) -> Result<u64, DbError> {
    let mut tx = database.begin().await?;
    let work = async {
        let added: Vec<i64> = tx.all(&ADD_FAVORITES, &[Arg::Text(rows)]).await?;
        let mut by_article = BTreeMap::<i64, u32>::new();
        for article in &added {
            *by_article.entry(*article).or_default() += 1;
        }
        let by_article =
            serde_json::to_string(&by_article).map_err(|error| DbError::Defect(sqlx::Error::Encode(error.into())))?;
        tx.execute(&COUNT_UP_FAVORITES, &[Arg::Text(&by_article)]).await?;
        Ok(added.len() as u64)
    }
    .await;
    tx.finish(work).await
}

pub(super) async fn refresh_statistics(database: &Database) -> Result<(), DbError> {
    // Outside a transaction, where VACUUM cannot run, and on a connection that may write.
    database.outside_transaction(&STATISTICS).await
}
