use axum::extract::State;

use super::App;
use super::article::{ArticleResponse, missing};
use super::error::{Error, Errors};
use super::extract::{ArticleSlug, Viewer};
use super::respond::RawJson;
use crate::db::{article, favorite};

/// Favourite an article.
#[utoipa::path(
    post, path = "/articles/{slug}/favorite", tag = "Favorites", operation_id = "CreateArticleFavorite",
    params(("slug" = String, Path)),
    responses(
        (status = 200, description = "Favourited, now or before", body = ArticleResponse),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn add(app: State<App>, viewer: Viewer, slug: ArticleSlug) -> Result<RawJson, Error> {
    set(&app, &viewer, &slug, true).await
}

/// Favourite an article no longer.
#[utoipa::path(
    delete, path = "/articles/{slug}/favorite", tag = "Favorites", operation_id = "DeleteArticleFavorite",
    params(("slug" = String, Path)),
    responses(
        (status = 200, description = "Not favourited, now or before", body = ArticleResponse),
        (status = 404, description = "No article has this slug", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn remove(app: State<App>, viewer: Viewer, slug: ArticleSlug) -> Result<RawJson, Error> {
    set(&app, &viewer, &slug, false).await
}

async fn set(app: &App, viewer: &Viewer, slug: &ArticleSlug, favorite: bool) -> Result<RawJson, Error> {
    let mut tx = app.db().begin().await?;
    let work = async {
        let located = article::lock(&mut tx, &slug.0).await?.ok_or_else(missing)?;
        if favorite {
            favorite::add(&mut tx, viewer.id, located.id).await?;
        } else {
            favorite::remove(&mut tx, viewer.id, located.id).await?;
        }
        article::find(&mut tx, &slug.0, Some(viewer.id)).await?.ok_or_else(missing)
    }
    .await;
    Ok(ArticleResponse::json(&tx.finish(work).await?))
}
