//! What the tests stand on: a real server process, a real Postgres, a client.

mod answers;
mod client;
mod held;
mod postgres;
mod server;
mod wire;

pub(crate) use answers::{TIME, TOKEN, profile};
pub(crate) use client::{PASSWORD, Reply, User};
pub(crate) use held::Held;
pub(crate) use postgres::{Cluster, shared_postgres};
pub(crate) use server::{Backend, Server, conduit, eventually};
pub(crate) use wire::read_one;

/// Writes each test twice: once against `SQLite`, once against Postgres; with more settings if it names some.
///
/// ```ignore
/// on_both! {
///     fn an_article_can_be_read_by_anybody(server) {
///         …
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both {
    ($(fn $name:ident($server:ident $(, $env:expr)?) $body:block)+) => {
        $(fn $name(backend: $crate::support::Backend) {
            let settings: &[(&str, &str)] = &[];
            $(let settings: &[(&str, &str)] = &[settings, &$env].concat();)?
            let $server = &$crate::support::Server::start_with(backend, settings);
            $body
        }

        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name($crate::support::Backend::Sqlite);
            }

            #[test]
            fn on_postgres() {
                super::$name($crate::support::Backend::Postgres);
            }
        })+
    };
}
