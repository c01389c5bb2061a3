use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use metrics::{counter, describe_counter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::error::{Error, Errors, Problems};
use super::extract::{Body, Viewer};
use super::form::{Fields, Given};
use super::respond::Json;
use crate::auth::TokenProblem;
use crate::db::DbError;
use crate::db::user::{self, Changes, NewUser, Taken};
use crate::model::{Complaint, Email, MAX_PASSAGE, Timestamp, Username, prose};

/// A password that is chosen anew has at least this many characters.
const LEAST_PASSWORD: usize = 8;

pub(super) fn describe() {
    describe_counter!("conduit_users_registered_total", "Users who registered.");
    describe_counter!("conduit_logins_total", "Attempts to log in, by result.");
    counter!("conduit_users_registered_total").absolute(0);
    for result in ["success", "failure"] {
        counter!("conduit_logins_total", "result" => result).absolute(0);
    }
}

/// A user, as they know themselves.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserView {
    email: String,
    /// Goes into the `Authorization` header, behind `Token `.
    token: String,
    username: String,
    #[schema(required)]
    bio: Option<String>,
    #[schema(required)]
    image: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserResponse {
    user: UserView,
}

impl UserResponse {
    fn json(user: user::User, token: String) -> Json<Self> {
        let user::User { email, username, bio, image, .. } = user;
        Json(Self { user: UserView { email, token, username, bio, image } })
    }
}

/// Who registers.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewUser)]
struct Registration {
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100)]
    username: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required, format = Email)]
    email: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 1)]
    password: Given<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    bio: Given<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    image: Given<String>,
}

/// Who registers.
#[derive(Deserialize, ToSchema)]
pub(super) struct RegisterRequest {
    #[serde(default)]
    #[schema(value_type = Registration, required)]
    user: Given<Fields<Registration>>,
}

/// Register a new user.
#[utoipa::path(
    post, path = "/users", tag = "User and Authentication", operation_id = "CreateUser",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "Registered and logged in", body = UserResponse),
        (status = 409, description = "Somebody has the username or the e-mail address", body = Errors),
    ),
)]
pub(super) async fn register(
    State(app): State<App>,
    Body(request): Body<RegisterRequest>,
) -> Result<(StatusCode, Json<UserResponse>), Error> {
    let form = request.user.fields("user")?;
    let mut problems = Problems::default();
    let username = problems.check("username", form.username.required().and_then(|name| Username::parse(&name)));
    let email = problems.check("email", form.email.required().and_then(|email| Email::parse(&email)));
    let password = problems.check("password", form.password.required().and_then(password));
    let bio = problems.check("bio", form.bio.clearable(MAX_PASSAGE));
    let image = problems.check("image", form.image.clearable(MAX_PASSAGE));
    let (Some(username), Some(email), Some(password), Some(bio), Some(image)) = (username, email, password, bio, image)
    else {
        return Err(problems.into());
    };
    let (bio, image) = (bio.flatten(), image.flatten());

    // Before the hash, which costs a thousand times as much.
    refuse_taken(&app, Some(&username), Some(&email), None).await?;
    let password_hash = app.parts.passwords.hash(password).await?;
    let now = SystemTime::now();
    let new = NewUser {
        username: &username,
        email: &email,
        password_hash: &password_hash,
        bio: bio.as_deref(),
        image: image.as_deref(),
    };
    let mut tx = app.db().begin().await?;
    let inserted = user::insert(&mut tx, &new, Timestamp::from(now)).await;
    let Some(id) = tx.finish(inserted).await? else {
        // Somebody was faster.
        refuse_taken(&app, Some(&username), Some(&email), None).await?;
        return Err(Error::Internal("a user was neither inserted nor taken".into()));
    };
    counter!("conduit_users_registered_total").increment(1);
    let token = app.parts.tokens.issue(id, now)?;
    let user = user::User { id, username: username.as_str().to_owned(), email: email.as_str().to_owned(), bio, image };
    Ok((StatusCode::CREATED, UserResponse::json(user, token)))
}

async fn refuse_taken(
    app: &App,
    username: Option<&Username>,
    email: Option<&Email>,
    but: Option<i64>,
) -> Result<(), Error> {
    let taken: Taken = user::taken(&mut app.db().read().await?, username, email, but).await?;
    if taken.any() { Err(Error::Taken(taken)) } else { Ok(()) }
}

/// Any that is not blank.
fn password(given: String) -> Result<String, Complaint> {
    if given.trim().is_empty() { Err(Complaint::Blank) } else { Ok(given) }
}

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[schema(as = LoginUser)]
struct Credentials {
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1)]
    email: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 1)]
    password: Given<String>,
}

/// Who logs in.
#[derive(Deserialize, ToSchema)]
pub(super) struct LoginRequest {
    #[serde(default)]
    #[schema(value_type = Credentials, required)]
    user: Given<Fields<Credentials>>,
}

