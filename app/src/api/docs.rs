use axum::Router;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Redirect, Response};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::App;
use super::error::{Error, Errors};

/// What every route may answer beside what it documents itself is added here, where it is true of all
/// of them.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Conduit",
        description = "The RealWorld blogging API. Times are UTC with milliseconds. Every error has the form \
            `{\"errors\": {\"<field or resource>\": [\"<message>\"]}}`.",
    ),
    servers((url = "/api"), (url = "/")),
    components(schemas(Errors)),
    modifiers(&TokenScheme),
    tags(
        (name = "User and Authentication"),
        (name = "Profile"),
        (name = "Articles"),
        (name = "Comments"),
        (name = "Favorites"),
        (name = "Tags"),
    ),
)]
struct Contract;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, document: &mut Document) {
        let header = ApiKeyValue::with_description("Authorization", "`Token <jwt>` or `Bearer <jwt>`");
        if let Some(components) = &mut document.components {
            components.add_security_scheme("Token", SecurityScheme::ApiKey(ApiKey::Header(header)));
        }
    }
}

pub(super) fn openapi() -> Document {
    Contract::openapi()
}

/// Adds to each operation the answers that the extractors and the server give on its behalf.
fn complete(document: &mut Document) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            let mut answers =
                vec![("500", "A defect; the log says why"), ("503", "The server is short of something; try again")];
            if operation.request_body.is_some() {
                answers.push(("400", "The body is not JSON"));
                answers.push(("408", "The body did not arrive in time"));
                answers.push(("413", "The body is too large"));
            }
            if operation.security.is_some() {
                answers.push(("401", "The token is missing, invalid or has expired"));
            }
            let has_query = operation.parameters.iter().flatten().any(in_query);
            if has_query || operation.request_body.is_some() {
                answers.push(("422", "What was given makes no sense, field by field"));
            }
            for (status, description) in answers {
                let errors = Ref::from_schema_name("Errors");
                let content = ContentBuilder::new().schema(Some(errors)).build();
                let response =
                    ResponseBuilder::new().description(description).content("application/json", content).build();
                operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
            }
        }
    }
}

fn in_query(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query)
}

/// `/openapi.json`, and a page at `/docs` that shows it and needs nothing from elsewhere.
pub(super) fn router(mut document: Document) -> Router<App> {
    complete(&mut document);
    let config = Config::from("/openapi.json").validator_url("none").persist_authorization(true);
    let router: Router<App> = SwaggerUi::new("/docs").url("/openapi.json", document).config(config).into();
    router.layer(map_response(in_our_words))
}

/// A part of the page that is not there is an error like any other.
async fn in_our_words(response: Response) -> Response {
    match response.status() {
        StatusCode::NOT_FOUND => Error::NotFound("route").into_response(),
        _ => response,
    }
}

/// Who opens the server in a browser finds the documentation.
pub(super) async fn root() -> Redirect {
    Redirect::temporary("/docs/")
}
