//! SHOW statements. LIKE filters by the first column; WHERE, ORDER BY and LIMIT are those of a query over the rows.

use super::describe;
use super::error::SqlError;
use super::information_schema::{distribution_parts, partition_value_text, table_names, time_text};
use super::parser::SHOW_RESULT;
use super::rows::RowStream;
use super::session::SessionView;
use super::statement::{Show, ShowKind, TableName};
use super::system_table::{Cell, SystemTable};
use super::{CATALOG, INFORMATION_SCHEMA};
use crate::storage::{LabelState, TransactionInfo};

pub(super) async fn show(view: &SessionView<'_>, show: &Show) -> Result<RowStream, SqlError> {
    let mut table = table(view, &show.kind)?;
    if let Some(pattern) = &show.like {
        table.retain_like(pattern);
    }
    let batch = table.into_batch()?;
    match &show.filter {
        None => Ok(RowStream::from_batch(batch)),
        Some(query) => view.services.engine.rows_with(view, query, &[], Some((SHOW_RESULT, batch))).await,
    }
}

fn table(view: &SessionView<'_>, kind: &ShowKind) -> Result<SystemTable, SqlError> {
    match kind {
        ShowKind::Databases => Ok(databases(view)),
        ShowKind::Catalogs => Ok(one_row(&["Catalog", "Type", "Comment"], &[CATALOG, "Internal", ""])),
        ShowKind::Tables { database, full } => tables(view, database.as_deref(), *full),
        ShowKind::TableStatus { database } => table_status(view, database.as_deref()),
        ShowKind::Columns { table, full } => describe::columns(view, table, *full),
        ShowKind::Partitions { table, temporary } => partitions(view, table, *temporary),
        ShowKind::Indexes { table } => {
            view.open_table(table)?;
            Ok(SystemTable::of_text(&[
                "Table",
                "Non_unique",
                "Key_name",
                "Seq_in_index",
                "Column_name",
                "Collation",
                "Cardinality",
                "Sub_part",
                "Packed",
                "Null",
                "Index_type",
                "Comment",
            ]))
        }
        ShowKind::CreateTable(name) => {
            let table = view.open_table(name)?;
            Ok(one_row(&["Table", "Create Table"], &[table.name(), &describe::create_table_text(&table)]))
        }
        ShowKind::CreateDatabase(name) => {
            let database = view.open_database(Some(name))?;
            let text = format!("CREATE DATABASE {}", describe::quoted_name(database.name()));
            Ok(one_row(&["Database", "Create Database"], &[database.name(), &text]))
        }
        ShowKind::Variables => Ok(variables(view)),
        ShowKind::Backends => Ok(backends(view)),
        ShowKind::Frontends => Ok(frontends(view)),
        ShowKind::FrontendConfig => Ok(frontend_config()),
        ShowKind::Load { database } => loads(view, database.as_deref(), true),
        ShowKind::StreamLoad { database } => loads(view, database.as_deref(), false),
        ShowKind::Charset => Ok(one_row(
            &["Charset", "Description", "Default collation", "Maxlen"],
            &["utf8", "UTF-8 Unicode", "utf8_general_ci", "4"],
        )),
        ShowKind::Collation => Ok(one_row(
            &["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"],
            &["utf8_general_ci", "utf8", "33", "Yes", "Yes", "1"],
        )),
        ShowKind::Engines => Ok(one_row(
            &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"],
            &["OLAP", "YES", "Default storage engine of StarRocks", "NO", "NO", "NO"],
        )),
        ShowKind::Processlist => Ok(one_row(
            &["Id", "User", "Host", "Db", "Command", "ConnectionStartTime", "Time", "State", "Info", "IsPending"],
            &[
                &view.connection_id.to_string(),
                "root",
                view.client_host,
                view.database.unwrap_or_default(),
                "Query",
                "",
                "0",
                "OK",
                "",
                "false",
            ],
        )),
        ShowKind::Grants => {
            Ok(one_row(&["UserIdentity", "Catalog", "Grants"], &["'root'@'%'", CATALOG, "GRANT 'root' TO 'root'@'%'"]))
        }
        ShowKind::Warnings => Ok(SystemTable::of_text(&["Level", "Code", "Message"])),
        ShowKind::Empty("ALTER") => Ok(SystemTable::of_text(&[
            "JobId",
            "TableName",
            "CreateTime",
            "FinishTime",
            "IndexName",
            "IndexId",
            "OriginIndexId",
            "SchemaVersion",
            "TransactionId",
            "State",
            "Msg",
            "Progress",
            "Timeout",
            "Warehouse",
        ])),
        ShowKind::Empty("STATUS" | "SESSION" | "GLOBAL") => Ok(SystemTable::of_text(&["Variable_name", "Value"])),
        ShowKind::Empty(_) => Ok(SystemTable::of_text(&["Name"])),
    }
}

fn one_row(columns: &[&str], values: &[&str]) -> SystemTable {
    let mut table = SystemTable::of_text(columns);
    table.push(values.iter().map(|value| Cell::from(*value)).collect());
    table
}

