use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use metrics::{counter, describe_counter};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{Error, Errors, Problems};
use super::extract::{ArticleSlug, Body, MaybeViewer, Query, Viewer};
use super::form::{Fields, Given};
use super::json::JsonWriter;
use super::profile::ProfileView;
use super::respond::RawJson;
use super::together::Together;
use crate::db::article::{self, Article, Changes, Filter, NewArticle, Summary};
use crate::db::{Database, DbError, Tx};
use crate::model::{Complaint, MAX_PASSAGE, MAX_TAG, MAX_TITLE, Page, Slug, Timestamp, line, prose};

/// With so many letters of 36, two articles of one title draw the same suffix once in two billion.
const SUFFIX: usize = 6;
/// The most tags of an article.
const MOST_TAGS: usize = 100;
/// How often another address is tried when somebody was faster.
const ATTEMPTS: usize = 5;

pub(super) fn describe() {
    describe_counter!("conduit_articles_created_total", "Articles that were written.");
    describe_counter!(
        "conduit_shared_reads_total",
        "Pages that were read once for several requests: those requests that did not read."
    );
    counter!("conduit_shared_reads_total").absolute(0);
    counter!("conduit_articles_created_total").absolute(0);
}

/// What every list shows of an article: the form that `write_summary` writes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ArticleSummary)]
pub(super) struct SummaryView {
    slug: String,
    title: String,
    description: String,
    /// Sorted, without duplicates.
    tag_list: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Whether whoever asks favourites it.
    favorited: bool,
    favorites_count: i64,
    author: ProfileView,
}

/// An article, whole: the form that `ArticleResponse::json` writes.
#[derive(Serialize, ToSchema)]
#[schema(as = Article)]
pub(super) struct ArticleView {
    #[serde(flatten)]
    summary: SummaryView,
    body: String,
}

/// An article.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what `json` writes")]
pub(super) struct ArticleResponse {
    article: ArticleView,
}

