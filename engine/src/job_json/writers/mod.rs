//! Writers: each plugin's parameters as a [`Sink`].

mod mysql;
mod oss;
mod starrocks;
mod stream;
mod txtfile;

use super::context::Context;
use super::model::Plugin;
use super::plan::Sink;
use super::readers::unknown;
use crate::error::Result;

/// Writers that are built.
const KNOWN: &[&str] = &["mysql", "starrocks", "oss", "txtfile", "stream"];

/// The sink of a writer.
pub(crate) fn plan(plugin: &Plugin<'_>, context: &mut Context) -> Result<Sink> {
    let parameters = &plugin.parameters;
    match plugin.name.as_str() {
        "mysql" => mysql::plan(parameters, context),
        "oss" => oss::plan(parameters, context),
        "txtfile" => txtfile::plan(parameters, context),
        "starrocks" => starrocks::plan(parameters, context),
        "stream" => stream::plan(parameters, context),
        name => Err(unknown(&plugin.path, "writer", name, KNOWN)),
    }
}
