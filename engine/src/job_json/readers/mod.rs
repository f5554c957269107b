//! Readers: each plugin's parameters as a [`Source`].

mod database;
mod httpfile;
mod mysql;
mod oss;
mod starrocks;
mod stream;
mod txtfile;

use super::context::Context;
use super::model::Plugin;
use super::parameters::wrong;
use super::plan::Source;
use crate::error::Result;

/// Readers that are built.
const KNOWN: &[&str] = &["mysql", "starrocks", "httpfile", "oss", "txtfile", "stream"];

/// The source of a reader.
pub(crate) fn plan(plugin: &Plugin<'_>, context: &mut Context) -> Result<Source> {
    let parameters = &plugin.parameters;
    match plugin.name.as_str() {
        "httpfile" => httpfile::plan(parameters, context),
        "oss" => oss::plan(parameters, context),
        "txtfile" => txtfile::plan(parameters, context),
        "mysql" => mysql::plan(parameters, context),
        "starrocks" => starrocks::plan(parameters, context),
        "stream" => stream::plan(parameters, context),
        name => Err(unknown(&plugin.path, "reader", name, KNOWN)),
    }
}

/// The error for a plugin that is not built.
pub(crate) fn unknown(path: &str, what: &str, name: &str, known: &[&str]) -> crate::SynclineError {
    let message = match name {
        "odps" | "maxcompute" => format!("the {what} {name} (MaxCompute) is not built yet"),
        "kafka" => format!("the {what} kafka is not built yet"),
        _ => format!("there is no {what} {name}"),
    };
    wrong(path, message).hint(format!("{what}s that there are: {}", known.join(", ")))
}
