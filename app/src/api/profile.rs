use std::borrow::Cow;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{Error, Errors};
use super::extract::{MaybeViewer, ProfileName, Viewer};
use super::respond::Json;
use crate::db::profile;

/// A user, as others see them.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub(super) struct ProfileView {
    username: Cow<'static, str>,
    #[schema(required)]
    bio: Option<Cow<'static, str>>,
    #[schema(required)]
    image: Option<Cow<'static, str>>,
    /// Whether whoever asks follows them.
    following: bool,
}

impl From<profile::Profile<'static>> for ProfileView {
    fn from(profile: profile::Profile<'static>) -> Self {
        let profile::Profile { username, bio, image, following } = profile;
        Self { username, bio, image, following }
    }
}

/// A profile.
#[derive(Serialize, ToSchema)]
pub(super) struct ProfileResponse {
    profile: ProfileView,
}

fn json(profile: profile::Profile<'static>) -> Json<ProfileResponse> {
    Json(ProfileResponse { profile: profile.into() })
}

/// A user's profile.
#[utoipa::path(
    get, path = "/profiles/{username}", tag = "Profile", operation_id = "GetProfileByUsername",
    params(("username" = String, Path)),
    responses(
        (status = 200, description = "The profile", body = ProfileResponse),
        (status = 404, description = "No user has this name", body = Errors),
    ),
    security((), ("Token" = [])),
)]
pub(super) async fn show(
    State(app): State<App>,
    MaybeViewer(viewer): MaybeViewer,
    name: ProfileName,
) -> Result<Json<ProfileResponse>, Error> {
    let found = profile::find(&mut app.db().read().await?, &name.0, viewer).await?;
    let (_, profile) = found.ok_or(Error::NotFound("profile"))?;
    Ok(json(profile))
}

/// Follow a user.
#[utoipa::path(
    post, path = "/profiles/{username}/follow", tag = "Profile", operation_id = "FollowUserByUsername",
    params(("username" = String, Path)),
    responses(
        (status = 200, description = "Followed, now or before", body = ProfileResponse),
        (status = 404, description = "No user has this name", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn follow(app: State<App>, viewer: Viewer, name: ProfileName) -> Result<Json<ProfileResponse>, Error> {
    set(&app, &viewer, &name, true).await
}

/// Follow a user no longer.
#[utoipa::path(
    delete, path = "/profiles/{username}/follow", tag = "Profile", operation_id = "UnfollowUserByUsername",
    params(("username" = String, Path)),
    responses(
        (status = 200, description = "Not followed, now or before", body = ProfileResponse),
        (status = 404, description = "No user has this name", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn unfollow(
    app: State<App>,
    viewer: Viewer,
    name: ProfileName,
) -> Result<Json<ProfileResponse>, Error> {
    set(&app, &viewer, &name, false).await
}

async fn set(app: &App, viewer: &Viewer, name: &ProfileName, following: bool) -> Result<Json<ProfileResponse>, Error> {
    let mut tx = app.db().begin().await?;
    let work = async {
        let found = profile::find(&mut tx, &name.0, Some(viewer.id)).await?;
        let (id, profile) = found.ok_or(Error::NotFound("profile"))?;
        if following {
            profile::follow(&mut tx, viewer.id, id).await?;
        } else {
            profile::unfollow(&mut tx, viewer.id, id).await?;
        }
        Ok::<_, Error>(profile::Profile { following, ..profile })
    }
    .await;
    tx.finish(work).await.map(json)
}
