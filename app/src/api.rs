//! The API on the wire: what a request means, who may ask it, and how the answer is written.
//!
//! A handler runs in the contract's order of checks: who asks (401), what is asked (422), whether it
//! is there (404), whether they may (403). It reads and writes through [`db`](crate::db) and holds no
//! connection while it hashes a password.

mod article;
mod comment;
mod docs;
mod error;
mod extract;
mod favorite;
mod form;
mod json;
mod observe;
mod profile;
mod receive;
mod respond;
mod tag;
mod together;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Passwords, Tokens};
use crate::config::Limits;
use crate::db::Database;

pub use error::{Error, Problems};
pub use observe::Cut;

/// What handlers share.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
}

struct Parts {
    db: Database,
    passwords: Passwords,
    tokens: Tokens,
    limits: Limits,
    /// Pages that the anonymous ask for, which are the same for all of them.
    pages: article::Pages,
    bodies: receive::Memory,
}

impl App {
    /// Puts together what handlers share.
    #[must_use]
    pub fn new(db: Database, passwords: Passwords, tokens: Tokens, limits: Limits) -> Self {
        let (pages, bodies) = (article::Pages::new(), receive::Memory::new(limits.body));
        Self { parts: Arc::new(Parts { db, passwords, tokens, limits, pages, bodies }) }
    }

    fn db(&self) -> &Database {
        &self.parts.db
    }
}

/// Names the families of this room, and makes the series exist that alerts look at.
pub fn describe_metrics() {
    observe::describe();
    receive::describe();
    user::describe();
    article::describe();
    comment::describe();
}

/// The routes of the contract, in its order, documented where they are handled.
fn contract() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(docs::openapi())
        .routes(routes!(user::register))
        .routes(routes!(user::login))
        .routes(routes!(user::current, user::update, user::patch))
        .routes(routes!(profile::show))
        .routes(routes!(profile::follow, profile::unfollow))
        .routes(routes!(article::list, article::create))
        .routes(routes!(article::feed))
        .routes(routes!(article::show, article::update, article::patch, article::delete))
        .routes(routes!(comment::list, comment::create))
        .routes(routes!(comment::delete))
        .routes(routes!(favorite::add, favorite::remove))
        .routes(routes!(tag::list))
}

/// Everything that the API's listener answers: the contract at `/` and at `/api`, its document and the
/// page that shows it.
pub fn router(app: App) -> Router {
    let (contract, openapi) = contract().split_for_parts();
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION])
        .expose_headers([observe::REQUEST_ID]);
    Router::new()
        .merge(docs::router(openapi))
        .route("/", get(docs::root))
        .nest("/api", contract.clone())
        .merge(contract)
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), receive::receive))
        .with_state(app)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(cors)
        .layer(from_fn(observe::observe))
}