fn databases(view: &SessionView<'_>) -> SystemTable {
    let mut table = SystemTable::of_text(&["Database"]);
    let databases = view.services.warehouse.databases();
    let mut names: Vec<&str> = databases.iter().map(|database| database.name()).chain([INFORMATION_SCHEMA]).collect();
    names.sort_unstable();
    names.into_iter().for_each(|name| table.push(vec![name.into()]));
    table
}

fn tables(view: &SessionView<'_>, database: Option<&str>, full: bool) -> Result<SystemTable, SqlError> {
    let name = view.database_of(database)?;
    let head = format!("Tables_in_{name}");
    let system = name.eq_ignore_ascii_case(INFORMATION_SCHEMA);
    let mut table = if full { SystemTable::of_text(&[&head, "Table_type"]) } else { SystemTable::of_text(&[&head]) };
    let names: Vec<String> = if system {
        table_names().map(str::to_owned).collect()
    } else {
        let database = view.services.warehouse.database(&name).map_err(|_| SqlError::unknown_database(&name))?;
        database.tables().iter().map(|table| table.name().to_owned()).collect()
    };
    for name in names {
        let mut row = vec![Cell::Text(name)];
        if full {
            row.push(if system { "SYSTEM VIEW" } else { "BASE TABLE" }.into());
        }
        table.push(row);
    }
    Ok(table)
}

fn table_status(view: &SessionView<'_>, database: Option<&str>) -> Result<SystemTable, SqlError> {
    let mut rows = SystemTable::of_text(&[
        "Name",
        "Engine",
        "Version",
        "Row_format",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum",
        "Create_options",
        "Comment",
    ]);
    for table in view.open_database(database)?.tables() {
        let mut row =
            vec![Cell::from(table.name()), "StarRocks".into(), Cell::Null, "".into(), table.snapshot().rows().into()];
        row.resize(11, Cell::Null);
        row.push(time_text(table.created_at()).into());
        row.resize(14, Cell::Null);
        row.extend(["utf8_general_ci".into(), Cell::Null, "".into(), table.definition().comment.as_str().into()]);
        rows.push(row);
    }
    Ok(rows)
}

fn partitions(view: &SessionView<'_>, name: &TableName, temporary: bool) -> Result<SystemTable, SqlError> {
    let table = view.open_table(name)?;
    let definition = table.definition();
    let mut rows = SystemTable::of_text(&[
        "PartitionId",
        "PartitionName",
        "VisibleVersion",
        "VisibleVersionTime",
        "VisibleVersionHash",
        "State",
        "PartitionKey",
        "List",
        "DistributionKey",
        "Buckets",
        "ReplicationNum",
        "StorageMedium",
        "CooldownTime",
        "LastConsistencyCheckTime",
        "DataSize",
        "StorageSize",
        "IsInMemory",
        "RowCount",
        "DataVersion",
        "VersionEpoch",
        "VersionTxnType",
        "TabletBalanced",
    ]);
    let (_, distribution, buckets) = distribution_parts(&definition.distribution);
    for partition in table.snapshot().partitions.iter().filter(|partition| partition.is_temp == temporary) {
        let size = format!("{}B", partition.bytes());
        rows.push(vec![
            partition.id.into(),
            partition.name.as_str().into(),
            partition.version.into(),
            time_text(partition.changed_at).into(),
            "0".into(),
            "NORMAL".into(),
            definition.partitioning.columns().join(", ").into(),
            partition_value_text(partition).into(),
            if distribution.is_empty() { "ALL KEY".into() } else { distribution.replace('`', "").into() },
            buckets.into(),
            "1".into(),
            "SSD".into(),
            "9999-12-31 23:59:59".into(),
            Cell::Null,
            size.as_str().into(),
            size.into(),
            "false".into(),
            partition.rows().into(),
            partition.version.into(),
            "0".into(),
            "TXN_NORMAL".into(),
            "true".into(),
        ]);
    }
    Ok(rows)
}

fn variables(view: &SessionView<'_>) -> SystemTable {
    let mut table = SystemTable::of_text(&["Variable_name", "Value"]);
    view.variables.iter().for_each(|(name, value)| table.push(vec![name.into(), value.into()]));
    table
}

