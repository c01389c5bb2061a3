use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use metrics::{counter, describe_counter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::article::missing;
use super::error::{Error, Errors, Problems};
use super::extract::{ArticleSlug, Body, CommentId, MaybeViewer, Viewer};
use super::form::{Fields, Given};
use super::profile::ProfileView;
use super::respond::Json;
use crate::db::{article, comment};
use crate::model::{MAX_COMMENT, Timestamp, line};

pub(super) fn describe() {
    describe_counter!("conduit_comments_created_total", "Comments that were written.");
    counter!("conduit_comments_created_total").absolute(0);
}

/// A comment.
#[derive(Serialize, ToSchema)]
#[schema(as = Comment)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommentView {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    body: String,
    author: ProfileView,
}

impl From<comment::Comment> for CommentView {
    fn from(comment: comment::Comment) -> Self {
        let comment::Comment { id, body, created_at, updated_at, author } = comment;
        Self { id, created_at, updated_at, body, author: author.into() }
    }
}

/// A comment.
#[derive(Serialize, ToSchema)]
pub(super) struct CommentResponse {
    comment: CommentView,
}

/// Comments.
#[derive(Serialize, ToSchema)]
pub(super) struct CommentsResponse {
    comments: Vec<CommentView>,
}

/// A comment to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewComment)]
struct Draft {
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 65_536)]
    body: Given<String>,
}

/// A comment to be.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewCommentRequest {
    #[serde(default)]
    #[schema(value_type = Draft, required)]
    comment: Given<Fields<Draft>>,
}

/// An article's comments, oldest first.
#[utoipa::path(
    get, path = "/articles/{slug}/comments", tag = "Comments", operation_id = "GetArticleComments",
    params(("slug" = String, Path)),
    responses(
        (status = 200, description = "The comments", body = CommentsResponse),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security((), ("Token" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    slug: ArticleSlug,
) -> Result<Json<CommentsResponse>, Error> {
    let mut session = app.db().read().await?;
    let article = article::locate(&mut session, &slug.0).await?.ok_or_else(missing)?;
    let comments = comment::list(&mut session, article.id, viewer).await?;
    Ok(Json(CommentsResponse { comments: comments.into_iter().map(Into::into).collect() }))
}

/// Comment on an article.
#[utoipa::path(
    post, path = "/articles/{slug}/comments", tag = "Comments", operation_id = "CreateArticleComment",
    params(("slug" = String, Path)),
    request_body = NewCommentRequest,
    responses(
        (status = 201, description = "Written", body = CommentResponse),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    viewer: Viewer,
    slug: ArticleSlug,
    Body(request): Body<NewCommentRequest>,
) -> Result<(StatusCode, Json<CommentResponse>), Error> {
    let form = request.comment.fields("comment")?;
    let body = form.body.required().and_then(|body| line(&body, MAX_COMMENT).map(str::to_owned));
    let body = body.map_err(|complaint| Problems::one("body", complaint))?;
    let mut tx = app.db().begin().await?;
    let work = async {
        let article = article::locate(&mut tx, &slug.0).await?.ok_or_else(missing)?;
        let comment = comment::insert(&mut tx, article.id, viewer.id, &body, SystemTime::now().into()).await?;
        Ok::<_, Error>(comment)
    }
    .await;
    let comment = tx.finish(work).await?;
    counter!("conduit_comments_created_total").increment(1);
    Ok((StatusCode::CREATED, Json(CommentResponse { comment: comment.into() })))
}

/// Remove a comment.
#[utoipa::path(
    delete, path = "/articles/{slug}/comments/{id}", tag = "Comments", operation_id = "DeleteArticleComment",
    params(("slug" = String, Path), ("id" = i64, Path)),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "Somebody else wrote it", body = Errors),
        (status = 404, description = "No article has this slug, or no such comment", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn delete(
    State(app): State<App>,
    viewer: Viewer,
    slug: ArticleSlug,
    id: CommentId,
) -> Result<StatusCode, Error> {
    let mut tx = app.db().begin().await?;
    let work = async {
        let article = article::locate(&mut tx, &slug.0).await?.ok_or_else(missing)?;
        let id = id.number().ok_or(Error::NotFound("comment"))?;
        let author = comment::author(&mut tx, article.id, id).await?.ok_or(Error::NotFound("comment"))?;
        if author != viewer.id {
            return Err(Error::Forbidden("comment"));
        }
        comment::delete(&mut tx, id).await.map_err(Error::from)
    }
    .await;
    tx.finish(work).await?;
    Ok(StatusCode::NO_CONTENT)
}
