use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::Error;
use super::respond::Json;
use crate::db::tag;

/// Tags.
#[derive(Serialize, ToSchema)]
pub(super) struct TagsResponse {
    tags: Vec<String>,
}

/// Every tag that an article has, in order.
#[utoipa::path(
    get, path = "/tags", tag = "Tags", operation_id = "GetTags",
    responses((status = 200, description = "The tags", body = TagsResponse)),
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<TagsResponse>, Error> {
    let tags = tag::list(&mut app.db().read().await?).await?;
    Ok(Json(TagsResponse { tags }))
}
