//! `oss` (DataWorks), `ossreader` (DataX): objects of a bucket.

use super::super::bucket::{self, Side};
use super::super::context::Context;
use super::super::file_table;
use super::super::parameters::Parameters;
use super::super::plan::Source;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Source> {
    let catalog = bucket::catalog(parameters, context, Side::Source)?;
    // of Parquet and ORC DataWorks calls it path
    let key = if parameters.has("object") { "object" } else { "path" };
    let objects = parameters.texts(key)?;
    let location = file_table_location(parameters, key, &objects, &format!("{catalog}:/"))?;
    parameters.refuse("successOnNoObject", "an object that is not there is an error")?;
    parameters.skip(&["path", "envType", "guid", "connectionTimeout", "socketTimeout", "maxRetryTime"]);
    file_table::plan(parameters, context, &location, Vec::new())
}

/// One location of all paths, below `root`. A `*` goes through folders, as in DataX.
pub(super) fn file_table_location(
    parameters: &Parameters<'_>,
    key: &str,
    paths: &[String],
    root: &str,
) -> Result<String> {
    let deep = |path: &String| {
        let path = path.trim();
        let path = if root.is_empty() { path } else { path.trim_start_matches('/') };
        // a variable's braces are not ours
        format!("{root}{path}").replace("**", "*").replace('*', "**")
    };
    let paths: Vec<String> = paths.iter().map(deep).collect();
    match paths.as_slice() {
        [] => Err(parameters.wrong(key, "is missing")),
        [one] => Ok(one.clone()),
        several => {
            let is_list = |path: &&String| path.replace("${", "").matches(['{', ',']).next().is_some();
            if let Some(path) = several.iter().find(is_list) {
                let why = format!("has several paths, and a comma or brace in {path}, which marks a list of paths");
                return Err(parameters.wrong(key, why).hint("read that one by a job of its own, or write a * for it"));
            }
            let names: Vec<&str> = several.iter().filter_map(|path| path.strip_prefix(root)).collect();
            Ok(format!("{root}{{{}}}", names.join(",")))
        }
    }
}