/// Log in.
#[utoipa::path(
    post, path = "/users/login", tag = "User and Authentication", operation_id = "Login",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Logged in", body = UserResponse),
        (status = 401, description = "No user has this e-mail address and this password", body = Errors),
    ),
)]
pub(super) async fn login(
    State(app): State<App>,
    Body(request): Body<LoginRequest>,
) -> Result<Json<UserResponse>, Error> {
    let form = request.user.fields("user")?;
    let mut problems = Problems::default();
    let email = problems.check("email", form.email.required().and_then(|email| prose(&email).map(str::to_owned)));
    let password = problems.check("password", form.password.required().and_then(password));
    let (Some(email), Some(password)) = (email, password) else { return Err(problems.into()) };

    // The connection goes back before the password is hashed.
    let found = user::find_login(&mut app.db().read().await?, &email).await?;
    let (user, hash) = found.unzip();
    let matches = app.parts.passwords.verify(password, hash).await?;
    match user.filter(|_| matches) {
        Some(user) => {
            counter!("conduit_logins_total", "result" => "success").increment(1);
            let token = app.parts.tokens.issue(user.id, SystemTime::now())?;
            Ok(UserResponse::json(user, token))
        }
        None => {
            counter!("conduit_logins_total", "result" => "failure").increment(1);
            Err(Error::Credentials)
        }
    }
}

/// The user who asks.
#[utoipa::path(
    get, path = "/user", tag = "User and Authentication", operation_id = "GetCurrentUser",
    responses((status = 200, description = "The user, with the token that was sent", body = UserResponse)),
    security(("Token" = [])),
)]
pub(super) async fn current(State(app): State<App>, viewer: Viewer) -> Result<Json<UserResponse>, Error> {
    let user = user::find(&mut app.db().read().await?, viewer.id).await?;
    let user = user.ok_or(Error::Token(TokenProblem::Invalid))?;
    Ok(UserResponse::json(user, viewer.token))
}

/// What a user changes of themselves; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = UpdateUser)]
struct Update {
    #[serde(default)]
    #[schema(value_type = String, required = false, format = Email)]
    email: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 100)]
    username: Given<String>,
    #[serde(default)]
    #[schema(value_type = String, required = false, format = Password, min_length = 8)]
    password: Given<String>,
    /// Null or nothing removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    bio: Given<String>,
    /// Null or nothing removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    image: Given<String>,
}

/// What a user changes of themselves.
#[derive(Deserialize, ToSchema)]
pub(super) struct UpdateRequest {
    #[serde(default)]
    #[schema(value_type = Update, required)]
    user: Given<Fields<Update>>,
}

/// Change the user who asks.
#[utoipa::path(
    put, path = "/user", tag = "User and Authentication", operation_id = "UpdateCurrentUser",
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "Changed", body = UserResponse),
        (status = 409, description = "Somebody has the username or the e-mail address", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn update(
    State(app): State<App>,
    viewer: Viewer,
    Body(request): Body<UpdateRequest>,
) -> Result<Json<UserResponse>, Error> {
    let form = request.user.fields("user")?;
    let mut problems = Problems::default();
    let email = form.email.optional().and_then(|email| email.map(|email| Email::parse(&email)).transpose());
    let email = problems.check("email", email);
    let username = form.username.optional().and_then(|name| name.map(|name| Username::parse(&name)).transpose());
    let username = problems.check("username", username);
    let password = form.password.optional().and_then(|password| password.map(new_password).transpose());
    let password = problems.check("password", password);
    let bio = problems.check("bio", form.bio.clearable(MAX_PASSAGE));
    let image = problems.check("image", form.image.clearable(MAX_PASSAGE));
    let (Some(email), Some(username), Some(password), Some(bio), Some(image)) = (email, username, password, bio, image)
    else {
        return Err(problems.into());
    };

    refuse_taken(&app, username.as_ref(), email.as_ref(), Some(viewer.id)).await?;
    let password_hash = match password {
        Some(password) => Some(app.parts.passwords.hash(password).await?),
        None => None,
    };
    let changes = Changes {
        username: username.as_ref(),
        email: email.as_ref(),
        password_hash: password_hash.as_deref(),
        bio: bio.as_ref().map(Option::as_deref),
        image: image.as_ref().map(Option::as_deref),
    };
    let mut tx = app.db().begin().await?;
    let updated = user::update(&mut tx, viewer.id, &changes, SystemTime::now().into()).await;
    match tx.finish(updated).await {
        Ok(user) => {
            let user = user.ok_or(Error::Token(TokenProblem::Invalid))?;
            Ok(UserResponse::json(user, viewer.token))
        }
        Err(error @ DbError::Duplicate(_)) => {
            // Somebody was faster.
            refuse_taken(&app, username.as_ref(), email.as_ref(), Some(viewer.id)).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn new_password(given: String) -> Result<String, Complaint> {
    let given = password(given)?;
    if given.chars().count() < LEAST_PASSWORD { Err(Complaint::TooShort(LEAST_PASSWORD)) } else { Ok(given) }
}

/// Change the user who asks; the same as `PUT`.
#[utoipa::path(
    patch, path = "/user", tag = "User and Authentication", operation_id = "PatchCurrentUser",
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "Changed", body = UserResponse),
        (status = 409, description = "Somebody has the username or the e-mail address", body = Errors),
    ),
    security(("Token" = [])),
)]
pub(super) async fn patch(
    app: State<App>,
    viewer: Viewer,
    request: Body<UpdateRequest>,
) -> Result<Json<UserResponse>, Error> {
    update(app, viewer, request).await
}
