//! Writers: each plugin's parameters as a [`Sink`].

<<<<<<< HEAD
mod oss;
mod starrocks;
mod txtfile;
=======
mod mysql;
mod starrocks;
mod stream;
>>>>>>> refs/heads/jobs

use super::context::Context;
use super::model::Plugin;
use super::plan::Sink;
use super::readers::unknown;
use crate::error::Result;

/// Writers that are built.
<<<<<<< HEAD
const KNOWN: &[&str] = &["starrocks", "oss", "txtfile"];
=======
const KNOWN: &[&str] = &["mysql", "starrocks", "stream"];
>>>>>>> refs/heads/jobs

/// The sink of a writer.
pub(crate) fn plan(plugin: &Plugin<'_>, context: &mut Context) -> Result<Sink> {
    let parameters = &plugin.parameters;
    match plugin.name.as_str() {
<<<<<<< HEAD
        "oss" => oss::plan(parameters, context),
        "txtfile" => txtfile::plan(parameters, context),
=======
        "mysql" => mysql::plan(parameters, context),
>>>>>>> refs/heads/jobs
        "starrocks" => starrocks::plan(parameters, context),
        "stream" => stream::plan(parameters, context),
        name => Err(unknown(&plugin.path, "writer", name, KNOWN)),
    }
}
