use std::io::{self, Write as _};

use crate::config::args::{Dialect, SqlArgs};
use crate::db;

/// Prints the statements that a server sends, for `EXPLAIN`, for `pgbench` and for people.
pub(super) fn print(args: &SqlArgs) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let wanted = args.name.as_deref().unwrap_or_default();
    for statement in db::statements() {
        if !statement.name.starts_with(wanted) {
            continue;
        }
        let dialect = if args.pgbench { Dialect::Postgres } else { args.dialect };
        let sql = statement.sql(dialect);
        let sql = if args.pgbench { sql.replace('$', ":p") } else { sql.to_owned() };
        writeln!(out, "-- {}\n{sql};\n", statement.name)?;
    }
    Ok(())
}
