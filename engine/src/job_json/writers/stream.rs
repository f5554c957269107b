//! `stream`, `streamwriter`: rows are printed, put into a file, or read and dropped to see how fast a reader is.

use super::super::context::Context;
use super::super::parameters::Parameters;
use super::super::plan::{Sink, Target};
use super::super::script;
use crate::error::Result;

pub(super) fn plan(parameters: &Parameters<'_>, context: &mut Context) -> Result<Sink> {
    let path = parameters.text_if_any("path")?;
    let file = parameters.text_if_any("fileName")?;
    let print = parameters.flag("print")?.unwrap_or(true);
    let delimiter = parameters.text("fieldDelimiter")?.unwrap_or_else(|| "\t".to_owned());
    let null = parameters.text("nullFormat")?;
    for key in ["recordNumBeforeSleep", "sleepTime"] {
        parameters.ignore(key, "speed.record and mbps limit the speed", &mut context.notes);
    }
    parameters.skip(&["encoding", "envType", "column", "visible"]);
    let target = match (path, print) {
        (Some(path), _) => {
            let file = file.ok_or_else(|| parameters.wrong("fileName", "is missing beside path"))?;
            let bytes = syncline_sql::delimiter(&delimiter)
                .map_err(|error| parameters.wrong("fieldDelimiter", error.message))?;
            let null = context.write.string(&null.unwrap_or_else(|| "null".to_owned()))?;
            let options = [("format", "'text'".to_owned()), ("delimiter", script::delimiter(&bytes)), ("null", null)];
            Target::Files {
                location: context.write.string(&format!("{}/{file}", path.trim_end_matches('/')))?,
                clauses: Vec::new(),
                options: options.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                names: Vec::new(),
            }
        }
        (None, true) => Target::Print,
        (None, false) => Target::Files {
            location: "'discard:'".to_owned(),
            clauses: Vec::new(),
            options: Vec::new(),
            names: Vec::new(),
        },
    };
    Ok(Sink { before: Vec::new(), after: Vec::new(), target })
}
