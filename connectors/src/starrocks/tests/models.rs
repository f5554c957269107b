//! Writes into every table model: duplicates, unique and aggregate keys, and what primary key tables take beside rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use super::{MiniRocks, request, texts};
use crate::catalog::RemoteCatalog;
use crate::error::{ErrorCode, Result};
use crate::sink::{ColumnMapping, Reject, plan_insert};

/// Runs `INSERT INTO d.t (list) SELECT * FROM src` through the two write nodes; the rejects with it.
async fn insert(
    sr: &MiniRocks,
    job: &str,
    list: &[&str],
    rows: &RecordBatch,
    properties: &[(&str, &str)],
) -> Result<Vec<Reject>> {
    let context = SessionContext::new();
    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
    context.register_table("src", Arc::new(table)).unwrap();
    let select = context.state().create_logical_plan("SELECT * FROM src").await.unwrap();
    let (mut request, rejects) = request(rows, vec![], properties);
    request.id.job = job.to_owned();
    request.mapping = match list {
        [] => ColumnMapping::Position,
        ["BY NAME"] => ColumnMapping::ByName,
        list => ColumnMapping::List(list.iter().map(|name| (*name).to_owned()).collect()),
    };
    let planned = sr.catalog.plan_write(request).await?;
    let insert = plan_insert(&context.state(), select, planned, rejects.clone(), "UTC").await?;
    datafusion::physical_plan::collect(insert.plan, context.task_ctx()).await?;
    Ok(rejects.first())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true))).unwrap()
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn strings(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn people(ids: &[i32], names: &[&str], scores: &[i32]) -> RecordBatch {
    batch(vec![("id", ints(ids)), ("name", strings(names)), ("score", ints(scores))])
}

async fn stored(sr: &MiniRocks) -> Vec<Vec<Option<String>>> {
    sr.rows("SELECT * FROM d.t ORDER BY 1, 2, 3").await
}

async fn primary_key_table() -> MiniRocks {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT NOT NULL, name STRING NOT NULL, score INT) PRIMARY KEY(id)").await;
    insert(&sr, "setup", &[], &people(&[1, 2, 3], &["a", "b", "c"], &[10, 20, 30]), &[]).await.unwrap();
    sr
}

#[tokio::test]
async fn rows_of_one_key_are_kept_replaced_or_summed_by_the_model() {
    for (model, expected) in [
        ("DUPLICATE KEY(id)", vec![texts(&["1", "a", "10"]), texts(&["1", "b", "5"]), texts(&["2", "c", "7"])]),
        ("UNIQUE KEY(id)", vec![texts(&["1", "b", "5"]), texts(&["2", "c", "7"])]),
        ("PRIMARY KEY(id)", vec![texts(&["1", "b", "5"]), texts(&["2", "c", "7"])]),
        ("AGGREGATE KEY(id)", vec![texts(&["1", "b", "15"]), texts(&["2", "c", "7"])]),
    ] {
        let sr = MiniRocks::start().await;
        let is_aggregate = model.starts_with("AGG");
        let (name, score) = if is_aggregate { ("STRING REPLACE", "INT SUM") } else { ("STRING", "INT") };
        sr.run(&format!("CREATE TABLE d.t (id INT NOT NULL, name {name}, score {score}) {model}")).await;
        insert(&sr, "a", &[], &people(&[1], &["a"], &[10]), &[]).await.unwrap();
        insert(&sr, "b", &[], &people(&[1, 2], &["b", "c"], &[5, 7]), &[]).await.unwrap();
        assert_eq!(stored(&sr).await, expected, "{model}");
    }
}

#[tokio::test]
async fn rows_with_an_operation_are_upserts_and_deletes() {
    let sr = primary_key_table().await;
    let list = ["id", "name", "score", "__op"];
    let rows = batch(vec![
        ("id", ints(&[1, 2, 4])),
        ("name", strings(&["", "B", "d"])),
        ("score", ints(&[0, 21, 40])),
        ("op", strings(&["delete", "upsert", "0"])),
    ]);
    insert(&sr, "list", &list, &rows, &[]).await.unwrap();
    let expected = [texts(&["2", "B", "21"]), texts(&["3", "c", "30"]), texts(&["4", "d", "40"])];
    assert_eq!(stored(&sr).await, expected);

    // by name, as numbers, and in a load that must be JSON
    let rows = batch(vec![
        ("__op", Arc::new(Int64Array::from(vec![1, 0])) as ArrayRef),
        ("id", ints(&[2, 5])),
        ("name", strings(&["x", "\\N"])),
        ("score", ints(&[0, 50])),
    ]);
    insert(&sr, "name", &["BY NAME"], &rows, &[]).await.unwrap();
    let expected = [texts(&["3", "c", "30"]), texts(&["4", "d", "40"]), texts(&["5", "\\N", "50"])];
    assert_eq!(stored(&sr).await, expected);
}

