use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A table that nobody else can use, until this is dropped.
pub(crate) struct Held {
    // Before what runs it.
    _connection: PgConnection,
    _runtime: tokio::runtime::Runtime,
}

impl Held {
    pub(crate) fn lock(url: &str, table: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let lock = format!("begin; lock table {table} in access exclusive mode");
            connection.execute(AssertSqlSafe(lock)).await.unwrap();
            connection
        });
        Self { _connection: connection, _runtime: runtime }
    }
}