impl ArticleResponse {
    pub(super) fn json(article: &Article) -> RawJson {
        let mut json = JsonWriter::new();
        json.raw(r#"{"article":{"#);
        write_summary(&mut json, &article.summary);
        json.raw(r#","body":"#).text(&article.body).raw("}}");
        json.finish()
    }
}

/// Articles, newest first.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `PageWriter` writes")]
pub(super) struct ArticlesResponse {
    articles: Vec<SummaryView>,
    /// How many match in all, on this page or not.
    articles_count: i64,
}

/// Writes an [`ArticlesResponse`] article by article, each out of its row and into the body.
struct PageWriter {
    json: JsonWriter,
    empty: bool,
}

impl PageWriter {
    fn new() -> Self {
        let mut json = JsonWriter::new();
        json.raw(r#"{"articles":["#);
        Self { json, empty: true }
    }

    fn add(&mut self, summary: &Summary<'_>) {
        self.json.raw(if self.empty { "{" } else { ",{" });
        self.empty = false;
        write_summary(&mut self.json, summary);
        self.json.raw("}");
    }

    fn finish(mut self, total: i64) -> RawJson {
        self.json.raw(r#"],"articlesCount":"#).int(total).raw("}");
        self.json.finish()
    }
}

/// The fields of a [`SummaryView`], without the braces.
fn write_summary(json: &mut JsonWriter, summary: &Summary<'_>) {
    let author = &summary.author;
    json.raw(r#""slug":"#).text(&summary.slug);
    json.raw(r#","title":"#).text(&summary.title);
    json.raw(r#","description":"#).text(&summary.description);
    json.raw(r#","tagList":"#).raw(&summary.tag_list);
    json.raw(r#","createdAt":"#).time(summary.created_at);
    json.raw(r#","updatedAt":"#).time(summary.updated_at);
    json.raw(r#","favorited":"#).flag(summary.favorited);
    json.raw(r#","favoritesCount":"#).int(summary.favorites_count);
    json.raw(r#","author":{"username":"#).text(&author.username);
    json.raw(r#","bio":"#).text_or_null(author.bio.as_deref());
    json.raw(r#","image":"#).text_or_null(author.image.as_deref());
    json.raw(r#","following":"#).flag(author.following).raw("}");
}

pub(super) fn missing() -> Error {
    Error::NotFound("article")
}

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Query::page` reads")]
struct PageParams {
    /// How many articles at most; more than the server's maximum (100, or as it is set) is served as that.
    #[param(minimum = 1, default = 20)]
    limit: Option<i64>,
    /// How many newer ones to pass over.
    #[param(minimum = 0, maximum = 4_611_686_018_427_387_903_i64, default = 0)]
    offset: Option<i64>,
}

/// Which articles are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `list` reads")]
struct FilterParams {
    /// Those with this tag.
    tag: Option<String>,
    /// Those that the user of this name wrote.
    author: Option<String>,
    /// Those that the user of this name favourites.
    favorited: Option<String>,
}

/// Articles, newest first.
#[utoipa::path(
    get, path = "/articles", tag = "Articles", operation_id = "GetArticles",
    params(FilterParams, PageParams),
    responses((status = 200, description = "The articles", body = ArticlesResponse)),
    security((), ("Token" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    query: Query,
) -> Result<RawJson, Error> {
    let mut problems = Problems::default();
    let tag = problems.check("tag", query.text("tag"));
    let author = problems.check("author", query.text("author"));
    let favorited = problems.check("favorited", query.text("favorited"));
    let page = query.page(app.parts.limits.page, &mut problems);
    let (Some(tag), Some(author), Some(favorited), Some(page)) = (tag, author, favorited, page) else {
        return Err(problems.into());
    };
    let filter = Filter { tag, author, favorited };
    if viewer.is_some() {
        return Ok(read_page(app.db(), filter, page, viewer).await?);
    }
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let question = PageQuestion { tag: owned(tag), author: owned(author), favorited: owned(favorited), page };
    let ask = async || read_page(app.db(), filter, page, None).await.map_err(Arc::new);
    let (answer, shared) = app.parts.pages.answer(question, ask).await;
    if shared {
        counter!("conduit_shared_reads_total").increment(1);
    }
    answer.map_err(|error| error.copy().into())
}

/// A page that anybody may ask for, told from all others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageQuestion {
    tag: Option<String>,
    author: Option<String>,
    favorited: Option<String>,
    page: Page,
}

/// Those who wait for the same page.
pub(super) type Pages = Together<PageQuestion, Result<RawJson, Arc<DbError>>>;

async fn read_page(db: &Database, filter: Filter<'_>, page: Page, viewer: Option<i64>) -> Result<RawJson, DbError> {
    let mut writer = PageWriter::new();
    let mut session = db.read().await?;
    let total = article::page(&mut session, filter, page, viewer, |summary| writer.add(&summary)).await?;
    Ok(writer.finish(total))
}

/// Articles by the users whom whoever asks follows, newest first.
#[utoipa::path(
    get, path = "/articles/feed", tag = "Articles", operation_id = "GetArticlesFeed",
    params(PageParams),
    responses((status = 200, description = "The articles", body = ArticlesResponse)),
    security(("Token" = [])),
)]
pub(super) async fn feed(State(app): State<App>, viewer: Viewer, query: Query) -> Result<RawJson, Error> {
    let mut problems = Problems::default();
    let Some(page) = query.page(app.parts.limits.page, &mut problems) else { return Err(problems.into()) };
    let mut writer = PageWriter::new();
    let mut session = app.db().read().await?;
    let total = article::feed(&mut session, page, viewer.id, |summary| writer.add(&summary)).await?;
    Ok(writer.finish(total))
}

/// An article.
#[utoipa::path(
    get, path = "/articles/{slug}", tag = "Articles", operation_id = "GetArticle",
    params(("slug" = String, Path)),
    responses(
        (status = 200, description = "The article", body = ArticleResponse),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security((), ("Token" = [])),
)]
pub(super) async fn show(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    slug: ArticleSlug,
) -> Result<RawJson, Error> {
    let found = article::find(&mut app.db().read().await?, &slug.0, viewer).await?;
    Ok(ArticleResponse::json(&found.ok_or_else(missing)?))
}

/// An article to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewArticle)]
#[serde(rename_all = "camelCase")]
struct Draft {
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 500)]
    title: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000)]
    description: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1)]
    body: Given<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    tag_list: Given<Vec<String>>,
}

/// An article to be.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewArticleRequest {
    #[serde(default)]
    #[schema(value_type = Draft, required)]
    article: Given<Fields<Draft>>,
}

/// Write an article.
#[utoipa::path(
    post, path = "/articles", tag = "Articles", operation_id = "CreateArticle",
    request_body = NewArticleRequest,
    responses((status = 201, description = "Written", body = ArticleResponse)),
    security(("Token" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    viewer: Viewer,
    Body(request): Body<NewArticleRequest>,
) -> Result<(StatusCode, RawJson), Error> {
    let form = request.article.fields("article")?;
    let mut problems = Problems::default();
    let title = problems.check("title", form.title.required().and_then(|given| title(&given)));
    let description = problems.check("description", form.description.required().and_then(|given| description(&given)));
    let body = problems.check("body", form.body.required().and_then(|given| text(&given)));
    let tags = problems.check("tagList", form.tag_list.optional().and_then(|list| tags(list.unwrap_or_default())));
    let (Some(title), Some(description), Some(body), Some(tags)) = (title, description, body, tags) else {
        return Err(problems.into());
    };
    let new = NewArticle { title: &title, description: &description, body: &body, tags: &tags, author: viewer.id };

    let mut tx = app.db().begin().await?;
    let written = write(&mut tx, &new, SystemTime::now().into()).await;
    let article = tx.finish(written).await?;
    counter!("conduit_articles_created_total").increment(1);
    Ok((StatusCode::CREATED, ArticleResponse::json(&article)))
}

/// Adds an article at the first address of its title that is free.
async fn write(tx: &mut Tx, new: &NewArticle<'_>, now: Timestamp) -> Result<Article, Error> {
    for attempt in 0..ATTEMPTS {
        let Some(slug) = address(new.title, attempt) else { continue };
        if article::insert(tx, &slug, new, now).await?.is_some() {
            let written = article::find(tx, slug.as_str(), Some(new.author)).await?.ok_or_else(missing)?;
            article::count_one_more(tx).await?;
            return Ok(written);
        }
    }
    Err(Error::Internal(format!("{ATTEMPTS} addresses of one title were all taken").into()))
}

/// The address to try: the plain one first, then ones that nobody else tries.
fn address(title: &str, attempt: usize) -> Option<Slug> {
    if attempt == 0 {
        return Some(Slug::of(title, "")).filter(Slug::is_free_for_articles);
    }
    let mut random = rand::rng();
    let suffix: String = (0..SUFFIX).filter_map(|_| char::from_digit(random.random_range(0..36), 36)).collect();
    Some(Slug::of(title, &suffix))
}

fn title(given: &str) -> Result<String, Complaint> {
    line(given, MAX_TITLE).map(str::to_owned)
}

fn description(given: &str) -> Result<String, Complaint> {
    line(given, MAX_PASSAGE).map(str::to_owned)
}

fn text(given: &str) -> Result<String, Complaint> {
    prose(given).map(str::to_owned)
}

/// Sorted and without duplicates.
fn tags(mut given: Vec<String>) -> Result<Vec<String>, Complaint> {
    if given.len() > MOST_TAGS {
        return Err(Complaint::TooMany(MOST_TAGS));
    }
    for tag in &given {
        line(tag, MAX_TAG)?;
    }
    given.sort_unstable();
    given.dedup();
    Ok(given)
}

/// What changes of an article; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = UpdateArticle)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 500)]
    title: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 10_000)]
    description: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1)]
    body: Given<String>,
    /// An empty list removes all tags.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    tag_list: Given<Vec<String>>,
}

/// What changes of an article.
#[derive(Deserialize, ToSchema)]
pub(super) struct UpdateArticleRequest {
    #[serde(default)]
    #[schema(value_type = Update, required)]
    article: Given<Fields<Update>>,
}

/// Change an article. Its slug follows its title.
#[utoipa::path(
    put, path = "/articles/{slug}", tag = "Articles", operation_id = "UpdateArticle",
    params(("slug" = String, Path)),
    request_body = UpdateArticleRequest,
    responses(
        (status = 200, description = "Changed", body = ArticleResponse),
        (status = 403, description = "Somebody else wrote it", body = Errors),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn update(
    State(app): State<App>,
    viewer: Viewer,
    slug: ArticleSlug,
    Body(request): Body<UpdateArticleRequest>,
) -> Result<RawJson, Error> {
    let form = request.article.fields("article")?;
    let mut problems = Problems::default();
    let title =
        problems.check("title", form.title.optional().and_then(|given| given.as_deref().map(title).transpose()));
    let description = problems.check(
        "description",
        form.description.optional().and_then(|given| given.as_deref().map(description).transpose()),
    );
    let body = problems.check("body", form.body.optional().and_then(|given| given.as_deref().map(text).transpose()));
    let tags = problems.check("tagList", form.tag_list.optional().and_then(|given| given.map(tags).transpose()));
    let (Some(title), Some(description), Some(body), Some(tags)) = (title, description, body, tags) else {
        return Err(problems.into());
    };
    let changes = Changes {
        title: title.as_deref(),
        slug: None,
        description: description.as_deref(),
        body: body.as_deref(),
        tags: tags.as_deref(),
    };
    let mut attempt = 0;
    loop {
        let mut tx = app.db().begin().await?;
        let changed = change(&mut tx, &slug, viewer.id, &changes, attempt).await;
        match tx.finish(changed).await {
            // Somebody took the address between the look and the change.
            Err(ChangeError::Db(DbError::Duplicate(_))) if attempt < ATTEMPTS => attempt += 1,
            Err(ChangeError::Db(error)) => return Err(error.into()),
            Err(ChangeError::Refused(error)) => return Err(error),
            Ok(article) => return Ok(ArticleResponse::json(&article)),
        }
    }
}

enum ChangeError {
    Db(DbError),
    Refused(Error),
}

impl From<DbError> for ChangeError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

async fn change(
    tx: &mut Tx,
    slug: &ArticleSlug,
    viewer: i64,
    changes: &Changes<'_>,
    attempt: usize,
) -> Result<Article, ChangeError> {
    let gone = || ChangeError::Refused(missing());
    let article = article::find(tx, &slug.0, Some(viewer)).await?.ok_or_else(gone)?;
    if article.author_id != viewer {
        return Err(ChangeError::Refused(Error::Forbidden("article")));
    }
    let renamed = changes.title.filter(|title| *title != article.summary.title);
    let slug = match renamed {
        None => None,
        Some(title) => Some(free_address(tx, title, article.id, attempt).await?),
    };
    let changes = Changes { slug: slug.as_ref(), ..*changes };
    article::update(tx, article.id, &changes, SystemTime::now().into()).await?;
    let address = slug.as_ref().map_or(&*article.summary.slug, Slug::as_str);
    article::find(tx, address, Some(viewer)).await?.ok_or_else(gone)
}

/// An address of a title at which no other article lives, at the moment of looking.
async fn free_address(tx: &mut Tx, title: &str, id: i64, attempt: usize) -> Result<Slug, DbError> {
    if let Some(plain) = address(title, attempt)
        && article::is_free(tx, &plain, id).await?
    {
        return Ok(plain);
    }
    Ok(address(title, attempt + 1).unwrap_or_else(|| Slug::of(title, "1")))
}

/// Change an article; the same as `PUT`.
#[utoipa::path(
    patch, path = "/articles/{slug}", tag = "Articles", operation_id = "PatchArticle",
    params(("slug" = String, Path)),
    request_body = UpdateArticleRequest,
    responses(
        (status = 200, description = "Changed", body = ArticleResponse),
        (status = 403, description = "Somebody else wrote it", body = Errors),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn patch(
    app: State<App>,
    viewer: Viewer,
    slug: ArticleSlug,
    request: Body<UpdateArticleRequest>,
) -> Result<RawJson, Error> {
    update(app, viewer, slug, request).await
}

/// Remove an article, with its comments and favourites.
#[utoipa::path(
    delete, path = "/articles/{slug}", tag = "Articles", operation_id = "DeleteArticle",
    params(("slug" = String, Path)),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "Somebody else wrote it", body = Errors),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn delete(State(app): State<App>, viewer: Viewer, slug: ArticleSlug) -> Result<StatusCode, Error> {
    let mut tx = app.db().begin().await?;
    let work = async {
        let article = article::lock(&mut tx, &slug.0).await?.ok_or_else(missing)?;
        if article.author_id != viewer.id {
            return Err(Error::Forbidden("article"));
        }
        if article::delete(&mut tx, article.id).await? { Ok(()) } else { Err(missing()) }
    }
    .await;
    tx.finish(work).await?;
    Ok(StatusCode::NO_CONTENT)
}
