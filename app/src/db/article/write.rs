use crate::auth::UserId;
use crate::db::{Arg, DbError, Session, Statement, Tx};
use crate::model::{Slug, Timestamp};

static IS_FREE: Statement = Statement::new("articles.is_free", "select id from articles where slug = $1 and id <> $2");

static INSERT: Statement = Statement::new(
    "articles.insert",
    "insert into articles (slug, title, description, body, tag_list, author_id, created_at, updated_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict (slug) do nothing returning id",
);

static UPDATE: Statement = Statement::new(
    "articles.update",
    "update articles set slug = coalesce($2, slug), title = coalesce($3, title), \
     description = coalesce($4, description), body = coalesce($5, body), tag_list = coalesce($6, tag_list), \
     updated_at = case when $7 > updated_at then $7 else updated_at + 1 end where id = $1",
);

static DELETE: Statement = Statement::new("articles.delete", "delete from articles where id = $1");

static COUNT: Statement =
    Statement::new("articles.count", "update counters set value = value + $1 where name = 'articles'");

/// All tags of an article at once, as one JSON array.
static TAG: Statement = Statement::by_dialect(
    "articles.tag",
    "insert into article_tags (tag, article_id) select tag, $2::bigint from json_array_elements_text($1::json) as t (tag)",
    "insert into article_tags (tag, article_id) select value, $2 from json_each($1)",
);

static UNTAG: Statement = Statement::new("articles.untag", "delete from article_tags where article_id = $1");

pub(super) const STATEMENTS: &[&Statement] = &[&IS_FREE, &INSERT, &UPDATE, &DELETE, &COUNT, &TAG, &UNTAG];

/// An article to be.
#[derive(Debug)]
pub struct NewArticle<'a> {
    /// Its title.
    pub title: &'a str,
    /// What it is about.
    pub description: &'a str,
    /// What it says.
    pub body: &'a str,
    /// Its tags, sorted and without duplicates.
    pub tags: &'a [String],
    /// Who writes it.
    pub author: UserId,
}

/// What is to change; `None` keeps what is there.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Its title.
    pub title: Option<&'a str>,
    /// Its address, which follows the title.
    pub slug: Option<&'a Slug>,
    /// What it is about.
    pub description: Option<&'a str>,
    /// What it says.
    pub body: Option<&'a str>,
    /// Its tags, sorted and without duplicates.
    pub tags: Option<&'a [String]>,
}

/// Whether no article but `but` lives at an address.
pub async fn is_free(session: &mut Session, slug: &Slug, but: i64) -> Result<bool, DbError> {
    let taken = session.optional::<i64>(&IS_FREE, &[Arg::Text(slug.as_str()), Arg::Int(but)]).await?;
    Ok(taken.is_none())
}

/// Adds an article and gives it its number, unless another lives at its address. It is to be [counted](count_one_more)
/// in the same transaction.
pub async fn insert(
    tx: &mut Tx,
    slug: &Slug,
    article: &NewArticle<'_>,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    let tag_list = json(article.tags)?;
    let args = [
        Arg::Text(slug.as_str()),
        Arg::Text(article.title),
        Arg::Text(article.description),
        Arg::Text(article.body),
        Arg::Text(&tag_list),
        Arg::Int(article.author),
        Arg::Int(now.millis()),
    ];
    let Some(id) = tx.optional::<i64>(&INSERT, &args).await? else { return Ok(None) };
    tag(tx, id, article.tags, &tag_list).await?;
    Ok(Some(id))
}

/// Counts an article that was added. Last in its transaction: everybody who writes or removes an article waits for this
/// row.
pub async fn count_one_more(tx: &mut Tx) -> Result<(), DbError> {
    tx.execute(&COUNT, &[Arg::Int(1)]).await?;
    Ok(())
}

/// Changes an article; [`DbError::Duplicate`] if another lives at its new address.
pub async fn update(tx: &mut Tx, id: i64, changes: &Changes<'_>, now: Timestamp) -> Result<(), DbError> {
    let tag_list = changes.tags.map(json).transpose()?;
    let args = [
        Arg::Int(id),
        Arg::OptText(changes.slug.map(Slug::as_str)),
        Arg::OptText(changes.title),
        Arg::OptText(changes.description),
        Arg::OptText(changes.body),
        Arg::OptText(tag_list.as_deref()),
        Arg::Int(now.millis()),
    ];
    tx.execute(&UPDATE, &args).await?;
    if let Some((tags, tag_list)) = changes.tags.zip(tag_list) {
        tx.execute(&UNTAG, &[Arg::Int(id)]).await?;
        tag(tx, id, tags, &tag_list).await?;
    }
    Ok(())
}

/// Removes an article with its comments, favourites and tags. Says whether it was there.
pub async fn delete(tx: &mut Tx, id: i64) -> Result<bool, DbError> {
    let was_there = tx.execute(&DELETE, &[Arg::Int(id)]).await? == 1;
    if was_there {
        tx.execute(&COUNT, &[Arg::Int(-1)]).await?;
    }
    Ok(was_there)
}

/// Gives an article its tags, of which the list is the JSON.
async fn tag(tx: &mut Tx, id: i64, tags: &[String], tag_list: &str) -> Result<(), DbError> {
    if !tags.is_empty() {
        tx.execute(&TAG, &[Arg::Text(tag_list), Arg::Int(id)]).await?;
    }
    Ok(())
}

fn json(tags: &[String]) -> Result<String, DbError> {
    serde_json::to_string(tags).map_err(|error| DbError::Defect(sqlx::Error::Encode(error.into())))
}