#[tokio::test]
async fn other_operations_are_rejects() {
    let sr = primary_key_table().await;
    let rows = batch(vec![
        ("id", ints(&[1, 2, 3])),
        ("name", strings(&["A", "B", "C"])),
        ("op", Arc::new(Int32Array::from(vec![Some(0), Some(2), None]))),
    ]);
    let list = ["id", "name", "__op"];
    assert_eq!(insert(&sr, "strict", &list, &rows, &[]).await.unwrap_err().code(), ErrorCode::Rejects);
    let rejects = insert(&sr, "lenient", &list, &rows, &[("error_limit", "2")]).await.unwrap();
    let found: Vec<_> =
        rejects.iter().map(|it| (it.column.as_deref(), it.value.as_deref(), it.reason.as_str())).collect();
    assert_eq!(
        found,
        [
            (Some("__op"), Some("2"), "is neither 0 (upsert) nor 1 (delete)"),
            (Some("__op"), None, "NULL in a NOT NULL column")
        ]
    );
    assert_eq!(stored(&sr).await[0], texts(&["1", "A", "NULL"]));
}

#[tokio::test]
async fn an_operation_for_another_model_is_refused_before_anything_is_sent() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, name STRING, score INT) DUPLICATE KEY(id)").await;
    let rows = batch(vec![("id", ints(&[1])), ("__op", ints(&[1]))]);
    let error = insert(&sr, "a", &["id", "__op"], &rows, &[]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Name);
    assert!(error.message().contains("sr.d.t") && error.message().contains("DUPLICATE KEY"), "{error}");
}

#[tokio::test]
async fn a_partial_update_changes_the_columns_that_are_named() {
    let sr = primary_key_table().await;
    let on = ("partial_update", "true");
    let rows = batch(vec![("id", ints(&[1, 2])), ("score", ints(&[11, 22]))]);
    insert(&sr, "row", &["id", "score"], &rows, &[on]).await.unwrap();
    let expected = [texts(&["1", "a", "11"]), texts(&["2", "b", "22"]), texts(&["3", "c", "30"])];
    assert_eq!(stored(&sr).await, expected);

    let rows = batch(vec![("id", ints(&[3])), ("name", strings(&["\u{1}"]))]);
    insert(&sr, "json", &["BY NAME"], &rows, &[on, ("format", "json")]).await.unwrap();
    assert_eq!(stored(&sr).await[2], texts(&["3", "\u{1}", "30"]));

    let rows = batch(vec![("name", strings(&["x"]))]);
    let error = insert(&sr, "keyless", &["name"], &rows, &[on]).await.unwrap_err();
    assert!(error.message().contains("leaves out `id`"), "{error}");
}

#[tokio::test]
async fn a_merge_condition_keeps_the_greater_value() {
    let sr = primary_key_table().await;
    let rows = people(&[1, 2, 4], &["A", "B", "D"], &[9, 25, 40]);
    insert(&sr, "merge", &[], &rows, &[("merge_condition", "score")]).await.unwrap();
    let expected =
        [texts(&["1", "a", "10"]), texts(&["2", "B", "25"]), texts(&["3", "c", "30"]), texts(&["4", "D", "40"])];
    assert_eq!(stored(&sr).await, expected);
    let error = insert(&sr, "key", &[], &rows, &[("merge_condition", "id")]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Option, "{error}");
}

#[tokio::test]
async fn rows_that_a_condition_of_the_load_leaves_out_are_said() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, name STRING, score INT) DUPLICATE KEY(id)").await;
    let rows = people(&[1, 2, 3], &["a", "b", "c"], &[1, 2, 3]);
    insert(&sr, "where", &[], &rows, &[("where", "score > 1")]).await.unwrap();
    assert_eq!(stored(&sr).await, [texts(&["2", "b", "2"]), texts(&["3", "c", "3"])]);
}

#[tokio::test]
async fn updates_and_deletes_of_the_server_run_there() {
    let sr = primary_key_table().await;
    sr.run("UPDATE d.t SET score = score + 1 WHERE id < 3").await;
    sr.run("DELETE FROM d.t WHERE id = 3").await;
    assert_eq!(stored(&sr).await, [texts(&["1", "a", "11"]), texts(&["2", "b", "21"])]);
}
