use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::args::DatabaseArgs;
use super::{ConfigError, Mode, secret};

/// Where the data is, and how much of the database one process may use.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Which database.
    pub place: Where,
    /// Connections that requests share.
    pub pool: u32,
    /// How long a request may wait for the database in all.
    pub timeout: Duration,
}

/// Which database.
#[derive(Clone, Debug)]
pub enum Where {
    /// A Postgres server.
    Postgres(Box<PgConnectOptions>),
    /// A file of the embedded `SQLite`.
    Sqlite(PathBuf),
}

impl fmt::Display for Where {
    /// Never shows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => {
                let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
                let name = options.get_database().unwrap_or(user);
                write!(f, "postgres://{user}@{host}:{port}/{name}")
            }
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
        }
    }
}

impl DatabaseSettings {
    pub(super) fn from_args(args: &DatabaseArgs, mode: Mode) -> Result<Self, ConfigError> {
        let place = match (given(args.database_url.as_ref()), given(args.db_host.as_ref())) {
            (Some(url), _) => from_url(url, mode)?,
            (None, Some(host)) => from_parts(host, args, mode)?,
            (None, None) => {
                refuse_parts_without_host(args)?;
                Where::Sqlite(args.data_file.clone())
            }
        };
        Ok(Self { place, pool: args.db_pool, timeout: args.db_timeout })
    }
}

/// Kubernetes and shells set variables to nothing; that is as good as not setting them.
fn given(value: Option<&String>) -> Option<&str> {
    value.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Whoever sets a user and a password means Postgres: data in a file would be a bad surprise.
fn refuse_parts_without_host(args: &DatabaseArgs) -> Result<(), ConfigError> {
    let parts = [("DB_USER", &args.db_user), ("DB_PASSWORD", &args.db_password), ("DB_NAME", &args.db_name)];
    match parts.iter().find(|(_, value)| given(value.as_ref()).is_some()) {
        None => Ok(()),
        Some((name, _)) => Err(ConfigError::new(
            "DB_HOST",
            format!("not set, but {name} is; set DB_HOST to Postgres' host, or unset {name} to use SQLite"),
        )),
    }
}

fn from_url(url: &str, mode: Mode) -> Result<Where, ConfigError> {
    const NAME: &str = "DATABASE_URL";
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        if file.is_empty() || file.starts_with(":memory:") || file.contains('?') {
            let problem = "names no file; write sqlite:FILE (options and databases in memory are not supported)";
            return Err(ConfigError::new(NAME, problem));
        }
        return Ok(Where::Sqlite(PathBuf::from(file)));
    }
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        let problem = "must begin with postgres:// or sqlite: (its value is not shown, it may hold a password)";
        return Err(ConfigError::new(NAME, problem));
    }
    let options =
        PgConnectOptions::from_str(url).map_err(|error| ConfigError::new(NAME, format!("cannot be read: {error}")))?;
    if mode == Mode::Prod && secret::is_shown_in_public(password_of(url)) {
        return Err(lesson_password(NAME));
    }
    let options = if options.get_database().is_some() {
        options
    } else {
        // As libpq does; done here so that every later step can name the database.
        let user = options.get_username().to_owned();
        options.database(&user)
    };
    Ok(Where::Postgres(Box::new(options)))
}

/// The password in a URL, as it is written there.
fn password_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
    login.split_once(':').map_or("", |(_, password)| password)
}

fn from_parts(host: &str, args: &DatabaseArgs, mode: Mode) -> Result<Where, ConfigError> {
    let port = match given(args.db_service_port.as_ref()) {
        None => 5432,
        Some(text) => text.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| {
            ConfigError::new("DB_SERVICE_PORT", format!("`{text}` is not a port number; leave it empty for 5432"))
        })?,
    };
    let required = |name: &'static str, value: &Option<String>| {
        let value = given(value.as_ref()).map(str::to_owned);
        value.ok_or_else(|| ConfigError::new(name, "not set, but DB_HOST is; Postgres needs it"))
    };
    let user = required("DB_USER", &args.db_user)?;
    let name = required("DB_NAME", &args.db_name)?;
    let mut options = PgConnectOptions::new_without_pgpass().host(host).port(port).username(&user).database(&name);
    if let Some(password) = given(args.db_password.as_ref()) {
        if mode == Mode::Prod && secret::is_shown_in_public(password) {
            return Err(lesson_password("DB_PASSWORD"));
        }
        options = options.password(password);
    }
    Ok(Where::Postgres(Box::new(options)))
}

fn lesson_password(setting: &'static str) -> ConfigError {
    ConfigError::new(setting, "the password is one that the walkthrough shows to everybody; choose another for prod")
}
