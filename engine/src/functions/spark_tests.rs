//! Every row of tests/spark/functions.tsv, which real Spark wrote (tests/spark/functions.py), against our answer in the same zone.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;

/// Rows in which we differ on purpose: our answer, and why.
const DIFFERENT: &[(&str, &str, &str)] =
    &[("split('a1b', '(?<=1)')", ERROR, "look-around is not regular: matching it takes more than linear time")];

/// Stands for any error.
const ERROR: &str = "error";

async fn answer(expression: &str) -> String {
    let engine = crate::Engine::builder().timezone("Asia/Shanghai").build().await.unwrap();
    let query =
        if expression.starts_with("SELECT ") { expression.to_owned() } else { format!("SELECT {expression} AS c") };
    let rows = async {
        let frame = engine.session().sql(&query).await.map_err(|error| error.to_string())?;
        let stream = frame.execute_stream().await.map_err(|error| error.to_string())?;
        let batches: Vec<_> = stream.try_collect().await.map_err(|error| error.to_string())?;
        let format = FormatOptions::default().with_null("\\N").with_datetime_format(Some("%Y-%m-%d %H:%M:%S"));
        let mut rows = Vec::new();
        for batch in &batches {
            let columns: Vec<_> =
                batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &format).unwrap()).collect();
            for row in 0..batch.num_rows() {
                let values: Vec<String> =
                    columns.iter().map(|column| column.value(row).to_string().replace('\n', "\\n")).collect();
                rows.push(values.join("|"));
            }
        }
        Ok::<_, String>(rows.join(";"))
    };
    rows.await.unwrap_or_else(|error| format!("error: {error}"))
}

#[tokio::test]
async fn functions_answer_as_spark_does() {
    let table = include_str!("../../../tests/spark/functions.tsv");
    let mut mistakes = Vec::new();
    let mut rows = 0;
    for line in table.lines() {
        let (expression, spark) = line.split_once('\t').unwrap();
        rows += 1;
        let ours = answer(expression).await;
        let wanted = DIFFERENT.iter().find(|(known, _, _)| *known == expression).map_or(spark, |(_, ours, _)| ours);
        let is_as_wanted = if wanted == ERROR { ours.starts_with("error: ") } else { ours == wanted };
        if !is_as_wanted {
            mistakes.push(format!("{expression}\n    wanted {wanted}\n    ours   {ours}"));
        }
    }
    assert!(rows >= 80, "{rows} rows");
    let known =
        |expression: &str| table.lines().any(|line| line.split_once('\t').is_some_and(|row| row.0 == expression));
    assert!(DIFFERENT.iter().all(|(expression, _, why)| known(expression) && !why.is_empty()));
    assert!(mistakes.is_empty(), "{} of {rows} rows differ:\n{}", mistakes.len(), mistakes.join("\n"));
}
