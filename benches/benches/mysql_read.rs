//! Reading a table of MySQL over one connection: a loop of mysql_async that drops the rows, beside rows decoded into Arrow batches.
//!
//! `cargo bench -p syncline-benches --bench mysql_read [-- ROUNDS]` reads `workshop.ods_user_info_d` (`benches/peers/gen_data.py` makes it) of
//! the server that `SYNCLINE_TEST_MYSQL` names, both in turn, and prints a line of JSON for each read: the program, rows, seconds, and
//! seconds of CPU time of this process (null where the system does not tell them).

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use mysql_async::prelude::Queryable;
use syncline_connectors::catalog::CatalogConfig;
use syncline_connectors::mysql_protocol::connect::{ConnectionPool, Dialect};
use syncline_connectors::mysql_protocol::decode::{BatchBuilder, ReadColumn};
use syncline_connectors::mysql_protocol::described::read_column;
use syncline_connectors::mysql_protocol::options::ConnectionConfig;
use syncline_connectors::mysql_protocol::wire::{Answer, Step};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SQL: &str = "SELECT id, uid, gender, age_range, zodiac, score, created FROM workshop.ods_user_info_d";
/// Rows of a batch: DataFusion's default.
const BATCH_ROWS: usize = 8192;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo runs it as a test too, without a server.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = arguments.iter().find_map(|argument| argument.parse::<u32>().ok()).unwrap_or(5);
    let url = std::env::var("SYNCLINE_TEST_MYSQL").map_err(|_| "SYNCLINE_TEST_MYSQL names no server")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut output = std::io::stdout().lock();
    for _ in 0..rounds {
        for program in ["mysql_async", "syncline"] {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            let rows = runtime.block_on(async {
                match program {
                    "mysql_async" => rows_dropped(&url).await,
                    _ => rows_in_batches(&url).await,
                }
            })?;
            let seconds = start.elapsed().as_secs_f64();
            let cpu = cpu_seconds().zip(cpu).map(|(end, start)| end - start);
            let line = serde_json::json!({"program": program, "rows": rows, "seconds": seconds, "cpu_seconds": cpu});
            writeln!(output, "{line}")?;
        }
    }
    Ok(())
}

async fn rows_dropped(url: &str) -> Outcome<usize> {
    let opts = mysql_async::OptsBuilder::from_opts(mysql_async::Opts::from_url(url)?).prefer_socket(false);
    let mut connection = mysql_async::Conn::new(opts).await?;
    let mut result = connection.exec_iter(SQL, ()).await?;
    let mut rows = 0;
    while let Some(row) = result.next().await? {
        rows += usize::from(!row.is_empty());
    }
    drop(result);
    connection.disconnect().await?;
    Ok(rows)
}

async fn rows_in_batches(url: &str) -> Outcome<usize> {
    let options = [("url", url), ("ssl_mode", "disabled")].into_iter().collect();
    let config = CatalogConfig { name: "bench".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let config = ConnectionConfig::parse(&config, 3306, &[])?;
    let zero_dates = config.zero_dates;
    let mut connection = ConnectionPool::new(config, Dialect::MySql).get().await?;
    let conn = connection.conn()?;
    let Answer::Rows(described) = conn.query_bound(SQL, &[]).await? else { return Err("no rows".into()) };
    let columns: Vec<ReadColumn> = described.iter().map(|column| read_column(column, false)).collect();
    let mut batches = BatchBuilder::new(&columns, "bench", zero_dates, None, BATCH_ROWS);
    batches.expect(&described, conn.protocol())?;
    let mut rows = 0;
    loop {
        match conn.step()? {
            Step::Row(row) => {
                batches.push(row)?;
                if batches.is_full() {
                    rows += batches.finish()?.num_rows();
                }
            }
            Step::Wait => conn.fill().await?,
            Step::End => break,
        }
    }
    rows += batches.finish()?.num_rows();
    connection.close().await;
    Ok(rows)
}

/// CPU time of this thread, which does everything: the first number of Linux's schedstat, in nanoseconds.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}
