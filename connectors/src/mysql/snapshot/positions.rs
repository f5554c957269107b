//! Where a server is by its own account, and what it may commit that this does not show.

use mysql_common::{Row, Value};

use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::connect::Connection;

/// How often the places of transactions are asked for until they are twice the same.
const ROUNDS: u32 = 5;

/// The places in the binary log that open transactions of MariaDB see, and whether the server told them twice alike; None where it writes no log.
///
/// A transaction's place never moves, but the answer to SHOW STATUS goes through one variable that all sessions of the server share, without
/// a lock (`TC_LOG_BINLOG::set_status_variables`): a session that asks at the same moment can get another one's place. So they are asked for one
/// after the other, and once more against whoever else asks.
///
/// # Errors
/// Connection.
pub(super) async fn of_transactions(connections: &mut [Connection]) -> Result<(Vec<Option<String>>, bool)> {
    let mut places = one_by_one(connections).await?;
    for _ in 0..ROUNDS {
        let again = one_by_one(connections).await?;
        if again == places {
            return Ok((places, true));
        }
        places = again;
    }
    Ok((places, false))
}

async fn one_by_one(connections: &mut [Connection]) -> Result<Vec<Option<String>>> {
    let mut places = Vec::with_capacity(connections.len());
    for connection in connections {
        let rows = connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
        let value = |name: &str| named(&rows, name).filter(|value| !value.is_empty());
        let place = value("binlog_snapshot_file").zip(value("binlog_snapshot_position"));
        places.push(place.map(|(file, at)| format!("{file}:{at}")));
    }
    Ok(places)
}

/// Where a server of MySQL is.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    /// The GTIDs that it has executed, which others see.
    Gtids(String),
    /// The end of its binary log. A commit is flushed there before the storage engine makes it visible, so that the end may stand still while
    /// changes become visible.
    Log(String),
}

/// Where a server of MySQL is; None where neither is kept or the user may not see it.
///
/// # Errors
/// Connection.
pub(super) async fn of_server(connection: &mut Connection) -> Result<Option<Place>> {
    let mut variable = async |name: &str| {
        let rows = ask(connection, &format!("SELECT @@GLOBAL.{name}")).await?;
        Ok::<_, ConnectorError>(rows.and_then(|rows| text(rows.first()?, 0)).unwrap_or_default())
    };
    // GTIDs of a time before they were turned off stay in the set, which then stands still
    if variable("gtid_mode").await?.eq_ignore_ascii_case("ON") {
        let gtids = variable("gtid_executed").await?.replace(char::is_whitespace, "");
        if !gtids.is_empty() {
            return Ok(Some(Place::Gtids(gtids)));
        }
    }
    let status = log_status(connection).await?;
    Ok(status.and_then(|row| Some(Place::Log(format!("{}:{}", text(&row, 0)?, text(&row, 1)?)))))
}

/// What a server may commit without a trace in its positions. Sessions with `sql_log_bin = 0` do so too, and no other session can know.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Untraced {
    /// Why such commits may be.
    why: Option<&'static str>,
    /// What replication has applied that the binary log does not hold (MariaDB).
    applied: Option<String>,
}

impl Untraced {
    /// Asks the server.
    ///
    /// # Errors
    /// Connection.
    pub(super) async fn ask(connection: &mut Connection) -> Result<Self> {
        let why = |why| Ok(Self { why: Some(why), applied: None });
        // one statement that does not fail where a variable is not known
        let variables = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                         ('wsrep_on', 'log_slave_updates', 'gtid_slave_pos', 'binlog_do_db', 'binlog_ignore_db')";
        let Some(variables) = ask(connection, variables).await? else {
            return why("it does not tell which changes its binary log leaves out");
        };
        let is_on =
            |name| named(&variables, name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("ON"));
        if is_on("wsrep_on") {
            return why("it is a node of a Galera cluster, and changes of other nodes need not be in its binary log");
        }
        // the filters are variables since MariaDB 11.7; before, and in MySQL, not every user may see them
        let filters = match (named(&variables, "binlog_do_db"), named(&variables, "binlog_ignore_db")) {
            (None, None) => match log_status(connection).await? {
                Some(row) => [text(&row, 2), text(&row, 3)],
                None => [None, None],
            },
            (only, ignored) => [only, ignored],
        };
        if filters.into_iter().flatten().any(|databases| !databases.is_empty()) {
            return why("its binary log leaves databases out (binlog_do_db, binlog_ignore_db)");
        }
        // MySQL counts what it applies among its GTIDs
        if !connection.is_mariadb() || is_on("log_slave_updates") {
            return Ok(Self::default());
        }
        let threads = ask(connection, "SHOW GLOBAL STATUS LIKE 'Slaves_running'").await?;
        if threads.and_then(|rows| text(rows.first()?, 1)).as_deref() != Some("0") {
            return why("it is a replica, and its binary log does not hold what it applies (log_slave_updates = 0)");
        }
        Ok(Self { why: None, applied: named(&variables, "gtid_slave_pos") })
    }

    /// Why equal positions prove nothing, by what was asked before the first transaction and after the last.
    pub(super) fn doubt(&self, after: &Self) -> Option<&'static str> {
        let applied = (self.applied != after.applied)
            .then_some("replication applied changes meanwhile that its binary log does not hold");
        self.why.or(after.why).or(applied)
    }
}

/// The end of the binary log and its filters, which not every user may see.
async fn log_status(connection: &mut Connection) -> Result<Option<Row>> {
    // the first is the name that the statement has in MySQL since 8.2
    let statements = ["SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"];
    for sql in &statements[usize::from(connection.is_mariadb())..] {
        if let Some(row) = ask(connection, sql).await?.and_then(|rows| rows.into_iter().next()) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The answer; None from a server without such a thing, or to a user without the right to see it.
async fn ask(connection: &mut Connection, sql: &str) -> Result<Option<Vec<Row>>> {
    match connection.query(sql).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if error.is_retryable() => Err(error),
        Err(_) => Ok(None),
    }
}

/// The second value of the row whose first one is the name.
fn named(rows: &[Row], name: &str) -> Option<String> {
    let row = rows.iter().find(|row| text(row, 0).is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
    text(row, 1)
}

fn text(row: &Row, column: usize) -> Option<String> {
    match row.as_ref(column)? {
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}