/// The one BE, under the address where it really listens, so that clients can trust redirects to it.
fn backends(view: &SessionView<'_>) -> SystemTable {
    let be = view.services.addresses.be;
    let started = time_text(view.services.started_at);
    let snapshot_rows: usize = view
        .services
        .warehouse
        .databases()
        .iter()
        .flat_map(|database| database.tables())
        .map(|table| table.snapshot().partitions.len())
        .sum();
    let mut table = SystemTable::of_text(&[
        "BackendId",
        "IP",
        "HeartbeatPort",
        "BePort",
        "HttpPort",
        "BrpcPort",
        "LastStartTime",
        "LastHeartbeat",
        "Alive",
        "SystemDecommissioned",
        "ClusterDecommissioned",
        "TabletNum",
        "DataUsedCapacity",
        "AvailCapacity",
        "TotalCapacity",
        "UsedPct",
        "MaxDiskUsedPct",
        "ErrMsg",
        "Version",
        "Status",
        "DataTotalCapacity",
        "DataUsedPct",
        "CpuCores",
        "MemLimit",
        "NumRunningQueries",
        "MemUsedPct",
        "CpuUsedPct",
    ]);
    table.push(vec![
        "10001".into(),
        be.ip().to_string().into(),
        "0".into(),
        "0".into(),
        be.port().to_string().into(),
        "0".into(),
        started.as_str().into(),
        time_text(jiff::Timestamp::now()).into(),
        "true".into(),
        "false".into(),
        "false".into(),
        snapshot_rows.into(),
        "0.000 ".into(),
        "1.000 GB".into(),
        "1.000 GB".into(),
        "0.00 %".into(),
        "0.00 %".into(),
        "".into(),
        format!("{}-minirocks", view.services.config.version()).into(),
        "{}".into(),
        "1.000 GB".into(),
        "0.00 %".into(),
        "1".into(),
        "2.000GB".into(),
        "0".into(),
        "0.00 %".into(),
        "0.0 %".into(),
    ]);
    table
}

fn frontends(view: &SessionView<'_>) -> SystemTable {
    let addresses = view.services.addresses;
    let mut table = SystemTable::of_text(&[
        "Id",
        "Name",
        "IP",
        "EditLogPort",
        "HttpPort",
        "QueryPort",
        "RpcPort",
        "Role",
        "ClusterId",
        "Join",
        "Alive",
        "ReplayedJournalId",
        "LastHeartbeat",
        "IsHelper",
        "ErrMsg",
        "StartTime",
        "Version",
    ]);
    let ip = addresses.http.ip().to_string();
    table.push(vec![
        "1".into(),
        format!("{ip}_0_1").into(),
        ip.into(),
        "0".into(),
        addresses.http.port().to_string().into(),
        addresses.mysql.port().to_string().into(),
        "0".into(),
        "LEADER".into(),
        "1".into(),
        "true".into(),
        "true".into(),
        "1".into(),
        time_text(jiff::Timestamp::now()).into(),
        "true".into(),
        "".into(),
        time_text(view.services.started_at).into(),
        format!("{}-minirocks", view.services.config.version()).into(),
    ]);
    table
}

/// The settings of a server that clients ask for, with the values that MiniRocks behaves by (StarRocks: FE configuration).
fn frontend_config() -> SystemTable {
    let mut table = SystemTable::of_text(&["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"]);
    for (key, value, kind) in [
        ("label_keep_max_second", "259200", "int"),
        ("max_running_txn_num_per_db", "1000", "int"),
        ("max_stream_load_timeout_second", "259200", "int"),
        ("prepared_transaction_default_timeout_second", "86400", "int"),
        ("run_mode", "shared_nothing", "String"),
        ("stream_load_default_timeout_second", "600", "int"),
    ] {
        let is_mutable = if key == "run_mode" { "false" } else { "true" };
        table.push(vec![key.into(), "[]".into(), value.into(), kind.into(), is_mutable.into(), "".into()]);
    }
    table
}

/// SHOW LOAD lists INSERTs, SHOW STREAM LOAD the others.
fn loads(view: &SessionView<'_>, database: Option<&str>, inserts: bool) -> Result<SystemTable, SqlError> {
    let mut table = SystemTable::of_text(&[
        "JobId",
        "Label",
        "State",
        "Progress",
        "Type",
        "Priority",
        "ScanRows",
        "FilteredRows",
        "UnselectedRows",
        "SinkRows",
        "EtlInfo",
        "TaskInfo",
        "ErrorMsg",
        "CreateTime",
        "EtlStartTime",
        "EtlFinishTime",
        "LoadStartTime",
        "LoadFinishTime",
        "TrackingSQL",
        "JobDetails",
        "Warehouse",
    ]);
    let database = view.open_database(database)?;
    let wanted = |transaction: &TransactionInfo| transaction.is_statement == inserts;
    for transaction in database.transactions().into_iter().filter(wanted) {
        let finished = transaction.state == LabelState::Visible;
        let state = match transaction.state {
            LabelState::Visible => "FINISHED",
            LabelState::Aborted => "CANCELLED",
            _ => "LOADING",
        };
        let began = time_text(transaction.began_at);
        let ended: Cell = transaction.ended_at.map(time_text).into();
        let reason = if transaction.reason.is_empty() { Cell::Null } else { transaction.reason.as_str().into() };
        table.push(vec![
            transaction.id.into(),
            transaction.label.as_str().into(),
            state.into(),
            if finished { "ETL:100%; LOAD:100%" } else { "ETL:N/A; LOAD:0%" }.into(),
            if inserts { "INSERT" } else { "STREAM_LOAD" }.into(),
            "NORMAL".into(),
            transaction.rows.into(),
            "0".into(),
            "0".into(),
            transaction.rows.into(),
            Cell::Null,
            Cell::Null,
            reason,
            began.as_str().into(),
            began.as_str().into(),
            began.as_str().into(),
            began.into(),
            ended,
            "".into(),
            "{}".into(),
            "".into(),
        ]);
    }
    Ok(table)
}
